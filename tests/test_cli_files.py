"""`melodylc show` and `melodylc score` as a musician runs them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus_midi import BAR, midi, tune
from hypothesis import given, settings
from test_cli_generate import assert_refused
from test_midi import MELODIES

from melodylc.data.melody import Melody
from melodylc.data.midi import midi_bytes
from melodylc.rewards import density, parse_reward, pitch_classes, tonic, variety
from melodylc.rewards.bars import by_bar, judges_bars
from melodylc.rewards.specs import plain_rewards

Cli = Callable[..., Any]

C_MAJOR = {0, 2, 4, 5, 7, 9, 11}


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Four bars in C major with one wrong note in the third, and four bars of silence between them and the rest."""
    notes = [(60, 0, BAR), (64, BAR, 2 * BAR), (67, 2 * BAR, 5 * BAR // 2), (66, 5 * BAR // 2, 3 * BAR)]
    (tmp_path / "song.mid").write_bytes(midi([*notes, (72, 3 * BAR, 4 * BAR), *tune(1, 40)[16 * 8 :]]))
    return tmp_path / "song.mid"


def test_show_prints_a_roll_and_counts_the_outsiders(run_cli: Cli, song: Path) -> None:
    run = run_cli("show", song, "--bars", "1..4", "--scale", "cmaj")
    assert run.code == 0
    assert "4 bars, repeated up to 16" in run.err
    assert "4 of 20 notes lie outside C major" in run.out
    assert "Xxxxxxxx" in run.out
    assert "Xxxxxxxx" not in run_cli("show", song, "--bars", "1..4").out


def test_show_draws_before_above_after(run_cli: Cli, song: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mid"
    other.write_bytes(midi_bytes(Melody.from_notes([(60, 0, 4)])))
    assert run_cli("show", song, other, "-o", tmp_path / "both.svg").code == 0
    picture = (tmp_path / "both.svg").read_text("utf-8")
    assert picture.index("song.mid  ") < picture.index("other.mid  melodylc")
    assert run_cli("show", song, other, "-o", tmp_path / "both.PNG").code == 0
    assert (tmp_path / "both.PNG").read_bytes().startswith(b"\x89PNG")


def test_a_terminal_without_blocks_gets_signs(run_cli: Cli, song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("melodylc.cli.show._printable", lambda text: text.translate(_plain()))
    run = run_cli("show", song, "--bars", "1..4")
    assert run.out.isascii()
    assert "#===" in run.out


def _plain() -> dict[int, int]:
    from melodylc.cli.show import _PLAIN

    return _PLAIN


def test_score_says_every_rule_as_a_whole_and_bar_by_bar(run_cli: Cli, song: Path) -> None:
    run = run_cli("score", song, "--bars", "1..4", "--scale", "cmaj", "--no-variety", "--density", "1..256", "--json")
    found = json.loads(run.out)
    name = "pitch_classes(0,2,4,5,7,9,11)"
    assert found["whole"] == {name: 0.8, "density(1..256)": 1.0}
    assert [bar[name] for bar in found["bars"]] == [1.0, 1.0, 0.5, 1.0]
    assert [bar["bar"] for bar in found["bars"]] == [1, 2, 3, 4]
    assert found["source"]["bars"] == [1, 4]
    assert not found["satisfied"]
    table = run_cli("score", song, "--bars", "1..4", "--scale", "cmaj", "--no-variety")
    (row,) = [line.split() for line in table.out.splitlines() if line.strip().startswith("pitch_classes")]
    assert row[1:] == [".80", "1", "1", ".50", "1"]
    assert "0 of 1 satisfied; 20 notes" in table.out


def test_score_of_what_generate_wrote_is_what_its_manifest_says(run_cli: Cli, tmp_path: Path) -> None:
    run_cli("generate", "--scale", "cmaj", "-n", 2, "--seed", 7, "-o", tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    for entry in manifest["files"]:
        found = json.loads(run_cli("score", tmp_path / "out" / entry["file"], "--scale", "cmaj", "--json").out)
        assert found["whole"] == entry["rewards"]
        assert found["satisfied"]
        assert found["notes"] == entry["notes"]


def test_score_without_a_rule_takes_the_built_in_ones(run_cli: Cli, song: Path) -> None:
    run = run_cli("score", song, "--json")
    assert list(json.loads(run.out)["whole"]) == [reward.name for reward in plain_rewards()]


def test_score_takes_a_rule_of_ones_own(run_cli: Cli, song: Path, tmp_path: Path) -> None:
    rule = tmp_path / "rules.py"
    rule.write_text(
        "from melodylc import Melody, reward\n\n\n@reward\ndef high(melody: Melody) -> float:\n"
        '    """Share of high notes."""\n    return float((melody.pitches > 63).mean()) if melody.note_count else 0.0\n'
    )
    words = ("score", song, "--bars", "1..4", "--reward", f"{rule}:high", "--no-variety", "--json")
    found = json.loads(run_cli(*words).out)
    (name,) = found["whole"]
    assert [bar[name] for bar in found["bars"]] == [0.0, 1.0, 1.0, 1.0]


def test_a_bar_without_notes_and_a_rule_on_the_whole_have_no_value() -> None:
    melody = Melody.from_notes([(60, 0, 20), (61, 32, 40)])
    whole, bars = by_bar([pitch_classes(C_MAJOR), tonic(1)], melody)
    assert whole.tolist() == [0.5, 1.0]
    assert bars[:4, 0].tolist() == pytest.approx([1.0, np.nan, 0.0, np.nan], nan_ok=True)
    assert np.isnan(bars[:, 1]).all()


@settings(max_examples=15)
@given(MELODIES)
def test_the_notes_in_a_scale_add_up_over_the_bars(melody: Melody) -> None:
    whole, bars = by_bar([pitch_classes(C_MAJOR), density(64)], melody)
    begun = np.bincount(melody.onsets // 16, minlength=16)
    assert np.nansum(bars[:, 0] * begun) == pytest.approx(whole[0] * melody.note_count)
    expected = [min(1.0, count / 4) if count else np.nan for count in begun]
    assert bars[:, 1].tolist() == pytest.approx(expected, nan_ok=True)


def test_which_rules_judge_bars() -> None:
    assert judges_bars(parse_reward("leaps | grid"))
    assert not judges_bars(parse_reward("leaps & form"))
    assert not judges_bars(variety())


BAD = {
    "empty": (b"", [], "empty"),
    "drums": (midi(tune(1), channel=9), [], "drums alone"),
    "a waltz": (midi(tune(1), signatures=[(0, 3, 4)]), [], "--as-4/4"),
    "no notes there": (midi([(60, 0, BAR), (60, 30 * BAR, 31 * BAR)]), ["--bars", "5..20"], "no notes in bars 5..20"),
    "text": (b"Dear Sir or Madam, " * 9, [], "not a MIDI file"),
    "no such track": (midi(tune(1)), ["--track", "9"], "no track is '9'"),
    "bars": (midi(tune(1)), ["--bars", "x"], "bars are A..B"),
    "too many bars": (midi(tune(1)), ["--bars", "1..17"], "16 at most"),
    "a scale": (midi(tune(1)), ["--scale", "xyz"], "unknown scale"),
}


@pytest.mark.parametrize("command", ["show", "score"])
@pytest.mark.parametrize(("content", "words", "expected"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_exit_code_2(
    run_cli: Cli, tmp_path: Path, command: str, content: bytes, words: list[str], expected: str
) -> None:
    (tmp_path / "song.mid").write_bytes(content)
    assert_refused(run_cli(command, tmp_path / "song.mid", *words), expected)


def test_two_hundred_megabytes_and_a_missing_file(run_cli: Cli, tmp_path: Path) -> None:
    with (tmp_path / "huge.mid").open("wb") as file:
        file.truncate(200 << 20)
    assert_refused(run_cli("score", tmp_path / "huge.mid"), "larger than 16 MiB")
    assert_refused(run_cli("show", tmp_path / "none.mid"), "no such file")
    assert_refused(run_cli("show", tmp_path / "none.mid", "-o", "roll.gif"), "ending in .svg or .png")


def test_a_waltz_can_be_counted_in_fours(run_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "waltz.mid").write_bytes(midi(tune(1), signatures=[(0, 3, 4)]))
    run = run_cli("score", tmp_path / "waltz.mid", "--as-4/4")
    assert run.code == 0
    assert "counted in 4/4, though it says 3/4" in run.err


def test_a_picture_that_can_not_be_written(run_cli: Cli, song: Path, tmp_path: Path) -> None:
    assert_refused(run_cli("show", song, "-o", tmp_path / "nowhere" / "roll.svg"), "can't write")
