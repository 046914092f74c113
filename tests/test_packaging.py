"""What is installed, and what is said about it: the wheel, the metadata, the documents, the checks."""

import importlib.util
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import Any

import click
import pytest

ROOT = Path(__file__).parent.parent
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
README = (ROOT / "README.md").read_text("utf-8")
FOLDERS = ("melodylc", "rewards", "cli", "data")
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
RUNTIME = "torch numpy click mido pretty-midi symusic safetensors platformdirs rich pillow".split()


def sources() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def installed_path(path: Path) -> str:
    """Where a source file lies once installed: cli/main.py -> melodylc/cli/main.py."""
    relative = path.relative_to(ROOT)
    return relative.as_posix() if relative.parts[0] == "melodylc" else f"melodylc/{relative.as_posix()}"


def setuptools_call(function: str, folder: Path, source: Path) -> Path:
    """Build with the installed setuptools, without the net; the file it made."""
    script = f"from setuptools import build_meta; print(build_meta.{function}({str(folder)!r}))"
    done = subprocess.run([sys.executable, "-c", script], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is packaged, so that building leaves nothing behind in the repository."""
    target = tmp_path_factory.mktemp("checkout")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, target)
    return target


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return setuptools_call("build_wheel", tmp_path_factory.mktemp("wheel"), checkout)


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the wheel puts into site-packages."""
    target = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(target)
    return target


def test_packages_are_the_folders_on_disk() -> None:
    found = {Path(installed_path(path)).parent.as_posix().replace("/", ".") for path in sources()}
    assert sorted(PYPROJECT["tool"]["setuptools"]["packages"]) == sorted(found)
    for package in found:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin is not None, f"{package} has no __init__.py"


def test_nothing_but_melodylc_reaches_site_packages(unpacked: Path) -> None:
    tops = {path.name for path in unpacked.iterdir()}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"melodylc"}


def test_the_wheel_holds_every_source_and_the_weights(unpacked: Path) -> None:
    kept = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    pretrained = (path for path in (ROOT / "melodylc" / "pretrained").iterdir() if path.is_file())
    page = (path for path in (ROOT / "melodylc" / "studio" / "page").rglob("*") if path.is_file())
    others = (
        ROOT / "melodylc" / "py.typed",
        ROOT / "rewards" / "panel.npz",
        ROOT / "melodylc" / "studio" / "openapi.json",
        *page,
    )
    wanted = {installed_path(path) for path in (*sources(), *pretrained, *others)}
    assert wanted == {name for name in kept if name.startswith("melodylc/")}


def test_the_source_distribution_builds_the_same_wheel(
    checkout: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("sdist")
    archive = setuptools_call("build_sdist", folder, checkout)
    with tarfile.open(archive) as packed:
        packed.extraction_filter = getattr(tarfile, "data_filter", None)  # not in 3.11.2, demanded by 3.12
        packed.extractall(folder)
    again = setuptools_call("build_wheel", folder, folder / archive.name.removesuffix(".tar.gz"))
    assert sorted(zipfile.ZipFile(again).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_runs_from_anywhere(unpacked: Path, tmp_path: Path) -> None:
    script = "import melodylc.cli.main as m; print(m.__file__, flush=True); m.main(['--version'])"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(unpacked)}, capture_output=True, text=True
    )
    where, version = done.stdout.splitlines()
    assert Path(where).is_relative_to(unpacked)
    assert version == f"melodylc {PYPROJECT['project']['version']}"


def test_metadata(unpacked: Path) -> None:
    (folder,) = unpacked.glob("*.dist-info")
    built = PathDistribution(folder)
    assert built.metadata["License-Expression"] == "MIT"
    assert built.metadata["Requires-Python"] == "<3.14,>=3.11"
    assert [(entry.name, entry.value) for entry in built.entry_points] == [("melodylc", "melodylc.cli.main:main")]
    needs = [need for need in built.requires or [] if "extra ==" not in need]
    assert sorted(re.split(r"[<>=]", need)[0] for need in needs) == sorted(RUNTIME)
    assert "torch<2.14,>=2.6" in needs
    assert (folder / "licenses" / "LICENSE").is_file()


