"""A language model of melodies: what a learnt prior draws its melodies from.

    p(x) = prod_t p(x_t | x_1 .. x_{t-1})

One LSTM goes from bar to bar, another through the sixteen events of a bar. At every step the second also hears what
stood at the same place one, two, four and eight bars ago, so that it can repeat (Waite 2016, "Generating Long-Term
Structure in Songs and Stories", Magenta's Lookback RNN).
"""

from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from melodylc.data.alphabet import BARS, STATES, STEPS, STEPS_PER_BAR
from melodylc.data.errors import InputError
from melodylc.models.bars import START, BarEncoder
from melodylc.models.config import check_sizes

LOOKBACK = (1, 2, 4, 8)  #: bars
NOTHING = STATES + 1  #: what stands where the melody hadn't begun
INPUTS = STATES + 2


@dataclass(frozen=True, kw_only=True)
class LanguageConfig:
    """Every size that shapes the weights of a `MelodyLM`."""

    event: int = 128  #: dimensions of an event's embedding
    bar_event: int = 32  #: dimensions of an event's embedding in the bar encoder
    bar_hidden: int = 256  #: units of the bar encoder's hidden layer
    embedding: int = 128  #: dimensions of a bar's embedding
    context: int = 256  #: units of the LSTM over bars
    hidden: int = 320  #: units of the LSTM inside a bar

    def __post_init__(self) -> None:
        check_sizes(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint's header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "LanguageConfig":
        """What `to_dict` wrote; unknown or missing fields are refused."""
        if set(values) != {field.name for field in fields(cls)}:
            raise InputError(f"configuration of a language model with other fields: {', '.join(sorted(values))}")
        return cls(**values)


class MelodyLM(nn.Module):
    """A language model of melodies of 256 events."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.config = config
        self.bars = BarEncoder(config.bar_event, config.bar_hidden, config.embedding)
        self.start = nn.Parameter(torch.zeros(config.embedding))
        self.over_bars = nn.LSTM(config.embedding, config.context, batch_first=True)
        self.said = nn.Linear(config.context, config.event + 2 * config.hidden)
        self.events = nn.Embedding(INPUTS, config.event)
        self.places = nn.Parameter(torch.zeros(STEPS_PER_BAR, config.event))
        self.lookback = nn.ModuleList(nn.Embedding(INPUTS, config.event) for _ in LOOKBACK)
        self.in_bar = nn.LSTM(config.event, config.hidden, batch_first=True)
        self.head = nn.Linear(config.hidden, STATES)

    def forward(self, events: Tensor) -> Tensor:
        """Logits (n, 256, 130) of events (n, 256), int64, each given those before it."""
        count = len(events)
        before = torch.cat((self.start.expand(count, 1, -1), self.bars(events)[:, :-1]), 1)
        context, _ = self.over_bars(before)
        added, states = self._bar(
            context.flatten(0, 1), self._earlier(events).reshape(-1, len(LOOKBACK), STEPS_PER_BAR)
        )
        bars = events.reshape(-1, STEPS_PER_BAR)
        inputs = torch.cat((torch.full_like(bars[:, :1], START), bars[:, :-1]), 1)
        hidden, _ = self.in_bar(self.events(inputs) + added, states)
        logits: Tensor = self.head(hidden)
        return logits.reshape(count, STEPS, STATES)

    @torch.no_grad()
    def nll(self, events: Tensor, temperature: float = 1.0) -> Tensor:
        """-log p(x) in nats of melodies (n, 256), int64, shape (n,); logits are divided by `temperature`."""
        logits = self(events).float() / temperature
        return cross_entropy(logits.transpose(1, 2), events, reduction="none").double().sum(1)

    @torch.no_grad()
    def write(self, chances: Tensor, temperature: float = 1.0) -> Tensor:
        """Melodies (n, 256), int64, from uniform numbers (n, 256) in [0, 1), one an event.

        An event is the first whose cumulative probability exceeds its number. Logits are divided by `temperature`.
        """
        count = len(chances)
        written = torch.full((count, BARS, STEPS_PER_BAR), NOTHING, device=chances.device)
        latest, memory = self.start.expand(count, 1, -1), None
        cells = _Cell(self.in_bar)
        heard = self.events.weight @ cells.inputs  # of every event at once, for it comes 256 times
        for bar in range(BARS):
            context, memory = self.over_bars(latest, memory)
            earlier = torch.stack([_bars_ago(written, bar, ago) for ago in LOOKBACK], 1)
            added, (hidden, cell) = self._bar(context[:, 0], earlier)
            hidden, cell, said = hidden[0], cell[0], cells.said(added)
            event = torch.full((count,), START, device=chances.device)
            for step in range(STEPS_PER_BAR):
                hidden, cell = cells(said[:, step] + heard[event], hidden, cell)
                event = _pick(self.head(hidden) / temperature, chances[:, bar * STEPS_PER_BAR + step])
                written[:, bar, step] = event
            latest = self.bars.bar(written[:, bar])[:, None]
        return written.flatten(1)

    def _bar(self, context: Tensor, earlier: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """What is added to each step's input (n, 16, event), and the first states, from (n, context), (n, lags, 16)."""
        heard, hidden, cell = self.said(context).split([self.config.event, *[self.config.hidden] * 2], dim=-1)
        added = heard[:, None] + self.places
        for lag, table in enumerate(self.lookback):
            added = added + table(earlier[:, lag])
        return added, (torch.tanh(hidden)[None], torch.tanh(cell)[None])

    def _earlier(self, events: Tensor) -> Tensor:
        """What stood at every place some bars ago: (n, 16, lags, 16)."""
        bars = events.reshape(len(events), BARS, STEPS_PER_BAR)
        nothing = torch.full_like(bars, NOTHING)
        return torch.stack([torch.cat((nothing[:, :ago], bars[:, :-ago]), 1) for ago in LOOKBACK], 2)


class _Cell:
    """One step of an LSTM of one layer, as the module does it, without what it does around it every time."""

    def __init__(self, lstm: nn.LSTM) -> None:
        inputs, states, *biases = lstm.all_weights[0]
        self.inputs, self.states, self.bias = inputs.t(), states.t(), biases[0] + biases[1]

    def said(self, x: Tensor) -> Tensor:
        """What inputs (..., size) say to the gates: (..., 4 * hidden)."""
        return x @ self.inputs + self.bias

    def __call__(self, said: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """The next hidden and cell states, each (n, hidden)."""
        gates = torch.addmm(said, hidden, self.states)
        keep_in, keep, _, out = gates.sigmoid().chunk(4, dim=1)
        cell = torch.addcmul(keep * cell, keep_in, gates.chunk(4, dim=1)[2].tanh())
        return out * cell.tanh(), cell


def _bars_ago(written: Tensor, bar: int, ago: int) -> Tensor:
    return written[:, bar - ago] if bar >= ago else torch.full_like(written[:, 0], NOTHING)


def _pick(logits: Tensor, chances: Tensor) -> Tensor:
    cumulative = torch.softmax(logits.double(), -1).cumsum(-1)
    return (cumulative <= chances.double()[:, None] * cumulative[:, -1:]).sum(-1).clamp(max=STATES - 1)
