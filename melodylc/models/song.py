"""Sixteen bars as the paper has them: one LSTM over all events to z, one LSTM from z to bar embeddings."""

import torch
from torch import Tensor, nn

from melodylc.data.alphabet import BARS, STATES, STEPS, STEPS_PER_BAR
from melodylc.latent.actor import Move
from melodylc.models.bars import LstmBarDecoder
from melodylc.models.config import ModelConfig
from melodylc.models.local_search import BarSearch, Judge, LocalSearch, SearchResult
from melodylc.models.noise import Noise
from melodylc.models.posterior import Encoding, Posterior, normal_or_none
from melodylc.models.refinement import Misfit, Refinement, refine_posterior


class FlatSong(nn.Module):
    """The paper's encoder, conductor and bar decoder.

    A bidirectional LSTM reads the 256 events, and its final states are the only way into z. A two-layer
    LSTM starts from z and runs sixteen steps without input, an embedding a step.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.events = nn.Embedding(STATES, config.event)
        self.encoder = nn.LSTM(config.event, config.encoder_hidden, bidirectional=True, batch_first=True)
        self.posterior = Posterior(2 * config.encoder_hidden, config.z)
        self.initial = nn.Linear(config.z, 4 * config.conductor_hidden)
        self.conductor = nn.LSTM(1, config.conductor_hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(config.conductor_hidden, config.embedding)
        self.decoder = LstmBarDecoder(config.event, config.decoder_hidden, config.embedding)

    def teacher_forced(
        self, events: Tensor, noise: Noise | None, blur: float = 0.0, refine: Refinement | None = None
    ) -> tuple[Encoding, Tensor]:
        """As `reconstruct`: here no bar follows another."""
        return self.reconstruct(events, noise, refine)

    def reconstruct(
        self, events: Tensor, noise: Noise | None, refine: Refinement | None = None
    ) -> tuple[Encoding, Tensor]:
        """A latent of q(z|x) for events (n, 256), int64, and the bar embeddings (n, 16, embedding) it leads to.

        The posterior's mean where `noise` is None, a draw otherwise. With `refine` it is fitted to each melody.
        """
        _, (final, _) = self.encoder(self.events(events))
        normal = normal_or_none(noise, len(events), self.initial.in_features)
        encoding = self.posterior(torch.cat((final[0], final[1]), dim=-1), normal)
        if refine:
            encoding = refine_posterior(encoding, self._misfit(events, refine), refine, normal)
        return encoding, self.embeddings(encoding.z)

    def _misfit(self, events: Tensor, how: Refinement) -> Misfit:
        """What latents (draws * n, z) get wrong of events (n, 256)."""
        bars = events.repeat(how.draws, 1).reshape(-1, STEPS_PER_BAR)

        def misfit(z: Tensor) -> Tensor:
            logits = self.decoder(self.embeddings(z).flatten(0, 1), bars)
            return how.misfit(logits, bars).view(len(z), BARS).sum(1)

        return misfit

    def embeddings(self, z: Tensor) -> Tensor:
        """Bar embeddings (n, 16, embedding) in (-1, 1) of latents (n, z)."""
        parts = torch.tanh(self.initial(z)).chunk(4, dim=-1)
        states = torch.stack(parts[:2]), torch.stack(parts[2:])
        hidden, _ = self.conductor(parts[0].new_zeros(len(z), BARS, 1), states)
        return torch.tanh(self.head(hidden))

    def decode_moved(self, z: Tensor, move: Move | None = None) -> tuple[Tensor, Tensor]:
        """Latents (n, z), moved or not, and the events (n, 256), int64, that they become; z is all of one part."""
        moved = z if move is None else self.move_parts(z, z.new_zeros(len(z), 1, 0), move)
        return moved, self.decoder.greedy(self.embeddings(moved).flatten(0, 1)).reshape(len(z), STEPS)

    def local_search(self, events: Tensor, judge: Judge, how: LocalSearch, z: Tensor | None = None) -> SearchResult:
        """Latents that lead to events (n, 256), int64, or near them, where a judge is content.

        They begin as `z` (n, z), or else as the posterior's means.
        """
        encoding, mender = self.reconstruct(events, None)[0], BarSearch(events, judge, how)
        posterior = Encoding(*(getattr(encoding, name)[:, None] for name in ("z", "mean", "sigma")))
        first = posterior.mean if z is None else z[:, None]
        best = mender.part(slice(0, STEPS), first, posterior, lambda rows, tried: self.decode_moved(tried[:, 0])[1])
        return SearchResult(*self.decode_moved(best[:, 0]), mender.cost)

    def move_parts(self, z: Tensor, contexts: Tensor, move: Move) -> Tensor:
        """Latents (n, z), moved."""
        return move(z[:, None], contexts, 0)[:, 0]

    def contexts(self, events: Tensor, z: Tensor) -> Tensor:
        """Nothing precedes the only part: (n, 1, 0)."""
        return torch.zeros(len(events), 1, 0, device=events.device)

    def embed(self, z: Tensor, contexts: Tensor) -> Tensor:
        """As `embeddings`."""
        return self.embeddings(z)

    @property
    def part(self) -> int:
        """Dimensions of a part of z, of which there is one."""
        return self.initial.in_features

    @property
    def context_size(self) -> int:
        """Numbers that say what precedes a part."""
        return 0
