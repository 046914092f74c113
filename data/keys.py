"""Scales, in the spellings people type.

A scale is a root and one of the modes of `melodylc.data.scales`. Its pitch classes are the root's plus the mode's
steps, modulo 12 (C = 0, C# = 1, ... B = 11). Or it is a set of notes of one's own, with a tonic only
where one is named.

Several scales can share their pitch classes, as a minor scale and its relative major do, three semitones up; they
differ in their tonic only (`Scale.told_by_tonic`).
"""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from melodylc.data.errors import InputError
from melodylc.data.scales import MODES, Kind, rotation, told_by_tonic

ModeName = str
"""The name of a mode: a key of `melodylc.data.scales.MODES`, or NOTES."""

NOTES: ModeName = "notes"
"""The mode of a scale that is a set of notes."""

GERMAN = "H"  #: what German calls the B of English
LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ACCIDENTALS = {"": 0, "#": 1, "b": -1}

# The thirty key signatures that a MIDI file can hold, seven flats to seven sharps. Where a tonic has two,
# the usual one stands first.
ROOTS: dict[Kind, tuple[str, ...]] = {
    "major": ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B", "C#", "Gb", "Cb"),
    "minor": ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B", "D#", "Ab", "A#"),
}

_SHORT: dict[ModeName, str] = {"major": "maj", "minor": "min"}
_MINOR_THIRD = 3
_SIGNS = {"♯": "#", "♭": "b", "sharp": "#", "flat": "b"}
_LONGEST_TEXT = 80
_LONGEST_SHOWN = 40
_ALIKE = 0.5  # below it no name is like what was typed
_EXAMPLES = ["cmaj", "amin", "d-dorian"]


