"""A piece of music as notes in ticks: what every reader of files gives, and what melodies are taken from."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from melodylc.data.errors import ScoreError

MAX_BARS = 20_000  # of four quarters: eleven hours at 120 beats a minute
MAX_STEPS = 1 << 22  # sixteenths that a track's notes cover together: 13 voices through all that time
MAX_TRACKS = 1 << 15  # a track's number is kept in 16 bits

Ticks = npt.NDArray[np.int64]


class Part(NamedTuple):
    """The notes of one track that isn't drums: pitches 0..127, times in ticks, any order."""

    track: int
    starts: Ticks
    ends: Ticks
    pitches: Ticks
    name: str = ""
    length: int = 0  # the tick of its end of track; 0: it says none


class Score(NamedTuple):
    """What is needed of a file. `division`: ticks a quarter; `end`: the last note's end; `tempo`: quarters a minute."""

    division: int
    end: int
    signatures: tuple[tuple[int, int, int], ...]  # tick, numerator, denominator
    parts: tuple[Part, ...]
    tracks: int = 0  # that have notes, drums too
    tempo: float = 120.0  # the first
    remarks: tuple[str, ...] = ()  # what was wrong with the file, but for its notes
    repairs: tuple[str, ...] = ()  # what was assumed or left out of its notes and messages
    length: int = 0  # the tick of the last end of track
    note_ons: int = 0  # notes that begin, drums too
    double_bars: tuple[int, ...] = ()  # ticks where a part of the piece begins, if the file says: repeats, double bars


def check_size(score: Score, error: type[ScoreError] = ScoreError) -> Score:
    """The score, if its ticks and notes are within bounds, so that nothing grows with a number in a file.

    Raises:
        ScoreError: it claims more than any piece of music; of the kind `error`.
    """
    ticks = [score.end, *(tick for tick, _, _ in score.signatures)]
    if max(ticks) > MAX_BARS * 4 * score.division:
        raise error(f"claims {max(ticks) / score.division / 4:,.0f} bars, more than {MAX_BARS:,}")
    for part in score.parts:
        if int((part.ends - part.starts).sum()) * 4 // score.division + len(part.starts) > MAX_STEPS:
            raise error(f"a track whose notes cover more than {MAX_STEPS:,} sixteenths")
    return score
