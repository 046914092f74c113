"""An actor and a critic that play against each other: a (conditional) GAN in latent space.

Unlike the cooperating pair of `fit`, nobody scores anything: what is real are the encodings of data, z ~ q(z|x).

    realism      L_D = E_q L_1(z)     + E_p L_0(z)                           + E_p L_0(G(z))
    conditional  L_D = E_q L_1(z, y)  + E_f L_0(f, y)                        + w * E_q L_0(z, y')
                 f is z ~ p with probability 0.1, else G(z, y);  y' are labels of another example, other than y,
                 or y with one label turned round
    L_G = E_z [ L_1(G(z, y), y) + lambda * L_dist(G(z, y), z) ],   z ~ p, and half of them z ~ q where lambda > 0

The conditional form, its third block above all, is the authors' notebook's; their equations have the realism form for
both. Without y' a critic can ignore the labels, since no example ever shows it wrong ones. Their y' may happen to be
y; here such rows count for nothing. w, and y' that are wrong in one label alone, are ours: two examples differ in
several of ten attributes, mostly in those that half of all have, and so a critic is hardly ever asked whether it knows
a rare one. Where exactly one label is right there is none to turn round.

Both forms add the gradient penalty of `labelled`, and take ten critic steps for one of the actor's (Adam with
beta_1 = 0), as Gulrajani et al. (2017) do. What is kept is the running mean of G's weights; what spread a penalised G
lost around its labels can be given back (`widened`).

A `Game` can be stopped after any step: `state` is all of it, and a restored one goes on as if nothing had happened.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.latent.actor import Actor
from melodylc.latent.distance import distance
from melodylc.latent.encodings import Encodings
from melodylc.latent.labelled import (
    PENALTY,
    LabelledCritic,
    cost_of,
    doubt_of,
    gradient_penalty,
    labelled_actor,
    loudness,
    move,
)
from melodylc.latent.widened import Widened, widened


@dataclass(frozen=True)
class GameSettings:
    """How actor and critic play; the defaults are those of a small pair.

    Raises:
        InputError: a number that makes no sense, by name.
    """

    steps: int = 4000  #: of the actor
    critic_steps: int = 10  #: for each of them
    batch: int = 128  #: vectors in each term of the critic's loss
    actor_batch: int | None = None  #: vectors in the actor's; None: as many
    rate: float = 3e-4  #: Adam's learning rate of the critic, falling in the last third
    actor_rate: float = 3e-4  #: the same of the actor, which makes far fewer steps
    distance: float = 0.0  #: lambda, the weight of L_dist
    sharpness: float = 0.0  #: p: the critic sees z / sigma_bar^p, and its slope is bounded there
    slope: float = PENALTY  #: w_s, the weight of the gradient penalty
    bare: float = 0.1  #: share of prior samples among the conditional critic's false vectors
    turned: float = 0.0  #: share of y' that are y but for one label
    wrong: float = 1.0  #: w, the weight of L_0(z, y')
    hidden: int = 256  #: width of the layers of both
    layers: int = 3  #: hidden layers of both
    bound: float = 4.0  #: the actor's bound
    average: float = 0.995  #: decay of the running mean of the actor's weights, a step
    spread: float = 0.0  #: share of the spread around labels that a penalised actor is given back: `latent.widened`

    def __post_init__(self) -> None:
        for name in ("steps", "critic_steps", "batch", "hidden", "layers"):
            if getattr(self, name) < 1:
                raise InputError(f"an actor's training needs {name} of at least 1, not {getattr(self, name)}")
        if self.actor_batch is not None and self.actor_batch < 1:
            raise InputError(f"an actor's training needs actor_batch of at least 1, not {self.actor_batch}")
        for name in ("rate", "actor_rate", "distance", "sharpness", "slope", "wrong"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"an actor's training needs {name} of at least 0, not {getattr(self, name)}")
        for name in ("bare", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"an actor's training needs {name} in [0, 1), not {getattr(self, name)}")
        for name in ("turned", "spread"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"an actor's training needs {name} in [0, 1], not {getattr(self, name)}")


@dataclass(frozen=True)
class Turn:
    """What one step of the actor, and the critic's before it, showed."""

    step: int  #: 1, 2, ...
    critic: float  #: L_D without the gradient penalty
    actor: float  #: mean L_1 of G's vectors
    distance: float  #: mean L_dist of prior samples


