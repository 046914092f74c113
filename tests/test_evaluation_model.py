"""A whole evaluation, by function and by command line, on a small corpus and an untrained model; every mistake."""

import json
import re
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Run
from small_corpus import build_small

from melodylc.data.corpus import Corpus
from melodylc.data.errors import CorpusError, InputError
from melodylc.data.leave_out import LEFT_OUT, leave_out
from melodylc.data.rows import evaluation_rows
from melodylc.evaluation.figures import Spread, plain
from melodylc.evaluation.model import FORMAT, EvaluationSettings, Evaluator, ModelEvaluation
from melodylc.evaluation.report import conditions, markdown, tables
from melodylc.evaluation.statistics import features
from melodylc.evaluation.subject import StandardNormal, Subject
from melodylc.models.checkpoint import LoadedModel, load_model, save_model
from melodylc.models.config import named_config
from melodylc.models.refinement import Refinement
from melodylc.models.vae import MelodyVAE

RunCli = Callable[..., Run]
SMALL = EvaluationSettings(melodies=9, samples=6, pairs=2, seeds=(1, 2))
OPTIONS = ("--melodies", 9, "--samples", 6, "--pairs", 2, "--seed", 1, "--seed", 2)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build_small(tmp_path_factory)


def save(path: Path, **provenance: Any) -> Path:
    torch.manual_seed(0)
    save_model(path, MelodyVAE(named_config("tiny")), torch.full((32,), 0.5), provenance)
    return path


