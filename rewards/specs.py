"""Rewards by name: those there are, and how people type them.

    reward  :=  choice of products:  product | product | ...
    product :=  term & term & ...
    term    :=  ~term,  WEIGHT*term,  (reward),  or a name:
                path.py:NAME          a function of a file
                NAME                  a built-in reward, or else one of an installed package
                PACKAGE:NAME          one of this package
                each with parameters: ,parameter=value,parameter=value

as in Python: `0.5*leaps.py:stepwise,largest=2 & ~tonic,pitch_class=0`. A value may have commas (`classes=0,2,4`).
`,at_least=0.95` behind a name or a bracket makes that share of it enough (`melodylc.rewards.at_least`).
What holds one of & | ( ) is put in double quotes: `"R&B/leaps.py":stepwise`; the bars of a progression need none.
"""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from melodylc.data.chords import SIGNS, parse_chord
from melodylc.data.errors import InputError
from melodylc.data.keys import Scale
from melodylc.rewards.ambitus import ambitus, register
from melodylc.rewards.base import Reward, at_least, check_weight
from melodylc.rewards.chords import chords
from melodylc.rewards.contour import contour
from melodylc.rewards.density import density
from melodylc.rewards.domains import MELODIES
from melodylc.rewards.ends import first_note, last_length, last_note
from melodylc.rewards.form import form
from melodylc.rewards.intervals import leaps, repeats, stepwise
from melodylc.rewards.isolation import SECONDS, describe_isolated, list_plugins, load_isolated
from melodylc.rewards.motif import motif
from melodylc.rewards.parameters import REQUIRED, Parameters
from melodylc.rewards.pitch import in_scale, pitch_classes, tonic
from melodylc.rewards.rests import breaths, longest_rest, rests
from melodylc.rewards.rhythm import grid, groove, lengths, rhythm
from melodylc.rewards.syncopation import syncopation
from melodylc.rewards.variety import variety

BUILTIN: dict[str, Callable[..., Reward]] = {
    function.__name__: function
    for function in (
        in_scale,
        pitch_classes,
        tonic,
        chords,
        first_note,
        last_note,
        last_length,
        register,
        ambitus,
        stepwise,
        leaps,
        repeats,
        contour,
        density,
        lengths,
        grid,
        rhythm,
        groove,
        syncopation,
        rests,
        longest_rest,
        breaths,
        form,
        motif,
        variety,
    )
}
"""The rewards that come with the package, by name: functions whose parameters can be typed. A new one is a new row."""

_EXAMPLES: dict[str, dict[str, object]] = {  # of parameters that must be given
    "pitch_classes": {"classes": (0, 2, 4, 7, 9)},
    "tonic": {"pitch_class": 0},
    "chords": {"progression": "C | Am | F | G7"},
    "density": {"least": 64, "most": 96},
}
_SHARE = "at_least"  # the parameter that every reward has

Find = Callable[[Path], Path]
"""Where a file that was typed really is; InputError where there is none."""

_WEIGHT = re.compile(r"([^\s*&|~()\":,]+)\s*\*\s*")
_NAME = re.compile(r'(?:"[^"]*"|[^&|()"])+')
_PROGRESSION = re.compile(r"chords\s*,(?:.*,)?\s*progression\s*=[^=]*", re.DOTALL)
_BAR = re.compile(r"\|([^&|()\"]*)")
_ENOUGH = re.compile(r",\s*at_least\s*=\s*([^\s&|()]+)")
_FILE = re.compile(r"(?P<path>.*?\.py):(?P<name>.*)", re.DOTALL)
_NEXT = re.compile(r",(?=\s*[A-Za-z_]\w*\s*=)")


class RewardName(NamedTuple):
    """A reward by name: of a file, a package or neither, with parameters as typed."""

    label: str  #: how it was typed, without parameters
    name: str
    path: Path | None = None
    package: str = ""
    texts: tuple[tuple[str, str], ...] = ()

    def place(self, find: "Find") -> dict[str, str]:
        """Where it is loaded from; see `melodylc.rewards.worker.load`."""
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


def load_reward(named: RewardName, seconds: float = SECONDS, find: Find = existing) -> Reward:
    """The reward of a name.

    Raises:
        InputError: there is none, or its parameters are wrong.
    """
    texts = dict(named.texts)
    share = texts.pop(_SHARE, None)
    found = named._replace(texts=tuple(texts.items()))
    if found.path is None and not found.package and found.name in BUILTIN:
        reward = _builtin(found)
    else:
        reward = load_isolated(found.place(find), texts, seconds)
    return reward if share is None else at_least(reward, _number(share, "at_least is a share above 0 and at most 1"))


def parse_name(text: str) -> RewardName:
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


def _place(label: str) -> RewardName:
    if file := _FILE.fullmatch(label):
        path, name, package = Path(file["path"]).expanduser(), file["name"].strip(), ""
    else:
        package, _, name = label.rpartition(":")
        path = None
    if label.endswith(".py") or not name:
        raise InputError(f"{label or 'nothing'} names no reward: write path.py:NAME, NAME or PACKAGE:NAME")
    return RewardName(label, name, path, package)


def _builtin(named: RewardName) -> Reward:
    factory = BUILTIN[named.name]
    parameters = Parameters.of(factory)
    try:
        return factory(**parameters.fill(parameters.read(dict(named.texts))))
    except InputError as error:
        raise InputError(f"{named.name}: {error}") from None


