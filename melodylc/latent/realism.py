"""The realism constraint: where in latent space encodings of real data lie.

A decoder has been trained on q(z) = E_x q(z|x), and the prior p(z) has mass where q(z) has none: samples from there
look like nothing. A critic that tells q(z) from p(z), and an actor that moves p(z) until it can't, mend that without
labels:

    L_D = E_q L_1(z) + E_p L_0(z) + E_p L_0(G(z)) + GP        L_G = E_p [ L_1(G(z)) + lambda * L_dist(G(z), z) ]

The game is played on a box (`box`): the critic sees a view of a vector, the actor moves a part when its turn comes, and
what became of its vectors is decoded once a round; actor steps then lean on that, as those of `fit` do. A plain box
decodes nothing, its view is the vector itself, and the game is the paper's. The penalty GP is that of `labelled`, but a
slope may be less than its bound: a view is wide (two melodies lie eighty apart), and a critic that must have a slope
everywhere in it, and has little to say, makes ripples that lead an actor nowhere. Adam with beta_1 = 0, as Gulrajani et
al. (2017) do. The critic is shown what the actor made long ago, too: one that forgets
takes today's trick for untrue and last week's for real, and is of no use for judging what others make. Nor is one that
has never seen what others make: where there is such (`others`), it is a third kind of what isn't real.

Where vectors are whole and nothing has to be decoded, `vector_game` is the labelled game of `gan` with no labels: fresh
vectors at every step, and a state that can be stopped and resumed.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.latent.actor import Actor, ActorConfig
from melodylc.latent.box import Box
from melodylc.latent.critic import Critic
from melodylc.latent.distance import distance, z_mse
from melodylc.latent.encodings import Encodings
from melodylc.latent.gan import Game, GameSettings
from melodylc.latent.labelled import LabelledCritic, cost_of, doubt_of, gradient_penalty, move
from melodylc.latent.precision import brief

Decoded = tuple[Tensor, Tensor]
"""Vectors (n, dim), and what they become, (n, ...)."""


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
    recent: int = 20_000  #: latest moved vectors, which the critic is shown; of too few, the game goes in circles
    rate: float = 3e-4  #: Adam's learning rate of the critic, falling in the last third
    actor_rate: float = 4e-4  #: the same of the actor
    distance: float = 0.02  #: lambda, the weight of L_dist
    hidden: int = 384  #: width of the actor's layers
    layers: int = 2  #: hidden layers of the actor
    bound: float = 3.0  #: the actor's bound
    critic_hidden: int = 192  #: width of the critic's layers
    critic_layers: int = 4  #: hidden layers of the critic
    average: float = 0.98  #: decay of the running mean of the actor's weights, a step
    slope: float = 0.3  #: the most that the critic's slope may be for free, in units of what it sees

    def __post_init__(self) -> None:
        for name in ("rounds", "fresh", "batch", "recent", "critic_hidden"):
            if getattr(self, name) < 1:
                raise InputError(f"a game of realism needs {name} of at least 1, not {getattr(self, name)}")
        for name in ("critic_steps", "actor_steps", "warmup", "rate", "actor_rate", "distance"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"a game of realism needs {name} of at least 0, not {getattr(self, name)}")
        if not self.slope > 0:
            raise InputError(f"a game of realism needs a slope above 0, not {self.slope}")
        if not 0 <= self.average < 1:
            raise InputError(f"a game of realism needs average in [0, 1), not {self.average}")


@dataclass(frozen=True)
class Belief:
    """What a realism critic makes of vectors: mean D, in [0, 1]."""

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
    belief: Belief


class RealismGame:
    """Actor against critic on a box.

    Args:
        box: what vectors become, and what a critic sees; its score is never asked.
        real: vectors of q(z) with what they become.
        prior: vectors of p(z) with what they become.
        sigma_bar: (dim,), the encoder's mean deviation, positive.
        settings: how to play.
        seed: of everything random.
        others: what vectors become that others than this actor moved, (n, ...), if there is any.

    Raises:
        InputError: sizes that don't fit each other.
    """

    def __init__(
        self,
        box: Box,
        real: Decoded,
        prior: Decoded,
        sigma_bar: Tensor,
        settings: RealismSettings,
        seed: int = 0,
        others: Tensor | None = None,
    ) -> None:
        _check(box, real, prior, sigma_bar)
        self.box, self.sigma_bar, self.settings = box, sigma_bar, settings
        self.generator = torch.Generator().manual_seed(seed)
        self.prior = prior[0]
        self.real, self.unmoved = _seen(box, real[1]), _seen(box, prior[1])
        self.moved = self.unmoved[:0]
        self.others = self.moved if others is None else _seen(box, others)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            shape = ActorConfig(*box.chain, hidden=settings.hidden, layers=settings.layers, bound=settings.bound)
            self.live = Actor(shape)
            rows, width = self.real.shape[1:]
            self.critic = Critic(rows, width, 1, (1.0,), settings.critic_hidden, settings.critic_layers)
        self.actor = copy.deepcopy(self.live).requires_grad_(False)  #: the running mean: what is kept
        self.actor_rates = torch.optim.Adam(self.live.parameters(), betas=(0.0, 0.9))
        self.critic_rates = torch.optim.Adam(self.critic.parameters(), betas=(0.0, 0.9))
        self.steep = torch.tensor(settings.slope)
        self.round, self.steps = 0, 0

    def turn(self) -> Belief:
        """A round: fresh vectors, the critic's steps, the actor's. What the critic then makes of all three kinds."""
        self._set_rates()
        if not self.round:
            self._teach(self.settings.warmup)
        z, decoded = self._explore()
        self._teach(self.settings.critic_steps)
        self._improve(z, decoded)
        self.round += 1
        return self._belief(z)

    def logit(self, view: Tensor) -> Tensor:
        """The critic's logit of views (n, rows, width): (n,)."""
        logits: Tensor = self.critic(view)[:, 0, 0]
        return logits

    @torch.no_grad()
    def _explore(self) -> Decoded:
        z = self._draw(self.prior, self.settings.fresh)
        self.latest, decoded = self.box.decode(z, self.live)
        self.moved = torch.cat([self.moved, _seen(self.box, decoded)])[-self.settings.recent :]
        return z, decoded

    def _teach(self, steps: int) -> None:
        for _ in range(steps):
            batches = [self._draw(seen, self.settings.batch).float() for seen in self._kinds()]
            other = batches[1 + int(torch.randint(len(batches) - 1, (), generator=self.generator))]
            with brief():
                real, *false = torch.split(self.logit(torch.cat(batches)).float(), self.settings.batch)
                penalty = gradient_penalty(self.logit, batches[0], other, self.generator, self.steep, level=True)
            loss = cost_of(real).mean() + torch.stack([doubt_of(one).mean() for one in false]).sum()
            _step(self.critic_rates, loss + penalty)

    def _kinds(self) -> list[Tensor]:
        return [seen for seen in (self.real, self.unmoved, self.moved, self.others) if len(seen)]

    def _improve(self, start: Tensor, decoded: Tensor) -> None:
        self.critic.requires_grad_(False)
        contexts, settings = self.box.context(decoded, start), self.settings
        for _ in range(settings.actor_steps):
            rows = torch.randint(len(start), (settings.batch,), generator=self.generator)
            z, context = start[rows], contexts[rows]
            with brief():
                moved = self.box.moved(z, context, self.live)
                cost = self.critic.cost(self.box.view(moved, context, decoded[rows]))
            _step(self.actor_rates, (cost + settings.distance * distance(moved, z, self.sigma_bar)).mean())
            self._average()
        self.critic.requires_grad_(True)

    @torch.no_grad()
    def _average(self) -> None:
        self.steps += 1
        decay = min(self.settings.average, self.steps / (self.steps + 9))  # the first states count for little
        for mean, weight in zip(self.actor.parameters(), self.live.parameters(), strict=True):
            mean.lerp_(weight, 1 - decay)

    @torch.no_grad()
    def _belief(self, start: Tensor) -> Belief:
        fresh = self.settings.fresh
        kinds = (self._draw(self.real, fresh), self._draw(self.unmoved, fresh), self.moved[-fresh:])
        real, prior, moved = (float(torch.sigmoid(self.logit(seen.float())).mean()) for seen in kinds)
        return Belief(real, prior, moved, float(z_mse(self.latest, start, self.sigma_bar).mean()))

    def _draw(self, rows: Tensor, count: int) -> Tensor:
        return rows[torch.randint(len(rows), (count,), generator=self.generator)]

    def _set_rates(self) -> None:
        left = 1 - self.round / self.settings.rounds
        for rates, rate in ((self.actor_rates, self.settings.actor_rate), (self.critic_rates, self.settings.rate)):
            for group in rates.param_groups:
                group["lr"] = rate * max(0.02, min(1.0, 3 * left))


