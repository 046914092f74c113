"""Single draws of a prior or of an actor, kept while an evaluation is under way so that it can be gone on with.

They are the draws of `melodylc generate --no-verify`, argmax and no second try, but decoded 256 at a time: a rounding
may change a note here or there.
"""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from melodylc.data.alphabet import canonical
from melodylc.data.errors import InputError
from melodylc.data.files import atomic_write, fingerprint_bytes
from melodylc.draws import latents
from melodylc.evaluation.subject import CHUNK, chunks
from melodylc.latent.distance import distance, z_mse
from melodylc.latent.store import StoredActor
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.prior import Prior
from melodylc.versions import versions

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Drawn:
    """What n single draws gave."""

    events: npt.NDArray[np.uint8]  #: (n, 256) canonical
    touched: npt.NDArray[np.int64]  #: (n,) steps that the canonical form made rests
    distance: Values  #: (n,) L_dist from the prior's sample
    z_mse: Values  #: (n,)

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """One after the other."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


@dataclass(frozen=True)
class Drawer:
    """Draws from one model and one of its priors; what is done is kept in a folder until `forget`."""

    model: LoadedModel
    prior: Prior
    count: int  #: draws a seed
    folder: Path | None = None  #: None: nothing is kept

    def draw(self, seed: int, actor: StoredActor | None, report: Callable[[int], None]) -> Drawn:
        """The draws of a seed, moved by an actor or not; `report` hears of each."""
        path = self._path(seed, actor)
        kept = _read(path, self.count) if path else None
        if kept:
            report(self.count)
            return kept
        drawn = Drawn.joined([self._some(seed, part, actor, report) for part in chunks(self.count)])
        if path:
            _keep(path, drawn)
        return drawn

    def forget(self, seeds: tuple[int, ...], actors: list[StoredActor | None]) -> None:
        """Remove what was kept of these."""
        for path in (self._path(seed, actor) for seed in seeds for actor in actors):
            if path:
                path.unlink(missing_ok=True)

    @torch.no_grad()
    def _some(self, seed: int, part: slice, actor: StoredActor | None, report: Callable[[int], None]) -> Drawn:
        # Always as many together: the shape decides how sums are rounded, and so what a seed's melody is.
        z = latents(self.prior, seed, range(part.start + 1, part.start + 1 + CHUNK))
        moved, raw = self.model.vae.write(z, actor.actor if actor else None)
        events, touched = canonical(raw.to(torch.uint8).numpy())
        rows = slice(part.stop - part.start)
        far = (_numbers(of(moved, z, self.model.sigma_bar)) for of in (distance, z_mse))
        report(part.stop - part.start)
        return Drawn(*(one[rows] for one in (events, touched.sum(axis=1).astype(np.int64), *far)))

    def _path(self, seed: int, actor: StoredActor | None) -> Path | None:
        if self.folder is None:
            return None
        of = (self.model.fingerprint, self.prior.identity, actor and actor.fingerprint, seed, self.count)
        key = fingerprint_bytes(repr((*of, sorted(versions().items()), torch.get_num_threads())).encode())
        return self.folder / f"{key}.npz"


def _numbers(values: Tensor) -> Values:
    return np.asarray(values.double().numpy())


def _keep(path: Path, drawn: Drawn) -> None:
    content = io.BytesIO()
    np.savez_compressed(content, **{field.name: getattr(drawn, field.name) for field in fields(drawn)})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(content.getvalue())
    except (OSError, InputError):
        pass  # what isn't kept will be drawn again


def _read(path: Path, count: int) -> Drawn | None:
    try:
        with np.load(path, allow_pickle=False) as kept:
            drawn = Drawn(*(kept[field.name] for field in fields(Drawn)))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return drawn if len(drawn.events) == count else None
