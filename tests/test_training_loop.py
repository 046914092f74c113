"""The loop: it learns, and however it is stopped it goes on as if it hadn't been."""

import errno
import itertools
import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_corpus import build_small
from torch import Tensor

from melodylc.data.corpus import Corpus
from melodylc.data.errors import CheckpointError, InputError
from melodylc.data.rows import validation_rows
from melodylc.latent.tensor_files import read_tensors, write_tensors
from melodylc.models.config import named_config
from melodylc.models.noise import Noise
from melodylc.models.vae import MelodyVAE
from melodylc.training import loop, stages
from melodylc.training.batches import Batches
from melodylc.training.loop import STATE, Position, Report, Trainer, TrainingStopped, without_signals
from melodylc.training.settings import StageSettings, TrainSettings
from melodylc.training.stages import make_stage

SMALL = replace(named_config("tiny"), name="small", embedding=8, conductor_hidden=8, decoder_hidden=16, bar_hidden=16)
FAST = TrainSettings(
    stages=(
        StageSettings(kind="codec", batch=1, rate=5e-3, steps=6, warmup=2),
        StageSettings(kind="song", batch=2, rate=1e-3, steps=5, warmup=2, average=0.9),
    ),
    validate_every=2,
)
Make = Callable[..., Trainer]


def one_stage(**changes: Any) -> TrainSettings:
    """The codec alone, fields of the stage or of the settings changed."""
    stage = {name: changes.pop(name) for name in ("rate", "steps", "minutes", "batch", "average") if name in changes}
    return replace(FAST, stages=(replace(FAST.stages[0], **stage),), **changes)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build_small(tmp_path_factory)


@pytest.fixture
def make(corpus: Corpus, tmp_path: Path) -> Make:
    """A trainer that starts, or goes on, in a folder."""

    def trainer(
        recipe: TrainSettings = FAST,
        folder: Path = tmp_path,
        report: Callable[[Report], None] = lambda _: None,
        **identity: object,
    ) -> Trainer:
        torch.manual_seed(recipe.seed)
        validation = np.asarray(corpus.heldout[validation_rows(corpus, 2)])
        same = {"configuration": SMALL.to_dict(), "settings": recipe.to_dict(), "corpus": corpus.fingerprint}
        batches, vae = Batches(corpus, recipe.balance, recipe.seed), MelodyVAE(SMALL)
        # Looked up late, so that a test can put another in its place.
        return Trainer(
            vae, lambda s: make_stage(vae, s), recipe, batches, validation, folder, same | identity, "abc", report
        )

    return trainer


@pytest.fixture(scope="module")
def uninterrupted(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """The weights of `FAST` run through."""
    trainer = make.__wrapped__(corpus, tmp_path_factory.mktemp("through"))()  # type: ignore[attr-defined]
    trainer.run()
    return dict(trainer.model.state_dict())


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    different = [name for name in expected if not found[name].equal(expected[name])]
    assert not different


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def once(action: Callable[[], None], at: int, then: Callable[..., Any]) -> Callable[..., Any]:
    """`then`, with an action just before its call number `at`."""
    calls = itertools.count()

    def wrapped(*arguments: Any, **options: Any) -> Any:
        if next(calls) == at:
            action()
        return then(*arguments, **options)

    return wrapped


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


# -- it learns ---------------------------------------------------------------------------------


def test_the_loss_falls_and_the_log_tells(make: Make, tmp_path: Path) -> None:
    make(one_stage(steps=45, batch=2, rate=2e-2, validate_every=15)).run()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [15, 30, 45]
    losses = [line["validation"]["loss"] for line in lines]
    assert losses[0] > losses[1] > losses[2]
    assert losses[2] < 0.6 * math.log(130)
    assert lines[0].keys() == {"stage", "step", "minutes", "train", "validation"}
    assert names(tmp_path) == {"log.jsonl", "state.safetensors"}


def test_a_display_hears_of_every_step(make: Make) -> None:
    reports: list[Report] = []
    make(report=reports.append).run()
    assert [(r.stage, r.step) for r in reports] == [("codec", s) for s in range(1, 7)] + [
        ("song", s) for s in range(1, 6)
    ]
    assert [r.fraction for r in reports[:6]] == pytest.approx([i / 6 for i in range(1, 7)])
    # Every second step, and the last: what the last steps of a stage have learnt isn't thrown away.
    assert [r.step for r in reports if r.validation is not None] == [2, 4, 6, 2, 4, 5]
    assert all(set(r.metrics) == {"nll", "loss"} for r in reports if r.stage == "codec")


def test_a_stage_ends_with_the_weights_that_validated_best(make: Make) -> None:
    seen: list[tuple[float, dict[str, Tensor]]] = []

    def note(report: Report) -> None:
        assert report.validation is not None
        seen.append((report.validation, {name: t.clone() for name, t in trainer.model.state_dict().items()}))

    trainer = make(one_stage(rate=3.0, steps=8, validate_every=1), report=note)
    trainer.run()
    best = min(range(8), key=lambda at: seen[at][0])
    assert best < 7  # the rate is far too high
    assert_same(dict(trainer.model.state_dict()), seen[best][1])


def test_what_is_validated_and_kept_is_the_average_of_the_weights(make: Make) -> None:
    own: list[dict[str, Tensor]] = []

    def note(report: Report) -> None:
        own.append({name: tensor.clone() for name, tensor in trainer.model.state_dict().items()})

    trainer = make(one_stage(steps=4, validate_every=10, average=0.3), report=note)
    trainer.run()
    average = own[0]
    for step, weights in enumerate(own[1:], 2):
        decay = min(0.3, step / (step + 9))
        average = {name: decay * average[name] + (1 - decay) * weights[name] for name in weights}
    for name, tensor in trainer.model.state_dict().items():
        torch.testing.assert_close(tensor, average[name])


def test_a_stage_without_progress_ends_early(make: Make) -> None:
    reports: list[Report] = []
    trainer = make(one_stage(rate=0.0, steps=1000, validate_every=2, patience=3), report=reports.append)
    position = trainer.run()
    assert len(reports) == 2 * (1 + 3)  # the first validation is the best, then patience
    assert position.stage == 1


def test_a_stage_ends_when_its_minutes_are_over(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))  # a second goes by at every look
    reports: list[Report] = []
    settings = one_stage(steps=1000, minutes=0.25)

    def stop(report: Report) -> None:
        if report.step == 4:
            interrupt()

    stopped = make(settings, report=stop)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    half = stopped.position.seconds
    assert 0 < half < 15
    position = make(settings, report=reports.append).run()
    assert 15 <= position.spent[0] <= 18  # both halves count, however long the pause
    assert reports[-1].fraction == 1.0
    assert reports[-1].validation is not None


