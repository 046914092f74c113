"""`melodylc image`: train picture models, generate pictures with the labels that are asked, and measure both."""

import secrets
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from melodylc.cli.image_augment import augment
from melodylc.cli.image_figures import figure, transform
from melodylc.cli.image_rules import fit
from melodylc.cli.options import SECONDS
from melodylc.cli.pictures import (
    MOST,
    MOST_SEED,
    Display,
    dataset_option,
    device_option,
    distance_option,
    fitting,
    folder_option,
    labels_option,
    load_pictures,
    run_option,
    wrote,
)
from melodylc.cli.ui import say, table

if TYPE_CHECKING:
    from melodylc.data.pictures.base import Pictures
    from melodylc.image.chain import PartName, TrainOrder
    from melodylc.image.generation import PictureGeneration


@click.group()
def image() -> None:
    """Pictures with the labels you ask for: MNIST, Fashion-MNIST, CIFAR-10, CelebA, drawn faces, your own."""


@image.command()
@dataset_option
@folder_option
@labels_option
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option(
    "--part",
    type=click.Choice(["all", "vae", "classifier", "actor", "realism", "attributes", "auxiliary"]),
    default="all",
    show_default=True,
    help="What to train: all is the first three. All but the classifier need the VAE; auxiliary has AC-GAN's losses.",
)
@click.option(
    "--config",
    default="small",
    show_default=True,
    help="small, paper (mnist, celeba), or replication (mnist, cifar10).",
)
@click.option("--deviation", type=float, help="Output deviation of the VAE, e.g. 0.1 (sharp) or 1.0 (blurry).")
@click.option("--autoencoder", is_flag=True, help="A classical autoencoder instead of a VAE.")
@distance_option
@click.option("--side", type=int, help="Pixels a side of your own pictures: 32, 64 or 128.  [default: 64]")
@click.option("--crop", type=click.IntRange(8), help="Pixels a side of the square cut out.  [default: the largest]")
@click.option("--attributes", help="Labels of your own pictures to take, parted by commas.  [default: all]")
@click.option("--steps", type=click.IntRange(1), help="Steps of each part trained.  [default: the configuration's]")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, MOST_SEED), help="Seed of the whole run.")
@device_option
@click.option("--estimate", is_flag=True, help="Time ten steps of each part, say how long all would take, and end.")
def train(
    data: str,
    folder: Path | None,
    labels: Path | None,
    output: Path,
    part: "PartName | Literal['all']",
    config: str,
    deviation: float | None,
    autoencoder: bool,
    distance: float | None,
    side: int | None,
    crop: int | None,
    attributes: str | None,
    steps: int | None,
    seed: int,
    device: str | None,
    estimate: bool,
) -> None:
    """Train a VAE of pictures, a classifier that judges, and an actor that is told labels.

    Ctrl-C stops once the step under way is whole; the same command run again goes on from there.

    \b
    melodylc image train --dataset mnist --data mnist -o runs/mnist
    melodylc image train --dataset celeba --data celeba -o runs/celeba --part vae --deviation 0.1
    melodylc image train --dataset celeba --data celeba -o runs/celeba --part actor --distance 0
    melodylc image train --dataset folder --data pictures --labels labels.csv -o runs/own
    """
    from melodylc.image.chain import TrainOrder, doubt, train_chain

    order = TrainOrder(
        data,
        output,
        folder,
        labels,
        part,
        config,
        deviation,
        autoencoder,
        distance,
        steps,
        seed,
        side,
        crop,
        tuple(filter(None, (attributes or "").split(","))),
        device,
    )
    opened = order.open()
    pictures, valid = (load_pictures(opened, folder, split) for split in ("train", "valid"))
    if sentence := doubt(data, None, pictures):
        say(sentence)
    if estimate:
        _show_estimate(order, pictures, valid)
        return
    with Display() as display:
        for path in train_chain(order, opened, pictures, valid, display.report, display.turn):
            wrote(path)


