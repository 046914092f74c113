"""`@reward`: a function of a melody becomes a reward.

    from melodylc import Melody, reward

    @reward
    def stepwise(melody: Melody, largest: int = 2) -> float:
        steps = abs(melody.intervals)
        return float((steps <= largest).mean()) if len(steps) else 0.0

`stepwise(melody)` is its value, `stepwise(largest=1)` the reward with another parameter, and `stepwise & density(64)`
combines it.

What is learnt from a rule is kept under its name, so the name must change with whatever the rule's answers hang on. It
covers the source of the function's file (in a notebook, the function's code), and the contents of the variables that it
uses where these are data: numbers, texts, arrays, lists, dictionaries, dataclasses of them. Of a trained model nobody
knows what is in it. Either the rule says what that hangs on,

    @reward(depends=["model.npz"])              or              @reward(fingerprint="forest of May, 400 trees")

or its name holds for this process alone and nothing that was learnt from it is kept in a file (`cacheable` is False).
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import WRAPPER_ASSIGNMENTS
from math import isnan
from numbers import Real
from os import PathLike
from typing import Any, overload

import numpy as np

from melodylc.data.errors import InputError, RewardError
from melodylc.data.files import fingerprint_bytes
from melodylc.data.melody import Melody
from melodylc.rewards.base import Reward, Scores
from melodylc.rewards.domains import MELODIES, Items, domain
from melodylc.rewards.identity import declaration, identity, source_fingerprint, source_path
from melodylc.rewards.parameters import REQUIRED, Parameters, Value

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
    declaration: str | Callable[[], str] | None = None  #: what its answers hang on beside that, where it was declared

    def __post_init__(self) -> None:
        # As functools.update_wrapper does, which can't write to what is frozen.
        copied: dict[str, Any] = {
            name: getattr(self.function, name) for name in WRAPPER_ASSIGNMENTS if hasattr(self.function, name)
        }
        vars(self).update({"__name__": self.title, **copied, "__wrapped__": self.function})

    @property
    def title(self) -> str:
        """The function's name, or that of an object's class."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    @property
    def name(self) -> str:
        """Such as "stepwise(largest=2)@0123456789abcdef"."""
        return f"{self._spelling}@{self._identity[0]}"

    @property
    def cacheable(self) -> bool:
        """Whether everything that its answers hang on is part of `name`; see above."""
        return self._identity[1]

    @property
    def sentence(self) -> str:
        """The first sentence of its docstring, with its parameters; its name where there is none."""
        first = " ".join((inspect.getdoc(self.function) or "").split("\n\n")[0].split()).rstrip(".")
        if not first:
            return self._spelling
        values = ", ".join(f"{name} {value}" for name, value in self.values)
        return f"{first[0].lower() if first[1:2].islower() else first[0]}{first[1:]}{values and f' ({values})'}"

    @property
    def _spelling(self) -> str:
        return f"{self.title}({', '.join(f'{name}={value!r}' for name, value in self.values)})"

    @property
    def _identity(self) -> tuple[str, bool]:
        """The fingerprint of all that is known of it, and whether that is everything."""
        if self.declaration is not None:
            declaration = self.declaration if isinstance(self.declaration, str) else str(self.declaration())
            return f"{self.source}+{fingerprint_bytes(declaration.encode())}", True
        return identity(self.function, self.source)

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

    def batch(self, events: Items) -> Scores:
        """The rewards of many melodies at once: `events` has shape (n, 256), the result (n,)."""
        return self.run(events)

    def run(self, rows: Items, count: Callable[[int], None] = lambda done: None) -> Scores:
        """As `batch`; `count` is called with the number done after each call of a function that takes one at a time."""
        rows = np.frombuffer(rows.tobytes(), rows.dtype).reshape(rows.shape)  # nobody can write to it
        if self.batched:
            return self._many(rows)
        items = domain(self.judges).items(rows)
        scores = np.zeros(len(items))
        for index, item in enumerate(items):
            scores[index] = self._one(item, index)
            count(index + 1)
        self._check_unchanged(items, rows)
        return scores

    def with_texts(self, texts: Mapping[str, str]) -> "FunctionReward":
        """The reward with parameters as someone typed them.

        Raises:
            InputError: an unknown parameter, or a value of another type.
        """
        return self._with(self.parameters.read(texts))

    def _with(self, values: Mapping[str, Value]) -> "FunctionReward":
        filled = self.parameters.fill({**dict(self.values), **values})
        return replace(self, values=tuple(filled.items()))

    def _one(self, item: Any, index: int) -> float:
        value = self._call(item, index)
        if problem := _problem(value):
            raise self._failure(problem, item, index)
        return float(value)

    def _many(self, rows: Items) -> Scores:
        try:
            return as_scores(self._call(rows, None), len(rows))
        except RewardError as error:
            item = None if error.row is None else domain(self.judges).items(rows)[error.row]
            raise self._failure(error.problem, item, error.row) from error.__cause__

    def _call(self, argument: Any, index: int | None) -> Any:
        try:
            return self.function(argument, **dict(self.values))
        except Exception as error:
            item = None if index is None else argument
            raise self._failure(describe_raise(error, source_path(self.function)), item, index) from error

    def _check_unchanged(self, items: Any, rows: Items) -> None:
        same = (domain(self.judges).stack(items) == rows).all(axis=tuple(range(1, rows.ndim)))
        if not same.all():
            row = int(same.argmin())
            raise self._failure("changed what it was given", domain(self.judges).items(rows[row : row + 1])[0], row)

    def _failure(self, problem: str, item: Any = None, row: int | None = None) -> RewardError:
        return RewardError(self.title, problem, "" if item is None else domain(self.judges).describe(item), row)


