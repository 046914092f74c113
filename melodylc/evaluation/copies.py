"""How much of a melody is copied from training: the longest run of whole bars that it shares with any training melody.

In any transposition, by where notes begin and how far they are apart; only bars with two onsets or more count
(`melodylc.data.overlap`). Held-out melodies with a run of four were dropped when the corpus was built, so their own
share is 0 by construction; how many they were before, the corpus tells: that is how often people copy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from melodylc.data.alphabet import BARS
from melodylc.data.arrays import Events
from melodylc.data.overlap import RUN_BARS, Melodies, RunLengths, longest_shared
from melodylc.evaluation.figures import Spread


@dataclass(frozen=True)
class CopySearch:
    """The longest runs of one or more sets of melodies."""

    bars: Spread  #: mean of the longest run, bars
    share: Spread  #: of the melodies with a run of four bars or more
    by_length: tuple[int, ...]  #: melodies with a longest run of 0, 1 .. 16 bars, all sets together

    @classmethod
    def of(cls, longest: Sequence[RunLengths]) -> Self:
        """The figures of one array a seed."""
        return cls(
            bars=Spread.of(one.mean() for one in longest),
            share=Spread.of((one >= RUN_BARS).mean() for one in longest),
            by_length=tuple(np.bincount(np.concatenate(list(longest)), minlength=BARS + 1).tolist()),
        )


@dataclass(frozen=True)
class CopyFigures:
    """Copies in samples, and in held-out melodies."""

    heldout: CopySearch
    before_dropping: float | None  #: share of held-out melodies with such a run when the corpus was built, if it tells
    priors: dict[str, CopySearch]


def find_copies(
    training: Melodies, heldout: Events, samples: Mapping[str, Sequence[Events]], before_dropping: float | None
) -> CopyFigures:
    """Look for runs of `training`, which is read once, in held-out melodies and in samples, one array a seed."""
    sets = [heldout, *(events for given in samples.values() for events in given)]
    longest = longest_shared(training, np.concatenate(sets))
    parts = iter(np.split(longest, np.cumsum([len(events) for events in sets])[:-1]))
    own = CopySearch.of([next(parts)])
    return CopyFigures(
        own, before_dropping, {name: CopySearch.of([next(parts) for _ in given]) for name, given in samples.items()}
    )
