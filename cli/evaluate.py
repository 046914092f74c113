"""`melodylc evaluate model | rules`: everything that can be measured, in tables and as a file."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import click

from melodylc.cli.options import make_request, prior_option, request_options
from melodylc.cli.ui import progress, reporting, say, table
from melodylc.data.errors import InputError
from melodylc.data.files import atomic_write, check_writable

if TYPE_CHECKING:
    from melodylc.constraints.request import Request
    from melodylc.evaluation.report import Table
    from melodylc.evaluation.rules import Case
    from melodylc.models.checkpoint import LoadedModel
    from melodylc.models.config import PriorName

MOST = 1_000_000
MOST_SEED = 2**63 - 1
Command = TypeVar("Command", bound=Callable[..., Any])


class EvaluationResult(Protocol):
    """An evaluation that is over."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a file."""
        ...


def shown(command: Command) -> Command:
    """Add --model, --seed, -o, --json and --markdown."""
    options = (
        click.option(
            "--model", "path", type=click.Path(path_type=Path), help="Another model than the one that's shipped."
        ),
        click.option(
            "--seed",
            "seeds",
            multiple=True,
            default=(1, 2, 3),
            show_default=True,
            type=click.IntRange(0, MOST_SEED),
            help="One of the seeds; repeat it. Figures are means over them, with their spread.",
        ),
        click.option(
            "-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write all figures there, as JSON."
        ),
        click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables."),
        click.option("--markdown", "as_markdown", is_flag=True, help="Print the tables in Markdown."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def evaluate() -> None:
    """Measure a model, or how far rules are kept."""


@evaluate.command()
@click.argument("corpus", type=click.Path(path_type=Path))
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
    "--refine",
    default=0,
    type=click.IntRange(0, 10_000),
    metavar="STEPS",
    help="Give melodies back once more, with posteriors fitted to each by so many steps of gradient descent.",
)
@click.option("--refined", default=256, show_default=True, type=click.IntRange(1, MOST), help="How many melodies then.")
@click.option(
    "--beta", default=0.215, show_default=True, type=float, help="What a nat of KL costs there, beside what is wrong."
)
@click.option(
    "--fit-to",
    type=click.Choice(["events", "bound"]),
    default="events",
    show_default=True,
    help="What is wrong there: events that come out otherwise, or -log p of the melody.",
)
@click.option("--pairs-of-draws", default=1, show_default=True, type=click.IntRange(1, 64), help="A step there.")
@shown
def model(
    corpus: Path,
    path: Path | None,
    output: Path | None,
    melodies: int,
    samples: int,
    pairs: int,
    refine: int,
    refined: int,
    beta: float,
    fit_to: Literal["events", "bound"],
    pairs_of_draws: int,
    seeds: tuple[int, ...],
    as_json: bool,
    as_markdown: bool,
) -> None:
    """Measure a model of melodies on the held-out works of CORPUS (made by `melodylc data build`).

    What it gives back, what samples are like beside real melodies, what they copy from training, and what lies
    between two melodies. A few minutes on two cores.
    """
    _check(output, as_json, as_markdown)

    from melodylc.data.corpus import Corpus
    from melodylc.evaluation.model import EvaluationSettings, Evaluator
    from melodylc.evaluation.report import conditions, tables
    from melodylc.models.checkpoint import open_model
    from melodylc.models.refinement import Refinement

    how = Refinement(steps=refine, beta=beta, to=fit_to, pairs=pairs_of_draws) if refine else None
    settings = EvaluationSettings(
        melodies=melodies, samples=samples, pairs=pairs, seeds=seeds, refine=how, refined=refined
    )
    evaluator = Evaluator(open_model(path), Corpus.open(corpus), settings)
    with progress("starting", total=evaluator.work) as step:
        done = evaluator.run(lambda count, what: step(count, label=what))
    _finish(done, conditions(done), tables(done), output, as_json, as_markdown)


@evaluate.command()
@click.argument("corpus", type=click.Path(path_type=Path), required=False)
@request_options
@click.option(
    "--actor",
    "actors",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A learnt rule of `melodylc fit -o`; repeat it for more, beside the one that the options above ask for.",
)
@prior_option
@click.option("--fit/--no-fit", default=True, help="Whether an actor is fitted where none is there.  [default: yes]")
@click.option(
    "--rows",
    default="prior,rejection,snapping,optimize,edit,steer,actor",
    show_default=True,
    help="Which rows, with commas between; the prior is always there. prior,actor is quick.",
)
@click.option(
    "--samples", default=1000, show_default=True, type=click.IntRange(2, 10_000), help="Single draws of each, a seed."
)
@click.option(
    "--few",
    default=100,
    show_default=True,
    type=click.IntRange(2, 10_000),
    help="The same of rejection, optimize, edit and steer, whose draws cost more.",
)
@click.option(
    "--tries",
    type=click.IntRange(1, 1_000_000),
    help="Draws of the prior for a melody of rejection.  [default: as an actor's draw costs, its fit's share included]",
)
@click.option("--picture", type=click.Path(path_type=Path), metavar="FILE.svg", help="Draw the table there.")
@shown
def rules(
    corpus: Path | None,
    actors: tuple[Path, ...],
    prior: "PriorName | None",
    fit: bool,
    rows: str,
    samples: int,
    few: int,
    tries: int | None,
    picture: Path | None,
    path: Path | None,
    output: Path | None,
    seeds: tuple[int, ...],
    as_json: bool,
    as_markdown: bool,
    **asked: Any,
) -> None:
    """Measure how often single draws keep rules: the prior's, those of the rules' actors, and their simple rivals.

    Rivals are rejection at equal compute, snapping to the scale, latents optimised one by one,
    edits without any model of latents, and steering. Beside that, how far
    draws were moved, how many are different, and how far apart. With CORPUS (made by `melodylc data build`) they are
    held against its held-out works too, and searched for copies. What was drawn before Ctrl-C is kept: the same command
    goes on from there.

    \b
    melodylc evaluate rules --scale cmaj --density high --markdown
    melodylc evaluate rules --scale dmaj --rows prior,actor --samples 200
    melodylc evaluate rules corpus --actor stepwise.safetensors --picture rules.svg
    """
    _check(output, as_json, as_markdown)
    if picture:
        if picture.suffix.lower() != ".svg":
            raise InputError(f"a picture is a file ending in .svg, not {str(picture)!r}")
        check_writable(picture)
    request = make_request(**asked)

    from melodylc.cache import cache_folder
    from melodylc.data.corpus import Corpus
    from melodylc.evaluation import rule_picture
    from melodylc.evaluation.report_rules import rule_conditions, rule_tables
    from melodylc.evaluation.rules import RuleEvaluator, RuleSettings, read_rows
    from melodylc.models.checkpoint import open_model

    settings = RuleSettings(samples=samples, few=few, tries=tries, rows=read_rows(rows), seeds=seeds)
    opened = Corpus.open(corpus) if corpus else None
    model = open_model(path)
    cases = [*_request_cases(model, request, prior, fit), *_actor_cases(model, actors, prior, asked["reward_seconds"])]
    if "optimize" in settings.rows:
        cases = [_with_critic(model, case, prior) for case in cases]
    evaluator = RuleEvaluator(model, cases, settings, prior, opened, cache_folder() / "drawn")
    with progress("starting", total=evaluator.work) as step:
        done = evaluator.run(lambda count, what: step(count, label=what))
    if picture:
        with atomic_write(picture, "w") as file:
            file.write(rule_picture.picture(done))
        say(f"wrote {picture}")
    _finish(done, rule_conditions(done), rule_tables(done), output, as_json, as_markdown)


def _request_cases(model: "LoadedModel", request: "Request", prior: "PriorName | None", fit: bool) -> list["Case"]:
    from melodylc.constraints.actors import find_actor
    from melodylc.evaluation.rules import Case
    from melodylc.sampling.fitting import actor_for
    from melodylc.sampling.methods.base import Task

    if request.rule is None:
        return []
    # As `generate` does: one that ships for the same rule in another key will do.
    if fit:
        with reporting("looking for the actor") as reporter:
            found = actor_for(Task(model, request, prior, reporter=reporter), other_keys=True)
    else:
        found = find_actor(model, request.rule, prior, say, other_keys=True)
    return [Case(" ".join(request.words), request.rule, found, request=request)]


def _actor_cases(
    model: "LoadedModel", paths: Sequence[Path], prior: "PriorName | None", reward_seconds: float
) -> list["Case"]:
    from melodylc.constraints.actors import load_given_actor, request_of
    from melodylc.evaluation.rules import Case

    cases = []
    for path in paths:
        request = request_of(path, reward_seconds)
        if request.rule is not None:
            cases.append(Case(path.stem, request.rule, load_given_actor(path, model, request, prior), request=request))
    return cases


def _with_critic(model: "LoadedModel", case: "Case", prior: "PriorName | None") -> "Case":
    from melodylc.sampling.fitting import critic_for
    from melodylc.sampling.methods.base import Task

    if case.actor is None:
        return case
    with reporting("looking for the critic") as reporter:
        return replace(case, critic=critic_for(Task(model, prior=prior, reporter=reporter), case.actor, case.own_rule))


def _check(output: Path | None, as_json: bool, as_markdown: bool) -> None:
    if as_json and as_markdown:
        raise InputError("--json and --markdown at once: choose one")
    if output:
        check_writable(output)  # a mistake should cost no time


def _finish(
    done: EvaluationResult,
    conditions: Sequence[str],
    tables: Sequence["Table"],
    output: Path | None,
    as_json: bool,
    as_markdown: bool,
) -> None:
    text = json.dumps(done.to_dict(), indent=1)
    if output:
        with atomic_write(output, "w") as file:
            file.write(f"{text}\n")
    if as_json:
        click.echo(text)
    else:
        _show(conditions, tables, as_markdown)
    if output:
        say(f"wrote {output}")


def _show(conditions: Sequence[str], tables: Sequence["Table"], as_markdown: bool) -> None:
    from melodylc.evaluation.report import markdown

    if as_markdown:
        click.echo("\n".join(conditions) + "\n\n" + markdown(tables))
        return
    for line in conditions:
        say(line)
    for found in tables:
        table(found.columns, found.rows, title=found.title)
        click.echo(f"{found.note}\n")