def test_note_seq_is_an_extra_that_dev_includes() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    assert any(need.startswith("note-seq") for need in extras["note-seq"])
    assert "audioop-lts; python_version >= '3.13'" in extras["note-seq"]
    assert "melodylc[cluster,note-seq,image,judge,studio]" in extras["dev"]


def shell_lines(text: str) -> list[str]:
    """The command lines of a document's ``sh`` blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def test_the_readme_begins_with_the_main_job_and_the_tests() -> None:
    first, second = shell_lines(README)[:2]
    assert "melodylc generate --scale cmin --density medium -n 8 --seed 7 -o melodies" in first
    assert first.startswith(
        "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/melodylc generate "
    )
    assert second == ".venv/bin/python -m pytest"


def test_ci_installs_and_tests_as_the_readme_says() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    first, second = shell_lines(README)[:2]
    extras = re.findall(r"pip install -e '\.\[(.*?)\]' &&", first)[0].split(",")
    assert set(extras) <= {extra for found in re.findall(r"-e '\.\[(.*?)\]'", script) for extra in found.split(",")}
    assert second.removeprefix(".venv/bin/python") in script
    assert "$PWD/.venv" in script
    assert subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")]).returncode == 0


def melodylc_lines() -> list[str]:
    lines = [line for document in DOCUMENTS for line in shell_lines(document.read_text("utf-8"))]
    found = (re.search(r"(?:^|[/ ])melodylc ((?!$).*)", line) for line in lines)
    return [match[1] for match in found if match]


@pytest.mark.parametrize("line", melodylc_lines())
def test_documented_commands_exist_with_their_options(line: str) -> None:
    from melodylc.cli.main import group

    words = shlex.split(line)
    command: click.Command = group
    context = click.Context(group, info_name="melodylc")
    while isinstance(command, click.Group):
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command, context = found, click.Context(found, context)
    command.make_parser(context).parse_args(words)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text("utf-8"))
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert not missing


def tree_paths(text: str) -> list[str]:
    """The paths of a drawn tree, whose levels are four columns wide."""
    trail: list[str] = []
    paths = []
    for match in re.finditer(r"^((?:│   |    )*)[├└]── (\S+)", text, re.MULTILINE):
        trail[len(match[1]) // 4 :] = [match[2].rstrip("/")]
        paths.append("/".join(trail))
    return paths


def test_the_documents_show_the_house_as_it_is() -> None:
    drawn = tree_paths((ROOT / "docs" / "explanation" / "architecture.md").read_text("utf-8"))
    missing = [path for path in drawn if not (ROOT / path).exists()]
    assert not missing
    packages = {path.parent.relative_to(ROOT).as_posix() for path in sources()}
    assert packages <= set(drawn)


TEXTS = [
    *DOCUMENTS,
    *sources(),
    *sorted((ROOT / "tests").glob("*.py")),
    *(ROOT / name for name in ("pyproject.toml", "Makefile", ".ci/run", ".gitignore")),
]
PRIVATE = re.compile(
    r"(?<![\w.])/(?:work|root|home|Users|opt|mnt)/[\w.]|\b(?:files\.pythonhosted|download\.pytorch|pypi)\.org"
)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_text_names_a_machine(path: Path) -> None:
    assert not PRIVATE.findall(path.read_text("utf-8"))


@pytest.mark.parametrize(
    "script", sorted((*ROOT.glob("benchmarks/*.py"), *ROOT.glob("tools/*.py"))), ids=lambda path: path.name
)
def test_a_script_finds_what_it_imports(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(script.parent))
    try:
        found = runpy.run_path(str(script))
    except ModuleNotFoundError as missing:
        if missing.name not in ("music21", "playwright"):
            raise
        pytest.skip(f"{missing.name} isn't installed: pip install -e '.[oracles,e2e]'")
    assert callable(found["main"])
