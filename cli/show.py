"""`melodylc show`: piano rolls of MIDI files, in the terminal or as a picture."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from melodylc.cli.sources import make_choice, source_options, summary
from melodylc.cli.ui import console, print_json, say
from melodylc.data.errors import InputError

if TYPE_CHECKING:
    from rich.text import Text

    from melodylc.data.chords import Progression
    from melodylc.data.keys import Scale
    from melodylc.data.source import Source

_PLAIN = str.maketrans("█▒│·", "#=|.")
_STYLES = {"": "", "note": "cyan", "outside": "bold red"}
_LABEL, _BAR = 5, 17  # columns


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--scale", metavar="SCALE", help="Notes outside it are red: cmaj, 'd dorian', 0,2,4,7,9.")
@click.option("--chords", metavar="BARS", help="Names above the bars; notes of no chord are red: 'C | Am | F | G7'.")
@source_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead: where each was found, and its notes.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="A picture instead: a file ending in .svg or .png."
)
def show(
    files: tuple[Path, ...],
    scale: str | None,
    chords: str | None,
    output: Path | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Show melodies as piano rolls, one below the other: sixteen bars of each MIDI file, as one voice on sixteenths.

    \b
    melodylc show song.mid --scale cmaj
    melodylc show before.mid after.mid --scale gmin -o both.svg
    """
    from melodylc.data.chords import parse_progression
    from melodylc.data.keys import parse_scale
    from melodylc.data.source import extract_melody

    choice, key = make_choice(**chosen), None if scale is None else parse_scale(scale)
    progression = None if chords is None else parse_progression(chords, key)
    if output is not None and output.suffix.lower() not in (".svg", ".png"):
        raise InputError(f"a picture is a file ending in .svg or .png, not {str(output)!r}")
    sources = [extract_melody(file, choice) for file in files]
    if output is not None:
        _draw(output, sources, key, progression)
    if as_json:
        return print_json([{**it.to_dict(), "notes": [list(note) for note in it.melody.notes]} for it in sources])
    for source in sources:
        say(summary(source))
        if output is None:
            _print(source, key, progression)
    return None


def _draw(output: Path, sources: "list[Source]", scale: "Scale | None", chords: "Progression | None") -> None:
    from melodylc.data.files import atomic_write
    from melodylc.data.formats.png import png
    from melodylc.data.formats.roll import Panel, svg

    panels = [Panel(f"{Path(source.file).name}  {source.name}", source.melody) for source in sources]
    content = svg(panels, scale, chords).encode() if output.suffix.lower() == ".svg" else png(panels, scale, chords)
    with atomic_write(output) as file:
        file.write(content)


def _print(source: "Source", scale: "Scale | None", chords: "Progression | None") -> None:
    from melodylc.data.formats.roll import is_outside, text_lines

    screen = console()
    bars = next((bars for bars in (16, 8, 4, 2) if _LABEL + bars * _BAR <= screen.width), 1)
    for line in text_lines(source.melody, scale, bars=bars, chords=chords):
        screen.print(_style(line))
    if scale is not None:
        outside = sum(is_outside(note, scale) for note in source.melody.notes)
        click.echo(f"{outside} of {source.melody.note_count} notes lie outside {scale.name}")
    if chords is not None:
        others = sum(is_outside(note, None, chords) for note in source.melody.notes)
        click.echo(f"{others} of {source.melody.note_count} notes begin on a chord that they aren't of")


def _style(line: "list[tuple[str, Any]]") -> "Text":
    from rich.text import Text

    parts = [(_printable(text), _STYLES[kind]) for text, kind in line]
    return Text.assemble(*parts)


def _printable(text: str) -> str:
    """Blocks where the output can hold them, else letters and signs of ASCII."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return text.translate(_PLAIN)
    return text
