"""What `melodylc rewards test` does: a rule is tried on a panel, and on samples that a model makes.

A rule must answer any melody with a number in [0, 1], the same each time, in another process and whatever stands
beside it in a batch. Whether it can be learnt hangs on what it says of the prior's samples.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from melodylc.data.errors import InputError, RewardError
from melodylc.rewards.base import Reward, Scores
from melodylc.rewards.domains import Items, domain

MOST_PROBLEMS = 3  #: after which the trial ends
BINS = 10  #: of a histogram, beside those of exactly 0 and exactly 1
_ALONE = 8  #: real things that are also judged one by one


@dataclass(frozen=True)
class Problem:
    """What a rule did, and on what."""

    what: str
    name: str = ""  #: of the thing, where one is known
    item: str = ""  #: the thing itself

    def __str__(self) -> str:
        return f"{self.what}{self.name and f', on {self.name}'}"


@dataclass
class Trial:
    """What came out: scores of odd things by name, of real ones and of a model's samples, and what went wrong."""

    odd: dict[str, float] = field(default_factory=dict)
    real: Scores | None = None
    prior: Scores | None = None
    seconds: float | None = None  #: that judging one real thing took, of many sent at once
    problems: list[Problem] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether so much went wrong that there is no point in going on."""
        return len(self.problems) >= MOST_PROBLEMS


def try_panel(make: Callable[[], Reward]) -> Trial:
    """Try a rule on its domain's panel.

    Args:
        make: the rule; called twice, so that a rule of the user's answers from two processes.
    """
    reward, trial = make(), Trial()
    kind = domain(reward.domain)
    for name, thing in kind.odd().items():
        scores = _judge(trial, reward, kind.stack([thing]), [name])
        if scores is not None:
            trial.odd[name] = float(scores[0])
        if trial.over:
            return trial
    rows = kind.real()
    names = [f"real one {number}" for number in range(1, len(rows) + 1)]
    trial.real = _judge(trial, reward, rows, names)
    if trial.real is not None:
        start = time.perf_counter()
        ways = _repetitions(reward, rows, make)
        for how, scores in ways:
            trial.seconds = trial.seconds or (time.perf_counter() - start) / len(rows)
            _compare(trial, how, scores, names, rows, reward)
    return trial


def try_samples(trial: Trial, reward: Reward, rows: Items) -> None:
    """Add what a rule says of a model's samples."""
    if not trial.over:
        trial.prior = _judge(trial, reward, rows, [f"sample {number}" for number in range(1, len(rows) + 1)])


def histogram(scores: Scores) -> list[tuple[str, int]]:
    """How many scores are exactly 0, in each tenth between, and exactly 1.

    >>> histogram(np.array([0, 0.25, 0.999, 1, 1]))[0], histogram(np.array([0, 0.25, 0.999, 1, 1]))[-2:]
    (('0', 1), [('0.9 to 1', 1), ('1', 2)])
    """
    between = scores[(scores > 0) & (scores < 1)]
    counts = np.bincount(np.minimum((between * BINS).astype(int), BINS - 1), minlength=BINS)
    labels = [f"{i / BINS:g} to {(i + 1) / BINS:g}" for i in range(BINS)]
    middle = list(zip(labels, counts.tolist(), strict=True))
    return [("0", int((scores == 0).sum())), *middle, ("1", int((scores == 1).sum()))]


def advice(trial: Trial) -> str:
    """What would make a rule easier to satisfy, in words; nothing where it already returns shares.

    >>> advice(Trial({"empty": 0.0}, np.array([0.0, 1.0])))[:60]
    'it says only yes or no (0 or 1 on all that was tried): retur'
    >>> advice(Trial({"empty": 0.0}, np.array([0.5, 1.0])))
    ''
    """
    scores = [np.array(list(trial.odd.values())), *(it for it in (trial.real, trial.prior) if it is not None)]
    values = np.concatenate(scores)
    if trial.problems or not len(values) or not np.isin(values, (0, 1)).all():
        return ""
    return (
        "it says only yes or no (0 or 1 on all that was tried): return a share instead, such as that of the notes or "
        "bars that do what it asks, so that a search knows which way is better"
    )


def verdict(scores: Scores) -> str:
    """What a fit would have to go by, with these scores of a prior's samples, in words.

    >>> verdict(np.zeros(256))
    'all samples score 0: nothing here shows a fit the way; return how near a melody comes'
    """
    values, full = np.unique(scores), float((scores == 1).mean())
    if len(values) == 1:
        return (
            "all samples satisfy it: there is nothing to learn"
            if full
            else f"all samples score {values[0]:g}: nothing here shows a fit the way; return how near a melody comes"
        )
    if len(values) == 2 and full and values[0] == 0:
        return f"{full:.1%} of the samples satisfy it, the others score 0: a fit has these alone to go by"
    slope = f"they score {len(values)} different values: a fit has a slope to follow"
    if full:
        return f"{full:.1%} of the samples satisfy it, and {slope}"
    # Clopper and Pearson's bound where none of n was seen.
    most = 1 - 0.05 ** (1 / len(scores))
    return f"no sample satisfies it (less than {most:.1%} do, at 95 %; the best scores {values[-1]:.3f}), and {slope}"


def _judge(trial: Trial, reward: Reward, rows: Items, names: list[str]) -> Scores | None:
    try:
        return reward.batch(rows)
    except RewardError as error:
        known = error.row is not None
        name, item = (names[error.row or 0], _show(reward, rows[error.row or 0])) if known else ("", "")
        trial.problems.append(Problem(error.problem, name, item))
    except InputError as error:
        trial.problems.append(Problem(str(error)))
    return None


def _repetitions(reward: Reward, rows: Items, make: Callable[[], Reward]) -> Iterator[tuple[str, Scores]]:
    """The same rows judged in other ways, all of which should agree."""
    yield "the second time", reward.batch(rows)
    yield "in another process", make().batch(rows)
    yield "without the others of its batch", np.concatenate([reward.batch(row[None]) for row in rows[:_ALONE]])


def _compare(trial: Trial, how: str, scores: Scores, names: list[str], rows: Items, reward: Reward) -> None:
    first = trial.real if trial.real is not None else scores
    differ: npt.NDArray[np.bool_] = first[: len(scores)] != scores
    if differ.any() and not trial.over:
        row = int(differ.argmax())
        what = f"isn't repeatable: {float(first[row])!r}, and {float(scores[row])!r} {how}"
        trial.problems.append(Problem(what, names[row], _show(reward, rows[row])))


def _show(reward: Reward, row: Items) -> str:
    kind = domain(reward.domain)
    return kind.show(kind.items(row[None])[0])
