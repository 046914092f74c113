"""The key that a melody is in, by its notes, and how far it is from there to another.

A scale has a *basic space* (Lerdahl, Tonal Pitch Space, 2001, chapter 2): each pitch class counts 1, and 1 more for
each of these that it belongs to: the scale, its triad, its tonic with the fifth, its tonic. Of a melody the sixteenths
that sound count, by pitch class, and a key fits it by the correlation of the two (as Krumhansl, Cognitive Foundations
of Musical Pitch, 1990, chapter 4, with other profiles), and by 0.05 more where it ends on the tonic.

A melody goes to a scale by the transposition with the least

    8 * share of notes outside the scale - fit

so that intervals stay, and of the ways that leave few notes to bend, a tonic becomes the tonic. In twos, the nearer.
What is left is bent by Viterbi's algorithm: with d the semitones that each note moves by, up to 6, the least

    sum of (0.3 + 0.01 |d|) over the notes that move + sum of (0.3 + 0.7 min(1, |step of d| / 6)) where d changes

as `melodylc.editing.change` counts pitches that leave their like, and intervals. So a stretch in another key moves as
one, and single notes are bent by themselves.
"""

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import PITCHES
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody

FURTHEST = 6  #: semitones to the farthest of twelve keys
_ON_TONIC = 0.05
_OUTSIDE = 8.0


def estimate_key(melody: Melody) -> Scale | None:
    """The major or minor key that fits best, or None for a melody without notes.

    >>> tune = Melody.from_notes((pitch, 4 * i, 4 * i + 4) for i, pitch in enumerate([60, 60, 67, 67, 69, 69, 67]))
    >>> key = estimate_key(tune)
    >>> key and key.name
    'C major'
    """
    if not melody.note_count:
        return None
    keys = [Scale(tonic, mode) for mode in ("major", "minor") for tonic in range(12)]
    return max(keys, key=lambda key: _fit(melody, key, 0))


def transposition(melody: Melody, scale: Scale) -> int:
    """The semitones, -6..6, by which a melody goes to a scale with least to bend, and to its tonic.

    >>> from melodylc.data.keys import parse_scale
    >>> tune = Melody.from_notes((pitch, 4 * i, 4 * i + 4) for i, pitch in enumerate([60, 60, 67, 67, 69, 69, 67]))
    >>> [transposition(tune, parse_scale(text)) for text in ("cmaj", "gmaj", "bb")]
    [0, -5, -2]
    """
    pitches = melody.pitches
    if not pitches.size:
        return 0
    ways = [
        way
        for way in sorted(range(-FURTHEST, FURTHEST + 1), key=abs)
        if pitches.min() + way >= 0 and pitches.max() + way < PITCHES
    ]
    inside = np.array(scale.mask)
    return min(
        ways, key=lambda way: _OUTSIDE * float((~inside[(pitches + way) % 12]).mean()) - _fit(melody, scale, way)
    )


def octaves_into(melody: Melody, lowest: int, highest: int) -> int:
    """By how many octaves a melody goes to where most of its notes lie in lowest..highest; in twos, the fewest.

    >>> octaves_into(Melody.from_notes([(40, 0, 4), (47, 4, 8)]), 60, 81)
    2
    """
    pitches = melody.pitches
    if not pitches.size:
        return 0
    ways = [
        octaves
        for octaves in sorted(range(-10, 11), key=abs)
        if pitches.min() + 12 * octaves >= 0 and pitches.max() + 12 * octaves < PITCHES
    ]

    def outside(octaves: int) -> int:
        moved = pitches + 12 * octaves
        return int(np.maximum(lowest - moved, 0).sum() + np.maximum(moved - highest, 0).sum())

    return min(ways, key=outside)


def bend(melody: Melody, scale: Scale) -> Melody:
    """The melody with every note in a scale, and the fewest pitches and intervals changed for that.

    >>> from melodylc.data.keys import parse_scale
    >>> tune = Melody.from_notes((pitch, 4 * i, 4 * i + 4) for i, pitch in enumerate([60, 62, 66, 67]))
    >>> bend(tune, parse_scale("cmaj")).pitches.tolist()
    [60, 62, 65, 67]
    """
    moves = np.array(sorted(range(-FURTHEST, FURTHEST + 1), key=abs))
    there = melody.pitches[:, None] + moves
    allowed = np.array(scale.mask)[there % 12] & (there >= 0) & (there < PITCHES)
    own = np.where(allowed, np.where(moves != 0, 0.3 + 0.01 * np.abs(moves), 0), np.inf)
    steps = np.abs(moves[:, None] - moves)
    change = np.where(steps > 0, 0.3 + 0.7 * np.minimum(1, steps / 6), 0)
    total = np.zeros(len(moves))
    back: list[npt.NDArray[np.intp]] = []
    for costs in own:
        ways = total[:, None] + change if back else np.broadcast_to(total, change.shape).T
        back.append(ways.argmin(axis=0))
        total = ways.min(axis=0) + costs
    at, path = int(total.argmin()), []
    for before in reversed(back):
        path.append(int(moves[at]))
        at = int(before[at])
    events = melody.events.copy()
    events[melody.onsets] = melody.pitches + np.array(path[::-1], np.int64)
    return Melody(events)


def _fit(melody: Melody, key: Scale, way: int) -> float:
    """How well a key fits a melody that is moved by so many semitones."""
    sounding = np.bincount((melody.pitches + way) % 12, melody.durations, 12)
    last = (int(melody.pitches[-1]) + way) % 12 == key.tonic
    return _correlation(sounding.astype(np.float64), basic_space(key)) + _ON_TONIC * last


def _correlation(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    one, other = one - one.mean(), other - other.mean()
    length = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / length if length else 0.0


def basic_space(scale: Scale) -> npt.NDArray[np.float64]:
    """The basic space of a scale: shape (12,), from C up; of a set of notes without a tonic, of two levels alone.

    >>> basic_space(Scale(0, "major")).astype(int).tolist()
    [5, 1, 2, 1, 3, 2, 1, 4, 1, 2, 1, 2]
    """
    space = 1.0 + np.array(scale.mask, np.float64)
    if scale.tonic is not None:
        third, fifth = ((scale.tonic + step) % 12 for step in (_third(scale), 7))
        for level in ((scale.tonic, third, fifth), (scale.tonic, fifth), (scale.tonic,)):
            space[[pitch for pitch in level if scale.mask[pitch]]] += 1
    return space


def _third(scale: Scale) -> int:
    """The third above the tonic: the major one where the scale has it and no minor one."""
    minor, major = (scale.mask[((scale.tonic or 0) + step) % 12] for step in (3, 4))
    return 4 if major and not minor else 3
