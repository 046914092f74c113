"""Sixteen bars as a chain: z is sixteen parts, one a bar, and each says what is new in its bar given the bars so far.

    p(x|z) = prod_k p(bar_k | e_k),  e_k = G(z_k, bar_1 .. bar_{k-1})           k = 1 .. 16
    q(z|x) = prod_k q(z_k | x, bar_1 .. bar_{k-1})

G, the conductor, sees the bars so far through an LSTM, through attention, and through a pointer that can copy one of
them, so a bar that repeats an earlier one costs few nats. In training these are the true bars: all sixteen go at
once, and the loss is the negative ELBO itself. Decoding, they are the bars as they have just been written, read again
by the bar encoder: an error costs a wrong note, and doesn't grow. The posterior sees the same bars as the conductor,
and so makes up for what went wrong before. (Chung et al. 2015, "A Recurrent Latent Variable Model for Sequential
Data", has the factorisation; the pointer is that of Vinyals et al. 2015.)
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from melodylc.data.alphabet import BARS, STEPS_PER_BAR
from melodylc.latent.actor import Move
from melodylc.models.bars import BarEncoder, DenseBarDecoder
from melodylc.models.config import ModelConfig
from melodylc.models.local_search import BarSearch, Judge, LocalSearch, SearchResult
from melodylc.models.noise import Noise
from melodylc.models.posterior import Encoding, Posterior, normal_or_none
from melodylc.models.refinement import Misfit, Refinement, refine_posterior

HEADS = 4
MOVES = 2  #: how often a part is moved in its turn: the second time it is known what the first has made of it
SHY = -2.0  #: where the pointer's gate starts: nearly closed
SHARP = 0.13  #: where the posterior's deviations start: low, so that z tells something from the first step on


@dataclass
class BarMemory:
    """What the conductor remembers of the bars so far: keys and values (n, heads, bars, d), embeddings (n, bars, d)."""

    keys: Tensor
    values: Tensor
    places: Tensor
    embeddings: Tensor

    def then(self, later: "BarMemory") -> "BarMemory":
        """What came first, then what came later."""
        return BarMemory(
            torch.cat((self.keys, later.keys), 2),
            torch.cat((self.values, later.values), 2),
            torch.cat((self.places, later.places), 2),
            torch.cat((self.embeddings, later.embeddings), 1),
        )

    def of(self, rows: Tensor) -> "BarMemory":
        """Of some rows, which may come more than once."""
        return BarMemory(*(getattr(self, part.name)[rows] for part in fields(self)))

    def repeat(self, times: int) -> "BarMemory":
        """The same n again and again."""
        return BarMemory(*(torch.cat([getattr(self, part.name)] * times) for part in fields(self)))


class Attention(nn.Module):
    """Weights of the bars so far, for several heads, with a learnt liking for each distance."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.distance = nn.Parameter(torch.zeros(heads, BARS))

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Weights (n, heads, q, m) of keys (n, heads, m, d) for queries (n, q, heads * d) of the last q of m places."""
        split = _heads(queries, self.heads)
        count, total = split.shape[2], keys.shape[2]
        places = torch.arange(total, device=keys.device)
        distance = places[total - count :, None] - places
        scores = (split @ keys.transpose(2, 3)).float() / keys.shape[-1] ** 0.5
        scores = scores + self.distance[:, distance.clamp(0)]
        return torch.softmax(scores.masked_fill(distance < 0, -torch.inf), -1)


def _heads(x: Tensor, heads: int) -> Tensor:
    """(n, m, heads * d) to (n, heads, m, d)."""
    return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)


class Residual(nn.Module):
    """x + f(x), f a hidden layer between two linear maps; nothing but x at first."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(size, size)
        self.head = nn.Linear(size, size)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.head(silu(self.hidden(x)))
        return x + added


def residual_blocks(size: int, count: int) -> nn.Sequential:
    """`count` residual blocks, one after another."""
    return nn.Sequential(*(Residual(size) for _ in range(count)))


