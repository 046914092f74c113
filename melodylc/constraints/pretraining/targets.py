"""What a critic learns to read off melodies: some six hundred of the field's statistics, each a number in [0, 1].

Shares of notes by pitch class, range, interval, turn, place in the bar and length, heights and numbers of notes by
bar and phrase, how alike bars and phrases are, how it begins and ends. Where a share is likely to be a rule's score
its powers are read, too, as a critic regresses powers (`melodylc.latent.critic`). Sets and ranges are drawn at
random, once.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from melodylc.data.alphabet import BARS, HOLD, REST, STEPS, STEPS_PER_BAR

TARGET_POWERS = (1.0, 4.0, 16.0)
PHRASES = 4
PERIODS = (1, 2, 3, 4, 8)  #: bars between those that are compared
LENGTH_CLASSES = torch.tensor((1, 2, 3, 4, 6, 8, 12, 16))  #: upper ends of the classes of note lengths, in steps
LEAPS = 13  #: semitones; larger leaps are one class
WITHIN = torch.tensor((0, 1, 2, 3, 4, 5, 7, 9, 12))  #: leaps up to which a share is taken
NUMBERS = torch.tensor((24.0, 40, 56, 72, 96, 128, 160, 192, 224))  #: of notes
RESTS = torch.tensor((3.0, 7, 12, 20, 40))  #: steps
RANGES = torch.tensor((0.5, 1, 1.5, 2, 2.5, 3))  #: octaves


def _sets(count: int, size: int, fewest: int, most: int, random: torch.Generator) -> Tensor:
    numbers = torch.randint(fewest, most + 1, (count, 1), generator=random)
    return (torch.rand(count, size, generator=random).argsort(1).argsort(1) < numbers).float()


_RANDOM = torch.Generator().manual_seed(11)
PITCH_CLASS_SETS = _sets(48, 12, 2, 9, _RANDOM)  #: sets of pitch classes
PLACES = _sets(24, STEPS_PER_BAR, 1, 12, _RANDOM)  #: sets of places in a bar
LOWEST = torch.randint(40, 76, (24,), generator=_RANDOM)  #: of a range of pitches
WIDE = torch.randint(5, 30, (24,), generator=_RANDOM)


def pretraining_targets(events: Tensor) -> Tensor:
    """The statistics of canonical melodies (n, 256), int64: (n, count), in [0, 1].

    >>> silence = torch.full((2, STEPS), REST)
    >>> pretraining_targets(silence).shape == (2, TARGETS)
    True
    """
    notes = _Notes(events)
    families = (_classes, _heights, _leaps, _turns, _bars, _lengths, _form, _ends)
    return torch.cat([it for family in families for it in family(notes)], 1).clamp(0, 1)


@dataclass(frozen=True)
class _Notes:
    """Melodies as lists of their notes, one after the other: `row` says which melody's."""

    events: Tensor

    def __len__(self) -> int:
        return len(self.events)

    @cached_property
    def on(self) -> Tensor:
        return self.events < HOLD

    @cached_property
    def at(self) -> tuple[Tensor, Tensor]:
        row, step = self.on.nonzero(as_tuple=True)
        return row, step

    @cached_property
    def pitch(self) -> Tensor:
        return self.events[self.at]

    @cached_property
    def height(self) -> Tensor:
        """Octaves above middle C."""
        return (self.pitch.float() - 60) / 12

    @cached_property
    def until(self) -> Tensor:
        """The step (n, 256) at which what is at a step ends: the next that is no hold."""
        next_one = torch.where(self.events != HOLD, torch.arange(STEPS), STEPS).flip(1).cummin(1).values.flip(1)
        return torch.cat((next_one[:, 1:], torch.full((len(self), 1), STEPS)), 1)

    @cached_property
    def follows(self) -> Tensor:
        """Which notes but the first follow one of the same melody."""
        return self.at[0][1:] == self.at[0][:-1]

    @cached_property
    def mean(self) -> Tensor:
        """Mean height (n, 1); 0 of silence."""
        return self.by(self.height, torch.zeros_like(self.pitch), 1)[0]

    def by(self, value: Tensor, group: Tensor, groups: int) -> tuple[Tensor, Tensor]:
        """Mean of a value of each note by group, 0 where there is none, and how many: (n, groups) each."""
        places = self.at[0], group
        total = torch.zeros(len(self), groups).index_put_(places, value.float(), accumulate=True)
        count = torch.zeros(len(self), groups).index_put_(places, torch.ones(len(group)), accumulate=True)
        return total / count.clamp(min=1), count

    def share(self, row: Tensor, facts: Tensor) -> Tensor:
        """Of things that belong to melodies, the share of which each fact (things, facts) is true: (n, facts)."""
        count = torch.zeros(len(self)).index_add_(0, row, torch.ones(len(row))).clamp(min=1)
        return torch.zeros(len(self), facts.shape[1]).index_add_(0, row, facts.float()) / count[:, None]

    def extreme(self, lowest: bool) -> Tensor:
        """Height of the lowest or the highest note, (n, 1), in [-5, 6]; 0 of silence."""
        start = torch.full((len(self),), torch.inf if lowest else -torch.inf)
        found = start.scatter_reduce(0, self.at[0], self.height, "amin" if lowest else "amax")
        return torch.where(found.isfinite(), found, 0.0)[:, None]


