"""The requests that one actor serves: they are rules like any other, told as labels."""

from pathlib import Path

import numpy as np
import pytest
import torch

from melodylc import actors
from melodylc.actors import find_actor, fit_common_actor
from melodylc.common import IDENTITY, LABELS, REQUESTS, CommonRequest, common_request, draw, scores
from melodylc.data.alphabet import canonical
from melodylc.latent.settings import FitSettings
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import named_config
from melodylc.models.language import LanguageConfig, MelodyLM
from melodylc.models.vae import MelodyVAE
from melodylc.request import Request
from melodylc.rewards import Rule, density, pitch_classes, variety


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
    assert len({tuple(request.label.tolist()) for request in REQUESTS}) == 144
    assert all(common_request(request.rule) == request for request in REQUESTS)
    assert common_request(Rule((variety(), pitch_classes([11, 9, 7, 5, 4, 2, 0])))) == CommonRequest(0, 0, 0)


def test_scores_are_those_of_the_rules() -> None:
    rng = np.random.default_rng(0)
    notes = rng.integers(40, 90, (len(REQUESTS), 256))
    events = np.where(rng.random(notes.shape) < rng.random((len(notes), 1)), notes, 128).astype(np.uint8)
    events[:12] = 129
    events = canonical(events)[0]
    told = torch.stack([request.label for request in REQUESTS])
    for request, melody, row in zip(REQUESTS, events, scores(events, told), strict=True):
        rule, parts = request.rule, [True, request.end > 0, request.density > 0, True]
        assert row[parts].tolist() == rule.scores(melody[None])[0].tolist()
        assert (row[~np.array(parts)] == 1).all()


def test_drawn_labels_name_requests() -> None:
    told = draw(2000, torch.Generator().manual_seed(0))
    assert told.shape == (2000, LABELS)
    named = {tuple(request.label.tolist()) for request in REQUESTS}
    assert {tuple(row) for row in told.tolist()} == named


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
    monkeypatch.setattr("melodylc.bank.SIZE", actors.JUDGES + 40)
    few = FitSettings(bank=40, rounds=1, warmup=1, fresh=4, actor_steps=1, critic_steps=1, check=2, measure=4, hidden=8)
    fitted = fit_common_actor(model, tmp_path / "common.safetensors", lambda _: None, few, threads=1)
    assert fitted.stored.header.rule == IDENTITY

    def found(root: int) -> actors.FoundActor:
        there = find_actor(model, CommonRequest(root, 2, 1).rule)
        assert there is not None
        return there

    z, context = torch.randn(3, 16, 2), torch.randn(3, 16, model.vae.chain[2])
    assert found(3).origin == "shipped"
    assert not torch.equal(found(3).move(z, context, 0), found(4).move(z, context, 0))
    assert found(3).move(z, context, 0).equal(found(3).move(z, context, 0))
    assert find_actor(model, Rule((density(20),))) is None
