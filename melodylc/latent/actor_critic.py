"""One loop for actor and critic, whatever they play: a score to satisfy (`fit`), labels (`gan`), data (`realism`).

    round:  learning rates  ->  explore: fresh vectors, moved by the actor  ->  critic steps  ->  actor steps

What differs is what the two losses are. The networks of both kinds of step, Adam, the gradient's clipping, the
learning rates and the running mean of the actor's weights (Polyak and Juditsky 1992), which is what is used in the
end, are the same.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any

import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.latent.actor import Actor


class ActorCritic(ABC):
    """The state of a training of actor and critic.

    Args:
        actor: trained in place.
        critic: trained in place.
        optimisers: the actor's and the critic's, with the learning rates from which they fall.
        average: decay of the running mean of the actor's weights, a step.
        clip: largest norm of the actor's gradient; None: any.
        generator: of everything random.
    """

    warmup = 0  #: critic steps before the first round

    def __init__(
        self,
        actor: Actor,
        critic: Any,
        optimisers: tuple[torch.optim.Optimizer, torch.optim.Optimizer],
        average: float,
        generator: torch.Generator,
        clip: float | None = None,
    ) -> None:
        self.actor, self.critic, self.average, self.clip, self.generator = actor, critic, average, clip, generator
        self.mean_actor = copy.deepcopy(actor).requires_grad_(False)  #: the running mean
        self.actor_optimiser, self.critic_optimiser = optimisers
        self._rates = [[group["lr"] for group in it.param_groups] for it in optimisers]
        self.round_number = 0  #: rounds that are over
        self.updates = 0  #: steps of the actor

    @property
    @abstractmethod
    def rounds(self) -> int:
        """How many rounds there are to be."""

    @abstractmethod
    def explore(self) -> None:
        """What a round's steps learn from, beside what is there already."""

    @abstractmethod
    def critic_loss(self) -> Tensor:
        """Of a batch, a scalar."""

    @abstractmethod
    def actor_loss(self) -> Tensor:
        """Of a batch, a scalar."""

    def train_round(self, critic_steps: int, actor_steps: int) -> None:
        """One round."""
        self._set_rates()
        if not self.round_number:
            self.train_critic(self.warmup)
        self.explore()
        self.train_critic(critic_steps)
        self.train_actor(actor_steps)
        self.round_number += 1

    def train_critic(self, steps: int) -> None:
        """Steps of the critic."""
        for _ in range(steps):
            minimise(self.critic_optimiser, self.critic_loss())

    def train_actor(self, steps: int) -> None:
        """Steps of the actor, with the critic as it is."""
        self.critic.requires_grad_(False)
        for _ in range(steps):
            minimise(self.actor_optimiser, self.actor_loss(), self.clip)
            self._average()
        self.critic.requires_grad_(True)

    def rate_share(self, left: float) -> float:
        """The learning rates' share of the first, of the share of the rounds that is left: full until the last third.

        >>> [round(ActorCritic.rate_share(None, left), 2) for left in (1.0, 0.5, 0.2, 0.0)]
        [1.0, 1.0, 0.6, 0.02]
        """
        return max(0.02, min(1.0, 3 * left))

    def sample_rows(self, rows: Tensor, count: int) -> Tensor:
        """`count` of the rows, drawn with replacement."""
        return rows[torch.randint(len(rows), (count,), generator=self.generator)]

    def _set_rates(self) -> None:
        share = self.rate_share(1 - self.round_number / self.rounds)
        for optimiser, rates in zip((self.actor_optimiser, self.critic_optimiser), self._rates, strict=True):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = share * rate

    @torch.no_grad()
    def _average(self) -> None:
        self.updates += 1
        decay = min(self.average, self.updates / (self.updates + 9))  # the first states count for little
        for mean, weight in zip(self.mean_actor.parameters(), self.actor.parameters(), strict=True):
            mean.lerp_(weight, 1 - decay)


def minimise(optimiser: torch.optim.Optimizer, loss: Tensor, clip: float | None = None) -> None:
    """One step of an optimiser down the slope of a loss, with a gradient of at most the norm `clip`."""
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(optimiser.param_groups[0]["params"], clip)
    optimiser.step()


def check_sigma_bar(sigma_bar: Tensor, dim: int) -> None:
    """Refuse anything but (dim,) positive numbers.

    Raises:
        InputError: it is something else.
    """
    if sigma_bar.shape != (dim,) or not bool((sigma_bar > 0).all()):
        raise InputError(f"sigma_bar is {dim} positive numbers, not shape {tuple(sigma_bar.shape)} or not positive")


def check_settings(
    owner: str,
    settings: object,
    *,
    counts: Iterable[str] = (),
    weights: Iterable[str] = (),
    shares: Iterable[str] = (),
    whole_shares: Iterable[str] = (),
    positive_shares: Iterable[str] = (),
) -> None:
    """Refuse settings that make no sense, by name: counts of at least 1, weights of at least 0, shares.

    `shares` are in [0, 1), `whole_shares` in [0, 1], `positive_shares` in (0, 1].

    Raises:
        InputError: the first of them.
    """
    checks: tuple[tuple[Iterable[str], str, Callable[[float], bool]], ...] = (
        (counts, "of at least 1", lambda it: it >= 1),
        (weights, "of at least 0", lambda it: 0 <= it < inf),
        (shares, "in [0, 1)", lambda it: 0 <= it < 1),
        (whole_shares, "in [0, 1]", lambda it: 0 <= it <= 1),
        (positive_shares, "in (0, 1]", lambda it: 0 < it <= 1),
    )
    for names, allowed, fits in checks:
        for name in names:
            value = getattr(settings, name)
            if not fits(value):
                raise InputError(f"{owner} needs {name} {allowed}, not {value}")


def current_names(values: Mapping[str, Any], former: Mapping[str, str]) -> dict[str, Any]:
    """Settings of a file of an earlier version under the names that they have now.

    >>> current_names({"rate": 0.1, "steps": 3}, {"rate": "critic_rate"})
    {'critic_rate': 0.1, 'steps': 3}
    """
    return {former.get(name, name): value for name, value in values.items()}
