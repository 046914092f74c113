"""Pre-train a critic: it reads statistics off augmented melodies. A fit only has to teach it a rule's scores."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from melodylc import __version__
from melodylc.constraints.features import VERSION, WIDTH, exact
from melodylc.constraints.pretraining.augmentation import augment_melodies
from melodylc.constraints.pretraining.store import save_pretrained_critic
from melodylc.constraints.pretraining.targets import TARGETS, pretraining_targets
from melodylc.data.alphabet import BARS, STEPS_PER_BAR
from melodylc.data.corpus import Corpus
from melodylc.data.rows import validation_rows
from melodylc.latent.critic import Critic
from melodylc.models.noise import Noise
from melodylc.training.batches import Batches
from melodylc.training.loop import Report, Trainer
from melodylc.training.run import MODEL, commit, prepare
from melodylc.training.settings import StageSettings, TrainSettings
from melodylc.training.stages import Metrics

PRETRAINING_SETTINGS = TrainSettings(
    stages=(StageSettings(kind="pretext", batch=128, rate=2e-3, steps=9_000, warmup=200),), validate_every=500
)
HELDOUT_MELODIES = 1024
MEASURED = 4096  #: melodies whose targets say how much each varies


def pretrain_critic(
    corpus: Corpus, settings: TrainSettings, folder: Path, report: Callable[[Report], None] = lambda _: None
) -> Path:
    """Pre-train a critic in `folder`, or go on with that; the path of its file.

    Raises:
        InputError: the folder holds another run, or can't be written.
        TrainingStopped: the loss stopped being a number.
    """
    prepare(folder)
    torch.manual_seed(settings.seed)
    critic = Critic(BARS, STEPS_PER_BAR * WIDTH, TARGETS, hidden=256, layers=4)
    batches = Batches(corpus, settings.balance, settings.seed)
    stage = PretrainingStage(critic, torch.from_numpy(batches.draw(0, 0, MEASURED).astype("int64")))
    identity = {"view": VERSION, "settings": settings.to_dict(), "corpus": corpus.fingerprint, "targets": TARGETS}
    validation = np.asarray(corpus.heldout[validation_rows(corpus, HELDOUT_MELODIES)])
    trainer = Trainer(critic, lambda _: stage, settings, batches, validation, folder, identity, commit(), report)
    position = trainer.run()
    minutes = [round(seconds / 60, 1) for seconds in position.spent]
    about = {**identity, "commit": commit(), "version": __version__, "minutes": minutes}
    save_pretrained_critic(folder / MODEL, critic, about)
    return folder / MODEL


class PretrainingStage:
    """Cross-entropy of every target of melodies (n, 256), augmented here; what varies little weighs much."""

    def __init__(self, critic: Critic, events: Tensor) -> None:
        self.critic = critic
        values = pretraining_targets(augment_melodies(events, Noise(0)))
        weights = 1 / (values.var(0) + 0.004)
        self.weights = weights / weights.sum()
        with torch.no_grad():
            critic.readout.bias.copy_(values.mean(0).logit(eps=0.003))

    def parameters(self) -> Iterator[nn.Parameter]:
        return self.critic.parameters()

    def loss(self, events: Tensor, progress: float, noise: Noise) -> tuple[Tensor, Metrics]:
        """Mean cross-entropy, and how much of the targets' variance is explained, on average."""
        with torch.autocast("cpu", enabled=False):  # statistics are exact
            melodies = augment_melodies(events, noise)
            values, view = pretraining_targets(melodies), exact(melodies)
        logits = self.critic(view)[..., 0].float()
        loss = (binary_cross_entropy_with_logits(logits, values, reduction="none") * self.weights).sum(1).mean()
        errors = ((logits.detach().sigmoid() - values) ** 2).mean(0)
        return loss, {"explained": float((1 - errors / (values.var(0) + 1e-4)).median())}