@dataclass(frozen=True)
class Scale:
    """A root and a mode, or a set of notes.

    Attributes:
        tonic: pitch class of the root, 0..11 (C = 0); None where a set of notes has none.
        mode: a name in `melodylc.data.scales.MODES`, such as "major", "dorian" or "Hungarian minor"; or "notes".
        root: how the root is written, such as "Eb". Left out, or where it isn't written so in the major keys
            (minor keys, for modes with a minor third), it is the usual one: G# major would have
            eight sharps, so it is Ab.
        notes: the pitch classes of a set of notes; empty for every other mode.

    Raises:
        InputError: a tonic, mode, root or note that doesn't exist, or a root that isn't the tonic.

    >>> Scale(8, "major", "G#").name, Scale(2, "dorian").name
    ('Ab major', 'D dorian')
    >>> Scale(None, "notes", notes=frozenset({0, 4, 7})).name
    'C,E,G'
    """

    tonic: int | None
    mode: ModeName
    root: str = ""
    notes: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if self.mode != NOTES and self.mode not in MODES:
            raise InputError(f"no mode is called {self.mode!r}; nearest: {', '.join(_nearest_modes(self.mode))}")
        if self.tonic not in range(12) and not (self.mode == NOTES and self.tonic is None):
            raise InputError(f"a tonic is a pitch class in 0..11 (C = 0), not {self.tonic!r}")
        if self.root and pitch_class(self.root) != self.tonic:
            raise InputError(f"{self.root} is pitch class {pitch_class(self.root)}, not {self.tonic}")
        _check_notes(self)
        if self.tonic is not None and self.root not in _roots(self.mode):
            object.__setattr__(self, "root", _usual(self.tonic, self.mode))

    @property
    def pitch_classes(self) -> frozenset[int]:
        """The pitch classes, each in 0..11.

        >>> sorted(Scale(9, "minor").pitch_classes)
        [0, 2, 4, 5, 7, 9, 11]
        """
        return self.notes if self.mode == NOTES else rotation(MODES[self.mode].steps, self.tonic or 0)

    @property
    def mask(self) -> tuple[bool, ...]:
        """For each of the 12 pitch classes, whether the scale has it."""
        return tuple(pitch in self.pitch_classes for pitch in range(12))

    @property
    def told_by_tonic(self) -> bool:
        """Whether the tonic alone tells this scale from another, so that a melody should end on it.

        True for minor and the other modes of the major scale, and for every mode whose notes are also those of
        one before it in the table; and for a set of notes where a tonic is named. False for major, for
        modes with notes of their own (harmonic minor, whole tone), and for a set without a tonic.

        >>> [parse_scale(text).told_by_tonic for text in ("c", "am", "d dorian", "a harmonic minor", "c,d,e tonic d")]
        [False, True, True, False, True]
        """
        return self.tonic is not None if self.mode == NOTES else told_by_tonic(self.mode)

    @property
    def name(self) -> str:
        """The name to show: "C major", "Bb minor", "D Hungarian minor", "C,D,E,G,A", "C,E,G tonic C"."""
        if self.mode != NOTES:
            return f"{self.root} {self.mode}"
        tonic = f" tonic {self.root}" if self.root else ""
        return ",".join(_usual(pitch, NOTES) for pitch in sorted(self.notes)) + tonic

    @property
    def slug(self) -> str:
        """The name to type: "cmaj", "bbmin", "d-hungarian-minor", "0-2-4-7-9", "0-4-7-tonic-0"."""
        if self.mode in _SHORT:
            return f"{self.root.lower()}{_SHORT[self.mode]}"
        if self.mode != NOTES:
            return f"{self.root}-{self.mode}".lower().replace(" ", "-")
        tonic = "" if self.tonic is None else f"-tonic-{self.tonic}"
        return "-".join(map(str, sorted(self.notes))) + tonic

    @property
    def parent(self) -> "Scale | None":
        """The major or minor scale whose key signature this one is written in; see `melodylc.data.scales`.

        Written with the letter that the mode's degree asks for, and respelled where no such signature exists.

        >>> [scale.name for text in ("c", "d dorian", "eb dorian", "d# lydian") if (scale := parse_scale(text).parent)]
        ['C major', 'C major', 'Db major', 'Bb major']
        >>> parse_scale("c whole tone").parent is None
        True
        """
        parent = None if self.mode == NOTES else MODES[self.mode].parent
        if parent is None or self.tonic is None:
            return None
        return _related(self.root, 1 - parent.degree, (self.tonic - parent.semitones) % 12, parent.kind)

    @property
    def key_signature(self) -> str | None:
        """The name that mido gives the key signature: "C", "Bbm"; None where the scale has none.

        >>> [parse_scale(text).key_signature for text in ("bbm", "d dorian", "a harmonic minor", "c whole tone")]
        ['Bbm', 'C', 'Am', None]
        """
        parent = self.parent
        return None if parent is None else parent.root + ("m" if parent.mode == "minor" else "")

    def transposed(self, semitones: int) -> "Scale":
        """The scale so many semitones higher; its root is spelt as usual there.

        >>> Scale(2, "dorian").transposed(-2).name
        'C dorian'
        """
        if semitones % 12 == 0:
            return self
        tonic = None if self.tonic is None else (self.tonic + semitones) % 12
        return Scale(tonic, self.mode, notes=frozenset((note + semitones) % 12 for note in self.notes))

    @property
    def relative(self) -> "Scale":
        """Of a major scale the minor one with the same pitch classes, and the other way round.

        Raises:
            InputError: any other mode.

        >>> parse_scale("cmaj").relative.name, parse_scale("ebm").relative.name
        ('A minor', 'Gb major')
        """
        if self.tonic is None or self.mode not in _SHORT:
            raise InputError(f"{self.name} has no relative: only major and minor scales have")
        if self.mode == "major":
            return _related(self.root, -2, (self.tonic - 3) % 12, "minor")
        return _related(self.root, 2, (self.tonic + 3) % 12, "major")


def pitch_class(root: str) -> int:
    """The pitch class, 0..11, of a root such as "C", "F#" or "Cb".

    >>> [pitch_class(root) for root in ("C", "F#", "Cb")]
    [0, 6, 11]
    """
    if root[:1] not in LETTERS or root[1:] not in ACCIDENTALS:
        raise InputError(f"a root is a letter C D E F G A B, perhaps with # or b, not {root!r}")
    return (LETTERS[root[0]] + ACCIDENTALS[root[1:]]) % 12


