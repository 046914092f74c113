"""The paper's recipe done plainly against ours: how often single draws obey, over time, for one rule.

    python benchmarks/paper_recipe.py --recipe paper -o paper.json
    python benchmarks/paper_recipe.py --recipe ours --beside paper.json -o curves.json --picture curves.svg

Plainly: critic and actor are MLPs of four ReLU layers that see z, all of it at once; the critic regresses each part's
score itself by cross-entropy, half on samples of the prior and half on such as the actor moved; Adam at 3e-4, batches
of 128, lambda 0.02; nothing is decoded beforehand, nothing sharpened. In the plain recipe's favour: dz has the bound
that ours has (`--bound 0` for none, which is the paper's, and runs off), decoding is as brief as ours, layers have 512
units, which a core trains far more often than the paper's 2048, and each batch that is decoded is remembered and pays
for ten steps of each (`--steps`), the critic's on all that is known.

Both start from the same latents and rule and compute on one thread; mixture latents costs neither anything. Time is
the process's own processor time, so that other work on the machine doesn't count; what the measuring takes doesn't
count either. Rates: the plain recipe's on 512 draws every half minute; ours twice. By itself, the actor's on the 256
draws that each round makes anyway, from the prior's samples as they are, nothing transposed, arranged or mended. As
they are drawn, 512 each, when the edits has been found, without any actor, and when the actor is done.
"""

import json
import math
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from melodylc.constraints.bank import find_bank
from melodylc.constraints.fitting import HELD_BACK
from melodylc.constraints.objective import MelodyBox
from melodylc.constraints.request import Request
from melodylc.data.alphabet import canonical
from melodylc.data.files import atomic_write
from melodylc.latent.actor import Move, mlp
from melodylc.latent.distance import distance, z_mse
from melodylc.latent.fit import Round
from melodylc.latent.precision import autocast
from melodylc.models.checkpoint import LoadedModel, shipped_model
from melodylc.rewards import Rule
from melodylc.sampling.fitting import find_edits, fit_actor
from melodylc.sampling.mixture import Mixture
from melodylc.threads import fixed_threads
from melodylc.versions import versions

BATCH = 128  #: samples of the prior in a step; half of them are decoded as they are, and half as the actor moved them
RATE = 3e-4
DISTANCE = 0.02  #: lambda
CHECKED = 512  #: draws in a measurement of the plain recipe
NAMES = {
    "paper": "the paper's recipe, plainly",
    "ours": "melodylc fit, the actor by itself",
    "drawn": "melodylc fit, as melodies are drawn",
}

Point = dict[str, float]  #: seconds of processor, batches or rounds, rate and what else is known there


class PlainActor(nn.Module):
    """z' = (1 - g) * z + g * dz, with (dz, g) of one MLP of z; |dz| is at most `bound`, or anything where that is 0."""

    def __init__(self, dim: int, hidden: int, bound: float) -> None:
        super().__init__()
        self.bound, self.network = bound, mlp(dim, 2 * dim, hidden, layers=4)

    def forward(self, z: Tensor) -> Tensor:
        """Moved latents (n, dim) of latents (n, dim)."""
        proposal, gate = self.network(z).chunk(2, dim=-1)
        if self.bound:
            proposal = self.bound * torch.tanh(proposal / self.bound)
        return torch.lerp(z, proposal, torch.sigmoid(gate))


