"""A user's rule at arm's length: it runs in a process of its own, which is stopped where it doesn't answer.

The process is started where it is needed and again where it was stopped, in a session of its own, so that Ctrl-C
reaches us alone. Melodies go there as arrays of events, and numbers come back.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import IO, Any

import numpy as np

from melodylc.data.errors import InputError, RewardError
from melodylc.data.melody import Melody
from melodylc.rewards.base import Events, Reward, Scores
from melodylc.rewards.domains import domain
from melodylc.rewards.wire import TICK, Frame, receive, send

SECONDS = 10.0  #: that one call of a rule may take
LOADING = 60.0  #: seconds that a process may take to start and to import a rule, at least
ROWS = 1024  #: that a batch holds at most

# -P: nothing is imported from the working directory.
_COMMAND = ["-P", "-c", "from melodylc.rewards.worker import main; main()"]


class Stopped(Exception):
    """A worker gave no answer. `done`: rows that it had finished before."""

    def __init__(self, how: str, done: int) -> None:
        super().__init__(how)
        self.done = done


class Worker:
    """A rule's process, started on demand.

    Args:
        place: what to load; see `melodylc.rewards.loading.load`.
        texts: the parameters as typed.
        seconds: that one call may take.
    """

    def __init__(self, place: Mapping[str, str], texts: Mapping[str, str], seconds: float) -> None:
        self._order = Frame({"load": dict(place), "parameters": dict(texts)})
        self._label = place["label"]
        self._seconds = seconds
        self._process: _Process | None = None
        self._loaded: dict[str, Any] | None = None

    def load(self) -> dict[str, Any]:
        """Start, load, and say what was loaded.

        Raises:
            InputError: it can't be loaded, or isn't what it was before.
        """
        try:
            answer = self._ask(self._order, max(self._seconds, LOADING)).header
        except Stopped as stopped:
            raise InputError(f"{self._label} can't be loaded: {stopped}") from None
        if "refused" in answer:
            self.stop()
            raise InputError(answer["refused"])
        if self._loaded not in (None, answer):
            raise InputError(f"{self._label} changed while it was in use: run the command again")
        self._loaded = answer
        return answer

    def score(self, rows: Events) -> Scores:
        """The rewards of rows, of which there are at most `ROWS`.

        Raises:
            RewardError: what the rule did instead.
        """
        if self._process is None:
            self.load()
        try:
            answer = self._ask(Frame({"score": len(rows)}, rows.tobytes()), self._seconds)
        except Stopped as stopped:
            known = self._loaded and self._loaded["ticks"] and stopped.done < len(rows)
            raise self._failed(str(stopped), rows, stopped.done if known else None) from None
        if "scores" not in answer.header:
            raise self._failed(answer.header["problem"], rows, answer.header["row"])
        return np.frombuffer(answer.body, np.float64)

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.end()
        self._process = None

    def _ask(self, question: Frame, seconds: float) -> Frame:
        self._process = self._process or _Process()
        try:
            return self._process.ask(question, seconds)
        except BaseException:  # Ctrl-C too: what it would answer later is no answer to what is asked later
            self.stop()
            raise

    def _failed(self, problem: str, rows: Events, row: int | None) -> RewardError:
        kind = domain(self._loaded["domain"] if self._loaded else "")
        item = "" if row is None else repr(kind.items(rows[row : row + 1])[0])
        return RewardError(self._label, problem, item, row)


@dataclass(frozen=True)
class IsolatedReward(Reward):
    """A reward of a file or a plugin, in its own process."""

    identity: str
    judges: str
    worker: Worker = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """Such as "stepwise(largest=2)@0123456789abcdef"."""
        return self.identity

    @property
    def domain(self) -> str:
        return self.judges

    def __call__(self, melody: Melody) -> float:
        return float(self.batch(domain(self.judges).stack([melody]))[0])

    def batch(self, events: Events) -> Scores:
        """The rewards of many melodies at once: `events` has shape (n, 256), the result (n,)."""
        parts = [self._part(events, first) for first in range(0, len(events), ROWS)]
        return np.concatenate([*parts, np.empty(0)])

    def _part(self, events: Events, first: int) -> Scores:
        try:
            return self.worker.score(events[first : first + ROWS])
        except RewardError as error:
            if error.row is not None:
                error.row += first
            raise


def isolated(place: Mapping[str, str], texts: Mapping[str, str], seconds: float = SECONDS) -> IsolatedReward:
    """The reward at a place, loaded in a process of its own; see `melodylc.rewards.loading.load`.

    Raises:
        InputError: it can't be loaded; one line.
    """
    worker = Worker(place, texts, seconds)
    loaded = worker.load()
    return IsolatedReward(loaded["name"], loaded["domain"], worker)


def described(place: Mapping[str, str], texts: Mapping[str, str], seconds: float = SECONDS) -> dict[str, Any]:
    """What the reward at a place says of itself.

    Returns:
        "name", "domain", "doc", and "parameters", rows of name, kind and value.

    Raises:
        InputError: it can't be loaded; one line.
    """
    return Worker(place, texts, seconds).load()


def installed() -> list[tuple[str, str, str]]:
    """The rewards of installed packages: name, package, and what the entry point names."""
    process = _Process()
    try:
        rows = process.ask(Frame({"plugins": True}), LOADING).header["plugins"]
    finally:
        process.end()
    return [(name, package, value) for name, package, value in rows]


class _Process:
    """A running worker: one question at a time."""

    def __init__(self) -> None:
        apart: dict[str, Any] = (
            {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
            if os.name == "nt"
            else {"start_new_session": True}
        )
        pipe = subprocess.PIPE
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115
        self._running = subprocess.Popen(
            [sys.executable, *_COMMAND], stdin=pipe, stdout=pipe, stderr=self._complaints, **apart
        )
        self._ticks = 0
        self.end = weakref.finalize(self, _end, self._running, self._complaints)

    def ask(self, question: Frame, seconds: float) -> Frame:
        """The answer to a question.

        Raises:
            Stopped: there was neither an answer nor a tick for so many seconds, or the process ended.
        """
        answers: SimpleQueue[Frame | None] = SimpleQueue()
        self._ticks = 0
        threading.Thread(target=self._talk, args=(question, answers), daemon=True).start()
        seen, since = 0, time.monotonic()
        while True:
            with suppress(Empty):
                answer = answers.get(timeout=seconds / 10)
                break
            if self._ticks != seen:
                seen, since = self._ticks, time.monotonic()
            elif time.monotonic() - since >= seconds:
                raise Stopped(f"gave no answer for {seconds:g} seconds", seen)
        if answer is None:
            raise Stopped(self._epitaph(), self._ticks)
        return answer

    def _talk(self, question: Frame, answers: "SimpleQueue[Frame | None]") -> None:
        # In a thread of its own, because neither reading nor writing a pipe knows a time limit everywhere.
        try:
            send(_stream(self._running.stdin), question)
            while (answer := receive(_stream(self._running.stdout))) == TICK:
                self._ticks += 1
        except (OSError, EOFError, ValueError):
            answers.put(None)
        else:
            answers.put(answer)

    def _epitaph(self) -> str:
        """How a process ended that wasn't told to."""
        try:
            code = self._running.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return "closed its connection to us"
        self._complaints.seek(0)
        last = self._complaints.read().decode(errors="replace").strip().splitlines()[-1:]
        why = f": {last[0][:200]}" if last else ""
        with suppress(ValueError):
            return f"ended its process ({signal.Signals(-code).name}){why}"
        return f"ended its process (exit code {code}){why}"


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise EOFError
    return stream


def _end(running: "subprocess.Popen[bytes]", complaints: IO[bytes]) -> None:
    """Kill a process with those that it started, and wait for it."""
    if running.poll() is None:
        with suppress(OSError):
            if os.name == "nt":
                running.kill()
            else:
                os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    complaints.close()
    for stream in (running.stdin, running.stdout):
        with suppress(OSError):
            _stream(stream).close()
