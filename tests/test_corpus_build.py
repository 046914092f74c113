"""Building a corpus: the same whatever the way, nothing lost when stopped, and every refusal."""

import errno
import json
import lzma
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import corpus_midi
import numpy as np
import pytest
from conftest import Run
from corpus_midi import DEADLY, midi, small_collection, tune, write_folder

from melodylc.data import build as build_module
from melodylc.data import extract
from melodylc.data.archives import MusicFile, read_music_files
from melodylc.data.bars import BAR_SIGNATURES, Layout, Section, bar_runs
from melodylc.data.build import build
from melodylc.data.corpus import Corpus, Piece
from melodylc.data.errors import CorpusError, InputError
from melodylc.data.extract import extract_file
from melodylc.data.merge import first_ones
from melodylc.data.overlap import shared_with
from melodylc.data.roles import ROLES
from melodylc.data.scores import Score
from melodylc.data.windows import DEFAULT_FILTERS, PRESETS, Filters
from melodylc.data.works import held_out

RunCli = Callable[..., Run]
EVERY_BAR = Filters(windows="every-bar")
SHARED = Path(__file__).parent.parent.parent / "shared" / "data" / "midi"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_collection(tmp_path_factory.mktemp("source") / "tunes", 40)


@pytest.fixture(scope="module")
def corpus(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build([source], tmp_path_factory.mktemp("built") / "corpus", heldout=0.3, workers=1)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "CHUNK_FILES", 5)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# -- what a corpus holds -----------------------------------------------------------------------


def test_counts(corpus: Corpus) -> None:
    counts = corpus.manifest["counts"]
    assert (counts["files"], counts["unreadable"], counts["tracks"]) == (41, 1, 40)
    assert counts["windows"] == 40  # 16 to 19 bars: one phrase has 16 bars from it on
    dropped = sum(counts[name] for name in ("sounding", "rest", "notes", "pitches", "bars"))
    dropped += counts["duplicates"] + counts["heldout_shared"]
    assert len(corpus.train) + len(corpus.heldout) + dropped == counts["windows"]
    assert corpus.manifest["unreadable"] == [["tunes", "broken.mid", "not a MIDI file: its header breaks off"]]
    assert corpus.collections == ["tunes"]
    assert corpus.manifest["files"] == sorted(contents(corpus.folder), key=corpus.manifest["files"].index)


def test_every_melody_knows_where_it_comes_from(corpus: Corpus, source: Path) -> None:
    for side in ("train", "heldout"):
        events, pieces, tracks, bars = (
            getattr(corpus, f"{side}{column}") for column in ("", "_piece", "_track", "_bar")
        )
        assert len(events) > 0
        for melody, piece, track, bar in zip(events, pieces, tracks, bars, strict=True):
            file = source / corpus.pieces[piece].file
            found, rows, _ = extract_file(MusicFile("tunes", file.name, file.read_bytes()), DEFAULT_FILTERS)
            (row,) = np.flatnonzero((rows["track"] == track) & (rows["bar"] == bar))
            assert np.array_equal(found[row], melody)


def test_sides_share_no_work_and_no_four_bars(corpus: Corpus) -> None:
    sides = [{corpus.pieces[i].work for i in pieces} for pieces in (corpus.train_piece, corpus.heldout_piece)]
    assert not sides[0] & sides[1]
    assert all(held_out(work, 0.3) for work in sides[1])
    assert not any(held_out(work, 0.3) for work in sides[0])
    assert not shared_with(corpus.train, corpus.heldout).any()


def test_melodies_are_different_and_in_order(corpus: Corpus) -> None:
    together = np.concatenate([corpus.train, corpus.heldout])
    assert len(np.unique(together, axis=0)) == len(together)
    order = list(zip(corpus.train_piece.tolist(), corpus.train_bar.tolist(), strict=True))
    assert order == sorted(order)
    assert [piece.file for piece in corpus.pieces] == sorted(piece.file for piece in corpus.pieces)


