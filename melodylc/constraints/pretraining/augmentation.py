"""Augmentation of melodies: other bars, rhythms, contours, sets of pitches, at random.

A model's samples keep to the middle: of a rule that they never obey they show nothing near obeying it. What a critic
sees needs no latent vector, so it can learn what a rule says of melodies that no vector leads to yet. No way here
knows of a rule; each melody undergoes several, each with a probability of its own, to a random extent.
"""

import torch
from torch import Tensor

from melodylc.data.alphabet import BARS, HOLD, PITCHES, REST, STEPS, STEPS_PER_BAR
from melodylc.models.noise import Noise

MELODY_PHRASES = 4
REPEAT_PERIODS = torch.tensor((1, 2, 4, 8))  #: bars after which a melody may repeat itself
NEAREST = tuple(sorted(range(-5, 7), key=abs))  #: ways to another pitch class, nearest first


def augment_melodies(events: Tensor, noise: Noise) -> Tensor:
    """Canonical melodies (n, 256), int64, made of those; always the same of the same noise."""
    events = _repeat_bars(events.view(-1, BARS, STEPS_PER_BAR), noise).reshape(len(events), STEPS)
    events = _change_rhythm(events, noise)
    pitches = _snap(_bend(events, noise), noise)
    return canonical_events(torch.where(events < HOLD, _fold(pitches, noise).clamp(0, PITCHES - 1), events))


def canonical_events(events: Tensor) -> Tensor:
    """Events (n, 256) whose holds that continue nothing are rests, as `melodylc.data.alphabet.canonical` has it."""
    places = torch.where(events != HOLD, torch.arange(STEPS), -1).cummax(1).values
    before = torch.where(places < 0, REST, events.gather(1, places.clamp(min=0)))
    return torch.where((events == HOLD) & (before == REST), REST, events)


