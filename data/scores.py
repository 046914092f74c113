"""MIDI files in bulk: symusic reads the bytes, and what it lets pass is checked here.

symusic is some two hundred times faster than mido or pretty_midi. It reports most malformed files,
but takes a division of 0 and a tempo of 0 as they come and caps ticks at 2**31 - 1. So nothing
whose size depends on a number in the file is made before that number was compared with a bound.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import symusic

from melodylc.data.errors import MidiError

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


class Score(NamedTuple):
    """What is needed of a file. `division`: ticks a quarter; `end`: the last note's end; `tempo`: quarters a minute."""

    division: int
    end: int
    signatures: tuple[tuple[int, int, int], ...]  # tick, numerator, denominator
    parts: tuple[Part, ...]
    tracks: int = 0  # that have notes, drums too
    tempo: float = 120.0  # the first


def read_score(content: bytes) -> Score:
    """The notes and time signatures of a MIDI file.

    Args:
        content: the whole file.

    Raises:
        MidiError: why it can't be used, without the file's name.

    >>> read_score(b"RIFF....")
    Traceback (most recent call last):
    melodylc.data.errors.MidiError: not a MIDI file (no MThd at its start)
    """
    _check_header(content)
    try:
        score: Any = symusic.Score.from_midi(content)  # its type stubs don't know its attributes
        signatures, tempos = score.time_signatures.numpy(), score.tempos.numpy()
        parts = tuple(_part(i, track) for i, track in enumerate(score.tracks) if not track.is_drum)
        read = Score(int(score.ticks_per_quarter), int(score.end()), _rows(signatures), parts, len(score.tracks))
    except Exception as error:  # symusic's own errors share no base
        raise MidiError(f"unreadable: {_said(error)}") from error
    paces = tempos["mspq"].tolist()
    if any(pace <= 0 for pace in paces):
        raise MidiError("a tempo of 0")
    return _checked(read._replace(tempo=60e6 / paces[0]) if paces else read)


def _said(error: Exception) -> str:
    said = " ".join(str(error).split()).removeprefix("MiniMidi: ").removesuffix(": iostream error")
    return said[:120] or type(error).__name__


def _check_header(content: bytes) -> None:
    if content[:4] != b"MThd" or len(content) < 14:
        raise MidiError("not a MIDI file (no MThd at its start)" if content else "empty")
    division = int.from_bytes(content[12:14], "big")
    if division == 0:
        raise MidiError("a division of 0 ticks a quarter")
    if division & 0x8000:
        raise MidiError("times in SMPTE frames, without bars")


def _rows(signatures: Any) -> tuple[tuple[int, int, int], ...]:
    columns = (signatures[name].tolist() for name in ("time", "numerator", "denominator"))
    return tuple(zip(*columns, strict=True))


def _part(index: int, track: Any) -> Part:
    notes = track.notes.numpy()
    starts = notes["time"].astype(np.int64)
    return Part(index, starts, starts + notes["duration"], notes["pitch"].astype(np.int64), track.name)


def _checked(score: Score) -> Score:
    if len(score.parts) > MAX_TRACKS:
        raise MidiError(f"more than {MAX_TRACKS:,} tracks")
    ticks = [score.end, *(tick for tick, _, _ in score.signatures)]
    ticks += [int(edge) for part in score.parts if len(part.ends) for edge in (part.starts.min(), part.ends.max())]
    if max(ticks) > MAX_BARS * 4 * score.division:
        raise MidiError(f"claims {max(ticks) / score.division / 4:,.0f} bars, more than {MAX_BARS:,}")
    if min(ticks) < 0:
        raise MidiError("claims more ticks than can be counted")
    for part in score.parts:
        _check_part(part, score.division)
    return score


def _check_part(part: Part, division: int) -> None:
    lengths = part.ends - part.starts
    if len(lengths) and lengths.min() < 0:
        raise MidiError("notes of negative length")
    if int(lengths.sum()) * 4 // division + len(lengths) > MAX_STEPS:
        raise MidiError(f"a track whose notes cover more than {MAX_STEPS:,} sixteenths")
