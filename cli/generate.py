"""`melodylc generate`: melodies that follow a rule, as MIDI files, with a manifest that proves it."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from melodylc.cli.options import (
    GroupedCommand,
    make_request,
    method_option,
    prior_option,
    realism_option,
    request_options,
)
from melodylc.cli.ui import reporting, say, table
from melodylc.cli.writings import take_writing, writing_options
from melodylc.data.errors import InputError

if TYPE_CHECKING:
    from melodylc.constraints.request import Request
    from melodylc.data.formats.render import Rendered
    from melodylc.data.ranges import Lane
    from melodylc.models.config import PriorName
    from melodylc.service.generation import Generation

INCOMPLETE = 3  #: exit code where the budget was spent before every melody followed the rule
MOST = 10_000
MOST_SEED = 2**63 - 1


@click.command(cls=GroupedCommand)
@request_options
@click.option(
    "--lane",
    type=click.Choice(["lead", "inner", "bass"]),
    default="lead",
    show_default=True,
    help="What part of a piece it is. A lead is moved by octaves to about G3..E6, a bass lies in a bass guitar's range "
    "(E1..C4), unless --range says otherwise.",
)
@click.option(
    "--length",
    default=16,
    show_default=True,
    metavar="BARS",
    type=int,
    help="2, 4, 8 or 16 bars. Rules judge fewer than 16 over and over: a density counts the notes of 16.",
)
@click.option(
    "--form",
    metavar="FORM",
    help="Which sections come back: AABA or other letters, AAB (4, 4 and 8 bars), call-response. With "
    ",likeness=0.9 they return in nine steps of ten only.",
)
@click.option(
    "--motif",
    metavar="NOTES",
    help="Notes that come back, with lengths in sixteenths: 'G4:2 G4:2 G4:2 Eb4:8', or a file. With ,times=3 or "
    ",bars=1,5,13.  [default: twice]",
)
@click.option("-n", "--count", default=8, show_default=True, type=click.IntRange(1, MOST), help="How many melodies.")
@click.option("--seed", type=click.IntRange(0, MOST_SEED), help="Same seed, same melodies.  [default: a new one]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder.  [default: one named after the request]")
@writing_options
@click.option(
    "--draws",
    default=40,
    show_default=True,
    type=click.IntRange(1),
    help="Most attempts a melody may take to follow the rule.",
)
@click.option(
    "--best-of",
    default=1,
    metavar="K",
    type=click.IntRange(1, 1000),
    help="Of K melodies that follow the rule, write the one that a discriminator takes for most real.",
)
@realism_option
@click.option(
    "--verify/--no-verify",
    default=True,
    help="--no-verify writes single attempts, whether they follow the rule or not.",
)
@click.option(
    "--allow-copies",
    is_flag=True,
    help="Write melodies that share four bars with one that the shipped model was trained on, too.",
)
@click.option(
    "--actor", type=click.Path(path_type=Path), help="A learnt rule of `melodylc fit -o`, instead of those above."
)
@click.option("--model", type=click.Path(path_type=Path), help="Another trained model than the one that's shipped.")
@prior_option
@method_option
def generate(
    lane: "Lane",
    count: int,
    seed: int | None,
    output: Path | None,
    draws: int,
    best_of: int,
    realism: float,
    verify: bool,
    allow_copies: bool,
    model: Path | None,
    prior: "PriorName | None",
    actor: Path | None,
    method: str,
    **asked: Any,
) -> int:
    """Write melodies of 16 bars, or fewer, in a key, with as many notes as you ask for, or by any rule of your own.

    Every file written follows the rules and copies no four bars of a training melody: what doesn't is tried again,
    up to --draws times. Exit code 3 says that some are missing.

    \b
    melodylc generate --scale cmaj --density high -n 8 --seed 7 -o melodies
    melodylc generate --scale "f# minor" --density 64..96 --tempo 92
    melodylc generate --scale gmin --reward leaps.py:stepwise,largest=2
    """
    from melodylc.data.ranges import lane_range
    from melodylc.service.order import Order
    from melodylc.service.output_folder import OutputFolder

    writing = take_writing(asked)
    anywhere = lane == "lead" and asked["pitch_range"] == "any"
    if actor is None:
        asked["pitch_range"] = lane_range(lane, asked["pitch_range"])
    order = Order(
        request=_of_actor(actor, **asked) if actor else make_request(**asked),
        count=count,
        seed=secrets.randbits(31) if seed is None else seed,
        writing=writing,
        draws=draws,
        verify=verify,
        model=model,
        prior=prior,
        actor=actor,
        method=method,
        best_of=best_of,
        realism=realism,
        allow_copies=allow_copies,
        lane=lane,
        octaves=not anywhere,
    )
    # Before torch is imported: a mistake should cost no time.
    folder = OutputFolder.claim(output or Path(order.folder_name), order.to_dict())
    from melodylc.service.generation import run_order

    with reporting("loading the model") as reporter:
        done = run_order(order, reporter)
    rendered = done.rendered()
    folder.write(rendered.files, done.manifest(rendered))
    _show(done, rendered, folder.path)
    return INCOMPLETE if done.missing else 0


def _of_actor(path: Path, reward_seconds: float, variety: bool, middle_c: str, **others: Any) -> "Request":
    given = [name for name, value in others.items() if value not in ((), None, 16)]
    if given or not variety:
        raise InputError(
            f"--actor brings its own rule: leave out --{(given or ['no-variety'])[0].replace('pitch_', '')}"
        )
    from melodylc.constraints.actors import request_of

    return request_of(path, reward_seconds)


def _show(done: "Generation", rendered: "Rendered", folder: Path) -> None:
    from melodylc.data.alphabet import BARS

    rule = done.order.request.rule
    parts = rule.names if rule is not None else ()
    rows = [
        [
            file,
            *(f"{reward:.3f}" for reward in one.rewards),
            "pass" if one.passed else "fail",
            one.melody.note_count * done.order.writing.bars // BARS,
            one.attempts,
            f"{one.distance:.2f}",
            *([] if one.likeness is None else [f"{one.likeness:.2f}"]),
        ]
        for one, (file, *_) in zip(done.accepted, rendered.of, strict=True)
    ]
    judged = ["likeness"] if done.order.best_of > 1 else []
    table(["file", *parts, "", "notes", "attempts", "distance", *judged], rows)
    if rule is not None:
        say(f"{done.acceptance:.2%} of the {done.attempts} melodies written followed the rule")
    for what, which in rendered.about.items():
        say(f"{what.replace('_', ' ')}: {which}")
    if done.copies:
        say(f"copies refused: {done.copies} (they follow the rule, and share four bars with a training melody)")
    count = len(done.accepted)
    say(
        f"wrote {count} {'melody' if count == 1 else 'melodies'} and manifest.json to {folder} (seed {done.order.seed})"
    )
    if done.missing:
        numbers = ", ".join(map(str, done.missing))
        passed = "followed the rule and was new" if done.copies else "followed the rule"
        say(f"missing: melody {numbers}: none of {done.order.draws} attempts each {passed}; try more with --draws")
        rates = ", ".join(f"{name} {rate:.2%}" for name, rate in done.rates.items())
        say(f"share of the {done.attempts} melodies written that satisfied each part: {rates}")
