"""Files of music out of folders and archives, one by one, nothing unpacked to the disk.

| a PATH that is                                     | is the collection   | files are named        |
|----------------------------------------------------|---------------------|------------------------|
| a folder                                           | its own name        | by their path inside   |
| an archive: .zip, .tar, .tar.gz, .tar.bz2, .tar.xz | its name, less that | the same, less a first |
| (known by content, not name), or one in a folder   |                     | folder called the same |
| a file of music                                    | its folder's name   | by their name          |

So a collection has the same name and files whether it is packed or not.

An archive comes from outside, and is read as such: one that holds a member that climbs out (`../`,
absolute), a link, a device, or a file of music of more than `MAX_FILE` bytes is refused as a whole; so
is one that unpacks to more than `MAX_RATIO` times its size (and 64 MiB). Archives inside archives
are not opened.
"""

import bz2
import gzip
import hashlib
import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from melodylc.data.errors import InputError
from melodylc.data.files import reason
from melodylc.data.readers import ENDINGS, pieces
from melodylc.data.smf import MAX_FILE

MAX_RATIO = 200  # unpacked to packed; xz makes of the shared archives a 60th
FREE_SIZE = 64 << 20  # bytes that any archive may unpack to, whatever its ratio

_DAMAGES = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, gzip.BadGzipFile)
_DAMAGES_TOO = (NotImplementedError, RuntimeError, ValueError, UnicodeError, OSError, OverflowError)


class MusicFile(NamedTuple):
    """One piece: where it comes from and its bytes, empty where `problem` says why it has none.

    `file`: its path in the collection; of a book of tunes, `#`, number and title of the tune follow.
    """

    collection: str
    file: str
    content: bytes
    problem: str = ""


class Share:
    """One of several shares that files are dealt out in, each by its name alone; the contents of others aren't read.

    Args:
        number: of this one, from 1.
        of: how many there are.

    Raises:
        InputError: there is no such share.

    >>> [Share(number, 2).takes("tunes", "a.mid") for number in (1, 2)]
    [True, False]
    """

    def __init__(self, number: int = 1, of: int = 1) -> None:
        if not 1 <= number <= of:
            raise InputError(f"{number}/{of} is no share: take 1/{max(of, 1)} to {max(of, 1)}/{max(of, 1)}")
        self.number, self.of = number, of
        self._listing = hashlib.blake2b(digest_size=8)

    def takes(self, collection: str, file: str) -> bool:
        """Whether a file is in this share; asked once of each file, in their order."""
        name = f"{collection}\0{file}".encode("utf-8", "surrogateescape")
        self._listing.update(name + b"\0")
        return zlib.crc32(name) % self.of == self.number - 1

    @property
    def listing(self) -> str:
        """A digest of the names of all files so far, those of other shares too."""
        return self._listing.hexdigest()


def read_music_files(paths: Iterable[str | os.PathLike[str]], share: Share | None = None) -> Iterator[MusicFile]:
    """All files of music of folders, archives and single files, or a share of them, in a fixed order; flat memory.

    Raises:
        InputError: a path that isn't there or is neither; one without any file of music in it; an
            archive that is damaged or hostile. One line that names it.
    """
    given = [Path(path) for path in paths]
    check_paths(given)
    for path in given:
        found = False
        for file in _open(path, share or Share()):
            found = True
            if file is None:
                continue
            collection = _printable(file.collection)
            for name, content in pieces(file.content, file.file):
                yield MusicFile(collection, _printable(name), content, file.problem)
        if not found:
            raise InputError(f"no files of music in {str(path)!r} (looked for {', '.join(sorted(ENDINGS))})")


def _printable(name: str) -> str:
    """Names that aren't UTF-8 on the disk come with lone surrogates, which no file can take."""
    return name.encode("utf-8", "backslashreplace").decode()


