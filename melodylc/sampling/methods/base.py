"""What a method is: how melodies are made to follow a rule.

A method is prepared once for a task, a model and a request, and then writes candidates: melodies that may follow the
rule or not. The sampler (`melodylc.sampling.sampler`) scores them, refuses copies, and asks for further attempts.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from melodylc.constraints.request import Request
from melodylc.data.alphabet import BARS
from melodylc.data.arrays import Events
from melodylc.data.ranges import Lane
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import PriorName
from melodylc.reporting import SILENT, Reporter
from melodylc.rewards import Rule


@dataclass(frozen=True)
class Task:
    """What a method is prepared for."""

    model: LoadedModel
    request: Request = field(default_factory=Request)
    prior: PriorName | None = None  #: the model's best if None
    actor: Path | None = None  #: the file of an actor that was fitted to the request
    realism: float = 0.0  #: weight of the realism critic
    reporter: Reporter = SILENT  #: hears how far the preparation is
    lane: Lane = "lead"  #: what part of a piece the melodies are
    octaves: bool = True  #: whether steered leads of no range are moved by octaves to where leads lie
    best_of: int = 1  #: melodies that follow, of which one is taken: so many more attempts are worth making

    @property
    def rule(self) -> Rule | None:
        """The request's rule; None where nothing is asked."""
        return self.request.rule

    @property
    def finds_octaves(self) -> bool:
        """Whether melodies are to be moved by octaves to where leads lie."""
        free = self.request.pitch_range is None and self.request.motif is None
        return self.octaves and self.lane == "lead" and free

    @property
    def only_written(self) -> bool:
        """Whether only a language model that writes bar by bar does it: lanes but leads, other lengths, motifs."""
        return self.lane != "lead" or self.request.length != BARS or self.request.motif is not None


@dataclass(frozen=True)
class Candidates:
    """Melodies that a method wrote, and how; n of them."""

    events: Events  #: (n, 256), canonical, in the key that was asked for
    distance: Sequence[float]  #: mean over dimensions of ((z' - z) / sigma_bar)^2; 0 where no latent was moved
    rests_added: Sequence[int]  #: steps that the canonical form turned into rests
    details: Sequence[dict[str, Any]] = ()  #: plain values about each, for the manifest; none where empty

    def detail(self, row: int) -> dict[str, Any]:
        """What is to be told of one of them."""
        return self.details[row] if self.details else {}

    def rows(self, rows: Sequence[int], more: dict[str, Any] | None = None) -> "Candidates":
        """Some of them, each with more to tell of it."""
        details = [{**(more or {}), **self.detail(row)} for row in rows]
        return Candidates(
            self.events[list(rows)],
            [self.distance[row] for row in rows],
            [self.rests_added[row] for row in rows],
            details if any(details) else (),
        )

    def joined_with(self, other: "Candidates") -> "Candidates":
        """These and others."""
        details = [part.detail(row) for part in (self, other) for row in range(len(part.events))]
        return Candidates(
            np.concatenate((self.events, other.events)),
            [*self.distance, *other.distance],
            [*self.rests_added, *other.rests_added],
            details if any(details) else (),
        )


class Method(ABC):
    """A way of making melodies follow a rule."""

    name: ClassVar[str]  #: as one types it
    summary: ClassVar[str]  #: one line for a table
    together: ClassVar[int] = 8
    """How many melodies go through a model together. Shapes decide how sums are rounded, and a rounding can change a
    note: a method that decodes in batches always gets groups of so many consecutive numbers. 1: each by itself."""
    skips: ClassVar[bool] = False
    """Whether it may be asked for some of a group alone, because it keeps to groups by itself."""

    @classmethod
    @abstractmethod
    def prepare(cls, task: Task) -> Self:
        """Get ready for a task: load, look up or fit what sampling needs.

        Raises:
            InputError: this method can't serve the task.
        """

    @abstractmethod
    def sample(self, seed: int, numbers: Sequence[int], attempt: int) -> Candidates:
        """Candidates for melodies of these numbers, from 1; the same for the same seed, numbers and attempt."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values about what was prepared, for a manifest."""
        return {}
