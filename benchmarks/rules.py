"""How often single draws obey: the prior, and the actor for a rule. The table in docs/benchmarks.md.

    python benchmarks/rules.py --scale cmaj --density high

Draws are those of `melodylc generate --no-verify`: argmax decoding, no second try.
"""

from pathlib import Path
from typing import Any

import click
import numpy as np

from melodylc.actors import find_actor, shipped_model
from melodylc.cli.fit import find_or_fit
from melodylc.cli.options import make_request, prior_option, request_options
from melodylc.data import Melody
from melodylc.draws import Draw, Sampler
from melodylc.models.checkpoint import load_model
from melodylc.models.config import PriorName
from melodylc.rewards import Rule


@click.command()
@request_options
@click.option("-n", "--count", default=1000, show_default=True)
@click.option("--seed", "seeds", multiple=True, type=int, default=(1, 2, 3), show_default=True)
@click.option("--model", type=click.Path(path_type=Path))
@prior_option
@click.option("--fit/--no-fit", default=True, help="Fit an actor where there is none.")
def main(
    count: int, seeds: tuple[int, ...], model: Path | None, prior: PriorName | None, fit: bool, **asked: Any
) -> None:
    """Print a Markdown table: a row a seed, for the prior and the actor."""
    loaded = load_model(model) if model else shipped_model()
    request = make_request(**asked)
    rule = request.rule
    if rule is None:
        raise click.UsageError("give --scale, --density or --reward")
    found = find_or_fit(loaded, request, prior) if fit else find_actor(loaded, rule, prior)
    start = loaded.prior(prior).identity
    click.echo(f"model {loaded.fingerprint}, prior {start}; {rule.identity}; {count} single draws a row\n")
    click.echo(
        "| start | seed | "
        + " | ".join(f"{name}: mean, = 1" for name in rule.names)
        + " | all | z_MSE | distinct | differ | pitches | notes | touched |"
    )
    click.echo("|---" * (len(rule.names) + 9) + "|")
    for name, actor in (("prior", None), ("actor", found.move if found else None)):
        if name == "actor" and actor is None:
            continue
        for seed in seeds:
            draws = Sampler(loaded, actor, rule, prior).draw(seed, count, budget=1)
            click.echo(f"| {name} | {seed} | {row(rule, draws)} |")


def row(rule: Rule, draws: list[Draw]) -> str:
    """Rewards, satisfaction, and what the melodies are like."""
    rewards = np.array([draw.rewards for draw in draws])
    parts = [f"{mean:.3f}, {share:.3f}" for mean, share in zip(rewards.mean(0), (rewards == 1).mean(0), strict=True)]
    events = Melody.stack(draw.melody for draw in draws)
    distinct = len(np.unique(events, axis=0)) / len(draws)
    differ = (events[: len(events) // 2] != events[-(len(events) // 2) :]).mean()
    pitches = np.mean([len(set(draw.melody.pitches.tolist())) for draw in draws])
    notes = np.mean([draw.melody.note_count for draw in draws])
    touched = sum(draw.touched for draw in draws) / events.size
    numbers = [f"{np.mean([draw.passed for draw in draws]):.3f}", f"{np.mean([draw.distance for draw in draws]):.2f}"]
    numbers += [f"{distinct:.3f}", f"{differ:.3f}", f"{pitches:.1f}", f"{notes:.0f}", f"{touched:.5f}"]
    return " | ".join([*parts, *numbers])


if __name__ == "__main__":
    main()
