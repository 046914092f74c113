"""From an order to a trained chain: data set, recipe, defaults, and the parts one after the other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from melodylc.data.errors import InputError
from melodylc.data.pictures.base import Pictures
from melodylc.data.pictures.folder import FORMAT_FILE, OWN, SIDE, SIDES, OwnFormat, list_folder, own_format
from melodylc.data.pictures.loading import Dataset, dataset, own_dataset
from melodylc.image.datasets import (
    PictureConfig,
    PictureDataset,
    Recipe,
    dataset_of,
    picture_dataset,
    recipe,
    with_steps,
)
from melodylc.image.devices import find_device
from melodylc.image.pipeline import find_classifier
from melodylc.image.table import as_inputs
from melodylc.image.training import (
    train_actor,
    train_attributes,
    train_auxiliary,
    train_classifier,
    train_picture_realism,
    train_picture_vae,
)
from melodylc.latent.gan import GANSettings, GANStep
from melodylc.training.loop import Report
from melodylc.training.team import Team

PartName = Literal["vae", "classifier", "actor", "realism", "attributes", "auxiliary"]
ALL: tuple[PartName, ...] = ("vae", "classifier", "actor")  #: what `--part all` trains
GAMES = {"actor": train_actor, "realism": train_picture_realism, "auxiliary": train_auxiliary}


@dataclass(frozen=True)
class TrainOrder:
    """What to train, in the caller's own words; None is the default of the data set."""

    data: str
    run: Path
    folder: Path | None = None  #: of the pictures
    labels: Path | None = None  #: the CSV of own pictures' labels, if it isn't in their folder
    part: PartName | Literal["all"] = "all"
    config: str = "small"
    deviation: float | None = None
    autoencoder: bool = False
    distance: float | None = None  #: weight of the actor's distance penalty
    steps: int | None = None  #: of each part
    seed: int = 0
    side: int | None = None  #: of own pictures
    crop: int | None = None  #: side of the square that is cut out of own pictures, in their pixels
    attributes: tuple[str, ...] = ()  #: of own pictures' labels, those that are taken, if not all
    device: str | None = None  #: "cpu", "cuda" or "mps"

    @property
    def torch_device(self) -> torch.device:
        """Where it is trained; raises as `find_device` does."""
        return find_device(self.device)

    @property
    def parts(self) -> tuple[PartName, ...]:
        """What is trained, in order."""
        return ALL if self.part == "all" else (self.part,)

    def open(self) -> Dataset:
        """The data set; of own pictures, the one that the run began with.

        Raises:
            InputError: options that don't fit the data set or the run, or a folder that can't be one.
        """
        _ = self.torch_device
        if self.data != OWN:
            if self.side or self.crop or self.attributes:
                raise InputError(
                    f"{self.data} has a size and labels of its own: --side, --crop and --attributes are for "
                    f"--dataset {OWN}"
                )
            opened = dataset(self.data, labels=self.labels)
            self._model(picture_dataset(self.data))  # before anything is read: a mistake should cost no time
            return opened
        if self.side not in (None, *SIDES):
            raise InputError(f"--side is {', '.join(map(str, SIDES))}, not {self.side}")
        if self.folder is None:
            raise InputError("say where your pictures lie: --data FOLDER")
        if (self.run / FORMAT_FILE).is_file():
            shape = OwnFormat.load(self.run)
            if self.side not in (None, shape.side) or self.crop not in (None, shape.crop):
                raise InputError(f"{self.run} was begun with other --side or --crop: leave them out, or name a new run")
            if self.attributes and list_folder(self.folder, self.labels, self.attributes).names != shape.names:
                raise InputError(f"{self.run} was begun with {', '.join(shape.names)}: leave out --attributes")
            return own_dataset(shape, self.labels)
        listing = list_folder(self.folder, self.labels, self.attributes)
        return own_dataset(own_format(listing, self.side or SIDE, self.crop), self.labels)

    def model(self, pictures: Pictures) -> PictureConfig:
        """The configuration of the VAE.

        Raises:
            InputError: an unknown one, or a deviation that is none.
        """
        return self._model(dataset_of(pictures))

    def _model(self, sizes: PictureDataset) -> PictureConfig:
        model = replace(sizes.config(self.config), autoencoder=self.autoencoder)
        return model if self.deviation is None else replace(model, deviation=self.deviation)

    def game(self, how: Recipe, part: PartName) -> GANSettings:
        """How an actor is trained."""
        settings = how.realism if part == "realism" else how.gan
        distance = settings.distance if self.distance is None else self.distance
        return replace(settings, distance=distance, steps=self.steps or settings.steps)


DOUBTFUL = 0.5  #: share of labels that a classifier finds right, below which pictures are another data set's
LOOKED_AT = 256


def doubt(data: str, run: Path | None, pictures: Pictures) -> str | None:
    """A sentence, if the pictures in a folder can't be what its name says: "digits" that are boots, for instance.

    The classifier of the run, or the one that comes with the package, is asked for the labels of some; None where it
    agrees, or there is none.

    Raises:
        CheckpointError: a classifier that is damaged or of another data set.
    """
    judge = find_classifier(data, run) or find_classifier(data, None)
    if judge is None or not pictures.exclusive:
        return None
    some = pictures.only(slice(0, LOOKED_AT))
    seen = judge.classifier.labels(as_inputs(torch.from_numpy(np.array(some.pixels)), judge.classifier.config.side))
    right = float((seen.numpy() == some.labels).all(axis=1).mean())
    if right >= DOUBTFUL:
        return None
    return f"a classifier of {data} agrees with {right:.0%} of these pictures' labels: is it the right folder?"


def train_chain(
    order: TrainOrder,
    data: Dataset,
    train: Pictures,
    valid: Pictures,
    report: Callable[[Report], None] = lambda _: None,
    turn: Callable[[GANStep, int], None] = lambda *_: None,
) -> Iterator[Path]:
    """Train the parts of an order, or go on training them; the path of each once it stands.

    Args:
        order: what to train.
        data: the data set that the order opened.
        train: its training pictures.
        valid: what checkpoints are compared on.
        report: hears of the steps of VAE, classifier and attribute critic.
        turn: hears of those of actors, and of how many there are.

    Raises InputError as the functions of `melodylc.image.training` do.
    """
    model = order.model(train)
    how, device = recipe(model), order.torch_device
    team = Team(device=device)
    if data.shape:
        data.shape.save(order.run)
    for part in order.parts:
        if part == "vae":
            settings = with_steps(replace(how.vae, seed=order.seed), order.steps)
            yield train_picture_vae(train, valid, model, settings, order.run, report, team)
        elif part == "classifier":
            settings = with_steps(replace(how.classifier, seed=order.seed), order.steps)
            yield train_classifier(train, valid, settings, order.run, report, team)
        elif part == "attributes":
            settings = with_steps(replace(how.attributes, seed=order.seed), order.steps)
            yield train_attributes(train, settings, order.run, report, team)
        else:
            game = order.game(how, part)
            heard = partial(_report_turn, turn, game.steps)
            yield GAMES[part](train, game, order.run, order.seed, heard, device)


def _report_turn(turn: Callable[[GANStep, int], None], steps: int, step: GANStep) -> None:
    turn(step, steps)
