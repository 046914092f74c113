"""What the commands show: a bar while something runs, a table when it is done.

Tables go to stdout; bars and remarks to stderr, so that stdout can be piped. A bar is drawn only on
a terminal. Nothing here reads markup from its texts: a file called ``[red].mid`` stays that.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from melodylc.reporting import Reporter

_PIPED_WIDTH = 200  # no terminal to fit: wide enough that a path isn't broken in the middle


def console(*, stderr: bool = False) -> "Console":
    """A console on stdout or stderr that prints texts as they are."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not made.is_terminal:
        made.width = max(made.width, _PIPED_WIDTH)
    return made


def say(text: str) -> None:
    """Print a remark, one line, on stderr."""
    console(stderr=True).print(text)


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
    """Show a bar on stderr while the block runs; the block calls what it is given to advance it.

    Args:
        label: what is being done, the words before the bar.
        total: how many steps there will be, or None where nobody knows.

    The function given takes ``advance=1``, and ``total=`` and ``label=`` to correct either.

    >>> with progress("counting", total=3) as step:
    ...     for _ in range(3):
    ...         step()
    """
    from rich import progress as bars

    target = console(stderr=True)
    columns = (
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=target, transient=True, disable=not target.is_terminal) as bar:
        task = bar.add_task(label, total=total)

        def step(advance: float = 1, *, total: float | None = None, label: str | None = None) -> None:
            bar.update(task, advance=advance, total=total, description=label)

        yield step


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

    cells = [list(row) for row in rows]
    made = Table(box=box.SIMPLE_HEAD, title=Text(title) if title else None, title_justify="left", show_edge=False)
    for index, name in enumerate(columns):
        numeric = bool(cells) and all(isinstance(row[index], int | float) for row in cells)
        made.add_column(Text(name), justify="right" if numeric else "left")
    for row in cells:
        made.add_row(*(Text(str(cell)) for cell in row))
    console().print(made, soft_wrap=False)
