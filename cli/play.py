"""`melodylc play`: melodies through a MIDI port, looping; a key brings the next one."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from melodylc.cli.sources import make_choice, source_options
from melodylc.cli.ui import print_json, say
from melodylc.data.errors import InputError

if TYPE_CHECKING:
    from melodylc.data.live import Wish

_WISHES: "dict[str, Wish]" = {"n": "next", " ": "next", "b": "back", "q": "stop"}


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--port", metavar="NAME", help="A MIDI output, or a part of its name.  [default: the only one]")
@click.option("--virtual", is_flag=True, help="Make a port that other programs can listen to.")
@click.option("--list", "listing", is_flag=True, help="List the MIDI outputs, and play nothing.")
@click.option("--json", "as_json", is_flag=True, help="With --list: print JSON.")
@click.option("--tempo", type=float, help="Quarter notes a minute.  [default: the first file's]")
@click.option("--program", metavar="NAME", help="Instrument of General MIDI: its name, or 1 to 128.")
@click.option("--channel", default=1, show_default=True, type=int, help="1 to 16, but for 10, the drums.")
@click.option("--swing", default=50.0, show_default=True, type=float, help="Off-beat sixteenths: 50 to 70 percent.")
@click.option("--humanize", default=0.0, show_default=True, type=float, help="0 to 100 percent.")
@source_options
def play(
    files: tuple[Path, ...],
    port: str | None,
    virtual: bool,
    listing: bool,
    as_json: bool,
    tempo: float | None,
    **options: Any,
) -> None:
    """Play MIDI files, or folders of them, through a MIDI port, over and over.

    Space or n brings the next one, b the one before, at the next bar line; q or Ctrl-C stops.

    \b
    melodylc play melodies --virtual
    melodylc play 01.mid 02.mid --port fluid --program flute
    """
    from melodylc.data.live import Player, SystemClock, open_port, port_names
    from melodylc.data.source import extract_melody
    from melodylc.data.writing import Writing

    if listing:
        print_json(port_names()) if as_json else click.echo("\n".join(port_names()))
        return
    settings = {name: options.pop(name) for name in ("program", "channel", "swing", "humanize")}
    writing, choice = Writing.read(**settings), make_choice(**options)
    sources = [extract_melody(file, choice) for file in _expand(files)]
    beats = tempo if tempo is not None else min(max(sources[0].tempo, 4.0), 1000.0)
    writing = replace(writing, tempo=beats)

    def tell(index: int) -> None:
        say(f"playing {index + 1} of {len(sources)}: {sources[index].file}, {'; '.join(sources[index].remarks)}")

    with open_port(port, virtual) as output, _keys() as wish:
        say("space: next, b: back, q: stop")
        melodies = [source.melody for source in sources]
        Player(melodies, writing, output.send, wish, SystemClock(), tell).play()


def _expand(files: tuple[Path, ...]) -> list[Path]:
    """The files, and of folders the MIDI files in them."""
    found = [it for path in files for it in (sorted(path.glob("*.mid")) if path.is_dir() else [path])]
    if not found:
        raise InputError("nothing to play: give MIDI files, or a folder with .mid files")
    return found


@contextmanager
def _keys() -> Iterator[Callable[[], "Wish | None"]]:
    """What the keys pressed since the last call ask for; nothing where no terminal is."""
    if not sys.stdin.isatty():
        yield lambda: None
    elif sys.platform == "win32":
        import msvcrt

        yield lambda: _WISHES.get(msvcrt.getwch().lower()) if msvcrt.kbhit() else None
    else:
        with _raw_terminal():
            yield _read_key


@contextmanager
def _raw_terminal() -> Iterator[None]:
    """Keys are there when they are pressed, not at the end of the line."""
    import termios
    import tty

    former = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, former)


def _read_key() -> "Wish | None":
    import os
    import select

    ready, _, _ = select.select([sys.stdin], [], [], 0)
    return _WISHES.get(os.read(sys.stdin.fileno(), 1).decode("ascii", "replace").lower()) if ready else None
