"""`melodylc manifest join A B ... -o OUT`: the parts of a run to one folder."""

from pathlib import Path

import click


@click.group()
def manifest() -> None:
    """Work on what `generate` wrote."""


@manifest.command()
@click.argument("parts", metavar="FOLDER...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", metavar="FOLDER", required=True, type=click.Path(path_type=Path), help="Of the whole.")
def join(parts: tuple[Path, ...], output: Path) -> int:
    """Join the parts of a run, made by `generate --first K -n N --of TOTAL`, to the folder of the whole run.

    The files and the manifest are those of one `generate -n TOTAL`, byte for byte. Parts that don't belong together,
    one that is missing or there twice, and files that have changed are refused, and nothing is written.

    \b
    melodylc generate --scale cmaj --seed 7 -n 50 --of 100 -o one
    melodylc generate --scale cmaj --seed 7 -n 50 --first 51 --of 100 -o two
    melodylc manifest join one two -o melodies
    """
    from melodylc.cli.generate import INCOMPLETE
    from melodylc.cli.ui import say
    from melodylc.service.join import join_parts

    done = join_parts(parts, output)
    say(f"wrote {done.written} melodies of {done.parts} parts and manifest.json to {done.folder}")
    return INCOMPLETE if done.missing else 0
