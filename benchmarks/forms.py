"""Forms and motifs in C minor: how many melodies follow, at how many attempts.

    python benchmarks/forms.py [--melodies 4]

"returns" is the mean share of equal sixteenths between sections with the same letter.
"""

import time
from itertools import combinations

import click
import numpy as np

from melodylc.constraints.request import Request
from melodylc.rewards.form import Form
from melodylc.service.generation import run_order
from melodylc.service.order import Order

MOTIF = "G4:2 G4:2 G4:2 Eb4:8"
ASKED: tuple[dict[str, str], ...] = (
    {"form": "AABA"},
    {"form": "AAB"},
    {"form": "call-response,likeness=0.9"},
    {"motif": MOTIF},
    {"motif": f"{MOTIF},times=4"},
)


@click.command()
@click.option("--melodies", default=4, show_default=True, type=click.IntRange(1))
def main(melodies: int) -> None:
    """Print a Markdown table."""
    click.echo("| asked | melodies | follow | attempts | returns | s of processor each |")
    click.echo("|---|---|---|---|---|---|")
    for asked in ASKED:
        request = Request.read(["cmin"], **asked)  # type: ignore[arg-type]
        spent = time.process_time()
        done = run_order(Order(request, melodies, seed=1))
        spent = (time.process_time() - spent) / melodies
        pattern = next((it.reward.raw.pattern for it in request.rewards if isinstance(it.reward.raw, Form)), "")
        pairs = [(a, b) for a, b in combinations(range(len(pattern)), 2) if pattern[a] == pattern[b]]
        sections = [one.melody.events.reshape(max(len(pattern), 1), -1) for one in done]
        returns = [np.mean(some[a] == some[b]) for some in sections for a, b in pairs]
        name = ", ".join(f"{option} {text}" for option, text in asked.items())
        click.echo(
            f"| {name} | {melodies} | {len(done)} | {done.attempts / melodies:.2f} "
            f"| {f'{np.mean(returns):.3f}' if returns else ''} | {spent:.2f} |"
        )


if __name__ == "__main__":
    main()
