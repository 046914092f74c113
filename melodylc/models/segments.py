"""A melody as segments, and what each may know of those before it: what the language model's network is given.

A segment is a note with what holds it, a rest, or what goes on over a bar line; none crosses a bar line. It has a kind
and a length in sixteenths. A note's kind is its distance in semitones from the note before.

All that a segment may know is counted here in numpy, by the same functions whether whole melodies are read (`segments`)
or one is written segment by segment (`melodylc.models.recall`): what stood at the same place some bars ago
(`CopySources`), for how many steps every lag has agreed, and which pitches and lengths were used (`SegmentMemory`).
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from melodylc.data.alphabet import BARS, HOLD, PITCHES, REST, STEPS, STEPS_PER_BAR
from melodylc.data.roles import ROLES

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LAGS = (1, 2, 4, 8, 12)  #: bars ago; one more source is the lag that has agreed for longest
SOURCES = len(LAGS) + 1
ALL_LAGS = BARS - 1
BASE = 60  #: the pitch that the first note is counted from
KINDS = 2 * PITCHES + 1  #: a note's distance from the one before, -127..127; a rest; what goes on over a bar line
SILENCE, TIE = KINDS - 2, KINDS - 1
NOWHERE = KINDS  #: the kind before the first, and where the vote of a source goes that has none
UNKNOWN = len(ROLES)  #: the role of a melody of which none is said

_ONSET, _GOING, _SILENT, _NOTHING = range(4)  # what stands at a place: a note's start, more of it, a rest, no bar yet
NEAR = 24  # intervals beyond two octaves sound alike to the network
INTERVALS = 2 * NEAR + 1 + 3
_RUNS = (0, 1, 2, 4, 8, 16, 32, 64)  # least steps of each class of agreement
_CLASS_OF_RUN = np.searchsorted(_RUNS, np.arange(STEPS + 1), "right") - 1
_OF_SOURCE = (INTERVALS, INTERVALS, STEPS_PER_BAR + 1, len(_RUNS), len(_RUNS), len(_RUNS))
_OWN = (INTERVALS, STEPS_PER_BAR + 1, STEPS_PER_BAR, BARS, NEAR + 1, NEAR + 1, PITCHES // 4, 12, UNKNOWN + 1, BARS)
FEATURE_SIZES = (*_OF_SOURCE * SOURCES, *_OWN)  # of the tables of embeddings, which are one
_OFFSETS = np.cumsum((0, *FEATURE_SIZES[:-1]))
_LAGS = np.array([*LAGS, 0])
EVERY_LAG = STEPS_PER_BAR * np.arange(1, BARS)
_TURN = np.arange(12)
_STEPS_PER_BEAT = 4
OF_PITCHES, OF_LENGTHS = 4, 2  # the votes that what was used has
_LITTLE = 0.2  # how often everything was used before the first note


class Inputs(NamedTuple):
    """What the network is given of m segments."""

    rows: Tensor  #: (m, features) of the table of embeddings
    key: Tensor  #: (m, 24) the shares of pitch classes so far, and lately, the latest note's first
    classes: Tensor  #: (m, 3, 12) log-shares so far, those lately, and 1 for a class that was heard
    pitches: Tensor  #: (m, kinds) log(1 + how often the pitch was heard that a kind leads to)
    shares: Tensor  #: (m, 2, 16) log-shares of lengths so far, and of those from the same place of a beat
    votes: Tensor  #: (m, 2 * sources) the kinds that sources stand for: by their pitches, by their intervals
    lengths: Tensor  #: (m, sources) the lengths that they stand for, 0 for none
    possible: Tensor  #: (m, kinds) bool, what can stand here
    room: Tensor  #: (m,) steps to the bar's end


class CopySources(NamedTuple):
    """What stood at the same place some bars ago, each (m, sources) unless said."""

    content: Ints  #: onset, hold, rest or nothing
    pitch: Ints  #: of the note that begins there
    interval: Ints  #: from the note before that one
    length: Ints  #: steps from there to the next segment
    runs: Ints  #: (m, 3, sources) for how many steps it has agreed: note for note, in rhythm, in rhythm and intervals
    best: Ints  #: (m,) the lag that has agreed for longest, 0 for none


class SegmentMemory(NamedTuple):
    """What else a segment depends on, each (m,) unless said."""

    pitch: Ints  #: of the latest note, `BASE` before the first
    kind: Ints  #: of the segment before, `NOWHERE` at the start
    length: Ints  #: of it, 0 at the start
    step: Ints  #: 0..255
    low: Ints  #: lowest pitch so far
    high: Ints  #: highest
    first: Ints  #: the first note's pitch
    role: Ints
    pitches: Ints  #: (m, 128) how many notes of each pitch there were
    lately: Ints  #: (m, 12) how many of each pitch class, since the bar before began
    lengths: Ints  #: (m, 4, 16) how many segments of each length there were, by the place of the beat where they began


def inputs(sources: CopySources, past: SegmentMemory) -> Inputs:
    """What the network is given of segments."""
    onset = sources.content == _ONSET
    exact = sources.pitch - past.pitch[:, None]
    other = 2 * NEAR + sources.content
    runs = _CLASS_OF_RUN[sources.runs]
    of_sources = (
        np.where(onset, _near(exact) + NEAR, other),
        np.where(onset, _near(sources.interval) + NEAR, other),
        sources.length,
        runs[:, 0],
        runs[:, 1],
        runs[:, 2],
    )
    before = _near(past.kind - PITCHES + 1) + NEAR
    place = past.step % STEPS_PER_BAR
    own = (
        np.where(past.kind < SILENCE, before, past.kind - SILENCE + 2 * NEAR + 1),
        past.length,
        place,
        past.step // STEPS_PER_BAR,
        np.minimum(past.pitch - past.low, NEAR),
        np.minimum(past.high - past.pitch, NEAR),
        past.pitch // 4,
        (past.pitch - past.first) % 12,
        past.role,
        sources.best,
    )
    rows = np.concatenate((np.stack(of_sources, 2).reshape(len(place), -1), np.stack(own, 1)), 1) + _OFFSETS
    turned = (past.pitch[:, None] + _TURN) % 12
    so_far, lately = (
        np.take_along_axis(part, turned, 1).astype(np.float32) for part in (classes_of(past.pitches), past.lately)
    )
    lengths = past.lengths.sum(1), past.lengths[np.arange(len(place)), place % _STEPS_PER_BEAT]
    silent = np.where(sources.content == _SILENT, SILENCE, NOWHERE)
    votes = np.concatenate(
        (np.where(onset, exact + PITCHES - 1, silent), np.where(onset, sources.interval + PITCHES - 1, NOWHERE)), 1
    )
    pitches = past.pitch[:, None] + np.arange(1 - PITCHES, PITCHES)
    segment_starts = place == 0
    sounds = (past.kind != SILENCE) & (past.kind != NOWHERE)
    more = np.stack((segment_starts | (past.kind != SILENCE), segment_starts & sounds), 1)
    parts = (
        rows,
        np.concatenate([count / (1 + count.sum(1, keepdims=True)) for count in (so_far, lately)], 1),
        np.stack((_log_shares(so_far), _log_shares(lately), so_far > 0), 1).astype(np.float32),
        np.log1p(
            np.take_along_axis(past.pitches, np.minimum(np.maximum(pitches, 0), PITCHES - 1), 1).astype(np.float32)
        ),
        np.stack([_log_shares(count) for count in lengths], 1).astype(np.float32),
        votes,
        sources.length,
        np.concatenate(((pitches >= 0) & (pitches < PITCHES), more), 1),
        STEPS_PER_BAR - place,
    )
    return Inputs(*(torch.from_numpy(part) for part in parts))


def _near(interval: Ints) -> Ints:
    """Intervals with those beyond two octaves taken for two octaves; minimum and maximum are much quicker than clip."""
    near: Ints = np.minimum(np.maximum(interval, -NEAR), NEAR)
    return near


def classes_of(pitches: Ints) -> Ints:
    """How many notes of each pitch class (m, 12) there are, given how many of each pitch (m, 128)."""
    classes: Ints = np.pad(pitches, ((0, 0), (0, -PITCHES % 12))).reshape(len(pitches), -1, 12).sum(1)
    return classes


def _log_shares(counts: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Logarithms of shares (m, k) over what they would be if all were alike."""
    shares: npt.NDArray[np.float64] = np.log((counts + _LITTLE) / (counts.mean(1, keepdims=True) + _LITTLE))
    return shares


