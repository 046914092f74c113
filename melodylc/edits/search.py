"""Which edits a rule asks for, found by asking it.

Greedy: of all operators, to all extents, that one is chosen which makes the rule happiest with some melodies, then
another on top of it, until none helps or the rule is happy enough. What counts is what a model makes of them: some
are easily done and lie where no latent vector leads, so the few that a rule likes best are encoded, decoded and judged
again. The sets of pitch classes that `snap` can use are too many to try: they are found by leaving out one class after
the other.

A rule is called a hundred times for a melody and a step, which is why melodies are few.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from melodylc.data.arrays import Events
from melodylc.edits.operators import EditSequence, EditStep, apply_edits, edit_steps
from melodylc.rewards import Rule

Decode = Callable[[Events], Events]
"""What a model makes of melodies (n, 256): canonical ones of as many."""

MOST = 3  #: operators on top of one another
FEWEST = 3  #: pitch classes that a set keeps
TRIED = 4  #: that a rule likes best, which are encoded and decoded
LEFT = 0.75  #: of what is missing, at most so much may be left by the first operator
LEFT_LATER = 0.65  #: the same by another on top of it: what is edited twice comes out worse, and is harder to repair
ENOUGH = 0.85  #: how happy a rule has to be; a further one would change all melodies, where repair changes a few bars
POWERS = (1, 4, 16, np.inf)  #: of the product of the graded rewards: how near, and how often there


@dataclass(frozen=True)
class EditSearch:
    """A rule, what a model makes of melodies, and what is tried."""

    rule: Rule
    decode: Decode

    def run(self, events: Events) -> EditSequence:
        """The edits for melodies such as these canonical ones, (n, 256); empty where none helps."""
        chosen: EditSequence = ()
        now = self.merit(self.decode(events))
        while len(chosen) < MOST and now < ENOUGH:
            merit, step = max(self._best_steps(events), default=(0.0, ()))
            if 1 - merit > (LEFT_LATER if chosen else LEFT) * (1 - now):
                break
            chosen, now, events = (*chosen, step), merit, apply_edits(events, (step,))
        return chosen

    def merit(self, events: Events) -> float:
        """How happy the rule is with melodies, in [0, 1]."""
        product = self.rule.graded(events).prod(axis=1)
        return float(np.mean([product**power for power in POWERS]))

    def _best_steps(self, events: Events) -> list[tuple[float, EditStep]]:
        """The steps that a rule likes best, by what a model makes of them."""
        plain = self.merit(events)
        liked = [(self.merit(apply_edits(events, (step,))), step) for step in edit_steps()]
        liked = sorted([*liked, self._set(events, plain)], key=lambda one: -one[0])[:TRIED]
        return [(self.merit(self.decode(apply_edits(events, (step,)))), step) for merit, step in liked if merit > plain]

    def _set(self, events: Events, best: float) -> tuple[float, EditStep]:
        """The pitch classes that a rule likes best, and how much."""
        classes = frozenset(range(12))
        while len(classes) > FEWEST:
            merit, without = max((self.merit(apply_edits(events, (_snap(classes - {one}),))), one) for one in classes)
            if merit <= best:
                break
            best, classes = merit, classes - {without}
        return best, _snap(classes)


def _snap(classes: frozenset[int]) -> EditStep:
    return "snap", *sorted(classes)
