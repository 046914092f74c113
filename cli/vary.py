"""`melodylc vary`: variations of a melody of the user's."""

from pathlib import Path
from typing import Any

import click

from melodylc.cli.reworking import count_option, kept_bars, rule_options, run, source_and_output_options


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@rule_options
@count_option(8, "How many variations.")
@click.option(
    "--distance",
    default=0.3,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Their change, to a tenth: near 0 the melody itself, 1 a stranger.",
)
@click.option("--keep", metavar="BARS", help="Bars of the file that stay, note for note, as in 1..4.")
@source_and_output_options
def vary(file: Path, keep: str | None, **options: Any) -> int:
    """Write variations of a melody of a file, all of them different, the nearest first; with a rule, they follow it.

    \b
    melodylc vary song.mid -n 8 --distance 0.3
    melodylc vary song.mid --keep 1..4,9..12
    melodylc vary song.mid --scale amin --seed 7 -o variations
    """
    return run("vary", (file,), **(options if keep is None else kept_bars(keep, options)))