def _show_estimate(order: "TrainOrder", pictures: "Pictures", valid: "Pictures") -> None:
    from melodylc.image.estimate import estimate_chain

    parts = list(estimate_chain(order, pictures, valid))
    rows = [
        [it.part, it.steps, f"{1000 * it.step_seconds:.1f} ms", duration(it.seconds), f"{it.memory / 2**30:.2f} GB"]
        for it in parts
    ]
    table(["part", "steps", "a step", "all of it", "memory"], rows)
    say(f"about {duration(sum(it.seconds for it in parts))} in all on {order.torch_device}")


def duration(seconds: float) -> str:
    """A length of time, to two figures or so.

    >>> [duration(seconds) for seconds in (4.2, 130, 9000, 400_000)]
    ['4 s', '2.2 min', '2.5 h', '4.6 days']
    """
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


@image.command()
@dataset_option
@click.option("--digit", "classes", multiple=True, help="Digit of MNIST; several make a row each.")
@click.option(
    "--class", "classes", multiple=True, help="Class, e.g. dog (CIFAR-10) or sandal; several make a row each."
)
@click.option("--attr", "attributes", multiple=True, help="Attribute of a face, e.g. smiling or no-eyeglasses.")
@click.option(
    "-n", "--count", default=8, show_default=True, type=click.IntRange(1, MOST), help="How many pictures of each label."
)
@click.option("--seed", type=click.IntRange(0, MOST_SEED), help="Same seed, same pictures.  [default: a new one]")
@click.option("--reward", "rewards", multiple=True, metavar="REWARD", help="A rule on the picture, path.py:NAME.")
@click.option("--actor", type=click.Path(path_type=Path), help="A learnt rule of `melodylc image fit`, instead.")
@click.option("--reward-seconds", default=10.0, show_default=True, type=SECONDS, help="Most that a call may take.")
@click.option(
    "--verify/--no-verify", default=True, help="--no-verify writes single draws, whatever the classifier sees in them."
)
@click.option("--draws", default=16, show_default=True, type=click.IntRange(1), help="Most draws a picture may take.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="A contact sheet (.png), or a folder: single pictures, the sheet, arrays (.npz) and manifest.json.",
)
@run_option
@distance_option
def generate(
    data: str,
    classes: tuple[str, ...],
    attributes: tuple[str, ...],
    count: int,
    seed: int | None,
    rewards: tuple[str, ...],
    actor: Path | None,
    reward_seconds: float,
    verify: bool,
    draws: int,
    output: Path,
    run: Path | None,
    distance: float | None,
) -> None:
    """Write pictures that have what is asked: labels, or a rule written in Python.

    What the run's classifier takes for something else is made again, up to --draws times. The same command replaces
    its own files.

    \b
    melodylc image generate --dataset mnist --digit 7 -n 8 -o sevens.png
    melodylc image generate --dataset mnist --digit 3 --digit 8 -n 100 -o digits
    melodylc image generate --dataset celeba --run runs/celeba --attr smiling --attr no-eyeglasses -o faces.png
    melodylc image generate --dataset mnist --reward ink.py:left -o left.png
    """
    from melodylc.image.request import PictureRequest

    request = PictureRequest(
        data, classes, attributes, count, seed, run, distance, rewards, actor, reward_seconds, verify, draws
    )
    request.check()  # before torch is imported: a mistake should cost no time
    from melodylc.image.generation import PictureOutput, run_request

    target = PictureOutput.claim(output, request)
    used = secrets.randbits(31) if seed is None else seed
    with fitting() if request.has_rule else nullcontext(lambda _: None) as report:
        pictures = run_request(request, used, say, report)
    target.write(pictures)
    say(f"wrote {len(pictures)} pictures to {output} (seed {used}); {judgement(pictures)}")


