"""Which held-out melodies share four bars with a training melody.

Splitting by work isn't enough: tunes go by other names, and composers quote. So every run of four
bars, of two onsets or more in each, is reduced to what transposition and edition leave alone: where
notes begin, and their pitches counted from the run's first. How long they last is left out, since
editions differ in it. Runs are compared by 64-bit hashes; a chance hit would take one pair in 10**19.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import BARS, HOLD, STEPS_PER_BAR
from melodylc.data.windows import Events

RUN_BARS = 4
LEAST_ONSETS = 2
_STEPS = RUN_BARS * STEPS_PER_BAR
_BLOCK = 4096
_WEIGHTS = np.random.default_rng(4).integers(1, 1 << 63, (_STEPS, 2 * HOLD), dtype=np.uint64)

Hashes = npt.NDArray[np.uint64]


def run_hashes(melodies: Events) -> tuple[Hashes, npt.NDArray[np.bool_]]:
    """A hash of each of the 13 runs of each (n, 256) window, and whether it has onsets enough.

    >>> melody = np.full((1, 256), HOLD, np.uint8)
    >>> melody[0, ::8] = np.arange(40, 72)
    >>> (a, enough), (b, _) = run_hashes(melody), run_hashes(np.where(melody < HOLD, melody + 5, melody))
    >>> a.shape, bool((a == b).all()), bool(enough.all())
    ((1, 13), True, True)
    """
    runs = np.lib.stride_tricks.sliding_window_view(melodies, _STEPS, axis=1)[:, ::STEPS_PER_BAR]
    onset = runs < HOLD
    first = np.take_along_axis(runs, onset.argmax(axis=2)[..., None], axis=2)
    relative = np.where(onset, runs.astype(np.intp) - first + HOLD, 0)  # 0 has no pitch difference
    hashes = np.where(onset, _WEIGHTS[np.arange(_STEPS), relative], np.uint64(0)).sum(axis=2, dtype=np.uint64)
    full = (melodies.reshape(-1, BARS, STEPS_PER_BAR) < HOLD).sum(axis=2) >= LEAST_ONSETS
    return hashes, np.lib.stride_tricks.sliding_window_view(full, RUN_BARS, axis=1).all(axis=2)


def shared_with(training: Events, heldout: Events) -> npt.NDArray[np.bool_]:
    """Which of (m, 256) held-out melodies share a run with any of (n, 256) training melodies.

    Memory holds the held-out side's hashes; either array may be memory-mapped.
    """
    known = np.unique(np.concatenate([run[on] for _, run, on in _blocks(heldout)] or [np.empty(0, np.uint64)]))
    seen = np.zeros(len(known) + 1, np.bool_)  # one more, so that a search past the end finds a place
    for _, hashes, enough in _blocks(training):
        found = np.unique(hashes[enough])
        place = np.searchsorted(known, found)
        seen[place[known[np.minimum(place, len(known) - 1)] == found] if len(known) else place[:0]] = True
    shared = np.zeros(len(heldout), np.bool_)
    for start, hashes, enough in _blocks(heldout):
        shared[start : start + len(hashes)] = (seen[np.searchsorted(known, hashes)] & enough).any(axis=1)
    return shared


def _blocks(melodies: Events) -> Iterator[tuple[int, Hashes, npt.NDArray[np.bool_]]]:
    for start in range(0, len(melodies), _BLOCK):
        yield start, *run_hashes(np.asarray(melodies[start : start + _BLOCK]))
