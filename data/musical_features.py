"""What melodies are like, in nearly three hundred numbers each: what judges of likeness see.

`musical_features` turns canonical events (n, 256) into a table (n, k), vectorised over melodies. Its columns have
names, `names()`, that begin with their group and a dot:

    register   where the melody lies; the one group that a transposition changes
    key        heights above the tonic, fit of the key, first and last note: to be left out for rules on pitch classes
    pitch      range, different pitches, the line at large
    interval   steps from note to note: shares of each, sizes, direction
    motion     step inertia, A-B-A turns, repeated notes, leaps and what follows them
    length     lengths of notes, cells of two
    onset      places in the bar, notes in each bar, syncopation
    rest       how much, how many, how long
    recur      n-grams of intervals, of rhythm and of both that come again; the longest run that comes again
    block      blocks of 1, 2 and 4 bars that return: exactly, transposed, or in rhythm alone
    lag        how alike bars are that stand 1, 2, 3, 4, 6, 8 bars apart
    phrase     how alike phrases of four and eight bars are, and how they end

**Invariants.** Every column but `register.*` is the same for a melody in any transposition, to rounding. The columns of
`length`, `onset` and `rest`, `recur.rhythm_*`, `block.rhythm_*`, `lag.rhythm_*` and `*.onsets_*` don't depend on pitch
at all. A melody's row depends on that melody alone. All values are finite, of a melody without notes, too.

**The tonic** is that of the major scale that holds most notes; of equal ones that with most notes on its tonic, then on
its fifth, then the one whose tonic is nearest below the last note: so a transposition moves it along.

**Recurrence.** A note's symbols are its interval from the note before, and the steps from the onset before to its own
(at most 32). The recurrence of n-grams is the share of a melody's n-grams that occur twice or oftener in it. Runs are
compared by polynomial hashes modulo 2^64 (Karp and Rabin 1987), and the longest is found by bisection: what repeats no
n notes repeats no n + 1. The two places of a run may overlap, but for the columns that end in `apart`. Blocks are
compared by sums of random 64-bit numbers, one for each event times one for each place; only those with two onsets a bar
or more count, and they never overlap.

**Step inertia** (Huron, *Sweet Anticipation*, 2006): after a step of one or two semitones, the share of next intervals
that are steps in the same direction.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import BARS, HOLD, PITCHES, REST, STEPS, STEPS_PER_BAR
from melodylc.data.arrays import Events, Mask, Values

_Integers = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Columns = Iterator[tuple[str, npt.NDArray[np.generic]]]

MAJOR = (0, 2, 4, 5, 7, 9, 11)
LEAP = 5  #: semitones, from which an interval is a leap
LAGS = (1, 2, 3, 4, 6, 8)  #: bars
LONGEST_WAIT = 32  #: steps from onset to onset, beyond which rhythms are the same
_TOGETHER = 256  # melodies at once
_LEAST = 5  # columns of the tables, so that there is always room for pairs of intervals
_LENGTHS = (
    (1, 1),
    (2, 2),
    (3, 3),
    (4, 4),
    (5, 5),
    (6, 6),
    (7, 7),
    (8, 8),
    (9, 11),
    (12, 12),
    (13, 15),
    (16, 16),
    (17, STEPS),
)
_CELLS = {
    "even_1": (1, 1),
    "even_2": (2, 2),
    "even_4": (4, 4),
    "dotted_31": (3, 1),
    "dotted_62": (6, 2),
    "snap_13": (1, 3),
    "snap_26": (2, 6),
    "long_short": (4, 2),
    "short_long": (2, 4),
    "half_quarter": (8, 4),
}
_IN_KEY = np.array(
    [[(pitch_class - root) % 12 in MAJOR for pitch_class in range(12)] for root in range(12)], np.float64
)
# How strong a place in the bar is: the bar line 4, the half 3, the quarters 2, the eighths 1, the others 0.
_STRENGTH = np.array([4, 0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1, 0])


def musical_features(events: Events) -> Values:
    """The features (n, k) of canonical melodies (n, 256); see the module.

    >>> from melodylc.data import Melody
    >>> scale = Melody.from_notes((60 + step % 8, 4 * step, 4 * step + 4) for step in range(64))
    >>> found = dict(zip(names(), musical_features(scale.events[None])[0].tolist()))
    >>> [found[name] for name in ("interval.up_1", "recur.intervals_4", "block.exact_2", "lag.exact_2")]
    [0.8888888888888888, 1.0, 0.8666666666666667, 1.0]
    """
    events = np.ascontiguousarray(events, np.uint8)
    order = np.argsort((events < PITCHES).sum(axis=1), kind="stable")  # tables are as wide as their longest melody
    parts = [events[order[at : at + _TOGETHER]] for at in range(0, len(events), _TOGETHER)] or [events]
    found = np.concatenate([_table([column for _, column in _columns(part)]) for part in parts])
    back = np.empty_like(found)
    back[order] = found
    return back


def names() -> tuple[str, ...]:
    """What the columns are called, in their order.

    >>> len(names()) == len(set(names())) == musical_features(np.full((1, 256), REST, np.uint8)).shape[1]
    True
    """
    return tuple(name for name, _ in _columns(np.full((1, STEPS), REST, np.uint8)))


def select_columns(*without: str) -> Mask:
    """Which columns (k,) are none of these groups.

    >>> bool(select_columns("key", "register").sum() < select_columns().sum() == len(names()))
    True
    """
    return np.array([name.split(".")[0] not in without for name in names()])


# -- the notes of a batch, a row a melody --------------------------------------------------------


class NoteTables:
    """The notes of melodies (n, 256) as tables (n, m), m the most notes of any; `there` says where there is one."""

    def __init__(self, events: Events) -> None:
        self.events, self.onsets = events, events < PITCHES
        self.count = self.onsets.sum(axis=1)
        melody, start = np.nonzero(self.onsets)
        n, most = len(events), max(int(self.count.max(initial=0)), _LEAST)
        place = np.arange(len(melody)) - np.repeat(np.cumsum(self.count) - self.count, self.count)
        self.melody, self.place = melody, place
        self.there = np.arange(most) < self.count[:, None]
        steps = np.arange(STEPS)
        ends = np.minimum.accumulate(np.where(events != HOLD, steps, STEPS)[:, ::-1], axis=1)[:, ::-1]
        ends = np.append(ends, np.full((n, 1), STEPS), axis=1)
        self.pitch, self.start, self.length = (np.zeros((n, most), np.int64) for _ in range(3))
        self.pitch[melody, place] = events[melody, start]
        self.start[melody, place] = start
        self.length[melody, place] = ends[melody, start + 1] - start
        self.pair = self.there[:, 1:]  # of neighbours
        self.interval = np.where(self.pair, np.diff(self.pitch, axis=1), 0)
        self.wait = np.where(self.pair, np.minimum(np.diff(self.start, axis=1), LONGEST_WAIT), 0)

    def last(self, table: _Integers) -> _Integers:
        """Each melody's last of (n, m): (n,)."""
        return np.asarray(table[np.arange(len(table)), np.maximum(self.count - 1, 0)])


