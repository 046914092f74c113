"""Form and motif as musicians ask for them: words that become rewards, for melodies of any length."""

import re
from dataclasses import replace
from pathlib import Path

from melodylc.data.alphabet import BARS, STEPS_PER_BAR
from melodylc.data.errors import InputError
from melodylc.data.readers import ENDINGS
from melodylc.data.source import Choice, extract_melody
from melodylc.rewards.motif import Motif, MotifNote, motif, motif_text, parse_motif
from melodylc.rewards.parameters import Parameters

FORMS = {"AAB": "AABC", "CALL-RESPONSE": "ABAC"}
"""Patterns of forms by other names than their letters: in AAB the last section is as long as the two before it
together, so that it is two that differ; a call comes back and is answered otherwise."""
_PARAMETER = re.compile(r",(?=\s*[A-Za-z_]\w*\s*=)")


def form_reward(text: str, length: int = BARS) -> str:
    """The reward `form` of a form that someone typed, over melodies of so many bars.

    Args:
        text: letters, one a section of the same length, AAB or call-response; and with commas behind, parameters of
            `melodylc.rewards.form`.
        length: bars of a melody.

    Raises:
        InputError: more sections than bars, or so many that none has whole bars.

    >>> form_reward("AAB"), form_reward("call-response,likeness=0.9", 8)
    ('form,pattern=AABC', 'form,pattern=ABACABAC,likeness=0.9')
    """
    name, *parameters = _PARAMETER.split(text.strip())
    letters = FORMS.get(name.strip().upper(), name.strip().upper())
    if not letters or length % len(letters):
        raise InputError(
            f"the form {name.strip()[:40]!r} has {len(letters)} equal sections, and {length} bars can't be cut into so "
            f"many of whole bars: take 2, 4, 8 or 16 letters, {length} at most, AAB or call-response"
        )
    return ",".join([f"form,pattern={letters * (BARS // length)}", *parameters])


def place_motif(text: str, length: int = BARS) -> Motif:
    """The motif that someone typed, and the bars of a melody of so many bars in which it begins.

    Args:
        text: notes, as `melodylc.rewards.motif` takes them, or a file of music, from its first note to its last; and
            with commas behind, `times` (2), which are spread evenly, or `bars` in which it begins.
        length: bars of a melody.

    Raises:
        InputError: a file or notes that can't be read, or more than the melody holds.

    >>> [place_motif(text).bars for text in ("G4:2 G4:2 G4:2 Eb4:8", "G4 A4,times=4", "G4 A4,bars=1,3")]
    [(1, 9), (1, 5, 9, 13), (1, 3)]
    """
    head, *rest = _PARAMETER.split(text.strip())
    notes = _of_file(Path(head)) if Path(head.strip()).suffix.lower() in ENDINGS else parse_motif(head)
    parameters = Parameters.of(motif)
    asked = parameters.read({name.strip(): value for name, _, value in (part.partition("=") for part in rest)})
    if unknown := set(asked) - {"times", "bars"}:
        raise InputError(f"a motif that is written takes times or bars, and not {min(unknown)}")
    size = -(-(notes[-1].start + notes[-1].length) // STEPS_PER_BAR)
    times = asked.get("times", 2 if size * 2 <= length else 1)
    bars = tuple(sorted(set(asked.get("bars", ())))) or tuple(1 + at * length // max(times, 1) for at in range(times))
    ends = [*bars[1:], length + 1]
    if size > length:
        raise InputError(
            f"the motif takes {size} bars and the melody has {length}: shorten the one, or lengthen the other"
        )
    if not bars or bars[0] < 1 or any(end - bar < size for bar, end in zip(bars, ends, strict=True)):
        raise InputError(
            f"the motif takes {size} {'bar' if size == 1 else 'bars'}, which {length} bars don't hold in bars "
            f"{', '.join(map(str, bars[:16])) or 'none'}: ask for it {length // size} times at most, or in other bars"
        )
    return Motif(motif_text(notes), len(bars), False, bars)


def over_and_over(asked: Motif, length: int) -> Motif:
    """A motif in melodies of so many bars, as a rule hears them: over and over, up to sixteen bars.

    >>> over_and_over(place_motif("G4 A4", 8), 8).bars
    (1, 5, 9, 13)
    """
    bars = tuple(bar + again for again in range(0, BARS, length) for bar in asked.bars)
    return replace(asked, bars=bars, times=len(bars))


def _of_file(path: Path) -> tuple[MotifNote, ...]:
    found = extract_melody(path, Choice(short="pad")).melody.notes
    first = found[0].start
    notes = tuple(MotifNote(note.pitch, note.start - first, note.end - note.start) for note in found)
    return parse_motif(motif_text(notes))
