"""The edge to the terminal: what commands show, and that all of it can be printed.

Tables go to stdout; bars and remarks to stderr, so that stdout can be piped. A bar is drawn only on a terminal;
elsewhere, in a log, long work says a line now and then. Nothing here reads markup from its texts: a file called
``[red].mid`` stays that.

File names, names inside archives and texts of exceptions come from strangers, and a terminal obeys what it is sent. So
what leaves by `sys.stdout` and `sys.stderr` goes through `Printable`, the one place where control characters become
escapes. Only rich, which draws bars and colours, goes past it; its texts are made printable before.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from melodylc.data.texts import escape, escape_controls, escape_surrogates

if TYPE_CHECKING:
    from rich.console import Console

    from melodylc.reporting import Reporter

LINE_SECONDS = 20.0  #: between two lines of long work where there is no terminal
_PIPED_WIDTH = 200  # no terminal to fit: wide enough that a path isn't broken in the middle


class Printable:
    """A text stream that takes anything and writes what can be printed, in the encoding that there is.

    Args:
        stream: where it goes.
        controls: whether control characters are left alone: for rich, whose own they are.
    """

    encoding = "utf-8"  # whatever the stream's is: what it hasn't is spelt out
    errors = "strict"

    def __init__(self, stream: TextIO, *, controls: bool = False) -> None:
        self._stream = stream
        self._controls = controls

    def write(self, text: str) -> int:
        """Write a text; how long it was."""
        if not isinstance(text, str):
            raise TypeError(f"a text stream takes texts, not {type(text).__name__}")
        shown = escape_surrogates(text) if self._controls else escape_controls(text)
        encoding = self._stream.encoding or "utf-8"
        try:
            shown.encode(encoding)
        except UnicodeEncodeError:
            shown = "".join(it if _encodes(it, encoding) else escape(it) for it in shown)
        self._stream.write(shown)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts, one after the other."""
        for line in lines:
            self.write(line)

    @property
    def rich_proxied_file(self) -> "Printable":
        """The stream for rich; it asks for one by this name."""
        return Printable(self._stream, controls=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _encodes(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def printable_streams() -> Iterator[None]:
    """While the block runs, all that is printed can be."""
    former = sys.stdout, sys.stderr
    make_streams_printable()
    try:
        yield
    finally:
        # click puts a stream that no longer complains in place of one whose reader went away: that one stays.
        if isinstance(sys.stdout, Printable):
            sys.stdout, sys.stderr = former


def make_streams_printable() -> None:
    """All that is printed from now on can be."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not hasattr(stream, "rich_proxied_file"):
            setattr(sys, name, Printable(stream))


def console(*, stderr: bool = False) -> "Console":
    """A console on stdout or stderr that prints texts as they are, made printable."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class _Console(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for text, style, control in super().render(renderable, options):
                yield Segment(text if control else escape_controls(text), style, control)

    stream = _stream(stderr)
    made = _Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not stream.isatty():
        made.width = max(made.width, _PIPED_WIDTH)
    return made


def _stream(stderr: bool) -> Any:
    """Where rich writes: the stream below all that stand for it."""
    stream = sys.stderr if stderr else sys.stdout
    while not (isinstance(stream, Printable) and stream._controls) and hasattr(stream, "rich_proxied_file"):
        stream = stream.rich_proxied_file
    return stream


def animates() -> bool:
    """Whether stderr is a terminal that can draw a bar, whatever `FORCE_COLOR` says."""
    import os

    return _stream(stderr=True).isatty() and os.environ.get("TERM") != "dumb"


def print_json(value: object) -> None:
    """Print plain values on stdout as JSON."""
    import json

    import click

    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def say(text: str) -> None:
    """Print a remark, one line, on stderr."""
    console(stderr=True).print(escape_controls(text, line=True))


@contextmanager
def reporting(label: str) -> Iterator["Reporter"]:
    """A reporter for the block: its progress is a bar on stderr, its notes are remarks."""
    from melodylc.reporting import Reporter

    with progress(label) as step:
        done_before = 0.0

        class Bar(Reporter):
            def progress(self, label: str, done: float, total: float | None = None) -> None:
                nonlocal done_before
                step(done - done_before, total=total, label=label)
                done_before = done

            def note(self, text: str) -> None:
                say(text)

        yield Bar()


@contextmanager
def progress(label: str, total: float | None = None) -> Iterator[Callable[..., None]]:
    """Show on stderr how far the block is: a bar on a terminal, elsewhere a line now and then.

    The block calls what it is given to advance it.

    Args:
        label: what is being done, the words before the bar.
        total: how many steps there will be, or None where nobody knows.

    The function given takes ``advance=1``, and ``total=`` and ``label=`` to correct either.

    >>> with progress("counting", total=3) as step:
    ...     for _ in range(3):
    ...         step()
    """
    if not animates():
        yield _Lines(label, total).step
        return
    from rich import progress as bars

    columns = (
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape_controls(label, line=True), total=total)

        def step(advance: float = 1, *, total: float | None = None, label: str | None = None) -> None:
            shown = None if label is None else escape_controls(label, line=True)
            bar.update(task, advance=advance, total=total, description=shown)

        yield step


class _Lines:
    """Progress for a log: a line every `LINE_SECONDS`, where the work takes that long."""

    def __init__(self, label: str, total: float | None) -> None:
        self._label, self._total, self._done = label, total, 0.0
        self._start = self._last = time.monotonic()

    def step(self, advance: float = 1, *, total: float | None = None, label: str | None = None) -> None:
        self._done += advance
        self._total = self._total if total is None else total
        self._label = self._label if label is None else label
        now = time.monotonic()
        if now - self._last >= LINE_SECONDS:
            self._last = now
            of = "" if self._total is None else f" of {self._total:g}"
            say(f"{self._label}: {self._done:g}{of}, {now - self._start:.0f} s")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """Print rows under their columns on stdout; cells that are numbers stand to the right.

    >>> table(["file", "notes"], [["01.mid", 200], ["02.mid", 64]])  # doctest: +NORMALIZE_WHITESPACE
     file     notes
    ────────────────
     01.mid     200
     02.mid      64
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    def text(value: object) -> Text:
        return Text(escape_controls(str(value), line=True))

    cells = [list(row) for row in rows]
    made = Table(box=box.SIMPLE_HEAD, title=text(title) if title else None, title_justify="left", show_edge=False)
    for index, name in enumerate(columns):
        numeric = bool(cells) and all(isinstance(row[index], int | float) for row in cells)
        made.add_column(text(name), justify="right" if numeric else "left")
    for row in cells:
        made.add_row(*map(text, row))
    console().print(made, soft_wrap=False)
