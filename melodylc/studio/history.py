"""What was made: runs, each with its melodies, so that anything heard can be had again, tomorrow too."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from melodylc.constraints.request import Request
from melodylc.data.errors import InputError
from melodylc.data.melody import Melody
from melodylc.sampling.sampler import Result
from melodylc.service.order import Order

Kind = Literal["generate", "vary", "mend", "drop"]
Mark = Literal["kept", "discarded"]
MOST_RUNS = 500  #: older ones are forgotten, unless something of them was kept
MOST_KEPT = 400  #: runs of which something is kept, so that there is always room for new ones


@dataclass(frozen=True)
class Made:
    """What `melodylc generate` would make again: the order, the draws so far, and what made them."""

    order: Order
    origin: dict[str, Any]  #: versions, model, prior, actor and guard, as a manifest has them
    draws: dict[int, Result] = field(default_factory=dict)  #: by number

    @property
    def complete(self) -> bool:
        """Whether all draws are there: nobody stopped it."""
        return len(self.draws) == self.order.count


@dataclass
class Run:
    """What one click made. Melodies are as they are heard, in the key that was asked for."""

    number: int  #: from 1
    kind: Kind
    title: str
    slug: str  #: what its files are called
    request: Request  #: that its melodies are judged by
    asked: dict[str, Any]  #: the page's own words for it
    seed: int = 0
    of: tuple[int, int] | None = None  #: the run and the number of the melody that it comes from
    settings: dict[str, Any] = field(default_factory=dict)  #: of a variation; a file's tempo
    remarks: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()  #: what isn't here as it was when the studio made it
    record: dict[str, Any] | None = None  #: what was kept of it, where its rule is lost
    made: Made | None = None  #: where the command line can make it again
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
    def kept(self) -> bool:
        """Whether any of its melodies is."""
        return "kept" in list(self.marks.values())


class Keeper(Protocol):
    """What keeps runs when the studio is closed."""

    def put(self, run: Run) -> None:
        """Keep a run as it is now; InputError where that can't be."""

    def remove(self, number: int) -> None:
        """Forget a run."""

    def close(self) -> None:
        """Let go of what they are kept in."""


class History:
    """The runs, the latest last.

    Args:
        runs: that are there already, in order.
        keeper: what keeps them; None: they go when the studio is closed.
        first: the least number that a new one may have.
    """

    def __init__(self, runs: Iterable[Run] = (), keeper: Keeper | None = None, first: int = 1) -> None:
        self._runs = {run.number: run for run in runs}
        self._next = max([first - 1, *self._runs]) + 1
        self._keeper = keeper
        self._lock = threading.RLock()
        with self._lock:
            self._forget()

    def add(self, kind: Kind, **about: Any) -> Run:
        """A new run, with no melody yet."""
        with self._lock:
            run = Run(self._next, kind, **about)
            self._next += 1
            self._runs[run.number] = run
            self._forget()
        return run

    def record(self, run: Run) -> None:
        """Keep a run, as it is now, for when the studio is opened again.

        Raises:
            InputError: it can't be kept; said once, and from then on nothing is.
        """
        with self._lock:
            if self._keeper is None or not run.melodies or run.number not in self._runs:
                return
            try:
                self._keeper.put(run)
            except InputError as error:
                self.close()
                raise InputError(f"{error}: what is made from now on is gone when the studio is closed") from error

    def run(self, number: int) -> Run:
        """The run of a number.

        Raises:
            InputError: there is none, or it was forgotten.
        """
        if number not in self._runs:
            raise InputError(f"there is no run {number} (any more): the latest {MOST_RUNS} are here")
        return self._runs[number]

    def mark(self, run: int, number: int, mark: Mark | None) -> None:
        """Keep a melody, discard it, or neither.

        Raises:
            InputError: there is no such melody, or too much is kept.
        """
        with self._lock:
            marked = self.run(run)
            marked.melody(number)
            if mark == "kept" and not marked.kept and sum(it.kept for it in self) >= MOST_KEPT:
                raise InputError(f"something of {MOST_KEPT} runs is kept already: download it, and let some go")
            marked.marks.pop(number, None)
            if mark:
                marked.marks[number] = mark
            self.record(marked)

    def kept(self) -> list[tuple[Run, int]]:
        """What was kept, oldest first."""
        return [(run, it) for run in self for it in sorted(run.melodies) if run.marks.get(it) == "kept"]

    def close(self) -> None:
        """Nothing more is kept."""
        with self._lock:
            if self._keeper:
                self._keeper.close()
            self._keeper = None

    def __iter__(self) -> Iterator[Run]:
        return iter(list(self._runs.values()))

    def __len__(self) -> int:
        return len(self._runs)

    def _forget(self) -> None:
        """The oldest go, as many as are too many."""
        free = [run.number for run in list(self._runs.values())[:-1] if not run.kept]
        for number in free[: max(0, len(self._runs) - MOST_RUNS)]:
            del self._runs[number]
            if self._keeper:
                self._keeper.remove(number)