def _share(hits: Mask, of: Mask) -> Values:
    """Of the places (n, m) that are meant the share that is hit: (n,), 0 where none is meant."""
    return np.asarray((hits & of).sum(axis=1) / np.maximum(of.sum(axis=1), 1), np.float64)


def _mean(values: npt.NDArray[Any], of: Mask) -> Values:
    return np.asarray(np.where(of, values, 0).sum(axis=1) / np.maximum(of.sum(axis=1), 1), np.float64)


def _deviation(values: npt.NDArray[Any], of: Mask) -> Values:
    middle = _mean(values, of)
    return np.sqrt(_mean((values - middle[:, None]) ** 2, of))


def _entropy(shares: Values) -> Values:
    """Of distributions (n, k), in bits: (n,)."""
    return np.asarray(-(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=1), np.float64)


def _histogram(kinds: _Integers, of: Mask, width: int) -> Values:
    row = np.nonzero(of)[0]
    table = np.bincount(row * width + kinds[of], minlength=len(of) * width).reshape(len(of), width)
    return np.asarray(table / np.maximum(table.sum(axis=1, keepdims=True), 1), np.float64)


def _table(columns: list[npt.NDArray[np.generic]]) -> Values:
    return np.stack([np.asarray(column, np.float64) for column in columns], axis=1)


def _columns(events: Events) -> Columns:
    notes = NoteTables(events)
    for part in (_register, _key, _pitch, _interval, _motion, _length, _onset, _rest, _recurrence, _blocks_and_lags):
        yield from part(notes)


# -- pitch ---------------------------------------------------------------------------------------


def _register(notes: NoteTables) -> Columns:
    yield "register.mean", _mean(notes.pitch, notes.there)
    yield "register.lowest", np.where(notes.count > 0, np.where(notes.there, notes.pitch, PITCHES).min(axis=1), 0)


