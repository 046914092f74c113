"""An evaluation of rules: distances against plain references, a run that was stopped, the command line."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from conftest import Run
from hypothesis import given
from hypothesis import strategies as st
from sampler_of import sampler_of
from small_corpus import build_small

from melodylc.constraints.actors import FoundActor
from melodylc.constraints.objective import MelodyBox
from melodylc.constraints.request import Request
from melodylc.data.alphabet import canonical
from melodylc.data.corpus import Corpus
from melodylc.data.errors import InputError
from melodylc.edits.transposition import transpose_events
from melodylc.evaluation import ways
from melodylc.evaluation.diversity import apart, differ, edit_distances, in_one_key
from melodylc.evaluation.drawn import MethodSamples
from melodylc.evaluation.report import markdown
from melodylc.evaluation.report_rules import rule_conditions, rule_tables
from melodylc.evaluation.rule_figures import wilson
from melodylc.evaluation.rule_picture import SHARE, picture
from melodylc.evaluation.rules import TRIES, Case, RivalName, RuleEvaluator, RuleSettings, RulesEvaluation, read_rows
from melodylc.evaluation.statistics import MAJOR, best_root
from melodylc.evaluation.ways import (
    CandidateSource,
    MethodRival,
    OptimiseRival,
    RejectionRival,
    Single,
    SnapRival,
    Way,
    fit_cost,
    snapped,
)
from melodylc.latent.actor import Actor, ActorConfig, Move
from melodylc.latent.critic import Critic
from melodylc.latent.distance import z_mse
from melodylc.latent.fit import FitSettings, fit
from melodylc.latent.objective import VectorObjective
from melodylc.latent.optimise import satisfy
from melodylc.latent.samples import Samples
from melodylc.latent.store import ActorHeader, Rates, StoredActor
from melodylc.models.checkpoint import LoadedModel, load_model, save_model
from melodylc.models.config import named_config
from melodylc.models.local_search import LocalSearch
from melodylc.models.prior import stream_numbers
from melodylc.models.vae import MelodyVAE
from melodylc.rewards import Rule, density, pitch_classes
from melodylc.sampling.methods.base import Task
from melodylc.sampling.methods.edit import Edit
from melodylc.sampling.mixture import Mixture

RunCli = Callable[..., Run]
RULE = Rule((pitch_classes(MAJOR), density(40)))
SETTINGS = RuleSettings(samples=5, few=3, tries=4, seeds=(1, 2))
RATES = Rates(0.1, 0.5, 10, 10, (0.1,), (0.5,), (0.2,), (0.6,), 1.0, 1.0)


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little is mended: nothing that an untrained model writes obeys in the end, and trying takes long."""
    monkeypatch.setattr("melodylc.sampling.mixture.REPAIRS", (LocalSearch(candidates=2),))


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
def actor(model: LoadedModel) -> FoundActor:
    torch.manual_seed(1)
    actor = Actor(ActorConfig(*model.vae.chain, hidden=8)).requires_grad_(False)
    header = ActorHeader(model.fingerprint, "N(0, I)", RULE.identity, RULE.names, actor.config, {"rounds": 7}, RATES)
    return FoundActor(StoredActor(actor, header, "a" * 16), "given")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build_small(tmp_path_factory)


@pytest.fixture(scope="module")
def critic(model: LoadedModel) -> Critic:
    torch.manual_seed(2)
    box = MelodyBox(model.vae, RULE)
    rows, width = box.features(torch.zeros(1, 256, dtype=torch.uint8)).shape[1:]
    return Critic(rows, width, parts=2, hidden=8, layers=2).requires_grad_(False)


def evaluator(
    model: LoadedModel, actor: FoundActor | None = None, critic: Critic | None = None, folder: Path | None = None
) -> RuleEvaluator:
    return RuleEvaluator(model, [Case("mine", RULE, actor, critic)], SETTINGS, folder=folder)


