"""The training loop: stages one after another, checkpoints, validation. Nothing here knows what is minimised.

A run lives in a folder:

    state.safetensors   weights, Adam's moments, the weights' moving average where the stage has one, the weights
                        with the best validation of the stage under way, and where the run stands; replaced atomically
    log.jsonl           a line a validation
    model.safetensors   the result, written at the end

A run that was stopped goes on exactly as if it hadn't been: a step's batch and noise depend on seed, stage and
step alone, and Ctrl-C waits until a step and its validation are whole.
"""

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from melodylc.data.errors import CheckpointError, InputError, MelodylcError
from melodylc.data.files import atomic_write
from melodylc.data.locks import lock
from melodylc.latent.tensor_files import first_line, read_tensors, write_tensors
from melodylc.models.noise import Noise
from melodylc.training.settings import StageSettings, TrainSettings
from melodylc.training.stages import ALONE, Metrics, Stage
from melodylc.training.team import Team

STATE = "melodylc-training/1"
STATE_FILE = "state.safetensors"
LOG_FILE = "log.jsonl"
VALIDATION_CHUNK = 256
CHECKPOINT_SECONDS = 180.0


BatchRows = npt.NDArray[np.integer[Any]]
"""What a stage's loss is given, one example a row: events, or numbers of pictures that the stage looks up."""


class BatchSource(Protocol):
    """Where batches come from: a pure function of stage and step."""

    def draw(self, stage: int, step: int, count: int) -> BatchRows:
        """`count` rows for one step of one stage."""
        ...


class TrainingStopped(MelodylcError):
    """Training can't go on (a NaN, say); the last good state stays in the run's folder."""


@dataclass
class Position:
    """Where a run stands."""

    stage: int = 0
    step: int = 0
    seconds: float = 0.0  #: spent in this stage, over all its resumptions
    best: float = math.inf  #: lowest validation loss of this stage
    stale: int = 0  #: validations since
    spent: list[float] = field(default_factory=list)  #: seconds of each finished stage


@dataclass(frozen=True)
class Report:
    """What a progress display is told."""

    stage: str
    step: int
    fraction: float  #: of the stage that is done, in [0, 1]
    metrics: Metrics
    validation: float | None = None


def named(report: Callable[[Report], None], name: str) -> Callable[[Report], None]:
    """The same display, told another name than the stage's: where several models of a kind are trained in turn."""
    return lambda one: report(replace(one, stage=name))


