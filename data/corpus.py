"""A corpus of melodies on the disk: arrays to be memory-mapped, and where each melody comes from.

| file                                  | what                                                         |
|---------------------------------------|--------------------------------------------------------------|
| `train.npy`, `heldout.npy`            | (n, 256) uint8, canonical events                             |
| `*_piece.npy`                         | (n,) int32, index into `pieces.json`                         |
| `*_collection.npy`                    | (n,) int16, index into the manifest's `collections`          |
| `*_track.npy`, `*_bar.npy`            | (n,) int16 and int32: track of the file, its bar; from 0     |
| `*_offset.npy`                        | (n,) int16, bars since the part of the piece began           |
| `*_role.npy`                          | (n,) uint8, index into `melodylc.data.roles.ROLES`           |
| `files.tsv`                           | what became of every file, a line each                       |
| `pieces.json`                         | a list of [collection, file, work]                           |
| `corpus.json`                         | the manifest: options, counts, fingerprint, the files' names |

Melodies stand in the order of their collection, file, track and bar, whatever the order of reading.
"""

import json
import shlex
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import STEPS
from melodylc.data.arrays import Events
from melodylc.data.errors import CorpusError

FORMAT = 2
MANIFEST = "corpus.json"
PIECES = "pieces.json"
FILES = "files.tsv"
SIDES = ("train", "heldout")
_KEYS = frozenset(("fingerprint", "collections", *SIDES))
COLUMNS: Mapping[str, type[np.generic]] = {
    "piece": np.int32,
    "collection": np.int16,
    "track": np.int16,
    "bar": np.int32,
    "offset": np.int16,
    "role": np.uint8,
}


class Piece(NamedTuple):
    """A file that melodies come from."""

    collection: str
    file: str
    work: str


class Corpus:
    """An open corpus. Arrays are memory-mapped, read-only; nothing is read before it is used."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.train: Events = self._events("train")
        self.heldout: Events = self._events("heldout")

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """The corpus in `folder`.

        Raises:
            CorpusError: there is none, or it is damaged or of another version; one line.
        """
        path = Path(folder)
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        except OSError as error:
            raise CorpusError(f"no corpus in {str(path)!r} (no {MANIFEST}); make one: `melodylc data build`") from error
        except ValueError as error:
            raise CorpusError(f"{str(path / MANIFEST)!r} is damaged; build the corpus again") from error
        if isinstance(manifest, dict) and manifest.get("format") == 1:
            raise CorpusError(
                f"{str(path)!r} is an old corpus, without roles; build it again: "
                f"melodylc data build PATH... -o {shlex.quote(str(path))}"
            )
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or _KEYS - set(manifest):
            raise CorpusError(f"{str(path)!r} isn't a corpus of format {FORMAT}; build it again: `melodylc data build`")
        return cls(path, manifest)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits over all melodies and their split."""
        return str(self.manifest["fingerprint"])

    @property
    def collections(self) -> list[str]:
        """The names that `train_collection` and `heldout_collection` count."""
        return list(self.manifest["collections"])

    @cached_property
    def pieces(self) -> list[Piece]:
        """The files that `train_piece` and `heldout_piece` count."""
        try:
            return [Piece(*row) for row in json.loads((self.folder / PIECES).read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError) as error:
            raise CorpusError(f"{str(self.folder / PIECES)!r} is missing or damaged; build the corpus again") from error

    @cached_property
    def train_piece(self) -> npt.NDArray[np.int32]:
        """(n,) index into `pieces`."""
        return self._column("train", "piece")

    @cached_property
    def heldout_piece(self) -> npt.NDArray[np.int32]:
        """(m,) index into `pieces`."""
        return self._column("heldout", "piece")

    @cached_property
    def train_collection(self) -> npt.NDArray[np.int16]:
        """(n,) index into `collections`."""
        return self._column("train", "collection")

    @cached_property
    def heldout_collection(self) -> npt.NDArray[np.int16]:
        """(m,) index into `collections`."""
        return self._column("heldout", "collection")

    @cached_property
    def train_track(self) -> npt.NDArray[np.int16]:
        """(n,) track within the file, from 0, drums counted."""
        return self._column("train", "track")

    @cached_property
    def heldout_track(self) -> npt.NDArray[np.int16]:
        """(m,) track within the file, from 0, drums counted."""
        return self._column("heldout", "track")

    @cached_property
    def train_bar(self) -> npt.NDArray[np.int32]:
        """(n,) bar of the file that the melody begins with, from 0."""
        return self._column("train", "bar")

    @cached_property
    def heldout_bar(self) -> npt.NDArray[np.int32]:
        """(m,) bar of the file that the melody begins with, from 0."""
        return self._column("heldout", "bar")

    @cached_property
    def train_offset(self) -> npt.NDArray[np.int16]:
        """(n,) bars since the part of the piece began that the melody begins in; phrases begin with every fourth."""
        return self._column("train", "offset")

    @cached_property
    def heldout_offset(self) -> npt.NDArray[np.int16]:
        """(m,) bars since the part of the piece began that the melody begins in; phrases begin with every fourth."""
        return self._column("heldout", "offset")

    @cached_property
    def train_role(self) -> npt.NDArray[np.uint8]:
        """(n,) index into `melodylc.data.roles.ROLES`."""
        return self._column("train", "role")

    @cached_property
    def heldout_role(self) -> npt.NDArray[np.uint8]:
        """(m,) index into `melodylc.data.roles.ROLES`."""
        return self._column("heldout", "role")

    def _events(self, side: str) -> Events:
        array = self._load(f"{side}.npy", np.uint8)
        if array.ndim != 2 or array.shape[1] != STEPS or len(array) != self.manifest.get(side):
            raise self._is_damaged(f"{side}.npy")
        return array

    def _column(self, side: str, name: str) -> npt.NDArray[Any]:
        array = self._load(f"{side}_{name}.npy", COLUMNS[name])
        if array.shape != (self.manifest[side],):
            raise self._is_damaged(f"{side}_{name}.npy")
        return array

    def _load(self, name: str, dtype: type[np.generic]) -> npt.NDArray[Any]:
        try:
            array: npt.NDArray[Any] = np.load(self.folder / name, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise self._is_damaged(name) from error
        if array.dtype != dtype:
            raise self._is_damaged(name)
        return array

    def _is_damaged(self, name: str) -> CorpusError:
        return CorpusError(f"{str(self.folder / name)!r} is missing or damaged; build the corpus again")

    def __repr__(self) -> str:
        return f"Corpus({str(self.folder)!r}: {len(self.train):,} + {len(self.heldout):,} melodies, {self.fingerprint})"