def segment_kind(event: Ints, pitch: Ints) -> Ints:
    """The kind of the segment that begins with an event, given the latest pitch."""
    return np.where(event < PITCHES, event - pitch + PITCHES - 1, np.where(event == HOLD, TIE, SILENCE))


def event_of(kind: Ints, pitch: Ints) -> Ints:
    """The event that a segment of a kind begins with, given the latest pitch."""
    return np.where(kind < SILENCE, kind + pitch - PITCHES + 1, np.where(kind == TIE, HOLD, REST))


def codes(events: Ints, pitch: Ints) -> Ints:
    """What is equal where events (...) agree, given the latest pitch before each: (3, ...).

    Note for note, in rhythm, in rhythm and intervals.
    """
    onset = events < PITCHES
    return np.stack((events, np.where(onset, 0, events), np.where(onset, events - pitch - 2 * PITCHES, events)))


def entries(events: Ints, pitch: Ints, gap: Ints) -> Ints:
    """What stands at places (...), for `sources_of`: (..., 4)."""
    content = np.where(events < PITCHES, _ONSET, np.where(events == HOLD, _GOING, _SILENT))
    return np.stack((content, events, events - pitch, gap), -1)


def segment_starts(bars: npt.NDArray[np.integer[Any]]) -> Bools:
    """Where segments of bars (..., 16) begin."""
    there: Bools = bars != HOLD
    there[..., 1:] &= (bars[..., 1:] != REST) | (bars[..., :-1] != REST)
    there[..., 0] = True
    return there


