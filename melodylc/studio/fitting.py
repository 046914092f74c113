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

from melodylc.actors import SETTINGS, cache_path, probe
from melodylc.data.errors import InputError
from melodylc.latent.fit import FitSettings
from melodylc.models.checkpoint import LoadedModel
from melodylc.request import Request
from melodylc.studio.child import settings_to_dict

State = Literal["none", "starting", "running", "stopping", "done", "stopped", "failed"]
_COMMAND = [sys.executable, "-P", "-c", "from melodylc.studio.child import main; main()"]
_BUSY = ("starting", "running", "stopping")


@dataclass(frozen=True)
class Progress:
    """How the latest fit is going."""

    state: State = "none"
    title: str = ""  #: what is being learnt, in words
    round: int = 0
    rounds: int = 0
    rate: float | None = None  #: share of single draws that obey: in the latest round; at the end, as measured
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

    def __init__(
        self,
        model: LoadedModel,
        path: Path | None = None,
        settings: FitSettings = SETTINGS,
    ) -> None:
        self._model, self._path, self._settings = model, path, settings
        self._progress = Progress()
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    @property
    def progress(self) -> Progress:
        """How it is going."""
        return self._progress

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
        with self._lock:
            if self._progress.busy:
                raise InputError("one fit at a time: wait for the one that is running, or stop it")
            self._progress = Progress("starting", title, rounds=self._settings.rounds)
        order = {
            "request": request.to_dict(),
            "seconds": request.seconds,
            "model": str(self._path) if self._path else None,
            "path": str(path),
            "settings": settings_to_dict(self._settings),
        }
        threading.Thread(target=self._run, args=(order,), daemon=True).start()

    def stop(self, keep: bool) -> None:
        """End the fit: with the best state so far, if there is one yet; or at once, and nothing stays."""
        process = self._process
        if not self._progress.busy or process is None:
            return
        if keep:
            self._progress = replace(self._progress, state="stopping")
            with suppress(OSError, ValueError):
                _input(process).write("stop\n")
                _input(process).flush()
        else:
            self._progress = replace(self._progress, state="stopped", message="Cancelled; nothing was kept.")
            _kill(process)

    def close(self) -> None:
        """End whatever is going on."""
        self.stop(keep=False)

    def _run(self, order: dict[str, Any]) -> None:
        with tempfile.TemporaryFile("w+") as complaints:
            try:
                with _started(complaints) as process:
                    self._process = process
                    _input(process).write(json.dumps(order) + "\n")
                    _input(process).flush()
                    for line in process.stdout or ():
                        self._heard(json.loads(line))
            except (OSError, ValueError) as error:
                self._end("failed", str(error))
            finally:
                self._process = None
            if self._progress.busy:
                complaints.seek(0)
                said = complaints.read().strip().splitlines()[-1:]
                self._end("failed", f"the process that fits ended: {said[0] if said else 'it said nothing'}")

    def _heard(self, said: dict[str, Any]) -> None:
        if self._progress.state == "stopped":
            return
        if "round" in said:
            state: State = "stopping" if self._progress.state == "stopping" else "running"
            self._progress = replace(self._progress, state=state, message="", **said)
        elif "bank" in said:
            message = f"Decoding samples of the prior: {said['bank']:,} of {said['of']:,}, kept for the next rule."
            self._progress = replace(self._progress, message=message)
        elif "ready" in said:
            self._progress = replace(self._progress, message="Scoring samples of the prior.")
        elif "done" in said:
            self._end("done", "", rate=said["done"])
        elif "refused" in said:
            self._end("failed", said["refused"])
        elif "stopped" in said:
            self._end("stopped", "Stopped before anything was learnt.")

    def _end(self, state: State, message: str, **changes: Any) -> None:
        self._progress = replace(self._progress, state=state, message=message, **changes)


def _started(complaints: IO[str]) -> "subprocess.Popen[str]":
    # A session of its own: Ctrl-C in the terminal is the studio's, which then ends this.
    apart: dict[str, Any] = {"start_new_session": True} if os.name != "nt" else {}
    pipe = subprocess.PIPE
    return subprocess.Popen(_COMMAND, stdin=pipe, stdout=pipe, stderr=complaints, text=True, **apart)


def _input(process: "subprocess.Popen[str]") -> IO[str]:
    if process.stdin is None:
        raise ValueError("the process that fits has no input")
    return process.stdin


def _kill(process: "subprocess.Popen[str]") -> None:
    with suppress(OSError):
        if os.name == "nt":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
