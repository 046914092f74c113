"""A user's rule at arm's length: it runs in a process of its own, which is stopped where it doesn't answer.

The process is started where it is needed and again where it was stopped, in a session of its own, so that Ctrl-C
reaches us alone. Melodies go there as arrays of events, many at once, and numbers come back.

What goes between us are frames of a header, which is JSON, and a body of bytes. Each answer repeats the number of its
question. Nothing is believed of what comes: a rule can write into the pipe, close it, or fork, so an answer has a
largest size, and one that isn't what was asked for ends the process. How many rows are judged stands in memory that
both share, so that a rule that hangs is known by its melody, at no cost for those that don't.
"""

import json
import mmap
import os
import secrets
import signal
import struct
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
from typing import IO, Any, NamedTuple

import numpy as np

from melodylc.data.arrays import Events
from melodylc.data.errors import InputError, RewardError
from melodylc.data.melody import Melody
from melodylc.rewards.base import Reward, Scores
from melodylc.rewards.domains import domain
from melodylc.rewards.identity import share_process

SECONDS = 10.0  #: that one call of a rule may take
LOADING = 60.0  #: seconds that a process may take to start and to import a rule, at least
ROWS = 1024  #: that a batch holds at most
CLOSED = 113  #: exit code of a worker whose pipe was closed under it

# -P: nothing is imported from the working directory.
_COMMAND = ["-P", "-c", "from melodylc.rewards.worker import main; main()"]

_SIZES = struct.Struct(">QQ")
_COUNT = struct.Struct("=Q")
_LARGEST = (1 << 20, 8 * ROWS)  # bytes of an answer's header and body
_DISTURBED = "wrote into its connection to us, or closed it"


class Frame(NamedTuple):
    """A message."""

    header: dict[str, Any]
    body: bytes = b""


def send(stream: IO[bytes], frame: Frame) -> None:
    """Write a frame."""
    header = json.dumps(frame.header).encode()
    stream.write(_SIZES.pack(len(header), len(frame.body)) + header + frame.body)
    stream.flush()


def receive(stream: IO[bytes], largest: tuple[int, int] | None = None) -> Frame:
    """Read a frame, of at most so many bytes of header and of body.

    Raises:
        EOFError: there is no more.
        ValueError: what comes is no frame, or a larger one.
    """
    sizes = _SIZES.unpack(_read(stream, _SIZES.size))
    if largest and any(size > most for size, most in zip(sizes, largest, strict=True)):
        raise ValueError(f"a frame of {sizes} bytes")
    header, body = (_read(stream, size) for size in sizes)
    found = json.loads(header)
    if not isinstance(found, dict):
        raise ValueError("a header that is no table")
    return Frame(found, body)


