"""Melodies as JSON: notes and events as plain numbers, for programs of one's own."""

import json

from melodylc.data.alphabet import BARS, STEPS_PER_BAR
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody
from melodylc.data.writing import Writing

FORMAT = "melodylc-melody/1"


def melody_json(melody: Melody, writing: Writing, scale: Scale | None = None, title: str = "melodylc") -> str:
    """A melody as JSON: `notes` as pitch, start and end in sixteenths, `events` as in `melodylc.data.alphabet`.

    >>> json.loads(melody_json(Melody.from_notes([(60, 0, 4)]), Writing()))["notes"]
    [[60, 0, 4]]
    """
    content = {
        "format": FORMAT,
        "title": title,
        "tempo": writing.tempo,
        "meter": [4, 4],
        "bars": BARS,
        "steps_per_bar": STEPS_PER_BAR,
        "scale": scale.name if scale else None,
        "key_signature": scale.key_signature if scale else None,
        "notes": [list(note) for note in melody.notes],
        "events": melody.events.tolist(),
    }
    return json.dumps(content, ensure_ascii=False) + "\n"
