"""The house in figures: names, modules, circles, lines, words. The bars stand in docs/experiments/benchmarks.md.

    python benchmarks/house.py [--names]

Everything is read from the sources (`ast`) and the Markdown files; nothing is imported. `benchmarks/start.py --trace`
measures what one melody enters and how deep it goes.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"melodylc": "melodylc", "rewards": "melodylc.rewards", "cli": "melodylc.cli", "data": "melodylc.data"}
VAGUE = set("told made kept said known drawn shown given taken found begun meant heard seen done".split())
NOT_PARTICIPLES = {"bed", "embed", "feed", "need", "red", "seed", "speed"}
THROWN_AWAY = re.compile(r"throw-?away|\blater script\b", re.IGNORECASE)

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def sources(root: Path = ROOT) -> dict[str, Path]:
    """Every module of the package, by its dotted name."""
    return {
        module_name(path, root): path
        for folder in FOLDERS
        for path in sorted((root / folder).rglob("*.py"))
        if "__pycache__" not in path.parts
    }


def module_name(path: Path, root: Path = ROOT) -> str:
    """The dotted name that a file is imported by."""
    folder, *rest = path.relative_to(root).with_suffix("").parts
    return ".".join([FOLDERS[folder], *rest]).removesuffix(".__init__")


def parse_all(modules: Mapping[str, Path]) -> dict[str, ast.Module]:
    """The syntax trees of modules."""
    return {name: ast.parse(path.read_text("utf-8"), str(path)) for name, path in modules.items()}


def within(module: str, package: str) -> bool:
    """Whether a module is a package or lies in it."""
    return module == package or module.startswith(f"{package}.")


# -- names -------------------------------------------------------------------------------------


def names(trees: Mapping[str, ast.Module]) -> Iterator[tuple[str, str]]:
    """Module and name of every function, method and class, nested ones too; Python's own ``__names__`` aside."""
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, Definition) and not (node.name.startswith("__") and node.name.endswith("__")):
                yield module, node.name.lstrip("_")


def is_vague(name: str) -> bool:
    """Whether a name is one word in -ed, or one of `VAGUE`.

    >>> [is_vague(name) for name in ("moved", "Made", "seed", "moved_notes", "MovedNotes", "drawn")]
    [True, True, False, False, False, True]
    """
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)
    word = words[0].lower() if len(words) == 1 else ""
    return word in VAGUE or (word.endswith("ed") and word not in NOT_PARTICIPLES)


def public_names(tree: ast.Module) -> set[str]:
    """Functions, classes and type aliases that a module defines at its top; constants in capitals are its own."""
    found = set()
    for node in tree.body:
        if isinstance(node, Definition):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return {name for name in found if not name.startswith("_") and not re.fullmatch(r"[A-Z][A-Z0-9_]*", name)}


def duplicates(trees: Mapping[str, ast.Module]) -> tuple[int, dict[str, list[str]]]:
    """How many public names there are, and the modules of each that more than one defines; `cli/` isn't counted."""
    modules = defaultdict(list)
    for module, tree in trees.items():
        if not within(module, "melodylc.cli"):
            for name in public_names(tree):
                modules[name].append(module)
    return len(modules), {name: sorted(where) for name, where in sorted(modules.items()) if len(where) > 1}


# -- modules and packages ----------------------------------------------------------------------


def loose(modules: Mapping[str, Path]) -> list[str]:
    """Modules of `melodylc/` that stand in no package."""
    return [
        name
        for name, path in modules.items()
        if re.fullmatch(r"melodylc\.\w+", name) and path.name not in ("__init__.py", "__main__.py")
    ]


def package(module: str) -> str:
    """The package of the first level that a module belongs to; a loose module is one by itself.

    >>> package("melodylc.data.formats.render"), package("melodylc.constraints.request"), package("melodylc")
    ('melodylc.data', 'melodylc.constraints.request', 'melodylc')
    """
    return ".".join(module.split(".")[:2])


def imports(tree: ast.AST, modules: Iterable[str]) -> Iterator[str]:
    """Modules that a tree imports anywhere, in functions and for type checkers too."""
    modules = set(modules)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in modules else str(node.module)


