"""Files of music, whatever their form: the same `Score` from MIDI, ABC, MusicXML and Humdrum.

What a file is shows by its beginning, and where that says nothing by its name's ending; what neither tells is read as
MIDI, whose reader says what is wrong with it.
"""

import re
from collections.abc import Iterator, Mapping

from melodylc.data.errors import ScoreError
from melodylc.data.readers.abc import read_abc, tunes
from melodylc.data.readers.humdrum import read_humdrum
from melodylc.data.readers.musicxml import read_compressed, read_musicxml
from melodylc.data.scores import Score
from melodylc.data.smf import read_score

ENDINGS: Mapping[str, str] = {
    ".mid": "MIDI",
    ".midi": "MIDI",
    ".smf": "MIDI",
    ".kar": "MIDI",
    ".rmi": "MIDI",
    ".abc": "ABC",
    ".musicxml": "MusicXML",
    ".xml": "MusicXML",
    ".mxl": "compressed MusicXML",
    ".krn": "Humdrum",
}  #: of files of music, and what they hold
_READERS = {
    "MIDI": read_score,
    "ABC": read_abc,
    "MusicXML": read_musicxml,
    "compressed MusicXML": read_compressed,
    "Humdrum": read_humdrum,
}


def form_of(content: bytes, name: str = "") -> str:
    r"""What a file holds, a value of `ENDINGS`.

    >>> form_of(b"X:1\nK:C\n"), form_of(b"MThd", "song.abc"), form_of(b"words", "song.krn"), form_of(b"words")
    ('ABC', 'MIDI', 'Humdrum', 'MIDI')
    """
    head = content[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"MThd"):
        return "MIDI"
    if head.startswith(b"PK\x03\x04"):
        return "compressed MusicXML"
    if head.startswith((b"<?xml", b"<!DOCTYPE", b"<score-", b"\xff\xfe<", b"\xfe\xff\0<")):
        return "MusicXML"
    ending = re.search(r"(\.[a-z]+)(?:#[^/]*)?$", name.lower())  # of a tune, its number and title follow
    if ending and ending[1] in ENDINGS:
        return ENDINGS[ending[1]]
    if head.startswith((b"**kern", b"!!!", b"!!")):
        return "Humdrum"
    return "ABC" if head.startswith((b"%abc", b"X:")) else "MIDI"


def read_music(content: bytes, name: str = "") -> Score:
    """The notes and meters of a file of music.

    Args:
        content: the whole file.
        name: its name, for the ending.

    Raises:
        ScoreError: why it can't be used, without the file's name; of a MIDI file a MidiError.
    """
    return _READERS[form_of(content, name)](content)


def pieces(content: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    r"""The pieces of a file, with their names: a book of tunes in ABC has several, anything else is one.

    >>> [name for name, _ in pieces(b"X:1\nT:Air\nK:C\nC|\nX:2\nT:Jig\nK:C\nC|", "book.abc")]
    ['book.abc#1 Air', 'book.abc#2 Jig']
    """
    if form_of(content, name) == "ABC":
        found = tunes(content)
        if len(found) > 1:
            for tune in found:
                title = tune.title.replace("/", "-")
                yield f"{name}#{tune.number} {title}".rstrip(), tune.text.encode()
            return
    yield name, content


__all__ = ["ENDINGS", "ScoreError", "form_of", "pieces", "read_music"]
