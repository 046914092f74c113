"""MNIST: the four idx files of http://yann.lecun.com/exdb/mnist/, gzipped or not.

An idx file is two zero bytes, a type (8: unsigned byte), the number of dimensions, each dimension's size as a
big-endian int32, and the values. The last 5,000 of the 60,000 training digits are the validation split.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from melodylc.data.files import reason
from melodylc.data.pictures.base import Bytes, Pictures, PicturesError, PictureSplit, one_hot, open_folder

DIGITS = tuple("0123456789")
VALID = 5000  #: of the training digits
WHAT = "MNIST's four idx files (train-images-idx3-ubyte.gz and so on, from http://yann.lecun.com/exdb/mnist/)"


def load_mnist(folder: Path, split: PictureSplit) -> Pictures:
    """The digits of a split, (n, 1, 28, 28).

    Raises:
        PicturesError: a missing, truncated or foreign file, or labels that don't match the pictures.
    """
    open_folder(folder, WHAT)
    stem = "t10k" if split == "test" else "train"
    pixels, classes = read_idx(folder, f"{stem}-images-idx3-ubyte", 3), read_idx(folder, f"{stem}-labels-idx1-ubyte", 1)
    if len(pixels) != len(classes):
        raise PicturesError(f"{folder}: {len(pixels)} pictures of {stem}, but {len(classes)} labels: get both again")
    held = min(VALID, len(pixels) // 10)
    rows = {"train": slice(len(pixels) - held), "valid": slice(len(pixels) - held, None), "test": slice(None)}[split]
    labels = one_hot(classes[rows], DIGITS, f"{folder}/{stem}-labels-idx1-ubyte")
    return Pictures("mnist", split, pixels[rows, None], labels, DIGITS, exclusive=True)


def read_idx(folder: Path, name: str, dimensions: int) -> Bytes:
    """The array of an idx file, `name` or `name`.gz.

    Raises:
        PicturesError: there is none, it is truncated, or it isn't an idx file of bytes.
    """
    path = next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)
    if path is None:
        raise PicturesError(f"{str(folder / name)!r}(.gz) is missing; put {WHAT} there")
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