class _Reader:
    """Reads one text, from left to right."""

    def __init__(self, text: str, load: Callable[[RewardName], Reward]) -> None:
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
        while self._take("|"):
            reward = reward | self._product()
        return reward

    def _product(self) -> Reward:
        reward = self._term()
        while self._take("&"):
            reward = reward & self._term()
        return reward

    def _term(self) -> Reward:
        if not self._in_home() and self._take("~"):
            return ~self._term()
        if weight := _WEIGHT.match(self._rest):
            self._rest = self._rest[weight.end() :]
            return _weight(weight[1]) * self._term()
        if self._take("("):
            reward = self._choice()
            if not self._take(")"):
                raise self._unreadable()
            if share := _ENOUGH.match(self._rest):
                self._rest = self._rest[share.end() :].lstrip()
                return at_least(reward, _number(share[1], "at_least is a share above 0 and at most 1"))
            return reward
        return self._load(parse_name(self._name()))

    def _in_home(self) -> bool:
        """Whether a file in the home folder comes next: `~/` is that, unless only the absolute path is there."""
        if not self._rest.startswith("~/"):
            return False
        path = self._rest.partition(":")[0]
        return Path(path).expanduser().exists() or not Path(path[1:]).exists()

    def _name(self) -> str:
        found = _NAME.match(self._rest)
        if found is None:
            raise self._unreadable()
        name, self._rest = found[0], self._rest[found.end() :]
        # The bars of a progression: as long as what stands between | and | are chords.
        while _PROGRESSION.fullmatch(name) and (bar := _BAR.match(self._rest)) and _are_chords(bar[1]):
            name, self._rest = name + bar[0], self._rest[bar.end() :]
        self._rest = self._rest.lstrip()
        return name

    def _take(self, sign: str) -> bool:
        found = self._rest.startswith(sign)
        self._rest = self._rest.removeprefix(sign).lstrip() if found else self._rest
        return found

    def _unreadable(self) -> InputError:
        where = f"at {self._rest[:20]!r}" if self._rest else "at its end"
        return InputError(
            f"can't read the reward {self._text!r} {where}: names and parameters, joined with & | ~ WEIGHT* and ( )"
        )


def _are_chords(text: str) -> bool:
    """Whether a bar of a progression stands there, with the parameters that may follow the last one."""
    words = _NEXT.split(text)[0].split()
    try:
        for word in words:
            if word not in SIGNS:
                parse_chord(word, Scale(0, "major"))
    except InputError:
        return False
    return bool(words)


def _weight(text: str) -> float:
    try:
        return check_weight(float(text))
    except ValueError:
        raise InputError(f"a weight is a positive number, not {text!r}") from None


def _number(text: str, rule: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{rule}, not {text[:40]!r}") from None


# -- which there are -------------------------------------------------------------------------------


class Entry(NamedTuple):
    """A row of the list. `sentence`: what it asks, at its defaults; `summary`: how it is computed."""

    name: str
    origin: str
    sentence: str
    summary: str


class Description(NamedTuple):
    """All about one reward. `parameters`: a row each of name, kind and default."""

    name: str
    origin: str
    domain: str
    sentence: str
    text: str
    parameters: list[list[str]]


def catalogue() -> list[Entry]:
    """The built-in rewards, then those of installed packages, which are not imported for it.

    >>> [entry.name for entry in catalogue()][:2]
    ['in_scale', 'pitch_classes']
    """
    ours = [
        Entry(name, "melodylc", _example(name).sentence, _summary(inspect.getdoc(factory) or ""))
        for name, factory in BUILTIN.items()
    ]
    others = [Entry(_spelling(name, package), package, value, "") for name, package, value in list_plugins()]
    return ours + others


def plain_rewards() -> list[Reward]:
    """The built-in rewards that need no parameter, with their defaults.

    >>> [reward.name for reward in plain_rewards()][:3]
    ['pitch_classes(0,2,4,5,7,9,11)', 'first_note(pitch=C)', 'last_note(pitch=C)']
    """
    return [
        factory()
        for factory in BUILTIN.values()
        if all(it.default is not it.empty for it in inspect.signature(factory).parameters.values())
    ]


def describe(text: str, seconds: float = SECONDS) -> Description:
    """What a reward says of itself; its parameters have the values that were typed, else their defaults.

    Raises:
        InputError: there is no such reward.

    >>> describe("tonic").parameters
    [['pitch_class', 'a whole number', 'must be given']]
    """
    named = parse_name(text)
    if named.path is None and not named.package and named.name in BUILTIN:
        return _describe_builtin(named.name, dict(named.texts))
    found = describe_isolated(named.place(existing), dict(named.texts), seconds)
    origin = str(named.path) if named.path else "an installed package"
    rows = [[str(cell) for cell in row] for row in found["parameters"]]
    text = found["doc"] or "(it says nothing)"
    return Description(found["name"], origin, found["domain"], found["sentence"], text, rows)


def _describe_builtin(name: str, texts: dict[str, str]) -> Description:
    factory = BUILTIN[name]
    parameters = Parameters.of(factory)
    try:
        values = parameters.read(texts)
        sentence = factory(**{**_EXAMPLES.get(name, {}), **values}).sentence
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    rows = []
    for parameter in parameters.each:
        value = values.get(parameter.name, parameter.default)
        rows.append([parameter.name, parameter.kind.words, "must be given" if value is REQUIRED else repr(value)])
    docs = (inspect.getdoc(factory), inspect.getdoc(inspect.getmodule(factory)))  # the formula, and where it is from
    return Description(name, "melodylc", MELODIES, sentence, "\n\n".join(filter(None, docs)), rows)


def _example(name: str) -> Reward:
    return BUILTIN[name](**_EXAMPLES.get(name, {}))


def _summary(doc: str) -> str:
    return " ".join(doc.split("\n\n")[0].split())


def _spelling(name: str, package: str) -> str:
    return f"{package}:{name}" if name in BUILTIN else name
