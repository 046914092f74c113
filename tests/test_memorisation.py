"""Copies of training melodies: how they are known, what `generate` does about them, and files that are none."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from conftest import Run
from hypothesis import given
from hypothesis import strategies as st
from sampler_of import sampler_of
from small_corpus import build_small

from melodylc.cache import pretrained
from melodylc.data import read_midi
from melodylc.data.alphabet import HOLD, REST, STEPS
from melodylc.data.corpus import Corpus
from melodylc.data.errors import CheckpointError
from melodylc.data.overlap import LEAST_ONSETS, run_hashes, shared_with
from melodylc.data.runs import BITS, KnownRuns
from melodylc.evaluation.samples import TRIES, draw_samples, redraw_copies
from melodylc.evaluation.subject import StandardNormal, Subject
from melodylc.latent.tensor_files import write_tensors
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import named_config
from melodylc.models.vae import MelodyVAE
from melodylc.rewards import Rule, density
from melodylc.sampling import memorisation as copies
from melodylc.sampling.memorisation import (
    FILE,
    MemorisationFilter,
    find_memorisation_filter,
    load_memorisation_filter,
    make_memorisation_filter,
    save_memorisation_filter,
)

Events = npt.NDArray[np.uint8]
RunCli = Callable[..., Run]

# Lincoln's Hornpipe (Ryan's Mammoth Collection, 1883), its first four bars, which the shipped model was trained on.
TUNE = [
    "69 - - - 73 - - 69 64 - - 69 73 - - 69",
    "68 - - 69 71 - - 68 69 - - - 73 - - -",
    "78 - - 76 74 - - 73 74 - - 73 71 - - 69",
    "68 - - 69 71 - - 68 64 - - 74 73 - - 71",
]
BARS = np.array([[HOLD if word == "-" else int(word) for word in bar.split()] for bar in TUNE])


def real_like(seed: int, count: int) -> Events:
    """Melodies (count, 256) with two to twelve notes in each bar."""
    chance = np.random.default_rng(seed)
    onset = chance.random((count, STEPS)) < 0.3
    onset[:, ::8] = True
    return np.where(onset, chance.integers(48, 84, (count, STEPS)), HOLD).astype(np.uint8)


def quoting(start: int, semitones: int = 0, length: int = 4) -> Events:
    """A melody of its own (1, 256) that quotes so many bars of the tune from bar `start` on, transposed."""
    melody = real_like(99, 1).reshape(16, 16)
    melody[start : start + length] = np.where(BARS < HOLD, BARS + semitones, BARS)[:length]
    return melody.reshape(1, STEPS)


@pytest.fixture(scope="module")
def shipped() -> MemorisationFilter:
    return load_memorisation_filter(pretrained() / FILE)


# -- known runs --------------------------------------------------------------------------------


@given(st.integers(0, 99), st.integers(-40, 40), st.integers(0, 12), st.integers(0, 12))
def test_four_bars_are_found_at_any_place_in_any_transposition(row: int, by: int, start: int, at: int) -> None:
    training, melody = real_like(1, 100), real_like(2, 1)
    quoted = training[row, 16 * start : 16 * (start + 4)].astype(int)
    melody[0, 16 * at : 16 * (at + 4)] = np.where(quoted < HOLD, quoted + by, quoted)
    assert KnownRuns.of(training).copied(melody).tolist() == [True]


@given(st.integers(0, 99), st.integers(0, 3))
def test_a_melody_of_which_no_four_bars_are_left_is_new(row: int, first: int) -> None:
    training = real_like(1, 100)
    changed = training[row : row + 1].copy()
    for bar in range(first, 16, 4):  # every fourth bar: three in a row stay
        changed[0, 16 * bar] ^= 1
    assert KnownRuns.of(training).copied(changed).tolist() == [False]
    assert KnownRuns.of(training).copied(training[row : row + 1]).tolist() == [True]


def test_it_knows_what_the_corpus_is_split_by() -> None:
    training = real_like(3, 200)
    melodies = np.concatenate([real_like(4, 300), training[:40]])
    np.testing.assert_array_equal(KnownRuns.of(training).copied(melodies), shared_with(training, melodies))


def test_bars_of_fewer_than_two_notes_are_nobodys() -> None:
    long = np.full((1, STEPS), HOLD, np.uint8)
    long[0, ::16] = 60 + np.arange(16)
    known = KnownRuns.of(long)
    assert (LEAST_ONSETS, len(known.keys), known.copied(long).tolist()) == (2, 0, [False])
    assert KnownRuns.of(real_like(1, 0)).copied(real_like(1, 3)).tolist() == [False] * 3
    assert known.copied(np.full((2, STEPS), REST, np.uint8)).tolist() == [False] * 2


def test_hashes_are_the_same_everywhere() -> None:
    """Files keep them, so they may depend neither on numpy's version nor on the machine."""
    hashes, enough = run_hashes(quoting(3))
    assert enough.all()
    assert f"{int(hashes[0, 3]):016x}" == "ee6d837a1d9003a6"


