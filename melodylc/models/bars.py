"""One bar: sixteen events to an embedding and back.

The bar decoder is where a melody is written. Given z, bars are independent of one another, so a batch of
melodies decodes all its bars at once: 16 steps, not 256.

    p(bar | e) = prod_t Categorical(x_t | LSTM(x_1 .. x_{t-1}, e))
"""

import torch
from torch import Tensor, nn

from melodylc.data.alphabet import STATES, STEPS_PER_BAR

START = STATES  #: what precedes a bar's first event
MASK = STATES + 1  #: what stands for an event hidden from the decoder in training
INPUTS = STATES + 2


class BarEncoder(nn.Module):
    """A bidirectional LSTM over a bar's events; every step adds a slice of `mix` numbers to the embedding."""

    def __init__(self, event: int, hidden: int, mix: int, embedding: int) -> None:
        super().__init__()
        self.events = nn.Embedding(STATES, event)
        self.lstm = nn.LSTM(event, hidden, bidirectional=True, batch_first=True)
        self.mix = nn.Linear(2 * hidden + event, mix)
        self.head = nn.Linear(STEPS_PER_BAR * mix, embedding)

    def forward(self, bars: Tensor) -> Tensor:
        """Embeddings (n, embedding) in (-1, 1) of bars (n, 16), int64."""
        events = self.events(bars)
        context, _ = self.lstm(events)
        features = torch.tanh(self.mix(torch.cat((context, events), dim=-1)))
        return torch.tanh(self.head(features.flatten(1)))


class BarDecoder(nn.Module):
    """A two-layer LSTM that writes a bar from its embedding.

    The embedding sets both layers' initial states and is added, through a linear map, to every input:
    the same map at all steps, or with `slices` one for each step, so that no state has to carry the bar.
    """

    def __init__(self, event: int, hidden: int, embedding: int, slices: bool) -> None:
        super().__init__()
        self.events = nn.Embedding(INPUTS, event)
        self.bar = nn.Linear(embedding, event * (STEPS_PER_BAR if slices else 1))
        self.initial = nn.Linear(embedding, 4 * hidden)
        self.lstm = nn.LSTM(event, hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(hidden, STATES)

    def slices(self, embedding: Tensor) -> Tensor:
        """What the embedding adds to the input of every step: (n, 16 or 1, event)."""
        added: Tensor = self.bar(embedding)
        return added.reshape(len(embedding), -1, self.events.embedding_dim)

    def states(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Initial hidden and cell states, each (2, n, hidden)."""
        parts = torch.tanh(self.initial(embedding)).chunk(4, dim=-1)
        return torch.stack(parts[:2]), torch.stack(parts[2:])

    def forward(self, embedding: Tensor, bars: Tensor, hide: Tensor | None = None) -> Tensor:
        """Logits (n, 16, 130) of bars (n, 16), each event given those before it.

        `hide`, a bool (n, 16), replaces events by a mask where they serve as input, so that the
        decoder must read the embedding instead of copying its own past.
        """
        inputs = bars if hide is None else bars.masked_fill(hide, MASK)
        inputs = torch.cat((torch.full_like(bars[:, :1], START), inputs[:, :-1]), dim=1)
        hidden, _ = self.lstm(self.events(inputs) + self.slices(embedding), self.states(embedding))
        logits: Tensor = self.head(hidden)
        return logits

    @torch.no_grad()
    def greedy(self, embedding: Tensor) -> Tensor:
        """Bars (n, 16), int64: the most probable event at every step, given those chosen before."""
        first, second = _Layer(self.lstm, 0), _Layer(self.lstm, 1)
        # Inputs are an event's row plus the bar's: both go through the first layer's weights beforehand.
        rows = first.project(self.events.weight)
        bar = (first.project(self.slices(embedding)) + first.bias).expand(-1, STEPS_PER_BAR, -1)
        (h0, h1), (c0, c1) = self.states(embedding)
        event = torch.full((len(embedding),), START, device=embedding.device)
        events = []
        for step in range(STEPS_PER_BAR):
            h0, c0 = first.step(rows[event] + bar[:, step], h0, c0)
            h1, c1 = second.step(second.project(h0) + second.bias, h1, c1)
            event = self.head(h1).argmax(dim=-1)
            events.append(event)
        return torch.stack(events, dim=1)


class _Layer:
    """One layer of an `nn.LSTM`, a step at a time."""

    def __init__(self, lstm: nn.LSTM, layer: int) -> None:
        self.inputs: Tensor = getattr(lstm, f"weight_ih_l{layer}").T
        self.hidden: Tensor = getattr(lstm, f"weight_hh_l{layer}").T
        self.bias: Tensor = getattr(lstm, f"bias_ih_l{layer}") + getattr(lstm, f"bias_hh_l{layer}")

    def project(self, x: Tensor) -> Tensor:
        return x @ self.inputs

    def step(self, projected: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        i, f, g, o = torch.addmm(projected, h, self.hidden).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c
