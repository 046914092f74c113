"""Data augmentation: does a classifier gain from the actor's pictures? Rajagopalan and Seshadri's experiment.

Two classifiers on the same batches, one with an eighth of every batch replaced by pictures that the actor makes of
prior samples and the labels of those it replaces. Theirs are two linear layers of 128 and 10 on MNIST, and the
encoder's shape on CIFAR-10 at 64 x 64; neither is the classifier that judges pictures elsewhere.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from melodylc.data.errors import InputError
from melodylc.data.pictures.base import Pictures
from melodylc.image.datasets import PICTURE_DATASETS, picture_config
from melodylc.image.models import encoder_backbone
from melodylc.image.pipeline import Pipeline, as_bytes
from melodylc.image.table import PictureTable, as_inputs
from melodylc.image.training import dataset_header
from melodylc.latent.actor import move_vectors
from melodylc.models.noise import Noise
from melodylc.training.loop import Report, Trainer
from melodylc.training.run import commit, prepare
from melodylc.training.settings import StageSettings, TrainSettings
from melodylc.training.stages import Metrics

SHARE = 8  #: one in so many of a batch is the actor's
_CHUNK = 250


def augmentation_classifier(data: str) -> nn.Module:
    """The replication's classifier of a data set, (n, channels, side, side) to logits (n, 10).

    Raises:
        InputError: it has none.

    >>> layers = augmentation_classifier("mnist").modules()
    >>> [tuple(layer.weight.shape) for layer in layers if isinstance(layer, nn.Linear)]
    [(128, 784), (10, 128)]
    """
    augmentation_sizes(data)  # refuses others
    if data == "mnist":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    body, features = encoder_backbone(picture_config(data, "replication"))
    return nn.Sequential(body, nn.Linear(features, 10))


def augmentation_sizes(data: str) -> tuple[int, int]:
    """Side of pictures and steps of training in the experiment on a data set.

    Raises:
        InputError: it is not one of the experiment's.
    """
    sizes = PICTURE_DATASETS[data].augmentation if data in PICTURE_DATASETS else None
    if sizes is None:
        measured = " and ".join(name for name, it in PICTURE_DATASETS.items() if it.augmentation)
        raise InputError(f"augmentation is measured on {measured}, as in the replication, not on {data}")
    return sizes


def augmentation_settings(data: str, steps: int | None, seed: int) -> TrainSettings:
    """How such a classifier is trained."""
    count = steps or augmentation_sizes(data)[1]
    stage = StageSettings(kind="labels", batch=128, rate=1e-3, steps=count)
    precision: Literal["bf16", "fp32"] = "fp32" if data == "mnist" else "bf16"  # two layers gain nothing from bf16
    return TrainSettings(stages=(stage,), seed=seed, validate_every=250, precision=precision)


def train_augmentation_classifier(
    train: Pictures,
    valid: Pictures,
    settings: TrainSettings,
    folder: Path,
    pipeline: Pipeline | None,
    report: Callable[[Report], None] = lambda _: None,
) -> nn.Module:
    """Train a classifier, or go on training it, in a folder; with the actor's pictures where there is a pipeline.

    Raises InputError if the folder holds another run.
    """
    prepare(folder)
    table = PictureTable(train, valid, augmentation_sizes(train.dataset)[0], settings.seed)
    torch.manual_seed(settings.seed)
    classifier = augmentation_classifier(train.dataset)
    actor = None if pipeline is None else {"vae": pipeline.model.fingerprint, "actor": pipeline.constraint.fingerprint}
    identity = {**dataset_header(train), "settings": settings.to_dict(), "augmented": actor}
    stage = _AugmentationStage(classifier, table, pipeline)
    Trainer(classifier, lambda _: stage, settings, table, table.validation, folder, identity, commit(), report).run()
    return classifier.eval()


@torch.no_grad()
def class_accuracy(classifier: nn.Module, pictures: Tensor, classes: Tensor, side: int) -> float:
    """Share of pictures (n, channels, h, w), bytes or numbers in [0, 1], that are taken for what they are, (n,)."""
    right = 0
    for part, truth in zip(torch.split(pictures, _CHUNK), torch.split(classes, _CHUNK), strict=True):
        inputs = as_inputs(part, side) if part.dtype == torch.uint8 else part
        right += int((classifier(inputs).argmax(dim=1) == truth).sum())
    return right / len(classes)


class _AugmentationStage:
    """Cross-entropy on batches an eighth of which is the actor's, where there is one."""

    def __init__(self, classifier: nn.Module, table: PictureTable, pipeline: Pipeline | None) -> None:
        self.classifier, self.table, self.pipeline = classifier, table, pipeline

    def parameters(self) -> Iterator[nn.Parameter]:
        return self.classifier.parameters()

    def loss(self, events: Tensor, progress: float, noise: Noise) -> tuple[Tensor, Metrics]:
        pictures, labels = self.table.pictures(events), self.table.answers(events)
        if self.pipeline and self.classifier.training:
            generated = self._generate(self.pipeline, labels[: len(labels) // SHARE], noise)
            pictures = torch.cat([generated, pictures[len(generated) :]])
        logits, classes = self.classifier(pictures).float(), labels.argmax(dim=1)
        right = (logits.argmax(dim=1) == classes).float().mean()
        return F.cross_entropy(logits, classes), {"accuracy": right.item()}

    @torch.no_grad()
    def _generate(self, pipeline: Pipeline, labels: Tensor, noise: Noise) -> Tensor:
        z = noise.normal(len(labels), pipeline.model.vae.config.z)
        pixels = as_bytes(pipeline.model.vae.decode(move_vectors(pipeline.constraint.actor, z, labels)))
        return as_inputs(pixels, self.table.side)
