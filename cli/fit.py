"""`melodylc fit`: learn an actor for a rule and keep it as a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from melodylc.cli.options import make_request, prior_option, realism_option, request_options
from melodylc.cli.ui import reporting, say
from melodylc.data.errors import InputError

if TYPE_CHECKING:
    from melodylc.models.config import PriorName


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

    from melodylc.constraints.fitting import SETTINGS
    from melodylc.edits.operators import describe_edits
    from melodylc.service.fitting import fit_to_file

    request = make_request(**asked)
    if request.rule is None:
        raise InputError("nothing to learn: give --scale, --density, --chords or --reward")
    settings = replace(SETTINGS, rounds=rounds) if rounds else SETTINGS
    with reporting("loading the model") as reporter:
        found = fit_to_file(request, output, model, prior, realism, settings, reporter)
    measured = found.stored.rates
    say(
        f"wrote {output}: single melodies that follow the rule: the model's own {measured.prior:.2%} of "
        f"{measured.prior_samples}, with what was learnt {measured.actor:.2%} of {measured.samples}"
    )
    if found.edits:
        say(f"edits that go before it: {describe_edits(found.edits)}")
