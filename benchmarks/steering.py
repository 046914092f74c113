"""Steering, rule by rule: how many single draws obey, and what they cost.

    python benchmarks/steering.py [NAME ...] [--rules docs/examples/unseen_rules.py] [--draws 16]
    python benchmarks/steering.py --request cmaj --request "cmaj 192" --request "e phrygian dominant, medium"
    python benchmarks/steering.py --exact NAME ... [--draws 300]

Nothing is fitted beforehand. Variety goes with every rule. "all" is the share of draws that obey with it, "own" and
"mean" are the rule's rate and mean alone; "s" are seconds of processor a melody, "first" those before the first
(questions to the rule); "written" are melodies written a draw, "calls" melodies that the rule judged, "ESS" the mean
effective sample size over bars as a share of the particles, "repeats" the share of intervals that are 0, "bits" the
language model's bits a note, "sweeps" how often bars were written anew.

The language model is the one that ships, with its discriminator.

`--exact` asks how far draws are from rejection's, without the discriminator and without variety: draws against those
of the model's samples that satisfy the rule by themselves. "trees" and "events" are the AUC of two judges that tell
the two apart (`melodylc.evaluation.two_sample`; 0.5 is exact). Features are each in a total variation distance of
histograms with eight bins of equal content; "chance" is what two halves of rejection's samples are apart, of the same
sizes. Rules of which fewer than 80 samples are found in --samples are left out.
"""

import re
import time
from collections.abc import Callable, Iterator
from importlib import util
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from melodylc.constraints.request import Request
from melodylc.data.alphabet import PITCHES, canonical
from melodylc.evaluation.two_sample import two_sample
from melodylc.models.checkpoint import shipped_model
from melodylc.rewards import FunctionReward, Rule, variety
from melodylc.rewards.base import Events
from melodylc.sampling.discriminator import find_discriminator
from melodylc.sampling.methods.steer import Candidate, Steer, SteerSettings, write
from melodylc.sampling.steering.writer import find_writer
from melodylc.threads import fixed_threads

OWN = Path(__file__).parent.parent / "docs" / "examples" / "own_rules.py"
DIFFERENT = {
    "aaba": 6,
    "echo": 6,
    "exact_repeat": 4,
}  #: bars that variety asks for where bars must repeat: there can't be nine
COLUMNS = ("rule", "all", "own", "mean", "s", "first", "written", "calls", "ESS", "repeats", "notes", "bits", "sweeps")
Array = npt.NDArray[np.float64]
FEATURES: dict[str, Callable[[npt.NDArray[np.int64]], float]] = {
    "range": lambda pitches: float(np.ptp(pitches)),
    "notes": lambda pitches: float(len(pitches)),
    "steps": lambda pitches: float(np.mean((abs(np.diff(pitches)) <= 2) & (np.diff(pitches) != 0))),
    "repeats": lambda pitches: float(np.mean(np.diff(pitches) == 0)),
    "best key": lambda pitches: float(max(np.isin(pitches % 12, MAJOR + key).mean() for key in range(12))),
}
FEWEST = 80  #: samples of rejection without which nothing is compared
MAJOR = np.array([0, 2, 4, 5, 7, 9, 11]) - 12


