"""`melodylc image fit`: learn an actor for a rule on pictures and keep it as a file."""

from pathlib import Path

import click

from melodylc.cli.options import SECONDS
from melodylc.cli.pictures import dataset_option, fitting, run_option
from melodylc.cli.ui import say


@click.command()
@dataset_option
@run_option
@click.option(
    "--reward", "rewards", multiple=True, required=True, metavar="REWARD", help="A rule on the picture: path.py:NAME."
)
@click.option("--reward-seconds", default=10.0, show_default=True, type=SECONDS, help="Most that a call may take.")
@click.option("--rounds", type=click.IntRange(1), help="Rounds of learning.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="File of the actor (.safetensors)."
)
def fit(
    data: str, run: Path | None, rewards: tuple[str, ...], reward_seconds: float, rounds: int | None, output: Path
) -> None:
    """Learn an actor for a rule on pictures, and keep it for `melodylc image generate --actor`.

    \b
    melodylc image fit --dataset mnist --reward ink.py:left,share=0.7 -o left.safetensors
    """
    from dataclasses import replace

    from melodylc.image.request import picture_rule

    rule = picture_rule(rewards, reward_seconds)  # before torch is imported: a mistake should cost no time
    from melodylc.image.pipeline import load_picture_model
    from melodylc.image.rules import RULE_SETTINGS, fit_picture_rule

    settings = replace(RULE_SETTINGS, rounds=rounds) if rounds else RULE_SETTINGS
    with fitting(settings.rounds) as report:
        request = {"reward": list(rewards)}
        measured = fit_picture_rule(load_picture_model(data, run), rule, output, settings, report, request).rates
    say(
        f"wrote {output}: attempts that follow the rule: prior {measured.prior:.2%} of {measured.prior_samples}, "
        f"actor {measured.actor:.2%} of {measured.samples}"
    )
