"""`melodylc evaluate model CORPUS`: everything that can be measured of a model, in tables and as a file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from melodylc.cli.ui import progress, say, table
from melodylc.data.errors import InputError
from melodylc.data.files import atomic_write, check_writable

if TYPE_CHECKING:
    from melodylc.evaluation.model import ModelEvaluation

MOST = 1_000_000
MOST_SEED = 2**63 - 1


@click.group()
def evaluate() -> None:
    """Measure a model."""


@evaluate.command()
@click.argument("corpus", type=click.Path(path_type=Path))
@click.option("--model", "path", type=click.Path(path_type=Path), help="Another model than the one that's shipped.")
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write all figures there, as JSON."
)
@click.option(
    "--melodies", default=2048, show_default=True, type=click.IntRange(1, MOST), help="Held-out melodies to give back."
)
@click.option(
    "--samples", default=1000, show_default=True, type=click.IntRange(2, 10_000), help="Melodies in each set compared."
)
@click.option(
    "--pairs", default=64, show_default=True, type=click.IntRange(1, MOST), help="Pairs of melodies to walk between."
)
@click.option(
    "--seed",
    "seeds",
    multiple=True,
    default=(1, 2, 3),
    show_default=True,
    type=click.IntRange(0, MOST_SEED),
    help="One of the seeds; repeat it. Figures are means over them, with their spread.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the tables in Markdown.")
def model(
    corpus: Path,
    path: Path | None,
    output: Path | None,
    melodies: int,
    samples: int,
    pairs: int,
    seeds: tuple[int, ...],
    as_json: bool,
    as_markdown: bool,
) -> None:
    """Measure a model of melodies on the held-out works of CORPUS (made by `melodylc data build`).

    What it gives back, what samples are like beside real melodies, what they copy from training, and what lies
    between two melodies. A few minutes on two cores.
    """
    if as_json and as_markdown:
        raise InputError("--json and --markdown at once: choose one")
    if output:
        check_writable(output)  # a mistake should cost no time

    from melodylc.actors import shipped_model
    from melodylc.data.corpus import Corpus
    from melodylc.evaluation.model import EvaluationSettings, Evaluator
    from melodylc.models.checkpoint import load_model

    settings = EvaluationSettings(melodies=melodies, samples=samples, pairs=pairs, seeds=seeds)
    evaluator = Evaluator(load_model(path) if path else shipped_model(), Corpus.open(corpus), settings)
    with progress("starting", total=evaluator.work) as step:
        done = evaluator.run(lambda count, what: step(count, label=what))
    if output:
        with atomic_write(output, "w") as file:
            file.write(f"{_json(done)}\n")
    if as_json:
        click.echo(_json(done))
    else:
        _show(done, as_markdown)
    if output:
        say(f"wrote {output}")


def _json(done: "ModelEvaluation") -> str:
    return json.dumps(done.to_dict(), indent=1)


def _show(done: "ModelEvaluation", as_markdown: bool) -> None:
    from melodylc.evaluation.report import conditions, markdown, tables

    if as_markdown:
        click.echo("\n".join(conditions(done)) + "\n\n" + markdown(tables(done)))
        return
    for line in conditions(done):
        say(line)
    for found in tables(done):
        table(found.columns, found.rows, title=found.title)
        click.echo(f"{found.note}\n")
