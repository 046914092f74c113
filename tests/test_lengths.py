"""Melodies of fewer bars than sixteen."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest

import melodylc
from melodylc.constraints.request import Request
from melodylc.data import InputError, Melody
from melodylc.data.alphabet import BARS, HOLD, PITCHES, STEPS, STEPS_PER_BAR, loop_bars
from melodylc.data.formats.abc_notation import abc
from melodylc.data.formats.midi_file import Voice, midi_file
from melodylc.data.formats.musicxml import musicxml
from melodylc.data.formats.roll import Panel, drawing
from melodylc.data.formats.sound import loop_frames
from melodylc.data.writing import Writing
from melodylc.service.order import Order

Cli = Callable[..., Any]
LONG = Melody.from_notes([(60 + step, 8 + 16 * step, 24 + 16 * step) for step in range(15)])


@pytest.mark.parametrize("length", [2, 8])
def test_melodies_are_so_many_bars_over_and_over_and_files_hold_them_once(length: int) -> None:
    done = melodylc.generate("c minor", "medium", length=length, n=2, seed=3)
    assert [one.passed for one in done] == [True, True]
    for one in done:
        assert (one.melody.events == loop_bars(one.melody.events, length)).all()
        assert set((one.melody.pitches % 12).tolist()) <= {0, 2, 3, 5, 7, 8, 10}
        assert one.melody.pitches[-1] % 12 == 0
    rendered = done.rendered()
    for one, (name,) in zip(done, rendered.of, strict=True):
        tracks = mido.MidiFile(file=io.BytesIO(rendered.files[name])).tracks
        assert {sum(message.time for message in track) for track in tracks} == {length * 4 * 480}
        notes = int((one.melody.events[: length * STEPS_PER_BAR] < PITCHES).sum())
        assert sum(message.type == "note_on" for track in tracks for message in track) == notes
    assert [entry["notes"] for entry in done.manifest(rendered)["files"]] == [
        one.melody.note_count * length // BARS for one in done
    ]


def test_a_file_that_was_written_is_scored_as_it_was(tmp_path: Path) -> None:
    done = melodylc.generate("c minor", "medium", length=4, n=1, seed=3)
    assert done[0].melody == melodylc.generate("c minor", "medium", length=4, n=2, seed=3)[0].melody
    name = done.rendered().of[0][0]
    folder = done.save(tmp_path / "out")
    assert melodylc.score(folder / name, "c minor", "medium").passed


def test_where_nothing_is_asked_it_is_short_too() -> None:
    one = melodylc.generate(length=2, n=1, seed=3)[0].melody
    assert (one.events == loop_bars(one.events, 2)).all()


def test_nothing_is_held_into_the_next_time() -> None:
    events = np.full(STEPS, HOLD)
    events[20] = 60
    looped = loop_bars(events, 2)
    assert np.flatnonzero(looped == 60).tolist() == list(range(20, STEPS, 32))
    assert (looped.reshape(8, 32)[:, :20] == 129).all()


@pytest.mark.parametrize("bars", [2, 4, 8])
def test_every_kind_of_file_ends_with_its_last_bar(bars: int) -> None:
    writing = Writing(bars=bars, swing=60, humanize=50, loop_marker=True, repeat=2)
    end = 2 * bars * 4 * 480
    for track in mido.MidiFile(file=io.BytesIO(midi_file([Voice("a", LONG)], writing))).tracks:
        assert sum(message.time for message in track) == end
    assert musicxml(LONG, writing).count("<measure") == bars
    assert abc(LONG, writing).splitlines()[-1].count("|]") == 1
    assert sum(line.count("|") for line in abc(LONG, writing).splitlines()[6:]) == bars
    grid = [box for box in drawing([Panel("a", LONG)], bars=bars).boxes if box.role == "bar"]
    assert len(grid) == bars + 1
    assert loop_frames(120, bars) * BARS == loop_frames(120) * bars


def test_chords_and_density_scale_and_variety_asks_for_less() -> None:
    request = Request.read(["c"], ["64..128"], chords="C | F | G", length=4)
    assert request.rule is not None
    assert request.rule.names[1:] == ("chords(C | F | G | C)", "density(64..128)", "variety(6 pitches, 3 bars)")
    assert Request.read(**request.to_dict()) == request
    assert request.words[-2:] == ["--length", "4"]
    assert Request.read(["c"]).to_dict().get("length") is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"length": 3}, "a melody has 2, 4, 8 or 16 bars, not 3"),
        ({"length": 2, "chords": "C | F | G"}, "the chords take 3 bars and the melody has 2"),
        ({"length": 2, "density": "50..51"}, "no number of notes in 2 bars .* widen it to 50..56"),
        ({"length": 4, "scale": "c", "method": "combined"}, "leave out --method combined"),
        ({"length": 4, "actor": "some.safetensors"}, "leave length out"),
    ],
)
def test_what_does_not_fit_is_one_sentence(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        melodylc.generate(**given)


def test_the_command_asks_for_the_same(run_cli: Cli) -> None:
    order = Order(Request.read(["c"], length=8), count=1)
    assert order.command is not None
    assert "--length 8" in order.command
    assert order.folder_name == "melodylc-cmaj-8bars-seed0"
    assert run_cli("generate", "--length", "5").code == 2
