"""`melodylc transform` and its kin as a musician runs them, with the model and the actor that come with the package."""

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
import torch

from melodylc.constraints import fitting
from melodylc.data import Melody, parse_scale, read_midi, write_midi
from melodylc.data.source import extract_melody
from melodylc.editing import search, transformer
from melodylc.editing.change import similarity
from melodylc.editing.paths import LatentPaths
from melodylc.latent import optimise
from melodylc.models.checkpoint import shipped_model
from melodylc.models.refinement import Refinement
from melodylc.rewards import Rule, density, pitch_classes, tonic
from melodylc.rewards.panel import real_melodies

Cli = Callable[..., Any]

C_MAJOR = Rule((pitch_classes(parse_scale("cmaj").pitch_classes),))
QUICK = replace(fitting.SETTINGS, bank=64, rounds=2, fresh=16, warmup=5, check_every=1, check=16, measure=16)
REAL = Melody.unstack(real_melodies())


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, and fits so short that they teach nothing: what is asked must be found still."""
    monkeypatch.setenv("MELODYLC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fitting, "SETTINGS", QUICK)
    monkeypatch.setattr(fitting, "CRITIC_ROUNDS", 1)
    monkeypatch.setattr(optimise, "SATISFY_SETTINGS", replace(optimise.SATISFY_SETTINGS, steps=4, renew=2))


def tune(*wrong: int, up: int = 0) -> Melody:
    """Four quarters a bar, up and down C major, every bar its own; notes at `wrong` are F sharps."""
    scale = (60, 62, 64, 65, 67, 69, 71, 72, 71, 69, 67, 65, 64, 62)
    pitches = [scale[(3 * bar + beat * (1 + bar % 3)) % 14] for bar in range(16) for beat in range(4)]
    for note in wrong:
        pitches[note] = 66
    return Melody.from_notes((pitch + up, 4 * step, 4 * step + 4) for step, pitch in enumerate(pitches))


def twinkle() -> Melody:
    """A tune that everybody hears in C major."""
    phrase = (60, 60, 67, 67, 69, 69, 67, 67, 65, 65, 64, 64, 62, 62, 60, 60)
    return Melody.from_notes((pitch, 4 * step, 4 * step + 4) for step, pitch in enumerate(4 * phrase))


def song(folder: Path, melody: Melody, name: str = "song.mid", tempo: float = 120) -> Path:
    path = folder / name
    write_midi(path, melody, tempo=tempo)
    return path


def manifest(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def melodies(folder: Path) -> list[Melody]:
    """Those that were made, in order."""
    return [read_midi(path) for path in sorted(folder.glob("*-seed*-[0-9][0-9].mid"))]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# -- transform ---------------------------------------------------------------------------------


def test_a_real_melody_obeys_stays_near_and_lies_beside_what_it_was(run_cli: Cli, tmp_path: Path) -> None:
    before = next(melody for melody in REAL if C_MAJOR(melody)[0] < 0.8)
    path, out = song(tmp_path, before, tempo=92), tmp_path / "out"
    words = ("transform", path, "--scale", "cmaj", "-n", 2, "--seed", 7, "--format", "midi,svg", "-o", out)
    run = run_cli(*words)
    assert run.code == 0, run.err
    first, second = melodies(out)
    assert C_MAJOR(first) == C_MAJOR(second) == (1.0,)
    assert first != second
    assert read_midi(out / "before.mid") == before
    assert similarity(before, first).onsets > 0.8
    assert {"before.svg", "song-c-major-92bpm-seed7-01.svg", "song-c-major-92bpm-seed7-02.svg"} < set(contents(out))
    assert ">before<" in (out / "song-c-major-92bpm-seed7-01.svg").read_text("utf-8")
    found = manifest(out)
    assert [entry["file"] for entry in found["files"]] == [
        "before.mid",
        *(f"song-c-major-92bpm-seed7-0{n}.mid" for n in (1, 2)),
    ]
    assert found["files"][1]["similarity"] == similarity(before, first).to_dict()
    assert found["files"][1]["passed"]
    assert "--tempo 92 " in found["command"], "the file's own tempo is the tempo"
    assert "bars 1..16" in run.err
    made = contents(out)
    assert run_cli(*words).code == 0
    assert contents(out) == made, "the same seed gives the same files"


def test_what_obeys_comes_back_note_for_note(run_cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run_cli("transform", song(tmp_path, tune()), "--scale", "cmaj", "--seed", 1, "-o", out).code == 0
    assert melodies(out) == [tune()]
    assert manifest(out)["files"][1]["change"] == 0


def test_one_wrong_note_doesn_t_rewrite_the_tune(run_cli: Cli, tmp_path: Path) -> None:
    before, out = tune(21), tmp_path / "out"
    run_cli("transform", song(tmp_path, before), "--scale", "cmaj", "--seed", 1, "-o", out)
    (after,) = melodies(out)
    assert C_MAJOR(after) == (1.0,)
    assert np.flatnonzero(before.events != after.events).tolist() == [4 * 21]


@pytest.mark.parametrize("in_place", [False, True])
def test_a_tune_in_another_key_is_moved_as_a_whole_unless_that_is_ruled_out(
    run_cli: Cli, tmp_path: Path, in_place: bool
) -> None:
    before, out = tune(up=6), tmp_path / "out"
    words = ["--in-place"] * in_place
    assert run_cli("transform", song(tmp_path, before), "--scale", "cmaj", *words, "--seed", 1, "-o", out).code == 0
    (after,) = melodies(out)
    assert C_MAJOR(after) == (1.0,)
    found = similarity(before, after)
    assert (found.intervals == 1) is not in_place
    assert (found.pitches > 0.1) is in_place


def test_a_tune_in_c_goes_to_g_by_the_nearest_way_and_what_it_was_keeps_its_key(run_cli: Cli, tmp_path: Path) -> None:
    before, out = twinkle(), tmp_path / "out"
    assert run_cli("transform", song(tmp_path, before), "--key", "gmaj", "--seed", 1, "-o", out).code == 0
    assert melodies(out) == [before.transposed(-5)]
    found = {path.stem: mido.MidiFile(path) for path in out.glob("*.mid")}
    keys = {name: [one.key for one in file.tracks[0] if one.type == "key_signature"] for name, file in found.items()}
    assert keys == {"before": ["C"], "song-g-major-120bpm-seed1-01": ["G"]}


def test_what_is_left_after_that_is_bent(run_cli: Cli, tmp_path: Path) -> None:
    before, out = tune(21), tmp_path / "out"
    assert run_cli("transform", song(tmp_path, before), "--scale", "gmaj", "--seed", 1, "-o", out).code == 0
    (after,) = melodies(out)
    assert np.flatnonzero(before.transposed(-5).events != after.events).tolist() == [4 * 21]


@pytest.mark.parametrize(
    ("words", "semitones", "key"),
    [
        (["--to-key", "g"], -5, "G"),
        (["--to-key", "h"], -1, "B"),
        (["--octave", -1], -12, None),
        (["--to-key", "d", "--octave", 1], 14, "D"),
        (["--scale", "cmaj", "--octave", 1], 12, "C"),
        (["--range", "C3..C4"], -12, None),
        (["--range", "C2..C3", "--middle-c", "C3"], -12, None),
    ],
)
def test_transposition_alone(run_cli: Cli, tmp_path: Path, words: list[Any], semitones: int, key: str | None) -> None:
    before, out = twinkle(), tmp_path / "out"
    run = run_cli("transform", song(tmp_path, before), *words, "--seed", 1, "-o", out)
    assert run.code == 0, run.err
    assert melodies(out) == [before.transposed(semitones)]
    (path,) = out.glob("*-01.mid")
    found = [one.key for one in mido.MidiFile(path).tracks[0] if one.type == "key_signature"]
    assert found == ([key] if key else [])
    first = contents(out)
    assert run_cli(*shlex.split(manifest(out)["command"])[1:], "-o", out).code == 0
    assert contents(out) == first


def test_strength_goes_farther_than_it_must(run_cli: Cli, tmp_path: Path) -> None:
    path, out = song(tmp_path, tune(21)), tmp_path / "out"
    assert run_cli("transform", path, "--scale", "cmaj", "--strength", 1, "--seed", 1, "-o", out).code == 0
    (after,) = melodies(out)
    assert C_MAJOR(after) == (1.0,)
    assert similarity(tune(21), after).pitches < 0.95


def test_fewer_bars_are_repeated_and_that_is_said(run_cli: Cli, tmp_path: Path) -> None:
    notes = [note for note in tune(3).notes if note.start < 64]
    path = song(tmp_path, Melody.from_notes(notes))
    run = run_cli("transform", path, "--bars", "1..4", "--scale", "cmaj", "--seed", 1, "-o", tmp_path / "out")
    assert run.code == 0, run.err
    assert "4 bars, repeated up to 16" in run.err
    (after,) = melodies(tmp_path / "out")
    assert (after.events.reshape(4, 64) == after.events[:64]).all(), "a loop stays a loop"


@pytest.mark.usefixtures("quick")
def test_a_rule_of_ones_own_and_a_critic_in_place_of_an_actor(run_cli: Cli, tmp_path: Path) -> None:
    rule = tmp_path / "rules.py"
    rule.write_text(
        "from melodylc import Melody, reward\n\n\n@reward\ndef high(melody: Melody) -> float:\n"
        '    """Share of notes from C4 up."""\n'
        "    return float((melody.pitches >= 60).mean()) if melody.note_count else 0.0\n"
    )
    path, out = song(tmp_path, tune(up=-3)), tmp_path / "out"
    run = run_cli(
        *("transform", path, "--reward", f"{rule}:high", "--method", "optimize", "--in-place", "--seed", 1, "-o", out)
    )
    assert run.code == 0, run.err
    (after,) = melodies(out)
    assert after.pitches.min() >= 60
    assert manifest(out)["request"]["method"] == "optimize"


def test_nothing_is_fitted_where_bending_notes_will_do(
    run_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No actor ships for this rule, and a musician with a melody needn't wait for one."""
    monkeypatch.setattr("melodylc.sampling.fitting.fit_actor", None)
    before, out = tune(5, up=3), tmp_path / "out"
    words = ("transform", song(tmp_path, before), "--scale", "gmin", "--density", "50..60", "-n", 3, "--seed", 1)
    run = run_cli(*words, "-o", out)
    assert run.code == 0, run.err
    rule = Rule((pitch_classes(parse_scale("gmin").pitch_classes), tonic(7), density(50, 60)))
    made = melodies(out)
    assert all(rule(melody) == (1.0, 1.0, 1.0) for melody in made)
    assert len(set(made)) == 3
    assert made[0].note_count == 60, "no fewer notes than were asked"
    assert manifest(out)["actor"] == []