@click.command()
@click.argument("names", nargs=-1)
@click.option("--rules", type=click.Path(path_type=Path, exists=True), default=OWN, show_default=True)
@click.option("--request", "requests", multiple=True, help="A scale and a density instead: 'cmaj 192', 'am low'.")
@click.option("--draws", default=16, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--particles", default=",".join(map(str, SteerSettings.particles)), show_default=True)
@click.option("--exact", is_flag=True, help="Compare with rejection instead.")
@click.option("--samples", default=6000, show_default=True, help="Samples of the model among which rejection looks.")
def main(
    names: tuple[str, ...],
    rules: Path,
    requests: tuple[str, ...],
    draws: int,
    seed: int,
    particles: str,
    exact: bool,
    samples: int,
) -> None:
    """Print a Markdown table: a row a rule, those named or all of a file."""
    found = find_writer(shipped_model())
    assert found is not None, "a language model that ships"
    settings = SteerSettings(particles=tuple(map(int, particles.split(","))))
    steer = Steer(found.writer, settings, None if exact else find_discriminator().scores)
    with fixed_threads(1):
        click.echo(f"writer {found.fingerprint}, {draws} draws, seed {seed}\n")
        if exact:
            compare(steer, dict(rules_in(rules, names, varied=False)), draws, seed, samples)
            return
        click.echo(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
        asked = {text: requested(text) for text in requests} if requests else dict(rules_in(rules, names))
        rates = [row(steer, name, rule, draws, seed) for name, rule in asked.items()]
        click.echo(f"\nobey: median {np.median(rates):.3f}, least {min(rates):.3f}")


def row(steer: Steer[Any], name: str, rule: Rule, draws: int, seed: int) -> float:
    """Print a row; the share of draws that obey."""
    began = time.process_time()
    plan = steer.prepare(rule.graded)
    first = time.process_time() - began
    drawn = steer.sample(plan, seed, range(1, draws + 1))
    seconds = (time.process_time() - began - first) / draws
    own = np.array([candidate.scores[0] for candidate in drawn])
    ess = np.mean([np.mean(candidate.ess) / candidate.particles for candidate in drawn])
    pitches = [candidate.events[candidate.events < PITCHES].astype(int) for candidate in drawn]
    repeats = np.mean([np.mean(np.diff(each) == 0) for each in pitches if len(each) > 1])
    obeys = float(np.mean([candidate.obeys for candidate in drawn]))

    def mean(value: Callable[[Candidate], float]) -> float:
        return float(np.mean([value(candidate) for candidate in drawn]))

    click.echo(
        f"| {name} | {obeys:.3f} | {np.mean(own == 1):.3f} | {own.mean():.3f} | {seconds:.2f} | {first:.2f} "
        f"| {mean(lambda it: it.written):.0f} | {mean(lambda it: it.calls):.0f} | {ess:.2f} | {repeats:.2f} "
        f"| {np.mean([len(each) for each in pitches]):.0f} | {mean(lambda it: it.bits):.2f} "
        f"| {mean(lambda it: it.sweeps):.1f} |"
    )
    return obeys


def compare(steer: Steer[Any], rules: dict[str, Rule], draws: int, seed: int, count: int) -> None:
    """Print how far draws are from what rejection gives."""
    rng = np.random.default_rng(seed)
    samples = np.concatenate([canonical(write(steer.writer, 200, rng))[0] for _ in range(-(-count // 200))])
    columns = ("rule", "rate", "follow", "trees", "events", *FEATURES, "mean", "chance")
    click.echo(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    areas: list[list[float]] = []
    for name, rule in rules.items():
        obeys = rule.satisfied(samples)
        rejected = samples[obeys][: 2 * draws]
        if len(rejected) < FEWEST:
            click.echo(f"| {name} | {obeys.mean():.3f} | {'- | ' * (len(columns) - 2)}")
            continue
        drawn = steer.sample(steer.prepare(rule.graded), seed, range(1, draws + 1))
        steered = np.stack([candidate.events for candidate in drawn if candidate.obeys]).astype(np.uint8)
        judged = two_sample(rejected[:draws], np.arange(len(rejected[:draws])), steered)
        areas.append([area.auc for area in judged.areas.values()])
        exact, found = features(rejected), features(steered)
        apart = [distance(one, other) for one, other in zip(found.T, exact.T, strict=True)]
        chance = np.mean([distance(column[::2], column[1::2]) for column in exact.T])
        told = " | ".join(f"{each:.2f}" for each in apart)
        seen = " | ".join(f"{area:.3f}" for area in areas[-1])
        click.echo(
            f"| {name} | {obeys.mean():.3f} | {len(steered) / draws:.3f} | {seen} | {told} | {np.mean(apart):.2f} "
            f"| {chance:.2f} |"
        )
    click.echo(f"\nAUC, stronger judge: mean {np.mean(np.max(areas, axis=1)):.3f}, worst {np.max(areas):.3f}")


def features(melodies: Events) -> Array:
    """Features of melodies (n, 256), (n, features); those of fewer than two notes are left out."""
    pitches = [melody[melody < PITCHES].astype(np.int64) for melody in melodies]
    return np.array([[feature(each) for feature in FEATURES.values()] for each in pitches if len(each) > 1])


def distance(one: Array, other: Array) -> float:
    """Total variation distance of two samples' histograms, eight bins of equal content."""
    edges = np.quantile(np.concatenate((one, other)), np.linspace(0, 1, 9)[1:-1])
    shares = [np.bincount(np.searchsorted(edges, each), minlength=8) / len(each) for each in (one, other)]
    return float(abs(shares[0] - shares[1]).sum() / 2)


def rules_in(path: Path, names: tuple[str, ...], varied: bool = True) -> Iterator[tuple[str, Rule]]:
    """The rules of a file, those named or all, with variety."""
    spec = util.spec_from_file_location("rules", path)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in names or re.findall(r"^def ([a-z]\w*)\(", path.read_text("utf-8"), re.MULTILINE):
        reward = getattr(module, name)
        assert isinstance(reward, FunctionReward)
        yield name, Rule((reward, variety(bars=DIFFERENT.get(name, 9))) if varied else (reward,))


def requested(text: str) -> Rule:
    """The rule of a scale and, after a comma or a space, a density."""
    match = re.fullmatch(r"(.*?)[, ]+(low|medium|high|\d[\d.]*)", text)
    rule = Request.read(scale=[match[1] if match else text], density=[match[2]] if match else []).rule
    assert rule is not None
    return rule


if __name__ == "__main__":
    main()