def arrows(trees: Mapping[str, ast.Module]) -> dict[str, set[str]]:
    """Which package imports which others; a loose module counts as one.

    The front doors, `melodylc` and `melodylc.__main__`, aren't counted: they hand out whatever there is, when
    it is asked for, and only `__version__` is imported from there.
    """
    doors = ("melodylc", "melodylc.__main__")
    found: dict[str, set[str]] = {package(module): set() for module in trees if module not in doors}
    for module, tree in trees.items():
        if module in doors:
            continue
        ours = {package(target) for target in imports(tree, trees) if within(target, "melodylc")}
        found[package(module)] |= (ours & found.keys()) - {package(module)}
    return found


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Sets of packages each of which can be reached from each other."""
    reach = {name: set(targets) for name, targets in graph.items()}
    for middle in graph:
        for name in graph:
            if middle in reach[name]:
                reach[name] |= reach[middle]
    groups = {tuple(sorted(it for it in reach[name] if name in reach[it])) for name in graph if name in reach[name]}
    return [list(group) for group in sorted(groups)]


# -- texts -------------------------------------------------------------------------------------


def documents(root: Path = ROOT) -> list[Path]:
    """README and everything under `docs/`."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]


def uncited(text: str, root: Path = ROOT) -> list[int]:
    r"""Numbers of the lines whose figures come of no command of the repository.

    Those that name a throw-away script, or one of `benchmarks/` and `tools/` that isn't there.

    >>> uncited("Rates\n0.51, single runs of a throw-away script\nby `python benchmarks/start.py`")
    [2]
    >>> uncited("by `python benchmarks/nowhere.py`")
    [1]
    """
    return [
        number
        for number, line in enumerate(text.splitlines(), 1)
        if THROWN_AWAY.search(line)
        or not all((root / path).exists() for path in re.findall(r"\b(?:benchmarks|tools)/\w+\.py", line))
    ]


@click.command()
@click.option("--names", "each", is_flag=True, help="List the names, modules and lines, too.")
def main(each: bool) -> None:
    """Print each figure, one a line."""
    modules = sources()
    trees = parse_all(modules)
    every = list(names(trees))
    vague = [(module, name) for module, name in every if is_vague(name)]
    total, twice = duplicates(trees)
    single, graph = loose(modules), arrows(trees)
    round_trips = circles(graph)
    texts = {path: path.read_text("utf-8") for path in documents()}
    blank = {path: uncited(text) for path, text in texts.items()}
    lines = {folder: sum(_lines(path) for path in (ROOT / folder).rglob("*.py")) for folder in (*FOLDERS, "tests")}

    click.echo(f"names of one participle or vague word   {len(vague) / len(every):.1%} ({len(vague)} of {len(every)})")
    _list(each, (f"{name:20} {module}" for module, name in sorted(vague, key=lambda it: it[::-1])))
    click.echo(f"public names in more than one module    {len(twice)} of {total}")
    _list(each, (f"{name:20} {', '.join(where)}" for name, where in twice.items()))
    click.echo(f"loose modules in melodylc/              {len(single)}")
    _list(each, single)
    click.echo(
        f"packages; arrows; circles between them  {len(graph)}; {sum(map(len, graph.values()))}; {len(round_trips)}"
    )
    _list(each, map(", ".join, round_trips))
    click.echo(f"lines of code; of tests                 {sum(lines.values()) - lines['tests']:,}; {lines['tests']:,}")
    click.echo(
        f"words of README; of all documentation   {_words([texts[ROOT / 'README.md']]):,}; {_words(texts.values()):,}"
    )
    click.echo(f"figures without a command, lines        {sum(map(len, blank.values()))}")
    _list(each, (f"{path.relative_to(ROOT)}:{line}" for path, found in blank.items() for line in found))


def _lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def _words(texts: Iterable[str]) -> int:
    return sum(len(text.split()) for text in texts)


def _list(each: bool, lines: Iterable[str]) -> None:
    for line in lines if each else ():
        click.echo(f"  {line}")


if __name__ == "__main__":
    main()
