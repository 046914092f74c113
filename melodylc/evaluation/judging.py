"""Sets of generated melodies before the judges of likeness (`melodylc.evaluation.two_sample`), seed by seed.

The reference are melodies of held-out works, drawn as training draws, none twice while there are others. Beside each
area stands the floor: what the judges say of as many melodies of training works, real against real. All held-out works
count, those by which a checkpoint was chosen, too: for folds by work their number is what matters, and that choice is
one number.

Where there is a rule, real melodies obey it as well, each in one of the transpositions in which it does, by chance:
held-out ones first, and training ones where those are too few, which the figures then say. There is no floor then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import PITCHES
from melodylc.data.arrays import Events
from melodylc.data.corpus import Corpus
from melodylc.data.rows import HIGHEST, LOWEST, transpose
from melodylc.evaluation.figures import Spread
from melodylc.evaluation.real import Ground, Held
from melodylc.evaluation.two_sample import FOLDS, FORM, TwoSample, two_sample
from melodylc.rewards import Rule

Works = npt.NDArray[np.int64]
MOST = 500  #: melodies in each set; what the judges were tried with
LEAST = 4 * FOLDS  #: melodies in each set, and 2 * FOLDS works, without which nothing is judged
SEARCHED = 4000  #: real melodies of each side at most that a rule is asked about, in twelve transpositions


@dataclass(frozen=True)
class SetLikeness:
    """What the judges say of one set; the mean over seeds with its deviation, and each seed's standard error."""

    areas: dict[str, Spread]  #: of each judge
    errors: dict[str, Spread]
    form: dict[str, Spread]  #: means of the figures of form
    frechet: Spread
    telling: tuple[str, ...]  #: the features that tell most in the first seed, with their means, real and generated


@dataclass(frozen=True)
class LikenessReport:
    """How well each set can be told from real melodies."""

    melodies: int  #: at most in each set, a seed
    works: Spread  #: of the real ones
    trained: Spread  #: real melodies that are of training works, for want of others that obey
    form: dict[str, Spread]  #: of the real ones
    floor: SetLikeness | None  #: melodies of training works
    sets: dict[str, SetLikeness]


def judge_sets(
    corpus: Corpus,
    ground: Ground,
    samples: Mapping[str, Sequence[Events]],
    seeds: Sequence[int],
    rule: Rule | None = None,
    without: Sequence[str] = ("register",),
) -> LikenessReport | None:
    """Judge sets of melodies, one array a seed each; None where there are too few melodies or works to judge by.

    Sets with fewer than `LEAST` melodies are left out.
    """
    samples = {name: given for name, given in samples.items() if min(map(len, given)) >= LEAST}
    if not samples:
        return None
    count = min(MOST, max(len(given[0]) for given in samples.values()))
    trained = ground.remaining.train
    heldout = Held.of(corpus, ground.remaining.heldout, ground.balance, trained)
    training = Held.training(corpus, ground.balance, trained)
    found: dict[str, list[TwoSample]] = {name: [] for name in samples}
    floors: list[TwoSample] = []
    judges = ("trees", "events") if find_spec("sklearn") else ("events",)
    borrowed = []
    for at, seed in enumerate(seeds):
        rng = np.random.default_rng((seed, 2))
        real, works = _obeying(heldout, count, rule, rng)
        missing = max(count - len(real), 0)
        other, of = _obeying(training, missing if rule is not None else count, rule, rng)
        if rule is not None:
            real, works = np.concatenate([real, other]), np.concatenate([works, of + works.max(initial=0) + 1])
        borrowed.append(len(other) if rule is not None else 0)
        if len(real) < LEAST or len(np.unique(works)) < 2 * FOLDS:
            return None
        if rule is None and len(np.unique(of)) >= 2 * FOLDS:
            floors.append(two_sample(real, works, other, of, judges=judges, without=without))
        for name, given in samples.items():
            found[name].append(two_sample(real, works, given[at][:count], judges=judges, without=without))
    first = next(iter(found.values()))
    return LikenessReport(
        melodies=count,
        works=Spread.of(done.works for done in first),
        trained=Spread.of(borrowed),
        form={name: Spread.of(done.form[name][0] for done in first) for name in FORM},
        floor=_set_likeness(floors) if len(floors) == len(seeds) else None,
        sets={name: _set_likeness(given) for name, given in found.items()},
    )


def _set_likeness(done: Sequence[TwoSample]) -> SetLikeness:
    return SetLikeness(
        areas={judge: Spread.of(one.areas[judge].auc for one in done) for judge in done[0].areas},
        errors={judge: Spread.of(one.areas[judge].error for one in done) for judge in done[0].areas},
        form={name: Spread.of(one.form[name][1] for one in done) for name in FORM},
        frechet=Spread.of(one.frechet for one in done),
        telling=tuple(f"{one.name} {one.real:.3f} / {one.generated:.3f}" for one in done[0].telling),
    )


def _obeying(held: Held, count: int, rule: Rule | None, rng: np.random.Generator) -> tuple[Events, Works]:
    """Up to `count` real melodies, all if there is no rule, and their works."""
    rows = np.arange(len(held.events))
    if rule is None or not count:
        return held.draw_with_works(rows, count, rng)
    events, works = held.draw_with_works(rows, SEARCHED, rng)
    lowest = np.where(events < PITCHES, events, PITCHES - 1).min(axis=1, keepdims=True)
    first = np.unique(np.where(events < PITCHES, events - lowest, events), axis=0, return_index=True)[1]
    order = rng.permutation(first)  # each melody once, in whichever key it was drawn
    kept, of, at = list[Events](), list[Works](), 0
    while at < len(order) and sum(map(len, kept)) < count:
        some = order[at : at + 256]
        at += len(some)
        shifts = np.argsort(rng.random((len(some), HIGHEST - LOWEST + 1)), axis=1) + LOWEST
        moved = transpose(np.repeat(events[some], shifts.shape[1], axis=0), shifts.reshape(-1))
        obeys = rule.satisfied(moved).reshape(shifts.shape)
        good = obeys.any(axis=1)
        kept.append(moved.reshape(*shifts.shape, -1)[good, obeys.argmax(axis=1)[good]])
        of.append(works[some][good])
    return np.concatenate(kept)[:count], np.concatenate(of)[:count]