def test_the_rate_warms_up_and_decays_to_a_hundredth() -> None:
    stage = StageSettings(kind="song", batch=1, rate=0.5, steps=100, warmup=10)
    rates = [loop._rate(stage, step, step / 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.05)
    assert max(rates[:12]) == pytest.approx(0.5, rel=0.05)
    assert rates[50] == pytest.approx(0.5 * 0.505)
    assert rates[100] == pytest.approx(0.005)
    assert loop._rate(stage, 100, 1.7) == pytest.approx(0.005)


# -- stopped and started again -----------------------------------------------------------------


@pytest.mark.parametrize(("stage", "step"), [("codec", 3), ("codec", 4), ("codec", 6), ("song", 1), ("song", 5)])
def test_a_run_that_was_stopped_is_the_run_that_was_not(
    make: Make, uninterrupted: dict[str, Tensor], stage: str, step: int
) -> None:
    def stop(report: Report) -> None:
        if (report.stage, report.step) == (stage, step):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(report=stop).run()
    reports: list[Report] = []
    resumed = make(report=reports.append)
    resumed.run()
    assert (stage, step) not in [(report.stage, report.step) for report in reports]  # not twice
    assert_same(dict(resumed.model.state_dict()), uninterrupted)


def test_a_run_stopped_after_every_step(make: Make, uninterrupted: dict[str, Tensor]) -> None:
    def stop(_: Report) -> None:
        raise KeyboardInterrupt

    for _ in range(sum(stage.steps for stage in FAST.stages)):
        with pytest.raises(KeyboardInterrupt):
            make(report=stop).run()
    last = make()
    last.run()
    assert_same(dict(last.model.state_dict()), uninterrupted)


@pytest.mark.parametrize(
    ("owner", "name", "at"),
    [
        (Batches, "draw", 3),  # within a step
        (torch.optim.Adam, "step", 3),
        (Trainer, "_validate", 1),  # a step is done, its validation isn't
        (Trainer, "_note", 2),
        (Trainer, "_save", 1),  # between stages
    ],
)
def test_ctrl_c_waits_until_what_is_under_way_is_whole(
    make: Make, uninterrupted: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch, owner: type, name: str, at: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, once(interrupt, at, getattr(owner, name)))
        with pytest.raises(KeyboardInterrupt):
            make().run()
    resumed = make()
    resumed.run()
    assert_same(dict(resumed.model.state_dict()), uninterrupted)
    steps = [json.loads(line)["step"] for line in (resumed.folder / "log.jsonl").read_text().splitlines()]
    assert steps == [2, 4, 6, 2, 4, 5]  # each validation once


def test_ctrl_c_while_a_checkpoint_is_written(
    make: Make, uninterrupted: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", once(interrupt, 4, os.fsync))
        with pytest.raises(KeyboardInterrupt):
            make().run()
    assert names(tmp_path) <= {"log.jsonl", "state.safetensors"}  # nothing half-written
    resumed = make()
    resumed.run()
    assert_same(dict(resumed.model.state_dict()), uninterrupted)


def test_a_run_that_was_killed_goes_on_from_its_last_checkpoint(
    make: Make, uninterrupted: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(report: Report) -> None:
        if (report.stage, report.step) == ("song", 3):
            raise Killed

    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    with pytest.raises(Killed):
        make(report=kill).run()
    reports: list[Report] = []
    resumed = make(report=reports.append)
    resumed.run()
    assert (reports[0].stage, reports[0].step) == ("song", 3)
    assert_same(dict(resumed.model.state_dict()), uninterrupted)


def test_a_finished_run_has_nothing_left_to_do(make: Make, uninterrupted: dict[str, Tensor]) -> None:
    first = make().run()
    again = make(report=lambda _: pytest.fail("a step"))
    assert again.run() == first == Position(stage=2, spent=first.spent)
    assert_same(dict(again.model.state_dict()), uninterrupted)


def test_validation_does_not_touch_what_training_draws(make: Make, tmp_path: Path) -> None:
    seldom, often = one_stage(validate_every=6), one_stage(validate_every=1)
    trainers = [make(settings, folder=tmp_path / str(at)) for at, settings in enumerate((seldom, often))]
    for trainer in trainers:
        trainer.folder.mkdir()
        trainer.run()
    assert_same(dict(trainers[0].model.state_dict()), dict(trainers[1].model.state_dict()))


def test_interrupts_are_held_to_the_end_of_a_block() -> None:
    done = []

    @without_signals()
    def work() -> None:
        interrupt()
        interrupt()
        done.append("whole")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["whole"]
    with pytest.raises(KeyboardInterrupt):
        interrupt()


def test_interrupts_that_are_ignored_stay_ignored() -> None:
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with without_signals():
            interrupt()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, former)


def test_a_run_in_another_thread_needs_no_signals(make: Make, uninterrupted: dict[str, Tensor]) -> None:
    trainer = make()
    thread = threading.Thread(target=trainer.run)
    thread.start()
    thread.join()
    assert_same(dict(trainer.model.state_dict()), uninterrupted)


# -- refusals ----------------------------------------------------------------------------------


@pytest.fixture
def begun(make: Make, tmp_path: Path) -> Path:
    """The state of a run that stopped in the middle of its first stage."""

    def stop(report: Report) -> None:
        if report.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(report=stop).run()
    return tmp_path / "state.safetensors"


@pytest.mark.parametrize(
    ("identity", "line"),
    [
        ({"corpus": "ffffffffffffffff"}, "another corpus"),
        ({"configuration": SMALL.to_dict() | {"z": 17}}, "another configuration"),
        ({"settings": replace(FAST, seed=1).to_dict()}, "another settings"),
        ({"settings": FAST.with_minutes((1, 1)).to_dict()}, "another settings"),
        ({"corpus": "0", "configuration": {}}, "another configuration, corpus"),
    ],
)
def test_another_run_is_refused_and_the_state_untouched(
    begun: Path, make: Make, identity: dict[str, object], line: str
) -> None:
    before = begun.read_bytes()
    with pytest.raises(InputError, match=f"{line}: resume with the same, or choose another folder") as caught:
        make(report=lambda _: pytest.fail("a step"), **identity).run()
    assert str(caught.value).startswith(str(begun))
    assert begun.read_bytes() == before


def rewrite(change: Callable[[dict[str, Tensor], dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        tensors, header = read_tensors(path, STATE)
        change(tensors, header)
        write_tensors(path, tensors, STATE, header)

    return damage


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda path: os.truncate(path, 1000), "damaged"),
        (lambda path: path.write_bytes(b""), "damaged"),
        (lambda path: write_tensors(path, {}, "melodylc-training/2", {}), "not a melodylc-training/1 file"),
        (lambda path: write_tensors(path, {}, "melodylc-vae/1", {}), "not a melodylc-training/1 file"),
        (rewrite(lambda _, header: header.pop("identity")), "damaged"),
        (rewrite(lambda _, header: header["position"].update(mood=3)), "damaged"),
        (rewrite(lambda tensors, _: tensors.pop("weights.song.decoder.head.bias")), "damaged"),
    ],
    ids=["truncated", "empty", "a later version", "a model", "no identity", "an odd position", "a weight missing"],
)
def test_a_damaged_state_is_refused_in_one_line(
    begun: Path, make: Make, damage: Callable[[Path], object], line: str
) -> None:
    damage(begun)
    before = begun.read_bytes()
    with pytest.raises(CheckpointError, match=line) as caught:
        make().run()
    assert "\n" not in str(caught.value)
    assert begun.read_bytes() == before


# -- what goes wrong on the way ----------------------------------------------------------------


def poison(monkeypatch: pytest.MonkeyPatch, at: int, what: Callable[[Tensor], Tensor]) -> None:
    """Spoil the loss of the stages' call number `at` (validations are calls too)."""
    calls = itertools.count()

    def made(vae: MelodyVAE, settings: StageSettings) -> Any:
        stage = stages.make_stage(vae, settings)
        loss = stage.loss

        def spoilt(events: Tensor, progress: float, noise: Noise) -> Any:
            value, figures = loss(events, progress, noise)
            return (what(value) if next(calls) == at else value), figures

        stage.loss = spoilt  # type: ignore[method-assign]
        return stage

    monkeypatch.setitem(globals(), "make_stage", made)


class NanGradient(torch.autograd.Function):
    """The identity, with a gradient that is not a number."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * math.nan


SPOILT: dict[str, Callable[[Tensor], Tensor]] = {
    "nan": lambda loss: loss * math.nan,
    "infinity": lambda loss: loss * math.inf,
    "nan added": lambda loss: loss + math.nan,
    "a gradient": NanGradient.apply,
}


# Calls of the loss: step 1, step 2, validation, step 3, step 4, validation, ...
@pytest.mark.parametrize(
    ("what", "at", "step"),
    [("nan", 0, 0), ("nan", 4, 3), ("infinity", 3, 2), ("nan added", 3, 2), ("a gradient", 4, 3)],
)
def test_a_loss_that_is_no_number_stops_with_the_last_good_state(
    make: Make, uninterrupted: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch, what: str, at: int, step: int
) -> None:
    with monkeypatch.context() as patch:
        poison(patch, at, SPOILT[what])
        stopped = make()
        with pytest.raises(TrainingStopped, match=f"codec stage, step {step}: .* the last good state is kept in ") as e:
            stopped.run()
    assert str(e.value).endswith("train in another folder with --precision fp32")
    state = load_file(stopped.folder / "state.safetensors")
    assert all(bool(tensor.isfinite().all()) for tensor in state.values())
    reports: list[Report] = []
    resumed = make(report=reports.append)
    resumed.run()
    assert reports[0].step == step + 1  # nothing of the steps before is lost
    assert_same(dict(resumed.model.state_dict()), uninterrupted)


def test_a_validation_that_is_no_number_stops_too(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    poison(monkeypatch, 2, SPOILT["nan"])
    stopped = make(replace(FAST, precision="fp32"))
    with pytest.raises(TrainingStopped, match=r"step 2: the validation loss is not a number; .* another --seed"):
        stopped.run()
    assert read_tensors(tmp_path / "state.safetensors", STATE)[1]["position"]["step"] == 0


def test_weights_that_are_no_numbers_never_replace_good_ones(make: Make, tmp_path: Path) -> None:
    def spoil(report: Report) -> None:
        if report.step == 3:
            next(trainer.model.parameters()).data.fill_(math.nan)

    trainer = make(report=spoil)
    with pytest.raises(TrainingStopped, match="step 3"):
        trainer.run()
    state = load_file(tmp_path / "state.safetensors")
    assert all(bool(tensor.isfinite().all()) for tensor in state.values())


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fills_up_leaves_the_former_state(
    make: Make,
    uninterrupted: dict[str, Tensor],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    call: str,
) -> None:
    owner = os if call == "fsync" else Path
    kept: list[bytes] = []

    def note(report: Report) -> None:
        if (report.stage, report.step) == ("song", 1):  # no validation is due: the next to be written is the state
            kept.append((tmp_path / "state.safetensors").read_bytes())
            monkeypatch.setattr(owner, call, full)

    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    with pytest.raises(InputError, match=r"can't write '.*state.safetensors': the disk is full"):
        make(report=note).run()
    monkeypatch.undo()
    assert (tmp_path / "state.safetensors").read_bytes() == kept[0]
    assert names(tmp_path) == {"log.jsonl", "state.safetensors"}
    resumed = make()
    resumed.run()
    assert_same(dict(resumed.model.state_dict()), uninterrupted)


def test_a_disk_that_is_full_from_the_start_costs_no_step(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", full)
    trainer = make(report=lambda _: pytest.fail("a step"))
    with pytest.raises(InputError, match="the disk is full"):
        trainer.run()
    assert not names(trainer.folder)


def test_a_log_that_can_not_be_written_keeps_its_former_lines(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fill(report: Report) -> None:
        if report.step == 3:  # the next to be written is the validation of step 4
            monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(InputError, match=r"can't write '.*log.jsonl': the disk is full"):
        make(report=fill).run()
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [2]