class Trainer:
    """Trains a model through the stages of its settings, resuming where its folder says.

    `stages` makes a stage from its settings. `identity` is what must be the same on both sides of a resumption:
    configuration, settings, corpus; `commit` is noted in every checkpoint.
    """

    def __init__(
        self,
        model: nn.Module,
        stages: Callable[[StageSettings], Stage],
        settings: TrainSettings,
        batches: BatchSource,
        validation: BatchRows,
        folder: Path,
        identity: dict[str, Any],
        commit: str,
        report: Callable[[Report], None] = lambda _: None,
        team: Team = ALONE,
    ) -> None:
        self.model, self.stages = model.to(team.device), stages
        self.settings, self.batches, self.team = settings, batches, team
        self.validation = torch.from_numpy(validation.astype("int64"))
        self.folder, self.identity, self.commit, self.report = folder, identity, commit, report
        self.position = Position()
        self.best: dict[str, Tensor] = {}
        self.average: dict[str, Tensor] = {}

    def run(self) -> Position:
        """Train to the end. KeyboardInterrupt and errors leave a state from which `run` goes on.

        Raises:
            InputError: another process trains in this folder.
        """
        with lock(self.folder) if self.team.leads else nullcontext():
            moments = self._resume()
            while self.position.stage < len(self.settings.stages):
                self._run_stage(self.settings.stages[self.position.stage], moments)
                moments = {}
            return self.position

    def _run_stage(self, settings: StageSettings, moments: dict[str, Tensor]) -> None:
        stage = self.stages(settings)
        optimizer = torch.optim.Adam(stage.parameters(), lr=settings.rate, fused=True)
        _restore_moments(optimizer, moments)
        try:
            self._steps(stage, settings, optimizer)
        except KeyboardInterrupt:
            self._save(optimizer)
            raise
        with without_signals():
            if self.best:
                self.model.load_state_dict(self.best)
            self.best, self.average = {}, {}
            spent = [*self.position.spent, self.position.seconds]
            self.position = Position(stage=self.position.stage + 1, spent=spent)
            self._save(None)

    def _steps(self, stage: Stage, settings: StageSettings, optimizer: torch.optim.Optimizer) -> None:
        position, started, saved = self.position, time.monotonic() - self.position.seconds, time.monotonic()
        while (fraction := _fraction(position, settings)) < 1.0 and position.stale < self.settings.patience:
            for group in optimizer.param_groups:
                group["lr"] = _rate(settings, position.step, fraction)
            with without_signals():
                metrics = self._step(stage, settings, optimizer, fraction)
                position.step += 1
                self._follow(settings)
                position.seconds = self.team.agree(time.monotonic() - started)
                done = min(1.0, _fraction(position, settings))
                due = position.step % self.settings.validate_every == 0 or done == 1.0
                validation = self._validate(stage, settings, metrics) if due else None
            if self.team.leads:
                self.report(Report(settings.kind, position.step, done, metrics, validation))
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                self._save(optimizer)
                saved = time.monotonic()

    def _step(
        self, stage: Stage, settings: StageSettings, optimizer: torch.optim.Optimizer, fraction: float
    ) -> Metrics:
        position = self.position
        noise = self.team.noise(hash((self.settings.seed, position.stage, position.step)) % 2**63)
        batch = self.batches.draw(position.stage, position.step, settings.batch)
        events = self.team.share(torch.from_numpy(batch.astype("int64")))
        with self._autocast():
            loss, metrics = stage.loss(events, fraction, noise)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.team.average_gradients(stage.parameters())
        norm = torch.nn.utils.clip_grad_norm_(stage.parameters(), self.settings.clip)
        if not torch.isfinite(norm + loss):
            if all(tensor.isfinite().all() for tensor in self.model.parameters()):
                self._save(optimizer)  # nothing of this step has reached the weights
            raise self._stopped(settings, "the loss or its gradient")
        optimizer.step()
        return {**metrics, "loss": loss.item()}

    @torch.no_grad()
    def _follow(self, settings: StageSettings) -> None:
        """Move the average of the weights (Polyak and Juditsky 1992), quickly at first, by the stage's decay later."""
        if not settings.average:
            return
        decay = min(settings.average, self.position.step / (self.position.step + 9))
        for name, tensor in self.model.state_dict().items():
            former = self.average.setdefault(name, tensor.clone())
            if tensor.is_floating_point():
                former.lerp_(tensor, 1 - decay)
            else:
                former.copy_(tensor)

    @contextmanager
    def _with_average(self) -> Iterator[None]:
        """The model with the average of its weights, where there is one."""
        if not self.average:
            yield
            return
        own = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        try:
            yield
        finally:
            self.model.load_state_dict(own)

    @torch.no_grad()
    def _validate(self, stage: Stage, settings: StageSettings, metrics: Metrics) -> float:
        with self._with_average():
            return self._validate_these(stage, settings, metrics)

    def _validate_these(self, stage: Stage, settings: StageSettings, metrics: Metrics) -> float:
        noise = Noise(0)  # the same every time, so that losses compare
        chunks = torch.split(self.validation.to(self.team.device), VALIDATION_CHUNK)
        self.model.eval()  # normalisations over a batch must not learn from what is held out
        with self._autocast():
            losses = [stage.loss(chunk, 1.0, noise) for chunk in chunks]
        self.model.train()
        value = sum(loss.item() * len(chunk) for (loss, _), chunk in zip(losses, chunks, strict=True))
        value = self.team.agree(value / len(self.validation))
        if not math.isfinite(value):
            raise self._stopped(settings, "the validation loss")
        self._note(settings, metrics, losses[0][1], value)
        if value < self.position.best:
            self.position.best, self.position.stale = value, 0
            self.best = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        else:
            self.position.stale += 1
        return value

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.team.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16")

    def _note(self, settings: StageSettings, metrics: Metrics, held_out: Metrics, value: float) -> None:
        if not self.team.leads:
            return
        line = {
            "stage": settings.kind,
            "step": self.position.step,
            "minutes": round(self.position.seconds / 60, 2),
            "train": {name: round(number, 4) for name, number in metrics.items()},
            "validation": {**{name: round(number, 4) for name, number in held_out.items()}, "loss": round(value, 5)},
        }
        path = self.folder / LOG_FILE
        former = path.read_text("utf-8") if path.exists() else ""
        with atomic_write(path, "w") as file:
            file.write(f"{former}{json.dumps(line)}\n")

    def _stopped(self, settings: StageSettings, what: str) -> TrainingStopped:
        remedy = "--precision fp32" if self.settings.precision == "bf16" else "another --seed"
        return TrainingStopped(
            f"{settings.kind} stage, step {self.position.step}: {what} is not a number; the last good state is kept "
            f"in {self.folder}; train in another folder with {remedy}"
        )

    def _save(self, optimizer: torch.optim.Optimizer | None) -> None:
        if not self.team.leads:
            return
        tensors = {f"weights.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.items()}
        if optimizer is not None:
            tensors |= _moments(optimizer)
        header = {"identity": self.identity, "commit": self.commit, "position": asdict(self.position)}
        write_tensors(self.folder / STATE_FILE, tensors, STATE, header)

    def _resume(self) -> dict[str, Tensor]:
        path = self.folder / STATE_FILE
        if not path.exists():
            self._save(None)  # a disk that can't hold it is found out now, and there is a good state from here on
            return {}
        tensors, header = read_tensors(path, STATE)
        try:
            refuse_other(path, header["identity"], self.identity)
            self.position = Position(**header["position"])
            self.model.load_state_dict(_below("weights.", tensors))
        except (KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise CheckpointError(f"{path}: damaged ({first_line(error)}); delete it to train from the start") from None
        self.best, self.average = _below("best.", tensors), _below("average.", tensors)
        return _below("moments.", tensors)


@contextmanager
def without_signals() -> Iterator[None]:
    """Hold Ctrl-C back while the block runs; it takes effect at the end."""
    if threading.current_thread() is not threading.main_thread():  # signals come to the main thread alone
        yield
        return
    held: list[int] = []
    former = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
    if held:
        signal.raise_signal(signal.SIGINT)


def refuse_other(path: Path, saved: dict[str, Any], wanted: dict[str, Any]) -> None:
    """InputError if a saved run differs from the wanted one in configuration, settings or corpus."""
    wanted = json.loads(json.dumps(wanted))  # as the header went through JSON: tuples are lists there
    different = [name for name in wanted if saved.get(name) != wanted[name]]
    if different:
        raise InputError(
            f"{path} was made with another {', '.join(different)}: resume with the same, or choose another folder"
        )


def _fraction(position: Position, settings: StageSettings) -> float:
    by_time = position.seconds / 60 / settings.minutes if settings.minutes else 0.0
    return max(position.step / settings.steps, by_time)


def _rate(settings: StageSettings, step: int, fraction: float) -> float:
    warmup = min(1.0, (step + 1) / settings.warmup)
    return settings.rate * warmup * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(fraction, 1.0))))


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    states = optimizer.state_dict()["state"]
    return {f"moments.{at}.{name}": tensor for at, state in states.items() for name, tensor in state.items()}


def _restore_moments(optimizer: torch.optim.Optimizer, moments: dict[str, Tensor]) -> None:
    if not moments:
        return
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in moments.items():
        at, name = key.split(".")
        state.setdefault(int(at), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
