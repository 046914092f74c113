"""Data sets by name: which loader reads which, and its labels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from melodylc.data.errors import InputError
from melodylc.data.pictures.attributes import ATTRIBUTES
from melodylc.data.pictures.base import Pictures, PictureSplit
from melodylc.data.pictures.celeba import load_celeba
from melodylc.data.pictures.cifar10 import CLASSES, load_cifar10
from melodylc.data.pictures.faces import draw_faces
from melodylc.data.pictures.folder import OWN, OwnFormat, list_folder, load_own
from melodylc.data.pictures.mnist import CLOTHES, DIGITS, load_fashion_mnist, load_mnist

_Report = Callable[[int, int], None]
Loader = Callable[[Path | None, PictureSplit, _Report], Pictures]
FACES = {"train": 4000, "valid": 500, "test": 500}  #: toy faces drawn


@dataclass(frozen=True)
class Dataset:
    """What is known of a data set before any of it is read."""

    name: str
    names: tuple[str, ...]  #: of its labels
    exclusive: bool  #: whether a picture has exactly one of them
    load: Loader
    drawn: bool = False  #: made here, so that no folder is needed
    shippable: bool = False  #: whether its terms let what is trained on it come with this package
    shape: OwnFormat | None = None  #: of somebody's own pictures


def _folder(folder: Path | None, name: str) -> Path:
    if folder is None:
        raise InputError(f"say where {name} lies: --data FOLDER")
    return folder


DATASETS: Mapping[str, Dataset] = {
    data.name: data
    for data in (
        Dataset("mnist", DIGITS, True, lambda at, split, _: load_mnist(_folder(at, "MNIST"), split), shippable=True),
        Dataset(
            "fashion_mnist", CLOTHES, True, lambda at, split, _: load_fashion_mnist(_folder(at, "Fashion-MNIST"), split)
        ),
        Dataset("cifar10", CLASSES, True, lambda at, split, _: load_cifar10(_folder(at, "CIFAR-10"), split)),
        Dataset(
            "celeba",
            ATTRIBUTES,
            False,
            lambda at, split, report: load_celeba(_folder(at, "CelebA"), split, report=report),
        ),
        Dataset("faces", ATTRIBUTES, False, lambda _, split, __: draw_faces(FACES[split], split), drawn=True),
    )
}


def own_dataset(shape: OwnFormat, labels: Path | None = None) -> Dataset:
    """Somebody's own pictures, with the labels of a format; `labels` is their CSV, if it isn't in the folder."""

    def load(folder: Path | None, split: PictureSplit, report: _Report) -> Pictures:
        return load_own(
            list_folder(_folder(folder, "the folder of pictures"), labels, shape=shape), shape, split, report
        )

    return Dataset(OWN, shape.names, shape.exclusive, load, shape=shape)


def dataset(name: str, run: Path | None = None, labels: Path | None = None) -> Dataset:
    """The data set of a name.

    Args:
        name: of the data set; "folder" is somebody's own pictures.
        run: whose own pictures are meant.
        labels: the CSV of own pictures' labels, if it isn't in their folder.

    Raises:
        InputError: there is none; or own pictures without the run that knows their labels.

    >>> dataset("mnist").names[7]
    '7'
    """
    if name == OWN:
        if run is None:
            raise InputError("your own pictures have the labels of a run: --run FOLDER of `melodylc image train`")
        return own_dataset(OwnFormat.load(run), labels)
    if labels is not None:
        raise InputError(f"{name} has labels of its own: --labels is for --dataset {OWN}")
    if name not in DATASETS:
        raise InputError(f"unknown data set {name!r}: choose from {', '.join((*DATASETS, OWN))}")
    return DATASETS[name]
