"""Rules on pictures: the same plugin interface, panel and engine as for melodies."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Run
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from melodylc.data.errors import CheckpointError, InputError
from melodylc.data.pictures.panel import odd_pictures, real_pictures
from melodylc.data.pictures.picture import Picture, as_rgb, checked_pictures, stack, unstack
from melodylc.image.datasets import PictureConfig
from melodylc.image.models import PictureVAE
from melodylc.image.request import picture_rule
from melodylc.image.rules import PictureObjective, fit_picture_rule, generate_for_rule, load_rule_actor, thumbnail
from melodylc.image.sheet import read_manifest
from melodylc.image.store import LoadedVAE, load_vae, save_vae
from melodylc.image.training import vae_path
from melodylc.latent.fit import FitSettings
from melodylc.rewards import Rule, density, reward
from melodylc.rewards.trial import try_panel

RunCli = Callable[..., Run]
FILE = """
from melodylc import reward

@reward(domain="pictures")
def bright(picture, least: float = 0.6) -> float:
    "Mean brightness."
    return min(1.0, picture.grey.mean() / least)

@reward(domain="pictures")
def left(picture) -> float:
    "Ink of the left half."
    return picture.grey[:, :32].sum() / max(picture.grey.sum(), 1e-9)

@reward(domain="pictures")
def bad(picture) -> float:
    return picture.grey.mean() + 1
"""
LIGHT = FitSettings(
    bank=256,
    rounds=12,
    fresh=64,
    actor_rate=1e-3,
    critic_steps=30,
    warmup=80,
    check=64,
    check_every=2,
    measure=200,
    hidden=32,
    critic_hidden=32,
)
EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "ink.py"
QUICK = replace(LIGHT, bank=32, rounds=1, fresh=16, critic_steps=1, actor_steps=1, warmup=1, check_every=1, measure=20)


@reward(domain="pictures")
def bright(picture: Picture, least: float = 0.6) -> float:
    return min(1.0, float(picture.grey.mean()) / least)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a decoder that turns the sum of z into brightness."""
    folder = tmp_path_factory.mktemp("run")
    vae_path(folder).parent.mkdir()
    config = PictureConfig(
        name="tiny", dataset="faces", channels=3, side=8, body="linear", widths=(12,), z=6, deviation=0.5
    )
    torch.manual_seed(0)
    vae = PictureVAE(config).eval()
    into, out = (layer for layer in vae.decoder.modules() if isinstance(layer, torch.nn.Linear))
    with torch.no_grad():
        into.weight.fill_(0.4)
        out.weight.fill_(0.2)
        out.bias.fill_(-1.0)
    save_vae(vae_path(folder), vae, torch.full((6,), 0.5), {"dataset": "faces"})
    return folder


@pytest.fixture(scope="module")
def model(run: Path) -> LoadedVAE:
    return load_vae(vae_path(run), "faces")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "ink.py"
    path.write_text(FILE)
    return path


# -- pictures as rules are given them ----------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.sampled_from([(1, 28), (3, 32), (3, 64), (1, 2)]))
def test_any_picture_becomes_64_pixels_of_rgb(seed: int, shape: tuple[int, int]) -> None:
    channels, side = shape
    pixels = np.random.default_rng(seed).integers(0, 256, (2, channels, side, side)).astype(np.uint8)
    rows = as_rgb(pixels)
    assert checked_pictures(rows).shape == (2, 64, 64, 3)
    bilinear = [Image.fromarray(plane).resize((64, 64), Image.Resampling.BILINEAR) for plane in pixels[0]]
    expected = np.stack([np.asarray(plane) for plane in bilinear], axis=-1).astype(int)
    assert np.abs(rows[0].astype(int) - expected).max() <= 1  # theirs rounds after each axis
    assert np.array_equal(stack(unstack(rows)), rows)


