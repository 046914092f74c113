"""The house keeps its shape: who may import whom, what stays lazy, one name in one place."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import house  # benchmarks/house.py, which prints the same as figures
import pytest
from house import within

ROOT = Path(__file__).parent.parent
SOURCES = house.sources(ROOT)
LAYERS = ("melodylc.data", "melodylc.rewards", "melodylc", "melodylc.cli")  # each may import itself and those before
HEAVY = (
    "torch",
    "symusic",
    "pretty_midi",
    "note_seq",
    "mido",
    "numpy",
    "safetensors",
    "rich",
    "platformdirs",
    "PIL",
    "sklearn",
    "starlette",
    "uvicorn",
)
LATENT_MAY_IMPORT = ("torch", "numpy", "safetensors", "melodylc.latent", "melodylc.data.errors", "melodylc.data.files")


# Inside `melodylc/`: each may import itself, those before, and packages that aren't named here.
INSIDE = ("latent", "models", "constraints", "sampling", "editing", "service", "studio")
# Packages that import one another. None should.
CIRCLES: list[list[str]] = []
# Public names that more than one module defines, each with the reason why that is well.
SHARED_NAMES = {
    "Piece": "of a corpus, and what is rendered",
    "Samples": "of sound, and of latent space",
    "fit": "the verb of the package; in latent/, of vectors",
    "form": "a reward; and an edit operator whose name stands in actors' files",
    "generate": "the verb of the package, of melodies and of pictures",
    "load_model": "the verb of the package calls the other",
    "main": "what a process begins with",
    "morph": "the verb of the package; and what it does with melodies",
    "transform": "the verb of the package, of melodies and of pictures",
}


class Import(NamedTuple):
    target: str  # dotted module
    line: int
    at_top: bool  # executed when the module is imported


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(tree: ast.AST, at_top: bool = True) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, at_top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (Import(target, node.lineno, at_top) for target in origins(node))
        deferred = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or is_type_checking(node)
        yield from imports(node, at_top and not deferred)


def origins(node: ast.ImportFrom) -> Iterator[str]:
    """`from melodylc.data import midi` imports the module melodylc.data.midi, not only the package."""
    assert node.level == 0, f"line {node.lineno}: relative import"
    for alias in node.names:
        whole = f"{node.module}.{alias.name}"
        yield whole if whole in SOURCES else str(node.module)


def layer(module: str) -> int:
    return max((index for index, package in enumerate(LAYERS) if within(module, package)), key=lambda i: len(LAYERS[i]))


def parse(module: str) -> ast.Module:
    return ast.parse(SOURCES[module].read_text("utf-8"), str(SOURCES[module]))


every_module = pytest.mark.parametrize("module", SOURCES)


@pytest.mark.parametrize(
    ("module", "expected"),
    [("melodylc.data.midi", 0), ("melodylc.rewards", 1), ("melodylc.latent.actor", 2), ("melodylc.cli.main", 3)],
)
def test_layers_are_told_apart(module: str, expected: int) -> None:
    assert layer(module) == expected


# melodylc.__main__ is the command line by another name.
@pytest.mark.parametrize("module", [name for name in SOURCES if name != "melodylc.__main__"])
def test_imports_point_downwards(module: str) -> None:
    ours = [found for found in imports(parse(module)) if within(found.target, "melodylc")]
    upwards = [found for found in ours if layer(found.target) > layer(module)]
    assert not upwards, f"{module} may import only {LAYERS[: layer(module) + 1]}"


def test_packages_inside_point_downwards_too() -> None:
    graph = house.arrows(house.parse_all(SOURCES))
    order = [f"melodylc.{name}" for name in INSIDE]
    upwards = [(name, it) for i, name in enumerate(order) for it in graph.get(name, set()) & set(order[i + 1 :])]
    assert not upwards


def test_no_packages_import_one_another() -> None:
    assert house.circles(house.arrows(house.parse_all(SOURCES))) == CIRCLES


def test_a_circle_is_seen() -> None:
    trees = {f"melodylc.{name}": ast.parse(text) for name, text in (("a", "import melodylc.b"), ("c", "import ast"))}
    trees["melodylc.b"] = ast.parse("def late():\n    from melodylc import a, c")
    assert house.circles(house.arrows(trees)) == [["melodylc.a", "melodylc.b"]]


def test_a_public_name_has_one_place() -> None:
    twice = house.duplicates(house.parse_all(SOURCES))[1]
    assert twice.keys() == SHARED_NAMES.keys(), {
        name: where for name, where in twice.items() if name not in SHARED_NAMES
    }
    assert all(SHARED_NAMES.values())


@pytest.mark.parametrize("module", [name for name in SOURCES if within(name, "melodylc.latent")])
def test_latent_knows_no_melodies(module: str) -> None:
    allowed = (*LATENT_MAY_IMPORT, *sys.stdlib_module_names)
    strangers = [
        found for found in imports(parse(module)) if not any(within(found.target, package) for package in allowed)
    ]
    assert not strangers


def test_the_studio_is_a_house_of_its_own() -> None:
    """Nothing needs it but its command, and nothing else knows of HTTP."""
    for module in (name for name in SOURCES if not within(name, "melodylc.studio")):
        found = {entry.target for entry in imports(parse(module))}
        assert not [name for name in found if name.split(".")[0] in ("starlette", "uvicorn")], module
        assert module == "melodylc.cli.studio" or not [name for name in found if within(name, "melodylc.studio")], (
            module
        )
    # What can be done there is known without a word of HTTP.
    talkers = {"access", "routes", "server", "streams"}
    for module in (name for name in SOURCES if within(name, "melodylc.studio")):
        if module.rpartition(".")[2] not in talkers:
            found = {entry.target for entry in imports(parse(module))}
            assert not [name for name in found if name.split(".")[0] in ("starlette", "uvicorn")], module
            assert not [name for name in found if name in {f"melodylc.studio.{it}" for it in talkers}], module


@every_module
def test_heavy_imports_stay_where_they_are_needed(module: str) -> None:
    forbidden = {"pretty_midi", "note_seq", "PIL", "sklearn"}
    if layer(module) in (0, 1, 3) or module in ("melodylc", "melodylc.__main__", "melodylc.pretrained"):
        forbidden |= {"torch", "safetensors"}
    if not within(module, "melodylc.data"):
        forbidden |= {"symusic"}
    if not within(module, "melodylc.cli"):
        forbidden |= {"rich", "click"}
    found = [entry for entry in imports(parse(module)) if entry.at_top and entry.target.split(".")[0] in forbidden]
    assert not found, f"import inside the function that needs it: {found}"


def loaded_by(statement: str) -> set[str]:
    """Which of HEAVY a fresh interpreter has loaded after a statement."""
    script = f"import sys\n{statement}\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()) if done.stdout.strip() else set()


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import melodylc, melodylc.data", set[str]()),
        ("import melodylc.rewards", {"numpy"}),
        ("import melodylc; melodylc.__version__", set[str]()),
        ("from melodylc import InputError, Scale, parse_scale", set[str]()),
        ("from melodylc import Melody, Note", {"numpy"}),
        ("from melodylc import midi_bytes, read_midi, write_midi", {"numpy", "mido"}),
        ("import melodylc.cli.main, melodylc.cli.ui", set[str]()),
        ("from melodylc.cli.main import run; run(['--help'])", set[str]()),
        ("from melodylc.cli.main import run; run(['--version'])", set[str]()),
    ],
)
def test_a_fresh_interpreter_loads_no_more_than_it_uses(statement: str, allowed: set[str]) -> None:
    assert loaded_by(statement) <= allowed


def test_public_names_are_all_there() -> None:
    import melodylc

    for name in melodylc.__all__:
        assert getattr(melodylc, name) is not None
    assert set(melodylc.__all__) <= set(dir(melodylc))
    with pytest.raises(AttributeError, match="no attribute 'Melodie'"):
        _ = melodylc.Melodie


@every_module
def test_a_module_says_what_it_is(module: str) -> None:
    tree = parse(module)
    assert ast.get_docstring(tree), f"{module} has no docstring"
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", SOURCES[module].read_text("utf-8"))


@every_module
def test_no_assert_stands_in_for_an_error(module: str) -> None:
    found = [node.lineno for node in ast.walk(parse(module)) if isinstance(node, ast.Assert)]
    assert not found, f"raise an InputError instead, lines {found}"


@every_module
def test_public_functions_and_classes_are_documented(module: str) -> None:
    for node in parse(module).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            overload = any(ast.unparse(decorator) == "overload" for decorator in node.decorator_list)
            assert overload or ast.get_docstring(node), f"{node.name} has no docstring"
