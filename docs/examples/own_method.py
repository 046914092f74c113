"""A method of one's own: a way of making melodies follow a rule, registered from outside.

python docs/examples/own_method.py

Hill climbing: a sample of the model, one note of which is moved by a semitone or two again and again. A change stays if
the rule likes the melody better. It asks nothing of a rule but to be called, as every method does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

import melodylc
from melodylc.data.alphabet import PITCHES
from melodylc.rewards import Rule
from melodylc.sampling.methods import register_method
from melodylc.sampling.methods.base import Candidates, Method, Task
from melodylc.sampling.methods.rejection import Rejection

CHANGES = 400
STEPS = (-2, -1, 1, 2)


@register_method
@dataclass(frozen=True)
class HillClimbing(Method):
    """Changes single pitches for as long as that helps."""

    name = "climb"
    summary = "a sample of the model, single notes moved for as long as the rule likes that better"

    samples: Rejection
    rule: Rule | None

    @classmethod
    def prepare(cls, task: Task) -> Self:
        """Nothing is learnt: the rule is only called."""
        return cls(Rejection.prepare(task), task.rule)

    def sample(self, seed: int, numbers: Sequence[int], attempt: int) -> Candidates:
        """Melodies that hang on the seed, their own number and the attempt, and on nothing else."""
        start = self.samples.sample(seed, numbers, attempt)
        if self.rule is None:
            return start
        rngs = [np.random.default_rng((seed, number, attempt)) for number in numbers]
        climbed = [self._climb(melody, rng) for melody, rng in zip(start.events, rngs, strict=True)]
        details = [{"changes": changes} for _, changes in climbed]
        return Candidates(np.stack([events for events, _ in climbed]), start.distance, start.rests_added, details)

    def _climb(self, events: npt.NDArray[np.uint8], rng: np.random.Generator) -> tuple[npt.NDArray[np.uint8], int]:
        assert self.rule is not None
        best, score, changes = events, self._score(events), 0
        places = np.flatnonzero(events < PITCHES)
        for _ in range(CHANGES if len(places) else 0):
            if score == 1:
                break
            changed = best.copy()
            place = rng.choice(places)
            changed[place] = np.clip(int(changed[place]) + rng.choice(STEPS), 0, PITCHES - 1)
            if (likes := self._score(changed)) >= score:
                best, score, changes = changed, likes, changes + 1
        return best, changes

    def _score(self, events: npt.NDArray[np.uint8]) -> float:
        """How nearly a melody follows the rule: the mean of its parts."""
        assert self.rule is not None
        return float(self.rule.graded(events[None]).mean())


def main() -> None:
    """Two melodies in D dorian."""
    tunes = melodylc.generate(scale="d dorian", n=2, seed=7, method="climb")
    for tune in tunes:
        print(
            f"melody {tune.number}: {tune.melody.note_count} notes, {tune.details['changes']} changes, {tune.rewards}"
        )


if __name__ == "__main__":
    main()