@pytest.fixture(scope="module")
def path(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    return save(path, corpus=corpus.fingerprint, settings={"balance": 1.0}, commit="abc")


@pytest.fixture(scope="module")
def model(path: Path) -> LoadedModel:
    return load_model(path)


@pytest.fixture(scope="module")
def done(model: LoadedModel, corpus: Corpus) -> ModelEvaluation:
    return Evaluator(model, corpus, SMALL).run()


# -- the function ------------------------------------------------------------------------------


def test_an_evaluation_tells_its_conditions(done: ModelEvaluation, model: LoadedModel, corpus: Corpus) -> None:
    told = done.conditions
    assert (told["model"], told["corpus"]) == (model.fingerprint, corpus.fingerprint)
    assert (told["configuration"], told["balance"], told["corpus_is_the_trained_one"]) == ("tiny", 1.0, True)
    assert told["settings"] == {
        "melodies": 9,
        "samples": 6,
        "pairs": 2,
        "seeds": [1, 2],
        "refine": None,
        "refined": 256,
    }
    assert told["trained"]["commit"] == "abc"
    assert (told["melodies"], told["held_out"]) == (9, len(evaluation_rows(corpus)))
    assert set(told["versions"]) == {"melodylc", "torch", "numpy", "python"}


def test_every_part_is_measured_on_what_it_should_be(done: ModelEvaluation, model: LoadedModel, corpus: Corpus) -> None:
    rows = evaluation_rows(corpus, 9)
    events = np.asarray(corpus.heldout[rows])
    written = model.vae.decode(model.vae.encode(torch.from_numpy(events.astype(np.int64))).mean)
    assert done.reconstruction.mean_free.steps.mean == pytest.approx((written == events).mean())
    of = np.asarray(corpus.heldout_collection[rows])
    for name, found in done.by_collection.items():
        mine = of == corpus.collections.index(name)
        assert found.melodies == mine.sum()
        assert found.mean_free.steps.mean == pytest.approx((written == events)[mine].mean())
    assert sum(found.melodies for found in done.by_collection.values()) == 9
    drawn = [model.vae.decode(StandardNormal(32).sample(6, seed)) for seed in (1, 2)]
    levels = done.samples.priors["N(0, I)"].comparison.levels
    assert levels["pitch_count"].values == pytest.approx([features(one).pitch_count.mean() for one in drawn])
    assert done.unseen == {}
    assert done.copies.heldout.share.mean == 0.0  # dropped when the corpus was built
    assert done.copies.before_dropping == pytest.approx(
        corpus.manifest["counts"]["heldout_shared"]
        / (corpus.manifest["counts"]["heldout_shared"] + len(corpus.heldout))
    )
    assert done.interpolation.pairs == 2
    shares = [share for found in done.interpolation.between.shares.values() for share in found.values]
    assert len(shares) == 16
    assert all(0 <= share <= 1 for share in shares)


def test_some_are_given_back_once_more_with_posteriors_fitted_to_each(model: LoadedModel, corpus: Corpus) -> None:
    how, heard = Refinement(steps=2), []
    evaluator = Evaluator(model, corpus, replace(SMALL, melodies=1, pairs=1, samples=2, refine=how, refined=3))
    done = evaluator.run(lambda count, what: heard.append(count))
    events = np.asarray(corpus.heldout[evaluation_rows(corpus, 3)])
    written = model.vae.decode(model.vae.encode(torch.from_numpy(events.astype(np.int64)), None, how).mean)
    (found,) = done.refined.values()
    assert found.melodies == 3
    assert found.mean_free.steps.mean == pytest.approx((written == events).mean())
    assert sum(heard) == evaluator.work
    assert [table.title for table in tables(done)][1] == "Giving melodies back: held-out works, q fitted to each"


def test_the_same_seeds_make_the_same_figures_in_any_order(
    done: ModelEvaluation, model: LoadedModel, corpus: Corpus
) -> None:
    assert Evaluator(model, corpus, SMALL).run() == done
    turned = Evaluator(model, corpus, replace(SMALL, seeds=(2, 1))).run()
    ratio = done.samples.priors["N(0, I)"].ratio
    assert turned.samples.priors["N(0, I)"].ratio.values == ratio.values[::-1]
    assert turned.interpolation.jump.values == done.interpolation.jump.values[::-1]


def test_progress_comes_to_what_was_announced(model: LoadedModel, corpus: Corpus) -> None:
    heard = list[tuple[int, str]]()
    evaluator = Evaluator(model, corpus, SMALL)
    evaluator.run(lambda count, what: heard.append((count, what)))
    assert sum(count for count, _ in heard) == evaluator.work == 9 * 3 + 2 * (6 + 2 * 10)
    assert list(dict.fromkeys(what for _, what in heard)) == [
        "giving melodies back",
        "sampling",
        "walking between melodies",
        "looking for copies",
        "judging likeness",
    ]


def test_every_prior_is_sampled(model: LoadedModel, corpus: Corpus) -> None:
    subject = Subject(model.vae, (StandardNormal(32), StandardNormal(32, name="again")))
    found = Evaluator(model, corpus, SMALL, subject).run()
    one, other = found.samples.priors.values()
    assert one == other
    assert list(found.copies.priors) == list(found.reconstruction.rates) == ["N(0, I)", "again"]
    assert len(found.interpolation.samples) == 2
    wide = {table.title: table for table in tables(found)}["Samples against held-out melodies"]
    assert wide.columns[-2:] == ["again", "area: again"]
    assert all(len(row) == len(wide.columns) for row in wide.rows)


@pytest.mark.parametrize("name", ["airs", "hymns"])
def test_a_collection_that_was_left_out_is_judged_by_itself(corpus: Corpus, tmp_path: Path, name: str) -> None:
    left_out = leave_out(corpus, name).to_dict()
    model = load_model(save(tmp_path / "m.safetensors", corpus=corpus.fingerprint, **{LEFT_OUT: left_out}))
    evaluator = Evaluator(model, corpus, SMALL)
    found = evaluator.run()
    number = corpus.collections.index(name)
    both = np.concatenate([side[of == number] for side, of in sides(corpus)])
    assert found.unseen[name].melodies == min(9, len(both))
    assert {row.tobytes() for row in evaluator.unseen} <= {row.tobytes() for row in both}
    assert name not in found.by_collection
    assert number not in evaluator.held.collection
    shown = {table.title: table for table in tables(found)}
    assert f"Giving melodies back: {name} (left out)" in shown
    fitted = replace(SMALL, melodies=1, refine=Refinement(steps=1), refined=2)  # how many doesn't hang on the others
    refined = Evaluator(model, corpus, fitted).run().refined
    assert {title: done.melodies for title, done in refined.items()} == {"held-out works": 2, name: 2}
    rows = {row[0]: row for row in shown["By collection, free-running"].rows}
    gap = found.reconstruction.mean_free.steps.mean - found.unseen[name].mean_free.steps.mean
    assert rows[f"all less {name} (left out)"][2] == f"{gap:.4f}"
    assert any(f"trained without {name}" in line for line in conditions(found))


def sides(corpus: Corpus) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(corpus.train, corpus.train_collection), (corpus.heldout, corpus.heldout_collection)]


