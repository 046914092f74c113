"""What was made since the studio was opened: runs, each with its melodies, so that anything heard can be had again."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from melodylc.data.errors import InputError
from melodylc.data.melody import Melody
from melodylc.draws import Draw
from melodylc.request import Order, Request
from melodylc.studio.plan import Plan

Kind = Literal["generate", "vary", "mend", "drop"]
Mark = Literal["kept", "discarded"]
MOST_RUNS = 500  #: older ones are forgotten, unless something of them was kept


@dataclass(frozen=True)
class Made:
    """What `melodylc generate` would make again: the order, how it was served, and the draws so far."""

    order: Order
    plan: Plan
    draws: dict[int, Draw] = field(default_factory=dict)  #: by number

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
    asked: dict[str, Any] | None = None  #: the page's own words for it
    seed: int = 0
    of: tuple[int, int] | None = None  #: the run and the number of the melody that it comes from
    settings: dict[str, Any] = field(default_factory=dict)  #: of a variation
    remarks: tuple[str, ...] = ()
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


class History:
    """The runs, the latest last."""

    def __init__(self) -> None:
        self._runs: dict[int, Run] = {}
        self._next = 1
        self._lock = threading.Lock()

    def add(self, kind: Kind, **about: Any) -> Run:
        """A new run, with no melody yet."""
        with self._lock:
            run = Run(self._next, kind, **about)
            self._next += 1
            self._runs[run.number] = run
            if len(self._runs) > MOST_RUNS:
                self._forget()
        return run

    def run(self, number: int) -> Run:
        """The run of a number.

        Raises:
            InputError: there is none, or it was forgotten.
        """
        if number not in self._runs:
            raise InputError(f"there is no run {number} (any more): what was made before the studio was opened is gone")
        return self._runs[number]

    def mark(self, run: int, number: int, mark: Mark | None) -> None:
        """Keep a melody, discard it, or neither."""
        marks = self.run(run).marks
        self.run(run).melody(number)
        marks.pop(number, None)
        if mark:
            marks[number] = mark

    def kept(self) -> list[tuple[Run, int]]:
        """What was kept, oldest first."""
        return [(run, it) for run in self for it in sorted(run.melodies) if run.marks.get(it) == "kept"]

    def __iter__(self) -> Iterator[Run]:
        return iter(list(self._runs.values()))

    def _forget(self) -> None:
        free = (run for run in self._runs.values() if "kept" not in run.marks.values())
        oldest = next(free, None)
        if oldest:
            del self._runs[oldest.number]
