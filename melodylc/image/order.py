"""From what somebody asks of pictures to a contact sheet."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from melodylc.data.errors import InputError
from melodylc.data.pictures.attributes import parse_wanted
from melodylc.data.pictures.loading import dataset
from melodylc.image.sheet import caption, claim, write_sheet

FORMAT = "melodylc-pictures/1"


@dataclass(frozen=True)
class PictureOrder:
    """A request for pictures, in the asker's own words."""

    data: str
    classes: tuple[str, ...]  #: digits, or classes of CIFAR-10
    attributes: tuple[str, ...]  #: of faces, such as "smiling" or "no-eyeglasses"
    count: int  #: pictures, of each class where several are named
    seed: int
    run: Path | None = None
    distance: float = 0.1

    @property
    def wanted(self) -> list[Mapping[int, bool]]:
        """What each row of pictures should have, label number to whether it is there.

        Raises:
            InputError: an unknown label, one of another kind, or two that contradict each other.
        """
        known = dataset(self.data)
        if known.exclusive and self.attributes:
            raise InputError(f"{self.data} has classes, not attributes: {', '.join(known.names)}")
        if not known.exclusive and self.classes:
            raise InputError(f"{self.data} has attributes, not classes: use --attr with {', '.join(known.names)}")
        if known.exclusive and self.classes:
            return [self._class(text) for text in self.classes]
        return [parse_wanted(self.attributes, known.names)]

    def check(self, path: Path) -> None:
        """Refuse what can't be done before any work.

        Raises:
            InputError: an unknown label, or a file that is somebody else's.
        """
        _ = self.wanted
        claim(path, self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a sheet's metadata."""
        return {
            "dataset": self.data,
            "classes": list(self.classes),
            "attributes": list(self.attributes),
            "count": self.count,
            "seed": self.seed,
            "run": None if self.run is None else str(self.run),
            "distance": self.distance,
        }

    def _class(self, text: str) -> Mapping[int, bool]:
        known = dataset(self.data)
        wanted = parse_wanted([text], known.names)
        if not all(wanted.values()):
            raise InputError(f"a picture of {self.data} has one class: name it, instead of {text!r}")
        return {label: label in wanted for label in range(len(known.names))}


def produce(order: PictureOrder, path: Path) -> int:
    """Make what was ordered and write its sheet; how many pictures that were.

    Raises:
        InputError: no trained model, or the file can't be written.
    """
    import numpy as np

    from melodylc import __version__
    from melodylc.image.chain import load_chain, make, provenance

    known, chain = dataset(order.data), load_chain(order.data, order.run, order.distance)
    made = [make(chain, wanted, order.count, order.seed) for wanted in order.wanted]
    captions = [caption(row, known.names, known.exclusive) for one in made for row in one.labels.tolist()]
    asked = ", ".join((*order.classes, *order.attributes)) or "as they come"
    title = f"{order.data}: {asked} (seed {order.seed})"
    manifest = {"format": FORMAT, "request": order.to_dict(), "version": __version__, "models": provenance(chain)}
    write_sheet(path, np.concatenate([one.pixels for one in made]), captions, title, manifest)
    return len(captions)
