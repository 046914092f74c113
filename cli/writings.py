"""Options of the commands that write melodies: how they become files."""

from typing import TYPE_CHECKING, Any

import click

from melodylc.cli.options import Command

if TYPE_CHECKING:
    from melodylc.data.writing import Writing

_NAMES = (
    *("tempo", "formats", "preview", "type", "ppq", "program", "velocity", "swing", "humanize", "channel"),
    *("transpose", "repeat", "loop_marker", "join"),
)


def writing_options(command: Command) -> Command:
    """Add --tempo, --format, --preview and what is said of MIDI files; `take_writing` takes them all."""
    options = (
        click.option("--tempo", default=120.0, show_default=True, type=float, help="Quarter notes a minute."),
        click.option(
            "--format",
            "formats",
            default="midi",
            show_default=True,
            metavar="KINDS",
            help="Kinds of files, with commas between: midi, musicxml, abc, json, wav, svg, png.",
        ),
        click.option(
            "--preview", is_flag=True, help="Write a sound file beside each melody, as --format midi,wav does."
        ),
        click.option(
            "--type", default=1, show_default=True, type=int, help="Of MIDI files: 1, or 0 for a single track."
        ),
        click.option("--ppq", default=480, show_default=True, type=int, help="Ticks a quarter note."),
        click.option("--program", metavar="NAME", help="Instrument of General MIDI: its name, or 1 to 128."),
        click.option("--velocity", default=96, show_default=True, type=int, help="Of the notes, 1 to 127."),
        click.option(
            "--swing",
            default=50.0,
            show_default=True,
            type=float,
            help="Where off-beat sixteenths fall: 50 to 70 percent.",
        ),
        click.option(
            "--humanize",
            default=0.0,
            show_default=True,
            type=float,
            help="How loosely notes are played: 0 to 100 percent.",
        ),
        click.option("--channel", default=1, show_default=True, type=int, help="1 to 16, but for 10, the drums."),
        click.option(
            "--transpose",
            default=0,
            show_default=True,
            type=int,
            help="Semitones to move melodies and scale by, together.",
        ),
        click.option("--repeat", default=1, show_default=True, type=int, help="How often the sixteen bars are played."),
        click.option(
            "--loop-marker",
            is_flag=True,
            help="End with a silent controller, for players that ignore the end of track.",
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
