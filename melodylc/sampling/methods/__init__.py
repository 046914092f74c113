"""Ways of making melodies follow a rule: a class and a file each, registered here by name.

A method says what it prepares for a rule (nothing, a critic, an actor) and how it samples; see
`melodylc.sampling.methods.base.Method`. Those of other packages are found as entry points of the group
`melodylc.methods`, or registered by hand:

>>> "rejection" in method_names()
True
"""

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from melodylc.data.errors import InputError

if TYPE_CHECKING:
    from melodylc.sampling.methods.base import Method

DEFAULT_METHOD = "auto"
GROUP = "melodylc.methods"  #: of entry points
_OWN = {  # names to classes, imported when they are used: none of them is needed for --help
    "auto": "melodylc.sampling.methods.auto:Auto",
    "combined": "melodylc.sampling.methods.combined:Combined",
    "steer": "melodylc.sampling.methods.steer:SteerMethod",
    "actor": "melodylc.sampling.methods.actor:PureActor",
    "optimize": "melodylc.sampling.methods.optimize:Optimize",
    "edit": "melodylc.sampling.methods.edit:Edit",
    "rejection": "melodylc.sampling.methods.rejection:Rejection",
}
_REGISTERED: dict[str, "type[Method]"] = {}


def register_method(method: "type[Method]") -> "type[Method]":
    """Make a method known under its name; usable as a decorator.

    Raises:
        InputError: the name is taken by another one.
    """
    if method.name in _OWN or _REGISTERED.get(method.name, method) is not method:
        raise InputError(f"a method is called {method.name!r} already: give this one another name")
    _REGISTERED[method.name] = method
    return method


def method_names() -> tuple[str, ...]:
    """The names of all methods, the default first."""
    return tuple(dict.fromkeys([*_OWN, *_REGISTERED, *_entry_points()]))


def check_method(name: str) -> None:
    """Make sure that a method has this name.

    Raises:
        InputError: none has; the message says which there are.
    """
    if name not in _OWN and name not in method_names():
        raise InputError(f"{name!r} is no method: take one of {', '.join(method_names())}")


def find_method(name: str) -> "type[Method]":
    """The method of a name.

    Raises:
        InputError: none has it, or the package that brings it can't be imported.
    """
    check_method(name)
    if name in _REGISTERED:
        return _REGISTERED[name]
    target = _OWN.get(name) or _entry_points()[name]
    module, _, attribute = target.partition(":")
    try:
        found: type[Method] = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"the method {name!r} can't be loaded from {target}: {error}") from error
    return found


@cache
def _entry_points() -> dict[str, str]:
    from importlib.metadata import entry_points  # some 10 ms

    return {entry.name: entry.value for entry in entry_points(group=GROUP)}
