"""Contour: the shape of a melody as a whole.

    r(x) = Pearson correlation, over the notes of x, between their pitches and the template at their onsets
    c_contour(x, A) = min(1, (1 + r) / (1 + A))

with the onset t = 0..255 in the template:

    rising t      falling -t      arch -|2t - 255|      valley |2t - 255|

The shapes are those of Huron's nine contour classes that have no level part: ascending, descending, convex and concave
("The melodic arch in Western folksongs", 1996). He compares three numbers, the first pitch, the last and the mean of
those between, which says little about sixteen bars; here every note counts, as where curves are fitted to pitches over
onsets (Muellensiefen and Wiggins, "Polynomial functions as a representation of melodic phrase contour", 2011). Neither
MuSpy nor jSymbolic has such a measure.

Where no correlation exists (fewer than two notes, all of one pitch, or all where the template is level) the score is 0.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from melodylc.data.alphabet import STEPS
from melodylc.data.arrays import Events
from melodylc.rewards.base import Scores
from melodylc.rewards.features import EventsReward, begins, check_number, partial_credit

Shape = Literal["rising", "falling", "arch", "valley"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
_WORDS: dict[Shape, str] = {
    "rising": "rises",
    "falling": "falls",
    "arch": "rises and then falls",
    "valley": "falls and then rises",
}


@dataclass(frozen=True)
class Contour(EventsReward):
    """How near a melody comes to a shape; see `contour`."""

    shape: Shape
    least: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("least", self.least, 0, 1)

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        return f"it {_WORDS[self.shape]} as a whole (a correlation of at least {self.least:g})"

    @property
    def label(self) -> str:
        """A few words for a table's head."""
        return {"rising": "rises", "falling": "falls"}.get(
            self.shape, f"shaped as {'an' if self.shape == 'arch' else 'a'} {self.shape}"
        )

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        together, pitches, times = _moments(events, _template(self.shape))
        there = (pitches > 0) & (times > 0)
        r = together / np.sqrt(np.where(there, pitches * times, 1.0))
        return partial_credit(there & (r >= self.least), (1 + r) / (1 + self.least) * there)


def _template(shape: Shape) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    steps = np.arange(STEPS, dtype=np.int64)
    bent = np.abs(2 * steps - (STEPS - 1))
    return {"rising": steps, "falling": -steps, "arch": -bent, "valley": bent}[shape]


def _moments(events: Events, template: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[Scores, Scores, Scores]:
    """Covariance of pitch and template over the notes, and both variances, times the square of the count; (n,) each.

    Sums of whole numbers, so exact: a transposed melody has the same ones.
    """
    notes = begins(events)
    count = notes.sum(axis=1)
    y = np.where(notes, events, 0).astype(np.int64)
    x = np.where(notes, template, 0)
    sums, totals = y.sum(axis=1), x.sum(axis=1)
    together = count * (x * y).sum(axis=1) - totals * sums
    pitches = count * (y * y).sum(axis=1) - sums * sums
    times = count * (x * x).sum(axis=1) - totals * totals
    return together.astype(np.float64), pitches.astype(np.float64), times.astype(np.float64)


def contour(shape: Shape = "arch", least: float = 0.7) -> Contour:
    """min(1, (1 + r) / (1 + least)), in [0, 1], for a correlation r of pitches with a shape; 0 where there is none.

    Args:
        shape: rising, falling, arch (up, then down) or valley (down, then up), over the sixteen bars.
        least: smallest correlation that satisfies, 0..1. Half the variance of the pitches is the shape's at 0.7.

    Raises:
        InputError: another shape, or `least` out of range.

    >>> from melodylc.data import Melody
    >>> scale = Melody.from_notes((48 + i, 16 * i, 16 * i + 16) for i in range(16))
    >>> contour("rising")(scale), contour("falling")(scale), round(contour("arch", 0.5)(scale), 3)
    (1.0, 0.0, 0.783)
    """
    return Contour(shape, least)
