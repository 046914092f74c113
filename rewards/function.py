"""`@reward`: a function of a melody becomes a reward.

    from melodylc import Melody, reward

    @reward
    def stepwise(melody: Melody, largest: int = 2) -> float:
        steps = abs(melody.intervals)
        return float((steps <= largest).mean()) if len(steps) else 0.0

`stepwise(melody)` is its value, `stepwise(largest=1)` the reward with another parameter, and `stepwise & density(64)`
combines it. Its name covers the source of its file, so that whatever was learnt from it is forgotten when it changes.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import isnan
from numbers import Real
from pathlib import Path
from types import CodeType
from typing import Any, overload

import numpy as np

from melodylc.data.errors import InputError, RewardError
from melodylc.data.files import fingerprint_bytes
from melodylc.data.melody import Melody
from melodylc.rewards.base import MELODIES, Reward, Scores
from melodylc.rewards.domains import Rows, domain
from melodylc.rewards.parameters import REQUIRED, Parameters, Value

SOURCE = "__melodylc_source__"  #: where a module that we ran says the fingerprint of its source
_RANGE = "a reward is a number in [0, 1] or a bool"


@dataclass(frozen=True)
class FunctionReward(Reward):
    """A function of one melody (or of an array of events, where `batched`) with its parameters; see `reward`."""

    function: Callable[..., Any]
    batched: bool
    judges: str
    values: tuple[tuple[str, Value], ...]
    parameters: Parameters = field(compare=False, repr=False)
    source: str  #: fingerprint of the function's source

    @property
    def title(self) -> str:
        """The function's name."""
        return self.function.__name__

    @property
    def name(self) -> str:
        """Such as "stepwise(largest=2)@0123456789abcdef"."""
        return f"{self.title}({', '.join(f'{name}={value!r}' for name, value in self.values)})@{self.source}"

    @property
    def domain(self) -> str:
        return self.judges

    @overload
    def __call__(self, melody: Melody, /, **parameters: Value) -> float: ...
    @overload
    def __call__(self, /, **parameters: Value) -> "FunctionReward": ...
    def __call__(self, /, *melody: Any, **parameters: Value) -> "float | FunctionReward":
        """The reward of one melody; or, without one, the reward with other parameters.

        Raises:
            InputError: an unknown parameter, or a value of another type.
            RewardError: the function raised, or returned anything but a number in [0, 1] or a bool.
        """
        reward = self._with(parameters) if parameters else self
        return float(reward.batch(domain(self.judges).stack(melody))[0]) if melody else reward

    def batch(self, events: Rows) -> Scores:
        """The rewards of many melodies at once: `events` has shape (n, 256), the result (n,)."""
        return self.run(events)

    def run(self, rows: Rows, tick: Callable[[], None] = lambda: None) -> Scores:
        """As `batch`; `tick` is called after each call of a function that takes one thing at a time."""
        rows = np.frombuffer(rows.tobytes(), rows.dtype).reshape(rows.shape)  # nobody can write to it
        if self.batched:
            return self._many(rows)
        items = domain(self.judges).items(rows)
        scores = np.zeros(len(items))
        for index, item in enumerate(items):
            scores[index] = self._one(item, index)
            tick()
        self._unchanged(items, rows)
        return scores

    def typed(self, texts: Mapping[str, str]) -> "FunctionReward":
        """The reward with parameters as someone typed them.

        Raises:
            InputError: an unknown parameter, or a value of another type.
        """
        return self._with(self.parameters.read(texts))

    def _with(self, values: Mapping[str, Value]) -> "FunctionReward":
        filled = self.parameters.fill({**dict(self.values), **values})
        return replace(self, values=tuple(filled.items()))

    def _one(self, item: Any, index: int) -> float:
        value = self._called(item, index)
        if problem := _problem(value):
            raise self._failed(problem, item, index)
        return float(value)

    def _many(self, rows: Rows) -> Scores:
        try:
            return as_scores(self._called(rows, None), len(rows))
        except RewardError as error:
            item = None if error.row is None else domain(self.judges).items(rows)[error.row]
            raise self._failed(error.problem, item, error.row) from error.__cause__

    def _called(self, given: Any, index: int | None) -> Any:
        try:
            return self.function(given, **dict(self.values))
        except Exception as error:
            item = None if index is None else given
            raise self._failed(raised(error, self.function.__code__.co_filename), item, index) from error

    def _unchanged(self, items: Any, rows: Rows) -> None:
        same = (domain(self.judges).stack(items) == rows).all(axis=tuple(range(1, rows.ndim)))
        if not same.all():
            row = int(same.argmin())
            raise self._failed("changed what it was given", domain(self.judges).items(rows[row : row + 1])[0], row)

    def _failed(self, problem: str, item: Any = None, row: int | None = None) -> RewardError:
        return RewardError(self.title, problem, "" if item is None else repr(item), row)


