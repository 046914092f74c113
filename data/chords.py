"""Chords and progressions, in the spellings people type.

A chord is a root, a quality and perhaps another bass: C, F#m7b5, Bbmaj7, G7sus4, C6/9, C/E; N.C. is a bar without one.
Its pitch classes are the root's plus the quality's intervals, modulo 12 (C = 0), and the bass. A quality is built as
musicians build it:

    triad       nothing (0 4 7), m (0 3 7), dim (0 3 6), aug (0 4 8), 5 (0 7), sus2 (0 2 7), sus4 (0 5 7)
    extension   6 adds 9, 69 adds 9 and 14; 7 adds 10, with maj 11, with dim 9; 9 adds 14 to that, 11 also 17, and 13
                adds 14 and 21 (not the eleventh, which players leave out)
    changes     b5 #5 b9 #9 #11 b13 move a note or add it, add9 add11 add13 add one, no3 no5 take one away;
                alt is 7 with b5 #5 b9 #9

In a key, numerals name degrees: I vi IV V7, bVII, V7/ii. A capital is major, a small letter minor. A plain numeral is
the scale's own degree (VI of A minor is F), one with # or b is counted from the major scale on the tonic (bVII there
is G). A figure is an extension, never an inversion: I6 is C6.

A progression is bars with | between. `pychord` 1.4.1 was weighed for the spelling: it lacks the signs of jazz (Δ, ø, °,
C+, N.C.), (add9), mi7 and numerals, says nothing of where an error is, and reads C6/9 as C6 over a bass.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import BARS, STEPS, STEPS_PER_BAR
from melodylc.data.errors import InputError
from melodylc.data.keys import LETTERS, Scale, pitch_class

NO_CHORD = "N.C."
SEMITONES = {1: 0, 2: 2, 3: 4, 4: 5, 5: 7, 6: 9, 7: 10, 9: 14, 11: 17, 13: 21}
"""Semitones above the root of a degree that isn't altered: those of the major scale, but a minor seventh."""

_USUAL = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_NUMERALS = ("I", "II", "III", "IV", "V", "VI", "VII")
_COMMON = (
    *("", "m", "7", "maj7", "m7", "6", "m6", "69", "sus2", "sus4", "7sus4", "add9", "madd9", "dim", "dim7", "m7b5"),
    *("aug", "aug7", "9", "maj9", "m9", "11", "m11", "13", "mMaj7", "5", "7b9", "7#9", "7alt", "maj7#11"),
)
_LONGEST_SHOWN = 30
_GOES_ON = frozenset((".", "/", "-"))
SIGNS = _GOES_ON | {"%"}  #: words of a progression that aren't chords
_FORM = "A chord is a root and a quality (C, Am, F#m7b5, G7sus4, C/E), N.C., or in a key a numeral (vi)"

# What people write for a quality, in the order in which it is replaced.
_SPELLINGS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"♭", "b"),
        (r"♯", "#"),
        (r"[\s(),]", ""),
        (r"[Δ△∆^](?=\d)", "maj"),
        (r"[Δ△∆^]", "maj7"),
        (r"^[øØ](\d*)", lambda found: f"m{found[1] or 7}b5"),
        (r"^(?:[°º˚o]|(?i:diminished))", "dim"),
        (r"^(?i:minor|min|mi(?!n)|-)", "m"),
        (r"(?i:major|maj|ma(?=\d|$))|M|j(?=\d)", "maj"),
        (r"^(?i:augmented)|^\+", "aug"),
        (r"^dom(?=\d)", ""),
        (r"(?<=\d)(?:aug|\+)$", "#5"),
        (r"\+(?=\d)", "#"),
        (r"-(?=\d)", "b"),
        (r"6/9|6add9", "69"),
        (r"^sus([79]|13)$", r"\1sus4"),
        (r"^2$|add2", "add9"),
        (r"^4$", "sus4"),
        (r"add4", "add11"),
        (r"add6", "add13"),
        (r"^alt$", "7alt"),
    )
)
_QUALITY = re.compile(
    r"(?P<triad>m(?!aj)|dim|aug)?(?P<major>maj)?(?P<extension>69|6|7|9|11|13|5)?(?P<sus>sus[24]?)?"
    r"(?P<changes>(?:(?:add|no|b|#)\d+|alt)*)"
)
_CHANGE = re.compile(r"(add|no|b|#)(13|11|9|5|3)|(alt)")
_ROOT = re.compile(r"(?P<root>[A-Ga-g][#♯b♭]?)(?P<quality>.*?)(?:/(?P<bass>[A-Ga-g][#♯b♭]?))?")
_NUMERAL = re.compile(
    r"(?P<sign>[#♯b♭]?)(?P<numeral>VII|VI|IV|V|III|II|I|vii|vi|iv|v|iii|ii|i)(?P<quality>(?![IVXivx]).*?)"
    r"(?:/(?:(?P<bass>[A-G][#♯b♭]?)|(?P<of_sign>[#♯b♭]?)(?P<of>VII|VI|IV|V|III|II|I|vii|vi|iv|v|iii|ii|i)))?"
)


