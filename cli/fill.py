"""`melodylc fill`: the bars between bars of the user's."""

from pathlib import Path
from typing import Any

import click

from melodylc.cli.options import own_request_options
from melodylc.cli.reworking import count_option, kept_bars, new_bars_options, run, source_and_output_options


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--keep",
    metavar="BARS",
    required=True,
    help="Bars of the file that stay, as in 1..4,13..16; without --bars the sixteen from 1, or from the first kept.",
)
@own_request_options
@new_bars_options
@count_option(4, "How many different ones.")
@source_and_output_options
def fill(file: Path, keep: str, **options: Any) -> int:
    """Write the bars of a MIDI file's melody that aren't kept; those that are stay as they are.

    New bars keep to the key, range and density of yours unless you name others. A rule counts for the whole melody.

    \b
    melodylc fill song.mid --keep 1..4,13..16 -n 4
    melodylc fill song.mid --bars 9..24 --keep 9..12,17..24 --scale gmin
    """
    options["short"] = "pad"
    return run("fill", (file,), **kept_bars(keep, options))