def parse_scale(text: str) -> Scale:
    """The scale that someone typed: a root and a mode, or notes.

    A root is C to B with ``#``, ``b``, ``sharp`` or ``flat``; H is the German B. A mode is nothing, ``maj``, ``major``
    or ``M`` for major; ``m``, ``min`` or ``minor`` for natural minor; or a name of `melodylc.data.scales`, Ableton's or
    another. Spaces, dashes and underscores may stand between, and capitals matter in ``M`` and ``m`` alone. A ``b``
    after a letter is a flat, unless the mode begins with it: ``bb`` is B flat major, ``bm`` B minor, ``b blues`` a
    blues on B.

    Notes are two names or pitch classes (C = 0) or more, with commas or plus signs between; numbers may have spaces
    or dashes. They have no tonic, unless ``tonic`` and one of them follow. Numbers count from C, never from the tonic.

    Raises:
        InputError: anything else, with the nearest names.

    >>> [parse_scale(text).name for text in ("cmaj", "C-major", "c minor", "Am", "f#m", "bbmaj", "b")]
    ['C major', 'C major', 'C minor', 'A minor', 'F# minor', 'Bb major', 'B major']
    >>> [parse_scale(text).name for text in ("a-dorian", "Eb_minor_pentatonic", "0,2,4,7,9", "c,d,e,g,a tonic d")]
    ['A dorian', 'Eb minor pentatonic', 'C,D,E,G,A', 'C,D,E,G,A tonic D']
    >>> parse_scale("a-dorain")
    Traceback (most recent call last):
    melodylc.data.errors.InputError: unknown scale 'a-dorain'; nearest: a-dorian, ab-dorian, a#-dorian. \
A scale is a root and a mode (cmaj, "c minor", f#m, d-dorian, eb-minor-pentatonic) or notes (0,2,4,7,9)
    """
    if len(text) <= _LONGEST_TEXT:
        if (notes := _note_tokens(text)) is not None:
            return _scale_of_notes(*notes)
        for root, word in _readings(_plain(text)):
            if mode := _mode(word):
                return Scale(pitch_class(root), mode, root)
    raise InputError(
        f"unknown scale {_shown(text)}; nearest: {', '.join(_nearest(text))}. "
        'A scale is a root and a mode (cmaj, "c minor", f#m, d-dorian, eb-minor-pentatonic) or notes (0,2,4,7,9)'
    )


def _roots(mode: ModeName) -> tuple[str, ...]:
    """How roots are written below a mode: as in minor keys where its third is minor, else as in major keys."""
    return ROOTS["minor" if mode != NOTES and _MINOR_THIRD in MODES[mode].steps else "major"]


def _usual(tonic: int, mode: ModeName) -> str:
    return next(root for root in _roots(mode) if pitch_class(root) == tonic)


def _related(root: str, letters: int, tonic: int, kind: Kind) -> Scale:
    """The key on `tonic`, written with the letter that stands so many after that of `root`."""
    alphabet = "ABCDEFG"
    letter = alphabet[(alphabet.index(root[0]) + letters) % 7]
    written = (letter + sign for sign in ACCIDENTALS if pitch_class(letter + sign) == tonic)
    return Scale(tonic, kind, next(written, ""))


def _check_notes(scale: Scale) -> None:
    enough = len(scale.notes) > 1 if scale.mode == NOTES else not scale.notes
    if not enough or not scale.notes <= set(range(12)):
        got = ", ".join(map(str, sorted(scale.notes))) or "none"
        raise InputError(f"a set of notes is two of 0..11 (C = 0) or more, and no other mode has any; got {got}")
    if scale.notes and scale.tonic not in {None, *scale.notes}:
        raise InputError(f"the tonic {_usual(scale.tonic or 0, NOTES)} isn't one of the scale's own notes")


