"""Critics in the cache, and vectors that follow one until the box is content."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from melodylc.constraints import fitting
from melodylc.constraints.actors import find_actor
from melodylc.constraints.critic_cache import critic_path, keep_critic, kept_critic
from melodylc.constraints.fitting import find_critic
from melodylc.latent.critic import Critic
from melodylc.latent.fit import FitSettings, fit
from melodylc.latent.objective import PartScores, VectorObjective
from melodylc.latent.optimise import SATISFY_SETTINGS, OptimiseSettings, satisfy
from melodylc.models.checkpoint import LoadedModel, shipped_model
from melodylc.rewards import Rule, density, pitch_classes, variety

RULE = Rule((density(1, 4), density(1, 8)))


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return shipped_model()


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELODYLC_CACHE", str(tmp_path / "cache"))


def made() -> Critic:
    torch.manual_seed(0)
    return Critic(4, 6, parts=2, exponents=(1.0, 4.0, math.inf), hidden=16, layers=2)


def test_a_critic_comes_back_as_it_was_but_for_half_precision(model: LoadedModel) -> None:
    critic = made()
    assert kept_critic(model, RULE) is None
    keep_critic(critic, model, RULE)
    found = kept_critic(model, RULE)
    assert found is not None
    view = torch.randn(5, 4, 6)
    torch.testing.assert_close(found(view), critic(view), atol=1e-2, rtol=1e-2)
    assert found.arguments == critic.arguments
    assert torch.equal(found.exponents, critic.exponents)
    assert not any(weight.requires_grad for weight in found.parameters())


def test_another_rule_or_prior_has_another_critic(model: LoadedModel) -> None:
    keep_critic(made(), model, RULE)
    assert kept_critic(model, Rule((density(2),))) is None
    assert kept_critic(model, RULE, "normal") is None


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_what_can_t_be_read_is_no_critic(model: LoadedModel, content: bytes | None) -> None:
    keep_critic(made(), model, RULE)
    path = critic_path(model, RULE)
    path.write_bytes(path.read_bytes()[:-8] if content is None else content)
    assert kept_critic(model, RULE) is None


def test_a_critic_of_another_shape_is_none(model: LoadedModel) -> None:
    critic = made()
    critic.arguments["hidden"] = 17
    keep_critic(critic, model, RULE)
    assert kept_critic(model, RULE) is None
    critic.arguments["no such thing"] = 1
    keep_critic(critic, model, RULE)
    assert kept_critic(model, RULE) is None


def test_a_cache_that_can_t_be_written_is_none(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELODYLC_CACHE", "/dev/null/cache")
    keep_critic(made(), model, RULE)
    assert kept_critic(model, RULE) is None


def test_an_actor_without_a_critic_gets_one_taught_and_kept(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = replace(fitting.SETTINGS, bank=64, fresh=16, warmup=5, critic_steps=2)
    monkeypatch.setattr(fitting, "SETTINGS", quick)
    monkeypatch.setattr(fitting, "CRITIC_ROUNDS", 1)
    rule = Rule((pitch_classes((0, 2, 4, 5, 7, 9, 11)), variety()))
    found = find_actor(model, rule)
    assert found is not None
    before = [weight.clone() for weight in found.move.parameters()]
    taught = find_critic(model, rule, found.move)
    kept = kept_critic(model, rule)
    assert kept is not None
    assert all(torch.equal(one, other) for one, other in zip(taught.parameters(), kept.parameters(), strict=True))
    assert all(torch.equal(*pair) for pair in zip(before, found.move.parameters(), strict=True))


def circle(z: Tensor) -> PartScores:
    """1 inside a circle around (1.5, 1.5), and less the farther from it: the prior is inside once in fifty."""
    far = (z - 1.5).norm(dim=1).numpy().astype(np.float64)
    return np.asarray(np.clip(1 - (far - 0.75) / 4, 0, 1))[:, None]


def test_vectors_follow_a_critic_to_where_the_box_is_content() -> None:
    box, sigma_bar = VectorObjective(2, circle), torch.ones(2)
    quick = FitSettings(
        bank=512, rounds=3, fresh=64, warmup=150, hidden=16, critic_hidden=32, critic_layers=2, measure=8, check=8
    )
    critic = fit(box, sigma_bar, settings=quick).critic
    start = torch.randn(64, 2, generator=torch.Generator().manual_seed(5))
    found = satisfy(start, box, critic, sigma_bar, SATISFY_SETTINGS)
    obeys = torch.from_numpy(circle(found.z)[:, 0] == 1)
    assert float(obeys.float().mean()) > 0.6 > 0.2 > float((circle(start) == 1).mean())
    assert torch.equal(found.satisfaction, obeys)
    already = torch.from_numpy(circle(start)[:, 0] == 1)
    assert torch.equal(found.z[already], start[already])
    still = satisfy(start, box, critic, sigma_bar, OptimiseSettings(steps=0))
    assert torch.equal(still.z, start)
