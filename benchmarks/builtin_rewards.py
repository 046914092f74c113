"""How the built-in rewards, at their defaults, judge melodies that people wrote and the model's prior samples.

    python benchmarks/builtin_rewards.py corpus

The table in docs/reference/rewards.md. Held-out melodies are drawn at random; prior samples are decoded from N(0, I)
by argmax.
"""

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import torch

from melodylc import rewards
from melodylc.data import Corpus
from melodylc.models.checkpoint import LoadedModel, load_model, shipped_model
from melodylc.rewards import Events
from melodylc.threads import fixed_threads

NAMES = (
    *("in_scale", "register", "ambitus", "leaps", "stepwise", "repeats"),
    *("grid", "rhythm", "groove", "lengths", "syncopation", "rests", "longest_rest", "breaths"),
    *("form", "variety", "contour", "first_note", "last_note", "last_length"),
)
BATCH = 125


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path))
@click.option("-n", "--count", default=2000, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--model", type=click.Path(path_type=Path))
def main(corpus: Path, count: int, seed: int, model: Path | None) -> None:
    """Print a Markdown table: a row a reward."""
    loaded = load_model(model) if model else shipped_model()
    opened = Corpus.open(corpus)
    chosen = np.random.default_rng(seed).choice(len(opened.heldout), min(count, len(opened.heldout)), replace=False)
    real = np.array(opened.heldout[np.sort(chosen)])
    prior = np.concatenate(list(samples(loaded, count, seed)))
    click.echo(f"model {loaded.fingerprint}; corpus {opened.fingerprint}; {len(real)} real, {len(prior)} prior\n")
    click.echo("| reward | real: mean, = 1 | prior: mean, = 1 |\n|---|---|---|")
    for name in NAMES:
        reward = getattr(rewards, name)()
        cells = (f"{scores.mean():.3f}, {(scores == 1).mean():.4f}" for scores in map(reward.batch, (real, prior)))
        click.echo(f"| `{name}` | {' | '.join(cells)} |")


@torch.no_grad()
def samples(model: LoadedModel, count: int, seed: int) -> Iterator[Events]:
    """Melodies of latents from N(0, I), on one thread."""
    generator = torch.Generator().manual_seed(seed)
    with fixed_threads(1):
        for first in range(0, count, BATCH):
            z = torch.randn(min(BATCH, count - first), model.vae.config.z, generator=generator)
            yield np.asarray(model.vae.decode(z), dtype=np.uint8)


if __name__ == "__main__":
    main()
