"""How real generated pictures are and how much of the data they cover, in the features of a run's classifier.

Fréchet distance (Heusel et al. 2017), with means m and covariances C of the features of real and generated pictures:

    |m_r - m_g|^2 + tr( C_r + C_g - 2 (C_r^1/2 C_g C_r^1/2)^1/2 )

Heusel et al. take Inception's features, which know no digits. So figures compare within one run, never across
classifiers. They fall with the number of pictures, too; all rows of a table have as many.

Precision and recall (Kynkäänniemi et al. 2019): a set's manifold is the union of balls around its points, each as wide
as its third nearest neighbour is far. Precision is the share of generated pictures on the manifold of real ones (are
they real?), recall the share of real ones on the manifold of generated ones (is everything there?).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from melodylc.image.evaluation import device_of
from melodylc.image.models import PictureClassifier
from melodylc.image.pipeline import as_bytes, load_realism
from melodylc.image.store import LoadedActor, LoadedVAE
from melodylc.image.table import as_inputs
from melodylc.image.training import part_path
from melodylc.latent.actor import move_vectors

NEIGHBOURS = 3  #: Kynkäänniemi et al.'s
MOST = 5000  #: pictures of each kind: distances are of all pairs
_CHUNK = 256
_Features = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fidelity:
    """What generated pictures are beside real ones."""

    frechet: float  #: 0 for the same features
    precision: float  #: share of generated pictures that are on the manifold of real ones
    recall: float  #: share of real pictures that are on the manifold of generated ones


@torch.no_grad()
def picture_features(classifier: PictureClassifier, pixels: Tensor) -> _Features:
    """A classifier's features (n, hidden) of bytes (n, channels, height, width)."""
    side, device = classifier.config.side, device_of(classifier)
    parts = (as_inputs(part, side).to(device) for part in torch.split(pixels, _CHUNK))
    features: _Features = torch.cat([classifier.features(part).cpu() for part in parts]).double().numpy()
    return features


def measure_fidelity(real: _Features, generated: _Features) -> Fidelity:
    """Of features (n, k) and (m, k).

    >>> points = np.random.default_rng(0).standard_normal((400, 4))
    >>> same, far = measure_fidelity(points, points), measure_fidelity(points, points + 100)
    >>> round(same.frechet, 6), same.precision, same.recall, round(far.frechet), far.precision
    (0.0, 1.0, 1.0, 40000, 0.0)
    """
    return Fidelity(frechet(real, generated), _covered(real, generated), _covered(generated, real))


def frechet(real: _Features, generated: _Features) -> float:
    """The Fréchet distance of Gaussians with the means and covariances of features (n, k) and (m, k)."""
    one, other = (np.atleast_2d(np.cov(values, rowvar=False)) for values in (real, generated))
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    common = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other @ root), 0)).sum()
    apart = real.mean(axis=0) - generated.mean(axis=0)
    return max(0.0, float(apart @ apart + np.trace(one) + np.trace(other) - 2 * common))


def _covered(centres: _Features, points: _Features) -> float:
    """The share of points (m, k) in a ball around one of the centres (n, k)."""
    nearest = min(NEIGHBOURS + 1, len(centres))  # the first of each is itself
    near, far = torch.from_numpy(centres).float(), torch.from_numpy(points).float()
    radius = torch.cat([torch.cdist(part, near).kthvalue(nearest, dim=1).values for part in torch.split(near, _CHUNK)])
    inside = [(torch.cdist(part, near) <= radius).any(dim=1) for part in torch.split(far, _CHUNK)]
    return float(torch.cat(inside).float().mean())


@torch.no_grad()
def prior_pictures(model: LoadedVAE, count: int, seed: int, realism: LoadedActor | None = None) -> Tensor:
    """`count` pictures of the prior, bytes; after the realism actor, if there is one."""
    generator, device = torch.Generator().manual_seed(seed), device_of(model.vae)
    parts = []
    for z in torch.split(torch.randn(count, model.vae.config.z, generator=generator), _CHUNK):
        z = z.to(device)
        end = z if realism is None else move_vectors(realism.actor, z)
        parts.append(as_bytes(model.vae.decode(end)).cpu())
    return torch.cat(parts)


def run_fidelity(
    run: Path,
    model: LoadedVAE,
    classifier: PictureClassifier,
    real: Tensor,
    kinds: Mapping[str, Tensor],
    count: int,
    seed: int,
) -> tuple[int, dict[str, Fidelity]]:
    """Of several kinds of pictures, of samples of the prior, and of those after a run's realism actor, if it has one.

    Args:
        run: the run's folder.
        model: its VAE.
        classifier: whose features count.
        real: pictures (n, channels, height, width), bytes.
        kinds: generated pictures by name.
        count: how many of each are looked at, at most; and no more than there are of the real ones and of each kind.
        seed: of the samples of the prior.

    Returns:
        how many of each, and what they are by name.
    """
    most = min(MOST, count, len(real), *(len(pixels) for pixels in kinds.values()))
    kinds = {**kinds, "prior": prior_pictures(model, most, seed)}
    if part_path(run, "realism").is_file():
        realism = load_realism(run, model)
        realism.actor.to(device_of(model.vae))
        kinds["realism actor"] = prior_pictures(model, most, seed, realism)
    spread = torch.arange(most) * len(real) // most  # not the first ones: MNIST's are neater than its last
    features = picture_features(classifier, real[spread])
    measured = {
        name: measure_fidelity(features, picture_features(classifier, pixels[torch.arange(most) * len(pixels) // most]))
        for name, pixels in kinds.items()
    }
    return most, measured
