"""Bars that stay, and those that are written to them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import melodylc
from melodylc.data import InputError, Melody, parse_scale, read_midi, write_midi
from melodylc.data.alphabet import BARS, HOLD, REST, STEPS_PER_BAR
from melodylc.data.formats.midi_file import Voice, midi_file
from melodylc.data.tonality import estimate_key
from melodylc.data.writing import Writing
from melodylc.rewards import pitch_classes, register
from melodylc.rewards.new_bars import BarsReward
from melodylc.rewards.panel import real_melodies
from melodylc.sampling.steering.given import GivenBars, without_hold
from melodylc.sampling.steering.limits import everything
from melodylc.service.edit_order import bars_text, parse_keep

Cli = Callable[..., Any]
TUNE = Melody.unstack(real_melodies())[16]
OUTER = (0, 1, 2, 3, 12, 13, 14, 15)


def bars(melody: Melody) -> Any:
    return melody.events.reshape(BARS, STEPS_PER_BAR)


def held() -> Melody:
    """Notes held over every bar line."""
    return Melody.from_notes([(60 + step, 8 + 16 * step, 24 + 16 * step) for step in range(15)])


def test_a_given_note_ends_with_its_bar() -> None:
    given = GivenBars(held().events, frozenset({3}))
    assert bars(Melody(given.events))[3].tolist() == [REST] * 8 + [62 + 1] + [HOLD] * 7
    assert (np.delete(bars(Melody(given.events)), 3, 0) == REST).all()
    pasted = given.paste(held().events[None].astype(np.int64)).reshape(BARS, STEPS_PER_BAR)
    assert (pasted[4][:8] == REST).all()
    assert (pasted[5] == bars(held())[5]).all()


def test_only_the_bar_after_a_given_one_may_not_begin_with_a_hold() -> None:
    given = GivenBars(held().events, frozenset({3, 4}))
    table = everything()[None, :STEPS_PER_BAR]
    assert [bar for bar in range(BARS) if not given.limit(bar, table)[0, 0, HOLD]] == [5]
    assert given.limit(5, table)[0, 1:].all()
    only = np.zeros_like(table)
    only[..., HOLD] = True  # nothing but a hold would be left: then all others are
    assert given.limit(5, only)[0, 0].sum() == table.shape[2] - 1
    assert without_hold(np.array([HOLD, 60, HOLD])).tolist() == [REST, 60, HOLD]


def test_a_reward_of_some_bars_hears_no_others() -> None:
    melody = Melody.from_notes([(61, 0, 16), (60, 16, 32), (64, 32, 48)])
    reward = BarsReward(pitch_classes([0, 4]), (1, 2))
    assert (reward(melody), BarsReward(pitch_classes([0, 4]), (0, 1))(melody)) == (1.0, 0.5)
    assert reward.name == "pitch_classes(0,4) in bars 2,3"


def test_what_follows_keeps_the_bars_and_their_key() -> None:
    first = melodylc.extend(TUNE, bars=(1, 8), n=2, seed=3)
    again = melodylc.extend(TUNE, bars=(1, 8), n=1, seed=3)
    kept = Melody(GivenBars(TUNE.events, frozenset(range(8))).events)
    key = estimate_key(kept)
    assert key is not None
    assert len(first) == 2
    assert first[0].melody == again[0].melody
    assert first[0].melody != first[1].melody
    for one in first:
        assert (bars(one.melody)[:8] == bars(kept)[:8]).all()
        assert BarsReward(pitch_classes(key.pitch_classes), tuple(range(8, 16)))(one.melody) == 1


def test_a_rule_counts_for_the_whole_and_can_be_for_new_bars_only() -> None:
    with pytest.raises(InputError, match=r"break the rule by themselves \(.* in bar 1 .*--new-bars-only"):
        melodylc.fill(TUNE, "1..4,13..16", scale="f# locrian", seed=1)
    scale = parse_scale("f# locrian")
    done = melodylc.fill(TUNE, "1..4,13..16", scale=scale.slug, tonic=False, n=1, seed=1, new_bars_only=True)
    assert len(done) == 1
    new = BarsReward(pitch_classes(scale.pitch_classes), tuple(range(4, 12)))
    assert new(done[0].melody) == 1
    assert (
        bars(done[0].melody)[list(OUTER)] == bars(Melody(GivenBars(TUNE.events, frozenset(OUTER)).events))[list(OUTER)]
    ).all()


def test_the_command_line_writes_what_python_does(tmp_path: Path, run_cli: Cli) -> None:
    song, out = tmp_path / "song.mid", tmp_path / "out"
    write_midi(song, TUNE)
    words = ["--bars", "1..16", "--keep", "1..4,13..16", "-n", 1, "--seed", 2, "--range", "C3..C6"]
    run = run_cli("fill", song, *words, "-o", out, "--names", "short")
    assert run.code == 0, run.err
    python = melodylc.fill(song, "1..4,13..16", bars=(1, 16), n=1, seed=2, pitch_range="C3..C6")
    assert read_midi(out / "01.mid") == python[0].melody
    assert register(48, 84)(python[0].melody) == 1
    request = json.loads((out / "manifest.json").read_text())["request"]
    assert (request["kept_bars"], request["sources"][0]["file"]) == ("1..4,13..16", str(song))
    before = sorted(path.name for path in out.iterdir())
    assert run_cli("continue", song, "--bars", "1..16").code == 2
    assert sorted(path.name for path in out.iterdir()) == before


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ("1..16", "all 16 bars are kept"),
        ("4..1", "--keep takes bars from 1 up"),
        ("x", "--keep takes bars from 1 up"),
        ("15..20", "bars 17..20 aren't among the bars 1..16"),
    ],
)
def test_bars_that_cannot_be_kept(keep: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        melodylc.fill(TUNE, keep)


def test_bars_without_a_note() -> None:
    with pytest.raises(InputError, match="hold no note"):
        melodylc.extend(Melody.from_notes([(60, 128, 140)]), bars=(1, 4))


def test_bars_as_text() -> None:
    assert bars_text(parse_keep(" 13 .. 16, 1..4,2")) == "1..4,13..16"


def test_variations_keep_bars_and_differ_elsewhere(tmp_path: Path, run_cli: Cli) -> None:
    kept = GivenBars(TUNE.events, frozenset(range(4)))
    done = melodylc.vary(TUNE, keep="1..4", n=3, seed=1, distance=0.3)
    assert len(done) == 3
    for one in done:
        assert (bars(one.melody)[:4] == bars(Melody(kept.events))[:4]).all()
        assert (bars(one.melody)[4:] != bars(TUNE)[4:]).any()
    song, out = tmp_path / "song.mid", tmp_path / "out"
    write_midi(song, TUNE)
    run = run_cli("vary", song, "--keep", "1..4", "-n", 3, "--seed", 1, "-o", out, "--names", "short")
    assert run.code == 0, run.err
    assert [read_midi(out / f"0{number}.mid") for number in (1, 2, 3)] == [one.melody for one in done]
    manifest = json.loads((out / "manifest.json").read_text())
    assert "--keep 1..4" in manifest["command"]
    assert manifest["request"]["kept_bars"] == "1..4"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"keep": "1..16"}, "all bars are kept"),
        ({"keep": "1..4", "scale": "c"}, r"leave the rule out, or .*melodylc fill --keep 1\.\.4"),
        ({"keep": "1,30"}, "reaches over 30 bars, and a melody has 16"),
        ({"keep": "19"}, r"bars 19 aren't among the bars 1\.\.16"),
    ],
)
def test_what_variations_cannot_keep(given: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        melodylc.vary(TUNE, **given)


def test_of_a_long_file_the_bars_around_the_kept_ones_are_taken(tmp_path: Path) -> None:
    song = tmp_path / "song.mid"
    song.write_bytes(midi_file([Voice("a", TUNE), Voice("b", TUNE)], Writing(join="after")))
    for keep, first in (("13..16", 1), ("18..20", 18)):
        done = melodylc.fill(song, keep, n=1, seed=2)
        assert done.order.sources[0].first == first
        assert f"--bars {first}..{first + 15} " in str(done.order.command)