@pytest.mark.usefixtures("quick")
def test_a_strength_asks_for_the_actor_of_a_rule(run_cli: Cli, tmp_path: Path) -> None:
    words = ("--scale", "e dorian", "--strength", "0.3", "--seed", 1, "-o", tmp_path / "out")
    run = run_cli("transform", song(tmp_path, tune()), *words)
    assert run.code == 0, run.err
    assert "learning it now" in run.err
    assert [actor["origin"] for actor in manifest(tmp_path / "out")["actor"]] == ["fitted"]


@pytest.mark.usefixtures("quick")
def test_what_can_t_be_found_is_missing_and_said(run_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformer, "ROUNDS", 2)  # the first and the last
    monkeypatch.setattr(search, "LONGEST", 2)
    rule = tmp_path / "rules.py"
    rule.write_text(
        'from melodylc import Melody, reward\n\n\n@reward\ndef never(melody: Melody) -> float:\n    """No."""\n'
        "    return 0.5\n"
    )
    run = run_cli("transform", song(tmp_path, tune()), "--reward", f"{rule}:never", "-o", tmp_path / "out")
    assert run.code == 3
    assert "missing: melody 1" in run.err
    assert [entry["file"] for entry in manifest(tmp_path / "out")["files"]] == ["before.mid"]


