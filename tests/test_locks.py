"""One writer at a time, whoever dies; and nothing stays of writes that were killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from corpus_midi import small_collection

from melodylc.data import files
from melodylc.data.errors import InputError
from melodylc.data.files import atomic_write, check_writable, sweep, temporary_folder, temporary_name
from melodylc.data.locks import lock

posix = pytest.mark.skipif(os.name == "nt", reason="signals are another thing there")


def start(script: str, *words: object) -> "subprocess.Popen[str]":
    """A process that prints "ready" and waits."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, words)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


HOLD = """
import sys
from melodylc.data.locks import lock
held = lock(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
"""
WRITE = """
import sys
from pathlib import Path
from melodylc.data.files import atomic_write, temporary_folder
with temporary_folder(Path(sys.argv[1]) / "folder") as folder, atomic_write(Path(sys.argv[1]) / "file") as file:
    (folder / "half").write_text("half")
    file.write(b"half")
    print("ready", flush=True)
    sys.stdin.readline()
"""


def test_a_lock_names_its_holder_and_goes_with_it(tmp_path: Path) -> None:
    target = tmp_path / "new" / "corpus"
    process = start(HOLD, target)
    with pytest.raises(InputError, match=rf"corpus' is being written by another process \(.*process {process.pid} on "):
        lock(target)
    with lock(tmp_path / "new" / "other"):
        pass
    assert [path.name for path in (tmp_path / "new").iterdir()] == [".corpus.lock"]
    process.communicate("done\n", timeout=30)
    assert list(tmp_path.iterdir()) == []
    with lock(target), pytest.raises(InputError, match="wait until it is done, or name another place"):
        lock(target)
    assert list(tmp_path.iterdir()) == []


@posix
def test_what_a_dead_process_held_is_free(tmp_path: Path) -> None:
    process = start(HOLD, tmp_path / "corpus")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert [path.name for path in tmp_path.iterdir()] == [".corpus.lock"]
    with lock(tmp_path / "corpus"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_waiting_ends_when_the_holder_does(tmp_path: Path) -> None:
    first, holders = lock(tmp_path / "it"), []

    def waiting(holder: str) -> None:
        holders.append(holder)
        first.release()

    with lock(tmp_path / "it", wait=True, waiting=waiting), pytest.raises(InputError):
        lock(tmp_path / "it")
    assert f"process {os.getpid()} on" in holders[0]


def test_links_to_one_folder_are_one_lock(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    with lock(tmp_path / "link"), pytest.raises(InputError):
        lock(tmp_path / "folder")


def test_places_that_can_not_be_locked(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=r"can't write '.*it': "):
        lock(tmp_path / "file" / "it")
    with lock(tmp_path / ("long" * 60)):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.fixture
def _first_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process."""
    monkeypatch.setattr(files, "_swept", set())


@posix
@pytest.mark.usefixtures("_first_write")
def test_the_next_run_removes_what_a_killed_one_left_and_nothing_else(tmp_path: Path) -> None:
    alive, dead = start(WRITE, tmp_path), start(WRITE, tmp_path)
    mine = {".it.0123456789ab.txt", "it.0123456789ab.tmp", ".it.0123.tmp"}
    for name in mine:
        (tmp_path / name).write_bytes(b"somebody's")
    (tmp_path / ".link.0123456789ab.tmp").symlink_to(tmp_path / "it.0123456789ab.tmp")
    dead.send_signal(signal.SIGKILL)
    dead.communicate(timeout=30)
    assert len(list(tmp_path.glob(".*.tmp"))) == 2 + 2 + 1 + 1
    with atomic_write(tmp_path / "new"):
        pass
    assert len(list(tmp_path.glob(".f*.tmp"))) == 2
    alive.communicate("go on\n", timeout=30)
    assert alive.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {*mine, ".link.0123456789ab.tmp", "new", "file"}


def test_a_new_name_is_taken_where_a_sweep_was_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = iter([True])

    def create(path: Path, mode: str) -> object:
        file = path.open("xb")
        if next(once, False):
            path.unlink()
        return file

    monkeypatch.setattr(files, "_create", create)
    with atomic_write(tmp_path / "it") as file:
        file.write(b"whole")
    assert (tmp_path / "it").read_bytes() == b"whole"


def test_a_temporary_folder_goes_unless_it_was_renamed(tmp_path: Path) -> None:
    with temporary_folder(tmp_path / "a") as folder:
        (folder / "half").write_bytes(b"")
        sweep(tmp_path)
        assert folder.exists()
    with temporary_folder(tmp_path / "b") as folder:
        folder.rename(tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_trial_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"ours")
    check_writable(tmp_path / "there")
    check_writable(tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    with pytest.raises(InputError, match=r"can't write '.*missing/new'"):
        check_writable(tmp_path / "missing" / "new")


BUILD = """
import sys
from melodylc.data.build import build
def progress(done, reused):
    print("ready", flush=True)
    sys.stdin.readline()
build([sys.argv[1]], sys.argv[2], workers=1, progress=progress)
"""


@posix
@pytest.mark.usefixtures("_first_write")
def test_two_builds_of_one_corpus(tmp_path: Path) -> None:
    from melodylc.data.build import build

    source, output = small_collection(tmp_path / "tunes", 3), tmp_path / "corpus"
    process = start(BUILD, source, output)
    (tmp_path / "corpus.work" / temporary_name(Path("shard")).name).write_bytes(b"of a killed worker")
    with pytest.raises(InputError, match=r"corpus' is being written by another process"):
        build([source], output, workers=1)
    process.communicate("go on\n", timeout=60)
    assert process.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"tunes", "corpus"}
