"""An evaluation as tables, for a terminal or for a Markdown file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from melodylc.data.leave_out import LEFT_OUT
from melodylc.evaluation.copies import CopyFigures
from melodylc.evaluation.figures import Spread
from melodylc.evaluation.interpolation import InterpolationFigures
from melodylc.evaluation.judging import LikenessReport, SetLikeness
from melodylc.evaluation.model import HELD_OUT, ModelEvaluation
from melodylc.evaluation.reconstruction import Accuracy, Reconstruction
from melodylc.evaluation.samples import SampleFigures

Row = Sequence[str]
ALL = "all"
WAYS = ("mean, teacher-forced", "mean, free-running", "sample, teacher-forced", "sample, free-running")


class Table(NamedTuple):
    """A table, and what must be said under it."""

    title: str
    columns: Row
    rows: Sequence[Row]
    note: str = ""


def conditions(done: ModelEvaluation) -> list[str]:
    """On what it was measured, in sentences; a warning among them where there must be one."""
    told, settings = done.conditions, done.conditions["settings"]
    seeds = ", ".join(map(str, settings["seeds"]))
    lines = [
        f"model {told['model']} ({told['configuration']}), corpus {told['corpus']}, {told_versions(told)}",
        f"{told['melodies']} of {told['held_out']} held-out melodies, of {told['works']} works that never chose a "
        f"checkpoint; seeds {seeds}; {settings['samples']} melodies a seed in each set compared, "
        f"{settings['pairs']} pairs a seed walked between",
    ]
    left_out = told["trained"][LEFT_OUT]
    if left_out:
        lines.append(
            f"trained without {left_out['collection']} ({left_out['melodies']} melodies) and its kin "
            f"({left_out['kin']}); neither is among the held-out melodies here"
        )
    if not told["corpus_is_the_trained_one"]:
        lines.append(
            f"beware: trained on another corpus ({told['trained']['corpus']}), it may have met what is held out here"
        )
    return lines


def told_versions(conditions: Mapping[str, Any]) -> str:
    """The versions among an evaluation's conditions, in words."""
    return ", ".join(f"{name} {version}" for name, version in conditions["versions"].items())


def tables(done: ModelEvaluation) -> list[Table]:
    """All of it."""
    judged = likeness_tables(done.likeness) if done.likeness else []
    return [*_given_back(done), _by_collection(done), _rates(done), samples_table(done.samples), *judged, *_rest(done)]


def markdown(found: Sequence[Table]) -> str:
    """Tables as they go into a Markdown file.

    >>> print(markdown([Table("Ages", ("name", "age"), [("Ann", "7")], "Years.")]))
    ### Ages
    <BLANKLINE>
    | name | age |
    |---|---|
    | Ann | 7 |
    <BLANKLINE>
    Years.
    """
    return "\n\n".join("\n".join(_lines(table)) for table in found)


def _lines(table: Table) -> Iterator[str]:
    yield from (f"### {table.title}", "")
    yield f"| {' | '.join(table.columns)} |"
    yield "|---" * len(table.columns) + "|"
    yield from (f"| {' | '.join(row)} |" for row in table.rows)
    if table.note:
        yield from ("", table.note)


# -- giving back -------------------------------------------------------------------------------


def _given_back(done: ModelEvaluation) -> Iterator[Table]:
    columns = ("from, way", "steps", "notes", "bars", "melodies")
    refined = [(f"{name}, q fitted to each", found) for name, found in done.refined.items()]
    for name, found in [(HELD_OUT, done.reconstruction), *_left_out(done), *refined]:
        ways = (found.mean_forced, found.mean_free, found.sample_forced, found.sample_free)
        rows = [(way, *_accuracy(accuracy)) for way, accuracy in zip(WAYS, ways, strict=True)]
        kl = next(iter(found.rates.values()))
        note = (
            f"Shares that are right, of {found.melodies} melodies. KL to N(0, I) {kl.kl.text(1)} nats a melody, "
            f"negative ELBO {kl.bits.text(3)} bits a step. "
            f"The canonical form made {found.touched} of the steps rests, from the mean."
        )
        yield Table(f"Giving melodies back: {name}", columns, rows, note)


def _left_out(done: ModelEvaluation) -> list[tuple[str, Reconstruction]]:
    return [(f"{name} (left out)", found) for name, found in done.unseen.items()]


def _accuracy(found: Accuracy) -> Row:
    return tuple(map(str, (found.steps, found.notes, found.bars, found.melodies)))


def _by_collection(done: ModelEvaluation) -> Table:
    rows = [*done.by_collection.items(), (ALL, done.reconstruction), *_left_out(done)]
    body = [(name, *_collection_row(found)) for name, found in rows]
    body += [(f"{ALL} less {name}", *_difference(done.reconstruction, found)) for name, found in _left_out(done)]
    columns = (
        "collection",
        "melodies",
        "steps",
        "notes",
        "melodies right",
        "sampled steps",
        "sampled notes",
        "KL",
        "bits",
    )
    return Table(
        "By collection, free-running",
        columns,
        body,
        "From the posterior's mean and from one sample; KL to N(0, I) in nats a melody, negative ELBO in bits a step.",
    )


def _collection_row(found: Reconstruction) -> Row:
    rate = next(iter(found.rates.values()))
    mean, sample = found.mean_free, found.sample_free
    shares = (mean.steps, mean.notes, mean.melodies, sample.steps, sample.notes)
    return (str(found.melodies), *map(str, shares), rate.kl.text(1), rate.bits.text(3))


def _difference(own: Reconstruction, other: Reconstruction) -> Row:
    one, two = (own.mean_free, own.sample_free), (other.mean_free, other.sample_free)
    steps, notes = (
        [f"{getattr(a, name).mean - getattr(b, name).mean:.4f}" for a, b in zip(one, two, strict=True)]
        for name in ("steps", "notes")
    )
    return ("", steps[0], notes[0], "", steps[1], notes[1], "", "")


