"""The rules by examples worked out by hand."""

import pytest
from melodylc_leaps import narrow, smooth

from melodylc import Melody

SCALE = Melody.from_notes((60 + 2 * i, 4 * i, 4 * i + 4) for i in range(7))
ARPEGGIO = Melody.from_notes((pitch, 4 * i, 4 * i + 4) for i, pitch in enumerate([60, 64, 67, 72, 71]))
SILENCE = Melody.from_notes([])


def test_smooth_is_the_share_of_small_intervals() -> None:
    assert smooth(SCALE) == 1
    assert smooth(SCALE, largest=1) == 0
    assert smooth(ARPEGGIO) == 0.25


def test_narrow_compares_the_range_with_what_is_asked() -> None:
    assert narrow(SCALE) == 1
    assert narrow(SCALE, semitones=6) == 0.5
    assert narrow(Melody.from_notes([(60, 0, 256)])) == 1


@pytest.mark.parametrize("rule", [smooth, narrow])
def test_silence_scores_nothing(rule) -> None:  # noqa: ANN001
    assert rule(SILENCE) == 0
