"""The black box between latent vectors and their scores, and how much of it the fitting may look into."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from melodylc.latent.actor import Chain

Scores = npt.NDArray[np.float64]
"""Numbers in [0, 1], a row for each latent vector, a column for each part of what is asked; satisfied is 1."""

Move = Callable[[Tensor, Tensor, int], Tensor]
"""What moves parts of latent vectors: parts (n, q, size), their contexts (n, q, context) and the first one's number, to
parts of the same shape. An `Actor` is one."""


class Box(Protocol):
    """Latent vectors (n, dim) in, scores (n, parts) out."""

    @property
    def chain(self) -> Chain:
        """The shape of the vectors."""
        ...

    def ask(self, count: int, generator: torch.Generator) -> Tensor:
        """Labels: which parts of the score are asked of each of n vectors, (n, parts), 1 or 0; (n, 0) if all are."""
        ...

    def decode(self, z: Tensor, move: Move | None = None) -> tuple[Tensor, Tensor]:
        """Vectors (n, dim) as they are after every part was moved in its turn, and what they become, (n, ...)."""
        ...

    def score(self, decoded: Tensor) -> Scores:
        """Scores (n, parts) in [0, 1] of what was decoded; satisfied is exactly 1. Only ever called."""
        ...

    def context(self, decoded: Tensor, z: Tensor) -> Tensor:
        """What is known of each part of vectors (n, dim) before it is moved, (n, parts of z, context).

        That depends on what those before it became, which is what was decoded.
        """
        ...

    def moved(self, z: Tensor, context: Tensor, move: Move) -> Tensor:
        """Vectors (n, dim) with all parts moved at once, each in its context, with a gradient."""
        ...

    def seen(self, decoded: Tensor) -> Tensor:
        """What a critic sees of what was decoded: features (n, rows, width), about as large as 1."""
        ...

    def view(self, z: Tensor, context: Tensor, decoded: Tensor) -> Tensor:
        """The same of vectors (n, dim) that are on their way there, with a gradient.

        `context` and `decoded` are those of vectors near by.
        """
        ...


@dataclass(frozen=True)
class Plain:
    """A score of vectors as a box: nothing is decoded, and a critic sees the vectors, or what `features` makes of them.

    >>> box = Plain(2, lambda z: (z > 0).double().numpy())
    >>> _, decoded = box.decode(torch.tensor([[1.0, -1.0]]))
    >>> box.score(decoded)
    array([[1., 0.]])
    """

    dim: int
    scored: Callable[[Tensor], Scores]  #: (n, dim) to (n, parts)
    features: Callable[[Tensor], Tensor] = field(default=lambda z: z[:, None])  #: to (n, rows, width)

    @property
    def chain(self) -> Chain:
        """One part, before which nothing is known."""
        return Chain(1, self.dim)

    def ask(self, count: int, generator: torch.Generator) -> Tensor:
        """Nothing, (n, 0)."""
        return torch.zeros(count, 0)

    def decode(self, z: Tensor, move: Move | None = None) -> tuple[Tensor, Tensor]:
        """The vectors, moved, twice."""
        moved = z if move is None else self.moved(z, self.context(z, z), move)
        return moved, moved

    def score(self, decoded: Tensor) -> Scores:
        """Their scores (n, parts)."""
        return self.scored(decoded)

    def context(self, decoded: Tensor, z: Tensor) -> Tensor:
        """Nothing, (n, 1, 0)."""
        return torch.zeros(len(decoded), 1, 0)

    def moved(self, z: Tensor, context: Tensor, move: Move) -> Tensor:
        """Vectors (n, dim), moved."""
        return move(z.unsqueeze(1), context, 0).squeeze(1)

    def seen(self, decoded: Tensor) -> Tensor:
        """Their features (n, rows, width); (n, 1, dim) by default."""
        return self.features(decoded)

    def view(self, z: Tensor, context: Tensor, decoded: Tensor) -> Tensor:
        """Their features too."""
        return self.features(z)