class Conductor(nn.Module):
    """G: from what a bar's part of z says, and the bars so far, to the bar's embedding."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        part, embedding, hidden = config.z // BARS, config.embedding, config.conductor_hidden
        self.start = nn.Parameter(torch.zeros(embedding))
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.memory = nn.Linear(embedding, 3 * config.attention)
        self.queries = nn.Linear(hidden + part, 2 * config.attention)
        self.attention = Attention(HEADS)
        self.pointer = Attention(1)
        self.hidden = nn.Linear(hidden + part + config.attention, config.song_hidden)
        self.blocks = residual_blocks(config.song_hidden, config.blocks)
        self.head = nn.Linear(config.song_hidden, 2 * embedding)
        nn.init.constant_(self.head.bias[embedding:], SHY)

    def remember(self, embeddings: Tensor) -> BarMemory:
        """What is kept of bars (n, m, embedding)."""
        keys, values, places = self.memory(embeddings).chunk(3, dim=-1)
        return BarMemory(_heads(keys, HEADS), _heads(values, HEADS), places[:, None], embeddings)

    def forward(self, state: Tensor, z: Tensor, past: BarMemory) -> Tensor:
        """Embeddings (n, q, embedding) of the last q bars, from states (n, q, hidden), parts of z (n, q, z / 16)."""
        said = torch.cat((state, z), dim=-1)
        query, place = self.queries(said).chunk(2, dim=-1)
        heard = self.attention(query, past.keys).to(past.values.dtype) @ past.values
        inner = silu(self.hidden(torch.cat((said, heard.transpose(1, 2).flatten(2)), dim=-1)))
        new, gate = self.head(self.blocks(inner)).chunk(2, dim=-1)
        copied = self.pointer(place, past.places)[:, 0].to(past.embeddings.dtype) @ past.embeddings
        return torch.lerp(torch.tanh(new).float(), copied.float(), torch.sigmoid(gate).float())


class AutoregressiveSong(nn.Module):
    """Encoder, conductor and bar decoder of a chain of bars."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.part = config.z // BARS
        hidden = config.encoder_hidden
        self.bars = BarEncoder(config.event, config.bar_hidden, config.embedding)
        self.decoder = DenseBarDecoder(config.embedding, config.decoder_hidden)
        self.reader = nn.LSTM(config.embedding, hidden, bidirectional=True, batch_first=True)
        self.features = nn.Linear(2 * hidden + config.embedding, config.song_hidden)
        self.context = nn.Linear(config.conductor_hidden, config.song_hidden, bias=False)
        self.blocks = residual_blocks(config.song_hidden, config.blocks)
        self.posterior = Posterior(config.song_hidden, self.part, sigma=SHARP)
        self.conductor = Conductor(config)

    def teacher_forced(
        self, events: Tensor, noise: Noise | None, blur: float = 0.0, refine: Refinement | None = None
    ) -> tuple[Encoding, Tensor]:
        """A latent of q(z|x) for events (n, 256), and the bar embeddings (n, 16, embedding) it gives after true bars.

        The posterior's mean where `noise` is None, a draw otherwise. `blur`, which needs noise, is the deviation of
        what is added to the bars before as they are seen. With `refine` the posterior is fitted to each melody.
        """
        bars, count = self.bars(events), len(events)
        before = self._before(bars + blur * noise.normal(*bars.shape).to(bars) if noise and blur else bars)
        states, _ = self.conductor.lstm(before)
        past, normal = self.conductor.remember(before), self._normal(noise, count)
        encoding = self._encode(self._features(bars), states, normal)
        if refine:
            encoding = refine_posterior(encoding, self._misfit(events, states, past, refine), refine, normal)
        return _flat([encoding]), self.conductor(states, encoding.z, past)

    def reconstruct(
        self, events: Tensor, noise: Noise | None, refine: Refinement | None = None
    ) -> tuple[Encoding, Tensor]:
        """As `teacher_forced`, but every bar follows the bars as they come out, as in `decode_moved`."""
        features, normal = self._features(self.bars(events)), self._normal(noise, len(events))

        def choose(bar: int, state: Tensor, past: BarMemory) -> Encoding:
            here, steps = slice(bar, bar + 1), slice(bar * STEPS_PER_BAR, (bar + 1) * STEPS_PER_BAR)
            chance = None if normal is None else normal[:, here]
            encoding = self._encode(features[:, here], state, chance)
            if refine:
                return refine_posterior(encoding, self._misfit(events[:, steps], state, past, refine), refine, chance)
            return encoding

        encoding, embeddings, _ = self._walk(len(events), choose)
        return encoding, embeddings

    def local_search(self, events: Tensor, judge: Judge, how: LocalSearch, z: Tensor | None = None) -> SearchResult:
        """Latents that lead to events (n, 256), int64, or near them, where a judge is content.

        They begin as `z` (n, z), or else as the posterior's means.
        """
        features, mender = self._features(self.bars(events)), BarSearch(events, judge, how)
        parts = None if z is None else z.reshape(len(z), BARS, self.part)

        def choose(bar: int, state: Tensor, past: BarMemory) -> Encoding:
            here, steps = slice(bar, bar + 1), slice(bar * STEPS_PER_BAR, (bar + 1) * STEPS_PER_BAR)
            posterior = self._encode(features[:, here], state, None)

            def write(rows: Tensor, tried: Tensor) -> Tensor:
                return self.decoder.greedy(self.conductor(state[rows], tried, past.of(rows))[:, 0])

            first = posterior.mean if parts is None else parts[:, here]
            return replace(posterior, z=mender.part(steps, first, posterior, write))

        encoding, _, bars = self._walk(len(events), choose)
        return SearchResult(encoding.z, bars, mender.cost)

    def embeddings(self, z: Tensor) -> Tensor:
        """Bar embeddings (n, 16, embedding) of latents (n, z)."""
        return self._decode(z, None)[1]

    def decode_moved(self, z: Tensor, move: Move | None = None) -> tuple[Tensor, Tensor]:
        """Latents (n, z) with every part moved in its turn, and the events (n, 256), int64, that they become.

        `move` gets a part (n, 1, z / 16), its context (n, 1, `context_size`) and its bar's number.
        """
        encoding, _, bars = self._decode(z, move)
        return encoding.z, bars

    def contexts(self, events: Tensor, z: Tensor) -> Tensor:
        """What is known of each part of latents (n, z) after the bars of events (n, 256): (n, 16, `context_size`).

        The LSTM's state, the bar before, and the bar that the part would be, all as embeddings.
        """
        before = self._before(self.bars(events))
        states, _ = self.conductor.lstm(before)
        would = self.conductor(states, z.reshape(len(z), BARS, self.part), self.conductor.remember(before))
        return _context(states, before, would)

    def embed(self, z: Tensor, contexts: Tensor) -> Tensor:
        """Bar embeddings (n, 16, embedding) of latents (n, z), each in its context (n, 16, `context_size`).

        What `embeddings` gives, all bars at once, where the contexts are those of what the latents become.
        """
        size = self.conductor.lstm.hidden_size
        states, before = contexts[..., :size], contexts[..., size : size + self.bars.head.out_features]
        made: Tensor = self.conductor(states, z.reshape(len(z), BARS, self.part), self.conductor.remember(before))
        return made

    def move_parts(self, z: Tensor, contexts: Tensor, move: Move) -> Tensor:
        """Latents (n, z) with every part moved as `decode_moved` does, all at once, each in its context."""
        parts = z.reshape(len(z), BARS, self.part)
        for number in range(MOVES):
            if number:
                known = contexts[..., : -self.bars.head.out_features]
                contexts = torch.cat((known, self.embed(parts, known).to(known.dtype)), -1)
            parts = move(parts, contexts, 0)
        return parts.flatten(1)

    @property
    def context_size(self) -> int:
        """Numbers that are known of a part before it is moved."""
        return self.conductor.lstm.hidden_size + 2 * self.bars.head.out_features

    def _decode(self, z: Tensor, move: Move | None) -> tuple[Encoding, Tensor, Tensor]:
        parts = z.reshape(len(z), BARS, self.part)

        def choose(bar: int, state: Tensor, past: BarMemory) -> Encoding:
            part = parts[:, bar : bar + 1]
            if move is not None:
                for _ in range(MOVES):
                    would = self.conductor(state, part, past)
                    part = move(part, _context(state, past.embeddings[:, -1:], would), bar)
            return Encoding(part, part, torch.zeros_like(part))

        return self._walk(len(z), choose)

    def _walk(
        self, count: int, choose: Callable[[int, Tensor, BarMemory], Encoding]
    ) -> tuple[Encoding, Tensor, Tensor]:
        """Bar after bar: the latents that were chosen, bar embeddings (n, 16, embedding), and events (n, 256)."""
        latest, memory, past = self._start(count), None, None
        encodings, embeddings, bars = [], [], []
        for bar in range(BARS):
            state, memory = self.conductor.lstm(latest, memory)
            seen = self.conductor.remember(latest)
            past = seen if past is None else past.then(seen)
            encodings.append(choose(bar, state, past))
            embeddings.append(self.conductor(state, encodings[-1].z, past))
            bars.append(self.decoder.greedy(embeddings[-1][:, 0]))
            latest = self.bars.bar(bars[-1])[:, None]
        return _flat(encodings), torch.cat(embeddings, 1), torch.cat(bars, 1)

    def _before(self, bars: Tensor) -> Tensor:
        return torch.cat((self._start(len(bars)).to(bars.dtype), bars[:, :-1]), 1)

    def _start(self, count: int) -> Tensor:
        return self.conductor.start.expand(count, 1, -1)

    def _features(self, bars: Tensor) -> Tensor:
        context, _ = self.reader(bars)
        features: Tensor = self.features(torch.cat((context, bars.to(context.dtype)), dim=-1))
        return features

    def _encode(self, features: Tensor, state: Tensor, normal: Tensor | None) -> Encoding:
        encoding: Encoding = self.posterior(self.blocks(silu(features + self.context(state))), normal)
        return encoding

    def _misfit(self, events: Tensor, state: Tensor, past: BarMemory, how: Refinement) -> Misfit:
        """What latents (draws * n, q, part) get wrong of the last q bars, whose events are (n, 16 * q)."""
        bars = events.repeat(how.draws, 1).reshape(-1, STEPS_PER_BAR)
        states, pasts = state.repeat(how.draws, 1, 1), past.repeat(how.draws)

        def misfit(z: Tensor) -> Tensor:
            logits = self.decoder(self.conductor(states, z, pasts).flatten(0, 1), bars)
            return how.misfit(logits, bars).view(z.shape[:2])

        return misfit

    def _normal(self, noise: Noise | None, rows: int) -> Tensor | None:
        return normal_or_none(noise, rows, BARS, self.part)


def _context(state: Tensor, before: Tensor, would: Tensor) -> Tensor:
    return torch.cat((state, before.to(state.dtype), would.to(state.dtype)), -1)


def _flat(encodings: list[Encoding]) -> Encoding:
    """Encodings of some bars each, every field (n, bars, part), as one of all of them, (n, z)."""
    return Encoding(
        *(torch.cat([getattr(e, name) for e in encodings], 1).flatten(1) for name in ("z", "mean", "sigma"))
    )