def _powers(shares: Tensor) -> Tensor:
    return torch.cat([shares.clamp(0, 1) ** power for power in TARGET_POWERS], 1)


def _classes(notes: _Notes) -> list[Tensor]:
    row, _ = notes.at
    classes = notes.share(row, notes.pitch[:, None] % 12 == torch.arange(12))
    inside = (notes.pitch[:, None] >= LOWEST) & (notes.pitch[:, None] <= LOWEST + WIDE)
    return [classes, _powers(classes @ PITCH_CLASS_SETS.T), _powers(notes.share(row, inside))]


def _heights(notes: _Notes) -> list[Tensor]:
    _, step = notes.at
    phrases, _ = notes.by(notes.height, step // 64, PHRASES)
    bars, count = notes.by(notes.height, step // STEPS_PER_BAR, BARS)
    rises, low, high = phrases.diff(dim=1), notes.extreme(True), notes.extreme(False)
    relative = [2 * (phrases - notes.mean), 2 * (bars - notes.mean) * (count > 0), 3 * rises, 3 * rises - 1]
    soft = [notes.mean, *relative, 4 * (high - low - RANGES), high, low]
    return [*map(torch.sigmoid, soft), count / STEPS_PER_BAR, _where(notes, low), _where(notes, high)]


def _where(notes: _Notes, extreme: Tensor) -> Tensor:
    """When a melody first reaches its lowest or highest note, (n, 1); 1 in silence."""
    there = notes.events == (60 + 12 * extreme).round().long()
    return torch.where(there & notes.on, torch.arange(STEPS) / STEPS, 1.0).amin(1, keepdim=True)


def _leaps(notes: _Notes) -> list[Tensor]:
    row, leap = notes.at[0][1:][notes.follows], notes.pitch.diff()[notes.follows]
    classes = leap.clamp(-LEAPS, LEAPS)[:, None] == torch.arange(-LEAPS, LEAPS + 1)
    size = leap.abs()[:, None]
    kinds = (size <= WITHIN, leap[:, None] > 0, leap[:, None] < 0, (size - 3.5).abs() < 1, (size - 6).abs() < 2)
    return [notes.share(row, classes), _powers(notes.share(row, torch.cat(kinds, 1)))]


def _turns(notes: _Notes) -> list[Tensor]:
    """Of three notes in a row."""
    both = notes.follows[1:] & notes.follows[:-1]
    first, second = notes.pitch.diff()[:-1][both], notes.pitch.diff()[1:][both]
    turns, large = first * second < 0, first.abs() > 4
    up, down, even = (first > 0) & (second > 0), (first < 0) & (second < 0), first == second
    kinds = torch.stack((turns, up, down, even, (first == 0) & even, large & turns), 1)
    return [_powers(notes.share(notes.at[0][2:][both], kinds))]


def _bars(notes: _Notes) -> list[Tensor]:
    bars, (row, step) = notes.events.view(-1, BARS, STEPS_PER_BAR), notes.at
    begins = (bars < HOLD).float()
    often = [begins.mean(1), (bars == HOLD).float().mean(1), (bars == REST).float().mean(1)]
    share = notes.share(row, (step % STEPS_PER_BAR)[:, None] == torch.arange(STEPS_PER_BAR))
    quiet = (bars == REST).view(-1, 4, PHRASES, 4, 4).float().mean((1, 4)).flatten(1)  # by bar of four, and beat
    sets = [_powers(share @ PLACES.T), begins.mean(1) @ PLACES.T / PLACES.sum(1)]
    return [*often, *sets, quiet, begins.amax(2).mean(1, keepdim=True)]


def _lengths(notes: _Notes) -> list[Tensor]:
    (row, _), length = notes.at, (notes.until[notes.at] - notes.at[1])
    classes = notes.share(
        row, torch.bucketize(length, LENGTH_CLASSES)[:, None] == torch.arange(len(LENGTH_CLASSES) + 1)
    )
    same = notes.share(row[1:][notes.follows], (length.diff() == 0)[notes.follows][:, None])
    rest, steps = notes.events == REST, torch.arange(STEPS)
    run = (steps - torch.where(rest, -1, steps).cummax(1).values) * rest
    longest, number = run.amax(1, keepdim=True), notes.on.sum(1, keepdim=True)
    return [classes, same, torch.sigmoid((longest - RESTS) / 2), torch.sigmoid((number - NUMBERS) / 6)]


def _form(notes: _Notes) -> list[Tensor]:
    bars = notes.events.view(-1, BARS, STEPS_PER_BAR)
    phrases = notes.events.view(-1, PHRASES, STEPS // PHRASES)
    pairs = [(bars[:, period:], bars[:, :-period]) for period in PERIODS]
    pairs += [(phrases[:, [one]], phrases[:, [other]]) for one in range(PHRASES) for other in range(one)]
    alike = [(one == other).float().mean((1, 2)) for one, other in pairs]
    rhythms = [_overlap(one < HOLD, other < HOLD) for one, other in pairs]
    return [_powers(torch.stack(alike + rhythms, 1))]


def _overlap(one: Tensor, other: Tensor) -> Tensor:
    """Of places that one has or the other, the share that both have."""
    return ((one & other).sum((1, 2)) + 1e-6) / ((one | other).sum((1, 2)) + 1e-6)


def _ends(notes: _Notes) -> list[Tensor]:
    steps, every = torch.arange(STEPS), torch.arange(len(notes))
    last = torch.where(notes.on, steps, -1).amax(1).clamp(min=0)
    first = torch.where(notes.on, steps, STEPS).amin(1).clamp(max=STEPS - 1)
    found = [torch.sigmoid((last[:, None] - 240) / 4)]
    for step in (last, first):
        event, length = notes.events[every, step], (notes.until[every, step] - step) / STEPS_PER_BAR
        classes = (event % 12)[:, None] == torch.arange(12)
        height = (event.clamp(max=HOLD).float()[:, None] - 60) / 12
        beside = [3 * (height - extreme) for extreme in (notes.mean, notes.extreme(True), notes.extreme(False))]
        found += [(classes & (event < HOLD)[:, None]).float(), *map(torch.sigmoid, (height, *beside))]
        found += [length.clamp(max=1)[:, None], step[:, None] / STEPS]
    return found


TARGETS = pretraining_targets(torch.full((1, STEPS), REST)).shape[1]  #: how many there are
