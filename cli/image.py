"""`melodylc image`: train picture models, generate pictures with the labels that are asked, and measure both."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from melodylc.cli.ui import console, progress, say, table
from melodylc.data.errors import InputError

if TYPE_CHECKING:
    from melodylc.data.pictures.base import Pictures, Split
    from melodylc.latent.gan import Turn
    from melodylc.training.loop import Report

DATASETS = ("mnist", "cifar10", "celeba", "faces")
MOST = 1000
MOST_SEED = 2**63 - 1
dataset_option = click.option(
    "--dataset", "data", type=click.Choice(DATASETS), required=True, help="Which pictures; faces are drawn ones."
)
folder_option = click.option(
    "--data", "folder", type=click.Path(path_type=Path), help="Folder of the official download, unpacked."
)
distance_option = click.option(
    "--distance",
    default=0.1,
    show_default=True,
    type=click.FloatRange(0),
    help="Weight of the distance penalty: how dear it is to move far.",
)


@click.group()
def image() -> None:
    """Pictures with the labels you ask for: MNIST, CIFAR-10, CelebA, drawn faces."""


@image.command()
@dataset_option
@folder_option
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option(
    "--part",
    type=click.Choice(["all", "vae", "classifier", "actor"]),
    default="all",
    show_default=True,
    help="What to train; the actor needs the VAE.",
)
@click.option("--config", default="small", show_default=True, help="small, or paper (cifar10: replication).")
@click.option("--deviation", type=float, help="Output deviation of the VAE, e.g. 0.1 (sharp) or 1.0 (blurry).")
@click.option("--autoencoder", is_flag=True, help="A classical autoencoder instead of a VAE.")
@distance_option
@click.option("--steps", type=click.IntRange(1), help="Steps of each part trained.  [default: the configuration's]")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, MOST_SEED), help="Seed of the whole run.")
def train(
    data: str,
    folder: Path | None,
    output: Path,
    part: str,
    config: str,
    deviation: float | None,
    autoencoder: bool,
    distance: float,
    steps: int | None,
    seed: int,
) -> None:
    r"""Train a VAE of pictures, a classifier that judges, and an actor that is told labels.

    Ctrl-C stops once the step under way is whole; the same command run again goes on from there.

    \b
    melodylc image train --dataset mnist --data mnist -o runs/mnist
    melodylc image train --dataset celeba --data celeba -o runs/celeba --part vae --deviation 0.1
    melodylc image train --dataset celeba --data celeba -o runs/celeba --part actor --distance 0
    """
    from dataclasses import replace

    from melodylc.image.config import named_config
    from melodylc.image.settings import recipe, with_steps
    from melodylc.image.train import train_actor, train_classifier, train_vae

    model = replace(named_config(data, config), autoencoder=autoencoder)
    model = replace(model, deviation=deviation) if deviation is not None else model
    how = recipe(model)
    game = replace(how.game, distance=distance, steps=steps or how.game.steps)
    train_pictures, valid = _load(data, folder, "train"), _load(data, folder, "valid")
    with _Display() as display:
        if part in ("all", "vae"):
            settings = with_steps(replace(how.vae, seed=seed), steps)
            _wrote(train_vae(train_pictures, valid, model, settings, output, display.report))
        if part in ("all", "classifier"):
            settings = with_steps(replace(how.classifier, seed=seed), steps)
            _wrote(train_classifier(train_pictures, valid, settings, output, display.report))
        if part in ("all", "actor"):
            _wrote(train_actor(train_pictures, game, output, seed, lambda turn: display.turn(turn, game.steps)))


@image.command()
@dataset_option
@click.option("--digit", "classes", multiple=True, help="Digit of MNIST; several make a row each.")
@click.option("--class", "classes", multiple=True, help="Class of CIFAR-10, e.g. dog; several make a row each.")
@click.option("--attr", "attributes", multiple=True, help="Attribute of a face, e.g. smiling or no-eyeglasses.")
@click.option("-n", "--count", default=8, show_default=True, type=click.IntRange(1, MOST), help="How many pictures.")
@click.option("--seed", type=click.IntRange(0, MOST_SEED), help="Same seed, same pictures.  [default: a new one]")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The contact sheet, a PNG.")
@click.option("--run", type=click.Path(path_type=Path), help="Folder of `image train`.  [default: the shipped model]")
@distance_option
def generate(
    data: str,
    classes: tuple[str, ...],
    attributes: tuple[str, ...],
    count: int,
    seed: int | None,
    output: Path,
    run: Path | None,
    distance: float,
) -> None:
    r"""Write a labelled contact sheet of pictures that have what is asked.

    \b
    melodylc image generate --dataset mnist --digit 7 -n 8 -o sevens.png
    melodylc image generate --dataset celeba --run runs/celeba --attr smiling --attr no-eyeglasses -o faces.png
    """
    from melodylc.image.order import PictureOrder, produce

    seed = secrets.randbits(31) if seed is None else seed
    order = PictureOrder(data, classes, attributes, count, seed, run, distance)
    order.check(output)  # before torch is imported: a mistake should cost no time
    made = produce(order, output)
    say(f"wrote {made} pictures to {output} (seed {seed})")


@image.command()
@dataset_option
@folder_option
@click.option("--run", type=click.Path(path_type=Path), required=True, help="Folder of `image train`.")
@click.option("-n", "--count", default=5000, show_default=True, type=click.IntRange(10), help="Pictures to generate.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, MOST_SEED), help="Of what is generated.")
def evaluate(data: str, folder: Path | None, run: Path, count: int, seed: int) -> None:
    """Let a run's classifier judge test data and what each of the run's actors generates."""
    from melodylc.image.chain import load_chain
    from melodylc.image.evaluate import as_row, score_data, score_generated
    from melodylc.image.store import load_classifier
    from melodylc.image.train import classifier_path, distances

    classifier = load_classifier(classifier_path(run), data).classifier
    found = distances(run)
    if not found:
        raise InputError(f"{run} has no actor yet: melodylc image train --dataset {data} -o {run} --part actor")
    rows = [["test data", *as_row(score_data(classifier, _load(data, folder, "test"))), ""]]
    for distance in found:
        generated = score_generated(classifier, load_chain(data, run, distance), count, seed)
        rows.append([f"generated, distance {distance:g}", *as_row(generated.scores), f"{generated.z_mse:.2f}"])
    table(["", "accuracy", "precision", "recall", "F1", "z_MSE"], rows)


def _load(data: str, folder: Path | None, split: "Split") -> "Pictures":
    from melodylc.data.pictures.loading import dataset

    with progress(f"reading {data}, {split}") as step:
        done = 0

        def report(now: int, total: int) -> None:
            nonlocal done
            step(now - done, total=total)
            done = now

        return dataset(data).load(folder, split, report)


def _wrote(path: Path) -> None:
    click.echo(f"wrote {path}")


class _Display:
    """A bar a part on a terminal; a line a validation, or every few hundred turns, everywhere."""

    def __init__(self) -> None:
        from melodylc.cli.train import _Progress

        self.lines, self.bars = console(stderr=True), _Progress()

    def report(self, report: "Report") -> None:
        """Of the training loop."""
        self.bars(report)

    def turn(self, turn: "Turn", steps: int) -> None:
        """Of an actor's game."""
        from melodylc.training.loop import Report

        numbers = {"critic": turn.critic, "actor": turn.actor, "distance": turn.distance}
        self.bars(Report("actor", turn.step, turn.step / steps, numbers))
        if turn.step % 500 == 0 or turn.step == steps:
            shown = "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())
            self.lines.print(f"actor  step {turn.step}  {turn.step / steps:.1%}  {shown}")

    def __enter__(self) -> "_Display":
        self.bars.__enter__()
        return self

    def __exit__(self, *problem: object) -> None:
        self.bars.__exit__(*problem)
