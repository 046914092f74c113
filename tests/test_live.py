"""Playing through a port: what is sent and when, with a clock of the test's own and a recorded backend for mido."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mido
import pytest
import recorded_backend
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli_generate import assert_refused
from test_midi import MELODIES

from melodylc.data.errors import InputError
from melodylc.data.live import ALL_NOTES_OFF, Player, Wish, open_port, port_names
from melodylc.data.melody import Melody
from melodylc.data.midi import midi_bytes
from melodylc.data.writing import Writing

Cli = Callable[..., Any]
Tell = Callable[[int], None]
BAR = 2.0  # seconds at 120
FIRST = Melody.from_notes([(60, 0, 4), (62, 8, 24), (64, 250, 256)])
SECOND = Melody.from_notes([(70 + bar % 2, 16 * bar, 16 * bar + 2) for bar in range(16)])


class Stage:
    """A clock, a port and a listener: wishes come true once their second is there."""

    def __init__(self, wishes: list[tuple[float, Wish]]) -> None:
        self.time = 0.0
        self.wishes = sorted(wishes)
        self.sent: list[tuple[float, Any]] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def send(self, message: Any) -> None:
        self.sent.append((self.time, message))

    def wish(self) -> Wish | None:
        return self.wishes.pop(0)[1] if self.wishes and self.time >= self.wishes[0][0] else None

    def play(self, *melodies: Melody, writing: Writing | None = None, tell: Tell | None = None) -> "Stage":
        Player(melodies, writing or Writing(), self.send, self.wish, self, tell or (lambda index: None)).play()
        return self

    @property
    def notes(self) -> list[tuple[int, float, float]]:
        """Pitch, and the seconds at which a note begins and ends."""
        found: list[tuple[int, float, float]] = []
        sounding: dict[int, float] = {}
        for time, message in self.sent:
            if message.type == "note_on":
                assert not sounding
                sounding[message.note] = time
            elif message.type == "note_off":
                found.append((message.note, sounding.pop(message.note), time))
        assert not sounding
        return found


def seconds(melody: Melody, loops: int) -> list[tuple[int, Any, Any]]:
    return [
        (pitch, pytest.approx(32 * n + start / 8, abs=1e-6), pytest.approx(32 * n + end / 8, abs=1e-6))
        for n in range(loops)
        for pitch, start, end in melody.notes
    ]


def test_a_melody_loops_in_time() -> None:
    assert Stage([(95.99, "stop")]).play(FIRST).notes[:-1] == seconds(FIRST, 3)[:-1]


@settings(max_examples=3)
@given(MELODIES)
def test_any_melody_is_played_as_it_is(melody: Melody) -> None:
    assert Stage([(31.9999, "stop")]).play(melody).notes[:-1] == seconds(melody, 1)[:-1]


def test_the_next_one_comes_at_the_next_bar_line_at_the_same_bar() -> None:
    told: list[int] = []
    stage = Stage([(1.5, "next"), (5.0, "back"), (6.5, "stop")]).play(FIRST, SECOND, tell=told.append)
    assert told == [0, 1, 0]
    assert [pitch for pitch, _, _ in stage.notes] == [60, 62, 71, 70]
    assert [start for _, start, _ in stage.notes] == pytest.approx([0, 1, 2, 4])
    assert [end for _, _, end in stage.notes] == pytest.approx([0.5, 2, 2.25, 4.25])  # the second was cut off


def test_the_first_one_follows_the_last() -> None:
    told: list[int] = []
    Stage([(1, "next"), (3, "next"), (5, "back"), (5.1, "back"), (7, "stop")]).play(FIRST, SECOND, tell=told.append)
    assert told == [0, 1, 0]  # two steps back are none


@settings(max_examples=12)
@given(MELODIES, st.floats(0, 4), st.floats(50, 70), st.floats(0, 100))
def test_nothing_sounds_on_whenever_it_stops(melody: Melody, stop: float, swing: float, humanize: float) -> None:
    writing = Writing(swing=swing, humanize=humanize, channel=3, program=5)
    stage = Stage([(stop, "stop")]).play(melody, writing=writing)
    assert all(time <= stop + 0.011 for time, _ in stage.sent)
    assert stage.notes is not None
    assert (stage.sent[0][1].type, stage.sent[0][1].program) == ("program_change", 4)
    assert stage.sent[-1][1].control == ALL_NOTES_OFF
    assert {message.channel for _, message in stage.sent} == {2}


def test_ctrl_c_silences_too() -> None:
    stage = Stage([])

    def interrupted() -> None:
        if stage.time > 1.2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Player([FIRST], Writing(), stage.send, interrupted, stage).play()
    assert [pitch for pitch, _, _ in stage.notes] == [60, 62]


# -- ports -------------------------------------------------------------------------------------


@pytest.fixture
def backend() -> Iterator[Any]:
    before = mido.backend
    mido.set_backend("recorded_backend")
    yield recorded_backend
    mido.set_backend(before)
    for kept in (recorded_backend.SENT, recorded_backend.OPENED, recorded_backend.TAKEN):
        kept.clear()


def test_ports_by_name(backend: Any) -> None:
    assert port_names() == ["Synth A", "Synth B"]
    for name, expected in (("Synth A", "Synth A"), ("b", "Synth B")):
        open_port(name).close()
        assert backend.OPENED.pop() == (expected, False)
    open_port(None, virtual=True).close()
    assert backend.OPENED.pop() == ("melodylc", True)


@pytest.mark.parametrize(
    ("name", "why"),
    [(None, "which port"), ("Synth", "several ports are called 'Synth'"), ("X", "no port is called 'X'. There are")],
)
def test_ports_that_can_not_be_told(backend: Any, name: str | None, why: str) -> None:
    with pytest.raises(InputError, match=why):
        open_port(name)


def test_no_port_a_taken_one_and_no_library(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    backend.TAKEN.add("Synth A")
    with pytest.raises(InputError, match=r"has another program got it\? device busy"):
        open_port("Synth A")
    monkeypatch.setattr(backend, "NAMES", [])
    with pytest.raises(InputError, match=r"no MIDI port: .*--virtual"):
        open_port(None)
    mido.set_backend("mido.backends.rtmidi")
    monkeypatch.setitem(__import__("sys").modules, "rtmidi", None)
    monkeypatch.delitem(__import__("sys").modules, "mido.backends.rtmidi", raising=False)
    with pytest.raises(InputError, match=r"pip install -e '\.\[live\]'"):
        port_names()


def test_the_command_plays_a_folder_and_lists_ports(
    run_cli: Cli, backend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, melody in (("01.mid", FIRST), ("02.mid", SECOND)):
        (tmp_path / name).write_bytes(midi_bytes(melody, tempo=1000))
    wishes: list[Wish | None] = [None, "next", *[None] * 40, "stop"]
    monkeypatch.setattr("melodylc.cli.play._read_key", lambda: wishes.pop(0) if wishes else "stop")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("melodylc.cli.play._raw_terminal", __import__("contextlib").nullcontext)
    run = run_cli("play", tmp_path, "--port", "a", "--program", "flute")
    assert run.code == 0, run.err
    assert "playing 1 of 2" in run.err
    assert "playing 2 of 2" in run.err
    kinds = [message.type for _, message in backend.SENT]
    assert kinds[0] == "program_change"
    assert kinds.count("note_on") == kinds.count("note_off") > 1
    assert run_cli("play", "--list").out == "Synth A\nSynth B\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "nothing to play"),
        (["empty"], "nothing to play"),
        (["none.mid", "--port", "a"], "no such file"),
        (["own.mid", "--port", "c"], "no port is called 'c'"),
        (["own.mid", "--port", "a", "--tempo", "0"], "a tempo is"),
        (["own.mid", "--port", "a", "--channel", "10"], "drums"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    run_cli: Cli, backend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "own.mid").write_bytes(midi_bytes(FIRST))
    assert_refused(run_cli("play", *words), expected)
