"""Parameters of a reward: the keyword arguments of its function, with types that are checked and can be typed.

| annotation                           | as typed                                            |
|--------------------------------------|-----------------------------------------------------|
| `int`, `float`                       | `2`, `0.5`                                          |
| `bool`                               | `true`, `yes`, `on`, `1`, `false`, `no`, `off`, `0` |
| `str`                                | as it is                                            |
| `Literal["up", "down"]`              | one of them                                         |
| `tuple[int, ...]`, `Iterable[float]` | `0,2,4`                                             |
| any of these or None                 | also `none`                                         |

Without an annotation, the default's type counts.
"""

import difflib
import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import isnan
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple, Self, Union, get_args, get_origin, get_type_hints

from melodylc.data.errors import InputError

REQUIRED = inspect.Parameter.empty  #: the default of a parameter that has none
Value = Any  #: a parameter's value: None, bool, int, float, str, or a tuple of them


class ParameterKind(NamedTuple):
    """A type of values: in words, from what was typed, and from a value. Both raise ValueError."""

    words: str
    read: Callable[[str], Value]
    check: Callable[[Value], Value]


class Parameter(NamedTuple):
    """One parameter: its name, the type of its values, and its default, if any."""

    name: str
    kind: ParameterKind
    default: Value = REQUIRED

    def read(self, text: str) -> Value:
        """The value that someone typed.

        Raises:
            InputError: it isn't of the type.

        >>> Parameter("largest", kind_of(int)).read("two")
        Traceback (most recent call last):
        melodylc.data.errors.InputError: largest is a whole number, not 'two'
        """
        return self._of(self.kind.read, text.strip())

    def check(self, value: Value) -> Value:
        """The value as its type has it: a whole number as a float where that is asked, a list as a tuple.

        Raises:
            InputError: it isn't of the type.
        """
        return self._of(self.kind.check, value)

    def _of(self, way: Callable[[Any], Value], value: Any) -> Value:
        try:
            return way(value)
        except ValueError:
            raise InputError(f"{self.name} is {self.kind.words}, not {str(value)[:40]!r}") from None


