"""Sixteen bars: from bar embeddings to the posterior of z, and from z to bar embeddings.

Two designs of each. The paper's: one bidirectional LSTM over all 256 events, its final states the only
way into z; a conductor LSTM that starts from z and runs without input. The position-aware one: every
bar contributes a slice of `mix` numbers to the posterior and gets a slice of a linear map of z back, so
that neither LSTM has to carry sixteen bars through one state.
"""

import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn.functional import softplus

from melodylc.data.alphabet import BARS, STATES
from melodylc.models.bars import BarEncoder
from melodylc.models.config import ModelConfig

SIGMA_FLOOR = 1e-3  #: keeps log sigma finite in bf16


class Posterior(nn.Module):
    """The head that turns features (n, d) into q(z|x), a Normal of mean and sigma (n, z)."""

    def __init__(self, features: int, z: int) -> None:
        super().__init__()
        self.head = nn.Linear(features, 2 * z)

    def forward(self, features: Tensor) -> Normal:
        mean, raw = self.head(features).float().chunk(2, dim=-1)
        return Normal(mean, softplus(raw) + SIGMA_FLOOR, validate_args=False)


class FlatEncoder(nn.Module):
    """The paper's encoder: a bidirectional LSTM over the 256 events, its final states to z."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.events = nn.Embedding(STATES, config.event)
        self.lstm = nn.LSTM(config.event, config.encoder_hidden, bidirectional=True, batch_first=True)
        self.posterior = Posterior(2 * config.encoder_hidden, config.z)

    def forward(self, events: Tensor) -> Normal:
        """q(z|x) of events (n, 256), int64."""
        _, (final, _) = self.lstm(self.events(events))
        posterior: Normal = self.posterior(torch.cat((final[0], final[1]), dim=-1))
        return posterior


class SongEncoder(nn.Module):
    """Bar embeddings to q(z|x): what each bar's LSTM output and embedding say, mixed and laid side by side."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        hidden = config.encoder_hidden
        self.lstm = nn.LSTM(config.embedding, hidden, bidirectional=True, batch_first=True)
        self.mix = nn.Linear(2 * hidden + config.embedding, config.mix)
        self.posterior = Posterior(BARS * config.mix, config.z)

    def forward(self, embeddings: Tensor) -> Normal:
        """q(z|x) of bar embeddings (n, 16, embedding)."""
        context, _ = self.lstm(embeddings)
        features = torch.tanh(self.mix(torch.cat((context, embeddings), dim=-1)))
        posterior: Normal = self.posterior(features.flatten(1))
        return posterior


class BarsEncoder(nn.Module):
    """The hierarchical encoder: bars by themselves, then the song."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.bar = BarEncoder(config.event, config.bar_encoder_hidden, config.bar_mix, config.embedding)
        self.song = SongEncoder(config)

    def embed(self, events: Tensor) -> Tensor:
        """Bar embeddings (n, 16, embedding) of events (n, 256), int64."""
        embeddings: Tensor = self.bar(events.reshape(-1, events.shape[1] // BARS))
        return embeddings.reshape(len(events), BARS, -1)

    def forward(self, events: Tensor) -> Normal:
        """q(z|x) of events (n, 256), int64."""
        posterior: Normal = self.song(self.embed(events))
        return posterior


class Conductor(nn.Module):
    """z to the sixteen bar embeddings: a two-layer LSTM that starts from z.

    With `config.mix` slices, bar i's input is slice i of a linear map of z, and the embedding is read
    from the LSTM's output beside that slice; without, the LSTM runs on zeros, as in the paper.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.mix = config.mix
        self.initial = nn.Linear(config.z, 4 * config.conductor_hidden)
        self.slices = nn.Linear(config.z, BARS * config.mix) if config.mix else None
        self.lstm = nn.LSTM(max(config.mix, 1), config.conductor_hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(config.conductor_hidden + config.mix, config.embedding)

    def forward(self, z: Tensor) -> Tensor:
        """Bar embeddings (n, 16, embedding) in (-1, 1) of latents (n, z)."""
        parts = torch.tanh(self.initial(z)).chunk(4, dim=-1)
        states = torch.stack(parts[:2]), torch.stack(parts[2:])
        if self.slices is None:
            hidden, _ = self.lstm(parts[0].new_zeros(len(z), BARS, 1), states)
        else:
            slices = self.slices(z).reshape(len(z), BARS, self.mix)
            hidden, _ = self.lstm(slices, states)
            hidden = torch.cat((hidden, slices), dim=-1)
        return torch.tanh(self.head(hidden))
