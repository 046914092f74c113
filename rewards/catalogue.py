"""Which rewards there are: the built-in ones and those of installed packages; and what one says of itself."""

import inspect
from typing import NamedTuple

from melodylc.data.errors import InputError
from melodylc.rewards.base import MELODIES, Reward
from melodylc.rewards.builtin import BUILTIN
from melodylc.rewards.isolation import SECONDS, described, installed
from melodylc.rewards.parameters import REQUIRED, Parameters
from melodylc.rewards.specs import existing, parse_name


class Entry(NamedTuple):
    """A row of the list."""

    name: str
    origin: str
    summary: str


class Description(NamedTuple):
    """All about one reward. `parameters`: a row each of name, kind and default."""

    name: str
    origin: str
    domain: str
    text: str
    parameters: list[list[str]]


def catalogue() -> list[Entry]:
    """The built-in rewards, then those of installed packages, which are not imported for it.

    >>> [entry.name for entry in catalogue()][:2]
    ['in_scale', 'pitch_classes']
    """
    ours = [Entry(name, "melodylc", _summary(inspect.getdoc(made) or "")) for name, made in BUILTIN.items()]
    others = [Entry(_spelt(name, package), package, value) for name, package, value in installed()]
    return ours + others


def plain_rewards() -> list[Reward]:
    """The built-in rewards that need no parameter, with their defaults.

    >>> [reward.name for reward in plain_rewards()][:3]
    ['pitch_classes(0,2,4,5,7,9,11)', 'first_note(pitch=C)', 'last_note(pitch=C)']
    """
    made = BUILTIN.values()
    return [
        make() for make in made if all(it.default is not it.empty for it in inspect.signature(make).parameters.values())
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
        return _builtin(named.name, dict(named.texts))
    told = described(named.place(existing), dict(named.texts), seconds)
    origin = str(named.path) if named.path else "an installed package"
    rows = [[str(cell) for cell in row] for row in told["parameters"]]
    return Description(told["name"], origin, told["domain"], told["doc"] or "(it says nothing)", rows)


def _builtin(name: str, texts: dict[str, str]) -> Description:
    parameters = Parameters.of(BUILTIN[name])
    try:
        values = parameters.read(texts)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    rows = []
    for parameter in parameters.each:
        value = values.get(parameter.name, parameter.default)
        rows.append([parameter.name, parameter.kind.words, "must be given" if value is REQUIRED else repr(value)])
    made = BUILTIN[name]
    said = (inspect.getdoc(made), inspect.getdoc(inspect.getmodule(made)))  # the formula, and where it comes from
    return Description(name, "melodylc", MELODIES, "\n\n".join(filter(None, said)), rows)


def _summary(doc: str) -> str:
    return " ".join(doc.split("\n\n")[0].split())


def _spelt(name: str, package: str) -> str:
    return f"{package}:{name}" if name in BUILTIN else name
