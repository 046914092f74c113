"""From clones of the repositories that the model card names to the corpus that the shipped model is trained on.

    python tools/corpus.py CORPUS CLONE... [--workers N] [--windows phrases|every-bar] [--heldout SHARE]

A CLONE is a folder called as its repository is (`Lieder`, `StringQuartets`, `OpenEWLD`, `humdrum-polish-scores`,
`humdrum-chopin-first-editions`, `folk_ngram_analysis`, `music21`; of the last the installed package will do). Each is
taken as far as the card says, a piece a file, under the collection's name and the names that `melodylc.data.works`
knows works by, so the same works are held out. Chopin's first editions: one printing of each piece.

`CORPUS.tsv` says of every file of the clones what became of it: a line each, with tabs.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from melodylc.data.build import HELDOUT_SHARE, build
from melodylc.data.corpus import FILES, Corpus
from melodylc.data.errors import InputError
from melodylc.data.files import atomic_write
from melodylc.data.readers import pieces
from melodylc.data.windows import Filters

_NAME_LENGTH = 90  # characters; works are known by the ends of longer names


class Source(NamedTuple):
    """Where a collection's files lie in a clone, and of which commit the card's figures are."""

    collection: str
    clone: str
    commit: str
    pattern: str


SOURCES = (
    Source("airds", "music21", "", "**/corpus/airdsAirs/*.abc"),
    Source("chopin_first_editions", "humdrum-chopin-first-editions", "95dfb10", "**/*.krn"),
    Source("cre", "folk_ngram_analysis", "9d8ccf9", "cre_corpus/MIDI/*.mid"),
    Source("oneills1850", "music21", "", "**/corpus/oneills1850/*.abc"),
    Source("openewld", "OpenEWLD", "ec03cbd", "**/*.mxl"),
    Source("openscore_lieder", "Lieder", "bca1224", "**/*.mxl"),
    Source("openscore_quartets", "StringQuartets", "2c723a5", "**/*.mxl"),
    Source("polish_scores", "humdrum-polish-scores", "c040362", "**/*.krn"),
    Source("ryans_mammoth", "music21", "", "**/corpus/ryansMammoth/*.abc"),
)


class Row(NamedTuple):
    """A file of a clone: its collection, its path there, and the piece's name in the corpus, or why it has none."""

    collection: str
    path: str
    name: str
    reason: str = ""


def main() -> None:
    """Lay out the files of the clones, build the corpus, and say what became of each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("clones", type=Path, nargs="+")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--windows", choices=("phrases", "every-bar"), default="every-bar")
    parser.add_argument("--heldout", type=float, default=HELDOUT_SHARE)
    chosen = parser.parse_args()
    try:
        rebuild(chosen.corpus, chosen.clones, Filters(windows=chosen.windows), chosen.heldout, chosen.workers)
    except InputError as error:
        sys.exit(f"corpus.py: {error}")


def rebuild(
    target: Path, clones: list[Path], filters: Filters, heldout: float = HELDOUT_SHARE, workers: int | None = None
) -> Corpus:
    """Build the corpus of clones.

    Raises:
        InputError: a folder that no source is called, or without a file of it; whatever `build` refuses.
    """
    with tempfile.TemporaryDirectory(prefix="melodylc-corpus-") as temporary:
        rows = [row for clone in clones for row in lay_out(clone, Path(temporary))]
        folders = sorted(Path(temporary).iterdir())
        corpus = build(folders, target, filters=filters, heldout=heldout, workers=workers)
    outcomes = {}
    for line in (corpus.folder / FILES).read_text(encoding="utf-8").splitlines()[1:]:
        collection, name, *rest = line.split("\t")
        outcomes[collection, name] = rest
    lines = ["\t".join(("collection", "path", "outcome", "reason", "tracks", "windows", "train", "heldout", "remarks"))]
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        said = outcomes[row.collection, row.name] if row.name else ["left out", row.reason]
        counts[row.collection, said[0]] += 1
        lines.append("\t".join((row.collection, row.path, *said)))
    with atomic_write(target.with_name(f"{target.name}.tsv"), "w") as file:
        file.write("\n".join(lines) + "\n")
    for (collection, outcome), count in sorted(counts.items()):
        print(f"{collection:24}{outcome:44}{count:>7,}")
    print(f"{corpus}\nof every file: {target}.tsv")
    return corpus


def lay_out(clone: Path, folder: Path) -> Iterator[Row]:
    """Write the pieces of a clone into folders called as its collections.

    Raises:
        InputError: no source is called so, or none of its files is there.
    """
    name = clone.resolve().name
    sources = [source for source in SOURCES if source.clone == name]
    if not sources:
        known = ", ".join(sorted({source.clone for source in SOURCES}))
        raise InputError(f"no source is called {name!r}; clones are called as their repositories: {known}")
    for source in sources:
        paths = sorted(clone.glob(source.pattern))
        if not paths:
            raise InputError(f"no {source.pattern} in {str(clone)!r}")
        _compare_commits(source, clone)
        (folder / source.collection).mkdir(exist_ok=True)
        printings: set[str] = set()
        number = 0
        for path in paths:
            within = path.relative_to(clone).as_posix()
            printing = re.sub(r"-[A-Za-z0-9_]*$", "", path.stem)
            if source.collection == "chopin_first_editions" and printing in printings:
                yield Row(source.collection, within, "", "another printing of a piece that was taken")
                continue
            printings.add(printing)
            for title, content in _pieces(path, within):
                called = f"{number:05d}-{title}{path.suffix}"
                (folder / source.collection / called).write_bytes(content)
                yield Row(source.collection, within if title == _flat(within) else f"{within} {title}", called)
                number += 1


def _pieces(path: Path, within: str) -> Iterator[tuple[str, bytes]]:
    """The pieces of a file with the names of the shared archives; of tunes, book, number and title."""
    content = path.read_bytes()
    if path.suffix != ".abc":
        yield _flat(within), content
        return
    for name, tune in pieces(content, path.name):
        if "#" not in name:  # a book of one tune
            titles = re.search(rb"^T:([^\r\n]*)", content, re.MULTILINE)
            name = f"{name}#1 {titles[1].decode('utf-8', 'replace').strip() if titles else ''}"
        yield re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[-_NAME_LENGTH:], tune


def _flat(within: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", within.rpartition(".")[0])[-_NAME_LENGTH:]


def _compare_commits(source: Source, clone: Path) -> None:
    """Say if a clone isn't at the commit of the card's figures."""
    git = shutil.which("git")
    if not (source.commit and git and (clone / ".git").exists()):
        return
    found = subprocess.run([git, "-C", clone, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if found.returncode == 0 and not found.stdout.startswith(source.commit):
        print(f"{source.clone} is at {found.stdout[:7]}; the card's figures are of {source.commit}", file=sys.stderr)


if __name__ == "__main__":
    main()
