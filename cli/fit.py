"""`melodylc fit`: learn an actor for a rule and keep it as a file; and the fit on the spot of `generate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from melodylc.cli.options import make_request, prior_option, realism_option, request_options
from melodylc.cli.ui import progress, say
from melodylc.data.errors import InputError

if TYPE_CHECKING:
    from melodylc.actors import FoundActor, Weighted
    from melodylc.latent.critic import Critic
    from melodylc.latent.fit import FitSettings, Round
    from melodylc.models.checkpoint import LoadedModel
    from melodylc.models.config import PriorName
    from melodylc.request import Request
    from melodylc.rewards import Rule


@click.command()
@request_options
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="File of the actor (.safetensors)."
)
@click.option("--model", type=click.Path(path_type=Path), help="Another trained model than the one that's shipped.")
@prior_option
@realism_option
@click.option("--rounds", type=click.IntRange(1), help="Rounds of learning; more than the default for a shipped actor.")
def fit(
    output: Path, model: Path | None, prior: "PriorName | None", realism: float, rounds: int | None, **asked: Any
) -> None:
    """Learn an actor for a rule, and keep it as a file for `melodylc generate --actor`.

    \b
    melodylc fit --scale dmin --density 64..96 -o dmin.safetensors
    melodylc fit --reward leaps.py:stepwise,largest=2 -o stepwise.safetensors
    """
    from dataclasses import replace

    from melodylc.actors import SETTINGS, shipped_model
    from melodylc.arranging.ways import words
    from melodylc.models.checkpoint import load_model

    request = make_request(**asked)
    if request.rule is None:
        raise InputError("nothing to learn: give --scale, --density or --reward")
    settings = replace(SETTINGS, rounds=rounds) if rounds else SETTINGS
    loaded = load_model(model) if model else shipped_model()
    found = _fit(loaded, request, prior, output, settings, _weighted(loaded, realism))
    measured = found.stored.rates
    say(
        f"wrote {output}: single draws that obey: prior {measured.prior:.2%} of {measured.prior_samples}, "
        f"actor {measured.actor:.2%} of {measured.samples}"
    )
    if found.arrangement:
        say(f"draws are arranged before it moves them: {words(found.arrangement)}")


def find_or_fit(
    model: "LoadedModel",
    request: "Request",
    prior: "PriorName | None",
    realism: float = 0.0,
    elsewhere: bool = False,
) -> "FoundActor | None":
    """The actor for a request; where none is shipped or cached, one is fitted, with progress, and cached.

    None where nothing is asked. `elsewhere` as for `find_actor`.
    """
    from melodylc.actors import SETTINGS, cache_path, find_actor, probe

    rule = request.rule
    if rule is None:
        return None
    weighted = _weighted(model, realism)
    found = find_actor(model, rule, prior, say, weighted, elsewhere)
    if found is None:
        path = cache_path(model, rule, prior, weighted)
        probe(path)
        say(f"no actor for {rule.identity} yet: fitting one, kept for the next time")
        found = _fit(model, request, prior, path, SETTINGS, weighted)
    return found


def find_or_teach(
    model: "LoadedModel", rule: "Rule | None", actor: "FoundActor | None", prior: "PriorName | None"
) -> "Critic | None":
    """The critic for a rule that has an actor; where none is cached, one is taught, with progress, and cached."""
    from melodylc.actors import LESSONS, find_critic

    if rule is None or actor is None:
        return None
    with progress("looking for the critic", total=LESSONS) as step:

        def report(done: "Round") -> None:
            step(label="teaching a critic, kept for the next time")

        return find_critic(model, rule, actor.move, prior, report)


def _weighted(model: "LoadedModel", weight: float) -> "Weighted | None":
    from melodylc.actors import Weighted
    from melodylc.realism import find_realism

    return Weighted(find_realism(model), weight) if weight else None


def _fit(
    model: "LoadedModel",
    request: "Request",
    prior: "PriorName | None",
    path: Path,
    settings: "FitSettings",
    realism: "Weighted | None",
) -> "FoundActor":
    from melodylc.actors import fit_actor

    rule = request.rule
    if rule is None:
        raise InputError("nothing to learn: give --scale, --density or --reward")
    with progress("scoring prior samples", total=settings.rounds) as step:

        def report(done: "Round") -> None:
            best = "" if done.best is None else f", best {done.best:.1%}"
            step(label=f"fitting: {done.measurement.rate:.1%} obey{best}")

        def decoding(done: int, of: int) -> None:
            step(0, label=f"decoding samples of the prior: {done:,} of {of:,}, kept for the next rule")

        return fit_actor(
            model, rule, path, report, settings, request.to_dict(), prior, decoding=decoding, realism=realism
        )
