"""Realism: a critic taught on a corpus, an actor that pays for it, and the best of several melodies."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from conftest import Run
from sampler_of import sampler_of
from small_corpus import build_small

from melodylc.cache import pretrained
from melodylc.constraints import fitting
from melodylc.constraints.actors import cache_path, find_actor, shipped_moves
from melodylc.constraints.bank import find_bank
from melodylc.constraints.fitting import RealismTerm
from melodylc.constraints.objective import MelodyBox
from melodylc.constraints.realism import (
    FILE,
    FORMAT,
    RealismCritic,
    find_realism,
    real_samples,
    realism_path,
    train_realism,
)
from melodylc.constraints.request import Request
from melodylc.data.corpus import Corpus
from melodylc.data.errors import CheckpointError, InputError
from melodylc.latent.actor import Actor, ActorConfig
from melodylc.latent.realism import RealismSettings
from melodylc.latent.store import read_header
from melodylc.latent.tensor_files import read_tensors
from melodylc.models import checkpoint
from melodylc.models.checkpoint import LoadedModel, load_model, save_model
from melodylc.models.config import named_config
from melodylc.models.language import LanguageConfig, MelodyLM
from melodylc.models.vae import MelodyVAE
from melodylc.rewards import Rule, density
from melodylc.sampling.discriminator import find_discriminator
from melodylc.sampling.fitting import fit_actor
from melodylc.sampling.methods.combined import Combined
from melodylc.service.order import Order

RunCli = Callable[..., Run]
SMALL = RealismSettings(rounds=2, fresh=8, critic_steps=2, actor_steps=1, warmup=2, batch=4, hidden=8, critic_hidden=8)
QUICK = replace(fitting.SETTINGS, bank=64, rounds=2, fresh=16, warmup=5, check_every=1, check=16, measure=16)
RULE = Rule((density(40),))

GROUP = Combined.together
NUMBERS = range(1, GROUP + 1)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build_small(tmp_path_factory)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model, chaotic enough to tell melodies apart."""
    torch.manual_seed(0)
    vae = MelodyVAE(named_config("tiny"))
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.mul_(3)
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model(path, vae, torch.full((32,), 0.5), {})
    return path