def fit_realism(
    box: Box,
    real: Decoded,
    prior: Decoded,
    sigma_bar: Tensor,
    settings: RealismSettings | None = None,
    seed: int = 0,
    report: Callable[[int, Belief], None] = lambda number, belief: None,
    others: Tensor | None = None,
) -> Realism:
    """Play that game to its end; `report` hears of each round.

    Raises:
        InputError: sizes that don't fit each other.
    """
    settings = settings or RealismSettings()
    game = RealismGame(box, real, prior, sigma_bar, settings, seed, others)
    belief = None
    while game.round < settings.rounds:
        belief = game.turn()
        report(game.round, belief)
    if belief is None:
        raise InputError("a game of no rounds has no winner")
    return Realism(game.actor.eval(), game.critic.requires_grad_(False).eval(), settings, belief)


@dataclass(frozen=True)
class VectorRealism:
    """A realism critic of whole vectors and the actor that satisfies it, both ready to use."""

    actor: Actor
    critic: LabelledCritic
    belief: Belief


def vector_game(encodings: Encodings, sigma_bar: Tensor, settings: GameSettings, seed: int = 0) -> Game:
    """The game on whole vectors; labels, if encodings have any, are left aside."""
    return Game(Encodings.unlabelled(encodings.mean, encodings.sigma), sigma_bar, settings, seed)