class Game:
    """Actor against critic, on encodings with labels (conditional) or without (realism).

    Args:
        encodings: what is real.
        sigma_bar: (dim,), the encoder's mean deviation, positive.
        settings: how to play.
        seed: of everything random.
    """

    def __init__(self, encodings: Encodings, sigma_bar: Tensor, settings: GameSettings, seed: int = 0) -> None:
        if sigma_bar.shape != (encodings.dim,) or not bool((sigma_bar > 0).all()):
            raise InputError(f"sigma_bar is {encodings.dim} positive numbers, not {tuple(sigma_bar.shape)}")
        self.encodings, self.sigma_bar, self.settings, self.seed = encodings, sigma_bar, settings, seed
        self.generator = torch.Generator().manual_seed(seed)
        self.scale = sigma_bar**-settings.sharpness
        labels, dim = encodings.labels.shape[1], encodings.dim
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            shape = labelled_actor(dim, labels, settings.hidden, settings.layers, settings.bound)
            self.live, self.critic = Actor(shape), self._make_critic(dim, labels)
        self.actor = copy.deepcopy(self.live).requires_grad_(False)  #: the running mean: what is kept
        self.conditional = labels > 0
        self.optimisers = {"live": _adam(self.live), "critic": _adam(self.critic)}
        self.step = 0

    def turn(self) -> Turn:
        """The critic's steps, then one of the actor's."""
        self._set_rates()
        critic = [self._teach() for _ in range(self.settings.critic_steps)][-1]
        self.critic.requires_grad_(False)
        cost, moved = self._improve()
        self.critic.requires_grad_(True)
        self.step += 1
        self._average()
        return Turn(self.step, critic, cost, moved)

    def kept(self) -> Actor | Widened:
        """What is kept: the running mean of the actor's weights; where it was penalised, with a share of its spread."""
        if not (self.settings.distance and self.settings.spread):
            return self.actor
        return widened(self.actor, self.encodings, self.settings.spread, loudness(self.encodings.dim), self.seed)

    def state(self) -> dict[str, Tensor]:
        """Everything that `restore` needs, as flat named tensors."""
        networks = {"live": self.live, "actor": self.actor, "critic": self.critic}
        tensors = {f"{of}.{name}": tensor for of, net in networks.items() for name, tensor in net.state_dict().items()}
        for of, optimiser in self.optimisers.items():
            moments = optimiser.state_dict()["state"]
            tensors |= {f"adam.{of}.{at}.{name}": it for at, all_ in moments.items() for name, it in all_.items()}
        return tensors | {"random": self.generator.get_state(), "step": torch.tensor(self.step)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state; KeyError or RuntimeError where it isn't one of such a game."""
        for of, network in (("live", self.live), ("actor", self.actor), ("critic", self.critic)):
            network.load_state_dict(_below(f"{of}.", state))
        for of, optimiser in self.optimisers.items():
            moments: dict[int, dict[str, Tensor]] = {}
            for key, tensor in _below(f"adam.{of}.", state).items():
                at, name = key.split(".")
                moments.setdefault(int(at), {})[name] = tensor
            optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
        self.generator.set_state(state["random"])
        self.step = int(state["step"])

    def _make_critic(self, dim: int, labels: int) -> Any:
        return LabelledCritic(dim, labels, self.settings.hidden, self.settings.layers, self.scale)

    def _teach(self) -> float:
        real, labels = self.encodings.draw(self.settings.batch, self.generator)
        prior = self._prior(self.settings.batch)
        with torch.no_grad():
            made = move(self.live, prior, self._told(labels))
        false, third, others, counts = self._false(real, prior, made, labels)
        # One pass for all three terms: small products are slow.
        logits = self.critic(torch.cat([real, false, third]), self._told(torch.cat([labels, labels, others])))
        first, second, last = logits.chunk(3)
        third_term = (doubt_of(last) * counts).sum() / counts.sum().clamp(min=1)
        loss = cost_of(first).mean() + doubt_of(second).mean() + self.settings.wrong * third_term
        told = self._told(labels)
        penalty = self._steepness(lambda z: self.critic(z, told), real, false)
        minimise(self.optimisers["critic"], loss + penalty)
        return loss.item()

    def _steepness(self, logit: Callable[[Tensor], Tensor], real: Tensor, false: Tensor) -> Tensor:
        return gradient_penalty(logit, real, false, self.generator, self.scale, self.settings.slope)

    def _false(self, real: Tensor, prior: Tensor, made: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Vectors of the second term; those of the third with their labels, and which of them count, 0 or 1."""
        if not self.conditional:
            return made, prior, labels, torch.ones(len(prior))
        bare = torch.rand(len(prior), 1, generator=self.generator) < self.settings.bare
        others = self._others(labels)
        return torch.where(bare, prior, made), real, others, (others != labels).any(dim=1).float()

    def _others(self, labels: Tensor) -> Tensor:
        others = labels[torch.randperm(len(labels), generator=self.generator)]
        if not self.settings.turned:
            return others
        chosen = torch.rand(len(labels), 1, generator=self.generator) < self.settings.turned
        return torch.where(chosen, one_turned(labels, self.generator), others)

    def _improve(self) -> tuple[float, float]:
        batch, weight = self.settings.actor_batch or self.settings.batch, self.settings.distance
        z = self._prior(batch)
        if weight:
            z = torch.cat([z[: batch - batch // 2], self.encodings.draw(batch // 2, self.generator)[0]])
        told = self._told(self.encodings.draw_labels(batch, self.generator))
        moved = move(self.live, z, told)
        costs, far = self.critic.cost(moved, told), distance(moved, z, self.sigma_bar)
        minimise(self.optimisers["live"], (costs + weight * far).mean())
        return costs.mean().item(), far[: batch - batch // 2].mean().item()

    def _prior(self, count: int) -> Tensor:
        return torch.randn(count, self.encodings.dim, generator=self.generator)

    def _told(self, labels: Tensor) -> Tensor | None:
        return labels if self.conditional else None

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.settings.average, self.step / (self.step + 9))  # the first states count for little
        for mean, weight in zip(self.actor.parameters(), self.live.parameters(), strict=True):
            mean.lerp_(weight, 1 - decay)

    def _set_rates(self) -> None:
        left = 1 - self.step / self.settings.steps
        for of, rate in (("live", self.settings.actor_rate), ("critic", self.settings.rate)):
            for group in self.optimisers[of].param_groups:
                group["lr"] = rate * max(0.02, min(1.0, 3 * left))


def one_turned(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Labels (n, labels) with one of each row the other way round: y is 1 - y there.

    >>> one_turned(torch.zeros(2, 3), torch.Generator().manual_seed(0)).sum(dim=1)
    tensor([1., 1.])
    """
    at = torch.randint(labels.shape[1], (len(labels), 1), generator=generator)
    return labels.scatter(1, at, 1 - labels.gather(1, at))


def _adam(network: torch.nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), betas=(0.0, 0.9), fused=True)  # `_set_rates` sets the rate


def minimise(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step of an optimiser down the slope of a loss."""
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
