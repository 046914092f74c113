"""`melodylc transform`: a melody of the user's, made to follow a rule."""

from pathlib import Path
from typing import Any

import click

from melodylc.cli.reworking import count_option, rule_options, run, source_and_output_options


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@rule_options
@count_option(1, "How many different ones; the first is nearest.")
@click.option(
    "--strength",
    type=click.FloatRange(0, 1),
    help="How far to go with what the model proposes, 0 to 1.  [default: no farther than the rule needs]",
)
@click.option("--in-place", is_flag=True, help="Bend notes only: never move the melody to another key as a whole.")
@click.option("--octave", metavar="N", default=0, type=int, help="Move it by N octaves, down where N is negative.")
@click.option(
    "--to-key", metavar="KEY", help="Transpose it to a key and bend nothing: g leaves it major or minor, as it was."
)
@source_and_output_options
def transform(file: Path, in_place: bool, **options: Any) -> int:
    """Make a melody of a MIDI file follow a rule, changing as little as that takes; before and after side by side.

    With a scale it is moved to that key first, by the nearest way, and what is left is bent. A melody that follows
    it already comes back note for note. Exit code 3 says that some are missing.

    \b
    melodylc transform song.mid --scale gmin --density 64..96 -n 4
    melodylc transform song.mid --track Lead --bars 5..20 --scale cmaj --format midi,svg
    melodylc transform song.mid --to-key g --octave -1
    melodylc transform song.mid --reward leaps.py:stepwise,largest=2 --method optimize
    """
    return run("transform", (file,), keys=not in_place, **options)
