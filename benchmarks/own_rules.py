"""Rules of one's own, each learnt by `fit` as it comes: seconds, and rates.

    python benchmarks/own_rules.py [NAME ...]
    python benchmarks/own_rules.py --rules docs/examples/unseen_rules.py
    python benchmarks/own_rules.py --no-fit

The prior's rate and mean score are over 7,168 samples that are decoded already, the others over 256 that the fit never
learnt from: "moved" are draws as they begin, moved by the actor where they don't obey, and not mended; "drawn" are
single draws, mended too. Variety goes with every rule, as it does unless one waives it; "all" has it too. "decodes" are
melodies decoded a draw, mean and median. A row is printed as it is done, and the median and the least in the end. What
is asked for: of the prior a rate under 0.05 and a mean under 0.8; of single draws a median rate of 0.90 and none below
0.5, each fitted within 60 seconds. `--no-fit` says the prior's alone.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from melodylc.constraints.bank import find_bank
from melodylc.constraints.fitting import THREADS
from melodylc.constraints.request import Request
from melodylc.data.alphabet import canonical
from melodylc.latent.actor import Move
from melodylc.latent.distance import z_mse
from melodylc.latent.precision import autocast
from melodylc.models.checkpoint import LoadedModel, shipped_model
from melodylc.rewards import Rule
from melodylc.rewards.base import Scores
from melodylc.sampling.fitting import fit_actor
from melodylc.sampling.mixture import Mixture
from melodylc.threads import fixed_threads

OWN = Path(__file__).parent.parent / "docs" / "examples" / "own_rules.py"
BARS = {"aaba": 6, "echo": 6}  #: different ones that variety asks for where bars must repeat: there can't be nine
DRAWN = 256
COLUMNS = (
    "rule",
    "prior: mean, = 1, all",
    "moved: = 1, all",
    "drawn: mean, = 1, all",
    "z_MSE",
    "decodes",
    "seconds",
    "of processor",
)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--rules", type=click.Path(path_type=Path, exists=True), default=OWN, show_default=True)
@click.option("--fit/--no-fit", default=True, show_default=True)
@click.option("--threads", default=THREADS, show_default=True, help="Of a fit; 1 where other work is busy beside it.")
def main(names: tuple[str, ...], rules: Path, fit: bool, threads: int) -> None:
    """Print a Markdown table: a row a rule, those named or all of a file."""
    model = shipped_model()
    bank = find_bank(model, model.prior())
    names = names or names_in(rules)
    asked = {name: rule_of(rules, name) for name in names}
    click.echo(f"model {model.fingerprint}, {rules.name}, {threads} threads\n")
    known = canonical(bank.events.numpy())[0]
    if not fit:
        show_prior(asked, known)
        return
    click.echo(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    rates, longest = [], 0.0
    for name, rule in asked.items():
        clock, processor = time.perf_counter(), time.process_time()
        with TemporaryDirectory() as folder:
            found = fit_actor(model, rule, Path(folder) / "actor.safetensors", lambda _: None, threads=threads)
        seconds = time.perf_counter() - clock
        took = f"{seconds:.0f} | {time.process_time() - processor:.0f}"
        mixture = Mixture(rule, model.vae, found.edits)
        moved, *_ = drawn(
            replace(mixture, first_repair=None, repairs=()), model, found.move, bank.events[:DRAWN], threads
        )
        scores, far, cost = drawn(mixture, model, found.move, bank.events[:DRAWN], threads)
        decodes = f"{cost.mean():.1f}, {cost.median():.1f}"
        click.echo(
            f"| {name} | {told(rule.scores(known), 4)} | {told(moved, 3, mean=False)} | {told(scores, 3)} "
            f"| {far:.2f} | {decodes} | {took} |"
        )
        rates.append(float((scores[:, 0] == 1).mean()))
        longest = max(longest, seconds)
    click.echo(
        f"\nthe rule's own rate: median {median(rates):.3f}, least {min(rates):.3f}; longest {longest:.0f} seconds"
    )


def drawn(
    mixture: Mixture, model: LoadedModel, move: Move, written: Tensor, threads: int
) -> tuple[Scores, float, Tensor]:
    """Scores (n, parts) of single draws that melodies (n, 256) were written for, their z_MSE, and what each cost."""
    with fixed_threads(threads), autocast():
        begun = mixture.start_from(written)
        done = mixture.finish(begun, move)
    far = float(z_mse(done.z, begun.z, model.sigma_bar).mean())
    return mixture.rule.scores(canonical(done.events.to(torch.uint8).numpy())[0]), far, done.cost


def told(scores: Scores, digits: int, mean: bool = True) -> str:
    """The mean of the first part, how often it is 1, and how often all are."""
    own, both = (scores[:, 0] == 1).mean(), (scores == 1).all(axis=1).mean()
    return (f"{scores[:, 0].mean():.3f}, " if mean else "") + f"{own:.{digits}f}, {both:.{digits}f}"


def show_prior(asked: Mapping[str, Rule], events: npt.NDArray[np.uint8]) -> None:
    """What each rule says of samples of the prior (n, 256)."""
    click.echo("| rule | prior: mean, = 1, all | asked for |\n|---|---|---|")
    for name, rule in asked.items():
        scores = rule.scores(events)
        mean, own = scores[:, 0].mean(), (scores[:, 0] == 1).mean()
        click.echo(f"| {name} | {told(scores, 4)} | {'yes' if own < 0.05 and mean < 0.8 else 'no'} |")


def names_in(rules: Path) -> tuple[str, ...]:
    """The rules of a file."""
    return tuple(re.findall(r"^def ([a-z]\w*)\(", rules.read_text("utf-8"), re.MULTILINE))


def rule_of(rules: Path, name: str) -> Rule:
    """The rule of that name, and variety beside it."""
    beside = [f"variety,bars={BARS[name]}"] if name in BARS else []
    rule = Request.read(reward=[f"{rules}:{name}", *beside]).rule
    assert rule is not None
    return rule


if __name__ == "__main__":
    main()
