"""`melodylc continue`: what follows bars of the user's."""

from pathlib import Path
from typing import Any

import click

from melodylc.cli.options import own_request_options
from melodylc.cli.reworking import count_option, new_bars_options, run, source_and_output_options


@click.command("continue")
@click.argument("file", type=click.Path(path_type=Path))
@own_request_options
@new_bars_options
@count_option(4, "How many different ones.")
@source_and_output_options
def extend(file: Path, **options: Any) -> int:
    """Write what follows some bars of a MIDI file, up to sixteen; those bars stay as they are.

    New bars keep to the key, range and density of yours unless you name others. A rule counts for the whole melody.

    \b
    melodylc continue song.mid --bars 1..8 -n 4 --scale gmin
    melodylc continue song.mid --bars 5..8 --new-bars-only --scale ddorian
    """
    options["short"] = "pad"
    return run("continue", (file,), **options)
