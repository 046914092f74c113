"""One fit at a time, in a process of its own: its progress, how to stop it, and how to be rid of it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, Literal

from melodylc.constraints.actors import cache_path
from melodylc.constraints.fitting import SETTINGS, probe
from melodylc.constraints.request import Request
from melodylc.data.errors import InputError
from melodylc.latent.fit import FitSettings
from melodylc.models.checkpoint import LoadedModel

FitState = Literal["none", "starting", "running", "stopping", "done", "stopped", "failed"]
_COMMAND = [sys.executable, "-P", "-c", "from melodylc.studio.fit_worker import main; main()"]
_BUSY = ("starting", "running", "stopping")


@dataclass(frozen=True)
class FitProgress:
    """How the latest fit is going."""

    state: FitState = "none"
    title: str = ""  #: what is being learnt, in words
    round: int = 0
    rounds: int = 0
    rate: float | None = None  #: share of single draws that satisfy the rule: of the latest round; at the end, measured
    best: float | None = None  #: the best checked so far
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "busy": self.busy}

    @property
    def busy(self) -> bool:
        """Whether a fit is going on."""
        return self.state in _BUSY


class Fitting:
    """Fits actors, one at a time.

    Args:
        model: that they are for.
        path: its file; None: the shipped one.
        settings: how.
    """

    def __init__(self, model: LoadedModel, path: Path | None = None, settings: FitSettings = SETTINGS) -> None:
        self._model, self._path, self._settings = model, path, settings
        self._job: _FitJob | None = None
        self._lock = threading.Lock()

    @property
    def progress(self) -> FitProgress:
        """How it is going."""
        return self._job.progress if self._job else FitProgress()

    def start(self, request: Request, title: str) -> None:
        """Begin to fit the rule of a request.

        Raises:
            InputError: another fit is going on, nothing is asked, or the actor couldn't be written.
        """
        rule = request.rule
        if rule is None:
            raise InputError("nothing to learn: choose a key, a density or a rule")
        path = cache_path(self._model, rule)
        probe(path)
        order = {
            "request": request.to_dict(),
            "seconds": request.seconds,
            "model": str(self._path) if self._path else None,
            "path": str(path),
            "settings": self._settings.to_dict(),
        }
        with self._lock:
            if self.progress.busy:
                raise InputError("one fit at a time: wait for the one that is running, or stop it")
            self._job = _FitJob(order, FitProgress("starting", title, rounds=self._settings.rounds))
        threading.Thread(target=self._job.run, daemon=True).start()

    def stop(self, keep: bool) -> None:
        """End the fit, at any moment of it: with the best state so far, if there is one; or at once, with nothing."""
        if self._job:
            self._job.stop(keep)

    def close(self) -> None:
        """End whatever is going on."""
        self.stop(keep=False)


class _FitJob:
    """One fit: its process, from the first moment to the last."""

    def __init__(self, order: dict[str, Any], progress: FitProgress) -> None:
        self.progress = progress
        self._order = order
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()  # over the state and the process together

    def run(self) -> None:
        """Start the process and follow it to its end."""
        with tempfile.TemporaryFile("w+") as complaints:
            try:
                with self._lock:
                    if not self.progress.busy:  # stopped before there was a process
                        return
                    self._process = _start(complaints)
                with self._process as process:
                    self._send(json.dumps(self._order))
                    for line in process.stdout or ():
                        self._receive(json.loads(line))
            except (OSError, ValueError) as error:
                self._end("failed", str(error))
            complaints.seek(0)
            last = complaints.read().strip().splitlines()[-1:]
            self._end("failed", f"the process that fits ended: {last[0] if last else 'it said nothing'}")

    def stop(self, keep: bool) -> None:
        """With the best state so far, where one was checked and is wanted; else at once."""
        with self._lock:
            if not self.progress.busy:
                return
            if keep and self.progress.best is not None:
                self.progress = replace(self.progress, state="stopping")
                with suppress(OSError, ValueError):
                    self._send("stop")
            else:
                self.progress = replace(self.progress, state="stopped", message="Stopped; nothing was kept.")
                if self._process:
                    _kill(self._process)

    def _receive(self, message: dict[str, Any]) -> None:
        if "done" in message:
            self._end("done", "", rate=message["done"])
        elif "refused" in message:
            self._end("failed", message["refused"])
        elif "stopped" in message:
            self._end("stopped", "Stopped before anything was learnt.")
        else:
            with self._lock:
                if self.progress.busy:
                    self.progress = _advance(self.progress, message)

    def _end(self, state: FitState, message: str, **changes: Any) -> None:
        """The state at the end; the first one counts."""
        with self._lock:
            if self.progress.busy:
                self.progress = replace(self.progress, state=state, message=message, **changes)

    def _send(self, line: str) -> None:
        if self._process is None or self._process.stdin is None:
            raise ValueError("the process that fits has no input")
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


def _advance(progress: FitProgress, message: dict[str, Any]) -> FitProgress:
    if "round" in message:
        state: FitState = "stopping" if progress.state == "stopping" else "running"
        return replace(progress, state=state, message="", **message)
    if "bank" in message:
        words = f"Decoding samples of the prior: {message['bank']:,} of {message['of']:,}, kept for the next rule."
        return replace(progress, message=words)
    return replace(progress, message="Scoring samples of the prior.")


def _start(complaints: IO[str]) -> "subprocess.Popen[str]":
    # A session of its own: Ctrl-C in the terminal is the studio's, which then ends this.
    apart: dict[str, Any] = {"start_new_session": True} if os.name != "nt" else {}
    pipe = subprocess.PIPE
    return subprocess.Popen(_COMMAND, stdin=pipe, stdout=pipe, stderr=complaints, text=True, **apart)


def _kill(process: "subprocess.Popen[str]") -> None:
    with suppress(OSError):
        if os.name == "nt":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
