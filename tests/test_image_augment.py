"""Data augmentation: corruptions, ambiguous digits, and classifiers with and without an actor's pictures."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Run, interrupted
from torch import nn

from melodylc.data.errors import InputError
from melodylc.data.pictures.base import Bytes
from melodylc.data.pictures.cifar10 import load_cifar10
from melodylc.data.pictures.corruptions import CORRUPTIONS, corrupt, gaussian_blur
from melodylc.data.pictures.mnist import load_mnist
from melodylc.image.experiments.augmentation import (
    augmentation_classifier,
    augmentation_settings,
    class_accuracy,
    train_augmentation_classifier,
)
from melodylc.image.experiments.corruptions import cifar10_c, count_evaluation_sets
from melodylc.image.experiments.dirty_mnist import COPIES, ambiguous_digits, entropy, spread_evenly
from melodylc.image.pipeline import Pipeline, load_pipeline
from melodylc.training.loop import Trainer

RunCli = Callable[..., Run]


@pytest.fixture(scope="module")
def scenes() -> Bytes:
    """Smooth coloured pictures."""
    coarse = np.random.default_rng(0).random((4, 3, 8, 8))
    return (coarse.repeat(4, axis=2).repeat(4, axis=3) * 255).astype(np.uint8)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruptions_change_pictures_and_repeat(name: str, scenes: Bytes) -> None:
    found = [corrupt(scenes, name, severity) for severity in (1, 5)]
    assert all(one.shape == scenes.shape and one.dtype == np.uint8 for one in found)
    changed = [np.abs(one.astype(int) - scenes).mean() for one in found]
    assert 0 < changed[0] < 80
    assert changed[1] > 0.5
    assert np.array_equal(found[1], corrupt(scenes, name, 5))
    if name not in ("elastic_transform", "glass_blur"):  # whose severities aren't in order of strength
        assert changed[1] > changed[0]


def test_corruptions_are_those_of_the_formulas() -> None:
    grey = np.full((64, 3, 32, 32), 128, np.uint8)
    assert (corrupt(grey, "gaussian_noise", 5) / 255).std() == pytest.approx(0.10, rel=0.02)
    assert (corrupt(grey, "shot_noise", 3) / 255).std() == pytest.approx(np.sqrt(128 / 255 / 100), rel=0.03)
    hit = corrupt(grey, "impulse_noise", 5) != 128
    assert hit.mean() == pytest.approx(0.07, rel=0.05)
    half = grey.copy()
    half[..., 16:] = 28  # mean 78
    assert corrupt(half, "contrast", 5)[0, 0, 0, [0, -1]].tolist() == [85, 70]  # 78 +- 0.15 * 50, cut off
    red = np.zeros((1, 3, 32, 32), np.uint8)
    red[:, 0] = 100
    assert corrupt(red, "brightness", 5)[0, :, 0, 0].tolist() == [176, 0, 0]  # the hue stays
    for blur in ("defocus_blur", "motion_blur", "zoom_blur"):
        assert np.abs(corrupt(grey, blur, 5).astype(int) - 128).max() <= 1  # they average


def test_a_gaussian_blur_is_what_it_says() -> None:
    point = np.zeros((1, 21, 21, 1))
    point[0, 10, 10] = 1
    blurred = gaussian_blur(point, 1.5)[0, :, :, 0]
    assert blurred.sum() == pytest.approx(1)
    at = np.arange(21) - 10
    assert (blurred.sum(axis=0) * at**2).sum() == pytest.approx(1.5**2, rel=0.01)


@pytest.mark.parametrize(("name", "severity"), [("frost", 1), ("fog", 0), ("fog", 6)])
def test_unknown_corruptions_are_refused(name: str, severity: int, scenes: Bytes) -> None:
    with pytest.raises(InputError, match="choose from gaussian_noise, "):
        corrupt(scenes, name, severity)


def test_pictures_of_another_size_are_not_corrupted() -> None:
    with pytest.raises(InputError, match=r"corrupts pictures of shape \(n, 3, 32, 32\), not"):
        corrupt(np.zeros((1, 1, 28, 28), np.uint8), "fog", 1)


# -- ambiguous digits --------------------------------------------------------------------------


def test_a_spread_takes_as_many_of_each_kind_and_range() -> None:
    kinds = torch.arange(400) % 4
    values = torch.linspace(0, 1, 400) ** 3  # mostly small
    rows = spread_evenly(kinds, values, 80, torch.Generator().manual_seed(0))
    assert len(set(rows.tolist())) == 80
    assert kinds[rows].bincount().tolist() == [20] * 4
    counts = (values[rows] * 10).long().clamp(max=9).bincount(minlength=10)
    assert counts.min() >= 6
    assert entropy(torch.full((10,), 0.1)).item() == pytest.approx(np.log(10))


class Half(nn.Module):
    """Judges by the brightness of the upper half, so that mixtures of dark and bright are in between."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        light = self.slope * (pictures.mean(dim=(1, 2, 3)) - 0.5)
        return torch.stack([-light, light], dim=1)


