"""What melodies came from: versions, model, prior, method, corpora. Parts of a run must agree on it."""

import json
from collections.abc import Mapping
from typing import Any

from melodylc.data.errors import InputError

Origin = Mapping[str, Any]
"""Plain values, as a manifest has them: "versions", "model", "prior", "method", "copies_of"."""


def check_same(one: Mapping[str, Any], other: Mapping[str, Any], where: str, here: str = "this process") -> None:
    """Make sure that two parts of a run have the same values.

    Args:
        one: the first one's values, by name.
        other: the other one's.
        where: what the other one is, for the message.
        here: what the first one is.

    Raises:
        InputError: they differ; the message names the first value that does.

    >>> check_same({"model": "a"}, {"model": "b"}, "part2", "part1")
    Traceback (most recent call last):
    melodylc.data.errors.InputError: part2 doesn't belong with part1: its model is b, not a
    """
    for name in [*one, *(name for name in other if name not in one)]:
        mine, its = one.get(name), other.get(name)
        if isinstance(mine, Mapping) and isinstance(its, Mapping):
            check_same(
                {f"{name}: {k}": v for k, v in mine.items()}, {f"{name}: {k}": v for k, v in its.items()}, where, here
            )
        elif mine != its:
            raise InputError(f"{where} doesn't belong with {here}: its {name} is {_shown(its)}, not {_shown(mine)}")


def merge_origins(one: Origin, other: Origin, where: str, here: str = "the others") -> dict[str, Any]:
    """What two parts of a run came from together.

    A part that never needed the method's second half doesn't name it. An actor that one part learnt and another then
    found in the cache was learnt.

    Args:
        one: the first one's origin.
        other: the other one's.
        where: what the other one is, for a message.
        here: what the first one is.

    Raises:
        InputError: they don't belong together.
    """
    mine, its = dict(one["method"]), dict(other["method"])
    for name in mine.keys() & its.keys():
        values = mine[name], its[name]
        if all(isinstance(value, Mapping) and "origin" in value for value in values):
            origins = {value["origin"] for value in values}
            origin = "fitted" if "fitted" in origins else values[0]["origin"]
            mine[name], its[name] = ({**value, "origin": origin} for value in values)
    check_same({**one, "method": {**its, **mine}}, {**other, "method": {**mine, **its}}, where, here)
    return {**one, "method": {**mine, **its}}


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
