"""How long a training would take here: ten steps of each part, timed, and what the rest of it is worth.

Nothing is kept. Actors and critics are timed on random vectors of the size that the VAE's encodings have: a step costs
the same. Beside the steps count validations, and encoding the training pictures for what is trained on encodings.
"""

import resource
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from melodylc.data.pictures.base import Pictures
from melodylc.image.chain import PartName, TrainOrder
from melodylc.image.datasets import Recipe, recipe, with_steps
from melodylc.image.models import PictureVAE
from melodylc.image.table import CHUNK, as_inputs
from melodylc.image.training import attribute_trainer, classifier_trainer, latent_game, mirrors, vae_trainer
from melodylc.latent.samples import Encodings
from melodylc.training.loop import Report
from melodylc.training.settings import TrainSettings
from melodylc.training.team import Team

TIMED = 10  #: steps of each part
WARMUP = 2  #: steps before them
VECTORS = 4096  #: random encodings


@dataclass(frozen=True)
class PartEstimate:
    """How long a part would take."""

    part: PartName
    steps: int
    step_seconds: float  #: median of the timed steps
    other_seconds: float  #: validations, and encoding the training pictures
    memory: int  #: bytes, the most until now: of the device, or of the whole process on a CPU

    @property
    def seconds(self) -> float:
        """The whole part."""
        return self.steps * self.step_seconds + self.other_seconds


def estimate_chain(order: TrainOrder, train: Pictures, valid: Pictures) -> Iterator[PartEstimate]:
    """The estimate of each part of an order, as soon as it has been timed.

    Raises:
        InputError: as `train_chain` does, of the order.
    """
    how = recipe(order.model(train))
    encodings = _random_encodings(order.model(train).z, train)
    for part in order.parts:
        if part in ("vae", "classifier", "attributes"):
            settings = with_steps(_stages(how, part), order.steps)
            steps = settings.stages[0].steps
            each, validation = _time_trainer(order, part, settings, train, valid, encodings)
            others = validation * -(-steps // settings.validate_every)
        else:
            steps = order.game(how, part).steps
            each, others = _time_game(order, how, part, encodings), 0.0
        if part not in ("vae", "classifier"):
            others += _encoding_seconds(order, train)
        yield PartEstimate(part, steps, each, others, _memory(order.torch_device))


def _stages(how: Recipe, part: PartName) -> TrainSettings:
    return {"vae": how.vae, "classifier": how.classifier, "attributes": how.attributes}[part]


def _time_trainer(
    order: TrainOrder, part: PartName, settings: TrainSettings, train: Pictures, valid: Pictures, encodings: Encodings
) -> tuple[float, float]:
    """Seconds of a step, and of the validation after the last."""
    few = replace(with_steps(settings, WARMUP + TIMED), validate_every=WARMUP + TIMED)
    team = Team(device=order.torch_device)
    times: list[float] = []

    def report(_: Report) -> None:
        times.append(time.perf_counter())

    with TemporaryDirectory() as name:
        folder = Path(name) / "part"
        if part == "vae":
            trainer = vae_trainer(train, valid, order.model(train), few, folder, report, team)[0]
        elif part == "classifier":
            trainer = classifier_trainer(train, valid, few, folder, report, team)[0]
        else:
            trainer = attribute_trainer(encodings, few, folder, {}, report, team)[0]
        trainer.run()
    passed = np.diff(times)
    each = float(statistics.median(passed[WARMUP - 1 : -1]))
    return each, max(0.0, float(passed[-1]) - each)


def _time_game(order: TrainOrder, how: Recipe, part: PartName, encodings: Encodings) -> float:
    game = latent_game(
        part, encodings, torch.ones(encodings.dim), order.game(how, part), order.seed, order.torch_device
    )
    times = [time.perf_counter()]
    for _ in range(WARMUP + TIMED):
        game.step()  # its losses are read back, so what a device has to do is done by then
        times.append(time.perf_counter())
    return float(statistics.median(np.diff(times)[WARMUP:]))


def _encoding_seconds(order: TrainOrder, train: Pictures) -> float:
    """Of all training pictures, and of their mirror images where those are encoded, too; on the CPU, as it is done."""
    vae = PictureVAE(order.model(train)).eval()
    pixels = torch.from_numpy(np.array(train.pixels[:CHUNK]))
    started = time.perf_counter()
    with torch.no_grad():
        vae.encode(as_inputs(pixels, vae.config.side))
    return (time.perf_counter() - started) * len(train) / len(pixels) * (1 + mirrors(train.dataset))


def _random_encodings(dim: int, train: Pictures) -> Encodings:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(len(train), (VECTORS,), generator=generator)
    labels = torch.from_numpy(np.array(train.labels))[rows].float()
    return Encodings(torch.randn(VECTORS, dim, generator=generator), torch.full((VECTORS, dim), 0.1), labels)


def _memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
