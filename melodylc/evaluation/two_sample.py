"""Can a classifier tell generated melodies from real ones? A two-sample test (Lopez-Paz and Oquab 2017, "Revisiting
Classifier Two-Sample Tests").

If two sets are draws of one distribution no classifier tells unseen ones apart better than chance. So a judge learns
from some of the melodies and scores the others, and its area under the curve is what is reported:

    AUC = P(s(real) > s(generated)) + P(s(real) = s(generated)) / 2,     0.5 is chance, 1 is certainty

**Folds** hold whole groups: a work's melodies are all learnt from or all judged, or a judge would know works by heart.
_Scores are compared within a fold alone, for those of two folds come from two judges. **The standard error** is that of
clustered placements (Obuchowski 1997, "Nonparametric analysis of clustered ROC curve data", DeLong's if no group has
two members): forty windows of one symphony are less than forty melodies. It leaves out that other training sets would
make other judges.

**Two judges of different families**, so that what fools one is seen by the other: boosted trees on musical features
(`melodylc.data.musical_features`; scikit-learn), and a convolutional net of random kernels on the events
themselves (`melodylc.evaluation.random_convolutions`; torch). Their settings and seeds are fixed.

Beside them stand the figures of form, the features that tell most by themselves, and **a Fréchet distance in our own
features**: of two normal distributions fitted to the features, each scaled by the deviation it has in the real set,

    |m_1 - m_2|^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2))

It has nothing to do with the published Fréchet distances of music but the formula: those need the weights of networks
that aren't here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melodylc.data.arrays import Events, Values
from melodylc.data.errors import InputError
from melodylc.data.musical_features import musical_features, names, select_columns
from melodylc.evaluation.random_convolutions import random_convolutions, ridge_scores

_Integers = npt.NDArray[np.int64]
_Rows = npt.NDArray[np.intp]
Labels = npt.NDArray[np.bool_]
_Scores = Callable[[Values, Labels, Values, int], Values]
"""(features (n, k) to learn from, which of them are real, features (m, k), seed) -> (m,), higher for real."""

FOLDS = 5
TELLING = 8  #: features that are named
RIDGE = 1e-3  #: added to the Fréchet distance's covariances
FORM = (
    "recur.intervals_4",
    "recur.rhythm_4",
    "recur.rhythm_8",
    "recur.longest_intervals",
    "recur.longest_both_apart",
    "block.exact_1",
    "block.exact_2_any",
    "block.exact_4_any",
    "block.transposed_2_any",
    "block.rhythm_2_any",
    "block.rhythm_4_any",
    "phrase.onsets_4",
    "phrase.contour_4_most",
    "motion.step_inertia",
    "motion.turns",
    "motion.repeated",
    "motion.leap_recovered",
    "key.fit",
    "onset.notes",
)  #: features that say how a melody is made


@dataclass(frozen=True)
class Area:
    """An area under the curve."""

    auc: float
    error: float  #: standard error

    def __str__(self) -> str:
        return f"{self.auc:.3f} ± {self.error:.3f}"


@dataclass(frozen=True)
class Telling:
    """What one feature tells by itself."""

    name: str
    auc: float  #: above 0.5 where real melodies have more of it
    real: float  #: mean
    generated: float


@dataclass(frozen=True)
class TwoSample:
    """How well generated melodies can be told from real ones."""

    real: int
    works: int  #: groups of real melodies
    generated: int
    areas: dict[str, Area]  #: of each judge
    form: dict[str, tuple[float, float]]  #: means, real and generated
    telling: tuple[Telling, ...]  #: the features that tell most, the first the most
    frechet: float  #: distance in our own features

    @property
    def strongest(self) -> Area:
        """Of the judge that tells most."""
        return max(self.areas.values(), key=lambda area: area.auc)


def two_sample(
    real: Events,
    real_groups: npt.ArrayLike,
    generated: Events,
    generated_groups: npt.ArrayLike | None = None,
    *,
    judges: Sequence[str] = ("trees", "events"),
    without: Sequence[str] = ("register",),
    folds: int = FOLDS,
    seed: int = 0,
) -> TwoSample:
    """How well each judge tells melodies (m, 256) and (n, 256) apart.

    Args:
        real: canonical melodies, such as `melodylc.evaluation.real.Held.draw_with_works` draws.
        real_groups: (m,) their works; those of one are never both learnt from and judged.
        generated: canonical melodies.
        generated_groups: (n,) likewise; each its own if None.
        judges: some of `JUDGES`.
        without: groups of features that don't count for the trees, such as "key" where a rule is about pitch classes.
            Real melodies are drawn in any transposition: "register" would tell where a model was asked to sing.
        folds: at least 2.
        seed: of the folds and of the judges.

    Raises:
        InputError: fewer groups than folds, or a judge that isn't there.
    """
    unknown = next((name for name in judges if name not in JUDGES), None)
    if unknown is not None:
        raise InputError(f"no judge {unknown!r}: take some of {', '.join(JUDGES)}")
    groups = [np.unique(real_groups, return_inverse=True)[1].reshape(-1)]
    groups.append(np.arange(len(generated)) if generated_groups is None else _numbers(generated_groups))
    fold = np.concatenate([deal(one, folds, seed + at) for at, one in enumerate(groups)])
    events, label = np.concatenate([real, generated]), np.arange(len(real) + len(generated)) < len(real)
    table, column = musical_features(events), select_columns(*without)
    areas = {}
    for name in judges:
        seen = table[:, column] if name == "trees" else random_convolutions(events, seed)
        scores = np.zeros(len(events))
        for part in range(folds):
            rest = fold != part
            scores[~rest] = JUDGES[name](seen[rest], label[rest], seen[~rest], seed)
        areas[name] = clustered_area(scores[label], scores[~label], groups[0], groups[1], fold[label], fold[~label])
    return TwoSample(
        real=len(real),
        works=int(groups[0].max()) + 1,
        generated=len(generated),
        areas=areas,
        form=_form(table, label),
        telling=tuple(_telling(table, label, column)),
        frechet=frechet_distance(table[label][:, column], table[~label][:, column]),
    )


def deal(groups: _Integers, folds: int, seed: int) -> _Integers:
    """Which fold (n,) each of some melodies goes to: whole groups, the largest first, each to the emptiest fold.

    >>> deal(np.array([0, 0, 0, 1, 1, 2]), 2, 0).tolist() in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0])
    True
    """
    sizes = np.bincount(groups)
    if len(sizes) < folds:
        raise InputError(f"{len(sizes)} groups for {folds} folds: give melodies of more works")
    order = np.random.default_rng((seed, 5)).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    filled, of = np.zeros(folds, np.int64), np.zeros(len(sizes), np.int64)
    for group in order:
        of[group] = filled.argmin()
        filled[of[group]] += sizes[group]
    return of[groups]


def clustered_area(
    real: Values,
    generated: Values,
    real_groups: _Integers,
    generated_groups: _Integers,
    real_fold: _Integers | None = None,
    generated_fold: _Integers | None = None,
) -> Area:
    """The area of scores (m,) and (n,), compared within each fold, with Obuchowski's standard error.

    >>> clustered_area(np.array([2.0, 3.0]), np.array([1.0, 2.0]), np.arange(2), np.arange(2)).auc
    0.875
    """
    folds = [
        np.zeros(len(one), np.int64) if of is None else of
        for one, of in ((real, real_fold), (generated, generated_fold))
    ]
    above, below = np.zeros(len(real)), np.zeros(len(generated))
    for part in np.unique(folds[0]):
        one, other = folds[0] == part, folds[1] == part
        more = np.sign(real[one][:, None] - generated[other]) / 2 + 0.5
        above[one], below[other] = more.mean(axis=1), more.mean(axis=0)
    variance = sum(_variance(*pair) for pair in ((above, real_groups), (below, generated_groups)))
    return Area(float((above.mean() + below.mean()) / 2), float(variance**0.5))


def _variance(placements: Values, groups: _Integers) -> float:
    """Of the mean of placements (n,) that come in groups."""
    groups = _numbers(groups)
    sums = np.bincount(groups, weights=placements - placements.mean())
    return float((sums**2).sum() * len(sums) / max(len(sums) - 1, 1) / len(placements) ** 2)


def _numbers(groups: npt.ArrayLike) -> _Integers:
    return np.asarray(np.unique(groups, return_inverse=True)[1], np.int64).reshape(-1)


def _trees(known: Values, real: Labels, unknown: Values, seed: int) -> Values:
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
    except ImportError as error:
        raise InputError(
            "the judge of boosted trees needs scikit-learn, which isn't installed: `pip install scikit-learn`"
        ) from error
    trees = HistGradientBoostingClassifier(
        max_iter=200, learning_rate=0.08, max_leaf_nodes=12, min_samples_leaf=12, l2_regularization=1.0,
        max_features=0.2, early_stopping=False, random_state=seed,
    )  # fmt: skip
    return np.asarray(trees.fit(known, real).decision_function(unknown), np.float64)


JUDGES: Mapping[str, _Scores] = {"trees": _trees, "events": ridge_scores}


def _form(table: Values, real: Labels) -> dict[str, tuple[float, float]]:
    at = {name: number for number, name in enumerate(names())}
    one, other = table[real].mean(axis=0), table[~real].mean(axis=0)
    return {name: (float(one[at[name]]), float(other[at[name]])) for name in FORM}


def _telling(table: Values, real: Labels, columns: Labels) -> Iterable[Telling]:
    """The features that tell most by themselves, each by its own area."""
    one, other = table[real], table[~real]
    means = one.mean(axis=0), other.mean(axis=0)
    areas = np.array([_area(one[:, at], other[:, at]) for at in range(table.shape[1])])
    order = np.argsort(-np.abs(areas - 0.5) * columns, kind="stable")[:TELLING]
    called = names()
    return [Telling(called[at], float(areas[at]), float(means[0][at]), float(means[1][at])) for at in order]


def _area(one: Values, other: Values) -> float:
    """P(one > other), half of equal ones, by ranks."""
    ordered = np.sort(other)
    below, not_above = np.searchsorted(ordered, one, "left"), np.searchsorted(ordered, one, "right")
    return float((below + not_above).mean() / 2 / len(other))


def frechet_distance(one: Values, other: Values) -> float:
    """The distance of features (m, k), of real melodies, and (n, k); columns that never vary in the first don't count.

    >>> features = np.random.default_rng(0).standard_normal((500, 3))
    >>> abs(round(frechet_distance(features, features), 6)), round(frechet_distance(features, features + [2, 0, 0]))
    (0.0, 4)
    """
    scale = one.std(axis=0)
    used = scale > 1e-9
    one, other = one[:, used] / scale[used], other[:, used] / scale[used]
    ridge = RIDGE * np.eye(one.shape[1])
    covariances = [np.atleast_2d(np.cov(values, rowvar=False)) + ridge for values in (one, other)]
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    common = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariances[1] @ root), 0)).sum()
    apart = one.mean(axis=0) - other.mean(axis=0)
    return float(apart @ apart + sum(np.trace(one) for one in covariances) - 2 * common)
