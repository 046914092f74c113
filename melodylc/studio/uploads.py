"""A MIDI file that was dropped on the page: bytes and a name, never a path."""

from melodylc.data.errors import MidiError
from melodylc.data.smf import MAX_FILE
from melodylc.data.source import Choice, Source, extract_melody
from melodylc.data.texts import printable

LONGEST_NAME = 80


def read_upload(name: str, content: bytes, choice: Choice) -> Source:
    """The melody of a file's bytes.

    Raises:
        MidiError: as `melodylc.data.source.extract_melody`.
    """
    shown = printable(name.replace("\\", "/").rpartition("/")[2], LONGEST_NAME) or "dropped.mid"
    if len(content) > MAX_FILE:
        raise MidiError(f"{shown}: larger than {MAX_FILE >> 20} MiB, which no MIDI file of a piece of music is")
    return extract_melody(content, choice, name=shown)
