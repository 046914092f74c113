"""One bar: sixteen events to an embedding and back.

Given z, bars are independent of one another, so a batch of melodies decodes all its bars at once. There
are two decoders. The dense one reads all sixteen events off the embedding side by side:

    p(bar | e) = prod_t Categorical(x_t | e)

The paper's LSTM writes them one after another:

    p(bar | e) = prod_t Categorical(x_t | x_1 .. x_{t-1}, e)
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from melodylc.data.alphabet import BARS, STATES, STEPS_PER_BAR

START = STATES  #: what precedes a bar's first event
MASK = STATES + 1  #: what stands for an event hidden from the decoder in training
INPUTS = STATES + 2


class BarEncoder(nn.Module):
    """Sixteen events side by side through one hidden layer."""

    def __init__(self, event: int, hidden: int, embedding: int) -> None:
        super().__init__()
        self.events = nn.Embedding(STATES, event)
        self.hidden = nn.Linear(STEPS_PER_BAR * event, hidden)
        self.head = nn.Linear(hidden, embedding)

    def forward(self, events: Tensor) -> Tensor:
        """Embeddings (n, 16, embedding) in (-1, 1) of melodies (n, 256), int64."""
        return self.bar(events.reshape(-1, BARS, STEPS_PER_BAR))

    def bar(self, events: Tensor) -> Tensor:
        """Embeddings (..., embedding) of bars (..., 16), int64."""
        return torch.tanh(self.head(silu(self.hidden(self.events(events).flatten(-2)))))


class DenseBarDecoder(nn.Module):
    """Sixteen events side by side from the embedding, through one hidden layer."""

    def __init__(self, embedding: int, hidden: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(embedding, hidden)
        self.head = nn.Linear(hidden, STEPS_PER_BAR * STATES)

    def forward(self, embedding: Tensor, bars: Tensor, hide: Tensor | None = None) -> Tensor:
        """Logits (n, 16, 130) given embeddings (n, embedding); what the bars hold doesn't matter here."""
        logits: Tensor = self.head(silu(self.hidden(embedding)))
        return logits.reshape(-1, STEPS_PER_BAR, STATES)

    @torch.no_grad()
    def greedy(self, embedding: Tensor) -> Tensor:
        """Bars (n, 16), int64: the most probable event at every step."""
        written: Tensor = self(embedding, embedding).argmax(dim=-1)
        return written


class LstmBarDecoder(nn.Module):
    """The paper's: a two-layer LSTM that writes a bar from its embedding.

    The embedding sets both layers' initial states and is added, through a linear map, to every input.
    """

    def __init__(self, event: int, hidden: int, embedding: int) -> None:
        super().__init__()
        self.events = nn.Embedding(INPUTS, event)
        self.bar = nn.Linear(embedding, event)
        self.initial = nn.Linear(embedding, 4 * hidden)
        self.lstm = nn.LSTM(event, hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(hidden, STATES)

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
        hidden, _ = self.lstm(self.events(inputs) + self.bar(embedding)[:, None], self.states(embedding))
        logits: Tensor = self.head(hidden)
        return logits

    @torch.no_grad()
    def greedy(self, embedding: Tensor) -> Tensor:
        """Bars (n, 16), int64: the most probable event at every step, given those chosen before."""
        added, states = self.bar(embedding), self.states(embedding)
        event = torch.full((len(embedding),), START, device=embedding.device)
        events = []
        for _ in range(STEPS_PER_BAR):
            hidden, states = self.lstm((self.events(event) + added)[:, None], states)
            event = self.head(hidden[:, 0]).argmax(dim=-1)
            events.append(event)
        return torch.stack(events, dim=1)