def test_copies_are_looked_for_in_what_was_trained_on_alone(corpus: Corpus, tmp_path: Path) -> None:
    class Plagiarist(Subject):
        """Writes the first tunes of the collection that was left out."""

        def melodies(self, z: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
            hymns = np.asarray(corpus.train[corpus.train_collection == corpus.collections.index("hymns")])
            return np.resize(hymns, (len(z), 256)), np.zeros((len(z), 256), np.bool_)

    shares = {}
    for name, left_out in (("all", None), ("hymns", leave_out(corpus, "hymns").to_dict())):
        model = load_model(save(tmp_path / name, corpus=corpus.fingerprint, **{LEFT_OUT: left_out}))
        found = Evaluator(model, corpus, SMALL, Plagiarist(model.vae)).run()
        shares[name] = found.copies.priors["N(0, I)"].share.mean
    assert shares == {"all": 1.0, "hymns": 0.0}


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (replace(SMALL, melodies=0), "0 melodies to evaluate on: take 1 or more"),
        (replace(SMALL, samples=1), "1 samples to evaluate on: take 2 or more"),
        (replace(SMALL, pairs=-1), "-1 pairs to evaluate on: take 1 or more"),
        (replace(SMALL, seeds=()), "seeds none: give one or more, all different, from 0 on"),
        (replace(SMALL, seeds=(1, 2, 1)), "seeds 1, 2, 1: give one or more, all different"),
        (replace(SMALL, seeds=(-1,)), "seeds -1: give one or more, all different, from 0 on"),
    ],
    ids=["melodies", "samples", "pairs", "no seed", "a seed twice", "a negative seed"],
)
def test_counts_that_make_no_sense_are_refused(
    model: LoadedModel, corpus: Corpus, settings: EvaluationSettings, line: str
) -> None:
    with pytest.raises(InputError, match=re.escape(line)):
        Evaluator(model, corpus, settings)


def test_a_model_that_left_out_what_the_corpus_lacks_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    told = {"collection": "jigs", "melodies": 3, "kin": 0}
    model = load_model(save(tmp_path / "m.safetensors", **{LEFT_OUT: told}))
    with pytest.raises(CorpusError, match="no collection 'jigs': choose one of airs, hymns, reels"):
        Evaluator(model, corpus, SMALL)


# -- reports -----------------------------------------------------------------------------------


def test_tables_hold_the_figures(done: ModelEvaluation) -> None:
    found = tables(done)
    for table in found:
        assert all(len(row) == len(table.columns) for row in table.rows), table.title
        assert all(isinstance(cell, str) for row in table.rows for cell in row), table.title
    text = markdown(found)
    for figure in (
        done.reconstruction.sample_free.notes,
        done.samples.priors["N(0, I)"].ratio,
        done.interpolation.between.shares["all"],
        done.copies.priors["N(0, I)"].share,
    ):
        assert f"| {figure} |" in text
    assert all(f"### {table.title}" in text for table in found)


def test_another_corpus_than_the_trained_one_is_told(corpus: Corpus, tmp_path: Path) -> None:
    model = load_model(save(tmp_path / "m.safetensors", corpus="f" * 16))
    found = Evaluator(model, corpus, SMALL).run()
    assert any("beware: trained on another corpus (ffffffffffffffff)" in line for line in conditions(found))


def test_a_spread_is_that_of_its_values() -> None:
    spread = Spread.of(np.array([0.1, 0.2, 0.6]))
    assert spread.values == (0.1, 0.2, 0.6)
    assert spread.mean == pytest.approx(0.3)
    assert spread.deviation == pytest.approx(np.std([0.1, 0.2, 0.6], ddof=1))
    assert str(Spread.of([0.5])) == "0.5000"
    assert plain({"x": (spread,)}) == json.loads(json.dumps(plain({"x": [spread]})))


# -- the command -------------------------------------------------------------------------------


def refused(done: Run) -> str:
    """The one line of a refusal."""
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("melodylc: error: ")
    assert done.err.count("\n") == 1
    return done.err


def test_the_command_shows_tables_and_writes_a_file(
    run_cli: RunCli, corpus: Corpus, path: Path, done: ModelEvaluation, tmp_path: Path
) -> None:
    target = tmp_path / "found.json"
    ran = run_cli("evaluate", "model", corpus.folder, "--model", path, "-o", target, *OPTIONS)
    assert ran.code == 0
    assert json.loads(target.read_text("utf-8")) == json.loads(json.dumps(done.to_dict()))
    assert json.loads(target.read_text("utf-8"))["format"] == FORMAT
    for table in tables(done):
        assert table.title in ran.out
    assert str(done.samples.priors["N(0, I)"].ratio) in ran.out
    assert ran.err.splitlines() == [*conditions(done), f"wrote {target}"]


