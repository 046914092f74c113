"""The paper's figures of pictures: traversals, samples before and after realism, what critics think of two dimensions.

Pictures go on sheets (`melodylc.image.sheet`); maps and curves are drawn here, by Pillow alone.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from melodylc.data.files import atomic_write
from melodylc.data.pictures.base import Bytes, Pictures
from melodylc.image.pipeline import PICTURE_GROUP, Pipeline, as_bytes, sample_prior
from melodylc.image.sheet import PictureGrid
from melodylc.image.store import LabelCombinations, LoadedActor, LoadedVAE
from melodylc.image.table import as_inputs
from melodylc.image.transformation import label_goal, realism_goal
from melodylc.latent.actor import move_vectors
from melodylc.latent.gan import AttributeCritic
from melodylc.latent.optimise import OptimiseSettings, optimise
from melodylc.threads import fixed_threads

_Plane = npt.NDArray[np.float64]
GRID = 160  #: places of a contour map in each direction
EXTENT = 3.0


@torch.no_grad()
def traversal(
    pipeline: Pipeline, begin: Mapping[int, bool], steps: Sequence[tuple[int, bool]], rows: int, seed: int
) -> PictureGrid:
    """One z a row; it has the labels that begin in the first column, and one more is changed in each after it.

    Args:
        pipeline: VAE and actor.
        begin: label number to whether it is there; others aren't.
        steps: label number and what it becomes; where labels exclude each other the former one goes.
        rows: how many z.
        seed: of z.
    """
    names, exclusive = pipeline.constraint.names, _exclusive(pipeline.constraint.rows)
    columns = [_labels(begin, len(names))]
    captions = [", ".join(names[label].replace("_", " ") for label, value in begin.items() if value) or "none"]
    for label, value in steps:
        following = torch.zeros(len(names)) if exclusive else columns[-1].clone()
        following[label] = float(value)
        columns.append(following)
        captions.append(f"{'+' if value else '-'} {names[label].replace('_', ' ')}")
    z = _prior(pipeline.model.vae.config.z, rows, seed).repeat_interleave(len(columns), dim=0)
    with fixed_threads(1):
        moved = move_vectors(pipeline.constraint.actor, z, torch.stack(columns).repeat(rows, 1))
        pixels = _decode_bytes(pipeline.model, moved)
    return PictureGrid(pixels, tuple(captions * rows), len(columns))


@torch.no_grad()
def before_and_after(model: LoadedVAE, realism: LoadedActor, count: int, seed: int) -> PictureGrid:
    """Samples of the prior in the first row, and the same moved by the realism actor in the second."""
    z = _prior(model.vae.config.z, count, seed)
    with fixed_threads(1):
        moved = move_vectors(realism.actor, z)
        pixels = _decode_bytes(model, torch.cat([z, moved]))
        means = torch.cat([realism.critic(z), realism.critic(moved)]).sigmoid().tolist()
    return PictureGrid(pixels, tuple(f"D {value:.2f}" for value in means), count)


def optimisation_frames(
    model: LoadedVAE,
    realism: LoadedActor,
    attributes: AttributeCritic | None,
    wanted: Mapping[int, bool],
    count: int,
    seed: int,
    settings: OptimiseSettings,
) -> PictureGrid:
    """Samples of the prior on their way to realism, and to what is wanted: a row each, frames as columns."""
    z, goals = _prior(model.vae.config.z, count, seed), [realism_goal(realism)]
    if attributes is not None:
        labels = _labels(wanted, attributes(z).shape[1]).expand(count, -1)
        goals.append(label_goal(attributes, labels, list(wanted)))
    with fixed_threads(1), torch.no_grad():
        end = optimise(z, goals, settings, sigma_bar=model.sigma_bar)
        frames = end.frames.transpose(0, 1).flatten(0, 1)
        pixels = _decode_bytes(model, frames)
        means = realism.critic(frames).sigmoid().tolist()
    columns = len(end.frames)
    steps = [*(f"step {at * settings.frames}" for at in range(columns - 1)), "end"] * count
    captions = tuple(f"{step}, D {value:.2f}" for step, value in zip(steps, means, strict=True))
    return PictureGrid(pixels, captions, columns)


@torch.no_grad()
def critic_map(model: LoadedVAE, critic: torch.nn.Module, pictures: Pictures) -> tuple[_Plane, tuple[int, int], _Plane]:
    """D over the two most used dimensions, others 0: the map (h, w), which two, and encodings there (n, 2)."""
    first, second = model.sigma_bar.argsort()[:2].tolist()
    places = torch.linspace(-EXTENT, EXTENT, GRID)
    z = torch.zeros(GRID, GRID, model.vae.config.z)
    z[..., first], z[..., second] = places[None, :], places[:, None]
    values = critic(z.flatten(0, 1)).sigmoid().view(GRID, GRID)
    mean = model.vae.encode(as_inputs(torch.from_numpy(np.array(pictures.pixels)), model.vae.config.side)).mean
    return values.double().numpy(), (first, second), mean[:, [first, second]].double().numpy()


def _prior(dim: int, count: int, seed: int) -> Tensor:
    return torch.cat([sample_prior(dim, seed, first) for first in range(0, count, PICTURE_GROUP)])[:count]


def _decode_bytes(model: LoadedVAE, z: Tensor) -> Bytes:
    found: Bytes = torch.cat([as_bytes(model.vae.decode(part)) for part in torch.split(z, PICTURE_GROUP)]).numpy()
    return found


def _labels(wanted: Mapping[int, bool], count: int) -> Tensor:
    return torch.tensor([float(wanted.get(label, False)) for label in range(count)])


def _exclusive(rows: LabelCombinations) -> bool:
    return bool((rows.rows.sum(dim=1) == 1).all())


SIZE, EDGE, TEXT = 480, 48, 13
PAPER, INK, FAINT = (255, 255, 255), (30, 30, 30), (205, 205, 205)
POINT_COLOURS = (
    *((31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189)),
    *((140, 86, 75), (227, 119, 194), (127, 127, 127), (188, 189, 34), (23, 190, 207)),
)
LOW, HIGH = np.array([40, 60, 120]), np.array([250, 235, 160])
BANDS = 10


def draw_contour_map(
    path: Path,
    maps: Mapping[str, _Plane],
    extent: float,
    points: _Plane,
    kinds: Sequence[int],
    axes: tuple[str, str],
) -> None:
    """Write maps of numbers in [0, 1], each (h, w) over [-extent, extent]^2 with the second axis upwards, side by side.

    Args:
        path: the PNG.
        maps: by title.
        extent: half the side of what is shown.
        points: (n, 2), drawn on each.
        kinds: of each point, which is its colour.
        axes: their names.
    """
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(TEXT)
    sheet = Image.new("RGB", (len(maps) * (SIZE + EDGE) + EDGE, SIZE + 2 * EDGE), PAPER)
    pen = ImageDraw.Draw(sheet)
    for at, (title, values) in enumerate(maps.items()):
        left, top = EDGE + at * (SIZE + EDGE), EDGE
        picture = Image.fromarray(band_colours(values)[::-1].astype(np.uint8)).resize(
            (SIZE, SIZE), Image.Resampling.NEAREST
        )
        sheet.paste(picture, (left, top))
        for (x, y), kind in zip(points, kinds, strict=True):
            if max(abs(x), abs(y)) < extent:
                right, down = left + (x / extent + 1) * SIZE / 2, top + (1 - y / extent) * SIZE / 2
                pen.ellipse((right - 2, down - 2, right + 2, down + 2), fill=POINT_COLOURS[kind % len(POINT_COLOURS)])
        pen.text((left, top - 20), f"{title}; upwards {axes[1]}", INK, font)
        pen.text((left, top + SIZE + 6), f"{-extent:g}", INK, font)
        pen.text((left + SIZE - 12, top + SIZE + 6), f"{extent:g}", INK, font)
        pen.text((left + SIZE / 2 - 30, top + SIZE + 6), axes[0], INK, font)
    _write(path, sheet)


def draw_curves(path: Path, lines: Mapping[str, Sequence[float]], title: str, most: float) -> None:
    """Write curves of numbers in [0, most] over their ranks 1, 2, ..., by name."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(TEXT)
    sheet = Image.new("RGB", (SIZE + 2 * EDGE + 60, SIZE + 2 * EDGE), PAPER)
    pen = ImageDraw.Draw(sheet)
    longest = max(len(line) for line in lines.values())
    for part in range(5):
        down = EDGE + SIZE * part / 4
        pen.line((EDGE, down, EDGE + SIZE, down), FAINT)
        pen.text((8, down - 7), f"{most * (1 - part / 4):.2g}", INK, font)
    for at, (name, line) in enumerate(lines.items()):
        places = np.arange(len(line)) / max(1, longest - 1)
        dots = [(EDGE + x * SIZE, EDGE + (1 - min(y / most, 1)) * SIZE) for x, y in zip(places, line, strict=True)]
        pen.line(dots, POINT_COLOURS[at % len(POINT_COLOURS)], 2)
        pen.text(
            (EDGE + SIZE - 60, EDGE + SIZE - 20 * (len(lines) - at)), name, POINT_COLOURS[at % len(POINT_COLOURS)], font
        )
    pen.text((EDGE, 16), title, INK, font)
    pen.text((EDGE + SIZE - 24, EDGE + SIZE + 6), str(longest), INK, font)
    pen.text((EDGE, EDGE + SIZE + 6), "1", INK, font)
    _write(path, sheet)


def band_colours(values: _Plane) -> _Plane:
    """Colours (h, w, 3) of numbers in [0, 1], in ten bands with a dark line between two.

    >>> band_colours(np.array([[0.0, 0.04, 1.0]]))[0, :, 0].tolist()
    [40.0, 40.0, 250.0]
    """
    band = np.minimum((values.clip(0, 1) * BANDS).astype(int), BANDS - 1)
    colours = LOW + (HIGH - LOW) * (band / (BANDS - 1))[..., None]
    edge = np.zeros(band.shape, bool)
    edge[:, 1:] |= band[:, 1:] != band[:, :-1]
    edge[1:] |= band[1:] != band[:-1]
    if min(band.shape) > BANDS:  # lines would hide a map of a few cells
        colours = np.where(edge[..., None], 0.6 * colours, colours)
    bands: _Plane = colours.astype(np.float64)
    return bands


def _write(path: Path, sheet: Any) -> None:
    content = io.BytesIO()
    sheet.save(content, "PNG")
    with atomic_write(path) as file:
        file.write(content.getvalue())
