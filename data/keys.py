"""Scales, in the spellings people type.

A scale is a root and a mode. Its pitch classes are the root's plus the mode's steps, modulo 12
(C = 0, C# = 1, ... B = 11):

    major          0 2 4 5 7 9 11
    natural minor  0 2 3 5 7 8 10

A minor scale and its relative major, three semitones up, have the same pitch classes and differ in
their tonic only.
"""

import difflib
import re
from dataclasses import dataclass
from typing import Literal

from melodylc.data.errors import InputError

Mode = Literal["major", "minor"]

STEPS_OF_MODE: dict[Mode, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
}
LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ACCIDENTALS = {"": 0, "#": 1, "b": -1}

# The thirty key signatures that a MIDI file can hold, seven flats to seven sharps. Where a tonic has two,
# the usual one stands first.
ROOTS: dict[Mode, tuple[str, ...]] = {
    "major": ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B", "C#", "Gb", "Cb"),
    "minor": ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B", "D#", "Ab", "A#"),
}

_MODE_WORDS: dict[str, Mode] = {
    "": "major",
    "maj": "major",
    "major": "major",
    "ionian": "major",
    "min": "minor",
    "minor": "minor",
    "naturalminor": "minor",
    "aeolian": "minor",
}
_SHORT: dict[Mode, str] = {"major": "maj", "minor": "min"}
_WORDS = {"♯": "#", "♭": "b", "sharp": "#", "flat": "b"}
_SPELLING = re.compile(r"([A-G])([#b]?)([a-z]*)", re.IGNORECASE)
_LONGEST_TEXT = 40


@dataclass(frozen=True)
class Scale:
    """A major or natural minor scale.

    Attributes:
        tonic: pitch class of the root, 0..11 (C = 0).
        mode: "major" or "minor" (natural).
        root: how the root is written, such as "Eb". Left out, or where no key signature
            is written so (G# major would have eight sharps), it is the usual one (Ab).

    Raises:
        InputError: a tonic, mode or root that doesn't exist, or a root that isn't the tonic.

    >>> Scale(8, "major", "G#")
    Scale(tonic=8, mode='major', root='Ab')
    """

    tonic: int
    mode: Mode
    root: str = ""

    def __post_init__(self) -> None:
        if self.mode not in STEPS_OF_MODE:
            raise InputError(f"a mode is major or minor, not {self.mode!r}")
        if self.tonic not in range(12):
            raise InputError(f"a tonic is a pitch class in 0..11 (C = 0), not {self.tonic!r}")
        if self.root and pitch_class(self.root) != self.tonic:
            raise InputError(f"{self.root} is pitch class {pitch_class(self.root)}, not {self.tonic}")
        if self.root not in ROOTS[self.mode]:
            usual = next(root for root in ROOTS[self.mode] if pitch_class(root) == self.tonic)
            object.__setattr__(self, "root", usual)

    @property
    def pitch_classes(self) -> frozenset[int]:
        """The seven pitch classes, each in 0..11.

        >>> sorted(Scale(9, "minor").pitch_classes)
        [0, 2, 4, 5, 7, 9, 11]
        """
        return frozenset((self.tonic + step) % 12 for step in STEPS_OF_MODE[self.mode])

    @property
    def mask(self) -> tuple[bool, ...]:
        """For each of the 12 pitch classes, whether the scale has it."""
        return tuple(pitch in self.pitch_classes for pitch in range(12))

    @property
    def name(self) -> str:
        """The name to show: "C major", "Bb minor"."""
        return f"{self.root} {self.mode}"

    @property
    def slug(self) -> str:
        """The name to type: "cmaj", "bbmin"."""
        return f"{self.root.lower()}{_SHORT[self.mode]}"

    @property
    def key_signature(self) -> str:
        """The name that mido gives the key signature: "C", "Bbm"."""
        return self.root + ("m" if self.mode == "minor" else "")

    @property
    def relative(self) -> "Scale":
        """The scale of the other mode with the same pitch classes, and so the same signature.

        >>> parse_scale("cmaj").relative.name, parse_scale("ebm").relative.name
        ('A minor', 'Gb major')
        """
        other: Mode = "minor" if self.mode == "major" else "major"
        tonic = (self.tonic + (-3 if self.mode == "major" else 3)) % 12
        # The relative's root is written with the letter two below (or above), as thirds are.
        letters = "ABCDEFG"
        letter = letters[(letters.index(self.root[0]) + (-2 if self.mode == "major" else 2)) % 7]
        root = next(letter + sign for sign in ACCIDENTALS if pitch_class(letter + sign) == tonic)
        return Scale(tonic, other, root)


