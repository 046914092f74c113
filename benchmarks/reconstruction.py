"""How well the model gives held-out works back: the table in docs/benchmarks.md.

    python benchmarks/reconstruction.py CORPUS [--model FILE]

Rows are held-out works that never chose a checkpoint (see `melodylc.training.batches.evaluation_rows`), all of them
and by collection.
"""

from pathlib import Path

import click
import numpy as np

from melodylc.actors import shipped_model
from melodylc.data import Corpus
from melodylc.models.checkpoint import load_model
from melodylc.training.batches import evaluation_rows
from melodylc.training.measure import Reconstruction, measure_reconstruction

COLUMNS = ("steps", "notes", "sampled_steps", "sampled_notes", "exact", "touched", "kl", "active", "melodies")


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path))
@click.option("--model", type=click.Path(path_type=Path), help="A trained model; the shipped one by default.")
@click.option("--count", default=None, type=int, help="Melodies to measure, evenly spread; all by default.")
def main(corpus: Path, model: Path | None, count: int | None) -> None:
    """Print a Markdown table, a row a collection and one for all."""
    loaded = load_model(model) if model else shipped_model()
    opened = Corpus.open(corpus)
    rows = evaluation_rows(opened, count)
    click.echo(f"model {loaded.fingerprint}, corpus {opened.fingerprint}, held-out melodies {len(rows)}\n")
    click.echo("| collection | " + " | ".join(COLUMNS) + " |")
    click.echo("|---" * (len(COLUMNS) + 1) + "|")
    collections = opened.heldout_collection[rows]
    for number in np.unique(collections):
        part = measure_reconstruction(loaded.vae, np.asarray(opened.heldout[rows[collections == number]]))
        show(opened.collections[number], part)
    show("all", measure_reconstruction(loaded.vae, np.asarray(opened.heldout[rows])))


def show(name: str, measured: Reconstruction) -> None:
    """One row."""
    values = measured.to_dict()
    click.echo(f"| {name} | " + " | ".join(f"{values[column]:g}" for column in COLUMNS) + " |")


if __name__ == "__main__":
    main()
