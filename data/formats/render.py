"""Melodies to files: every format of a `Writing`, by name."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from melodylc.data.chords import Progression
from melodylc.data.errors import InputError
from melodylc.data.formats.abc_notation import abc
from melodylc.data.formats.midi_file import Voice, midi_file
from melodylc.data.formats.musicxml import musicxml
from melodylc.data.formats.plain import melody_json
from melodylc.data.formats.png import png
from melodylc.data.formats.roll import Panel, svg
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody
from melodylc.data.writing import FORMATS, Writing

JOINED = "melodies"  #: what a file of all melodies is called


class Piece(NamedTuple):
    """A melody to be written: its files' name without an ending, its title, and the seed of its human touch."""

    stem: str
    title: str
    melody: Melody
    seed: tuple[int, ...] = (0,)
    before: Melody | None = None  #: what it was made of: pictures show it above


class Rendered(NamedTuple):
    """Files by name; for each piece those that hold it, the main one first; and what else is to be told."""

    files: dict[str, bytes]
    of: list[list[str]]
    about: dict[str, str]  #: "written_in": the scale after transposition; "sound": what plays WAV files


def check_formats(writing: Writing) -> None:
    """Make sure that all formats can be written here, before time is spent.

    Raises:
        InputError: what one of them needs is missing.
    """
    if "wav" in writing.formats:
        from melodylc.data.formats.fluidsynth import find

        find()


def render(
    pieces: Sequence[Piece],
    writing: Writing,
    scale: Scale | None = None,
    chords: Progression | None = None,
    joined: str = JOINED,
) -> Rendered:
    """The files of melodies, transposed as `writing` says; the same arguments give the same bytes.

    Args:
        pieces: the melodies as they were made; stems that differ.
        writing: everything but the notes.
        scale: that they were made in; it is transposed with them.
        chords: that they were made to fit; they are transposed, too. Pictures show them, other files where
            `writing.with_chords` asks for them.
        joined: the name of the file that holds all of them, where `writing` asks for one, and of the track in it.

    Raises:
        InputError: a note that leaves 0..127, or what a format may refuse.

    >>> piece = Piece("01", "a", Melody.from_notes([(60, 0, 4)]))
    >>> render([piece], Writing(formats=("abc", "midi"))).of
    [['01.abc', '01.mid']]
    """
    if not pieces:
        return Rendered({}, [], {})
    scale = scale and scale.transposed(writing.transpose)
    chords = chords and chords.transposed(writing.transpose)
    chords = chords and chords.first(writing.bars)
    written = chords if writing.with_chords else None
    pieces = [_moved(piece, writing.transpose) for piece in pieces]
    files: dict[str, bytes] = {}
    if writing.join:
        voices = [Voice(piece.title, piece.melody, piece.seed) for piece in pieces]
        files[f"{joined}.mid"] = midi_file(voices, writing, scale, joined, written)
    of: list[list[str]] = [[] for _ in pieces]
    for piece, names in zip(pieces, of, strict=True):
        for kind in writing.formats:
            name = f"{joined if kind == 'midi' and writing.join else piece.stem}.{FORMATS[kind]}"
            names.append(name)
            if name not in files:
                files[name] = _WRITERS[kind](piece, writing, scale, chords if kind in ("svg", "png") else written)
    return Rendered(files, of, _about(writing, scale))


def _about(writing: Writing, scale: Scale | None) -> dict[str, str]:
    about = {"written_in": scale.name} if scale and writing.transpose else {}
    if "wav" in writing.formats:
        from melodylc.data.formats.sound import synthesiser

        about["sound"] = synthesiser()
    return about


def _moved(piece: Piece, semitones: int) -> Piece:
    try:
        before = piece.before and piece.before.transposed(semitones)
        return piece._replace(melody=piece.melody.transposed(semitones), before=before)
    except InputError as error:
        raise InputError(f"{piece.title}: {error}: choose another --transpose") from error


def _panels(piece: Piece) -> list[Panel]:
    before = [] if piece.before is None else [Panel("before", piece.before)]
    return [*before, Panel(piece.title, piece.melody)]


def _midi(piece: Piece, writing: Writing, scale: Scale | None, chords: Progression | None) -> bytes:
    return midi_file([Voice(piece.title, piece.melody, piece.seed)], writing, scale, chords=chords)


def _wav(piece: Piece, writing: Writing, scale: Scale | None, chords: Progression | None) -> bytes:
    from melodylc.data.formats.sound import wav

    return wav(Voice(piece.title, piece.melody, piece.seed), writing)


def _text(
    write: Callable[[Melody, Writing, Scale | None, str, Progression | None], str],
) -> "Callable[[Piece, Writing, Scale | None, Progression | None], bytes]":
    return lambda piece, writing, scale, chords: write(piece.melody, writing, scale, piece.title, chords).encode()


_WRITERS: dict[str, Callable[[Piece, Writing, Scale | None, Progression | None], bytes]] = {
    "midi": _midi,
    "musicxml": _text(musicxml),
    "abc": _text(abc),
    "json": _text(melody_json),
    "wav": _wav,
    "svg": lambda piece, writing, scale, chords: svg(_panels(piece), scale, chords, writing.bars).encode(),
    "png": lambda piece, writing, scale, chords: png(_panels(piece), scale, chords, writing.bars),
}