# -- the runs that ship ------------------------------------------------------------------------


@pytest.mark.parametrize("semitones", [-12, -7, -1, 0, 1, 5, 30])
@pytest.mark.parametrize("start", [0, 5, 12])
def test_a_training_tune_is_known_in_any_transposition(shipped: MemorisationFilter, start: int, semitones: int) -> None:
    assert shipped(quoting(start, semitones)).tolist() == [True]
    assert shipped(quoting(start, semitones, length=3)).tolist() == [False]


def test_mistakes_are_as_rare_as_they_should_be(shipped: MemorisationFilter) -> None:
    melodies = real_like(5, 20_000)
    expected = len(melodies) * 13 * len(shipped.runs.keys) / 2**BITS
    assert expected / len(melodies) < 0.0012
    assert abs(int(shipped(melodies).sum()) - expected) < 5 * expected**0.5


def test_the_file_is_small(shipped: MemorisationFilter) -> None:
    assert (pretrained() / FILE).stat().st_size < 1.6e6
    assert len(shipped.runs.keys) > 300_000


# -- the file ----------------------------------------------------------------------------------


def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    corpus = build_small(tmp_path_factory)
    made = make_memorisation_filter(corpus)
    for name in ("one", "two"):
        save_memorisation_filter(tmp_path / name, made)
    found = load_memorisation_filter(tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    np.testing.assert_array_equal(found.runs.keys, made.runs.keys)
    assert found.corpora == (corpus.fingerprint,)
    assert found(np.asarray(corpus.train)).mean() > 0.9  # the others have no four bars with two notes in each
    assert not found(np.asarray(corpus.heldout)).any()


def damaged(path: Path, kind: str) -> Path:
    whole = (pretrained() / FILE).read_bytes()
    about = {"corpus": "f" * 16, "bars": 4, "onsets": 2, "bits": 32}
    runs = torch.arange(5, dtype=torch.int32)
    match kind:
        case "truncated":
            path.write_bytes(whole[: len(whole) // 2])
        case "empty":
            path.write_bytes(b"")
        case "foreign":
            path.write_bytes((pretrained() / "common.safetensors").read_bytes())
        case "disordered":
            write_tensors(path, {"runs": runs.flip(0)}, copies.FORMAT, about)
        case "floats":
            write_tensors(path, {"runs": runs.float()}, copies.FORMAT, about)
        case "nameless":
            write_tensors(path, {"others": runs}, copies.FORMAT, about)
        case "five bars":
            write_tensors(path, {"runs": runs}, copies.FORMAT, {**about, "bars": 5})
        case "no corpus":
            write_tensors(path, {"runs": runs}, copies.FORMAT, {**about, "corpus": None})
    return path


KINDS = ["truncated", "empty", "foreign", "disordered", "floats", "nameless", "five bars", "no corpus", "missing"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_none_is_one_line(tmp_path: Path, kind: str) -> None:
    with pytest.raises(CheckpointError, match=re.escape(str(tmp_path / FILE))) as caught:
        load_memorisation_filter(damaged(tmp_path / FILE, kind))
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("kind", ["truncated", "missing"])
def test_generate_says_what_to_do_about_it(
    run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    damaged(tmp_path / FILE, kind)
    monkeypatch.setattr(copies, "pretrained", lambda: tmp_path)
    options = ("generate", "-n", 1, "--seed", 0, "-o", tmp_path / "out")
    refused = run_cli(*options)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "install melodylc again, or leave copies in (--allow-copies)" in refused.err
    assert not (tmp_path / "out").exists()
    assert run_cli(*options, "--allow-copies").code == 0


# -- draws -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    """An untrained model: chaotic enough to tell melodies apart."""
    torch.manual_seed(0)
    vae = MelodyVAE(named_config("tiny"))
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.mul_(3)
    return LoadedModel(vae.requires_grad_(False).eval(), torch.full((32,), 0.5), "0" * 16, {"corpus": "f" * 16})


def odd(events: Events) -> npt.NDArray[np.bool_]:
    """Calls about half of all melodies copies."""
    return np.asarray((events < HOLD).sum(axis=1) % 2 == 1)


def test_what_is_refused_is_drawn_again_and_nothing_else_changes(model: LoadedModel) -> None:
    rule = Rule((density(1),))
    free, guarded = sampler_of(model, None, rule), sampler_of(model, None, rule, is_copy=odd)
    one, found = free.sample(3, 20, 1), guarded.sample(3, 20, 50)
    assert guarded.sample(3, 7, 50) == found[:7]
    assert any(draw.copies for draw in found)
    for before, draw in zip(one, found, strict=True):
        assert draw.passed
        assert draw.melody.note_count % 2 == 0
        assert draw.attempts == 1 + draw.copies  # nothing but copies cost a draw
        if before.melody.note_count % 2 == 0:
            assert replace(draw, satisfied=before.satisfied) == before


def test_copies_alone_spend_the_budget_and_are_not_written(model: LoadedModel) -> None:
    never = sampler_of(model, None, None, is_copy=lambda events: np.ones(len(events), np.bool_))
    for draw in never.sample(0, 3, budget=4):
        assert (draw.passed, draw.is_copy, draw.copies, draw.passes, draw.attempts) == (False, True, 4, 0, 4)


def test_what_disobeys_is_not_counted_as_a_copy(model: LoadedModel) -> None:
    never = sampler_of(model, None, Rule((density(256),)), is_copy=odd)
    assert sum(draw.copies for draw in never.sample(0, 8, budget=2)) == 0


def test_only_a_model_of_the_same_corpus_is_guarded(model: LoadedModel, shipped: MemorisationFilter) -> None:
    assert find_memorisation_filter(model) is None
    for told in ({"corpus": shipped.corpora[0]}, {"corpus": "f" * 16, "language": {"corpus": shipped.corpora[0]}}):
        found = find_memorisation_filter(replace(model, provenance=told))
        assert found is not None
        assert found.corpora == shipped.corpora
    assert find_memorisation_filter(replace(model, provenance={})) is None


def test_samples_are_evaluated_as_generate_gives_them(model: LoadedModel) -> None:
    subject, prior = Subject(model.vae), StandardNormal(32)
    samples = draw_samples(subject, prior, 30, 1)
    new = redraw_copies(subject, prior, samples, 1, odd)
    kept = ~odd(samples)
    np.testing.assert_array_equal(new[kept], samples[kept])
    assert not odd(new).any()
    assert not kept.all()
    np.testing.assert_array_equal(redraw_copies(subject, prior, samples, 1, odd), new)
    asked: list[int] = []

    def always(events: Events) -> npt.NDArray[np.bool_]:
        asked.append(len(events))
        return np.ones(len(events), np.bool_)

    redraw_copies(subject, prior, samples[:1], 1, always)
    assert len(asked) == TRIES  # and then it is left


# -- the command -------------------------------------------------------------------------------


def manifest(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def test_generate_refuses_copies_and_its_manifest_says_so(
    run_cli: RunCli, tmp_path: Path, shipped: MemorisationFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("generate", "-n", 3, "--seed", 5)
    assert run_cli(*options, "-o", tmp_path / "before").code == 0
    first = manifest(tmp_path / "before")
    assert (first["copies_of"], first["request"]["allow_copies"]) == (list(shipped.corpora), False)

    # The first melody becomes one that was trained on.
    known = KnownRuns.of(read_midi((tmp_path / "before" / "free-120bpm-seed5-01.mid").read_bytes()).events[None])
    monkeypatch.setattr(
        "melodylc.service.generation.find_memorisation_filter", lambda model: MemorisationFilter(known, ("e" * 16,))
    )
    ran = run_cli(*options, "-o", tmp_path / "after")
    after = manifest(tmp_path / "after")
    assert ran.code == 0
    assert (after["copies_of"], after["copies_refused"], after["attempts"]) == (["e" * 16], 1, first["attempts"] + 1)
    assert "copies refused: 1" in ran.err
    digests = [[entry["sha256"] for entry in found["files"]] for found in (first, after)]
    assert digests[0][0] != digests[1][0]
    assert digests[0][1:] == digests[1][1:]
    assert after["acceptance"] == 1.0

    ran = run_cli(*options, "--allow-copies", "-o", tmp_path / "allowed")
    allowed = manifest(tmp_path / "allowed")
    assert [entry["sha256"] for entry in allowed["files"]] == digests[0]
    assert (allowed["copies_of"], allowed["copies_refused"], allowed["attempts"]) == ([], 0, 3)
    assert "copies refused" not in ran.err
    assert "--allow-copies" in allowed["command"]


def test_a_budget_that_copies_spent_is_told(run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    always = KnownRuns(np.arange(2**16, dtype=np.uint32))
    monkeypatch.setattr(KnownRuns, "copied", lambda self, events: np.ones(len(events), np.bool_))
    monkeypatch.setattr(
        "melodylc.service.generation.find_memorisation_filter", lambda model: MemorisationFilter(always, ("e" * 16,))
    )
    ran = run_cli("generate", "-n", 2, "--seed", 5, "--draws", 2, "-o", tmp_path / "out")
    assert ran.code == 3
    assert manifest(tmp_path / "out")["missing"] == [1, 2]
    assert "none of 2 attempts each followed the rule and was new" in ran.err


def test_single_candidates_are_written_as_they_come_and_copies_are_counted(
    run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = KnownRuns(np.arange(2**16, dtype=np.uint32))
    monkeypatch.setattr(KnownRuns, "copied", lambda self, events: np.arange(len(events)) % 2 == 0)
    monkeypatch.setattr(
        "melodylc.service.generation.find_memorisation_filter", lambda model: MemorisationFilter(some, ("e" * 16,))
    )
    ran = run_cli("generate", "-n", 2, "--seed", 5, "--no-verify", "-o", tmp_path / "out")
    assert (ran.code, "copies written: 1 " in ran.err) == (0, True)
    found = manifest(tmp_path / "out")
    assert (found["copies_of"], found["copies_refused"], found["attempts"]) == (["e" * 16], 0, 2)
    assert (found["copies_written"], [entry["passed"] for entry in found["files"]]) == (1, [False, True])


def test_what_ships_is_made_by_the_tool(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, root: Path) -> None:
    corpus: Corpus = build_small(tmp_path_factory)
    command = [sys.executable, str(root / "tools" / "runs.py"), str(corpus.folder), str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"wrote {len(make_memorisation_filter(corpus).runs.keys):,} runs" in done.stderr
    written = load_memorisation_filter(tmp_path / "runs")
    assert written.corpora == (corpus.fingerprint,)
    subprocess.run(command, capture_output=True, check=True)  # what is there stays, each run once
    again = load_memorisation_filter(tmp_path / "runs")
    assert again.corpora == written.corpora
    np.testing.assert_array_equal(again.runs.keys, written.runs.keys)
