"""How far melodies are from one another, once each stands in its best-fitting key.

An actor for a key makes melodies of one key, and that alone brings them nearer to one another than a prior's. So each
is first moved to C major from the major key that holds most of its notes, by -6..5 semitones. The distance of two is
the fewest steps to insert, delete or change that turn one into the other (Levenshtein's), over the 256 of a melody.
"""

import numpy as np

from melodylc.data.arrays import Events, Values
from melodylc.data.rows import transpose
from melodylc.evaluation.statistics import best_root


def in_one_key(events: Events) -> Events:
    """Melodies (n, 256), each moved so that the major scale that holds most of its notes is C major.

    >>> in_one_key(np.array([[62, 66, 69, 67, 73, 128]], np.uint8))
    array([[ 60,  64,  67,  65,  71, 128]], dtype=uint8)
    """
    root = best_root(events)
    return transpose(events, np.where(root < 6, -root, 12 - root))


def edit_distances(one: Events, other: Events) -> Values:
    """Levenshtein's distance of each row of (n, m) from the same row of (n, m), over m: (n,) in [0, 1].

    >>> edit_distances(np.array([[1, 2, 3, 4]], np.uint8), np.array([[2, 3, 4, 5]], np.uint8))
    array([0.5])
    """
    length = one.shape[1]
    places = np.arange(length + 1)
    row = np.tile(places, (len(one), 1))
    for at in range(length):
        changed = row[:, :-1] + (one[:, at : at + 1] != other)
        best = np.minimum(changed, row[:, 1:] + 1)
        row = np.concatenate([np.full((len(one), 1), at + 1), best], axis=1)
        row = np.minimum.accumulate(row - places, axis=1) + places  # insertions: one more for each place to the right
    return np.asarray(row[:, -1] / length, np.float64)


def apart(events: Events) -> float:
    """Mean edit distance of melodies (n, 256) in one key, n at least 2: of each in the first half to its partner.

    >>> apart(np.array([[60, 64, 65, 71], [62, 66, 67, 73]], np.uint8))  # one tune in two keys
    0.0
    """
    half, moved = len(events) // 2, in_one_key(events)
    return float(edit_distances(moved[:half], moved[-half:]).mean())


def differ(events: Events) -> float:
    """Share of the steps of melodies (n, 256), n at least 2, in which each and its partner differ as they stand."""
    half = len(events) // 2
    return float((events[:half] != events[-half:]).mean())
