"""The realism constraint: where in latent space encodings of real data lie.

A decoder has been trained on q(z) = E_x q(z|x), and the prior p(z) has mass where q(z) has none: samples from there
look like nothing. A critic that tells q(z) from p(z), and an actor that moves p(z) until it can't, mend that without
labels (Engel, Hoffman and Roberts 2018):

    L_D = E_q L_1(z) + E_p L_0(z) + E_p L_0(G(z)) + GP        L_G = E_p [ L_1(G(z)) + lambda * L_dist(G(z), z) ]

They play on an objective's decoder: the critic sees features of a vector, the actor moves a part when its turn comes,
and its vectors are decoded once a round; actor steps then lean on that, as those of `fit` do. A `VectorObjective`
decodes nothing, its features are the vector itself, and this is the paper's. The penalty GP is that of `gan`, but
one-sided: features are wide (two melodies lie eighty apart), and a critic that must have a slope everywhere, and has
little to say, makes ripples that lead an actor nowhere. Adam with beta_1 = 0, as Gulrajani et al. (2017) do. The critic
is shown what the actor generated long ago, too: one that forgets takes today's trick for fake and last week's for real,
and is of no use for judging what others generate. Nor is one that has never seen what others generate: where there is
such (`others`), it is a third kind of fake.

Where vectors are whole and nothing has to be decoded, `realism_gan` is the training of `gan` without labels: fresh
vectors at every step, and a state that can be stopped and resumed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.latent.actor import Actor, ActorConfig, move_vectors
from melodylc.latent.actor_critic import ActorCritic, check_settings, check_sigma_bar, current_names
from melodylc.latent.critic import Critic
from melodylc.latent.distance import distance, z_mse
from melodylc.latent.gan import ConditionalCritic, GANSettings, LatentGAN, fake_loss, gradient_penalty, real_loss
from melodylc.latent.objective import Objective
from melodylc.latent.precision import autocast
from melodylc.latent.samples import Encodings

Decoded = tuple[Tensor, Tensor]
"""Vectors (n, dim), and what they decode to, (n, ...)."""

FORMER_REALISM_NAMES = {
    "rate": "critic_rate",
    "slope": "free_slope",
}  #: settings in files of before


@dataclass(frozen=True)
class RealismSettings:
    """How actor and critic play.

    Raises:
        InputError: a number that makes no sense, by name.
    """

    rounds: int = 12
    fresh: int = 256  #: prior vectors moved and decoded in each round
    critic_steps: int = 30  #: in each round
    actor_steps: int = 8  #: in each round
    warmup: int = 120  #: critic steps before the first round, on prior and real vectors alone
    batch: int = 64  #: vectors in each term of a loss
    recent: int = 20_000  #: latest moved vectors, which the critic is shown; of too few, the two go in circles
    critic_rate: float = 3e-4  #: Adam's learning rate of the critic, falling in the last third
    actor_rate: float = 4e-4  #: the same of the actor
    distance: float = 0.02  #: lambda, the weight of L_dist
    hidden: int = 384  #: width of the actor's layers
    layers: int = 2  #: hidden layers of the actor
    bound: float = 3.0  #: the actor's bound
    critic_hidden: int = 192  #: width of the critic's layers
    critic_layers: int = 4  #: hidden layers of the critic
    average: float = 0.98  #: decay of the running mean of the actor's weights, a step
    free_slope: float = 0.3  #: the most that the critic's slope may be for free, in units of its features

    def __post_init__(self) -> None:
        check_settings(
            "a training of realism",
            self,
            counts=("rounds", "fresh", "batch", "recent", "critic_hidden"),
            weights=("critic_steps", "actor_steps", "warmup", "critic_rate", "actor_rate", "distance"),
            shares=("average",),
        )
        if not self.free_slope > 0:
            raise InputError(f"a training of realism needs a free_slope above 0, not {self.free_slope}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RealismSettings":
        """Settings of a file's header, of earlier versions too.

        >>> RealismSettings.from_dict({"rounds": 3, "slope": 1.0}).free_slope
        1.0
        """
        return cls(**current_names(values, FORMER_REALISM_NAMES))


@dataclass(frozen=True)
class RealismFigures:
    """A realism critic's mean D, in [0, 1], of three kinds of vectors."""

    real: float  #: encodings of data
    prior: float  #: prior samples
    moved: float  #: prior samples, moved by the actor
    z_mse: float  #: how far those were moved


