"""What each stage minimises. A stage knows its loss and its parameters; the loop knows neither.

- codec: -log p(bar | e + noise), single bars, e the bar encoder's embedding.
- song:  |e - e'|^2 / (2 noise^2) + KL, e' the conductor's embeddings; the bar encoder is frozen.
- joint: -log p(x | z) + KL, everything.

KL is charged above `free_nats` a melody only. Every loss is in nats a melody, divided by its 256 steps.
"""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from melodylc.data.alphabet import BARS, STEPS, STEPS_PER_BAR
from melodylc.models.song import BarsEncoder
from melodylc.models.vae import MelodyVAE, kl_to_prior
from melodylc.training.settings import StageSettings

Metrics = dict[str, float]


class Stage(Protocol):
    """A loss over batches of events, and the parameters it trains."""

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def loss(self, events: Tensor, progress: float) -> tuple[Tensor, Metrics]:
        """Loss of events (n, 256), int64, at `progress` in [0, 1] of the stage, and figures to show."""
        ...


def make_stage(vae: MelodyVAE, settings: StageSettings) -> Stage:
    """The stage that `settings.kind` names."""
    if settings.kind == "joint":
        return JointStage(vae, settings)
    encoder = vae.encoder
    if not isinstance(encoder, BarsEncoder):
        raise TypeError(f"a {settings.kind} stage needs a bar encoder, and {vae.config.name} has none")
    return (CodecStage if settings.kind == "codec" else SongStage)(vae, encoder, settings)


class CodecStage:
    """Bars through their embeddings."""

    def __init__(self, vae: MelodyVAE, encoder: BarsEncoder, settings: StageSettings) -> None:
        self.encoder, self.decoder, self.settings = encoder, vae.decoder, settings

    def parameters(self) -> Iterator[nn.Parameter]:
        yield from self.encoder.bar.parameters()
        yield from self.decoder.parameters()

    def loss(self, events: Tensor, progress: float) -> tuple[Tensor, Metrics]:
        embeddings = self.encoder.embed(events).flatten(0, 1)
        noisy = embeddings + self.settings.noise * torch.randn_like(embeddings)
        nll = bar_nll(self.decoder, noisy, events.reshape(-1, STEPS_PER_BAR), self.settings.hide) * BARS
        return nll / STEPS, {"nll": nll.item()}


class SongStage:
    """Embeddings through z, without decoding."""

    def __init__(self, vae: MelodyVAE, encoder: BarsEncoder, settings: StageSettings) -> None:
        self.encoder, self.conductor, self.settings = encoder, vae.conductor, settings

    def parameters(self) -> Iterator[nn.Parameter]:
        yield from self.encoder.song.parameters()
        yield from self.conductor.parameters()

    def loss(self, events: Tensor, progress: float) -> tuple[Tensor, Metrics]:
        with torch.no_grad():
            embeddings = self.encoder.embed(events)
        posterior = self.encoder.song(embeddings)
        error = (self.conductor(posterior.rsample()).float() - embeddings.float()).square()
        misfit = error.sum((1, 2)).mean() / (2 * self.settings.noise**2)
        kl = kl_to_prior(posterior).sum(1).mean()
        loss = misfit + charge(kl, self.settings, progress)
        return loss / STEPS, {"misfit": misfit.item(), "kl": kl.item()}


class JointStage:
    """Everything: the negative ELBO, its reconstruction estimated from some of the bars."""

    def __init__(self, vae: MelodyVAE, settings: StageSettings) -> None:
        self.vae, self.settings = vae, settings

    def parameters(self) -> Iterator[nn.Parameter]:
        return self.vae.parameters()

    def loss(self, events: Tensor, progress: float) -> tuple[Tensor, Metrics]:
        posterior = self.vae.encode(events)
        embeddings = self.vae.conductor(posterior.rsample())
        bars = events.reshape(len(events), BARS, STEPS_PER_BAR)
        if self.settings.bars < BARS:
            chosen = torch.rand(len(events), BARS).argsort(1)[:, : self.settings.bars]
            row = torch.arange(len(events))[:, None]
            embeddings, bars = embeddings[row, chosen], bars[row, chosen]
        nll = bar_nll(self.vae.decoder, embeddings.flatten(0, 1), bars.flatten(0, 1), self.settings.hide) * BARS
        kl = kl_to_prior(posterior).sum(1).mean()
        loss = nll + charge(kl, self.settings, progress)
        return loss / STEPS, {"nll": nll.item(), "kl": kl.item()}


def bar_nll(decoder: nn.Module, embeddings: Tensor, bars: Tensor, hide: float) -> Tensor:
    """-log p(bar | embedding) in nats, mean over bars (n, 16), with a share `hide` of inputs hidden."""
    hidden = torch.rand(bars.shape) < hide if hide else None
    logits = decoder(embeddings, bars, hidden)
    return cross_entropy(logits.flatten(0, 1).float(), bars.flatten()) * STEPS_PER_BAR


def charge(kl: Tensor, settings: StageSettings, progress: float) -> Tensor:
    """beta times the KL above the free nats, which move from their first value to their second."""
    first, last = settings.free_nats
    free = first + (last - first) * min(1.0, progress / settings.settled)
    return settings.beta * torch.relu(kl - free)
