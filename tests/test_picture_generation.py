"""`melodylc image generate` and `melodylc.image.generate`: judged pictures, sheets, folders, notebooks."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Run
from PIL import Image

import melodylc
from melodylc.data.errors import InputError
from melodylc.data.files import fingerprint_file
from melodylc.image.generation import PictureGeneration
from melodylc.image.pipeline import Pipeline, find_classifier, generate_pictures, generate_verified, load_pipeline
from melodylc.image.sheet import draw_sheet, read_manifest

RunCli = Callable[..., Run]
MNIST = ["image", "generate", "--dataset", "mnist"]


@pytest.fixture(scope="module")
def chain() -> Pipeline:
    return load_pipeline("mnist")


class Stubborn(torch.nn.Module):
    """A judge that finds a picture right by its bytes alone, now and then."""

    def __init__(self, share: float) -> None:
        super().__init__()
        found = find_classifier("mnist", None)
        assert found is not None
        self.config, self.share = found.classifier.config, share

    def labels(self, pictures: torch.Tensor) -> torch.Tensor:
        sums = (pictures.flatten(1).sum(1) * 1000).long() % 100
        return torch.nn.functional.one_hot(torch.where(sums < 100 * self.share, 7, 3), 10).float()


SEVEN = {label: label == 7 for label in range(10)}


def test_pictures_that_fail_are_made_again_and_others_stay(chain: Pipeline) -> None:
    single = generate_pictures(chain, SEVEN, 20, 3)
    judged = generate_verified(chain, SEVEN, 20, 3, Stubborn(0.4), 50)  # type: ignore[arg-type]
    assert judged.passed is not None
    assert judged.passed.all()
    first = judged.attempts == 1
    assert 0 < first.sum() < 20
    same = torch.tensor([np.array_equal(a, b) for a, b in zip(judged.pixels, single.pixels, strict=True)])
    assert torch.equal(same, first)
    fewer = generate_verified(chain, SEVEN, 3, 3, Stubborn(0.4), 50)  # type: ignore[arg-type]
    assert np.array_equal(fewer.pixels, judged.pixels[:3])
    assert torch.equal(fewer.z, judged.z[:3])


def test_what_never_passes_is_written_and_said(chain: Pipeline) -> None:
    judged = generate_verified(chain, SEVEN, 3, 3, Stubborn(0.0), 4)  # type: ignore[arg-type]
    assert judged.passed is not None
    assert not judged.passed.any()
    assert judged.attempts.tolist() == [4, 4, 4]


def test_a_folder_holds_all_of_it_and_replaces_itself(tmp_path: Path, run_cli: RunCli) -> None:
    out = tmp_path / "digits"
    ask = [*MNIST, "--digit", "7", "--digit", "3", "-n", 3, "-o", out]
    done = run_cli(*ask, "--seed", 5)
    assert done.code == 0
    assert "wrote 6 pictures" in done.err
    assert "the classifier sees what was asked in 6 of 6" in " ".join(done.err.split())
    singles = ["7-01.png", "7-02.png", "7-03.png", "3-04.png", "3-05.png", "3-06.png"]
    assert {path.name for path in out.iterdir()} == {*singles, "sheet.png", "pictures.npz", "manifest.json"}
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["seed"] == 5
    entries = manifest["files"][:6]
    assert [entry["file"] for entry in entries] == singles
    assert [entry["labels"] for entry in entries] == [["7"]] * 3 + [["3"]] * 3
    assert all(entry["classifier"] == entry["labels"] and entry["passed"] for entry in entries)
    assert all(entry["sha256"] == fingerprint_file(out / entry["file"]) for entry in manifest["files"])
    with np.load(out / "pictures.npz") as arrays:
        assert arrays["labels"].argmax(1).tolist() == [7, 7, 7, 3, 3, 3]
        assert arrays["latents"].shape == (6, 64)
        assert arrays["names"][7] == "7"
        for name, pixels in zip(singles, arrays["pictures"], strict=True):
            assert np.array_equal(np.asarray(Image.open(out / name)), pixels[0])
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert run_cli(*ask, "--seed", 5).code == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    refused = run_cli(*ask, "--seed", 6)
    assert refused.code == 2
    assert "holds the files of another command" in refused.err


def test_without_a_seed_the_same_command_replaces_its_own_sheet(tmp_path: Path, run_cli: RunCli) -> None:
    path = tmp_path / "sevens.png"
    ask = [*MNIST, "--digit", "7", "-n", 2, "-o", path]
    seeds = []
    for _ in range(2):
        assert run_cli(*ask).code == 0
        assert read_manifest(path)["request"]["seed"] is None
        seeds.append(read_manifest(path)["seed"])
    assert seeds[0] != seeds[1]
    again = tmp_path / "again.png"
    assert run_cli(*ask[:-1], again, "--seed", seeds[1]).code == 0
    assert np.array_equal(np.asarray(Image.open(again)), np.asarray(Image.open(path)))


def test_every_label_begins_a_row() -> None:
    pixels = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1).repeat(28, 2).repeat(28, 3) * 20
    sheet = np.asarray(draw_sheet(pixels, ["x"] * 6, "t", group=3))
    assert sheet.shape[1] == 3 * (112 + 8) + 8
    rows = [line for line in sheet[:, 20, 0].tolist() if line % 20 == 0 and line < 101]
    assert set(rows) == {0, 60}  # the first of each three


def test_long_rows_of_a_label_are_broken_before_the_next_label() -> None:
    pixels = np.zeros((20, 1, 28, 28), np.uint8)
    tall = draw_sheet(pixels, ["x"] * 20, "t", group=10).size[1]
    assert tall > draw_sheet(pixels, ["x"] * 20, "t").size[1]  # 8 + 2 and 8 + 2, not 8 + 8 + 4


def test_python_writes_what_the_command_writes(tmp_path: Path, run_cli: RunCli) -> None:
    found = melodylc.image.generate([7, 3], n=2, seed=9)
    assert isinstance(found, PictureGeneration)
    found.save(tmp_path / "python")
    assert run_cli(*MNIST, "--digit", 7, "--digit", 3, "-n", 2, "--seed", 9, "-o", tmp_path / "shell").code == 0
    files = [{path.name: path.read_bytes() for path in (tmp_path / of).iterdir()} for of in ("python", "shell")]
    assert files[0] == files[1]


def test_results_show_themselves() -> None:
    found = melodylc.image.generate("7", n=2, seed=9)
    assert Image.open(io.BytesIO(found._repr_png_())).size[0] == 2 * 120 + 8
    shown = np.asarray(Image.open(io.BytesIO(found[0]._repr_png_())))
    assert np.array_equal(shown, found.pixels[0, 0])
    assert [len(found), len(found[:1]), found[1].number, repr(found)] == [2, 1, 2, "<2 pictures of mnist, seed 9>"]
    assert not found.failures
    wrong = replace(found[0], verdict=("1",), passed=False)
    assert wrong.caption == "7 (looks like: 1)"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"labels": "11"}, "mnist has no class '11'"),
        ({"labels": 7, "reward": "ink.py:left"}, "a picture obeys a rule or has labels, not both"),
        ({"n": 0}, "1 to 1000 pictures of a label can be asked for, not 0"),
        ({"draws": 0}, "a picture takes 1 draw or more"),
        ({"dataset": "mnits"}, "unknown data set 'mnits'"),
        ({"dataset": "cifar10"}, "no trained model of cifar10 comes with the package"),
    ],
)
def test_python_refuses_in_one_line(options: dict[str, object], line: str) -> None:
    with pytest.raises(InputError, match=line):
        melodylc.image.generate(**options)  # type: ignore[arg-type]
