"""The least change that obeys: a search over what a model proposed, bar by bar and note by note.

The rule is a black box that is asked about whole melodies. What is minimised is

    J(y) = 100 * (0.05 * parts that fail + sum of 1 - c_j(y)) + change(x, y) + 10 * max(0, likeness to others - 0.9)

from several starts, by moves that each put one thing in place of another. Coarse ones: a bar by one that was proposed
for it (in all bars that are the same in x at once, or in one alone), a bar a semitone or two up or down, one pitch by
another wherever it stands. And fine ones: a note's pitch by one that was proposed there or lies beside it, a stretch
by what stood in x. Where neither obeys, far ones: notes are taken away or struck once more, and go up to an octave
away. So what needn't change goes back to what it was, and a melody with one wrong note loses one note.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import BARS, HOLD, PITCHES, REST, STEPS, STEPS_PER_BAR, canonical
from melodylc.data.arrays import Events, Mask, Values
from melodylc.editing.change import Change, bar_classes

ScoreParts = Callable[[Events], Values]
"""Canonical melodies (n, 256) to a score for each part of a rule, (n, parts), in [0, 1]; satisfied is 1."""

NUDGES = (-2, -1, 1, 2)  #: semitones that a pitch may move by though nobody proposed it
_DEAR, _FAILED = 100.0, 0.05
_ALIKE, _PUSH = 0.9, 10.0
_MOST_MOVES = 2500  # looked at in a step
_TOGETHER = (1, 2, 4, 8, 16, 32)  # how many of the best moves are tried at once
LONGEST = 24  #: steps of a descent, at most


class SearchEnd(NamedTuple):
    """Where a search ended."""

    events: Events  # (256,)
    cost: float  # J
    follows: bool


@dataclass(frozen=True)
class Aim:
    """What is searched for."""

    change: Change  #: from the melody that should be kept
    judge: ScoreParts
    others: Events  #: (m, 256) melodies that it should differ from

    def look(self, events: Events) -> tuple[Values, Mask]:
        """J of melodies (n, 256), and which of them obey: (n,) each."""
        broken = self.violation(events)
        return _DEAR * broken + self.change(events) + _PUSH * self._too_alike(events), broken == 0

    def violation(self, events: Events) -> Values:
        """How far melodies (n, 256) are from obeying; 0 where they do: (n,)."""
        scores = self.judge(events)
        return np.asarray(_FAILED * (scores < 1).sum(axis=1) + (1 - scores).sum(axis=1), np.float64)

    def end(self, events: Events) -> SearchEnd:
        """A melody (256,) as the end of a search."""
        (cost,), (obeys,) = self.look(events[None])
        return SearchEnd(events, float(cost), bool(obeys))

    def is_taken(self, events: Events) -> bool:
        """Whether a melody (256,) is one of the others."""
        return bool((self.others == events).all(axis=1).any())

    def _too_alike(self, events: Events) -> Values:
        found = np.zeros(len(events))
        for other in self.others:
            notes = max(1, int((other < PITCHES).sum()))
            same = ((events == other) & (other < PITCHES)).sum(axis=1) / np.maximum(
                notes, (events < PITCHES).sum(axis=1)
            )
            found = np.maximum(found, same - _ALIKE)
        return found


def descend(aim: Aim, start: Events, pool: Events) -> SearchEnd:
    """Better melodies one after another, from `start` (256,), until no move helps.

    Coarse moves first: while they help, single notes aren't looked at; and again when those don't help any more. Last,
    and only where that doesn't obey, come moves that make notes fewer or more, or move one far.

    Args:
        aim: what is searched for.
        start: canonical events.
        pool: (m, 256), what was proposed.
    """
    best, kind, idle = aim.end(start), 0, 0
    for _ in range(LONGEST):
        kinds = (_coarse, _fine) if best.follows else (_coarse, _fine, _far)
        moves = list(islice(kinds[kind % len(kinds)](aim.change, best.events, pool), _MOST_MOVES))
        better = _take_step(aim, best, moves) if moves else best
        idle = idle + 1 if better is best else 0
        if idle == len(kinds):  # none helps
            break
        best, kind = better, kind + (idle > 0)
    return best


def _take_step(aim: Aim, best: SearchEnd, moves: "list[_Move]") -> SearchEnd:
    """What the best of some moves lead to, one or several at once; `best` itself where none helps."""
    costs, _ = aim.look(_results(best.events, [[move] for move in moves]))
    order = [moves[index] for index in np.argsort(costs, kind="stable") if costs[index] < best.cost - 1e-9]
    if not order:
        return best
    combined = _results(best.events, _combinations(order))
    costs, obey = aim.look(combined)
    at = int(costs.argmin())
    return SearchEnd(combined[at], float(costs[at]), bool(obey[at]))


class _Move(NamedTuple):
    steps: npt.NDArray[np.intp]
    values: Events


def _coarse(change: Change, here: Events, pool: Events) -> Iterator[_Move]:
    """Bars as they were proposed, bars a step up or down, and a pitch wherever it stands a step up or down."""
    yield from _bars(change, here, pool)
    bars = np.arange(STEPS) // STEPS_PER_BAR
    groups = [np.isin(bars, members) for members in change.classes] + [
        here == pitch for pitch in np.unique(here[here < PITCHES])
    ]
    for group in groups:
        steps = np.flatnonzero(group & (here < PITCHES))
        pitches = here[steps].astype(np.int64)
        for nudge in NUDGES if len(steps) else ():
            if pitches.min() + nudge >= 0 and pitches.max() + nudge < PITCHES:
                yield _Move(steps, (pitches + nudge).astype(np.uint8))


def _fine(change: Change, here: Events, pool: Events) -> Iterator[_Move]:
    """Single notes, and what stood there before."""
    yield from _back(change.before, here)
    yield from _notes(change, here, pool)


def _bars(change: Change, here: Events, pool: Events) -> Iterator[_Move]:
    bars = np.concatenate((pool, change.before[None])).reshape(-1, BARS, STEPS_PER_BAR)
    now = here.reshape(BARS, STEPS_PER_BAR)
    for members in change.classes:
        choices = np.unique(bars[:, members].reshape(-1, STEPS_PER_BAR), axis=0)
        groups = [members] if len(members) == 1 else [members, *([bar] for bar in members)]
        for group in groups:
            steps = (STEPS_PER_BAR * np.array(group)[:, None] + np.arange(STEPS_PER_BAR)).ravel()
            for choice in choices[(choices[:, None] != now[group]).any(axis=(1, 2))]:
                yield _Move(steps, np.tile(choice, len(group)))


def _back(before: Events, here: Events) -> Iterator[_Move]:
    """Notes and rests of the melody that should be kept, each by itself; a note that is gone also beside its pitch."""
    starts = np.flatnonzero(before != HOLD)
    for start, end in zip(starts, np.append(starts[1:], STEPS), strict=True):
        if (before[start:end] != here[start:end]).any():
            yield _Move(np.arange(start, end), before[start:end])
        if before[start] < PITCHES <= here[start]:
            near = (int(before[start]) + nudge for nudge in NUDGES)
            for pitch in (it for it in near if 0 <= it < PITCHES):
                yield _Move(np.arange(start, end), np.append(np.uint8(pitch), before[start + 1 : end]))


def _notes(change: Change, here: Events, pool: Events) -> Iterator[_Move]:
    """Other pitches for notes, in all bars alike and alone."""
    classes = {bar: np.array(members) for members in bar_classes(here) for bar in members}
    for step in np.flatnonzero(here < PITCHES).tolist():
        now = int(here[step])
        told = {*pool[:, step].tolist(), int(change.before[step]), *(now + nudge for nudge in NUDGES)}
        bar, place = divmod(step, STEPS_PER_BAR)
        alone = np.array([step])
        groups = [alone] if len(classes[bar]) == 1 else [STEPS_PER_BAR * classes[bar] + place, alone]
        for pitch in sorted(it for it in told if 0 <= it < PITCHES and it != now):
            for steps in groups:
                yield _Move(steps, np.full(len(steps), pitch, np.uint8))


def _far(change: Change, here: Events, pool: Events) -> Iterator[_Move]:
    """A note gone, sung on or silent in its place, or another pitch within an octave; or the last note struck again.

    In all bars alike and alone; from the end on, for rules ask more of endings than of anything in between.
    """
    classes = {bar: np.array(members) for members in bar_classes(here) for bar in members}
    sounding = np.maximum.accumulate(np.where(here < PITCHES, np.arange(STEPS), -1))
    for step in range(STEPS - 1, -1, -1):
        bar, place = divmod(step, STEPS_PER_BAR)
        now, told = int(here[step]), []
        if now < PITCHES:
            near = range(max(0, now - 12), min(PITCHES, now + 13))
            told = [HOLD, REST, *(pitch for pitch in near if abs(pitch - now) > max(NUDGES))]
        elif sounding[step] >= 0:
            told = [int(here[sounding[step]])]
        alone = np.array([step])
        groups = [alone] if len(classes[bar]) == 1 else [STEPS_PER_BAR * classes[bar] + place, alone]
        for event in told:
            for steps in groups:
                yield _Move(steps, np.full(len(steps), event, np.uint8))


def _combinations(order: list[_Move]) -> list[list[_Move]]:
    """The first moves that don't touch one another, in growing numbers."""
    touched = np.zeros(STEPS, np.bool_)
    chosen: list[_Move] = []
    for move in order:
        if len(chosen) < _TOGETHER[-1] and not touched[move.steps].any():
            touched[move.steps] = True
            chosen.append(move)
    return [chosen[:count] for count in _TOGETHER if count < 2 * len(chosen)]


def _results(here: Events, moves: list[list[_Move]]) -> Events:
    rows = np.repeat(here[None], len(moves), axis=0)
    for row, together in zip(rows, moves, strict=True):
        for move in together:
            row[move.steps] = move.values
    return canonical(rows)[0]
