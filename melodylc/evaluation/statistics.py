"""What melodies are like, in numbers, and how far two sets of them are alike.

Features after Yang and Lerch, *On the evaluation of generative models in music* (2020), for one voice on a grid of
sixteenths, and three of our own, the last:

    pitch_count          different pitches
    pitch_range          highest minus lowest, semitones
    pitch_classes        shares of the notes that have each pitch class (12,)
    pitch_transitions    shares of the pairs of neighbours, from pitch class to pitch class (144,)
    interval             mean absolute step from note to note, semitones
    note_lengths         shares of the notes that last 1..16 sixteenths, the last for longer too (16,)
    length_transitions   shares of the pairs of neighbours, from length to length (256,)
    notes_per_bar        notes that begin in each bar (16,)
    best_key             share of the notes inside the major scale that holds most of them
    repetition           share of bars 2..16 that repeat an earlier bar, event by event
    longest_rest         sixteenths

`interval` is a mean, as theirs is: the transitions hold what a histogram of intervals would say but for octaves, and
the mean is what hears leaps. Transitions are shares, not counts, so that they don't say again how many notes there are.
Notes count once each, however long (theirs weigh pitch classes by length): so do the rules of `melodylc.rewards`.

**Overlapping area** (theirs): the distances within a reference set and those between it and another have each a
density, by Gaussian kernels of Scott's width. The area under the lower of the two is 1 where the other set is as far
from the reference as the reference is from itself. Here it is taken over the whole line; their code stops at the
smallest and the largest distance, and loses what the kernels spill below 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import BARS, HOLD, PITCHES, REST, STEPS, STEPS_PER_BAR
from melodylc.data.arrays import Events, Values

_Integers = npt.NDArray[np.int64]

LENGTHS = 16  #: kinds of note length
HISTOGRAMS = frozenset(("pitch_classes", "pitch_transitions", "note_lengths", "length_transitions"))
MAJOR = (0, 2, 4, 5, 7, 9, 11)
_IN_KEY = np.array([[(pitch_class - root) % 12 in MAJOR for pitch_class in range(12)] for root in range(12)])
_FINEST = 2048  # the range of all distances over the narrowest kernel that is drawn
_REACH = 5  # kernel widths, beyond which a kernel is 0


@dataclass(frozen=True)
class Features:
    """A row a melody: shape (n,) or (n, width); see the module."""

    pitch_count: Values
    pitch_range: Values
    pitch_classes: Values
    pitch_transitions: Values
    interval: Values
    note_lengths: Values
    length_transitions: Values
    notes_per_bar: Values
    best_key: Values
    repetition: Values
    longest_rest: Values

    def by_name(self) -> Mapping[str, Values]:
        """Every feature under its name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def levels(self) -> Mapping[str, Values]:
        """One number a melody, (n,), for every feature but the histograms; the mean of its bars for notes_per_bar."""
        return {
            name: values.reshape(len(values), -1).mean(axis=1)
            for name, values in self.by_name().items()
            if name not in HISTOGRAMS
        }


@dataclass(frozen=True)
class _Notes:
    """The notes of n melodies, one after the other."""

    melody: npt.NDArray[np.intp]  # which of the n
    pitch: _Integers
    length: _Integers  # sixteenths
    count: _Integers  # (n,)

    def shares(self, kinds: _Integers, width: int) -> Values:
        """(n, width): shares of each melody's notes of each kind; zeros where it has none."""
        return _shares(self.melody, kinds, len(self.count), width)

    def transitions(self, kinds: _Integers, width: int) -> Values:
        """(n, width * width): shares of its pairs of neighbours, from kind to kind."""
        pair = self.melody[1:] == self.melody[:-1]
        return _shares(self.melody[1:][pair], (kinds[:-1] * width + kinds[1:])[pair], len(self.count), width * width)

    def interval(self) -> Values:
        pair = self.melody[1:] == self.melody[:-1]
        steps = np.abs(np.diff(self.pitch))[pair]
        total = np.bincount(self.melody[1:][pair], weights=steps, minlength=len(self.count))
        return np.asarray(total / np.maximum(self.count - 1, 1), np.float64)


def features(events: Events) -> Features:
    """The features of canonical melodies, shape (n, 256). One without notes has 0 for everything but its rest.

    >>> from melodylc.data import Melody
    >>> whole_tones = Melody.from_notes((60 + 2 * bar, 16 * bar, 16 * bar + 4) for bar in range(16))
    >>> found = features(whole_tones.events[None])
    >>> [float(values[0]) for values in (found.pitch_count, found.pitch_range, found.interval, found.longest_rest)]
    [16.0, 30.0, 2.0, 12.0]
    """
    events = np.asarray(events)
    notes, onset = _notes(events), events < PITCHES
    classes, lengths = notes.pitch % 12, np.minimum(notes.length, LENGTHS) - 1
    used = np.zeros((len(events), PITCHES), np.bool_)
    used[notes.melody, notes.pitch] = True
    histogram = notes.shares(classes, 12)
    return Features(
        pitch_count=used.sum(axis=1).astype(np.float64),
        pitch_range=_range(used),
        pitch_classes=histogram,
        pitch_transitions=notes.transitions(classes, 12),
        interval=notes.interval(),
        note_lengths=notes.shares(lengths, LENGTHS),
        length_transitions=notes.transitions(lengths, LENGTHS),
        notes_per_bar=onset.reshape(-1, BARS, STEPS_PER_BAR).sum(axis=2).astype(np.float64),
        best_key=(histogram @ _IN_KEY.T).max(axis=1),
        repetition=_repetition(events),
        longest_rest=_longest_rest(events),
    )


