"""MNIST and Fashion-MNIST: four idx files, gzipped or not.

An idx file is two zero bytes, a type (8: unsigned byte), the number of dimensions, each dimension's size as a
big-endian int32, and the values. The last 5,000 of the 60,000 training pictures are the validation split. Fashion-MNIST
(Xiao, Rasul and Vollgraf 2017) has the same files with the same names, so a folder of the one loads as the other.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from melodylc.data.files import reason
from melodylc.data.pictures.base import Bytes, Pictures, PicturesError, PictureSplit, one_hot, open_folder

DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle_boot")
VALID = 5000  #: of the training pictures
WHAT = "MNIST's four idx files (train-images-idx3-ubyte.gz and so on, from http://yann.lecun.com/exdb/mnist/)"
FASHION_WHAT = (
    "Fashion-MNIST's four idx files (train-images-idx3-ubyte.gz and so on, "
    "from https://github.com/zalandoresearch/fashion-mnist)"
)


def load_mnist(folder: Path, split: PictureSplit) -> Pictures:
    """The digits of a split, (n, 1, 28, 28).

    Raises:
        PicturesError: a missing, truncated or foreign file, or labels that don't match the pictures.
    """
    return _load(folder, split, "mnist", DIGITS, WHAT)


def load_fashion_mnist(folder: Path, split: PictureSplit) -> Pictures:
    """The pieces of clothing of a split, (n, 1, 28, 28); raises as `load_mnist` does."""
    return _load(folder, split, "fashion_mnist", CLOTHES, FASHION_WHAT)


def _load(folder: Path, split: PictureSplit, data: str, names: tuple[str, ...], what: str) -> Pictures:
    open_folder(folder, what)
    stem = "t10k" if split == "test" else "train"
    pixels = read_idx(folder, f"{stem}-images-idx3-ubyte", 3, what)
    classes = read_idx(folder, f"{stem}-labels-idx1-ubyte", 1, what)
    if len(pixels) != len(classes):
        raise PicturesError(f"{folder}: {len(pixels)} pictures of {stem}, but {len(classes)} labels: get both again")
    held = min(VALID, len(pixels) // 10)
    rows = {"train": slice(len(pixels) - held), "valid": slice(len(pixels) - held, None), "test": slice(None)}[split]
    labels = one_hot(classes[rows], names, f"{folder}/{stem}-labels-idx1-ubyte")
    return Pictures(data, split, pixels[rows, None], labels, names, exclusive=True)


def read_idx(folder: Path, name: str, dimensions: int, what: str = WHAT) -> Bytes:
    """The array of an idx file, `name` or `name`.gz; `what` names the download in the message that it is missing.

    Raises:
        PicturesError: there is none, it is truncated, or it isn't an idx file of bytes.
    """
    path = next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)
    if path is None:
        raise PicturesError(f"{str(folder / name)!r}(.gz) is missing; put {what} there")
    return parse_idx(_content(path), dimensions, path)


def parse_idx(content: bytes, dimensions: int, path: Path) -> Bytes:
    """The array that an idx file's bytes are.

    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 5, 7]), 1, Path("labels")).tolist()
    [5, 7]
    """
    start = 4 + 4 * dimensions
    if content[:4] != bytes([0, 0, 8, dimensions]) or len(content) < start:
        raise PicturesError(f"{path}: not an idx file of bytes in {dimensions} dimensions; get it again")
    shape = tuple(np.frombuffer(content, ">i4", dimensions, 4).tolist())
    if min(shape) < 0 or len(content) - start != math.prod(shape):
        raise PicturesError(f"{path}: {len(content) - start} values where its header says {shape}; get it again")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _content(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise PicturesError(f"{path}: truncated or not a gzip file ({error}); get it again") from None
    except OSError as error:
        raise PicturesError(f"{path}: {reason(error)}") from None
