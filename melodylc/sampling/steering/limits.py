"""Which events a rule allows at which step, found by asking it.

Some rules judge every note by itself: by its pitch, or by pitch class and place. Then a table (256, 130) of allowed events says all
that the rule says, and a proposal that is limited to the table always obeys. No rule is known by its name; a table is
found as follows and believed only if it passes the test.

- *Pitches*: those p for which a melody whose notes are all p scores 1.
- *Places*: from a melody x of the model, the events e at step t with c(x with e at t) >= c(x), for every t; then x is put
  inside the table and the search repeated, so that it starts from a melody that obeys.

The test, for each part apart: other melodies of the model, put inside the table (notes outside move to the nearest pitch
that is allowed there, other events become what is), score exactly 1; most events stay free, so that a table can't spell a
melody; and one event outside, wherever it is, costs something.
"""

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import HOLD, PITCHES, REST, STATES, STEPS
from melodylc.sampling.steering.potential import Judge, Melodies

Table = npt.NDArray[np.bool_]
"""Which events may stand at each step, (256, 130)."""

LOWEST, HIGHEST = 24, 108  #: pitches that are tried by themselves
CENTRE = 64  #: near which a pitch class is tried
FREE = 0.75  #: share of the steps at which more than two kinds of events must be allowed
TESTED = 6  #: melodies that a table is tested with


def everything() -> Table:
    """The table that allows all."""
    return np.ones((STEPS, STATES), bool)


def inside(melodies: Melodies, table: Table) -> Melodies:
    """Melodies (n, 256) with every event that a table forbids replaced by one that it allows.

    A note moves to the nearest pitch that is allowed; where none is, or for a hold or rest, the first of hold, rest and the
    pitch nearest to the note before that is allowed.
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


def pitches_allowed(judge: Judge, melodies: Melodies) -> Table | None:
    """The table of the pitches that the rule's parts allow everywhere, tested with melodies (n, 256); None if no part has one."""
    pitches = np.arange(LOWEST, HIGHEST)
    rhythm = melodies[(melodies < PITCHES).sum(1).argmax()]
    alone = judge(np.where(rhythm < PITCHES, pitches[:, None], rhythm))
    return _tested(judge, melodies, [_by_pitch(alone[:, part] == 1, pitches) for part in range(alone.shape[1])])


def events_allowed(judge: Judge, melodies: Melodies) -> Table | None:
    """The table of the events that the rule's parts allow at each step, tested with melodies (n, 256); None if no part has one."""
    first = judge(melodies[:1])
    tables = []
    for part in range(first.shape[1]):
        base = melodies[:1]
        for _ in range(2):
            table = _around(judge, base[0], part)
            base = inside(base, table)
        tables.append(table)
    return _tested(judge, melodies, tables)


def _by_pitch(allowed: npt.NDArray[np.bool_], pitches: npt.NDArray[np.int64]) -> Table:
    table = everything()
    table[:, :PITCHES] = False
    table[:, pitches[allowed]] = True
    return table


def _around(judge: Judge, melody: npt.NDArray[np.int64], part: int) -> Table:
    """Events that don't lower a part of the rule where they are put into a melody; pitches by their class."""
    tried = np.array([CENTRE + (move - CENTRE) % 12 - 6 for move in range(6, 18)] + [HOLD, REST])
    wholes = np.broadcast_to(melody, (STEPS, len(tried), STEPS)).copy()
    steps = np.arange(STEPS)
    wholes[steps, :, steps] = tried
    scores = judge(np.concatenate((melody[None], wholes.reshape(-1, STEPS))))[:, part]
    good = (scores[1:] >= scores[0] - 1e-12).reshape(STEPS, len(tried))
    table = np.zeros((STEPS, STATES), bool)
    for column, event in enumerate(tried):
        if event < PITCHES:
            table[:, event % 12 : PITCHES : 12] = good[:, column, None]
        else:
            table[:, event] = good[:, column]
    table[~table.any(1)] = True
    return table


def _tested(judge: Judge, melodies: Melodies, tables: list[Table]) -> Table | None:
    """What those of the tables that pass the test allow together."""
    both, passed = everything(), False
    for part, table in enumerate(tables):
        if table.all() or not table.any(1).all() or (_kinds(table) > 2).mean() < FREE:
            continue
        some = inside(melodies[-TESTED:], table)
        if (judge(some)[:, part] < 1).any():
            continue
        outside = np.concatenate([_one_outside(melody, table, place) for melody in some for place in (0.02, 0.4, 0.98)])
        if len(outside) and (judge(outside)[:, part] < 1).mean() > 0.9:
            both, passed = both & table, True
    return both if passed and both.any(1).all() else None


def _kinds(table: Table) -> npt.NDArray[np.int64]:
    """How many pitch classes, hold and rest are allowed at each step."""
    classes = np.zeros((STEPS, 12), bool)
    for pitch in range(PITCHES):
        classes[:, pitch % 12] |= table[:, pitch]
    kinds: npt.NDArray[np.int64] = classes.sum(1) + table[:, HOLD:].sum(1)
    return kinds


def _one_outside(melody: npt.NDArray[np.int64], table: Table, place: float) -> Melodies:
    """The melody (1, 256) with one note outside the table, near a place in [0, 1] of its notes; (0, 256) where none is."""
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
