"""Latent vectors with what is known of them: what they decode to, labels, scores; and where they come from.

`Samples` is the replay buffer of a fit, `Encodings` the aggregate posterior of a data set, `Measurement` what the
scores of some samples amount to.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.latent.actor import Move
from melodylc.latent.distance import distance, z_mse
from melodylc.latent.objective import Objective

PriorSampler = Callable[[int, torch.Generator], Tensor]
"""Draws n latent vectors, shape (n, dim), with the generator's randomness alone."""


def standard_normal(dim: int) -> PriorSampler:
    """The prior N(0, I).

    >>> standard_normal(3)(2, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3])
    """
    return lambda count, generator: torch.randn(count, dim, generator=generator)


@dataclass(frozen=True)
class Samples:
    """Latent vectors, what they decode to, labels that say which parts count for each, and the scores of all parts."""

    z: Tensor  #: (n, dim)
    decoded: Tensor  #: (n, ...)
    labels: Tensor  #: (n, parts), 1 or 0; (n, 0) where all parts count
    scores: Tensor  #: (n, parts), float32; (n, 0) before they are scored

    @classmethod
    def without_scores(cls, z: Tensor, decoded: Tensor, labels: Tensor | None = None) -> "Samples":
        """Samples that nothing has scored yet.

        >>> Samples.without_scores(torch.zeros(3, 2), torch.zeros(3, 5)).scores.shape
        torch.Size([3, 0])
        """
        none = torch.zeros(len(z), 0)
        return cls(z, decoded, none if labels is None else labels, none)

    def __len__(self) -> int:
        return len(self.z)

    def __add__(self, other: "Samples") -> "Samples":
        return Samples(*(torch.cat(pair) for pair in zip(self._fields(), other._fields(), strict=True)))

    def __getitem__(self, rows: slice | Tensor) -> "Samples":
        return Samples(*(field[rows] for field in self._fields()))

    @property
    def label_mask(self) -> Tensor:
        """Which parts count for each, (n, parts), bool."""
        return self.labels > 0 if self.labels.shape[1] else torch.ones_like(self.scores, dtype=torch.bool)

    @property
    def satisfaction(self) -> Tensor:
        """Which of them satisfy every part that counts, (n,), bool."""
        return ((self.scores == 1) | ~self.label_mask).all(dim=1)

    def _fields(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.z, self.decoded, self.labels, self.scores

    def sample(self, count: int, generator: torch.Generator, recent: int = 0) -> "Samples":
        """`count` rows drawn with replacement, half of them from the last `recent` ones where that isn't 0."""
        late = count // 2 if recent else 0
        everywhere = torch.randint(len(self), (count - late,), generator=generator)
        if late:
            first = max(len(self) - recent, 0)
            everywhere = torch.cat([everywhere, torch.randint(first, len(self), (late,), generator=generator)])
        return self[everywhere]


@torch.no_grad()
def decode_and_score(objective: Objective, z: Tensor, labels: Tensor, move: Move | None = None) -> Samples:
    """Decode latent vectors, shape (n, dim), moved or not, and score them.

    Raises:
        InputError: the score isn't one row of numbers in [0, 1] for each vector, or labels don't fit its parts.
    """
    end, decoded = objective.decode(z, move)
    return score_samples(objective, end, decoded, labels)


@torch.no_grad()
def score_samples(objective: Objective, z: Tensor, decoded: Tensor, labels: Tensor) -> Samples:
    """Score vectors (n, dim) whose decoding is there already; raises as `decode_and_score` does."""
    answer = np.asarray(objective.score(decoded), dtype=np.float64)
    if answer.ndim != 2 or len(answer) != len(z) or answer.shape[1] < 1:
        raise InputError(f"a score of {len(z)} vectors has shape ({len(z)}, parts), not {answer.shape}")
    outside = ~((answer >= 0) & (answer <= 1))
    if outside.any():
        raise InputError(f"a score is a number in [0, 1], not {answer[outside][0]}")
    if labels.shape[1] not in (0, answer.shape[1]):
        raise InputError(f"labels for {labels.shape[1]} parts of a score that has {answer.shape[1]}")
    # Rounding must not satisfy what isn't: float32 has no number between this and 1.
    scores = np.where(answer < 1, np.minimum(answer, np.nextafter(np.float32(1), np.float32(0))), 1.0)
    return Samples(z, decoded, labels, torch.from_numpy(scores.astype(np.float32)))


@dataclass(frozen=True)
class Measurement:
    """What single samples gave, no retry."""

    count: int  #: samples
    rate: float  #: share that satisfies every part that counts
    rates: tuple[float, ...]  #: share that satisfies each part, of those for which it counts
    means: tuple[float, ...]  #: mean score of each part, likewise
    distance: float  #: mean L_dist, 0 for a prior
    z_mse: float  #: mean z_MSE, 0 for a prior


def summarise(samples: Samples, start: Tensor, sigma_bar: Tensor) -> Measurement:
    """What the scores of moved vectors amount to; `start`, shape (n, dim), is where they were moved from."""
    mask = samples.label_mask

    def means(values: Tensor) -> tuple[float, ...]:
        return tuple(((values.double() * mask).sum(dim=0) / mask.sum(dim=0).clamp(min=1)).tolist())

    return Measurement(
        count=len(samples),
        rate=float(samples.satisfaction.double().mean()),
        rates=means(samples.scores == 1),
        means=means(samples.scores),
        distance=float(distance(samples.z, start, sigma_bar).mean()),
        z_mse=float(z_mse(samples.z, start, sigma_bar).mean()),
    )


@dataclass(frozen=True)
class Encodings:
    """The Gaussians q(z|x) of n examples, with their labels.

    Samples of it are samples of the aggregate posterior q(z), which is what a realism critic takes for real.

    Raises:
        InputError: shapes that don't fit each other, or nothing at all.
    """

    mean: Tensor  #: (n, dim)
    sigma: Tensor  #: (n, dim); 0 for an encoder that is sure
    labels: Tensor  #: (n, labels), numbers in [0, 1]; (n, 0) where there are none

    def __post_init__(self) -> None:
        rows = len(self.mean)
        if not rows or self.mean.ndim != 2 or self.sigma.shape != self.mean.shape:
            raise InputError(f"encodings of shape {tuple(self.mean.shape)}, deviations {tuple(self.sigma.shape)}")
        if self.labels.ndim != 2 or len(self.labels) != rows:
            raise InputError(f"labels of shape {tuple(self.labels.shape)} for {rows} encodings")

    @classmethod
    def without_labels(cls, mean: Tensor, sigma: Tensor) -> "Encodings":
        """Encodings of examples without labels."""
        return cls(mean, sigma, mean.new_zeros(len(mean), 0))

    def __len__(self) -> int:
        return len(self.mean)

    @property
    def dim(self) -> int:
        """Size of z."""
        return self.mean.shape[1]

    @property
    def sigma_bar(self) -> Tensor:
        """(dim,) the deviation averaged over the examples."""
        return self.sigma.mean(dim=0)

    def sample(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """z ~ q(z|x) of `count` examples drawn with replacement (count, dim), and their labels (count, labels).

        >>> encodings = Encodings(torch.zeros(3, 2), torch.ones(3, 2), torch.eye(3))
        >>> z, labels = encodings.sample(5, torch.Generator().manual_seed(0))
        >>> z.shape, labels.shape
        (torch.Size([5, 2]), torch.Size([5, 3]))
        """
        rows = torch.randint(len(self), (count,), generator=generator)
        noise = torch.randn(count, self.dim, generator=generator)
        return self.mean[rows] + self.sigma[rows] * noise, self.labels[rows]

    def sample_labels(self, count: int, generator: torch.Generator) -> Tensor:
        """Labels of `count` examples drawn with replacement, (count, labels)."""
        return self.labels[torch.randint(len(self), (count,), generator=generator)]
