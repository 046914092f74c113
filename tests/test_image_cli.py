"""`melodylc image`, on drawn faces and a few steps: train, stop, go on, generate, evaluate; every mistake one line."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from conftest import Run, interrupted
from PIL import Image

from melodylc.cli.image import image
from melodylc.data.errors import InputError
from melodylc.data.pictures import loading
from melodylc.data.pictures.attributes import ATTRIBUTES
from melodylc.data.pictures.faces import draw_faces
from melodylc.image import training
from melodylc.image.evaluation import label_ms_ssim, score_labels
from melodylc.image.pipeline import Pipeline, generate_pictures, load_pipeline
from melodylc.image.sheet import caption, draw_sheet, read_manifest
from melodylc.image.table import as_inputs
from melodylc.image.training import actor_distances, actor_path, classifier_path, vae_path
from melodylc.latent.gan import LatentGAN
from melodylc.latent.tensor_files import read_tensors
from melodylc.training.loop import Trainer

RunCli = Callable[..., Run]
FEW = {"train": 20, "valid": 6, "test": 8}


@pytest.fixture(scope="module", autouse=True)
def _few_faces() -> object:
    patch = pytest.MonkeyPatch()
    for split, count in FEW.items():
        patch.setitem(loading.FACES, split, count)
    yield
    patch.undo()


def words(output: Path, *more: object) -> list[object]:
    return ["image", "train", "--dataset", "faces", "-o", output, "--steps", 3, *more]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from melodylc.cli.main import run

    folder = tmp_path_factory.mktemp("run")
    assert run([str(word) for word in words(folder)]) == 0
    assert run([str(word) for word in words(folder, "--part", "actor", "--distance", "0.1")]) == 0
    return folder


# -- training ----------------------------------------------------------------------------------


def test_all_parts_are_trained_and_say_what_they_are(trained: Path) -> None:
    paths = (vae_path(trained), classifier_path(trained), actor_path(trained, 0.0), actor_path(trained, 0.1))
    formats = ("vae/1", "classifier/1", "actor/2", "actor/2")
    for path, part in zip(paths, formats, strict=True):
        _, header = read_tensors(path, f"melodylc-picture-{part}")
        assert header["provenance"]["dataset"] == "faces"
        assert header["provenance"]["settings"]
    assert actor_distances(trained) == [0.0, 0.1]


def test_a_chain_that_was_stopped_is_the_chain_that_was_not(
    trained: Path, tmp_path: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    for owner, name, part in ((Trainer, "_step", "vae"), (LatentGAN, "step", "actor")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, interrupted(getattr(owner, name), call=1))
            assert run_cli(*words(tmp_path, "--part", part)).code == 130
        assert run_cli(*words(tmp_path, "--part", part)).code == 0
    for path in (vae_path, free_actor_path):
        found, expected = (read_tensors(path(run), _format(path)) for run in (tmp_path, trained))
        assert not [name for name, tensor in found[0].items() if not tensor.equal(expected[0][name])]


def free_actor_path(run: Path) -> Path:
    """Of the actor without a penalty, the default of drawn faces."""
    return actor_path(run, 0.0)


def _format(path: Callable[[Path], Path]) -> str:
    return f"melodylc-picture-{'vae/1' if path is vae_path else 'actor/2'}"


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("--part", "vae", "--seed", 1), "another settings: resume with the same"),
        (("--part", "vae", "--deviation", 1.0), "another configuration: resume with the same"),
        (("--part", "vae", "--autoencoder"), "another configuration"),
        (("--part", "actor", "--steps", 4), "another settings"),
        (("--deviation", 0), "an output deviation is a positive number"),
        (("--config", "papre"), "unknown configuration 'papre' of faces: choose from small"),
        (("--dataset", "mnist"), "say where MNIST lies: --data FOLDER"),
        (("--dataset", "mnist", "--data", "nowhere"), "'nowhere' is no folder; put MNIST's four idx files"),
    ],
)
def test_training_refuses_in_one_line(trained: Path, run_cli: RunCli, more: tuple[object, ...], line: str) -> None:
    refused = run_cli(*words(trained, *more))
    assert refused.code == 2
    assert line in refused.err
    assert refused.err.count("\n") == 1


def test_an_actor_needs_a_vae_of_its_data_set(tmp_path: Path, run_cli: RunCli) -> None:
    refused = run_cli(*words(tmp_path, "--part", "actor"))
    assert refused.code == 2
    assert "vae/model.safetensors: no such file" in refused.err


def test_an_autoencoder_and_its_actor_are_trained(tmp_path: Path, run_cli: RunCli) -> None:
    assert run_cli(*words(tmp_path, "--autoencoder", "--part", "vae")).code == 0
    assert run_cli(*words(tmp_path, "--autoencoder", "--part", "actor")).code == 0
    model = load_pipeline("faces", tmp_path).model
    assert model.sigma_bar.tolist() == [1.0] * 32
    faces = loading.dataset("faces").load(None, "train", lambda *_: None)
    encodings = training.encode_pictures(model, faces)
    assert torch.allclose(encodings.mean[::2].mean(0), torch.zeros(32), atol=0.05)
    assert encodings.sigma.sum() == 0


def test_encodings_are_of_faces_and_their_mirror_images_in_turns(trained: Path) -> None:
    model, faces = load_pipeline("faces", trained).model, draw_faces(6)
    found = training.encode_pictures(model, faces)
    turned = replace(faces, pixels=np.array(faces.pixels)[..., ::-1].copy())
    for at, one in enumerate((faces, turned)):
        expected = model.vae.encode(as_inputs(torch.from_numpy(np.array(one.pixels)), 64))
        torch.testing.assert_close(found.mean[at::2], expected.mean)
        torch.testing.assert_close(found.sigma[at::2], expected.sigma)
        assert np.array_equal(found.labels[at::2], faces.labels)


# -- generating --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chain(trained: Path) -> Pipeline:
    return load_pipeline("faces", trained)


def test_picture_k_depends_on_the_seed_and_k_alone(chain: Pipeline) -> None:
    wanted = {ATTRIBUTES.index("Smiling"): True, ATTRIBUTES.index("Male"): False}
    few, many, other = (
        generate_pictures(chain, wanted, 3, 7),
        generate_pictures(chain, wanted, 11, 7),
        generate_pictures(chain, wanted, 3, 8),
    )
    assert np.array_equal(many.pixels[:3], few.pixels)
    assert torch.equal(many.labels[:3], few.labels)
    assert not torch.equal(other.z, few.z)
    assert (many.labels[:, 7] == 1).all()
    assert (many.labels[:, 5] == 0).all()
    assert not torch.equal(many.prior_z, many.z)


def test_a_sheet_is_written_and_says_how(trained: Path, tmp_path: Path, run_cli: RunCli) -> None:
    path = tmp_path / "faces.png"
    ask = ["image", "generate", "--dataset", "faces", "--run", trained, "--attr", "no-smiling", "--attr", "beard"]
    done = run_cli(*ask, "-n", 3, "--seed", 5, "-o", path)
    assert done.code == 0
    assert "wrote 3 pictures" in done.err
    first = path.read_bytes()
    told = read_manifest(path)
    assert told["request"]["attributes"] == ["no-smiling", "beard"]
    assert told["models"]["actor"] == load_pipeline("faces", trained).constraint.fingerprint
    assert run_cli(*ask, "-n", 3, "--seed", 5, "-o", path).code == 0
    assert path.read_bytes() == first
    refused = run_cli(*ask, "-n", 3, "--seed", 6, "-o", path)
    assert refused.code == 2
    assert "wasn't written by this command: name another file" in refused.err
    assert path.read_bytes() == first


def test_labels_that_no_training_picture_has_together_are_said(
    trained: Path, chain: Pipeline, tmp_path: Path, run_cli: RunCli
) -> None:
    ask = ["image", "generate", "--dataset", "faces", "--run", trained, "-n", 2, "--seed", 5]
    odd = run_cli(*ask, "--attr", "bald", "--attr", "blond-hair", "-o", tmp_path / "odd.png")
    line = f"0 of {chain.constraint.rows.total} training pictures are Bald and Blond Hair:"
    assert odd.code == 0
    assert line in " ".join(odd.err.split())
    plain = run_cli(*ask, "--attr", "smiling", "-o", tmp_path / "plain.png")
    assert plain.code == 0
    assert "training pictures" not in plain.err


def test_the_pictures_stand_on_the_sheet_enlarged(chain: Pipeline) -> None:
    made = generate_pictures(chain, {}, 9, 0)
    sheet = np.asarray(draw_sheet(made.pixels, ["a caption"] * 9, "a title"))
    assert sheet.shape[1] == 8 * (128 + 8) + 8
    corner = np.argwhere((sheet != 255).any(axis=2) & (np.arange(sheet.shape[0]) > 25)[:, None]).min(axis=0)
    big = made.pixels[0].transpose(1, 2, 0).repeat(2, axis=0).repeat(2, axis=1)
    top, left = corner
    assert np.array_equal(sheet[top : top + 128, left : left + 128], big)


def test_grey_pictures_and_long_captions_fit() -> None:
    sheet = draw_sheet(np.zeros((2, 1, 28, 28), np.uint8), ["7", "a word " * 20], "t")
    assert sheet.size[0] == 2 * (112 + 8) + 8
    assert sheet.size[1] > 112 + 7 * 13


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--dataset", "faces", "--attr", "smilling"], "unknown attribute 'smilling'; nearest: smiling"),
        (["--dataset", "faces", "--digit", "7"], "faces has attributes, not classes"),
        (["--dataset", "mnist", "--attr", "smiling"], "mnist has classes, not attributes: 0, 1"),
        (["--dataset", "mnist", "--digit", "11"], "mnist has no class '11': choose from 0, 1, 2"),
        (["--dataset", "cifar10", "--class", "no-dog"], "a picture of cifar10 has one class: name it"),
        (["--dataset", "faces", "--attr", "male", "--attr", "no-male"], "Male can't be both there and absent"),
        (["--dataset", "faces", "--run", "nowhere"], "nowhere has no trained model of it; train one: melodylc image"),
        (["--dataset", "celeba", "--attr", "smiling"], "no trained model of celeba comes with the package"),
    ],
)
def test_generating_refuses_in_one_line(tmp_path: Path, run_cli: RunCli, words: list[str], line: str) -> None:
    refused = run_cli("image", "generate", *words, "-o", tmp_path / "x.png")
    assert refused.code == 2
    assert line in refused.err
    assert refused.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_celeba_without_a_model_names_the_two_commands(tmp_path: Path, run_cli: RunCli) -> None:
    refused = run_cli("image", "generate", "--dataset", "celeba", "-o", tmp_path / "x.png")
    start = "melodylc image train --dataset celeba --data FOLDER -o celeba --part"
    assert f"{start} vae && {start} actor, then --run celeba" in refused.err


def test_a_model_of_another_data_set_is_refused(trained: Path, tmp_path: Path, run_cli: RunCli) -> None:
    refused = run_cli("image", "generate", "--dataset", "mnist", "--run", trained, "-o", tmp_path / "x.png")
    assert refused.code == 2
    assert "a checkpoint of faces, not of mnist" in refused.err


@pytest.mark.parametrize(
    ("name", "line"),
    [(".", "holds other files (mine.txt)"), ("x.jpg", "a sheet is a PNG"), ("no/x.png", "is no folder: make it first")],
)
def test_a_place_that_can_not_be_is_refused(tmp_path: Path, run_cli: RunCli, name: str, line: str) -> None:
    (tmp_path / "mine.txt").touch()
    refused = run_cli("image", "generate", "--dataset", "faces", "-o", tmp_path / name)
    assert refused.code == 2
    assert line in refused.err


@pytest.mark.parametrize("kind", ["a picture", "a text"])
def test_somebody_elses_file_is_left_alone(tmp_path: Path, run_cli: RunCli, kind: str) -> None:
    path = tmp_path / "mine.png"
    if kind == "a picture":
        Image.new("RGB", (4, 4)).save(path)
    else:
        path.write_text(json.dumps({"mine": True}))
    before = path.read_bytes()
    assert "name another file" in run_cli("image", "generate", "--dataset", "faces", "-o", path).err
    assert path.read_bytes() == before


# -- evaluating --------------------------------------------------------------------------------


def test_evaluation_judges_test_data_and_every_actor(
    trained: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("melodylc.image.evaluation.label_ms_ssim", partial(label_ms_ssim, pairs=2))
    pytest.importorskip("sklearn", reason="scikit-learn, of the extra melodylc[image], isn't installed")
    shown = run_cli("image", "evaluate", "--dataset", "faces", "--run", trained, "-n", 20, "--by-label")
    assert shown.code == 0
    lines = [line.split() for line in shown.out.splitlines()]
    (start,) = (at for at, line in enumerate(lines) if line[:2] == ["F1", "Bald"])
    macro, each = float(lines[2][5]), [float(cell) for cell in lines[start + 2][2:]]
    assert len(each) == 10
    assert sum(each) / 10 == pytest.approx(macro, abs=1e-3)
    assert [line[:1] for line in lines[2:6]] == [["test"], ["given"], ["generated,"], ["generated,"]]
    assert all(0 <= float(cell) <= 1 for line in lines[2:4] for cell in line[2:])  # four scores, no z_MSE, MS-SSIM
    assert all(0 <= float(cell) <= 1 for line in lines[4:6] for cell in (*line[3:7], line[8]))
    assert all(float(line[7]) > 0 for line in lines[4:6])


def test_scores_by_hand() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn, of the extra melodylc[image], isn't installed")
    asked = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    told = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    found = score_labels(asked, told, exclusive=True)
    # Class 0: precision 1, recall 1/2, F1 2/3. Class 1: precision 2/3, recall 1, F1 4/5.
    assert (found.accuracy, found.count) == (0.75, 4)
    assert [found.precision, found.recall] == pytest.approx([5 / 6, 3 / 4])
    assert found.each == pytest.approx((2 / 3, 4 / 5))
    assert found.f1 == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert score_labels(asked, told, exclusive=False).accuracy == 0.75


def test_evaluation_without_scikit_learn_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn.metrics", None)
    with pytest.raises(InputError, match=r"needs scikit-learn: pip install -e '\.\[image\]'"):
        score_labels(torch.eye(2), torch.eye(2), exclusive=True)


def test_captions() -> None:
    assert caption([0, 0], ["a", "b"], exclusive=False) == "none"
    assert caption([0, 1], ["a", "No_Beard"], exclusive=False) == "No Beard"


# -- help --------------------------------------------------------------------------------------


def commands(group: click.Group) -> Iterator[click.Command]:
    for command in group.commands.values():
        yield from commands(command) if isinstance(command, click.Group) else [command]


@pytest.mark.parametrize("command", [*commands(image)], ids=lambda command: command.name)
def test_help_has_its_examples_on_lines_of_their_own(command: click.Command) -> None:
    text = command.get_help(click.Context(command))
    assert "\\b" not in text
    examples = [line.strip() for line in text.splitlines() if "--dataset mnist" in line or "--dataset celeba" in line]
    assert all(line.startswith("melodylc image ") for line in examples)
