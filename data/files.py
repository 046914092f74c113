"""Files that are either whole or untouched, and fingerprints of what they hold.

Standard library only: everything that writes a file in this package goes through `atomic_write`.
"""

import errno
import hashlib
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal, overload

from melodylc.data.errors import InputError
from melodylc.data.locks import hold, is_same

_LOG = logging.getLogger(__name__)
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
    with _explain(path, target), _temporary(target, mode) as (file, temporary):
        yield file
        file.flush()
        os.fsync(file.fileno())
        with suppress(OSError):
            shutil.copymode(target, temporary)
        if os.name == "nt":  # an open file can't be renamed there; elsewhere it stays ours until it has its name
            file.close()
        temporary.replace(target)
        _LOG.info("wrote %s", target)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Make sure that `path` can be written, before time is spent on what goes there. Nothing is left behind.

    Raises:
        InputError: it can't, as `atomic_write` would say.
    """
    target = Path(os.path.realpath(path))
    with _explain(path, target), _temporary(target, "wb") as (file, _):
        file.write(b"\0")  # an empty file has room on a full disk, too
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _explain(path: str | os.PathLike[str], target: Path) -> Iterator[None]:
    """Errors of the system about the target, as ours; one that names another file was not ours: it was being read."""
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        yield
    except OSError as error:
        if error.filename is not None:
            named = Path(os.fsdecode(error.filename))
            if named != target and not (named.parent == target.parent and _is_temporary(named.name)):
                raise
        raise InputError(f"can't write {os.fspath(path)!r}: {reason(error)}") from error


# -- temporary files ---------------------------------------------------------------------------
#
# Whoever writes one keeps it locked; the system unlocks it when that process ends. So one that isn't locked is of a
# process that was killed, on whatever machine, and the next run that writes in its folder removes it.

_TEMPORARY = re.compile(r"\..*\.[0-9a-f]{12}\.tmp")
_YOUNG = 60.0  # seconds that one is left alone on Windows, where it can't be renamed while it is locked
_swept: set[Path] = set()  # folders, by this process


def temporary_name(target: Path) -> Path:
    """A free, hidden name beside a file or folder, by which `sweep` knows it for ours."""
    return target.with_name(f".{target.name[:40]}.{secrets.token_hex(6)}.tmp")


@contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """A new folder beside where it will stand, which goes with the block unless it was renamed.

    Raises:
        OSError: it can't be made.
    """
    sweep_once(target.parent)
    for last in (False, False, True):
        folder = temporary_name(target)
        folder.mkdir()
        descriptor = _own_folder(folder)
        if last or descriptor is None or is_same(descriptor, folder):
            break
        os.close(descriptor)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove the temporary files and folders of ours in a folder that no living process owns."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _is_temporary(entry.name) and not entry.is_symlink():
                with suppress(OSError):
                    _remove_stale(Path(entry.path))


def sweep_once(folder: Path) -> None:
    """`sweep`, the first time that this process writes there."""
    if folder not in _swept:
        _swept.add(folder)
        sweep(folder)


def _is_temporary(name: str) -> bool:
    return _TEMPORARY.fullmatch(name) is not None


def _remove_stale(path: Path) -> None:
    if os.name == "nt":
        if time.time() - path.stat().st_mtime > _YOUNG:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return
    descriptor = os.open(path, (os.O_RDONLY if path.is_dir() else os.O_RDWR) | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if hold(descriptor) and is_same(descriptor, path):
            _LOG.info("removing %s, which a killed process left", path)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    finally:
        os.close(descriptor)


@contextmanager
def _temporary(target: Path, mode: Literal["wb", "w"]) -> Iterator[tuple[IO[Any], Path]]:
    """A new file beside the target that is ours, and its name; it goes with the block unless it was renamed."""
    sweep_once(target.parent)
    for last in (False, False, True):
        path = temporary_name(target)
        file = _create(path, mode)
        if last or (hold(file.fileno()) is not False and is_same(file.fileno(), path)):
            break
        file.close()  # another process took it for a dead one's, in the moment before it was locked
    try:
        with file:
            yield file, path
    finally:
        with suppress(OSError):
            path.unlink()


def _own_folder(folder: Path) -> int | None:
    if os.name == "nt":
        return None
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    hold(descriptor)
    return descriptor


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
