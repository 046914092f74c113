"""Trains a tiny model for a few steps, as a program that torchrun can start: CORPUS FOLDER STEPS."""

import sys
from pathlib import Path

from melodylc.data.corpus import Corpus
from melodylc.models.config import named_config
from melodylc.training import run
from melodylc.training.settings import StageSettings, TrainSettings
from melodylc.training.team import join_team


def train(corpus: str, folder: str, steps: str) -> None:
    """One process's part of it."""
    settings = TrainSettings(
        stages=(
            StageSettings(kind="codec", batch=4, rate=2e-3, steps=4, warmup=2),
            StageSettings(kind="song", batch=4, rate=1e-3, steps=int(steps), warmup=2, free_nats=(100.0, 40.0)),
        ),
        validate_every=2,
        precision="fp32",
    )
    run.VALIDATION_MELODIES, run.SIGMA_MELODIES = 4, 8
    run.train_vae(Corpus.open(Path(corpus)), named_config("tiny"), settings, Path(folder), team=join_team())


if __name__ == "__main__":
    train(*sys.argv[1:])