@pytest.mark.usefixtures("quick")
def test_generate_optimises_too(run_cli: Cli, tmp_path: Path) -> None:
    words = ("generate", "--scale", "cmaj", "-n", 1, "--seed", 7, "--no-verify")
    for method in ("actor", "optimize"):
        run = run_cli(*words, "--method", method, "-o", tmp_path / method)
        assert run.code == 0, run.err
    assert melodies(tmp_path / "actor") != melodies(tmp_path / "optimize")
    found = manifest(tmp_path / "optimize")
    assert found["command"].endswith("--method optimize")
    assert found["files"][0]["distance"] > 0
    again = run_cli(*words, "--method", "optimize", "-o", tmp_path / "again")
    assert again.code == 0
    assert melodies(tmp_path / "again") == melodies(tmp_path / "optimize"), "the critic in the cache is the one taught"


# -- its kin -----------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [0, 3])
def test_a_reconstruction_is_what_the_model_gives_back(run_cli: Cli, tmp_path: Path, steps: int) -> None:
    out, vae = tmp_path / "out", shipped_model().vae
    words = ("reconstruct", song(tmp_path, REAL[0]), "-n", 2, "--seed", 1, "--refine", steps, "-o", out)
    assert run_cli(*words).code == 0
    how = Refinement(steps=steps) if steps else None
    with torch.no_grad():
        z = vae.encode(torch.from_numpy(REAL[0].events[None].astype(np.int64)), None, how).z
    first, second = melodies(out)
    assert np.array_equal(first.events, vae.decode(z)[0])
    assert second != first