def test_json_and_markdown_on_stdout(run_cli: RunCli, corpus: Corpus, path: Path, done: ModelEvaluation) -> None:
    command = ("evaluate", "model", corpus.folder, "--model", path, *OPTIONS)
    as_json = run_cli(*command, "--json")
    assert (as_json.code, as_json.err) == (0, "")
    assert json.loads(as_json.out) == json.loads(json.dumps(done.to_dict()))
    as_markdown = run_cli(*command, "--markdown")
    assert (as_markdown.code, as_markdown.err) == (0, "")
    assert as_markdown.out == "\n".join(conditions(done)) + "\n\n" + markdown(tables(done)) + "\n"
    assert "choose one" in refused(run_cli(*command, "--markdown", "--json"))


def test_ctrl_c_leaves_nothing(
    run_cli: RunCli, corpus: Corpus, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MelodyVAE, "raw_events", lambda *_: signal.raise_signal(signal.SIGINT))
    ran = run_cli("evaluate", "model", corpus.folder, "--model", path, "-o", tmp_path / "found.json", *OPTIONS)
    assert (ran.code, ran.out) == (130, "")
    assert ran.err.splitlines()[-1] == "melodylc: interrupted"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--melodies", "0"], "Invalid value for '--melodies'"),
        (["--samples", "1"], "Invalid value for '--samples'"),
        (["--pairs", "0"], "Invalid value for '--pairs'"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
        (["--seed", "4", "--seed", "4"], "seeds 4, 4: give one or more, all different, from 0 on"),
    ],
    ids=" ".join,
)
def test_a_wrong_option_is_one_line(run_cli: RunCli, corpus: Corpus, path: Path, words: list[str], line: str) -> None:
    assert line in refused(run_cli("evaluate", "model", corpus.folder, "--model", path, *words))


def test_an_output_that_can_not_be_written_is_told_before_any_time_is_spent(
    run_cli: RunCli, corpus: Corpus, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Evaluator, "run", lambda *_: pytest.fail("it was measured"))
    command = ("evaluate", "model", corpus.folder, "--model", path, "-o")
    missing = tmp_path / "nowhere" / "found.json"
    assert f"can't write {str(missing)!r}: there is no such file or folder" in refused(run_cli(*command, missing))
    assert "this is a folder, not a file" in refused(run_cli(*command, tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_corpus_that_is_none(run_cli: RunCli, path: Path, tmp_path: Path) -> None:
    line = refused(run_cli("evaluate", "model", tmp_path, "--model", path))
    assert f"no corpus in {str(tmp_path)!r}" in line


def test_a_model_that_is_none(run_cli: RunCli, corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not tensors")
    command = ("evaluate", "model", corpus.folder, "--model")
    assert "damaged or not a safetensors file" in refused(run_cli(*command, tmp_path / "text"))
    assert "no such file" in refused(run_cli(*command, tmp_path / "nothing"))


@pytest.mark.parametrize("side", ["train", "heldout"])
def test_a_corpus_of_another_alphabet(run_cli: RunCli, corpus: Corpus, path: Path, tmp_path: Path, side: str) -> None:
    other = tmp_path / "other"
    shutil.copytree(corpus.folder, other)
    events = np.load(other / f"{side}.npy")
    events[-1, 7] = 130
    np.save(other / f"{side}.npy", events)
    line = refused(run_cli("evaluate", "model", other, "--model", path))
    assert f"{str(other / side)!r} has an event 130, and this alphabet ends at 129: build the corpus again" in line


def cut(corpus: Corpus, folder: Path, rows: np.ndarray) -> Path:
    """The corpus with some of its held-out melodies."""
    shutil.copytree(corpus.folder, folder)
    for name in ("", "_piece", "_collection", "_track", "_bar"):
        np.save(folder / f"heldout{name}.npy", np.load(folder / f"heldout{name}.npy")[rows])
    manifest = json.loads((folder / "corpus.json").read_text("utf-8"))
    (folder / "corpus.json").write_text(json.dumps(manifest | {"heldout": len(rows)}), "utf-8")
    return folder


def test_a_corpus_that_is_too_small(run_cli: RunCli, corpus: Corpus, path: Path, tmp_path: Path) -> None:
    none = cut(corpus, tmp_path / "none", np.arange(0))
    assert "too few held-out works" in refused(run_cli("evaluate", "model", none, "--model", path))
    works = np.array([corpus.pieces[piece].work for piece in corpus.heldout_piece])
    two = cut(corpus, tmp_path / "two", np.flatnonzero(np.isin(works, np.unique(works)[:2])))
    line = refused(run_cli("evaluate", "model", two, "--model", path))
    assert "fewer than two held-out works of its training collections to compare" in line


def test_the_help_says_what_is_measured(run_cli: RunCli) -> None:
    shown = " ".join(run_cli("evaluate", "model", "--help").out.split())
    for word in ("--markdown", "--json", "held-out works", "copy from training", "minutes"):
        assert word in shown
