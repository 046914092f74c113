"""What a fit begins with: the bank's scores, the shape of its actor, a critic that knows nothing of what is asked."""

from typing import NamedTuple

import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.latent.actor import Actor, ActorConfig
from melodylc.latent.box import Box
from melodylc.latent.critic import Critic
from melodylc.latent.scores import Bank, answered
from melodylc.latent.settings import FitSettings


class Known(NamedTuple):
    """Vectors of which it is known what they become."""

    z: Tensor  #: (n, dim)
    decoded: Tensor  #: (n, ...)
    told: Tensor | None = None  #: labels that each must have, (n, parts); None: any


def first_critic(box: Box, known: Bank, settings: FitSettings, start: Critic | None) -> Critic:
    """A critic for a bank's scores: one that sees as `start` does, or a new one."""
    parts = known.scores.shape[1]
    if start:
        return start.asked(parts, settings.exponents)
    rows, width = box.seen(known.decoded[:1]).shape[1:]
    return Critic(rows, width, parts, settings.exponents, settings.critic_hidden, settings.critic_layers)


def actor_shape(box: Box, settings: FitSettings, labels: int) -> ActorConfig:
    """The shape of an actor for a box."""
    parts, size, context = box.chain
    return ActorConfig(
        parts, size, context + labels, hidden=settings.hidden, layers=settings.layers, bound=settings.bound
    )


def scored(box: Box, bank: Known, generator: torch.Generator) -> Bank:
    """What a bank's vectors become, scored.

    Raises:
        InputError: sizes that don't fit each other, or a score outside [0, 1].
    """
    z, decoded, told = bank
    if z.ndim != 2 or z.shape[1] != box.chain.dim or not len(z):
        raise InputError(f"a bank holds vectors of shape (n, {box.chain.dim}), not {tuple(z.shape)}")
    if len(z) != len(decoded):
        raise InputError(f"a bank of {len(z)} vectors and {len(decoded)} that they become: one of each")
    return answered(box, z, decoded, box.ask(len(z), generator) if told is None else told)


def check_sizes(box: Box, sigma_bar: Tensor, start: Actor | None) -> None:
    """Make sure that sizes fit each other.

    Raises:
        InputError: they don't.
    """
    dim = box.chain.dim
    if sigma_bar.shape != (dim,) or not bool((sigma_bar > 0).all()):
        raise InputError(f"sigma_bar is {dim} positive numbers, not shape {tuple(sigma_bar.shape)} or not positive")
    labels = box.ask(1, torch.Generator()).shape[1]
    shape = box.chain._replace(context=box.chain.context + labels)
    if start and start.config.chain != shape:
        raise InputError(f"the actor to start from moves vectors of shape {start.config.chain[:]}, not {shape[:]}")
