"""Options of the commands that write melodies: how they become files."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from melodylc.cli.options import Command

if TYPE_CHECKING:
    from melodylc.data.writing import Writing

_NAMES = (
    *("tempo", "formats", "preview", "type", "ppq", "program", "velocity", "swing", "humanize", "channel"),
    *("transpose", "repeat", "loop_marker", "no_tempo", "names", "with_chords", "join"),
)


def writing_options(command: Command) -> Command:
    """Add --tempo, --format, --preview and what is said of MIDI files; `take_writing` takes them all."""
    options = (
        _visible_option("--tempo", 120.0, "Quarter notes a minute."),
        click.option(
            "--format",
            "formats",
            default="midi",
            show_default=True,
            metavar="KINDS",
            help="Kinds of files, with commas between: midi, musicxml, abc, json, wav, svg, png.",
        ),
        click.option("--preview", is_flag=True, help="Write a sound file beside each melody, as --format midi,wav."),
        _visible_option("--type", 1, "Of MIDI files: 1, or 0 for a single track."),
        _visible_option("--ppq", 480, "Ticks a quarter note."),
        click.option("--program", metavar="NAME", help="Instrument of General MIDI: its name, or 1 to 128."),
        _visible_option("--velocity", 96, "Of the notes, 1 to 127."),
        _visible_option("--swing", 50.0, "Where off-beat sixteenths fall: 50 to 70 percent."),
        _visible_option("--humanize", 0.0, "How loosely notes are played: 0 to 100 percent."),
        _visible_option("--channel", 1, "1 to 16, but for 10, the drums."),
        _visible_option("--transpose", 0, "Semitones to move melodies and scale by, together."),
        _visible_option("--repeat", 1, "How often the sixteen bars are played."),
        click.option("--loop-marker", is_flag=True, help="End with a silent controller, for players that ignore ends."),
        click.option("--no-tempo", is_flag=True, help="Write no tempo into MIDI files: your DAW keeps its own."),
        click.option(
            "--names",
            type=click.Choice(["long", "short"]),
            default="long",
            show_default=True,
            help="Of files: c-minor-92bpm-seed7-03.mid, or 03.mid.",
        ),
        click.option(
            "--with-chords",
            is_flag=True,
            help="Write the chords of --chords, too: a MIDI track and markers, symbols in MusicXML and ABC.",
        ),
        click.option(
            "--join",
            type=click.Choice(["after", "tracks"]),
            help="All melodies in one MIDI file: one after another, or one a track.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _visible_option(name: str, default: float, text: str) -> Callable[[Command], Command]:
    """An option of the default's type, which the help shows."""
    return click.option(name, default=default, show_default=True, type=type(default), help=text)


def take_writing(options: dict[str, Any]) -> "Writing":
    """What the options of `writing_options` say; they are taken out of `options`.

    Raises:
        InputError: a value out of range, two that exclude each other, or a format that can't be written here.
    """
    from melodylc.data.formats.render import check_formats
    from melodylc.data.writing import Writing

    asked = {name: options.pop(name) for name in _NAMES}
    if asked.pop("preview") and "wav" not in asked["formats"].lower():
        asked["formats"] += ",wav"
    writing = Writing.read(**asked)
    check_formats(writing)
    return writing
