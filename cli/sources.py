"""Options of the commands that read a MIDI file of the user's: which melody of it."""

from typing import TYPE_CHECKING, Any

import click

from melodylc.cli.options import Command

if TYPE_CHECKING:
    from melodylc.data.source import Choice, Source


class _AsFourFour(click.Option):
    """An option with a slash in its name, which click's own spelling of options reads as on/off."""

    def __init__(self, declarations: list[str], **attributes: Any) -> None:
        super().__init__(declarations, **attributes)
        self.opts = ["--as-4/4"]


def source_options(command: Command) -> Command:
    """Add --track, --bars, --short and --as-4/4; `make_choice` takes them all."""
    options = (
        click.option("--track", metavar="TRACK", help="Number, from 1, or name.  [default: the most melodic]"),
        click.option(
            "--bars", metavar="A..B", help="16 bars at most, from 1, the first full one.  [default: the best 16]"
        ),
        click.option(
            "--short",
            type=click.Choice(["loop", "pad"]),
            help="Repeat fewer than 16 bars, or fill up with rests.  [default: loop 1, 2, 4 and 8, pad others]",
        ),
        click.option(
            "as_four_four",
            "--as-4-4",
            cls=_AsFourFour,
            is_flag=True,
            help="Count bars of four quarters from the first full bar, whatever the time signatures say.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def make_choice(track: str | None, bars: str | None, short: str | None, as_four_four: bool) -> "Choice":
    """What the options say.

    Raises:
        InputError: bars that are none.
    """
    from melodylc.data.source import Choice, parse_bars

    asked: Any = short  # click has checked it
    return Choice(track, None if bars is None else parse_bars(bars), asked, as_four_four)


def summary(source: "Source") -> str:
    """What was taken and done, in one line."""
    return f"{source.file}: {'; '.join(source.remarks)}"
