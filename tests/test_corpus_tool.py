"""`tools/corpus.py`: from small folders that look like the clones to a corpus, and a word on every file."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from corpus_midi import midi, tune, write_folder
from test_corpus_build import reel

from melodylc.data.errors import InputError
from melodylc.data.windows import DEFAULT_FILTERS

TOOL = Path(__file__).parent.parent / "tools" / "corpus.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    about = importlib.util.spec_from_file_location("corpus_tool", TOOL)
    assert about
    assert about.loader
    module = importlib.util.module_from_spec(about)
    about.loader.exec_module(module)
    return module


def clones(folder: Path) -> list[Path]:
    book = f"X:1\nT:The High Road\n{reel('C', 16)}\nX:2\nT:A Waltz\nM:3/4\nK:C\n{'C6|' * 30}\n"
    corpus = "music21/corpus"
    write_folder(
        folder / "music21",
        {
            f"{corpus}/oneills1850/0001-0050.abc": book.encode(),
            f"{corpus}/ryansMammoth/Reel.abc": f"X:1\nT:High Road\n{reel('D', 17)}".encode(),
            f"{corpus}/airdsAirs/book1.abc": f"X:1\nT:Air\n{reel('G', 5)}".encode(),
            f"{corpus}/bach/bwv1.6.mxl": b"PK",
        },
    )
    kern = b"**kern\n*M4/4\n" + b"4c\n4d\n4e\n4f\n=\n" * 3 + b"*-\n"
    write_folder(folder / "humdrum-chopin-first-editions", {f"kern/001-1-{end}.krn": kern for end in ("BRZ", "HO")})
    write_folder(folder / "folk_ngram_analysis", {"cre_corpus/MIDI/AnReelThe.mid": midi(tune(4)), "other.mid": b""})
    return [folder / name for name in ("music21", "humdrum-chopin-first-editions", "folk_ngram_analysis")]


def test_every_file_of_the_clones_has_a_line(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = tool.rebuild(tmp_path / "corpus", clones(tmp_path / "clones"), DEFAULT_FILTERS, 0, 1)
    assert corpus.collections == ["airds", "chopin_first_editions", "cre", "oneills1850", "ryans_mammoth"]
    rows = [line.split("\t") for line in (tmp_path / "corpus.tsv").read_text("utf-8").splitlines()[1:]]
    assert [(row[0], row[1].rpartition("/")[2], row[2]) for row in rows] == [
        ("airds", "book1.abc book1.abc_1_Air", "fewer than 16 bars of 4/4 in a row"),
        ("oneills1850", "0001-0050.abc 0001-0050.abc_1_The_High_Road", "gave melodies"),
        ("oneills1850", "0001-0050.abc 0001-0050.abc_2_A_Waltz", "in 3/4"),
        ("ryans_mammoth", "Reel.abc Reel.abc_1_High_Road", "gave melodies"),
        ("chopin_first_editions", "001-1-BRZ.krn", "fewer than 16 bars of 4/4 in a row"),
        ("chopin_first_editions", "001-1-HO.krn", "left out"),
        ("cre", "AnReelThe.mid", "gave melodies"),
    ]
    shown = capsys.readouterr().out
    assert "another printing" in (tmp_path / "corpus.tsv").read_text("utf-8")
    assert shown.splitlines()[-1].startswith("of every file: ")
    # The same tune in two books is one work, as in the shared archives.
    assert {piece.work for piece in corpus.pieces if "High_Road" in piece.file} == {"tune/highroad"}


def test_folders_that_are_no_clones_are_refused(tool: ModuleType, tmp_path: Path) -> None:
    for folder, why in (("elsewhere", "no source is called 'elsewhere'"), ("Lieder", r"no \*\*/\*\.mxl in")):
        with pytest.raises(InputError, match=why):
            tool.rebuild(tmp_path / "corpus", [write_folder(tmp_path / folder, {"a.txt": b""})], DEFAULT_FILTERS)
    words = [sys.executable, str(TOOL), str(tmp_path / "corpus"), str(tmp_path / "elsewhere")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert not (tmp_path / "corpus").exists()
