"""Draws: latents from a seed, melodies from latents, and which of them obey and are new.

Melody k of a seed must be the same whatever is drawn beside it. Each latent has its own random stream,
(seed, k, draw), and melodies always go through the model in the same groups of eight, on one thread: the
shape and the thread count decide how sums are rounded, and a rounding can change a note.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from melodylc.arranging.ways import Arrangement
from melodylc.data.alphabet import canonical
from melodylc.data.melody import Melody
from melodylc.drawing import Draft, Drawing
from melodylc.latent.distance import z_mse
from melodylc.models.bars import Move
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import PriorName
from melodylc.models.prior import Numbers, Prior, pool
from melodylc.nearest import transposed
from melodylc.rewards import Rule
from melodylc.threads import fixed_threads

Judge = Callable[[Tensor, Tensor], Tensor]
"""How like real melodies: latents (n, z) and the raw events (n, 256) that they become, to numbers (n,)."""
Refuse = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.bool_]]
"""Which of melodies (n, 256) are copies, (n,)."""

GROUP = 8  #: melodies that go through the model together; part of what a seed means
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


def randomness(prior: Prior, seed: int, numbers: Iterable[int], attempt: int = 1) -> Numbers:
    """The random numbers (n, k) of one of the draws for some melodies of a seed, each from its own random stream."""
    streams = (np.random.default_rng((seed, number, attempt)) for number in numbers)
    return np.stack([prior.numbers(stream) for stream in streams])


@dataclass(frozen=True)
class Draw:
    """One decoded melody and what is known of it."""

    number: int  #: from 1
    melody: Melody
    rewards: tuple[float, ...]  #: one a part of the rule, in [0, 1]
    draws: int  #: how many latents were decoded to get here
    held: tuple[int, ...]  #: how many of these satisfied each part
    distance: float  #: mean over dimensions of ((z' - z) / sigma_bar)^2
    touched: int  #: steps that the canonical form turned into rests
    found: int  #: how many of the draws passed
    copied: bool = False  #: whether it is refused as a copy of a training melody
    refused: int = 0  #: how many of the draws obeyed and were refused
    realism: float | None = None  #: how like a real melody, where that was asked (`melodylc.likeness`)

    @property
    def passed(self) -> bool:
        """Whether every reward is exactly 1 and it copies nothing."""
        return all(reward == 1 for reward in self.rewards) and not self.copied

    def after(self, before: "Draw | None") -> "Draw":
        """The better of itself and the same melody's earlier draws, all of which are counted.

        What passed goes before what didn't, then what is more like a real melody, then what came first; of those that
        didn't pass, the last.
        """
        if before is None:
            return self
        beaten = before.passed and (not self.passed or (before.realism or 0.0) >= (self.realism or 0.0))
        held = tuple(map(sum, zip(self.held, before.held, strict=True)))
        return replace(
            before if beaten else self,
            draws=self.draws,
            held=held,
            found=self.found + before.found,
            refused=self.refused + before.refused,
        )


@dataclass(frozen=True)
class Sampler:
    """A model, an optional actor and an optional rule."""

    model: LoadedModel
    actor: Move | None
    rule: Rule | None
    prior: PriorName | None = None  #: the model's best if None
    optimise: Callable[[Tensor], Tensor] | None = None  #: moves latents (n, z) in place of the actor
    judge: Judge | None = None  #: what says how like real melodies draws are, if anything does
    shift: int = 0  #: semitones that melodies are moved by; one that would leave 0..127 stays, and is judged as it is
    refuse: Refuse | None = None  #: what says which draws are copies, if anything does
    arrangement: Arrangement = ()  #: what is done to melodies before they are encoded, where the rule likes that

    def draw(
        self,
        seed: int,
        count: int,
        budget: int,
        report: Callable[[int, int], None] = lambda passed, draws: None,
        best_of: int = 1,
        found: Callable[[Draw], None] = lambda draw: None,
    ) -> list[Draw]:
        """The best attempt at each of melodies 1..count: the first that passes within `budget` draws, or the last.

        With `best_of`, the one most like a real melody among the first so many that pass within the budget.
        `report` is told how many melodies are settled and how many latents were decoded so far; `found` is given each
        that is settled, as soon as it is.
        """
        results: list[Draw] = []
        spent = 0
        with fixed_threads(1):
            for first in range(1, count + 1, GROUP):
                wanted = range(first, min(first + GROUP, count + 1))
                settled: dict[int, Draw] = {}
                for attempt in range(1, budget + 1):
                    for draw in self._group(seed, first, attempt):
                        before = settled.get(draw.number)
                        if draw.number in wanted and not (before and before.found >= best_of):
                            settled[draw.number] = draw.after(before)
                            spent += 1
                            if settled[draw.number].found >= best_of:
                                found(settled[draw.number])
                    passed = sum(draw.found >= best_of for draw in settled.values())
                    report(len(results) + passed, spent)
                    if passed == len(wanted):
                        break
                results += [settled[number] for number in wanted]
        return results

    @torch.no_grad()
    def _group(self, seed: int, first: int, attempt: int) -> Iterator[Draw]:
        numbers = range(first, first + GROUP)
        prior = self.model.prior(self.prior)
        start, done = self._drawn(prior, randomness(prior, seed, numbers, attempt))
        events, touched = canonical(done.events.to(torch.uint8).numpy())
        events = transposed(events, self.shift)
        distances = z_mse(done.z, start, self.model.sigma_bar).tolist()
        rewards = self.rule.scores(events).tolist() if self.rule is not None else [()] * GROUP
        realism = self.judge(done.z, done.events).tolist() if self.judge else [None] * GROUP
        copied = self.refuse(events).tolist() if self.refuse else [False] * GROUP
        for row, number in enumerate(numbers):
            obeys = all(reward == 1 for reward in rewards[row])
            yield Draw(
                number=number,
                melody=Melody(events[row]),
                rewards=tuple(rewards[row]),
                draws=attempt,
                held=tuple(int(reward == 1) for reward in rewards[row]),
                distance=distances[row],
                touched=int(touched[row].sum()),
                found=int(obeys and not copied[row]),
                copied=copied[row],
                refused=int(obeys and copied[row]),
                realism=realism[row],
            )

    def _drawn(self, prior: Prior, numbers: Numbers) -> tuple[Tensor, Draft]:
        """The latents (n, z) where draws of random numbers (n, k) begin, and what becomes of them."""
        vae = self.model.vae
        if self.rule is None:
            z = prior.latents(numbers)
            return z, Draft.of(vae, z, self.actor)
        drawing = Drawing(self.rule, vae, self.arrangement, self.shift)
        begun = drawing.begin(prior, numbers)
        if self.optimise:
            return begun.z, Draft.of(vae, self.optimise(begun.z))
        return begun.z, drawing.finish(begun, self.actor) if self.actor else begun
