"""`melodylc image transform` on files: somebody's own pictures, changed by an actor or by optimisation."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Run
from PIL import Image

import melodylc
from melodylc.data.errors import InputError
from melodylc.image.edit import EditRequest, edit_pictures
from melodylc.image.pipeline import generate_pictures, load_pipeline
from melodylc.image.request import PictureRequest

RunCli = Callable[..., Run]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven threes as files of all sorts of sizes, two of them in a folder below."""
    folder = tmp_path_factory.mktemp("digits")
    (folder / "more").mkdir()
    made = generate_pictures(load_pipeline("mnist"), {label: label == 3 for label in range(10)}, 11, 4)
    for at, pixels in enumerate(made.pixels):
        picture = Image.fromarray(pixels[0]).resize((28 * (1 + at % 3),) * 2)
        picture.convert("RGB" if at % 2 else "L").save(folder / ("more" if at > 8 else ".") / f"three {at}.png")
    return folder


def test_digits_become_another_one(digits: Path, tmp_path: Path, run_cli: RunCli) -> None:
    out = tmp_path / "sevens"
    ask = ["image", "transform", digits, "--dataset", "mnist", "--digit", "7", "-o", out]
    done = run_cli(*ask)
    assert done.code == 0, done.err
    assert "changed by the actor; the classifier sees what was asked in" in " ".join(done.err.split())
    manifest = json.loads((out / "manifest.json").read_text())
    entries = manifest["files"][:-1]
    assert len(entries) == 11
    assert [entry["source"] for entry in entries][-2:] == ["three 7.png", "three 8.png"]
    assert all(entry["before"] == ["3"] for entry in entries)
    assert sum(entry["after"] == ["7"] for entry in entries) >= 9
    assert [entry["passed"] for entry in entries] == [entry["after"] == ["7"] for entry in entries]
    assert {path.name for path in out.iterdir()} == {
        "manifest.json",
        "sheet.png",
        *(entry["file"] for entry in entries),
    }
    before = (out / "sheet.png").read_bytes()
    assert run_cli(*ask).code == 0
    assert (out / "sheet.png").read_bytes() == before
    assert "holds the files of another command" in run_cli(*ask[:5], "--digit", "4", "-o", out).err


def test_what_becomes_of_a_picture_hangs_on_no_other(digits: Path) -> None:
    files = sorted(digits.glob("*.png"))
    together = melodylc.image.transform([*files], 7, dataset="mnist")
    alone = melodylc.image.transform(files[4], 7, dataset="mnist")
    assert np.array_equal(together[4].pixels, alone[0].pixels)
    assert together[4].after == alone[0].after
    assert not np.array_equal(alone[0].pixels, alone[0].encoded)


def test_a_run_with_critics_optimises(tmp_path: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    from melodylc.data.pictures import loading
    from melodylc.data.pictures.faces import draw_faces

    for split, count in {"train": 20, "valid": 6, "test": 8}.items():
        monkeypatch.setitem(loading.FACES, split, count)
    run = tmp_path / "run"
    train = ["image", "train", "--dataset", "faces", "-o", run, "--steps", 2, "--part"]
    for part in ("all", "attributes", "realism"):
        assert run_cli(*train, part).code == 0
    Image.fromarray(draw_faces(1).pixels[0].transpose(1, 2, 0)).save(tmp_path / "face.png")
    request = EditRequest(PictureRequest("faces", (), ("smiling",), 1, 0, run), (tmp_path / "face.png",), 0.6)
    done = edit_pictures(request)
    assert done.method == "optimised"
    assert done[0].given.shape == (3, 64, 64)
    (run / "realism" / "model.safetensors").unlink()
    assert edit_pictures(request).method == "actor"
    (run / "classifier" / "model.safetensors").unlink()
    with pytest.raises(InputError, match="a classifier has to say what your pictures show"):
        edit_pictures(request)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nowhere.png", "--digit", "7"], "nowhere.png: there is no such file; name a picture"),
        (["empty", "--digit", "7"], "empty has no picture in it"),
        (["text.png", "--digit", "7"], "text.png: doesn't decode"),
        (["text.png"], "nothing to change: give --attr"),
        (["text.png", "--digit", "17"], "mnist has no class '17'"),
        (["--digit", "7"], "name the pictures to change; or --run"),
    ],
)
def test_what_can_not_be_changed_is_refused(
    tmp_path: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch, words: list[str], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.png").write_text("no picture")
    refused = run_cli("image", "transform", *words, "--dataset", "mnist", "-o", "out")
    assert refused.code == 2
    assert line in refused.err
    assert refused.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_random_streams_are_left_alone(digits: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    melodylc.image.transform(sorted(digits.glob("*.png"))[0], 7, dataset="mnist")
    assert torch.equal(torch.rand(1), expected)