def test_duplicates_across_collections(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_folder(tmp_path / name, {"x.mid": midi(tune(1, 18)), f"{name}.mid": midi(tune(len(name) + ord(name[0])))})
    paths = [tmp_path / "two", tmp_path / "one"]
    made = build(paths, tmp_path / "corpus", filters=EVERY_BAR, heldout=0, workers=1)
    assert made.manifest["counts"]["duplicates"] == 3
    assert [made.manifest["collections"][name]["unique"] for name in ("one", "two")] == [4, 4]
    assert [made.manifest["collections"][name]["train"] for name in ("one", "two")] == [4, 1]
    assert {made.pieces[i].collection for i in made.train_piece} == {"one", "two"}


def test_a_transposed_quotation_is_dropped_from_the_held_out_side(tmp_path: Path) -> None:
    names = [f"{number}.mid" for number in range(60)]
    out = next(name for name in names if held_out(f"tunes/{name[:-4]}", 0.2))
    stay = next(name for name in names if not held_out(f"tunes/{name[:-4]}", 0.2))
    up = [(pitch + 5, start, end) for pitch, start, end in tune(3)]
    made = build(
        [write_folder(tmp_path / "tunes", {stay: midi(tune(3)), out: midi(up)})], tmp_path / "c", heldout=0.2, workers=1
    )
    assert (len(made.train), len(made.heldout), made.manifest["counts"]["heldout_shared"]) == (1, 0, 1)
    assert made.heldout_piece.shape == (0,)


def test_first_ones_are_first() -> None:
    chance = np.random.default_rng(2)
    digests = chance.integers(0, 4, (60, 2), dtype=np.uint64)
    order = chance.permutation(60)[:50]
    seen: set[tuple[int, ...]] = set()
    expected = []
    for row in digests[order].tolist():
        expected.append(tuple(row) not in seen)
        seen.add(tuple(row))
    assert first_ones(digests, order).tolist() == expected


# -- the same whatever the way -----------------------------------------------------------------


@pytest.mark.usefixtures("small_chunks")
def test_workers_archives_and_order_don_t_matter(source: Path, tmp_path: Path) -> None:
    other = small_collection(tmp_path / "more", 7)
    expected = contents(build([source, other], tmp_path / "a", workers=1).folder)
    packed = tmp_path / "packed"
    packed.mkdir()
    for folder in (source, other):
        with tarfile.open(packed / f"{folder.name}.tar.gz", "w:gz") as archive:
            for file in sorted(folder.iterdir(), reverse=True):
                archive.add(file, f"{folder.name}/{file.name}")
    assert contents(build([other, source], tmp_path / "b", workers=3).folder) == expected
    assert contents(build([packed], tmp_path / "c", workers=2).folder) == expected


KILLED = """
import os, signal, sys
from melodylc.data import extract
from melodylc.data.build import build
extract.CHUNK_FILES = 5
def progress(done, reused):
    if done >= 15:
        os.kill(os.getpid(), signal.SIGKILL)
if __name__ == "__main__":
    build([sys.argv[1]], sys.argv[2], heldout=0.3, workers=2, progress=progress)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are another thing there")
@pytest.mark.usefixtures("small_chunks")
def test_a_killed_build_goes_on_where_it_was(source: Path, corpus: Corpus, tmp_path: Path) -> None:
    script, output = tmp_path / "killed.py", tmp_path / "corpus"
    script.write_text(KILLED)
    # The pipe ends when all who hold it have: the workers, too.
    done = subprocess.run([sys.executable, script, source, output], check=False, stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert not output.exists()
    seen: list[tuple[int, int]] = []
    made = build([source], output, heldout=0.3, workers=2, progress=lambda *counts: seen.append(counts))
    done_files, reused = seen[-1]
    assert (done_files, 15 <= reused <= 41) == (41, True)
    assert made.fingerprint == corpus.fingerprint
    assert contents(made.folder) == contents(corpus.folder)
    assert {path.name for path in tmp_path.iterdir()} == {"corpus", "killed.py"}


class Stopped(KeyboardInterrupt):
    """Ctrl-C at a moment of our choice."""


def stop(done: int, reused: int) -> None:
    raise Stopped


@pytest.mark.usefixtures("small_chunks")
def test_ctrl_c_leaves_the_old_corpus_and_the_work_done(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "corpus"
    first = contents(build([small_collection(tmp_path / "other", 3)], output, workers=1).folder)
    with pytest.raises(Stopped):
        build([source], output, workers=1, progress=stop)
    assert contents(output) == first
    assert len(list((tmp_path / "corpus.work").glob("shard-*.npz"))) >= 1
    seen: list[int] = []
    build([source], output, workers=1, progress=lambda done, reused: seen.append(reused))
    assert seen[-1] >= 5
    assert contents(output) != first
    assert not (tmp_path / "corpus.work").exists()


@pytest.mark.usefixtures("small_chunks")
def test_other_options_take_up_nothing(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "corpus"
    with pytest.raises(Stopped):
        build([source], output, workers=1, progress=stop)
    seen: list[int] = []
    build([source], output, filters=Filters(notes=17), workers=1, progress=lambda done, reused: seen.append(reused))
    assert seen[-1] == 0


def test_a_kill_between_the_two_renames_loses_nothing(source: Path, tmp_path: Path) -> None:
    output, work = tmp_path / "corpus", tmp_path / "corpus.work"
    old = contents(build([small_collection(tmp_path / "other", 3)], output, workers=1).folder)
    work.mkdir()
    shutil.move(output, work / "former")
    with pytest.raises(InputError):
        build([write_folder(tmp_path / "none", {"a.txt": b""})], output, workers=1)
    assert contents(output) == old


# -- what can go wrong -------------------------------------------------------------------------


@pytest.mark.usefixtures("small_chunks")
def test_a_crash_of_the_reader_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "extract", corpus_midi.extract_or_crash)
    monkeypatch.setattr(extract, "_work", corpus_midi.work_or_crash)
    folder = small_collection(tmp_path / "tunes", 3)
    expected = build([folder], tmp_path / "without", workers=1)
    (folder / "deadly.mid").write_bytes(DEADLY)
    made = build([folder], tmp_path / "with", workers=1)
    assert ["tunes", "deadly.mid", "the reader crashed on it"] in made.manifest["unreadable"]
    assert made.fingerprint == expected.fingerprint


@pytest.mark.parametrize("moment", ["write_corpus", "pool_shards"])
def test_a_full_disk_is_one_line_and_loses_nothing(
    moment: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "corpus"
    old = contents(build([small_collection(tmp_path / "other", 3)], output, workers=1).folder)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(build_module, moment, full)
    with pytest.raises(InputError, match="the disk is full"):
        build([source], output, workers=1)
    assert contents(output) == old


def outputs(folder: Path) -> Iterator[tuple[Path, str]]:
    yield write_folder(folder, {"file": b""}) / "file", "is a file"
    yield write_folder(folder / "full", {"letter.txt": b""}), "holds other files ('letter.txt')"
    yield folder / "no" / "where", "make it first"


def test_outputs_that_are_refused(source: Path, tmp_path: Path) -> None:
    for output, reason in outputs(tmp_path):
        with pytest.raises(InputError) as caught:
            build([source], output, workers=1)
        assert reason in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "full"}
    assert contents(tmp_path / "full") == {"letter.txt": b""}


def test_an_output_with_a_stranger_beside_a_corpus_is_refused(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "corpus"
    build([source], output, workers=1)
    (output / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"thesis\.txt"):
        build([source], output, workers=1)


def test_a_refused_path_leaves_nothing_behind(source: Path, tmp_path: Path) -> None:
    for bad in (tmp_path / "nowhere", write_folder(tmp_path / "empty", {"a.txt": b""})):
        with pytest.raises(InputError):
            build([bad], tmp_path / "corpus", workers=1)
    with pytest.raises(InputError, match="held-out share"):
        build([source], tmp_path / "corpus", heldout=0.9)
    assert {path.name for path in tmp_path.iterdir()} == {"empty"}


# -- opening -----------------------------------------------------------------------------------


def test_open_again(corpus: Corpus) -> None:
    again = Corpus.open(corpus.folder)
    assert again.fingerprint == corpus.fingerprint
    assert len(again.fingerprint) == 16
    assert isinstance(again.train, np.memmap)
    assert again.train.dtype == np.uint8
    assert isinstance(again.pieces[0], Piece)
    assert again.train_collection.tolist() == [0] * len(again.train)
    assert len(again.heldout_collection) == len(again.heldout_track) == len(again.heldout_bar) == len(again.heldout)
    assert corpus.fingerprint in repr(again)


def damaged(folder: Path, name: str, content: bytes | None) -> Path:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    return folder


def use_all(folder: Path) -> None:
    opened = Corpus.open(folder)
    assert len(opened.pieces) > 0
    assert len(opened.train_piece) > 0


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("corpus.json", None, "no corpus in"),
        ("corpus.json", b"{", "is damaged"),
        ("corpus.json", b"[]", "isn't a corpus of format"),
        ("corpus.json", b'{"format": 99}', "isn't a corpus of format"),
        ("train.npy", None, "missing or damaged"),
        ("train.npy", b"\x93NUMPY", "missing or damaged"),
        ("heldout.npy", b"", "missing or damaged"),
        ("train_piece.npy", b"nonsense", "missing or damaged"),
        ("pieces.json", b"nonsense", "missing or damaged"),
    ],
)
def test_a_damaged_corpus_is_one_line(
    name: str, content: bytes | None, reason: str, corpus: Corpus, tmp_path: Path
) -> None:
    folder = damaged(shutil.copytree(corpus.folder, tmp_path / "copy"), name, content)
    with pytest.raises(CorpusError) as caught:
        use_all(folder)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_arrays_of_another_length_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    folder = shutil.copytree(corpus.folder, tmp_path / "copy")
    np.save(folder / "train.npy", corpus.train[:-1])
    with pytest.raises(CorpusError):
        Corpus.open(folder)


# -- the command -------------------------------------------------------------------------------


def test_the_command_ends_with_a_table(source: Path, tmp_path: Path, run_cli: RunCli) -> None:
    shown = run_cli("data", "build", source, "-o", tmp_path / "corpus", "--workers", 1)
    made = Corpus.open(tmp_path / "corpus")
    assert shown.code == 0
    rows = {line.rsplit(maxsplit=1)[0].strip(): line.split()[-1] for line in shown.out.splitlines() if line.split()}
    assert (rows["unreadable"], rows["all"]) == ("1", "41")
    assert rows["16 bars of 4/4 or 2/2 from 40 tracks, at phrases"] == "40"
    assert rows["dropped: exact duplicates"] == str(made.manifest["counts"]["duplicates"])
    assert rows["melodies for training"] == str(len(made.train))
    assert made.fingerprint in shown.out
    assert "unreadable: tunes/broken.mid: not a MIDI file" in shown.err


WALTZ = b"X:1\nM:3/4\nL:1/4\nK:C\n" + b"CDE|" * 40


def reel(key: str, bars: int) -> str:
    """A tune in ABC of so many different bars."""
    body = "".join(f"{a}{b}{a}c d{b}G{a}|" for a, b in zip("GABcdefgaGBA" * 3, "ABcdefgabcAe" * 3, strict=True))
    return f"M:4/4\nL:1/8\nK:{key}\n" + "|".join(body.split("|")[:bars]) + "|\n"


def test_every_file_is_accounted_for(tmp_path: Path, run_cli: RunCli) -> None:
    held = midi([(60, 0, 32 * 1920)])
    files = {
        "book.abc": f"X:1\nT:One\n{reel('C', 16)}\nX:2\nT:Two\n{reel('G', 20)}".encode(),
        "waltz.abc": WALTZ,
        "short.abc": f"X:1\n{reel('C', 7)}".encode(),
        "again.abc": f"X:1\n{reel('C', 16)}".encode(),
        "broken.krn": b"**kern\n4c\t4d\n",
        "held.mid": held,
        "notes.txt": b"no music",
        "song.mid": midi(tune(5)),
    }
    folder = write_folder(tmp_path / "mixed", files)
    shown = run_cli("data", "build", folder, "-o", tmp_path / "corpus", "--workers", 1, "--heldout", 0)
    made = Corpus.open(tmp_path / "corpus")
    outcomes = {
        "gave melodies": 3,
        "unreadable": 1,
        "in 3/4": 1,
        "fewer than 16 bars of 4/4 in a row": 1,
        "no window passed the filters": 1,
        "all its melodies are in other files": 1,
    }
    assert made.manifest["outcomes"] == outcomes
    for kind, count in outcomes.items():
        assert any(line.split() == [*kind.split(), str(count)] for line in shown.out.splitlines())
    rows = [line.split("\t") for line in (made.folder / "files.tsv").read_text("utf-8").splitlines()[1:]]
    assert {row[1]: row[2:4] for row in rows if row[2] != "gave melodies"} == {
        "book.abc#1 One": ["all its melodies are in other files", ""],
        "broken.krn": ["unreadable", "damaged at line 2: 2 fields where there are 1 spine"],
        "held.mid": ["no window passed the filters", ""],
        "short.abc": ["fewer than 16 bars of 4/4 in a row", "7 bars of 4/4 in a row at most"],
        "waltz.abc": ["in 3/4", "in 3/4"],
    }
    assert sum(int(row[6]) for row in rows) == len(made.train) == 4


def test_windows_begin_with_phrases_and_say_how_far(tmp_path: Path) -> None:
    bars = reel("C", 22).splitlines()[3].strip("|").split("|")
    body = f"G2|{'|'.join(bars[:6])}||{'|'.join(bars[6:])}|"
    folder = write_folder(tmp_path / "tunes", {"a.abc": f"X:1\nM:4/4\nL:1/8\nK:C\n{body}\n".encode()})
    every = build([folder], tmp_path / "every", filters=EVERY_BAR, heldout=0, workers=1)
    assert every.train_bar.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert every.train_offset.tolist() == [0, 1, 2, 3, 4, 5, 0]
    phrases = build([folder], tmp_path / "phrases", heldout=0, workers=1)
    assert phrases.train_bar.tolist() == [0, 4, 6]
    assert phrases.train_offset.tolist() == [0, 4, 0]
    assert np.array_equal(phrases.train, every.train[every.train_offset % 4 == 0])


def test_a_corpus_knows_the_roles_of_its_voices(tmp_path: Path) -> None:
    def moved(semitones: int) -> list[corpus_midi.Note]:
        return [(pitch + semitones, start, end) for pitch, start, end in tune(0)]

    folder = write_folder(tmp_path / "tunes", {"a.mid": midi(moved(-12), moved(24), moved(12))})
    made = build([folder], tmp_path / "corpus", heldout=0, workers=1)
    assert [ROLES[role] for role in made.train_role] == ["bass", "lead", "inner"]
    assert made.train_role.dtype == np.uint8


def test_an_old_corpus_is_refused_with_the_command_and_replaced(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "corpus"
    manifest = build([source], output, workers=1).manifest
    (output / "corpus.json").write_text(json.dumps({**manifest, "format": 1}))
    with pytest.raises(CorpusError, match=r"without roles; build it again: melodylc data build PATH\.\.\. -o "):
        Corpus.open(output)
    assert build([source], output, workers=1).manifest == manifest


def test_no_melodies_explain_themselves(tmp_path: Path, run_cli: RunCli) -> None:
    folder = write_folder(tmp_path / "slow", {"one.mid": midi([(60, 0, 32 * 1920)])})
    shown = run_cli("data", "build", folder, "-o", tmp_path / "corpus", "--workers", 1)
    assert shown.code == 0
    assert "dropped: less than 30% sounding" in shown.out
    assert len(Corpus.open(tmp_path / "corpus").train) == 0


def test_options_reach_the_filters(tmp_path: Path, run_cli: RunCli) -> None:
    folder = small_collection(tmp_path / "tunes", 2)
    words = ["data", "build", folder, "-o", tmp_path / "corpus", "--workers", 1, "--preset", "reference"]
    assert run_cli(*words, "--least-notes", 20, "--longest-rest", 8, "--heldout", 0).code == 0
    filters = Corpus.open(tmp_path / "corpus").manifest["filters"]
    assert filters == {"sounding": 0.3, "rest": 8, "notes": 20, "pitches": 0, "bars": 0, "windows": "every-bar"}


def test_many_broken_files_are_counted_by_reason(tmp_path: Path, run_cli: RunCli) -> None:
    folder = write_folder(tmp_path / "bad", {f"{number}.mid": b"" for number in range(30)})
    shown = run_cli("data", "build", folder, "-o", tmp_path / "corpus", "--workers", 1)
    assert shown.err.count("unreadable: bad/") == 20
    assert "unreadable: 10 more: empty" in shown.err
    assert len(Corpus.open(tmp_path / "corpus").manifest["unreadable"]) == 30


def test_a_mistake_is_one_line(tmp_path: Path, run_cli: RunCli) -> None:
    for path in (tmp_path / "nowhere", write_folder(tmp_path / "empty", {"a.txt": b""})):
        shown = run_cli("data", "build", path, "-o", tmp_path / "corpus")
        assert (shown.code, shown.out, shown.err.count("\n")) == (2, "", 1)
        assert path.name in shown.err


def test_a_script_needs_no_guard(source: Path, corpus: Corpus, tmp_path: Path) -> None:
    script, output = tmp_path / "plain.py", tmp_path / "corpus"
    script.write_text(
        "import sys\nfrom melodylc.data.build import build\n"
        "print('once')\nprint(build([sys.argv[1]], sys.argv[2], heldout=0.3, workers=2).fingerprint)\n"
    )
    done = subprocess.run([sys.executable, script, source, output], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"once\n{corpus.fingerprint}\n", "")


@pytest.mark.skipif(os.name == "nt", reason="signals are another thing there")
@pytest.mark.parametrize(
    ("number", "whom", "code", "line"),
    [
        (signal.SIGINT, os.killpg, 130, "interrupted"),  # as a terminal does: to the whole group
        (signal.SIGTERM, os.kill, 143, "ended by SIGTERM"),  # as containers do
        (signal.SIGTERM, os.killpg, 143, "ended by SIGTERM"),  # as `timeout` and systemd do
    ],
)
def test_a_signal_ends_a_real_process(
    number: int, whom: Callable[[int, int], None], code: int, line: str, tmp_path: Path
) -> None:
    folder = small_collection(tmp_path / "tunes", 200)
    words = [sys.executable, "-m", "melodylc", "data", "build", str(folder), "-o", str(tmp_path / "corpus")]
    process = subprocess.Popen(
        [*words, "--workers", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while not (tmp_path / "corpus.work").exists() and process.poll() is None:
        time.sleep(0.01)
    whom(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.strip()) == (code, "", f"melodylc: {line}")
    assert not (tmp_path / "corpus").exists()


# -- the shared archives -----------------------------------------------------------------------

REFERENCE = {  # unique windows and strict ones, from the LICENSES.md beside the archives
    "freedoom": (24_265, 9_328),
    "chopin_first_editions": (11_357, 9_750),
    "openewld": (8_952, 8_430),
    "cre": (7_432, 7_428),
    "oneills1850": (4_250, 4_250),
    "ryans_mammoth": (3_763, 3_749),
    "airds": (3_495, 3_495),
}


def by_signatures_alone(score: Score) -> Layout:
    """Bars as the counts beside the archives have them: an upbeat's signature is a change of meter."""
    runs = bar_runs(score)
    broken = runs[-1].meter == (0, 0)  # the last bar, which the music doesn't fill, counts as one
    sections = tuple(
        Section(run.start, run.bars + (broken and run is runs[-2]), 0) for run in runs if run.meter in BAR_SIGNATURES
    )
    return Layout(score, sections, (4, 4))


@pytest.mark.parametrize("name", REFERENCE)
def test_presets_reproduce_the_independent_counts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = SHARED / f"{name}.tar.xz"
    if not path.exists():
        pytest.skip(f"the shared archives aren't beside the repository ({path.name})")
    files = list(read_music_files([path]))
    found = extract.extract(files, PRESETS["reference-strict"])
    monkeypatch.setattr(extract, "layout", by_signatures_alone)
    for preset, expected in zip(("reference", "reference-strict"), REFERENCE[name], strict=True):
        plain = extract.extract(files, PRESETS[preset])
        assert len(np.unique(plain.digests(), axis=0)) == pytest.approx(expected, rel=0.01)
        assert not any(report.problem for report in plain.reports)
    # With upbeats there are more windows, and of files without any the same.
    assert len(found.events) >= len(plain.events)
    starts = [{row[0] for row in np.unique(one.rows[["piece"]]).tolist()} for one in (found, plain)]
    assert starts[1] <= starts[0]


def test_manifest_is_plain_json(corpus: Corpus) -> None:
    manifest = json.loads((corpus.folder / "corpus.json").read_text("utf-8"))
    assert manifest == corpus.manifest
    assert manifest["filters"] == {
        "sounding": 0.3,
        "rest": 16,
        "notes": 16,
        "pitches": 5,
        "bars": 4,
        "windows": "phrases",
    }


def test_an_archive_that_breaks_off_is_named_and_makes_no_corpus(source: Path, tmp_path: Path) -> None:
    packed = tmp_path / "broken.tar.xz"
    packed.write_bytes(lzma.compress(b"MThd" * 5000)[:-20])
    with pytest.raises(InputError, match=r"broken\.tar\.xz"):
        build([source, packed], tmp_path / "corpus", workers=1)
    assert not (tmp_path / "corpus").exists()
