"""How methods follow rules, and how like real melodies what they write is: rate, judges, form and time, side by side.

    python benchmarks/methods.py CORPUS --scale cmaj --methods steer,combined,rejection --count 200 --seeds 1

Single candidates, no second attempts. Real melodies are leads, as what methods write, and follow the same rule,
held-out ones first (`melodylc.evaluation.judging`). Seconds are of the processor, on one thread, a candidate, after
the method was prepared. Candidates are kept in `build/methods`, so that a run that was stopped goes on.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from melodylc.cache import pretrained
from melodylc.constraints.request import Request
from melodylc.data.arrays import Events
from melodylc.data.corpus import Corpus
from melodylc.data.files import fingerprint_bytes, fingerprint_file
from melodylc.data.roles import LEAD
from melodylc.evaluation.figures import Spread
from melodylc.evaluation.judging import judge_sets
from melodylc.evaluation.real import Ground
from melodylc.models.checkpoint import LoadedModel, open_model
from melodylc.sampling.discriminator import FILE as DISCRIMINATOR
from melodylc.sampling.methods import find_method
from melodylc.sampling.methods.base import Method, Task
from melodylc.sampling.steering.writer import find_writer
from melodylc.threads import fixed_threads

KEPT = Path("build/methods")


def candidates(
    model: LoadedModel, request: Request, name: str, count: int, seed: int, prepared: dict[str, tuple[Method, float]]
) -> tuple[Events, float]:
    """Single candidates (count, 256) of a method, and seconds of the processor a candidate."""
    writer = find_writer(model)
    parts_of_it = model.fingerprint, writer and writer.fingerprint, fingerprint_file(pretrained() / DISCRIMINATOR)
    key = fingerprint_bytes(repr((*parts_of_it, request.words, name, count, seed)).encode())
    path = KEPT / f"{name}-{key}.npz"
    if path.exists():
        stored = np.load(path)
        return stored["events"], float(stored["seconds"])
    if name not in prepared:
        begun = time.process_time()
        method = find_method(name).prepare(Task(model, request))
        prepared[name] = method, time.process_time() - begun
    method = prepared[name][0]
    begun, parts = time.process_time(), []
    with fixed_threads(1):
        for first in range(1, count + 1, method.together):
            parts.append(method.sample(seed, range(first, first + method.together), 1).events)
    seconds = (time.process_time() - begun) / (len(parts) * method.together)
    events = np.concatenate(parts)[:count]
    KEPT.mkdir(parents=True, exist_ok=True)
    np.savez(path, events=events, seconds=seconds)
    return events, seconds


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.option("--scale", multiple=True)
@click.option("--density", multiple=True)
@click.option("--reward", multiple=True)
@click.option("--methods", default="steer,combined,rejection", show_default=True)
@click.option("--count", default=200, show_default=True)
@click.option("--seeds", default=1, show_default=True)
@click.option("--key-free", is_flag=True, help="Judge without features of pitch classes.")
def main(
    corpus: Path,
    scale: tuple[str, ...],
    density: tuple[str, ...],
    reward: tuple[str, ...],
    methods: str,
    count: int,
    seeds: int,
    key_free: bool,
) -> None:
    """Print a Markdown table, a row a method."""
    model, request = open_model(), Request.read(scale, density, reward)
    opened = Corpus.open(corpus)
    rule = request.rule
    names = [name.strip() for name in methods.split(",")]
    prepared: dict[str, tuple[Method, float]] = {}
    written = {
        name: [candidates(model, request, name, count, seed, prepared) for seed in range(1, seeds + 1)]
        for name in names
    }
    obeying = {
        name: [events if rule is None else events[rule.satisfied(events)] for events, _ in some]
        for name, some in written.items()
    }
    without = ("register", "key") if key_free else ("register",)
    ground = Ground.of(model.provenance, opened, LEAD)
    judged = judge_sets(opened, ground, obeying, tuple(range(1, seeds + 1)), rule, without)
    click.echo(
        f"{' '.join(request.words) or 'no rule'}; {count} candidates a seed, {seeds} seeds; corpus {opened.fingerprint}"
    )
    if judged is not None:
        click.echo(f"real: form {_form(judged.form)}; of training works {judged.trained.mean:.0f}")
    click.echo("| method | follow | trees | events | form | s a candidate |\n|---|---|---|---|---|---|")
    for name, some in written.items():
        rate = np.mean([1.0 if rule is None else rule.satisfied(events).mean() for events, _ in some])
        seconds = np.mean([each for _, each in some])
        click.echo(f"| {name} | {rate:.3f} | {' | '.join(_judged(judged, name))} | {seconds:.2f} |")


def _judged(judged: object, name: str) -> Iterator[str]:
    done = getattr(judged, "sets", {}).get(name)
    for judge in ("trees", "events"):
        yield "-" if done is None or judge not in done.areas else f"{done.areas[judge].mean:.3f}"
    yield "-" if done is None else _form(done.form)


def _form(form: dict[str, Spread]) -> str:
    return ", ".join(f"{name} {spread.mean:.3g}" for name, spread in form.items())


if __name__ == "__main__":
    main()
