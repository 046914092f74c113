"""A language model of melodies that remembers what it wrote, and may write on from an earlier bar, as it was or moved.

A melody is read as segments: a note with what holds it, a rest, or what goes on over a bar line; none crosses a bar
line. A segment is a kind and a length:

    p(x) = prod_i p(kind_i | past) p(length_i | kind_i, past)

A note's kind is its distance in semitones from the note before, so a melody and its transpositions are nearly one
thing, and about eighty segments are a melody, where there are 256 steps.

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
how often its very pitch was heard; for a length its log-shares among all lengths so far and among those of segments
that began at the same place of a beat.

What a segment may know (`Inputs`) is counted in numpy; the network is an LSTM over segments and two heads. `segments`
reads whole melodies, `write_bar` and `score_bar` go bar by bar; both are the same distribution.
"""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from melodylc.data.alphabet import BARS, HOLD, PITCHES, REST, STEPS, STEPS_PER_BAR
from melodylc.data.errors import InputError

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Masks = tuple[Tensor, Tensor]
"""Factors of what the LSTM is given (n, embedding) and of what it says (n, hidden)."""

LAGS = (1, 2, 4, 8, 12)  #: bars ago; one more source is the lag that has agreed for longest
SOURCES = len(LAGS) + 1
ALL_LAGS = BARS - 1
BASE = 60  #: the pitch that the first note is counted from
KINDS = 2 * PITCHES + 1  #: a note's distance from the one before, -127..127; a rest; what goes on over a bar line
SILENCE, TIE = KINDS - 2, KINDS - 1
NOWHERE = KINDS  #: the kind before the first, and where the vote of a source goes that has none
ROLES = ("lead", "inner", "bass")
LEAD, UNKNOWN = 0, len(ROLES)  #: the role of a melody of which none is said

