"""A picture as a rule is given it: 64 x 64 RGB, whatever data set it is of.

Grey pictures have three equal channels, and smaller ones are enlarged (bilinear, with numbers in between rounded), so
that a rule knows one shape only and can be asked of any model.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from melodylc.data.errors import InputError
from melodylc.data.files import FINGERPRINT_LENGTH
from melodylc.data.pictures.base import Bytes

SIDE = 64
SHAPE = (SIDE, SIDE, 3)
_Plane = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture, read-only.

    >>> half = np.zeros((64, 64, 3), np.uint8)
    >>> half[:, :32] = 255
    >>> float(Picture(half).grey.mean()), Picture(half).rgb.shape
    (0.5, (64, 64, 3))
    >>> Picture(half)
    Picture(64 x 64, mean 0.500, 3af51b09ed79f4d6)
    """

    pixels: Bytes  #: (64, 64, 3), uint8: rows from the top, columns from the left, red, green and blue

    @property
    def rgb(self) -> _Plane:
        """(64, 64, 3) numbers in [0, 1]."""
        return self.pixels / 255

    @property
    def grey(self) -> _Plane:
        """(64, 64) brightness in [0, 1], the mean of the three channels; 1 is white."""
        grey: _Plane = self.pixels.astype(np.float64).mean(axis=2) / 255
        return grey

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits over its pixels."""
        return hashlib.sha256(np.ascontiguousarray(self.pixels).data).hexdigest()[:FINGERPRINT_LENGTH]

    def __repr__(self) -> str:
        return f"Picture({SIDE} x {SIDE}, mean {self.pixels.mean() / 255:.3f}, {self.fingerprint})"


def checked_pictures(value: Any) -> Bytes:
    """Pictures as an array (n, 64, 64, 3) of bytes.

    Raises:
        InputError: it is anything else.
    """
    array = np.asarray(value)
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[1:] != SHAPE:
        raise InputError(f"pictures are bytes of shape (n, 64, 64, 3), not {array.dtype} of shape {array.shape}")
    return array


def unstack(rows: Bytes) -> Sequence[Picture]:
    """The pictures of an array (n, 64, 64, 3)."""
    return [Picture(row) for row in rows]


def stack(pictures: Iterable[Picture]) -> Bytes:
    """The inverse of `unstack`."""
    rows = [picture.pixels for picture in pictures]
    return np.array(rows, np.uint8).reshape(-1, *SHAPE)


def as_rgb(pixels: Bytes) -> Bytes:
    """Pictures (n, channels, side, side) as rules are given them, (n, 64, 64, 3).

    >>> as_rgb(np.full((1, 1, 28, 28), 7, np.uint8)).shape, int(as_rgb(np.full((1, 1, 28, 28), 7, np.uint8)).min())
    ((1, 64, 64, 3), 7)
    """
    planes = pixels.astype(np.float32)
    for axis in (2, 3):
        planes = _resized(planes, axis)
    rows = np.broadcast_to(planes.transpose(0, 2, 3, 1), (len(pixels), *SHAPE))
    return np.ascontiguousarray(rows.round().clip(0, 255).astype(np.uint8))


def _resized(planes: npt.NDArray[np.float32], axis: int) -> npt.NDArray[np.float32]:
    side = planes.shape[axis]
    if side == SIDE:
        return planes
    at = ((np.arange(SIDE) + 0.5) * side / SIDE - 0.5).clip(0, side - 1)
    low = np.floor(at).astype(int).clip(0, side - 2)
    shape = [1] * planes.ndim
    shape[axis] = SIDE
    share = (at - low).astype(np.float32).reshape(shape)
    found: npt.NDArray[np.float32] = planes.take(low, axis) * (1 - share) + planes.take(low + 1, axis) * share
    return found