class Plain:
    """The plain recipe while it runs."""

    def __init__(self, model: LoadedModel, rule: Rule, prior: Any, hidden: int, bound: float, seed: int) -> None:
        torch.manual_seed(seed)
        self.model, self.rule, self.z = model, rule, find_bank(model, model.prior(prior)).z
        self.actor = PlainActor(model.vae.config.z, hidden, bound)
        self.critic = mlp(model.vae.config.z, len(rule.parts), hidden, layers=4)
        self.optimisers = [torch.optim.Adam(it.parameters(), RATE) for it in (self.actor, self.critic)]
        self.known = [torch.zeros(0, model.vae.config.z), torch.zeros(0, len(rule.parts))]

    def step(self, steps: int) -> None:
        """One batch, decoded and scored, and so many steps of each."""
        z = self._some()
        with torch.no_grad():
            lesson = torch.cat((z[: BATCH // 2], self.actor(z[BATCH // 2 :])))
        scores = torch.from_numpy(self.scored(lesson)).float()
        self.known = [torch.cat(both) for both in zip(self.known, (lesson, scores), strict=True)]
        for _ in range(steps):
            rows = torch.randint(len(self.known[0]), (BATCH,))
            seen, said = (known[rows] for known in self.known)
            self._descend(1, F.binary_cross_entropy_with_logits(self.critic(seen), said))
            z = self._some()
            moved = self.actor(z)
            pleasing = -F.logsigmoid(self.critic(moved)).mean(dim=1)
            self._descend(0, (pleasing + DISTANCE * distance(moved, z, self.model.sigma_bar)).mean())

    def _some(self) -> Tensor:
        return self.z[torch.randint(HELD_BACK, len(self.z), (BATCH,))]

    def measure(self) -> Point:
        """How often single draws obey, and how far they were moved."""
        z = self.z[torch.randperm(HELD_BACK)[:CHECKED]]
        with torch.no_grad():
            moved = self.actor(z)
        scores = self.scored(moved)
        return {
            "rate": float((scores == 1).all(axis=1).mean()),
            **{f"mean of {name}": float(it) for name, it in zip(self.rule.names, scores.mean(axis=0), strict=True)},
            "z_MSE": float(z_mse(moved, z, self.model.sigma_bar).mean()),
        }

    def scored(self, z: Tensor) -> Any:
        """Scores (n, parts) of what latents (n, dim) are decoded to."""
        with autocast():
            events = self.model.vae.raw_events(z).to(torch.uint8).numpy()
        return self.rule.graded(canonical(events)[0])

    def _descend(self, which: int, loss: Tensor) -> None:
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[which].step()


def plainly(plain: Plain, steps: int, minutes: float, every: float, keep: Any) -> list[Point]:
    """The curve of the plain recipe; `keep` is given it after every measurement."""
    curve: list[Point] = []
    spent, batches, since = 0.0, 0, 0.0
    while True:
        if not curve or since >= every or spent >= 60 * minutes:
            curve.append({"seconds": spent, "batches": batches, **plain.measure()})
            since = 0.0
            keep(curve)
        if spent >= 60 * minutes:
            return curve
        start = time.process_time()
        plain.step(steps)
        took = time.process_time() - start
        spent, since, batches = spent + took, since + took, batches + 1


def ours(model: LoadedModel, rule: Rule, prior: Any) -> dict[str, list[Point]]:
    """Two curves of `melodylc fit`: of the actor by itself, and of draws as they are drawn."""
    curve: list[Point] = []
    box, bank = MelodyBox(model.vae, rule), find_bank(model, model.prior(prior))
    begun = time.process_time()
    edits = find_edits(box, bank)
    found = {"seconds": time.process_time() - begun, "rounds": 0.0}
    judges = bank[:CHECKED].events

    def rate(move: Move | None) -> float:
        mixture = Mixture(rule, model.vae, edits)
        with autocast():
            draft = mixture.start_from(judges)
            draft = mixture.finish(draft, move) if move else draft
        return float(rule.satisfied(canonical(draft.events.to(torch.uint8).numpy())[0]).mean())

    first = {**found, "rate": rate(None)}
    begun = time.process_time()

    def report(done: Round) -> None:
        seconds = time.process_time() - begun
        curve.append({"seconds": seconds, "rounds": done.number, "rate": done.measurement.rate})

    with TemporaryDirectory() as folder:
        actor = fit_actor(model, rule, Path(folder) / "actor.safetensors", report, prior=prior, threads=1)
    return {"ours": curve, "drawn": [first, {**curve[-1], "rate": rate(actor.move)}]}


def verdict(curves: dict[str, list[Point]], which: str) -> str:
    """How much sooner one of our curves is where the plain recipe got to."""
    best = max(curves["paper"], key=lambda point: point["rate"])
    there = next((point["seconds"] for point in curves[which] if point["rate"] >= best["rate"]), None)
    told = f"{NAMES[which]}, to the plain recipe's best rate, {best['rate']:.3f} after {best['seconds']:.0f} s: "
    if there is None:
        return f"{told}never"
    return f"{told}{there:.1f} s, {best['seconds'] / there:.0f} times sooner (asked for: at least 10)"


def drawn(curves: dict[str, list[Point]]) -> str:
    """All curves as SVG: rate upwards, seconds of processor to the right on a logarithmic scale from 5."""
    last = max(point["seconds"] for curve in curves.values() for point in curve)

    def place(point: Point) -> str:
        x = 50 + 560 * math.log(max(point["seconds"], 5) / 5) / math.log(last / 5)
        return f"{x:.1f},{320 - 290 * point['rate']:.1f}"

    def text(x: float, y: float, said: str, colour: str = "#303030") -> str:
        return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}">{said}</text>'

    rows = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 360" font-family="sans-serif" font-size="11">']
    rows.append('<rect width="640" height="360" fill="#ffffff"/>')
    for tenth in range(0, 11, 2):
        y = 320 - 29 * tenth
        rows.append(f'<path d="M50 {y}H610" stroke="#d9d9d9"/>{text(20, y + 4, f"{tenth / 10:g}")}')
    for seconds in (5, 10, 20, 50, 100, 200, 500, 1000):
        if seconds <= last:
            x = float(place({"seconds": seconds, "rate": 0.0}).split(",")[0])
            rows.append(f'<path d="M{x:.1f} 30V320" stroke="#d9d9d9"/>{text(x - 8, 335, str(seconds))}')
    for at, (name, curve) in enumerate(curves.items()):
        colour, points = ("#d62728", "#2b5f8f", "#2ca02c")[at], " ".join(place(point) for point in curve)
        rows.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        rows.append(text(60, 20 + 14 * at, NAMES[name], colour))
    rows.append(text(400, 352, "seconds of processor, one thread"))
    return "\n".join([*rows, text(300, 20, "share of single draws that obey"), "</svg>", ""])


@click.command()
@click.option("--recipe", type=click.Choice(["paper", "ours", "both"]), default="both", show_default=True)
@click.option("--scale", default="cmaj", show_default=True)
@click.option("--prior", type=click.Choice(["learnt", "normal"]), default="learnt", show_default=True)
@click.option("--minutes", default=20.0, show_default=True, help="Of processor time, for the plain recipe.")
@click.option("--every", default=30.0, show_default=True, help="Seconds between its measurements.")
@click.option("--hidden", default=512, show_default=True, help="Width of the plain recipe's layers.")
@click.option("--steps", default=10, show_default=True, help="Of the plain recipe's critic and actor a batch.")
@click.option("--bound", default=2.0, show_default=True, help="Of the plain recipe's dz; 0: none.")
@click.option("--seed", default=0, show_default=True)
@click.option("--beside", type=click.Path(path_type=Path), help="Curves of an earlier run, to compare with.")
@click.option("--picture", type=click.Path(path_type=Path), help="Draw both curves there, as SVG.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Curves, as JSON.")
def main(
    recipe: str,
    scale: str,
    prior: str,
    minutes: float,
    every: float,
    hidden: int,
    steps: int,
    bound: float,
    seed: int,
    beside: Path | None,
    picture: Path | None,
    output: Path,
) -> None:
    """Run one recipe or both, and write their curves."""
    model, rule = shipped_model(), Request.read(scale=[scale]).rule
    assert rule is not None
    told: dict[str, Any] = json.loads(beside.read_text("utf-8")) if beside else {"curves": {}, "conditions": {}}
    conditions = {"model": model.fingerprint, "rule": rule.identity, "prior": prior, "versions": versions()}

    def keep(name: str, curve: list[Point]) -> None:
        told["curves"][name] = curve
        told["conditions"][name] = {
            **conditions,
            **({"hidden": hidden, "steps": steps, "bound": bound, "seed": seed} if name == "paper" else {}),
        }
        with atomic_write(output, "w") as file:
            json.dump(told, file, indent=1)
        click.echo(f"{name}: " + ", ".join(f"{key} {value:.4g}" for key, value in curve[-1].items()))

    with fixed_threads(1):
        if recipe != "ours":
            plainly(
                Plain(model, rule, prior, hidden, bound, seed),
                steps,
                minutes,
                every,
                lambda curve: keep("paper", curve),
            )
        if recipe != "paper":
            for name, curve in ours(model, rule, prior).items():
                keep(name, curve)
    if set(NAMES) <= set(told["curves"]):
        for which in ("ours", "drawn"):
            click.echo(verdict(told["curves"], which))
        if picture:
            picture.write_text(drawn(told["curves"]), "utf-8")


if __name__ == "__main__":
    main()
