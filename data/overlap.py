"""Which held-out melodies share four bars with a training melody.

Splitting by work isn't enough: tunes go by other names, and composers quote. So every run of four
bars, of two onsets or more in each, is reduced to what transposition and edition leave alone: where
notes begin, and their pitches counted from the run's first. How long they last is left out, since
editions differ in it. Runs are compared by 64-bit hashes; a chance hit would take one pair in 10**19.
"""

from collections.abc import Iterator
from typing import Protocol

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
Mask = npt.NDArray[np.bool_]


class Melodies(Protocol):
    """What is read here: (n, 256) events, a slice at a time."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> Events: ...


def run_hashes(melodies: Events) -> tuple[Hashes, Mask]:
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
    return hashes, np.logical_and.reduce([full[:, bar : BARS - RUN_BARS + 1 + bar] for bar in range(RUN_BARS)])


def shared_with(training: Melodies, heldout: Melodies) -> Mask:
    """Which of (m, 256) held-out melodies share a run with any of (n, 256) training melodies.

    Memory holds the held-out side's hashes; either side may be memory-mapped.

    >>> melody = np.full((1, 256), HOLD, np.uint8)
    >>> melody[0, ::8] = np.arange(40, 72)
    >>> shared_with(melody + np.where(melody < HOLD, 5, 0).astype(np.uint8), melody).tolist()
    [True]
    """
    own = [hashes[enough] for _, hashes, enough in _blocks(heldout)]
    if not own:
        return np.zeros(0, np.bool_)
    known = np.unique(np.concatenate(own))
    seen = np.zeros(len(known), np.bool_)
    for _, hashes, enough in _blocks(training):
        seen |= np.isin(known, hashes[enough])
    shared = np.zeros(len(heldout), np.bool_)
    for start, hashes, enough in _blocks(heldout):
        shared[start : start + len(hashes)] = (np.isin(hashes, known[seen]) & enough).any(axis=1)
    return shared


def _blocks(melodies: Melodies) -> Iterator[tuple[int, Hashes, Mask]]:
    for start in range(0, len(melodies), _BLOCK):
        yield start, *run_hashes(np.asarray(melodies[start : start + _BLOCK]))
