"""A set of pictures with their labels, as plain arrays, and what all loaders share."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from melodylc.data.errors import InputError
from melodylc.data.files import FINGERPRINT_LENGTH

Bytes = npt.NDArray[np.uint8]
PictureSplit = Literal["train", "valid", "test"]
SPLITS: tuple[PictureSplit, ...] = get_args(PictureSplit)


class PicturesError(InputError):
    """A data set of pictures is missing, damaged or not what was asked for."""


@dataclass(frozen=True)
class Pictures:
    """n pictures and what is known of each.

    Raises:
        PicturesError: labels that don't match the pictures.
    """

    dataset: str  #: "mnist", "fashion_mnist", "cifar10", "celeba", "faces", or "folder" for somebody's own
    split: PictureSplit
    pixels: Bytes  #: (n, channels, height, width)
    labels: Bytes  #: (n, labels), 0 or 1
    names: tuple[str, ...]  #: of the labels
    exclusive: bool  #: whether exactly one label is 1 (classes), not any of them (attributes)
    parts: tuple[str, ...] = ()  #: the files that were there, where a set may be incomplete

    def __post_init__(self) -> None:
        if self.labels.shape != (len(self.pixels), len(self.names)):
            raise PicturesError(
                f"{self.dataset}: {len(self.pixels)} pictures, but labels of shape {self.labels.shape} "
                f"for {len(self.names)} names"
            )
        if not len(self.pixels):
            raise PicturesError(f"{self.dataset}: no {self.split} pictures; name the folder of the whole data set")

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a picture."""
        channels, height, width = self.pixels.shape[1:]
        return channels, height, width

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits over all pixels and labels."""
        digest = hashlib.sha256(np.ascontiguousarray(self.pixels).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()[:FINGERPRINT_LENGTH]

    def only(self, rows: npt.NDArray[Any] | slice) -> "Pictures":
        """Some of them."""
        return replace(self, pixels=self.pixels[rows], labels=self.labels[rows])


def one_hot(classes: npt.NDArray[Any], names: Sequence[str], source: str) -> Bytes:
    """Labels (n, classes) of class numbers (n,).

    Raises:
        PicturesError: a number that isn't one of a class.

    >>> one_hot(np.array([1, 0]), ("a", "b"), "a file").tolist()
    [[0, 1], [1, 0]]
    """
    if len(classes) and int(classes.max()) >= len(names):
        raise PicturesError(f"{source}: label {int(classes.max())} isn't in 0..{len(names) - 1}: a damaged file")
    labels: Bytes = np.eye(len(names), dtype=np.uint8)[classes]
    return labels


def open_folder(folder: Path, what: str) -> Path:
    """The folder, if it is one.

    Raises:
        PicturesError: it isn't; `what` says what should be in it.
    """
    if not folder.is_dir():
        raise PicturesError(f"{str(folder)!r} is no folder; put {what} there, or name the folder that has it")
    return folder
