"""Variance that a decoder's blur took, given back: each component's, and nothing that isn't there."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_image_models import TINY
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.data.pictures.faces import draw_faces
from melodylc.image.components import MAX_GAIN, VarianceMatching, principal_components
from melodylc.image.datasets import with_steps
from melodylc.image.models import PictureVAE
from melodylc.image.store import VAE_FORMAT, load_vae, save_vae
from melodylc.image.table import PictureTable
from melodylc.image.training import calibrate, train_picture_vae
from melodylc.latent.tensor_files import read_tensors, write_tensors
from melodylc.training.loop import Report
from melodylc.training.settings import StageSettings, TrainSettings

COUNT = 6


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return 0.2 + 0.6 * PictureTable(draw_faces(80), draw_faces(6, "valid"), side=16).pictures(torch.arange(80))


@pytest.fixture(scope="module")
def blurred(pictures: Tensor) -> Tensor:
    """Every component a little fainter than the one before."""
    found = principal_components(lambda: [pictures], COUNT)
    told = (pictures.flatten(1) - found.mean) @ found.basis
    faint = told * torch.linspace(0, -0.7, COUNT)
    return pictures + (faint @ found.basis.T + 0.02).view_as(pictures)


def begun(pictures: Tensor, made: Tensor, count: int = COUNT) -> VarianceMatching:
    restored = VarianceMatching((3, 16, 16), count)
    restored.fit(lambda: torch.split(pictures, 7), lambda: torch.split(made, 9))
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
    assert begun(pictures, faint).gain.tolist() == [MAX_GAIN] * COUNT


def test_pictures_stay_between_black_and_white(pictures: Tensor) -> None:
    restored = begun(pictures, 0.5 + 0.3 * (pictures - 0.5))
    black, white = restored(torch.stack([torch.zeros(3, 16, 16), torch.ones(3, 16, 16)]))
    assert float(black.min()) >= 0
    assert float(white.max()) <= 1


def test_a_run_ends_with_what_its_vae_takes_from_pictures(tmp_path: Path) -> None:
    train, valid = draw_faces(60), draw_faces(6, "valid")
    settings = TrainSettings(stages=(StageSettings(kind="pictures", batch=8, rate=3e-3, steps=40),))
    config = replace(TINY, deviation=0.2, matched_components=COUNT)
    path = train_picture_vae(train, valid, config, settings, tmp_path / "restored")
    vae, plain = (
        load_vae(path, "faces").vae,
        load_vae(
            train_picture_vae(train, valid, replace(config, matched_components=0), settings, tmp_path / "plain")
        ).vae,
    )
    assert vae.matching is not None
    assert float(vae.matching.gain.max()) > 1.2
    pictures = PictureTable(train, valid, 16).pictures(torch.arange(60))
    z = vae.encode(pictures).mean
    torch.testing.assert_close(z, plain.encode(pictures).mean)  # latent vectors are as they were
    told = [
        ((it - it.mean(dim=0)).flatten(1) @ vae.matching.basis).std(dim=0)
        for it in (pictures, plain.decode(z), vae.decode(z))
    ]
    assert (told[1] < told[2]).float().mean() > 0.8
    assert (told[2] - told[0]).abs().mean() < (told[1] - told[0]).abs().mean()
    again = load_vae(
        train_picture_vae(train, valid, config, with_steps(settings, 40), tmp_path / "restored")
    ).vae.matching
    assert again is not None
    assert again.gain.equal(vae.matching.gain)


def test_what_is_found_after_training_says_how_far_it_is() -> None:
    config = replace(TINY, z=8, residual_components=3, matched_components=4)
    table, told = PictureTable(draw_faces(20), draw_faces(6, "valid"), side=16), list[Report]()
    torch.manual_seed(0)
    learnt = PictureVAE(replace(config, z=5, residual_components=0, matched_components=0)).eval()
    whole = calibrate(learnt, config, table, told.append)
    names = ["residuals", "their components", "variance of pictures", "variance of outputs"]
    assert list(dict.fromkeys(one.stage for one in told)) == names
    for name in names:
        shares = [one.fraction for one in told if one.stage == name]
        assert shares == sorted(shares)
        assert shares[0] < shares[-1] == 1
    assert whole.residual is not None
    assert whole.matching is not None
    assert whole.state_dict()["decoder.0.weight"].equal(learnt.state_dict()["decoder.0.weight"])


def test_a_vae_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    config = replace(TINY, z=8, residual_components=3, matched_components=4)
    torch.manual_seed(0)
    vae, path = PictureVAE(config).eval(), tmp_path / "vae.safetensors"
    for name in ("residual.basis", "residual.encode_scale", "matching.basis", "matching.output_mean"):
        vae.get_buffer(name).normal_()
    save_vae(path, vae, torch.ones(8), {})
    tensors, header = read_tensors(path, VAE_FORMAT)
    assert (header["config"]["rest"], header["config"]["restored"]) == (3, 4)
    former = {"residual.": "rest.", "matching.": "restored.", "encode_scale": "reading", "decode_scale": "writing"}
    for new, old in {**former, "output_mean": "made"}.items():
        tensors = {name.replace(new, old): value for name, value in tensors.items()}
    assert "restored.made" in tensors
    assert not any("residual" in name or "matching" in name for name in tensors)
    write_tensors(path, tensors, VAE_FORMAT, header)
    pictures = torch.rand(2, 3, 16, 16)
    again = load_vae(path).vae
    torch.testing.assert_close(
        again.decode(again.encode(pictures).z), vae.half().float().decode(vae.encode(pictures).z)
    )


@pytest.mark.parametrize("count", [-1, 3 * 16 * 16 + 1])
def test_components_that_no_picture_has_are_refused(count: int) -> None:
    with pytest.raises(InputError, match="a picture has 768 components to match"):
        replace(TINY, matched_components=count)
