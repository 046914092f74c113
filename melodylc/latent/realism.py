"""The realism constraint: where in latent space encodings of real data lie.

A decoder has been trained on q(z) = E_x q(z|x), and the prior p(z) has mass where q(z) has none: samples from there
look like nothing. A critic that tells q(z) from p(z), and an actor that moves p(z) until it can't, mend that without
labels, without the decoder and without the data. Game and losses are those of `gan`, with no labels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from melodylc.latent.actor import Actor
from melodylc.latent.distance import z_mse
from melodylc.latent.encodings import Encodings
from melodylc.latent.gan import Game, GameSettings, Turn
from melodylc.latent.labelled import LabelledCritic, move


@dataclass(frozen=True)
class Belief:
    """What a realism critic makes of vectors it hasn't seen: mean D, in [0, 1]."""

    real: float  #: encodings of data
    prior: float  #: prior samples
    moved: float  #: prior samples, moved by the actor
    z_mse: float  #: how far those were moved


@dataclass(frozen=True)
class Realism:
    """A realism critic and the actor that satisfies it, both ready to use."""

    actor: Actor
    critic: LabelledCritic
    settings: GameSettings
    belief: Belief


def realism_game(encodings: Encodings, sigma_bar: Tensor, settings: GameSettings, seed: int = 0) -> Game:
    """The game on encodings whose labels, if they have any, are left aside."""
    return Game(Encodings.unlabelled(encodings.mean, encodings.sigma), sigma_bar, settings, seed)


def fit_realism(
    encodings: Encodings,
    sigma_bar: Tensor,
    settings: GameSettings,
    seed: int = 0,
    report: Callable[[Turn], None] = lambda _: None,
) -> Realism:
    """Play that game to its end in one go; `melodylc.training.game.play` can be stopped and started again.

    Raises:
        InputError: sizes that don't fit each other.
    """
    game = realism_game(encodings, sigma_bar, settings, seed)
    while game.step < settings.steps:
        report(game.turn())
    return finished(game)


def finished(game: Game, count: int = 2048) -> Realism:
    """What a realism game has come to, measured on `count` fresh vectors of each kind."""
    critic = game.critic.requires_grad_(False).eval()
    return Realism(game.actor.eval(), critic, game.settings, _belief(game, critic, count))


@torch.no_grad()
def _belief(game: Game, critic: LabelledCritic, count: int) -> Belief:
    real, _ = game.encodings.draw(count, game.generator)
    prior = torch.randn(count, game.encodings.dim, generator=game.generator)
    moved = move(game.actor, prior)
    means = [float(torch.sigmoid(critic(z)).mean()) for z in (real, prior, moved)]
    return Belief(means[0], means[1], means[2], float(z_mse(moved, prior, game.sigma_bar).mean()))
