"""Features of melodies by random convolutions: what the judge of events learns from.

A convolutional net whose kernels are drawn at random and never trained, with a linear classifier on top, tells time
series apart as well as trained ones do where examples are few (Dempster, Petitjean and Webb 2020, "ROCKET:
Exceptionally fast and accurate time series classification using random convolutional kernels"). A melody is two series
of channels, which know no absolute pitch:

    notes   (n, channels, notes): interval from the note before, steps between the onsets, place in the bar, height
            above the melody's mean; whether interval, rhythm or pitch stand one to four notes earlier, too; how many
            notes up to this one have been heard in this order before, in intervals, in rhythm, in both
    steps   (n, channels, 256): onset, hold, rest, interval, height; whether the same stands 1, 2, 3, 4 and 8 bars
            earlier, in rhythm, in interval, exactly (Waite's Lookback RNN, 2016); the same three counts

Channels are standardised over all the melodies together. A kernel sees one to eight channels at seven places, near
together or far apart. Its outputs are pooled in three ways: how often they are positive, their maximum, and the mean of
their positive part. On top, ridge regression of +1 and -1, its strength chosen by leave-one-out within what is learnt
from (in closed form).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import conv1d

from melodylc.data.alphabet import HOLD, PITCHES, REST, STEPS, STEPS_PER_BAR
from melodylc.data.arrays import Events, Mask, Values
from melodylc.data.musical_features import NoteTables

_Floats = npt.NDArray[np.float32]
_Integers = npt.NDArray[np.int64]

KERNELS = 1500  #: of each series
PLACES = 7  #: of a kernel
NEAR, FAR = (1, 2, 4), (1, 4, 16)  #: places between a kernel's, in notes and in steps
WIDEST = 12  #: semitones, beyond which intervals are the same
LOOKBACK = (1, 2, 3, 4, 8)  #: bars
STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)  #: of the ridge, times the number of features
_TOGETHER = 128


def random_convolutions(events: Events, seed: int = 0) -> Values:
    """Pooled outputs (n, k) of canonical melodies (n, 256), the same in any transposition; see the module."""
    notes = NoteTables(np.ascontiguousarray(events, np.uint8))
    heard = [heard_before(symbols, notes.there[:, 1:]) for symbols in _symbols(notes)]
    draw = torch.Generator().manual_seed(seed)
    everywhere = np.ones((len(events), STEPS), np.bool_)
    pooled = [
        _pool_all(_note_channels(notes, heard), notes.there, NEAR, draw),
        _pool_all(_step_channels(notes, heard), everywhere, FAR, draw),
    ]
    return np.concatenate(pooled, axis=1).astype(np.float64)


def ridge_scores(known: Values, labels: Mask, unknown: Values, seed: int = 0) -> Values:
    """How far features (m, k) lie on the side of `labels`, learnt from (n, k): (m,). Nothing is random.

    >>> points = np.arange(8.0)[:, None]
    >>> ridge_scores(points, points[:, 0] > 3, np.array([[1.0], [6.0]])).round().tolist()
    [-1.0, 1.0]
    """
    mean, deviation = known.mean(axis=0), known.std(axis=0)
    used = deviation > 1e-6
    known, unknown = ((table[:, used] - mean[used]) / deviation[used] for table in (known, unknown))
    unknown = np.clip(unknown, -5, 5)
    target = np.where(labels, 1.0, -1.0)
    values, vectors = np.linalg.eigh(known @ known.T)
    best, least = np.zeros(len(known)), np.inf
    for strength in STRENGTHS:
        inverse = (vectors / (values + strength * used.sum())) @ vectors.T
        weights = inverse @ (target - target.mean())
        error = float(np.square(weights / np.diag(inverse)).mean())  # leave-one-out, in closed form
        if error < least:
            best, least = weights, error
    return np.asarray(unknown @ (known.T @ best) + target.mean(), np.float64)


def heard_before(symbols: _Integers, there: Mask) -> _Integers:
    """At each of some symbols (n, m) how many up to it stand in the same order earlier, too, perhaps overlapping.

    >>> heard_before(np.array([[1, 2, 3, 1, 2, 9]]), np.ones((1, 6), bool)).tolist()
    [[0, 0, 0, 1, 2, 0]]
    """
    table = np.where(there, symbols, -1 - np.arange(symbols.shape[1])).astype(np.int32)
    run = np.zeros((len(table), table.shape[1] + 1), np.int16)  # by the earlier place, how many up to both agree
    longest = np.zeros(table.shape, np.int64)
    for at in range(1, table.shape[1]):
        run[:, 1:] = np.where(table[:, at : at + 1] == table, run[:, :-1] + 1, 0)
        longest[:, at] = run[:, 1 : at + 1].max(axis=1)
    return longest


def _symbols(notes: NoteTables) -> tuple[_Integers, _Integers, _Integers]:
    return notes.interval + PITCHES, notes.wait, (notes.interval + PITCHES) * 64 + notes.wait


def _later(table: npt.NDArray[Any], by: int = 1) -> npt.NDArray[Any]:
    """Columns moved to the right, with zeros before them."""
    return np.concatenate((np.zeros_like(table[:, :1]).repeat(by, axis=1), table), axis=1)


def _height(notes: NoteTables) -> Values:
    count = np.maximum(notes.count, 1)[:, None]
    return np.asarray(
        np.where(notes.there, notes.pitch - notes.pitch.sum(axis=1, keepdims=True) / count, 0), np.float64
    )


def _note_channels(notes: NoteTables, heard: list[_Integers]) -> _Floats:
    there, second = notes.there, _later(notes.pair)
    interval: _Integers = np.asarray(_later(notes.interval))
    wait: _Integers = np.asarray(_later(notes.wait))
    place = notes.start % STEPS_PER_BAR
    found = [second & (np.clip(interval, -WIDEST, WIDEST) == size) for size in range(-WIDEST, WIDEST + 1)]
    found += [second & (interval > 0), second & (interval < 0)]
    found += [second & (wait == steps) for steps in (1, 2, 3, 4, 6, 8, 12, 16)]
    found += [there & (place == beat) for beat in (0, 4, 8, 12)]
    found += [there & (place % 4 == 2), there & (place % 2 == 1)]
    found += [_height(notes), np.clip(interval, -WIDEST, WIDEST), np.log2(np.maximum(wait, 1))]
    for runs in map(_later, heard):
        found += [np.log1p(runs), runs >= 3, runs >= 6]
    for ago in (1, 2, 3, 4):
        both = there[:, ago:]
        for table in (notes.pitch, interval, wait):
            found.append(_later((table[:, ago:] == table[:, :-ago]) & both, ago))
    return np.stack([np.asarray(channel, np.float32) for channel in found], axis=1)


def _step_channels(notes: NoteTables, heard: list[_Integers]) -> _Floats:
    events, onsets = notes.events, notes.onsets
    row, place = notes.melody, notes.place
    step = notes.start[row, place]

    def spread(table: npt.NDArray[np.generic]) -> _Floats:
        """What notes (n, m) have, at their onsets (n, 256)."""
        out = np.zeros(events.shape, np.float32)
        out[row, step] = table[row, place]
        return out

    second, interval = spread(_later(notes.pair)) > 0, spread(_later(notes.interval))
    found = [onsets, events == HOLD, events == REST]
    found += [second & (np.clip(interval, -WIDEST, WIDEST) == size) for size in range(-WIDEST, WIDEST + 1)]
    latest = np.maximum.accumulate(np.where(onsets, np.arange(STEPS), 0), axis=1)
    found.append(np.where(events != REST, np.take_along_axis(spread(_height(notes)), latest, 1), 0))
    kinds = np.where(onsets, 0, events)
    for bars in LOOKBACK:
        ago = bars * STEPS_PER_BAR
        rhythm = kinds[:, ago:] == kinds[:, :-ago]
        line = second[:, ago:] & second[:, :-ago] & (interval[:, ago:] == interval[:, :-ago])
        same = onsets[:, ago:] & (events[:, ago:] == events[:, :-ago])
        found += [_later(one, ago) for one in (rhythm, rhythm & line, same)]
    found += [np.log1p(spread(_later(runs))) for runs in heard]
    return np.stack([np.asarray(channel, np.float32) for channel in found], axis=1)


def _pool_all(channels: _Floats, there: Mask, gaps: tuple[int, ...], draw: torch.Generator) -> _Floats:
    """Of series (n, channels, m), where they are there (n, m): (n, 3 * KERNELS)."""
    of = channels.transpose(1, 0, 2)[:, there].astype(np.float64)
    mean, deviation = of.mean(axis=1), np.maximum(of.std(axis=1), 0.05)
    scaled = ((channels - mean[:, None]) / deviation[:, None] * there[:, None]).astype(np.float32)
    series, where = torch.from_numpy(scaled), torch.from_numpy(there[:, None])
    found = []
    for gap in gaps:
        weights, bias = _kernels(KERNELS // len(gaps), channels.shape[1], draw)
        parts = zip(torch.split(series, _TOGETHER), torch.split(where, _TOGETHER), strict=True)
        found.append(torch.cat([_pool(part, mask, weights, bias, gap) for part, mask in parts]))
    return torch.cat(found, 1).numpy()


def _kernels(count: int, channels: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Kernels (count, channels, PLACES) of length 1, each of one to eight channels, and what is added."""
    number = (2 ** (3 * torch.rand(count, generator=draw))).long().clamp(min=1)
    rank = torch.rand(count, channels, generator=draw).argsort(1).argsort(1)
    weights = torch.randn(count, channels, PLACES, generator=draw) * (rank < number[:, None])[:, :, None]
    weights = weights / weights.flatten(1).norm(dim=1)[:, None, None]
    return weights, 2 * torch.rand(count, generator=draw) - 1


def _pool(series: Tensor, where: Tensor, weights: Tensor, bias: Tensor, gap: int) -> Tensor:
    outputs = conv1d(series, weights, bias, dilation=gap, padding=gap * (PLACES // 2))
    count = where.sum(2).clamp(min=1)
    positive = ((outputs > 0) & where).sum(2) / count
    most = torch.where(where, outputs, -9.0).amax(2)
    return torch.cat((positive, most, (outputs.clamp(min=0) * where).sum(2) / count), 1)
