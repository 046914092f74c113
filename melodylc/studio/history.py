"""The history: runs, each with its melodies, so that anything heard can be had again, tomorrow too."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from melodylc.constraints.request import Request
from melodylc.data.errors import InputError
from melodylc.data.melody import Melody
from melodylc.sampling.sampler import Result
from melodylc.service.order import Order

RunKind = Literal["generate", "vary", "repair", "upload"]
Mark = Literal["keep", "discard"]
MAX_RUNS = 500  #: older ones are forgotten, unless they have a keeper
MAX_KEEPER_RUNS = 400  #: runs with keepers, so that there is always room for new ones


@dataclass(frozen=True)
class Provenance:
    """What `melodylc generate` would make again: the order, its draws so far, and what made them."""

    order: Order
    origin: dict[str, Any]  #: versions, model, prior, actor and memorisation filter, as a manifest has them
    draws: dict[int, Result] = field(default_factory=dict)  #: by number

    @property
    def complete(self) -> bool:
        """Whether all draws are there: nobody stopped it."""
        return len(self.draws) == self.order.count


@dataclass
class Run:
    """The melodies of one click. They are as they sound, in the key that was asked for."""

    number: int  #: from 1
    kind: RunKind
    title: str
    slug: str  #: the beginning of its files' names
    request: Request  #: that its melodies are scored by
    form: dict[str, Any]  #: the request as it came: scale, tonic, density, rules, variety
    seed: int = 0
    source: tuple[int, int] | None = None  #: the run and the number of the melody that it was made from
    settings: dict[str, Any] = field(default_factory=dict)  #: of a variation; an uploaded file's tempo
    remarks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()  #: what isn't here as it was when the studio made the run
    original: dict[str, Any] | None = None  #: its file's values, where its rule isn't here
    provenance: Provenance | None = None  #: where the command line can make it again
    melodies: dict[int, Melody] = field(default_factory=dict)  #: by number, from 1
    marks: dict[int, Mark] = field(default_factory=dict)

    def melody(self, number: int) -> Melody:
        """The melody of a number.

        Raises:
            InputError: there is none.
        """
        if number not in self.melodies:
            raise InputError(f"run {self.number} has no melody {number}")
        return self.melodies[number]

    @property
    def keepers(self) -> list[int]:
        """Numbers of the melodies that are marked "keep"."""
        return [number for number in sorted(self.melodies) if self.marks.get(number) == "keep"]


class RunStore(Protocol):
    """Where runs outlive the studio."""

    def save(self, run: Run) -> None:
        """Save a run as it is now; InputError where that can't be."""

    def remove(self, number: int) -> None:
        """Forget a run."""

    def close(self) -> None:
        """Let another studio have it."""


class History:
    """The runs, the latest last.

    Args:
        runs: that are there already, in order.
        store: where they are saved; None: they go when the studio is closed.
        first: the least number that a new one may have.
    """

    def __init__(self, runs: Iterable[Run] = (), store: RunStore | None = None, first: int = 1) -> None:
        self._runs = {run.number: run for run in runs}
        self._next = max([first - 1, *self._runs]) + 1
        self._store = store
        self._lock = threading.RLock()
        with self._lock:
            self._forget_oldest()

    def add(self, kind: RunKind, **fields: Any) -> Run:
        """A new run, with no melody yet."""
        with self._lock:
            run = Run(self._next, kind, **fields)
            self._next += 1
            self._runs[run.number] = run
            self._forget_oldest()
        return run

    def save(self, run: Run) -> None:
        """Save a run, as it is now, for when the studio is opened again.

        Raises:
            InputError: it can't be saved; said once, and from then on nothing is.
        """
        with self._lock:
            if self._store is None or not run.melodies or run.number not in self._runs:
                return
            try:
                self._store.save(run)
            except InputError as error:
                self.close()
                raise InputError(f"{error}: what is made from now on is gone when the studio is closed") from error

    def run(self, number: int) -> Run:
        """The run of a number.

        Raises:
            InputError: there is none, or it was forgotten.
        """
        if number not in self._runs:
            raise InputError(f"there is no run {number} (any more): the latest {MAX_RUNS} are here")
        return self._runs[number]

    def mark(self, run: int, number: int, mark: Mark | None) -> None:
        """Mark a melody, or remove its mark.

        Raises:
            InputError: there is no such melody, or too many runs have keepers.
        """
        with self._lock:
            target = self.run(run)
            target.melody(number)
            if mark == "keep" and not target.keepers and sum(bool(it.keepers) for it in self) >= MAX_KEEPER_RUNS:
                raise InputError(f"something of {MAX_KEEPER_RUNS} runs is kept already: download it, and let some go")
            target.marks.pop(number, None)
            if mark:
                target.marks[number] = mark
            self.save(target)

    def keepers(self) -> list[tuple[Run, int]]:
        """The melodies that are marked "keep", oldest first."""
        return [(run, number) for run in self for number in run.keepers]

    def close(self) -> None:
        """Save nothing more."""
        with self._lock:
            if self._store:
                self._store.close()
            self._store = None

    def __iter__(self) -> Iterator[Run]:
        return iter(list(self._runs.values()))

    def __len__(self) -> int:
        return len(self._runs)

    def _forget_oldest(self) -> None:
        """As many go as are too many."""
        free = [run.number for run in list(self._runs.values())[:-1] if not run.keepers]
        for number in free[: max(0, len(self._runs) - MAX_RUNS)]:
            del self._runs[number]
            if self._store:
                self._store.remove(number)
