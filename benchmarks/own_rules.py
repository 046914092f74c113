"""Twelve rules of one's own (docs/examples/own_rules.py), each learnt by `fit` as it comes: seconds, and rates.

    python benchmarks/own_rules.py [NAME ...]

The prior's rate and mean score are over 7,168 samples that are decoded already, the actor's over 1,000 that it never
met. Variety goes with every rule, as it does unless one waives it; "all" has it too. A row is printed as it is done.
"""

import re
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from melodylc.actors import fit_actor, shipped_model
from melodylc.bank import find_bank
from melodylc.request import Request

RULES = Path(__file__).parent.parent / "docs" / "examples" / "own_rules.py"
NAMES = re.findall(r"^def (\w+)\(", RULES.read_text("utf-8"), re.MULTILINE)


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
def main(names: tuple[str, ...]) -> None:
    """Print a Markdown table: a row a rule, those named or all."""
    model = shipped_model()
    find_bank(model, model.prior())
    click.echo(f"model {model.fingerprint}\n")
    click.echo("| rule | prior: mean, = 1, all | actor: mean, = 1, all | z_MSE | seconds | of processor |")
    click.echo("|---|---|---|---|---|---|")
    for name in names or NAMES:
        rule = Request.read(reward=[f"{RULES}:{name}"]).rule
        assert rule is not None
        clock, processor = time.perf_counter(), time.process_time()
        with TemporaryDirectory() as folder:
            found = fit_actor(model, rule, Path(folder) / "actor.safetensors", lambda _: None)
        took = f"{time.perf_counter() - clock:.0f} | {time.process_time() - processor:.0f}"
        measured = found.stored.measured
        prior = f"{measured.prior_means[0]:.3f}, {measured.prior_parts[0]:.4f}, {measured.prior:.4f}"
        actor = f"{measured.actor_means[0]:.3f}, {measured.actor_parts[0]:.3f}, {measured.actor:.3f}"
        click.echo(f"| {name} | {prior} | {actor} | {measured.z_mse:.2f} | {took} |")


if __name__ == "__main__":
    main()
