"""CIFAR-10, the binary version (cifar-10-binary.tar.gz of https://www.cs.toronto.edu/~kriz/cifar.html), unpacked.

A record is a class and 3 x 32 x 32 bytes: red, green and blue planes, row by row. Whichever of the five training
batches are there are read, and their names go into every result. The last tenth of each is the validation split.
"""

from pathlib import Path

import numpy as np

from melodylc.data.files import reason
from melodylc.data.pictures.base import Bytes, Pictures, PicturesError, PictureSplit, one_hot, open_folder

CLASSES = tuple("airplane automobile bird cat deer dog frog horse ship truck".split())
SIDE = 32
RECORD = 1 + 3 * SIDE * SIDE
TRAINING = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = ("test_batch.bin",)
WHAT = "CIFAR-10's binary version (cifar-10-binary.tar.gz, https://www.cs.toronto.edu/~kriz/cifar.html), unpacked"


def load_cifar10(folder: Path, split: PictureSplit) -> Pictures:
    """The pictures of a split, (n, 3, 32, 32).

    Raises:
        PicturesError: no batch at all, a truncated one, or a class that isn't one.
    """
    open_folder(folder, WHAT)
    inner = folder / "cifar-10-batches-bin"
    folder = inner if inner.is_dir() else folder
    names = [name for name in (TEST if split == "test" else TRAINING) if (folder / name).is_file()]
    if not names:
        wanted = TEST[0] if split == "test" else f"{TRAINING[0]} ... {TRAINING[-1]}"
        raise PicturesError(f"{str(folder)!r} has no {wanted}; put {WHAT} there")
    rows = np.concatenate([_part(read_batch(folder / name), split) for name in names])
    labels = one_hot(rows[:, 0], CLASSES, str(folder / names[0]))
    pixels = np.ascontiguousarray(rows[:, 1:]).reshape(-1, 3, SIDE, SIDE)
    return Pictures("cifar10", split, pixels, labels, CLASSES, exclusive=True, parts=tuple(names))


def read_batch(path: Path) -> Bytes:
    """The records of a batch, (n, 3073).

    Raises:
        PicturesError: it can't be read, or isn't whole records.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PicturesError(f"{path}: {reason(error)}") from None
    if not content or len(content) % RECORD:
        raise PicturesError(f"{path}: {len(content)} bytes aren't whole records of {RECORD}: truncated, get it again")
    return np.frombuffer(content, np.uint8).reshape(-1, RECORD)


def _part(records: Bytes, split: PictureSplit) -> Bytes:
    held = len(records) // 10
    return {"train": records[: len(records) - held], "valid": records[len(records) - held :], "test": records}[split]
