"""What a fit shows while it goes on, and what comes out of it."""

from collections.abc import Callable
from dataclasses import dataclass

from melodylc.latent.actor import Actor
from melodylc.latent.critic import Critic
from melodylc.latent.scores import Measured
from melodylc.latent.settings import FitSettings


@dataclass(frozen=True)
class Round:
    """What a round showed, on its own few vectors."""

    number: int  #: 1, 2, ...
    rounds: int  #: how many there will be
    measured: Measured
    best: float | None  #: the best checked rate so far
    price: float  #: lambda after it


Progress = Callable[[Round], None]


@dataclass(frozen=True)
class Fitted:
    """An actor in evaluation mode, and how it came out."""

    actor: Actor
    critic: Critic
    settings: FitSettings
    seed: int
    prior: Measured  #: the prior by itself
    measured: Measured  #: the actor, on vectors used for nothing else
    history: tuple[Round, ...]
    interrupted: bool  #: whether Ctrl-C ended the rounds early
