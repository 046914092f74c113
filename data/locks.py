"""One writer at a time: a lock on a folder or a file that is about to be written.

Two processes that write one place at once lose work of each other's, and both call it done. So whoever writes takes the
place's lock first, before the work: a hidden file beside it (`.NAME.lock`) that the system locks for this process
(`flock`; `msvcrt.locking` on Windows). The system gives it up when the process ends, however that happens: what a dead
process held is free, and a lock file alone locks nothing. It holds who has the lock, for the sentence that others get.

On file systems that lock nothing, everything goes on without. Standard library only.
"""

import errno
import json
import logging
import os
import shlex
import socket
import sys
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from melodylc.data.errors import InputError

_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EBADF}
_LOG = logging.getLogger(__name__)
_BYTE = 1 << 30  # which byte is locked on Windows: one behind all that is written, as nobody else may read it there
_LONGEST = 200  # bytes of a name


class Holder(NamedTuple):
    """Who holds a lock."""

    command: str
    pid: int
    host: str
    since: str  #: local time

    @classmethod
    def this_process(cls) -> "Holder":
        """The one who asks."""
        name = Path(sys.argv[0]).stem if sys.argv else ""
        words = [name if name not in ("__main__", "-c", "-m", "") else "melodylc", *sys.argv[1:]]
        return cls(shlex.join(words)[:_LONGEST], os.getpid(), socket.gethostname(), time.strftime("%Y-%m-%d %H:%M:%S"))

    @classmethod
    def read(cls, text: str) -> "Holder | None":
        """The one that a lock file names, if it names one."""
        try:
            command, pid, host, since = json.loads(text)
            return cls(str(command), int(pid), str(host), str(since))
        except (ValueError, TypeError):
            return None

    def __str__(self) -> str:
        return f"'{self.command}', process {self.pid} on {self.host}, since {self.since}"


class Lock:
    """The lock on a path, held until `release`, the end of a `with` block, or of the process. Made by `lock`."""

    def __init__(self, descriptor: int, file: Path, folders: list[Path]) -> None:
        self.release: Callable[[], object] = weakref.finalize(self, _release, descriptor, file, folders, os.getpid())

    def __enter__(self) -> "Lock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def lock(
    path: str | os.PathLike[str],
    *,
    wait: bool = False,
    waiting: Callable[[str], None] = lambda holder: None,
) -> Lock:
    """Lock a file or folder that this process is going to write. Its parents are made where they are missing.

    Args:
        path: what will be written; it needn't exist.
        wait: whether to wait for whoever holds it, instead of an error.
        waiting: told who that is, before the wait.

    Raises:
        InputError: another process holds it, in a sentence that says who; or nothing can be written there.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, lock(Path(folder) / "corpus"):
    ...     lock(Path(folder) / "corpus")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    melodylc.data.errors.InputError: '...corpus' is being written by another process (...)...
    """
    target = Path(os.path.realpath(path))
    while True:
        descriptor, file, folders = _open(target)
        try:
            if hold(descriptor) is False:
                holder = Holder.read(_content(descriptor))
                if not wait:
                    raise InputError(
                        f"{os.fspath(path)!r} is being written by another process ({holder or 'it gives no name'}): "
                        "wait until it is done, or name another place"
                    )
                waiting(str(holder or "another process"))
                hold(descriptor, wait=True)
            if is_same(descriptor, file):
                _LOG.debug("locked %s", target)
                _write(descriptor, json.dumps(Holder.this_process()))
                return Lock(descriptor, file, folders)
            os.close(descriptor)  # its last holder has taken it away: there may be a new one by now
        except BaseException:
            os.close(descriptor)
            _remove_empty(folders)
            raise


def hold(descriptor: int, *, wait: bool = False) -> bool | None:
    """Lock an open file or folder until it is closed: whether that worked, or None where nothing can be locked.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file, open(file.name, "r+b") as again:
    ...     hold(file.fileno()), hold(again.fileno())
    (True, False)
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _BYTE, os.SEEK_SET)
            while True:
                try:
                    msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
                    return True
                except PermissionError:
                    if not wait:
                        return False
                    time.sleep(0.1)
                finally:
                    os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            return True
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return None
        raise


def is_same(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except OSError:
        return False


def _open(target: Path) -> tuple[int, Path, list[Path]]:
    """The lock file of a path, and the folders that were made for it; inside a folder whose parent can't be written."""
    from melodylc.data.files import fingerprint_bytes, reason

    name = target.name if len(os.fsencode(target.name)) < _LONGEST else fingerprint_bytes(os.fsencode(target.name))
    while True:
        missing = [folder for folder in target.parents if not folder.exists()]
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            beside = target.with_name(f".{name}.lock")
            return _descriptor(beside), beside, missing
        except FileNotFoundError:
            continue  # another process had made the folder, and took it away
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and target.is_dir():
                with suppress(OSError):
                    return _descriptor(target / ".lock"), target / ".lock", []
            raise InputError(f"can't write {str(target)!r}: {reason(error)}") from error


def _descriptor(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _content(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, 4096).decode("utf-8", "replace")


def _write(descriptor: int, text: str) -> None:
    with suppress(OSError):  # a full disk: it is locked without a name
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, text.encode("utf-8", "backslashreplace"))


def _release(descriptor: int, file: Path, folders: list[Path], pid: int) -> None:
    if os.getpid() != pid:  # a fork of the process that holds it
        return
    if sys.platform == "win32":  # an open file can't be removed there
        os.close(descriptor)
        with suppress(OSError):
            file.unlink()
    else:
        with suppress(OSError):
            if is_same(descriptor, file):
                file.unlink()
        os.close(descriptor)
    _remove_empty(folders)


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:  # the innermost first
        with suppress(OSError):
            folder.rmdir()
