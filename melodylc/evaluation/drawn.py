"""Draws of an evaluation, kept while it is under way so that it can be gone on with."""

import io
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from melodylc.data.arrays import Values
from melodylc.data.errors import InputError
from melodylc.data.files import atomic_write, fingerprint_bytes
from melodylc.versions import versions


@dataclass(frozen=True)
class MethodSamples:
    """Some draws, and how they came about."""

    events: npt.NDArray[np.uint8]  #: (n, 256) canonical
    touched: npt.NDArray[np.int64]  #: (n,) steps that the canonical form made rests
    distance: Values  #: (n,) L_dist from the prior's sample; not a number where there is no latent
    z_mse: Values  #: (n,) likewise
    decodes: Values  #: (n,) what each cost, in melodies through the decoder

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """One after the other."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def __getitem__(self, rows: slice) -> Self:
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def costing(self, decodes: npt.ArrayLike) -> Self:
        """The same at another cost: one for all, or (n,)."""
        return replace(self, decodes=np.broadcast_to(np.asarray(decodes, np.float64), self.decodes.shape).copy())


@dataclass(frozen=True)
class SampleCache:
    """Draws in a folder; where that is None, nothing is kept."""

    folder: Path | None = None

    def get(self, key: object, count: int, make: Callable[[], MethodSamples]) -> tuple[MethodSamples, bool]:
        """`count` draws under a key, and whether they were there already; else they are made and kept."""
        path = self._path(key)
        if path and (found := _read(path, count)):
            return found, True
        made = make()
        if path:
            _keep(path, made)
        return made, False

    def forget(self, keys: Iterable[object]) -> None:
        """Remove what was kept under these."""
        for path in map(self._path, keys):
            if path:
                path.unlink(missing_ok=True)

    def _path(self, key: object) -> Path | None:
        if self.folder is None:
            return None
        of = (key, sorted(versions().items()), torch.get_num_threads())
        return self.folder / f"{fingerprint_bytes(repr(of).encode())}.npz"


def _keep(path: Path, drawn: MethodSamples) -> None:
    content = io.BytesIO()
    np.savez_compressed(content, **{field.name: getattr(drawn, field.name) for field in fields(drawn)})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(content.getvalue())
    except (OSError, InputError):
        pass  # what isn't kept will be drawn again


def _read(path: Path, count: int) -> MethodSamples | None:
    try:
        with np.load(path, allow_pickle=False) as kept:
            drawn = MethodSamples(*(kept[field.name] for field in fields(MethodSamples)))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return drawn if len(drawn.events) == count else None
