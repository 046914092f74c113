"""The modes that a scale can have: their steps, their names, and the key they are written in.

The steps are semitones above the root. They and the names are those of Ableton Live 12: the names are the list
of `Song.scale_name` in its Python interface; the first thirty sets, in Live's order, are the FIRMWARE_SCALES of the
remote script `Launchkey_MK4/scale.py` that Live 12.1 ships; the five of Messiaen are his "modes of limited
transposition" (Technique de mon langage musical, 1944, chapter XVI) in their first transposition. All 35 were
compared with `@tonaljs/scale-type` 4.9.2: it has 31 of these names, all with the same steps.

The *parent* is the key whose signature a mode is written in:

- modes of the major scale: that major scale (D dorian: C major); natural minor: itself;
- harmonic and melodic minor and their modes: that minor scale (E phrygian dominant: A minor);
- harmonic major, the pentatonics, the minor blues and the Hungarian minor: the major or minor key that their
  name says, on their own root;
- the rest has none: whole tone, octatonic, Messiaen's, Bhairav, 8-tone Spanish, and the scales of Japan and Indonesia,
  which fit several keys or none.
"""

from typing import Literal, NamedTuple

Kind = Literal["major", "minor"]


class Parent(NamedTuple):
    """The key in which a mode is written: the mode's root is its `degree`, `semitones` above its tonic."""

    kind: Kind
    degree: int = 1
    semitones: int = 0


class Mode(NamedTuple):
    """One row of the table."""

    name: str  #: as we write it, after the root
    steps: tuple[int, ...]  #: semitones above the root, rising from 0
    parent: Parent | None = None  #: whose key signature it is written in
    aliases: tuple[str, ...] = ()  #: other names, beside Live's


_MAJOR, _MINOR = Parent("major"), Parent("minor")

# Where several have the same steps on different roots, the one that the notes alone suggest stands first; the others
# are told from it by their tonic alone.
_TABLE = (
    Mode("major", (0, 2, 4, 5, 7, 9, 11), _MAJOR, ("maj", "ionian", "ion")),
    Mode("minor", (0, 2, 3, 5, 7, 8, 10), _MINOR, ("min", "natural minor", "aeolian", "aeo")),
    Mode("dorian", (0, 2, 3, 5, 7, 9, 10), Parent("major", 2, 2), ("dor",)),
    Mode("phrygian", (0, 1, 3, 5, 7, 8, 10), Parent("major", 3, 4), ("phr",)),
    Mode("lydian", (0, 2, 4, 6, 7, 9, 11), Parent("major", 4, 5), ("lyd",)),
    Mode("mixolydian", (0, 2, 4, 5, 7, 9, 10), Parent("major", 5, 7), ("mix", "mixo")),
    Mode("locrian", (0, 1, 3, 5, 6, 8, 10), Parent("major", 7, 11), ("loc",)),
    Mode("harmonic minor", (0, 2, 3, 5, 7, 8, 11), _MINOR, ("harmonic min", "harm minor", "harm min")),
    Mode("dorian #4", (0, 2, 3, 6, 7, 9, 10), Parent("minor", 4, 5), ("ukrainian dorian", "romanian minor")),
    Mode("phrygian dominant", (0, 1, 4, 5, 7, 8, 10), Parent("minor", 5, 7), ("phrygian major", "freygish")),
    Mode("melodic minor", (0, 2, 3, 5, 7, 9, 11), _MINOR, ("melodic min", "mel minor", "mel min", "jazz minor")),
    Mode("lydian augmented", (0, 2, 4, 6, 8, 9, 11), Parent("minor", 3, 3), ("lydian #5",)),
    Mode("lydian dominant", (0, 2, 4, 6, 7, 9, 10), Parent("minor", 4, 5), ("lydian b7", "acoustic", "overtone")),
    Mode("super locrian", (0, 1, 3, 4, 6, 8, 10), Parent("minor", 7, 11), ("altered",)),
    Mode("harmonic major", (0, 2, 4, 5, 7, 8, 11), _MAJOR, ("harmonic maj", "harm major", "harm maj")),
    Mode("Hungarian minor", (0, 2, 3, 6, 7, 8, 11), _MINOR, ("hungarian min", "gypsy minor")),
    Mode("Bhairav", (0, 1, 4, 5, 7, 8, 11), None, ("double harmonic", "double harmonic major", "byzantine")),
    Mode(
        "major pentatonic", (0, 2, 4, 7, 9), _MAJOR, ("pentatonic", "pent", "maj pentatonic", "major pent", "maj pent")
    ),
    Mode("minor pentatonic", (0, 3, 5, 7, 10), _MINOR, ("min pentatonic", "minor pent", "min pent")),
    Mode("minor blues", (0, 3, 5, 6, 7, 10), _MINOR, ("blues", "min blues")),
    Mode("whole tone", (0, 2, 4, 6, 8, 10), None, ("messiaen 1",)),
    Mode("half-whole diminished", (0, 1, 3, 4, 6, 7, 9, 10), None, ("half-whole dim", "half-whole", "messiaen 2")),
    Mode("whole-half diminished", (0, 2, 3, 5, 6, 8, 9, 11), None, ("whole-half dim", "whole-half")),
    Mode("8-tone Spanish", (0, 1, 3, 4, 5, 6, 8, 10), None, ("eight-tone spanish",)),
    Mode("Hirajoshi", (0, 2, 3, 7, 8)),
    Mode("In-Sen", (0, 1, 5, 7, 10)),
    Mode("Iwato", (0, 1, 5, 6, 10)),
    Mode("Kumoi", (0, 2, 3, 7, 9)),
    Mode("Pelog Selisir", (0, 1, 3, 7, 8), None, ("selisir",)),
    Mode("Pelog Tembung", (0, 1, 5, 7, 8), None, ("tembung",)),
    Mode("Messiaen 3", (0, 2, 3, 4, 6, 7, 8, 10, 11)),
    Mode("Messiaen 4", (0, 1, 2, 5, 6, 7, 8, 11)),
    Mode("Messiaen 5", (0, 1, 5, 6, 7, 11)),
    Mode("Messiaen 6", (0, 2, 4, 5, 6, 8, 10, 11)),
    Mode("Messiaen 7", (0, 1, 2, 3, 5, 6, 7, 8, 9, 11)),
)

MODES: dict[str, Mode] = {mode.name: mode for mode in _TABLE}
"""The 35, by name. Ionian and aeolian are major and minor."""


def rotation(steps: tuple[int, ...], root: int) -> frozenset[int]:
    """The pitch classes, 0..11, of steps above a root.

    >>> sorted(rotation((0, 3, 7), 9))
    [0, 4, 9]
    """
    return frozenset((root + step) % 12 for step in steps)


def told_by_tonic(name: str) -> bool:
    """Whether only the tonic tells a mode from one that stands before it in the table, on some other root.

    So for every mode of the major scale but major itself; for minor pentatonic (its notes are the major pentatonic's,
    three semitones up) and phrygian dominant (harmonic minor); not for harmonic minor, whose notes are its own.

    >>> [told_by_tonic(name) for name in ("major", "minor", "dorian", "harmonic minor", "whole tone")]
    [False, True, True, False, False]
    """
    own = frozenset(MODES[name].steps)
    earlier = _TABLE[: list(MODES).index(name)]
    return any(rotation(mode.steps, root) == own for mode in earlier for root in range(12))
