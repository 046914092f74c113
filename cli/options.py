"""Options that several commands share: what a melody is asked for."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from melodylc.data.errors import InputError

if TYPE_CHECKING:
    from melodylc.request import Request

Command = TypeVar("Command", bound=Callable[..., Any])


def request_options(command: Command) -> Command:
    """Add --scale, --tonic, --density and --variety to a command."""
    options = (
        click.option(
            "--scale",
            metavar="SCALE",
            help="A root and one of 35 modes (cmaj, f#m, 'd dorian', eb-minor-pentatonic) or notes (0,2,4,7,9).",
        ),
        click.option(
            "--tonic/--no-tonic",
            default=None,
            help="Whether the last note must be the tonic.  [default: yes where it alone tells the scale from another, "
            "as in minor and dorian; no in major]",
        ),
        click.option(
            "--density",
            metavar="NOTES",
            help="Notes in 16 bars: low, medium, high, N (at least) or A..B (both included).",
        ),
        click.option(
            "--variety/--no-variety",
            default=True,
            help="Whether 7 different pitches and 9 different bars are asked too, with any of these.  [default: yes]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def make_request(scale: str | None, tonic: bool | None, density: str | None, variety: bool) -> "Request":
    """The request that the options spell.

    Raises:
        InputError: an unknown scale, a density out of range, an ending without a scale.
    """
    from melodylc.data.keys import parse_scale
    from melodylc.request import Request
    from melodylc.rewards import parse_density

    if tonic is not None and scale is None:
        raise InputError(f"--{'' if tonic else 'no-'}tonic asks about the tonic of a scale: give --scale too")
    return Request(
        scale=parse_scale(scale) if scale is not None else None,
        density=parse_density(density) if density is not None else None,
        end_on_tonic=tonic,
        varied=variety,
    )
