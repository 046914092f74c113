"""Anybody's own pictures: a folder a class (torchvision's ImageFolder), or a CSV that says which labels each has.

    DIR/cat/one.jpg            --data DIR
    DIR/dog/two.png

    DIR/one.jpg                --data DIR --labels labels.csv      (or DIR/labels.csv)
    DIR/more/two.png           file,smiling,glasses
                               one.jpg,1,0
                               more/two.png,0,1

A CSV names files from DIR on. Its values are 0 and 1 (CelebA's -1 is 0); one column of other words is a class. Commas,
semicolons or tabs part columns; CelebA's own list, parted by spaces under a line with its length, will do, too. Of each
file the central square is kept and reduced (`melodylc.data.pictures.decode`).

Splits: pictures stand in the order of their labels and, within them, of a hash of their names; the last of each ten is
test data, the fifth validates. So each split has its share of every combination of labels, always the same pictures.
"""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from melodylc.data.files import atomic_write, reason
from melodylc.data.pictures.base import Bytes, Pictures, PicturesError, PictureSplit, one_hot, open_folder
from melodylc.data.pictures.decode import SUFFIXES, is_grey, read_pixels

OWN = "folder"  #: the name of such a data set
SIDE = 64  #: of its pictures, unless another is asked for
SIDES = (32, 64, 128)
LEAST_PICTURES = 20
LABELS = "labels.csv"  #: in the folder, where none is named
FORMAT = "melodylc-own-pictures/1"
FORMAT_FILE = "dataset.json"  #: in a run
WHAT = "a folder of pictures for each class, or pictures and a CSV of their labels"
_PARTS = {"train", "valid", "val", "test"}
_VALUES = {"0": 0, "-1": 0, "1": 1}


@dataclass(frozen=True)
class OwnFormat:
    """What a model has to know of somebody's own pictures; a run keeps it beside its parts."""

    names: tuple[str, ...]  #: of the labels
    exclusive: bool  #: whether each picture has exactly one of them
    channels: int = 3  #: 1 where all files are grey
    side: int = SIDE  #: what pictures are reduced to
    crop: int | None = None  #: side of the square that is cut out, in a file's pixels; None: as large as fits

    def save(self, run: Path) -> None:
        """Write it into a run's folder."""
        run.mkdir(parents=True, exist_ok=True)
        with atomic_write(run / FORMAT_FILE, "w") as file:
            print(json.dumps({"format": FORMAT, **asdict(self)}, indent=2), file=file)

    @classmethod
    def load(cls, run: Path) -> "OwnFormat":
        """What `save` wrote.

        Raises:
            PicturesError: the run has none, or it is damaged.
        """
        path = run / FORMAT_FILE
        try:
            values: dict[str, Any] = json.loads(path.read_text("utf-8"))
            if values.pop("format") != FORMAT:
                raise ValueError
            return cls(**{**values, "names": tuple(values["names"])})
        except FileNotFoundError:
            raise PicturesError(f"{run} has no {FORMAT_FILE}: it is no run of --dataset {OWN}") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise PicturesError(f"{path} is damaged: train the run again, in a new folder") from None


@dataclass(frozen=True)
class Listing:
    """The picture files of a folder with their labels, in the order of the splits."""

    folder: Path
    files: tuple[str, ...]  #: from the folder on
    labels: Bytes  #: (n, labels), 0 or 1
    names: tuple[str, ...]
    exclusive: bool

    def only(self, names: Sequence[str], source: str = "--attributes") -> "Listing":
        """The same with some of the labels, in this order.

        Raises:
            PicturesError: one that isn't there, or classes, of which none can be left out.
        """
        if self.exclusive:
            raise PicturesError(f"{source}: {self.folder} has classes, and each picture needs its own")
        columns = [_label(name, self.names, source) for name in dict.fromkeys(names)]
        return replace(self, labels=self.labels[:, columns], names=tuple(self.names[at] for at in columns))

    def of_split(self, split: PictureSplit) -> tuple[list[str], Bytes]:
        """Files and labels of a split, in an order that has nothing to do with labels."""
        last = np.arange(len(self.files)) % 10
        rows = {"test": last == 9, "valid": last == 4, "train": (last != 9) & (last != 4)}[split]
        order = sorted(np.flatnonzero(rows).tolist(), key=lambda at: _hash(self.files[at]))
        return [self.files[at] for at in order], self.labels[order]


