"""Folders and archives: what is found in them, and every way in which an archive can be hostile."""

import bz2
import gzip
import io
import lzma
import os
import random
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus_midi import write_folder

from melodylc.data import archives
from melodylc.data.archives import MusicFile, read_music_files
from melodylc.data.errors import InputError
from melodylc.data.smf import MAX_FILE

FILES = {"b/two.MID": b"MThd two", "a.mid": b"MThd one", "notes.txt": b"not music", "c.kar": b"MThd three"}
PACK: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "tar.gz": gzip.compress,
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
}


def read(*paths: Path) -> list[MusicFile]:
    return list(read_music_files(paths))


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size, made.type, made.linkname = size, kind, target
    return made


def plain_tar(files: dict[str, bytes]) -> bytes:
    return tar(*((member(name, len(content)), content) for name, content in files.items()))


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def saved(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def refused(path: Path) -> str:
    """The one line that refuses an archive; it must name it."""
    with pytest.raises(InputError) as caught:
        read(path)
    line = str(caught.value)
    assert path.name in line
    assert "\n" not in line
    return line


EXPECTED = [("mine", "a.mid", b"MThd one"), ("mine", "b/two.MID", b"MThd two"), ("mine", "c.kar", b"MThd three")]


def test_a_folder(tmp_path: Path) -> None:
    assert [file[:3] for file in sorted(read(write_folder(tmp_path / "mine", FILES)))] == EXPECTED


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("inside", ["", "mine/", "./mine/"])
def test_a_tar_is_the_same_collection_as_its_folder(kind: str, inside: str, tmp_path: Path) -> None:
    content = plain_tar({inside + name: content for name, content in FILES.items()})
    found = read(saved(tmp_path / f"mine.{kind}", PACK[kind](content)))
    assert [file[:3] for file in sorted(found)] == EXPECTED


def test_a_zip_is_the_same_collection_as_its_folder(tmp_path: Path) -> None:
    assert [file[:3] for file in read(zipped(tmp_path / "mine.zip", FILES))] == EXPECTED


def test_archives_in_a_folder_are_collections_of_their_own(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "all", {"loose.mid": b"MThd", "deep/one.tar.xz": lzma.compress(plain_tar(FILES))})
    assert {(file.collection, file.file) for file in read(folder)} == {
        ("all", "loose.mid"),
        ("one", "a.mid"),
        ("one", "b/two.MID"),
        ("one", "c.kar"),
    }


def test_a_file(tmp_path: Path) -> None:
    write_folder(tmp_path / "mine", FILES)
    assert [file[:3] for file in read(tmp_path / "mine" / "a.mid")] == EXPECTED[:1]


def test_an_archive_is_known_by_content_not_name(tmp_path: Path) -> None:
    assert len(read(saved(tmp_path / "download", gzip.compress(plain_tar(FILES))))) == 3


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_names_that_aren_t_utf8(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"\xff.mid")).write_bytes(b"MThd")
    except OSError:
        pytest.skip("this file system refuses such names")
    assert read(tmp_path)[0].file.encode() == rb"\udcff.mid"


# -- what can't be used ------------------------------------------------------------------------


@pytest.mark.parametrize("made", [lambda path: path.mkdir(), lambda path: saved(path, plain_tar({"x.txt": b""}))])
def test_without_midi(made: Callable[[Path], None], tmp_path: Path) -> None:
    made(tmp_path / "empty")
    assert "no files of music in" in refused(tmp_path / "empty")


def test_not_there(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "nowhere")


def test_neither(tmp_path: Path) -> None:
    assert "neither a folder, nor an archive" in refused(saved(tmp_path / "song.wav", b"RIFF"))
    assert "neither a folder, nor an archive" in refused(saved(tmp_path / "empty.mid", b""))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes there")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mid")
    assert "neither a folder, nor an archive" in refused(tmp_path / "pipe.mid")
    assert [file.problem for file in read(tmp_path)] == ["not a regular file"]


def test_notation_of_all_forms_books_by_tune(tmp_path: Path) -> None:
    files = {
        "a.abc": b"X:1\nT:Air/Song\nK:C\nC|\n\nX:2\nK:C\nD|",
        "b.krn": b"**kern\n*-",
        "c.musicxml": b"<score-partwise/>",
        "d.mxl": b"PK\x03\x04",
        "e.XML": b"",
    }
    folder = write_folder(tmp_path / "scores", files)
    names = ["a.abc#1 Air-Song", "a.abc#2", "b.krn", "c.musicxml", "d.mxl", "e.XML"]
    assert [file.file for file in read(folder)] == names
    assert [(file.collection, file.file) for file in read(folder / "d.mxl")] == [("scores", "d.mxl")]
    assert read(folder / "a.abc")[1].content.startswith(b"X:2")


def test_no_paths() -> None:
    with pytest.raises(InputError, match="no folder, archive or file"):
        read()


