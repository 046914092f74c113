"""A language model of melodies that remembers what it wrote, and may write on from an earlier bar, as it was or moved.

A melody is read as segments (`melodylc.models.segments`), about eighty where there are 256 steps; a note's kind is its
distance from the note before, so a melody and its transpositions are nearly one thing:

    p(x) = prod_i p(kind_i | past) p(length_i | kind_i, past)

**Memory.** At every segment the model looks at the same place of the bar 1, 2, 4, 8 and 12 bars ago (Waite 2016,
"Generating Long-Term Structure in Songs and Stories", Magenta's Lookback RNN), and of the bar whose lag, 1 to 15, has
agreed for longest with what was written last, as the match models of text compression do (Cleary and Witten 1984, "Data
compression using adaptive coding and partial string matching"). Of each it hears for how many steps it has agreed by
now: note for note, in rhythm, and in rhythm and intervals. What stands there votes for the same pitch, the same
interval and the same length, with weights that the network chooses at every segment (the copy scores of Gu et al. 2016,
"Incorporating Copying Mechanism in Sequence-to-Sequence Learning"):

    logit(kind = k) = head_k(h) + sum_s exact_s(h) [k = pitch_s - pitch] + moved_s(h) [k = interval_s]

So a copy needs no room in the LSTM's state, and goes on for as long as copies go on in the corpus. The key is heard as
two histograms of pitch classes, of all notes so far and of those since the bar before, turned so that the latest note's
comes first. What was used before votes, too (as in the cache of Grave et al. 2017, "Improving Neural Language Models
with a Continuous Cache"), again with weights that the network chooses: for a kind the log-shares of its pitch class and
how often its very pitch was heard; for a length its log-shares so far, and of those from the same place of a beat.

The network is an LSTM over segments and two heads. It reads melodies at once, or goes bar by bar (`start`, `write_bar`,
`score_bar`): both are the same distribution.
"""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from melodylc.data.alphabet import BARS, HOLD, PITCHES, REST, STEPS, STEPS_PER_BAR
from melodylc.data.errors import InputError
from melodylc.models.config import check_sizes
from melodylc.models.segments import (
    ALL_LAGS,
    EVERY_LAG,
    FEATURE_SIZES,
    INTERVALS,
    KINDS,
    NEAR,
    OF_LENGTHS,
    OF_PITCHES,
    SILENCE,
    SOURCES,
    UNKNOWN,
    Bools,
    Inputs,
    Ints,
    SegmentMemory,
    codes,
    entries,
    event_of,
    gaps,
    inputs,
    remember,
    segment_kind,
    segments,
    sources_of,
    start_of,
    without_stray_holds,
)

Masks = tuple[Tensor, Tensor]
"""Factors of what the LSTM is given (n, embedding) and of what it says (n, hidden)."""

_AGREEMENTS = 4  # of a kind with a source's votes: with none, with its pitch, with its interval, with both
_CLASS_OF_KIND = torch.arange(1 - PITCHES, PITCHES) % 12
_STUCK = 1e-9  # probability of all that is allowed, below which nothing is
_KIND_ROWS = INTERVALS + _AGREEMENTS * torch.arange(SOURCES)


