"""The default: steering first, and all that this package knows for what steering doesn't find.

A melody is steered (`melodylc.sampling.methods.steer`), a few times if need be. What doesn't follow the rule by then is
written by the combined method (`melodylc.sampling.methods.combined`), which learns the rule and edits; the manifest
says so, file by file. A model that can't write bar by bar, an actor that is given, N(0, I) as the prior, and the weight
of a realism critic in a fit are served by the combined method alone. Lanes but the lead, and melodies of fewer
than sixteen bars, are steered at every attempt.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

from melodylc.sampling.methods.base import Candidates, Method, Task
from melodylc.sampling.methods.combined import Combined
from melodylc.sampling.methods.steer import SteerMethod
from melodylc.sampling.octaves import move_to_range
from melodylc.sampling.steering.writer import find_writer

STEERED = 3  #: attempts that are steered, for each melody that is wanted (with `--best-of` several)


@dataclass(frozen=True)
class Auto(Method):
    """Steering, and the combined method where that doesn't do."""

    name = "auto"
    summary = "steer; what isn't found so is learnt and edited (combined), and the manifest says which"
    skips = True

    task: Task = field(repr=False)
    steer: SteerMethod | None

    @classmethod
    def prepare(cls, task: Task) -> Self:
        """Ask the rule about a few of the model's melodies, where the model can write."""
        steered = task.actor is None and not task.realism and task.prior != "normal" and find_writer(task.model)
        return cls(task, SteerMethod.prepare(task) if steered or task.only_written else None)

    @cached_property
    def fallback(self) -> Combined:
        """The other method, which is prepared when it is needed."""
        return Combined.prepare(self.task)

    def sample(self, seed: int, numbers: Sequence[int], attempt: int) -> Candidates:
        """Candidates of one method or of the other."""
        only = self.task.rule is None or self.task.only_written
        if self.steer and (attempt <= STEERED * self.task.best_of or only):
            return self.steer.sample(seed, numbers, attempt)
        parts = [self._fallback_candidates(seed, first, numbers, attempt) for first in self._firsts(numbers)]
        found = parts[0]
        for part in parts[1:]:
            found = found.joined_with(part)
        return found

    def to_dict(self) -> dict[str, Any]:
        """What took part."""
        about = self.steer.to_dict() if self.steer else {}
        if self.steer is None or "fallback" in self.__dict__:
            about |= self.fallback.to_dict()
        return about

    def _firsts(self, numbers: Sequence[int]) -> list[int]:
        """The first number of each group that some numbers are of."""
        return sorted({number - (number - 1) % Combined.together for number in numbers})

    def _fallback_candidates(self, seed: int, first: int, numbers: Sequence[int], attempt: int) -> Candidates:
        group = range(first, first + Combined.together)
        found = self.fallback.sample(seed, group, attempt)
        rows = [row for row, number in enumerate(group) if number in numbers]
        found = found.rows(rows, {"method": "combined"} if self.steer else {})
        moves = self.steer and self.task.finds_octaves
        return replace(found, events=move_to_range(found.events, self.task.rule)) if moves else found
