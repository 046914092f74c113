"""Form: which sections of a melody are alike, and which differ.

The sixteen bars are cut into as many sections as a pattern has letters, such as four of four bars for AABA. Let
d(i, j) be the share of steps at which the events of two sections differ (Hamming distance), or what happens there (a
note begins, goes on, or none sounds) where only the rhythm counts.

    c_form(x) = S * D
    S = mean of min(1, (1 - d(i, j)) / L)     over pairs of sections with the same letter; 1 where there are none
    D = mean of min(1, d(i, j) / C)           over pairs with different letters; 1 where there are none

It is 1 exactly where sections with the same letter agree in at least a share L of their steps (in all of them, unless
less is asked), and sections with different ones differ in at least a share C. No notes score 0. MuSpy and jSymbolic
measure no form; the distance is the one that MuSpy's groove_consistency takes between bars.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import BARS, STEPS
from melodylc.data.arrays import Events, Mask
from melodylc.data.errors import InputError
from melodylc.rewards.base import Scores
from melodylc.rewards.features import EventsReward, begins, note_counts, partial_credit

SECTIONS = (2, 4, 8, 16)  #: how many sections of whole bars there can be


@dataclass(frozen=True)
class Form(EventsReward):
    """How near a melody comes to a form; see `form`. The pattern's letters are named anew: BBA is AAB."""

    pattern: str
    likeness: float
    contrast: float
    rhythm: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        letters = self.pattern.strip().upper()
        if len(letters) not in SECTIONS or not (letters.isascii() and letters.isalpha()):
            shown = self.pattern if len(self.pattern) <= 40 else self.pattern[:37] + "..."
            raise InputError(f"a form is 2, 4, 8 or 16 letters, one a section of the {BARS} bars (AABA), not {shown!r}")
        for name, value in (("likeness", self.likeness), ("contrast", self.contrast)):
            if not 0 < value <= 1:
                raise InputError(f"{name} is above 0 and at most 1, not {value:g}")
        order = list(dict.fromkeys(letters))
        object.__setattr__(self, "pattern", "".join(chr(ord("A") + order.index(letter)) for letter in letters))

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        letters = f"the form {self.pattern}" + (" in rhythm" if self.rhythm else "")
        return f"its {len(self.pattern)} sections follow {letters}: the same letter the same, another letter different"

    @property
    def label(self) -> str:
        """A few words for a table's head."""
        return f"form {self.pattern}"

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        alike, equal = self._compare(np.where(begins(events), 0, events) if self.rhythm else events)
        same, different = equal[:, alike].mean(axis=2), (~equal[:, ~alike]).mean(axis=2)
        some = note_counts(events) > 0
        satisfied = some & (same >= self.likeness).all(axis=1) & (different >= self.contrast).all(axis=1)
        near, far = np.minimum(1.0, same / self.likeness), np.minimum(1.0, different / self.contrast)
        return partial_credit(satisfied, _mean(near) * _mean(far) * some)

    def _compare(self, events: Events) -> tuple[Mask, Mask]:
        """For each pair of sections, whether their letters are the same; and for each melody, where their steps are.

        Shapes (pairs,) and (n, pairs, steps of a section).
        """
        sections = events.reshape(len(events), len(self.pattern), STEPS // len(self.pattern))
        pairs = list(combinations(range(len(self.pattern)), 2))
        alike = np.array([self.pattern[one] == self.pattern[other] for one, other in pairs])
        return alike, np.stack([sections[:, one] == sections[:, other] for one, other in pairs], axis=1)


def _mean(values: npt.NDArray[np.float64]) -> Scores:
    """The mean of each row, and 1 for a row of none."""
    return values.mean(axis=1) if values.shape[1] else np.ones(len(values))


def form(pattern: str = "AABA", likeness: float = 1.0, contrast: float = 0.25, rhythm: bool = False) -> Form:
    """How near a melody comes to a form, in [0, 1]: likeness of sections times contrast; 0 for no notes.

    Args:
        pattern: 2, 4, 8 or 16 letters, one a section.
        likeness: share of steps, above 0 and at most 1, in which sections with the same letter must agree; 1 asks
            for equal ones.
        contrast: share of steps, above 0 and at most 1, in which sections with different letters must differ.
        rhythm: whether only the rhythm counts.

    Raises:
        InputError: a pattern of another length or of other signs, or a share out of range.

    >>> from melodylc.data import Melody
    >>> verse, bridge = [(60, 0, 32), (64, 32, 64)], [(67, 0, 16), (62, 16, 64)]
    >>> song = Melody.from_notes((pitch, start + 64 * i, end + 64 * i)
    ...     for i, part in enumerate([verse, verse, bridge, verse]) for pitch, start, end in part)
    >>> form("AABA", contrast=0.03)(song), round(form("ABAB", contrast=0.03)(song), 3)
    (1.0, 0.488)
    """
    return Form(pattern, likeness, contrast, rhythm)
