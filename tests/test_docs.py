"""What the docs show is so: the notebook and the example of a method run, and the manifest's page names every field."""

import ast
import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import melodylc
from melodylc.sampling import methods

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "docs" / "tutorials" / "own-rule.ipynb"
DIGITS = ROOT / "docs" / "tutorials" / "digits.ipynb"
MANIFEST = (ROOT / "docs" / "reference" / "manifest.md").read_text("utf-8")


def cells(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook."""
    notebook = json.loads(path.read_text("utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    found: list[dict[str, Any]] = notebook["cells"]
    return found


def run_notebook(path: Path) -> list[Any]:
    """Run all cells; the values that they show."""
    names: dict[str, Any] = {}
    shown = []
    for cell in cells(path):
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, path.name, "exec"), names)
        if isinstance(last, ast.Expr):
            shown.append(eval(compile(ast.Expression(last.value), path.name, "eval"), names))
    return shown


def test_the_notebook_of_digits_runs_and_shows_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = run_notebook(DIGITS)
    assert sum(it._repr_png_().startswith(b"\x89PNG") for it in shown if hasattr(it, "_repr_png_")) == 3
    assert shown[1] == [(("7",), ("7",), True, 1)] * 8
    assert (tmp_path / "sevens" / "manifest.json").exists()
    assert (tmp_path / "sevens.png").exists()


def test_the_notebook_runs_and_shows_melodies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = run_notebook(NOTEBOOK)
    bundles = [it._repr_mimebundle_() for it in shown if hasattr(it, "_repr_mimebundle_")]
    assert sum("<svg" in "".join(bundle.values()) for bundle in bundles) == 3  # two generations and a transformation
    assert (tmp_path / "dorian" / "manifest.json").exists()


@pytest.mark.parametrize("path", [NOTEBOOK, DIGITS], ids=lambda path: path.stem)
def test_the_notebook_holds_no_output_and_its_cells_are_told_apart(path: Path) -> None:
    found = cells(path)
    assert len({cell["id"] for cell in found}) == len(found)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in found)


def test_the_manifest_s_page_names_every_field_of_pictures(tmp_path: Path) -> None:
    melodylc.image.generate(7, n=1, seed=7).save(tmp_path / "sevens")
    melodylc.image.transform(tmp_path / "sevens" / "7-01.png", 9, dataset="mnist").save(tmp_path / "nine")
    for folder in ("sevens", "nine"):
        manifest = json.loads((tmp_path / folder / "manifest.json").read_text("utf-8"))
        fields = {*manifest, *(name for entry in manifest["files"] for name in entry)}
        assert not {name for name in fields if f"`{name}`" not in MANIFEST}


@pytest.fixture
def climb(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The example of a method, registered as long as the test runs."""
    monkeypatch.setattr(methods, "_REGISTERED", {})
    path = ROOT / "docs" / "examples" / "own_method.py"
    spec = importlib.util.spec_from_file_location("own_method", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "own_method", module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_a_method_registered_from_outside_is_one_like_the_others(climb: Any) -> None:
    assert "climb" in methods.method_names()
    assert methods.find_method("climb") is climb.HillClimbing
    two = melodylc.generate(scale="d dorian", n=2, seed=7, method="climb")
    assert all(tune.passed for tune in two)
    assert [tune.melody for tune in melodylc.generate(scale="d dorian", n=1, seed=7, method="climb")] == [two[0].melody]
    assert two[0].details["changes"] > 0


def test_the_manifest_s_page_names_every_field(tmp_path: Path) -> None:
    tunes = melodylc.generate(scale="cmaj", n=1, seed=7, best_of=2)
    folder = tunes.save(tmp_path / "out", formats=("midi", "json"), transpose=2)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    melody = json.loads(next(folder.glob("*01.json")).read_text("utf-8"))
    named = set(re.findall(r"`(\w+)`", MANIFEST))
    assert {*manifest, *manifest["request"], *manifest["files"][0], *melody} <= named
    assert manifest["format"].split("/")[0] in MANIFEST
