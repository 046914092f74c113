"""Which events a rule allows at which step, found by asking it.

Some rules judge every note by itself: by its pitch, or by pitch class and place. Then a table (256, 130) of allowed
events says all that the rule says, and a proposal that is limited to the table always obeys. No rule is known by its
name; a table is found as follows and believed only if it passes the test.

- *Pitches*: those p for which a melody whose notes are all p scores 1.
- *Places*: from a melody x that obeys, the events e at each step t with c(x with e at t) = 1. Such a melody is found by
  climbing from one of the model's.

The test, for each part apart: other melodies of the model, put inside the table (notes outside move to the nearest
pitch that is allowed there, other events become what is), lose most of what they lacked; most events stay free, so
that a table can't spell a melody; and one event outside, wherever it is, costs something.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import HOLD, PITCHES, REST, STATES, STEPS, STEPS_PER_BAR, canonical
from melodylc.data.arrays import Values
from melodylc.rewards.motif import MotifNote
from melodylc.sampling.steering.potential import MelodyRows, RuleCounter

EventTable = npt.NDArray[np.bool_]
"""Which events may stand at each step, (256, 130)."""

LOWEST, HIGHEST = 24, 108  #: pitches that are tried by themselves
CENTRE = 64  #: near which a pitch class is tried
TRIED = np.array([*range(CENTRE - 6, CENTRE + 6), HOLD, REST])  #: events that are tried at each step
FREE = 0.75  #: share of the steps at which more than one kind of event must be allowed
CLIMBS = 4  #: times that a melody is changed until it obeys, and asked about once more
EASY = 0.5  #: share of the model's melodies: parts that more satisfy by themselves need no table
LEFT = 0.3  #: share of what a part lacks that may be left inside a table
TESTED = 6  #: melodies that a table is tested with


def everything() -> EventTable:
    """The table that allows all."""
    return np.ones((STEPS, STATES), bool)


def with_notes(notes: Sequence[MotifNote], bars: Sequence[int]) -> EventTable:
    """The table in which some notes begin in each of some bars, from 1: what stands between them is theirs, too."""
    table = everything()
    for first in ((bar - 1) * STEPS_PER_BAR for bar in bars):
        end = first + notes[-1].start + notes[-1].length
        table[first:end] = False
        table[first:end, REST] = True
        for note in notes:
            start, held = first + note.start, first + note.start + note.length
            table[start:held, REST] = False
            table[start, note.pitch] = True
            table[start + 1 : held, HOLD] = True
    return table


def keeps_within(melodies: MelodyRows, table: EventTable) -> MelodyRows:
    """MelodyRows (n, 256) with every event that a table forbids replaced by one that it allows.

    A note moves to the nearest pitch that is allowed; where none is, or for a hold or rest, the first of hold, rest
    and the pitch nearest to the note before that is allowed.
    """
    fixed = melodies.copy()
    for row in fixed:
        latest = CENTRE
        for step, event in enumerate(row):
            allowed = table[step]
            if not allowed[event]:
                pitches = np.flatnonzero(allowed[:PITCHES])
                wanted = event if event < PITCHES else latest
                if pitches.size and (event < PITCHES or not allowed[HOLD:].any()):
                    row[step] = pitches[abs(pitches - wanted).argmin()]
                elif allowed[HOLD:].any():
                    row[step] = HOLD if allowed[HOLD] else REST
            if row[step] < PITCHES:
                latest = row[step]
    return fixed


def pitches_allowed(judge: RuleCounter, melodies: MelodyRows) -> EventTable | None:
    """The table of the pitches that the rule allows everywhere, tested with melodies (n, 256); None without one."""
    pitches = np.arange(LOWEST, HIGHEST)
    rhythm = melodies[(melodies < PITCHES).sum(1).argmax()]
    alone = judge(np.where(rhythm < PITCHES, pitches[:, None], rhythm))
    return _test_limits(judge, melodies, [_by_pitch(alone[:, part] == 1, pitches) for part in range(alone.shape[1])])


def events_allowed(judge: RuleCounter, melodies: MelodyRows) -> EventTable | None:
    """The table of the events that the rule allows at each step, tested with melodies (n, 256); None without one."""
    easy = (judge(melodies) == 1).mean(0) > EASY
    tables = [everything() if easy[part] else _at_places(judge, melodies[0], part) for part in range(len(easy))]
    return _test_limits(judge, melodies, tables)


def _by_pitch(allowed: npt.NDArray[np.bool_], pitches: npt.NDArray[np.int64]) -> EventTable:
    table = everything()
    table[:, :PITCHES] = False
    table[:, pitches[allowed]] = True
    return table


def _at_places(judge: RuleCounter, melody: npt.NDArray[np.int64], part: int) -> EventTable:
    """Events that leave a part of the rule at 1 where they are put into a melody that obeys it; pitches by their class.

    The melody that obeys is found by climbing: wherever some event scores more, it is put there, everywhere at once.
    Where that doesn't lead to 1, everything is allowed.
    """
    for _ in range(CLIMBS):
        now, scores = _exchange(judge, melody, part)
        if now == 1:
            table = np.zeros((STEPS, STATES), bool)
            for column, event in enumerate(TRIED):
                where = slice(event % 12, PITCHES, 12) if event < PITCHES else event
                table[:, where] = (scores[:, column] == 1).reshape(-1, 1) if event < PITCHES else scores[:, column] == 1
            return table
        best = scores.max(1)
        better = np.where(best > now + 1e-12, TRIED[scores.argmax(1)], melody)
        melody = canonical(better)[0].astype(np.int64)
    return everything()


def _exchange(judge: RuleCounter, melody: npt.NDArray[np.int64], part: int) -> tuple[float, Values]:
    """A part's score of a melody, and those (256, 14) with each event that is tried at each step."""
    wholes = np.broadcast_to(melody, (STEPS, len(TRIED), STEPS)).copy()
    steps = np.arange(STEPS)
    wholes[steps, :, steps] = TRIED
    scores = judge(np.concatenate((melody[None], wholes.reshape(-1, STEPS))))[:, part]
    return float(scores[0]), scores[1:].reshape(STEPS, -1)


