"""The folder in which runs outlive the studio: a file for each, whole or untouched at any moment.

One studio at a time keeps its runs in a folder. A file that can't be read is left as it is, and its number is not used
again.
"""

import errno
import json
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from melodylc.data.errors import InputError
from melodylc.data.files import atomic_write, reason

LARGEST = 2 << 20  #: bytes of one run
_NAME = re.compile(r"run-(\d{1,9})\.json")


class Kept(NamedTuple):
    """A file: the run's number, and what it says; None where that can't be read."""

    number: int
    values: Any


class Shelf:
    """A folder of runs; it is made when the first is put into it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     shelf = Shelf(Path(folder) / "history")
    ...     shelf.put(3, {"title": "C major"})
    ...     shelf.close()
    ...     list(shelf.read())
    [Kept(number=3, values={'title': 'C major'})]
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: IO[bytes] | None = None
        if folder.exists():
            self._claim()

    def read(self) -> Iterator[Kept]:
        """The runs, oldest first."""
        for number in self._numbers():
            yield Kept(number, self._values(self._path(number)))

    @property
    def last(self) -> int:
        """The highest number that was ever used here, or 0."""
        return max(self._numbers(), default=0)

    def put(self, number: int, values: Any) -> None:
        """Write a run.

        Raises:
            InputError: it can't be written, or another studio has the folder.
        """
        if self._lock is None:
            self._claim()
        with atomic_write(self._path(number), "w") as file:
            json.dump(values, file, separators=(",", ":"))

    def remove(self, number: int) -> None:
        """Remove a run, where it is there."""
        with suppress(OSError):
            self._path(number).unlink(missing_ok=True)

    def close(self) -> None:
        """Let another studio have the folder."""
        if self._lock:
            self._lock.close()
        self._lock = None

    def _path(self, number: int) -> Path:
        return self.folder / f"run-{number:06}.json"

    def _numbers(self) -> list[int]:
        try:
            found = [_NAME.fullmatch(entry.name) for entry in self.folder.iterdir()]
        except OSError:
            return []
        return sorted({int(match[1]) for match in found if match})

    def _values(self, path: Path) -> Any:
        try:
            if path.stat().st_size > LARGEST:
                return None
            return json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return None

    def _claim(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self.folder / ".lock").open("ab")
        except OSError as error:
            raise InputError(f"the history can't be kept in {self.folder} ({reason(error)})") from error
        if not _locked(self._lock):
            self.close()
            raise InputError(f"another studio keeps its history in {self.folder}")


def _locked(file: IO[bytes]) -> bool:
    """Whether the file is this process's now; the system lets go of it when the process ends, however it ends."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # A file system without locks has no second studio that could be told from the first.
        return error.errno not in _TAKEN
    return True


_TAKEN = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)  # as POSIX and Windows say it
