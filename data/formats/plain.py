"""Melodies as JSON: notes and events as plain numbers, for programs of one's own."""

import json
from typing import Any

from melodylc.data.alphabet import STEPS_PER_BAR
from melodylc.data.chords import Chord, Progression
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody
from melodylc.data.writing import Writing

FORMAT = "melodylc-melody/1"


def melody_json(
    melody: Melody,
    writing: Writing,
    scale: Scale | None = None,
    title: str = "melodylc",
    chords: Progression | None = None,
) -> str:
    """A melody as JSON: `notes` as pitch, start and end in sixteenths, `events` as in `melodylc.data.alphabet`;
    chords as name, pitch classes, start and end.

    >>> json.loads(melody_json(Melody.from_notes([(60, 0, 4)]), Writing()))["notes"]
    [[60, 0, 4]]
    """
    steps = writing.bars * STEPS_PER_BAR
    content = {
        "format": FORMAT,
        "title": title,
        "tempo": writing.tempo,
        "meter": [4, 4],
        "bars": writing.bars,
        "steps_per_bar": STEPS_PER_BAR,
        "scale": scale.name if scale else None,
        "key_signature": scale.key_signature if scale else None,
        **({} if chords is None else {"chords": [_chord(*span) for span in chords.first_spans(writing.bars)]}),
        "notes": [[pitch, start, min(end, steps)] for pitch, start, end in melody.notes if start < steps],
        "events": melody.events[:steps].tolist(),
    }
    return json.dumps(content, ensure_ascii=False) + "\n"


def _chord(chord: Chord, start: int, end: int) -> list[Any]:
    return [chord.name, sorted(chord.pitch_classes), start, end]
