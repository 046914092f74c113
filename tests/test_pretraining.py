"""What a critic learns before any rule: melodies are spoilt lawfully, statistics are right, and it can read them."""

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Run
from small_corpus import build_small
from torch import Tensor

from melodylc.constraints.bank import find_bank
from melodylc.constraints.features import WIDTH, exact
from melodylc.constraints.pretraining import train
from melodylc.constraints.pretraining.augmentation import augment_melodies, canonical_events
from melodylc.constraints.pretraining.store import (
    load_pretrained_critic,
    pretrained_critic_path,
    save_pretrained_critic,
)
from melodylc.constraints.pretraining.targets import PITCH_CLASS_SETS, TARGET_POWERS, TARGETS, pretraining_targets
from melodylc.constraints.pretraining.train import PRETRAINING_SETTINGS, PretrainingStage, pretrain_critic
from melodylc.data import CheckpointError, InputError, Melody
from melodylc.data.alphabet import HOLD, REST, STATES
from melodylc.data.alphabet import canonical as reference
from melodylc.data.corpus import Corpus
from melodylc.latent.critic import Critic
from melodylc.models.checkpoint import shipped_model
from melodylc.models.noise import Noise


@pytest.fixture(scope="module")
def melodies() -> Tensor:
    model = shipped_model()
    events = find_bank(model, model.prior()).events[:400]
    return canonical_events(events.long())


def random_events(count: int) -> Tensor:
    events = torch.randint(0, STATES, (count, 256), generator=torch.Generator().manual_seed(1))
    return torch.where(torch.rand(count, 256, generator=torch.Generator().manual_seed(2)) < 0.6, HOLD, events)


def test_the_canonical_form_is_that_of_the_alphabet() -> None:
    events = random_events(50)
    np.testing.assert_array_equal(canonical_events(events).numpy(), reference(events.numpy().astype(np.uint8))[0])


def test_what_is_distorted_is_melodies_always_the_same_of_the_same_noise(melodies: Tensor) -> None:
    before = melodies.clone()
    one, again, other = (augment_melodies(melodies, Noise(seed)) for seed in (3, 3, 4))
    assert torch.equal(melodies, before)
    assert torch.equal(one, again)
    assert ((one != other).float().mean(1) > 0.05).float().mean() > 0.9
    for found in (
        one,
        augment_melodies(random_events(50), Noise(1)),
        augment_melodies(torch.full((3, 256), REST), Noise(1)),
    ):
        assert found.min() >= 0
        assert found.max() < STATES
        assert torch.equal(found, canonical_events(found))


FAST = replace(
    PRETRAINING_SETTINGS,
    stages=(replace(PRETRAINING_SETTINGS.stages[0], batch=4, steps=6, warmup=2),),
    validate_every=2,
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build_small(tmp_path_factory)


@pytest.fixture
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "HELDOUT_MELODIES", 4)
    monkeypatch.setattr(train, "MEASURED", 16)


def interrupt(_: object) -> None:
    signal.raise_signal(signal.SIGINT)


SELDOM: dict[str, Callable[[Melody], bool]] = {
    "few pitch classes": lambda melody: len(np.unique(melody.pitches % 12)) <= 3,
    "an octave": lambda melody: melody.note_count > 0 and int(np.ptp(melody.pitches)) <= 12,
    "one rhythm": lambda melody: bool((melody.events.reshape(16, 16) < HOLD).std(0).max() == 0),
    "turns": lambda melody: len(melody.intervals) > 9 and bool(np.mean(np.diff(np.sign(melody.intervals)) != 0) > 0.9),
    "climbs": lambda melody: len(melody.pitches) > 9 and float(np.ptp(melody.pitches)) > 40,
    "many notes": lambda melody: melody.note_count > 200,
}


@pytest.mark.parametrize("name", SELDOM)
def test_melodies_come_about_that_hardly_any_sample_is_like(melodies: Tensor, name: str) -> None:
    both = augment_melodies(melodies.repeat(3, 1), Noise(0)), melodies
    often, before = (
        float(np.mean([SELDOM[name](Melody(row)) for row in some.numpy().astype(np.uint8)])) for some in both
    )
    assert often > max(0.005, before)


def test_targets_are_numbers_between_0_and_1_of_each_melody_alone(melodies: Tensor) -> None:
    some = torch.cat((melodies[:60], random_events(20), torch.full((1, 256), REST), torch.full((1, 256), 60)))
    found = pretraining_targets(canonical_events(some))
    assert found.shape == (82, TARGETS)
    assert found.isfinite().all()
    assert found.min() >= 0
    assert found.max() <= 1
    torch.testing.assert_close(
        torch.cat([pretraining_targets(canonical_events(row[None])) for row in some[:9]]), found[:9]
    )
    spread = pretraining_targets(augment_melodies(melodies, Noise(0))).std(0)
    assert (spread > 0.005).float().mean() > 0.97  # what never varies teaches nothing


