"""What choices behind `base` are worth, on a smaller model, in a fixed number of steps: docs/experiments/method.md.

    python benchmarks/studies.py CORPUS [STUDY ...] [--seeds N]

A study trains what it names, once a seed, each in its folder below `--output` (a run that was stopped goes on; one
that is done is only judged), and judges it on works that neither trained it nor chose its checkpoint. Every model is
half as wide as `base` unless its study says otherwise; all see as many melodies in as many steps (a flat encoder in as
much time), so that rows compare with one another and not with the model that ships.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import torch

from melodylc.data.corpus import Corpus
from melodylc.data.rows import evaluation_rows, evenly
from melodylc.evaluation.reconstruction import Answers, Reconstruction, answers
from melodylc.evaluation.statistics import features
from melodylc.evaluation.subject import StandardNormal, Subject, batch_slices
from melodylc.models.checkpoint import load_model
from melodylc.models.config import ModelConfig, named_config
from melodylc.training.run import MODEL, train_vae
from melodylc.training.settings import StageSettings, TrainSettings

Rows = npt.NDArray[np.int64]

BASE = named_config("base")
HALVED = "embedding encoder_hidden conductor_hidden decoder_hidden bar_hidden song_hidden attention blocks".split()
HALF = replace(BASE, name="half", event=32, **{name: getattr(BASE, name) // 2 for name in HALVED})
FLAT = replace(HALF, name="flat", encoder="flat", event=48, bar_hidden=0, song_hidden=0, attention=0, blocks=0)
CODEC = StageSettings(kind="codec", batch=64, rate=2e-3, steps=400, warmup=50)
SONG = StageSettings(kind="song", batch=64, rate=2e-3, steps=1200, warmup=50, free_nats=(600.0, 255.0), settled=0.3)
FLAT_STEPS = 250  #: of a flat encoder: as long as all the others' take
STAGED = TrainSettings(stages=(CODEC, SONG), validate_every=200)


@dataclass(frozen=True)
class Run:
    """What is trained."""

    config: ModelConfig = HALF
    settings: TrainSettings = STAGED


def free(nats: float, beta: float = 1.0) -> Run:
    """Other free nats in the end, or another price of the others."""
    song = replace(SONG, free_nats=(max(600.0, nats) if nats else 0.0, nats), beta=beta)
    return Run(settings=replace(STAGED, stages=(CODEC, song)))


def joint(config: ModelConfig = HALF, steps: int = SONG.steps + CODEC.steps) -> Run:
    """Everything at once from the start, by default for as many steps as both stages have."""
    return Run(config, replace(STAGED, stages=(replace(SONG, steps=steps),)))


SIZES = {f"{size} dimensions a bar": Run(replace(HALF, z=16 * size)) for size in (8, 16, 32)}
BALANCES = {f"melodies^{power:g}": Run(settings=replace(STAGED, balance=power)) for power in (0.0, 0.5, 1.0)}
RATES = {
    **{f"{nats:g} free nats": free(nats) for nats in (150.0, 255.0, 400.0)},
    "no free nats, beta 0.3": free(0.0, 0.3),
}
STAGES = {
    "codec, then everything": Run(),
    "everything at once": joint(),
    "flat, everything at once": joint(FLAT, FLAT_STEPS),
}
STUDIES: Mapping[str, Mapping[str, Run]] = {"size": SIZES, "balance": BALANCES, "rate": RATES, "stages": STAGES}

OVERALL, EACH, SAMPLES = 512, 64, 512  #: melodies: evenly spread, of each collection, of N(0, I)


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path))
@click.argument("studies", nargs=-1, type=click.Choice([*STUDIES]))
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("runs/studies"), show_default=True)
@click.option("--seeds", default=1, show_default=True, help="Of training, from 0 on; tables show means.")
@click.option("--threads", default=1, show_default=True)
def main(corpus: Path, studies: tuple[str, ...], output: Path, seeds: int, threads: int) -> None:
    """Print a Markdown table a study: those named, or all."""
    torch.set_num_threads(threads)
    opened = Corpus.open(corpus)
    click.echo(f"corpus {opened.fingerprint}; {CODEC.steps} + {SONG.steps} steps; torch {torch.__version__}\n")
    for name in studies or STUDIES:
        judged = {
            row: [judge(opened, trained(opened, seeded(run, seed), output)) for seed in range(seeds)]
            for row, run in STUDIES[name].items()
        }
        click.echo(f"{table(name, judged)}\n")
        if name == "balance":
            click.echo(f"{by_collection(judged)}\n")


def seeded(run: Run, seed: int) -> Run:
    """The same run with another seed of training."""
    return replace(run, settings=replace(run.settings, seed=seed))


def trained(corpus: Corpus, run: Run, output: Path) -> Path:
    """The model of a run, trained now unless it was already; equal runs of several studies share a folder."""
    folder = output / identity(run)
    if not (folder / MODEL).exists():
        clock = time.process_time()
        train_vae(corpus, run.config, run.settings, folder)
        click.echo(f"{folder.name}: {(time.process_time() - clock) / 60:.1f} minutes of processor time", err=True)
    return folder / MODEL


def identity(run: Run) -> str:
    """A folder's name that says what sets a run apart."""
    song = run.settings.stages[-1]
    stages = "+".join(f"{stage.kind}{stage.steps}" for stage in run.settings.stages)
    rate = f"free{song.free_nats[1]:g}-beta{song.beta:g}"
    seed = f"-seed{run.settings.seed}" if run.settings.seed else ""
    return f"{run.config.name}-z{run.config.z}-{stages}-{rate}-balance{run.settings.balance:g}{seed}"


