"""`melodylc fit`: learn an actor for a rule and keep it as a file; and the fit on the spot of `generate`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from melodylc.cli.options import make_request, request_options
from melodylc.cli.ui import progress, say
from melodylc.data.errors import InputError

if TYPE_CHECKING:
    from melodylc.actors import FoundActor
    from melodylc.latent.fit import FitSettings, Round
    from melodylc.models.checkpoint import LoadedModel
    from melodylc.rewards import Rule


@click.command()
@request_options
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="File of the actor (.safetensors)."
)
@click.option("--model", type=click.Path(path_type=Path), help="Another trained model than the one that's shipped.")
@click.option("--rounds", type=click.IntRange(1), help="Rounds of learning; more than the default for a shipped actor.")
def fit(
    scale: str | None,
    tonic: bool | None,
    density: str | None,
    variety: bool,
    output: Path,
    model: Path | None,
    rounds: int | None,
) -> None:
    """Learn an actor for a scale and a density, and keep it as a file."""
    from dataclasses import replace

    from melodylc.actors import SETTINGS, shipped_model
    from melodylc.models.checkpoint import load_model

    rule = make_request(scale, tonic, density, variety).rule
    if rule is None:
        raise InputError("nothing to learn: give --scale, --density or both")
    settings = replace(SETTINGS, rounds=rounds) if rounds else SETTINGS
    found = _fit(load_model(model) if model else shipped_model(), rule, output, settings)
    measured = found.stored.measured
    say(
        f"wrote {output}: single draws that obey: prior {measured.prior:.2%} of {measured.prior_samples}, "
        f"actor {measured.actor:.2%} of {measured.samples}"
    )


def find_or_fit(model: "LoadedModel", rule: "Rule") -> "FoundActor":
    """The actor for a rule; where none is shipped or cached, one is fitted, with progress, and cached."""
    from melodylc.actors import SETTINGS, cache_path, find_actor, probe

    found = find_actor(model, rule, say)
    if found is None:
        probe(cache_path(model, rule))
        say(f"no actor for {rule.identity} yet: fitting one, kept for the next time")
        found = _fit(model, rule, cache_path(model, rule), SETTINGS)
    return found


def _fit(model: "LoadedModel", rule: "Rule", path: Path, settings: "FitSettings") -> "FoundActor":
    from melodylc.actors import fit_actor

    with progress("scoring prior samples", total=settings.rounds) as step:

        def report(done: "Round") -> None:
            best = "" if done.best is None else f", best {done.best:.1%}"
            step(label=f"fitting: {done.measured.rate:.1%} obey{best}")

        return fit_actor(model, rule, path, report, settings)
