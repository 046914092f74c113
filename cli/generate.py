"""`melodylc generate`: melodies that obey, as MIDI files, with a manifest that proves it."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from melodylc.cli.fit import find_or_fit, find_or_teach
from melodylc.cli.options import make_request, method_option, prior_option, realism_option, request_options
from melodylc.cli.ui import progress, say, table
from melodylc.cli.writings import take_writing, writing_options
from melodylc.data.errors import InputError

if TYPE_CHECKING:
    from melodylc.actors import FoundActor
    from melodylc.data.formats.render import Rendered
    from melodylc.generate import Production
    from melodylc.models.checkpoint import LoadedModel
    from melodylc.models.config import PriorName
    from melodylc.request import Method, Order, Request

INCOMPLETE = 3  #: exit code where the budget was spent before every melody obeyed
MOST = 10_000
MOST_SEED = 2**63 - 1


@click.command()
@request_options
@click.option("-n", "--count", default=8, show_default=True, type=click.IntRange(1, MOST), help="How many melodies.")
@click.option("--seed", type=click.IntRange(0, MOST_SEED), help="Same seed, same melodies.  [default: a new one]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder.  [default: one named after the request]")
@writing_options
@click.option(
    "--draws", default=40, show_default=True, type=click.IntRange(1), help="Most draws a melody may take to obey."
)
@click.option(
    "--best-of",
    default=1,
    metavar="K",
    type=click.IntRange(1, 1000),
    help="Draw K melodies that obey for each one asked, and write the one most like real melodies.",
)
@realism_option
@click.option("--verify/--no-verify", default=True, help="--no-verify writes single draws, whether they obey or not.")
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
    method: "Method",
    **asked: Any,
) -> int:
    """Write sixteen-bar melodies in a key, with as many notes as you ask for, or by any rule of your own.

    Every file written obeys and copies no four bars of a training melody: melodies that don't are drawn again,
    up to --draws times. Exit code 3 says that some are missing.

    \b
    melodylc generate --scale cmaj --density high -n 8 --seed 7 -o melodies
    melodylc generate --scale "f# minor" --density 64..96 --tempo 92
    melodylc generate --scale gmin --reward leaps.py:stepwise,largest=2
    """
    from melodylc.folder import OutputFolder
    from melodylc.request import Order

    writing = take_writing(asked)
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
    )
    # Before torch is imported: a mistake should cost no time.
    folder = OutputFolder.claim(output or Path(order.folder_name), order.to_dict())
    production = _produce(order)
    rendered = production.rendered()
    folder.write(rendered.files, production.manifest(rendered))
    _show(production, rendered, folder.path)
    return INCOMPLETE if production.missing else 0


def _of_actor(path: Path, reward_seconds: float, variety: bool, **others: Any) -> "Request":
    given = [name for name, value in others.items() if value not in ((), None)]
    if given or not variety:
        raise InputError(f"--actor brings its own rule: leave out --{(given or ['no-variety'])[0]}")
    from melodylc.kept import request_of

    return request_of(path, reward_seconds)


def _produce(order: "Order") -> "Production":
    from melodylc.actors import shipped_model
    from melodylc.generate import produce
    from melodylc.models.checkpoint import load_model

    model = load_model(order.model) if order.model else shipped_model()
    actor = _actor(order, model)
    critic = find_or_teach(model, order.request.rule, actor, order.prior) if order.method == "optimize" else None
    with progress("drawing", total=order.count) as step:
        settled = 0

        def report(passed: int, draws: int) -> None:
            nonlocal settled
            step(passed - settled, label=f"drawing ({draws} draws)")
            settled = passed

        return produce(order, model, actor, report, critic)


def _actor(order: "Order", model: "LoadedModel") -> "FoundActor | None":
    if order.actor is None:
        return find_or_fit(model, order.request, order.prior, order.realism, elsewhere=order.method == "actor")
    from melodylc.kept import kept_actor

    return kept_actor(order.actor, model, order.request, order.prior)


def _show(production: "Production", rendered: "Rendered", folder: Path) -> None:
    rule = production.order.request.rule
    parts = rule.names if rule else ()
    rows = [
        [
            file,
            *(f"{reward:.3f}" for reward in draw.rewards),
            "pass" if draw.passed else "fail",
            draw.melody.note_count,
            draw.draws,
            f"{draw.distance:.2f}",
            *([] if draw.realism is None else [f"{draw.realism:.2f}"]),
        ]
        for draw, (file, *_) in zip(production.kept, rendered.of, strict=True)
    ]
    judged = ["realism"] if production.order.best_of > 1 else []
    table(["file", *parts, "", "notes", "draws", "distance", *judged], rows)
    if production.actor:
        measured, semitones = production.actor.stored.rates, production.actor.shift
        if semitones:
            say(f"the actor's key is another: made there, moved by {semitones:+d} semitones, and checked here")
        say(
            f"single draws that obeyed what it was fitted to: prior {measured.prior:.2%} of {measured.prior_samples}, "
            f"actor {measured.actor:.2%} of {measured.samples}; here {production.accepted:.2%} of {production.spent}"
        )
    for what, which in rendered.about.items():
        say(f"{what.replace('_', ' ')}: {which}")
    if production.refused:
        say(f"copies refused: {production.refused} (draws that obeyed, and share four bars with a training melody)")
    say(f"wrote {len(production.kept)} melodies and manifest.json to {folder} (seed {production.order.seed})")
    if production.missing:
        numbers = ", ".join(map(str, production.missing))
        passed = "obeyed and was new" if production.refused else "obeyed"
        draws = production.order.draws
        say(f"missing: melody {numbers}: none of {draws} draws each {passed}; ask for more with --draws")
        rates = ", ".join(f"{name} {rate:.2%}" for name, rate in production.rates.items())
        say(f"share of the {production.spent} draws that satisfied each part: {rates}")
