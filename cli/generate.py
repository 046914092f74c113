"""`melodylc generate`: melodies that follow a rule, as MIDI files, with a manifest that proves it."""

import secrets
from math import ceil
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
    workers_options,
)
from melodylc.cli.ui import reporting, say, table
from melodylc.cli.writings import take_writing, writing_options
from melodylc.data.errors import InputError

if TYPE_CHECKING:
    from melodylc.constraints.request import Request
    from melodylc.data.ranges import Lane
    from melodylc.models.config import PriorName
    from melodylc.service.generation import Tally
    from melodylc.service.order import Order
    from melodylc.service.streaming import WrittenOrder

INCOMPLETE = 3  #: exit code where the budget was spent before every melody followed the rule
MOST_SEED = 2**63 - 1
_MOST_MISSING = 100  # numbers that are named


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
@click.option("-n", "--count", default=8, show_default=True, type=click.IntRange(1), help="How many melodies.")
@click.option("--first", default=1, metavar="K", type=click.IntRange(1), help="Number of the first one.  [default: 1]")
@click.option(
    "whole",
    "--of",
    metavar="TOTAL",
    type=click.IntRange(1),
    help="Melodies of the whole run that these are a part of; `melodylc manifest join` makes one folder of all parts.",
)
@workers_options
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
    "--keep-misses",
    is_flag=True,
    help="Where nothing follows the rule, write the nearest as NAME-miss.mid.",
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
    keep_misses: bool,
    model: Path | None,
    prior: "PriorName | None",
    actor: Path | None,
    method: str,
    first: int,
    whole: int | None,
    workers: int | None,
    cluster: str | None,
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
    from melodylc.data.workers import choose_workers
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
        keep_misses=keep_misses,
        lane=lane,
        first=first,
        whole=whole,
        octaves=not anywhere,
    )
    # Before torch is imported: a mistake should cost no time.
    folder = OutputFolder.claim(output or Path(order.folder_name), order.to_dict())
    with choose_workers(workers, cluster) as found:
        from melodylc.service.streaming import write_order

        with reporting("loading the model") as reporter:
            done = write_order(order, folder, reporter, found)
    _show(done)
    return INCOMPLETE if done.tally.missing else 0


def _of_actor(path: Path, reward_seconds: float, variety: bool, middle_c: str, **others: Any) -> "Request":
    given = [name for name, value in others.items() if value not in ((), None, 16)]
    if given or not variety:
        raise InputError(
            f"--actor brings its own rule: leave out --{(given or ['no-variety'])[0].replace('pitch_', '')}"
        )
    from melodylc.constraints.actors import request_of

    return request_of(path, reward_seconds)


def _show(done: "WrittenOrder") -> None:
    from melodylc.data.alphabet import BARS

    order, tally, rule = done.order, done.tally, done.order.request.rule
    parts = rule.names if rule is not None else ()
    rows = [
        [
            file,
            *(f"{reward:.3f}" for reward in one.rewards),
            "pass" if one.passed else "copy" if one.is_copy else "fail",
            one.melody.note_count * order.writing.bars // BARS,
            one.attempts,
            f"{one.distance:.2f}",
            *([] if one.likeness is None else [f"{one.likeness:.2f}"]),
        ]
        for file, one in done.shown
    ]
    judged = ["likeness"] if order.best_of > 1 else []
    table(["file", *parts, "", "notes", "attempts", "distance", *judged], rows)
    if tally.written > len(rows):
        say(f"and {tally.written - len(rows):,} more, in manifest.json")
    if rule is not None:
        say(f"{tally.followed / tally.attempts:.2%} of the {tally.attempts} melodies written followed the rule")
    for what, which in done.about.items():
        say(f"{what.replace('_', ' ')}: {which}")
    if tally.copies and order.verify:
        say(f"copies refused: {tally.copies} (they follow the rule, and share four bars with a training melody)")
    elif tally.copies:
        say(f"copies written: {tally.copies} (they share four bars with a training melody)")
    count = tally.written
    misses = f" and {len(tally.missing)} misses" if order.keep_misses and tally.missing else ""
    melodies = f"{count} {'melody' if count == 1 else 'melodies'}{misses}"
    say(f"wrote {melodies} and manifest.json to {done.folder} (seed {order.seed})")
    if tally.missing:
        shown = ", ".join(map(str, tally.missing[:_MOST_MISSING]))
        more = f" and {len(tally.missing) - _MOST_MISSING} more" if len(tally.missing) > _MOST_MISSING else ""
        passed = "followed the rule and was new" if tally.copies else "followed the rule"
        say(f"missing: melody {shown}{more}: none of {order.draws} attempts each {passed}")
        _explain(order, tally)


def _explain(order: "Order", tally: "Tally") -> None:
    """Say how near it was, and what would help."""
    from melodylc.service.generation import describe_miss

    number, rewards = max(tally.nearest.items(), key=lambda item: sum(item[1]))
    kept = "" if order.keep_misses else "; --keep-misses writes such a melody"
    say(f"nearest: melody {number}, {describe_miss(order, rewards)}{kept}")
    rates = tally.rates(order)
    if not rates:
        return
    say(
        f"share of the {tally.attempts} melodies written that satisfied each part: "
        f"{', '.join(f'{name} {rate:.2%}' for name, rate in rates.items())}"
    )
    if tally.followed:
        rate = max(tally.followed - tally.copies, 0.3) / tally.attempts
        say(f"one in about {1 / rate:.0f} follows the rule: --draws {ceil(3 / rate)} would do for 19 melodies of 20")
        return
    never = [name for name, rate in rates.items() if not rate]
    if not never:
        say("each part can be satisfied, but nothing satisfied all at once: ask for less together")
    for name in never:
        flat = all(dict(zip(rates, of, strict=True))[name] == 0 for of in tally.nearest.values())
        hint = "it was never more than 0: if it only says yes or no, let it return a share, so that nearer is known"
        say(f"{name} was never satisfied: {hint if flat else 'ask for less, or try more with --draws'}")