_ONSET, _GOING, _SILENT, _NOTHING = range(4)  # what stands at a place: a note's start, more of it, a rest, no bar yet
_NEAR = 24  # intervals beyond two octaves sound alike to the network
_INTERVALS = 2 * _NEAR + 1 + 3
_RUNS = (0, 1, 2, 4, 8, 16, 32, 64)  # least steps of each class of agreement
_CLASS_OF_RUN = np.searchsorted(_RUNS, np.arange(STEPS + 1), "right") - 1
_OF_SOURCE = (_INTERVALS, _INTERVALS, STEPS_PER_BAR + 1, len(_RUNS), len(_RUNS), len(_RUNS))
_OWN = (_INTERVALS, STEPS_PER_BAR + 1, STEPS_PER_BAR, BARS, _NEAR + 1, _NEAR + 1, PITCHES // 4, 12, UNKNOWN + 1, BARS)
_SIZES = (*_OF_SOURCE * SOURCES, *_OWN)  # of the tables of embeddings, which are one
_OFFSETS = np.cumsum((0, *_SIZES[:-1]))
_AGREEMENTS = 4  # of a kind with a source's votes: with none, with its pitch, with its interval, with both
_LAGS = np.array([*LAGS, 0])
_EVERY_LAG = STEPS_PER_BAR * np.arange(1, BARS)
_TURN = np.arange(12)
_CLASS_OF_KIND = torch.arange(1 - PITCHES, PITCHES) % 12
_STEPS_PER_BEAT = 4
_OF_PITCHES, _OF_LENGTHS = 4, 2  # the votes that what was used has
_LITTLE = 0.2  # how often everything was used before the first note
_KIND_ROWS = _INTERVALS + _AGREEMENTS * torch.arange(SOURCES)


@dataclass(frozen=True, kw_only=True)
class RecallConfig:
    """Every size that shapes the weights of a `RecallLM`."""

    embedding: int = 192  #: dimensions of what is heard at a segment
    hidden: int = 256  #: units of the LSTM over segments
    layers: int = 1  #: of it
    length: int = 96  #: units of the hidden layer that lengths are read from

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint's header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RecallConfig":
        """What `to_dict` wrote; unknown or missing fields are refused."""
        if set(values) != {field.name for field in fields(cls)}:
            raise InputError(f"configuration of a language model with other fields: {', '.join(sorted(values))}")
        return cls(**values)


class Inputs(NamedTuple):
    """What the network is given of m segments."""

    rows: Tensor  #: (m, features) of the table of embeddings
    key: Tensor  #: (m, 24) the shares of pitch classes so far, and lately, the latest note's first
    classes: Tensor  #: (m, 3, 12) log-shares so far, those lately, and 1 for a class that was heard
    pitches: Tensor  #: (m, kinds) log(1 + how often the pitch was heard that a kind leads to)
    shares: Tensor  #: (m, 2, 16) log-shares of lengths so far, and of those from the same place of a beat
    votes: Tensor  #: (m, 2 * sources) the kinds that sources stand for: by their pitches, by their intervals
    lengths: Tensor  #: (m, sources) the lengths that they stand for, 0 for none
    possible: Tensor  #: (m, kinds) bool, what can stand here
    room: Tensor  #: (m,) steps to the bar's end


class RecallLM(nn.Module):
    """A language model of melodies of 256 events."""

    def __init__(self, config: RecallConfig) -> None:
        super().__init__()
        self.config = config
        self.features = nn.EmbeddingBag(sum(_SIZES), config.embedding, mode="sum")
        nn.init.normal_(self.features.weight, std=0.15)
        self.key = nn.Linear(24, config.embedding)
        self.lstm = nn.LSTM(config.embedding, config.hidden, config.layers, batch_first=True)
        self.kinds = nn.Linear(config.hidden + config.embedding, KINDS + 2 * SOURCES + _OF_PITCHES)
        self.for_length = nn.Linear(config.hidden + config.embedding, config.length)
        self.kind_heard = nn.EmbeddingBag(_INTERVALS + _AGREEMENTS * SOURCES, config.length, mode="sum")
        nn.init.normal_(self.kind_heard.weight, std=0.15)
        self.lengths = nn.Linear(config.length, STEPS_PER_BAR + SOURCES + _OF_LENGTHS)

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
        x = self.heard(given) * (masks[0][at[0]] if masks else 1)
        hidden, _ = self.lstm(x.new_zeros(len(events), most, x.shape[1]).index_put(at, x))
        state = torch.cat((hidden[at] * (masks[1][at[0]] if masks else 1), x), 1).float()
        said = _logprob(self.kind_logits(self.kinds(state), given) / temperature, kind)
        said = said + _logprob(self.length_logits(self.for_length(state), kind, given) / temperature, length - 1)
        return said.new_zeros(len(events), most).index_put(at, said)

    def heard(self, given: Inputs) -> Tensor:
        """What the LSTM is given, (m, embedding)."""
        return silu(self.features(given.rows) + self.key(given.key))

    def kind_logits(self, said: Tensor, given: Inputs) -> Tensor:
        """Logits (m, kinds) of what `kinds` makes of the LSTM's output and input."""
        logits, weights, used = said.float().split([KINDS, 2 * SOURCES, _OF_PITCHES], dim=1)
        classes = (used[:, :-1, None] * given.classes).sum(1)[:, _CLASS_OF_KIND.to(used.device)]
        more = torch.cat((classes + used[:, -1:] * given.pitches, torch.zeros_like(logits[:, :3])), 1)
        logits = (torch.cat((logits, logits[:, :1]), 1) + more).scatter_add(1, given.votes, weights)[:, :KINDS]
        return logits.masked_fill(~given.possible, -torch.inf)

    def length_logits(self, said: Tensor, kind: Tensor, given: Inputs) -> Tensor:
        """Logits (m, 16) of the lengths of segments of these kinds (m,), of what `for_length` makes of the same."""
        same = (given.votes == kind[:, None]).long()
        near = (
            torch.where(kind < SILENCE, (kind - PITCHES + 1).clamp(-_NEAR, _NEAR), kind - SILENCE + _NEAR + 1) + _NEAR
        )
        agreement = _KIND_ROWS.to(kind.device) + same[:, :SOURCES] + 2 * same[:, SOURCES:]
        hidden = silu(said + self.kind_heard(torch.cat((near[:, None], agreement), 1)))
        logits, weights, used = self.lengths(hidden).float().split([STEPS_PER_BAR, SOURCES, _OF_LENGTHS], dim=1)
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

    def said(self, hidden: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """What `kinds` and `for_length` make of the LSTM's output and input."""
        kinds, lengths = torch.addmm(self.bias, torch.cat((hidden, x), 1), self.heads).split(self.sizes, dim=1)
        return kinds, lengths


def _logprob(logits: Tensor, index: Tensor) -> Tensor:
    return logits.log_softmax(1).gather(1, index[:, None])[:, 0]


# -- what a segment may know -------------------------------------------------------------------


class Sources(NamedTuple):
    """What stood at the same place some bars ago, each (m, sources) unless said."""

    content: Ints  #: onset, hold, rest or nothing
    pitch: Ints  #: of the note that begins there
    interval: Ints  #: from the note before that one
    length: Ints  #: steps from there to the next segment
    runs: Ints  #: (m, 3, sources) for how many steps it has agreed: note for note, in rhythm, in rhythm and intervals
    best: Ints  #: (m,) the lag that has agreed for longest, 0 for none


class Past(NamedTuple):
    """What else a segment depends on, each (m,) unless said."""

    pitch: Ints  #: of the latest note, `BASE` before the first
    kind: Ints  #: of the segment before, `NOWHERE` at the start
    length: Ints  #: of it, 0 at the start
    step: Ints  #: 0..255
    low: Ints  #: lowest pitch so far
    high: Ints  #: highest
    first: Ints  #: the first note's pitch
    role: Ints
    pitches: Ints  #: (m, 128) how many notes of each pitch there were
    lately: Ints  #: (m, 12) how many of each pitch class, since the bar before began
    lengths: Ints  #: (m, 4, 16) how many segments of each length there were, by the place of the beat where they began


def inputs(sources: Sources, past: Past) -> Inputs:
    """What the network is given of segments."""
    onset = sources.content == _ONSET
    exact = sources.pitch - past.pitch[:, None]
    other = 2 * _NEAR + sources.content
    runs = _CLASS_OF_RUN[sources.runs]
    of_sources = (
        np.where(onset, _near(exact) + _NEAR, other),
        np.where(onset, _near(sources.interval) + _NEAR, other),
        sources.length,
        runs[:, 0],
        runs[:, 1],
        runs[:, 2],
    )
    before = _near(past.kind - PITCHES + 1) + _NEAR
    place = past.step % STEPS_PER_BAR
    own = (
        np.where(past.kind < SILENCE, before, past.kind - SILENCE + 2 * _NEAR + 1),
        past.length,
        place,
        past.step // STEPS_PER_BAR,
        np.minimum(past.pitch - past.low, _NEAR),
        np.minimum(past.high - past.pitch, _NEAR),
        past.pitch // 4,
        (past.pitch - past.first) % 12,
        past.role,
        sources.best,
    )
    rows = np.concatenate((np.stack(of_sources, 2).reshape(len(place), -1), np.stack(own, 1)), 1) + _OFFSETS
    turned = (past.pitch[:, None] + _TURN) % 12
    so_far, lately = (
        np.take_along_axis(part, turned, 1).astype(np.float32) for part in (classes_of(past.pitches), past.lately)
    )
    lengths = past.lengths.sum(1), past.lengths[np.arange(len(place)), place % _STEPS_PER_BEAT]
    silent = np.where(sources.content == _SILENT, SILENCE, NOWHERE)
    votes = np.concatenate(
        (np.where(onset, exact + PITCHES - 1, silent), np.where(onset, sources.interval + PITCHES - 1, NOWHERE)), 1
    )
    pitches = past.pitch[:, None] + np.arange(1 - PITCHES, PITCHES)
    begins = place == 0
    sounds = (past.kind != SILENCE) & (past.kind != NOWHERE)
    more = np.stack((begins | (past.kind != SILENCE), begins & sounds), 1)
    parts = (
        rows,
        np.concatenate([count / (1 + count.sum(1, keepdims=True)) for count in (so_far, lately)], 1),
        np.stack((_log_shares(so_far), _log_shares(lately), so_far > 0), 1).astype(np.float32),
        np.log1p(
            np.take_along_axis(past.pitches, np.minimum(np.maximum(pitches, 0), PITCHES - 1), 1).astype(np.float32)
        ),
        np.stack([_log_shares(count) for count in lengths], 1).astype(np.float32),
        votes,
        sources.length,
        np.concatenate(((pitches >= 0) & (pitches < PITCHES), more), 1),
        STEPS_PER_BAR - place,
    )
    return Inputs(*(torch.from_numpy(part) for part in parts))


def _near(interval: Ints) -> Ints:
    """Intervals with those beyond two octaves taken for two octaves; minimum and maximum are much quicker than clip."""
    near: Ints = np.minimum(np.maximum(interval, -_NEAR), _NEAR)
    return near


def classes_of(pitches: Ints) -> Ints:
    """How many notes of each pitch class (m, 12) there are, given how many of each pitch (m, 128)."""
    classes: Ints = np.pad(pitches, ((0, 0), (0, -PITCHES % 12))).reshape(len(pitches), -1, 12).sum(1)
    return classes


def _log_shares(counts: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Logarithms of shares (m, k) over what they would be if all were alike."""
    shares: npt.NDArray[np.float64] = np.log((counts + _LITTLE) / (counts.mean(1, keepdims=True) + _LITTLE))
    return shares


def kind_of(event: Ints, pitch: Ints) -> Ints:
    """The kind of the segment that begins with an event, given the latest pitch."""
    return np.where(event < PITCHES, event - pitch + PITCHES - 1, np.where(event == HOLD, TIE, SILENCE))


def event_of(kind: Ints, pitch: Ints) -> Ints:
    """The event that a segment of a kind begins with, given the latest pitch."""
    return np.where(kind < SILENCE, kind + pitch - PITCHES + 1, np.where(kind == TIE, HOLD, REST))


def codes(events: Ints, pitch: Ints) -> Ints:
    """What is equal where events (...) agree, given the latest pitch before each: (3, ...).

    Note for note, in rhythm, in rhythm and intervals.
    """
    onset = events < PITCHES
    return np.stack((events, np.where(onset, 0, events), np.where(onset, events - pitch - 2 * PITCHES, events)))


def entries(events: Ints, pitch: Ints, gap: Ints) -> Ints:
    """What stands at places (...), for `sources_of`: (..., 4)."""
    content = np.where(events < PITCHES, _ONSET, np.where(events == HOLD, _GOING, _SILENT))
    return np.stack((content, events, events - pitch, gap), -1)


def begins(bars: npt.NDArray[np.integer[Any]]) -> Bools:
    """Where segments of bars (..., 16) begin."""
    there: Bools = bars != HOLD
    there[..., 1:] &= (bars[..., 1:] != REST) | (bars[..., :-1] != REST)
    there[..., 0] = True
    return there


def gaps(bars: Ints) -> Ints:
    """Steps (..., 16) from every place of bars to the next segment or the bar's end."""
    places = np.arange(STEPS_PER_BAR)
    following = np.where(begins(bars), places, STEPS_PER_BAR)[..., :0:-1]
    following = np.minimum.accumulate(following, -1)[..., ::-1]
    end = np.full_like(following[..., :1], STEPS_PER_BAR)
    return np.concatenate((following, end), -1) - places


def without_stray_holds(events: Ints, before: Ints) -> Ints:
    """Events (n, k) with holds that hold nothing made rests, given the events before them (n,)."""
    holder = np.maximum.accumulate(np.where(events != HOLD, np.arange(events.shape[1]), -1), 1)
    held = np.where(holder < 0, before[:, None], np.take_along_axis(events, holder.clip(0), 1))
    return np.where((events == HOLD) & (held == REST), REST, events)


def best_lag(runs: Ints) -> Ints:
    """The lag (m,) with the longest of the runs (m, lags), the shortest such; 0 where none agrees."""
    longest = runs.argmax(1)
    return np.where(runs.max(1) > 0, longest + 1, 0)


def sources_of(table: Ints, melody: Ints, step: Ints, runs: Ints) -> Sources:
    """What is there some bars before steps (m,) of melodies (m,).

    `table` (n, 256, 4) holds `entries`; `runs` (m, 3, 15): for how many steps every lag has agreed.
    """
    best = best_lag(runs[:, 2])
    lags = np.repeat(_LAGS[None], len(step), 0)
    lags[:, -1] = best
    place = step[:, None] - STEPS_PER_BAR * lags
    there = (lags > 0) & (place >= 0)
    found = np.where(there[..., None], table[melody[:, None], np.maximum(place, 0)], (_NOTHING, 0, 0, 0))
    agreed = np.take_along_axis(runs, np.maximum(lags - 1, 0)[:, None], 2) * there[:, None]
    return Sources(found[..., 0], found[..., 1], found[..., 2], found[..., 3], agreed, best)


class Segments(NamedTuple):
    """All segments of some melodies, in order, each (m,) unless said."""

    melody: Ints  #: which melody
    number: Ints  #: which segment of it
    sources: Sources
    past: Past
    kind: Ints
    length: Ints


def segments(events: Ints, role: Ints) -> Segments:
    """What melodies (n, 256) of roles (n,) consist of, canonical or not, and what each segment may know."""
    steps = np.arange(STEPS)
    events = without_stray_holds(events, np.full(len(events), REST))
    onset = events < PITCHES
    latest = _before(np.maximum.accumulate(np.where(onset, steps, -1), 1), -1)
    pitch = np.where(latest < 0, BASE, np.take_along_axis(events, latest.clip(0), 1))
    bars = events.reshape(-1, BARS, STEPS_PER_BAR)
    gap = gaps(bars).reshape(-1, STEPS)
    melody, step = at = np.nonzero(begins(bars).reshape(-1, STEPS))
    at_start = np.searchsorted(melody, np.arange(len(events)))
    number = np.arange(len(step)) - at_start[melody]
    event, length, earlier = events[at], gap[at], number > 0
    kind = kind_of(event, pitch[at])
    heard = latest[at] >= 0
    low = _before(np.minimum.accumulate(np.where(onset, events, PITCHES), 1), BASE)[at]
    high = _before(np.maximum.accumulate(np.where(onset, events, -1), 1), BASE)[at]
    first = events[melody, onset.argmax(1)[melody]]
    pitches = _so_far(np.where(event < PITCHES, event, -1), PITCHES, melody, at_start)
    lengths = _so_far(
        step % _STEPS_PER_BEAT * STEPS_PER_BAR + length - 1, _STEPS_PER_BEAT * STEPS_PER_BAR, melody, at_start
    )
    classes, number_at = classes_of(pitches), np.zeros(events.shape, np.int64)
    number_at[at] = np.arange(len(step))
    past = Past(
        pitch[at],
        np.where(earlier, np.roll(kind, 1), NOWHERE),
        np.where(earlier, np.roll(length, 1), 0),
        step,
        np.where(heard, low, BASE),
        np.where(heard, high, BASE),
        np.where(heard, first, BASE),
        role[melody],
        pitches,
        classes - classes[number_at[melody, _bar_before(step)]],
        lengths.reshape(-1, _STEPS_PER_BEAT, STEPS_PER_BAR),
    )
    runs = _agreement(events, pitch)[:, :, melody, step].transpose(2, 0, 1).astype(np.int64)
    return Segments(melody, number, sources_of(entries(events, pitch, gap), melody, step, runs), past, kind, length)


def _so_far(values: Ints, kinds: int, melody: Ints, at_start: Ints) -> Ints:
    """How often each of some kinds of values (m,) came before in its melody (m,), (m, kinds); -1 is none of them.

    `at_start` (n,) is where each melody begins.
    """
    hits = np.zeros((len(values), kinds + 1), np.int64)
    hits[np.arange(len(values)), values] = 1
    before = hits.cumsum(0) - hits
    return (before - before[at_start[melody]])[:, :kinds]


def _bar_before(step: Ints) -> Ints:
    """The first step of the bar before each step's."""
    return (step // STEPS_PER_BAR - 1).clip(0) * STEPS_PER_BAR


def _before(values: Ints, at_start: int) -> Ints:
    """Values (n, 256) one step later."""
    return np.concatenate((np.full_like(values[:, :1], at_start), values[:, :-1]), 1)


def _agreement(events: Ints, pitch: Ints) -> npt.NDArray[np.int16]:
    """For how many steps before each the lags 1..15 have agreed: (3, lags, n, 256)."""
    compared = codes(events, pitch).astype(np.int16)
    runs = np.zeros((3, ALL_LAGS, *events.shape), np.int16)
    steps = np.arange(STEPS, dtype=np.int16)
    for lag in range(1, BARS):
        ago = STEPS_PER_BAR * lag
        differs = np.where(compared[..., ago:] == compared[..., :-ago], -1, steps[: STEPS - ago])
        runs[:, lag - 1, :, ago + 1 :] = (steps[: STEPS - ago] - np.maximum.accumulate(differs, -1))[..., :-1]
    return runs


# -- writing bar by bar ------------------------------------------------------------------------


@dataclass(frozen=True)
class RecallState:
    """Where n melodies stand after some whole bars. Nothing changes a state; writing a bar makes a new one."""

    bar: int  #: bars written
    written: Ints  #: (n, 256) events, those to come undefined
    compared: npt.NDArray[np.int16]  #: (n, 256, 3) what `codes` says of them
    table: Ints  #: (n, 256, 4) `entries`
    runs: Ints  #: (n, 3, 15) for how many steps every lag has agreed
    past: Past  #: what the next segment depends on
    hidden: Tensor  #: (n, layers, hidden) of the LSTM
    cell: Tensor  #: (n, layers, hidden)

    def select(self, rows: npt.ArrayLike) -> "RecallState":
        """The melodies of these rows (m,), which may repeat: particles that were resampled."""
        rows = np.asarray(rows)
        arrays = {
            name: getattr(self, name)[rows] for name in ("written", "compared", "table", "runs", "hidden", "cell")
        }
        return replace(self, past=Past(*(part[rows] for part in self.past)), **arrays)


def start(model: RecallLM, count: int, role: npt.ArrayLike | None = None) -> RecallState:
    """The state of `count` melodies before their first bar; their roles (n,) may be said."""
    zeros, base = np.zeros(count, np.int64), np.full(count, BASE)
    roles = np.full(count, UNKNOWN) if role is None else np.asarray(role)
    pitches, lengths = np.zeros((count, PITCHES), np.int64), np.zeros((count, _STEPS_PER_BEAT, STEPS_PER_BAR), np.int64)
    states = torch.zeros(count, model.config.layers, model.config.hidden)
    return RecallState(
        0,
        np.zeros((count, STEPS), np.int64),
        np.zeros((count, STEPS, 3), np.int16),
        np.zeros((count, STEPS, 4), np.int64),
        np.zeros((count, 3, ALL_LAGS), np.int64),
        Past(base, np.full(count, NOWHERE), zeros, zeros, base, base, base, roles, pitches, pitches[:, :12], lengths),
        states,
        states,
    )


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


class _Reader:
    """Chooses what bars (n, 16 * bars) hold."""

    def __init__(self, bar: Ints, temperature: float) -> None:
        self.bar, self.temperature = bar, temperature
        self.gaps = gaps(bar.reshape(len(bar), -1, STEPS_PER_BAR)).reshape(bar.shape)

    def kind(self, logits: Tensor, rows: Ints, at: Ints, pitch: Ints) -> tuple[Ints, npt.NDArray[np.float64]]:
        kind = kind_of(self.bar[rows, at], pitch)
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
    runs, past = state.runs.copy(), Past(*(part.copy() for part in state.past))
    hidden, cell = state.hidden.clone(), state.cell.clone()
    logprob, in_bar = np.zeros(count), np.zeros((count, 12), np.int64)
    while len(rows := np.flatnonzero(past.step < end)):
        here = Past(*(part[rows] for part in past))
        given = inputs(sources_of(table, rows, here.step, runs[rows]), here)
        x = model.heard(given)
        latest, memory = network.lstm(x, hidden[rows], cell[rows])
        hidden[rows], cell[rows] = latest, memory
        for_kind, for_length = network.said(latest[:, -1], x)
        kind, of_kind = writer.kind(model.kind_logits(for_kind, given), rows, here.step - first, here.pitch)
        logits = model.length_logits(for_length, torch.from_numpy(kind), given)
        length, of_length = writer.length(logits, rows, here.step - first)
        logprob[rows] += of_kind + of_length
        _remember(past, in_bar, rows, kind, length)
        # Every step of the segments, one after another.
        of, starts = np.repeat(np.arange(len(rows)), length), np.cumsum(length) - length
        since = np.arange(len(of)) - starts[of]
        row, step, opens = rows[of], here.step[of] + since, since == 0
        event = np.where(opens, event_of(kind, here.pitch)[of], np.where(kind == SILENCE, REST, HOLD)[of])
        pitch = np.where(opens, here.pitch[of], past.pitch[row])
        code = codes(event, pitch).T.astype(np.int16)
        written[row, step], compared[row, step] = event, code
        table[row, step] = entries(event, pitch, length[of] - since)
        ago = step[:, None] - _EVERY_LAG
        differs = (compared[row[:, None], np.maximum(ago, 0)] != code[:, None]) | (ago < 0)[..., None]
        last = np.maximum.reduceat(differs * (since + 1)[:, None, None], starts).transpose(0, 2, 1)
        runs[rows] = np.where(last > 0, length[:, None, None] - last, runs[rows] + length[:, None, None])
    after = RecallState(state.bar + bars, written, compared, table, runs, past, hidden, cell)
    return after, torch.from_numpy(written[:, first:end].copy()), torch.from_numpy(logprob)


def _remember(past: Past, in_bar: Ints, rows: Ints, kind: Ints, length: Ints) -> None:
    """Take in a segment of some melodies, in place; `in_bar` (n, 12) counts the pitch classes of their bars so far."""
    past.kind[rows], past.length[rows] = kind, length
    past.lengths[rows, past.step[rows] % _STEPS_PER_BEAT, length - 1] += 1
    past.step[rows] += length
    note = kind < SILENCE
    notes, pitch = rows[note], event_of(kind, past.pitch[rows])[note]
    heard = past.pitches[notes].any(1)
    past.low[notes] = np.where(heard, np.minimum(past.low[notes], pitch), pitch)
    past.high[notes] = np.where(heard, np.maximum(past.high[notes], pitch), pitch)
    past.first[notes] = np.where(heard, past.first[notes], pitch)
    past.pitches[notes, pitch] += 1
    past.pitch[notes] = pitch
    for counts in (past.lately, in_bar):
        counts[notes, pitch % 12] += 1
    over = rows[past.step[rows] % STEPS_PER_BAR == 0]  # their next segment is in another bar
    past.lately[over] = in_bar[over]
    in_bar[over] = 0
