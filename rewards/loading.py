"""From a name to a reward, in the worker: a function of a file, or an entry point of an installed package.

What is run of a file is what is fingerprinted, byte for byte: no compiled file of an earlier version. None is left
behind, either.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from melodylc.data.errors import InputError
from melodylc.data.files import fingerprint_bytes, fingerprint_file, reason
from melodylc.data.melody import Melody
from melodylc.rewards.base import Events, Reward, Scores
from melodylc.rewards.builtin import BUILTIN
from melodylc.rewards.function import SOURCE, FunctionReward, told
from melodylc.rewards.parameters import nearest

GROUP = "melodylc.rewards"  #: of the entry points


@dataclass(frozen=True)
class Sourced(Reward):
    """A reward that isn't a function, such as a combination, named with the fingerprint of its source."""

    reward: Reward
    source: str

    @property
    def name(self) -> str:
        """Such as "(density(64..) & tonic(0))@0123456789abcdef"."""
        return f"{self.reward.name}@{self.source}"

    @property
    def domain(self) -> str:
        return self.reward.domain

    def __call__(self, melody: Melody) -> float:
        return self.reward(melody)

    def batch(self, events: Events) -> Scores:
        """As the reward's own."""
        return self.reward.batch(events)


def load(place: Mapping[str, str], texts: Mapping[str, str]) -> Reward:
    """The reward at a place, with parameters as typed.

    Args:
        place: "label", how it was asked for; "name"; and "file" or "package", which is empty where none was named.
        texts: parameters by name.

    Raises:
        InputError: anything that keeps it from being one; one line.
    """
    found = _of_file(place) if "file" in place else _of_plugin(place)
    if not texts:
        return found
    if not isinstance(found, FunctionReward):
        raise InputError(f"{place['label']} takes no parameters")
    try:
        return found.typed(texts)
    except InputError as error:
        raise InputError(f"{place['label']}: {error}") from None


def plugins() -> list[EntryPoint]:
    """The entry points of installed packages, by name."""
    return sorted(entry_points(group=GROUP), key=lambda point: (point.name, package(point)))


def package(point: EntryPoint) -> str:
    """The name of an entry point's package."""
    return point.dist.name if point.dist else "?"


def _of_file(place: Mapping[str, str]) -> Reward:
    path, name = place["file"], place["name"]
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {reason(error)}") from None
    source = fingerprint_bytes(content)
    found = vars(_run(path, content, source))
    if name not in found:
        rewards = [key for key, value in found.items() if isinstance(value, Reward)]
        raise InputError(f"{path} has no reward {name!r}; {nearest(name, rewards, 'it has none: write @reward above')}")
    return _known(found[name], source, place["label"])


def _run(path: str, content: bytes, source: str) -> ModuleType:
    module = ModuleType(f"melodylc_rule_{source}")
    module.__file__ = path
    setattr(module, SOURCE, source)
    sys.modules[module.__name__] = module
    try:
        exec(compile(content, path, "exec"), vars(module))
    except InputError as error:  # what @reward refused says enough
        raise InputError(f"{path}: {error}") from None
    except (Exception, SystemExit) as error:
        raise InputError(f"{path} doesn't import: {told(error, path)}") from None
    return module


def _of_plugin(place: Mapping[str, str]) -> Reward:
    point = _point(place["package"], place["name"])
    try:
        found = point.load()
    except (Exception, SystemExit) as error:
        where = f"{point.name} of package {package(point)} ({point.value})"
        raise InputError(f"{where} doesn't import: {told(error, '')}") from None
    return _known(found, _fingerprint(point), place["label"])


def _point(wanted: str, name: str) -> EntryPoint:
    every = plugins()
    if wanted:
        every = [point for point in every if _plain(package(point)) == _plain(wanted)]
        if not every:
            raise InputError(f"no installed package {wanted!r} has rewards; a file's name ends in .py")
    found = [point for point in every if point.name == name]
    if not found:
        known = {point.name for point in every} | (set() if wanted else set(BUILTIN))
        raise InputError(f"no reward {name!r}{wanted and f' in {wanted}'}; {nearest(name, known, 'there are none')}")
    if len(found) > 1:
        spelt = " or ".join(f"{package(point)}:{name}" for point in found)
        raise InputError(f"{len(found)} installed packages have a reward {name!r}: say {spelt}")
    return found[0]


def _plain(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def _known(found: Any, source: str, label: str) -> Reward:
    if isinstance(found, FunctionReward):
        return replace(found, source=source)
    if isinstance(found, Reward):
        return Sourced(found, source)
    raise InputError(f"{label} is no reward but a {type(found).__name__}: write @reward above a function")


def _fingerprint(point: EntryPoint) -> str:
    """Of every source file of the entry point's package, or of its module where that is one file."""
    top = sys.modules[point.module.split(".")[0]]
    folders = [Path(folder) for folder in getattr(top, "__path__", [])]
    if not folders and top.__file__:
        return fingerprint_file(top.__file__)
    paths = sorted(path for folder in folders for path in folder.rglob("*.py"))
    return fingerprint_bytes(b"".join(path.name.encode() + b"\0" + path.read_bytes() for path in paths))
