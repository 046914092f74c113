"""Edit operators, what an arranger does to a melody: bars repeated, a phrase moved up, notes bent into a scale.

Each operator takes canonical melodies (n, 256) and whole numbers that say to what extent, and returns as many canonical
melodies. None draws random numbers or knows of a rule. An edit sequence is a few of them, one after the other, as plain
values that a file can hold: (("snap", 0, 2, 4, 7, 9), ("delay", 2)).
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import BARS, HOLD, PITCHES, REST, STATES, STEPS, STEPS_PER_BAR, canonical
from melodylc.data.arrays import Events
from melodylc.data.errors import InputError

EditStep = tuple[str | int, ...]  #: an operator's name and its numbers
EditSequence = tuple[EditStep, ...]
PHRASE = 4  #: bars
_AT = np.arange(STEPS)
_BY = sorted(range(-5, 7), key=abs)  # semitones to another pitch class, nearest first, of two the lower


def form(events: Events, *bars: int) -> Events:
    """Bar k becomes what bar `bars[k]` is, from 0.

    >>> form(np.repeat(np.arange(60, 76, dtype=np.uint8), 16)[None], *[0, 1] * 8)[0, ::32]
    array([60, 60, 60, 60, 60, 60, 60, 60], dtype=uint8)
    """
    return _clean(events.reshape(-1, BARS, STEPS_PER_BAR)[:, list(bars)].reshape(-1, STEPS))


def delay(events: Events, steps: int) -> Events:
    """So many sixteenths of rest first, and everything later by as much; what no longer fits is cut off."""
    rests = np.full((len(events), steps), REST, np.uint8)
    return _clean(np.concatenate([rests, events[:, : STEPS - steps]], axis=1))


def thin(events: Events, every: int, at: int) -> Events:
    """Only notes that begin at sixteenth `at` of `every` so many; where others began, the note before goes on."""
    return _clean(np.where((events < PITCHES) & (_AT % every != at), HOLD, events))


def divide(events: Events, every: int, neighbour: int) -> Events:
    """Notes that go on are struck anew at every so many sixteenths: in turn as they are and as a neighbour.

    That is the next pitch above (1) or below (-1) of those that the melody has, on the other side where there is none,
    so that neither its range nor its scale change; or the note itself (0). The
    last one of all is as it is: a melody ends where it ended.

    >>> divide(np.array([[60, 128, 128, 128, 64, 128] + [129] * 250], np.uint8), 1, 1)[0, :7]
    array([ 60,  64,  60,  64,  64,  64, 129], dtype=uint8)
    """
    notes = events < PITCHES
    added = (events == HOLD) & (_AT % every == 0)
    number = added.cumsum(axis=1)
    onset = np.maximum.accumulate(np.where(notes, _AT, 0), axis=1)
    turned = added & ((number - np.take_along_axis(number, onset, axis=1)) % 2 == 1)
    turned &= number < number[:, -1:]
    heard = sounding(events)
    struck = np.where(added, heard, events)
    return _with_pitches(struck, struck + np.where(turned, _to_neighbour(events, heard, neighbour), 0))


def silence(events: Events, beat: int, bars: int) -> Events:
    """No sound on that beat, from 0, of the last of every so many bars."""
    beats = _AT // 4
    return _clean(np.where((beats % 4 == beat) & (beats // 4 % bars == bars - 1), REST, events))


def isorhythm(events: Events) -> Events:
    """Every bar in the rhythm of the first, on the pitches that sound there."""
    first = np.tile(events[:, :STEPS_PER_BAR], (1, BARS))
    return _clean(np.where(first < PITCHES, sounding(events), first))


def sequence(events: Events, semitones: int) -> Events:
    """Each phrase of four bars so many semitones above where it stood to the one before, the middle where it was."""
    phrases = _AT // (PHRASE * STEPS_PER_BAR) - (BARS // PHRASE - 1) / 2
    return _with_pitches(events, events + np.round(phrases * semitones).astype(np.int64))


def alternate(events: Events, semitones: int) -> Events:
    """Every second note so many semitones higher: one melody that sounds like two."""
    second = (events < PITCHES).cumsum(axis=1) % 2 == 0
    return _with_pitches(events, events + np.where(second, semitones, 0))


def fold(events: Events, lowest: int, octaves: int) -> Events:
    """Notes outside a range of one or two octaves above `lowest` moved into it by as few octaves as it takes."""
    above, width = events.astype(np.int64) - lowest, 12 * octaves
    inside = np.where(above > width, above % 12 + width - 12, above % 12)
    return _with_pitches(events, lowest + np.where((above < 0) | (above > width), inside, above))


def snap(events: Events, *classes: int) -> Events:
    """Every note at the nearest pitch of some pitch classes, of two equally near the lower.

    >>> snap(np.array([[60, 61, 129, 66] + [129] * 252], np.uint8), 0, 4, 7)[0, :4]
    array([ 60,  60, 129,  67], dtype=uint8)
    """
    table = [next(pitch + by for by in _BY if (pitch + by) % 12 in classes) for pitch in range(PITCHES)]
    return _with_pitches(events, np.array([*table, *range(PITCHES, STATES)])[events])


def close(events: Events, on: int) -> Events:
    """The last bar one long note: the pitch that was last (0), the lowest (1) or the first (2) of the melody."""
    heard, notes = sounding(events), events < PITCHES
    last = (heard[:, -1], np.where(notes, events, PITCHES).min(axis=1), heard[:, 0])[on]
    closed = events.copy()
    closed[:, -STEPS_PER_BAR] = np.where(notes.any(axis=1), last, REST)
    closed[:, 1 - STEPS_PER_BAR :] = HOLD
    return _clean(closed)


OPERATORS: dict[str, Callable[..., Events]] = {
    operator.__name__: operator
    for operator in (form, delay, thin, divide, silence, isorhythm, sequence, alternate, fold, snap, close)
}


def apply_edits(events: Events, edits: EditSequence) -> Events:
    """Canonical melodies (n, 256), one operator after the other applied to them."""
    for name, *numbers in edits:
        events = OPERATORS[str(name)](events, *numbers)
    return events


def describe_edits(edits: EditSequence) -> str:
    """An edit sequence as people read it.

    >>> describe_edits((("snap", 0, 4, 7), ("isorhythm",)))
    'snap 0 4 7, isorhythm'
    """
    return ", ".join(" ".join(map(str, step)) for step in edits)


def parse_edits(values: Iterable[Iterable[Any]]) -> EditSequence:
    """An edit sequence of plain values, such as a file's.

    Raises:
        InputError: an operator that there isn't, or numbers that aren't its own.
    """
    edits = tuple(tuple(step) for step in values)
    try:
        with np.errstate(all="raise"):
            same = apply_edits(np.full((1, STEPS), REST, np.uint8), edits).shape == (1, STEPS)
    except (KeyError, TypeError, ValueError, IndexError, StopIteration, ArithmeticError):
        same = False
    if not same:
        raise InputError(f"no sequence of edits: {str(edits)[:80]}")
    return edits


def edit_steps() -> Iterator[EditStep]:
    """Each operator to each extent that is tried, but for `snap`, whose sets are too many."""
    for bars in dict.fromkeys(_forms()):
        yield "form", *bars
    yield from (("delay", by) for by in (1, 2, 3, 4, 6, 8))
    yield from (("thin", every, at) for every in (2, 4, 8) for at in (0, every // 2))
    yield from (("divide", *how) for how in product((1, 2, 4), (0, -1, 1)))
    yield from (("silence", *where) for where in product(range(4), (1, 2, 4)))
    yield ("isorhythm",)
    yield from (("sequence", by) for by in (2, 4, 7, -2, -4, -7))
    yield from (("alternate", by) for by in (7, -7, 12, -12))
    yield from (("fold", *where) for where in product(range(48, 73, 2), (1, 2)))
    yield from (("close", on) for on in range(3))


def _forms() -> Iterator[tuple[int, ...]]:
    """One, two, four or eight bars over and over; each or each two twice; four phrases of which some are the same."""
    yield from (tuple(bar % period for bar in range(BARS)) for period in (1, 2, 4, 8))
    yield from (tuple(bar - bar % (2 * of) + bar % of for bar in range(BARS)) for of in (1, 2))
    for pattern in product(*(range(phrase + 1) for phrase in range(BARS // PHRASE))):
        if all(pattern[source] == source for source in pattern) and pattern != (0, 1, 2, 3):
            yield tuple(PHRASE * pattern[bar // PHRASE] + bar % PHRASE for bar in range(BARS))


def sounding(events: Events) -> Events:
    """At every step of (n, 256) the note that was struck last; before the first that one, or middle C without any."""
    notes = events < PITCHES
    last = np.maximum.accumulate(np.where(notes, _AT, -1), axis=1)
    first = np.where(notes.any(axis=1), notes.argmax(axis=1), -1)
    at = np.where(last < 0, first[:, None], last)
    return np.where(at < 0, 60, np.take_along_axis(events, np.maximum(at, 0), axis=1)).astype(np.uint8)


def _to_neighbour(events: Events, heard: Events, neighbour: int) -> npt.NDArray[np.int64]:
    """Semitones from what is heard at every step of (n, 256) to its neighbour among the melody's pitches."""
    if not neighbour:
        return np.zeros(events.shape, np.int64)
    has = np.zeros((len(events), STATES), bool)
    has[np.arange(len(events))[:, None], events] = True
    below = np.full((len(events), PITCHES), -1)
    for pitch in range(1, PITCHES):
        below[:, pitch] = np.where(has[:, pitch - 1], pitch - 1, below[:, pitch - 1])
    above = np.full((len(events), PITCHES), -1)
    for pitch in range(PITCHES - 2, -1, -1):
        above[:, pitch] = np.where(has[:, pitch + 1], pitch + 1, above[:, pitch + 1])
    first, other = (above, below) if neighbour > 0 else (below, above)
    there = np.where(first < 0, other, first)
    there = np.where(there < 0, np.arange(PITCHES), there)
    at = heard.astype(np.int64)
    away: npt.NDArray[np.int64] = np.take_along_axis(there, at, axis=1) - at
    return away


def _with_pitches(events: Events, pitches: npt.NDArray[Any]) -> Events:
    """Events with other pitches, by octaves into 0..127 where they leave it."""
    high = np.where(pitches >= PITCHES, pitches - 12 * ((pitches - PITCHES) // 12 + 1), pitches)
    inside = np.where(high < 0, high % 12, high)
    return np.where(events < PITCHES, inside, events).astype(np.uint8)


def _clean(events: npt.NDArray[Any]) -> Events:
    return canonical(events.astype(np.uint8))[0]