@dataclass(frozen=True)
class Parameters:
    """All parameters of a function, in order."""

    each: tuple[Parameter, ...]

    @classmethod
    def of(cls, function: Callable[..., Any], skip: int = 0) -> Self:
        """Those of a function, but for its first `skip` arguments.

        Raises:
            InputError: a parameter whose type can't be typed, or whose default isn't of its type.
        """
        hints = _hints(function)
        arguments = list(inspect.signature(function).parameters.values())[skip:]
        return cls(tuple(_parameter(parameter, hints.get(parameter.name)) for parameter in arguments))

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters' names."""
        return tuple(parameter.name for parameter in self.each)

    def read(self, texts: Mapping[str, str]) -> dict[str, Value]:
        """The values that someone typed, by name.

        Raises:
            InputError: an unknown name, with the nearest; a value of another type.
        """
        return {name: self[name].read(text) for name, text in texts.items()}

    def fill(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Every parameter's value, in order: those given, else their defaults.

        Raises:
            InputError: an unknown name, a value of another type, or a parameter without a value.
        """
        valid = {name: self[name].check(value) for name, value in values.items()}
        filled = {parameter.name: valid.get(parameter.name, parameter.default) for parameter in self.each}
        for name, value in filled.items():
            if value is REQUIRED:
                raise InputError(f"{name} must be given: {self[name].kind.words}")
        return filled

    def __getitem__(self, name: str) -> Parameter:
        for parameter in self.each:
            if parameter.name == name:
                return parameter
        raise InputError(f"no parameter {name!r}; {nearest(name, self.names, 'there are none')}")


def nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    """The names most like one that was typed, in words; where none is, all of them.

    >>> nearest("tonik", ["tonic", "density"], "there are none")
    'nearest: tonic'
    >>> nearest("x", [], "there are none")
    'there are none'
    """
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return f"nearest: {', '.join(close)}"
    return f"choose from {', '.join(names)}" if names else otherwise


def kind_of(annotation: Any) -> ParameterKind:
    """The kind of values that an annotation allows.

    Raises:
        ValueError: none that could be typed.

    >>> kind_of(tuple[int, ...]).read("0, 2, 4")
    (0, 2, 4)
    >>> kind_of(int | None).words
    'a whole number or none'
    """
    origin, arguments = get_origin(annotation), [it for it in get_args(annotation) if it is not Ellipsis]
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    if origin is Literal:
        return _literal(arguments)
    if origin in (Union, types.UnionType):
        return _either([kind_of(argument) for argument in arguments])
    if isinstance(origin, type) and issubclass(origin, Iterable) and len(arguments) == 1:
        return _several(kind_of(arguments[0]))
    raise ValueError(annotation)


def _parameter(parameter: inspect.Parameter, hint: Any) -> Parameter:
    name, default = parameter.name, parameter.default
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise InputError(f"*{name} has no names: give each parameter one, and a default")
    try:
        kind = kind_of(_type_of(default) if hint is None else hint)
    except ValueError:
        raise InputError(
            f"parameter {name} needs a type that can be typed: int, float, bool, str, Literal, a tuple of them or None"
        ) from None
    parameter_ = Parameter(name, kind)
    return parameter_ if default is REQUIRED else Parameter(name, kind, parameter_.check(default))


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except Exception:  # an annotation that only a type checker can resolve: defaults say the rest
        return {}


def _type_of(default: Value) -> Any:
    if default is None:
        raise ValueError(default)  # of what else it could be, it says nothing
    return tuple[type(default[0]), ...] if isinstance(default, tuple) and default else type(default)  # type: ignore[misc]


def _literal(values: list[Any]) -> ParameterKind:
    texts = {str(value): value for value in values}

    def read(text: str) -> Value:
        return texts[text] if text in texts else _refuse(text)

    def check(value: Value) -> Value:
        return value if any(value == one and type(value) is type(one) for one in values) else _refuse(value)

    return ParameterKind(" or ".join(texts), read, check)


def _several(element: ParameterKind) -> ParameterKind:
    def check(value: Value) -> Value:
        if isinstance(value, str) or not isinstance(value, Iterable):
            return _refuse(value)
        ordered = sorted(value) if isinstance(value, set | frozenset) else value
        return tuple(element.check(part) for part in ordered)

    def read(text: str) -> Value:
        return tuple(element.read(part.strip()) for part in text.split(","))

    return ParameterKind(f"a list such as {_EXAMPLES.get(element.words, 'a,b')}", read, check)


def _either(kinds: list[ParameterKind]) -> ParameterKind:
    def first(ways: Iterable[Callable[[Any], Value]], value: Any) -> Value:
        for way in ways:
            try:
                return way(value)
            except ValueError:
                continue
        return _refuse(value)

    # Any text can be read as text: that comes last.
    readers = [kind.read for kind in sorted(kinds, key=lambda kind: kind is _SIMPLE[str])]
    return ParameterKind(
        " or ".join(kind.words for kind in kinds),
        lambda text: first(readers, text),
        lambda value: first([kind.check for kind in kinds], value),
    )


def _exactly(type_: type) -> Callable[[Value], Value]:
    return lambda value: value if type(value) is type_ else _refuse(value)


def _whole(value: Value) -> int:
    found = isinstance(value, Integral) and not isinstance(value, bool)
    return int(value) if found else _refuse(value)


def _number(value: Value) -> float:
    found = isinstance(value, Real) and not isinstance(value, bool) and not isnan(value)
    return float(value) if found else _refuse(value)


def _truth(text: str) -> bool:
    return _TRUTHS[text.lower()] if text.lower() in _TRUTHS else _refuse(text)


def _none(text: str) -> Value:
    return None if text.lower() == "none" else _refuse(text)


def _refuse(value: object) -> Any:
    raise ValueError(value)


_TRUTHS = {**dict.fromkeys(("true", "yes", "on", "1"), True), **dict.fromkeys(("false", "no", "off", "0"), False)}
_SIMPLE: dict[Any, ParameterKind] = {
    int: ParameterKind("a whole number", int, _whole),
    float: ParameterKind("a number", lambda text: _number(float(text)), _number),
    bool: ParameterKind("true or false", _truth, _exactly(bool)),
    str: ParameterKind("text", str, _exactly(str)),
    types.NoneType: ParameterKind("none", _none, _exactly(types.NoneType)),
}
_EXAMPLES = {"a whole number": "0,2,4", "a number": "0.5,1", "true or false": "true,false"}
