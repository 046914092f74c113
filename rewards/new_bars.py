"""A reward that judges some bars of a melody only: those that were written to somebody's own."""

from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np

from melodylc.data.alphabet import BARS, STEPS, STEPS_PER_BAR, canonical
from melodylc.data.arrays import Events
from melodylc.data.melody import Melody
from melodylc.rewards.base import Reward, Scores


@dataclass(frozen=True)
class BarsReward(Reward):
    """c of some bars over and over until there are sixteen: c(x_b1, x_b2, .., x_b1, ..), b the bars in order.

    A number of notes is therefore of sixteen such bars. A note that began before one of the bars isn't heard.

    >>> from melodylc.rewards import pitch_classes
    >>> tune = Melody.from_notes([(61, 0, 16), (60, 16, 32)])
    >>> in_c = pitch_classes([0, 4, 7])
    >>> in_c(tune), BarsReward(in_c, (1,))(tune)
    (0.5, 1.0)
    """

    reward: Reward
    bars: tuple[int, ...]  #: 0..15, rising, one or more

    @property
    def name(self) -> str:
        """Such as "density(16..32) in bars 9,10"."""
        return f"{self.reward.name} in bars {','.join(str(bar + 1) for bar in self.bars)}"

    @property
    def sentence(self) -> str:
        return f"in new bars: {self.reward.sentence}"

    @property
    def label(self) -> str:
        return f"{self.reward.label} (new bars)"

    @property
    def cacheable(self) -> bool:
        return self.reward.cacheable

    @property
    def raw(self) -> Reward:
        return BarsReward(self.reward.raw, self.bars)

    def __call__(self, melody: Melody) -> float:
        return float(self.batch(melody.events[None])[0])

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        order = list(islice(cycle(self.bars), BARS))
        bars = np.ascontiguousarray(events).reshape(-1, BARS, STEPS_PER_BAR)[:, order]
        return self.reward.batch(canonical(bars.reshape(-1, STEPS))[0])
