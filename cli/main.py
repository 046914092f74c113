"""The front door of the command line: the table of commands, and the one edge where errors end.

Adding a command is adding a file to this folder and a row to `COMMANDS`.

`EXIT_CODES` are all of them. SIGTERM and SIGHUP are Ctrl-C, but for the code: whatever keeps its work
at the one keeps it at the others.
"""

import errno
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

import click
from click.exceptions import NoArgsIsHelpError

from melodylc.cli.lazy import LazyGroup, Row
from melodylc.cli.ui import make_streams_printable, printable_streams
from melodylc.data.errors import MelodylcError
from melodylc.data.files import reason
from melodylc.data.texts import escape_controls

COMMANDS = {
    "generate": Row("melodylc.cli.generate:generate", "Write melodies in a key, with a note density, or by any rule."),
    "transform": Row("melodylc.cli.transform:transform", "Make a melody of a file follow a rule, changing little."),
    "vary": Row("melodylc.cli.vary:vary", "Write variations of a melody of a MIDI file."),
    "continue": Row("melodylc.cli.extend:extend", "Write what follows bars of a MIDI file."),
    "fill": Row("melodylc.cli.fill:fill", "Write bars between bars of a MIDI file."),
    "interpolate": Row("melodylc.cli.interpolate:interpolate", "Write what lies between two melodies of MIDI files."),
    "morph": Row("melodylc.cli.morph:morph", "Lead one melody from one scale to another, step by step."),
    "reconstruct": Row(
        "melodylc.cli.reconstruct:reconstruct", "Write what the model makes of a melody of a MIDI file."
    ),
    "manifest": Row("melodylc.cli.manifest:manifest", "Join the parts of a run of `generate`."),
    "show": Row("melodylc.cli.show:show", "Show MIDI files as piano rolls, in the terminal or a picture."),
    "score": Row("melodylc.cli.score:score", "Say how far a file follows a rule, whole and bar by bar."),
    "play": Row("melodylc.cli.play:play", "Play MIDI files through a MIDI port, looping."),
    "studio": Row("melodylc.cli.studio:studio", "Open a page to make, hear and keep melodies, offline."),
    "fit": Row("melodylc.cli.fit:fit", "Learn a rule once, to use it often, as a file."),
    "rewards": Row("melodylc.cli.rewards:rewards", "Show the rules that can be asked for, and test your own."),
    "data": Row("melodylc.cli.data:data", "Build a corpus of melodies from MIDI files."),
    "train": Row("melodylc.cli.train:train", "Train the model of melodies on a corpus."),
    "evaluate": Row("melodylc.cli.evaluate:evaluate", "Measure a model, or how far rules are kept."),
    "cache": Row("melodylc.cli.cache:cache", "Show or clear what was learnt and kept for the next time."),
    "image": Row("melodylc.cli.image:image", "Pictures with the labels you ask for, on the same core."),
}
READER_GONE = 1
USER_ERROR = 2
INTERRUPTED = 130
EXIT_CODES = {
    0: "done",
    READER_GONE: "whoever read the output went away, as `| head` does; or a fault of ours, with its traceback",
    USER_ERROR: "a mistake on the command line, in a file or with a folder, in one line on stderr; nothing is lost",
    3: "some of the melodies asked for are missing; those that are there are written",
    129: "ended by SIGHUP: its terminal was closed",
    INTERRUPTED: "ended by Ctrl-C (SIGINT)",
    143: "ended by SIGTERM, as `timeout`, Slurm, systemd and containers send it",
}
_endings: list[int] = []  # signals other than Ctrl-C that told this process to end


@click.group(cls=LazyGroup, rows=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="melodylc", prog_name="melodylc", message="%(prog)s %(version)s")
@click.option("-v", "--verbose", is_flag=True, help="Say more about what goes on, on stderr.")
def group(verbose: bool) -> None:
    """Write melodies in a key, with a note density, or by any rule, as MIDI, offline."""
    if verbose:
        logging.getLogger("melodylc").setLevel(logging.DEBUG)


@contextmanager
def _logging() -> Iterator[None]:
    """What the package logs goes to stderr while the block runs: warnings, and with -v all that it has to say."""
    log = logging.getLogger("melodylc")
    handler, former = _Remarks(), log.level
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(former)


class _Remarks(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        click.echo(escape_controls(self.format(record), line=True), err=True)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave the process with its exit code."""
    # Threads of torch that wait for one another spin; on a core that others use too, that costs ten times the time.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    _open_streams()
    make_streams_printable()
    _heed_signals()
    try:
        code = run(args)
    except SystemExit as end:  # click's, where the reader of our output went away
        code = end.code if isinstance(end.code, int) else USER_ERROR
    sys.exit(_flush() or code)


def _open_streams() -> None:
    """Where a standard stream is missing (`>&-`), open one to nowhere, before a file of ours takes its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - to the end


def _heed_signals() -> None:
    """Make SIGTERM and SIGHUP what Ctrl-C is: the same exception, held back by the same blocks."""
    deaf = signal.getsignal(signal.SIGINT) == signal.SIG_IGN  # as a shell starts its background jobs

    def interrupt(*_: object) -> None:
        if _endings or not deaf:
            raise KeyboardInterrupt

    def end(number: int, _: object) -> None:
        _endings.append(number)
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, interrupt)
    for name in ("SIGTERM", "SIGHUP"):
        # What is ignored stays so: nohup.
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) == signal.SIG_DFL:
            signal.signal(getattr(signal, name), end)


def _flush() -> int:
    """Send off what is still to be printed; the exit code where that can't be, or 0."""
    code = 0
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            code = READER_GONE if error.errno == errno.EPIPE else USER_ERROR
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # or Python tries again, and complains
            if error.errno != errno.EPIPE:
                _refuse(f"can't read or write: {reason(error)}")
    return code


def run(args: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        args: the words after ``melodylc``; those of this process when None.

    A command chooses a code of its own by returning it or through `click.Context.exit`.
    """
    with printable_streams(), _logging():
        try:
            result = group.main(args, prog_name="melodylc", standalone_mode=False)
        except NoArgsIsHelpError as error:
            error.show()
            return USER_ERROR
        except (MelodylcError, click.ClickException, OSError) as error:
            return _refuse(_line(error))
        except (click.Abort, KeyboardInterrupt):
            return _interrupted()
        return result if isinstance(result, int) else 0


def _interrupted() -> int:
    if not _endings:
        click.echo("melodylc: interrupted", err=True)
        return INTERRUPTED
    click.echo(f"melodylc: ended by {signal.Signals(_endings[0]).name}", err=True)
    return 128 + _endings[0]


def _line(error: Exception) -> str:
    """One line for an error, with a pointer to the help where the command line was wrong."""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{error.format_message().rstrip('.')} (see '{error.ctx.command_path} --help')"
    if isinstance(error, OSError) and error.filename is None:  # a stream, not a file
        return f"can't read or write: {reason(error)}"
    return error.format_message() if isinstance(error, click.ClickException) else str(error)


def _refuse(message: str) -> int:
    click.echo(f"melodylc: error: {escape_controls(' '.join(message.split()), line=True)}", err=True)
    return USER_ERROR
