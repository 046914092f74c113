"""How well generated pictures have the labels that were asked, by a classifier that nothing was trained with.

As in the paper's Table 1: accuracy, precision, recall and F1 of the classifier's answers against the truth on test
data, and against what was asked on generated pictures; and z_MSE, how far the actor moved prior samples. Precision,
recall and F1 are means over the labels. Where labels exclude each other accuracy is the share of pictures, else of
answers. Beside that, how alike pictures of one label are: MS-SSIM, in `melodylc.image.similarity`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.data.pictures.base import Pictures
from melodylc.image.chain import Chain, as_bytes
from melodylc.image.classifier import PictureClassifier
from melodylc.image.similarity import likeness
from melodylc.image.store import LoadedVAE
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
    each: tuple[float, ...]  #: F1 of each label; 0 of one that is neither there nor seen
    count: int  #: pictures


def score(asked: Tensor, told: Tensor, exclusive: bool) -> Scores:
    """Scores of a classifier's answers `told` against labels `asked`, both (n, labels), 0 or 1.

    Raises:
        InputError: scikit-learn isn't there.
    """
    try:
        from sklearn.metrics import accuracy_score, precision_recall_fscore_support
    except ImportError:
        raise InputError("evaluation needs scikit-learn: pip install -e '.[image]'") from None
    truth, answer = asked.numpy().astype(int), told.numpy().astype(int)
    if exclusive:
        truth, answer = truth.argmax(1), answer.argmax(1)
        accuracy = float(accuracy_score(truth, answer))
    else:
        accuracy = float(np.mean(truth == answer))
    precision, recall, f1, _ = precision_recall_fscore_support(truth, answer, average="macro", zero_division=0)
    every = range(asked.shape[1])
    _, _, each, _ = precision_recall_fscore_support(truth, answer, labels=every, average=None, zero_division=0)
    return Scores(accuracy, float(precision), float(recall), float(f1), tuple(each.tolist()), len(truth))


@dataclass(frozen=True)
class Judged:
    """What is said of a set of pictures."""

    scores: Scores
    alike: Tensor  #: (labels,) mean MS-SSIM of two pictures of a label; NaN where there aren't two
    z_mse: float | None = None  #: how far an actor moved prior samples

    @property
    def mean_alike(self) -> float:
        """Mean of `alike` over the labels that have two pictures."""
        return float(self.alike.nanmean())


def judge_data(classifier: PictureClassifier, pictures: Pictures) -> Judged:
    """Real pictures."""
    pixels, labels = (torch.from_numpy(np.array(it)) for it in (pictures.pixels, pictures.labels))
    told = torch.cat(
        [classifier.labels(as_inputs(part, classifier.config.side)) for part in torch.split(pixels, CHUNK)]
    )
    return Judged(score(labels, told, pictures.exclusive), likeness(pixels, labels))


@torch.no_grad()
def given_back(model: LoadedVAE, pictures: Pictures) -> Pictures:
    """The same pictures as the VAE gives them back from its posterior's mean: what its decoder alone costs."""
    parts = torch.split(torch.from_numpy(np.array(pictures.pixels)), CHUNK)
    found = [as_bytes(model.vae.decode(model.vae.encode(as_inputs(it, model.vae.config.side)).mean)) for it in parts]
    return replace(pictures, pixels=torch.cat(found).numpy())


@torch.no_grad()
def judge_generated(classifier: PictureClassifier, chain: Chain, count: int, seed: int) -> Judged:
    """`count` generated pictures, labels drawn as the training set has them; of classes, as many of each."""
    generator = torch.Generator().manual_seed(seed)
    asked, vae = _asked(chain, count, classifier.config.exclusive, generator), chain.model.vae
    told, far, made = [], [], []
    for labels in torch.split(asked, CHUNK):
        z = torch.randn(len(labels), vae.config.z, generator=generator)
        moved = move(chain.constraint.actor, z, labels)
        made.append(as_bytes(vae.decode(moved)))  # what is judged is what a file would hold
        told.append(classifier.labels(as_inputs(made[-1], classifier.config.side)))
        far.append(z_mse(moved, z, chain.model.sigma_bar))
    scores = score(asked, torch.cat(told), classifier.config.exclusive)
    return Judged(scores, likeness(torch.cat(made), asked), torch.cat(far).mean().item())


def compared(test: Judged, generated: Judged, names: Sequence[str]) -> str:
    """F1 of generated over test pictures, and how much more alike they are than real ones of the same label.

    Real pictures of another size than the generated ones (CIFAR-10 at 64) have scales of their own.
    """
    ratios = generated.alike / test.alike
    known = [(ratio, name) for ratio, name in zip(ratios.tolist(), names, strict=True) if ratio == ratio]
    told = f"F1 over test data's {generated.scores.f1 / max(test.scores.f1, 1e-9):.3f}"
    if not known:
        return told
    most, name = max(known)
    mean = generated.mean_alike / test.mean_alike
    return f"{told}; MS-SSIM over real pictures' {mean:.3f}, most {most:.3f} ({name})"


def _asked(chain: Chain, count: int, exclusive: bool, generator: torch.Generator) -> Tensor:
    rows = chain.constraint.rows
    if exclusive:
        return rows.rows[torch.arange(count) % len(rows.rows)]
    return rows.rows[torch.multinomial(rows.counts, count, replacement=True, generator=generator)]


def as_row(judged: Judged) -> list[Any]:
    """A table's cells."""
    scores, alike = judged.scores, judged.mean_alike
    cells = [f"{value:.4f}" for value in (scores.accuracy, scores.precision, scores.recall, scores.f1)]
    far = "" if judged.z_mse is None else f"{judged.z_mse:.2f}"
    return [*cells, far, f"{alike:.3f}" if alike == alike else ""]
