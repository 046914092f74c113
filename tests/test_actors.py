"""Actors: those that ship belong to the model that ships and do what their files say; `melodylc fit` makes more."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sampler_of import sampler_of

from melodylc.cache import pretrained
from melodylc.constraints import actors, fitting
from melodylc.constraints.actors import find_actor
from melodylc.constraints.bank import SIZE, find_bank
from melodylc.constraints.common_requests import REQUESTS, CommonRequest
from melodylc.constraints.request import Request
from melodylc.latent.store import load_actor, read_header
from melodylc.models.checkpoint import LoadedModel, shipped_model
from melodylc.rewards import Rule, pitch_classes
from melodylc.threads import fixed_threads

PRETRAINED = pretrained()
QUICK = replace(fitting.SETTINGS, bank=64, rounds=2, fresh=16, warmup=5, check_every=1, check=16, measure=16)
LARGEST = 40 << 20  # bytes that one file may weigh in the repository


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return shipped_model()


def test_common_requests_need_no_fit(model: LoadedModel) -> None:
    for request in REQUESTS:
        found = find_actor(model, request.rule, other_keys=True)
        assert found is not None
        assert (found.origin, found.request) == ("shipped", request)
        assert -6 < found.shift <= 6
        assert (found.shift - request.root) % 12 == 0
        here = find_actor(model, request.rule)  # a melody of the user's isn't moved to another key
        assert (here is None) == (request.root != 0)


@pytest.mark.parametrize(
    "wanted", [CommonRequest(*it) for it in ((0, 0, 0), (7, 2, 1), (10, 1, 3), (3, 2, 2))], ids=str
)
def test_the_shipped_actor_does_what_its_file_says(wanted: tuple[int, int, int], model: LoadedModel) -> None:
    rule = CommonRequest(*wanted).rule
    found = find_actor(model, rule, other_keys=True)
    assert found is not None
    measured = found.stored.rates
    sampler = sampler_of(model, found.move, rule, shift=found.shift, edits=found.edits)
    draws = sampler.sample(seed=99, count=32, budget=1)
    rate = np.mean([draw.passed for draw in draws])
    assert measured.prior < 0.05 < 0.95 < measured.actor
    assert rate >= measured.actor - 4 * np.sqrt(0.05 * 0.95 / len(draws))  # each request's is its own
    assert len({draw.melody for draw in draws}) == len(draws)


def test_what_ships_is_one_model_and_its_own_actors(model: LoadedModel) -> None:
    files = sorted(path for path in PRETRAINED.glob("*.safetensors") if not path.stem.startswith("mnist-"))
    assert {path.stem for path in files} == {
        "base",
        "bank-learnt",
        "common",
        "critic",
        "discriminator",
        "realism",
        "runs",
        "writer",
    }
    headers = [header for path in files if (header := read_header(path))]
    assert {header.model for header in headers} == {model.fingerprint}
    assert max(path.stat().st_size for path in files) <= LARGEST


def test_the_shipped_bank_holds_what_its_latents_become(model: LoadedModel) -> None:
    bank = find_bank(model, model.prior(), lambda done, of: pytest.fail("made anew"))
    assert (len(bank.z), len(bank.events)) == (SIZE, SIZE)
    with fixed_threads(1):
        last = model.vae.raw_events(bank.z[-256:]).to(torch.uint8)
    assert (last == bank.events[-256:]).float().mean() > 0.999  # another processor rounds otherwise


def test_the_shipped_model_says_where_it_comes_from(model: LoadedModel) -> None:
    provenance = model.provenance
    assert provenance["configuration"]["name"] == "base"
    assert len(provenance["corpus"]) == 16
    assert {"commit", "version", "settings", "minutes", "validation"} <= set(provenance)


def test_an_actor_of_another_model_or_rule_is_not_found(model: LoadedModel, quick: None) -> None:
    rule = CommonRequest(0, 0, 0).rule
    assert find_actor(replace(model, fingerprint="0" * 16), rule) is None
    other = Request.read(scale=["dmaj"]).rule
    assert other is not None
    assert find_actor(model, other) is None


def test_another_pre_trained_critic_is_another_fit(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = Rule((pitch_classes([0, 4, 7]),))
    before = actors.cache_path(model, rule)
    assert before == actors.cache_path(model, rule)
    monkeypatch.setattr(actors, "pretrained_critic_fingerprint", lambda: "another critic")
    assert actors.cache_path(model, rule) != before


def test_fit_writes_an_actor_for_its_rule(
    run_cli: Callable[..., Any], tmp_path: Path, quick: None, model: LoadedModel
) -> None:
    path = tmp_path / "d.safetensors"
    run = run_cli("fit", "--scale", "d minor", "--no-tonic", "--no-variety", "--rounds", 1, "-o", path)
    assert run.code == 0, run.err
    assert "the model's own" in run.err
    stored = load_actor(path, model=model.fingerprint, rule="pitch_classes(0,2,4,5,7,9,10)")
    assert stored.header.settings["rounds"] == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "nothing to learn"),
        (["--scale", "dmaj", "--rounds", "0"], "--rounds"),
        (["--scale", "dmja"], "dmaj"),
        (["--scale", "dmaj", "--model", "none.safetensors"], "no such file"),
    ],
)
def test_fit_refuses(
    run_cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    run = run_cli("fit", "-o", "x.safetensors", *words)
    assert (run.code, run.err.count("\n")) == (2, 1)
    assert expected in run.err
    assert list(tmp_path.iterdir()) == []


def test_fit_finds_out_beforehand_that_it_can_not_write(
    run_cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "fit", lambda *args, **kwargs: pytest.fail("started to fit"))
    (tmp_path / "file").write_bytes(b"kept")
    run = run_cli("fit", "--scale", "dmaj", "-o", tmp_path / "file" / "x.safetensors")
    assert (run.code, run.err.count("\n")) == (2, 1)


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, and a fit so short that it takes a second."""
    monkeypatch.setenv("MELODYLC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fitting, "SETTINGS", QUICK)
