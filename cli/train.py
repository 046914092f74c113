"""`melodylc train vae CORPUS`: train the melody model, or go on with a run that was stopped."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from melodylc.cli.ui import LINE_SECONDS, animates, console, progress, say

if TYPE_CHECKING:
    from melodylc.training.loop import Report

MOST_SEED = 2**63 - 1


@click.group()
def train() -> None:
    """Train a model on a corpus."""


def _minutes(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of numbers such as 12,25,85") from None


@train.command()
@click.argument("corpus", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option("--config", default="base", show_default=True, help="Model configuration: paper, base or tiny.")
@click.option(
    "--start",
    type=click.Path(path_type=Path),
    help="Model file to go on from, on any corpus: its last stage again, with a new rate schedule.",
)
@click.option(
    "--without",
    metavar="COLLECTION",
    help="Leave a collection out, with all that shares four bars or a work with it: to test the model on it later.",
)
@click.option("--minutes", callback=_minutes, help="Time limit of each stage, e.g. 5,90 (codec, song).")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, MOST_SEED), help="Seed of the whole run.")
@click.option(
    "--precision",
    type=click.Choice(["bf16", "fp32"]),
    default="bf16",
    show_default=True,
    help="Of the arithmetic: bf16 is two to three times faster where the processor has it.",
)
def vae(
    corpus: Path,
    output: Path,
    config: str,
    start: Path | None,
    without: str | None,
    minutes: tuple[float, ...] | None,
    seed: int,
    precision: Literal["bf16", "fp32"],
) -> None:
    """Train the melody VAE on CORPUS (made by `melodylc data build`).

    Ctrl-C stops once the step under way is whole; the same command run again goes on from there. Under torchrun
    (torchrun --nproc-per-node 2 -m melodylc train vae ...) several processes or machines train one model.
    """
    from dataclasses import replace

    from melodylc.data.corpus import Corpus
    from melodylc.evaluation.validation import validation_figures
    from melodylc.models.checkpoint import load_model
    from melodylc.models.config import named_config
    from melodylc.training.run import train_vae
    from melodylc.training.settings import default_settings
    from melodylc.training.team import join_team

    team = join_team()
    model = named_config(config)
    settings = replace(default_settings(model), seed=seed, precision=precision)
    former = load_model(start) if start else None
    if former:
        settings = settings.continued()
    if minutes:
        settings = settings.with_minutes(minutes)
    with _Progress() as bars:
        path = train_vae(Corpus.open(corpus), model, settings, output, bars, former, without, team, validation_figures)
    if team.leads:
        click.echo(f"wrote {path}")


@train.command()
@click.argument("corpus", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option(
    "--model", type=click.Path(path_type=Path), help="Model file that gets the prior.  [default: the shipped]"
)
@click.option("--minutes", callback=_minutes, help="Time limit.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, MOST_SEED), help="Seed of the whole run.")
def prior(corpus: Path, output: Path, model: Path | None, minutes: tuple[float, ...] | None, seed: int) -> None:
    """Train the language model that a model's learnt prior draws from, and write the model with it.

    Stopping, going on and torchrun are as with `melodylc train vae`.
    """
    from dataclasses import replace

    from melodylc.data.corpus import Corpus
    from melodylc.models.checkpoint import open_model
    from melodylc.training.run import train_prior
    from melodylc.training.settings import LANGUAGE
    from melodylc.training.team import join_team

    team, settings = join_team(), replace(LANGUAGE, seed=seed)
    if minutes:
        settings = settings.with_minutes(minutes)
    loaded = open_model(model)
    with _Progress() as bars:
        path = train_prior(Corpus.open(corpus), loaded, settings, output, bars, team)
    if team.leads:
        click.echo(f"wrote {path}")


@train.command()
@click.argument("corpus", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option("--steps", type=click.IntRange(1), help="How many.  [default: 9000]")
@click.option("--minutes", callback=_minutes, help="Time limit.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, MOST_SEED), help="Seed of the whole run.")
def critic(corpus: Path, output: Path, steps: int | None, minutes: tuple[float, ...] | None, seed: int) -> None:
    """Pre-train the critic that every fit begins with: it learns to read statistics off distorted melodies.

    Stopping and going on are as with `melodylc train vae`.
    """
    from dataclasses import replace

    from melodylc.constraints.pretraining.train import PRETRAINING_SETTINGS, pretrain_critic
    from melodylc.data.corpus import Corpus

    settings = replace(PRETRAINING_SETTINGS, seed=seed)
    if steps:
        settings = replace(settings, stages=(replace(settings.stages[0], steps=steps),))
    if minutes:
        settings = settings.with_minutes(minutes)
    with _Progress() as bars:
        path = pretrain_critic(Corpus.open(corpus), settings, output, bars)
    click.echo(f"wrote {path}")


@train.command()
@click.argument("corpus", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File.  [default: one in the user's cache]")
@click.option(
    "--model", type=click.Path(path_type=Path), help="Model file that the critic is for.  [default: the shipped]"
)
@click.option(
    "--actor",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="An actor of this model, whose melodies it is shown as unreal, too.  [default: the one that ships]",
)
@click.option("--rounds", type=click.IntRange(1), help="Rounds of the game.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, MOST_SEED), help="Seed of the game.")
def realism(
    corpus: Path, output: Path | None, model: Path | None, files: tuple[Path, ...], rounds: int | None, seed: int
) -> None:
    """Train the critic that tells real melodies from samples, for `--realism` of `generate` and `fit`.

    The shipped model's comes with the package. A few minutes; `generate` and `fit` find it in the user's cache.
    """
    from melodylc.constraints.actors import moves_of, shipped_moves
    from melodylc.constraints.fitting import probe
    from melodylc.constraints.realism import realism_path, train_realism
    from melodylc.data.corpus import Corpus
    from melodylc.latent.realism import RealismSettings
    from melodylc.models.checkpoint import open_model

    loaded = open_model(model)
    given = moves_of(loaded, files)
    path = output or realism_path(loaded)
    probe(path)
    settings = RealismSettings(rounds=rounds) if rounds else RealismSettings()
    with progress("starting") as step:
        belief = train_realism(
            Corpus.open(corpus),
            loaded,
            path,
            settings,
            seed=seed,
            report=lambda done, of, what: step(done, total=of, label=what),
            actors=given or shipped_moves(loaded),
        ).figures
    click.echo(f"wrote {path}: takes {belief.real:.1%} of real melodies for real, {belief.prior:.1%} of samples")


class _Progress:
    """A bar a stage on a terminal; a line a validation everywhere, and where there is no bar one now and then."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

        self.bar: Progress | None = None
        if animates():
            name, line = TextColumn("{task.description}"), TextColumn("{task.fields[line]}")
            self.bar = Progress(name, BarColumn(), TimeRemainingColumn(), line, console=console(stderr=True))
        self.tasks: dict[str, TaskID] = {}
        self.last = time.monotonic()

    def __call__(self, report: "Report") -> None:
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in report.metrics.items())
        if self.bar:
            if report.stage not in self.tasks:
                self.bar.start()
                self.tasks[report.stage] = self.bar.add_task(report.stage, total=1.0, line="")
            self.bar.update(self.tasks[report.stage], completed=report.fraction, line=f"step {report.step}  {numbers}")
        line = f"{report.stage}  step {report.step}  {report.fraction:.1%}  {numbers}"
        if report.validation is not None:
            self._print(f"{line}  validation {report.validation:.5f}")
        elif not self.bar and time.monotonic() - self.last >= LINE_SECONDS:
            self._print(line)

    def _print(self, line: str) -> None:
        self.last = time.monotonic()
        (self.bar.console.print if self.bar else say)(line)

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar and self.tasks:  # a live bar hides the cursor
            self.bar.stop()