def list_folder(
    folder: Path, labels: Path | None = None, attributes: Sequence[str] = (), shape: OwnFormat | None = None
) -> Listing:
    """The pictures of a folder and their labels; none is decoded.

    Args:
        folder: which has a folder for each class, or the pictures of a CSV.
        labels: the CSV; `labels.csv` of the folder where it is None and there is one.
        attributes: the labels that are taken, if not all.
        shape: of the run that is gone on with, which says them, too.

    Raises:
        PicturesError: no pictures, too few of them, or labels that nothing can be learnt from.
    """
    open_folder(folder, WHAT)
    if labels is None and (folder / LABELS).is_file():
        labels = folder / LABELS
    files, rows, names, exclusive = _by_class(folder) if labels is None else _by_csv(folder, labels)
    source = labels or folder
    if len(files) < LEAST_PICTURES:
        raise PicturesError(f"{source}: {len(files)} pictures; {LEAST_PICTURES} or more are needed, hundreds do")
    _check_names(names, source)
    listing = Listing(folder, tuple(files), rows, names, exclusive)
    if shape is not None and not shape.exclusive:
        if exclusive or not set(shape.names) <= set(names):
            raise _other_labels(listing, shape)
        attributes = shape.names
    listing = listing.only(attributes) if attributes else listing
    for name, count in zip(listing.names, listing.labels.sum(axis=0).tolist(), strict=True):
        if count in (0, len(files)):
            which = "no picture has" if not count else "all pictures have"
            raise PicturesError(f"{source}: {which} the label {name!r}, so there is nothing to learn: leave it out")
    order = sorted(range(len(files)), key=lambda at: (listing.labels[at].tolist(), _hash(files[at])))
    return replace(listing, files=tuple(files[at] for at in order), labels=listing.labels[order])


def own_format(listing: Listing, side: int = SIDE, crop: int | None = None) -> OwnFormat:
    """How a listing's pictures are handed to models: grey where all files are.

    Raises:
        PicturesError: a file that isn't a picture.
    """
    grey = all(is_grey(listing.folder / file) for file in listing.files)
    return OwnFormat(listing.names, listing.exclusive, 1 if grey else 3, side, crop)


def load_own(
    listing: Listing,
    shape: OwnFormat,
    split: PictureSplit,
    report: Callable[[int, int], None] = lambda *_: None,
) -> Pictures:
    """The pictures of a split.

    Raises:
        PicturesError: a picture that doesn't decode, or other labels than a model's.
    """
    if (listing.names, listing.exclusive) != (shape.names, shape.exclusive):
        raise _other_labels(listing, shape)
    files, labels = listing.of_split(split)
    pixels = np.empty((len(files), shape.channels, shape.side, shape.side), np.uint8)
    for at, file in enumerate(files):
        pixels[at] = read_pixels(listing.folder / file, shape.side, shape.channels, shape.crop)
        report(at + 1, len(files))
    return Pictures(OWN, split, pixels, labels, shape.names, shape.exclusive, parts=(f"{len(files)} files",))


def _other_labels(listing: Listing, shape: OwnFormat) -> PicturesError:
    its, trained = ", ".join(listing.names), ", ".join(shape.names)
    return PicturesError(f"{listing.folder}: its labels are {its}; the run was trained on {trained}")