@dataclass(frozen=True, kw_only=True)
class RecallConfig:
    """Every size that shapes the weights of a `RecallLM`."""

    embedding: int = 192  #: dimensions of what is heard at a segment
    hidden: int = 256  #: units of the LSTM over segments
    layers: int = 1  #: of it
    length: int = 96  #: units of the hidden layer that lengths are read from

    def __post_init__(self) -> None:
        check_sizes(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint's header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RecallConfig":
        """What `to_dict` wrote; unknown or missing fields are refused."""
        if set(values) != {field.name for field in fields(cls)}:
            raise InputError(f"configuration of a language model with other fields: {', '.join(sorted(values))}")
        return cls(**values)


class RecallLM(nn.Module):
    """A language model of melodies of 256 events."""

    def __init__(self, config: RecallConfig) -> None:
        super().__init__()
        self.config = config
        self.features = nn.EmbeddingBag(sum(FEATURE_SIZES), config.embedding, mode="sum")
        nn.init.normal_(self.features.weight, std=0.15)
        self.key = nn.Linear(24, config.embedding)
        self.lstm = nn.LSTM(config.embedding, config.hidden, config.layers, batch_first=True)
        self.kinds = nn.Linear(config.hidden + config.embedding, KINDS + 2 * SOURCES + OF_PITCHES)
        self.for_length = nn.Linear(config.hidden + config.embedding, config.length)
        self.kind_heard = nn.EmbeddingBag(INTERVALS + _AGREEMENTS * SOURCES, config.length, mode="sum")
        nn.init.normal_(self.kind_heard.weight, std=0.15)
        self.lengths = nn.Linear(config.length, STEPS_PER_BAR + SOURCES + OF_LENGTHS)

    def forward(
        self, events: Tensor, role: Tensor | None = None, temperature: float = 1.0, masks: Masks | None = None
    ) -> Tensor:
        """log p(segment | those before it) of melodies (n, 256), int64: (n, most segments), 0 behind a melody's last.

        Their roles (n,), int64, may be said. Logits are divided by `temperature`. What the LSTM is given and what it
        says are multiplied by `masks`, the same all through a melody.
        """
        roles = np.full(len(events), UNKNOWN) if role is None else role.cpu().numpy()
        read = segments(events.cpu().numpy(), roles)
        given = Inputs(*(part.to(events.device) for part in inputs(read.sources, read.past)))
        kind, length = (torch.from_numpy(part).to(events.device) for part in (read.kind, read.length))
        at = torch.from_numpy(read.melody), torch.from_numpy(read.number)
        most = -(-int(read.number.max(initial=0) + 1) // 8) * 8  # few different shapes: each costs memory
        x = self.network_input(given) * (masks[0][at[0]] if masks else 1)
        hidden, _ = self.lstm(x.new_zeros(len(events), most, x.shape[1]).index_put(at, x))
        state = torch.cat((hidden[at] * (masks[1][at[0]] if masks else 1), x), 1).float()
        said = _logprob(self.kind_logits(self.kinds(state), given) / temperature, kind)
        said = said + _logprob(self.length_logits(self.for_length(state), kind, given) / temperature, length - 1)
        return said.new_zeros(len(events), most).index_put(at, said)

    def network_input(self, given: Inputs) -> Tensor:
        """What the LSTM is given, (m, embedding)."""
        return silu(self.features(given.rows) + self.key(given.key))

    def kind_logits(self, said: Tensor, given: Inputs) -> Tensor:
        """Logits (m, kinds) of what `kinds` makes of the LSTM's output and input."""
        logits, weights, used = torch.split(said.float(), [KINDS, 2 * SOURCES, OF_PITCHES], dim=1)
        classes = (used[:, :-1, None] * given.classes).sum(1)[:, _CLASS_OF_KIND.to(used.device)]
        more = torch.cat((classes + used[:, -1:] * given.pitches, torch.zeros_like(logits[:, :3])), 1)
        logits = (torch.cat((logits, logits[:, :1]), 1) + more).scatter_add(1, given.votes, weights)[:, :KINDS]
        return logits.masked_fill(~given.possible, -torch.inf)

    def length_logits(self, said: Tensor, kind: Tensor, given: Inputs) -> Tensor:
        """Logits (m, 16) of the lengths of segments of these kinds (m,), of what `for_length` makes of the same."""
        same = (given.votes == kind[:, None]).long()
        near = torch.where(kind < SILENCE, (kind - PITCHES + 1).clamp(-NEAR, NEAR), kind - SILENCE + NEAR + 1) + NEAR
        agreement = _KIND_ROWS.to(kind.device) + same[:, :SOURCES] + 2 * same[:, SOURCES:]
        hidden = silu(said + self.kind_heard(torch.cat((near[:, None], agreement), 1)))
        logits, weights, used = self.lengths(hidden).float().split([STEPS_PER_BAR, SOURCES, OF_LENGTHS], dim=1)
        logits = logits + (used[..., None] * given.shares).sum(1)
        logits = torch.cat((torch.zeros_like(logits[:, :1]), logits), 1).scatter_add(1, given.lengths, weights)[:, 1:]
        places = torch.arange(STEPS_PER_BAR, device=kind.device)
        return logits.masked_fill(places >= given.room[:, None], -torch.inf)

    def write(
        self, chances: Tensor, temperature: float = 1.0, role: Tensor | None = None, nucleus: float = 1.0
    ) -> Tensor:
        """Melodies (n, 256), int64, from uniform numbers (n, 256) in [0, 1), as `write_bar` uses them."""
        writer = _Sampler(chances.double().numpy(), temperature, nucleus)
        _, written, _ = _advance(self, start(self, len(chances), role), writer, BARS)
        return written

    @torch.no_grad()
    def nll(self, events: Tensor, temperature: float = 1.0, role: Tensor | None = None) -> Tensor:
        """-log p(x) in nats of melodies (n, 256), int64, shape (n,); logits are divided by `temperature`."""
        said: Tensor = self(events, role, temperature)
        return -said.double().sum(1)


class _Steps:
    """The network one segment at a time: as the module, with what its matrices have in common multiplied at once."""

    def __init__(self, model: RecallLM) -> None:
        weights = model.lstm.all_weights
        self.gates = [(torch.cat((taken, recurrent), 1).t(), one + other) for taken, recurrent, one, other in weights]
        self.heads = torch.cat((model.kinds.weight, model.for_length.weight)).t()
        self.bias = torch.cat((model.kinds.bias, model.for_length.bias))
        self.sizes = [len(model.kinds.bias), len(model.for_length.bias)]

    def lstm(self, x: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """The states (m, layers, hidden) after an input (m, embedding)."""
        states = []
        for layer, (weights, bias) in enumerate(self.gates):
            gates = torch.addmm(bias, torch.cat((x, hidden[:, layer]), 1), weights)
            keep_in, keep, new, out = gates.chunk(4, dim=1)
            memory = torch.addcmul(keep.sigmoid() * cell[:, layer], keep_in.sigmoid(), new.tanh())
            x = out.sigmoid() * memory.tanh()
            states.append((x, memory))
        return torch.stack([state for state, _ in states], 1), torch.stack([memory for _, memory in states], 1)

    def head_inputs(self, hidden: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """What `kinds` and `for_length` make of the LSTM's output and input."""
        kinds, lengths = torch.split(torch.addmm(self.bias, torch.cat((hidden, x), 1), self.heads), self.sizes, dim=1)
        return kinds, lengths


def _logprob(logits: Tensor, index: Tensor) -> Tensor:
    return logits.log_softmax(1).gather(1, index[:, None])[:, 0]


# -- writing bar by bar ------------------------------------------------------------------------


@dataclass(frozen=True)
class RecallState:
    """Where n melodies stand after some whole bars. Nothing changes a state; writing a bar makes a new one."""

    bar: int  #: bars written
    written: Ints  #: (n, 256) events, those to come undefined
    compared: npt.NDArray[np.int16]  #: (n, 256, 3) what `codes` says of them
    table: Ints  #: (n, 256, 4) `entries`
    runs: Ints  #: (n, 3, 15) for how many steps every lag has agreed
    past: SegmentMemory  #: what the next segment depends on
    hidden: Tensor  #: (n, layers, hidden) of the LSTM
    cell: Tensor  #: (n, layers, hidden)

    def select(self, rows: npt.ArrayLike) -> "RecallState":
        """The melodies of these rows (m,), which may repeat: particles that were resampled."""
        rows = np.asarray(rows)
        arrays = {
            name: getattr(self, name)[rows] for name in ("written", "compared", "table", "runs", "hidden", "cell")
        }
        return replace(self, past=SegmentMemory(*(part[rows] for part in self.past)), **arrays)


def start(model: RecallLM, count: int, role: npt.ArrayLike | None = None) -> RecallState:
    """The state of `count` melodies before their first bar; their roles (n,) may be said."""
    past = start_of(np.full(count, UNKNOWN) if role is None else np.asarray(role))
    states = torch.zeros(count, model.config.layers, model.config.hidden)
    written, table, runs = (np.zeros((count, *size), np.int64) for size in ((STEPS,), (STEPS, 4), (3, ALL_LAGS)))
    return RecallState(0, written, np.zeros((count, STEPS, 3), np.int16), table, runs, past, states, states)


def write_bar(
    model: RecallLM, state: RecallState, chances: Tensor, temperature: float = 1.0, nucleus: float = 1.0
) -> tuple[RecallState, Tensor, Tensor]:
    """The next bar of every melody: the new state, events (n, 16), int64, and their log-probabilities (n,), float64.

    `chances` (n, 16) are uniform in [0, 1). A segment takes the number at its first step: its kind is the first whose
    cumulative probability exceeds the number, and what the kind leaves of it chooses the length in the same way.
    Logits are divided by `temperature`; of kinds and of lengths the least probable ones are left out as long as the
    others have `nucleus` together (Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration").
    """
    return _advance(model, state, _Sampler(chances.double().numpy(), temperature, nucleus))


def write_bar_within(
    model: RecallLM, state: RecallState, chances: Tensor, allowed: Bools, temperature: float = 1.0
) -> tuple[RecallState, Tensor, Tensor, Tensor]:
    """As `write_bar`, each event limited to those that `allowed` (n, 16, 130) names; free where none has probability.

    Returns:
        Also log p/q (n,), where q is the distribution that the bars were drawn from.
    """
    sampler = _LimitedSampler(chances.double().numpy(), temperature, allowed)
    after, bar, logprob = _advance(model, state, sampler)
    return after, bar, logprob, torch.from_numpy(sampler.mass)


def score_bar(model: RecallLM, state: RecallState, bar: Tensor, temperature: float = 1.0) -> tuple[RecallState, Tensor]:
    """The state after these bars (n, 16), int64, and their log-probabilities (n,). Stray holds are rests."""
    before = state.written[:, STEPS_PER_BAR * state.bar - 1] if state.bar else np.full(len(bar), REST)
    after, _, logprob = _advance(model, state, _Reader(without_stray_holds(bar.numpy(), before), temperature))
    return after, logprob


class _Writer(Protocol):
    """Chooses segments: those of rows (m,) begin `at` (m,) steps from where writing began."""

    def kind(self, logits: Tensor, rows: Ints, at: Ints, pitch: Ints) -> tuple[Ints, npt.NDArray[np.float64]]:
        """Kinds (m,) and their log-probabilities, given logits (m, kinds) and the latest pitches (m,)."""
        ...

    def length(self, logits: Tensor, rows: Ints, at: Ints) -> tuple[Ints, npt.NDArray[np.float64]]:
        """Lengths (m,) and their log-probabilities, given logits (m, 16)."""
        ...


class _Sampler:
    """Chooses by uniform numbers (n, 16 * bars)."""

    def __init__(self, chances: npt.NDArray[np.float64], temperature: float, nucleus: float) -> None:
        self.chances, self.temperature, self.nucleus = chances.copy(), temperature, nucleus

    def kind(self, logits: Tensor, rows: Ints, at: Ints, pitch: Ints) -> tuple[Ints, npt.NDArray[np.float64]]:
        return self._choose(logits, rows, at)

    def length(self, logits: Tensor, rows: Ints, at: Ints) -> tuple[Ints, npt.NDArray[np.float64]]:
        index, logprob = self._choose(logits, rows, at)
        return index + 1, logprob

    def _choose(self, logits: Tensor, rows: Ints, at: Ints) -> tuple[Ints, npt.NDArray[np.float64]]:
        shares = (logits / self.temperature).softmax(1).numpy()
        if self.nucleus < 1:
            order = np.argsort(-shares, 1)
            ordered = np.take_along_axis(shares, order, 1)
            ordered[ordered.cumsum(1) - ordered >= self.nucleus] = 0
            np.put_along_axis(shares, order, ordered, 1)
        cumulative = shares.cumsum(1, dtype=np.float64)
        number = self.chances[rows, at] * cumulative[:, -1]
        last = (cumulative < cumulative[:, -1:]).sum(1)  # behind the last possible one the sum stays as it is
        index = np.minimum((cumulative <= number[:, None]).sum(1), last)
        every = np.arange(len(index))
        share = shares[every, index]
        self.chances[rows, at] = (1 - (cumulative[every, index] - number) / share).clip(0, 1)
        return index, np.log(share / cumulative[:, -1])


class _LimitedSampler(_Sampler):
    """Chooses among the segments of which every event is allowed, and counts how probable those are."""

    def __init__(self, chances: npt.NDArray[np.float64], temperature: float, allowed: Bools) -> None:
        super().__init__(chances, temperature, 1.0)
        self.allowed = allowed
        self.begins: Bools = np.delete(allowed, HOLD, 2).max(2) | ~allowed[..., HOLD]  #: (n, 16), not a hold alone
        self.mass = np.zeros(len(chances))  #: log p/q of what was chosen, (n,)
        self._goes_on = np.full(len(chances), HOLD)  # what follows the first event of the latest segments

    def kind(self, logits: Tensor, rows: Ints, at: Ints, pitch: Ints) -> tuple[Ints, npt.NDArray[np.float64]]:
        event = event_of(np.arange(KINDS)[None], pitch[:, None])
        inside = (event >= 0) & (event <= REST)
        fits = inside & self.allowed[rows[:, None], at[:, None], np.where(inside, event, REST)]
        kind, logprob = self._within(logits, rows, at, fits)
        self._goes_on[rows] = np.where(kind == SILENCE, REST, HOLD)
        return kind, logprob

    def length(self, logits: Tensor, rows: Ints, at: Ints) -> tuple[Ints, npt.NDArray[np.float64]]:
        step = at[:, None] + np.arange(1, STEPS_PER_BAR)  # (m, 15), those behind the bar's end among them
        there = step < STEPS_PER_BAR
        later = there & self.allowed[rows[:, None], np.where(there, step, 0), self._goes_on[rows][:, None]]
        fits = np.ones(logits.shape, np.bool_)
        fits[:, 1:] = np.logical_and.accumulate(later, axis=1)
        # What follows must begin there, unless the bar ends.
        fits[:, :-1] &= np.where(there, self.begins[rows[:, None], np.where(there, step, 0)], True)
        index, logprob = self._within(logits, rows, at, fits)
        return index + 1, logprob

    def _within(self, logits: Tensor, rows: Ints, at: Ints, fits: Bools) -> tuple[Ints, npt.NDArray[np.float64]]:
        free = (logits / self.temperature).softmax(1).double().numpy()
        left = (free * fits).sum(1)
        stuck = left < _STUCK
        fits = fits | stuck[:, None]
        left = np.where(stuck, 1.0, left)
        index, logprob = self._choose(torch.where(torch.from_numpy(fits), logits, -torch.inf), rows, at)
        self.mass[rows] += np.log(left)
        return index, logprob + np.log(left)


class _Reader:
    """Chooses what bars (n, 16 * bars) hold."""

    def __init__(self, bar: Ints, temperature: float) -> None:
        self.bar, self.temperature = bar, temperature
        self.gaps = gaps(bar.reshape(len(bar), -1, STEPS_PER_BAR)).reshape(bar.shape)

    def kind(self, logits: Tensor, rows: Ints, at: Ints, pitch: Ints) -> tuple[Ints, npt.NDArray[np.float64]]:
        kind = segment_kind(self.bar[rows, at], pitch)
        return kind, self._logprob(logits, kind)

    def length(self, logits: Tensor, rows: Ints, at: Ints) -> tuple[Ints, npt.NDArray[np.float64]]:
        length = self.gaps[rows, at]
        return length, self._logprob(logits, length - 1)

    def _logprob(self, logits: Tensor, index: Ints) -> npt.NDArray[np.float64]:
        return _logprob(logits / self.temperature, torch.from_numpy(index)).double().numpy()


@torch.no_grad()
def _advance(model: RecallLM, state: RecallState, writer: _Writer, bars: int = 1) -> tuple[RecallState, Tensor, Tensor]:
    """The state after some more bars, these (n, 16 * bars), and their log-probability (n,).

    Within them every melody goes from segment to segment at its own pace.
    """
    count, first, network = len(state.written), STEPS_PER_BAR * state.bar, _Steps(model)
    end = first + STEPS_PER_BAR * bars
    written, compared, table = state.written.copy(), state.compared.copy(), state.table.copy()
    runs, past = state.runs.copy(), SegmentMemory(*(part.copy() for part in state.past))
    hidden, cell = state.hidden.clone(), state.cell.clone()
    logprob, in_bar = np.zeros(count), np.zeros((count, 12), np.int64)
    while len(rows := np.flatnonzero(past.step < end)):
        here = SegmentMemory(*(part[rows] for part in past))
        given = inputs(sources_of(table, rows, here.step, runs[rows]), here)
        x = model.network_input(given)
        latest, memory = network.lstm(x, hidden[rows], cell[rows])
        hidden[rows], cell[rows] = latest, memory
        for_kind, for_length = network.head_inputs(latest[:, -1], x)
        kind, of_kind = writer.kind(model.kind_logits(for_kind, given), rows, here.step - first, here.pitch)
        logits = model.length_logits(for_length, torch.from_numpy(kind), given)
        length, of_length = writer.length(logits, rows, here.step - first)
        logprob[rows] += of_kind + of_length
        remember(past, in_bar, rows, kind, length)
        # Every step of the segments, one after another.
        of, starts = np.repeat(np.arange(len(rows)), length), np.cumsum(length) - length
        since = np.arange(len(of)) - starts[of]
        row, step, opens = rows[of], here.step[of] + since, since == 0
        event = np.where(opens, event_of(kind, here.pitch)[of], np.where(kind == SILENCE, REST, HOLD)[of])
        pitch = np.where(opens, here.pitch[of], past.pitch[row])
        code = codes(event, pitch).T.astype(np.int16)
        written[row, step], compared[row, step] = event, code
        table[row, step] = entries(event, pitch, length[of] - since)
        ago = step[:, None] - EVERY_LAG
        differs = (compared[row[:, None], np.maximum(ago, 0)] != code[:, None]) | (ago < 0)[..., None]
        last = np.maximum.reduceat(differs * (since + 1)[:, None, None], starts).transpose(0, 2, 1)
        runs[rows] = np.where(last > 0, length[:, None, None] - last, runs[rows] + length[:, None, None])
    after = RecallState(state.bar + bars, written, compared, table, runs, past, hidden, cell)
    return after, torch.from_numpy(written[:, first:end].copy()), torch.from_numpy(logprob)