def gaps(bars: Ints) -> Ints:
    """Steps (..., 16) from every place of bars to the next segment or the bar's end."""
    places = np.arange(STEPS_PER_BAR)
    following = np.where(segment_starts(bars), places, STEPS_PER_BAR)[..., :0:-1]
    following = np.minimum.accumulate(following, -1)[..., ::-1]
    end = np.full_like(following[..., :1], STEPS_PER_BAR)
    return np.concatenate((following, end), -1) - places


def without_stray_holds(events: Ints, before: Ints) -> Ints:
    """Events (n, k) with holds that hold nothing made rests, given the events before them (n,)."""
    holder = np.maximum.accumulate(np.where(events != HOLD, np.arange(events.shape[1]), -1), 1)
    held = np.where(holder < 0, before[:, None], np.take_along_axis(events, holder.clip(0), 1))
    return np.where((events == HOLD) & (held == REST), REST, events)


def best_lag(runs: Ints) -> Ints:
    """The lag (m,) with the longest of the runs (m, lags), the shortest such; 0 where none agrees."""
    longest = runs.argmax(1)
    return np.where(runs.max(1) > 0, longest + 1, 0)


def sources_of(table: Ints, melody: Ints, step: Ints, runs: Ints) -> CopySources:
    """What is there some bars before steps (m,) of melodies (m,).

    `table` (n, 256, 4) holds `entries`; `runs` (m, 3, 15): for how many steps every lag has agreed.
    """
    best = best_lag(runs[:, 2])
    lags = np.repeat(_LAGS[None], len(step), 0)
    lags[:, -1] = best
    place = step[:, None] - STEPS_PER_BAR * lags
    there = (lags > 0) & (place >= 0)
    found = np.where(there[..., None], table[melody[:, None], np.maximum(place, 0)], (_NOTHING, 0, 0, 0))
    agreed = np.take_along_axis(runs, np.maximum(lags - 1, 0)[:, None], 2) * there[:, None]
    return CopySources(found[..., 0], found[..., 1], found[..., 2], found[..., 3], agreed, best)


class Segments(NamedTuple):
    """All segments of some melodies, in order, each (m,) unless said."""

    melody: Ints  #: which melody
    number: Ints  #: which segment of it
    sources: CopySources
    past: SegmentMemory
    kind: Ints
    length: Ints


def segments(events: Ints, role: Ints) -> Segments:
    """What melodies (n, 256) of roles (n,) consist of, canonical or not, and what each segment may know."""
    steps = np.arange(STEPS)
    events = without_stray_holds(events, np.full(len(events), REST))
    onset = events < PITCHES
    latest = _before(np.maximum.accumulate(np.where(onset, steps, -1), 1), -1)
    pitch = np.where(latest < 0, BASE, np.take_along_axis(events, latest.clip(0), 1))
    bars = events.reshape(-1, BARS, STEPS_PER_BAR)
    gap = gaps(bars).reshape(-1, STEPS)
    melody, step = at = np.nonzero(segment_starts(bars).reshape(-1, STEPS))
    at_start = np.searchsorted(melody, np.arange(len(events)))
    number = np.arange(len(step)) - at_start[melody]
    event, length, earlier = events[at], gap[at], number > 0
    kind = segment_kind(event, pitch[at])
    heard = latest[at] >= 0
    low = _before(np.minimum.accumulate(np.where(onset, events, PITCHES), 1), BASE)[at]
    high = _before(np.maximum.accumulate(np.where(onset, events, -1), 1), BASE)[at]
    first = events[melody, onset.argmax(1)[melody]]
    pitches = _so_far(np.where(event < PITCHES, event, -1), PITCHES, melody, at_start)
    lengths = _so_far(
        step % _STEPS_PER_BEAT * STEPS_PER_BAR + length - 1, _STEPS_PER_BEAT * STEPS_PER_BAR, melody, at_start
    )
    classes, number_at = classes_of(pitches), np.zeros(events.shape, np.int64)
    number_at[at] = np.arange(len(step))
    past = SegmentMemory(
        pitch[at],
        np.where(earlier, np.roll(kind, 1), NOWHERE),
        np.where(earlier, np.roll(length, 1), 0),
        step,
        np.where(heard, low, BASE),
        np.where(heard, high, BASE),
        np.where(heard, first, BASE),
        role[melody],
        pitches,
        classes - classes[number_at[melody, _bar_before(step)]],
        lengths.reshape(-1, _STEPS_PER_BEAT, STEPS_PER_BAR),
    )
    runs = _agreement(events, pitch)[:, :, melody, step].transpose(2, 0, 1).astype(np.int64)
    return Segments(melody, number, sources_of(entries(events, pitch, gap), melody, step, runs), past, kind, length)


