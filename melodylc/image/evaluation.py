"""How well generated pictures have the labels of the request, by a classifier that nothing was trained with.

As in the paper's Table 1: accuracy, precision, recall and F1 of the classifier's answers against the truth on test
data, and against the actor's labels on generated pictures; and z_MSE, how far the actor moved prior samples. Precision,
recall and F1 are means over the labels. Where labels exclude each other accuracy is the share of pictures, else of
answers. Beside that, how ms_ssim pictures of one label are: MS-SSIM.

How ms_ssim pictures are: MS-SSIM, and with it how diverse the pictures of a label are (AC-GAN's measure).

Wang, Simoncelli and Bovik (2003), with their constants and weights:

    MS-SSIM(x, y) = l_M(x, y)^w_M * prod_j cs_j(x, y)^w_j          w = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333
    l  = (2 mu_x mu_y + C_1) / (mu_x^2 + mu_y^2 + C_1)             C_1 = 0.01^2
    cs = (2 sigma_xy + C_2) / (sigma_x^2 + sigma_y^2 + C_2)        C_2 = 0.03^2

under a Gaussian window of 11 x 11 pixels and deviation 1.5 that stays inside the picture; a scale is half the one
before, by means over 2 x 2 pixels. Five scales need a side of 176. **Here there are as many as the window fits into:
three at 64 pixels (64, 32, 16), two at 28 and 32, with the weights of these scales, made to sum to 1.** l * cs is
averaged over the picture and its channels at the last scale, cs at the others; a negative mean counts as 0.
(torchmetrics 1.9 averages l * cs, but not cs, over a border of reflected pixels, too: up to 0.1 of difference at 28
pixels, 0.006 at 64. It takes 5 s to import, and five times as long.)

Odena, Olah and Shlens (2017): the mean over random pairs of pictures of one label is low where they are diverse.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from melodylc.data.errors import InputError
from melodylc.data.pictures.base import Pictures
from melodylc.image.models import PictureClassifier
from melodylc.image.pipeline import Pipeline, as_bytes
from melodylc.image.store import LoadedVAE
from melodylc.image.table import as_inputs
from melodylc.latent.actor import move_vectors
from melodylc.latent.distance import z_mse

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW, SPREAD = 11, 1.5
C_1, C_2 = 0.01**2, 0.03**2
PAIRS = 1000  #: of pictures of one label; with AC-GAN's 100 the mean over ten labels is uncertain by a fiftieth
PAIR_CHUNK = 100


def ms_ssim_scales(side: int) -> int:
    """How many scales fit into pictures of side x side.

    Raises:
        InputError: not even one.

    >>> [ms_ssim_scales(side) for side in (28, 32, 64, 128, 176, 500)]
    [2, 2, 3, 4, 5, 5]
    """
    fitting = [at for at in range(len(SCALE_WEIGHTS)) if side // 2**at >= WINDOW]
    if not fitting:
        raise InputError(f"MS-SSIM needs pictures of {WINDOW} pixels a side or more, not {side}")
    return len(fitting)


def ms_ssim(one: Tensor, other: Tensor) -> Tensor:
    """MS-SSIM of pictures (n, channels, side, side) in [0, 1] with as many others, (n,): 1 for the same picture.

    >>> ms_ssim(torch.ones(2, 1, 28, 28), torch.ones(2, 1, 28, 28))
    tensor([1., 1.])
    """
    count = ms_ssim_scales(one.shape[-1])
    weights = torch.tensor(SCALE_WEIGHTS[:count]) / sum(SCALE_WEIGHTS[:count])
    result = one.new_ones(len(one))
    for at, weight in enumerate(weights.tolist()):
        if at:
            one, other = avg_pool2d(one, 2), avg_pool2d(other, 2)
        light, structure = _terms(one, other)
        term = light * structure if at + 1 == count else structure
        result = result * term.flatten(1).mean(1).clamp(min=0) ** weight
    return result


def label_ms_ssim(pixels: Tensor, labels: Tensor, pairs: int = PAIRS, seed: int = 0) -> Tensor:
    """Mean MS-SSIM over random pairs of different pictures that have a label, for each label: (labels,).

    Args:
        pixels: (n, channels, side, side), uint8.
        labels: (n, labels), 0 or 1.
        pairs: how many for each label.
        seed: of their choice.

    NaN where fewer than two pictures have a label.
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([_mean_ms_ssim(pixels[column > 0.5], pairs, generator) for column in labels.T])


