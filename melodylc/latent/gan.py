"""An actor and a critic that play against each other: a (conditional) GAN in latent space.

Unlike the cooperating pair of `fit`, nobody scores anything: what is real are the encodings of data, z ~ q(z|x).

    D(z, y) = sigmoid(l(z, y)),  l = MLP(z, W y)      L_1 = -log D      L_0 = -log(1 - D)

    realism      L_D = E_q L_1(z)     + E_p L_0(z)                           + E_p L_0(G(z))
    conditional  L_D = E_q L_1(z, y)  + E_f L_0(f, y)                        + w * E_q L_0(z, y')
                 f is z ~ p with probability 0.1, else G(z, y);  y' are labels of another example, other than y,
                 or y with one label flipped
    L_G = E_z [ L_1(G(z, y), y) + lambda * L_dist(G(z, y), z) ],   z ~ p, and half of them z ~ q where lambda > 0

The conditional form, its third block above all, is the authors' notebook's (Engel, Hoffman and Roberts 2018); their
equations have the realism form for both. Without y' a critic can ignore the labels, since no example ever shows it
wrong ones. Their y' may happen to be y; here such rows count for nothing. w, and y' that are wrong in one label alone,
are ours: two examples differ in several of ten attributes, mostly in those that half of all have, and so a critic is
hardly ever asked whether it knows a rare one. Where exactly one label is right there is none to flip.

Both forms add the gradient penalty of Gulrajani et al. (2017),

    GP  = w_s * mean_n (|| dl/dz (e_n) / s || - 1)^2,   e = a * real + (1 - a) * fake,  a ~ U(0, 1) in each dimension

and take ten critic steps for one of the actor's (Adam with beta_1 = 0), as they do. s is 1, or what the critic
multiplies each dimension by. The penalty acts on the logit l, not on D: where D is near 0 or 1 a sigmoid has no slope,
whatever the network does. One a in each dimension, as in the authors' notebook; Gulrajani et al. draw one for a whole
vector. Their w_s is 10, which holds the slope near 1. A logit of how much likelier a vector is among real ones needs
more where these lie close together: with less weight it is had sooner.

`AuxiliaryGAN` is AC-GAN (Odena, Olah and Shlens 2017): S is "real", C the labels, one output each, one network below:

    L_S = - E_q log S(z)    - E_f log(1 - S(f))                       f = G(z, y), z ~ p
    L_C = - E_q log C(y|z)  - E_f log C(y|f)                          a sum over the labels
    L_D = L_S + L_C + GP            L_G = E_z [ -log S(f) - log C(y|f) + lambda * L_dist(f, z) ]

Labels go to G alone, and C reads them off a vector. One sigmoid a label, so that classes and attributes are the same
to it; the authors have classes, and one softmax.

What is used in the end is the running mean of G's weights; what spread a penalised G lost around its labels can be
restored (`melodylc.latent.spread`). A training can be stopped after any step: `state` is all of it, and a restored one
goes on as if nothing had happened.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from melodylc.latent.actor import Actor, ActorConfig, check_labels, label_scale, mlp, move_vectors
from melodylc.latent.actor_critic import ActorCritic, check_settings, check_sigma_bar, current_names
from melodylc.latent.distance import distance
from melodylc.latent.samples import Encodings
from melodylc.latent.spread import SpreadRestoration, restore_spread

PENALTY = 10.0  #: w_s of Gulrajani et al., and of the authors' notebook
FORMER_GAN_NAMES = {
    "rate": "critic_rate",
    "sharpness": "whitening",
    "slope": "penalty_weight",
    "bare": "prior_share",
    "turned": "flip_share",
    "wrong": "mismatch_weight",
    "spread": "spread_share",
}  #: settings that files of before have under another name


@dataclass(frozen=True)
class GANSettings:
    """How actor and critic play; the defaults are those of a small pair.

    Raises:
        InputError: a number that makes no sense, by name.
    """

    steps: int = 4000  #: of the actor
    critic_steps: int = 10  #: for each of them
    batch: int = 128  #: vectors in each term of the critic's loss
    actor_batch: int | None = None  #: vectors in the actor's; None: as many
    critic_rate: float = 3e-4  #: Adam's learning rate of the critic, falling in the last third
    actor_rate: float = 3e-4  #: the same of the actor, which makes far fewer steps
    distance: float = 0.0  #: lambda, the weight of L_dist
    whitening: float = 0.0  #: p: the critic sees z / sigma_bar^p, and its slope is bounded there
    penalty_weight: float = PENALTY  #: w_s, the weight of the gradient penalty
    prior_share: float = 0.1  #: share of prior samples among the conditional critic's fake vectors
    flip_share: float = 0.0  #: share of y' that are y but for one label
    mismatch_weight: float = 1.0  #: w, the weight of L_0(z, y')
    hidden: int = 256  #: width of the layers of both
    layers: int = 3  #: hidden layers of both
    bound: float = 4.0  #: the actor's bound
    average: float = 0.995  #: decay of the running mean of the actor's weights, a step
    spread_share: float = 0.0  #: share of the lost spread around labels that is restored to a penalised actor

    def __post_init__(self) -> None:
        check_settings(
            "an actor's training",
            self,
            counts=("steps", "critic_steps", "batch", "hidden", "layers", *["actor_batch"] * bool(self._own_batch)),
            weights=("critic_rate", "actor_rate", "distance", "whitening", "penalty_weight", "mismatch_weight"),
            shares=("prior_share", "average"),
            whole_shares=("flip_share", "spread_share"),
        )

    @property
    def _own_batch(self) -> bool:
        return self.actor_batch is not None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "GANSettings":
        """Settings of a file's header, of earlier versions too.

        >>> GANSettings.from_dict({"steps": 10, "turned": 0.5}).flip_share
        0.5
        """
        return cls(**current_names(values, FORMER_GAN_NAMES))


class ConditionalCritic(nn.Module):
    """Logits l of D(z, y).

    Args:
        dim: size of z.
        labels: size of y; 0 for a critic of z alone.
        hidden: width of the hidden layers.
        layers: how many of them.
        scale: (dim,), what each dimension is multiplied by first; 1 if None.

    >>> ConditionalCritic(8, 3, hidden=16, layers=2)(torch.randn(5, 8), torch.zeros(5, 3)).shape
    torch.Size([5])
    """

    def __init__(
        self, dim: int, labels: int = 0, hidden: int = 256, layers: int = 3, scale: Tensor | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(dim) if scale is None else scale.clone())
        width = hidden if labels else 0
        self.label_layer = nn.Linear(labels, width) if width else None
        self.network = mlp(dim + width, 1, hidden, layers)
        self.register_load_state_dict_pre_hook(_rename_label_layer)  # type: ignore[no-untyped-call]

    scale: Tensor

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (n,) of z (n, dim) and labels (n, labels), where the critic takes any."""
        check_labels(self.label_layer.in_features if self.label_layer else 0, 0 if labels is None else labels.shape[1])
        z = z * self.scale
        if self.label_layer is not None and labels is not None:
            z = torch.cat([z, self.label_layer(label_scale(z.shape[1]) * labels)], dim=-1)
        logits: Tensor = self.network(z)
        return logits.squeeze(-1)

    def cost(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """L_1 of each vector, (n,): near 0 where the critic takes it for a real one with these labels."""
        return real_loss(self(z, labels))


def _rename_label_layer(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    # Files and running trainings of before have it under another name.
    for name in [name for name in state if name.startswith(f"{prefix}told.")]:
        state[name.replace(f"{prefix}told.", f"{prefix}label_layer.", 1)] = state.pop(name)


class AttributeCritic(nn.Module):
    """Logits of each label, read off a vector: D(y_j | z).

    >>> AttributeCritic(8, 3, hidden=16, layers=2)(torch.randn(5, 8)).shape
    torch.Size([5, 3])
    """

    def __init__(self, dim: int, labels: int, hidden: int = 256, layers: int = 3) -> None:
        super().__init__()
        self.network = mlp(dim, labels, hidden, layers)

    def forward(self, z: Tensor) -> Tensor:
        """Logits (n, labels) of z (n, dim)."""
        logits: Tensor = self.network(z)
        return logits

    def cost(self, z: Tensor, labels: Tensor) -> Tensor:
        """-log D of labels (n, labels), all of them together, (n,): near 0 where a vector shows them all."""
        return label_loss(self(z), labels)


class AuxiliaryCritic(nn.Module):
    """Logits of S, and of each label of C.

    >>> real, labels = AuxiliaryCritic(8, 3, hidden=16, layers=2).both(torch.randn(5, 8))
    >>> real.shape, labels.shape
    (torch.Size([5]), torch.Size([5, 3]))
    """

    def __init__(self, dim: int, labels: int, hidden: int = 256, layers: int = 3, scale: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(dim) if scale is None else scale.clone())
        self.network = mlp(dim, 1 + labels, hidden, layers)

    scale: Tensor

    def both(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n,) of S and (n, labels) of C."""
        logits = self.network(z * self.scale)
        return logits[:, 0], logits[:, 1:]

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (n,) of S; labels, which other critics take, are ignored."""
        return self.both(z)[0]

    def cost(self, z: Tensor, labels: Tensor) -> Tensor:
        """-log S - log C of labels (n, labels), (n,)."""
        real, attributes = self.both(z)
        return real_loss(real) + label_loss(attributes, labels)


def real_loss(logits: Tensor) -> Tensor:
    """L_1 = -log D, elementwise."""
    return F.softplus(-logits)


def fake_loss(logits: Tensor) -> Tensor:
    """L_0 = -log(1 - D), elementwise: near 0 where the critic takes a vector for a fake one."""
    return F.softplus(logits)


def label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """-log of the probability of labels (n, labels) under logits of the same shape, all of them together, (n,).

    >>> label_loss(torch.zeros(1, 2), torch.tensor([[0.0, 1.0]]))
    tensor([1.3863])
    """
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none").sum(dim=1)


def gradient_penalty(
    logit: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    generator: torch.Generator,
    scale: Tensor | None = None,
    weight: float = PENALTY,
    one_sided: bool = False,
) -> Tensor:
    """GP between two batches of vectors or rows of features, (n, ...): a scalar that can be differentiated.

    `scale` is s, of one such vector's shape; 1 if None. `weight` is w_s. Where it is `one_sided`, slopes below 1
    cost nothing (Petzka et al. 2018).
    """
    share = torch.rand(real.shape, generator=generator).to(real)
    between = torch.lerp(fake, real, share).detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(logit(between).sum(), between, create_graph=True)
    slope = slope if scale is None else slope / scale
    excess = slope.flatten(1).norm(dim=-1) - 1
    penalty: Tensor = weight * (excess.relu() if one_sided else excess).square().mean()
    return penalty


@dataclass(frozen=True)
class GANStep:
    """The losses of one step of the actor, and of the critic's before it."""

    step: int  #: 1, 2, ...
    critic: float  #: L_D without the gradient penalty
    actor: float  #: mean L_1 of G's vectors
    distance: float  #: mean L_dist of prior samples


class LatentGAN(ActorCritic):
    """Actor against critic, on encodings with labels (conditional) or without (realism).

    Args:
        encodings: what is real.
        sigma_bar: (dim,), the encoder's mean deviation, positive.
        settings: how to play.
        seed: of everything random, which is drawn on the CPU.
        device: of the networks.
    """

    def __init__(
        self,
        encodings: Encodings,
        sigma_bar: Tensor,
        settings: GANSettings,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        labels, dim = encodings.labels.shape[1], encodings.dim
        check_sigma_bar(sigma_bar, dim)
        self.encodings, self.settings, self.seed, self.device = encodings, settings, seed, torch.device(device)
        self.sigma_bar = sigma_bar.to(self.device)
        self.scale = self.sigma_bar**-settings.whitening
        self.conditional = labels > 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            actor = Actor(ActorConfig.of_vectors(dim, labels, settings.hidden, settings.layers, settings.bound))
            critic = self._new_critic(dim, labels)
        actor, critic = actor.to(self.device), critic.to(self.device)
        optimisers = _adam(actor, settings.actor_rate), _adam(critic, settings.critic_rate)
        super().__init__(actor, critic, optimisers, settings.average, torch.Generator().manual_seed(seed))

    @property
    def rounds(self) -> int:
        """One for each step of the actor."""
        return self.settings.steps

    def step(self) -> GANStep:
        """The critic's steps, then one of the actor's."""
        self.train_round(self.settings.critic_steps, actor_steps=1)
        prior_samples = self._distances[: self._actor_batch - self._actor_batch // 2]
        return GANStep(
            self.round_number, self._critic_loss.item(), self._costs.mean().item(), prior_samples.mean().item()
        )

    def to_cpu(self) -> None:
        """Bring the networks back, once the training is over."""
        self.device, self.sigma_bar = torch.device("cpu"), self.sigma_bar.cpu()
        for network in self._networks().values():
            network.to(self.device)

    def final_actor(self) -> Actor | SpreadRestoration:
        """The running mean of the actor's weights; where it was penalised, with a share of its spread restored."""
        if not (self.settings.distance and self.settings.spread_share):
            return self.mean_actor
        share, scale = self.settings.spread_share, label_scale(self.encodings.dim)
        return restore_spread(self.mean_actor, self.encodings, share, scale, self.seed)

    def state(self) -> dict[str, Tensor]:
        """Everything that `restore` needs, as flat named tensors."""
        networks = self._networks().items()
        tensors = {f"{of}.{name}": it.cpu() for of, net in networks for name, it in net.state_dict().items()}
        for of, optimiser in self._optimisers().items():
            moments = optimiser.state_dict()["state"]
            tensors |= {f"adam.{of}.{at}.{name}": it.cpu() for at, all_ in moments.items() for name, it in all_.items()}
        return tensors | {"random": self.generator.get_state(), "step": torch.tensor(self.round_number)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state; KeyError or RuntimeError where it isn't one of such a training."""
        for of, network in self._networks().items():
            network.load_state_dict(_below(f"{of}.", state))
        for of, optimiser in self._optimisers().items():
            moments: dict[int, dict[str, Tensor]] = {}
            for key, tensor in _below(f"adam.{of}.", state).items():
                at, name = key.split(".")
                moments.setdefault(int(at), {})[name] = tensor
            optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
        self.generator.set_state(state["random"])
        self.round_number = self.updates = int(state["step"])

    def _networks(self) -> dict[str, nn.Module]:
        return {"live": self.actor, "actor": self.mean_actor, "critic": self.critic}

    def _optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"live": self.actor_optimiser, "critic": self.critic_optimiser}

    def _new_critic(self, dim: int, labels: int) -> nn.Module:
        return ConditionalCritic(dim, labels, self.settings.hidden, self.settings.layers, self.scale)

    def explore(self) -> None:
        """Nothing: every step draws vectors of its own."""

    def critic_loss(self) -> Tensor:
        """L_D of fresh vectors, with the gradient penalty."""
        real, labels = self._sample_real(self.settings.batch)
        prior = self._sample_prior(self.settings.batch)
        with torch.no_grad():
            generated = move_vectors(self.actor, prior, self._optional(labels))
        fake, third, third_labels, counts = self._fake(real, prior, generated, labels)
        # One pass for all three terms: small products are slow.
        inputs = torch.cat([real, fake, third])
        logits = self.critic(inputs, self._optional(torch.cat([labels, labels, third_labels])))
        on_real, on_fake, on_third = logits.chunk(3)
        third_term = (fake_loss(on_third) * counts).sum() / counts.sum().clamp(min=1)
        loss = real_loss(on_real).mean() + fake_loss(on_fake).mean() + self.settings.mismatch_weight * third_term
        self._critic_loss = loss.detach()
        return loss + self._penalty(lambda z: self.critic(z, self._optional(labels)), real, fake)

    def _penalty(self, logit: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
        return gradient_penalty(logit, real, fake, self.generator, self.scale, self.settings.penalty_weight)

    def _fake(self, real: Tensor, prior: Tensor, generated: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Vectors of the second term; those of the third with their labels, and which of them count, 0 or 1."""
        if not self.conditional:
            return generated, prior, labels, torch.ones(len(prior))
        bare = (torch.rand(len(prior), 1, generator=self.generator) < self.settings.prior_share).to(self.device)
        others = self._mismatch(labels)
        return torch.where(bare, prior, generated), real, others, (others != labels).any(dim=1).float()

    def _mismatch(self, labels: Tensor) -> Tensor:
        others = labels[torch.randperm(len(labels), generator=self.generator)]
        if not self.settings.flip_share:
            return others
        chosen = (torch.rand(len(labels), 1, generator=self.generator) < self.settings.flip_share).to(self.device)
        return torch.where(chosen, flip_one_label(labels, self.generator), others)

    def actor_loss(self) -> Tensor:
        """L_G of fresh vectors."""
        batch, weight = self._actor_batch, self.settings.distance
        z = self._sample_prior(batch)
        if weight:
            z = torch.cat([z[: batch - batch // 2], self._sample_real(batch // 2)[0]])
        labels = self._optional(self.encodings.sample_labels(batch, self.generator).to(self.device))
        end = move_vectors(self.actor, z, labels)
        costs, distances = self.critic.cost(end, labels), distance(end, z, self.sigma_bar)
        self._costs, self._distances = costs.detach(), distances.detach()
        loss: Tensor = (costs + weight * distances).mean()
        return loss

    @property
    def _actor_batch(self) -> int:
        return self.settings.actor_batch or self.settings.batch

    def _sample_prior(self, count: int) -> Tensor:
        return torch.randn(count, self.encodings.dim, generator=self.generator).to(self.device)

    def _sample_real(self, count: int) -> tuple[Tensor, Tensor]:
        real, labels = self.encodings.sample(count, self.generator)
        return real.to(self.device), labels.to(self.device)

    def _optional(self, labels: Tensor) -> Tensor | None:
        return labels if self.conditional else None


class AuxiliaryGAN(LatentGAN):
    """An actor that takes labels and a critic that reads them off vectors."""

    def _new_critic(self, dim: int, labels: int) -> nn.Module:
        return AuxiliaryCritic(dim, labels, self.settings.hidden, self.settings.layers, self.scale)

    def critic_loss(self) -> Tensor:
        """L_D of fresh vectors, with the gradient penalty on S."""
        real, labels = self._sample_real(self.settings.batch)
        prior = self._sample_prior(self.settings.batch)
        with torch.no_grad():
            generated = move_vectors(self.actor, prior, labels)
        logits, attributes = self.critic.both(torch.cat([real, generated]))
        (on_real, on_fake), twice = logits.chunk(2), torch.cat([labels, labels])
        loss = real_loss(on_real).mean() + fake_loss(on_fake).mean() + 2 * label_loss(attributes, twice).mean()
        self._critic_loss = loss.detach()
        return loss + self._penalty(lambda z: self.critic(z, labels), real, generated)


def flip_one_label(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Labels (n, labels) with one of each row the other way round: y is 1 - y there.

    >>> flip_one_label(torch.zeros(2, 3), torch.Generator().manual_seed(0)).sum(dim=1)
    tensor([1., 1.])
    """
    at = torch.randint(labels.shape[1], (len(labels), 1), generator=generator).to(labels.device)
    return labels.scatter(1, at, 1 - labels.gather(1, at))


def _adam(network: nn.Module, rate: float) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), lr=rate, betas=(0.0, 0.9), fused=True)


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
