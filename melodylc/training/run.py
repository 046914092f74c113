"""Train a melody VAE on a corpus, from the first step to the finished model file."""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from melodylc import __version__
from melodylc.data.arrays import Events
from melodylc.data.corpus import Corpus
from melodylc.data.errors import InputError
from melodylc.data.files import check_writable
from melodylc.data.leave_out import LEFT_OUT, leave_out
from melodylc.data.rows import validation_rows
from melodylc.models.checkpoint import LoadedModel, load_model, save_model
from melodylc.models.config import ModelConfig
from melodylc.models.recall import RecallConfig, RecallLM
from melodylc.models.vae import MelodyVAE
from melodylc.training.batches import Batches, RoleBatches
from melodylc.training.loop import STATE_FILE, Report, Trainer
from melodylc.training.settings import TrainSettings
from melodylc.training.stages import ALONE, LanguageStage, make_stage
from melodylc.training.team import Team

Validate = Callable[[MelodyVAE, Events], dict[str, Any]]
"""Figures of a model on held-out melodies (n, 256), for its header."""

MODEL = "model.safetensors"
VALIDATION_MELODIES = 512
SIGMA_MELODIES = 4096
SIGMA_STREAM = 8  #: the number of their random stream; those below are of the stages


def train_vae(
    corpus: Corpus,
    config: ModelConfig,
    settings: TrainSettings,
    folder: Path,
    report: Callable[[Report], None] = lambda _: None,
    start: LoadedModel | None = None,
    without: str | None = None,
    team: Team = ALONE,
    validate: Validate = lambda vae, events: {},
) -> Path:
    """Train, or go on training, in `folder`; return the finished model's path.

    From random weights, or from those of `start`, a model of the same configuration or with fewer blocks. `without`
    leaves a collection and its kin out (`melodylc.data.leave_out`), here and where checkpoints are compared. What
    `validate` says of the finished model stands in its header (`melodylc.evaluation.validation`). Raises
    InputError if the
    folder holds a run of another configuration, other settings, another corpus, another start or with another
    collection left out, and TrainingStopped if the loss stops being a number.
    """
    remaining = leave_out(corpus, without)
    if start:
        _check_start(start, config, corpus, without)
    if team.leads:
        prepare(folder)
    torch.manual_seed(settings.seed)
    vae = MelodyVAE(config)
    if start:  # blocks that it lacks start as nothing
        vae.load_state_dict({**vae.state_dict(), **start.vae.state_dict()})
    batches = Batches(corpus, settings.balance, settings.seed, remaining.train, settings.augmented)
    identity = {
        "configuration": config.to_dict(),
        "settings": settings.to_dict(),
        "corpus": corpus.fingerprint,
        "start": start.fingerprint if start else None,
        LEFT_OUT: remaining.to_dict(),
    }
    validation = np.asarray(corpus.heldout[validation_rows(corpus, VALIDATION_MELODIES, remaining.heldout)])
    trainer = Trainer(
        vae,
        partial(make_stage, vae, team=team),
        settings,
        batches,
        validation,
        folder,
        identity,
        commit(),
        report,
        team,
    )
    position = trainer.run()
    minutes = [round(seconds / 60, 1) for seconds in position.spent]
    provenance = {**identity, "commit": commit(), "version": __version__, "minutes": minutes}
    if team.leads:
        finish(vae.cpu(), batches, folder / MODEL, provenance, validation, validate)
    return folder / MODEL


def train_prior(
    corpus: Corpus,
    model: LoadedModel,
    settings: TrainSettings,
    folder: Path,
    report: Callable[[Report], None] = lambda _: None,
    team: Team = ALONE,
) -> Path:
    """Train the language model that a learnt prior draws from, in `folder`; return a copy of `model` that has it.

    What the model was trained without, it doesn't meet either. Raises what `train_vae` raises.
    """
    remaining = leave_out(corpus, (model.provenance.get(LEFT_OUT) or {}).get("collection"))
    if team.leads:
        prepare(folder)
    torch.manual_seed(settings.seed)
    language = RecallLM(RecallConfig())
    batches = RoleBatches(corpus, settings.balance, settings.seed, remaining.train)
    identity = {
        "configuration": language.config.to_dict(),
        "settings": settings.to_dict(),
        "corpus": corpus.fingerprint,
        LEFT_OUT: remaining.to_dict(),
    }
    rows = validation_rows(corpus, VALIDATION_MELODIES, remaining.heldout)
    validation = np.c_[corpus.heldout[rows], corpus.heldout_role[rows]]
    stage = LanguageStage(language)
    trainer = Trainer(
        language, lambda _: stage, settings, batches, validation, folder, identity, commit(), report, team
    )
    position = trainer.run()
    minutes = [round(seconds / 60, 1) for seconds in position.spent]
    about = {**identity, "commit": commit(), "version": __version__, "minutes": minutes}
    if team.leads:
        provenance = {**model.provenance, "language": about}
        save_model(folder / MODEL, model.vae, model.sigma_bar, provenance, language.cpu())
    return folder / MODEL


def _check_start(start: LoadedModel, config: ModelConfig, corpus: Corpus, without: str | None) -> None:
    former = start.vae.config
    if replace(former, blocks=config.blocks) != config or former.blocks > config.blocks:
        raise InputError(
            f"the model to start from has another configuration ({start.vae.config.name!r}, not this {config.name!r}): "
            "train with --config of its own"
        )
    known = (start.provenance.get(LEFT_OUT) or {}).get("collection"), start.provenance.get("corpus")
    if without is not None and known != (without, corpus.fingerprint):
        raise InputError(
            f"the model to start from may have met {without!r}: start from one that was trained on this corpus "
            f"--without {without}, or from none"
        )


def prepare(folder: Path) -> None:
    """Make the run's folder; an InputError where that can't be, before any time is spent."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: can't hold a training run ({error.strerror}); name a folder") from None
    if (folder / MODEL).exists() and not (folder / STATE_FILE).exists():
        raise InputError(f"{folder} holds a model, and no run to go on with ({STATE_FILE}): choose another folder")
    check_writable(folder / STATE_FILE)


def finish(
    vae: MelodyVAE,
    batches: Batches,
    path: Path,
    provenance: Mapping[str, object],
    validation: Events,
    validate: Validate,
) -> Path:
    """Write the model with its sigma_bar and its accuracy, measured on the file's own half-precision weights."""
    vae.eval()
    sigma_bar = mean_sigma(vae, batches.draw_plain(SIGMA_STREAM, 0, SIGMA_MELODIES))
    save_model(path, vae, sigma_bar, provenance)
    stored = load_model(path).vae
    save_model(path, stored, sigma_bar, {**provenance, "validation": validate(stored, validation)})
    return path


def commit() -> str:
    """The commit this code was checked out at, or "unknown" outside a git checkout of ours."""
    here = Path(__file__).resolve()
    git = ["git", "-C", str(here.parent)]
    try:
        # A copy installed somewhere inside another project's checkout isn't tracked there.
        subprocess.run([*git, "ls-files", "--error-unmatch", here.name], capture_output=True, check=True)
        return subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def mean_sigma(vae: MelodyVAE, events: Events) -> Tensor:
    """sigma_bar: the encoder's deviation averaged over melodies (n, 256), per dimension (z,)."""
    rows = torch.from_numpy(np.asarray(events).astype(np.int64))
    with torch.no_grad():
        return torch.cat([vae.encode(part).sigma for part in torch.split(rows, 256)]).mean(0)