@dataclass(frozen=True)
class Realism:
    """A realism critic and the actor that satisfies it, both ready to use."""

    actor: Actor
    critic: Critic
    settings: RealismSettings
    figures: RealismFigures


class RealismTraining(ActorCritic):
    """Actor against critic on an objective's decoder.

    Args:
        objective: what vectors decode to, and a critic's features; its score is never called.
        real: vectors of q(z) with what they decode to.
        prior: vectors of p(z) with what they decode to.
        sigma_bar: (dim,), the encoder's mean deviation, positive.
        settings: how to play.
        seed: of everything random.
        others: what vectors that others than this actor moved decode to, (n, ...), if there are any.

    Raises:
        InputError: sizes that don't fit each other.
    """

    def __init__(
        self,
        objective: Objective,
        real: Decoded,
        prior: Decoded,
        sigma_bar: Tensor,
        settings: RealismSettings,
        seed: int = 0,
        others: Tensor | None = None,
    ) -> None:
        _check(objective, real, prior, sigma_bar)
        self.objective, self.sigma_bar, self.settings, self.prior = objective, sigma_bar, settings, prior[0]
        self.warmup = settings.warmup
        self.real, self.unmoved = self._features(real[1]), self._features(prior[1])
        self.moved = self.unmoved[:0]
        self.others = self.moved if others is None else self._features(others)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            sizes = {"hidden": settings.hidden, "layers": settings.layers, "bound": settings.bound}
            actor = Actor(ActorConfig(*objective.layout, **sizes))  # type: ignore[arg-type]
            rows, width = self.real.shape[1:]
            critic = Critic(rows, width, 1, (1.0,), settings.critic_hidden, settings.critic_layers)
        optimisers = (
            torch.optim.Adam(actor.parameters(), lr=settings.actor_rate, betas=(0.0, 0.9)),
            torch.optim.Adam(critic.parameters(), lr=settings.critic_rate, betas=(0.0, 0.9)),
        )
        super().__init__(actor, critic, optimisers, settings.average, torch.Generator().manual_seed(seed))
        self.free_slope = torch.tensor(settings.free_slope)

    @property
    def rounds(self) -> int:
        """As set."""
        return self.settings.rounds

    def round(self) -> RealismFigures:
        """A round: fresh vectors, the critic's steps, the actor's. Then the critic's mean D of all three kinds."""
        self.train_round(self.settings.critic_steps, self.settings.actor_steps)
        return self._figures()

    def logit(self, features: Tensor) -> Tensor:
        """The critic's logit of features (n, rows, width): (n,)."""
        logits: Tensor = self.critic(features)[:, 0, 0]
        return logits

    @torch.no_grad()
    def explore(self) -> None:
        """Fresh vectors, moved by the actor and decoded."""
        self.start = self.sample_rows(self.prior, self.settings.fresh)
        self.latest, self.decoded = self.objective.decode(self.start, self.actor)
        self.moved = torch.cat([self.moved, self._features(self.decoded)])[-self.settings.recent :]
        self.context = self.objective.context(self.decoded, self.start)

    def critic_loss(self) -> Tensor:
        """L_D of a batch of each kind, with the penalty between real ones and one of the others."""
        kinds = [it for it in (self.real, self.unmoved, self.moved, self.others) if len(it)]
        batches = [self.sample_rows(kind, self.settings.batch).float() for kind in kinds]
        other = batches[1 + int(torch.randint(len(batches) - 1, (), generator=self.generator))]
        with autocast():
            real, *fake = torch.split(self.logit(torch.cat(batches)).float(), self.settings.batch)
            penalty = gradient_penalty(self.logit, batches[0], other, self.generator, self.free_slope, one_sided=True)
        return real_loss(real).mean() + torch.stack([fake_loss(one).mean() for one in fake]).sum() + penalty

    def actor_loss(self) -> Tensor:
        """L_G of vectors that were moved in this round."""
        rows = torch.randint(len(self.start), (self.settings.batch,), generator=self.generator)
        z, context = self.start[rows], self.context[rows]
        with autocast():
            end = self.objective.move_at_once(z, context, self.actor)
            cost = self.critic.cost(self.objective.expected_features(end, context, self.decoded[rows]))
        loss: Tensor = (cost + self.settings.distance * distance(end, z, self.sigma_bar)).mean()
        return loss

    @torch.no_grad()
    def _figures(self) -> RealismFigures:
        fresh = self.settings.fresh
        kinds = (self.sample_rows(self.real, fresh), self.sample_rows(self.unmoved, fresh), self.moved[-fresh:])
        real, prior, moved = (float(torch.sigmoid(self.logit(kind.float())).mean()) for kind in kinds)
        return RealismFigures(real, prior, moved, float(z_mse(self.latest, self.start, self.sigma_bar).mean()))

    @torch.no_grad()
    def _features(self, decoded: Tensor) -> Tensor:
        return self.objective.features(decoded).half()


