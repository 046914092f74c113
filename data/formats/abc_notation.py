"""Melodies in ABC notation 2.1 (abcnotation.com): text that people read, type, and sing from."""

from collections.abc import Mapping

from melodylc.data.alphabet import STEPS_PER_BAR
from melodylc.data.chords import Progression
from melodylc.data.formats.notation import Spelling, Written, bars, fifths, spell
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody
from melodylc.data.texts import printable
from melodylc.data.writing import Writing

_SIGNS = {-2: "__", -1: "_", 0: "=", 1: "^", 2: "^^"}
_FIFTHS = "FCGDAEB"
_BARS_PER_LINE = 4


def abc(
    melody: Melody,
    writing: Writing,
    scale: Scale | None = None,
    title: str = "melodylc",
    chords: Progression | None = None,
) -> str:
    """The tune of a melody, in sixteenths, four bars a line; chords stand before their notes, as "Am".

    Swing, a human touch, velocity, repeats and what concerns MIDI files alone are left out.

    >>> tune = abc(Melody.from_notes([(60, 0, 4), (61, 4, 8), (73, 8, 32)]), Writing(tempo=92), Scale(0, "major"))
    >>> tune.splitlines()[4:7]
    ['Q:1/4=92', 'K:C', 'C4 ^C4 ^c8- | ^c16 | z16 | z16 |']
    """
    key = fifths(scale)
    tempo = repr(float(writing.tempo)).removesuffix(".0")
    head = ["X:1", f"T:{printable(title) or 'melodylc'}", "M:4/4", "L:1/16", f"Q:1/4={tempo}"]
    if writing.program is not None:
        head.append(f"%%MIDI program {writing.program - 1}")
    head.append(f"K:{scale.key_signature if scale and key is not None else 'none'}")
    texts, sign = [], ""
    names = {start: chord.name for chord, start, _ in chords.spans} if chords else {}
    for number, bar in enumerate(bars(melody, names, writing.bars)):
        text, sign = _bar(bar, key or 0, sign, number * STEPS_PER_BAR, names)
        texts.append(text)
    lines = [" | ".join(texts[first : first + _BARS_PER_LINE]) for first in range(0, len(texts), _BARS_PER_LINE)]
    return "\n".join([*head, *(f"{line} |" for line in lines[:-1]), f"{lines[-1]} |]", ""])


def _bar(bar: list[Written], key: int, tied: str, step: int, names: Mapping[int, str]) -> tuple[str, str]:
    """The notes of a bar, each with its sign where the key and the signs before it say otherwise; and the last sign.

    Readers differ on whether a sign holds in other octaves, so a letter that had one gets one up to the bar line.
    A note that is `tied` to the bar before has the sign that it had there. The bar begins at `step`; `names` are the
    chords' by their steps.
    """
    signed: set[str] = set()
    texts = []
    for written in bar:
        length = "" if written.length == 1 else str(written.length)
        symbol = f'"{names[step]}"' if step in names else ""
        step += written.length
        if written.pitch is None:
            texts.append(f"{symbol}z{length}")
            continue
        note = spell(written.pitch, key)
        usual = (_FIFTHS.index(note.letter) < key) - (6 - _FIFTHS.index(note.letter) < -key)
        if note.alter != usual or (written.tied_before and tied):
            signed.add(note.letter)
        tied = _SIGNS[note.alter] if note.letter in signed else ""
        texts.append(f"{symbol}{tied}{_letter(note)}{length}{'-' if written.tied_after else ''}")
    return " ".join(texts), tied


def _letter(note: Spelling) -> str:
    """C, is below C, which is below c, which is below c'; C is middle C."""
    if note.octave >= 5:
        return note.letter.lower() + "'" * (note.octave - 5)
    return note.letter + "," * (4 - note.octave)
