"""A discriminator: how like a real melody a melody is, for choosing among several that obey.

    D(x) = mean over its nets of  w_2 . relu(W_1 f(x) + b_1) + b_2,     the log odds that x is real rather than written

f(x) are musical features (`melodylc.data.musical_features`), but for the register, standardised and cut off at
four deviations. The nets learnt from leads of the training works and from what the shipped language model writes
(`tools/discriminator.py`). To take the best of K by D is a simple way to sample from what is nearer to the real
distribution (discriminator rejection sampling, Azadi et al. 2019): the weight of x would be exp(D(x)).

Judges of likeness (`melodylc.evaluation.two_sample`) are of other families, and never saw what this learnt from.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from melodylc.cache import pretrained
from melodylc.data.arrays import Events, Values
from melodylc.data.errors import CheckpointError
from melodylc.data.musical_features import musical_features, names
from melodylc.latent.tensor_files import read_tensors, write_tensors

FORMAT = "melodylc-discriminator/1"
FILE = "discriminator.safetensors"
WITHOUT = ("register",)  #: groups of features that it doesn't see
REACH = 4.0  #: deviations, at which features are cut off
_TENSORS = ("mean", "deviation", "hidden", "hidden_bias", "out", "out_bias")


@dataclass(frozen=True)
class Discriminator:
    """Nets of one hidden layer on musical features; see the module."""

    columns: tuple[str, ...]  #: (k,) the features that it sees
    mean: Values  #: (k,)
    deviation: Values  #: (k,)
    hidden: Values  #: (nets, k, units)
    hidden_bias: Values  #: (nets, units)
    out: Values  #: (nets, units)
    out_bias: Values  #: (nets,)

    def scores(self, events: Events) -> Values:
        """Log odds (n,) that canonical melodies (n, 256) are real."""
        return self.scores_of(musical_features(events)[:, _places(self.columns)])

    def scores_of(self, features: Values) -> Values:
        """The same of features (n, k) of its columns."""
        seen = np.clip((features - self.mean) / self.deviation, -REACH, REACH)
        units = np.maximum(np.einsum("nk,tku->tnu", seen, self.hidden, optimize=True) + self.hidden_bias[:, None], 0)
        return np.asarray((np.einsum("tnu,tu->tn", units, self.out) + self.out_bias[:, None]).mean(axis=0), np.float64)


@cache
def find_discriminator() -> Discriminator:
    """The one that ships.

    Raises:
        CheckpointError: its file is damaged, or of other features.
    """
    return load_discriminator(pretrained() / FILE)


def load_discriminator(path: Path) -> Discriminator:
    """What `save_discriminator` wrote.

    Raises:
        CheckpointError: another file, a damaged one, or one whose features aren't known.
    """
    tensors, header = read_tensors(path, FORMAT)
    columns = tuple(map(str, header.get("columns", ())))
    unknown = next((name for name in columns if name not in names()), None)
    if unknown is not None:
        raise CheckpointError(f"{path}: a discriminator with a feature {unknown!r} that isn't known: train it again")
    try:
        parts = [tensors[name].double().numpy() for name in _TENSORS]
    except KeyError as error:
        raise CheckpointError(f"{path}: damaged (lacks {error}); train it again") from None
    nets, units = parts[3].shape if parts[3].ndim == 2 else (0, 0)
    shapes = [(len(columns),)] * 2 + [(nets, len(columns), units), (nets, units), (nets, units), (nets,)]
    if [part.shape for part in parts] != shapes or not all(np.isfinite(part).all() for part in parts):
        raise CheckpointError(f"{path}: damaged (its weights don't fit each other); train it again")
    return Discriminator(columns, *parts)


def save_discriminator(path: Path, found: Discriminator, provenance: dict[str, object]) -> None:
    """Write a discriminator in half precision but for its scales."""
    halves = {name: torch.from_numpy(np.asarray(getattr(found, name), np.float32)) for name in _TENSORS}
    tensors = {name: value if name in ("mean", "deviation") else value.half() for name, value in halves.items()}
    write_tensors(path, tensors, FORMAT, {"columns": list(found.columns), "provenance": provenance})


@cache
def _places(columns: tuple[str, ...]) -> npt.NDArray[np.int64]:
    at = {name: number for number, name in enumerate(names())}
    return np.array([at[name] for name in columns])
