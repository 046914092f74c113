"""What the commands share that make melodies of melodies: options, the work, the table."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from melodylc.cli.generate import INCOMPLETE, MOST_SEED
from melodylc.cli.options import Command, make_request, mover_option, own_request_options, prior_option
from melodylc.cli.sources import make_choice, source_options, summary
from melodylc.cli.ui import reporting, say, table
from melodylc.cli.writings import take_writing, writing_options

if TYPE_CHECKING:
    from melodylc.constraints.request import Request
    from melodylc.data.formats.render import Rendered
    from melodylc.data.source import Choice, Source
    from melodylc.editing.transformer import EditResult
    from melodylc.service.edit_order import What
    from melodylc.service.edit_production import EditProduction

_SOURCE = ("track", "bars", "short", "as_four_four")
_REQUEST = (*("scale", "tonic", "density", "chords", "reward", "reward_seconds", "variety", "pitch_range", "middle_c"),)
MOST = 10_000  #: melodies of one command
_PARTS = 6  # of a rule that a table has room for


def count_option(default: int, text: str) -> Callable[[Command], Command]:
    """The option -n."""
    return click.option("-n", "--count", default=default, show_default=True, type=click.IntRange(1, MOST), help=text)


def source_and_output_options(command: Command) -> Command:
    """Add what says which melody of a file, where to, from which seed, and how it is written; `run` takes them."""
    options = (
        source_options,
        click.option(
            "--seed", type=click.IntRange(0, MOST_SEED), help="Same seed, same melodies.  [default: a new one]"
        ),
        click.option(
            "-o", "--output", type=click.Path(path_type=Path), help="Folder.  [default: one named after the request]"
        ),
        writing_options,
        click.option(
            "--model", type=click.Path(path_type=Path), help="Another trained model than the one that's shipped."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def rule_options(command: Command) -> Command:
    """Add what a melody must follow, and what moves it there; `run` takes them."""
    return own_request_options(prior_option(mover_option(command)))


def new_bars_options(command: Command) -> Command:
    """Add what new bars keep to beside those of the user's; `run` takes them."""
    options = (
        click.option("--new-bars-only", is_flag=True, help="The rule judges new bars only."),
        click.option(
            "alike",
            "--alike/--free",
            default=True,
            show_default=True,
            help="Whether new bars keep to your bars' key, range and density.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def kept_bars(text: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options of a command, with the bars to keep that someone typed, and the sixteen that hold them."""
    from melodylc.service.edit_order import bars_around, parse_keep

    keep = parse_keep(text)
    return {**options, "keep": keep, "bars": options["bars"] or "{}..{}".format(*bars_around(keep))}


def run(what: "What", files: tuple[Path, ...], **options: Any) -> int:
    """Do the work of such a command: the exit code."""
    from melodylc.service.edit_order import EditOrder, target_key
    from melodylc.service.output_folder import OutputFolder

    asked_tempo = click.get_current_context().get_parameter_source("tempo") is not click.core.ParameterSource.DEFAULT
    output, seed = options.pop("output"), options.pop("seed")
    request = _request(options)
    writing = take_writing(options)
    sources, choice = _sources(files, options)
    if to_key := options.pop("to_key", None):
        options["to_key"] = target_key(to_key, sources[0].melody)
    order = EditOrder(
        what=what,
        sources=sources,
        choice=choice,
        request=request,
        seed=secrets.randbits(31) if seed is None else seed,
        writing=writing if asked_tempo or not sources else writing.at(sources[0].tempo),
        **options,
    )
    # Before torch is imported: a mistake should cost no time.
    folder = OutputFolder.claim(output or Path(order.folder_name), order.to_dict())
    for source in sources:
        say(summary(source))
    from melodylc.service.edit_production import run_edit_order

    with reporting("loading the model") as reporter:
        done = run_edit_order(order, reporter)
    rendered = done.rendered()
    folder.write(rendered.files, done.manifest(rendered))
    _show(done, rendered, folder.path)
    return INCOMPLETE if done.missing else 0


def _request(options: dict[str, Any]) -> "Request":
    from melodylc.constraints.request import Request

    asked = {name: options.pop(name) for name in _REQUEST if name in options}
    return make_request(**asked) if asked else Request(varied=False)


def _sources(files: tuple[Path, ...], options: dict[str, Any]) -> "tuple[tuple[Source, ...], Choice]":
    from melodylc.data.source import extract_melody

    choice = make_choice(**{name: options.pop(name) for name in _SOURCE})
    return tuple(extract_melody(file, choice) for file in files), choice


def _show(done: "EditProduction", rendered: "Rendered", folder: Path) -> None:
    order, rule = done.order, done.order.request.rule
    names = rule.names[:_PARTS] if rule is not None and order.to is None else ()
    rows = [
        [
            files[0],
            *_reward_cells(done, one, len(names)),
            one.melody.note_count,
            *(f"{share:.0%}" for share in (one.similarity.onsets, one.similarity.pitches, one.similarity.intervals)),
            f"{one.similarity.shift:+d}" if one.similarity.shift else "",
            f"{one.change:.2f}",
        ]
        for one, files in zip(done.accepted, rendered.of[len(order.sources) :], strict=True)
    ]
    judged = [*names, ""] if names else ["scale"] if order.to else []
    table(["file", *judged, "notes", "in time", "pitches", "intervals", "key", "change"], rows)
    for what, which in rendered.about.items():
        say(f"{what.replace('_', ' ')}: {which}")
    count = len(done.accepted)
    what = f"{count} {'melody' if count == 1 else 'melodies'}"
    say(f"wrote {what}, what they were made of and manifest.json to {folder} (seed {order.seed})")
    if done.missing:
        numbers = ", ".join(map(str, done.missing))
        say(f"missing: melody {numbers}: nothing new near it follows the rules; ask for fewer, or for less")


def _reward_cells(done: "EditProduction", one: "EditResult", parts: int) -> list[str]:
    """What the rule says of a melody; of a step of a morph, whose rules differ, the scale that it stays in."""
    scale = done.order.requests[one.number - 1].scale
    if done.order.to and scale:
        return [scale.name]
    return [*(f"{reward:.3f}" for reward in one.rewards[:parts]), "pass"] if parts else []