def fit_realism(
    objective: Objective,
    real: Decoded,
    prior: Decoded,
    sigma_bar: Tensor,
    settings: RealismSettings | None = None,
    seed: int = 0,
    report: Callable[[int, RealismFigures], None] = lambda number, figures: None,
    others: Tensor | None = None,
) -> Realism:
    """Train to the end; `report` hears of each round.

    Raises:
        InputError: sizes that don't fit each other.
    """
    settings = settings or RealismSettings()
    training = RealismTraining(objective, real, prior, sigma_bar, settings, seed, others)
    while True:
        figures = training.round()
        report(training.round_number, figures)
        if training.round_number == settings.rounds:
            critic = training.critic.requires_grad_(False).eval()
            return Realism(training.mean_actor.eval(), critic, settings, figures)


@dataclass(frozen=True)
class VectorRealism:
    """A realism critic of whole vectors and the actor that satisfies it, both ready to use."""

    actor: Actor
    critic: ConditionalCritic
    figures: RealismFigures


def realism_gan(
    encodings: Encodings,
    sigma_bar: Tensor,
    settings: GANSettings,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> LatentGAN:
    """The training on whole vectors; labels, if encodings have any, are left aside."""
    return LatentGAN(Encodings.without_labels(encodings.mean, encodings.sigma), sigma_bar, settings, seed, device)


@torch.no_grad()
def measure_realism(gan: LatentGAN, count: int = 2048) -> VectorRealism:
    """What a training on whole vectors has come to, measured on `count` fresh vectors of each kind."""
    critic = gan.critic.requires_grad_(False).eval()
    real, _ = gan.encodings.sample(count, gan.generator)
    prior = torch.randn(count, gan.encodings.dim, generator=gan.generator)
    moved = move_vectors(gan.mean_actor, prior)
    on_real, on_prior, on_moved = (float(torch.sigmoid(critic(z)).mean()) for z in (real, prior, moved))
    figures = RealismFigures(on_real, on_prior, on_moved, float(z_mse(moved, prior, gan.sigma_bar).mean()))
    return VectorRealism(gan.mean_actor.eval(), critic, figures)


def _check(objective: Objective, real: Decoded, prior: Decoded, sigma_bar: Tensor) -> None:
    dim = objective.layout.dim
    for name, (z, decoded) in (("real", real), ("prior", prior)):
        if z.ndim != 2 or z.shape[1] != dim or not len(z) or len(z) != len(decoded):
            given = f"{tuple(z.shape)} and {len(decoded)}"
            raise InputError(f"{name} vectors are of shape (n, {dim}) with what each decodes to, not {given}")
    check_sigma_bar(sigma_bar, dim)
