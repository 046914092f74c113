"""The realism constraint on whole vectors: the labelled game with no labels, which can be stopped and resumed.

`melodylc.latent.realism` plays the same game on a box, part by part; what pictures decode to is not looked at here.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from melodylc.latent.actor import Actor
from melodylc.latent.distance import z_mse
from melodylc.latent.encodings import Encodings
from melodylc.latent.gan import Game, GameSettings
from melodylc.latent.labelled import LabelledCritic, move
from melodylc.latent.realism import Belief


@dataclass(frozen=True)
class Found:
    """A realism critic and the actor that satisfies it, both ready to use."""

    actor: Actor
    critic: LabelledCritic
    belief: Belief


def realism_game(encodings: Encodings, sigma_bar: Tensor, settings: GameSettings, seed: int = 0) -> Game:
    """The game on encodings whose labels, if they have any, are left aside."""
    return Game(Encodings.unlabelled(encodings.mean, encodings.sigma), sigma_bar, settings, seed)


@torch.no_grad()
def finished(game: Game, count: int = 2048) -> Found:
    """What a realism game has come to, measured on `count` fresh vectors of each kind."""
    critic = game.critic.requires_grad_(False).eval()
    real, _ = game.encodings.draw(count, game.generator)
    prior = torch.randn(count, game.encodings.dim, generator=game.generator)
    moved = move(game.actor, prior)
    means = [float(torch.sigmoid(critic(z)).mean()) for z in (real, prior, moved)]
    belief = Belief(means[0], means[1], means[2], float(z_mse(moved, prior, game.sigma_bar).mean()))
    return Found(game.actor.eval(), critic, belief)
