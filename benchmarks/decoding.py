"""How long a melody takes to decode, and how far bfloat16 writes the same events: docs/experiments/benchmarks.md.

    python benchmarks/decoding.py

Beside it a decoder of the paper's kind: two LSTM layers of 512 that write all 256 events one after another, each
hearing the one before. Its weights are random, and cost what trained ones do.
"""

import time
from collections.abc import Callable

import click
import numpy as np
import torch
from torch import Tensor

from melodylc.data.alphabet import STEPS
from melodylc.models.bars import LstmBarDecoder
from melodylc.models.checkpoint import shipped_model
from melodylc.models.prior import pool

SAME = 1024  #: melodies that both precisions decode


@click.command()
@click.option("--threads", default=2, show_default=True)
@click.option("--repeats", default=7, show_default=True)
def main(threads: int, repeats: int) -> None:
    """Print a Markdown table of medians."""
    torch.set_num_threads(threads)
    model = shipped_model()
    vae, z = model.vae, pool(model.prior(), SAME, np.random.default_rng(0))
    stepwise = LstmBarDecoder(event=128, hidden=512, embedding=vae.config.z).requires_grad_(False).eval()
    click.echo(f"model {model.fingerprint}; {threads} threads; medians of {repeats}; torch {torch.__version__}\n")
    click.echo("| decoder | batch | ms a batch | ms a melody |\n|---|---|---|---|")
    for count in (1, 64):
        part = z[:count]
        rows: dict[str, Callable[[], object]] = {
            "bar by bar, float32": lambda part=part: vae.raw_events(part),
            "bar by bar, bfloat16": lambda part=part: brief(vae.raw_events, part),
            "step by step, float32": lambda part=part: one_by_one(stepwise, part),
        }
        for name, run in rows.items():
            taken = median(run, repeats)
            click.echo(f"| {name} | {count} | {1e3 * taken:.1f} | {1e3 * taken / count:.2f} |")
    together = [
        torch.cat([decode(part) for part in torch.split(z, 64)])
        for decode in (vae.raw_events, lambda part: brief(vae.raw_events, part))
    ]
    click.echo(
        f"\nequal events in bfloat16: {(together[0] == together[1]).double().mean():.5f} of {SAME} melodies' steps"
    )


def brief(decode: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """Decode in bfloat16."""
    with torch.autocast("cpu", torch.bfloat16):
        return decode(z)


@torch.no_grad()
def one_by_one(decoder: LstmBarDecoder, z: Tensor) -> Tensor:
    """256 events, each given the one before and z."""
    added, states = decoder.bar(z), decoder.states(z)
    event, events = torch.zeros(len(z), dtype=torch.long), []
    for _ in range(STEPS):
        hidden, states = decoder.lstm((decoder.events(event) + added)[:, None], states)
        event = decoder.head(hidden[:, 0]).argmax(dim=-1)
        events.append(event)
    return torch.stack(events, 1)


def median(run: Callable[[], object], repeats: int) -> float:
    """Seconds of the median of some runs, after one that doesn't count."""
    run()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return sorted(taken)[len(taken) // 2]


if __name__ == "__main__":
    main()
