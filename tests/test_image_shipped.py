"""The digits that work at once: what ships is one chain, it fits itself, and its digits are those asked for."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import torch
from conftest import Run
from PIL import Image

from melodylc.image.pipeline import generate_pictures, load_pipeline
from melodylc.image.store import load_classifier
from melodylc.image.table import as_inputs

PRETRAINED = Path(str(files("melodylc.pretrained")))
LARGEST = 8 * 2**20  #: bytes, all of it


def test_the_digits_asked_for_are_those_that_come() -> None:
    chain = load_pipeline("mnist")
    classifier = load_classifier(PRETRAINED / "mnist-classifier.safetensors", "mnist").classifier
    right = 0
    for digit in range(10):
        wanted = {label: label == digit for label in range(10)}
        made = generate_pictures(chain, wanted, 16, seed=1)
        told = classifier.labels(as_inputs(torch.from_numpy(made.pixels), 28))
        right += int(told[:, digit].sum())
    assert right >= 150  # of 160; docs/experiments/pictures.md gives the rate, on many more


def test_what_ships_was_trained_together_on_the_same_digits() -> None:
    chain = load_pipeline("mnist")
    assert chain.model.vae.config.name == "small"
    assert chain.constraint.provenance["vae"] == chain.model.fingerprint
    assert chain.constraint.provenance["pictures"] == chain.model.provenance["pictures"]
    assert chain.constraint.names == tuple("0123456789")
    assert sum(path.stat().st_size for path in PRETRAINED.glob("mnist-*.safetensors")) < LARGEST


def test_the_readmes_command_works_at_once(tmp_path: Path, run_cli: Callable[..., Run]) -> None:
    path = tmp_path / "sevens.png"
    assert run_cli("image", "generate", "--dataset", "mnist", "--digit", "7", "-n", 8, "-o", path).code == 0
    with Image.open(path) as sheet:
        assert sheet.size[0] == 8 * (112 + 8) + 8
