"""How melodies become files: everything about a file that isn't its notes, as one value.

Musicians' numbers: programs and channels count from 1, as DAWs show them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self, get_args

from melodylc.data.alphabet import BARS, PITCHES
from melodylc.data.errors import InputError
from melodylc.data.formats.programs import parse_program, program_name

FORMATS = {
    "midi": "mid",
    "musicxml": "musicxml",
    "abc": "abc",
    "json": "json",
    "wav": "wav",
    "svg": "svg",
    "png": "png",
}
"""The kinds of files, and how their names end."""

Join = Literal["after", "tracks"]
Names = Literal["long", "short"]

SLOWEST, FASTEST = 4.0, 1000.0
DRUMS = 10  #: the channel that General MIDI keeps for them
STRAIGHT, MOST_SWING = 50.0, 70.0
MOST_REPEATS = 64
COARSEST, FINEST = 24, 1920  #: ticks a quarter
LONGEST_SOUND = 3600  #: seconds of a WAV file
MOST_TICKS = 10_000_000  #: in one file; pretty_midi, for one, refuses more


@dataclass(frozen=True)
class Writing:
    """How melodies become files. The defaults are what `melodylc.data.midi.midi_bytes` writes.

    Raises:
        InputError: a value out of range, or two that exclude each other.

    >>> Writing(program=74, swing=58).words
    ['--program', 'Flute', '--swing', '58']
    """

    tempo: float = 120.0  #: quarters a minute, 4..1,000
    formats: tuple[str, ...] = ("midi",)  #: keys of `FORMATS`; the first is a melody's main file
    type: int = 1  #: of MIDI files: 1, a conductor and tracks; 0, one track
    ppq: int = 480  #: ticks a quarter, a multiple of 4 in 24..1,920
    program: int | None = None  #: of General MIDI, 1..128; None leaves the choice to whoever plays it
    velocity: int = 96  #: 1..127
    swing: float = STRAIGHT  #: percent of two sixteenths that the first takes, 50..70
    humanize: float = 0.0  #: percent; 100 moves a note by up to a quarter of a sixteenth, its velocity by 24
    channel: int = 1  #: 1..16, but for 10, the drums
    transpose: int = 0  #: semitones
    repeat: int = 1  #: how often the bars are played
    loop_marker: bool = False  #: whether a silent controller stands where the file ends
    with_chords: bool = False  #: whether the chords that were asked for stand in the files, as a track or as symbols
    no_tempo: bool = False  #: whether MIDI files say no tempo, for programs that would take theirs from it
    names: Names = "long"  #: of files: what was asked, tempo, seed and number, or the number alone
    join: Join | None = None  #: all melodies in one MIDI file: one after another, or one a track
    bars: int = BARS  #: of a melody that are written, from the first; what is ordered says how many

    def __post_init__(self) -> None:
        check_tempo(self.tempo)
        _check_formats(self.formats)
        for name, least, most in _RANGES:
            value = getattr(self, name)
            if not least <= value <= most:
                raise InputError(f"--{name} is {least:g} to {most:g}, not {value:g}")
        if self.program is not None:
            program_name(self.program)
        if self.ppq % 4:
            raise InputError(f"--ppq is a multiple of 4, so that sixteenths are whole ticks, not {self.ppq}")
        if self.channel == DRUMS:
            raise InputError(f"--channel {DRUMS} plays drums in General MIDI: choose another of 1 to 16")
        seconds = self.bars * 4 * 60 / self.tempo * self.repeat
        if "wav" in self.formats and seconds > LONGEST_SOUND:
            raise InputError(f"a WAV file of {seconds / 60:.0f} minutes is too long: 60 at most, so lower --repeat")
        if self.join and "midi" not in self.formats:
            raise InputError("--join makes one MIDI file of all melodies: add midi to --format, or leave --join out")
        if self.names not in get_args(Names):
            raise InputError(f"--names is {' or '.join(get_args(Names))}, not {self.names!r}")
        if self.join not in (None, *get_args(Join)):
            raise InputError(f"--join is {' or '.join(get_args(Join))}, not {self.join!r}")
        if self.join == "tracks" and self.type == 0:
            raise InputError("a MIDI file of type 0 has one track: --join tracks needs --type 1")

    @classmethod
    def read(cls, program: str | None = None, formats: str = "midi", **others: Any) -> Self:
        """The value that someone typed: a program by number or name, formats with commas between; the rest as is.

        Raises:
            InputError: as the class, and a program or format that doesn't exist.

        >>> Writing.read(program="flute", formats="midi, svg").formats
        ('midi', 'svg')
        """
        listed = tuple(text.strip().lower() for text in formats.split(","))
        return cls(program=None if program is None else parse_program(program), formats=listed, **others)

    @property
    def words(self) -> list[str]:
        """The options that ask for this, as the command line takes them; the inverse of `read`."""
        words: list[str] = []
        defaults = type(self)().to_dict()
        for name, value in self.to_dict().items():
            if value != defaults[name]:
                words += [f"--{name.replace('_', '-')}"] + ([] if value is True else [_typed(value)])
        return words

    def to_dict(self) -> dict[str, Any]:
        """Plain values by the names of the options, for a manifest."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "bars"}
        formats = list(values.pop("formats"))
        program = None if self.program is None else program_name(self.program)
        return {**values, "program": program, "format": formats}

    def at(self, tempo: float) -> Self:
        """The same at another tempo, or at the nearest that can be written."""
        return replace(self, tempo=min(max(round(tempo, 3), SLOWEST), FASTEST))

    def check_count(self, count: int) -> None:
        """Make sure that so many melodies fit one file, where they are to be joined in one.

        Raises:
            InputError: one after another they would take more than `MOST_TICKS`.
        """
        ticks = (count if self.join == "after" else 1) * self.repeat * self.bars * 4 * self.ppq
        if ticks >= MOST_TICKS:
            raise InputError(
                f"a file of {ticks:,} ticks is more than many programs read ({MOST_TICKS:,}): ask for fewer melodies, "
                "or lower --repeat or --ppq"
            )


def check_tempo(tempo: float) -> float:
    """`tempo` in quarters a minute, where it is in 4..1000; else InputError."""
    if not (math.isfinite(tempo) and SLOWEST <= tempo <= FASTEST):
        raise InputError(f"a tempo is {SLOWEST:g} to {FASTEST:g} quarters a minute, not {tempo:g}")
    return float(tempo)


_RANGES = (
    ("type", 0, 1),
    ("ppq", COARSEST, FINEST),
    ("velocity", 1, 127),
    ("swing", STRAIGHT, MOST_SWING),
    ("humanize", 0, 100),
    ("channel", 1, 16),
    ("transpose", 1 - PITCHES, PITCHES - 1),
    ("repeat", 1, MOST_REPEATS),
)


def _check_formats(formats: Sequence[str]) -> None:
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise InputError(f"no format {', '.join(map(repr, unknown)) or 'given'}; there are {', '.join(FORMATS)}")
    if len(set(formats)) < len(formats):
        raise InputError(f"a format is given twice: {', '.join(formats)}")


def _typed(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
