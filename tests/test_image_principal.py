"""The linear VAE of the rest: components against a singular value decomposition, the posterior against Bayes' rule."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_image_models import TINY
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.data.pictures.faces import draw_faces
from melodylc.image.components import Components, PrincipalVAE, principal_components
from melodylc.image.datasets import with_steps
from melodylc.image.models import PictureVAE
from melodylc.image.store import load_vae
from melodylc.image.table import PictureStage, PictureTable, mirror
from melodylc.image.training import train_picture_vae
from melodylc.models.noise import Noise
from melodylc.training.settings import StageSettings, TrainSettings

CONFIG = replace(TINY, z=8, residual_components=5, deviation=0.2)
STAGE = StageSettings(kind="pictures", batch=4, rate=1e-3, steps=3)


@pytest.fixture(scope="module")
def table() -> PictureTable:
    return PictureTable(draw_faces(60), draw_faces(6, "valid"), side=16, seed=3)


@pytest.fixture(scope="module")
def pictures(table: PictureTable) -> Tensor:
    return table.pictures(torch.arange(60))


@pytest.fixture(scope="module")
def found(pictures: Tensor) -> Components:
    return principal_components(lambda: torch.split(pictures, 7), 5)


def begun(found: Components, deviation: float = 0.2) -> PrincipalVAE:
    principal = PrincipalVAE((3, 16, 16), 5)
    principal.set_components(found, deviation)
    return principal


def test_components_are_those_of_the_singular_value_decomposition(pictures: Tensor, found: Components) -> None:
    rows = pictures.flatten(1).double().numpy()
    _, values, directions = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(found.variance.numpy(), values[:5] ** 2 / len(rows), rtol=1e-3)
    alike = np.abs((directions[:5] * found.basis.T.numpy()).sum(axis=1))  # up to its sign
    np.testing.assert_allclose(alike, 1.0, atol=1e-2)


def test_more_components_than_pictures_have_no_variance() -> None:
    pictures = torch.rand(4, 30, generator=torch.Generator().manual_seed(0))
    found = principal_components(lambda: [pictures], 12)
    assert found.basis.shape == (30, 12)
    torch.testing.assert_close(found.basis.T @ found.basis, torch.eye(12), atol=1e-4, rtol=0)
    assert found.variance[:3].min() > 0.1
    assert found.variance[3:].abs().max() < 1e-4


def test_the_posterior_is_that_of_bayes_rule(pictures: Tensor, found: Components) -> None:
    principal = begun(found)
    mean, sigma = principal.encode(pictures)
    # With the loadings W that the decoder has: precision I + W^T W / s^2, and mean S W^T (x - m) / s^2.
    loadings = (principal(torch.eye(5)) - principal(torch.zeros(1, 5))).flatten(1).double()
    covariance = torch.linalg.inv(torch.eye(5, dtype=torch.float64) + loadings @ loadings.T / 0.2**2)
    centred = pictures.flatten(1).double() - found.mean.double()
    torch.testing.assert_close(mean.double(), centred @ loadings.T @ covariance / 0.2**2, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(sigma.double(), covariance.diagonal().sqrt().expand(60, 5), atol=1e-4, rtol=1e-3)


def test_draws_of_the_posterior_have_the_priors_mean_and_variance(pictures: Tensor, found: Components) -> None:
    mean, sigma = begun(found).encode(pictures)
    torch.testing.assert_close(mean.mean(dim=0), torch.zeros(5), atol=1e-3, rtol=0)
    together = mean.T @ mean / len(mean) + torch.diag(sigma[0] ** 2)
    torch.testing.assert_close(together, torch.eye(5), atol=5e-3, rtol=0)


def test_a_component_below_the_output_deviation_is_the_priors(pictures: Tensor, found: Components) -> None:
    principal = begun(found, deviation=float(found.variance[2].sqrt()))
    mean, sigma = principal.encode(pictures)
    assert not mean[:, 3:].any()
    assert (sigma[:, 3:] == 1).all()
    assert (mean[:, :2].std(dim=0) > 0.1).all()


def test_a_run_ends_with_the_components_of_what_the_decoder_leaves(tmp_path: Path) -> None:
    train, valid = draw_faces(40), draw_faces(6, "valid")
    settings = with_steps(TrainSettings(stages=(STAGE,)), 2)
    path = train_picture_vae(train, valid, CONFIG, settings, tmp_path)
    loaded = load_vae(path, "faces")
    vae, pictures = loaded.vae, PictureTable(train, valid, 16).pictures(torch.arange(40))
    assert vae.residual is not None
    with torch.no_grad():
        left = torch.cat([vae.residual_of(pictures), vae.residual_of(pictures.flip(-1))])
        wanted = principal_components(lambda: [left], 5)
        torch.testing.assert_close(vae.residual.basis.abs(), wanted.basis.abs(), atol=5e-3, rtol=0)
        torch.testing.assert_close(loaded.sigma_bar[3:], 0.2 / wanted.variance.sqrt(), atol=5e-3, rtol=1e-2)
        encoding = vae.encode(pictures)
        alone = vae.decode(torch.cat([encoding.mean[:, :3], torch.zeros(40, 5)], dim=1))
        assert (vae.decode(encoding.mean) - pictures).square().mean() < (alone - pictures).square().mean()
    assert train_picture_vae(train, valid, CONFIG, settings, tmp_path) == path  # a finished run stays as it is
    assert load_vae(path).sigma_bar.equal(loaded.sigma_bar)


def test_mirrored_pictures_are_those_below_a_half() -> None:
    pictures = torch.arange(24.0).view(4, 1, 2, 3)
    chance = torch.tensor([0.0, 0.49, 0.5, 0.99])
    turned = mirror(pictures, chance)
    assert turned[0].equal(pictures[0].flip(-1))
    assert turned[2:].equal(pictures[2:])
    assert mirror(turned, chance).equal(pictures)


@pytest.mark.parametrize("training", [True, False])
def test_pictures_are_mirrored_in_training_alone(
    training: bool, table: PictureTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tensor] = []
    vae = PictureVAE(replace(CONFIG, z=3, residual_components=0)).train(training)
    encode: Callable[..., Any] = vae.encode

    def watched(pictures: Tensor, noise: Noise | None) -> Any:
        seen.append(pictures)
        return encode(pictures, noise)

    monkeypatch.setattr(vae, "encode", watched)
    rows = torch.arange(16)
    PictureStage(vae, table, STAGE, flip=True).loss(rows, 1.0, Noise(0))
    pictures = table.pictures(rows)
    same = (seen[0] == pictures).flatten(1).all(dim=1)
    assert ((seen[0] == pictures.flip(-1)).flatten(1).all(dim=1) | same).all()
    assert bool(same.all()) != training


@pytest.mark.parametrize("change", [{"autoencoder": True}, {"residual_components": 8}, {"residual_components": -1}])
def test_configurations_that_make_no_sense_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="residual components are some of a VAE's 8 dimensions, not"):
        replace(CONFIG, **change)
