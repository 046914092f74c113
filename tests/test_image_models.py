"""Picture models: sizes of the papers, losses against independent references, files that are refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from melodylc.data.errors import CheckpointError, InputError
from melodylc.data.pictures.faces import draw_faces
from melodylc.data.pictures.loading import DATASETS
from melodylc.image.datasets import PICTURE_DATASETS, PictureConfig, picture_config, picture_dataset, recipe, with_steps
from melodylc.image.models import PictureClassifier, PictureVAE
from melodylc.image.store import (
    VAE_FORMAT,
    LabelCombinations,
    load_classifier,
    load_picture_actor,
    load_vae,
    save_classifier,
    save_picture_actor,
    save_vae,
)
from melodylc.image.table import LabelStage, PictureStage, PictureTable, as_inputs, jitter
from melodylc.latent.actor import Actor, ActorConfig, move_vectors
from melodylc.latent.gan import ConditionalCritic
from melodylc.latent.spread import SpreadRestoration
from melodylc.latent.tensor_files import read_tensors, write_tensors
from melodylc.models.noise import Noise
from melodylc.training.settings import StageSettings

CONFIGS = [config for data in PICTURE_DATASETS.values() for config in data.configs.values()]
TINY = PictureConfig(
    name="tiny",
    dataset="faces",
    channels=3,
    side=16,
    body="convolutions",
    widths=(4, 6),
    kernels=(5, 3),
    norm=True,
    z=5,
    deviation=0.5,
)
LINEAR = replace(TINY, body="linear", widths=(12, 10), kernels=(), norm=False)
STAGE = StageSettings(kind="pictures", batch=4, rate=1e-3, steps=2)


@pytest.fixture(scope="module")
def table() -> PictureTable:
    return PictureTable(draw_faces(20), draw_faces(6, "valid"), side=16, seed=3)


# -- shapes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.dataset}-{config.name}")
def test_every_configuration_gives_a_picture_back(config: PictureConfig) -> None:
    with torch.device("meta"):  # shapes without numbers: the papers' sizes cost nothing
        vae = PictureVAE(config).eval()
        pictures = torch.zeros(2, config.channels, config.side, config.side)
        encoding = vae.encode(pictures)
        assert encoding.sigma.shape == (2, config.z)
        assert vae.decode(encoding.z).shape == pictures.shape


def layers(module: torch.nn.Module, kind: type) -> list[Any]:
    return [layer for layer in module.modules() if isinstance(layer, kind)]


def test_the_papers_mnist_model_has_three_layers_of_1024_each_way() -> None:
    with torch.device("meta"):
        vae = PictureVAE(picture_config("mnist", "paper"))
    assert [tuple(layer.weight.shape) for layer in layers(vae, torch.nn.Linear)] == [
        *[(1024, 784), (1024, 1024), (1024, 1024), (2048, 1024)],
        *[(1024, 1024)] * 3,
        (784, 1024),
    ]


def test_the_papers_celeba_model_has_its_kernels_and_channels() -> None:
    with torch.device("meta"):
        vae = PictureVAE(picture_config("celeba", "paper"))
    down = [tuple(layer.weight.shape) for layer in layers(vae, torch.nn.Conv2d)]
    assert down == [(256, 3, 5, 5), (512, 256, 5, 5), (1024, 512, 3, 3), (2048, 1024, 3, 3)]
    up = [tuple(layer.weight.shape) for layer in layers(vae, torch.nn.ConvTranspose2d)]
    assert up == [(2048, 1024, 3, 3), (1024, 512, 3, 3), (512, 256, 5, 5), (256, 3, 5, 5)]


def test_the_replications_cifar10_model_has_six_blocks_down_and_five_up() -> None:
    with torch.device("meta"):
        vae = PictureVAE(picture_config("cifar10", "replication"))
    assert [layer.out_channels for layer in layers(vae, torch.nn.Conv2d)] == [32, 64, 128, 256, 512, 1024, 3]
    assert len(layers(vae, torch.nn.ConvTranspose2d)) == 5
    # Its loss, mean squared error + 0.00025 KL, is ours up to a factor.
    deviation = picture_config("cifar10", "replication").deviation
    assert 2 * deviation**2 / (3 * 64 * 64) == pytest.approx(0.00025, rel=0.01)


def test_the_replications_mnist_model_has_three_normalised_layers() -> None:
    config = picture_config("mnist", "replication")
    with torch.device("meta"):
        vae = PictureVAE(config)
    assert [layer.out_features for layer in layers(vae.body, torch.nn.Linear)] == [1024] * 3
    assert [layer.out_features for layer in layers(vae.decoder, torch.nn.Linear)] == [1024] * 3 + [784]
    assert len(layers(vae, torch.nn.BatchNorm1d)) == len(layers(vae, torch.nn.LeakyReLU)) == 6
    assert 2 * config.deviation**2 / 784 == pytest.approx(0.00025, rel=0.01)
    how = recipe(config)
    assert [(it.stages[0].batch, it.stages[0].rate) for it in (how.vae, how.classifier)] == [(32, 5e-3)] * 2
    assert (how.gan.batch, how.gan.actor_rate, how.gan.hidden, how.gan.layers) == (128, 3e-3, 2048, 4)


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_has_a_classifier(name: str) -> None:
    config = picture_dataset(name).classifier
    with torch.device("meta"):
        classifier = PictureClassifier(config).eval()
        pictures = torch.zeros(2, config.channels, config.side, config.side)
        assert classifier(pictures).shape == (2, 10)
        assert classifier.features(pictures).shape == (2, config.hidden)


# -- losses ------------------------------------------------------------------------------------


def log_prob(distribution: Normal, value: Tensor) -> Tensor:
    found: Tensor = distribution.log_prob(value)  # type: ignore[no-untyped-call]
    return found


@pytest.mark.parametrize("config", [TINY, LINEAR], ids=["convolutions", "linear"])
def test_the_loss_is_the_negative_elbo(config: PictureConfig, table: PictureTable) -> None:
    torch.manual_seed(0)
    vae = PictureVAE(config).eval()
    rows = torch.arange(8)
    loss, metrics = PictureStage(vae, table, STAGE).loss(rows, 1.0, Noise(5))
    pictures = table.pictures(rows)
    encoding = vae.encode(pictures, Noise(5))
    likelihood = Normal(vae.decode(encoding.z), config.deviation)
    constant = log_prob(Normal(0.0, config.deviation), torch.tensor(0.0))
    nll = (constant - log_prob(likelihood, pictures)).flatten(1).sum(1).mean()
    kl = kl_divergence(Normal(encoding.mean, encoding.sigma), Normal(0.0, 1.0)).sum(1).mean()
    assert loss.item() == pytest.approx(((nll + kl) / config.values).item(), rel=1e-4)
    assert metrics["kl"] == pytest.approx(kl.item(), rel=1e-4)


def test_an_autoencoder_has_neither_noise_nor_kl(table: PictureTable) -> None:
    torch.manual_seed(0)
    vae = PictureVAE(replace(TINY, autoencoder=True)).eval()
    stage = PictureStage(vae, table, STAGE)
    losses = [stage.loss(torch.arange(8), 1.0, Noise(seed)) for seed in (1, 2)]
    assert losses[0][0] == losses[1][0]
    assert set(losses[0][1]) == {"mse"}


def test_codes_of_an_autoencoder_are_standardised_and_pictures_stay(table: PictureTable) -> None:
    torch.manual_seed(0)
    vae = PictureVAE(replace(TINY, autoencoder=True)).eval()
    pictures = table.pictures(torch.arange(20))
    with torch.no_grad():
        before = vae.decode(vae.encode(pictures).z)
        for _ in range(2):  # a second time changes nothing
            vae.standardise(vae.encode(pictures).mean)
        after = vae.encode(pictures)
        assert torch.allclose(after.mean.mean(0), torch.zeros(5), atol=1e-4)
        assert torch.allclose(after.mean.std(0), torch.ones(5), atol=1e-3)
        assert torch.allclose(vae.decode(after.z), before, atol=1e-5)
    assert after.sigma.sum() == 0


@pytest.mark.parametrize("name", ["mnist", "faces"])
def test_a_classifiers_loss_is_the_cross_entropy(name: str) -> None:
    config = picture_dataset(name).classifier
    pictures = draw_faces(12)
    if config.exclusive:
        classes = np.eye(10, dtype=np.uint8)[np.arange(12) % 10]
        pictures = replace(pictures, pixels=pictures.pixels[:, :1], labels=classes, exclusive=True)
    table = PictureTable(pictures, pictures, config.side)
    torch.manual_seed(0)
    classifier = PictureClassifier(config).eval()
    rows = torch.arange(12)
    loss, _ = LabelStage(classifier, table).loss(rows, 1.0, Noise(0))
    logits, labels = classifier(table.pictures(rows)), table.answers(rows)
    if config.exclusive:
        expected = -logits.log_softmax(1)[labels == 1].mean()
    else:
        chance = torch.sigmoid(logits)
        expected = -(labels * chance.log() + (1 - labels) * (1 - chance).log()).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    told = classifier.labels(table.pictures(rows))
    assert (told.sum(1) == 1).all() or not config.exclusive


def test_jitter_moves_all_by_the_same_few_pixels_and_mirrors_some() -> None:
    pictures = torch.zeros(40, 1, 11, 11)
    pictures[:, :, 4, 2] = 1.0
    moved = jitter(pictures, Noise(1), shift=2, flip=True)
    assert moved.shape == pictures.shape
    places = [tuple(place[1:].tolist()) for place in moved.nonzero()[:, 1:]]
    rows, columns = {place[0] for place in places}, {place[1] for place in places}
    assert len(places) == 40
    assert len(rows) == 1
    assert abs(rows.pop() - 4) <= 2
    assert len(columns) == 2
    assert sum(columns) == 10  # mirror images of each other
    still = jitter(pictures, Noise(1), shift=0, flip=False)
    assert torch.equal(still, pictures)


# -- tables ------------------------------------------------------------------------------------


def test_batches_are_a_function_of_seed_stage_and_step(table: PictureTable) -> None:
    first = table.draw(0, 5, 8)
    assert np.array_equal(first, table.draw(0, 5, 8))
    others = [
        table.draw(0, 6, 8),
        table.draw(1, 5, 8),
        PictureTable(draw_faces(20), draw_faces(6), 16, seed=4).draw(0, 5, 8),
    ]
    assert not any(np.array_equal(first, other) for other in others)
    assert set(table.draw(0, 0, 500).tolist()) == set(table.training.tolist())
    assert table.validation.tolist() == list(range(20, 26))


def test_inputs_are_averages_where_pictures_shrink() -> None:
    pixels = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8)
    assert torch.equal(as_inputs(pixels, 8), pixels.float() / 255)
    assert as_inputs(pixels, 4).mean().item() == pytest.approx(31.5 / 255, rel=1e-3)


def test_batches_are_all_training_pictures_or_the_first(table: PictureTable) -> None:
    (everything,), (some,) = table.batches(), table.batches(7)
    assert everything.equal(table.pictures(torch.arange(20)))
    assert some.equal(everything[:7])


def test_tables_refuse_pictures_that_do_not_match() -> None:
    faces = draw_faces(3)
    with pytest.raises(InputError, match="don't match"):
        PictureTable(faces, replace(faces, pixels=faces.pixels[:, :1]), 16)


# -- files -------------------------------------------------------------------------------------


def saved_vae(folder: Path) -> Path:
    torch.manual_seed(0)
    save_vae(folder / "vae", PictureVAE(TINY), torch.full((5,), 0.3), {"dataset": "faces"})
    return folder / "vae"


def saved_actor(folder: Path) -> Path:
    rows = LabelCombinations(torch.eye(10), torch.arange(1.0, 11.0))
    actor, critic = Actor(ActorConfig.of_vectors(5, 10, hidden=8, layers=1, bound=4.0)), ConditionalCritic(5, 10, 8, 1)
    save_picture_actor(folder / "actor", actor, critic, ("a",) * 10, rows, {"dataset": "faces", "vae": "abc"})
    return folder / "actor"


def saved_classifier(folder: Path) -> Path:
    torch.manual_seed(0)
    save_classifier(folder / "classifier", PictureClassifier(picture_dataset("faces").classifier), {})
    return folder / "classifier"


def same(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found, expected, atol=1e-3)


def test_files_hold_what_was_saved(tmp_path: Path) -> None:
    vae = load_vae(saved_vae(tmp_path), "faces")
    torch.manual_seed(0)
    expected = PictureVAE(TINY).eval()
    pictures = torch.rand(3, 3, 16, 16)
    assert same(vae.vae.encode(pictures).mean, expected.encode(pictures).mean)
    assert vae.sigma_bar.tolist() == pytest.approx([0.3] * 5)
    actor = load_picture_actor(saved_actor(tmp_path), "faces", "abc")
    assert actor.rows.counts.sum() == 55
    assert move_vectors(actor.actor, torch.zeros(1, 5), torch.eye(10)[:1]).shape == (1, 5)
    assert actor.critic(torch.zeros(1, 5), torch.eye(10)[:1]).shape == (1,)
    assert load_classifier(saved_classifier(tmp_path), "faces").classifier.config == picture_dataset("faces").classifier


def test_a_widened_actor_is_read_as_it_was_written(tmp_path: Path) -> None:
    torch.manual_seed(0)
    wide = SpreadRestoration(Actor(ActorConfig.of_vectors(5, 10, hidden=8, layers=1, bound=4.0)))
    for values in (wide.gain, wide.middle, wide.slope):
        values.copy_(torch.rand_like(values))
    rows, header = LabelCombinations(torch.eye(10), torch.ones(10)), {"dataset": "faces", "vae": "abc"}
    save_picture_actor(tmp_path / "actor", wide, ConditionalCritic(5, 10, 8, 1), ("a",) * 10, rows, header)
    found = load_picture_actor(tmp_path / "actor", "faces", "abc").actor
    z, labels = torch.randn(4, 5), torch.eye(10)[:4]
    torch.testing.assert_close(move_vectors(found, z, labels), move_vectors(wide, z, labels), atol=2e-2, rtol=0)
    assert not torch.allclose(move_vectors(found, z, labels), move_vectors(wide.actor, z, labels), atol=0.1)


def rewritten(path: Path, format: str, change: Callable[[dict[str, Tensor], dict[str, Any]], object]) -> Path:
    tensors, header = read_tensors(path, format)
    change(tensors, header)
    write_tensors(path, tensors, format, header)
    return path


@pytest.mark.parametrize("load", [load_vae, load_classifier, load_picture_actor])
def test_a_checkpoint_of_another_data_set_is_refused(tmp_path: Path, load: Callable[..., object]) -> None:
    path = {load_vae: saved_vae, load_classifier: saved_classifier, load_picture_actor: saved_actor}[load](tmp_path)
    with pytest.raises(CheckpointError, match="a checkpoint of faces, not of mnist: name another, or --dataset faces"):
        load(path, "mnist")


def test_another_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a melodylc-picture-classifier/1 file"):
        load_classifier(saved_vae(tmp_path))


def test_an_actor_of_another_vae_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="made for another VAE than the one beside it"):
        load_picture_actor(saved_actor(tmp_path), "faces", "abd")


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, _: tensors.pop("statistics.sigma_bar"),
        lambda tensors, _: tensors.pop("shift"),
        lambda tensors, _: tensors["shift"].fill_(float("nan")),
        lambda _, header: header.pop("config"),
        lambda _, header: header["config"].update(mood=3),
        lambda _, header: header["config"].update(z=6),
    ],
    ids=["no sigma_bar", "a weight missing", "a NaN", "no configuration", "an odd field", "another size"],
)
def test_a_damaged_vae_is_refused_in_one_line(tmp_path: Path, change: Callable[..., object]) -> None:
    path = rewritten(saved_vae(tmp_path), VAE_FORMAT, change)
    with pytest.raises(InputError) as caught:
        load_vae(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


# -- labels and settings -----------------------------------------------------------------------


def test_label_rows_are_drawn_as_often_as_they_occur_and_obey() -> None:
    rows = LabelCombinations.of(torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]))
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([rows.sample({}, generator) for _ in range(800)])
    assert drawn[:, 0].mean().item() == pytest.approx(0.75, abs=0.06)
    wanted = torch.stack([rows.sample({0: True}, generator) for _ in range(600)])
    assert (wanted[:, 0] == 1).all()
    assert wanted[:, 1].mean().item() == pytest.approx(1 / 3, abs=0.07)
    assert rows.sample({0: False, 1: True}, generator).tolist() == [0.0, 1.0]  # which the training set never has
    assert [rows.count(one) for one in ({}, {0: True}, {0: True, 1: True}, {0: False, 1: True})] == [4, 3, 1, 0]


def test_what_nobody_asked_comes_from_the_nearest_combination() -> None:
    rows = LabelCombinations(torch.tensor([[0.0, 0.0, 0.0, 1.0], [1.0, 1.0, 0.0, 0.0]]), torch.tensor([999.0, 1.0]))
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):  # the common row has none of the three
        assert rows.sample({0: True, 1: True, 2: True}, generator).tolist() == [1.0, 1.0, 1.0, 0.0]


def test_every_configuration_has_a_recipe() -> None:
    for config in CONFIGS:
        found = recipe(config)
        assert (found.vae.stages[0].kind, found.classifier.stages[0].kind) == ("pictures", "labels")
    assert with_steps(found.vae, 7).stages[0].steps == 7
    with pytest.raises(InputError, match="1 step or more, not 0"):
        with_steps(found.vae, 0)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"deviation": 0.0}, "an output deviation is a positive number"),
        ({"kernels": (3,)}, "2 convolutions halve a side of 16 and have a kernel each"),
        ({"side": 18}, "2 convolutions halve a side of 18"),
    ],
)
def test_configurations_that_make_no_sense_are_refused(change: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        replace(TINY, **change)


def test_a_configuration_of_before_variance_was_restored_restores_none() -> None:
    before = {name: value for name, value in TINY.to_dict().items() if name != "restored"}
    assert PictureConfig.from_dict(before) == TINY
    assert PictureConfig.from_dict(replace(TINY, matched_components=7).to_dict()) == replace(TINY, matched_components=7)


def test_an_unknown_configuration_is_answered_with_those_there_are() -> None:
    line = "unknown configuration 'paper' of cifar10: choose from replication, small"
    with pytest.raises(InputError, match=line):
        picture_config("cifar10", "paper")