class Same(nn.Module):
    """A VAE whose latent vectors are the pictures."""

    def encode(self, pictures: torch.Tensor) -> object:
        return type("Encoding", (), {"mean": pictures.flatten(1)})

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return z.view(-1, 1, 28, 28)


def test_ambiguous_digits_lie_between_two_and_have_ten_labels() -> None:
    classes = torch.arange(40) % 2
    pictures = classes.float().view(-1, 1, 1, 1).expand(40, 1, 28, 28)
    found = ambiguous_digits(Same(), [Half(4), Half(6)], pictures, classes, 50)  # type: ignore[arg-type,list-item]
    assert found.pictures.shape == (50 * COPIES, 1, 28, 28)
    light = found.pictures.view(50, COPIES, -1).mean(dim=2)
    assert ((light > 0.29) & (light < 0.71)).all()
    assert (found.pictures.view(50, COPIES, -1).std(dim=1).mean() - 0.05 * 0.3081).abs() < 0.002
    # Ten labels a digit are draws from what the ensemble believes.
    told = found.classes.view(50, COPIES).float().mean(dim=1)
    believed = torch.stack([(2 * slope * (light.mean(1) - 0.5)).sigmoid() for slope in (4, 6)]).mean(0)
    assert (told - believed).mean().abs() < 0.08
    assert torch.corrcoef(torch.stack([told, believed]))[0, 1] > 0.6


def test_ambiguity_takes_two_classes_and_two_judges() -> None:
    pictures, one = torch.zeros(4, 1, 28, 28), torch.zeros(4, dtype=torch.long)
    with pytest.raises(InputError, match="two classes and an ensemble of two"):
        ambiguous_digits(Same(), [Half(1), Half(2)], pictures, one, 5)  # type: ignore[arg-type,list-item]


