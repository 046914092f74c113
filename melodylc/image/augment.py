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
from melodylc.image.bodies import encoder_body
from melodylc.image.chain import Chain, as_bytes
from melodylc.image.config import named_config
from melodylc.image.table import Table, as_inputs
from melodylc.image.train import about
from melodylc.latent.actor import move_vectors
from melodylc.models.noise import Noise
from melodylc.training.loop import Report, Trainer
from melodylc.training.run import commit, prepare
from melodylc.training.settings import StageSettings, TrainSettings
from melodylc.training.stages import Metrics

SHARE = 8  #: one in so many of a batch is the actor's
SIDES = {"mnist": 28, "cifar10": 64}
STEPS = {"mnist": 3000, "cifar10": 4000}
CHUNK = 250


def student(data: str) -> nn.Module:
    """The replication's classifier of a data set, (n, channels, side, side) to logits (n, 10).

    Raises:
        InputError: it has none.

    >>> [tuple(layer.weight.shape) for layer in student("mnist").modules() if isinstance(layer, nn.Linear)]
    [(128, 784), (10, 128)]
    """
    if data == "mnist":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    if data == "cifar10":
        body, features = encoder_body(named_config("cifar10", "replication"))
        return nn.Sequential(body, nn.Linear(features, 10))
    raise InputError(f"augmentation is measured on {' and '.join(SIDES)}, as in the replication, not on {data}")


def recipe(data: str, steps: int | None, seed: int) -> TrainSettings:
    """How such a classifier is trained."""
    count = steps or STEPS[data]
    stage = StageSettings(kind="labels", batch=128, rate=1e-3, steps=count)
    precision: Literal["bf16", "fp32"] = "fp32" if data == "mnist" else "bf16"  # two layers gain nothing from bf16
    return TrainSettings(stages=(stage,), seed=seed, validate_every=250, precision=precision)


def train_student(
    train: Pictures,
    valid: Pictures,
    settings: TrainSettings,
    folder: Path,
    chain: Chain | None,
    report: Callable[[Report], None] = lambda _: None,
) -> nn.Module:
    """Train a classifier, or go on training it, in a folder; with the actor's pictures where there is a chain.

    Raises InputError if the folder holds another run.
    """
    prepare(folder)
    table = Table(train, valid, SIDES[train.dataset], settings.seed)
    torch.manual_seed(settings.seed)
    classifier = student(train.dataset)
    made = None if chain is None else {"vae": chain.model.fingerprint, "actor": chain.constraint.fingerprint}
    identity = {**about(train), "settings": settings.to_dict(), "augmented": made}
    stage = _StudentStage(classifier, table, chain)
    Trainer(classifier, lambda _: stage, settings, table, table.validation, folder, identity, commit(), report).run()
    return classifier.eval()


@torch.no_grad()
def accuracy(classifier: nn.Module, pictures: Tensor, classes: Tensor, side: int) -> float:
    """Share of pictures (n, channels, h, w), bytes or numbers in [0, 1], that are taken for what they are, (n,)."""
    right = 0
    for part, truth in zip(torch.split(pictures, CHUNK), torch.split(classes, CHUNK), strict=True):
        inputs = as_inputs(part, side) if part.dtype == torch.uint8 else part
        right += int((classifier(inputs).argmax(dim=1) == truth).sum())
    return right / len(classes)


class _StudentStage:
    """Cross-entropy on batches an eighth of which is the actor's, where there is one."""

    def __init__(self, classifier: nn.Module, table: Table, chain: Chain | None) -> None:
        self.classifier, self.table, self.chain = classifier, table, chain

    def parameters(self) -> Iterator[nn.Parameter]:
        return self.classifier.parameters()

    def loss(self, events: Tensor, progress: float, noise: Noise) -> tuple[Tensor, Metrics]:
        pictures, labels = self.table.pictures(events), self.table.answers(events)
        if self.chain and self.classifier.training:
            made = self._made(self.chain, labels[: len(labels) // SHARE], noise)
            pictures = torch.cat([made, pictures[len(made) :]])
        logits, classes = self.classifier(pictures).float(), labels.argmax(dim=1)
        right = (logits.argmax(dim=1) == classes).float().mean()
        return F.cross_entropy(logits, classes), {"accuracy": right.item()}

    @torch.no_grad()
    def _made(self, chain: Chain, labels: Tensor, noise: Noise) -> Tensor:
        z = noise.normal(len(labels), chain.model.vae.config.z)
        pixels = as_bytes(chain.model.vae.decode(move_vectors(chain.constraint.actor, z, labels)))
        return as_inputs(pixels, self.table.side)
