"""How like a real melody: what the language model makes of it, beside what it makes of others with as many notes.

    s(x) = (expected(n) + log p_LM(x)) / spread,      expected(n) = a + b sqrt(n) + c n,   n = notes of x

The plain -log p(x) grows with every note, and -log p(x) a note falls with their number: either would choose by density.
So melodies of the learnt prior's bank say what n notes cost on average, by least squares, and how far melodies spread
around that. s is about 0 for real melodies and for samples of the learnt prior; -2 is two deviations worse.
"""

from dataclasses import dataclass

import numpy as np
import torch

from melodylc.constraints.bank import find_bank
from melodylc.data.alphabet import PITCHES, canonical
from melodylc.data.arrays import Events, Values
from melodylc.data.errors import InputError
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.language import MelodyLM
from melodylc.models.recall import RecallLM
from melodylc.threads import fixed_threads

MELODIES = 512  #: of the bank, that say what is to be expected
_TOGETHER = 128


@dataclass(frozen=True)
class NoteLikelihood:
    """A language model, and what it is to expect of melodies; see the module."""

    language: MelodyLM | RecallLM
    expected: tuple[float, float, float]  #: a, b and c, nats
    spread: float  #: nats

    def __call__(self, melodies: Events) -> Values:
        """s of canonical melodies (n, 256): (n,), higher for what is more like real melodies."""
        expected = _powers(melodies) @ np.array(self.expected)
        return np.asarray((expected - _cost(self.language, melodies)) / self.spread)


def find_likelihood(model: LoadedModel) -> NoteLikelihood:
    """What a model's own language model says of melodies; seconds, and more where the bank must be made first.

    Raises:
        InputError: the model has none.
    """
    if model.language is None:
        raise InputError("this model has no language model to rank melodies by: train one (melodylc train prior)")
    melodies = canonical(find_bank(model, model.prior("learnt")).events[:MELODIES].numpy())[0]
    with fixed_threads(1):
        cost = _cost(model.language, melodies)
    powers = _powers(melodies)
    fitted = np.linalg.lstsq(powers, cost, rcond=None)[0]
    a, b, c = map(float, fitted)
    return NoteLikelihood(model.language, (a, b, c), max(float((cost - powers @ fitted).std()), 1e-6))


def _powers(melodies: Events) -> Values:
    notes = (melodies < PITCHES).sum(axis=1).astype(np.float64)
    return np.stack([np.ones_like(notes), np.sqrt(notes), notes], axis=1)


def _cost(language: MelodyLM | RecallLM, melodies: Events) -> Values:
    parts = torch.split(torch.from_numpy(melodies.astype(np.int64)), _TOGETHER)
    return np.asarray(torch.cat([language.nll(part) for part in parts]).numpy(), np.float64)