@torch.no_grad()
def finished(game: Game, count: int = 2048) -> VectorRealism:
    """What a game on whole vectors has come to, measured on `count` fresh vectors of each kind."""
    critic = game.critic.requires_grad_(False).eval()
    real, _ = game.encodings.draw(count, game.generator)
    prior = torch.randn(count, game.encodings.dim, generator=game.generator)
    moved = move(game.actor, prior)
    means = [float(torch.sigmoid(critic(z)).mean()) for z in (real, prior, moved)]
    belief = Belief(means[0], means[1], means[2], float(z_mse(moved, prior, game.sigma_bar).mean()))
    return VectorRealism(game.actor.eval(), critic, belief)


@torch.no_grad()
def _seen(box: Box, decoded: Tensor) -> Tensor:
    return box.seen(decoded).half()


def _check(box: Box, real: Decoded, prior: Decoded, sigma_bar: Tensor) -> None:
    dim = box.chain.dim
    for name, (z, decoded) in (("real", real), ("prior", prior)):
        if z.ndim != 2 or z.shape[1] != dim or not len(z) or len(z) != len(decoded):
            found = f"{tuple(z.shape)} and {len(decoded)}"
            raise InputError(f"{name} vectors are of shape (n, {dim}) with what each becomes, not {found}")
    if sigma_bar.shape != (dim,) or not bool((sigma_bar > 0).all()):
        raise InputError(f"sigma_bar is {dim} positive numbers, not {tuple(sigma_bar.shape)}")


def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
