"""What an augmented classifier is tried on: test data, and test data of another kind, both reimplemented.

RUN/dirty/vae, RUN/dirty/judge-0 ...      the VAE and the ensemble that make ambiguous digits, trained for that alone
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from melodylc.data.pictures.base import Pictures
from melodylc.data.pictures.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from melodylc.image.datasets import picture_config, recipe, with_steps
from melodylc.image.experiments.dirty_mnist import ambiguous_digits
from melodylc.image.store import load_classifier, load_vae
from melodylc.image.table import as_inputs
from melodylc.image.training import classifier_path, train_classifier, train_picture_vae, vae_path
from melodylc.training.loop import Report, named

ENSEMBLE = 3  #: classifiers of the ensemble
ENSEMBLE_STEPS = 600
OTHER_SEED = 1000  #: of what makes Dirty-MNIST: nothing that it shares with what is measured


@dataclass(frozen=True)
class EvaluationSet:
    """Pictures that a classifier is tried on."""

    name: str
    pictures: Tensor  #: (n, channels, h, w), bytes or numbers in [0, 1]
    classes: Tensor  #: (n,)


def as_evaluation_set(pictures: Pictures, name: str = "test") -> EvaluationSet:
    """A split as it is."""
    return EvaluationSet(
        name, torch.from_numpy(np.array(pictures.pixels)), torch.from_numpy(pictures.labels.argmax(axis=1))
    )


def dirty_mnist(
    train: Pictures,
    valid: Pictures,
    test: Pictures,
    run: Path,
    count: int,
    steps: int | None = None,
    report: Callable[[Report], None] = lambda _: None,
) -> list[EvaluationSet]:
    """MNIST's test digits, `count` ambiguous ones made of them (ten copies each), and both together."""
    config = picture_config("mnist", "small")
    how = recipe(config)
    folder = run / "dirty"
    train_picture_vae(
        train,
        valid,
        config,
        with_steps(replace(how.vae, seed=OTHER_SEED), steps),
        folder,
        named(report, "VAE of mixtures"),
    )
    judges = []
    for number in range(ENSEMBLE):
        settings = with_steps(replace(how.classifier, seed=OTHER_SEED + number), steps or ENSEMBLE_STEPS)
        train_classifier(train, valid, settings, folder / f"judge-{number}", named(report, f"judge {number}"))
        judges.append(load_classifier(classifier_path(folder / f"judge-{number}")).classifier)
    plain, vae = as_evaluation_set(test), load_vae(vae_path(folder)).vae
    inputs = as_inputs(plain.pictures, config.side)
    drawn = ambiguous_digits(vae, judges, inputs, plain.classes, count)
    both = torch.cat([inputs, drawn.pictures]), torch.cat([plain.classes, drawn.classes])
    ambiguous = EvaluationSet("Ambiguous-MNIST (reimplemented)", drawn.pictures, drawn.classes)
    return [plain, ambiguous, EvaluationSet("Dirty-MNIST (reimplemented)", *both)]


def cifar10_c(
    test: Pictures, tried: int | None = None, names: tuple[str, ...] = tuple(CORRUPTIONS)
) -> Iterator[EvaluationSet]:
    """CIFAR-10's test pictures, all of them; then the first `tried` with each corruption at five severities."""
    yield as_evaluation_set(test)
    some = test.only(slice(0, tried))
    classes = as_evaluation_set(some).classes
    for name in names:
        parts = [torch.from_numpy(corrupt(some.pixels, name, severity)) for severity in SEVERITIES]
        yield EvaluationSet(f"{name} (reimplemented)", torch.cat(parts), classes.repeat(len(parts)))


def count_evaluation_sets(data: str) -> int:
    """How many trials `dirty_mnist` (mnist) or `cifar10_c` has."""
    return 3 if data == "mnist" else 1 + len(CORRUPTIONS)
