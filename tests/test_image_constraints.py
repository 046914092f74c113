"""What else constrains pictures: AC-GAN's losses, critics that read labels, realism; the figures; transformation."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import Run
from PIL import Image

from melodylc.data.errors import CheckpointError, InputError
from melodylc.data.pictures import loading
from melodylc.data.pictures.faces import draw_faces
from melodylc.image.evaluation import label_ms_ssim
from melodylc.image.experiments.figures import (
    band_colours,
    before_and_after,
    critic_map,
    draw_contour_map,
    draw_curves,
    optimisation_frames,
    traversal,
)
from melodylc.image.pipeline import (
    generate_pictures,
    load_auxiliary_pipeline,
    load_picture_model,
    load_pipeline,
    load_realism,
)
from melodylc.image.sheet import read_manifest
from melodylc.image.store import load_attributes, load_picture_actor, save_attributes
from melodylc.image.training import _AttributeStage, _EncodingRows, part_path, train_actor, train_auxiliary
from melodylc.image.transformation import label_goal, no_worse, pictures_without, target_labels
from melodylc.latent.actor import move_vectors
from melodylc.latent.gan import AttributeCritic, AuxiliaryCritic, AuxiliaryGAN, GANSettings, label_loss
from melodylc.latent.optimise import Goal, OptimiseSettings, optimise
from melodylc.latent.samples import Encodings
from melodylc.latent.spread import SpreadRestoration
from melodylc.models.noise import Noise

RunCli = Callable[..., Run]
FEW = {"train": 20, "valid": 6, "test": 8}


@pytest.fixture(scope="module", autouse=True)
def _few_faces() -> object:
    patch = pytest.MonkeyPatch()
    for split, count in FEW.items():
        patch.setitem(loading.FACES, split, count)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from melodylc.cli.main import run as call

    folder = tmp_path_factory.mktemp("run")
    start = ["image", "train", "--dataset", "faces", "-o", str(folder), "--steps", "2"]
    assert call(start) == 0
    for part in ("realism", "attributes"):
        assert call([*start, "--part", part]) == 0
    for part in ("actor", "auxiliary"):
        assert call([*start, "--part", part, "--distance", "0.1"]) == 0
    return folder


# -- losses ------------------------------------------------------------------------------------


def test_a_label_that_is_missing_costs_its_cross_entropy() -> None:
    logits, labels = torch.randn(4, 3), torch.tensor([[0.0, 1.0, 1.0]]).expand(4, 3)
    expected = -(labels * F.logsigmoid(logits) + (1 - labels) * F.logsigmoid(-logits)).sum(dim=1)
    assert torch.allclose(label_loss(logits, labels), expected)
    critic = AuxiliaryCritic(5, 3, hidden=8, layers=2)
    z = torch.randn(4, 5)
    real, told = critic.both(z)
    assert torch.allclose(critic.cost(z, labels), F.softplus(-real) + label_loss(told, labels))
    assert torch.equal(critic(z, labels), real)


def two_heaps() -> Encodings:
    labels = torch.eye(2).repeat(100, 1)
    mean = torch.zeros(200, 4)
    mean[:, 0] = 4 * labels[:, 0] - 2
    return Encodings(mean, torch.full((200, 4), 0.3), labels)


def test_the_auxiliary_actor_goes_where_the_labels_are() -> None:
    settings = GANSettings(
        steps=200, critic_steps=3, batch=32, critic_rate=3e-3, actor_rate=3e-3, hidden=32, layers=2, average=0.9
    )
    game = AuxiliaryGAN(two_heaps(), torch.full((4,), 0.3), settings)
    while game.round_number < settings.steps:
        game.step()
    z = torch.randn(200, 4, generator=torch.Generator().manual_seed(1))
    left, right = (move_vectors(game.mean_actor, z, torch.eye(2)[[label]].expand(200, 2))[:, 0] for label in (1, 0))
    assert ((left < 0) & (right > 0)).float().mean() > 0.9


def test_an_auxiliary_game_goes_on_where_it_stopped() -> None:
    settings = GANSettings(steps=3, critic_steps=2, batch=8, hidden=8, layers=2)
    whole, first, second = (AuxiliaryGAN(two_heaps(), torch.ones(4), settings) for _ in range(3))
    for _ in range(3):
        whole.step()
    first.step()
    second.restore(first.state())
    for _ in range(2):
        second.step()
    assert all(torch.equal(tensor, second.state()[name]) for name, tensor in whole.state().items())


# -- files -------------------------------------------------------------------------------------


def test_parts_are_kept_and_belong_to_their_vae(run: Path) -> None:
    model = load_picture_model("faces", run)
    realism = load_realism(run, model)
    assert realism.names == ()
    assert realism.critic(torch.zeros(2, 32)).shape == (2,)
    assert isinstance(load_auxiliary_pipeline("faces", run, 0.1).constraint.critic, AuxiliaryCritic)
    reader = load_attributes(part_path(run, "attributes"), "faces", model.fingerprint)
    assert reader.critic(torch.zeros(2, 32)).shape == (2, 10)
    for load, part in ((load_picture_actor, "realism"), (load_attributes, "attributes")):
        with pytest.raises(CheckpointError, match=f"another VAE than the one beside it; train it again .--part {part}"):
            load(part_path(run, part), "faces", "0" * 16)
        with pytest.raises(CheckpointError, match="a checkpoint of faces, not of mnist"):
            load(part_path(run, part), "mnist")


@pytest.mark.parametrize(("distance", "share", "wide"), [(0.1, 0.5, True), (0.1, 0.0, False), (0.0, 0.5, False)])
def test_a_penalised_actor_is_given_spread_back(
    run: Path, tmp_path: Path, distance: float, share: float, wide: bool
) -> None:
    shutil.copytree(run / "vae", tmp_path / "vae")
    settings = GANSettings(steps=1, critic_steps=1, batch=8, hidden=8, layers=2, distance=distance, spread_share=share)
    train_actor(draw_faces(FEW["train"]), settings, tmp_path)
    chain = load_pipeline("faces", tmp_path, distance)
    assert isinstance(chain.constraint.actor, SpreadRestoration) == wide
    assert generate_pictures(chain, {}, 2, seed=0).pixels.shape == (2, 3, 64, 64)


def test_an_auxiliary_actor_that_was_penalised_gets_its_spread_back(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "vae", tmp_path / "vae")
    settings = GANSettings(steps=1, critic_steps=1, batch=8, hidden=8, layers=2, distance=0.1, spread_share=0.5)
    train_auxiliary(draw_faces(12), settings, tmp_path)
    train_auxiliary(draw_faces(12), replace(settings, distance=0.0), tmp_path)
    kept = [load_auxiliary_pipeline("faces", tmp_path, far).constraint.actor for far in (0.1, 0.0)]
    assert [isinstance(actor, SpreadRestoration) for actor in kept] == [True, False]


def test_a_critic_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    shape = {"dim": 4, "labels": 3, "hidden": 8, "layers": 2}
    save_attributes(
        path, AttributeCritic(**shape), {**shape, "dim": 5}, ("a", "b", "c"), {"dataset": "faces", "vae": ""}
    )
    with pytest.raises(CheckpointError, match="weights and configuration don't fit"):
        load_attributes(path)


# -- figures -----------------------------------------------------------------------------------


def test_a_traversal_changes_one_label_a_column(run: Path) -> None:
    chain = load_pipeline("faces", run)
    shown = traversal(chain, {7: True}, [(5, True), (7, False)], 3, seed=0)
    assert shown.columns == 3
    assert shown.captions == ("Smiling", "+ Male", "- Smiling") * 3
    assert shown.pixels.shape == (9, 3, 64, 64)
    alone = traversal(chain, {7: True, 5: True}, [], 3, seed=0)
    assert np.array_equal(shown.pixels[1::3], alone.pixels)  # the same z, the labels as they have become


def test_optimised_samples_go_towards_realism_in_frames(run: Path) -> None:
    model = load_picture_model("faces", run)
    realism = load_realism(run, model)
    shown = optimisation_frames(model, realism, None, {}, 2, 0, OptimiseSettings(steps=4, frames=2))
    assert shown.columns == 3
    assert [text.split(",")[0] for text in shown.captions] == ["step 0", "step 2", "end"] * 2
    start = before_and_after(model, realism, 2, seed=0)
    assert np.array_equal(shown.pixels[[0, 3]], start.pixels[:2])


def test_a_goal_of_labels_is_their_joint_probability() -> None:
    critic = AttributeCritic(4, 3, hidden=8, layers=2)
    z, labels = torch.randn(5, 4), torch.tensor([[1.0, 0.0, 1.0]]).expand(5, 3)
    goal = label_goal(critic, labels, [0, 1], belief=0.5)
    chances = critic(z).sigmoid()
    assert torch.allclose(goal.cost(z), -(chances[:, 0] * (1 - chances[:, 1])).log(), atol=1e-5)
    assert goal.threshold == pytest.approx(np.log(2))


def test_a_belief_map_is_of_the_two_sharpest_dimensions(run: Path) -> None:
    model = load_picture_model("faces", run)
    faces = draw_faces(4, "test")
    values, (first, second), points = critic_map(model, load_realism(run, model).critic, faces)
    assert {first, second} == set(model.sigma_bar.topk(2, largest=False).indices.tolist())
    z = torch.zeros(1, 32)
    z[0, first], z[0, second] = 3, -3
    with torch.no_grad():
        corner = load_realism(run, model).critic(z).sigmoid().item()
    assert values[0, -1] == pytest.approx(corner, abs=1e-5)  # rows are the second dimension
    assert points.shape == (4, 2)


def test_plots_are_pictures(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 400).reshape(20, 20)
    draw_contour_map(tmp_path / "map.png", {"a": values, "b": values.T}, 3.0, np.array([[2.9, 2.9]]), [3], ("x", "y"))
    with Image.open(tmp_path / "map.png") as picture:
        assert picture.getpixel((48 + int(480 * 5.9 / 6), 48 + int(480 * 0.1 / 6))) == (214, 39, 40)  # the point
        assert picture.getpixel((50, 48 + 478)) == tuple(
            band_colours(values)[0, 0].astype(int)
        )  # the second axis is upwards
    draw_curves(tmp_path / "curves.png", {"s": [0.1, 0.9], "t": [0.5]}, "title", 1.0)
    assert (tmp_path / "curves.png").stat().st_size > 1000


@pytest.mark.parametrize(
    "words",
    [
        ("traverse", "--attr", "smiling", "--then", "male", "-n", 2),
        ("realism", "-n", 2),
        ("frames", "-n", 2, "--steps", 2, "--every", 1, "--attr", "smiling"),
        ("contours",),
    ],
)
def test_figures_are_drawn(run: Path, tmp_path: Path, run_cli: RunCli, words: tuple[object, ...]) -> None:
    path = tmp_path / "figure.png"
    assert run_cli("image", "figure", *words, "--dataset", "faces", "--run", run, "-o", path).code == 0
    with Image.open(path) as picture:
        assert min(picture.size) > 100


def test_deviations_are_drawn_for_several_runs(run: Path, tmp_path: Path, run_cli: RunCli) -> None:
    assert run_cli("image", "figure", "deviations", run, run, "-o", tmp_path / "d.png").code == 0
    refused = run_cli("image", "figure", "deviations", tmp_path, "-o", tmp_path / "d.png")
    assert (refused.code, refused.err.count("\n")) == (2, 1)


# -- transformation ----------------------------------------------------------------------------


def test_pictures_that_lack_what_is_wanted_are_chosen() -> None:
    faces = draw_faces(30, "test")
    chosen = pictures_without(faces, {7: True}, 5)
    assert len(chosen) == 5
    assert not chosen.labels[:, 7].any()
    everyone = faces.only(faces.labels[:, 7] == 1)
    with pytest.raises(InputError, match="all pictures of faces have what was asked"):
        pictures_without(everyone, {7: True}, 5)
    assert target_labels(torch.ones(1, 2), {0: False}, exclusive=False).tolist() == [[0, 1]]


def test_what_was_so_from_the_start_is_no_reason_to_move() -> None:
    start = torch.tensor([[0.0, 0.0], [3.0, 0.0]])
    doubted = Goal(lambda z: z[:, 0].square(), weight=0.1, threshold=1.0)  # the second starts beyond it
    wanted = Goal(lambda z: (z[:, 1] - torch.tensor([0.0, 1.0])).square(), threshold=0.01)
    free = optimise(start, [wanted, doubted]).z
    held = optimise(start, [wanted, no_worse(doubted, start)]).z
    assert held[0].equal(start[0])
    assert held[1, 0] == 3
    assert free[1, 0] < 2
    assert abs(held[1, 1] - 1) <= 0.1


def test_an_attribute_critic_learns_with_a_part_of_itself_and_judges_with_all() -> None:
    torch.manual_seed(0)
    encodings = Encodings(torch.randn(6, 4), torch.zeros(6, 4), torch.ones(6, 3))
    stage = _AttributeStage(critic := AttributeCritic(4, 3, hidden=32, layers=2), _EncodingRows(encodings, 0))
    rows = torch.arange(6)
    first, second, again = (stage.loss(rows, 0.0, Noise(seed))[0].item() for seed in (0, 1, 0))
    assert first == again
    assert first != second
    critic.eval()
    whole = stage.loss(rows, 0.0, Noise(0))[0]
    assert whole.item() == pytest.approx(critic.cost(encodings.mean, encodings.labels).mean().item())


def test_faces_are_transformed_in_three_ways(run: Path, tmp_path: Path, run_cli: RunCli) -> None:
    path = tmp_path / "smiling.png"
    ask = ["image", "transform", "--dataset", "faces", "--run", run, "--attr", "smiling", "-n", 4, "-o", path]
    done = run_cli(*ask)
    assert done.code == 0
    lines = [line.split() for line in done.out.splitlines() if line.strip()]
    assert [line[0] for line in lines[2:5]] == ["optimised", "actor,", "actor,"]
    assert all(0 <= float(cell) <= 1 for line in lines[2:5] for cell in line[-5:-3])
    assert read_manifest(path)["request"]["attributes"] == ["smiling"]
    with Image.open(path) as picture:
        assert picture.size[1] > 5 * 128  # given, encoded, and three ways


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("transform", "--attr", "smilling"), "unknown attribute 'smilling'; nearest: smiling"),
        (("transform",), "nothing to change: give --attr"),
        (("transform", "--digit", "7"), "faces has attributes, not classes"),
        (("figure", "traverse", "--then", "hat"), "unknown attribute 'hat'"),
        (("figure", "frames", "--attr", "male", "--attr", "no-male"), "Male can't be both there and absent"),
        (("figure", "realism", "--run", "nowhere"), "nowhere has no trained model of it"),
    ],
)
def test_mistakes_are_one_line(run: Path, tmp_path: Path, run_cli: RunCli, words: tuple[str, ...], line: str) -> None:
    given = ["image", *words, "--dataset", "faces", "-o", tmp_path / "x.png"]
    refused = run_cli(*given, *(() if "--run" in words else ("--run", run)))
    assert refused.code == 2
    assert line in refused.err
    assert refused.err.count("\n") == 1


def test_a_part_that_is_missing_is_named_with_its_command(run: Path, tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "model.safetensors").write_bytes((run / "vae" / "model.safetensors").read_bytes())
    refused = run_cli("image", "figure", "realism", "--dataset", "faces", "--run", tmp_path, "-o", tmp_path / "x.png")
    assert refused.code == 2
    assert f"has no realism critic: melodylc image train --dataset faces -o {tmp_path} --part realism" in refused.err


def test_evaluation_tells_acgan_and_ratios_too(run: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("melodylc.image.evaluation.label_ms_ssim", partial(label_ms_ssim, pairs=2))
    pytest.importorskip("sklearn", reason="scikit-learn, of the extra melodylc[image], isn't installed")
    shown = run_cli("image", "evaluate", "--dataset", "faces", "--run", run, "-n", 20)
    assert shown.code == 0
    assert "AC-GAN, distance 0.1: F1 over test data's" in shown.out
    assert "z_MSE with distance 0.1 over without:" in shown.out
    assert "AC-GAN, z_MSE" not in shown.out  # there is one of it alone


def test_a_run_of_acgan_alone_is_judged(
    run: Path, tmp_path: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("melodylc.image.evaluation.label_ms_ssim", partial(label_ms_ssim, pairs=2))
    pytest.importorskip("sklearn", reason="scikit-learn, of the extra melodylc[image], isn't installed")
    for part in ("vae", "classifier", "auxiliary-0.1"):
        shutil.copytree(run / part, tmp_path / part)
    train = ["image", "train", "--dataset", "faces", "-o", tmp_path, "--steps", 2, "--part", "auxiliary"]
    assert run_cli(*train, "--distance", 0).code == 0
    shown = run_cli("image", "evaluate", "--dataset", "faces", "--run", tmp_path, "-n", 20)
    assert shown.code == 0
    assert "generated, distance" not in shown.out
    assert "AC-GAN, z_MSE with distance 0.1 over without:" in shown.out
    for part in ("auxiliary-0.1", "auxiliary-0"):
        shutil.rmtree(tmp_path / part)
    refused = run_cli("image", "evaluate", "--dataset", "faces", "--run", tmp_path, "-n", 20)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert f"has no actor yet: melodylc image train --dataset faces -o {tmp_path} --part actor" in refused.err