def test_the_first_targets_are_shares_of_pitch_classes_and_powers_of_sets_of_them(melodies: Tensor) -> None:
    found = pretraining_targets(melodies[:20])
    for row, told in zip(melodies[:20].numpy().astype(np.uint8), found, strict=True):
        pitches = Melody(row).pitches
        shares = [float(np.mean(pitches % 12 == number)) if len(pitches) else 0.0 for number in range(12)]
        assert told[:12].tolist() == pytest.approx(shares, abs=1e-5)
        inside = [
            sum(share for share, there in zip(shares, chosen, strict=True) if there)
            for chosen in PITCH_CLASS_SETS.tolist()
        ]
        powers = [share**power for power in TARGET_POWERS for share in inside]
        assert told[12 : 12 + len(powers)].tolist() == pytest.approx(powers, abs=1e-4)


def test_transposing_an_octave_changes_heights_and_nothing_of_rhythm_or_form(melodies: Tensor) -> None:
    inside = melodies[((melodies < 100) | (melodies >= HOLD)).all(1)][:50]
    higher = torch.where(inside < HOLD, inside + 12, inside)
    changed = (pretraining_targets(inside) - pretraining_targets(higher)).abs().amax(0) > 1e-5
    assert changed.any()
    assert not changed[:12].any()
    assert changed.float().mean() < 0.25


def test_a_critic_learns_to_read_them(melodies: Tensor) -> None:
    torch.manual_seed(0)
    critic = Critic(16, 16 * WIDTH, TARGETS, hidden=64, layers=2)
    stage = PretrainingStage(critic, melodies)
    optimiser = torch.optim.Adam(stage.parameters(), 3e-3)
    losses = []
    for step in range(60):
        loss, figures = stage.loss(melodies[torch.randint(400, (64,))], 0.5, Noise(step))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))
        assert set(figures) == {"explained"}
    assert np.mean(losses[-10:]) < np.mean(losses[:5]) - 0.01


def test_the_one_that_ships_reads_them_off_melodies_it_never_met(melodies: Tensor) -> None:
    critic = load_pretrained_critic(pretrained_critic_path())
    found = augment_melodies(melodies, Noise(12345))
    told = pretraining_targets(found)
    with torch.no_grad():
        read = critic(exact(found))[..., 0].sigmoid()
    explained = 1 - ((read - told) ** 2).mean(0) / (told.var(0) + 1e-4)
    assert explained.median() > 0.9


def test_a_file_brings_it_back_and_one_of_another_view_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    critic, path, view = (
        Critic(16, 16 * WIDTH, 5, hidden=16, layers=2),
        tmp_path / "critic.safetensors",
        torch.randn(2, 16, 656),
    )
    save_pretrained_critic(path, critic, {"corpus": "none"})
    torch.testing.assert_close(load_pretrained_critic(path)(view), critic(view), atol=2e-2, rtol=2e-2)
    with pytest.raises(CheckpointError, match="no such file"):
        load_pretrained_critic(tmp_path / "other")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match="damaged"):
        load_pretrained_critic(path)
    monkeypatch.setattr("melodylc.constraints.pretraining.store.VERSION", "of old")
    save_pretrained_critic(path, critic, {})
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="another view"):
        load_pretrained_critic(path)


@pytest.mark.usefixtures("_few")
def test_an_interrupted_run_goes_on_to_the_same_file(corpus: Corpus, tmp_path: Path) -> None:
    whole = pretrain_critic(corpus, FAST, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        pretrain_critic(corpus, FAST, tmp_path / "parts", interrupt)
    assert not (tmp_path / "parts" / whole.name).exists()
    parts = pretrain_critic(corpus, FAST, tmp_path / "parts")
    pairs = zip(load_pretrained_critic(whole).parameters(), load_pretrained_critic(parts).parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    with pytest.raises(InputError, match="settings"):
        pretrain_critic(corpus, replace(FAST, seed=1), tmp_path / "parts")


@pytest.mark.usefixtures("_few")
def test_the_command_line_pre_trains_one(corpus: Corpus, tmp_path: Path, run_cli: Callable[..., Run]) -> None:
    run = run_cli("train", "critic", corpus.folder, "-o", tmp_path / "run", "--steps", 2)
    assert run.code == 0, run.err
    assert "wrote" in run.out
    assert load_pretrained_critic(tmp_path / "run" / "model.safetensors").parts == TARGETS
    run = run_cli("train", "critic", tmp_path / "none", "-o", tmp_path / "other", "--steps", 2)
    assert run.code == 2
    assert "Traceback" not in run.err
