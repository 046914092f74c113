"""Local search: part by part of a latent, the candidate that pleases a judge of whole melodies most.

A melody that lies where no latent leads comes out with a few notes that aren't its own, and one of them is enough for a
rule to be broken. When a bar's turn comes, what it becomes is put between the bars that have come out and those that
are meant to follow, and a judge is asked. Where it isn't satisfied, other parts of z are tried around that one, as far
as the posterior says that the bar still sounds like itself, and then farther; the best is kept, of equally good ones
that with the fewest steps that aren't as meant. Nobody needs to know why the judge likes one: it is only called.

Guiding a sampler by the best of several candidates at each of its steps is what Huang et al. 2024 ("Symbolic Music
Generation with Non-Differentiable Rule Guided Diffusion") do to noise; here a step is a bar.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from melodylc.data.alphabet import STEPS
from melodylc.data.errors import InputError
from melodylc.models.noise import Noise
from melodylc.models.posterior import Encoding

Judge = Callable[[Tensor], Tensor]
"""The satisfaction with raw events (n, 256), int64: (n,) in [0, 1], float64."""
Write = Callable[[Tensor, Tensor], Tensor]
"""The events (m, steps), int64, that a part's candidates (m, 1, size) become for rows (m,) of a batch."""

_LIKENESS = 1e-6  # what a step that isn't as meant counts for: little enough to tell apart only what is equally good


@dataclass(frozen=True)
class LocalSearch:
    """How hard is tried.

    Raises:
        InputError: nothing to try.
    """

    scales: tuple[float, ...] = (1.0,)  #: of the posterior's deviations, one a round
    candidates: int = 16  #: in each round
    seed: int = 0  #: of the candidates, which are the same for all rows

    def __post_init__(self) -> None:
        if self.candidates < 1 or not self.scales or min(self.scales) <= 0:
            raise InputError(f"a local search tries 1 candidate or more at positive scales, not {self}")


class SearchResult(NamedTuple):
    """What became of melodies."""

    z: Tensor  #: (n, z)
    events: Tensor  #: (n, 256), int64, raw
    cost: Tensor  #: (n,), float64: melodies that were decoded for each, sixteen bars being one


class BarSearch:
    """Searches parts of latents, in their order, for melodies that are meant to become `meant` (n, 256), int64."""

    def __init__(self, meant: Tensor, judge: Judge, how: LocalSearch) -> None:
        self.now = meant.clone()  #: what has come out so far, then what is meant to follow
        self._judge, self._how = judge, how
        self._satisfaction = judge(self.now)
        self.cost = torch.zeros(len(meant), dtype=torch.float64)  #: see `SearchResult`

    def part(self, steps: slice, first: Tensor, posterior: Encoding, write: Write) -> Tensor:
        """The part (n, 1, size) that makes these steps: `first`, or a better one near it.

        `posterior` (n, 1, size) is of what the steps are meant to be.
        """
        rows, best = torch.arange(len(first)), first.clone()
        made, whole = write(rows, first), STEPS / (steps.stop - steps.start)
        self.cost += 1 / whole
        satisfaction, wrong = self._judge_bars(rows, steps, made[None])[0], (made != self.now[:, steps]).sum(1)
        for number, scale in enumerate(self._how.scales):
            if not len(rows := (satisfaction < 1).nonzero().flatten()):
                break
            noise = Noise(_mix_seed(self._how.seed, steps.start, number))  # whatever other rows and bars take
            shifts = scale * noise.normal(self._how.candidates, 1, *first.shape[1:])
            tried = torch.cat((posterior.mean[rows][None], best[rows] + shifts * posterior.sigma[rows]))
            self.cost[rows] += len(tried) / whole
            became = write(rows.repeat(len(tried)), tried.flatten(0, 1)).view(*tried.shape[:2], -1)
            merits, misses = self._judge_bars(rows, steps, became), (became != self.now[rows, steps]).sum(2)
            worth, chosen = (merits - _LIKENESS * misses).max(0)
            better = worth > satisfaction[rows] - _LIKENESS * wrong[rows]
            rows, at = rows[better], (chosen[better], better.nonzero().flatten())
            for kept, new in ((best, tried), (made, became), (satisfaction, merits), (wrong, misses)):
                kept[rows] = new[at]
        self.now[:, steps], self._satisfaction = made, satisfaction
        return best

    def _judge_bars(self, rows: Tensor, steps: slice, made: Tensor) -> Tensor:
        """The judge's satisfaction with rows' melodies once steps are as `made` (k, rows, steps): (k, rows)."""
        named = torch.cat((rows.expand(len(made), -1)[..., None], made), -1).flatten(0, 1)
        different, where = torch.unique(named, dim=0, return_inverse=True)  # a rule may be slow
        of, bars = different[:, 0], different[:, 1:]
        satisfaction, other = self._satisfaction[of], (bars != self.now[of, steps]).any(1)
        if other.any():
            melodies = self.now[of[other]]
            melodies[:, steps] = bars[other]
            satisfaction[other] = self._judge(melodies)
        return satisfaction[where].view(made.shape[:2])


def _mix_seed(seed: int, step: int, number: int) -> int:
    """A seed for each round of each part."""
    return (seed * STEPS + step) * STEPS + number
