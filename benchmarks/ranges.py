"""Where leads lie: as they are written, moved by octaves (the default), and with the range as a rule.

    python benchmarks/ranges.py [--melodies 32]

"inside" is the share of melodies with every note in G3..E6, "outside" the share of notes that aren't; "likeness" the
mean log odds of the discriminator that a melody is real.
"""

import time

import click
import numpy as np

from melodylc.constraints.request import Request
from melodylc.data.melody import Melody
from melodylc.data.ranges import LEAD_RANGE, range_name
from melodylc.sampling.discriminator import find_discriminator
from melodylc.service.generation import run_order
from melodylc.service.order import Order

ASKED = {"C minor, medium": ("cmin", "medium"), "F# minor, low": ("f#min", "low"), "B major, 96": ("b", "96")}


@click.command()
@click.option("--melodies", default=32, show_default=True, type=click.IntRange(1))
def main(melodies: int) -> None:
    """Print a Markdown table."""
    lowest, highest = LEAD_RANGE
    likeness = find_discriminator()
    click.echo("| asked | range | melodies | inside | outside | pitches | likeness | s of processor each |")
    click.echo("|---|---|---|---|---|---|---|---|")
    for name, (scale, density) in ASKED.items():
        for kind, asked, octaves in (("any", None, False), ("octaves", None, True), ("rule", LEAD_RANGE, True)):
            text = range_name(asked) if asked else None
            request = Request.read([scale], [density], pitch_range=text)
            spent = time.process_time()
            done = run_order(Order(request, melodies, seed=1, octaves=octaves))
            spent = (time.process_time() - spent) / melodies
            pitches = [one.melody.pitches for one in done]
            outside = [np.mean((some < lowest) | (some > highest)) for some in pitches]
            every = np.concatenate(pitches)
            real = likeness.scores(Melody.stack(one.melody for one in done)).mean()
            click.echo(
                f"| {name} | {kind} | {len(done)} | {np.mean(np.array(outside) == 0):.2f} | {np.mean(outside):.4f} "
                f"| {every.min()}..{every.max()} | {real:.2f} | {spent:.2f} |"
            )


if __name__ == "__main__":
    main()