def _repeat_bars(bars: Tensor, noise: Noise) -> Tensor:
    """Bars (n, 16, 16) that repeat others of the melody, or come from another."""
    count, every = len(bars), torch.arange(BARS)
    period = REPEAT_PERIODS[_integers(len(REPEAT_PERIODS), noise, count)][:, None]
    phrases = torch.minimum(
        _integers(MELODY_PHRASES, noise, count, MELODY_PHRASES), torch.arange(MELODY_PHRASES)
    )  # an earlier one, or itself
    phrased = 4 * phrases[:, every // 4] + every % 4
    source = torch.where(_chance(0.5, noise, count)[:, None], every % period, phrased)
    pairs = every - every % (2 * period) + every % period
    source = torch.where(_chance(0.3, noise, count)[:, None], pairs, source)
    own = _some_places(noise, count, BARS, most=0.3) | ~_chance(0.4, noise, count)[:, None]
    bars = bars.gather(1, torch.where(own, every, source)[:, :, None].expand(-1, -1, STEPS_PER_BAR))
    foreign = _chance(0.15, noise, count)[:, None] & (noise.uniform(count, BARS) < 0.5)
    return torch.where(foreign[:, :, None], bars.roll(1, 0), bars)


def _change_rhythm(events: Tensor, noise: Noise) -> Tensor:
    """Notes left out or added at places of the bar, one rhythm for all bars, rests, another beginning or end."""
    count, steps = len(events), torch.arange(STEPS)
    out = _in_all_bars(_some_places(noise, count, STEPS_PER_BAR) & _chance(0.25, noise, count)[:, None])
    events = torch.where(out & (events < HOLD), torch.where(_chance(0.5, noise, count), HOLD, REST)[:, None], events)
    alike = _chance(0.12, noise, count)[:, None]
    begins = _in_all_bars(events[:, :STEPS_PER_BAR] < HOLD)
    events = torch.where(
        alike, torch.where(begins, sounding_pitches(events), torch.where(events < HOLD, HOLD, events)), events
    )
    later = (_chance(0.15, noise, count) * (_integers(5, noise, count) - 2))[:, None]
    events = events.gather(1, (steps - later) % STEPS)
    more = _some_places(noise, count, STEPS) & _chance(0.2, noise, count)[:, None] & (events >= HOLD)
    added = (sounding_pitches(events) + _integers(15, noise, count, STEPS) - 7).clamp(0, PITCHES - 1)
    events = torch.where(more, added, events)
    more = _in_all_bars(_some_places(noise, count, STEPS_PER_BAR, most=0.6) & _chance(0.1, noise, count)[:, None])
    events = torch.where(more & (events >= HOLD), sounding_pitches(events), events)
    quiet = _some_places(noise, count, 4, 4) & _chance(0.2, noise, count)[:, None, None]  # by bar of four, and beat
    events = torch.where(quiet.repeat_interleave(4, 2).view(count, 64).repeat(1, 4), REST, events)
    end = STEPS - 1 - _integers(2 * STEPS_PER_BAR, noise, count)[:, None]
    ended = torch.where(_chance(0.7, noise, count), HOLD, REST)[:, None]
    return torch.where(_chance(0.2, noise, count)[:, None] & (steps > end), ended, events)


def _bend(pitches: Tensor, noise: Noise) -> Tensor:
    """Pitches scattered, climbing or falling, by bars or phrases, turned up and down, transposed."""
    count, steps = len(pitches), torch.arange(STEPS)
    scattered = _some_places(noise, count, STEPS) & _chance(0.2, noise, count)[:, None]
    pitches = torch.where(scattered, pitches + _integers(25, noise, count, STEPS) - 12, pitches)
    slope = (36 * noise.uniform(count) - 18) * _chance(0.25, noise, count)
    bend = slope[:, None] * (steps // 64 / 3 - 0.5)
    for parts, often in ((MELODY_PHRASES, 0.15), (BARS, 0.1)):
        moved = (24 * noise.uniform(count, parts) - 12) * _chance(often, noise, count)[:, None]
        bend = bend + moved.repeat_interleave(STEPS // parts, 1)
    turns = (_integers(9, noise, count) * _chance(0.15, noise, count))[:, None]
    ordinal = (pitches < HOLD).long().cumsum(1)
    narrow = torch.where(_chance(0.1, noise, count), 2, 1)[:, None]
    shift = (_integers(13, noise, count) - 6)[:, None]
    return 60 + (pitches - 60) // narrow + bend.round().long() + torch.where(ordinal % 2 == 0, turns, -turns) + shift


def _snap(pitches: Tensor, noise: Noise) -> Tensor:
    """Most pitches moved to the nearest of a random set of pitch classes."""
    count = len(pitches)
    rank = noise.uniform(count, 12).argsort(1).argsort(1)
    allowed = rank <= _integers(9, noise, count)[:, None]
    found, missing = pitches, torch.ones_like(pitches, dtype=torch.bool)
    for way in NEAREST:
        here = missing & allowed.gather(1, (pitches + way) % 12)
        found, missing = torch.where(here, pitches + way, found), missing & ~here
    return torch.where(_most_steps(noise, count, 0.35), found, pitches)


def _fold(pitches: Tensor, noise: Noise) -> Tensor:
    """Most pitches moved by octaves into a range of one or two."""
    count = len(pitches)
    above = pitches - (45 + _integers(26, noise, count))[:, None]
    width = torch.where(_chance(0.3, noise, count), 24, 12)[:, None]
    inside = pitches - above + torch.where(above == width, width, above % width)
    return torch.where(_most_steps(noise, count, 0.2), inside, pitches)


def sounding_pitches(events: Tensor) -> Tensor:
    """At every step of events (n, 256) the note that sounded last; middle C before the first."""
    places = torch.where(events < HOLD, torch.arange(STEPS), -1).cummax(1).values
    return torch.where(places < 0, 60, events.gather(1, places.clamp(min=0)))


def _integers(most: int, noise: Noise, count: int, *shape: int) -> Tensor:
    """Whole numbers in [0, most)."""
    return (most * noise.uniform(count, *shape)).long()


def _chance(share: float, noise: Noise, count: int) -> Tensor:
    return noise.uniform(count) < share


def _some_places(noise: Noise, count: int, *shape: int, most: float = 1.0) -> Tensor:
    """Places, of each melody another share of up to `most`."""
    share = most * noise.uniform(count, *[1] * len(shape))
    return noise.uniform(count, *shape) < share


def _most_steps(noise: Noise, count: int, often: float) -> Tensor:
    """With a probability of `often` all steps (n, 256) of a melody, six times in ten but for a few."""
    spared = _some_places(noise, count, STEPS, most=0.15) & _chance(0.6, noise, count)[:, None]
    return _chance(often, noise, count)[:, None] & ~spared


def _in_all_bars(places: Tensor) -> Tensor:
    """Places of a bar (n, 16) in all bars."""
    return places.repeat(1, BARS)
