"""Play a game of actor and critic to its end, with checkpoints: stopped and started again, it is the same game."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from melodylc.data.errors import CheckpointError
from melodylc.data.files import atomic_write
from melodylc.data.locks import lock
from melodylc.latent.actor_critic import current_names
from melodylc.latent.gan import FORMER_GAN_NAMES, GANStep, LatentGAN
from melodylc.latent.tensor_files import first_line, read_tensors, write_tensors
from melodylc.training.loop import (
    CHECKPOINT_SECONDS,
    LOG_FILE,
    STATE_FILE,
    TrainingStopped,
    refuse_other,
    without_signals,
)

GAME = "melodylc-game/1"
LOG_EVERY = 100  #: turns


def train_gan(
    game: LatentGAN, folder: Path, identity: dict[str, Any], report: Callable[[GANStep], None] = lambda _: None
) -> None:
    """Play, or go on playing, in `folder`, until the game's number of steps.

    `identity` is what must be the same on both sides of a resumption: data, settings, model.

    Raises:
        InputError: the folder holds a game of another identity, or another process plays in it.
        CheckpointError: its state is damaged.
        TrainingStopped: a loss that isn't a number; the last good state stays.
        KeyboardInterrupt: once the turn under way is whole; the state is kept.
    """
    with lock(folder):
        _play(game, folder, identity, report)


def _play(game: LatentGAN, folder: Path, identity: dict[str, Any], report: Callable[[GANStep], None]) -> None:
    path = folder / STATE_FILE
    _resume(game, path, identity)
    saved = time.monotonic()
    try:
        while game.round_number < game.settings.steps:
            with without_signals():
                turn = game.step()
                if turn.step % LOG_EVERY == 0 or turn.step == game.settings.steps:
                    _note(folder, turn)
            report(turn)
            if not abs(turn.critic + turn.actor) < float("inf"):
                raise TrainingStopped(
                    f"actor, step {turn.step}: the loss is not a number; the last good state is kept in {folder}; "
                    "train in another folder with another --seed"
                )
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                _save(game, path, identity)
                saved = time.monotonic()
    except KeyboardInterrupt:
        _save(game, path, identity)
        raise
    _save(game, path, identity)


def _save(game: LatentGAN, path: Path, identity: dict[str, Any]) -> None:
    with without_signals():
        write_tensors(path, game.state(), GAME, {"identity": identity})


def _resume(game: LatentGAN, path: Path, identity: dict[str, Any]) -> None:
    if not path.exists():
        _save(game, path, identity)  # a disk that can't hold it is found out now
        return
    state, header = read_tensors(path, GAME)
    try:
        refuse_other(path, _current(header["identity"]), identity)
        game.restore(state)
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"{path}: damaged ({first_line(error)}); delete it to train from the start") from None


def _current(identity: dict[str, Any]) -> dict[str, Any]:
    """An identity with settings under the names that they have now."""
    return {**identity, "settings": current_names(identity.get("settings", {}), FORMER_GAN_NAMES)}


def _note(folder: Path, turn: GANStep) -> None:
    line = {"step": turn.step, "critic": turn.critic, "actor": turn.actor, "distance": turn.distance}
    path = folder / LOG_FILE
    former = path.read_text("utf-8") if path.exists() else ""
    with atomic_write(path, "w") as file:
        file.write(f"{former}{json.dumps({name: round(number, 4) for name, number in line.items()})}\n")