def best_root(events: Events) -> _Integers:
    """The root, 0..11, of the major scale that holds most notes of each melody (n, 256): the lowest of equals, (n,).

    >>> best_root(np.array([[62, 66, 69, 67, 73, HOLD]], np.uint8))  # D major
    array([2])
    """
    events = np.asarray(events)
    melody, step = np.nonzero(events < PITCHES)
    histogram = _shares(melody, events[melody, step].astype(np.int64) % 12, len(events), 12)
    return np.asarray((histogram @ _IN_KEY.T).argmax(axis=1), np.int64)


def _notes(events: Events) -> _Notes:
    melody, start = np.nonzero(events < PITCHES)
    steps = np.arange(STEPS)
    ends = np.minimum.accumulate(np.where(events != HOLD, steps, STEPS)[:, ::-1], axis=1)[:, ::-1]
    ends = np.append(ends, np.full((len(events), 1), STEPS), axis=1)  # a note at the last step ends after it
    pitch = events[melody, start].astype(np.int64)
    return _Notes(melody, pitch, ends[melody, start + 1] - start, np.bincount(melody, minlength=len(events)))


def _shares(rows: npt.NDArray[np.intp], kinds: _Integers, count: int, width: int) -> Values:
    table = np.bincount(rows * width + kinds, minlength=count * width).reshape(count, width)
    return np.asarray(table / np.maximum(table.sum(axis=1, keepdims=True), 1), np.float64)


def _range(used: npt.NDArray[np.bool_]) -> Values:
    highest = PITCHES - 1 - used[:, ::-1].argmax(axis=1)
    return np.where(used.any(axis=1), highest - used.argmax(axis=1), 0).astype(np.float64)


def _repetition(events: Events) -> Values:
    words = np.ascontiguousarray(events).view(np.uint64).reshape(-1, BARS, STEPS_PER_BAR // 8)
    alike = (words[:, :, None] == words[:, None]).all(axis=3)  # (n, 16, 16)
    return np.asarray(np.tril(alike, -1).any(axis=2)[:, 1:].mean(axis=1), np.float64)


def _longest_rest(events: Events) -> Values:
    steps = np.arange(STEPS)
    before = np.maximum.accumulate(np.where(events != REST, steps, -1), axis=1)  # the last step that isn't a rest
    return np.asarray((steps - before).max(axis=1), np.float64)


# -- two sets ----------------------------------------------------------------------------------


def overlapping_areas(reference: Features, other: Features, *, paired: bool = False) -> dict[str, float]:
    """The overlapping area of each feature, in [0, 1]; `reference` needs two melodies or more, `other` one."""
    others = other.by_name()
    return {name: overlapping_area(values, others[name], paired=paired) for name, values in reference.by_name().items()}


def overlapping_area(reference: Values, other: Values, *, paired: bool = False) -> float:
    """How far the distances within `reference` and those from it to `other` are distributed alike, in [0, 1].

    Distances are Euclidean; within the reference each melody is compared with all others, as in the authors' code.

    Args:
        reference: (n,) or (n, width), n at least 2.
        other: (m,) or (m, width), m at least 1.
        paired: row k of `other` was made of row k of `reference`, and isn't compared with it.

    >>> same = np.arange(50.0)
    >>> [round(overlapping_area(same, same + shift), 1) for shift in (0, 1000)]
    [1.0, 0.0]
    >>> overlapping_area(same, same, paired=True)
    1.0
    """
    reference, other = reference.reshape(len(reference), -1), other.reshape(len(other), -1)
    different = ~np.eye(len(reference), dtype=np.bool_)
    across = _distances(reference, other)
    return common_area(_distances(reference, reference)[different], across[different] if paired else across.ravel())


def common_area(one: Values, other: Values) -> float:
    """The area under the lower of two samples' kernel densities, in [0, 1]; samples of shape (n,) and (m,).

    Kernels are Gaussian, n**-0.2 standard deviations wide (Scott's rule). Samples are binned, linearly, on a grid of
    a quarter of the narrower kernel's width. No kernel is narrower than 1 / 2048 of the range of both samples.

    >>> [round(common_area(np.zeros(3), other), 6) for other in (np.zeros(5), np.ones(5))]
    [1.0, 0.0]
    """
    low, high = min(one.min(), other.min()), max(one.max(), other.max())
    if low == high:
        return 1.0
    widths = [max(_scott(sample), (high - low) / _FINEST) for sample in (one, other)]
    step = min(widths) / 4
    start = low - _REACH * max(widths)
    points = int((high - low + 2 * _REACH * max(widths)) / step) + 2
    densities = [
        _density(sample, start, step, points, width) for sample, width in zip((one, other), widths, strict=True)
    ]
    return float(np.minimum(*densities).sum())


def _distances(one: Values, other: Values) -> Values:
    squared = (one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)), np.float64)


def _scott(sample: Values) -> float:
    return float(sample.std(ddof=1) * len(sample) ** -0.2) if len(sample) > 1 else 0.0


def _density(sample: Values, start: float, step: float, points: int, width: float) -> Values:
    """The kernel density on a grid of points, as shares that sum to 1."""
    place = (sample - start) / step
    index = place.astype(np.int64)
    upper = place - index
    counts = np.bincount(index, 1 - upper, points) + np.bincount(index + 1, upper, points)
    reach = int(_REACH * width / step) + 1
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / width) ** 2)
    size = 1 << (len(counts) + len(kernel)).bit_length()  # so long that the convolution doesn't run into itself
    smooth = np.fft.irfft(np.fft.rfft(counts, size) * np.fft.rfft(kernel, size), size)[reach : reach + points]
    smooth = np.maximum(smooth, 0.0)  # its rounding
    return np.asarray(smooth / smooth.sum(), np.float64)
