"""How melodies show themselves in a notebook: a piano roll each, and a player."""

import base64
from collections.abc import Sequence
from html import escape

from melodylc.data.alphabet import BARS
from melodylc.data.chords import Progression
from melodylc.data.formats.midi_file import Voice
from melodylc.data.formats.roll import Panel, svg
from melodylc.data.formats.sound import wav
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody
from melodylc.data.writing import Writing

MOST = 16  #: melodies that are shown; a sound is three quarters of a megabyte


def melodies_html(
    melodies: Sequence[tuple[str, Melody]],
    scale: Scale | None = None,
    tempo: float = 120.0,
    title: str = "",
    chords: Progression | None = None,
    bars: int = BARS,
) -> str:
    """A piece of HTML that shows and plays named melodies, their first so many bars; in red what lies outside the scale
    or the chords.
    """
    parts = [f"<p>{escape(title)}</p>"] if title else []
    for name, melody in melodies[:MOST]:
        sound = wav(Voice(name, melody), Writing(tempo=tempo, bars=bars))
        audio = base64.b64encode(sound).decode()
        parts.append(svg([Panel(name, melody)], scale, chords, bars))
        parts.append(f'<audio controls loop src="data:audio/wav;base64,{audio}"></audio>')
    if len(melodies) > MOST:
        parts.append(f"<p>and {len(melodies) - MOST} more</p>")
    return "\n".join(parts)
