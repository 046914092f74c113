"""Random numbers that don't depend on how many processes share a batch."""

import torch
from torch import Tensor


class Noise:
    """A stream of random numbers for a batch, of which this process sees every `world`-th row, from `rank` on.

    All processes draw the numbers of the whole batch and keep their own rows, so that several of them
    together see exactly what one alone would see.

    >>> torch.cat([Noise(7, rank, 2).normal(1, 3) for rank in range(2)]).equal(Noise(7).normal(2, 3))
    True
    """

    def __init__(self, seed: int, rank: int = 0, world: int = 1) -> None:
        self.rank, self.world = rank, world
        self._generator = torch.Generator().manual_seed(seed)

    def normal(self, rows: int, *shape: int) -> Tensor:
        """Standard normal numbers (rows, *shape)."""
        return self._mine(torch.randn(rows * self.world, *shape, generator=self._generator))

    def uniform(self, rows: int, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1), (rows, *shape)."""
        return self._mine(torch.rand(rows * self.world, *shape, generator=self._generator))

    def _mine(self, numbers: Tensor) -> Tensor:
        return numbers[self.rank :: self.world]
