"""`melodylc generate` with everything that concerns files: formats, settings, transposition, many in one."""

import io
import json
import shlex
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mido
import pytest
from test_cli_generate import C_MAJOR, assert_refused

from melodylc.constraints.request import Request
from melodylc.data import Melody, read_midi
from melodylc.data.source import extract_melody
from melodylc.data.writing import Writing
from melodylc.service.order import Order

Cli = Callable[..., Any]
ASKED = ("generate", "--scale", "cmaj", "-n", "2", "--seed", "7", "--names", "short")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def manifest(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[Melody]:
    """The melodies of `ASKED` as they are made."""
    from melodylc.cli.main import run

    folder = tmp_path_factory.mktemp("plain") / "out"
    assert run([*ASKED, "-o", str(folder)]) == 0
    return [read_midi(folder / name) for name in ("01.mid", "02.mid")]


def test_every_format_beside_each_other_and_the_same_bytes_again(
    run_cli: Cli, tmp_path: Path, plain: list[Melody], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)  # FluidSynth
    words = ("--format", "midi,musicxml,abc,json,svg,png", "--preview", "--tempo", 960, "--swing", 60, "--humanize", 40)
    out = tmp_path / "out"
    run = run_cli(*ASKED, *words, "--program", "alto sax", "-o", out)
    assert run.code == 0, run.err
    assert "sound: the built-in synthesiser" in run.err
    first, found = contents(out), manifest(out)
    endings = ["abc", "json", "mid", "musicxml", "png", "svg", "wav"]
    assert sorted(first) == sorted([f"0{n}.{ending}" for n in (1, 2) for ending in endings] + ["manifest.json"])
    listed = [entry["file"] for entry in found["files"]] + [
        beside["file"] for entry in found["files"] for beside in entry["beside"]
    ]
    assert sorted([*listed, "manifest.json"]) == sorted(first)
    assert (found["sound"], found["request"]["program"]) == ("the built-in synthesiser", "Alto Sax")
    assert [extract_melody(out / f"0{n}.mid").melody for n in (1, 2)] == plain
    assert json.loads(first["01.json"])["events"] == plain[0].events.tolist()
    with wave.open(io.BytesIO(first["01.wav"])) as sound:
        assert sound.getnframes() == 4 * 44_100
    assert run_cli(*shlex.split(found["command"])[1:], "-o", out).code == 0
    assert contents(out) == first


def test_a_folder_with_a_changed_picture_is_left_alone(run_cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run_cli(*ASKED, "--format", "midi,svg", "-o", out).code == 0
    (out / "02.svg").write_text("hours of work")
    assert_refused(run_cli(*ASKED, "--format", "midi,svg", "-o", out), "changed since (02.svg)")
    assert (out / "02.svg").read_text() == "hours of work"


def test_transposed_files_are_in_the_transposed_key_and_the_manifest_says_so(
    run_cli: Cli, tmp_path: Path, plain: list[Melody]
) -> None:
    run = run_cli(*ASKED, "--transpose", 2, "-o", tmp_path / "out")
    found = manifest(tmp_path / "out")
    assert run.code == 0, run.err
    assert "written in: D major" in run.err
    assert (found["written_in"], found["request"]["transpose"], found["request"]["scale"]) == (
        "D major",
        2,
        ["C major"],
    )
    melodies = [read_midi(tmp_path / "out" / name) for name in ("01.mid", "02.mid")]
    assert melodies == [melody.transposed(2) for melody in plain]
    for entry, melody in zip(found["files"], plain, strict=True):
        assert entry["rewards"] == dict(zip(C_MAJOR.names, C_MAJOR(melody), strict=True))
    (conductor, _) = mido.MidiFile(tmp_path / "out" / "01.mid").tracks
    assert [message.key for message in conductor if message.type == "key_signature"] == ["D"]


def test_all_in_one_file(run_cli: Cli, tmp_path: Path, plain: list[Melody]) -> None:
    out = tmp_path / "out"
    assert run_cli(*ASKED, "--join", "after", "--loop-marker", "--type", 0, "-o", out).code == 0
    assert sorted(contents(out)) == ["manifest.json", "melodies.mid"]
    assert [entry["file"] for entry in manifest(out)["files"]] == ["melodies.mid"] * 2
    from melodylc.data.source import Choice

    found = [extract_melody(out / "melodies.mid", Choice(bars=bars)).melody for bars in ((1, 16), (17, 32))]
    assert found == plain
    assert run_cli(*ASKED, "--join", "after", "--loop-marker", "--type", 0, "-o", out).code == 0


def test_a_rule_on_pitches_and_a_transposition_exclude_each_other() -> None:
    from melodylc.data.errors import InputError

    with pytest.raises(InputError, match="register judges pitches, and --transpose 5 would move"):
        Order(request=Request.read(reward=["register"]), writing=Writing(transpose=5))
    with pytest.raises(InputError, match="judges pitches"):
        Order(request=Request.read(reward=["first_note,pitch=C4"]), writing=Writing(transpose=-120))
    Order(request=Request.read(reward=["in_scale,scale=am", "leaps"]), writing=Writing(transpose=-24))
    Order(request=Request.read(reward=["leaps & grid", "contour"]), writing=Writing(transpose=5))
    Order(request=Request.read(reward=["register"]))


def test_a_rule_that_hears_what_the_panel_does_not_is_caught_too(
    run_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("melodylc.service.order.check_transposable", lambda rewards, semitones: None)
    words = ("generate", "--reward", "last_note", "--no-variety", "--no-verify", "-n", 2, "--seed", 1)
    monkeypatch.setattr("melodylc.sampling.methods.combined.actor_for", lambda *_, **__: None)
    run = run_cli(*words, "--transpose", 1, "-o", tmp_path / "out")
    assert_refused(run, "--transpose 1 changes what last_note(pitch=C) says")
    assert not (tmp_path / "out").exists()


def test_notes_that_leave_the_keyboard(run_cli: Cli, tmp_path: Path) -> None:
    run = run_cli(*ASKED, "--transpose", 108, "-o", tmp_path / "out")
    assert_refused(run, "leaves 0..127: choose another --transpose")
    assert "seed7-" in run.err  # which melody
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--format", "mp3"], "no format 'mp3'; there are midi, musicxml, abc, json, wav, svg, png"),
        (["--format", ""], "no format ''"),
        (["--type", "2"], "--type is 0 to 1"),
        (["--ppq", "481"], "multiple of 4"),
        (["--program", "kazoo"], "no program is called 'kazoo'"),
        (["--velocity", "200"], "--velocity is 1 to 127"),
        (["--swing", "80"], "--swing is 50 to 70"),
        (["--humanize", "nan"], "--humanize is 0 to 100"),
        (["--channel", "10"], "drums"),
        (["--repeat", "65"], "--repeat is 1 to 64"),
        (["--join", "tracks", "--type", "0"], "needs --type 1"),
        (["--join", "after", "--format", "wav"], "add midi to --format"),
        (["--join", "after", "-n", "1000"], "ask for fewer melodies"),
        (["--join", "beside"], "--join"),
        (["--transpose", "3", "--reward", "register"], "register judges pitches"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    run_cli: Cli, tmp_path: Path, words: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(run_cli("generate", "-o", "out", *words), expected)
    assert list(tmp_path.iterdir()) == []


# -- names ------------------------------------------------------------------------------------


def test_files_and_tracks_say_where_they_come_from(run_cli: Cli, tmp_path: Path) -> None:
    asked = ("generate", "--scale", "cmin", "--no-tonic", "--density", "low", "-n", 1, "--seed", 7, "--tempo", 92)
    assert run_cli(*asked, "-o", tmp_path / "out").code == 0
    (path,) = (tmp_path / "out").glob("*.mid")
    assert path.name == "c-minor-16-64notes-92bpm-seed7-01.mid"
    _, track = mido.MidiFile(path).tracks
    assert track.name == path.stem
    assert run_cli(*asked, "--transpose", 2, "--no-tempo", "-o", tmp_path / "d").code == 0
    (path,) = (tmp_path / "d").glob("*.mid")
    assert path.name == "d-minor-16-64notes-seed7-01.mid"
    conductor, _ = mido.MidiFile(path).tracks
    assert "set_tempo" not in {message.type for message in conductor}
    assert extract_melody(path).tempo == 120


def test_a_file_of_all_melodies_has_a_name_of_its_own_too(run_cli: Cli, tmp_path: Path) -> None:
    words = ("generate", "--scale", "cmaj", "-n", 2, "--seed", 7, "--join", "after", "-o", tmp_path / "out")
    assert run_cli(*words).code == 0
    assert sorted(contents(tmp_path / "out")) == ["c-major-120bpm-seed7.mid", "manifest.json"]
