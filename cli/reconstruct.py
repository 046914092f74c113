"""`melodylc reconstruct`: what the model makes of a melody of the user's."""

from pathlib import Path
from typing import Any

import click

from melodylc.cli.reworking import count_option, run, source_and_output_options


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@count_option(1, "How many: of the posterior's mean first, then of draws from it.")
@click.option(
    "--refine",
    default=60,
    show_default=True,
    metavar="STEPS",
    type=click.IntRange(0, 10_000),
    help="Fit the posterior to this melody by gradient descent; 0: the encoder's answer as it is.",
)
@source_and_output_options
def reconstruct(file: Path, **options: Any) -> int:
    """Write what the model gives back of a melody of a MIDI file: encoded and decoded, nothing asked.

    \b
    melodylc reconstruct song.mid --format midi,svg
    melodylc reconstruct song.mid --refine 0
    """
    return run("reconstruct", (file,), **options)