@pytest.mark.parametrize("words", [[], ["--scale", "cmaj"]])
def test_variations_differ_from_the_melody_and_from_one_another(run_cli: Cli, tmp_path: Path, words: list[str]) -> None:
    out = tmp_path / "out"
    run = run_cli("vary", song(tmp_path, tune()), *words, "-n", 2, "--seed", 3, "-o", out)
    assert run.code == 0, run.err
    made = melodies(out)
    assert len({*made, tune()}) == 3
    assert not words or all(C_MAJOR(one) == (1.0,) for one in made)


@pytest.mark.parametrize("distance", [0.1, 0.3, 1.0])
def test_variations_are_as_far_as_was_asked_and_in_order(distance: float) -> None:
    changes = [one.change for one in LatentPaths(shipped_model()).vary(REAL[16], 3, 1, distance)]
    assert changes == sorted(changes)
    assert changes == pytest.approx([distance] * 3, rel=0.1)


def test_a_small_distance_keeps_more_than_a_large_one(run_cli: Cli, tmp_path: Path) -> None:
    path, left = song(tmp_path, REAL[3]), []
    for distance in (0.05, 1):
        out = tmp_path / str(distance)
        assert run_cli("vary", path, "-n", 1, "--seed", 3, "--distance", distance, "-o", out).code == 0
        left.append(similarity(REAL[3], melodies(out)[0]).pitches)
    assert left[0] > 0.8 > 0.4 > left[1]


def test_a_way_between_two_melodies_begins_with_one_and_ends_with_the_other(run_cli: Cli, tmp_path: Path) -> None:
    one, other = song(tmp_path, REAL[1], "a.mid"), song(tmp_path, REAL[2], "b.mid")
    assert run_cli("interpolate", one, other, "-n", 3, "--seed", 1, "-o", tmp_path / "out").code == 0
    first, middle, last = melodies(tmp_path / "out")
    assert (first, last) == (REAL[1], REAL[2])
    assert middle not in (first, last)
    assert {"before-a.mid", "before-b.mid"} < set(contents(tmp_path / "out"))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("own", [True, False])
