"""Options that several commands share: what a melody is asked for."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import click

if TYPE_CHECKING:
    from melodylc.constraints.request import Request

Command = TypeVar("Command", bound=Callable[..., Any])

SECONDS = click.FloatRange(0, min_open=True, max=86_400)


def seconds_option(command: Command) -> Command:
    """Add --reward-seconds to a command."""
    return click.option(
        "--reward-seconds",
        default=10.0,
        show_default=True,
        type=SECONDS,
        help="Most seconds that one call of a reward of your own may take.",
    )(command)


def middle_c_option(command: Command) -> Command:
    """Add --middle-c to a command: what the notes that are typed call MIDI pitch 60."""
    return click.option(
        "--middle-c",
        type=click.Choice(["C4", "C3"], case_sensitive=False),
        default="C4",
        show_default=True,
        help="What notes in --range call MIDI pitch 60; Live, Logic and Yamaha say C3.",
    )(command)


def prior_option(command: Command) -> Command:
    """Add --prior to a command."""
    return click.option(
        "--prior",
        type=click.Choice(["learnt", "normal"]),
        help="What latents are drawn from: the learnt prior or the paper's N(0, I).  [default: learnt if there is one]",
    )(command)


class GroupedCommand(click.Command):
    """A command whose help shows options in named groups, the first ones first.

    >>> titles = [title for title, _ in GroupedCommand.GROUPS]
    >>> titles[0], titles[-1]
    ('Options', 'For experiments')
    """

    GROUPS: ClassVar[tuple[tuple[str, tuple[str, ...]], ...]] = (
        ("Options", ("scale", "density", "chords", "reward", "count", "output")),
        (
            "More of what is asked",
            ("form", "motif", "tonic", "pitch_range", "length", "lane", "variety", "reward_seconds", "best_of", "seed"),
        ),
        (
            "How files are written",
            (
                *("tempo", "formats", "preview", "with_chords", "program", "type", "ppq", "velocity", "swing"),
                *("humanize", "channel", "transpose", "repeat", "loop_marker", "join", "no_tempo", "names"),
            ),
        ),
        ("For many", ("first", "whole", "workers", "cluster")),
        (
            "For experiments",
            ("method", "draws", "verify", "allow_copies", "keep_misses", "actor", "model", "prior", "realism"),
        ),
    )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the groups; what is in none stands with the last."""
        records = {param.name: param.get_help_record(ctx) for param in self.get_params(ctx)}
        for number, (title, names) in enumerate(self.GROUPS):
            rows = [record for name in names if (record := records.pop(name, None))]
            if number == len(self.GROUPS) - 1:
                rows += [record for record in records.values() if record]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class MethodName(click.ParamType[str]):
    """The name of a registered method; what is registered is looked up when it is needed."""

    name = "method"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Pass the name on, if there is such a method."""
        from melodylc.sampling.methods import check_method

        check_method(str(value))
        return str(value)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """What the help shows."""
        return "NAME"


def method_option(command: Command) -> Command:
    """Add --method, any registered one, to a command."""
    from melodylc.sampling.methods import DEFAULT_METHOD

    return click.option(
        "--method",
        type=MethodName(),
        default=DEFAULT_METHOD,
        show_default=True,
        help="How melodies are made to follow the rules; `melodylc evaluate rules` compares them.",
    )(command)


def mover_option(command: Command) -> Command:
    """Add --method to a command that changes melodies: what moves latents."""
    return click.option(
        "--method",
        type=click.Choice(["actor", "optimize"]),
        default="actor",
        show_default=True,
        help="What moves a latent to where its melody follows the rules: an actor, or steps along a critic's slope.",
    )(command)


def workers_options(command: Command) -> Command:
    """Add --workers and --cluster to a command; `melodylc.data.workers.choose_workers` takes them."""
    options = (
        click.option("--workers", type=click.IntRange(1), help="Processes, of one thread each.  [default: this one]"),
        click.option(
            "--cluster", metavar="ADDRESS", help="The scheduler of a Dask cluster that does the work: tcp://HOST:8786."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def realism_option(command: Command) -> Command:
    """Add --realism to a command."""
    return click.option(
        "--realism",
        metavar="WEIGHT",
        default=0.0,
        type=click.FloatRange(0, 100),
        help="Weight of the realism critic in the actor's fit. To experiment with: it costs obedience.  [default: 0]",
    )(command)


def request_options(command: Command) -> Command:
    """Add --scale, --tonic, --density, --chords, --reward, --range and what belongs to them; see `make_request`."""
    return _request_options(command, varied=True)


def own_request_options(command: Command) -> Command:
    """As `request_options`, for melodies that are somebody's own: --variety only where it is asked for."""
    return _request_options(command, varied=False)


def _request_options(command: Command, *, varied: bool) -> Command:
    options = (
        click.option(
            "--scale",
            "--key",
            metavar="SCALE",
            multiple=True,
            help="A root and one of 35 modes (cmaj, f#m, 'd dorian', eb-minor-pentatonic) or notes (0,2,4,7,9). "
            "Of several, notes lie in all.",
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
            multiple=True,
            help="Notes in 16 bars: low, medium, high, N (at least) or A..B (both included).",
        ),
        click.option(
            "--chords",
            metavar="BARS",
            help="Chords that it must fit, over and over: 'C | Am | F G7 | C/E', or numerals in --scale: 'I vi IV V7'.",
        ),
        click.option(
            "--reward",
            metavar="REWARD",
            multiple=True,
            help="A rule: path.py:NAME, or NAME of `melodylc rewards list`, with ,parameter=value; joined with & | ~.",
        ),
        click.option(
            "--range",
            "pitch_range",
            metavar="RANGE",
            help="Where every note lies: two notes (C4..A5), a voice or an instrument (alto, violin, bass guitar), or "
            "any.  [default: any]",
        ),
        middle_c_option,
        seconds_option,
        click.option(
            "--variety/--no-variety",
            default=varied,
            help="Whether 7 different pitches and 9 different bars are asked too, with any of these.  "
            f"[default: {'yes' if varied else 'no'}]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def make_request(reward_seconds: float, **texts: Any) -> "Request":
    """The request that the options spell.

    Raises:
        InputError: an unknown scale, a density out of range, a reward that can't be loaded, an ending without a scale.
    """
    from melodylc.constraints.request import Request

    return Request.read(**texts, seconds=reward_seconds)
