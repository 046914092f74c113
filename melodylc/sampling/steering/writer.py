"""A language model as something that writes bars: what steering needs of it, and today's model in that form.

    p(x) = prod_b p(bar_b | bars before)

All log-probabilities are in nats, at the temperature at which the model writes.
"""

from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeVar

import torch
from torch import Tensor

from melodylc.cache import pretrained
from melodylc.data.alphabet import STATES, STEPS_PER_BAR
from melodylc.data.files import fingerprint_file
from melodylc.data.roles import LEAD
from melodylc.models import recall
from melodylc.models.bars import START
from melodylc.models.checkpoint import LoadedModel, load_language
from melodylc.models.language import LOOKBACK, NOTHING, MelodyLM, _Cell
from melodylc.models.prior import COOL
from melodylc.models.recall import RecallLM, RecallState


class WriterState(Protocol):
    """What a writer remembers of the bars of n melodies so far; never changed in place."""

    def select(self, rows: Tensor) -> Self:
        """The memory of melodies `rows`, (m,), int64, each as often as it is named."""
        ...


State = TypeVar("State", bound=WriterState)


class BarWriter(Protocol[State]):
    """A model that writes melodies bar by bar."""

    def start(self, count: int) -> State:
        """The memory of `count` melodies that have no bar yet."""
        ...

    def write_bar(self, state: State, uniforms: Tensor) -> tuple[State, Tensor, Tensor]:
        """The next bars of n melodies from uniform numbers (n, 16) in [0, 1).

        Returns:
            The new memory, the bars (n, 16), int64, and their log-probabilities (n,).
        """
        ...

    def write_bar_within(self, state: State, uniforms: Tensor, allowed: Tensor) -> tuple[State, Tensor, Tensor, Tensor]:
        """As `write_bar`, each event limited to those that `allowed`, bool (n, 16, 130) or (n, 1, 130), names.

        Where the model gives those no probability at all it is free.

        Returns:
            Also log p/q (n,), where q is the distribution that the bars were drawn from.
        """
        ...

    def score_bar(self, state: State, bar: Tensor) -> tuple[State, Tensor]:
        """The memory after bars (n, 16), int64, and their log-probabilities (n,)."""
        ...


@dataclass(frozen=True)
class LanguageState:
    """What `LanguageWriter` remembers."""

    written: Tensor  #: (n, bars so far, 16), int64
    latest: Tensor  #: (n, 1, embedding) of the bar before, or the start
    memory: tuple[Tensor, Tensor] | None  #: of the LSTM over bars, each (1, n, context)

    def select(self, rows: Tensor) -> "LanguageState":
        memory = None if self.memory is None else (self.memory[0][:, rows], self.memory[1][:, rows])
        return LanguageState(self.written[rows], self.latest[rows], memory)


class LanguageWriter:
    """A `MelodyLM` as a `BarWriter`.

    Args:
        language: the model.
        temperature: what logits are divided by.
    """

    def __init__(self, language: MelodyLM, temperature: float = 1.0) -> None:
        self.language = language
        self.temperature = temperature
        with torch.no_grad():
            self._cells = _Cell(language.in_bar)
            self._heard = language.events.weight @ self._cells.inputs  # of every event at once: it comes 16 times a bar
            self._head = language.head.weight.t() / temperature
            self._bias = language.head.bias / temperature

    def start(self, count: int) -> LanguageState:
        written = torch.empty(count, 0, STEPS_PER_BAR, dtype=torch.int64)
        return LanguageState(written, self.language.start.detach().expand(count, 1, -1), None)

    @torch.no_grad()
    def write_bar(self, state: LanguageState, uniforms: Tensor) -> tuple[LanguageState, Tensor, Tensor]:
        state, bar, likelihood, _ = self._write(state, uniforms, None)
        return state, bar, likelihood

    @torch.no_grad()
    def write_bar_within(
        self, state: LanguageState, uniforms: Tensor, allowed: Tensor
    ) -> tuple[LanguageState, Tensor, Tensor, Tensor]:
        return self._write(state, uniforms, allowed.expand(-1, STEPS_PER_BAR, -1))

    def _write(
        self, state: LanguageState, uniforms: Tensor, allowed: Tensor | None
    ) -> tuple[LanguageState, Tensor, Tensor, Tensor]:
        count = len(uniforms)
        said, hidden, cell, memory = self._begin(state)
        event = torch.full((count,), START)
        bar = torch.empty(count, STEPS_PER_BAR, dtype=torch.int64)
        chosen, mass = torch.empty(count, STEPS_PER_BAR), torch.ones(count, STEPS_PER_BAR)
        for step in range(STEPS_PER_BAR):
            hidden, cell = self._cells(said[:, step] + self._heard[event], hidden, cell)
            full = torch.softmax(torch.addmm(self._bias, hidden, self._head), -1)
            some = full
            if allowed is not None:
                some = full * allowed[:, step]
                left = some.sum(-1)
                stuck = left < 1e-9
                if stuck.any():
                    some = torch.where(stuck[:, None], full, some)
                    left = torch.where(stuck, 1.0, left)
                mass[:, step] = left
            cumulative = some.cumsum(-1)
            event = torch.searchsorted(cumulative, uniforms[:, step, None] * cumulative[:, -1:], right=True)[:, 0]
            event = event.clamp(max=STATES - 1)
            chosen[:, step] = full.gather(1, event[:, None])[:, 0]
            bar[:, step] = event
        state = self._after(state, bar, memory)
        return state, bar, chosen.log().sum(1), mass.log().sum(1)

    @torch.no_grad()
    def score_bar(self, state: LanguageState, bar: Tensor) -> tuple[LanguageState, Tensor]:
        said, hidden, cell, memory = self._begin(state)
        inputs = torch.cat((torch.full_like(bar[:, :1], START), bar[:, :-1]), 1)
        said = said + self._heard[inputs]
        outputs = []
        for step in range(STEPS_PER_BAR):
            hidden, cell = self._cells(said[:, step], hidden, cell)
            outputs.append(hidden)
        logits = torch.stack(outputs, 1) @ self._head + self._bias
        likelihood = torch.log_softmax(logits, -1).gather(2, bar[..., None])[..., 0].sum(1)
        return self._after(state, bar, memory), likelihood

    def _begin(self, state: LanguageState) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor]]:
        """What the gates of the LSTM in a bar hear beside events (n, 16, gates), its first states, the new memory."""
        context, memory = self.language.over_bars(state.latest, state.memory)
        bar = state.written.shape[1]
        none = torch.full((len(state.written), STEPS_PER_BAR), NOTHING)
        earlier = [state.written[:, bar - ago] if bar >= ago else none for ago in LOOKBACK]
        added, (hidden, cell) = self.language._bar(context[:, 0], torch.stack(earlier, 1))
        return self._cells.said(added), hidden[0], cell[0], memory

    def _after(self, state: LanguageState, bar: Tensor, memory: tuple[Tensor, Tensor]) -> LanguageState:
        written = torch.cat((state.written, bar[:, None]), 1)
        return LanguageState(written, self.language.bars.bar(bar)[:, None], memory)