def draw(model: LoadedModel, way: Way, seed: int, count: int) -> MethodSamples:
    return way.draw(CandidateSource(model, model.prior()), seed, count, lambda _: None)


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


@pytest.mark.parametrize("shift", [0, 5])
def test_draws_are_those_of_generate_without_a_check(model: LoadedModel, actor: FoundActor, shift: int) -> None:
    ways = (
        (Single(), None, None),
        (Single(RULE), None, RULE),
        (Single(RULE, replace(actor, shift=shift)), actor, RULE),
    )
    for way, moved, rule in ways:
        drawn = draw(model, way, 3, 20)
        sampler = sampler_of(model, moved.move if moved else None, rule, shift=shift if moved else 0)
        sampled = sampler.sample(3, 20, budget=1)
        alike = [np.array_equal(row, one.melody.events) for row, one in zip(drawn.events, sampled, strict=True)]
        assert np.mean(alike) > 0.8  # a rounding may change a note
        assert drawn.z_mse == pytest.approx([one.distance for one in sampled], rel=1e-3)
        assert drawn.touched[alike].tolist() == [
            one.rests_added for one, same in zip(sampled, alike, strict=True) if same
        ]


def test_rejection_takes_the_first_that_obeys_or_the_last(model: LoadedModel) -> None:
    prior = draw(model, Single(), 1, 60).events
    counts = (prior < 128).sum(axis=1)
    rule = Rule((density(int(np.sort(counts)[-6])),))  # one in ten obeys
    drawn = draw(model, RejectionRival(rule, tries=7), 1, 5)
    at = 0
    for events, spent in zip(drawn.events, drawn.decodes, strict=True):
        tries = rule.satisfied(prior[at : at + 7])
        assert spent == (tries.argmax() + 1 if tries.any() else 7)
        at += int(spent)
        assert np.array_equal(events, prior[at - 1])
    assert draw(model, RejectionRival(rule, tries=1), 1, 9).events.tolist() == prior[:9].tolist()


@given(st.lists(st.integers(0, 129), min_size=1, max_size=12), st.sets(st.integers(0, 11), min_size=1))
def test_snapping_moves_each_note_as_little_as_can_be(events: list[int], classes: set[int]) -> None:
    (found,) = snapped(np.array([events], np.uint8), frozenset(classes)).tolist()
    for event, after in zip(events, found, strict=True):
        if event > 127:
            assert after == event
        else:
            inside = [pitch for pitch in range(128) if pitch % 12 in classes]
            assert after in inside
            assert abs(after - event) == min(abs(pitch - event) for pitch in inside)


def test_snapped_melodies_are_the_prior_s_with_other_pitches(model: LoadedModel) -> None:
    before, after = draw(model, Single(), 1, 9), draw(model, SnapRival(frozenset(MAJOR)), 1, 9)
    assert np.array_equal(before.events < 128, after.events < 128)
    assert Rule((pitch_classes(MAJOR),)).satisfied(after.events)[(before.events < 128).any(axis=1)].all()
    assert np.isnan(after.z_mse).all()


