"""What the commands share that make melodies of melodies: options, the work, the table."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from melodylc.cli.fit import find_or_fit, find_or_teach
from melodylc.cli.generate import INCOMPLETE, MOST, MOST_SEED
from melodylc.cli.options import Command, make_request, method_option, own_request_options, prior_option
from melodylc.cli.sources import make_choice, source_options, summary
from melodylc.cli.ui import progress, say, table
from melodylc.cli.writings import take_writing, writing_options

if TYPE_CHECKING:
    from melodylc.data.formats.render import Rendered
    from melodylc.data.source import Choice, Source
    from melodylc.data.writing import Writing
    from melodylc.request import Request
    from melodylc.transform.order import Rework, What
    from melodylc.transform.production import Means, Reworked
    from melodylc.transform.transformer import Moved

_SOURCE = ("track", "bars", "short", "as_four_four")
_REQUEST = ("scale", "tonic", "density", "reward", "reward_seconds", "variety")
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
    """Add what a melody must obey, and what moves it there; `run` takes them."""
    return own_request_options(prior_option(method_option(command)))


def run(what: "What", files: tuple[Path, ...], **options: Any) -> int:
    """Do the work of such a command: the exit code."""
    from melodylc.folder import OutputFolder
    from melodylc.transform.order import Rework

    asked_tempo = click.get_current_context().get_parameter_source("tempo") is not click.core.ParameterSource.DEFAULT
    output, seed = options.pop("output"), options.pop("seed")
    request = _request(options)
    writing = take_writing(options)
    sources, choice = _sources(files, options)
    order = Rework(
        what=what,
        sources=sources,
        choice=choice,
        request=request,
        seed=secrets.randbits(31) if seed is None else seed,
        writing=writing if asked_tempo or not sources else _at_tempo(writing, sources[0].tempo),
        **options,
    )
    # Before torch is imported: a mistake should cost no time.
    folder = OutputFolder.claim(output or Path(order.folder_name), order.to_dict())
    for source in sources:
        say(summary(source))
    done = _work(order)
    rendered = done.rendered()
    folder.write(rendered.files, done.manifest(rendered))
    _show(done, rendered, folder.path)
    return INCOMPLETE if done.missing else 0


def _request(options: dict[str, Any]) -> "Request":
    from melodylc.request import Request

    asked = {name: options.pop(name) for name in _REQUEST if name in options}
    return make_request(**asked) if asked else Request(varied=False)


def _sources(files: tuple[Path, ...], options: dict[str, Any]) -> "tuple[tuple[Source, ...], Choice]":
    from melodylc.data.source import extract_melody

    choice = make_choice(**{name: options.pop(name) for name in _SOURCE})
    return tuple(extract_melody(file, choice) for file in files), choice


def _at_tempo(writing: "Writing", tempo: float) -> "Writing":
    from dataclasses import replace

    from melodylc.data.writing import FASTEST, SLOWEST

    return replace(writing, tempo=min(max(round(tempo, 3), SLOWEST), FASTEST))


def _work(order: "Rework") -> "Reworked":
    from melodylc.actors import find_actor, shipped_model
    from melodylc.models.checkpoint import load_model
    from melodylc.transform.production import Means, rework

    model = load_model(order.model) if order.model else shipped_model()

    def means(request: "Request") -> "Means":
        actor = find_or_fit(model, request, order.prior)
        return Means(
            actor, find_or_teach(model, request.rule, actor, order.prior) if order.method == "optimize" else None
        )

    def shipped(request: "Request") -> "Means | None":
        actor = find_actor(model, request.rule, order.prior) if request.rule else None
        return Means(actor) if actor and actor.origin == "shipped" else None

    with progress("making melodies", total=order.count) as step:
        made = 0

        def report(done: int) -> None:
            nonlocal made
            step(done - made)
            made = done

        return rework(order, model, means, report, shipped)


def _show(done: "Reworked", rendered: "Rendered", folder: Path) -> None:
    order, rule = done.order, done.order.request.rule
    names = rule.names[:_PARTS] if rule and order.to is None else ()
    rows = [
        [
            files[0],
            *_judged(done, one, len(names)),
            one.melody.note_count,
            *(f"{share:.0%}" for share in (one.kept.onsets, one.kept.pitches, one.kept.intervals)),
            f"{one.kept.shift:+d}" if one.kept.shift else "",
            f"{one.change:.2f}",
        ]
        for one, files in zip(done.kept, rendered.of[len(order.sources) :], strict=True)
    ]
    judged = [*names, ""] if names else ["scale"] if order.to else []
    table(["file", *judged, "notes", "in time", "pitches", "intervals", "key", "change"], rows)
    for what, which in rendered.about.items():
        say(f"{what.replace('_', ' ')}: {which}")
    say(f"wrote {len(done.kept)} melodies, what they were made of and manifest.json to {folder} (seed {order.seed})")
    if done.missing:
        numbers = ", ".join(map(str, done.missing))
        say(f"missing: melody {numbers}: nothing new that obeys was found near it; ask for fewer, or for less")


def _judged(done: "Reworked", one: "Moved", parts: int) -> list[str]:
    """What the rule says of a melody; of a step of a morph, whose rules differ, the scale that it obeys."""
    scale = done.order.requests[one.number - 1].scale
    if done.order.to and scale:
        return [scale.name]
    return [*(f"{reward:.3f}" for reward in one.rewards[:parts]), "pass"] if parts else []
