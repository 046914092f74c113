"""Variance that a decoder's blur took, given back: each component's, and nothing that isn't there."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_image_models import TINY
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.data.pictures.faces import draw_faces
from melodylc.image.completed import completed
from melodylc.image.principal import components
from melodylc.image.restored import MOST, Restored
from melodylc.image.settings import with_steps
from melodylc.image.store import load_vae
from melodylc.image.table import Table
from melodylc.image.train import train_vae
from melodylc.image.vae import PictureVAE
from melodylc.training.loop import Report
from melodylc.training.settings import StageSettings, TrainSettings

COUNT = 6


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return 0.2 + 0.6 * Table(draw_faces(80), draw_faces(6, "valid"), side=16).pictures(torch.arange(80))


@pytest.fixture(scope="module")
def blurred(pictures: Tensor) -> Tensor:
    """Every component a little fainter than the one before."""
    found = components(lambda: [pictures], COUNT)
    told = (pictures.flatten(1) - found.mean) @ found.basis
    faint = told * torch.linspace(0, -0.7, COUNT)
    return pictures + (faint @ found.basis.T + 0.02).view_as(pictures)


def begun(pictures: Tensor, made: Tensor, count: int = COUNT) -> Restored:
    restored = Restored((3, 16, 16), count)
    restored.begin(lambda: torch.split(pictures, 7), lambda: torch.split(made, 9))
    return restored


def test_pictures_are_what_they_were_before_the_blur(pictures: Tensor, blurred: Tensor) -> None:
    restored = begun(pictures, blurred)
    torch.testing.assert_close(restored.gain, 1 / (1 + torch.linspace(0, -0.7, COUNT)), atol=2e-2, rtol=0)
    assert (blurred - pictures).abs().max() > 0.1
    torch.testing.assert_close(restored(blurred), pictures, atol=2e-2, rtol=0)


def test_each_component_has_the_variance_of_pictures(pictures: Tensor) -> None:
    made = 0.5 + 0.3 * (pictures.flip(0) - 0.5) + 0.01 * torch.randn(pictures.shape)
    restored = begun(pictures, made)
    spread = [
        ((it.flatten(1) - it.flatten(1).mean(0)) @ restored.basis).std(dim=0) for it in (pictures, restored(made))
    ]
    torch.testing.assert_close(spread[1], spread[0], rtol=2e-2, atol=0)
    torch.testing.assert_close(restored(made).mean(dim=0), pictures.mean(dim=0), atol=1e-3, rtol=0)


def test_what_is_hardly_there_is_made_no_larger_than_so_many_times(pictures: Tensor) -> None:
    faint = pictures.mean(dim=0) + 0.01 * (pictures - pictures.mean(dim=0))
    assert begun(pictures, faint).gain.tolist() == [MOST] * COUNT


def test_pictures_stay_between_black_and_white(pictures: Tensor) -> None:
    restored = begun(pictures, 0.5 + 0.3 * (pictures - 0.5))
    black, white = restored(torch.stack([torch.zeros(3, 16, 16), torch.ones(3, 16, 16)]))
    assert float(black.min()) >= 0
    assert float(white.max()) <= 1


def test_a_run_ends_with_what_its_vae_takes_from_pictures(tmp_path: Path) -> None:
    train, valid = draw_faces(60), draw_faces(6, "valid")
    settings = TrainSettings(stages=(StageSettings(kind="pictures", batch=8, rate=3e-3, steps=40),))
    config = replace(TINY, deviation=0.2, restored=COUNT)
    path = train_vae(train, valid, config, settings, tmp_path / "restored")
    vae, plain = (
        load_vae(path, "faces").vae,
        load_vae(train_vae(train, valid, replace(config, restored=0), settings, tmp_path / "plain")).vae,
    )
    assert vae.restored is not None
    assert float(vae.restored.gain.max()) > 1.2
    pictures = Table(train, valid, 16).pictures(torch.arange(60))
    z = vae.encode(pictures).mean
    torch.testing.assert_close(z, plain.encode(pictures).mean)  # latent vectors are as they were
    told = [
        ((it - it.mean(dim=0)).flatten(1) @ vae.restored.basis).std(dim=0)
        for it in (pictures, plain.decode(z), vae.decode(z))
    ]
    assert (told[1] < told[2]).float().mean() > 0.8
    assert (told[2] - told[0]).abs().mean() < (told[1] - told[0]).abs().mean()
    again = load_vae(train_vae(train, valid, config, with_steps(settings, 40), tmp_path / "restored")).vae.restored
    assert again is not None
    assert again.gain.equal(vae.restored.gain)


def test_what_is_found_after_training_says_how_far_it_is() -> None:
    config = replace(TINY, z=8, rest=3, restored=4)
    table, told = Table(draw_faces(20), draw_faces(6, "valid"), side=16), list[Report]()
    torch.manual_seed(0)
    learnt = PictureVAE(replace(config, z=5, rest=0, restored=0)).eval()
    whole = completed(learnt, config, table, told.append)
    names = ["what it leaves", "its components", "variance of pictures", "variance of what it makes"]
    assert list(dict.fromkeys(one.stage for one in told)) == names
    for name in names:
        shares = [one.fraction for one in told if one.stage == name]
        assert shares == sorted(shares)
        assert shares[0] < shares[-1] == 1
    assert whole.rest is not None
    assert whole.restored is not None
    assert whole.state_dict()["decoder.0.weight"].equal(learnt.state_dict()["decoder.0.weight"])


@pytest.mark.parametrize("count", [-1, 3 * 16 * 16 + 1])
def test_components_that_no_picture_has_are_refused(count: int) -> None:
    with pytest.raises(InputError, match="a picture has 768 components that can be restored"):
        replace(TINY, restored=count)
