"""Melodies as a black box, and the bank of decoded samples."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from melodylc.constraints import bank as banks
from melodylc.constraints.bank import Bank, find_bank, make_bank
from melodylc.constraints.features import LEFT, STEP, WIDTH, expected
from melodylc.constraints.objective import MelodyBox
from melodylc.data.alphabet import HOLD, STATES, canonical
from melodylc.latent.actor import Actor, ActorConfig
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import named_config
from melodylc.models.language import LanguageConfig, MelodyLM
from melodylc.models.prior import NormalPrior
from melodylc.models.vae import MelodyVAE
from melodylc.rewards import Rule, density, parse_reward, pitch_classes

SMALL = 20


@pytest.fixture
def model() -> LoadedModel:
    torch.manual_seed(2)
    vae = MelodyVAE(named_config("tiny")).requires_grad_(False).eval()
    language = MelodyLM(LanguageConfig(event=8, bar_event=4, bar_hidden=8, embedding=8, context=8, hidden=8))
    return LoadedModel(vae, torch.ones(32), "f" * 16, {}, language.requires_grad_(False).eval())


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A small bank, and a cache of the test's own."""
    monkeypatch.setattr(banks, "SIZE", SMALL)
    monkeypatch.setenv("MELODYLC_CACHE", str(tmp_path))
    return tmp_path


def test_a_box_scores_canonical_melodies_with_the_rule_s_weights(model: LoadedModel) -> None:
    rule = Rule((pitch_classes([0, 2, 4]), parse_reward("0.5*density,least=256")))
    box, z = MelodyBox(model.vae, rule), torch.randn(SMALL, 32)
    moved, decoded = box.decode(z)
    torch.testing.assert_close(moved, z)
    assert (decoded.shape, decoded.dtype) == ((SMALL, 256), torch.uint8)
    np.testing.assert_array_equal(box.score(decoded), rule.graded(canonical(decoded.numpy())[0]))
    assert box.draw_labels(SMALL, torch.Generator()).shape == (SMALL, 0)


def test_an_actor_moves_every_bar_as_the_box_shows_it(model: LoadedModel) -> None:
    box, z = MelodyBox(model.vae, Rule((density(16),))), torch.randn(6, 32)
    actor = Actor(ActorConfig(*box.layout, hidden=16)).requires_grad_(False)
    moved, decoded = box.decode(z, actor)
    context = box.context(decoded, z)
    assert context.shape == (6, box.layout.parts, box.layout.context)
    torch.testing.assert_close(
        box.move_at_once(z, context, actor), moved, rtol=0, atol=0.05
    )  # bfloat16 in another order
    assert not torch.allclose(moved, z, atol=0.05)


def test_what_a_critic_sees_of_a_melody_says_what_note_is_left_and_how_far_notes_leapt(model: LoadedModel) -> None:
    decoded = torch.randint(0, STATES, (5, 256), generator=torch.Generator().manual_seed(4)).to(torch.uint8)
    decoded[torch.rand(decoded.shape, generator=torch.Generator().manual_seed(5)) < 0.8] = HOLD
    seen = MelodyBox(model.vae, Rule((density(16),))).features(decoded).reshape(5, 256, WIDTH)
    for events, features in zip(decoded.tolist(), seen, strict=True):
        latest: int | None = None
        before = 0.0
        for event, found in zip(events, features, strict=True):
            leap = (event - (60 if latest is None else latest)) / STEP if event < HOLD else 0.0
            led = before
            latest, before = (event, leap) if event < HOLD else (latest, before)
            classes = [LEFT * (latest is not None and latest % 12 == number) for number in range(12)]
            height = 0.0 if latest is None else LEFT * (latest - 60) / STEP
            assert found[26:].tolist() == pytest.approx([*classes, height, leap, led], abs=1e-4)


def test_what_is_certain_is_seen_as_what_is_all_but_certain(model: LoadedModel) -> None:
    events = torch.randint(0, STATES, (3, 256), generator=torch.Generator().manual_seed(4))
    events[torch.rand(events.shape, generator=torch.Generator().manual_seed(5)) < 0.8] = HOLD
    seen = MelodyBox(model.vae, Rule((density(16),))).features(events.to(torch.uint8))
    torch.testing.assert_close(seen, expected(torch.nn.functional.one_hot(events, STATES).float()))


def test_a_critic_s_view_has_a_gradient_in_every_bar(model: LoadedModel) -> None:
    box, z = MelodyBox(model.vae, Rule((density(16),))), torch.randn(4, 32, requires_grad=True)
    decoded = box.decode(z.detach())[1]
    seen = box.expected_features(z, box.context(decoded, z.detach()), decoded)
    assert seen.shape == (4, 16, 16 * WIDTH)
    for bar in (0, 9, 15):
        (gradient,) = torch.autograd.grad(seen[:, bar].sum(), z, retain_graph=True)
        touched = gradient.view(4, 16, 2).abs().sum(dim=(0, 2)) > 0
        assert touched[bar]
        assert not touched[bar + 1 :].any()  # and in those before it, whose last note may be left over


def test_a_bank_is_made_once_and_kept(model: LoadedModel, few: Path) -> None:
    told: list[tuple[int, int]] = []
    for prior in (model.prior(), model.prior("normal")):
        made = find_bank(model, prior, lambda done, of: told.append((done, of)))
        kept = find_bank(model, prior, lambda done, of: pytest.fail("made again"))
        assert same(made, kept)
        assert same(made, make_bank(model, prior, SMALL))
        assert made.events.equal(model.vae.raw_events(made.z).to(torch.uint8))
    assert told == [(SMALL, SMALL)] * 2


def test_a_bank_of_another_model_or_prior_is_made_anew(model: LoadedModel, few: Path) -> None:
    prior = model.prior()
    first = find_bank(model, prior)
    path = next((few / "banks").iterdir())
    other = replace(model, fingerprint="0" * 16)
    path.rename(path.with_name(path.name.replace("f" * 16, "0" * 16)))
    made: list[int] = []
    find_bank(other, prior, lambda done, of: made.append(done))
    assert made
    assert not same(first, find_bank(model, NormalPrior(32)))


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b"no bank"), lambda path: path.write_bytes(b"")])
def test_a_damaged_bank_is_made_anew(model: LoadedModel, few: Path, spoil: Callable[[Path], object]) -> None:
    first = find_bank(model, model.prior())
    spoil(next((few / "banks").iterdir()))
    assert same(first, find_bank(model, model.prior()))


def test_a_cache_that_can_t_be_written_costs_time_and_no_more(
    model: LoadedModel, few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (few / "file").write_bytes(b"")
    monkeypatch.setenv("MELODYLC_CACHE", str(few / "file"))
    assert same(find_bank(model, model.prior()), make_bank(model, model.prior(), SMALL))


def same(one: Bank, other: Bank) -> bool:
    return one.z.equal(other.z) and one.events.equal(other.events)