@overload
def reward(function: Callable[..., Any], /) -> FunctionReward: ...
@overload
def reward(
    function: Callable[..., Any],
    /,
    *,
    batch: bool = False,
    domain: str = MELODIES,
    depends: Iterable[str | PathLike[str]] | None = None,
    fingerprint: str | Callable[[], str] | None = None,
) -> FunctionReward: ...
@overload
def reward(
    *,
    batch: bool = False,
    domain: str = MELODIES,
    depends: Iterable[str | PathLike[str]] | None = None,
    fingerprint: str | Callable[[], str] | None = None,
) -> Callable[[Callable[..., Any]], FunctionReward]: ...
def reward(
    function: Callable[..., Any] | None = None,
    /,
    *,
    batch: bool = False,
    domain: str = MELODIES,
    depends: Iterable[str | PathLike[str]] | None = None,
    fingerprint: str | Callable[[], str] | None = None,
) -> FunctionReward | Callable[[Callable[..., Any]], FunctionReward]:
    """Make a function, a closure, or an object that can be called, a reward; it keeps its name and docstring.

    Args:
        function: takes a melody, and parameters with defaults (see `melodylc.rewards.parameters`); returns a number
            in [0, 1] or a bool. It is asked about any melody, those without notes too, and answers the same each time.
        batch: it takes many melodies instead, an array of events of shape (n, 256), uint8, that may not be written
            to, and returns n numbers.
        domain: what it judges.
        depends: files that its answers hang on, such as a trained model's; relative to the function's file, or to
            the working directory where it has none. Their contents become part of its name.
        fingerprint: a text that changes with whatever its answers hang on, or a function that returns one.

    Raises:
        InputError: a parameter without a default or of an unknown type, a file that isn't there, or an unknown domain.

    >>> @reward
    ... def silent(melody: Melody, most: int = 0) -> bool:
    ...     return melody.note_count <= most
    >>> melody = Melody.from_notes([(60, 0, 4)])
    >>> silent(melody), silent(melody, most=1)
    (0.0, 1.0)
    >>> silent(most=1).name.split("@")[0]
    'silent(most=1)'
    """

    def build(function: Callable[..., Any]) -> FunctionReward:
        return _build(function, batch, domain, depends, fingerprint)

    return build if function is None else build(function)


def _build(
    function: Callable[..., Any],
    batch: bool,
    judges: str,
    depends: Iterable[str | PathLike[str]] | None,
    fingerprint: str | Callable[[], str] | None,
) -> FunctionReward:
    title = getattr(function, "__name__", type(function).__name__)
    if not callable(function) or isinstance(function, type | Reward):
        raise InputError(f"@reward goes above a function, or takes an object that can be called, not {function!r:.80}")
    try:
        domain(judges)
        _check_arguments(function)
        parameters = Parameters.of(function, skip=1)
        for parameter in parameters.each:
            if parameter.default is REQUIRED:
                raise InputError(f"parameter {parameter.name} needs a default")
        values = tuple(parameters.fill({}).items())
        declared = declaration(function, depends, fingerprint)
    except InputError as error:
        raise InputError(f"@reward {title}: {error}") from None
    return FunctionReward(function, batch, judges, values, parameters, source_fingerprint(function), declared)


def _check_arguments(function: Callable[..., Any]) -> None:
    try:
        arguments = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise InputError("nothing says which arguments it takes: write a function around it") from None
    if not arguments or arguments[0].kind not in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    ):
        raise InputError("its first argument is what it judges, and it has none")


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


def describe_raise(error: BaseException, path: str) -> str:
    """What a function did that raised, in words.

    Args:
        error: what it raised.
        path: its file.
    """
    text = describe_error(error, path)
    changing = "read-only" in text or "melody is frozen" in text
    return f"tried to change what it was given: {text}" if changing else f"raised {text}"


def describe_error(error: BaseException, path: str) -> str:
    """An error in one line: its type, what it says, and the last line of `path` that was at work."""
    words = error.msg if isinstance(error, SyntaxError) else error  # its text names the line too
    text = f"{type(error).__name__}: {words}".rstrip(": ").splitlines()[0][:200]
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
