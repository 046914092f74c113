"""What each stage minimises. A stage knows its loss; the loop doesn't.

- codec: -log p(bar | e + noise), single bars, e the bar encoder's embedding.
- song:  -log p(x | z) + KL, the negative ELBO.
- language: -log p(x), of the language model; its role isn't said of one melody in ten, and units are left out, the
  same all through a melody (Gal and Ghahramani 2016, "A Theoretically Grounded Application of Dropout in RNNs").

KL is charged above `free_nats` a melody only. Every loss is in nats a melody, divided by its 256 steps.
"""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from melodylc.data.alphabet import BARS, STEPS, STEPS_PER_BAR
from melodylc.models.autoregressive import AutoregressiveSong
from melodylc.models.bars import BarEncoder
from melodylc.models.noise import Noise
from melodylc.models.recall import RecallLM
from melodylc.models.segments import UNKNOWN
from melodylc.models.vae import MelodyVAE
from melodylc.training.settings import StageSettings
from melodylc.training.team import Team

Metrics = dict[str, float]
ALONE = Team()
UNSAID = 0.1  #: share of melodies whose role the language model isn't told in training
LEFT_OUT = 0.1  #: share of its units that are left out


class Stage(Protocol):
    """A loss over batches of events, and the parameters it trains."""

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def loss(self, events: Tensor, progress: float, noise: Noise) -> tuple[Tensor, Metrics]:
        """Loss of events (n, 256), int64, at `progress` in [0, 1] of the stage, and figures to show."""
        ...


def make_stage(vae: MelodyVAE, settings: StageSettings, team: Team = ALONE) -> Stage:
    """The stage that `settings.kind` names."""
    if settings.kind == "song":
        return SongStage(vae, settings, team)
    if not isinstance(vae.song, AutoregressiveSong):
        raise TypeError(f"a {settings.kind} stage needs a chain of bars, and {vae.config.name} is none")
    return CodecStage(vae.song.bars, vae.song.decoder, settings)


class CodecStage:
    """Bars through their embeddings."""

    def __init__(self, bars: BarEncoder, decoder: nn.Module, settings: StageSettings) -> None:
        self.bars, self.decoder, self.settings = bars, decoder, settings

    def parameters(self) -> Iterator[nn.Parameter]:
        yield from self.bars.parameters()
        yield from self.decoder.parameters()

    def loss(self, events: Tensor, progress: float, noise: Noise) -> tuple[Tensor, Metrics]:
        embeddings = self.bars(events)
        noisy = embeddings + self.settings.noise * noise.normal(*embeddings.shape).to(embeddings)
        nll = melody_nll(self.decoder, noisy, events, self.settings.hide, noise)
        return nll / STEPS, {"nll": nll.item()}


class SongStage:
    """Everything: the negative ELBO, in a chain with noise on the true bars that are followed."""

    def __init__(self, vae: MelodyVAE, settings: StageSettings, team: Team) -> None:
        self.vae, self.settings, self.team = vae, settings, team

    def parameters(self) -> Iterator[nn.Parameter]:
        return self.vae.parameters()

    def loss(self, events: Tensor, progress: float, noise: Noise) -> tuple[Tensor, Metrics]:
        encoding, embeddings = self.vae.teacher_forced(events, noise, self.settings.noise)
        nll = melody_nll(self.vae.decoder, embeddings, events, self.settings.hide, noise)
        return elbo(nll, encoding.kl.sum(1).mean(), self.settings, progress, self.team)


class LanguageStage:
    """A language model: every segment given those before it."""

    def __init__(self, model: RecallLM) -> None:
        self.model = model

    def parameters(self) -> Iterator[nn.Parameter]:
        return self.model.parameters()

    def loss(self, events: Tensor, progress: float, noise: Noise) -> tuple[Tensor, Metrics]:
        """Of melodies with their roles behind them, (n, 257)."""
        melodies, role, masks, config = events[:, :STEPS], events[:, STEPS], None, self.model.config
        if self.model.training:
            unsaid = noise.uniform(len(events)).to(events.device) < UNSAID
            role = torch.where(unsaid, UNKNOWN, role)
            sizes = config.embedding, config.hidden
            given, said = ((noise.uniform(len(events), size) >= LEFT_OUT) / (1 - LEFT_OUT) for size in sizes)
            masks = given.to(events.device), said.to(events.device)
        nll = -self.model(melodies, role, masks=masks).sum() / len(events)
        return nll / STEPS, {"nll": nll.item()}


def melody_nll(decoder: nn.Module, embeddings: Tensor, events: Tensor, hide: float, noise: Noise) -> Tensor:
    """-log p(x | bar embeddings) in nats, mean over melodies (n, 256), with a share `hide` of inputs hidden."""
    bars = events.reshape(-1, STEPS_PER_BAR)
    hidden = noise.uniform(len(events), BARS, STEPS_PER_BAR).flatten(0, 1).to(events.device) < hide if hide else None
    logits = decoder(embeddings.flatten(0, 1), bars, hidden)
    return cross_entropy(logits.flatten(0, 1).float(), bars.flatten()) * STEPS


def elbo(nll: Tensor, kl: Tensor, settings: StageSettings, progress: float, team: Team) -> tuple[Tensor, Metrics]:
    """The loss of a stage with a KL, both in nats a melody."""
    return (nll + charge(kl, settings, progress, team)) / STEPS, {"nll": nll.item(), "kl": kl.item()}


def charge(kl: Tensor, settings: StageSettings, progress: float, team: Team = ALONE) -> Tensor:
    """beta times the KL above the free nats, which move from their first value to their second.

    Whether it is above is a question to the whole batch, so that the team's mean is what one process would charge.
    """
    first, last = settings.free_nats
    free = first + (last - first) * min(1.0, progress / settings.settled)
    return settings.beta * (kl - free) * (team.mean(kl) > free)
