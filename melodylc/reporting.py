"""How long work tells how far it is: one object with two methods, silent unless somebody listens.

A function that may take long takes a `Reporter`. The command line shows a bar, a notebook or a script may pass one of
its own:

>>> class Printing(Reporter):
...     def progress(self, label: str, done: float, total: float | None = None) -> None:
...         print(f"{label}: {done} of {total}")
>>> Printing().progress("writing melodies", 3, 8)
writing melodies: 3 of 8
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from melodylc.data.texts import escape_controls

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Reporter:
    """Hears how far the work is, and keeps it to itself."""

    def progress(self, label: str, done: float, total: float | None = None) -> None:
        """So much of what `label` names is done, of so much in all, or of nobody knows how much."""

    def note(self, text: str) -> None:
        """One line that a user should read."""


SILENT = Reporter()


class BarReporter(Reporter):
    """Draws one bar on stderr, whose words and numbers follow the work."""

    def __init__(self, bar: "Progress") -> None:
        self._bar = bar
        self._task: TaskID | None = None

    def progress(self, label: str, done: float, total: float | None = None) -> None:
        """Move the bar."""
        label = escape_controls(label, line=True)
        if self._task is None:
            self._task = self._bar.add_task(label, total=total)
        self._bar.update(self._task, completed=done, total=total, description=label)

    def note(self, text: str) -> None:
        """Print the line above the bar."""
        self._bar.console.print(escape_controls(text, line=True), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress_bar() -> Iterator[Reporter]:
    """A reporter for the block: a bar where stderr is a terminal or a notebook, else a silent one."""
    if not (sys.stderr is not None and sys.stderr.isatty()) and "ipykernel" not in sys.modules:
        yield SILENT
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield BarReporter(bar)
