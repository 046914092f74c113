"""Pictures in memory, handed to the training loop by row: batches are numbers of pictures, stages look them up."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from melodylc.data.errors import InputError
from melodylc.data.pictures.base import Pictures
from melodylc.training.loop import Rows

CHUNK = 512  #: pictures that are looked up together where all are
VALIDATION = 1024  #: pictures that a checkpoint is judged on


class Table:
    """Training pictures, then validation pictures, as bytes; batches are a pure function of seed, stage and step.

    Args:
        train: what batches are drawn from.
        valid: what checkpoints are compared on.
        side: pictures are handed out as side x side.
        seed: of the batches.
    """

    def __init__(self, train: Pictures, valid: Pictures, side: int, seed: int = 0) -> None:
        if train.names != valid.names or train.shape != valid.shape:
            raise InputError(f"training pictures {train.shape} and validation pictures {valid.shape} don't match")
        self.count, self.side, self.seed = len(train), side, seed
        self.pixels = torch.cat([torch.from_numpy(np.array(part.pixels)) for part in (train, valid)])
        self.labels = torch.cat([torch.from_numpy(np.array(part.labels)) for part in (train, valid)]).float()

    def draw(self, stage: int, step: int, count: int) -> Rows:
        """Numbers (count,) of training pictures, for one step of one stage."""
        return np.random.default_rng((self.seed, stage, step)).integers(0, self.count, count)

    @property
    def training(self) -> Rows:
        """Numbers of all training pictures."""
        return np.arange(self.count)

    @property
    def validation(self) -> Rows:
        """Numbers of up to `VALIDATION` validation pictures."""
        return np.arange(self.count, min(len(self.pixels), self.count + VALIDATION))

    def pictures(self, rows: Tensor) -> Tensor:
        """(n, channels, side, side) in [0, 1] of numbers (n,)."""
        return as_inputs(self.pixels[rows.cpu()], self.side).to(rows.device)

    def batches(self, most: int | None = None) -> Iterator[Tensor]:
        """All training pictures, or the first of them, (n, channels, side, side) at a time."""
        return (self.pictures(rows) for rows in torch.split(torch.from_numpy(self.training[:most]), CHUNK))

    def answers(self, rows: Tensor) -> Tensor:
        """Labels (n, labels), 0 or 1, of numbers (n,)."""
        return self.labels[rows.cpu()].to(rows.device)


def as_inputs(pixels: Tensor, side: int) -> Tensor:
    """Bytes (n, channels, height, width) as numbers in [0, 1], resized to side x side where they aren't that.

    >>> as_inputs(torch.full((1, 3, 32, 32), 255, dtype=torch.uint8), 64).amin().item()
    1.0
    """
    pictures = pixels.float() / 255
    if pictures.shape[-2:] == (side, side):
        return pictures
    return interpolate(pictures, size=(side, side), mode="bilinear", antialias=True).clamp(0, 1)