@image.command()
@dataset_option
@folder_option
@labels_option
@click.option("--run", type=click.Path(path_type=Path), required=True, help="Folder of `image train`.")
@click.option("-n", "--count", default=5000, show_default=True, type=click.IntRange(10), help="Pictures to generate.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, MOST_SEED), help="Of what is generated.")
@click.option("--by-label", is_flag=True, help="F1 of each label, too.")
@device_option
def evaluate(
    data: str,
    folder: Path | None,
    labels: Path | None,
    run: Path,
    count: int,
    seed: int,
    by_label: bool,
    device: str | None,
) -> None:
    """Let a run's classifier judge test data and what each of the run's actors generates.

    Accuracy, precision, recall and F1; how far z was moved (z_MSE); how alike pictures of one label are (MS-SSIM).
    "Given back" are test pictures as the VAE decodes their encodings: what the decoder alone costs.

    Then how real pictures are, beside test data in the classifier's features: Fréchet distance, precision (are they
    real?) and recall (is everything there?); of samples of the prior and of the realism actor, too, if there is one.
    """
    from melodylc.data.pictures.loading import dataset
    from melodylc.image.chain import doubt
    from melodylc.image.devices import find_device
    from melodylc.image.evaluation import (
        as_row,
        compare_figures,
        evaluate_generated,
        evaluate_pictures,
        reconstruct_pictures,
    )
    from melodylc.image.fidelity import run_fidelity
    from melodylc.image.pipeline import load_pipelines
    from melodylc.image.store import load_classifier
    from melodylc.image.training import classifier_path

    where = find_device(device)
    classifier = load_classifier(classifier_path(run), data).classifier.to(where)
    chains = {of: chain.to(where) for of, chain in load_pipelines(data, run).items()}
    pictures = load_pictures(dataset(data, run, labels), folder, "test")
    if sentence := doubt(data, run, pictures):
        say(sentence)
    test = evaluate_pictures(classifier, pictures)
    back = evaluate_pictures(classifier, reconstruct_pictures(next(iter(chains.values())).model, pictures))
    actors = {of: evaluate_generated(classifier, chain, count, seed) for of, chain in chains.items()}
    judged = {f"{game}, distance {far:g}": one for (game, far), one in actors.items()}
    told = {"test data": test, "given back": back, **judged}
    table(
        ["", "accuracy", "precision", "recall", "F1", "z_MSE", "MS-SSIM"],
        [[name, *as_row(one)] for name, one in told.items()],
    )
    kinds = {name: one.pixels for name, one in {"given back": back, **judged}.items()}
    most, found = run_fidelity(run, next(iter(chains.values())).model, classifier, test.pixels, kinds, count, seed)
    rows = [[name, f"{it.frechet:.1f}", f"{it.precision:.3f}", f"{it.recall:.3f}"] for name, it in found.items()]
    table([f"{most} beside test data", "Fréchet", "precision", "recall"], rows)
    if by_label:
        names = (name.replace("_", " ") for name in classifier.config.names)
        table(["F1", *names], [[name, *(f"{f1:.3f}" for f1 in one.scores.each)] for name, one in told.items()])
    for name, one in {"given back": back, **judged}.items():
        click.echo(f"{name}: {compare_figures(test, one, classifier.config.names)}")
    for (game, far), one in actors.items():
        free = actors.get((game, 0.0))
        if far and one.z_mse and free and free.z_mse:
            name = "" if game == "generated" else f"{game}, "
            click.echo(f"{name}z_MSE with distance {far:g} over without: {one.z_mse / free.z_mse:.3f}")


def judgement(pictures: "PictureGeneration") -> str:
    """In words, how many pictures are what was asked."""
    right, total = len(pictures) - len(pictures.failures), len(pictures)
    if pictures.request.has_rule:
        return f"{right} of these single attempts follow the rule"
    if pictures[0].passed is None:
        return "there is no classifier to judge them"
    text = f"the classifier sees what was asked in {right} of {total}"
    most = pictures.request.draws
    return text if right == total or not pictures.request.verify else f"{text}, in up to {most} draws each"


for _command in (fit, transform, figure, augment):
    image.add_command(_command)
