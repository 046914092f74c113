"""From a corpus to a model file, by function and by command line; every mistake is one line."""

import errno
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
from conftest import Run
from small_corpus import build_small

from melodylc import __version__
from melodylc.cli.main import group
from melodylc.data.corpus import Corpus
from melodylc.data.errors import CorpusError, InputError
from melodylc.data.leave_out import LEFT_OUT, leave_out
from melodylc.data.rows import validation_rows
from melodylc.evaluation.validation import validation_figures
from melodylc.models.checkpoint import load_model
from melodylc.models.config import named_config
from melodylc.models.recall import RecallConfig, RecallLM
from melodylc.training import run, settings
from melodylc.training.batches import Batches
from melodylc.training.loop import Report
from melodylc.training.run import commit, mean_sigma, prepare, train_prior, train_vae
from melodylc.training.settings import StageSettings, TrainSettings

TINY = named_config("tiny")
FAST = TrainSettings(
    stages=(
        StageSettings(kind="codec", batch=4, rate=5e-3, steps=4, warmup=2),
        StageSettings(kind="song", batch=2, rate=1e-3, steps=6, warmup=2, free_nats=(100.0, 40.0)),
    ),
    validate_every=2,
)
RunCli = Callable[..., Run]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build_small(tmp_path_factory)


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few melodies to validate on and to average sigma over, and a short recipe for `tiny`."""
    monkeypatch.setattr(run, "VALIDATION_MELODIES", 4)
    monkeypatch.setattr(run, "SIGMA_MELODIES", 8)
    monkeypatch.setattr(settings, "default_settings", lambda config: FAST)


def interrupt(_: object) -> None:
    signal.raise_signal(signal.SIGINT)


# -- the function ------------------------------------------------------------------------------


def test_a_model_comes_of_a_corpus(corpus: Corpus, tmp_path: Path) -> None:
    path = train_vae(corpus, TINY, FAST, tmp_path / "runs" / "first", validate=validation_figures)
    assert path == tmp_path / "runs" / "first" / "model.safetensors"
    loaded = load_model(path)
    told = loaded.provenance
    assert told["corpus"] == corpus.fingerprint
    assert told["configuration"] == loaded.vae.config.to_dict() == TINY.to_dict()
    assert told["settings"] == json.loads(json.dumps(FAST.to_dict()))
    assert (told["commit"], told["version"]) == (commit(), __version__)
    assert len(told["minutes"]) == 2
    validation = np.asarray(corpus.heldout[validation_rows(corpus, 4)])
    assert told["validation"] == validation_figures(loaded.vae, validation)
    batch = Batches(corpus, FAST.balance, FAST.seed).draw(len(told) - 1, 0, 8)
    np.testing.assert_allclose(loaded.sigma_bar, mean_sigma(loaded.vae, batch), rtol=0.01)  # half precision
    assert {entry.name for entry in path.parent.iterdir()} == {"model.safetensors", "state.safetensors", "log.jsonl"}


def test_stopped_and_resumed_makes_the_same_file(corpus: Corpus, tmp_path: Path) -> None:
    def stop(report: Report) -> None:
        if (report.stage, report.step) == ("song", 2):
            raise KeyboardInterrupt

    through = load_model(train_vae(corpus, TINY, FAST, tmp_path / "through"))
    with pytest.raises(KeyboardInterrupt):
        train_vae(corpus, TINY, FAST, tmp_path / "resumed", stop)
    path = train_vae(corpus, TINY, FAST, tmp_path / "resumed")
    assert load_model(path).fingerprint == through.fingerprint
    before = path.read_bytes()
    train_vae(corpus, TINY, FAST, tmp_path / "resumed", lambda _: pytest.fail("a step"))
    assert path.read_bytes() == before


def test_a_model_gets_a_language_model_and_keeps_what_it_had(corpus: Corpus, tmp_path: Path) -> None:
    first = load_model(train_vae(corpus, TINY, FAST, tmp_path / "first"))
    recipe = TrainSettings(
        stages=(StageSettings(kind="language", batch=2, rate=1e-3, steps=3, warmup=2),), validate_every=2
    )

    def stop(report: Report) -> None:
        if report.step == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_prior(corpus, first, recipe, tmp_path / "resumed", stop)
    resumed = load_model(train_prior(corpus, first, recipe, tmp_path / "resumed"))
    through = load_model(train_prior(corpus, first, recipe, tmp_path / "through"))
    assert isinstance(through.language, RecallLM)
    assert through.provenance["language"]["configuration"] == RecallConfig().to_dict()
    for name, weights in through.language.state_dict().items():
        assert resumed.language is not None
        assert weights.equal(resumed.language.state_dict()[name]), name
    for name, weights in through.vae.state_dict().items():
        assert weights.equal(first.vae.state_dict()[name]), name
    prior, numbers = through.prior(), np.random.default_rng(1).random((2, 256), np.float32)
    assert prior.latents(numbers).shape == (2, TINY.z)


def test_a_model_can_be_trained_on(corpus: Corpus, tmp_path: Path) -> None:
    first = load_model(train_vae(corpus, TINY, FAST, tmp_path / "first"))
    still = replace(FAST.continued(), stages=(replace(FAST.continued().stages[0], rate=0.0),))
    kept = load_model(train_vae(corpus, TINY, still, tmp_path / "still", start=first))
    assert kept.provenance["start"] == first.fingerprint
    assert len(kept.provenance["minutes"]) == 1
    for name, weights in kept.vae.state_dict().items():
        assert weights.equal(first.vae.state_dict()[name]), name
    moved = load_model(train_vae(corpus, TINY, FAST.continued(), tmp_path / "moved", start=first))
    name = "song.conductor.head.weight"
    assert not moved.vae.state_dict()[name].equal(first.vae.state_dict()[name])
    with pytest.raises(InputError, match="made with another start"):
        train_vae(corpus, TINY, FAST.continued(), tmp_path / "moved", start=moved)
    with pytest.raises(InputError, match=r"another configuration \('tiny', not this 'tiny'\)"):
        train_vae(corpus, replace(TINY, z=16), FAST.continued(), tmp_path / "other", start=first)
    assert not (tmp_path / "other").exists()


def test_a_collection_can_be_left_out(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    draw = Batches.draw

    def watched(self: Batches, stage: int, step: int, count: int) -> np.ndarray:
        seen.append(draw(self, stage, step, count))
        return seen[-1]

    monkeypatch.setattr(Batches, "draw", watched)
    loaded = load_model(train_vae(corpus, TINY, FAST, tmp_path / "run", without="reels", validate=validation_figures))
    remaining = leave_out(corpus, "reels")
    reels = (corpus.train_collection == corpus.collections.index("reels")).sum()
    assert loaded.provenance[LEFT_OUT] == remaining.to_dict()
    assert loaded.provenance[LEFT_OUT]["melodies"] == reels > 0
    rhythms = {(row < 128).tobytes() for row in np.asarray(corpus.train[remaining.train])}
    assert {(row < 128).tobytes() for batch in seen for row in batch} <= rhythms
    validation = np.asarray(corpus.heldout[validation_rows(corpus, 4, remaining.heldout)])
    assert loaded.provenance["validation"] == validation_figures(loaded.vae, validation)
    for other in (None, "hymns"):
        with pytest.raises(InputError, match="made with another collection left out: resume with the same"):
            train_vae(corpus, TINY, FAST, tmp_path / "run", without=other)
    assert (
        load_model(
            train_vae(corpus, TINY, FAST, tmp_path / "run", without="reels", validate=validation_figures)
        ).fingerprint
        == loaded.fingerprint
    )
    with pytest.raises(CorpusError, match="no collection 'jigs': choose one of airs, hymns, reels"):
        train_vae(corpus, TINY, FAST, tmp_path / "other", without="jigs")
    assert not (tmp_path / "other").exists()


def test_what_was_left_out_does_not_come_back_with_the_model_to_start_from(corpus: Corpus, tmp_path: Path) -> None:
    whole = load_model(train_vae(corpus, TINY, FAST, tmp_path / "whole"))
    without = load_model(train_vae(corpus, TINY, FAST, tmp_path / "without", without="airs"))
    on = FAST.continued()
    for start, left_out in ((whole, "airs"), (without, "hymns")):
        with pytest.raises(
            InputError, match=f"may have met '{left_out}': start from one that was trained on this corpus"
        ):
            train_vae(corpus, TINY, on, tmp_path / "refused", start=start, without=left_out)
    assert not (tmp_path / "refused").exists()
    kept = load_model(train_vae(corpus, TINY, on, tmp_path / "on", start=without, without="airs"))
    assert kept.provenance[LEFT_OUT]["collection"] == "airs"
    freed = load_model(train_vae(corpus, TINY, on, tmp_path / "freed", start=without))
    assert freed.provenance[LEFT_OUT] is None


def test_ctrl_c_while_the_model_is_measured_loses_nothing(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(run, "mean_sigma", lambda *_: interrupt(_))
        with pytest.raises(KeyboardInterrupt):
            train_vae(corpus, TINY, FAST, tmp_path)
    assert not (tmp_path / "model.safetensors").exists()
    path = train_vae(corpus, TINY, FAST, tmp_path, lambda _: pytest.fail("a step"), validate=validation_figures)
    assert load_model(path).provenance["validation"]


def test_a_folder_with_somebodys_model_is_left_alone(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"precious")
    with pytest.raises(InputError, match="holds a model, and no run to go on with") as caught:
        train_vae(corpus, TINY, FAST, tmp_path)
    assert "choose another folder" in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.safetensors"]
    assert (tmp_path / "model.safetensors").read_bytes() == b"precious"


def test_a_place_that_can_not_be_written_is_told_before_any_time_is_spent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=r"can't hold a training run .* name a folder"):
            prepare(path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="the disk is full"):
        prepare(tmp_path / "run")
    assert not list((tmp_path / "run").iterdir())


def test_the_commit_is_that_of_our_own_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    copy = tmp_path / "run.py"
    copy.write_text("")
    monkeypatch.setattr(run, "__file__", str(copy))
    assert commit() == "unknown"  # no checkout
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "somebody else's"]):
        subprocess.run([*git, *words], check=True)
    assert commit() == "unknown"  # a copy installed within another project's checkout
    for words in (["add", "run.py"], ["commit", "-q", "-m", "ours"]):
        subprocess.run([*git, *words], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert commit() == head
    monkeypatch.setenv("PATH", "")
    assert commit() == "unknown"  # no git


# -- the command -------------------------------------------------------------------------------


def test_the_command_trains_and_tells(run_cli: RunCli, corpus: Corpus, tmp_path: Path) -> None:
    done = run_cli("train", "vae", corpus.folder, "-o", tmp_path / "run", "--config", "tiny")
    assert (done.code, done.out) == (0, f"wrote {tmp_path / 'run' / 'model.safetensors'}\n")
    lines = done.err.splitlines()
    assert [line.split()[0] for line in lines] == ["codec", "codec", "song", "song", "song"]
    assert all("validation" in line for line in lines)
    assert load_model(tmp_path / "run" / "model.safetensors").provenance["settings"]["seed"] == 0


def test_options_reach_the_settings(run_cli: RunCli, corpus: Corpus, tmp_path: Path) -> None:
    words = ("--minutes", "1, 2.5", "--seed", 7, "--precision", "fp32")
    done = run_cli("train", "vae", corpus.folder, "-o", tmp_path, "--config", "tiny", *words)
    assert done.code == 0
    told = load_model(tmp_path / "model.safetensors").provenance["settings"]
    assert [stage["minutes"] for stage in told["stages"]] == [1.0, 2.5]
    assert (told["seed"], told["precision"]) == (7, "fp32")


def test_a_model_to_start_from(run_cli: RunCli, corpus: Corpus, tmp_path: Path) -> None:
    first = train_vae(corpus, TINY, FAST, tmp_path / "first")
    command = ("train", "vae", corpus.folder, "-o", tmp_path / "on", "--config", "tiny", "--start")
    assert f"{tmp_path / 'none'}: no such file" in refused(run_cli(*command, tmp_path / "none"))
    assert "2 durations for 1 stages: give one each of song" in refused(run_cli(*command, first, "--minutes", "1,2"))
    done = run_cli(*command, first, "--minutes", "1", "--seed", 3)
    assert done.code == 0
    assert [line.split()[0] for line in done.err.splitlines()] == ["song", "song", "song"]
    told = load_model(tmp_path / "on" / "model.safetensors").provenance
    assert told["start"] == load_model(first).fingerprint
    assert [stage["kind"] for stage in told["settings"]["stages"]] == ["song"]


def test_a_collection_to_leave_out(run_cli: RunCli, corpus: Corpus, tmp_path: Path) -> None:
    command = ("train", "vae", corpus.folder, "-o", tmp_path / "run", "--config", "tiny", "--without")
    assert "no collection 'jigs': choose one of airs, hymns, reels" in refused(run_cli(*command, "jigs"))
    assert not (tmp_path / "run").exists()
    assert run_cli(*command, "airs").code == 0
    told = load_model(tmp_path / "run" / "model.safetensors").provenance[LEFT_OUT]
    assert told["collection"] == "airs"
    assert "made with another collection left out" in refused(run_cli(*command, "reels"))
    assert "made with another collection left out" in refused(run_cli(*command[:-1]))


def test_ctrl_c_then_the_same_command_again(
    run_cli: RunCli, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = Batches.draw

    def interrupted(self: Batches, stage: int, step: int, count: int) -> object:
        if (stage, step) == (1, 1):
            signal.raise_signal(signal.SIGINT)
        return draw(self, stage, step, count)

    command = ("train", "vae", corpus.folder, "-o", tmp_path, "--config", "tiny")
    with monkeypatch.context() as patch:
        patch.setattr(Batches, "draw", interrupted)
        stopped = run_cli(*command)
    assert (stopped.code, stopped.out) == (130, "")
    assert stopped.err.splitlines()[-1] == "melodylc: interrupted"
    assert {entry.name for entry in tmp_path.iterdir()} == {"state.safetensors", "log.jsonl"}
    resumed = run_cli(*command)
    assert resumed.code == 0
    assert [line.split()[0] for line in resumed.err.splitlines()] == ["song", "song"]


def refused(done: Run) -> str:
    """The one line of a refusal."""
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("melodylc: error: ")
    assert done.err.count("\n") == 1
    return done.err


def test_another_run_in_the_folder_is_refused(run_cli: RunCli, corpus: Corpus, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train_vae(corpus, TINY, FAST, folder)
    before = {entry.name: entry.read_bytes() for entry in folder.iterdir()}
    other = tmp_path / "other"
    shutil.copytree(corpus.folder, other)
    manifest = json.loads((other / "corpus.json").read_text())
    (other / "corpus.json").write_text(json.dumps(manifest | {"fingerprint": "f" * 16}))
    command = ("-o", folder, "--config", "tiny")
    assert "made with another corpus: resume with" in refused(run_cli("train", "vae", other, *command))
    assert "made with another settings" in refused(run_cli("train", "vae", corpus.folder, *command, "--seed", 1))
    flat = replace(TINY, z=16)
    with pytest.raises(InputError, match="made with another configuration"):
        train_vae(corpus, flat, FAST, folder)
    assert {entry.name: entry.read_bytes() for entry in folder.iterdir()} == before


def test_a_damaged_state_is_one_line(run_cli: RunCli, corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "state.safetensors").write_bytes(b"not tensors")
    line = refused(run_cli("train", "vae", corpus.folder, "-o", tmp_path, "--config", "tiny"))
    assert f"{tmp_path / 'state.safetensors'}: damaged" in line


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--minutes", "twelve"], "'twelve' is not a list of numbers such as 12,25,85"),
        (["--minutes", "1,2,"], "'1,2,' is not a list of numbers"),
        (["--minutes", ""], "'' is not a list of numbers"),
        (["--minutes", "1,2,3"], "3 durations for 2 stages: give one each of codec,song"),
        (["--minutes", "1,0"], "a stage of 0 minutes: every duration must be a number above 0"),
        (["--minutes", "1,-2"], "a stage of -2 minutes"),
        (["--minutes", "1,nan"], "a stage of nan minutes"),
        (["--minutes", "1,inf"], "a stage of inf minutes"),
        (["--config", "huge"], "unknown model configuration 'huge': choose one of paper, base, tiny"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
        (["--seed", str(2**63)], "Invalid value for '--seed'"),
        (["--precision", "fp8"], "'fp8' is not one of 'bf16', 'fp32'"),
    ],
    ids=" ".join,
)
def test_a_wrong_option_is_one_line(
    run_cli: RunCli, corpus: Corpus, tmp_path: Path, words: list[str], line: str
) -> None:
    config = [] if "--config" in words else ["--config", "tiny"]
    assert line in refused(run_cli("train", "vae", corpus.folder, "-o", tmp_path / "run", *config, *words))
    assert not (tmp_path / "run").exists()


def test_a_corpus_that_is_none(run_cli: RunCli, tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        line = refused(run_cli("train", "vae", path, "-o", tmp_path / "run", "--config", "tiny"))
        assert f"no corpus in {str(path)!r}" in line
        assert "melodylc data build" in line
    assert not (tmp_path / "run").exists()


def test_an_output_that_is_a_file(run_cli: RunCli, corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    line = refused(run_cli("train", "vae", corpus.folder, "-o", tmp_path / "run", "--config", "tiny"))
    assert f"{tmp_path / 'run'}: can't hold a training run" in line
    assert (tmp_path / "run").read_text() == "mine"


def test_a_bar_that_was_begun_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A live bar hides the cursor: it must come back, however the run ends."""
    from rich.console import Console

    from melodylc.cli import train

    monkeypatch.setattr(train, "animates", lambda: True)
    monkeypatch.setattr(train, "console", lambda stderr: Console(force_terminal=True, stderr=stderr, width=120))
    progress = train._Progress()

    def stopped() -> None:
        with progress:
            progress(Report("codec", 1, 0.5, {"nll": 1.0}))
            assert progress.bar is not None
            assert progress.bar.live.is_started
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert progress.bar is not None
    assert not progress.bar.live.is_started


def test_the_help_names_every_stage_and_what_ctrl_c_does(run_cli: RunCli) -> None:
    shown = " ".join(run_cli("train", "vae", "--help").out.split())
    for word in ("codec, song", "Ctrl-C", "--precision", "bf16"):
        assert word in shown
    top = group.get_command(click.Context(group), "train")
    assert isinstance(top, click.Group)
    assert list(top.commands) == ["vae", "prior", "critic", "realism"]
