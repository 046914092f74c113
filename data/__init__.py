"""Melodies, keys, MIDI files and corpora.

Names load what they need when they are first used, so that importing this package costs nothing:
a melody needs numpy, a MIDI file mido as well, and only `to_pretty_midi` needs pretty_midi.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from melodylc.data.alphabet import (
        BARS,
        HOLD,
        REST,
        STATES,
        STEPS,
        STEPS_PER_BAR,
        canonical,
    )
    from melodylc.data.corpus import Corpus
    from melodylc.data.errors import (
        CheckpointError,
        CorpusError,
        InputError,
        MelodylcError,
        MidiError,
        ScoreError,
    )
    from melodylc.data.interop import (
        from_note_sequence,
        from_pretty_midi,
        to_note_sequence,
        to_pretty_midi,
    )
    from melodylc.data.keys import Scale, parse_scale
    from melodylc.data.melody import Melody, Note
    from melodylc.data.midi import midi_bytes, read_midi, write_midi
    from melodylc.data.source import Choice, Source, extract_melody
    from melodylc.data.writing import Writing

__all__ = [
    "BARS",
    "HOLD",
    "REST",
    "STATES",
    "STEPS",
    "STEPS_PER_BAR",
    "CheckpointError",
    "Choice",
    "Corpus",
    "CorpusError",
    "InputError",
    "Melody",
    "MelodylcError",
    "MidiError",
    "Note",
    "Scale",
    "ScoreError",
    "Source",
    "Writing",
    "canonical",
    "extract_melody",
    "from_note_sequence",
    "from_pretty_midi",
    "midi_bytes",
    "parse_scale",
    "read_midi",
    "to_note_sequence",
    "to_pretty_midi",
    "write_midi",
]

_NAMES = {
    "alphabet": ("BARS", "HOLD", "REST", "STATES", "STEPS", "STEPS_PER_BAR", "canonical"),
    "corpus": ("Corpus",),
    "errors": ("CheckpointError", "CorpusError", "InputError", "MelodylcError", "MidiError", "ScoreError"),
    "interop": ("from_note_sequence", "from_pretty_midi", "to_note_sequence", "to_pretty_midi"),
    "keys": ("Scale", "parse_scale"),
    "melody": ("Melody", "Note"),
    "midi": ("midi_bytes", "read_midi", "write_midi"),
    "source": ("Choice", "Source", "extract_melody"),
    "writing": ("Writing",),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
