"""An evaluation of rules: distances against plain references, a run that was stopped, the command line."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Run
from hypothesis import given
from hypothesis import strategies as st
from small_corpus import build_small

from melodylc.data.corpus import Corpus
from melodylc.data.errors import InputError
from melodylc.draws import Sampler
from melodylc.evaluation.diversity import apart, differ, edit_distances, in_one_key
from melodylc.evaluation.drawn import Drawer
from melodylc.evaluation.report import markdown
from melodylc.evaluation.report_rules import rule_conditions, rule_tables
from melodylc.evaluation.rules import Case, RuleEvaluator, RuleSettings, RulesEvaluation, wilson
from melodylc.evaluation.statistics import MAJOR, best_root
from melodylc.latent.actor import Actor, ActorConfig
from melodylc.latent.store import Header, Rates, StoredActor
from melodylc.models.checkpoint import LoadedModel, load_model, save_model
from melodylc.models.config import named_config
from melodylc.models.vae import MelodyVAE
from melodylc.rewards import Rule, density, pitch_classes

RunCli = Callable[..., Run]
RULE = Rule((pitch_classes(MAJOR), density(40)))
SETTINGS = RuleSettings(samples=5, seeds=(1, 2))
RATES = Rates(0.1, 0.5, 10, 10, (0.1,), (0.5,), (0.2,), (0.6,), 1.0, 1.0)


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


@pytest.fixture(scope="module")
def actor(model: LoadedModel) -> StoredActor:
    torch.manual_seed(1)
    actor = Actor(ActorConfig(*model.vae.chain, hidden=8)).requires_grad_(False)
    header = Header(model.fingerprint, "N(0, I)", RULE.identity, RULE.names, actor.config, {"rounds": 7}, RATES)
    return StoredActor(actor, header, "a" * 16)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build_small(tmp_path_factory)


def evaluator(model: LoadedModel, actor: StoredActor | None = None, folder: Path | None = None) -> RuleEvaluator:
    return RuleEvaluator(model, [Case("mine", RULE, actor)], SETTINGS, folder=folder)


# -- how far apart -----------------------------------------------------------------------------


def plain_distance(one: list[int], other: list[int]) -> int:
    row = list(range(len(other) + 1))
    for at, event in enumerate(one, 1):
        last, row[0] = row[0], at
        for place, facing in enumerate(other, 1):
            last, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, last + (event != facing))
    return row[-1]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12))
def test_edit_distances_are_levenshtein_s(pairs: list[tuple[int, int]]) -> None:
    one, other = (list(side) for side in zip(*pairs, strict=True))
    found = edit_distances(np.array([one, other], np.uint8), np.array([other, other], np.uint8))
    assert found.tolist() == [plain_distance(one, other) / len(one), 0.0]


@given(st.lists(st.integers(30, 90), min_size=1, max_size=20), st.integers(0, 11))
def test_the_best_root_holds_most_notes_and_moves_with_the_melody(pitches: list[int], up: int) -> None:
    events = np.array([pitches, [pitch + up for pitch in pitches]], np.uint8)

    def held(root: int, row: int) -> int:
        return sum((int(pitch) - root) % 12 in MAJOR for pitch in events[row])

    for row, root in enumerate(best_root(events)):
        assert held(int(root), row) == max(held(other, row) for other in range(12))
    moved = in_one_key(events)
    for row in range(2):
        assert held(0, row) <= sum(int(pitch) % 12 in MAJOR for pitch in moved[row])
        assert len(set(moved[row].astype(int) - events[row])) == 1  # one transposition for all notes
    assert np.abs(moved.astype(int) - events).max() <= 6


def test_melodies_in_one_key_are_no_nearer_for_it(model: LoadedModel) -> None:
    scale = np.array([[60, 64, 65, 71, 67], [60, 64, 71, 65, 72]], np.uint8)
    keys = scale.copy()
    keys[1] += 3
    assert apart(scale) == apart(keys) == 0.6  # the octave's leap, and two that changed places
    assert differ(scale) == 0.6
    assert differ(keys) == 1.0


def test_an_interval_is_wilson_s() -> None:
    assert wilson(10, 20) == pytest.approx((0.2993, 0.7007), abs=1e-4)  # Newcombe 1998, by hand
    assert wilson(20, 20)[1] == pytest.approx(1.0)


# -- the evaluation ----------------------------------------------------------------------------


def test_draws_are_those_of_generate_without_a_check(model: LoadedModel, actor: StoredActor) -> None:
    for moved in (None, actor):
        drawn = Drawer(model, model.prior(), 20).draw(3, moved, lambda _: None)
        sampled = Sampler(model, moved.actor if moved else None, RULE).draw(3, 20, budget=1)
        alike = [np.array_equal(row, draw.melody.events) for row, draw in zip(drawn.events, sampled, strict=True)]
        assert np.mean(alike) > 0.8  # a rounding may change a note
        assert drawn.z_mse == pytest.approx([draw.distance for draw in sampled], rel=1e-3)
        assert drawn.touched[alike].tolist() == [
            draw.touched for draw, same in zip(sampled, alike, strict=True) if same
        ]


def test_figures_are_those_of_the_draws(model: LoadedModel, actor: StoredActor) -> None:
    done = evaluator(model, actor).run()
    case = done.cases["mine"]
    assert case.actor is not None
    for draws, of in ((case.prior, None), (case.actor, actor)):
        drawn = [Drawer(model, model.prior(), 5).draw(seed, of, lambda _: None) for seed in (1, 2)]
        scores = [RULE.scores(one.events) for one in drawn]
        assert draws.parts[RULE.names[1]].mean.values == pytest.approx([one[:, 1].mean() for one in scores])
        assert draws.all.values == pytest.approx([(one == 1).all(axis=1).mean() for one in scores])
        assert draws.apart.values == pytest.approx([apart(one.events) for one in drawn])
        assert draws.notes.values == pytest.approx([(one.events < 128).sum(axis=1).mean() for one in drawn])
    assert case.prior.z_mse.mean == 0 < case.actor.z_mse.mean
    assert case.apart is not None
    assert case.apart.values == pytest.approx(np.divide(case.actor.apart.values, case.prior.apart.values))
    assert (case.rule, case.rounds, case.fingerprint) == (RULE.identity, 7, "a" * 16)
    assert done.conditions["settings"] == {"samples": 5, "seeds": [1, 2]}


def test_fewer_draws_are_the_start_of_more(model: LoadedModel) -> None:
    some, more = (Drawer(model, model.prior(), count).draw(4, None, lambda _: None).events for count in (3, 9))
    assert np.array_equal(some, more[:3])


def test_an_evaluation_that_was_stopped_goes_on_where_it_was(
    model: LoadedModel, actor: StoredActor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, written = evaluator(model, actor).run(), list[int]()
    write = MelodyVAE.write

    def spy(vae: MelodyVAE, *given: object) -> object:
        written.append(1)
        return write(vae, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(MelodyVAE, "write", spy)

    def stop(count: int, what: str) -> None:
        if len(written) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluator(model, actor, tmp_path / "kept").run(stop)
    first, *others = (tmp_path / "kept").iterdir()
    assert len(others) == 1
    first.write_bytes(b"half a file")
    told: list[int] = []
    again = evaluator(model, actor, tmp_path / "kept").run(lambda count, what: told.append(count))
    assert len(written) == 3 + 3  # one that was whole is there, one is damaged, two were never done
    assert (again, sum(told)) == (whole, 20)
    assert list((tmp_path / "kept").iterdir()) == []


def test_real_melodies_and_copies_stand_beside_them_on_a_corpus(
    model: LoadedModel, actor: StoredActor, corpus: Corpus
) -> None:
    done = RuleEvaluator(model, [Case("mine", RULE, actor), Case("bare", RULE)], SETTINGS, corpus=corpus).run()
    assert done.samples is not None
    assert done.copies is not None
    assert list(done.samples.priors) == list(done.copies.priors) == ["prior", "mine"]
    assert (done.cases["bare"].actor, done.cases["bare"].apart) == (None, None)
    titles = [table.title for table in rule_tables(done)]
    assert titles == ["mine", "bare", "Samples against held-out melodies", "Copies of training melodies"]
    assert json.loads(json.dumps(done.to_dict()))["cases"]["bare"]["actor"] is None


def test_a_table_has_a_cell_for_every_column(model: LoadedModel, actor: StoredActor) -> None:
    done: RulesEvaluation = evaluator(model, actor).run()
    (found,) = rule_tables(done)
    assert {len(row) for row in found.rows} == {len(found.columns)}
    assert "7 rounds" in found.note
    assert "single draws" in "\n".join(rule_conditions(done))
    assert markdown([found]).startswith("### mine")


@pytest.mark.parametrize(
    ("cases", "expected"),
    [([], "no rule"), ([Case("a", RULE)] * 2, "'a' twice"), ([Case("prior", RULE)], "'prior' twice")],
)
def test_cases_need_names_of_their_own(model: LoadedModel, cases: list[Case], expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        RuleEvaluator(model, cases, SETTINGS)


@pytest.mark.parametrize(("name", "value"), [("samples", 1), ("seeds", ()), ("seeds", (1, 1)), ("seeds", (-1,))])
def test_settings_that_make_no_sense_are_refused(name: str, value: object) -> None:
    with pytest.raises(InputError, match=r"seed|samples"):
        replace(SETTINGS, **{name: value})  # type: ignore[arg-type]


# -- the command line --------------------------------------------------------------------------


def test_the_command_writes_tables_and_a_file(run_cli: RunCli, path: Path, corpus: Corpus, tmp_path: Path) -> None:
    words = ("evaluate", "rules", corpus.folder, "--density", "40", "--no-variety", "--no-fit", "--model", path)
    few = ("--samples", 4, "--seed", 1)
    done = run_cli(*words, *few, "-o", tmp_path / "all.json", "--markdown")
    assert done.code == 0, done.err
    assert "### --density 40.. --no-variety" in done.out
    assert "Copies of training melodies" in done.out
    found = json.loads((tmp_path / "all.json").read_text("utf-8"))
    again = run_cli(*words, *few, "--json")
    assert json.loads(again.out) == found
    assert found["format"] == "melodylc-rules/1"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "no rule to evaluate"),
        (("--actor", "none.safetensors"), "none.safetensors"),
        (("--density", "40", "--json", "--markdown"), "choose one"),
        (("nowhere", "--density", "40", "--no-fit"), "nowhere"),
        (("--density", "40", "--no-fit", "-o", "no/such/folder.json"), "no/such"),
    ],
)
def test_mistakes_are_one_line(run_cli: RunCli, path: Path, words: tuple[str, ...], expected: str) -> None:
    done = run_cli("evaluate", "rules", "--model", path, *words)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert expected in done.err
