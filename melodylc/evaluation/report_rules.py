"""An evaluation of rules as tables."""

from collections.abc import Iterator

from melodylc.evaluation.figures import Spread
from melodylc.evaluation.report import Table, copies_table, likeness_tables, samples_table, told_versions
from melodylc.evaluation.rule_figures import Interval, RuleSamples
from melodylc.evaluation.rules import CaseFigures, RulesEvaluation

NOTE = (
    "Of each part: mean score and share of draws where it is exactly 1, with 95 % intervals. all: every part at once. "
    "distinct: share of different melodies, in any transposition. differ: share of steps in which two differ. "
    "apart: edit distance of two, each in its best key, and that over the prior's. decodes: melodies through the "
    "decoder that a draw cost, a gradient counting as three."
)


def rule_conditions(done: RulesEvaluation) -> list[str]:
    """On what it was measured, in sentences."""
    told, settings = done.conditions, done.conditions["settings"]
    seeds = ", ".join(map(str, settings["seeds"]))
    corpus = f", corpus {told['corpus']}" if told["corpus"] else ""
    few = sorted({draws.count for case in done.cases.values() for draws in case.rows.values()} - {settings["samples"]})
    others = f" ({few[0]} where a row says so)" if few else ""
    return [
        f"model {told['model']} ({told['configuration']}), prior {told['prior']}{corpus}, {told_versions(told)}",
        f"single draws, no second try but rejection's: {settings['samples']} for each of the seeds {seeds}{others}",
    ]


def rule_tables(done: RulesEvaluation) -> list[Table]:
    """All of it."""
    found = [_case(name, case, done.conditions["settings"]["samples"]) for name, case in done.cases.items()]
    if done.samples:
        found.append(samples_table(done.samples))
    for name, likeness in done.likeness.items():
        found += [one._replace(title=f"{one.title}: {name}, those that obey") for one in likeness_tables(likeness)]
    if done.copies:
        found.append(copies_table(done.copies))
    return found


def _case(name: str, case: CaseFigures, samples: int) -> Table:
    parts = [cell for part in case.rows["prior"].parts for cell in (f"{part}: mean", "= 1")]
    columns = ("draws of", *parts, "all", "z_MSE", "L_dist", "distinct", "differ", "apart", "over the prior's")
    columns += ("pitches", "notes", "touched", "decodes")
    rows = [tuple(_cells(_start(row, draws, samples), draws)) for row, draws in case.rows.items()]
    return Table(name, columns, rows, " ".join([NOTE, *_rate_cell(case)]))


def _rate_cell(case: CaseFigures) -> Iterator[str]:
    if "rejection" in case.rows:
        yield f"rejection: the first of {case.tries} draws of the prior that obeys, else the last."
    if case.fingerprint:
        moved = f", its melodies moved by {case.semitones:+d} semitones" if case.semitones else ""
        yield f"The actor: {case.fingerprint}, {case.rounds} rounds, which cost {case.fit:,} decodes{moved}."


def _start(row: str, draws: RuleSamples, samples: int) -> str:
    return row if draws.count == samples else f"{row} ({draws.count} a seed)"


def _cells(start: str, draws: RuleSamples) -> Iterator[str]:
    yield start
    for part in draws.parts.values():
        yield _within(part.mean, part.mean_interval)
        yield _within(part.rate, part.rate_interval)
    yield _within(draws.all, draws.interval)
    yield from (_or_none(draws.z_mse, 2), _or_none(draws.distance, 2), draws.distinct.text(3), draws.differ.text(3))
    yield from (draws.apart.text(3), _or_none(draws.over_prior, 3))
    yield from (draws.pitches.text(1), draws.notes.text(0), draws.touched.text(5), f"{draws.decodes.mean:.1f}")


def _within(spread: Spread, interval: Interval) -> str:
    """A figure with its interval, such as "0.938 (0.929 to 0.946)"."""
    return f"{spread.mean:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def _or_none(spread: Spread | None, digits: int) -> str:
    return spread.text(digits) if spread else ""