class Degree(NamedTuple):
    """A note of a chord: its degree above the root, 1..13, and its alteration in semitones; see `SEMITONES`."""

    number: int
    alter: int = 0

    @property
    def semitones(self) -> int:
        """Above the root, 0..22."""
        return SEMITONES[self.number] + self.alter


@dataclass(frozen=True)
class Chord:
    """A chord, or none: frozen, equal and hashed by its spelling.

    Attributes:
        root: a letter with # or b, such as "Eb"; "" where there is no chord.
        quality: as above, in any spelling; it is rewritten in one.
        bass: a letter with # or b, of a slash chord; "" where the root is the bass.

    Raises:
        InputError: a root, quality or bass that can't be read.

    >>> Chord("C", "M7").name, sorted(Chord("C", "M7").pitch_classes), Chord("C", "", "E").name
    ('Cmaj7', [0, 4, 7, 11], 'C/E')
    """

    root: str
    quality: str = ""
    bass: str = ""

    def __post_init__(self) -> None:
        if not self.root and (self.quality or self.bass):
            raise InputError("a chord without a root has neither quality nor bass: it is N.C.")
        for note in filter(None, (self.root, self.bass)):
            pitch_class(note)
        found = _quality(self.quality)
        if found is None:
            raise _unreadable(self.root + self.quality)
        object.__setattr__(self, "quality", found[0])
        object.__setattr__(self, "bass", "" if self.bass == self.root else self.bass)

    @property
    def name(self) -> str:
        """As one types it: "Cmaj7", "C/E", "N.C."."""
        return self.root + self.quality + (f"/{self.bass}" if self.bass else "") if self.root else NO_CHORD

    @property
    def degrees(self) -> tuple[Degree, ...]:
        """Its notes, from the root up; none where there is no chord.

        >>> [tuple(degree) for degree in Chord("G", "7b9").degrees]
        [(1, 0), (3, 0), (5, 0), (7, 0), (9, -1)]
        """
        found = _quality(self.quality)
        return found[1] if self.root and found else ()

    @cached_property
    def pitch_classes(self) -> frozenset[int]:
        """The pitch classes of its notes and of its bass, each in 0..11; none where there is no chord."""
        root = pitch_class(self.root) if self.root else 0
        notes = {(root + degree.semitones) % 12 for degree in self.degrees}
        return frozenset(notes | ({pitch_class(self.bass)} if self.bass else set()))

    @property
    def allowed(self) -> frozenset[int]:
        """The pitch classes that fit it: its own, and every one where there is no chord."""
        return self.pitch_classes or frozenset(range(12))

    def transposed(self, semitones: int) -> "Chord":
        """The chord so many semitones higher, its notes spelt as usual there.

        >>> Chord("C", "m7", "Bb").transposed(2).name
        'Dm7/C'
        """
        if not self.root or semitones % 12 == 0:
            return self
        root, bass = (note and _USUAL[(pitch_class(note) + semitones) % 12] for note in (self.root, self.bass))
        return Chord(root, self.quality, bass)

    def voicing(self) -> tuple[int, ...]:
        """A plain voicing in close position: MIDI pitches, rising, the bass in G2..F#3 and the rest within an octave.

        >>> Chord("C").voicing(), Chord("C", "", "E").voicing(), Chord("").voicing()
        ((48, 52, 55), (52, 55, 60), ())
        """
        if not self.root:
            return ()
        lowest = 43 + (pitch_class(self.bass or self.root) - 43) % 12
        return tuple(sorted(lowest + (note - lowest) % 12 for note in self.pitch_classes))


class Span(NamedTuple):
    """A chord from one sixteenth to another, within a bar."""

    chord: Chord
    start: int
    end: int


