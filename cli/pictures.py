"""What the commands of `melodylc image` share: options, loading with a bar, and the display of a training."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from melodylc.cli.ui import console, progress

if TYPE_CHECKING:
    from melodylc.data.pictures.base import Pictures, PictureSplit
    from melodylc.data.pictures.loading import Dataset
    from melodylc.latent.fit import Progress, Round
    from melodylc.latent.gan import GANStep
    from melodylc.training.loop import Report

DATASETS = ("mnist", "fashion_mnist", "cifar10", "celeba", "faces", "folder")
MOST = 1000
MOST_SEED = 2**63 - 1
dataset_option = click.option(
    "--dataset",
    "data",
    type=click.Choice(DATASETS),
    required=True,
    help="Which pictures; faces are drawn ones, folder is your own.",
)
folder_option = click.option(
    "--data",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of the official download, unpacked; or of your own.",
)
labels_option = click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="CSV of your own pictures' labels: file,smiling,... and 0 or 1.  [default: labels.csv of the folder]",
)
distance_option = click.option(
    "--distance",
    type=click.FloatRange(0),
    help="Weight of the actor's distance penalty: how dear it is to move far.  [default: the data set's, 0.1 or 0]",
)
run_option = click.option(
    "--run", type=click.Path(path_type=Path), help="Folder of `image train`.  [default: the shipped model]"
)
trained_option = click.option("--run", type=click.Path(path_type=Path), required=True, help="Folder of `image train`.")
sheet_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="The contact sheet, a PNG."
)
device_option = click.option(
    "--device", type=click.Choice(("cpu", "cuda", "mps")), help="Where to compute.  [default: a GPU that is there]"
)
seed_option = click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0, MOST_SEED), help="Same seed, same result."
)


def load_pictures(data: "Dataset", folder: Path | None, split: "PictureSplit") -> "Pictures":
    """A split of a data set, with a bar while it is read."""
    with progress(f"reading {data.name}, {split}") as step:
        done = 0

        def report(now: int, total: int) -> None:
            nonlocal done
            step(now - done, total=total)
            done = now

        return data.load(folder, split, report)


def wrote(path: Path) -> None:
    """Say that a file is there."""
    click.echo(f"wrote {path}")


class Display:
    """A bar a part on a terminal; a line a validation, or every few hundred turns, everywhere."""

    def __init__(self) -> None:
        from melodylc.cli.train import _Progress

        self.lines, self.bars = console(stderr=True), _Progress()

    def report(self, report: "Report") -> None:
        """Of the training loop."""
        self.bars(report)

    def turn(self, turn: "GANStep", steps: int) -> None:
        """Of an actor's game."""
        from melodylc.training.loop import Report

        numbers = {"critic": turn.critic, "actor": turn.actor, "distance": turn.distance}
        self.bars(Report("actor", turn.step, turn.step / steps, numbers))
        if turn.step % 500 == 0 or turn.step == steps:
            shown = "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())
            self.lines.print(f"actor  step {turn.step}  {turn.step / steps:.1%}  {shown}")

    def __enter__(self) -> "Display":
        self.bars.__enter__()
        return self

    def __exit__(self, *problem: object) -> None:
        self.bars.__exit__(*problem)


@contextmanager
def fitting(rounds: int | None = None) -> "Iterator[Progress]":
    """A bar while an actor is fitted to a rule."""
    with progress("scoring prior samples", total=rounds) as step:

        def report(done: "Round") -> None:
            best = "" if done.best is None else f", best {done.best:.1%}"
            step(label=f"fitting: {done.measurement.rate:.1%} follow the rule{best}")

        yield report
