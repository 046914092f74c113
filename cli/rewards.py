"""`melodylc rewards list | show | test`: which rules there are, what one is, and whether it can be learnt."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from melodylc.cli.options import seconds_option
from melodylc.cli.ui import print_json, progress, table
from melodylc.data.errors import InputError

if TYPE_CHECKING:
    from melodylc.data.arrays import Events
    from melodylc.rewards.base import Reward
    from melodylc.rewards.trial import Trial

_WIDTH = 40  # of a histogram's longest bar


@click.group()
def rewards() -> None:
    """Show the rules that can be asked for, and test those you write."""


@rewards.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List the built-in rewards and those of installed packages."""
    from melodylc.rewards.specs import catalogue

    if as_json:
        return print_json([it._asdict() for it in catalogue()])
    rows = [[it.name, it.origin, "\n".join(filter(None, (it.sentence, it.summary)))] for it in catalogue()]
    table(["reward", "from", "asks that ... and how it scores"], rows)
    return None


@rewards.command()
@click.argument("reward")
@seconds_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(reward: str, reward_seconds: float, as_json: bool) -> None:
    """Show what REWARD says of itself, and its parameters; it is path.py:NAME or a name of the list."""
    from melodylc.rewards.specs import describe

    found = describe(reward, reward_seconds)
    if as_json:
        return print_json(found._asdict())
    click.echo(f"{found.name}, of {found.origin}, judges {found.domain}\n\n{found.sentence}\n\n{found.text}\n")
    if found.parameters:
        table(["parameter", "is", "value"], found.parameters)
    return None


@rewards.command()
@click.argument("reward")
@seconds_option
@click.option(
    "--samples", default=256, show_default=True, type=click.IntRange(2), help="Samples of the prior to judge."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the samples.")
@click.option("--model", type=click.Path(path_type=Path), help="Another trained model than the one that's shipped.")
def test(reward: str, reward_seconds: float, samples: int, seed: int, model: Path | None) -> None:
    """Test REWARD on odd melodies (or pictures), real ones and samples of the prior: is it sound, can it be learnt?

    \b
    melodylc rewards test leaps.py:stepwise,largest=2
    """
    from melodylc.rewards import parse_reward
    from melodylc.rewards.domains import MELODIES
    from melodylc.rewards.trial import try_panel, try_samples

    def make() -> "Reward":
        return parse_reward(reward, seconds=reward_seconds)

    found = make()
    trial = try_panel(make)
    if found.domain == MELODIES and not trial.problems:
        try_samples(trial, found, _samples(model, samples, seed))
    _report(trial, found.domain)
    if trial.problems:
        first, *others = trial.problems
        raise InputError(f"{reward} {first}{f'; {len(others)} more above' if others else ''}")


def _samples(model: Path | None, count: int, seed: int) -> "Events":
    from melodylc.models.checkpoint import open_model
    from melodylc.sampling.sampler import prior_events

    loaded = open_model(model)
    with progress("decoding samples of the prior", total=count) as step:
        return prior_events(loaded, count, seed, step)


def _report(trial: "Trial", kind: str) -> None:
    from melodylc.rewards.trial import advice, histogram, verdict

    table([f"odd {kind}", "score"], [[name, f"{score:.3f}"] for name, score in trial.odd.items()])
    for problem in trial.problems:
        click.echo(f"\nproblem: {problem}")
        if problem.item:
            click.echo(f"  {problem.item}")
    rows = {"real": trial.real, "prior": trial.prior}
    scored = {name: scores for name, scores in rows.items() if scores is not None}
    if scored:
        click.echo("")
        table(
            [kind, "how many", "least", "mean", "most", "satisfied"],
            [
                [
                    name,
                    len(it),
                    *(f"{value:.3f}" for value in (it.min(), it.mean(), it.max())),
                    f"{(it == 1).mean():.1%}",
                ]
                for name, it in scored.items()
            ],
        )
    if trial.prior is not None:
        click.echo("")
        counts = histogram(trial.prior)
        most = max(count for _, count in counts)
        table(["score", "prior", ""], [[label, count, "#" * round(_WIDTH * count / most)] for label, count in counts])
        click.echo(f"\n{verdict(trial.prior)}")
    if words := advice(trial):
        click.echo(f"\n{words}")
    if trial.seconds is not None:
        click.echo(f"one call takes {1e6 * trial.seconds:,.0f} microseconds, of many made at once")