def _key(notes: NoteTables) -> Columns:
    classes = _histogram(notes.pitch % 12, notes.there, 12)
    last = notes.last(notes.pitch)
    inside = classes @ _IN_KEY.T
    fifths = np.roll(classes, -7, axis=1)
    above = (last[:, None] - np.arange(12)) % 12
    root = (inside + 1e-4 * classes + 1e-7 * fifths - 1e-10 * above).argmax(axis=1)
    rows = np.arange(len(classes))
    relative = classes[rows[:, None], (np.arange(12) + root[:, None]) % 12]
    for degree in range(12):
        yield f"key.degree_{degree}", relative[:, degree]
    yield "key.fit", inside[rows, root]
    yield "key.margin", inside[rows, root] - inside[rows, (root + 7) % 12]
    yield "key.margin_below", inside[rows, root] - inside[rows, (root + 5) % 12]
    yield "key.entropy", _entropy(classes)
    yield "key.minor_third", relative[:, 0] - relative[:, 9]  # the relative minor's tonic
    yield "key.pentatonic", relative[:, [0, 2, 4, 7, 9]].sum(axis=1)
    degree = (notes.pitch - root[:, None]) % 12
    outside = ~np.isin(degree, MAJOR)
    quarter = notes.start // (STEPS // 4)
    parts = np.stack([_share(outside, notes.there & (quarter == part)) for part in range(4)], axis=1)
    yield "key.outside_most", parts.max(axis=1)
    yield "key.outside_least", parts.min(axis=1)
    yield (
        "key.outside_passing",
        _share(
            outside[:, 1:-1] & (np.abs(notes.interval[:, 1:]) <= 2) & (np.abs(notes.interval[:, :-1]) <= 2),
            outside[:, 1:-1] & notes.there[:, 2:],
        ),
    )
    somewhere = notes.count > 0
    end = notes.last(degree)
    for name, wanted in (("tonic", 0), ("fifth", 7), ("third", 4), ("minor_tonic", 9)):
        yield f"key.last_{name}", somewhere & (end == wanted)
    start = degree[:, 0]
    for name, wanted in (("tonic", 0), ("fifth", 7), ("third", 4), ("minor_tonic", 9)):
        yield f"key.first_{name}", somewhere & (start == wanted)
    strong = notes.there & (notes.start % 8 == 0)
    yield "key.strong_triad", _share(np.isin(degree, (0, 4, 7)), strong)
    weak = notes.there & (notes.start % 4 != 0)
    yield "key.weak_triad", _share(np.isin(degree, (0, 4, 7)), weak)
    triad = np.isin(degree, (0, 4, 7))
    yield "key.leap_to_triad", _share(triad[:, 1:], notes.pair & (np.abs(notes.interval) >= LEAP))


