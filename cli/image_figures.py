"""`melodylc image transform` and `melodylc image figure`: pictures changed, and the paper's figures."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from melodylc.cli.pictures import (
    dataset_option,
    distance_option,
    folder_option,
    labels_option,
    load_pictures,
    run_option,
    seed_option,
    sheet_option,
    trained_option,
    wrote,
)
from melodylc.cli.ui import say, table
from melodylc.data.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from melodylc.image.request import PictureRequest
    from melodylc.image.sheet import PictureGrid


FORMAT = "melodylc-figure/1"
rows_option = click.option(
    "-n", "--count", default=8, show_default=True, type=click.IntRange(1, 64), help="How many latent vectors."
)
wanted_options = (
    click.option("--attr", "attributes", multiple=True, help="Attribute wanted, e.g. smiling or no-eyeglasses."),
    click.option("--digit", "--class", "label", help="Digit or class wanted."),
)


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@dataset_option
@folder_option
@labels_option
@run_option
@wanted_options[0]
@wanted_options[1]
@click.option("-n", "--count", default=500, show_default=True, type=click.IntRange(1), help="Test pictures to change.")
@click.option(
    "--until", default=0.9, show_default=True, type=click.FloatRange(0, 1, True, True), help="D that is enough."
)
@click.option("--crop", type=click.IntRange(8), help="Pixels a side of the square cut out of FILES.")
@distance_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the changed pictures; without FILES, the figure, a PNG.",
)
def transform(
    files: tuple[Path, ...],
    data: str,
    folder: Path | None,
    labels: Path | None,
    run: Path | None,
    attributes: tuple[str, ...],
    label: str | None,
    count: int,
    until: float,
    crop: int | None,
    distance: float | None,
    output: Path,
) -> None:
    """Change a label of your own pictures, FILES or folders of them, and keep the rest.

    Where the run has critics (--part attributes, --part realism) pictures are optimised, else its actor moves them.
    What your pictures show is what the run's classifier sees in them.

    Without FILES: the figure and the table of test pictures, changed by optimisation and by each of the run's actors.

    \b
    melodylc image transform face.jpg more/ --dataset folder --run runs/own --attr smiling -o smiling
    melodylc image transform two.png --dataset mnist --digit 7 -o seven
    melodylc image transform --dataset celeba --data celeba --run runs/celeba --attr smiling -o smiling.png
    """
    from melodylc.image.request import PictureRequest

    order = PictureRequest(data, (label,) if label else (), attributes, 1, 0, run, distance)
    if files:
        _transform_files(order, files, until, crop, output)
    elif run is None:
        raise InputError("name the pictures to change; or --run, whose test pictures are changed")
    else:
        _transform_test_pictures(order, run, folder, labels, count, until, output)


def _transform_files(
    order: "PictureRequest", files: tuple[Path, ...], until: float, crop: int | None, output: Path
) -> None:
    """Somebody's own pictures."""
    from melodylc.image.edit import EDIT_FORMAT, EditRequest, edit_pictures
    from melodylc.service.output_folder import OutputFolder

    request = EditRequest(order, files, until, crop)
    _ = request.label_values
    target = OutputFolder.claim(output, request.to_dict(), EDIT_FORMAT)
    done = edit_pictures(request)
    done.write(target)
    right = sum(one.passed for one in done)
    how = "by optimisation" if done.method == "optimised" else "by the actor"
    say(
        f"wrote {len(done)} pictures to {output}, changed {how}; the classifier sees what was asked in "
        f"{right} of {len(done)}"
    )


