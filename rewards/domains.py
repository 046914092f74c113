"""Domains: what rewards judge. Everything about a kind of thing that a rule, its worker or its test must know.

A new domain is a row of `DOMAINS`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import STEPS, STEPS_PER_BAR, check_events
from melodylc.data.errors import InputError
from melodylc.data.melody import Melody, pitch_name
from melodylc.data.pictures.panel import odd_pictures, real_pictures
from melodylc.data.pictures.picture import SHAPE, checked_pictures, stack, unstack
from melodylc.rewards.panel import odd_melodies, real_melodies
from melodylc.rewards.parameters import nearest

MELODIES = "melodies"  #: the domain of rewards that say nothing else
PICTURES = "pictures"  #: that of rewards that are given a `melodylc.data.pictures.picture.Picture`

Items = npt.NDArray[Any]
"""Things of a domain as an array, one a row."""

_LINE = 120  # characters of a melody in a message


@dataclass(frozen=True)
class Domain:
    """A kind of thing: how many are held in an array, what a reward is given, and a panel to test it on."""

    name: str  #: the plural, as `@reward(domain=...)` takes it
    shape: tuple[int, ...]  #: of one row
    dtype: np.dtype[Any]
    checked: Callable[[Any], Items]  #: an array as such rows; InputError for anything else
    items: Callable[[Items], Sequence[Any]]  #: what a reward is given, one for each row
    stack: Callable[[Iterable[Any]], Items]  #: the inverse
    show: Callable[[Any], str]  #: such a thing in full, so that one can make it again
    odd: Callable[[], Mapping[str, Any]]  #: things that rules stumble over, by name
    real: Callable[[], Items]  #: things as people make them
    describe: Callable[[Any], str] = repr  #: such a thing in a few words, for a message


def domain(name: str) -> Domain:
    """The domain of a name.

    Raises:
        InputError: there is none.

    >>> domain("melodies").shape
    (256,)
    """
    if name not in DOMAINS:
        raise InputError(f"no domain {name!r}; {nearest(name, DOMAINS, 'there are none')}")
    return DOMAINS[name]


def _show(melody: Melody) -> str:
    notes = " ".join(f"({note.pitch}, {note.start}, {note.end})" for note in melody.notes)
    return f"{melody!r} {notes}".rstrip()


def describe_melody(melody: Melody) -> str:
    """A melody in a message's words: how many notes, and what they are, bar by bar, as far as a line goes.

    >>> describe_melody(Melody.from_notes([(60, 0, 4), (64, 4, 8), (67, 36, 40)]))
    'a melody of 3 notes: bar 1 C4 E4, bar 3 G4'
    """
    if not melody.note_count:
        return "a melody without notes"
    bars: dict[int, list[str]] = {}
    for pitch, onset in zip(melody.pitches.tolist(), melody.onsets.tolist(), strict=True):
        bars.setdefault(onset // STEPS_PER_BAR + 1, []).append(pitch_name(pitch))
    text = ", ".join(f"bar {bar} {' '.join(names)}" for bar, names in bars.items())
    if len(text) > _LINE:
        text = text[: text.rindex(" ", 0, _LINE)] + " ..."
    return f"a melody of {melody.note_count} note{'' if melody.note_count == 1 else 's'}: {text}"


DOMAINS = {
    MELODIES: Domain(
        name=MELODIES,
        shape=(STEPS,),
        dtype=np.dtype(np.uint8),
        checked=check_events,
        items=Melody.unstack,
        stack=Melody.stack,
        show=_show,
        odd=odd_melodies,
        real=real_melodies,
        describe=describe_melody,
    ),
    PICTURES: Domain(
        name=PICTURES,
        shape=SHAPE,
        dtype=np.dtype(np.uint8),
        checked=checked_pictures,
        items=unstack,
        stack=stack,
        show=repr,
        odd=odd_pictures,
        real=real_pictures,
    ),
}
