"""The bank: samples of a model's prior, decoded once and kept, so that every rule's critic starts with their scores.

The shipped model's comes with the package; another model's is made at its first fit and kept in the user's cache.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from melodylc.cache import cache_folder, pretrained
from melodylc.data.errors import CheckpointError, InputError
from melodylc.latent.tensor_files import read_tensors, write_tensors
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.prior import Prior, pool
from melodylc.threads import fixed_threads

FORMAT = "melodylc-bank/1"
SIZE = 8192  #: samples
SEED = 0
_TOGETHER = 256
BankReport = Callable[[int, int], None]  #: how many samples are there, of how many


@dataclass(frozen=True)
class Bank:
    """Samples of a prior and what they become."""

    z: Tensor  #: (n, z), numbers that half precision can hold
    events: Tensor  #: (n, 256), uint8, as the decoder writes them

    def __getitem__(self, rows: slice) -> "Bank":
        return Bank(self.z[rows], self.events[rows])


def find_bank(model: LoadedModel, prior: Prior, report: BankReport = lambda done, of: None) -> Bank:
    """The bank of a model and one of its priors: shipped, cached, or made now and cached where that can be."""
    name = f"bank-{prior.name}.safetensors"
    kept = cache_folder() / "banks" / f"{model.fingerprint}-{prior.name}.safetensors"
    for path in (pretrained() / name, kept):
        if path.exists() and (found := _read(path, model, prior)):
            return found
    made = make_bank(model, prior, SIZE, report)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        save_bank(kept, made, model, prior)
    except (OSError, InputError):
        pass  # it will be made again
    return made


def make_bank(model: LoadedModel, prior: Prior, count: int, report: BankReport = lambda done, of: None) -> Bank:
    """`count` samples, always the same ones of a model and a prior, decoded in full precision on one thread."""
    rng = np.random.default_rng(SEED)
    latents, events = [], []
    with fixed_threads(1), torch.no_grad():
        for at in range(0, count, _TOGETHER):
            latents.append(pool(prior, min(_TOGETHER, count - at), rng).half())
            events.append(model.vae.raw_events(latents[-1].float()).to(torch.uint8))
            report(at + len(latents[-1]), count)
    return Bank(torch.cat(latents).float(), torch.cat(events))


def save_bank(path: Path, bank: Bank, model: LoadedModel, prior: Prior) -> None:
    """Write a bank, with what it is of."""
    write_tensors(path, {"z": bank.z.half(), "events": bank.events}, FORMAT, _about(model, prior))


def _read(path: Path, model: LoadedModel, prior: Prior) -> Bank | None:
    try:
        tensors, about = read_tensors(path, FORMAT)
        if about != _about(model, prior):
            return None
        return Bank(tensors["z"].float(), tensors["events"])
    except (CheckpointError, KeyError):
        return None


def _about(model: LoadedModel, prior: Prior) -> dict[str, str]:
    return {"model": model.fingerprint, "prior": prior.identity}
