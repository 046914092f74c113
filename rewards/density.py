"""Note density: how many notes begin in the sixteen bars.

    c_density(x, A) = min(1, n / A)                               n = notes of x   (Latent Constraints, section 6)
    c_density(x, A, B) = min(1, n / A) * min(1, B / n)            with an upper end

A melody without notes scores 0. Within A..B, both ends included, the reward is exactly 1.
"""

import re
from dataclasses import dataclass

import numpy as np

from melodylc.data.alphabet import PITCHES, STEPS
from melodylc.data.arrays import Events
from melodylc.data.errors import InputError
from melodylc.data.melody import Melody
from melodylc.rewards.base import Reward, Scores
from melodylc.rewards.features import EventsReward

LEVELS: dict[str, tuple[int, int | None]] = {"low": (16, 64), "medium": (64, 128), "high": (192, None)}
"""What people ask for by name; "high" is the paper's."""

_RANGE = re.compile(r"([0-9]{1,9})(?:\s*\.\.\s*([0-9]{1,9})?)?")
_SPELLINGS = f"{', '.join(LEVELS)}, N (at least N) or A..B, with numbers in 1..{STEPS}"


@dataclass(frozen=True)
class Density(EventsReward):
    """How near the number of notes comes to `least`..`most`; see `density`."""

    least: int
    most: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        ends = (self.least,) if self.most is None else (self.least, self.most)
        outside = [end for end in ends if not 1 <= end <= STEPS]
        if outside:
            raise InputError(f"a density of {outside[0]} notes is out of range: 1..{STEPS} notes fit sixteen bars")
        if self.most is not None and self.least > self.most:
            raise InputError(f"no melody has at least {self.least} and at most {self.most} notes: swap the two")

    @property
    def name(self) -> str:
        """Such as "density(192..)" or "density(64..128)"."""
        return f"density({self.least}..{'' if self.most is None else self.most})"

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        return f"it has {'at least ' if self.most is None else ''}{self._range} notes"

    @property
    def label(self) -> str:
        """A few words for a table's head."""
        return f"{self._range} notes{' or more' if self.most is None else ''}"

    @property
    def _range(self) -> str:
        return str(self.least) if self.most in (None, self.least) else f"{self.least} to {self.most}"

    def clash(self, other: Reward) -> str | None:
        """Two densities whose ranges don't meet."""
        if not isinstance(other, Density):
            return None
        ends = [density.most or STEPS for density in (self, other)]
        apart = max(self.least, other.least) > min(ends)
        return f"no melody has {self.name} and {other.name} at once" if apart else None

    def __call__(self, melody: Melody) -> float:
        """The formula above; 0 for a melody without notes."""
        notes = melody.note_count
        if notes == 0:
            return 0.0
        above = 1.0 if self.most is None else min(1.0, self.most / notes)
        return min(1.0, notes / self.least) * above

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        notes = (events < PITCHES).sum(axis=1)
        above = 1.0 if self.most is None else np.minimum(1.0, self.most / np.maximum(notes, 1))
        rewards: Scores = np.minimum(1.0, notes / self.least) * above
        return rewards


def density(least: int, most: int | None = None) -> Density:
    """min(1, n / least) * min(1, most / n) for n notes, in [0, 1]; 0 for no notes.

    Args:
        least: fewest notes that satisfy, 1..256.
        most: most notes that satisfy, least..256; None for no upper end.

    Raises:
        InputError: an end outside 1..256, or `least` above `most`.

    >>> few = density(4, 8)
    >>> [few(Melody.from_notes((60, i, i + 1) for i in range(n))) for n in (0, 2, 4, 8, 16)]
    [0.0, 0.5, 1.0, 1.0, 0.5]
    """
    return Density(least, most)


def parse_density(text: str) -> Density:
    """The density that someone typed: low (16..64), medium (64..128), high (192..), N, N.. or A..B.

    Raises:
        InputError: anything else, or numbers out of range.

    >>> parse_density("medium").name, parse_density("96").name, parse_density("64..96").name
    ('density(64..128)', 'density(96..)', 'density(64..96)')
    """
    words = text.strip().lower()
    if words in LEVELS:
        return density(*LEVELS[words])
    match = _RANGE.fullmatch(words)
    if match is None:
        shown = text if len(text) <= 40 else text[:37] + "..."
        raise InputError(f"{shown!r} is no density: {_SPELLINGS}")
    return density(int(match[1]), int(match[2]) if match[2] else None)