def _rates(done: ModelEvaluation) -> Table:
    found = done.reconstruction
    rows = [(name, rate.kl.text(1), rate.bits.text(3)) for name, rate in found.rates.items()]
    note = (
        f"Of one posterior sample; {found.active} dimensions above 0.01 nats on average. "
        "For the learnt prior both are upper bounds."
    )
    return Table("Rate", ("prior", "KL, nats a melody", "negative ELBO, bits a step"), rows, note)


# -- samples -----------------------------------------------------------------------------------


def samples_table(found: SampleFigures) -> Table:
    """Samples against held-out melodies: levels and overlapping areas."""
    columns = ["feature", "real", "area: real", "area: other works"]
    for name in found.priors:
        columns += [name, f"area: {name}"]
    rows = [[feature, *_feature(found, feature)] for feature in found.ceiling.areas]
    others = [found.other_works, *found.priors.values()]
    rows += [
        _summary("mean area", found.ceiling.mean_area, [other.comparison.mean_area for other in others]),
        _summary("over the ceiling", "1", [other.ratio for other in others]),
        _summary(
            "mean area, other way round", found.ceiling.mean_back, [other.comparison.mean_back for other in others]
        ),
        _summary("over the ceiling, other way round", "1", [other.back_ratio for other in others]),
        _summary("different melodies", found.ceiling.distinct, [other.comparison.distinct for other in others]),
    ]
    note = (
        f"Sets of {found.melodies} melodies; real ones are held-out ones, drawn as training draws. Levels are means. "
        "`area`: overlapping area with real ones: of other real ones (the ceiling), of ones of other works, of samples."
    )
    return Table("Samples against held-out melodies", columns, rows, note)


def _feature(found: SampleFigures, feature: str) -> Iterator[str]:
    yield _level(found.reference, feature)
    yield str(found.ceiling.areas[feature])
    yield str(found.other_works.comparison.areas[feature])
    for against in found.priors.values():
        yield _level(against.comparison.levels, feature)
        yield str(against.comparison.areas[feature])


def _summary(name: str, ceiling: Spread | str, others: Sequence[Spread]) -> list[str]:
    """A row without levels: every prior's column of those stays empty."""
    first, *priors = map(str, others)
    return [name, "", str(ceiling), first, *(cell for figure in priors for cell in ("", figure))]


def _level(levels: dict[str, Spread], feature: str) -> str:
    return levels[feature].text(3) if feature in levels else ""


# -- judges of likeness --------------------------------------------------------------------------


def likeness_tables(found: LikenessReport) -> list[Table]:
    """What the judges say of each set, and its form."""
    rows = [*([("real: training works", found.floor)] if found.floor else []), *found.sets.items()]
    judges = tuple(next(iter(found.sets.values())).areas)
    body = [(name, *(str(judged.areas[judge]) for judge in judges), *_judged_row(judged)) for name, judged in rows]
    borrowed = f"; {found.trained.mean:.0f} of the real ones are of training works" if found.trained.mean else ""
    note = (
        f"Area under the curve of judges that tell melodies from real ones, 0.5 being chance: boosted trees on musical "
        f"features, random convolutions of events. Up to {found.melodies} melodies of a set and as many of "
        f"{found.works.mean:.0f} works, folds by work{borrowed}. Standard error: of one seed, clustered by work. "
        "Fréchet distance: in our own features. Telling: features, real / generated, in the first seed."
    )
    columns = ("set", *(f"AUC: {judge}" for judge in judges), "standard error", "Fréchet distance", "telling")
    form = [
        (name, real.text(3), *(judged.form[name].text(3) for judged in found.sets.values()))
        for name, real in found.form.items()
    ]
    explained = "Means over melodies; what each is: `data/musical_features.py`."
    return [
        Table("Told from real melodies", columns, body, note),
        Table("Form", ("feature", "real", *found.sets), form, explained),
    ]


def _judged_row(judged: SetLikeness) -> Row:
    error = max(spread.mean for spread in judged.errors.values())
    return (f"{error:.3f}", judged.frechet.text(1), "; ".join(judged.telling[:4]))


# -- copies and interpolation ------------------------------------------------------------------


def _rest(done: ModelEvaluation) -> Iterator[Table]:
    yield copies_table(done.copies)
    yield _interpolation(done.interpolation)


def copies_table(copies: CopyFigures) -> Table:
    """Copies of training melodies, in held-out ones and in samples."""
    rows = [("held-out", copies.heldout), *copies.priors.items()]
    body = [(name, found.bars.text(2), str(found.share), str(_longest(found.by_length))) for name, found in rows]
    before = copies.before_dropping
    known = "" if before is None else f" They were {before:.4f} of them: so often do people copy."
    note = f"Held-out melodies that share four bars with training were dropped when the corpus was built.{known}"
    columns = ("melodies", "longest run, bars", "four bars or more", "longest of all")
    return Table("Copies of training melodies", columns, body, note)


def _longest(by_length: Sequence[int]) -> int:
    return max(length for length, count in enumerate(by_length) if count)


def _interpolation(found: InterpolationFigures) -> Table:
    columns = ("inside the range of", "between two", "real", *(f"samples of {name}" for name in found.samples))
    sets = (found.between, found.real, *found.samples.values())
    rows = [(name, *(str(one.shares[name]) for one in sets)) for name in found.between.shares]
    note = (
        f"Share of melodies between the 1st and the 99th percentile of real ones; {found.pairs} pairs a seed. "
        f"Largest step on the way over the whole way: {found.jump}."
    )
    return Table("Between two melodies", columns, rows, note)
