"""The runs of four bars of many melodies, kept small: does a new melody copy one of them, in any transposition?

What a run is, `melodylc.data.overlap` says. Of its 64 bits the first 32 are kept, sorted: four bytes a run, found by
bisection. A copy is never missed. A melody with r runs of its own is taken for one by mistake with probability
r n / 2^32, where n runs are known: 0.0009 at most (r 13) for the 305,000 of the corpus behind the model that ships.
A Bloom filter that errs as seldom takes 2.5 bytes a run.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from melodylc.data.arrays import Events, Mask
from melodylc.data.overlap import Hashes, Melodies, blocks, run_hashes

BITS = 32

Keys = npt.NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class KnownRuns:
    """A set of runs of four bars.

    >>> melody = np.full((1, 256), 128, np.uint8)
    >>> melody[0, ::8] = np.arange(40, 72) ** 2 % 61
    >>> known = KnownRuns.of(melody)
    >>> known.keys.shape, known.copied(np.where(melody < 128, melody + 5, melody)).tolist()
    ((13,), [True])
    """

    keys: Keys  #: (n,) each once, ascending

    @classmethod
    def of(cls, melodies: Melodies) -> Self:
        """The runs of melodies (n, 256), which may be memory-mapped and are read once."""
        parts = [_keys(hashes[enough]) for hashes, enough in (run_hashes(block) for _, block in blocks(melodies))]
        return cls(np.unique(np.concatenate([np.zeros(0, np.uint32), *parts])))

    def copied(self, melodies: Events) -> Mask:
        """Which of melodies (n, 256) have one of these runs, in any transposition: (n,)."""
        hashes, enough = run_hashes(melodies)
        wanted = _keys(hashes)
        place = np.searchsorted(self.keys, wanted)
        found = enough & (place < len(self.keys))
        found[found] = self.keys[place[found]] == wanted[found]
        return np.asarray(found.any(axis=1), np.bool_)


def _keys(hashes: Hashes) -> Keys:
    return (hashes >> np.uint64(64 - BITS)).astype(np.uint32)
