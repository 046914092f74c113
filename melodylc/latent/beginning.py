"""What a fit begins with: the bank's scores, the shape of its actor, a critic that knows nothing of what is asked."""

import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.latent.actor import Actor, ActorConfig
from melodylc.latent.box import Box
from melodylc.latent.critic import Critic
from melodylc.latent.scores import Bank, answered
from melodylc.latent.settings import FitSettings

Known = tuple[Tensor, Tensor]  #: vectors of the prior (n, dim), and what they become (n, ...)


def first_critic(box: Box, known: Bank, settings: FitSettings, start: Critic | None) -> Critic:
    """A critic for a bank's scores: `start`, where no labels say what is asked, or a new one."""
    parts, labels = known.scores.shape[1], known.told.shape[1]
    if start and not labels:
        return start.asked(parts, settings.exponents)
    rows, width = box.seen(known.decoded[:1], known.told[:1]).shape[1:]
    return Critic(rows, width, parts, labels, settings.exponents, settings.critic_hidden, settings.critic_layers)


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
    z, decoded = bank
    if z.ndim != 2 or z.shape[1] != box.chain.dim or not len(z):
        raise InputError(f"a bank holds vectors of shape (n, {box.chain.dim}), not {tuple(z.shape)}")
    if len(z) != len(decoded):
        raise InputError(f"a bank of {len(z)} vectors and {len(decoded)} that they become: one of each")
    return answered(box, z, decoded, box.ask(len(z), generator))


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