def check_paths(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Refuse paths that aren't there or can hold no music, before the work begins.

    Raises:
        InputError: the first such path, or none given at all.
    """
    given = [Path(path) for path in paths]
    if not given:
        raise InputError("no folder, archive or file of music given")
    for path in given:
        if not path.is_dir() and not _kind(path):
            raise InputError(
                f"{str(path)!r} is neither a folder, nor an archive (zip, tar, tar.gz, tar.bz2, tar.xz), nor music"
            )


def _open(path: Path, share: Share) -> "Iterator[MusicFile | None]":
    """Files of the share; None for each of another one."""
    if path.is_dir():
        return _folder(path, share)
    kind = _kind(path)
    if kind in _ARCHIVES:
        return _archive(path, kind, share)
    return iter([_loose(path, path.resolve().parent.name, path.name, share)])


def _folder(root: Path, share: Share) -> "Iterator[MusicFile | None]":
    collection = root.resolve().name
    for folder, folders, names in os.walk(root, onerror=_unreadable):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix.lower() in ENDINGS:
                yield _loose(path, collection, path.relative_to(root).as_posix(), share)
            elif _ending(name) and path.is_file() and (kind := _kind(path)) in _ARCHIVES:
                yield from _archive(path, kind, share)


def _unreadable(error: OSError) -> None:
    raise InputError(f"can't read {str(error.filename)!r}: {reason(error)}") from error


def _loose(path: Path, collection: str, name: str, share: Share) -> MusicFile | None:
    if not share.takes(collection, name):
        return None
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            return MusicFile(collection, name, b"", "not a regular file")
        if about.st_size > MAX_FILE:
            return MusicFile(collection, name, b"", f"larger than {MAX_FILE >> 20} MiB")
        return MusicFile(collection, name, path.read_bytes())
    except OSError as error:
        return MusicFile(collection, name, b"", f"can't be read: {reason(error)}")


# -- archives ----------------------------------------------------------------------------------

_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_ARCHIVES = frozenset(("zip", "tar", "gz", "bz2", "xz"))
_NOTATION = frozenset(ending for ending, form in ENDINGS.items() if form != "MIDI")  # which no first bytes tell
_MAGIC = (
    (0, b"MThd", "music"),
    (8, b"RMID", "music"),
    (128, b"MThd", "music"),  # after a MacBinary header
    (0, b"PK\x03\x04", "zip"),
    (0, b"PK\x05\x06", "zip"),
    (0, b"\x1f\x8b", "gz"),
    (0, b"BZh", "bz2"),
    (0, b"\xfd7zXZ\x00", "xz"),
    (257, b"ustar", "tar"),
)


def _ending(name: str) -> str:
    return max((e for e in _ENDINGS if name.lower().endswith(e)), key=len, default="")


def _kind(path: Path) -> str:
    """What a file is: an archive of some kind, "music", or nothing that is known."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            return ""
        if path.suffix.lower() in _NOTATION and about.st_size:
            return "music"
        with open(path, "rb") as file:
            head = file.read(512)
    except OSError as error:
        raise InputError(f"can't read {str(path)!r}: {reason(error)}") from error
    return next((kind for at, magic, kind in _MAGIC if head[at : at + len(magic)] == magic), "")


def _archive(path: Path, kind: str, share: Share) -> "Iterator[MusicFile | None]":
    collection = path.name[: -len(_ending(path.name)) or None]
    with _damage_named(path):
        for name, read in _zip(path) if kind == "zip" else _tar(path, kind):
            parts = PurePosixPath(name).parts
            inner = "/".join(parts[1:] if len(parts) > 1 and parts[0] == collection else parts)
            yield MusicFile(collection, inner, read()) if share.takes(collection, inner) else None


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except (*_DAMAGES, *_DAMAGES_TOO) as error:
        raise InputError(
            f"archive {str(path)!r} is damaged or not supported ({str(error) or type(error).__name__}); "
            "fetch it again, or unpack it and give the folder"
        ) from error


def _tar(path: Path, kind: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with open(path, "rb") as packed, _Bounded(_unpacking(packed, kind), path) as stream:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                _refuse_escape(path, member.name)
                if not (member.isfile() or member.isdir()):
                    raise _not_a_file(path, member.name)
                if member.isfile() and _is_music(member.name):
                    _refuse_large(path, member.name, member.size)
                    yield member.name, partial(_read_member, archive, member)
            end = archive.offset
        # tarfile takes a damaged header for the end, and reads no checksum that stands behind it.
        while stream.read(1 << 16):
            pass
        if not stream.used <= end < stream.size:
            raise tarfile.ReadError("it breaks off, or goes on after its end")


def _read_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return file.read() if file else b""


def _unpacking(packed: IO[bytes], kind: str) -> IO[bytes]:
    if kind == "gz":
        return gzip.GzipFile(fileobj=packed)  # type: ignore[return-value]
    if kind == "bz2":
        return bz2.BZ2File(packed)
    return lzma.LZMAFile(packed) if kind == "xz" else packed


class _Bounded(io.RawIOBase):
    """What is unpacked so far, stopped where it passes any honest archive's size.

    `size`: bytes read; `used`: as many without the zeros at their end.
    """

    def __init__(self, source: IO[bytes], path: Path) -> None:
        self._source, self._path = source, path
        self._bound = _size_bound(path)
        self.size = self.used = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes: as many as asked for unless the end comes first."""
        content = self._source.read(size)
        if filled := content.rstrip(b"\0"):
            self.used = self.size + len(filled)
        self.size += len(content)
        if self.size > self._bound:
            raise _bomb(self._path)
        return content


def _size_bound(path: Path) -> int:
    return max(FREE_SIZE, MAX_RATIO * path.stat().st_size)


def _bomb(path: Path) -> InputError:
    return InputError(
        f"archive {str(path)!r} unpacks to more than {MAX_RATIO} times its size: refused as an archive bomb"
        " (if you trust it, unpack it and give the folder)"
    )


def _zip(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        for member in members:
            _refuse_escape(path, member.filename)
            if stat.S_ISLNK(member.external_attr >> 16):
                raise _not_a_file(path, member.filename)
            if _is_music(member.filename):
                _refuse_large(path, member.filename, member.file_size)
        if sum(member.file_size for member in members) > _size_bound(path):
            raise _bomb(path)
        for member in sorted(members, key=lambda m: m.filename):
            if _is_music(member.filename) and not member.is_dir():
                yield member.filename, partial(archive.read, member)


def _refuse_escape(path: Path, name: str) -> None:
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or not parts[0] or parts[0].endswith(":"):
        raise InputError(f"archive {str(path)!r}: {name!r} leads out of the archive; it isn't read at all")


def _not_a_file(path: Path, name: str) -> InputError:
    return InputError(f"archive {str(path)!r}: {name!r} is a link or device; only files are allowed")


def _refuse_large(path: Path, name: str, size: int) -> None:
    if size > MAX_FILE:
        raise InputError(f"archive {str(path)!r}: {name!r} has {size:,} bytes; a file of music may have {MAX_FILE:,}")


def _is_music(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in ENDINGS and not PurePosixPath(name).name.startswith("._")
