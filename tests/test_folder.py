"""The folder of melodies: whole or untouched, and never at the cost of somebody's files."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from melodylc.data import InputError
from melodylc.service.output_folder import MANIFEST, OutputFolder

REQUEST = {"scale": "C major", "seed": 7, "tempo": 120.0}
FILES = {"01.mid": b"one", "02.mid": b"two"}


def manifest(files: dict[str, bytes], request: dict[str, Any] = REQUEST) -> dict[str, Any]:
    return {"request": request, "files": [{"file": name} for name in files]}


def write(path: Path, files: dict[str, bytes] = FILES, request: dict[str, Any] = REQUEST) -> None:
    OutputFolder.claim(path, request).write(files, manifest(files, request))


def contents(path: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in path.iterdir()}


def test_a_new_folder_holds_the_files_and_a_manifest_with_their_digests(tmp_path: Path) -> None:
    write(tmp_path / "deep" / "out")
    found = contents(tmp_path / "deep" / "out")
    assert {name: found[name] for name in FILES} == FILES
    assert [entry["file"] for entry in json.loads(found[MANIFEST])["files"]] == list(FILES)
    assert sorted(entry.name for entry in (tmp_path / "deep").iterdir()) == ["out"]


def test_an_empty_folder_and_hidden_files_are_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").write_bytes(b"")
    write(tmp_path)
    assert set(contents(tmp_path)) == {*FILES, MANIFEST, ".DS_Store"}


def test_the_same_request_again_replaces_its_own_files_and_drops_what_is_no_longer_made(tmp_path: Path) -> None:
    write(tmp_path / "out")
    write(tmp_path / "out", {"01.mid": b"new"})
    assert set(contents(tmp_path / "out")) == {"01.mid", MANIFEST}
    assert contents(tmp_path / "out")["01.mid"] == b"new"


def test_a_listed_file_that_is_gone_is_written_again(tmp_path: Path) -> None:
    write(tmp_path / "out")
    (tmp_path / "out" / "02.mid").unlink()
    write(tmp_path / "out")
    assert contents(tmp_path / "out")["02.mid"] == b"two"


def spoil_with_another_file(path: Path) -> None:
    (path / "song.als").write_bytes(b"hours of work")


def spoil_by_editing(path: Path) -> None:
    (path / "01.mid").write_bytes(b"edited in a DAW")


def spoil_the_manifest(path: Path) -> None:
    (path / MANIFEST).write_text("{")


def spoil_the_listing(path: Path) -> None:
    text = (path / MANIFEST).read_text()
    (path / MANIFEST).write_text(text.replace("01.mid", "../01.mid"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_with_another_file, "other files (song.als)"),
        (spoil_by_editing, "changed since (01.mid)"),
        (spoil_the_manifest, "not a manifest of ours"),
        (spoil_the_listing, "outside its folder"),
    ],
)
def test_what_is_not_ours_stops_us_before_a_byte_is_written(tmp_path: Path, spoil: Any, words: str) -> None:
    write(tmp_path / "out")
    spoil(tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(InputError) as caught:
        write(tmp_path / "out")
    assert words in str(caught.value)
    assert contents(tmp_path / "out") == before


def test_another_request_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "out")
    with pytest.raises(InputError, match="another command"):
        write(tmp_path / "out", request={**REQUEST, "seed": 8})


def test_a_file_or_a_dead_link_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(InputError, match="is a file"):
        OutputFolder.claim(tmp_path / "file", REQUEST)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="link to nothing"):
        OutputFolder.claim(tmp_path / "link", REQUEST)
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_a_full_disk_leaves_no_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(InputError, match="disk is full"):
        write(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_an_old_folder_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "out")
    before = contents(tmp_path / "out")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(InputError, match="disk is full"):
        write(tmp_path / "out", {"01.mid": b"other bytes"})
    assert contents(tmp_path / "out") == before


def full_disk(descriptor: int) -> None:
    raise OSError(28, "No space left on device")
