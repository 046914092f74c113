"""CelebA as it is downloaded: `img_align_celeba/`, `list_attr_celeba.txt`, `list_eval_partition.txt`.

Kaggle's copy has the lists as .csv, and its faces in `img_align_celeba/img_align_celeba/`; it is read, too.

Aligned files are 178 x 218: the central 128 x 128 is kept and reduced to 64 x 64 by averaging (the authors take the
same crop). Files of 64 x 64 are taken as they are. Splits are the official ones.

CelebA is for non-commercial research and may not be passed on, nor may what is trained on it be by this project.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from melodylc.data.files import reason
from melodylc.data.pictures.attributes import ATTRIBUTES
from melodylc.data.pictures.base import SPLITS, Bytes, Pictures, PicturesError, PictureSplit, open_folder
from melodylc.data.pictures.decode import open_picture

SIDE = 64
CROP = 128
ALIGNED = (218, 178)  #: height and width of the aligned files
FACES, ATTRIBUTE_LIST, PARTITION = "img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt"
WHAT = (
    f"CelebA's {FACES}/ (img_align_celeba.zip, unpacked), {ATTRIBUTE_LIST} and {PARTITION} "
    "(https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html)"
)


def load_celeba(
    folder: Path, split: PictureSplit, most: int | None = None, report: Callable[[int, int], None] = lambda *_: None
) -> Pictures:
    """The faces of a split, (n, 3, 64, 64), with the paper's ten attributes.

    Args:
        folder: where the download was unpacked.
        split: of the official partition.
        most: only so many, the first ones; all if None.
        report: called with (done, in all) now and then.

    Raises:
        PicturesError: a missing file, a picture that doesn't decode or has another size, or lists that don't match.
    """
    open_folder(folder, WHAT)
    faces = open_folder(folder / FACES, WHAT)
    faces = faces / FACES if (faces / FACES).is_dir() else faces
    attributes = read_attributes(_list(folder, ATTRIBUTE_LIST))
    partition = read_partition(_list(folder, PARTITION))
    if attributes.keys() != partition.keys():
        odd = sorted(attributes.keys() ^ partition.keys())[0]
        raise PicturesError(f"{folder}: {odd} is in only one of {ATTRIBUTE_LIST} and {PARTITION}: get both again")
    names = sorted(name for name, part in partition.items() if part == split)[:most]
    missing = [name for name in names if not (faces / name).is_file()]
    if missing:
        raise PicturesError(
            f"{faces}: {len(missing)} listed pictures are missing, {missing[0]} first; put {WHAT} there"
        )
    pixels = np.empty((len(names), 3, SIDE, SIDE), np.uint8)
    for at, name in enumerate(names):
        pixels[at] = read_face(faces / name)
        if at % 200 == 0 or at + 1 == len(names):
            report(at + 1, len(names))
    labels = np.array([attributes[name] for name in names], np.uint8).reshape(len(names), len(ATTRIBUTES))
    return Pictures("celeba", split, pixels, labels, ATTRIBUTES, exclusive=False, parts=(f"{len(names)} faces",))


def read_face(path: Path) -> Bytes:
    """A face, (3, 64, 64).

    Raises:
        PicturesError: it doesn't decode, or is neither 178 x 218 nor 64 x 64.
    """
    array = np.asarray(open_picture(path).convert("RGB"))
    return crop(array, path).transpose(2, 0, 1)


def crop(array: Bytes, path: Path) -> Bytes:
    """The central 128 x 128 of an aligned face (218, 178, 3), reduced to (64, 64, 3); such a small one as it is."""
    height, width = array.shape[:2]
    if (height, width) == (SIDE, SIDE):
        return array
    if (height, width) != ALIGNED:
        raise PicturesError(f"{path}: {width} x {height}; CelebA's aligned faces are 178 x 218, reduced ones 64 x 64")
    top, left = (height - CROP) // 2, (width - CROP) // 2
    square = array[top : top + CROP, left : left + CROP].astype(np.float64)
    face: Bytes = square.reshape(SIDE, 2, SIDE, 2, 3).mean(axis=(1, 3)).round().astype(np.uint8)
    return face


def read_attributes(path: Path) -> dict[str, list[int]]:
    """The ten attributes, 0 or 1, of each file of a list (.txt, or Kaggle's .csv).

    Raises:
        PicturesError: it isn't there, lacks an attribute, or its rows don't match its head.
    """
    lines = _lines(path)
    if path.suffix == ".csv":  # without the count, and with a name for the column of files
        head_line, *others = [line.replace(",", " ") for line in lines] or [""]
        lines = [str(len(others)), " ".join(head_line.split()[1:]), *others]
    head = lines[1].split() if len(lines) > 1 else []
    lacking = [name for name in ATTRIBUTES if name not in head]
    if lacking:
        raise PicturesError(f"{path}: its head doesn't name {lacking[0]}; get it again")
    rows = [line.split() for line in lines[2:]]
    if lines[0].strip() != str(len(rows)):
        raise PicturesError(f"{path}: {len(rows)} rows, but its first line says {lines[0].strip()!r}; get it again")
    columns = [head.index(name) + 1 for name in ATTRIBUTES]
    return {row[0]: _values(row, len(head), columns, path) for row in rows}


def read_partition(path: Path) -> dict[str, PictureSplit]:
    """The split of each file of a list: 0 train, 1 valid, 2 test.

    Raises:
        PicturesError: it isn't there, or a row is something else.
    """
    rows = [line.replace(",", " ").split() for line in _lines(path)]
    rows = rows[1:] if path.suffix == ".csv" else rows
    for row in rows:
        if len(row) != 2 or row[1] not in ("0", "1", "2"):
            raise PicturesError(f"{path}: {' '.join(row)!r} isn't a file and 0, 1 or 2; get it again")
    return {name: SPLITS[int(code)] for name, code in rows}


def _values(row: Sequence[str], count: int, columns: Sequence[int], path: Path) -> list[int]:
    if len(row) != count + 1 or not set(row[1:]) <= {"1", "-1"}:
        raise PicturesError(f"{path}: the row of {row[0]} isn't {count} values of 1 or -1; get it again")
    return [int(row[column] == "1") for column in columns]


def _list(folder: Path, name: str) -> Path:
    kaggle = (folder / name).with_suffix(".csv")
    return kaggle if kaggle.is_file() and not (folder / name).is_file() else folder / name


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text("utf-8").splitlines() if line.strip()]
    except FileNotFoundError:
        raise PicturesError(f"{str(path)!r} is missing; put {WHAT} there") from None
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error) if isinstance(error, OSError) else "not a text"
        raise PicturesError(f"{path}: {why}; get it again") from None
