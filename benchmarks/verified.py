"""Verified melodies a second, by rejection and with an actor, in one run: docs/experiments/benchmarks.md.

    python benchmarks/verified.py

Each way draws, decodes 64 melodies together and checks them, on one thread, until its seconds are over; what obeys
counts. Once more from the prior with each melody in the transposition that obeys best, where the actor begins. Ways
take turns of `--turn` seconds, so that other work on the machine troubles all of them alike. Rejection's
yield is so small that its melodies a second are its draws a second times its rate; that is measured beforehand, from
`--draws` draws of N(0, I), decoded in bfloat16 and kept from run to run, and from the shipped bank's 8,192 samples.
Where none obeys, the rate is the upper bound at 95 % (Clopper and Pearson's, one-sided).
"""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
import torch

from melodylc.constraints.actors import find_actor
from melodylc.constraints.bank import find_bank
from melodylc.constraints.request import Request
from melodylc.data.alphabet import canonical
from melodylc.data.files import atomic_write
from melodylc.latent.actor import Move
from melodylc.latent.precision import autocast
from melodylc.models.checkpoint import LoadedModel, shipped_model
from melodylc.models.prior import Numbers, Prior
from melodylc.rewards import Rule
from melodylc.sampling.mixture import Decoding, Mixture
from melodylc.threads import fixed_threads
from melodylc.versions import versions

TOGETHER = 64
NORMAL, LEARNT = "rejection from N(0, I)", "rejection from the shipped prior"
NEAREST = "the same, each in its best transposition"


@dataclass
class Way:
    """Draws melodies and checks them, and counts."""

    model: LoadedModel
    rule: Rule
    prior: Prior
    move: Move | None
    drawing: Mixture | None = None
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))
    seconds: float = 0.0
    draws: int = 0
    obeyed: int = 0

    def turn(self, seconds: float) -> None:
        """Draw for about so long."""
        start = time.perf_counter()
        while (now := time.perf_counter()) - start < seconds:
            self.obeyed += self.checked(_numbers(self.prior, TOGETHER, self.rng))
            self.draws += TOGETHER
            self.seconds += time.perf_counter() - now

    def checked(self, numbers: Numbers) -> int:
        """How many of the draws of these random numbers (n, k) obey."""
        with torch.no_grad():
            if self.mixture is None:
                drawn = Decoding.of(self.model.vae, self.prior.latents(numbers))
            else:
                drawn = self.mixture.start(self.prior, numbers)
                drawn = self.mixture.finish(drawn, self.move) if self.move else drawn
        return int(self.rule.satisfied(canonical(drawn.events.to(torch.uint8).numpy())[0]).sum())


def _numbers(prior: Prior, count: int, rng: np.random.Generator) -> Numbers:
    return np.stack([prior.numbers(rng) for _ in range(count)])


def upper_bound(hits: int, draws: int) -> float:
    """Clopper and Pearson's upper bound of a share at 95 %, one-sided, where there is no hit.

    >>> round(upper_bound(0, 100_000), 7)
    3e-05
    """
    return 1 - 0.05 ** (1 / draws) if hits == 0 else hits / draws


def hits_of(way: Way, draws: int, kept: Path, key: str) -> int:
    """How many of `draws` draws of a prior obey; kept in a file under a key while it counts."""
    known = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    done, hits = known.get(key, (0, 0))
    while done < draws:
        # Each block from a stream of its own, so that a run that was stopped goes on as it would have.
        numbers = _numbers(way.prior, 256, np.random.default_rng((2, done)))
        with autocast():
            hits += way.checked(numbers[: draws - done])
        done = min(done + len(numbers), draws)
        known[key] = done, hits
        with atomic_write(kept, "w") as file:
            json.dump(known, file)
        click.echo(f"\r{done:,} of {draws:,} draws", err=True, nl=False)
    return int(hits)


@click.command()
@click.option("--scale", default="cmaj", show_default=True)
@click.option("--draws", default=100_000, show_default=True, help="Of N(0, I), for its rate.")
@click.option("--seconds", default=30.0, show_default=True, help="For each way.")
@click.option("--turn", default=5.0, show_default=True)
@click.option("--kept", type=click.Path(path_type=Path), default=Path("build/rates.json"), show_default=True)
def main(scale: str, draws: int, seconds: float, turn: float, kept: Path) -> None:
    """Print a Markdown table."""
    model, rule = shipped_model(), Request.read(scale=[scale]).rule
    assert rule is not None
    actor = find_actor(model, rule)
    assert actor is not None, "this benchmark is of an actor that is there already"
    ways = {
        NORMAL: Way(model, rule, model.prior("normal"), None),
        LEARNT: Way(model, rule, model.prior(), None),
        NEAREST: Way(model, rule, model.prior(), None, Mixture(rule, model.vae)),
        "actor": Way(model, rule, model.prior(), actor.move, Mixture(rule, model.vae, actor.edits)),
    }
    kept.parent.mkdir(parents=True, exist_ok=True)
    bank = find_bank(model, model.prior())
    known = int(rule.satisfied(canonical(bank.events.numpy())[0]).sum())
    with fixed_threads(1):
        key = f"{model.fingerprint} {rule.identity} {draws}"
        counts = {NORMAL: (hits_of(ways[NORMAL], draws, kept, key), draws), LEARNT: (known, len(bank.z))}
        while ways["actor"].seconds < seconds:
            for way in ways.values():
                way.turn(turn)
    click.echo(f"\nmodel {model.fingerprint}, actor {actor.stored.fingerprint}, {versions()}; one thread\n")
    report(ways, counts)


def report(ways: dict[str, Way], counts: dict[str, tuple[int, int]]) -> None:
    """The table, and what the bar is about."""
    click.echo("| way | draws a second | rate | verified melodies a second |\n|---|---|---|---|")
    speeds = {}
    for name, way in ways.items():
        hits, draws = counts.get(name, (way.obeyed, way.draws))
        share, bound = upper_bound(hits, draws), "at most " if hits == 0 else ""
        speeds[name] = way.draws / way.seconds * share
        told = f"{bound}{share:.6f} ({hits} of {draws:,})"
        click.echo(f"| {name} | {way.draws / way.seconds:.1f} | {told} | {bound}{speeds[name]:.4g} |")
    actor = speeds["actor"]
    for name, (hits, draws) in counts.items():
        ceiling = f"; its ceiling, 1 / rate, is {draws / hits:,.0f}" if hits else ""
        least = "at least " if hits == 0 else ""
        click.echo(f"\nthe actor against {name}: {least}{actor / speeds[name]:,.1f} times{ceiling}")


if __name__ == "__main__":
    main()