@dataclass(frozen=True)
class Progression:
    """The chords of sixteen bars: those of `bars`, over and over.

    Attributes:
        bars: 1 to 16 bars, each of 1, 2, 4, 8 or 16 chords that share it equally. Those that only repeat what stands
            before them, over the sixteen bars, are left out, as are shares that are no change.

    Raises:
        InputError: another number of bars, or of chords in one.

    >>> blues = parse_progression("C7 | % | F7 C7 | G7")
    >>> blues.name, blues.steps.shape, [chord.name for chord in blues.chords]
    ('C7 | C7 | F7 C7 | G7', (256,), ['C7', 'F7', 'G7'])
    """

    bars: tuple[tuple[Chord, ...], ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.bars) <= BARS:
            raise InputError(f"a progression is 1 to {BARS} bars, not {len(self.bars)}")
        for number, bar in enumerate(self.bars, 1):
            if len(bar) not in (1, 2, 4, 8, 16):
                raise InputError(
                    f"bar {number} of the chords has {len(bar)}, and 1, 2, 4, 8 or 16 share a bar equally: write . "
                    "for a beat on which the chord before goes on, as in C . F G"
                )
        bars = tuple(_shortest(bar) for bar in self.bars)
        full = (bars * BARS)[:BARS]
        period = next(count for count in range(1, len(bars) + 1) if (bars[:count] * BARS)[:BARS] == full)
        object.__setattr__(self, "bars", bars[:period])

    @property
    def name(self) -> str:
        """As one types it: `parse_progression` reads it back."""
        bars = " | ".join(" ".join(_written(bar)) for bar in self.bars)
        return f"{bars} |" if len(self.bars) == 1 and len(self.bars[0]) > 1 else bars

    @cached_property
    def chords(self) -> tuple[Chord, ...]:
        """The different chords, in the order in which they come."""
        return tuple(dict.fromkeys(chord for bar in self.bars for chord in bar))

    @cached_property
    def steps(self) -> npt.NDArray[np.int64]:
        """At each sixteenth, the index in `chords` of its chord: shape (256,)."""
        where = {chord: index for index, chord in enumerate(self.chords)}
        bars = [np.repeat([where[chord] for chord in bar], STEPS_PER_BAR // len(bar)) for bar in self.bars]
        return np.resize(np.concatenate(bars), STEPS).astype(np.int64)

    @cached_property
    def allowed(self) -> npt.NDArray[np.bool_]:
        """At each sixteenth, which pitch classes fit its chord: shape (256, 12)."""
        tables = np.array([[note in chord.allowed for note in range(12)] for chord in self.chords])
        allowed: npt.NDArray[np.bool_] = tables[self.steps]
        return allowed

    @property
    def spans(self) -> tuple[Span, ...]:
        """The chords of the sixteen bars as they are played: each from its beat, and again at each bar line."""
        steps = self.steps
        starts = [it for it in range(STEPS) if it % STEPS_PER_BAR == 0 or steps[it] != steps[it - 1]]
        return tuple(
            Span(self.chords[steps[start]], start, end) for start, end in zip(starts, [*starts[1:], STEPS], strict=True)
        )

    def first_spans(self, bars: int) -> tuple[Span, ...]:
        """The chords of the first so many bars as they are played."""
        return tuple(it for it in self.spans if it.start < bars * STEPS_PER_BAR)

    def first(self, bars: int) -> Self:
        """The first so many bars, over and over.

        >>> parse_progression("C | F | G").first(2).name
        'C | F'
        """
        return type(self)((self.bars * BARS)[:bars])

    def bar(self, index: int) -> Self:
        """One bar of the sixteen, from 0, over and over."""
        return type(self)((self.bars[index % len(self.bars)],))

    def transposed(self, semitones: int) -> Self:
        """All chords so many semitones higher."""
        return type(self)(tuple(tuple(chord.transposed(semitones) for chord in bar) for bar in self.bars))


def parse_chord(text: str, key: Scale | None = None) -> Chord:
    """The chord that someone typed.

    Args:
        text: a root and a quality, N.C., or a numeral.
        key: that numerals count in.

    Raises:
        InputError: it can't be read, with the nearest spelling; or a numeral without a key that has a tonic.

    >>> [parse_chord(text).name for text in ("CΔ", "Bø7", "f#-7", "G+", "E♭6/9", "D°", "Am7/G", "NC")]
    ['Cmaj7', 'Bm7b5', 'F#m7', 'Gaug', 'Eb69', 'Ddim', 'Am7/G', 'N.C.']
    >>> parse_chord("Cmja7")
    Traceback (most recent call last):
    melodylc.data.errors.InputError: can't read the chord 'Cmja7'; nearest: Cmaj7. \
A chord is a root and a quality (C, Am, F#m7b5, G7sus4, C/E), N.C., or in a key a numeral (vi)
    """
    if re.fullmatch(r"(?i:n\.?c\.?)", text):
        return Chord("")
    if found := _NUMERAL.fullmatch(text):
        quality = _of_numeral(found["numeral"], found["quality"])
        if _quality(quality) is not None:
            return Chord(_degree(text, found, key), quality, _note(found["bass"] or ""))
    if (found := _ROOT.fullmatch(text)) and _quality(found["quality"]) is not None:
        return Chord(_note(found["root"]), found["quality"], _note(found["bass"] or ""))
    raise _unreadable(text)


def parse_progression(text: str, key: Scale | None = None) -> Progression:
    """The progression that someone typed.

    Bars have | (or commas) between; where there are none, each chord is a bar. Chords in a bar share it equally, and
    a . among them lets the one before go on. % is the bar before again; what stands in |: :| comes twice.

    Args:
        text: what was typed.
        key: that numerals count in.

    Raises:
        InputError: a chord that can't be read (which, where, and the nearest), an empty bar, more than 16 bars.

    >>> from melodylc.data.keys import parse_scale
    >>> parse_progression("I vi IV V", parse_scale("gmaj")).name
    'G | Em | C | D'
    >>> parse_progression("| C . F G | % |: Am | Dm7/C :|").name
    'C . F G | C . F G | Am | Dm7/C | Am | Dm7/C'
    """
    texts = _bars(text)
    if len(texts) > BARS:
        raise InputError(f"{len(texts)} bars of chords are too many: a melody has {BARS}")
    bars: list[tuple[Chord, ...]] = []
    for number, words in enumerate(texts, 1):
        bars.append(bars[-1] if words == ["%"] and bars else tuple(_chords(words, number, key)))
    return Progression(tuple(bars))


def _bars(text: str) -> list[list[str]]:
    """The words of each bar."""
    plain = re.sub(r"\[?\|\|?\]?|,(?![^(]*\))", "|", text)
    lined = re.search(r"[|:]", plain) is not None
    # A repeat sign is a bar line too, but makes no empty bar with one that stands beside it.
    plain = re.sub(r"\|?:(.*?):\|?", "\0\\1\0\\1\0", plain, flags=re.DOTALL)
    plain = re.sub(r"[\s|]*\0[\s|\0]*", "|", plain).strip()
    words = plain.removeprefix("|").removesuffix("|").split("|" if lined else None)
    bars = [bar.split() for bar in words]
    if not any(bars):
        raise InputError('no chords: write bars with | between, as in "C | Am | F | G7"')
    for number, bar in enumerate(bars, 1):
        if not bar:
            raise InputError(f"bar {number} of the chords is empty: write % for the bar before again, or N.C. for none")
    return bars


def _chords(words: Sequence[str], bar: int, key: Scale | None) -> Iterator[Chord]:
    before: Chord | None = None
    for number, word in enumerate(words, 1):
        if word in _GOES_ON and before is not None:
            yield before
            continue
        if word == "%" or word in _GOES_ON:
            what = "the bar before, alone in its bar" if word == "%" else "the chord before, in its bar"
            raise InputError(f"{word} repeats {what}: there is none at bar {bar}, chord {number}")
        try:
            before = parse_chord(word, key)
        except InputError as error:
            raise InputError(f"bar {bar}, chord {number}: {error}") from None
        yield before


def _shortest(bar: tuple[Chord, ...]) -> tuple[Chord, ...]:
    """The same bar with as few chords as say it."""
    while len(bar) > 1 and bar[::2] == bar[1::2]:
        bar = bar[::2]
    return bar


def _written(bar: tuple[Chord, ...]) -> Iterator[str]:
    for index, chord in enumerate(bar):
        yield "." if index and chord == bar[index - 1] else chord.name


def _note(text: str) -> str:
    """A root as one letter with # or b."""
    return text[:1].upper() + text[1:].replace("♯", "#").replace("♭", "b")


def _quality(text: str) -> tuple[str, tuple[Degree, ...]] | None:
    """A quality in its one spelling, and its notes; None where it can't be read."""
    for pattern, replacement in _SPELLINGS:
        text = pattern.sub(replacement, text)
    found = _QUALITY.fullmatch(text)
    if found is None:
        return None
    triad, major, extension = found["triad"] or "", bool(found["major"]), found["extension"] or ""
    sus = found["sus"] and (found["sus"] + "4")[:4]
    changes = [match.group(0) for match in _CHANGE.finditer(found["changes"])]
    seventh = extension.isdecimal() and int(extension) in (7, 9, 11, 13)
    # A power chord has no triad, a suspended one neither third nor another triad.
    if "".join(changes) != found["changes"] or (extension == "5" and (triad or major)) or (sus and triad):
        return None
    if (triad and major and not seventh) or ("alt" in changes and extension != "7"):
        return None
    major = major and seventh
    degrees = _degrees(triad, major, extension, sus or "", changes)
    # A change right behind the root would be read as the root's own sign: Gb9 is the ninth chord on Gb.
    signed = not (triad or extension or sus) and changes and changes[0][0] in "b#"
    word = ("Maj" if triad else "maj") if major or signed else ""
    return triad + word + extension + (sus or "") + "".join(changes), degrees


def _degrees(triad: str, major: bool, extension: str, sus: str, changes: list[str]) -> tuple[Degree, ...]:
    third = {"sus2": Degree(2), "sus4": Degree(4)}.get(sus, Degree(3, -1 if triad in ("m", "dim") else 0))
    fifth = Degree(5, {"dim": -1, "aug": 1}.get(triad, 0))
    notes = {Degree(1), fifth} | ({third} if extension != "5" else set())
    if extension in ("6", "69"):
        notes.add(Degree(6))
    elif extension not in ("", "5"):
        notes.add(Degree(7, 1 if major else -1 if triad == "dim" else 0))
    notes |= {Degree(number) for number in {"69": (9,), "9": (9,), "11": (9, 11), "13": (9, 13)}.get(extension, ())}
    altered: set[int] = set()
    for change in " ".join(changes).replace("alt", "b5 #5 b9 #9").split():
        kind, number = re.fullmatch(r"(add|no|b|#)(\d+)", change).groups()  # type: ignore[union-attr]
        if kind == "no" or (kind in "b#" and int(number) not in altered):
            notes = {note for note in notes if note.number != int(number)}
        if kind != "no":
            notes.add(Degree(int(number), {"b": -1, "#": 1}.get(kind, 0)))
        altered.add(int(number))
    return tuple(sorted(notes))


def _of_numeral(numeral: str, quality: str) -> str:
    """The quality of a numeral: of a small one minor, unless what follows says diminished or otherwise."""
    minor = numeral.islower() and not re.match(r"[°º˚oøØ+]|dim|aug|m(?!aj)|min|sus|5", quality)
    return f"m{quality}" if minor else quality


def _degree(text: str, found: re.Match[str], key: Scale | None) -> str:
    """The root that a numeral names."""
    if key is None or key.tonic is None:
        raise InputError(f"{text} is a numeral, which names a chord of a key: give a scale that has a tonic, as cmaj")
    if found["of"]:
        tonic = _root(found["of_sign"], found["of"], key)
        key = Scale(pitch_class(tonic), "major", tonic)
    return _root(found["sign"], found["numeral"], key)


def _root(sign: str, numeral: str, key: Scale) -> str:
    index, tonic = _NUMERALS.index(numeral.upper()), key.tonic or 0
    own = sorted((note - tonic) % 12 for note in key.pitch_classes)
    steps = own if len(own) == len(_MAJOR) and not sign else _MAJOR
    note = (tonic + steps[index] + {"": 0, "#": 1, "♯": 1}.get(sign, -1)) % 12
    letters = "CDEFGAB"
    first = letters.index((key.root or _USUAL[tonic])[0])
    letter = letters[(first + index) % 7]
    alter = (note - LETTERS[letter] + 6) % 12 - 6
    return letter + {0: "", 1: "#", -1: "b"}[alter] if abs(alter) <= 1 else _USUAL[note]


def _unreadable(text: str) -> InputError:
    shown = text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."
    typed = re.sub(r"^[Hh](?![a-z]{3})", "B", text[:_LONGEST_SHOWN])  # as German names it
    typed = typed[:1].upper() + typed[1:]
    root = found[0] if (found := re.match(r"[A-G][#b]?", typed)) else ""
    near = [(root or one) + quality for one in _USUAL for quality in _COMMON]
    close = difflib.get_close_matches(typed, [*near, *(f"{it}/{bass}" for it in near[:2] for bass in _USUAL)], n=1)
    nearest = close[0] if close else f"{root or 'C'}"
    return InputError(f"can't read the chord {shown!r}; nearest: {nearest}. {_FORM}")
