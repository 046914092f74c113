"""What an encoder made of a data set: the Gaussians q(z|x) of its examples, with their labels.

Draws from it are draws from the marginal posterior, which is what a realism critic takes for real.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from melodylc.data.errors import InputError


@dataclass(frozen=True)
class Encodings:
    """Posteriors of n examples.

    Raises:
        InputError: shapes that don't fit each other, or nothing at all.
    """

    mean: Tensor  #: (n, dim)
    sigma: Tensor  #: (n, dim); 0 for an encoder that is sure
    labels: Tensor  #: (n, labels), numbers in [0, 1]; (n, 0) where there are none
    until: Tensor | None = None  #: (n,) running sums of how often each is drawn, the last of them 1; None: all alike

    def __post_init__(self) -> None:
        rows = len(self.mean)
        if not rows or self.mean.ndim != 2 or self.sigma.shape != self.mean.shape:
            raise InputError(f"encodings of shape {tuple(self.mean.shape)}, deviations {tuple(self.sigma.shape)}")
        if self.labels.ndim != 2 or len(self.labels) != rows:
            raise InputError(f"labels of shape {tuple(self.labels.shape)} for {rows} encodings")

    @classmethod
    def unlabelled(cls, mean: Tensor, sigma: Tensor) -> "Encodings":
        """Encodings of examples that nothing is known of."""
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

    def balanced(self) -> "Encodings":
        """The same, drawn so that rare labels come more often: 1 / p of the rarest value among an example's labels.

        What z is like given its labels stays as it was, and that is all that a game with labels is about.

        >>> rare = Encodings(torch.zeros(10, 1), torch.ones(10, 1), (torch.arange(10) == 0).float()[:, None])
        >>> [round(value, 3) for value in rare.balanced().until.tolist()[:3]]
        [0.5, 0.556, 0.611]
        """
        if not self.labels.shape[1]:
            return self
        there = self.labels.double().mean(dim=0)
        shares = self.labels * there + (1 - self.labels) * (1 - there)
        sums = (1 / shares.amin(dim=1)).cumsum(dim=0)
        return replace(self, until=sums / sums[-1])

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """z ~ q(z|x) of `count` examples drawn with replacement (count, dim), and their labels (count, labels).

        >>> encodings = Encodings(torch.zeros(3, 2), torch.ones(3, 2), torch.eye(3))
        >>> z, labels = encodings.draw(5, torch.Generator().manual_seed(0))
        >>> z.shape, labels.shape
        (torch.Size([5, 2]), torch.Size([5, 3]))
        """
        rows = self._rows(count, generator)
        noise = torch.randn(count, self.dim, generator=generator)
        return self.mean[rows] + self.sigma[rows] * noise, self.labels[rows]

    def draw_labels(self, count: int, generator: torch.Generator) -> Tensor:
        """Labels of `count` examples drawn with replacement, (count, labels)."""
        return self.labels[self._rows(count, generator)]

    def _rows(self, count: int, generator: torch.Generator) -> Tensor:
        if self.until is None:
            return torch.randint(len(self), (count,), generator=generator)
        found = torch.searchsorted(self.until, torch.rand(count, dtype=torch.float64, generator=generator), right=True)
        return found.clamp(max=len(self) - 1)
