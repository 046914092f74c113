"""The objective: the black box between latent vectors and their scores, and how much of it a fit may look into.

A decoder and a rule, seen from latent space. Fitting calls `score` and nothing else of the rule; the decoder has a
gradient, through `expected_features`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from melodylc.latent.actor import LatentLayout, Move

PartScores = npt.NDArray[np.float64]
"""Numbers in [0, 1], a row for each latent vector, a column for each part of a rule; satisfaction is 1."""


class Objective(Protocol):
    """Latent vectors (n, dim) in, scores (n, parts) out."""

    @property
    def layout(self) -> LatentLayout:
        """The shape of the vectors."""
        ...

    def draw_labels(self, count: int, generator: torch.Generator) -> Tensor:
        """Labels: which parts of the score count for each of n vectors, (n, parts), 1 or 0; (n, 0) if all do."""
        ...

    def decode(self, z: Tensor, move: Move | None = None) -> tuple[Tensor, Tensor]:
        """Vectors (n, dim) after every part was moved in its turn, and what they decode to, (n, ...)."""
        ...

    def score(self, decoded: Tensor) -> PartScores:
        """PartScores (n, parts) in [0, 1] of what was decoded; satisfaction is exactly 1. Only ever called."""
        ...

    def context(self, decoded: Tensor, z: Tensor) -> Tensor:
        """What is known of each part of vectors (n, dim) before it is moved, (n, parts of z, context).

        That depends on what those before it became, which is what was decoded.
        """
        ...

    def move_at_once(self, z: Tensor, context: Tensor, move: Move) -> Tensor:
        """Vectors (n, dim) with all parts moved at once, each in its context, with a gradient."""
        ...

    def features(self, decoded: Tensor) -> Tensor:
        """What a critic sees of what was decoded: features (n, rows, width), about as large as 1."""
        ...

    def expected_features(self, z: Tensor, context: Tensor, decoded: Tensor) -> Tensor:
        """The same of what vectors (n, dim) probably decode to, with a gradient.

        `context` and `decoded` are those of vectors near by.
        """
        ...


@dataclass(frozen=True)
class VectorObjective:
    """A score of vectors themselves: nothing is decoded, and a critic sees the vectors, or features of them.

    >>> objective = VectorObjective(2, lambda z: (z > 0).double().numpy())
    >>> _, decoded = objective.decode(torch.tensor([[1.0, -1.0]]))
    >>> objective.score(decoded)
    array([[1., 0.]])
    """

    dim: int
    score_vectors: Callable[[Tensor], PartScores]  #: (n, dim) to (n, parts)
    feature_map: Callable[[Tensor], Tensor] = field(default=lambda z: z[:, None])  #: to (n, rows, width)

    @property
    def layout(self) -> LatentLayout:
        """One part, before which nothing is known."""
        return LatentLayout(1, self.dim)

    def draw_labels(self, count: int, generator: torch.Generator) -> Tensor:
        """No labels, (n, 0)."""
        return torch.zeros(count, 0)

    def decode(self, z: Tensor, move: Move | None = None) -> tuple[Tensor, Tensor]:
        """The vectors, moved, twice."""
        end = z if move is None else self.move_at_once(z, self.context(z, z), move)
        return end, end

    def score(self, decoded: Tensor) -> PartScores:
        """Their scores (n, parts)."""
        return self.score_vectors(decoded)

    def context(self, decoded: Tensor, z: Tensor) -> Tensor:
        """No numbers, (n, 1, 0)."""
        return torch.zeros(len(decoded), 1, 0)

    def move_at_once(self, z: Tensor, context: Tensor, move: Move) -> Tensor:
        """Vectors (n, dim), moved."""
        return move(z.unsqueeze(1), context, 0).squeeze(1)

    def features(self, decoded: Tensor) -> Tensor:
        """Their features (n, rows, width); (n, 1, dim) by default."""
        return self.feature_map(decoded)

    def expected_features(self, z: Tensor, context: Tensor, decoded: Tensor) -> Tensor:
        """Their features too."""
        return self.feature_map(z)
