"""From a seed to melodies: which candidates follow the rule and are new.

Melody k of a seed must be the same whatever is sampled beside it. Each has its own random stream, (seed, k, attempt),
and methods that decode in batches always get the same groups of eight, on one thread: the shape and the thread count
decide how sums are rounded, and a rounding can change a note.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from melodylc.data.melody import Melody
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.prior import pool
from melodylc.rewards import Rule
from melodylc.sampling.methods.base import Method
from melodylc.threads import fixed_threads

Likeness = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float64]]
"""How like real melodies canonical melodies (n, 256) are: (n,)."""
IsCopy = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.bool_]]
"""Which of melodies (n, 256) are copies, (n,)."""

_TOGETHER = 64  # samples of the prior that go through it together


def prior_events(
    model: LoadedModel, count: int, seed: int, step: Callable[[int], None] = lambda done: None
) -> npt.NDArray[np.uint8]:
    """Melodies of samples of the prior, shape (count, 256); `step` is told how many more are there."""
    z = pool(model.prior(), count, np.random.default_rng(seed))
    decoded = []
    with fixed_threads(1), torch.no_grad():
        for part in torch.split(z, _TOGETHER):
            decoded.append(model.vae.decode(part))
            step(len(part))
    return np.concatenate(decoded)


@dataclass(frozen=True)
class Result:
    """One melody and what is known of it."""

    number: int  #: from 1
    seed: int
    melody: Melody
    rewards: tuple[float, ...]  #: one a part of the rule, in [0, 1]
    attempts: int  #: how many candidates were written to get here
    satisfied: tuple[int, ...]  #: how many of these satisfied each part
    distance: float  #: mean over dimensions of ((z' - z) / sigma_bar)^2
    rests_added: int  #: steps that the canonical form turned into rests
    passes: int  #: how many of the candidates passed
    is_copy: bool = False  #: whether it shares four bars with a training melody, and is refused
    copies: int = 0  #: how many of the candidates followed the rule and were refused
    likeness: float | None = None  #: log odds that it is real, where that was asked (`melodylc.sampling.discriminator`)
    details: dict[str, Any] = field(default_factory=dict)  #: what the method tells of it

    @property
    def passed(self) -> bool:
        """Whether every reward is exactly 1 and it copies nothing."""
        return all(reward == 1 for reward in self.rewards) and not self.is_copy

    @property
    def _worth(self) -> tuple[float, ...]:
        if self.passed:
            return 1.0, self.likeness or 0.0
        return 0.0, float(not self.is_copy), sum(self.rewards)

    def after(self, before: "Result | None") -> "Result":
        """The better of itself and the same melody's earlier candidates, all of which are counted.

        What passed goes before what didn't, then what is more like a real melody; of those that didn't pass, what
        copies nothing, then what scores more. Of two alike, the first.
        """
        if before is None:
            return self
        earlier = before._worth >= self._worth
        return replace(
            before if earlier else self,
            attempts=self.attempts,
            satisfied=tuple(map(sum, zip(self.satisfied, before.satisfied, strict=True))),
            passes=self.passes + before.passes,
            copies=self.copies + before.copies,
        )


@dataclass(frozen=True)
class Sampler:
    """A method that is prepared, and what its candidates must be."""

    method: Method
    rule: Rule | None = None
    likeness: Likeness | None = None  #: what says how like real melodies candidates are, if anything does
    is_copy: IsCopy | None = None  #: what says which candidates are copies, if anything does

    def sample(
        self,
        seed: int,
        count: int,
        budget: int,
        report: Callable[[int, int], None] = lambda passed, attempts: None,
        best_of: int = 1,
        settled: Callable[[Result], None] = lambda result: None,
    ) -> list[Result]:
        """The best candidate for each of melodies 1..count; see `groups`."""
        groups = self.groups(seed, range(1, count + 1), budget, report, best_of, settled)
        return [result for group in groups for result in group]

    def groups(
        self,
        seed: int,
        numbers: range,
        budget: int,
        report: Callable[[int, int], None] = lambda passed, attempts: None,
        best_of: int = 1,
        settled: Callable[[Result], None] = lambda result: None,
        missed: Callable[[Result], None] = lambda result: None,
    ) -> Iterator[list[Result]]:
        """The best candidate for each melody, group by group: the first that passes within the budget, or the nearest.

        With `best_of`, the one most like a real melody among the first so many that pass within the budget. Groups
        begin at the same numbers whatever is asked for, so any part of a run is as it is in the whole.

        Args:
            seed: of all that is random.
            numbers: of the melodies, from 1, one after the other.
            budget: how many candidates each may take.
            report: told how many melodies are settled, and how many candidates were written so far.
            best_of: how many that pass there must be to choose among.
            settled: given each result that is settled, as soon as it is.
            missed: given the nearest so far of a melody of which none has passed, after each candidate.
        """
        written = done = 0
        together = self.method.together
        for first in range(numbers.start - (numbers.start - 1) % together, numbers.stop, together):
            group = range(first, first + together)
            wanted = [number for number in group if number in numbers]
            best: dict[int, Result] = {}
            with fixed_threads(1):
                for attempt in range(1, budget + 1):
                    pending = [n for n in wanted if n not in best or best[n].passes < best_of]
                    for result in self._candidates(seed, pending if self.method.skips else group, attempt):
                        before = best.get(result.number)
                        if result.number in wanted and not (before and before.passes >= best_of):
                            best[result.number] = result.after(before)
                            written += 1
                            if not best[result.number].passes:
                                missed(best[result.number])
                            if best[result.number].passes >= best_of:
                                settled(best[result.number])
                    passed = sum(result.passes >= best_of for result in best.values())
                    report(done + passed, written)
                    if passed == len(wanted):
                        break
            done += len(wanted)
            yield [best[number] for number in wanted]

    def _candidates(self, seed: int, numbers: Sequence[int], attempt: int) -> Iterator[Result]:
        found = self.method.sample(seed, numbers, attempt)
        count = len(numbers)
        rewards = self.rule.scores(found.events).tolist() if self.rule is not None else [()] * count
        likeness = self.likeness(found.events).tolist() if self.likeness else [None] * count
        copies = self.is_copy(found.events).tolist() if self.is_copy else [False] * count
        for row, number in enumerate(numbers):
            follows = all(reward == 1 for reward in rewards[row])
            yield Result(
                number=number,
                seed=seed,
                melody=Melody(found.events[row]),
                rewards=tuple(rewards[row]),
                attempts=attempt,
                satisfied=tuple(int(reward == 1) for reward in rewards[row]),
                distance=found.distance[row],
                rests_added=found.rests_added[row],
                passes=int(follows and not copies[row]),
                is_copy=copies[row],
                copies=int(follows and copies[row]),
                likeness=likeness[row],
                details=found.detail(row),
            )
