"""Which arrangement a rule asks for, found by asking it.

Greedy: of all ways, to all extents, that one is taken which makes the rule happiest with some melodies, then another on
top of it, until none helps or the rule is happy enough. What counts is what a model makes of them: some arrangements
are easily said and lie where no latent vector leads, so the few that a rule likes best are encoded, decoded and judged
again. The sets of pitch classes that `snap` can use are too many to try: they are found by leaving out one class after
the other.

A rule is called a hundred times for a melody and a step, which is why melodies are few.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from melodylc.edits.operators import Arrangement, Events, Step, arranged, steps
from melodylc.rewards import Rule

Decode = Callable[[Events], Events]
"""What a model makes of melodies (n, 256): canonical ones of as many."""

MOST = 3  #: ways on top of one another
FEWEST = 3  #: pitch classes that a set keeps
TRIED = 4  #: that a rule likes best, which are encoded and decoded
LEFT = 0.75  #: of what is missing, at most so much may be left by the first way
LEFT_LATER = 0.65  #: the same by another on top of it: what is arranged twice comes out worse, and is harder to mend
ENOUGH = 0.85  #: how happy a rule has to be; a further way would change all melodies, where mending changes a few bars
POWERS = (1, 4, 16, np.inf)  #: of the product of the graded rewards: how near, and how often there


@dataclass(frozen=True)
class Search:
    """A rule, what a model makes of melodies, and what is tried."""

    rule: Rule
    decode: Decode

    def run(self, events: Events) -> Arrangement:
        """The arrangement for melodies such as these canonical ones, (n, 256); empty where none helps."""
        taken: Arrangement = ()
        now = self.merit(self.decode(events))
        while len(taken) < MOST and now < ENOUGH:
            merit, step = max(self._judged(events), default=(0.0, ()))
            if 1 - merit > (LEFT_LATER if taken else LEFT) * (1 - now):
                break
            taken, now, events = (*taken, step), merit, arranged(events, (step,))
        return taken

    def merit(self, events: Events) -> float:
        """How happy the rule is with melodies, in [0, 1]."""
        product = self.rule.graded(events).prod(axis=1)
        return float(np.mean([product**power for power in POWERS]))

    def _judged(self, events: Events) -> list[tuple[float, Step]]:
        """The steps that a rule likes best, by what a model makes of them."""
        plain = self.merit(events)
        liked = [(self.merit(arranged(events, (step,))), step) for step in steps()]
        liked = sorted([*liked, self._set(events, plain)], key=lambda one: -one[0])[:TRIED]
        return [(self.merit(self.decode(arranged(events, (step,)))), step) for merit, step in liked if merit > plain]

    def _set(self, events: Events, best: float) -> tuple[float, Step]:
        """The pitch classes that a rule likes best, and how much."""
        classes = frozenset(range(12))
        while len(classes) > FEWEST:
            merit, without = max((self.merit(arranged(events, (_snap(classes - {one}),))), one) for one in classes)
            if merit <= best:
                break
            best, classes = merit, classes - {without}
        return best, _snap(classes)


def _snap(classes: frozenset[int]) -> Step:
    return "snap", *sorted(classes)