def _signs(text: str) -> str:
    """`text` with `#` and `b` for the words and signs of sharp and flat."""
    for word, sign in _SIGNS.items():
        text = re.sub(word, sign, text, flags=re.IGNORECASE)
    return text


def _plain(text: str) -> str:
    """`text` without separators and filler, and with `#` and `b` for sharp and flat."""
    return re.sub(r"[\s_.-]+|scale|mode", "", _signs(text), flags=re.IGNORECASE)


def _readings(plain: str) -> Iterator[tuple[str, str]]:
    """A root and the word after it: with the accidental that may follow the letter, then without."""
    letter, rest = plain[:1].upper().replace(GERMAN, "B"), plain[1:]
    if letter in LETTERS:
        if rest[:1].lower() in ("#", "b"):
            yield letter + rest[0].lower(), rest[1:]
        yield letter, rest


_MODE_WORDS = {"": "major"} | {
    _plain(word).lower(): mode.name for mode in MODES.values() for word in (mode.name, *mode.aliases)
}


def _mode(word: str) -> ModeName | None:
    if word in ("m", "M"):
        return "minor" if word == "m" else "major"
    return _MODE_WORDS.get(word.lower())


def _note_tokens(text: str) -> tuple[list[str], list[str]] | None:
    """The notes and the tonic (none or one) that a text lists, or None where it isn't a list of notes."""
    listed, named, tonic = _signs(text).lower().partition("tonic")
    tonics = [_token(tonic.lstrip(" \t_-"))] if named else []
    listed = re.sub(r"[\s,+_-]+$", "", listed)
    if re.search(r"[,+]", listed):
        return [_token(token) for token in re.split(r"[,+]", listed)], tonics
    tokens = re.split(r"[\s_-]+", listed.strip())
    return (tokens, tonics) if len(tokens) > 1 and all(token.isdecimal() for token in tokens) else None


def _token(text: str) -> str:
    """A note without spaces, nor what stands before its accidental."""
    return re.sub(r"\s|[_-]+(?=[#b]$)", "", text)


def _scale_of_notes(notes: list[str], tonics: list[str]) -> Scale:
    tonic = next((_note(token) for token in tonics), None)
    return Scale(tonic, NOTES, notes=frozenset(_note(token) for token in notes))


def _note(token: str) -> int:
    """The pitch class of a note in a list: a number, or a name."""
    if re.fullmatch("[0-9]{1,2}", token) and int(token) < 12:
        return int(token)
    try:
        return pitch_class(token.capitalize().replace(GERMAN, "B"))
    except InputError:
        raise InputError(
            f"{_shown(token)} is no note of a scale: notes are names (c, f#, bb) or 0..11 (C = 0), as in 0,2,4,7,9"
        ) from None


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "...")


def _likeness(typed: str, *names: str) -> float:
    return max(difflib.SequenceMatcher(None, typed, name.lower()).ratio() for name in names)


def _nearest(text: str, count: int = 3) -> list[str]:
    """The `count` scales, as one types them, most like `text`: those on its first letter, if that is a root."""
    typed = _plain(text[:_LONGEST_SHOWN]).lower()
    letters = typed[:1].upper() if typed[:1].upper() in LETTERS else "C"
    scales = [Scale(pitch_class(root), mode, root) for mode in MODES for root in _roots(mode) if root[0] in letters]
    likeness = {}
    for scale in scales:
        short = [scale.root + {"major": "", "minor": "m"}[scale.mode]] if scale.mode in _SHORT else []
        likeness[scale.slug] = _likeness(typed, scale.slug.replace("-", ""), _plain(scale.name), *short)
    best = sorted(likeness, key=lambda slug: -likeness[slug])[:count]
    return best if likeness[best[0]] >= _ALIKE else _EXAMPLES[:count]


def _nearest_modes(name: str) -> list[str]:
    return sorted(MODES, key=lambda mode: -_likeness(name.lower(), mode))[:3]
