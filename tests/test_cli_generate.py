"""`melodylc generate` as a musician runs it, with the model and the actors that come with the package."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mido
import pytest

from melodylc.cache import pretrained
from melodylc.constraints import fitting
from melodylc.data import locks, parse_scale, read_midi
from melodylc.rewards import Rule, pitch_classes, variety

Cli = Callable[..., Any]

C_MAJOR = Rule((pitch_classes(parse_scale("cmaj").pitch_classes), variety()))
QUICK = replace(fitting.SETTINGS, bank=64, rounds=2, fresh=16, warmup=5, check_every=1, check=16, measure=16)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and a fit so short that it takes a second."""
    monkeypatch.setenv("MELODYLC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fitting, "SETTINGS", QUICK)
    return tmp_path / "cache"


def midi_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.mid"))}


def manifest(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def test_every_file_obeys_and_the_manifest_says_so(run_cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = run_cli("generate", "--scale", "cmaj", "-n", 3, "--seed", 7, "-o", out, "--tempo", 92)
    assert run.code == 0, run.err
    found = manifest(out)
    assert (found["method"]["name"], found["method"]["parts"]) == ("auto", ["language model", "discriminator"])
    assert [entry["file"] for entry in found["files"]] == [f"c-major-92bpm-seed7-0{n}.mid" for n in (1, 2, 3)]
    for entry in found["files"]:
        content = (out / entry["file"]).read_bytes()
        melody = read_midi(content)
        assert C_MAJOR(melody) == (1.0, 1.0)
        assert entry["passed"]
        assert entry["rewards"] == dict.fromkeys(C_MAJOR.names, 1.0)
        assert entry["notes"] == melody.note_count > 0
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()[:16]
        assert entry["distance"] >= 0
    for word in ("c-major-92bpm-seed7-01.mid", "pass", "seed 7"):
        assert word in run.out + run.err


def test_files_loop_on_the_bar_with_tempo_and_key(run_cli: Cli, tmp_path: Path) -> None:
    run_cli("generate", "--scale", "A minor", "--no-tonic", "-n", 1, "--seed", 1, "-o", tmp_path / "out", "--tempo", 90)
    file = mido.MidiFile(tmp_path / "out" / "a-minor-90bpm-seed1-01.mid")
    conductor, melody = file.tracks
    assert (file.type, file.ticks_per_beat) == (1, 480)
    kinds = {message.type: message for message in conductor}
    assert kinds["set_tempo"].tempo == mido.bpm2tempo(90)
    assert kinds["key_signature"].key == "Am"
    assert (kinds["time_signature"].numerator, kinds["time_signature"].denominator) == (4, 4)
    assert [sum(message.time for message in track) for track in (conductor, melody)] == [30720, 30720]


def test_fewer_are_the_start_of_more_and_the_same_command_gives_the_same_bytes(run_cli: Cli, tmp_path: Path) -> None:
    options = ("generate", "--scale", "cmaj", "--seed", 11)
    run_cli(*options, "-n", 10, "-o", tmp_path / "ten")
    ten = midi_files(tmp_path / "ten")
    run_cli(*options, "-n", 3, "-o", tmp_path / "three")
    names = [f"c-major-120bpm-seed11-0{n}.mid" for n in (1, 2, 3)]
    assert midi_files(tmp_path / "three") == {name: ten[name] for name in names}
    before = (tmp_path / "ten" / "manifest.json").read_bytes()
    assert run_cli(*options, "-n", 10, "-o", tmp_path / "ten").code == 0
    assert midi_files(tmp_path / "ten") == ten
    assert (tmp_path / "ten" / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("threads", ["1", "4"])
def test_threads_of_the_environment_change_nothing(run_cli: Cli, tmp_path: Path, threads: str) -> None:
    options = ["generate", "--scale", "cmaj", "--seed", "5", "-n", "2"]
    run_cli(*options, "-o", tmp_path / "here")
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    command = [sys.executable, "-m", "melodylc", *options, "-o", str(tmp_path / "there")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert midi_files(tmp_path / "there") == midi_files(tmp_path / "here")


def test_relative_keys_share_an_actor_and_its_melodies(run_cli: Cli, tmp_path: Path) -> None:
    run_cli("generate", "--scale", "cmaj", "-n", 2, "--seed", 2, "-o", tmp_path / "major")
    run_cli("generate", "--scale", "am", "--no-tonic", "-n", 2, "--seed", 2, "-o", tmp_path / "minor")
    major, minor = manifest(tmp_path / "major"), manifest(tmp_path / "minor")
    assert major["method"] == minor["method"]
    melodies = [[read_midi(content) for content in midi_files(tmp_path / of).values()] for of in ("major", "minor")]
    assert melodies[0] == melodies[1]


def test_no_verify_writes_what_fails_too(run_cli: Cli, tmp_path: Path, no_actor: None) -> None:
    run = run_cli(
        "generate",
        "--scale",
        "cmaj",
        "-n",
        4,
        "--seed",
        3,
        "--no-verify",
        "--method",
        "combined",
        "-o",
        tmp_path / "out",
    )
    found = manifest(tmp_path / "out")
    assert run.code == 0
    assert len(found["files"]) == found["attempts"] == 4
    assert not all(entry["passed"] for entry in found["files"])
    assert "fail" in run.out


def test_a_spent_budget_writes_what_passed_and_exits_with_3(run_cli: Cli, tmp_path: Path, no_actor: None) -> None:
    run = run_cli(
        "generate",
        "--scale",
        "cmaj",
        "-n",
        4,
        "--seed",
        3,
        "--draws",
        2,
        "--method",
        "combined",
        "-o",
        tmp_path / "out",
    )
    found = manifest(tmp_path / "out")
    assert run.code == 3
    passed = {entry["file"] for entry in found["files"]}
    assert set(midi_files(tmp_path / "out")) == passed
    assert (
        found["missing"]
        == [number for number in range(1, 5) if not any(name.endswith(f"-{number:02}.mid") for name in passed)]
        != []
    )
    assert f"missing: melody {found['missing'][0]}" in run.err


def test_nothing_asked_gives_samples_of_the_prior(run_cli: Cli, tmp_path: Path) -> None:
    assert run_cli("generate", "-n", 2, "--seed", 0, "-o", tmp_path / "out").code == 0
    found = manifest(tmp_path / "out")
    assert (found["method"].get("actor"), found["rule"], found["attempts"]) == (None, [], 2)


def test_without_a_folder_it_makes_one_and_without_a_seed_it_takes_a_new_one(
    run_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert run_cli("generate", "--scale", "cmaj", "-n", 1).code == 0
    folders = sorted(tmp_path.glob("melodylc-cmaj-seed*"))
    assert len(folders) == 2
    assert manifest(folders[0])["files"][0]["sha256"] != manifest(folders[1])["files"][0]["sha256"]


def test_an_actor_is_fitted_once_and_kept(run_cli: Cli, tmp_path: Path, cache: Path) -> None:
    options = ("generate", "--method", "combined", "--density", "1..256", "--no-variety", "-n", 2, "--seed", 4)
    first = run_cli(*options, "-o", tmp_path / "a")
    assert first.code == 0, first.err
    assert "learning it now" in first.err
    second = run_cli(*options, "-o", tmp_path / "b")
    assert "learning" not in second.err
    assert [manifest(tmp_path / of)["method"]["actor"]["origin"] for of in ("a", "b")] == ["fitted", "cached"]
    assert midi_files(tmp_path / "a") == midi_files(tmp_path / "b")


def test_a_damaged_cached_actor_is_fitted_anew_to_the_same_bytes(run_cli: Cli, tmp_path: Path, cache: Path) -> None:
    options = ("generate", "--method", "combined", "--density", "1..256", "--no-variety", "-n", 1, "--seed", 4)
    run_cli(*options, "-o", tmp_path / "a")
    (kept,) = (cache / "actors").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2])
    again = run_cli(*options, "-o", tmp_path / "b")
    assert again.code == 0
    assert "fitting it anew" in again.err
    assert kept.read_bytes() == whole


def test_a_cache_that_can_not_be_written_is_no_hindrance(
    run_cli: Cli, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("generate", "--method", "combined", "--density", "1..256", "--no-variety", "-n", 1, "--seed", 4, "-o")
    assert run_cli(*options, tmp_path / "a").code == 0
    (tmp_path / "file").write_bytes(b"kept")
    monkeypatch.setenv("MELODYLC_CACHE", str(tmp_path / "file"))
    run = run_cli(*options, tmp_path / "b")
    assert run.code == 0
    assert run.err.count("isn't kept for the next time (MELODYLC_CACHE moves the cache)") == 1
    assert midi_files(tmp_path / "a") == midi_files(tmp_path / "b")
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_what_another_process_is_learning_is_waited_for(
    run_cli: Cli, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("generate", "--method", "combined", "--density", "1..256", "--no-variety", "-n", 1, "--seed", 4, "-o")
    run_cli(*options, tmp_path / "a")
    (entry,) = (cache / "actors").iterdir()
    content = entry.read_bytes()
    entry.unlink()
    other = locks.lock(entry)

    def lock(path: Path, *, wait: bool, waiting: Callable[[str], None]) -> locks.Lock:
        def finish(holder: str) -> None:
            waiting(holder)
            entry.write_bytes(content)
            other.release()

        return locks.lock(path, wait=wait, waiting=finish)

    monkeypatch.setattr("melodylc.cache.lock", lock)
    run = run_cli(*options, tmp_path / "b")
    assert "waiting for what another process is learning" in run.err
    assert manifest(tmp_path / "b")["method"]["actor"]["origin"] == "cached"
    assert [path.name for path in (cache / "actors").iterdir()] == [entry.name]


def test_a_folder_that_another_process_writes_is_refused(run_cli: Cli, tmp_path: Path) -> None:
    options = ("generate", "--scale", "cmaj", "-n", 1, "--seed", 4, "-o", tmp_path / "out")
    with locks.lock(tmp_path / "out"):
        assert_refused(run_cli(*options), "is being written by another process")
    assert list(tmp_path.iterdir()) == []
    assert run_cli(*options).code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_cache_is_shown_and_cleared(run_cli: Cli, cache: Path) -> None:
    for kind, size in (("actors", 3), ("critics", 5), ("realism", 7)):
        (cache / kind).mkdir(parents=True)
        (cache / kind / "it.safetensors").write_bytes(bytes(size))
    told = json.loads(run_cli("cache", "show", "--json").out)
    assert {row["kind"]: row["bytes"] for row in told["kinds"] if row["entries"]} == {
        "actors": 3,
        "critics": 5,
        "realism": 7,
    }
    assert str(cache) in run_cli("cache", "show").out
    assert run_cli("cache", "clear", "critics").err == "removed 1 entry, 0.0 MB\n"
    assert_refused(run_cli("cache", "clear", "crittics"), "choose from actors, critics")
    assert run_cli("cache", "clear").code == 0
    assert sorted(path.name for path in cache.rglob("*.safetensors")) == ["it.safetensors"]
    assert (cache / "realism" / "it.safetensors").exists()


def test_ctrl_c_leaves_nothing_behind(run_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("melodylc.sampling.sampler.Sampler._candidates", interrupted)
    run = run_cli("generate", "--scale", "cmaj", "-n", 2, "-o", tmp_path / "out")
    assert (run.code, run.err.strip()) == (130, "melodylc: interrupted")
    assert list(tmp_path.glob("*")) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--scale", "cmaaj"], "cmaj"),
        (["--scale", "j-major"], "j-major"),
        (["--scale", ""], "scale"),
        (["--density", "300"], "1..256"),
        (["--density", "96..64"], "swap"),
        (["--density", "many"], "low, medium, high"),
        (["--density", "0"], "1..256"),
        (["-n", "0"], "-n"),
        (["-n", "ten"], "-n"),
        (["--seed", "-1"], "--seed"),
        (["--tempo", "0"], "tempo"),
        (["--tempo", "nan"], "tempo"),
        (["--draws", "0"], "--draws"),
        (["--tonic"], "--scale"),
        (["--no-tonic"], "--scale"),
        (["--model", "nowhere.safetensors"], "no such file"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    run_cli: Cli, tmp_path: Path, words: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(run_cli("generate", "-o", "out", *words), expected)
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_costs_no_torch() -> None:
    code = (
        "import sys; from melodylc.cli.main import run; code = run(['generate', '--scale', 'xyz']);"
        "sys.exit(code if 'torch' not in sys.modules else 99)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 2


def test_a_file_or_a_full_folder_in_the_way(run_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    assert_refused(run_cli("generate", "-o", tmp_path / "file"), "is a file")
    (tmp_path / "song").mkdir()
    (tmp_path / "song" / "song.als").write_bytes(b"hours of work")
    assert_refused(run_cli("generate", "-o", tmp_path / "song"), "song.als")
    assert [path.name for path in (tmp_path / "song").iterdir()] == ["song.als"]


@pytest.mark.parametrize("damage", ["truncated", "noise", "empty", "foreign"])
def test_a_model_that_is_none(run_cli: Cli, tmp_path: Path, damage: str) -> None:
    whole = (pretrained() / "base.safetensors").read_bytes()
    foreign = (pretrained() / "common.safetensors").read_bytes()
    content = {"truncated": whole[: len(whole) // 2], "noise": b"\x07" * 4096, "empty": b"", "foreign": foreign}
    (tmp_path / "model.safetensors").write_bytes(content[damage])
    run = run_cli("generate", "--model", tmp_path / "model.safetensors", "-o", tmp_path / "out")
    assert_refused(run, "model.safetensors")
    assert not (tmp_path / "out").exists()


def test_a_full_disk(run_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert_refused(run_cli("generate", "-n", 1, "-o", tmp_path / "out"), "disk is full")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def no_actor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw from the prior, which hardly ever obeys."""
    monkeypatch.setattr("melodylc.sampling.methods.combined.actor_for", lambda *_, **__: None)


def assert_refused(run: Any, expected: str) -> None:
    assert run.code == 2
    assert run.err.count("\n") == 1
    assert run.err.startswith("melodylc: error: ")
    assert expected in run.err
