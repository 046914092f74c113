"""`melodylc morph`: one melody, led from one scale to another."""

from pathlib import Path
from typing import Any

import click

from melodylc.cli.reworking import count_option, rule_options, run, source_and_output_options


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@rule_options
@click.option("--to-scale", "to", required=True, metavar="SCALE", help="Where it ends; --scale is where it begins.")
@count_option(5, "How many steps, both ends among them.")
@source_and_output_options
def morph(file: Path | None, to: str, **options: Any) -> int:
    """Lead a melody from one scale to another: the notes of the scale change one by one, the melody stays.

    Every step stays in its own scale, and is as near as can be to the step before. Without a file it begins with a
    melody of the model's own.

    \b
    melodylc morph --scale cmaj --to-scale cmin -n 5
    melodylc morph song.mid --scale dmin --to-scale "d phrygian" -n 3
    """
    from melodylc.data.keys import parse_scale

    return run("morph", (file,) if file else (), to=parse_scale(to), **options)
