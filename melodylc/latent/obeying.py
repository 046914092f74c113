"""Vectors optimised until a black box is content, along the slope of a critic that was fitted to it.

A critic sees a vector by what it becomes part by part (`Box.view`), and each part by what the parts before it became
(`Box.context`). That changes as vectors move: every few steps they are decoded, and seen anew. They are scored then,
too: the box itself says which vectors obey, and these stay where they are.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from melodylc.latent.box import Box
from melodylc.latent.critic import Critic
from melodylc.latent.optimise import Goal, Optimised, OptimiseSettings, OptimiseStep, optimise

SETTINGS = OptimiseSettings(steps=160, rate=0.05, betas=(0.9, 0.99), distance=0.01, renew=8)


def obey(
    start: Tensor,
    box: Box,
    critic: Critic,
    sigma_bar: Tensor,
    settings: OptimiseSettings | None = None,
    report: Callable[[OptimiseStep], None] = lambda _: None,
) -> Optimised:
    """Move vectors (n, dim) until the box satisfies every part of them, or the steps are spent.

    Args:
        start: where they begin.
        box: what they are decoded and scored with; `met` is what it says of where they end.
        critic: fitted to that box.
        sigma_bar: (dim,), what the distance is measured in.
        settings: how to go about it; `SETTINGS` if None.
        report: as `optimise`'s.
    """

    def goals(z: Tensor) -> Sequence[Goal]:
        _, decoded = box.decode(z)
        obeyed = torch.from_numpy((box.score(decoded) == 1).all(axis=1))
        context = box.context(decoded, z)

        def cost(moved: Tensor) -> Tensor:
            return torch.where(obeyed, 0.0, critic.cost(box.view(moved, context, decoded)).clamp(min=_NOT_YET))

        return [Goal(cost, threshold=0.0)]

    return optimise(start, goals, settings or SETTINGS, sigma_bar=sigma_bar, report=report)


_NOT_YET = 1e-30  # a critic may be sure where the box isn't: such a vector has to go on