def _so_far(values: Ints, kinds: int, melody: Ints, at_start: Ints) -> Ints:
    """How often each of some kinds of values (m,) came before in its melody (m,), (m, kinds); -1 is none of them.

    `at_start` (n,) is where each melody begins.
    """
    hits = np.zeros((len(values), kinds + 1), np.int64)
    hits[np.arange(len(values)), values] = 1
    before = hits.cumsum(0) - hits
    return (before - before[at_start[melody]])[:, :kinds]


def _bar_before(step: Ints) -> Ints:
    """The first step of the bar before each step's."""
    return (step // STEPS_PER_BAR - 1).clip(0) * STEPS_PER_BAR


def _before(values: Ints, at_start: int) -> Ints:
    """Values (n, 256) one step later."""
    return np.concatenate((np.full_like(values[:, :1], at_start), values[:, :-1]), 1)


def _agreement(events: Ints, pitch: Ints) -> npt.NDArray[np.int16]:
    """For how many steps before each the lags 1..15 have agreed: (3, lags, n, 256)."""
    compared = codes(events, pitch).astype(np.int16)
    runs = np.zeros((3, ALL_LAGS, *events.shape), np.int16)
    steps = np.arange(STEPS, dtype=np.int16)
    for lag in range(1, BARS):
        ago = STEPS_PER_BAR * lag
        differs = np.where(compared[..., ago:] == compared[..., :-ago], -1, steps[: STEPS - ago])
        runs[:, lag - 1, :, ago + 1 :] = (steps[: STEPS - ago] - np.maximum.accumulate(differs, -1))[..., :-1]
    return runs


def start_of(role: Ints) -> SegmentMemory:
    """What there is to know before the first segments of melodies of these roles (n,)."""
    zeros, base = np.zeros(len(role), np.int64), np.full(len(role), BASE)
    pitches, lately = np.zeros((len(role), PITCHES), np.int64), np.zeros((len(role), 12), np.int64)
    lengths = np.zeros((len(role), _STEPS_PER_BEAT, STEPS_PER_BAR), np.int64)
    nowhere = np.full(len(role), NOWHERE)
    return SegmentMemory(base, nowhere, zeros, zeros, base, base, base, role, pitches, lately, lengths)


def remember(past: SegmentMemory, in_bar: Ints, rows: Ints, kind: Ints, length: Ints) -> None:
    """Take in a segment of some melodies, in place; `in_bar` (n, 12): pitch classes of their bars' notes so far."""
    past.kind[rows], past.length[rows] = kind, length
    past.lengths[rows, past.step[rows] % _STEPS_PER_BEAT, length - 1] += 1
    past.step[rows] += length
    note = kind < SILENCE
    notes, pitch = rows[note], event_of(kind, past.pitch[rows])[note]
    heard = past.pitches[notes].any(1)
    past.low[notes] = np.where(heard, np.minimum(past.low[notes], pitch), pitch)
    past.high[notes] = np.where(heard, np.maximum(past.high[notes], pitch), pitch)
    past.first[notes] = np.where(heard, past.first[notes], pitch)
    past.pitches[notes, pitch] += 1
    past.pitch[notes] = pitch
    for counts in (past.lately, in_bar):
        counts[notes, pitch % 12] += 1
    over = rows[past.step[rows] % STEPS_PER_BAR == 0]  # their next segment is in another bar
    past.lately[over] = in_bar[over]
    in_bar[over] = 0
