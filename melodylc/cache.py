"""Where this package keeps what it learnt, and what came with it. `MELODYLC_CACHE` moves the cache.

The cache is optional. Where it can't be written, work is done all the same, isn't kept, and a remark says so once.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from melodylc.data.errors import InputError
from melodylc.data.files import check_writable, reason, sweep
from melodylc.data.locks import lock

KINDS = {
    "actors": "actors learnt for rules",
    "critics": "their critics",
    "banks": "samples of models of your own",
    "drawn": "melodies that `evaluate rules` measures",
    "picture-actors": "actors learnt for rules on pictures",
    "realism": "realism critics of `train realism`, which nothing makes anew by itself",
}
_LOG = logging.getLogger(__name__)
_warned: set[Path] = set()  # folders that this process has said can't be written


def cache_folder() -> Path:
    """The user's cache folder of this package."""
    if folder := os.environ.get("MELODYLC_CACHE"):
        return Path(folder)
    from platformdirs import user_cache_path

    return user_cache_path("melodylc", appauthor=False)


@cache
def _process_folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="melodylc-")


def learnt_folder(*, cacheable: bool) -> Path:
    """Where what is learnt for a rule is kept: the cache, or, where the rule's name means nothing in another process,
    a folder that goes with this one.
    """
    return cache_folder() if cacheable else Path(_process_folder().name)


def pretrained() -> Path:
    """The folder of the models, actors and banks that ship."""
    return Path(str(files("melodylc.pretrained")))


@contextmanager
def cache_entry(path: Path, note: Callable[[str], None] = _LOG.warning) -> Iterator[Path]:
    """A file to write in the cache, locked: another process that makes the same is waited for, so look again whether
    it is there.

    Where the cache can't be written, a file elsewhere that goes with the block.

    Args:
        path: the entry's place.
        note: told of a wait, and, once a process, of a cache that can't be written.
    """

    def waiting(holder: str) -> None:
        note(f"waiting for what another process is learning ({holder})")

    try:
        held = lock(path, wait=True, waiting=waiting)
    except InputError as error:
        _warn(path, str(error), note)
        with TemporaryDirectory() as folder:
            yield Path(folder) / path.name
        return
    with held:
        try:
            check_writable(path)
        except InputError as error:
            _warn(path, str(error), note)
            with TemporaryDirectory() as folder:
                yield Path(folder) / path.name
            return
        yield path


def _warn(path: Path, why: str, note: Callable[[str], None]) -> None:
    if path.parent not in _warned:
        _warned.add(path.parent)
        note(f"{why}; what is learnt isn't kept for the next time (MELODYLC_CACHE moves the cache)")


class CacheKind(NamedTuple):
    """What the cache holds of one kind."""

    name: str
    about: str
    entries: int
    size: int  #: bytes


def cache_contents() -> list[CacheKind]:
    """What the cache holds, a row for each of `KINDS`."""
    sizes = {name: [path.stat().st_size for path in _entries(name)] for name in KINDS}
    return [CacheKind(name, about, len(sizes[name]), sum(sizes[name])) for name, about in KINDS.items()]


def clear_cache(kinds: tuple[str, ...]) -> tuple[int, int]:
    """Remove what the cache holds of some kinds: how many entries, and how many bytes. What is being made stays.

    Raises:
        InputError: an entry can't be removed.
    """
    count = size = 0
    for kind in kinds:
        sweep(cache_folder() / kind)
        for path in _entries(kind):
            try:
                size += path.stat().st_size
                path.unlink()
            except OSError as error:
                raise InputError(f"can't remove {str(path)!r}: {reason(error)}") from error
            count += 1
        with suppress(OSError):
            (cache_folder() / kind).rmdir()
    return count, size


def _entries(kind: str) -> list[Path]:
    folder = cache_folder() / kind
    try:
        return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError:
        return []
