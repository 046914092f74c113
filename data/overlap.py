"""Runs of bars that melodies share, in any transposition.

Splitting by work isn't enough: tunes go by other names, and composers quote. So every run of bars, of two
onsets or more in each, is reduced to what transposition and edition leave alone: where notes begin, and
their pitches counted from the run's first. How long they last is left out, since editions differ in it.
Runs are compared by 64-bit hashes; a chance hit would take one pair in 10**19.

A run's hash grows bar by bar: h(1) is the first bar's, h(k) = mix(h(k - 1) + step) + bar, where `step` stands for
the interval between two bars' first notes and `bar` for a bar counted from its own first note.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import BARS, HOLD, STEPS_PER_BAR
from melodylc.data.arrays import Events, Mask

RUN_BARS = 4
LEAST_ONSETS = 2
_BLOCK = 4096
_FILTER_BITS = 22

Hashes = npt.NDArray[np.uint64]
RunLengths = npt.NDArray[np.int64]


def _mix(hashes: Hashes) -> Hashes:
    """SplitMix64's finaliser: a bijection that carries every bit into all others (Steele, Lea and Flood 2014)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


# SplitMix64's numbers, the same in every version of numpy: hashes are kept in files (`melodylc.data.runs`).
_NUMBERS = _mix(np.arange(1, (STEPS_PER_BAR + 1) * 2 * HOLD + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
_CONTENT, _STEP = np.split(_NUMBERS.reshape(STEPS_PER_BAR + 1, 2 * HOLD), [STEPS_PER_BAR])


class Melodies(Protocol):
    """What is read here: (n, 256) events, a slice at a time."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> Events: ...


class NoteRows:
    """Rows of an array, mapped or not, in some order, a slice at a time."""

    def __init__(self, events: Events, order: npt.NDArray[np.int64]) -> None:
        self._events, self._order = events, order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, part: slice, /) -> Events:
        return self._events[self._order[part]]


def run_hashes(melodies: Events, bars: int = RUN_BARS) -> tuple[Hashes, Mask]:
    """A hash of each of the 17 - bars runs of each (n, 256) window, and whether it has onsets enough.

    >>> melody = np.full((1, 256), HOLD, np.uint8)
    >>> melody[0, ::8] = np.arange(40, 72)
    >>> (a, enough), (b, _) = run_hashes(melody), run_hashes(np.where(melody < HOLD, melody + 5, melody))
    >>> a.shape, bool((a == b).all()), bool(enough.all())
    ((1, 13), True, True)
    """
    return list(_runs(melodies, bars))[-1]


def shared_with(training: Melodies, heldout: Melodies) -> Mask:
    """Which of (m, 256) held-out melodies share a run of four bars with any of (n, 256) training melodies.

    Memory holds the held-out side's hashes; either side may be memory-mapped.

    >>> melody = np.full((1, 256), HOLD, np.uint8)
    >>> melody[0, ::8] = np.arange(40, 72)
    >>> shared_with(melody + np.where(melody < HOLD, 5, 0).astype(np.uint8), melody).tolist()
    [True]
    """
    return np.asarray(longest_shared(training, heldout, RUN_BARS, RUN_BARS) == RUN_BARS, np.bool_)


def longest_shared(training: Melodies, melodies: Melodies, least: int = 1, most: int = BARS) -> RunLengths:
    """The longest run of bars that each of (m, 256) melodies shares with any one of (n, 256) training melodies.

    Only runs of `least` to `most` bars are looked for; 0 where there is none. Memory holds the hashes of `melodies`;
    training may be memory-mapped and is read once.

    >>> melody = np.full((1, 256), HOLD, np.uint8)
    >>> melody[0, ::8] = np.arange(40, 72) ** 2 % 61
    >>> other = melody.copy()
    >>> other[0, 100] = 50
    >>> longest_shared(melody, other).tolist()
    [9]
    """
    own = [_Known([hashes[enough] for hashes, enough in runs]) for runs in _by_length(melodies, least, most)]
    seen = [np.zeros(len(known.hashes), np.bool_) for known in own]
    for _, block in blocks(training):
        _note(block, own, seen, least)
    longest = np.zeros(len(melodies), np.int64)
    for start, block in blocks(melodies):
        for length, (hashes, enough) in enumerate(_runs(block, most), start=1):
            if length >= least:
                found = own[length - least].where(hashes, enough)
                hit = (found >= 0) & np.append(seen[length - least], False)[found]
                longest[start : start + len(block)][hit.any(axis=1)] = length
    return longest


def sharing(melodies: Melodies, others: Melodies) -> Mask:
    """`shared_with`, with memory for the hashes of `others` alone: which melodies share four bars with any of them."""
    known = _Known([hashes[enough] for hashes, enough in next(_by_length(others, RUN_BARS, RUN_BARS))])
    found = [(known.where(*run_hashes(block)) >= 0).any(axis=1) for _, block in blocks(melodies)]
    return np.concatenate(found) if found else np.zeros(0, np.bool_)


class _Known:
    """A set of hashes that says where in it others are. A table of single bits keeps most others from a search."""

    def __init__(self, parts: list[Hashes]) -> None:
        self.hashes = np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.uint64)
        self._bits = np.zeros(1 << _FILTER_BITS, np.bool_)
        self._bits[self.hashes >> np.uint64(64 - _FILTER_BITS)] = True

    def where(self, hashes: Hashes, mask: Mask) -> npt.NDArray[np.intp]:
        """The index of each hash, of the mask's shape; -1 for those that aren't known or are masked."""
        found = np.full(hashes.shape, -1, np.intp)
        possible = mask & self._bits[hashes >> np.uint64(64 - _FILTER_BITS)]
        wanted = hashes[possible]
        index = np.searchsorted(self.hashes, wanted)
        found[possible] = np.where(self.hashes[np.minimum(index, len(self.hashes) - 1)] == wanted, index, -1)
        return found


def _note(block: Events, own: list[_Known], seen: list[Mask], least: int) -> None:
    """Mark which known runs a block of training melodies has.

    Both ends of a run that is shared are shared: the rest is not looked up.
    """
    shared: Mask | None = None
    for length, (hashes, enough) in enumerate(_runs(block, least + len(own) - 1), start=1):
        if length < least:
            continue
        candidates = enough if shared is None else enough & shared[:, :-1] & shared[:, 1:]
        found = own[length - least].where(hashes, candidates)
        shared = found >= 0
        seen[length - least][found[shared]] = True
        if not shared.any():
            return


def _by_length(melodies: Melodies, least: int, most: int) -> Iterator[list[tuple[Hashes, Mask]]]:
    by_block = [list(_runs(block, most))[least - 1 :] for _, block in blocks(melodies)]
    for index in range(most - least + 1):
        yield [runs[index] for runs in by_block]


class _Bars(NamedTuple):
    """What runs are made of: bars counted from their first notes, the steps between those, and which count."""

    content: Hashes  # (n, 16)
    step: Hashes  # (n, 15)
    full: Mask  # (n, 16)


def _bars(melodies: Events) -> _Bars:
    bars = melodies.reshape(-1, BARS, STEPS_PER_BAR)
    onset = bars < HOLD
    first = np.take_along_axis(bars, onset.argmax(axis=2)[..., None], axis=2).astype(np.intp)
    relative = np.where(onset, bars - first + HOLD, 0)  # 0 has no pitch difference
    content = np.where(onset, _CONTENT[np.arange(STEPS_PER_BAR), relative], np.uint64(0)).sum(axis=2, dtype=np.uint64)
    step = np.diff(first[..., 0], axis=1) + HOLD  # a bar without onsets has a meaningless one, and isn't full
    return _Bars(content, _STEP[0, step], onset.sum(axis=2) >= LEAST_ONSETS)


def _runs(melodies: Events, most: int) -> Iterator[tuple[Hashes, Mask]]:
    """Hashes of the runs of 1, 2 .. `most` bars, (n, 17 - bars), and whether they have onsets enough."""
    content, step, full = _bars(melodies)
    hashes, enough = content, full
    yield hashes, enough
    for length in range(2, most + 1):
        hashes = _mix(hashes[:, :-1] + step[:, length - 2 :]) + content[:, length - 1 :]
        enough = enough[:, :-1] & full[:, length - 1 :]
        yield hashes, enough


def blocks(melodies: Melodies) -> Iterator[tuple[int, Events]]:
    """Melodies a few thousand at a time, each block with the number of its first."""
    for start in range(0, len(melodies), _BLOCK):
        yield start, np.asarray(melodies[start : start + _BLOCK])
