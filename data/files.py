"""Files that are either whole or untouched, and fingerprints of what they hold.

Standard library only: everything that writes a file in this package goes through `atomic_write`.
"""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal, overload

from melodylc.data.errors import InputError

FINGERPRINT_LENGTH = 16

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another place",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another place",
    errno.EFBIG: "the file would be larger than the system allows",
    errno.EACCES: "no permission; choose another place or change its permissions",
    errno.EPERM: "no permission; choose another place or change its permissions",
    errno.EROFS: "the disk is read-only; choose another place",
    errno.ENOENT: "there is no such file or folder",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.EISDIR: "this is a folder, not a file",
    errno.ENAMETOOLONG: "the name is too long",
}


def reason(error: OSError) -> str:
    """Why the system refused, in plain words.

    >>> reason(FileNotFoundError(errno.ENOENT, "No such file or directory"))
    'there is no such file or folder'
    """
    return _REASONS.get(error.errno or 0) or error.strerror or str(error) or type(error).__name__


@overload
def atomic_write(path: str | os.PathLike[str], mode: Literal["wb"] = "wb") -> AbstractContextManager[IO[bytes]]: ...
@overload
def atomic_write(path: str | os.PathLike[str], mode: Literal["w"]) -> AbstractContextManager[IO[str]]: ...
def atomic_write(path: str | os.PathLike[str], mode: Literal["wb", "w"] = "wb") -> AbstractContextManager[IO[Any]]:
    """Open `path` for writing so that it changes at once and as a whole, or not at all.

    What is written goes to a hidden temporary file in the same folder, is flushed to the disk, and
    takes the place of `path` when the block ends well. When the block raises, Ctrl-C included, the
    temporary file is removed and `path` stays as it was. An existing file keeps its permissions,
    and a link keeps pointing where it does.

    Args:
        path: the file to write. Its folder must exist.
        mode: "wb" for bytes, "w" for text in UTF-8 with line feeds alone.

    Raises:
        InputError: the disk is full, the folder is missing or may not be written,
            `path` is itself a folder, or another such reason; one line that names `path`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_write(Path(folder) / "hello.txt", "w") as file:
    ...         print("hello", file=file)
    ...     [entry.name for entry in Path(folder).iterdir()]
    ['hello.txt']
    """
    return _atomic_write(Path(path), mode)


@contextmanager
def _atomic_write(path: Path, mode: Literal["wb", "w"]) -> Iterator[IO[Any]]:
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:40]}.{secrets.token_hex(6)}.tmp")
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with _create(temporary, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with suppress(OSError):
            shutil.copymode(target, temporary)
        temporary.replace(target)
    except OSError as error:
        # An error that names another file was not ours: the block was reading something.
        if error.filename is not None and Path(error.filename) not in (target, temporary):
            raise
        raise InputError(f"can't write {str(path)!r}: {reason(error)}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def check_writable(path: str | os.PathLike[str]) -> None:
    """Make sure that `path` can be written, before time is spent on what goes there. Nothing is left behind.

    Raises:
        InputError: it can't, as `atomic_write` would say.
    """
    target = Path(path)
    if target.is_dir():
        raise InputError(f"can't write {str(path)!r}: {_REASONS[errno.EISDIR]}")
    trial = target.with_name(f".{target.name[:40]}.{os.getpid()}")
    try:
        with atomic_write(trial):
            pass
        trial.unlink()
    except InputError as error:
        raise InputError(str(error).replace(repr(str(trial)), repr(str(path)))) from None


def _create(path: Path, mode: Literal["wb", "w"]) -> IO[Any]:
    """A new file with the permissions that the user's umask gives (`tempfile` would give 0600)."""
    if mode == "wb":
        return path.open("xb")
    return path.open("x", encoding="utf-8", newline="\n")


def fingerprint_bytes(content: bytes) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of `content`.

    >>> fingerprint_bytes(b"")
    'e3b0c44298fc1c14'
    """
    return hashlib.sha256(content).hexdigest()[:FINGERPRINT_LENGTH]


def fingerprint_file(path: str | os.PathLike[str]) -> str:
    """The same of a file's content, read in pieces: memory stays flat.

    Raises:
        InputError: the file can't be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:FINGERPRINT_LENGTH]
    except OSError as error:
        raise InputError(f"can't read {os.fspath(path)!r}: {reason(error)}") from error
