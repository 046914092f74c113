"""`melodylc interpolate`: what lies between two melodies of the user's."""

from pathlib import Path
from typing import Any

import click

from melodylc.cli.reworking import count_option, rule_options, run, source_and_output_options


@click.command()
@click.argument("one", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path))
@rule_options
@count_option(7, "How many melodies, both ends among them.")
@source_and_output_options
def interpolate(one: Path, other: Path, **options: Any) -> int:
    """Write melodies on the way from one to another; with a rule, they follow it, the ends too.

    --track, --bars and the like are said of both files.

    \b
    melodylc interpolate verse.mid chorus.mid -n 7
    melodylc interpolate verse.mid chorus.mid --scale cmaj --join after
    """
    return run("interpolate", (one, other), **options)