def _test_limits(judge: RuleCounter, melodies: MelodyRows, tables: list[EventTable]) -> EventTable | None:
    """What those of the tables that pass the test allow together."""
    both, passed = everything(), False
    for part, table in enumerate(tables):
        if table.all() or not table.any(1).all() or (_kinds(table) > 1).mean() < FREE:
            continue
        some = keeps_within(melodies[-TESTED:], table)
        lacks = 1 - judge(np.concatenate((melodies[-TESTED:], some)))[:, part]
        if lacks[TESTED:].sum() > LEFT * lacks[:TESTED].sum():
            continue
        outside = np.concatenate([_one_outside(melody, table, place) for melody in some for place in (0.02, 0.4, 0.98)])
        if len(outside) and (judge(outside)[:, part] < 1).mean() > 0.9:
            both, passed = both & table, True
    return both if passed and both.any(1).all() else None


def _kinds(table: EventTable) -> npt.NDArray[np.int64]:
    """How many pitch classes, hold and rest are allowed at each step."""
    classes = np.zeros((STEPS, 12), bool)
    for pitch in range(PITCHES):
        classes[:, pitch % 12] |= table[:, pitch]
    kinds: npt.NDArray[np.int64] = classes.sum(1) + table[:, HOLD:].sum(1)
    return kinds


def _one_outside(melody: npt.NDArray[np.int64], table: EventTable, place: float) -> MelodyRows:
    """The melody (1, 256) with one event outside the table, near a place in [0, 1]; (0, 256) where there is none."""
    steps = np.flatnonzero((melody < PITCHES) & ~table[:, :PITCHES].all(1))
    if not steps.size:
        steps = np.flatnonzero(~table.all(1))
    step = steps[int(place * len(steps))] if steps.size else 0
    forbidden = np.flatnonzero(~table[step])
    if not forbidden.size:
        return np.empty((0, STEPS), np.int64)
    other = melody[None].copy()
    other[0, step] = forbidden[abs(forbidden - (melody[step] if melody[step] < PITCHES else CENTRE)).argmin()]
    return other
