"""Users' rules in their own process: whatever they do, one line says it, and we go on."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from rule_files import BAD, GOOD, HEAD, LEAPS, write

from melodylc.data import STEPS, Melody
from melodylc.data.errors import InputError, RewardError
from melodylc.rewards import isolation
from melodylc.rewards.isolation import IsolatedReward, load_isolated
from melodylc.rewards.panel import real_melodies
from melodylc.rewards.worker import load

SILENCE = Melody.from_notes([])


def rule(path: Path, name: str, texts: dict[str, str] | None = None, seconds: float = 20) -> IsolatedReward:
    return load_isolated({"label": f"{path.name}:{name}", "name": name, "file": str(path)}, texts or {}, seconds)


@pytest.fixture
def leaps(tmp_path: Path) -> Path:
    (tmp_path / "leaps.py").write_text(LEAPS, "utf-8")
    return tmp_path / "leaps.py"


def pid_of(reward: IsolatedReward) -> int:
    process = reward.worker._process
    assert process is not None
    return process._running.pid


def gone(pid: int, seconds: float = 20) -> bool:
    """Whether a process ends within a while."""
    for _ in range(int(seconds * 20)):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_a_rule_answers_from_its_process_as_it_would_here(leaps: Path) -> None:
    reward = rule(leaps, "stepwise", {"largest": "3"})
    assert reward.name.startswith("stepwise(largest=3)@")
    events = np.concatenate([real_melodies()] * 17)  # more than goes there at once
    steps = [abs(melody.intervals) for melody in Melody.unstack(events)]
    assert reward.batch(events).tolist() == [(step <= 3).mean() for step in steps]
    assert reward(SILENCE) == 0
    assert reward.batch(events[:0]).shape == (0,)
    assert pid_of(reward) != os.getpid()
    assert not (leaps.parent / "__pycache__").exists()


@pytest.mark.parametrize("name", BAD)
def test_what_a_rule_may_not_do(name: str, tmp_path: Path) -> None:
    body, said = BAD[name]
    bad = rule(write(tmp_path / "bad.py", {name: body}), name, seconds=0.5 if "no answer" in said else 20)
    with pytest.raises(RewardError) as caught:
        bad(SILENCE)
    assert str(caught.value).startswith(f"bad.py:{name} {said}")
    assert str(caught.value).endswith(("on a melody without notes", "prints nothing", "SystemExit: 0", "or closed it"))
    assert "\n" not in str(caught.value)


def test_a_rule_that_ended_its_process_gets_a_new_one(tmp_path: Path) -> None:
    bad = rule(write(tmp_path / "bad.py", {"dies": "\n    if melody.note_count: os._exit(3)\n    return 1"}), "dies")
    first = pid_of(bad)
    with pytest.raises(RewardError, match="exit code 3"):
        bad(Melody.from_notes([(60, 0, 4)]))
    assert bad(SILENCE) == 1
    assert pid_of(bad) != first


def test_what_a_rule_may_do_leaves_our_output_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "odd.py", GOOD)
    for name in GOOD:
        assert rule(path, name)(SILENCE) == 1
    assert capfd.readouterr() == ("", "")


def test_the_offending_melody_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "picky.py", {"hangs": "\n    while melody.note_count == 3: pass\n    return 1"})
    three = Melody.from_notes((60 + i, i, i + 1) for i in range(3))
    events = np.tile(Melody.stack([SILENCE]), (isolation.ROWS + 9, 1))
    events[isolation.ROWS + 5] = three.events
    with pytest.raises(
        RewardError, match="gave no answer for 2 seconds, on a melody of 3 notes: bar 1 C4 C#4 D4"
    ) as caught:
        rule(path, "hangs", seconds=2).batch(events)
    assert caught.value.row == isolation.ROWS + 5


def test_the_limit_is_of_a_call_not_of_a_batch(tmp_path: Path) -> None:
    path = write(tmp_path / "slow.py", {"slow": "time.sleep(0.2); return 1"})
    assert rule(path, "slow", seconds=1.6).batch(np.full((10, STEPS), 129, np.uint8)).all()


BATCHES = {
    "short": ("return np.ones(1)", "returned float64 of shape (1,): an array of 3 numbers in [0, 1] was asked"),
    "high": ("return np.array([0, 1, 1.3])", "returned 1.3: a reward is a number in [0, 1] or a bool, on a melody"),
    "writes": ("events[:] = 0; return np.ones(3)", "tried to change what it was given: ValueError: "),
    "hangs": ("while True: pass", "gave no answer for 0.5 seconds"),
}


@pytest.mark.parametrize("name", BATCHES)
def test_what_a_batch_may_not_do(name: str, tmp_path: Path) -> None:
    body, said = BATCHES[name]
    (tmp_path / "bad.py").write_text(f"{HEAD}@reward(batch=True)\ndef {name}(events):\n    {body}\n", "utf-8")
    with pytest.raises(RewardError) as caught:
        rule(tmp_path / "bad.py", name, seconds=0.5 if "no answer" in said else 20).batch(
            np.full((3, STEPS), 129, np.uint8)
        )
    assert str(caught.value).startswith(f"bad.py:{name} {said}")


def test_a_file_may_hold_a_combination(leaps: Path) -> None:
    with leaps.open("a", encoding="utf-8") as file:
        file.write("from melodylc.rewards import density\nboth = stepwise(largest=1) & density(2)\n")
    both = rule(leaps, "both")
    assert both.name.startswith("(density(2..) & stepwise(largest=1)@")
    assert both(Melody.from_notes([(60, 0, 4), (61, 4, 8)])) == 1
    with pytest.raises(InputError, match=r"leaps.py:both takes no parameters"):
        rule(leaps, "both", {"largest": "2"})


LOADS: dict[str, tuple[str | bytes, str]] = {
    "syntax": ("def f(:\n    pass\n", "doesn't import: SyntaxError: invalid syntax (line 1)"),
    "module": ("import os\nimport no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module' (line 2)"),
    "error": ("def f():\n    return 1 / 0\nf()\n", "doesn't import: ZeroDivisionError: division by zero (line 2)"),
    "exit": ("import sys\nsys.exit('bye')\n", "doesn't import: SystemExit: bye (line 2)"),
    "noise": ("\0\1\2", "doesn't import: "),
    "latin": (b"x = '\xe9'\n", "doesn't import: SyntaxError: "),
    "default": (f"{HEAD}@reward\ndef f(melody, n: int): return n\n", "@reward f: parameter n needs a default"),
    "empty": ("", "has no reward 'f'; it has none: write @reward above"),
    "other": (f"{HEAD}@reward\ndef fine(melody): return 1\n", "has no reward 'f'; choose from fine"),
    "near": (f"{HEAD}@reward\ndef ff(melody): return 1\n", "has no reward 'f'; nearest: ff"),
    "plain": ("def f(melody): return 1\n", "is no reward but a function: write @reward above"),
    "death": ("import os\nos._exit(7)\n", "can't be loaded: ended its process (exit code 7)"),
    "silence": ("while True: pass\n", "can't be loaded: gave no answer for 1 seconds"),
}
ISOLATED = ("syntax", "death", "silence")  # the others are said in the same way, and faster without a process


@pytest.mark.parametrize("name", LOADS)
def test_files_that_do_not_load(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, said = LOADS[name]
    if name == "silence":
        monkeypatch.setattr(isolation, "LOADING", 1.0)
    path = tmp_path / "rules.py"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    place = {"label": "rules.py:f", "name": "f", "file": str(path)}
    with pytest.raises(InputError) as caught:
        _ = load_isolated(place, {}, 1) if name in ISOLATED else load(place, {})
    assert str(path) in str(caught.value) or "rules.py:f" in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"larges": "2"}, "leaps.py:stepwise: no parameter 'larges'; nearest: largest"),
        ({"largest": "two"}, "leaps.py:stepwise: largest is a whole number, not 'two'"),
    ],
)
def test_parameters_that_are_wrong(leaps: Path, texts: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        rule(leaps, "stepwise", texts)


def test_a_file_that_changes_in_use_is_noticed(leaps: Path) -> None:
    reward = rule(leaps, "stepwise")
    reward.worker.stop()
    leaps.write_text(LEAPS.replace("<=", "<"), "utf-8")
    with pytest.raises(InputError, match=r"leaps.py:stepwise changed while it was in use"):
        reward(SILENCE)


def test_the_name_follows_the_source_and_nothing_else(leaps: Path, tmp_path: Path) -> None:
    name = rule(leaps, "stepwise").name
    (tmp_path / "moved.py").write_text(LEAPS, "utf-8")
    assert rule(tmp_path / "moved.py", "stepwise").name == name
    leaps.write_text(LEAPS + "# changed\n", "utf-8")
    assert rule(leaps, "stepwise").name != name


def test_nothing_is_imported_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "helper.py").write_text("", "utf-8")
    (tmp_path / "rules.py").write_text("import helper\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="No module named 'helper'"):
        rule(tmp_path / "rules.py", "f")


def test_a_worker_ends_with_its_reward(leaps: Path) -> None:
    reward = rule(leaps, "stepwise")
    pid = pid_of(reward)
    del reward
    assert gone(pid)


@pytest.mark.skipif(os.name == "nt", reason="signals are another thing there")
def test_ctrl_c_stops_the_rule_and_the_next_question_starts_it_anew(tmp_path: Path) -> None:
    wait = f"\n    while not os.path.exists({str(tmp_path / 'go')!r}): pass\n    return 1"
    reward = rule(write(tmp_path / "waits.py", {"waits": wait}), "waits", seconds=60)
    first = pid_of(reward)
    press = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    press.start()
    with pytest.raises(KeyboardInterrupt):
        reward(SILENCE)
    press.join()
    assert gone(first)
    (tmp_path / "go").touch()
    assert reward(SILENCE) == 1


ASKS = """
import sys
from melodylc.cli.main import main
main(["rewards", "test", sys.argv[1], "--reward-seconds", "600"])
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are another thing there")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_no_rule_outlives_us(tmp_path: Path, sent: signal.Signals) -> None:
    note = tmp_path / "pid"
    note_pid = f"open({str(note)!r}, 'w').write(str(os.getpid())); os.rename({str(note)!r}, {str(note)!r} + 's')"
    body = f"{note_pid}\n    while True: pass"
    path = write(tmp_path / "endless.py", {"endless": body})
    process = subprocess.Popen(
        [sys.executable, "-c", ASKS, f"{path}:endless"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    written = tmp_path / "pids"
    while not written.exists() and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, sent)  # the whole foreground, as a terminal does
    _, err = process.communicate(timeout=60)
    assert gone(int(written.read_text()))
    assert process.returncode == (130 if sent == signal.SIGINT else -signal.SIGKILL)
    assert err.strip() == ("melodylc: interrupted" if sent == signal.SIGINT else "")