def _pitch(notes: NoteTables) -> Columns:
    there, pitch = notes.there, notes.pitch
    lowest = np.where(there, pitch, PITCHES).min(axis=1)
    highest = np.where(there, pitch, -1).max(axis=1)
    yield "pitch.range", np.maximum(highest - lowest, 0)
    used = np.zeros((len(pitch), PITCHES), np.bool_)
    used[notes.melody, pitch[notes.melody, notes.place]] = True
    yield "pitch.different", used.sum(axis=1)
    yield "pitch.deviation", _deviation(pitch, there)
    height = (pitch - lowest[:, None]) / np.maximum(highest - lowest, 1)[:, None]
    yield "pitch.height", _mean(height, there)
    yield (
        "pitch.last_height",
        np.where(notes.count > 0, height[np.arange(len(pitch)), np.maximum(notes.count - 1, 0)], 0),
    )
    yield "pitch.first_height", np.where(notes.count > 0, height[:, 0], 0)
    top = there & (pitch == highest[:, None])
    yield "pitch.top_share", _share(top, there)
    yield "pitch.bottom_share", _share(there & (pitch == lowest[:, None]), there)
    yield (
        "pitch.top_place",
        np.where(notes.count > 0, notes.start[np.arange(len(pitch)), top.argmax(axis=1)] / STEPS, 0),
    )
    middle = _mean(pitch, there)
    quarters = [there & (notes.start // 64 == part) for part in range(4)]
    levels = np.stack([np.where(part.any(axis=1), _mean(pitch, part) - middle, 0) for part in quarters], axis=1)
    for part in range(4):
        yield f"pitch.quarter_{part + 1}", levels[:, part]
    yield "pitch.drift", levels.max(axis=1) - levels.min(axis=1)
    bars = notes.start // STEPS_PER_BAR
    lows, highs = np.full((len(pitch), BARS), PITCHES), np.full((len(pitch), BARS), -1)
    np.minimum.at(lows, (notes.melody, bars[there]), pitch[there])
    np.maximum.at(highs, (notes.melody, bars[there]), pitch[there])
    sung = highs >= 0
    yield "pitch.bar_range", _mean(highs - lows, sung)
    both = sung[:, 1:] & sung[:, :-1]
    yield "pitch.bar_top_move", _mean(np.abs(np.diff(highs, axis=1)), both)
    yield (
        "pitch.strong_above",
        np.where(there.any(axis=1), _mean(pitch, there & (notes.start % 8 == 0)) - middle, 0)
        * (there & (notes.start % 8 == 0)).any(axis=1),
    )
    yield "pitch.again_soon", _share(_seen_within(notes, 4), there)


def _seen_within(notes: NoteTables, back: int) -> Mask:
    """Where a pitch stood among the `back` notes before, the last one but for repetition left out."""
    seen = np.zeros_like(notes.there)
    for ago in range(2, back + 1):
        seen[:, ago:] |= notes.pitch[:, ago:] == notes.pitch[:, :-ago]
    return np.asarray(seen & notes.there)


def _interval(notes: NoteTables) -> Columns:
    steps, pair = notes.interval, notes.pair
    shares = _histogram(np.clip(steps, -13, 13) + 13, pair, 27)
    for size in range(1, 13):
        yield f"interval.up_{size}", shares[:, 13 + size]
        yield f"interval.down_{size}", shares[:, 13 - size]
    yield "interval.wider", shares[:, 0] + shares[:, 26]
    yield "interval.mean_size", _mean(np.abs(steps), pair)
    yield "interval.deviation", _deviation(steps, pair)
    yield "interval.widest", np.abs(steps * pair).max(axis=1)
    yield "interval.up", _share(steps > 0, pair)
    yield "interval.steps", _share((np.abs(steps) <= 2) & (steps != 0), pair)
    yield "interval.thirds", _share((np.abs(steps) == 3) | (np.abs(steps) == 4), pair)
    yield "interval.leaps", _share(np.abs(steps) >= LEAP, pair)
    yield "interval.entropy", _entropy(shares)
    yield "interval.whole_of_steps", _share(np.abs(steps) == 2, pair & (np.abs(steps) <= 2) & (steps != 0))
    start = notes.start[:, 1:]
    onto = pair & (start % 8 == 0)
    yield "interval.leaps_onto_strong", _share(np.abs(steps) >= LEAP, onto)
    yield "interval.mean_onto_bar", _mean(np.abs(steps), pair & (start % 16 == 0))
    yield "interval.mean_short", _mean(np.abs(steps), pair & (notes.wait == 1))


def _motion(notes: NoteTables) -> Columns:
    steps, pair = notes.interval, notes.pair
    first, second, two = steps[:, :-1], steps[:, 1:], pair[:, :-1] & pair[:, 1:]
    step_first, step_second = (np.abs(first) <= 2) & (first != 0), (np.abs(second) <= 2) & (second != 0)
    same = np.sign(first) == np.sign(second)
    leap = np.abs(first) >= LEAP
    yield "motion.step_inertia", _share(step_second & same, two & step_first)
    yield "motion.inertia", _share(same, two & (first != 0))
    yield "motion.turns", _share((first == -second) & (first != 0), two)
    yield "motion.repeated", _share(steps == 0, pair)
    yield "motion.repeated_twice", _share((first == 0) & (second == 0), two)
    yield "motion.leap_recovered", _share(~same & (second != 0), two & leap)
    yield "motion.leap_then_step", _share(step_second & ~same, two & leap)
    yield "motion.leap_then_leap", _share(np.abs(second) >= LEAP, two & leap)
    yield "motion.leap_from_step", _share(step_first, two & (np.abs(second) >= LEAP))
    yield "motion.leap_from_other_side", _share(~same & (first != 0), two & (np.abs(second) >= LEAP))
    yield (
        "motion.third_then_third",
        _share(same & np.isin(np.abs(second), (3, 4)), two & np.isin(np.abs(first), (3, 4))),
    )
    yield "motion.third_back_by_step", _share(~same & step_second, two & np.isin(np.abs(first), (3, 4)))
    yield "motion.step_then_repeat", _share(second == 0, two & step_first)
    yield "motion.repeat_then_repeat", _share(second == 0, two & (first == 0))
    yield "motion.same_interval", _share(first == second, two & (first != 0))
    yield "motion.neighbour", _share((first == -second) & step_first, two)
    third, three = steps[:, 2:], two[:, :-1] & pair[:, 2:]
    one, other = first[:, :-1], second[:, :-1]
    yield "motion.trill", _share((one == -other) & (other == -third) & (one != 0), three)
    yield "motion.zigzag", _share((one * other < 0) & (other * third < 0), three)
    yield (
        "motion.scale_run",
        _share(
            step_first[:, :-1] & step_second[:, :-1] & (np.abs(third) <= 2) & (one * other > 0) & (other * third > 0),
            three,
        ),
    )
    yield "motion.alternating", _share(one == third, three & (one != other))
    # Runs in one direction: a new one begins where the direction changes.
    changes = two & (np.sign(first) != np.sign(second))
    yield "motion.direction_run", np.where(pair.any(axis=1), pair.sum(axis=1) / (changes.sum(axis=1) + 1), 0)
    yield "motion.longest_rise", _longest(pair & (steps > 0))
    yield "motion.longest_fall", _longest(pair & (steps < 0))
    yield "motion.longest_repeat", _longest(pair & (steps == 0))


def _longest(hits: Mask) -> _Integers:
    """The longest run of true values in each row of (n, m): (n,)."""
    places = np.arange(1, hits.shape[1] + 1)
    broken = np.maximum.accumulate(np.where(hits, 0, places), axis=1)
    return np.asarray((places - broken).max(axis=1), np.int64)


# -- time ----------------------------------------------------------------------------------------


def _length(notes: NoteTables) -> Columns:
    there, length = notes.there, notes.length
    kind = np.zeros(STEPS + 1, np.int64)
    for number, (low, high) in enumerate(_LENGTHS):
        kind[low : high + 1] = number
    shares = _histogram(kind[length], there, len(_LENGTHS))
    for number, (low, high) in enumerate(_LENGTHS):
        yield f"length.{low}" if low == high else f"length.{low}_{high}", shares[:, number]
    yield "length.mean", _mean(length, there)
    yield "length.deviation", _deviation(np.minimum(length, LONGEST_WAIT), there)
    yield "length.entropy", _entropy(shares)
    yield "length.last", np.where(notes.count > 0, np.minimum(notes.last(length), LONGEST_WAIT), 0)
    wait, pair = notes.wait, notes.pair
    one, other, two = wait[:, :-1], wait[:, 1:], pair[:, :-1] & pair[:, 1:]
    yield "length.same_again", _share(one == other, two)
    yield "length.longest_even", _longest(two & (one == other))
    yield "length.longer_by_half", _share(two & ((one == 2 * other) | (other == 2 * one)), two)
    for name, (a, b) in _CELLS.items():
        yield f"length.cell_{name}", _share((one == a) & (other == b), two)
    yield "length.single_short", _lone(notes, 1)
    yield "length.single_eighth", _lone(notes, 2)
    yield "length.detached", _share(wait > length[:, :-1], pair)
    strong = _STRENGTH[notes.start % STEPS_PER_BAR]
    centred = (strong - _mean(strong, there)[:, None]) * (
        np.log2(np.maximum(length, 1)) - _mean(np.log2(np.maximum(length, 1)), there)[:, None]
    )
    spread = _deviation(strong, there) * _deviation(np.log2(np.maximum(length, 1)), there)
    yield "length.with_strength", np.where(spread > 1e-9, _mean(centred, there) / np.maximum(spread, 1e-9), 0)


def _lone(notes: NoteTables, length: int) -> Values:
    """Share of the notes of a length whose neighbours on both sides have another."""
    same = notes.there & (notes.length == length)
    beside = np.zeros_like(same)
    beside[:, 1:] |= same[:, :-1]
    beside[:, :-1] |= same[:, 1:]
    return _share(~beside, same)


def _onset(notes: NoteTables) -> Columns:
    onsets, there = notes.onsets, notes.there
    places = _histogram(notes.start % STEPS_PER_BAR, there, STEPS_PER_BAR)
    for place in range(STEPS_PER_BAR):
        yield f"onset.place_{place}", places[:, place]
    yield "onset.notes", notes.count
    bars = onsets.reshape(-1, BARS, STEPS_PER_BAR)
    counts = bars.sum(axis=2)
    yield "onset.bar_deviation", counts.std(axis=1)
    yield "onset.bar_most", counts.max(axis=1)
    yield "onset.bar_least", counts.min(axis=1)
    yield "onset.bar_change", np.abs(np.diff(counts, axis=1)).mean(axis=1)
    yield "onset.bar_same", (np.diff(counts, axis=1) == 0).mean(axis=1)
    yield "onset.empty_bars", (counts == 0).mean(axis=1)
    yield "onset.downbeats", bars[:, :, 0].mean(axis=1)
    yield "onset.halves", bars[:, :, 8].mean(axis=1)
    yield "onset.beats", bars[:, :, ::4].mean(axis=(1, 2))
    # Syncopation: a note on a weaker place that is still sounding where a stronger one passes.
    sounding_next = notes.events == HOLD
    at_eighth = onsets[:, 2::4] & sounding_next[:, np.minimum(np.arange(2, STEPS, 4) + 2, STEPS - 1)]
    at_sixteenth = onsets[:, 1::2] & sounding_next[:, np.minimum(np.arange(1, STEPS, 2) + 1, STEPS - 1)]
    at_beat = onsets[:, 4::8] & sounding_next[:, np.minimum(np.arange(4, STEPS, 8) + 4, STEPS - 1)]
    notes_at_least = np.maximum(notes.count, 1)
    yield "onset.syncopated_eighths", at_eighth.sum(axis=1) / notes_at_least
    yield "onset.syncopated_sixteenths", at_sixteenth.sum(axis=1) / notes_at_least
    yield "onset.syncopated_beats", at_beat.sum(axis=1) / notes_at_least
    yield "onset.tied_over_bar", sounding_next[:, STEPS_PER_BAR::STEPS_PER_BAR].mean(axis=1)
    yield "onset.last_step", np.where(notes.count > 0, notes.last(notes.start) / STEPS, 0)
    yield "onset.first_step", np.where(notes.count > 0, notes.start[:, 0], 0)
    yield "onset.last_place", np.where(notes.count > 0, notes.last(notes.start) % STEPS_PER_BAR, 0)
    for ago in (1, 2, 4, 8):
        yield f"onset.counts_lag_{ago}", np.abs(counts[:, ago:] - counts[:, :-ago]).mean(axis=1)
    cells = (bars.reshape(len(bars), BARS, 4, 4) * np.array([8, 4, 2, 1])).sum(axis=3).reshape(len(bars), -1)
    shares = _histogram(cells, np.ones_like(cells, np.bool_), 16)
    yield "onset.beat_entropy", _entropy(shares)
    yield "onset.beat_different", (shares > 0).sum(axis=1)


def _rest(notes: NoteTables) -> Columns:
    silent = notes.events == REST
    begins = silent.copy()
    begins[:, 1:] &= ~silent[:, :-1]
    number = begins.sum(axis=1)
    yield "rest.share", silent.mean(axis=1)
    yield "rest.number", number
    yield "rest.longest", _longest(silent)
    yield "rest.mean", silent.sum(axis=1) / np.maximum(number, 1)
    ends = np.minimum.accumulate(np.where(~silent, np.arange(STEPS), STEPS)[:, ::-1], axis=1)[:, ::-1]
    size = np.where(begins, ends - np.arange(STEPS), 0)
    for low, high in ((1, 1), (2, 2), (3, 4), (5, 8), (9, STEPS)):
        yield f"rest.{low}_{high}", ((size >= low) & (size <= high)).sum(axis=1) / np.maximum(number, 1)
    yield "rest.on_beat", _share(np.broadcast_to(np.arange(STEPS) % 4 == 0, begins.shape), begins)
    yield "rest.on_bar", _share(np.broadcast_to(np.arange(STEPS) % 16 == 0, begins.shape), begins)
    yield "rest.at_end", np.where(notes.count > 0, silent[:, -STEPS_PER_BAR:].mean(axis=1), 0)
    yield (
        "rest.ends_on_beat",
        _share(
            np.broadcast_to(np.arange(STEPS) % 4 == 3, silent.shape),
            silent & np.append(~silent[:, 1:], np.ones((len(silent), 1), np.bool_), axis=1),
        ),
    )


# -- what comes again ----------------------------------------------------------------------------

_BASE = np.uint64(0x9E3779B97F4A7C15 | 1)
_MIX = np.uint64(0xBF58476D1CE4E5B9)


def _scramble(symbols: _Integers) -> Words:
    """Small whole numbers as 64-bit words that look random (splitmix64's last rounds)."""
    word = (symbols.astype(np.uint64) + np.uint64(1)) * _BASE
    word ^= word >> np.uint64(30)
    word *= _MIX
    word ^= word >> np.uint64(27)
    return word


class _Sequences:
    """Sequences of symbols, a row a melody, of which any n in a row can be compared."""

    def __init__(self, symbols: _Integers, count: _Integers) -> None:
        n, self.most = symbols.shape
        self.count = count  # (n,) symbols in each row
        self.powers = np.ones(self.most + 1, np.uint64)
        np.multiply.accumulate(np.full(self.most, _BASE), out=self.powers[1:])
        words = _scramble(symbols)
        # sum over i < k of word_i * B^-i would do as well; with B^(most - i) all stays in whole numbers
        self.sums = np.zeros((n, self.most + 1), np.uint64)
        np.cumsum(words * self.powers[self.most - 1 :: -1][: self.most], axis=1, out=self.sums[:, 1:])

    def grams(self, length: int) -> tuple[Words, Mask]:
        """Hashes (n, most - length + 1) of `length` symbols in a row, and where there are so many."""
        places = self.most - length + 1
        if places <= 0:
            return np.zeros((len(self.count), 1), np.uint64), np.zeros((len(self.count), 1), np.bool_)
        hashes = (self.sums[:, length:] - self.sums[:, :places]) * self.powers[:places]
        return hashes, np.arange(places) < (self.count - length + 1)[:, None]

    def recurring(self, length: int) -> Values:
        """Share of the n-grams that occur at least twice, (n,)."""
        hashes, there = self.grams(length)
        hashes = np.sort(_apart(hashes, there), axis=1)
        same = hashes[:, 1:] == hashes[:, :-1]
        twice = np.zeros(hashes.shape, np.bool_)
        twice[:, 1:] |= same
        twice[:, :-1] |= same
        return np.asarray(twice.sum(axis=1) / np.maximum(there.sum(axis=1), 1), np.float64)

    def longest_repeat(self, overlapping: bool = True) -> _Integers:
        """Symbols of the longest run that occurs twice, (n,): by bisection, over all rows at once."""
        low, high = np.zeros(len(self.count), np.int64), np.maximum(self.count - 1, 0)
        while (open_ := low < high).any():
            middle = (low + high + 1) // 2
            found = self._repeats(middle, overlapping)
            low, high = np.where(open_ & found, middle, low), np.where(open_ & ~found, middle - 1, high)
        return low

    def _repeats(self, length: _Integers, overlapping: bool) -> Mask:
        """Whether so many symbols (n,), each at least 0, occur twice in each row."""
        places = np.arange(self.most)
        ends = np.minimum(places + length[:, None], self.most)
        there = places < (self.count - length + 1)[:, None]
        hashes = (np.take_along_axis(self.sums, ends, 1) - self.sums[:, :-1]) * self.powers[: self.most]
        hashes = _apart(hashes, there)
        if overlapping:
            hashes = np.sort(hashes, axis=1)
            return np.asarray((hashes[:, 1:] == hashes[:, :-1]).any(axis=1))
        order = np.argsort(hashes, axis=1, kind="stable")
        hashes = np.take_along_axis(hashes, order, 1)
        new = np.ones(hashes.shape, np.bool_)
        new[:, 1:] = hashes[:, 1:] != hashes[:, :-1]
        first = np.take_along_axis(order, np.maximum.accumulate(np.where(new, places, 0), axis=1), 1)
        return np.asarray((order - first >= np.maximum(length, 1)[:, None]).any(axis=1))


def _apart(hashes: Words, there: Mask) -> Words:
    """Hashes with every place that isn't there made unlike all others (by its number, up to chance)."""
    return np.where(there, hashes, np.arange(hashes.shape[1], dtype=np.uint64) * np.uint64(3) + np.uint64(1))


def _recurrence(notes: NoteTables) -> Columns:
    pairs, interval, wait = np.maximum(notes.count - 1, 0), notes.interval, notes.wait
    intervals = _Sequences(interval + PITCHES, pairs)
    rhythms = _Sequences(wait, pairs)
    both = _Sequences((interval + PITCHES) * 64 + wait, pairs)
    for length in (3, 4, 5, 8):
        yield f"recur.intervals_{length}", intervals.recurring(length)
    for length in (3, 4, 6, 8, 12):
        yield f"recur.rhythm_{length}", rhythms.recurring(length)
    for length in (2, 3, 4, 6, 8):
        yield f"recur.both_{length}", both.recurring(length)
    for name, one in (("intervals", intervals), ("rhythm", rhythms), ("both", both)):
        longest = one.longest_repeat()
        yield f"recur.longest_{name}", longest
        yield f"recur.longest_{name}_share", longest / np.maximum(pairs, 1)
    yield "recur.longest_intervals_apart", intervals.longest_repeat(overlapping=False)
    yield "recur.longest_both_apart", both.longest_repeat(overlapping=False)


_RANDOM = np.random.default_rng(20180601)
_PLACES: Words = _RANDOM.integers(0, 2**63, (4 * STEPS_PER_BAR,), np.uint64) * np.uint64(2) + np.uint64(1)
_CODES: Words = _RANDOM.integers(0, 2**63, (512,), np.uint64) * np.uint64(2) + np.uint64(1)
_FIRST, _HOLD_CODE, _REST_CODE, _ONSET_CODE = 300, 301, 302, 303


def _blocks_and_lags(notes: NoteTables) -> Columns:
    events, onsets = notes.events, notes.onsets
    n = len(events)
    exact = _CODES[events]
    rhythm = np.where(onsets, _CODES[_ONSET_CODE], _CODES[events])
    steps = np.zeros((n, STEPS), np.int64)  # at each onset its interval from the note before
    before = np.concatenate((np.zeros((n, 1), np.int64), notes.interval), axis=1)
    steps[notes.melody, notes.start[notes.melody, notes.place]] = before[notes.melody, notes.place] + PITCHES
    relative = np.where(onsets, _CODES[steps], _CODES[events])
    counts = onsets.reshape(n, BARS, STEPS_PER_BAR).sum(axis=2)
    bar_matches = {}
    for length in (1, 2, 4):
        places = BARS - length + 1
        starts = np.arange(places)[:, None] * STEPS_PER_BAR + np.arange(length * STEPS_PER_BAR)
        window = onsets[:, starts]  # (n, places, steps)
        weights = _PLACES[: length * STEPS_PER_BAR]
        first = window.argmax(axis=2)
        at = np.arange(places) * STEPS_PER_BAR + first
        first_code = np.take_along_axis(relative, at, 1)
        sums = {
            "exact": (exact[:, starts] * weights).sum(axis=2),
            "transposed": (relative[:, starts] * weights).sum(axis=2) + (_CODES[_FIRST] - first_code) * weights[first],
            "rhythm": (rhythm[:, starts] * weights).sum(axis=2),
        }
        number = window.sum(axis=2)
        meant = number >= 2 * length
        apart = np.arange(places)[:, None] - np.arange(places) >= length  # row after column, without overlap
        for name, words in sums.items():
            same = (words[:, :, None] == words[:, None]) & meant[:, :, None] & meant[:, None]
            again = (same & apart).any(axis=2)
            yield f"block.{name}_{length}", again.mean(axis=1)
            if length > 1:
                yield f"block.{name}_{length}_any", again.any(axis=1)
            else:
                bar_matches[name] = same
                yield (
                    f"block.{name}_different",
                    np.where(meant.any(axis=1), (meant & ~again).sum(axis=1) / np.maximum(meant.sum(axis=1), 1), 0),
                )
    sung = counts >= 2
    for ago in LAGS:
        both = sung[:, ago:] & sung[:, :-ago]
        for name, same in bar_matches.items():
            yield f"lag.{name}_{ago}", _share(np.diagonal(same, -ago, 1, 2), both)
    yield from _likeness(notes, counts)


def _likeness(notes: NoteTables, counts: _Integers) -> Columns:
    """How far bars and phrases are alike, without being equal."""
    n = len(notes.events)
    sung = counts >= 1
    onsets = notes.onsets.reshape(n, BARS, STEPS_PER_BAR).astype(np.float32)
    common = onsets @ onsets.transpose(0, 2, 1)
    either = counts[:, :, None] + counts[:, None] - common
    alike = np.where(either > 0, common / np.maximum(either, 1), 0)  # (n, 16, 16) of onsets, Jaccard
    # What sounds: heights of every step, rests as the last note; each bar against its own mean
    origin = np.maximum.accumulate(np.where(notes.onsets, np.arange(STEPS), 0), axis=1)
    sounding = np.take_along_axis(np.where(notes.onsets, notes.events, 0), origin, 1).astype(np.float32)
    begun = np.maximum.accumulate(notes.onsets, axis=1)
    first = notes.pitch[:, :1].astype(np.float32)
    line = np.where(begun, sounding, first).reshape(n, BARS, STEPS_PER_BAR)
    shape = line - line.mean(axis=2, keepdims=True)
    norm = np.sqrt((shape**2).sum(axis=2))
    contour = (shape @ shape.transpose(0, 2, 1)) / np.maximum(norm[:, :, None] * norm[:, None], 1e-6)
    flat = norm < 1e-3
    contour = np.where(flat[:, :, None] | flat[:, None], 0, contour)
    equal = np.stack([(line[:, ago:] == line[:, :-ago]).mean(axis=2).mean(axis=1) for ago in LAGS], axis=1)
    for index, ago in enumerate(LAGS):
        both = sung[:, ago:] & sung[:, :-ago]
        yield f"lag.onsets_{ago}", _mean(np.diagonal(alike, -ago, 1, 2), both)
        yield f"lag.contour_{ago}", _mean(np.diagonal(contour, -ago, 1, 2), both)
        yield f"lag.pitch_{ago}", np.where(notes.count > 0, equal[:, index], 0)
    lower = np.tril(np.ones((BARS, BARS), np.bool_), -1)
    pairs = lower & sung[:, :, None] & sung[:, None]
    yield "lag.onsets_any", _mean(np.where(pairs, alike, 0).reshape(n, -1), pairs.reshape(n, -1))
    best = np.where(pairs, contour + alike, 0).max(axis=2)[:, 1:]
    yield "lag.best_earlier", best.mean(axis=1)
    for length in (4, 8):
        parts = BARS // length
        rows = np.arange(BARS).reshape(parts, length)
        likes, lines = [], []
        for one in range(parts):
            for other in range(one):
                likes.append(alike[:, rows[one], rows[other]].mean(axis=1))
                lines.append(contour[:, rows[one], rows[other]].mean(axis=1))
        yield f"phrase.onsets_{length}", np.mean(likes, axis=0)
        yield f"phrase.contour_{length}", np.mean(lines, axis=0)
        if parts > 2:
            yield f"phrase.onsets_{length}_most", np.max(likes, axis=0)
            yield f"phrase.contour_{length}_most", np.max(lines, axis=0)
            yield f"phrase.onsets_{length}_spread", np.max(likes, axis=0) - np.min(likes, axis=0)
    # Where four bars end: the mean of the last onset's length in bars 4k + offset, the best offset against the others.
    last = np.where(sung, (STEPS_PER_BAR - notes.onsets.reshape(n, BARS, STEPS_PER_BAR)[:, :, ::-1].argmax(axis=2)), 0)
    wait = np.where(sung, STEPS_PER_BAR - last + 1, STEPS_PER_BAR)
    by_offset = wait.reshape(n, 4, 4).mean(axis=1)
    yield "phrase.end_wait", np.where(notes.count > 0, by_offset.max(axis=1) - by_offset.mean(axis=1), 0)
    by_two = wait.reshape(n, 8, 2).mean(axis=1)
    yield "phrase.end_wait_2", np.where(notes.count > 0, np.abs(by_two[:, 0] - by_two[:, 1]), 0)
    thin = counts.reshape(n, 4, 4).mean(axis=1)
    yield "phrase.thin_bar", thin.mean(axis=1) - thin.min(axis=1)