def _mean_ms_ssim(pixels: Tensor, pairs: int, generator: torch.Generator) -> Tensor:
    if len(pixels) < 2:
        return torch.tensor(torch.nan)
    first = torch.randint(len(pixels), (pairs,), generator=generator)
    second = (first + torch.randint(1, len(pixels), (pairs,), generator=generator)) % len(pixels)
    parts = zip(torch.split(first, PAIR_CHUNK), torch.split(second, PAIR_CHUNK), strict=True)
    return torch.cat([ms_ssim(pixels[one].float() / 255, pixels[two].float() / 255) for one, two in parts]).mean()


def _terms(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """l and cs at every place."""
    mean_one, mean_other = _gaussian_means(one), _gaussian_means(other)
    square_one, square_other = (
        _gaussian_means(one.square()) - mean_one**2,
        _gaussian_means(other.square()) - mean_other**2,
    )
    both = _gaussian_means(one * other) - mean_one * mean_other
    light = (2 * mean_one * mean_other + C_1) / (mean_one**2 + mean_other**2 + C_1)
    return light, (2 * both + C_2) / (square_one + square_other + C_2)


def _gaussian_means(pictures: Tensor) -> Tensor:
    """Gaussian means, (n, channels, side - 10, side - 10), as products with a banded matrix."""
    at = torch.arange(WINDOW) - WINDOW // 2
    window = torch.exp(-(at**2) / (2 * SPREAD**2))
    side = pictures.shape[-1]
    band = torch.zeros(side - WINDOW + 1, side)
    for row in range(len(band)):
        band[row, row : row + WINDOW] = window / window.sum()
    band = band.to(pictures)
    return band @ pictures @ band.T


_CHUNK = 256


@dataclass(frozen=True)
class ClassifierScores:
    """What a classifier's answers amount to, each in [0, 1]."""

    accuracy: float
    precision: float
    recall: float
    f1: float
    each: tuple[float, ...]  #: F1 of each label; 0 of one that is neither there nor predicted
    count: int  #: pictures


def score_labels(labels: Tensor, predictions: Tensor, exclusive: bool) -> ClassifierScores:
    """Scores of a classifier's answers `predictions` against labels `labels`, both (n, labels), 0 or 1.

    Raises:
        InputError: scikit-learn isn't there.
    """
    try:
        from sklearn.metrics import accuracy_score, precision_recall_fscore_support
    except ImportError:
        raise InputError("evaluation needs scikit-learn: pip install -e '.[image]'") from None
    truth, answer = labels.numpy().astype(int), predictions.numpy().astype(int)
    if exclusive:
        truth, answer = truth.argmax(1), answer.argmax(1)
        accuracy = float(accuracy_score(truth, answer))
    else:
        accuracy = float(np.mean(truth == answer))
    precision, recall, f1, _ = precision_recall_fscore_support(truth, answer, average="macro", zero_division=0)
    every = range(labels.shape[1])
    _, _, each, _ = precision_recall_fscore_support(truth, answer, labels=every, average=None, zero_division=0)
    return ClassifierScores(accuracy, float(precision), float(recall), float(f1), tuple(each.tolist()), len(truth))


@dataclass(frozen=True)
class PictureFigures:
    """The figures of a set of pictures."""

    scores: ClassifierScores
    ms_ssim: Tensor  #: (labels,) mean MS-SSIM of two pictures of a label; NaN where there aren't two
    pixels: Tensor  #: (n, channels, side, side), uint8, the pictures themselves
    z_mse: float | None = None  #: how far an actor moved prior samples

    @property
    def mean_ms_ssim(self) -> float:
        """Mean of `ms_ssim` over the labels that have two pictures."""
        return float(self.ms_ssim.nanmean())


def evaluate_pictures(classifier: PictureClassifier, pictures: Pictures) -> PictureFigures:
    """Real pictures."""
    pixels, labels = (torch.from_numpy(np.array(it)) for it in (pictures.pixels, pictures.labels))
    predictions = torch.cat([_predict(classifier, part) for part in torch.split(pixels, _CHUNK)])
    return PictureFigures(score_labels(labels, predictions, pictures.exclusive), label_ms_ssim(pixels, labels), pixels)


@torch.no_grad()
def reconstruct_pictures(model: LoadedVAE, pictures: Pictures) -> Pictures:
    """The pictures' reconstructions from the VAE's posterior mean: what its decoder alone costs."""
    parts = torch.split(torch.from_numpy(np.array(pictures.pixels)), _CHUNK)
    inputs = (as_inputs(it, model.vae.config.side).to(device_of(model.vae)) for it in parts)
    pixels = [as_bytes(model.vae.decode(model.vae.encode(it).mean)).cpu() for it in inputs]
    return replace(pictures, pixels=torch.cat(pixels).numpy())


@torch.no_grad()
def evaluate_generated(classifier: PictureClassifier, pipeline: Pipeline, count: int, seed: int) -> PictureFigures:
    """`count` generated pictures, labels drawn as the training set has them; of classes, as many of each."""
    generator = torch.Generator().manual_seed(seed)
    labels, vae = _draw_labels(pipeline, count, classifier.config.exclusive, generator), pipeline.model.vae
    predictions, distances, pixels = [], [], []
    for part in torch.split(labels, _CHUNK):
        z = torch.randn(len(part), vae.config.z, generator=generator)
        device = device_of(vae)
        end = move_vectors(pipeline.constraint.actor, z.to(device), part.to(device))
        pixels.append(as_bytes(vae.decode(end)).cpu())  # what is judged is what a file would hold
        predictions.append(_predict(classifier, pixels[-1]))
        distances.append(z_mse(end.cpu(), z, pipeline.model.sigma_bar))
    scores = score_labels(labels, torch.cat(predictions), classifier.config.exclusive)
    together = torch.cat(pixels)
    return PictureFigures(scores, label_ms_ssim(together, labels), together, torch.cat(distances).mean().item())


def device_of(module: nn.Module) -> torch.device:
    """Where a module's weights are."""
    return next(module.parameters()).device


def _predict(classifier: PictureClassifier, pixels: Tensor) -> Tensor:
    """The classifier's labels (n, labels) of bytes, on the CPU."""
    return classifier.labels(as_inputs(pixels, classifier.config.side).to(device_of(classifier))).cpu()


def compare_figures(test: PictureFigures, generated: PictureFigures, names: Sequence[str]) -> str:
    """F1 of generated over test pictures, and how much more alike they are than real ones of the same label.

    Real pictures of another size than the generated ones (CIFAR-10 at 64) have scales of their own.
    """
    ratios = generated.ms_ssim / test.ms_ssim
    numbers = [(ratio, name) for ratio, name in zip(ratios.tolist(), names, strict=True) if ratio == ratio]
    text = f"F1 over test data's {generated.scores.f1 / max(test.scores.f1, 1e-9):.3f}"
    if not numbers:
        return text
    most, name = max(numbers)
    mean = generated.mean_ms_ssim / test.mean_ms_ssim
    return f"{text}; MS-SSIM over real pictures' {mean:.3f}, most {most:.3f} ({name})"


def _draw_labels(pipeline: Pipeline, count: int, exclusive: bool, generator: torch.Generator) -> Tensor:
    rows = pipeline.constraint.rows
    if exclusive:
        return rows.rows[torch.arange(count) % len(rows.rows)]
    return rows.rows[torch.multinomial(rows.counts, count, replacement=True, generator=generator)]


def as_row(figures: PictureFigures) -> list[Any]:
    """A table's cells."""
    scores, alike = figures.scores, figures.mean_ms_ssim
    cells = [f"{value:.4f}" for value in (scores.accuracy, scores.precision, scores.recall, scores.f1)]
    distance = "" if figures.z_mse is None else f"{figures.z_mse:.2f}"
    return [*cells, distance, f"{alike:.3f}" if alike == alike else ""]