@overload
def reward(function: Callable[..., Any], /) -> FunctionReward: ...
@overload
def reward(*, batch: bool = False, domain: str = MELODIES) -> Callable[[Callable[..., Any]], FunctionReward]: ...
def reward(
    function: Callable[..., Any] | None = None, /, *, batch: bool = False, domain: str = MELODIES
) -> FunctionReward | Callable[[Callable[..., Any]], FunctionReward]:
    """Make a function a reward.

    Args:
        function: takes a melody, and parameters with defaults (see `melodylc.rewards.parameters`); returns a number
            in [0, 1] or a bool. It is asked about any melody, those without notes too, and answers the same each time.
        batch: it takes many melodies instead, an array of events of shape (n, 256), uint8, that may not be written
            to, and returns n numbers.
        domain: what it judges.

    Raises:
        InputError: a parameter without a default or of an unknown type, variables of an enclosing function
            (which its name could not cover), or an unknown domain.

    >>> @reward
    ... def silent(melody: Melody, most: int = 0) -> bool:
    ...     return melody.note_count <= most
    >>> melody = Melody.from_notes([(60, 0, 4)])
    >>> silent(melody), silent(melody, most=1)
    (0.0, 1.0)
    >>> silent(most=1).name.split("@")[0]
    'silent(most=1)'
    """
    if function is None:
        return lambda function: _made(function, batch, domain)
    return _made(function, batch, domain)


def _made(function: Callable[..., Any], batch: bool, judges: str) -> FunctionReward:
    title = getattr(function, "__name__", "")
    if not inspect.isfunction(function):
        raise InputError(f"@reward goes above a function, not {function!r}")
    try:
        domain(judges)
        _check_arguments(function)
        parameters = Parameters.of(function, skip=1)
        for parameter in parameters.each:
            if parameter.default is REQUIRED:
                raise InputError(f"parameter {parameter.name} needs a default")
        values = tuple(parameters.fill({}).items())
    except InputError as error:
        raise InputError(f"@reward {title}: {error}") from None
    return FunctionReward(function, batch, judges, values, parameters, _source(function))


def _check_arguments(function: Callable[..., Any]) -> None:
    arguments = list(inspect.signature(function).parameters.values())
    if not arguments or arguments[0].kind not in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    ):
        raise InputError("its first argument is what it judges, and it has none")
    if function.__code__.co_freevars:
        names = ", ".join(function.__code__.co_freevars)
        raise InputError(f"it uses variables of the function around it ({names}): make them parameters")


def as_scores(value: Any, count: int) -> Scores:
    """What a function returned for `count` rows, as their rewards.

    Raises:
        RewardError: it isn't one number in [0, 1] for each.

    >>> as_scores([0, 0.5, True], 3).tolist()
    [0.0, 0.5, 1.0]
    """
    try:
        scores = np.asarray(value)
    except ValueError:
        scores = np.empty((), dtype=object)
    if scores.shape != (count,) or scores.dtype.kind not in "biuf":
        got = "nothing (None)" if value is None else f"{scores.dtype} of shape {scores.shape}"
        raise RewardError("", f"returned {got}: an array of {count} numbers in [0, 1] was asked")
    scores = scores.astype(np.float64)
    outside = ~((scores >= 0) & (scores <= 1))
    if outside.any():
        row = int(outside.argmax())
        raise RewardError("", str(_problem(float(scores[row]))), row=row)
    return scores


def raised(error: BaseException, path: str) -> str:
    """What a function did that raised, in words.

    Args:
        error: what it raised.
        path: its file.
    """
    text = told(error, path)
    changing = "read-only" in text or "melody is frozen" in text
    return f"tried to change what it was given: {text}" if changing else f"raised {text}"


def told(error: BaseException, path: str) -> str:
    """An error in one line: its type, what it says, and the last line of `path` that was at work."""
    said = error.msg if isinstance(error, SyntaxError) else error  # its text names the line too
    text = f"{type(error).__name__}: {said}".rstrip(": ").splitlines()[0][:200]
    line = _line(error, path)
    return f"{text} (line {line})" if line else text


def _line(error: BaseException, path: str) -> int | None:
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno
    lines = []
    trace = error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == path:
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return lines[-1] if lines else None


def _problem(value: Any) -> str | None:
    """What is wrong with a value, in words, if it isn't a number in [0, 1] or a bool."""
    if isinstance(value, bool | np.bool_):
        return None
    if value is None:
        return f"returned nothing (None): {_RANGE}"
    if not isinstance(value, Real):
        shown = repr(value) if isinstance(value, str) else f"of type {type(value).__name__}"
        return f"returned {'text ' if isinstance(value, str) else 'something '}{shown[:60]}: {_RANGE}"
    if isnan(value):
        return f"returned NaN: {_RANGE}"
    return None if 0 <= float(value) <= 1 else f"returned {float(value)!r}: {_RANGE}"


def _source(function: Callable[..., Any]) -> str:
    """The fingerprint of what a function is made of: of its file, or of its code where there is none."""
    known = function.__globals__.get(SOURCE)
    if known is not None:
        return str(known)
    try:
        return fingerprint_bytes(Path(str(inspect.getsourcefile(function))).read_bytes())
    except OSError:
        return fingerprint_bytes(repr(_contents(function.__code__)).encode())


def _contents(code: CodeType) -> tuple[Any, ...]:
    constants = tuple(_constant(it) for it in code.co_consts)
    return code.co_code, code.co_names, code.co_varnames, constants


def _constant(value: Any) -> Any:
    if isinstance(value, CodeType):
        return _contents(value)
    return sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value)