@dataclass(frozen=True)
class Judged:
    """How a model does."""

    overall: Reconstruction
    collections: Mapping[str, Reconstruction]
    best_key: float  #: of samples of N(0, I)
    parameters: int


def judge(corpus: Corpus, path: Path) -> Judged:
    """Figures of a model, on held-out works that never chose its checkpoint."""
    vae = load_model(path).vae
    subject, rows = Subject(vae), evaluation_rows(corpus)
    of = np.asarray(corpus.heldout_collection[rows])
    each = {corpus.collections[number]: evenly(rows[of == number], EACH) for number in np.unique(of)}
    z = StandardNormal(vae.config.z).sample(SAMPLES, 1)
    melodies = np.concatenate([subject.melodies(z[part])[0] for part in batch_slices(SAMPLES)])
    return Judged(
        overall=given_back(subject, corpus, evenly(rows, OVERALL)).figures(),
        collections={name: given_back(subject, corpus, some).figures() for name, some in each.items()},
        best_key=float(np.nanmean(features(melodies).best_key)),
        parameters=sum(tensor.numel() for tensor in vae.parameters()),
    )


def given_back(subject: Subject, corpus: Corpus, rows: Rows) -> Answers:
    """Melodies of the held-out side, from the mean and from one sample of q(z|x)."""
    return answers(subject, np.asarray(corpus.heldout[rows]), seeds=(1,))


def table(name: str, judged: Mapping[str, Sequence[Judged]]) -> str:
    """A row a run: steps / note-ons, free-running, what they cost, and the best key of samples; means over seeds."""
    lines = [
        f"| {name} | parameters | from the mean | from one sample | KL | bits a step | best key |",
        "|---|---|---|---|---|---|---|",
    ]
    for row, done in judged.items():
        overall = [one.overall for one in done]
        kl, bits = np.mean([cost(found) for found in overall], axis=0)
        lines.append(
            f"| {row} | {done[0].parameters / 1e6:.1f} M | {shares(overall)} | {shares(overall, sampled=True)} "
            f"| {kl:.0f} | {bits:.3f} | {np.mean([one.best_key for one in done]):.3f} |"
        )
    return "\n".join(lines)


def by_collection(judged: Mapping[str, Sequence[Judged]]) -> str:
    """A row a collection, and one of all's mean: steps / note-ons from the mean, free-running, and bits a step."""
    lines = [f"| collection | {' | '.join(judged)} |", f"|---|{'---|' * len(judged)}"]
    names = list(next(iter(judged.values()))[0].collections)
    for title, those in [*((name, [name]) for name in names), ("mean of collections", names)]:
        found = [[one.collections[name] for one in done for name in those] for done in judged.values()]
        cells = [f"{shares(some)}, {np.mean([cost(one)[1] for one in some]):.3f}" for some in found]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def shares(found: Sequence[Reconstruction], sampled: bool = False) -> str:
    """Steps / note-ons that are right, free-running, in the mean."""
    ways = [one.sample_free if sampled else one.mean_free for one in found]
    return f"{np.mean([way.steps.mean for way in ways]):.3f} / {np.mean([way.notes.mean for way in ways]):.3f}"


def cost(found: Reconstruction) -> tuple[float, float]:
    """KL in nats a melody and negative ELBO in bits a step, to N(0, I)."""
    (rate,) = found.rates.values()
    return rate.kl.mean, rate.bits.mean


if __name__ == "__main__":
    main()
