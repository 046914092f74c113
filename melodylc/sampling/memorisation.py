"""What was trained on isn't written again: melodies that share four bars with a training melody are refused.

In any transposition, by where notes begin and how far they are apart; only bars with two onsets or more count
(`melodylc.data.runs`). The shipped model's training melodies come along as such runs, 1.2 MB, which hold no melody.
Of another model's training melodies nothing is known here, and nothing it writes is refused.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from melodylc.cache import pretrained
from melodylc.data.corpus import Corpus
from melodylc.data.errors import CheckpointError
from melodylc.data.overlap import LEAST_ONSETS, RUN_BARS
from melodylc.data.runs import BITS, KnownRuns
from melodylc.latent.tensor_files import read_tensors, write_tensors
from melodylc.models.checkpoint import LoadedModel

FORMAT = "melodylc-runs/1"
FILE = "runs.safetensors"
_ABOUT = {"bars": RUN_BARS, "onsets": LEAST_ONSETS, "bits": BITS}


@dataclass(frozen=True)
class MemorisationFilter:
    """The runs of the training melodies of one corpus or more."""

    runs: KnownRuns
    corpora: tuple[str, ...]  #: their fingerprints

    def __call__(self, events: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Which of canonical melodies (n, 256) copy one of them: (n,)."""
        return self.runs.copied(events)


def make_memorisation_filter(corpus: Corpus) -> MemorisationFilter:
    """The filter of a corpus, whose training melodies are read once."""
    return MemorisationFilter(KnownRuns.of(corpus.train), (corpus.fingerprint,))


def join_filters(one: MemorisationFilter, other: MemorisationFilter) -> MemorisationFilter:
    """What refuses copies from the corpora of both."""
    keys = np.union1d(one.runs.keys, other.runs.keys)
    return MemorisationFilter(KnownRuns(keys), tuple(dict.fromkeys((*one.corpora, *other.corpora))))


def save_memorisation_filter(path: Path, guard: MemorisationFilter) -> None:
    """Write what `load_memorisation_filter` reads."""
    keys = torch.from_numpy(guard.runs.keys.view(np.int32))
    write_tensors(path, {"runs": keys}, FORMAT, {"corpora": list(guard.corpora), **_ABOUT})


def load_memorisation_filter(path: Path) -> MemorisationFilter:
    """Read a filter.

    Raises:
        CheckpointError: missing, damaged, or something else.
    """
    tensors, about = read_tensors(path, FORMAT)
    keys, former = tensors.get("runs"), about.pop("corpus", None)  # of one corpus, in files of before
    corpora = about.pop("corpora", [former])
    named = isinstance(corpora, list) and corpora and all(isinstance(it, str) for it in corpora)
    if keys is None or keys.dtype != torch.int32 or keys.ndim != 1 or not named or about != _ABOUT:
        raise CheckpointError(f"{path}: damaged, or of another version of melodylc")
    runs = KnownRuns(keys.numpy().view(np.uint32))
    if not (runs.keys[1:] > runs.keys[:-1]).all():
        raise CheckpointError(f"{path}: damaged (its runs aren't in order)")
    return MemorisationFilter(runs, tuple(corpora))


def find_memorisation_filter(model: LoadedModel) -> MemorisationFilter | None:
    """What keeps a model from copying what it was trained on; None where that isn't known.

    Raises:
        CheckpointError: the file that comes with the package is missing or damaged.
    """
    try:
        guard = load_memorisation_filter(pretrained() / FILE)
    except CheckpointError as error:
        raise CheckpointError(f"{error}: install melodylc again, or leave copies in (--allow-copies)") from None
    about = model.provenance
    of_model = {about.get("corpus"), (about.get("language") or {}).get("corpus")}
    return guard if of_model & set(guard.corpora) else None