def _read(stream: IO[bytes], size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise EOFError
    return content


class Counter:
    """A number in memory that two processes share: one counts, the other looks.

    Args:
        key: an open file's number, of 8 bytes; on Windows a name.
    """

    def __init__(self, key: str) -> None:
        if os.name == "nt":
            self._memory = mmap.mmap(-1, _COUNT.size, tagname=key)  # type: ignore[call-arg,unused-ignore]
        else:
            self._memory = mmap.mmap(int(key), _COUNT.size)

    @property
    def value(self) -> int:
        """The number, 0 at first."""
        return int(_COUNT.unpack_from(self._memory)[0])

    @value.setter
    def value(self, value: int) -> None:
        _COUNT.pack_into(self._memory, 0, value)


class NoAnswer(Exception):
    """A worker gave no answer. `done`: rows that it had judged before."""

    def __init__(self, how: str, done: int) -> None:
        super().__init__(how)
        self.done = done


class Worker:
    """A rule's process, started on demand.

    Args:
        place: what to load; see `melodylc.rewards.worker.load`.
        texts: the parameters as typed.
        seconds: that one call may take.
    """

    def __init__(self, place: Mapping[str, str], texts: Mapping[str, str], seconds: float) -> None:
        self._order = Frame({"load": dict(place), "parameters": dict(texts), "process": share_process()})
        self._label = place["label"]
        self._seconds = seconds
        self._process: _Process | None = None
        self._description: dict[str, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs for a worker of its own, which must find the rule as it was here."""
        return {**self.__dict__, "_process": None}

    def load(self) -> dict[str, Any]:
        """Start, load, and say what the reward is.

        Raises:
            InputError: it can't be loaded, or isn't what it was before.
        """
        try:
            answer = self._ask(self._order, max(self._seconds, LOADING)).header
        except NoAnswer as error:
            raise InputError(f"{self._label} can't be loaded: {error}") from None
        if "refusal" in answer:
            self.stop()
            raise InputError(answer["refusal"])
        if _DESCRIPTION - set(answer):
            self.stop()
            raise InputError(f"{self._label} can't be loaded: {_DISTURBED}")
        if self._description not in (None, answer):
            raise InputError(f"{self._label} changed while it was in use: run the command again")
        self._description = answer
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
            scores, problem = np.frombuffer(answer.body, np.float64), answer.header.get("problem")
            sound = isinstance(problem, str) or problem is None
            if not sound or (
                problem is None and (scores.shape != (len(rows),) or not ((scores >= 0) & (scores <= 1)).all())
            ):
                self.stop()
                raise NoAnswer(_DISTURBED, len(rows))
        except NoAnswer as error:
            known = self._description and self._description["counts"] and error.done < len(rows)
            raise self._failure(str(error), rows, error.done if known else None) from None
        if problem is not None:
            row = answer.header.get("row")
            raise self._failure(str(problem), rows, row if isinstance(row, int) and 0 <= row < len(rows) else None)
        return scores

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

    def _failure(self, problem: str, rows: Events, row: int | None) -> RewardError:
        kind = domain(self._description["domain"] if self._description else "")
        item = "" if row is None else kind.describe(kind.items(rows[row : row + 1])[0])
        return RewardError(self._label, problem, item, row)


@dataclass(frozen=True)
class IsolatedReward(Reward):
    """A reward of a file or a plugin, in its own process."""

    identity: str
    judges: str
    worker: Worker = field(compare=False, repr=False)
    words: str = field(default="", compare=False)  #: what it asks, as it says itself
    lasting: bool = field(default=True, compare=False)  #: whether its identity is the same in every process

    @property
    def name(self) -> str:
        """Such as "stepwise(largest=2)@0123456789abcdef"."""
        return self.identity

    @property
    def domain(self) -> str:
        return self.judges

    @property
    def cacheable(self) -> bool:
        """Whether everything that its answers hang on is part of its name; see `melodylc.rewards.function`."""
        return self.lasting

    @property
    def sentence(self) -> str:
        """What its docstring says first."""
        return self.words or super().sentence

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


def load_isolated(place: Mapping[str, str], texts: Mapping[str, str], seconds: float = SECONDS) -> IsolatedReward:
    """The reward at a place, loaded in a process of its own; see `melodylc.rewards.worker.load`.

    Raises:
        InputError: it can't be loaded; one line.
    """
    worker = Worker(place, texts, seconds)
    it = worker.load()
    return IsolatedReward(it["name"], it["domain"], worker, it["sentence"], it["cacheable"])


def describe_isolated(place: Mapping[str, str], texts: Mapping[str, str], seconds: float = SECONDS) -> dict[str, Any]:
    """What the reward at a place says of itself.

    Returns:
        "name", "domain", "doc", "sentence", "cacheable", and "parameters", rows of name, kind and value.

    Raises:
        InputError: it can't be loaded; one line.
    """
    return Worker(place, texts, seconds).load()


def list_plugins() -> list[tuple[str, str, str]]:
    """The rewards of installed packages: name, package, and what the entry point names."""
    process = _Process()
    try:
        rows = process.ask(Frame({"plugins": True}), LOADING).header["plugins"]
    finally:
        process.end()
    return [(name, package, value) for name, package, value in rows]


_DESCRIPTION = {"name", "domain", "doc", "sentence", "cacheable", "parameters", "counts"}


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
        with tempfile.TemporaryFile() as shared:  # once it is mapped, nobody needs the file itself
            shared.truncate(_COUNT.size)
            key = f"melodylc-{secrets.token_hex(8)}" if os.name == "nt" else str(shared.fileno())
            self._counter = Counter(key)
            if os.name != "nt":
                apart["pass_fds"] = (shared.fileno(),)
            self._running = subprocess.Popen(
                [sys.executable, *_COMMAND, key], stdin=pipe, stdout=pipe, stderr=self._complaints, **apart
            )
        self._questions: SimpleQueue[Frame | None] = SimpleQueue()
        self._answers: SimpleQueue[Frame | Exception] = SimpleQueue()
        # A thread, because neither reading nor writing a pipe knows a time limit everywhere. It holds no part of us.
        talk = threading.Thread(target=_talk, args=(self._running, self._questions, self._answers), daemon=True)
        talk.start()
        self.end = weakref.finalize(self, _end, self._running, self._complaints, self._questions)

    def ask(self, question: Frame, seconds: float) -> Frame:
        """The answer to a question.

        Raises:
            NoAnswer: nothing came for so many seconds, no row done either, or the process ended, or sent nonsense.
        """
        number = secrets.randbits(53)  # not to be guessed
        self._counter.value = 0
        self._questions.put(Frame({**question.header, "number": number}, question.body))
        last, since = 0, time.monotonic()
        while True:
            with suppress(Empty):
                answer = self._answers.get(timeout=seconds / 10)
                break
            if self._counter.value != last:
                last, since = self._counter.value, time.monotonic()
            elif time.monotonic() - since >= seconds:
                raise NoAnswer(f"gave no answer for {seconds:g} seconds", last)
        if isinstance(answer, Exception):
            raise NoAnswer(self._epitaph(answer), self._counter.value)
        if answer.header.pop("number", None) != number:
            raise NoAnswer(_DISTURBED, self._counter.value)
        return answer

    def _epitaph(self, error: Exception) -> str:
        """How a process ended that should have answered."""
        try:
            code = self._running.wait(timeout=0.2 if isinstance(error, ValueError) else 2)
        except subprocess.TimeoutExpired:
            return _DISTURBED
        if code == CLOSED:
            return _DISTURBED
        self._complaints.seek(0)
        last = self._complaints.read().decode(errors="replace").strip().splitlines()[-1:]
        why = f": {last[0][:200]}" if last else ""
        with suppress(ValueError):
            return f"ended its process ({signal.Signals(-code).name}){why}"
        return f"ended its process (exit code {code}){why}"


def _talk(
    running: "subprocess.Popen[bytes]",
    questions: "SimpleQueue[Frame | None]",
    answers: "SimpleQueue[Frame | Exception]",
) -> None:
    """Send each question and read its answer, until there are no more."""
    while (question := questions.get()) is not None:
        try:
            send(_stream(running.stdin), question)
            answers.put(receive(_stream(running.stdout), _LARGEST))
        except Exception as error:  # of whatever kind: a rule may have written anything
            answers.put(error)


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise EOFError
    return stream


def _end(running: "subprocess.Popen[bytes]", complaints: IO[bytes], questions: "SimpleQueue[Frame | None]") -> None:
    """Kill a process with those that it started, wait for it, and let the thread go that talks to it."""
    questions.put(None)
    if running.poll() is None:
        with suppress(OSError):
            if os.name == "nt":
                running.kill()
            else:
                os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    complaints.close()
    for stream in (running.stdin, running.stdout):
        with suppress(OSError, EOFError):
            _stream(stream).close()
