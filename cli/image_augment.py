"""`melodylc image augment`: does a classifier gain from an actor's pictures?"""

import statistics
from pathlib import Path
from typing import TYPE_CHECKING

import click

from melodylc.cli.pictures import Display, dataset_option, distance_option, folder_option, load_pictures, trained_option
from melodylc.cli.ui import progress, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from melodylc.image.experiments.corruptions import EvaluationSet

REPLICATION = {
    "mnist": "the replication, MNIST / Dirty-MNIST: 0.95 / 0.41 without, 0.94 / 0.57 with",
    "cifar10": "the replication, CIFAR-10 / CIFAR-10-C: 0.74 / 0.65 without, 0.75 / 0.66 with",
}


@click.command()
@dataset_option
@folder_option
@trained_option
@distance_option
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1, 20), help="How many of each classifier.")
@click.option("--steps", type=click.IntRange(1), help="Steps of each.  [default: the data set's]")
@click.option(
    "--ambiguous", default=6000, show_default=True, type=click.IntRange(10), help="Ambiguous digits (of ten copies)."
)
@click.option(
    "--tried", type=click.IntRange(1), help="Test pictures of CIFAR-10 to corrupt, the first so many.  [default: all]"
)
@click.option("--prepare-steps", type=click.IntRange(1), help="Steps of what makes Dirty-MNIST.", hidden=True)
def augment(
    data: str,
    folder: Path | None,
    run: Path,
    distance: float | None,
    seeds: int,
    steps: int | None,
    ambiguous: int,
    tried: int | None,
    prepare_steps: int | None,
) -> None:
    """Train classifiers with and without an actor's pictures, and try them on test data that is shifted.

    MNIST has Dirty-MNIST, CIFAR-10 has CIFAR-10-C, both reimplemented from their papers. Classifiers are kept in
    RUN/augment: stopped, the same command goes on from there, and one asked for with other pictures adds to them.

    \b
    melodylc image augment --dataset mnist --data mnist --run runs/mnist
    melodylc image augment --dataset cifar10 --data cifar10 --run runs/cifar10 --tried 1000
    """
    from melodylc.data.pictures.loading import dataset
    from melodylc.image.datasets import default_distance
    from melodylc.image.experiments.augmentation import (
        augmentation_classifier,
        augmentation_settings,
        augmentation_sizes,
        class_accuracy,
        train_augmentation_classifier,
    )
    from melodylc.image.experiments.corruptions import cifar10_c, count_evaluation_sets, dirty_mnist
    from melodylc.image.pipeline import load_pipeline
    from melodylc.training.loop import named

    augmentation_classifier(data)  # refuses a data set that has none
    distance = default_distance(data) if distance is None else distance
    chain = load_pipeline(data, run, distance)
    train, valid, test = (load_pictures(dataset(data), folder, split) for split in ("train", "valid", "test"))
    side, _ = augmentation_sizes(data)
    ways = {"without": None, f"with-{distance:g}": chain}
    with Display() as display:

        def trained(way: str, seed: int) -> "nn.Module":
            how = augmentation_settings(data, steps, seed)
            kept = run / "augment" / f"{how.stages[0].steps}-steps" / f"{way}-{seed}"
            return train_augmentation_classifier(
                train, valid, how, kept, ways[way], named(display.report, f"{way}, seed {seed}")
            )

        students = {way: [trained(way, seed) for seed in range(seeds)] for way in ways}
        trials: Iterable[EvaluationSet] = (
            dirty_mnist(train, valid, test, run, ambiguous, prepare_steps, display.report)
            if data == "mnist"
            else cifar10_c(test, tried)
        )
    found: dict[str, dict[str, list[float]]] = {}
    with progress("trying classifiers", total=count_evaluation_sets(data)) as step:
        for trial in trials:
            found[trial.name] = {
                way: [class_accuracy(one, trial.pictures, trial.classes, side) for one in of]
                for way, of in students.items()
            }
            step()
    if data == "cifar10":
        parts = [scores for name, scores in found.items() if name != "test"]
        found["CIFAR-10-C, mean"] = {
            way: [statistics.mean(part[way][seed] for part in parts) for seed in range(seeds)] for way in ways
        }
    rows = [[name, *(_label_text(scores[way]) for way in ways)] for name, scores in found.items()]
    table([f"accuracy, {seeds} seeds", "without", f"with (distance {distance:g})"], rows)
    click.echo(f"{', '.join(train.parts) or data}; {REPLICATION[data]}")


def _label_text(values: list[float]) -> str:
    spread = f" +- {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{spread}"