@dataclass(frozen=True)
class RecallWriter:
    """A `RecallLM` as a `BarWriter`."""

    language: RecallLM
    temperature: float = 1.0
    role: int = LEAD

    def start(self, count: int) -> RecallState:
        return recall.start(self.language, count, [self.role] * count)

    @torch.no_grad()
    def write_bar(self, state: RecallState, uniforms: Tensor) -> tuple[RecallState, Tensor, Tensor]:
        state, bar, likelihood = recall.write_bar(self.language, state, uniforms, self.temperature)
        return state, bar, likelihood.float()

    @torch.no_grad()
    def write_bar_within(
        self, state: RecallState, uniforms: Tensor, allowed: Tensor
    ) -> tuple[RecallState, Tensor, Tensor, Tensor]:
        mask = allowed.expand(len(uniforms), STEPS_PER_BAR, -1).numpy()
        state, bar, likelihood, mass = recall.write_bar_within(self.language, state, uniforms, mask, self.temperature)
        return state, bar, likelihood.float(), mass.float()

    @torch.no_grad()
    def score_bar(self, state: RecallState, bar: Tensor) -> tuple[RecallState, Tensor]:
        state, likelihood = recall.score_bar(self.language, state, bar, self.temperature)
        return state, likelihood.float()


def bar_writer(language: MelodyLM | RecallLM, temperature: float, role: int = LEAD) -> BarWriter[Any]:
    """Either language model as a writer of bars, at a temperature; what one of roles writes is of that role."""
    if isinstance(language, RecallLM):
        return RecallWriter(language, temperature, role)
    return LanguageWriter(language, temperature)


WRITER = "writer.safetensors"  #: the language model that ships, for the VAE that ships


@dataclass(frozen=True)
class FoundWriter:
    """A language model that writes for a model, and where it comes from."""

    writer: BarWriter[Any]
    temperature: float
    fingerprint: str | None  #: of its file; None where it is part of the model's own


def find_writer(model: LoadedModel, temperature: float | None = None, role: int = LEAD) -> FoundWriter | None:
    """What writes melodies for a model: the language model that ships for it, or the model's own; None without any.

    Args:
        model: the model.
        temperature: what logits are divided by; None: what suits the language model best.
        role: of what is written, an index into `melodylc.data.roles.ROLES`, where the language model knows roles.

    Raises:
        CheckpointError: the file that comes with the package is damaged.
    """
    path = pretrained() / WRITER
    if path.exists():
        language, about = load_language(path)
        if about.get("model") == model.fingerprint:
            warmth = float(about.get("temperature", COOL)) if temperature is None else temperature
            return FoundWriter(bar_writer(language, warmth, role), warmth, fingerprint_file(path))
    if model.language is None:
        return None
    warmth = COOL if temperature is None else temperature
    return FoundWriter(bar_writer(model.language, warmth, role), warmth, None)