def test_optimised_latents_are_those_of_generate(model: LoadedModel, critic: Critic) -> None:
    drawn = draw(model, OptimiseRival(RULE, critic, shift=2), 1, 2)
    z = Mixture(RULE, model.vae).start(model.prior(), stream_numbers(model.prior(), 1, range(1, 33))).z
    found = satisfy(z, MelodyBox(model.vae, RULE), critic, model.sigma_bar)
    _, raw = model.vae.decode_moved(found.z)
    assert np.array_equal(drawn.events, transpose_events(canonical(raw[:2].to(torch.uint8).numpy())[0], 2))
    assert drawn.z_mse == pytest.approx(z_mse(found.z, z, model.sigma_bar)[:2].tolist())
    assert drawn.decodes.tolist() == [1 + 3 * steps + -(-steps // 8) for steps in found.steps[:2].tolist()]


def test_a_fit_costs_what_it_decodes(model: LoadedModel) -> None:
    decoded = 0

    class Counted(VectorObjective):
        def decode(self, z: torch.Tensor, move: Move | None = None) -> tuple[torch.Tensor, torch.Tensor]:
            nonlocal decoded
            decoded += len(z)
            return super().decode(z, move)

    settings = FitSettings(
        rounds=3, fresh=20, check_every=2, check=10, measure=7, warmup=0, critic_steps=1, actor_steps=0, batch=5
    )
    box = Counted(2, lambda z: (z[:, :1] > 0).double().numpy())
    z = torch.randn(30, 2)
    fit(box, torch.ones(2), bank=Samples.without_scores(z, z), settings=settings)
    assert decoded == fit_cost(vars(settings))
    assert fit_cost(vars(replace(settings, actor_steps=2))) == decoded + 3 * 3 * 2 * 5


def test_figures_are_those_of_the_draws(model: LoadedModel, actor: FoundActor, critic: Critic) -> None:
    done = evaluator(model, actor, critic).run()
    case = done.cases["mine"]
    assert list(case.rows) == ["prior", "nearest", "moved", "rejection", "snapping", "optimize", "actor"]
    ways: dict[RivalName, tuple[Way, int]] = {
        "prior": (Single(), 5),
        "nearest": (Single(RULE), 5),
        "moved": (Single(RULE, actor, "moved"), 5),
        "rejection": (RejectionRival(RULE, 4), 3),
        "snapping": (SnapRival(frozenset(MAJOR)), 5),
        "optimize": (OptimiseRival(RULE, critic), 3),
        "actor": (Single(RULE, actor), 5),
    }
    for row, (way, count) in ways.items():
        drawn = [draw(model, way, seed, count) for seed in (1, 2)]
        scores, found = [RULE.scores(one.events) for one in drawn], case.rows[row]
        part = found.parts[RULE.names[1]]
        assert part.mean.values == pytest.approx([one[:, 1].mean() for one in scores])
        assert part.mean_interval[0] <= part.mean.mean <= part.mean_interval[1]
        assert part.rate_interval == wilson(int(sum((one[:, 1] == 1).sum() for one in scores)), 2 * count)
        assert found.all.values == pytest.approx([(one == 1).all(axis=1).mean() for one in scores])
        assert found.apart.values == pytest.approx([apart(one.events) for one in drawn])
        assert found.notes.values == pytest.approx([(one.events < 128).sum(axis=1).mean() for one in drawn])
        assert found.decodes.values == pytest.approx([one.decodes.mean() for one in drawn])
        assert (found.z_mse is None) == (row == "snapping")
        if found.over_prior:
            ratio = np.divide(found.apart.values, case.rows["prior"].apart.values)
            assert found.over_prior.values == pytest.approx(ratio)
    assert (case.rule, case.rounds, case.fingerprint, case.tries) == (RULE.identity, 7, "a" * 16, 4)
    later = ("arranged", "edit", "steer")
    assert [row for row in done.conditions["settings"]["rows"] if row not in later] == list(ways)


def test_rejection_has_what_the_actor_costs(actor: FoundActor) -> None:
    settings = RuleSettings(samples=50, seeds=(1, 2))
    assert Case("mine", RULE).tries(settings) == TRIES
    cost = fit_cost(actor.stored.header.settings)
    assert Case("mine", RULE, actor).tries(settings) == 1 + -(-cost // 100)
    assert Case("mine", RULE, actor).tries(replace(settings, tries=9)) == 9


def test_rows_are_those_asked_for_and_possible(model: LoadedModel, actor: FoundActor) -> None:
    only = RuleSettings(rows=read_rows("actor,snapping"))
    assert list(Case("mine", RULE, actor).ways(only)) == ["prior", "snapping", "actor"]
    assert list(Case("mine", Rule((density(40),))).ways(RuleSettings())) == ["prior", "nearest", "rejection"]


def test_methods_are_rows_where_they_can_be(model: LoadedModel) -> None:
    request = Request.read(density=["40"])
    assert request.rule is not None
    case, settings = Case("mine", request.rule, request=request), RuleSettings(samples=3, rows=read_rows("edit,steer"))
    assert list(case.ways(settings)) == ["prior", "edit", "steer"]
    by_normal = RuleEvaluator(model, [case], settings, "normal")
    assert list(by_normal.ways["mine"]) == ["prior", "edit"], "N(0, I) writes no melodies bar by bar"
    way = MethodRival("edit", request)
    drawn, more = draw(model, way, 1, 3), draw(model, way, 1, 9)
    expected = Edit.prepare(Task(model, request, "normal")).sample(1, range(1, 9), 1)
    assert np.array_equal(drawn.events, expected.events[:3])
    assert np.array_equal(more.events[:8], expected.events)
    assert len(more.events) == 9
    assert np.isnan(drawn.z_mse).all()


def test_fewer_draws_are_the_start_of_more(model: LoadedModel, actor: FoundActor) -> None:
    rule = Rule((density(40),))
    for way in (Single(), Single(rule), Single(rule, actor), SnapRival(frozenset((0,))), RejectionRival(rule, 3)):
        some, more = (draw(model, way, 4, count).events for count in (3, 9))
        assert np.array_equal(some, more[:3])


def test_an_evaluation_that_was_stopped_goes_on_where_it_was(
    model: LoadedModel, actor: FoundActor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, drawn = evaluator(model, actor).run(), list[int]()
    chunk = ways._chunk

    def spy(source: CandidateSource, seed: int, *given: object) -> MethodSamples:
        drawn.append(seed)
        return chunk(source, seed, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(ways, "_chunk", spy)

    def stop(count: int, what: str) -> None:
        if what.endswith("actor") and count:
            raise KeyboardInterrupt

    kept = tmp_path / "kept"
    with pytest.raises(KeyboardInterrupt):
        evaluator(model, actor, folder=kept).run(stop)
    assert len(drawn) == 2 + 2 + 2 + 1  # the prior's of two seeds, those begun, those moved, the actor's first
    first, *others = kept.iterdir()
    assert len(others) == 2 * 4 - 1
    first.write_bytes(b"half a file")
    told: list[int] = []
    again = evaluator(model, actor, folder=kept).run(lambda count, what: told.append(count))
    assert len(drawn) in (7 + 4, 7 + 5)  # the actor's, the prior's again for rejection, the last; one is damaged
    assert (again, sum(told)) == (whole, evaluator(model, actor).work)
    assert list(kept.iterdir()) == []


def test_real_melodies_and_copies_stand_beside_them_on_a_corpus(
    model: LoadedModel, actor: FoundActor, corpus: Corpus
) -> None:
    done = RuleEvaluator(model, [Case("mine", RULE, actor), Case("bare", RULE)], SETTINGS, corpus=corpus).run()
    assert done.samples is not None
    assert done.copies is not None
    names = ["prior", *(f"mine: {row}" for row in ("nearest", "moved", "rejection", "snapping", "actor"))]
    names += [f"bare: {row}" for row in ("nearest", "rejection", "snapping")]
    assert list(done.samples.priors) == list(done.copies.priors) == names
    assert done.cases["bare"].fingerprint is None
    titles = [table.title for table in rule_tables(done)]
    assert titles == ["mine", "bare", "Samples against held-out melodies", "Copies of training melodies"]
    assert json.loads(json.dumps(done.to_dict(), allow_nan=False))["cases"]["bare"]["rows"]["snapping"]["z_mse"] is None
    assert picture(done).count("like real melodies") == 2


def test_a_table_has_a_cell_for_every_column(model: LoadedModel, actor: FoundActor, critic: Critic) -> None:
    done: RulesEvaluation = evaluator(model, actor, critic).run()
    (found,) = rule_tables(done)
    assert {len(row) for row in found.rows} == {len(found.columns)}
    assert "7 rounds" in found.note
    assert "first of 4 draws" in found.note
    assert [row[0] for row in found.rows] == [
        "prior",
        "nearest",
        "moved",
        "rejection (3 a seed)",
        "snapping",
        "optimize (3 a seed)",
        "actor",
    ]
    assert "single draws" in "\n".join(rule_conditions(done))
    assert markdown([found]).startswith("### mine")


def test_a_picture_has_a_bar_for_every_share(model: LoadedModel, actor: FoundActor, critic: Critic) -> None:
    done = evaluator(model, actor, critic).run()
    drawn = ElementTree.fromstring(picture(done))
    width, height = (float(drawn.attrib[side]) for side in ("width", "height"))
    boxes = drawn.findall("{http://www.w3.org/2000/svg}rect")
    # Two parts, all of them, how many are different: seven rows each; how far apart: six.
    assert sum(box.attrib["fill"] == SHARE for box in boxes) == 4 * 7 + 6
    for box in boxes:
        x, y, across, down = (float(box.attrib[name]) for name in ("x", "y", "width", "height"))
        assert min(x, y, across, down) >= 0
        assert (x + across <= width, y + down <= height) == (True, True)
    texts = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"prior", "nearest", "moved", "rejection", "snapping", "optimize", "actor"} <= set(texts)
    assert f"{done.cases['mine'].rows['actor'].all.mean:.3f}" in texts


@pytest.mark.parametrize(
    ("cases", "expected"),
    [([], "no rule"), ([Case("a", RULE)] * 2, "'a' twice")],
)
def test_cases_need_names_of_their_own(model: LoadedModel, cases: list[Case], expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        RuleEvaluator(model, cases, SETTINGS)


@pytest.mark.parametrize(
    ("name", "value"),
    [("samples", 1), ("few", 1), ("tries", 0), ("seeds", ()), ("seeds", (1, 1)), ("seeds", (-1,))],
)
def test_settings_that_make_no_sense_are_refused(name: str, value: object) -> None:
    with pytest.raises(InputError, match=name.rstrip("s")):
        replace(SETTINGS, **{name: value})  # type: ignore[arg-type]


# -- the command line --------------------------------------------------------------------------


def test_the_command_writes_tables_and_a_file(run_cli: RunCli, path: Path, corpus: Corpus, tmp_path: Path) -> None:
    words = ("evaluate", "rules", corpus.folder, "--density", "40", "--no-variety", "--no-fit", "--model", path)
    few = ("--samples", 4, "--few", 2, "--tries", 2, "--seed", 1)
    done = run_cli(*words, *few, "-o", tmp_path / "all.json", "--markdown", "--picture", tmp_path / "all.svg")
    assert done.code == 0, done.err
    assert "### --density 40.. --no-variety" in done.out
    assert "Copies of training melodies" in done.out
    assert (tmp_path / "all.svg").read_text("utf-8").startswith("<svg")
    found = json.loads((tmp_path / "all.json").read_text("utf-8"))
    again = run_cli(*words, *few, "--json")
    assert json.loads(again.out) == found
    assert found["format"] == "melodylc-rules/2"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "no rule to evaluate"),
        (("--actor", "none.safetensors"), "none.safetensors"),
        (("--density", "40", "--json", "--markdown"), "choose one"),
        (("--density", "40", "--no-fit", "--rows", "prior,magic"), "'magic' is no row"),
        (("--density", "40", "--no-fit", "--picture", "rules.png"), "ending in .svg"),
        (("--density", "40", "--no-fit", "--picture", "no/such/rules.svg"), "no/such"),
        (("nowhere", "--density", "40", "--no-fit"), "nowhere"),
        (("--density", "40", "--no-fit", "-o", "no/such/folder.json"), "no/such"),
    ],
)
def test_mistakes_are_one_line(run_cli: RunCli, path: Path, words: tuple[str, ...], expected: str) -> None:
    done = run_cli("evaluate", "rules", "--model", path, *words)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert expected in done.err