def picture_files(folder: Path) -> list[Path]:
    """The picture files of a folder and those below it, hidden ones left out, in order of their names."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


_Rows = tuple[list[str], Bytes, tuple[str, ...], bool]


def _by_class(folder: Path) -> _Rows:
    found = [path.relative_to(folder) for path in picture_files(folder)]
    if not found:
        raise PicturesError(f"{str(folder)!r} has no picture ({', '.join(SUFFIXES)}); put {WHAT} there")
    if loose := [path for path in found if len(path.parts) == 1]:
        raise PicturesError(
            f"{folder}: {loose[0]} is in no folder of a class; put each picture into its class's, or name a CSV "
            "with --labels"
        )
    names = tuple(sorted({path.parts[0] for path in found}))
    if set(names) <= _PARTS:
        raise PicturesError(f"{folder} is split already: name one part, such as --data {folder / names[-1]}")
    if len(names) < 2:
        raise PicturesError(f"{folder}: all pictures are in {names[0]}; two classes or more are needed")
    numbers = np.array([names.index(path.parts[0]) for path in found])
    return [path.as_posix() for path in found], one_hot(numbers, names, str(folder)), names, True


def _by_csv(folder: Path, path: Path) -> _Rows:
    lines = list(_csv_rows(path))
    if len(lines) < 2 or len(lines[0]) < 2:
        raise PicturesError(f"{path}: no head such as file,smiling,glasses with a row for each picture under it")
    head, rows = lines[0], lines[1:]
    seen: set[str] = set()
    for at, row in enumerate(rows, 2):
        if len(row) != len(head):
            raise PicturesError(f"{path}: row {at} has {len(row)} columns, its head {len(head)}")
        if row[0] in seen:
            raise PicturesError(f"{path}: row {at} names {row[0]!r} once more")
        if not (folder / row[0]).is_file():
            raise PicturesError(f"{path}: row {at} names {row[0]!r}, which isn't in {folder}")
        seen.add(row[0])
    files = [row[0] for row in rows]
    if len(head) == 2 and not {row[1] for row in rows} <= _VALUES.keys():
        names = tuple(sorted({row[1] for row in rows}))
        return files, one_hot(np.array([names.index(row[1]) for row in rows]), names, str(path)), names, True
    for at, row in enumerate(rows, 2):
        if odd := [value for value in row[1:] if value not in _VALUES]:
            raise PicturesError(f"{path}: row {at} has {odd[0]!r}; labels are 0 or 1")
    values = np.array([[_VALUES[value] for value in row[1:]] for row in rows], np.uint8)
    return files, values, tuple(head[1:]), False


def _csv_rows(path: Path) -> Iterator[list[str]]:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise PicturesError(f"can't read {str(path)!r}: {reason(error)}") from None
    except UnicodeDecodeError:
        raise PicturesError(f"{path}: not a text in UTF-8; save it as CSV UTF-8") from None
    head = text.partition("\n")[0]
    lines, delimiter = text.splitlines(), max(",;\t", key=head.count)
    if head.strip().isdigit():  # CelebA's own list: how many, and a head without a name for the column of files
        lines, delimiter = [" ".join(line.split()) for line in lines[1:]], " "
        lines[:1] = [f"file {lines[0]}"] if lines else []
    try:
        for row in csv.reader(lines, delimiter=delimiter):
            if any(cell.strip() for cell in row):
                yield [cell.strip() for cell in row]
    except csv.Error as error:
        raise PicturesError(f"{path}: not a CSV ({error})") from None


def _label(name: str, names: Sequence[str], source: str) -> int:
    """The number of the label that somebody typed."""
    plain = [_plain(one) for one in names]
    if _plain(name) not in plain:
        raise PicturesError(f"{source}: there is no label {name!r}; choose from {', '.join(names)}")
    return plain.index(_plain(name))


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())


def _check_names(names: tuple[str, ...], source: Path) -> None:
    plain: dict[str, str] = {}
    for name in names:
        key = _plain(name)
        if not key or not name.isprintable():
            raise PicturesError(f"{source}: {name!r} is no name for a label")
        if key in plain:
            raise PicturesError(f"{source}: the labels {plain[key]!r} and {name!r} can't be told apart: rename one")
        plain[key] = name


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
