"""The front door of the command line: the table of commands, and the one edge where errors end.

Adding a command is adding a file to this folder and a row to `COMMANDS`.

Exit codes: 0 done; 2 a mistake of the user's, in one line; 3 melodies are missing;
130 Ctrl-C; 1 the reader of our output went away, or a bug (with its traceback).
"""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click
from click.exceptions import NoArgsIsHelpError

from melodylc.cli.lazy import LazyGroup, Row
from melodylc.data.errors import MelodylcError

COMMANDS = {
    "generate": Row("melodylc.cli.generate:generate", "Write melodies that obey a scale, a note density, or any rule."),
    "transform": Row("melodylc.cli.transform:transform", "Make a melody of a MIDI file obey, changing little."),
    "vary": Row("melodylc.cli.vary:vary", "Write variations of a melody of a MIDI file."),
    "interpolate": Row("melodylc.cli.interpolate:interpolate", "Write what lies between two melodies of MIDI files."),
    "morph": Row("melodylc.cli.morph:morph", "Lead one melody from one scale to another, step by step."),
    "reconstruct": Row(
        "melodylc.cli.reconstruct:reconstruct", "Write what the model makes of a melody of a MIDI file."
    ),
    "show": Row("melodylc.cli.show:show", "Show MIDI files as piano rolls, in the terminal or a picture."),
    "score": Row("melodylc.cli.score:score", "Say how far a MIDI file obeys, as a whole and bar by bar."),
    "play": Row("melodylc.cli.play:play", "Play MIDI files through a MIDI port, looping."),
    "studio": Row("melodylc.cli.studio:studio", "Open a page to make, hear and keep melodies, offline."),
    "fit": Row("melodylc.cli.fit:fit", "Learn an actor for a rule, as a file."),
    "rewards": Row("melodylc.cli.rewards:rewards", "Show the rules that can be asked for, and test your own."),
    "data": Row("melodylc.cli.data:data", "Build a corpus of melodies from MIDI files."),
    "train": Row("melodylc.cli.train:train", "Train the model of melodies on a corpus."),
    "evaluate": Row("melodylc.cli.evaluate:evaluate", "Measure a model, or how far rules are kept."),
    "image": Row("melodylc.cli.image:image", "Pictures with the labels you ask for, on the same core."),
}
USER_ERROR = 2
INTERRUPTED = 130


@click.group(cls=LazyGroup, rows=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="melodylc", prog_name="melodylc", message="%(prog)s %(version)s")
def group() -> None:
    """Write sixteen-bar melodies that obey a scale, a note density or any rule, as MIDI, offline."""


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave the process with its exit code."""
    # Threads of torch that wait for one another spin; on a core that others use too, that costs ten times the time.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    sys.exit(run(args))


def run(args: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        args: the words after ``melodylc``; those of this process when None.

    A command chooses a code of its own by returning it or through `click.Context.exit`.
    """
    try:
        result = group.main(args, prog_name="melodylc", standalone_mode=False)
    except NoArgsIsHelpError as error:
        error.show()
        return USER_ERROR
    except (MelodylcError, click.ClickException, OSError) as error:
        return _refuse(_line(error))
    except (click.Abort, KeyboardInterrupt):
        click.echo("melodylc: interrupted", err=True)
        return INTERRUPTED
    return result if isinstance(result, int) else 0


def _line(error: Exception) -> str:
    """One line for an error, with a pointer to the help where the command line was wrong."""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{error.format_message().rstrip('.')} (see '{error.ctx.command_path} --help')"
    return error.format_message() if isinstance(error, click.ClickException) else str(error)


def _refuse(message: str) -> int:
    click.echo(f"melodylc: error: {' '.join(message.split())}", err=True)
    return USER_ERROR
