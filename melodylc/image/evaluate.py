"""How well generated pictures have the labels that were asked, by a classifier that nothing was trained with.

As in the paper's Table 1: accuracy, precision, recall and F1 of the classifier's answers against the truth on test
data, and against what was asked on generated pictures; and z_MSE, how far the actor moved prior samples. Precision,
recall and F1 are means over the labels. Where labels exclude each other accuracy is the share of pictures, else of
answers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.data.pictures.base import Pictures
from melodylc.image.chain import Chain, as_bytes
from melodylc.image.classifier import PictureClassifier
from melodylc.image.table import as_inputs
from melodylc.latent.distance import z_mse
from melodylc.latent.labelled import move

CHUNK = 256


@dataclass(frozen=True)
class Scores:
    """What a classifier's answers amount to, each in [0, 1]."""

    accuracy: float
    precision: float
    recall: float
    f1: float
    count: int  #: pictures


def score(asked: Tensor, told: Tensor, exclusive: bool) -> Scores:
    """Scores of a classifier's answers `told` against labels `asked`, both (n, labels), 0 or 1.

    Raises:
        InputError: scikit-learn isn't there.
    """
    try:
        from sklearn.metrics import accuracy_score, precision_recall_fscore_support
    except ImportError:
        raise InputError("evaluation needs scikit-learn: pip install 'melodylc[image]'") from None
    truth, answer = asked.numpy().astype(int), told.numpy().astype(int)
    if exclusive:
        truth, answer = truth.argmax(1), answer.argmax(1)
        accuracy = float(accuracy_score(truth, answer))
    else:
        accuracy = float(np.mean(truth == answer))
    precision, recall, f1, _ = precision_recall_fscore_support(truth, answer, average="macro", zero_division=0)
    return Scores(accuracy, float(precision), float(recall), float(f1), len(truth))


def score_data(classifier: PictureClassifier, pictures: Pictures) -> Scores:
    """Scores on real pictures."""
    inputs = torch.split(torch.from_numpy(np.array(pictures.pixels)), CHUNK)
    told = torch.cat([classifier.labels(as_inputs(part, classifier.config.side)) for part in inputs])
    return score(torch.from_numpy(np.array(pictures.labels)), told, pictures.exclusive)


@dataclass(frozen=True)
class Generated:
    """Scores on generated pictures."""

    scores: Scores
    z_mse: float


@torch.no_grad()
def score_generated(classifier: PictureClassifier, chain: Chain, count: int, seed: int) -> Generated:
    """Scores on `count` pictures, labels drawn as the training set has them; of classes, as many of each."""
    generator = torch.Generator().manual_seed(seed)
    asked, vae = _asked(chain, count, classifier.config.exclusive, generator), chain.model.vae
    told, far = [], []
    for labels in torch.split(asked, CHUNK):
        z = torch.randn(len(labels), vae.config.z, generator=generator)
        moved = move(chain.constraint.actor, z, labels)
        pixels = as_bytes(vae.decode(moved))  # what is judged is what a file would hold
        told.append(classifier.labels(as_inputs(pixels, classifier.config.side)))
        far.append(z_mse(moved, z, chain.model.sigma_bar))
    return Generated(score(asked, torch.cat(told), classifier.config.exclusive), torch.cat(far).mean().item())


def _asked(chain: Chain, count: int, exclusive: bool, generator: torch.Generator) -> Tensor:
    rows = chain.constraint.rows
    if exclusive:
        return rows.rows[torch.arange(count) % len(rows.rows)]
    return rows.rows[torch.multinomial(rows.counts, count, replacement=True, generator=generator)]


def as_row(scores: Scores) -> list[Any]:
    """A table's cells."""
    return [f"{value:.4f}" for value in (scores.accuracy, scores.precision, scores.recall, scores.f1)]
