"""Latent vectors, what a black box says of them, and what a set of its answers amounts to."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.latent.box import Box, Move
from melodylc.latent.distance import distance, z_mse

Prior = Callable[[int, torch.Generator], Tensor]
"""Draws n latent vectors, shape (n, dim), with the generator's randomness alone."""


def standard_normal(dim: int) -> Prior:
    """The prior N(0, I).

    >>> standard_normal(3)(2, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3])
    """
    return lambda count, generator: torch.randn(count, dim, generator=generator)


def resampled(pool: Tensor) -> Prior:
    """The prior that draws with replacement from latent vectors (n, dim).

    >>> resampled(torch.arange(4.0)[:, None])(3, torch.Generator().manual_seed(0)).shape
    torch.Size([3, 1])
    """
    return lambda count, generator: pool[torch.randint(len(pool), (count,), generator=generator)]


@dataclass(frozen=True)
class Bank:
    """Latent vectors, what they became, what was asked of them, and their scores: all that is known of a box."""

    z: Tensor  #: (n, dim)
    decoded: Tensor  #: (n, ...)
    told: Tensor  #: (n, parts), 1 or 0, or (n, 0)
    scores: Tensor  #: (n, parts), float32, of all parts, asked or not

    def __len__(self) -> int:
        return len(self.z)

    def __add__(self, other: "Bank") -> "Bank":
        return Bank(*(torch.cat(pair) for pair in zip(self._fields(), other._fields(), strict=True)))

    def __getitem__(self, rows: slice | Tensor) -> "Bank":
        return Bank(*(field[rows] for field in self._fields()))

    @property
    def asked(self) -> Tensor:
        """Which parts are asked of each, (n, parts), bool."""
        return self.told > 0 if self.told.shape[1] else torch.ones_like(self.scores, dtype=torch.bool)

    @property
    def satisfied(self) -> Tensor:
        """Which of them satisfy every part that is asked of them, (n,), bool."""
        return ((self.scores == 1) | ~self.asked).all(dim=1)

    def _fields(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.z, self.decoded, self.told, self.scores

    def sample(self, count: int, generator: torch.Generator, recent: int = 0) -> "Bank":
        """`count` rows drawn with replacement, half of them from the last `recent` ones where that isn't 0."""
        late = count // 2 if recent else 0
        everywhere = torch.randint(len(self), (count - late,), generator=generator)
        if late:
            first = max(len(self) - recent, 0)
            everywhere = torch.cat([everywhere, torch.randint(first, len(self), (late,), generator=generator)])
        return self[everywhere]


@torch.no_grad()
def ask(box: Box, z: Tensor, told: Tensor, move: Move | None = None) -> Bank:
    """Decode latent vectors, shape (n, dim), moved or not, and score them; labels say what is asked of each.

    Raises:
        InputError: the score isn't one row of numbers in [0, 1] for each vector, or labels don't fit its parts.
    """
    moved, decoded = box.decode(z, move)
    return answered(box, moved, decoded, told)


@torch.no_grad()
def answered(box: Box, z: Tensor, decoded: Tensor, told: Tensor) -> Bank:
    """As `ask`, of vectors (n, dim) of which it is known what they become."""
    answer = np.asarray(box.score(decoded), dtype=np.float64)
    if answer.ndim != 2 or len(answer) != len(z) or answer.shape[1] < 1:
        raise InputError(f"a score of {len(z)} vectors has shape ({len(z)}, parts), not {answer.shape}")
    outside = ~((answer >= 0) & (answer <= 1))
    if outside.any():
        raise InputError(f"a score is a number in [0, 1], not {answer[outside][0]}")
    if told.shape[1] not in (0, answer.shape[1]):
        raise InputError(f"labels for {told.shape[1]} parts of a score that has {answer.shape[1]}")
    # Rounding must not satisfy what isn't: float32 has no number between this and 1.
    scores = np.where(answer < 1, np.minimum(answer, np.nextafter(np.float32(1), np.float32(0))), 1.0)
    return Bank(z, decoded, told, torch.from_numpy(scores.astype(np.float32)))


@dataclass(frozen=True)
class Measured:
    """What single draws gave, no retry."""

    count: int  #: draws
    rate: float  #: share that satisfies every part that is asked
    rates: tuple[float, ...]  #: share that satisfies each part, of those of which it is asked
    means: tuple[float, ...]  #: mean score of each part, likewise
    distance: float  #: mean L_dist, 0 for a prior
    z_mse: float  #: mean z_MSE, 0 for a prior


def summarise(answers: Bank, start: Tensor, sigma_bar: Tensor) -> Measured:
    """What the scores of moved vectors amount to; `start`, shape (n, dim), is where they were moved from."""
    asked = answers.asked

    def means(values: Tensor) -> tuple[float, ...]:
        return tuple(((values.double() * asked).sum(dim=0) / asked.sum(dim=0).clamp(min=1)).tolist())

    return Measured(
        count=len(answers),
        rate=float(answers.satisfied.double().mean()),
        rates=means(answers.scores == 1),
        means=means(answers.scores),
        distance=float(distance(answers.z, start, sigma_bar).mean()),
        z_mse=float(z_mse(answers.z, start, sigma_bar).mean()),
    )


def single_draws(box: Box, z: Tensor, move: Move, told: Tensor, sigma_bar: Tensor) -> Measured:
    """What vectors (n, dim), with their labels, give once they are moved."""
    return summarise(ask(box, z, told, move), z, sigma_bar)
