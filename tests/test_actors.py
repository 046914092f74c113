"""Actors: those that ship belong to the model that ships and do what their files say; `melodylc fit` makes more."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from melodylc import actors
from melodylc.actors import find_actor, shipped_model
from melodylc.bank import SIZE, find_bank
from melodylc.box import MelodyBox
from melodylc.common import REQUESTS, CommonRequest
from melodylc.draws import Sampler
from melodylc.latent.store import load_actor, read_header
from melodylc.models.checkpoint import LoadedModel
from melodylc.request import Request
from melodylc.rewards import Rule, pitch_classes
from melodylc.threads import fixed_threads
from melodylc.transposing import transposed_rule

PRETRAINED = Path(actors.__file__).parent / "pretrained"
SHIPPED = {
    "cmaj": Request.read(scale=["cmaj"]),
    "amin": Request.read(scale=["amin"]),
    "cmaj-high": Request.read(scale=["cmaj"], density=["high"]),
}
QUICK = replace(actors.SETTINGS, bank=64, rounds=2, fresh=16, warmup=5, check_every=1, check=16, measure=16)
LARGEST = 40 << 20  # bytes that one file may weigh in the repository


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return shipped_model()


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_actor_is_found_and_does_what_its_file_says(name: str, model: LoadedModel) -> None:
    rule = SHIPPED[name].rule
    assert rule is not None
    found = find_actor(model, rule)
    assert found is not None
    assert found.origin == "shipped"
    measured = found.stored.measured
    sampler = Sampler(model, found.stored.actor, rule, arrangement=found.arrangement)
    draws = sampler.draw(seed=99, count=64, budget=1)
    rate = np.mean([draw.passed for draw in draws])
    spread = 4 * np.sqrt(measured.actor * (1 - measured.actor) / len(draws))
    assert measured.prior < 0.05 < 0.8 < measured.actor
    assert rate == pytest.approx(measured.actor, abs=spread + 1 / len(draws))
    assert len({draw.melody for draw in draws}) == len(draws)


def test_common_requests_need_no_fit(model: LoadedModel) -> None:
    for request in REQUESTS:
        found = find_actor(model, request.rule, elsewhere=True)
        assert found is not None
        assert found.origin == "shipped"
        of = next(it.rule for it in SHIPPED.values() if it.rule and it.rule.identity == found.stored.header.rule)
        moved = transposed_rule(of, found.shift)
        assert moved is not None
        assert set(moved.names) <= set(request.rule.names)
        assert found.lacks == (set(moved.names) != set(request.rule.names))
    assert find_actor(model, CommonRequest(0, 1, 0).rule) is None  # a melody of the user's isn't moved to another key


def test_what_an_actor_lacks_is_mended(model: LoadedModel) -> None:
    request = CommonRequest(7, 2, 1)  # the notes of G major, E last, 16 to 64 notes
    found = find_actor(model, request.rule, elsewhere=True)
    assert found is not None
    sampler = Sampler(model, found.move, request.rule, shift=found.shift, arrangement=found.arrangement)
    assert sum(draw.passed for draw in sampler.draw(5, 8, budget=1)) > 6


def test_what_ships_is_one_model_and_its_own_actors(model: LoadedModel) -> None:
    files = sorted(path for path in PRETRAINED.glob("*.safetensors") if not path.stem.startswith("mnist-"))
    assert {path.stem for path in files} - {"realism"} == {"base", "bank-learnt", "critic", "runs", *SHIPPED}
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
    rule = SHIPPED["cmaj"].rule
    assert rule is not None
    assert find_actor(replace(model, fingerprint="0" * 16), rule) is None
    other = Request.read(scale=["dmaj"]).rule
    assert other is not None
    assert find_actor(model, other) is None


def test_another_pre_trained_critic_is_another_fit(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = Rule((pitch_classes([0, 4, 7]),))
    before = actors.cache_path(model, rule)
    assert before == actors.cache_path(model, rule)
    monkeypatch.setattr(actors, "shipped_fingerprint", lambda: "another critic")
    assert actors.cache_path(model, rule) != before


def test_fit_writes_an_actor_for_its_rule(
    run_cli: Callable[..., Any], tmp_path: Path, quick: None, model: LoadedModel
) -> None:
    path = tmp_path / "d.safetensors"
    run = run_cli("fit", "--scale", "d minor", "--no-tonic", "--no-variety", "--rounds", 1, "-o", path)
    assert run.code == 0, run.err
    assert "prior" in run.err
    stored = load_actor(path, model=model.fingerprint, rule="pitch_classes(0,2,4,5,7,9,10)")
    assert stored.header.settings["rounds"] == 1


def test_draws_to_learn_on_begin_as_the_rule_likes_and_those_of_the_judge_too(
    model: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Enough(Exception):
        pass

    request = Request.read(scale=["cmaj"]).rule
    assert request is not None
    major, rule = find_actor(model, request), Rule((pitch_classes([0, 4, 7]),))
    assert major is not None

    def spy(box: MelodyBox, *args: object, **given: Any) -> None:
        (z, events), bank = given["starts"], find_bank(model, model.prior())
        none = torch.zeros(32, 0)
        before = box.score(bank.events[actors.JUDGES : actors.JUDGES + 32], none).mean()
        assert len(z) == len(events) == 32
        assert torch.equal(events, box.decode(z)[1])
        assert box.score(events, none).mean() > before + 0.1
        judged = given["judge"](major.stored.actor)
        assert (judged.count, judged.z_mse > 0) == (16, True)
        assert judged.means[0] > before + 0.3  # mended, too
        raise Enough

    monkeypatch.setattr(actors, "fit", spy)
    with pytest.raises(Enough):
        actors.fit_actor(model, rule, tmp_path / "x", lambda _: None, replace(actors.SETTINGS, measure=16), begun=32)


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
    monkeypatch.setattr(actors, "fit", lambda *args, **kwargs: pytest.fail("started to fit"))
    (tmp_path / "file").write_bytes(b"kept")
    run = run_cli("fit", "--scale", "dmaj", "-o", tmp_path / "file" / "x.safetensors")
    assert (run.code, run.err.count("\n")) == (2, 1)


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, and a fit so short that it takes a second."""
    monkeypatch.setenv("MELODYLC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(actors, "SETTINGS", QUICK)