def test_a_file_too_large_is_reported_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "large.mid", "wb") as file:
        file.truncate(MAX_FILE + 1)
    (found,) = read(tmp_path)
    assert (found.content, found.problem) == (b"", "larger than 16 MiB")


# -- hostile archives --------------------------------------------------------------------------

ESCAPES = ["../out.mid", "a/../../out.mid", "/etc/out.mid", "..\\out.mid", "C:/out.mid", "../readme.txt"]


@pytest.mark.parametrize("name", ESCAPES)
def test_members_that_lead_out(name: str, tmp_path: Path) -> None:
    for path in (saved(tmp_path / "x.tar", plain_tar({name: b"MThd"})), zipped(tmp_path / "x.zip", {name: b"MThd"})):
        assert "leads out of the archive" in refused(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar(kind: bytes, tmp_path: Path) -> None:
    content = tar((member("a.mid", 4), b"MThd"), (member("b.mid", kind=kind, target="/etc/passwd"), b""))
    assert "'b.mid' is a link or device" in refused(saved(tmp_path / "x.tar", content))


def test_a_link_in_a_zip(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("b.mid")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "'b.mid' is a link or device" in refused(tmp_path / "x.zip")


@pytest.mark.parametrize("name", ["bomb.mid", "bomb.bin"])
def test_bombs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "FREE_SIZE", 1 << 20)
    monkeypatch.setattr(archives, "MAX_FILE", 1 << 22)
    files = {"a.mid": b"MThd", name: bytes(3 << 20)}
    for kind, pack in PACK.items():
        if kind != "tar":  # which packs nothing, so it can't be one
            assert "archive bomb" in refused(saved(tmp_path / f"x.{kind}", pack(plain_tar(files))))
    assert "archive bomb" in refused(zipped(tmp_path / "x.zip", files))


def test_a_bomb_is_not_unpacked_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "FREE_SIZE", 1 << 20)
    packed = lzma.compress(plain_tar({"a.bin": bytes(16 << 20)}))
    read_bytes = 0
    original = archives._Bounded.read

    def counting(self: archives._Bounded, size: int = -1) -> bytes:
        nonlocal read_bytes
        content = original(self, size)
        read_bytes += len(content)
        return content

    monkeypatch.setattr(archives._Bounded, "read", counting)
    refused(saved(tmp_path / "x.tar.xz", packed))
    assert read_bytes < 4 << 20


def test_a_member_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_FILE", 100)
    files = {"a.mid": b"MThd" + bytes(100)}
    for path in (saved(tmp_path / "x.tar", plain_tar(files)), zipped(tmp_path / "x.zip", files)):
        assert "has 104 bytes; a file of music may have 100" in refused(path)


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_cut_short(kind: str, kept: float, tmp_path: Path) -> None:
    chance = random.Random(1)
    packed = PACK[kind](plain_tar({f"{i}.mid": chance.randbytes(9000) for i in range(4)}))
    assert "damaged" in refused(saved(tmp_path / f"x.{kind}", packed[: int(len(packed) * kept)]))


def test_cut_short_between_members(tmp_path: Path) -> None:
    content = plain_tar({"a.mid": b"MThd", "b.mid": b"MThd"})
    assert "breaks off" in refused(saved(tmp_path / "x.tar", content[:1024]))


def test_a_damaged_header_in_the_middle(tmp_path: Path) -> None:
    content = bytearray(plain_tar({"a.mid": b"MThd", "b.mid": b"MThd"}))
    content[1024] ^= 0xFF
    assert "goes on after its end" in refused(saved(tmp_path / "x.tar", bytes(content)))


@pytest.mark.parametrize("kind", ["tar.gz", "tar.bz2", "tar.xz"])
def test_a_wrong_checksum(kind: str, tmp_path: Path) -> None:
    packed = bytearray(PACK[kind](plain_tar({"a.mid": bytes(range(256)) * 8})))
    packed[len(packed) // 2] ^= 0x10
    assert "damaged" in refused(saved(tmp_path / f"x.{kind}", bytes(packed)))


def test_a_damaged_zip(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a.mid": bytes(range(256)) * 40})
    content = path.read_bytes()
    assert "damaged" in refused(saved(path, content[: len(content) // 2]))
    torn = bytearray(content)
    torn[60] ^= 0xFF
    assert "damaged" in refused(saved(path, bytes(torn)))


def test_a_zip_with_a_password(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a.mid": b"MThd"})
    content = bytearray(path.read_bytes())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + at] |= 1
    assert "damaged or not supported" in refused(saved(path, bytes(content)))


def test_compressed_nonsense(tmp_path: Path) -> None:
    assert "damaged" in refused(saved(tmp_path / "x.tar.gz", gzip.compress(b"no tar at all " * 100)))
    assert "damaged" in refused(saved(tmp_path / "x.tar.gz", b"\x1f\x8b" + zlib.compress(b"x")))
