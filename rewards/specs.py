"""Rewards as people type them.

    reward  :=  choice of products:  product | product | ...
    product :=  term & term & ...
    term    :=  ~term,  WEIGHT*term,  (reward),  or a name:
                path.py:NAME          a function of a file
                NAME                  a built-in reward, or else one of an installed package
                PACKAGE:NAME          one of this package
                each with parameters: ,parameter=value,parameter=value

as in Python: `0.5*leaps.py:stepwise,largest=2 & ~tonic,pitch_class=0`. A value may have commas (`classes=0,2,4`).
What holds one of & | ( ) is put in double quotes: `"R&B/leaps.py":stepwise`.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from melodylc.data.errors import InputError
from melodylc.rewards.base import Reward, checked_weight
from melodylc.rewards.builtin import BUILTIN
from melodylc.rewards.isolation import SECONDS, isolated
from melodylc.rewards.parameters import Parameters

Find = Callable[[Path], Path]
"""Where a file that was typed really is; InputError where there is none."""

_WEIGHT = re.compile(r"([^\s*&|~()\":,]+)\s*\*\s*")
_NAME = re.compile(r'(?:"[^"]*"|[^&|()"])+')
_FILE = re.compile(r"(?P<path>.*?\.py):(?P<name>.*)", re.DOTALL)
_NEXT = re.compile(r",(?=\s*[A-Za-z_]\w*\s*=)")


class Named(NamedTuple):
    """A reward by name: of a file, a package or neither, with parameters as typed."""

    label: str  #: how it was typed, without parameters
    name: str
    path: Path | None = None
    package: str = ""
    texts: tuple[tuple[str, str], ...] = ()

    def place(self, find: "Find") -> dict[str, str]:
        """Where it is loaded from; see `melodylc.rewards.loading.load`."""
        where = {"package": self.package} if self.path is None else {"file": str(find(self.path))}
        return {"label": self.label, "name": self.name, **where}


def existing(path: Path) -> Path:
    """The file itself.

    Raises:
        InputError: it isn't there.
    """
    if not path.is_file():
        raise InputError(f"{path}: {'this is a folder, not a file' if path.is_dir() else 'there is no such file'}")
    return path


def parse_reward(text: str, *, seconds: float = SECONDS, find: Find = existing) -> Reward:
    """The reward that someone typed; see above. Those of files and packages run in processes of their own.

    Args:
        text: what was typed.
        seconds: that one call of such a reward may take.
        find: where a file is.

    Raises:
        InputError: it can't be read or loaded, with the nearest names; one line.

    >>> parse_reward("0.5*tonic,pitch_class=9 | ~density,least=16,most=64").name
    '(0.5*tonic(9) | ~density(16..64))'
    """
    return _Reader(text, lambda named: load_reward(named, seconds, find)).whole()


def load_reward(named: Named, seconds: float = SECONDS, find: Find = existing) -> Reward:
    """The reward of a name.

    Raises:
        InputError: there is none, or its parameters are wrong.
    """
    if named.path is None and not named.package and named.name in BUILTIN:
        return _builtin(named)
    return isolated(named.place(find), dict(named.texts), seconds)


def parse_name(text: str) -> Named:
    """A name with its parameters.

    Raises:
        InputError: it names nothing, or what follows are no parameters.

    >>> named = parse_name("rules/leaps.py:stepwise,largest=2")
    >>> named.name, named.texts
    ('stepwise', (('largest', '2'),))
    """
    label, *texts = [part.replace('"', "").strip() for part in _NEXT.split(text.strip())]
    label, comma, rest = _cut(label)
    if comma:
        raise InputError(f"{rest.strip()!r} after {label} is no parameter: write parameter=value")
    parameters = [(name.strip(), value.strip()) for name, _, value in (text.partition("=") for text in texts)]
    twice = {name for name, _ in parameters if [other for other, _ in parameters].count(name) > 1}
    if twice:
        raise InputError(f"{label}: {min(twice)} is given twice")
    return _place(label)._replace(texts=tuple(parameters))


def _cut(label: str) -> tuple[str, str, str]:
    """A name and what stands behind a comma; commas in a file's path are its own."""
    path, colon, rest = label.rpartition(":")
    name, comma, rest = rest.partition(",")
    return path + colon + name, comma, rest


def _place(label: str) -> Named:
    if file := _FILE.fullmatch(label):
        path, name, package = Path(file["path"]).expanduser(), file["name"].strip(), ""
    else:
        package, _, name = label.rpartition(":")
        path = None
    if label.endswith(".py") or not name:
        raise InputError(f"{label or 'nothing'} names no reward: write path.py:NAME, NAME or PACKAGE:NAME")
    return Named(label, name, path, package)


def _builtin(named: Named) -> Reward:
    factory = BUILTIN[named.name]
    parameters = Parameters.of(factory)
    try:
        return factory(**parameters.fill(parameters.read(dict(named.texts))))
    except InputError as error:
        raise InputError(f"{named.name}: {error}") from None


class _Reader:
    """Reads one text, from left to right."""

    def __init__(self, text: str, load: Callable[[Named], Reward]) -> None:
        self._text = text
        self._rest = text.strip()
        self._load = load

    def whole(self) -> Reward:
        reward = self._choice()
        if self._rest:
            raise self._unreadable()
        return reward

    def _choice(self) -> Reward:
        reward = self._product()
        while self._took("|"):
            reward = reward | self._product()
        return reward

    def _product(self) -> Reward:
        reward = self._term()
        while self._took("&"):
            reward = reward & self._term()
        return reward

    def _term(self) -> Reward:
        if not self._rest.startswith("~/") and self._took("~"):
            return ~self._term()
        if weight := _WEIGHT.match(self._rest):
            self._rest = self._rest[weight.end() :]
            return _weight(weight[1]) * self._term()
        if self._took("("):
            reward = self._choice()
            if not self._took(")"):
                raise self._unreadable()
            return reward
        return self._load(parse_name(self._name()))

    def _name(self) -> str:
        found = _NAME.match(self._rest)
        if found is None:
            raise self._unreadable()
        self._rest = self._rest[found.end() :].lstrip()
        return found[0]

    def _took(self, sign: str) -> bool:
        took = self._rest.startswith(sign)
        self._rest = self._rest.removeprefix(sign).lstrip() if took else self._rest
        return took

    def _unreadable(self) -> InputError:
        where = f"at {self._rest[:20]!r}" if self._rest else "at its end"
        return InputError(
            f"can't read the reward {self._text!r} {where}: names and parameters, joined with & | ~ WEIGHT* and ( )"
        )


def _weight(text: str) -> float:
    try:
        return checked_weight(float(text))
    except ValueError:
        raise InputError(f"a weight is a positive number, not {text!r}") from None