# -- classifiers -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthetic digits: a bright row whose place is the class."""
    folder = tmp_path_factory.mktemp("mnist")
    for stem, count in (("train", 300), ("t10k", 60)):
        classes = (np.arange(count) * 7 % 10).astype(np.uint8)
        pixels = np.random.default_rng(count).integers(0, 40, (count, 28, 28)).astype(np.uint8)
        for at, digit in enumerate(classes):
            pixels[at, 2 * digit + 3 : 2 * digit + 6] += 200
        sizes = b"".join(size.to_bytes(4, "big") for size in pixels.shape)
        (folder / f"{stem}-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"\0\0\x08\x03" + sizes + pixels.tobytes()))
        head = b"\0\0\x08\x01" + count.to_bytes(4, "big")
        (folder / f"{stem}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(head + classes.tobytes()))
    return folder


def test_students_are_the_replications() -> None:
    layers = [layer for layer in augmentation_classifier("mnist").modules() if isinstance(layer, nn.Linear)]
    assert [tuple(layer.weight.shape) for layer in layers] == [(128, 784), (10, 128)]
    with torch.device("meta"):
        assert augmentation_classifier("cifar10").eval()(torch.zeros(2, 3, 64, 64)).shape == (2, 10)
    with pytest.raises(InputError, match="measured on mnist and cifar10, as in the replication, not on faces"):
        augmentation_classifier("faces")


def test_an_eighth_of_a_batch_is_the_actors(mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from melodylc.image.experiments import augmentation as augment

    chain, seen = load_pipeline("mnist"), []
    former = augment._AugmentationStage._generate

    def made(self: object, chain: Pipeline, labels: torch.Tensor, noise: object) -> torch.Tensor:
        found = former(self, chain, labels, noise)  # type: ignore[arg-type]
        seen.append((len(labels), tuple(found.shape), float(found.max())))
        return found

    monkeypatch.setattr(augment._AugmentationStage, "_generate", made)
    train, valid = (load_mnist(mnist, split) for split in ("train", "valid"))
    with_actor = train_augmentation_classifier(
        train, valid, augmentation_settings("mnist", 2, 0), tmp_path / "with", chain
    )
    without = train_augmentation_classifier(
        train, valid, augmentation_settings("mnist", 2, 0), tmp_path / "without", None
    )
    assert seen == [(16, (16, 1, 28, 28), seen[0][2]), (16, (16, 1, 28, 28), seen[1][2])]
    assert all(most <= 1 for _, _, most in seen)
    assert any(not torch.equal(*pair) for pair in zip(with_actor.parameters(), without.parameters(), strict=True))
    again = train_augmentation_classifier(train, valid, augmentation_settings("mnist", 2, 0), tmp_path / "with", chain)
    assert all(torch.equal(*pair) for pair in zip(with_actor.parameters(), again.parameters(), strict=True))
    with pytest.raises(InputError, match="another augmented: resume with the same"):
        train_augmentation_classifier(train, valid, augmentation_settings("mnist", 2, 0), tmp_path / "with", None)


def test_accuracy_by_hand() -> None:
    class Reads(nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return nn.functional.one_hot((pictures[:, 0, 0, 0] * 10).long(), 10)

    pictures = torch.zeros(600, 1, 2, 2)
    pictures[:, 0, 0, 0] = torch.arange(600) % 4 / 10 + 0.01
    assert class_accuracy(Reads(), pictures, torch.arange(600) % 2, 2) == 0.5


def test_mnist_is_augmented_and_tried_on_dirty_mnist(mnist: Path, tmp_path: Path, run_cli: RunCli) -> None:
    start = ["--dataset", "mnist", "--data", mnist]
    for part in ("vae", "actor"):
        assert run_cli("image", "train", *start, "-o", tmp_path, "--part", part, "--steps", 2).code == 0
    ask = ["image", "augment", *start, "--run", tmp_path, "--seeds", 2, "--steps", 3, "--ambiguous", 10]
    shown = run_cli(*ask, "--prepare-steps", 2)
    assert shown.code == 0
    for name in ("without, seed 1", "with-0.1, seed 0", "VAE of mixtures", "judge 2"):
        assert f"{name}  step" in shown.err
    names = [line.split()[0] for line in shown.out.splitlines()[2:5]]
    assert names == ["test", "Ambiguous-MNIST", "Dirty-MNIST"]
    assert shown.out.count("+-") == 6
    assert "the replication, MNIST / Dirty-MNIST: 0.95 / 0.41 without, 0.94 / 0.57 with" in shown.out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--dataset", "faces", "--run", "x"), "augmentation is measured on mnist and cifar10"),
        (("--dataset", "mnist", "--data", "x", "--run", "nowhere"), "nowhere has no trained model of it"),
    ],
)
def test_augmenting_refuses_in_one_line(run_cli: RunCli, words: tuple[str, ...], line: str) -> None:
    refused = run_cli("image", "augment", *words)
    assert refused.code == 2
    assert line in refused.err
    assert refused.err.count("\n") == 1


# -- CIFAR-10 ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cifar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two batches of the binary version: classes are shades."""
    folder = tmp_path_factory.mktemp("cifar")
    for name, count in (("data_batch_2.bin", 40), ("test_batch.bin", 6)):
        classes = np.arange(count) % 10
        pixels = np.random.default_rng(count).integers(0, 20, (count, 3072)) + 22 * classes[:, None]
        (folder / name).write_bytes(np.column_stack([classes, pixels]).astype(np.uint8).tobytes())
    return folder


def test_the_chain_of_cifar10_trains_and_generates(cifar: Path, tmp_path: Path, run_cli: RunCli) -> None:
    start = ["--dataset", "cifar10", "--data", cifar, "-o", tmp_path, "--steps", 2]
    assert run_cli("image", "train", *start).code == 0
    chain = load_pipeline("cifar10", tmp_path)
    assert chain.model.provenance["parts"] == ["data_batch_2.bin"]
    asked = ["--dataset", "cifar10", "--run", tmp_path, "--class", "dog", "-n", 2, "-o", tmp_path / "dogs.png"]
    assert run_cli("image", "generate", *asked).code == 0
    assert (tmp_path / "dogs.png").is_file()


def test_cifar10_c_is_every_corruption_at_five_severities(cifar: Path) -> None:
    test = load_cifar10(cifar, "test")
    plain, fog = cifar10_c(test, 4, ("fog",))
    assert (plain.name, len(plain.pictures)) == ("test", 6)  # as they are, all are tried
    assert fog.name == "fog (reimplemented)"
    assert fog.pictures.shape == (20, 3, 32, 32)
    assert fog.classes.tolist() == 5 * plain.classes[:4].tolist()
    assert count_evaluation_sets("cifar10") == len(list(cifar10_c(test, 1)))


def test_cifar10_is_augmented_stopped_and_goes_on(
    cifar: Path, tmp_path: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "melodylc.image.experiments.augmentation.augmentation_classifier",
        lambda _: nn.Sequential(nn.Flatten(), nn.Linear(12288, 10)),
    )
    start = ["--dataset", "cifar10", "--data", cifar]
    for part in ("vae", "actor"):
        assert run_cli("image", "train", *start, "-o", tmp_path, "--part", part, "--steps", 2).code == 0
    ask = ["image", "augment", *start, "--run", tmp_path, "--seeds", 1, "--tried", 1]
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", interrupted(Trainer._step, call=2))  # the first of the second classifier
        assert run_cli(*ask, "--steps", 2).code == 130
    shown = run_cli(*ask, "--steps", 2)
    assert shown.code == 0
    assert "without, seed 0" not in shown.err  # it was whole
    assert "with-0.1, seed 0  step 2  100.0%" in shown.err
    assert sum("(reimplemented)" in line for line in shown.out.splitlines()) == 14
    assert "CIFAR-10-C, mean" in shown.out
    assert "data_batch_2.bin; the replication, CIFAR-10 / CIFAR-10-C: 0.74 / 0.65" in shown.out
    more = run_cli(*ask, "--steps", 3)  # beside the others, not instead of them
    assert more.code == 0
    assert sorted(path.name for path in (tmp_path / "augment").iterdir()) == ["2-steps", "3-steps"]