@pytest.mark.parametrize("wrong", [np.zeros((1, 64, 64, 3)), np.zeros((1, 3, 64, 64), np.uint8), [1, 2]])
def test_what_is_no_picture_is_refused(wrong: object) -> None:
    with pytest.raises(InputError, match=r"pictures are bytes of shape \(n, 64, 64, 3\)"):
        checked_pictures(wrong)


def test_a_picture_knows_its_brightness() -> None:
    red = odd_pictures()["red"]
    assert red.grey[0, 0] == pytest.approx(1 / 3)
    assert red.rgb[5, 7].tolist() == [1, 0, 0]
    assert repr(red).startswith("Picture(64 x 64, mean 0.333, ")


@pytest.mark.parametrize(
    ("name", "black", "white", "half"),
    [("bright", 0, 1, 1), ("symmetric", 1, 1, 0), ("left", 0, 0.5 / 0.7, 1)],
)
def test_the_examples_rules_ask_for_light_symmetry_and_the_left(
    name: str, black: float, white: float, half: float
) -> None:
    rows = np.zeros((3, 64, 64, 3), np.uint8)
    rows[1], rows[2, :, :32] = 255, 255
    scores = picture_rule([f"{EXAMPLE}:{name}"]).graded(rows)
    assert scores[:, 0].tolist() == pytest.approx([black, white, half])


def test_a_rule_is_tried_on_the_panel_of_pictures() -> None:
    trial = try_panel(lambda: bright(least=1.0))
    assert not trial.problems
    assert trial.odd["black"] == 0
    assert trial.odd["white"] == 1
    assert trial.real is not None
    assert trial.real.tolist() == pytest.approx([picture.grey.mean() for picture in unstack(real_pictures())])


# -- the box and the fit -----------------------------------------------------------------------


def test_the_box_scores_what_it_decodes(model: LoadedVAE) -> None:
    box = PictureObjective(model.vae, Rule((bright,)))
    z = torch.randn(5, 6)
    moved, decoded = box.decode(z)
    assert torch.equal(moved, z)
    assert decoded.shape == (5, 3, 8, 8)
    expected = [min(1.0, picture.grey.mean() / 0.6) for picture in unstack(as_rgb(decoded.numpy()))]
    assert box.score(decoded)[:, 0].tolist() == pytest.approx(expected)


def test_a_critic_sees_a_thumbnail_with_a_gradient(model: LoadedVAE) -> None:
    box = PictureObjective(model.vae, Rule((bright,)))
    z = torch.randn(2, 6, requires_grad=True)
    decoded = box.decode(z)[1]
    view = box.expected_features(z, box.context(decoded, z), decoded)
    torch.testing.assert_close(view, box.features(decoded), rtol=0, atol=0.01)
    assert view.shape == (2, 1, 3 * 14 * 14)
    (slope,) = torch.autograd.grad(view.sum(), z)
    assert (slope != 0).any()
    big = torch.rand(2, 3, 28, 28)
    means = big.view(2, 3, 14, 2, 14, 2).mean(dim=(3, 5))
    assert torch.allclose(thumbnail(big), 2 * means.flatten(1).unsqueeze(1) - 1, atol=1e-6)


def test_a_rule_on_melodies_is_no_rule_on_pictures(model: LoadedVAE) -> None:
    with pytest.raises(InputError, match="judges melodies, and what is made here are pictures"):
        PictureObjective(model.vae, Rule((density(9),)))


def test_the_engine_of_melodies_makes_pictures_obey(model: LoadedVAE, tmp_path: Path) -> None:
    rule, path = Rule((bright,)), tmp_path / "actors" / "bright.safetensors"
    stored = fit_picture_rule(model, rule, path, LIGHT)
    assert stored.rates.actor > stored.rates.prior + 0.3
    assert load_rule_actor(model, rule, path).fingerprint == stored.fingerprint
    few, many = (generate_for_rule(model, stored, rule, count, 3) for count in (3, 11))
    assert torch.equal(many.pixels[:3], few.pixels)
    assert few.satisfaction == sum(picture.grey.mean() >= 0.6 for picture in unstack(as_rgb(few.pixels.numpy())))
    with pytest.raises(CheckpointError, match="an actor for the rule"):
        load_rule_actor(model, Rule((bright(least=0.7),)), path)