def _transform_test_pictures(
    order: "PictureRequest",
    run: Path,
    folder: Path | None,
    labels: Path | None,
    count: int,
    until: float,
    output: Path,
) -> None:
    """The figure of the paper, and its table."""
    from melodylc.data.pictures.loading import dataset
    from melodylc.image.pipeline import load_attribute_critic, load_picture_model, load_pipeline, load_realism
    from melodylc.image.sheet import check_sheet_path
    from melodylc.image.store import load_classifier
    from melodylc.image.training import actor_distances, classifier_path
    from melodylc.image.transformation import TransformModels, pictures_without
    from melodylc.image.transformation import transform_pictures as change

    data = order.data
    wanted = {at: value for at, value in order.label_values[0].items() if value or not order.classes}
    request = {"command": "transform", **order.to_dict(), "until": until}
    check_sheet_path(output, request)
    model = load_picture_model(data, run)
    actors = {
        f"actor, distance {far:g}": load_pipeline(data, run, far).constraint for far in reversed(actor_distances(run))
    }
    realism, reader = load_realism(run, model), load_attribute_critic(run, model)
    tools = TransformModels(model, load_classifier(classifier_path(run), data).classifier, realism, reader, actors)
    test = load_pictures(dataset(data, run, labels), folder, "test")
    done = change(tools, pictures_without(test, wanted, count), wanted, sure=until)
    _draw(output, done.grid(8), f"{data}: {', '.join(order.words)}", request)
    table(
        ["", "has it", "all labels", "features, from the picture", "from its encoding", "z_MSE"],
        [
            [
                way.name,
                f"{way.success:.3f}",
                f"{way.labels:.3f}",
                f"{way.from_picture:.3f}",
                f"{way.from_encoding:.3f}",
                f"{way.z_mse:.2f}",
            ]
            for way in done.methods
        ],
    )
    wrote(output)


@click.group()
def figure() -> None:
    """The paper's figures: traverse, realism, frames, contours, deviations."""


@figure.command()
@dataset_option
@run_option
@distance_option
@click.option("--attr", "attributes", multiple=True, help="Attributes to begin with; others are absent.")
@click.option("--then", "steps", multiple=True, required=True, help="Label that changes next; several make columns.")
@rows_option
@seed_option
@sheet_option
def traverse(
    data: str,
    run: Path | None,
    distance: float | None,
    attributes: tuple[str, ...],
    steps: tuple[str, ...],
    count: int,
    seed: int,
    output: Path,
) -> None:
    """One z a row, labels changed one at a time, a column a step.

    \b
    melodylc image figure traverse --dataset mnist --then 3 --then 8 --then 9 -n 4 -o digits.png
    """
    from melodylc.data.pictures.attributes import parse_label, parse_wanted
    from melodylc.data.pictures.loading import dataset
    from melodylc.image.request import class_number
    from melodylc.image.sheet import check_sheet_path

    known = dataset(data, run)
    if known.exclusive:
        if attributes:
            raise InputError(f"{data} has classes: name one after the other with --then")
        first, *others = (class_number(known, text) for text in steps)
        begin, changes = {first: True}, [(number, True) for number in others]
    else:
        begin = parse_wanted(attributes, known.names)
        changes = [parse_label(text, known.names) for text in steps]
    request = {"command": "traverse", "dataset": data, "attr": list(attributes), "then": list(steps), "seed": seed}
    check_sheet_path(output, request)
    from melodylc.image.experiments.figures import traversal
    from melodylc.image.pipeline import load_pipeline

    shown = traversal(load_pipeline(data, run, distance), begin, changes, count, seed)
    _draw(output, shown, f"{data}: one z a row (seed {seed})", request)
    wrote(output)


@figure.command()
@dataset_option
@trained_option
@rows_option
@seed_option
@sheet_option
def realism(data: str, run: Path, count: int, seed: int, output: Path) -> None:
    """Samples of the prior, and under each what the realism actor makes of it."""
    from melodylc.image.sheet import check_sheet_path

    request = {"command": "realism", "dataset": data, "run": str(run), "count": count, "seed": seed}
    check_sheet_path(output, request)
    from melodylc.image.experiments.figures import before_and_after
    from melodylc.image.pipeline import load_picture_model, load_realism

    model = load_picture_model(data, run)
    shown = before_and_after(model, load_realism(run, model), count, seed)
    _draw(output, shown, f"{data}: prior, and after the realism actor (seed {seed})", request)
    wrote(output)