def pitch_class(root: str) -> int:
    """The pitch class, 0..11, of a root such as "C", "F#" or "Cb".

    >>> [pitch_class(root) for root in ("C", "F#", "Cb")]
    [0, 6, 11]
    """
    if root[:1] not in LETTERS or root[1:] not in ACCIDENTALS:
        raise InputError(f"a root is a letter C D E F G A B, perhaps with # or b, not {root!r}")
    return (LETTERS[root[0]] + ACCIDENTALS[root[1:]]) % 12


def parse_scale(text: str) -> Scale:
    """The scale that someone typed.

    A root, C to B with ``#``, ``b``, ``sharp`` or ``flat``, then a mode: nothing, ``maj``, ``major``
    or ``M`` for major; ``m``, ``min`` or ``minor`` for natural minor. Spaces, dashes and
    underscores may stand between, and capitals matter in ``M`` and ``m`` alone. A ``b`` after a
    letter is a flat: ``bb`` is B flat major, ``bm`` is B minor.

    Raises:
        InputError: anything else, with the nearest names.

    >>> [parse_scale(text).name for text in ("cmaj", "C-major", "c minor", "Am", "f#m", "bbmaj", "b")]
    ['C major', 'C major', 'C minor', 'A minor', 'F# minor', 'Bb major', 'B major']
    >>> parse_scale("cmajr")
    Traceback (most recent call last):
    melodylc.data.errors.InputError: unknown scale 'cmajr'; nearest: cmaj, c#maj, cbmaj. \
A scale is a root and major or minor, such as cmaj, "c minor", Am, f#m, bbmaj
    """
    match = _SPELLING.fullmatch(_plain(text)) if len(text) <= _LONGEST_TEXT else None
    mode = _mode(match[3]) if match else None
    if match is None or mode is None:
        raise InputError(
            f"unknown scale {_shown(text)}; nearest: {', '.join(_nearest(text))}. "
            'A scale is a root and major or minor, such as cmaj, "c minor", Am, f#m, bbmaj'
        )
    root = match[1].upper() + match[2].lower()
    return Scale(pitch_class(root), mode, root)


def _plain(text: str) -> str:
    """`text` without separators, and with `#` and `b` for the words and signs of sharp and flat."""
    for word, sign in _WORDS.items():
        text = re.sub(word, sign, text, flags=re.IGNORECASE)
    return re.sub(r"[\s_-]+", "", text)


def _mode(word: str) -> Mode | None:
    if word in ("m", "M"):
        return "minor" if word == "m" else "major"
    return _MODE_WORDS.get(word.lower())


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "...")


def _nearest(text: str, count: int = 3) -> list[str]:
    """The `count` scales, as one types them, most like `text`: those on the same letter first."""
    typed = _plain(text[:_LONGEST_TEXT]).lower()
    likeness: dict[str, float] = {}
    for mode in STEPS_OF_MODE:
        for root in ROOTS[mode]:
            scale = Scale(pitch_class(root), mode, root)
            likeness[scale.slug] = (typed[:1] == scale.slug[0]) + max(
                difflib.SequenceMatcher(None, typed, spelling).ratio()
                for spelling in (scale.slug, _plain(scale.name).lower(), scale.key_signature.lower())
            )
    return sorted(likeness, key=lambda slug: -likeness[slug])[:count]