def test_a_morph_obeys_one_scale_after_another(run_cli: Cli, tmp_path: Path, own: bool) -> None:
    files = [song(tmp_path, tune())] if own else []
    ends = ("--scale", "cmaj", "--to-scale", "c lydian")  # a melody in lydian ends on its tonic, one in major need not
    run = run_cli("morph", *files, *ends, "-n", 2, "--seed", 1, "-o", tmp_path / "out")
    assert run.code == 0, run.err
    made = melodies(tmp_path / "out")
    for melody, scale in zip(made, ("cmaj", "c lydian"), strict=True):
        assert set(melody.pitches % 12) <= parse_scale(scale).pitch_classes
    assert made[1].pitches[-1] % 12 == 0
    assert similarity(*made).onsets > 0.8, "the melody stays"
    assert "C lydian" in run.out
    assert not own or made[0] == tune()
    entries = manifest(tmp_path / "out")["files"]
    assert [entry["scale"] for entry in entries if "scale" in entry] == ["C major", "C lydian"]


# -- what is refused ---------------------------------------------------------------------------


BAD = {
    "no rule": (["transform", "SONG"], "no rule to follow"),
    "no range": (["transform", "song.mid", "--range", "bass gitar"], "nearest: bass guitar"),
    "a range without a scale": (["transform", "song.mid", "--scale", "c", "--range", "c4..d4"], "holds 2 pitches"),
    "an instrument": (["transform", "song.mid", "--scale", "c", "--program", "pianno"], "nearest: piano"),
    "no such file": (["transform", "nowhere.mid", "--scale", "cmaj"], "no such file"),
    "strength": (["transform", "SONG", "--scale", "cmaj", "--strength", "2"], "strength"),
    "distance": (["vary", "SONG", "--distance", "0"], "distance"),
    "bars": (["vary", "SONG", "--bars", "30..40"], "bars 30..40"),
    "scale": (["transform", "SONG", "--scale", "cmajj"], "unknown scale"),
    "no target": (["morph", "SONG", "--scale", "cmaj"], "--to-scale"),
    "no start": (["morph", "SONG", "--to-scale", "cmin"], "--scale"),
    "one file": (["interpolate", "SONG"], "OTHER"),
    "rule of none": (["reconstruct", "SONG", "--scale", "cmaj"], "--scale"),
    "transposed morph": (["morph", "--scale", "cmaj", "--to-scale", "cmin", "--transpose", "1"], "--transpose"),
    "none": (["vary", "SONG", "-n", "0"], "-n"),
}


@pytest.mark.parametrize(("words", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_exit_code_2(run_cli: Cli, tmp_path: Path, words: list[str], message: str) -> None:
    path = song(tmp_path, tune())
    run = run_cli(*(path if word == "SONG" else word for word in words), "-o", tmp_path / "out")
    assert run.code == 2
    assert message in run.err
    assert len(run.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_waltz_is_refused_with_the_way_out(run_cli: Cli, tmp_path: Path) -> None:
    import mido

    path = song(tmp_path, tune(5))
    file = mido.MidiFile(path)
    for track in file.tracks:
        for message in track:
            if message.type == "time_signature":
                message.numerator = 3
    file.save(path)
    refused = run_cli("transform", path, "--scale", "cmaj", "-o", tmp_path / "out")
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    assert "--as-4/4" in refused.err
    assert run_cli("transform", path, "--scale", "cmaj", "--as-4/4", "--seed", 1, "-o", tmp_path / "out").code == 0
    assert similarity(extract_melody(tmp_path / "out" / "before.mid").melody, melodies(tmp_path / "out")[0]).onsets == 1


def test_nothing_of_somebody_else_s_is_overwritten(run_cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    run = run_cli("vary", song(tmp_path, tune()), "-o", out)
    assert run.code == 2
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
