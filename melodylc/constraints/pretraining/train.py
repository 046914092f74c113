"""Pre-train a critic: it reads statistics off distorted melodies. A fit only has to teach it what is asked."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from melodylc import __version__
from melodylc.constraints.features import VERSION, WIDTH, exact
from melodylc.constraints.pretraining.distortion import distorted
from melodylc.constraints.pretraining.store import save_pretrained
from melodylc.constraints.pretraining.targets import COUNT, targets
from melodylc.data.alphabet import BARS, STEPS_PER_BAR
from melodylc.data.corpus import Corpus
from melodylc.latent.critic import Critic
from melodylc.models.noise import Noise
from melodylc.training.batches import Batches, validation_rows
from melodylc.training.loop import Report, Trainer
from melodylc.training.run import MODEL, commit, prepare
from melodylc.training.settings import StageSettings, TrainSettings
from melodylc.training.stages import Metrics

SETTINGS = TrainSettings(
    stages=(StageSettings(kind="pretext", batch=128, rate=2e-3, steps=9_000, warmup=200),), validate_every=500
)
VALIDATION_MELODIES = 1024
MEASURED = 4096  #: melodies whose targets say how much each varies


def train_critic(
    corpus: Corpus, settings: TrainSettings, folder: Path, report: Callable[[Report], None] = lambda _: None
) -> Path:
    """Pre-train a critic in `folder`, or go on with that; the path of its file.

    Raises:
        InputError: the folder holds another run, or can't be written.
        TrainingStopped: the loss stopped being a number.
    """
    prepare(folder)
    torch.manual_seed(settings.seed)
    critic = Critic(BARS, STEPS_PER_BAR * WIDTH, COUNT, hidden=256, layers=4)
    batches = Batches(corpus, settings.balance, settings.seed)
    stage = PretextStage(critic, torch.from_numpy(batches.draw(0, 0, MEASURED).astype("int64")))
    identity = {"view": VERSION, "settings": settings.to_dict(), "corpus": corpus.fingerprint, "targets": COUNT}
    validation = np.asarray(corpus.heldout[validation_rows(corpus, VALIDATION_MELODIES)])
    trainer = Trainer(critic, lambda _: stage, settings, batches, validation, folder, identity, commit(), report)
    position = trainer.run()
    minutes = [round(seconds / 60, 1) for seconds in position.spent]
    about = {**identity, "commit": commit(), "version": __version__, "minutes": minutes}
    save_pretrained(folder / MODEL, critic, about)
    return folder / MODEL


class PretextStage:
    """Cross-entropy of every target of melodies (n, 256), distorted here; what varies little weighs much."""

    def __init__(self, critic: Critic, events: Tensor) -> None:
        self.critic = critic
        found = targets(distorted(events, Noise(0)))
        weights = 1 / (found.var(0) + 0.004)
        self.weights = weights / weights.sum()
        with torch.no_grad():
            critic.readout.bias.copy_(found.mean(0).logit(eps=0.003))

    def parameters(self) -> Iterator[nn.Parameter]:
        return self.critic.parameters()

    def loss(self, events: Tensor, progress: float, noise: Noise) -> tuple[Tensor, Metrics]:
        """Mean cross-entropy, and how much of the targets' variance is explained, on average."""
        with torch.autocast("cpu", enabled=False):  # statistics are exact
            melodies = distorted(events, noise)
            told, view = targets(melodies), exact(melodies)
        logits = self.critic(view)[..., 0].float()
        loss = (binary_cross_entropy_with_logits(logits, told, reduction="none") * self.weights).sum(1).mean()
        missed = ((logits.detach().sigmoid() - told) ** 2).mean(0)
        return loss, {"explained": float((1 - missed / (told.var(0) + 1e-4)).median())}
