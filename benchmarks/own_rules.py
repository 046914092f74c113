"""Twelve rules of one's own (docs/examples/own_rules.py), each learnt by `fit` as it comes: seconds, and rates.

    python benchmarks/own_rules.py [NAME ...]
    python benchmarks/own_rules.py --no-fit

The prior's rate and mean score are over 7,168 samples that are decoded already, the actor's over 512 that it never
met. Variety goes with every rule, as it does unless one waives it; "all" has it too. A row is printed as it is done,
and the median and the least in the end. What is asked for: of the prior a rate under 0.05 and a mean under 0.8; of the
actors a median rate of 0.90 and none below 0.5, each within 60 seconds. `--no-fit` says the prior's alone.
"""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
import numpy as np
import numpy.typing as npt

from melodylc.actors import fit_actor, shipped_model
from melodylc.bank import find_bank
from melodylc.data.alphabet import canonical
from melodylc.request import Request
from melodylc.rewards import Rule

RULES = Path(__file__).parent.parent / "docs" / "examples" / "own_rules.py"
BARS = {"aaba": 6, "echo": 6}  #: different ones that variety asks for where bars must repeat: there can't be nine
NAMES = re.findall(r"^def (\w+)\(", RULES.read_text("utf-8"), re.MULTILINE)


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
@click.option("--fit/--no-fit", default=True, show_default=True)
def main(names: tuple[str, ...], fit: bool) -> None:
    """Print a Markdown table: a row a rule, those named or all."""
    model = shipped_model()
    bank = find_bank(model, model.prior())
    click.echo(f"model {model.fingerprint}\n")
    if not fit:
        show_prior(names or NAMES, canonical(bank.events.numpy())[0])
        return
    click.echo("| rule | prior: mean, = 1, all | actor: mean, = 1, all | z_MSE | seconds | of processor |")
    click.echo("|---|---|---|---|---|---|")
    rates, longest = [], 0.0
    for name in names or NAMES:
        rule = rule_of(name)
        clock, processor = time.perf_counter(), time.process_time()
        with TemporaryDirectory() as folder:
            found = fit_actor(model, rule, Path(folder) / "actor.safetensors", lambda _: None)
        seconds = time.perf_counter() - clock
        took = f"{seconds:.0f} | {time.process_time() - processor:.0f}"
        measured = found.stored.measured
        prior = f"{measured.prior_means[0]:.3f}, {measured.prior_parts[0]:.4f}, {measured.prior:.4f}"
        actor = f"{measured.actor_means[0]:.3f}, {measured.actor_parts[0]:.3f}, {measured.actor:.3f}"
        click.echo(f"| {name} | {prior} | {actor} | {measured.z_mse:.2f} | {took} |")
        rates.append(measured.actor_parts[0])
        longest = max(longest, seconds)
    click.echo(
        f"\nthe rule's own rate: median {median(rates):.3f}, least {min(rates):.3f}; longest {longest:.0f} seconds"
    )


def show_prior(names: Sequence[str], events: npt.NDArray[np.uint8]) -> None:
    """What each rule says of samples of the prior (n, 256)."""
    click.echo("| rule | prior: mean, = 1, all | asked for |\n|---|---|---|")
    for name in names:
        scores = rule_of(name).scores(events)
        mean, own, both = scores[:, 0].mean(), (scores[:, 0] == 1).mean(), (scores == 1).all(axis=1).mean()
        asked = "yes" if own < 0.05 and mean < 0.8 else "no"
        click.echo(f"| {name} | {mean:.3f}, {own:.4f}, {both:.4f} | {asked} |")


def rule_of(name: str) -> Rule:
    """The rule of that name, and variety beside it."""
    beside = [f"variety,bars={BARS[name]}"] if name in BARS else []
    rule = Request.read(reward=[f"{RULES}:{name}", *beside]).rule
    assert rule is not None
    return rule


if __name__ == "__main__":
    main()
