"""What an encoder made of a data set: the Gaussians q(z|x) of its examples, with their labels.

Draws from it are draws from the marginal posterior, which is what a realism critic takes for real.
"""

from dataclasses import dataclass

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

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """z ~ q(z|x) of `count` examples drawn with replacement (count, dim), and their labels (count, labels).

        >>> encodings = Encodings(torch.zeros(3, 2), torch.ones(3, 2), torch.eye(3))
        >>> z, labels = encodings.draw(5, torch.Generator().manual_seed(0))
        >>> z.shape, labels.shape
        (torch.Size([5, 2]), torch.Size([5, 3]))
        """
        rows = torch.randint(len(self), (count,), generator=generator)
        noise = torch.randn(count, self.dim, generator=generator)
        return self.mean[rows] + self.sigma[rows] * noise, self.labels[rows]

    def draw_labels(self, count: int, generator: torch.Generator) -> Tensor:
        """Labels of `count` examples drawn with replacement, (count, labels)."""
        return self.labels[torch.randint(len(self), (count,), generator=generator)]