@figure.command()
@dataset_option
@trained_option
@wanted_options[0]
@wanted_options[1]
@rows_option
@click.option("--steps", default=100, show_default=True, type=click.IntRange(1), help="Steps of Adam.")
@click.option("--every", default=20, show_default=True, type=click.IntRange(1), help="Steps from frame to frame.")
@seed_option
@sheet_option
def frames(
    data: str,
    run: Path,
    attributes: tuple[str, ...],
    label: str | None,
    count: int,
    steps: int,
    every: int,
    seed: int,
    output: Path,
) -> None:
    """Samples of the prior on their way to realism, and to labels where any are named: a row each."""
    from melodylc.image.request import PictureRequest
    from melodylc.image.sheet import check_sheet_path

    order = PictureRequest(data, (label,) if label else (), attributes, count, seed, run)
    wanted = order.label_values[0]
    request = {"command": "frames", **order.to_dict(), "steps": steps, "every": every}
    check_sheet_path(output, request)
    from melodylc.image.experiments.figures import optimisation_frames
    from melodylc.image.pipeline import load_attribute_critic, load_picture_model, load_realism
    from melodylc.latent.optimise import OptimiseSettings

    model = load_picture_model(data, run)
    reader = load_attribute_critic(run, model) if wanted else None
    settings = OptimiseSettings(steps=steps, frames=every)
    shown = optimisation_frames(model, load_realism(run, model), reader, wanted, count, seed, settings)
    title = f"{data}: optimised for realism{' and ' + _words(attributes, label) if wanted else ''} (seed {seed})"
    _draw(output, shown, title, request)
    wrote(output)


@figure.command()
@dataset_option
@folder_option
@labels_option
@trained_option
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The map, a PNG.")
def contours(data: str, folder: Path | None, labels: Path | None, run: Path, output: Path) -> None:
    """What the realism critic believes over the two most used dimensions, with encodings of 1,000 test pictures."""
    from melodylc.data.pictures.loading import dataset
    from melodylc.image.experiments.figures import EXTENT, critic_map, draw_contour_map
    from melodylc.image.pipeline import load_picture_model, load_realism

    model = load_picture_model(data, run)
    realism = load_realism(run, model)
    test = load_pictures(dataset(data, run, labels), folder, "test").only(slice(0, 1000))
    values, dimensions, points = critic_map(model, realism.critic, test)
    kinds = test.labels.argmax(axis=1).tolist() if test.exclusive else [0] * len(test)
    names = (f"dimension {dimensions[0]}", f"dimension {dimensions[1]}")
    maps = {"D of the realism critic": values}
    draw_contour_map(output, maps, EXTENT, points, kinds, names)
    wrote(output)


@figure.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The curves, a PNG.")
def deviations(runs: tuple[Path, ...], output: Path) -> None:
    """The encoder's deviation in each latent dimension, sorted, of the VAEs of several RUNS."""
    from melodylc.image.experiments.figures import draw_curves
    from melodylc.image.store import load_vae
    from melodylc.image.training import vae_path

    models = [load_vae(vae_path(run)) for run in runs]
    lines = {f"s = {model.vae.config.deviation:g}": model.sigma_bar.sort().values.tolist() for model in models}
    draw_curves(output, lines, "posterior deviation of each latent dimension, sorted", 1.0)
    wrote(output)


def _words(attributes: tuple[str, ...], label: str | None) -> str:
    return ", ".join(attributes) or str(label)


def _draw(path: Path, shown: "PictureGrid", title: str, request: "Mapping[str, object]") -> None:
    from melodylc import __version__
    from melodylc.image.sheet import write_sheet

    manifest = {"format": FORMAT, "request": request, "version": __version__}
    write_sheet(path, shown.pixels, shown.captions, title, manifest, shown.columns)
