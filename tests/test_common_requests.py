"""The requests that one actor serves: they are rules like any other, told as labels."""

from pathlib import Path

import numpy as np
import pytest
import torch

from melodylc.constraints import actors, fitting
from melodylc.constraints.actors import find_actor
from melodylc.constraints.bank import Bank
from melodylc.constraints.common_requests import IDENTITY, IN_C, PARTS, REQUESTS, CommonRequest, common_request, draw
from melodylc.constraints.objective import CommonBox
from melodylc.constraints.request import Request
from melodylc.data.alphabet import canonical
from melodylc.latent.fit import FitSettings
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import named_config
from melodylc.models.language import LanguageConfig, MelodyLM
from melodylc.models.vae import MelodyVAE
from melodylc.rewards import Rule, density, pitch_classes, variety
from melodylc.sampling.fitting import failing_starts, fit_common_actor


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ({"scale": ["c"]}, CommonRequest(0, 0, 0)),
        ({"scale": ["f# minor"], "density": ["low"]}, CommonRequest(9, 2, 1)),
        ({"scale": ["bb"], "density": ["64..128"], "tonic": True}, CommonRequest(10, 1, 2)),
        ({"scale": ["a minor"], "density": ["192.."]}, CommonRequest(0, 2, 3)),
        ({"scale": ["d dorian"]}, None),
        ({"scale": ["c"], "density": ["65..128"]}, None),
        ({"scale": ["c"], "variety": False}, None),
        ({"density": ["low"]}, None),
    ],
)
def test_what_is_typed_is_a_common_request_or_isn_t(typed: dict[str, list[str]], found: CommonRequest | None) -> None:
    rule = Request.read(**typed).rule  # type: ignore[arg-type]
    assert rule is not None
    assert common_request(rule) == found


def test_all_differ_and_find_their_way_back() -> None:
    assert len({request.rule.identity for request in REQUESTS}) == len(REQUESTS) == 144
    assert len({tuple(request.label.tolist()) for request in REQUESTS}) == len(IN_C) == 12  # the same in all keys
    assert all(common_request(request.rule) == request for request in REQUESTS)
    assert common_request(Rule((variety(), pitch_classes([11, 9, 7, 5, 4, 2, 0])))) == CommonRequest(0, 0, 0)


def test_what_is_asked_is_what_the_rule_in_c_says(model: LoadedModel) -> None:
    rng = np.random.default_rng(0)
    notes = rng.integers(40, 90, (200, 256))
    events = np.where(rng.random(notes.shape) < rng.random((len(notes), 1)), notes, 128).astype(np.uint8)
    events[:12] = 129
    scores = CommonBox(model.vae).score(torch.from_numpy(events))
    assert scores.shape == (200, len(PARTS))
    for request in IN_C:
        asked = request.label.bool().numpy()
        parts = [part for part, wanted in zip(PARTS, asked, strict=True) if wanted]
        assert (scores[:, asked] == Rule(tuple(parts)).scores(canonical(events)[0])).all()
        assert {part.name for part in parts} == set(request.rule.names)


def test_drawn_labels_name_requests() -> None:
    told = draw(2000, torch.Generator().manual_seed(0))
    assert told.shape == (2000, len(PARTS))
    assert {tuple(row) for row in told.tolist()} == {tuple(request.label.tolist()) for request in IN_C}


@pytest.fixture
def model() -> LoadedModel:
    torch.manual_seed(2)
    vae = MelodyVAE(named_config("tiny")).requires_grad_(False).eval()
    language = MelodyLM(LanguageConfig(event=8, bar_event=4, bar_hidden=8, embedding=8, context=8, hidden=8))
    return LoadedModel(vae, torch.ones(32), "f" * 16, {}, language.requires_grad_(False).eval())


def test_a_shipped_common_actor_serves_what_nothing_else_does(
    model: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MELODYLC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(actors, "pretrained", lambda: tmp_path)
    monkeypatch.setattr("melodylc.constraints.bank.SIZE", fitting.HELD_BACK + 40)
    few = FitSettings(bank=40, rounds=1, warmup=1, fresh=4, actor_steps=1, critic_steps=1, check=2, measure=24)
    fitted = fit_common_actor(model, tmp_path / "common.safetensors", lambda _: None, few, threads=1)
    assert fitted.stored.header.rule == IDENTITY
    assert fitted.stored.rates.samples == 24

    def found(root: int, density: int) -> actors.FoundActor:
        there = find_actor(model, CommonRequest(root, 2, density).rule, other_keys=True)
        assert there is not None
        return there

    z, context = torch.randn(3, 16, 2), torch.randn(3, 16, model.vae.chain[2])
    low = found(3, 1)
    assert (low.origin, low.shift, low.edits) == ("shipped", 3, (("snap", 0, 2, 4, 5, 7, 9, 11),))
    assert found(7, 3).edits[1:] == (("divide", 1, 1),)
    assert low.move(z, context, 0).equal(found(8, 1).move(z, context, 0))
    assert not low.move(z, context, 0).equal(found(3, 2).move(z, context, 0))
    assert find_actor(model, CommonRequest(3, 2, 1).rule) is None  # a melody of the user's isn't moved to another key
    assert find_actor(model, CommonRequest(0, 2, 1).rule) is not None
    assert find_actor(model, Rule((density(20),)), other_keys=True) is None


def test_it_learns_on_draws_that_miss_what_is_asked_of_them(model: LoadedModel) -> None:
    z = torch.randn(48, 32, generator=torch.Generator().manual_seed(0))
    starts = failing_starts(model.vae, Bank(z, model.vae.raw_events(z).to(torch.uint8)))
    assert starts.labels is not None
    assert 0 < len(starts.z) <= 48
    scores = CommonBox(model.vae).score(starts.decoded)
    assert ((scores < 1) & starts.labels.bool().numpy()).any(axis=1).all()