# -- the command line --------------------------------------------------------------------------


def test_a_rule_from_a_file_is_fitted_kept_and_generated(
    run: Path, rules: Path, tmp_path: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("melodylc.image.rules.RULE_SETTINGS", QUICK)
    monkeypatch.setenv("MELODYLC_CACHE", str(tmp_path / "cache"))
    actor, asked = tmp_path / "bright.safetensors", f"{rules}:bright,least=0.5"
    done = run_cli("image", "fit", "--dataset", "faces", "--run", run, "--reward", asked, "-o", actor)
    assert (done.code, "actor" in done.err) == (0, True)
    ask = ["image", "generate", "--dataset", "faces", "--run", run, "-n", 3, "--seed", 1]
    named = run_cli(*ask, "--actor", actor, "-o", tmp_path / "a.png")
    assert named.code == 0
    assert "of these single attempts follow the rule" in named.err
    spot = run_cli(*ask, "--reward", asked, "-o", tmp_path / "b.png")
    assert spot.code == 0
    first, second = (read_manifest(tmp_path / f"{name}.png") for name in "ab")
    assert first["rule"] == second["rule"]
    assert first["rule"].startswith("bright(least=0.5)@")
    kept = list((tmp_path / "cache" / "picture-actors").iterdir())
    assert len(kept) == 1
    before = kept[0].stat().st_mtime_ns
    assert run_cli(*ask, "--reward", asked, "-o", tmp_path / "c.png").code == 0
    assert kept[0].stat().st_mtime_ns == before  # kept from the last time


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--reward", "density,least=9"], 'judges melodies; a rule on pictures says @reward(domain="pictures")'),
        (["--reward", "nowhere.py:bright"], "nowhere.py: there is no such file"),
        (["--reward", "{rules}:brite"], "brite"),
        (["--reward", "{rules}:bad"], "in [0, 1]"),
        (["--reward", "{rules}:left", "--attr", "smiling"], "obeys a rule or has labels, not both"),
        (["--reward", "{rules}:left", "--actor", "x.safetensors"], "--actor brings its own rule: leave out --reward"),
        (["--actor", "x.safetensors"], "x.safetensors: can't read this"),
    ],
)
def test_asking_for_a_rule_refuses_in_one_line(
    run: Path, rules: Path, tmp_path: Path, run_cli: RunCli, words: list[str], line: str
) -> None:
    asked = [word.format(rules=rules) for word in words]
    refused = run_cli("image", "generate", "--dataset", "faces", "--run", run, "-o", tmp_path / "x.png", *asked)
    assert refused.code == 2
    assert line in refused.err
    assert refused.err.count("\n") == 1
    assert not (tmp_path / "x.png").exists()


def test_a_rule_on_pictures_is_refused_for_melodies(rules: Path, tmp_path: Path, run_cli: RunCli) -> None:
    refused = run_cli("generate", "--reward", f"{rules}:left", "-o", tmp_path / "out")
    assert refused.code == 2
    assert "judges pictures and variety(7 pitches, 9 bars) judges melodies" in refused.err


def test_a_rule_on_pictures_is_tested_and_shown(rules: Path, run_cli: RunCli) -> None:
    shown = run_cli("rewards", "test", f"{rules}:left")
    assert shown.code == 0
    assert "odd pictures" in shown.out
    assert "left half white" in shown.out
    assert "judges pictures" in run_cli("rewards", "show", f"{rules}:left").out
    assert "in [0, 1]" in run_cli("rewards", "test", f"{rules}:bad").err
