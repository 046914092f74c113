"""Files that are whole or untouched, errors, and the lazy package."""

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

import melodylc.data
from melodylc.data import errors
from melodylc.data.errors import InputError, MelodylcError
from melodylc.data.files import atomic_write, fingerprint_bytes, fingerprint_file, reason


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_bytes_and_text(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.bin") as file:
        file.write(b"\x00\xff")
    with atomic_write(str(tmp_path / "b.txt"), "w") as text:
        text.write("é\n")
    assert (tmp_path / "a.bin").read_bytes() == b"\x00\xff"
    assert (tmp_path / "b.txt").read_bytes() == b"\xc3\xa9\n"
    assert names(tmp_path) == ["a.bin", "b.txt"]


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_a_failure_leaves_everything_as_it_was(tmp_path: Path, failure: type[BaseException]) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def write_half() -> None:
        with atomic_write(path) as file:
            file.write(b"half of the n")
            raise failure

    with pytest.raises(failure):
        write_half()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.raises(InputError, match=r"can't write '.*a': the disk is full"), atomic_write(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_is_full_when_the_file_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def create_full(path: Path, mode: str) -> IO[bytes]:
        return Path("/dev/full").open("wb")

    monkeypatch.setattr("melodylc.data.files._create", create_full)
    with pytest.raises(InputError, match="the disk is full"), atomic_write(tmp_path / "a") as file:
        file.write(b"x" * 100_000)
    assert names(tmp_path) == []


def test_errors_about_other_files_pass_through(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="other"), atomic_write(tmp_path / "a"):
        (tmp_path / "other").read_bytes()
    assert names(tmp_path) == []


def test_places_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    places = {
        tmp_path: "this is a folder",
        tmp_path / "missing" / "a": "there is no such file or folder",
        tmp_path / "file" / "a": "a part of this path is a file",
        tmp_path / ("a" * 300): "the name is too long",
    }
    for path, why in places.items():
        with pytest.raises(InputError, match=why) as caught, atomic_write(path) as file:
            file.write(b"")
        assert repr(str(path)) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert names(tmp_path) == ["file"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions don't bind this user")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="no permission"), atomic_write(tmp_path / "a"):
        pass


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_permissions_of_new_and_old_files(tmp_path: Path) -> None:
    previous = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "new"):
            pass
    finally:
        os.umask(previous)
    (tmp_path / "old").touch()
    (tmp_path / "old").chmod(0o600)
    with atomic_write(tmp_path / "old"):
        pass
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    with atomic_write(tmp_path / "link") as file:
        file.write(b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"x"


def test_fingerprints(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(content)
    assert fingerprint_bytes(content) == hashlib.sha256(content).hexdigest()[:16]
    assert fingerprint_file(tmp_path / "a") == fingerprint_bytes(content)
    with pytest.raises(InputError, match=r"can't read '.*missing': there is no such file"):
        fingerprint_file(tmp_path / "missing")


def test_a_reason_without_a_known_number() -> None:
    assert reason(OSError("100 requested and 5 written")) == "100 requested and 5 written"
    assert reason(OSError()) == "OSError"


def test_all_errors_are_ours_and_most_are_about_values() -> None:
    for name in ("InputError", "MidiError", "CorpusError", "CheckpointError"):
        error = getattr(errors, name)("what came; what is allowed; what to do")
        assert isinstance(error, MelodylcError)
        assert isinstance(error, ValueError)
        assert str(error) == "what came; what is allowed; what to do"


def test_every_name_of_the_package_loads() -> None:
    for name in melodylc.data.__all__:
        assert getattr(melodylc.data, name) is not None
        assert name in dir(melodylc.data)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = melodylc.data.nonsense


def test_melodies_and_midi_load_no_heavy_library() -> None:
    code = "import sys, melodylc.data.midi; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert not loaded & {"torch", "pretty_midi", "symusic", "note_seq", "scipy", "rich"}
