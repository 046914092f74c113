"""An evaluation of rules as tables."""

from collections.abc import Iterator

from melodylc.evaluation.figures import Spread
from melodylc.evaluation.report import Row, Table, copies_table, samples_table, told_versions
from melodylc.evaluation.rules import PRIOR, CaseFigures, Draws, RulesEvaluation

NOTE = (
    "Of each part: mean score, share of draws where it is exactly 1. all: every part, with Wilson's 95 % interval. "
    "distinct: share of different melodies, in any transposition. differ: share of steps in which two differ. "
    "apart: edit distance of two, each in its best key, and that over the prior's."
)


def rule_conditions(done: RulesEvaluation) -> list[str]:
    """On what it was measured, in sentences."""
    told, settings = done.conditions, done.conditions["settings"]
    seeds = ", ".join(map(str, settings["seeds"]))
    corpus = f", corpus {told['corpus']}" if told["corpus"] else ""
    return [
        f"model {told['model']} ({told['configuration']}), prior {told['prior']}{corpus}, {told_versions(told)}",
        f"single draws, no second try: {settings['samples']} for each of the seeds {seeds}",
    ]


def rule_tables(done: RulesEvaluation) -> list[Table]:
    """All of it."""
    found = [_case(name, case) for name, case in done.cases.items()]
    if done.samples:
        found.append(samples_table(done.samples))
    if done.copies:
        found.append(copies_table(done.copies))
    return found


def _case(name: str, case: CaseFigures) -> Table:
    parts = [f"{part}: mean, = 1" for part in case.prior.parts]
    columns = ("draws of", *parts, "all", "95 %", "z_MSE", "L_dist", "distinct", "differ", "apart", "over the prior's")
    rows = [_row(PRIOR, case.prior, None)]
    if case.actor:
        rows.append(_row("actor", case.actor, case.apart))
    columns += ("pitches", "notes", "touched")
    fitted = f" The actor: {case.fingerprint}, {case.rounds} rounds." if case.actor else ""
    return Table(name, columns, rows, f"{NOTE}{fitted}")


def _row(start: str, draws: Draws, ratio: Spread | None) -> Row:
    return tuple(_cells(start, draws, ratio))


def _cells(start: str, draws: Draws, ratio: Spread | None) -> Iterator[str]:
    yield start
    yield from (f"{part.mean.text(3)}, {part.rate.text(3)}" for part in draws.parts.values())
    yield draws.all.text(3)
    yield "{:.4f} to {:.4f}".format(*draws.interval)
    yield from (draws.z_mse.text(2), draws.distance.text(2), draws.distinct.text(3), draws.differ.text(3))
    yield from (draws.apart.text(3), ratio.text(3) if ratio else "")
    yield from (draws.pitches.text(1), draws.notes.text(0), draws.touched.text(5))