@pytest.fixture(scope="module")
def model(path: Path) -> LoadedModel:
    return load_model(path)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and a small bank."""
    monkeypatch.setenv("MELODYLC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("melodylc.constraints.bank.SIZE", 64)
    monkeypatch.setattr(fitting, "HELD_BACK", 16)
    return tmp_path / "cache"


@pytest.fixture
def critic(model: LoadedModel, corpus: Corpus, cache: Path) -> RealismCritic:
    train_realism(corpus, model, realism_path(model), SMALL, count=24)
    return find_realism(model)


# -- the critic --------------------------------------------------------------------------------


def test_a_critic_is_taught_written_and_found(model: LoadedModel, corpus: Corpus, cache: Path) -> None:
    told: list[tuple[int, int]] = []
    found = train_realism(
        corpus, model, realism_path(model), SMALL, 24, report=lambda done, of, what: told.append((done, of))
    )
    assert (sum(done for done, _ in told), {of for _, of in told}) == (50, {50})
    box, z = MelodyBox(model.vae, RULE), torch.randn(6, 32)
    view = box.features(box.decode(z)[1])
    torch.testing.assert_close(find_realism(model).cost(view), found.critic.cost(view), rtol=0.02, atol=0.02)


def test_it_is_shown_what_actors_of_rules_make(model: LoadedModel, corpus: Corpus, cache: Path) -> None:
    shape = ActorConfig(*model.vae.chain, hidden=8, layers=1, bound=2.0)
    shown = {name: Actor(shape).requires_grad_(False) for name in ("one", "other")}
    told: list[int] = []
    found = train_realism(
        corpus, model, cache / "a", SMALL, 24, report=lambda done, of, what: told.append(of), actors=shown, moved=8
    )
    assert set(told) == {58}
    plain = train_realism(corpus, model, cache / "b", SMALL, 24)
    assert not torch.equal(found.critic.enter.weight, plain.critic.enter.weight)
    assert read_tensors(cache / "a", FORMAT)[1]["actors"] == ["one", "other"]


def test_the_critic_that_ships_tells_encodings_from_other_latents(cache: Path) -> None:
    model = checkpoint.shipped_model()
    critic, box = find_realism(model), MelodyBox(model.vae, RULE)
    assert (pretrained() / FILE).stat().st_size < 1.5e6
    bank = find_bank(model, model.prior())[:64]  # as like real melodies as anything that ships
    unreal = {
        "N(0, I)": box.decode(torch.randn(64, 256, generator=torch.Generator().manual_seed(1)))[1],
        **{name: box.decode(bank.z, move)[1] for name, move in shipped_moves(model).items()},
    }
    cost = critic.cost(box.features(bank.events))
    for name, events in unreal.items():
        other = critic.cost(box.features(events))
        assert (other[:, None] > cost).float().mean() > 0.8, name


def test_a_critic_of_ones_own_goes_before_the_one_that_ships(corpus: Corpus, cache: Path) -> None:
    model = checkpoint.shipped_model()
    shipped = find_realism(model)
    train_realism(corpus, model, realism_path(model), replace(SMALL, rounds=1), 8)
    assert find_realism(model).fingerprint != shipped.fingerprint


def test_real_samples_are_of_the_training_melodies_posteriors(model: LoadedModel, corpus: Corpus) -> None:
    z, events = real_samples(corpus, model, 10, seed=3)
    again, _ = real_samples(corpus, model, 10, seed=3)
    other, _ = real_samples(corpus, model, 10, seed=4)
    assert (z.shape, events.shape, events.dtype) == ((10, 32), (10, 256), torch.uint8)
    assert torch.equal(z, again)
    assert not torch.equal(z, other)


def test_a_model_without_a_critic_is_told_how_to_make_one(model: LoadedModel, critic: RealismCritic) -> None:
    with pytest.raises(InputError, match="the one that ships is for another: make one with `melodylc train realism"):
        find_realism(replace(model, fingerprint="f" * 16))


def test_a_damaged_critic_is_refused(model: LoadedModel, critic: RealismCritic) -> None:
    realism_path(model).write_bytes(b"no critic")
    with pytest.raises(CheckpointError, match="damaged"):
        find_realism(model)


# -- the best of several -----------------------------------------------------------------------


def loudness(events: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """A judge that can be checked by hand: how many notes."""
    return np.asarray((events < 128).sum(axis=1), np.float64)


def test_the_best_of_several_is_the_most_real_of_the_first_that_pass(model: LoadedModel) -> None:
    notes = [draw.melody.note_count for draw in sampler_of(model, None, None).sample(5, 40, budget=1)]
    sampler = sampler_of(model, None, Rule((density(int(np.median(notes)) + 1),)), likeness=loudness)  # half pass
    every = [
        [draw for draw in sampler._candidates(5, NUMBERS, attempt) if draw.number <= 3] for attempt in range(1, 31)
    ]
    chosen = sampler.sample(5, 3, budget=30, best_of=3)
    for draw in chosen:
        mine = [group[draw.number - 1] for group in every]
        passed = [one for one in mine if one.passed][:3]
        if passed:
            best = max(passed, key=lambda one: one.likeness or 0.0)
            assert (draw.melody, draw.likeness, draw.passes) == (best.melody, best.likeness, len(passed))
    assert any(draw.passes == 3 for draw in chosen)
    assert any(draw.attempts > 3 for draw in chosen)


def test_fewer_of_the_best_are_the_start_of_more(model: LoadedModel) -> None:
    sampler = sampler_of(model, None, RULE, likeness=loudness)
    many = sampler.sample(7, GROUP + 3, budget=6, best_of=2)
    assert sampler.sample(7, 2, budget=6, best_of=2) == many[:2]
    single = sampler_of(model, None, RULE).sample(7, 4, budget=6)
    for one, best in zip(single, many, strict=False):
        assert one.passed == best.passed
        assert best.likeness is not None
        if one.passed:
            assert best.likeness >= loudness(one.melody.events[None]).item()


def test_what_is_asked_stands_in_the_order() -> None:
    order = Order(Request.read(density=["40"]), count=2, best_of=4, realism=0.5)
    assert order.command == "melodylc generate --density 40.. -n 2 --seed 0 --best-of 4 --realism 0.5"
    assert (order.budget, order.to_dict()["best_of"], order.to_dict()["realism"]) == (160, 4, 0.5)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"best_of": 0}, "best_of is a whole number from 1 up"),
        ({"best_of": 2, "verify": False}, "leave out --no-verify"),
        ({"realism": 0.1, "actor": Path("a.safetensors")}, "--realism is about fitting, and --actor is fitted"),
        ({"realism": 0.1}, "--realism is about fitting, and nothing is asked"),
    ],
)
def test_orders_that_contradict_themselves_are_refused(change: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        Order(**change)


# -- an actor that pays for it -----------------------------------------------------------------


def test_an_actor_that_pays_for_realism_is_another_and_kept_apart(model: LoadedModel, critic: RealismCritic) -> None:
    plain, paid = cache_path(model, RULE), cache_path(model, RULE, realism=RealismTerm(critic, 2.0))
    more = cache_path(model, RULE, realism=RealismTerm(critic, 3.0))
    assert len({plain, paid, more}) == 3
    settings = replace(QUICK, bank=32)
    fit_actor(model, RULE, plain, lambda _: None, settings, threads=1)
    found = fit_actor(model, RULE, paid, lambda _: None, settings, threads=1, realism=RealismTerm(critic, 2.0))
    assert found.stored.header.settings["extra_cost_weight"] == 2.0
    one, other = find_actor(model, RULE), find_actor(model, RULE, realism=RealismTerm(critic, 2.0))
    assert one is not None
    assert other is not None
    assert one.stored.fingerprint != other.stored.fingerprint == found.stored.fingerprint
    assert find_actor(model, RULE, realism=RealismTerm(critic, 3.0)) is None


def test_what_ships_was_fitted_without_a_critic(cache: Path) -> None:
    model = checkpoint.shipped_model()
    rule = Request.read(scale=["cmaj"]).rule
    assert rule is not None
    assert find_actor(model, rule) is not None
    other = RealismCritic(torch.nn.Identity(), "0" * 16)  # type: ignore[arg-type]
    assert find_actor(model, rule, realism=RealismTerm(other, 1.0)) is None


# -- the command line --------------------------------------------------------------------------


def test_the_command_trains_a_critic_that_fit_then_finds(
    run_cli: RunCli, path: Path, corpus: Corpus, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("melodylc.constraints.realism.MELODIES", 24)
    monkeypatch.setattr("melodylc.latent.realism.RealismSettings", lambda rounds=2: replace(SMALL, rounds=rounds))
    monkeypatch.setattr(fitting, "SETTINGS", replace(QUICK, bank=32))
    asked = ("fit", "--density", "40", "--model", path, "--realism", "0.5", "-o", tmp_path / "actor.safetensors")
    refused = run_cli(*asked)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "melodylc train realism" in refused.err
    trained = run_cli("train", "realism", corpus.folder, "--model", path, "--rounds", 1)
    assert trained.code == 0, trained.err
    assert "takes" in trained.out
    done = run_cli(*asked)
    assert done.code == 0, done.err
    header = read_header(tmp_path / "actor.safetensors")
    assert header is not None
    assert header.settings["extra_cost_weight"] == 0.5


def test_what_ships_serves_generate_at_once(
    run_cli: RunCli, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "SETTINGS", replace(QUICK, rounds=1, bank=32))
    asked = ("generate", "--density", "40", "--no-variety", "-n", 1, "--seed", 1, "-o", tmp_path / "out")
    done = run_cli(*asked, "--realism", 0.3)
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert found["method"]["actor"]["origin"] == "fitted"
    header = read_header(next((cache / "actors").glob("*.safetensors")))
    assert header is not None
    assert header.settings["extra_cost_weight"] == 0.3


def test_actors_of_another_model_or_of_many_rules_teach_nothing(
    run_cli: RunCli, path: Path, corpus: Corpus, cache: Path
) -> None:
    common = pretrained() / "common.safetensors"
    for model, line in ((("--model", path), "an actor for the model"), ((), "this actor serves many rules")):
        refused = run_cli("train", "realism", corpus.folder, *model, "--actor", common)
        assert (refused.code, refused.err.count("\n")) == (2, 1)
        assert line in refused.err


# -- how like a real melody --------------------------------------------------------------------


@pytest.fixture
def speaking(model: LoadedModel, cache: Path) -> LoadedModel:
    """The model with an untrained language model."""
    torch.manual_seed(1)
    language = MelodyLM(LanguageConfig(event=8, bar_event=4, bar_hidden=8, embedding=8, context=8, hidden=8))
    return replace(model, language=language.requires_grad_(False).eval())


def test_generate_writes_the_best_and_says_how_good_it_is(
    run_cli: RunCli, speaking: LoadedModel, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    save_model(path, speaking.vae, speaking.sigma_bar, {}, speaking.language)
    asked = ("generate", "--model", path, "--method", "combined", "-n", 2, "--seed", 1, "-o", tmp_path / "out")
    done = run_cli(*asked, "--best-of", 3)
    assert done.code == 0, done.err
    assert "likeness" in done.out
    found = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    model = load_model(path)
    drawn = [
        sampler_of(model, None, None, likeness=find_discriminator().scores)._candidates(1, NUMBERS, attempt)
        for attempt in (1, 2, 3)
    ]
    for entry, attempts in zip(found["files"], zip(*drawn, strict=True), strict=False):
        assert entry["best_of"] == entry["attempts"] == 3
        assert entry["likeness"] == round(max(one.likeness or -np.inf for one in attempts), 4)
    assert "--best-of 3" in found["command"]
