"""What a training begins with: devices, estimates, defaults, and doubts about the folder."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Run

from melodylc.cli.image import duration
from melodylc.data.errors import InputError
from melodylc.data.pictures import loading
from melodylc.data.pictures.base import Pictures
from melodylc.data.pictures.faces import draw_faces
from melodylc.image.chain import TrainOrder, doubt
from melodylc.image.datasets import PICTURE_DATASETS, default_distance, recipe
from melodylc.image.devices import find_device
from melodylc.image.estimate import estimate_chain
from melodylc.image.pipeline import generate_pictures, load_pipeline

RunCli = Callable[..., Run]


@pytest.fixture(autouse=True)
def _few_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    for split, count in {"train": 20, "valid": 6, "test": 8}.items():
        monkeypatch.setitem(loading.FACES, split, count)


def test_the_best_device_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert find_device().type == "cpu"
    with pytest.raises(InputError, match="--device cuda: torch finds none here; there is cpu"):
        find_device("cuda")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert find_device().type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert find_device().type == "cuda"
    assert find_device("cpu").type == "cpu"
    with pytest.raises(InputError, match="unknown device 'tpu'"):
        find_device("tpu")


def test_the_cpu_named_is_the_cpu_found(tmp_path: Path, run_cli: RunCli) -> None:
    train = ["image", "train", "--dataset", "faces", "--steps", 2, "--device", "cpu", "-o"]
    for folder in (tmp_path / "a", tmp_path / "b"):
        assert run_cli(*train, folder, *([] if folder.name == "a" else ["--seed", 0])).code == 0
    for part in ("vae", "classifier", "actor-0"):
        one, other = (tmp_path / of / part / "model.safetensors" for of in "ab")
        assert one.read_bytes()[-2000:] == other.read_bytes()[-2000:]


def test_an_estimate_times_every_part_and_keeps_nothing(tmp_path: Path, run_cli: RunCli) -> None:
    ask = ["image", "train", "--dataset", "faces", "-o", tmp_path / "run", "--device", "cpu", "--estimate"]
    shown = run_cli(*ask)
    assert shown.code == 0, shown.err
    lines = [line.split() for line in shown.out.splitlines() if line.strip()]
    assert [line[0] for line in lines[-3:]] == ["vae", "classifier", "actor"]
    assert [int(line[1]) for line in lines[-3:]] == [1500, 600, 600]
    assert "in all on cpu" in shown.err
    assert not (tmp_path / "run").exists()


def test_an_estimate_is_of_the_order_s_steps() -> None:
    faces, valid = draw_faces(20), draw_faces(6, "valid")
    for part in ("attributes", "realism"):
        (one,) = estimate_chain(TrainOrder("faces", Path("run"), part=part, steps=7, device="cpu"), faces, valid)
        assert (one.part, one.steps) == (part, 7)
        assert one.step_seconds > 0
        assert one.seconds >= 7 * one.step_seconds
        assert one.memory > 2**20


def test_lengths_of_time() -> None:
    assert [duration(it) for it in (1, 89, 91, 5400, 200_000)] == ["1 s", "89 s", "1.5 min", "1.5 h", "2.3 days"]


def test_boots_are_no_digits() -> None:
    digits = generate_pictures(load_pipeline("mnist"), {label: label == 3 for label in range(10)}, 12, 0)
    names, labels = tuple("0123456789"), np.zeros((12, 10), np.uint8)
    labels[:, 3] = 1
    threes = Pictures("mnist", "train", digits.pixels, labels, names, exclusive=True)
    assert doubt("mnist", None, threes) is None
    wrong = replace(threes, labels=np.roll(labels, 1, axis=1))
    assert "a classifier of mnist agrees with 0% of these pictures' labels" in str(doubt("mnist", None, wrong))
    assert doubt("cifar10", None, replace(threes, dataset="cifar10")) is None  # there is nobody to ask


def test_every_data_set_and_part_has_a_default_distance() -> None:
    assert {data: default_distance(data) for data in (*PICTURE_DATASETS, "folder")} == {
        "mnist": 0.1,
        "fashion_mnist": 0.1,
        "cifar10": 0.1,
        "celeba": 0.1,
        "faces": 0.0,
        "folder": 0.0,
    }
    for data in PICTURE_DATASETS.values():
        for config in data.configs.values():
            order = TrainOrder(data.name, Path("run"))
            game = order.game(recipe(config), "realism")
            assert (game.distance, game.steps) == (0.0, 1200 if config.name == "small" else 50_000)
            assert order.game(recipe(config), "actor").distance == default_distance(data.name)
    assert TrainOrder("mnist", Path("run"), distance=0.3, steps=7).game(recipe(config), "realism").distance == 0.3
