"""What a rule's name covers, so that whatever was learnt from it is forgotten when its answers change.

The source of the function's file, or where there is none, as in a notebook, the function's code; and the contents of
the variables that it uses and its source doesn't say: those of functions around it, an object's own, and those of its
module that aren't written there as a literal. A value has contents that can be told apart in any process if it is data:
numbers, texts, arrays, lists, dictionaries, dataclasses of them. Anything else, such as a trained model, is known by
being the same object, which holds for this process alone, unless the rule declares what its answers hang on.

A fingerprint begins with the source's, so that a file can be recognised by it before it is run; `+` and another follow
for values or a declaration, `-` and numbers for objects of this process.
"""

import dis
import enum
import inspect
import re
import secrets
import sys
from ast import Assign, Name, literal_eval, parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path, PurePath
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from melodylc.data.errors import InputError
from melodylc.data.files import fingerprint_bytes, fingerprint_file
from melodylc.data.melody import Melody
from melodylc.rewards.base import Reward

SOURCE = "__melodylc_source__"  #: where a module that we ran says the fingerprint of its source

_process = secrets.token_hex(4)  # a name that holds for this process alone ends in it; see `share_process`
_serials: dict[int, tuple[int, Any]] = {}  # objects that nobody can look into, by id; kept, so that an id is used once


def share_process(token: str | None = None) -> str:
    """What names end in that hold for one process alone; a rule's worker takes that of the process it works for."""
    global _process
    _process = token or _process
    return _process


def declaration(
    function: Callable[..., Any],
    depends: Iterable[str | PathLike[str]] | None,
    fingerprint: str | Callable[[], str] | None,
) -> str | Callable[[], str] | None:
    """What a rule says that its answers hang on, beside its source; None where it says nothing."""
    if depends is None:
        if fingerprint is None or isinstance(fingerprint, str) or callable(fingerprint):
            return fingerprint
        raise InputError(f"fingerprint is a text or a function that returns one, not {fingerprint!r:.40}")
    if isinstance(depends, str | PathLike):
        depends = [depends]
    home = Path(source_path(function)).parent if Path(source_path(function)).is_file() else Path()
    prints = []
    for path in depends:
        try:
            prints.append(fingerprint_file(home / Path(path).expanduser()))
        except InputError as error:
            raise InputError(f"depends: {error}") from None
    files = " ".join(prints)
    if callable(fingerprint):
        return lambda: f"{files} {fingerprint()}"
    return files if fingerprint is None else f"{files} {fingerprint}"


def identity(function: Callable[..., Any], source: str) -> tuple[str, bool]:
    """A fingerprint of a function and of what it uses, and whether that is all there is."""
    known, unknown = [], []
    for name, value in sorted(_variables(function), key=lambda pair: pair[0]):
        text = _content(value)
        if text is None:
            serial, _ = _serials.setdefault(id(value), (len(_serials), value))
            unknown.append(str(serial))
        else:
            known.append(f"{name}={text}")
    prints = f"{source}+{fingerprint_bytes(' '.join(known).encode())}" if known else source
    return ("-".join([prints, _process, *unknown]), False) if unknown else (prints, True)


def _variables(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """What a function and those that it calls use, and their source doesn't say: names and values.

    That are variables of functions around them, an object's self, and those of the module that aren't written there as
    a literal. What is imported from other modules isn't followed.
    """
    queue, visited = [function], set[int]()
    literals = _literals(source_path(function))
    while queue:
        called: Any = inspect.unwrap(queue.pop())
        if isinstance(called, MethodType):
            yield "self", called.__self__
            called = called.__func__
        if not isinstance(called, FunctionType):
            yield "object", called
            continue
        if id(called) in visited:
            continue
        visited.add(id(called))
        space = called.__globals__
        used = [(name, space[name]) for name in _global_names(called.__code__) if name in space]
        for name, cell in zip(called.__code__.co_freevars, called.__closure__ or (), strict=True):
            try:
                used.append((f"{called.__qualname__}.{name}", cell.cell_contents))
            except ValueError:  # a name that has no value yet
                continue
        for name, value in used:
            if _is_function_reward(value):
                queue.append(value.function)
            elif isinstance(inspect.unwrap(value) if callable(value) else None, FunctionType):
                if inspect.unwrap(value).__globals__ is space:
                    queue.append(value)
            elif not _is_import(value, space) and (name not in literals or literals[name] != _content(value)):
                yield name, value


def _is_import(value: Any, space: Mapping[str, Any]) -> bool:
    """Whether it is a module, or a class or the like that stands in some module under its own name.

    In the function's own module only if that has a file, whose fingerprint then covers it. So too a reward made there.
    """
    if isinstance(value, ModuleType) or (isinstance(value, Reward) and value.cacheable):
        return True
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return False
    if module == space.get("__name__") and "__file__" not in space:
        return False
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value


@lru_cache(maxsize=256)
def _global_names(code: CodeType) -> tuple[str, ...]:
    """The module's variables that a function's code reads, those of functions within it too."""
    names = {it.argval for it in dis.get_instructions(code) if it.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    inner = (name for it in code.co_consts if isinstance(it, CodeType) for name in _global_names(it))
    return tuple(sorted({*names, *inner}))


def _literals(path: str) -> dict[str, str | None]:
    """The variables of a file that are written there as a literal, once, and their contents."""
    try:
        status = Path(path).stat()
        return _read_literals(path, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError):
        return {}


@lru_cache(maxsize=32)
def _read_literals(path: str, _modified: int, _size: int) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    try:
        body = parse(Path(path).read_bytes()).body
    except (SyntaxError, ValueError):
        return found
    for statement in body:
        if isinstance(statement, Assign) and len(statement.targets) == 1:
            for name, value in _pairs(statement.targets[0], statement.value):
                try:
                    found[name] = _content(literal_eval(value))
                except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                    continue
    return found


def _pairs(target: Any, value: Any) -> Iterator[tuple[str, Any]]:
    """Names and what each is set to, of `a = 1` and of `a, b = 1, 2`."""
    if isinstance(target, Name):
        yield target.id, value
    elif hasattr(target, "elts") and len(getattr(value, "elts", ())) == len(target.elts):
        for one, its in zip(target.elts, value.elts, strict=True):
            yield from _pairs(one, its)


def _content(value: Any, depth: int = 0) -> str | None:
    """What a value holds, as a text that is the same in every process; None where nobody can tell."""
    if value is None or isinstance(
        value, bool | int | float | complex | str | bytes | np.generic | enum.Enum | PurePath
    ):
        return repr(value)
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            return None
        return f"array({value.dtype.str}, {value.shape}, {fingerprint_bytes(np.ascontiguousarray(value).tobytes())})"
    if isinstance(value, re.Pattern):
        return f"{value.pattern!r} {value.flags}"
    if isinstance(value, Melody):
        return fingerprint_bytes(value.events.tobytes())
    if isinstance(value, Reward):
        return value.name if value.cacheable else None
    if depth > 20:  # it may hold itself
        return None
    if isinstance(value, Mapping):
        texts = [_content(pair, depth + 1) for pair in value.items()]
    elif isinstance(value, tuple | list | set | frozenset | range):
        texts = [_content(part, depth + 1) for part in value]
    elif is_dataclass(value) and not isinstance(value, type):
        texts = [_content((it.name, getattr(value, it.name)), depth + 1) for it in fields(value)]
    else:
        return None
    found = [text for text in texts if text is not None]
    if len(found) < len(texts):
        return None
    ordered = found if isinstance(value, tuple | list | range) else sorted(found)
    return f"{type(value).__name__}[{', '.join(ordered)}]"


def source_path(function: Callable[..., Any]) -> str:
    """The file that a function's code, or that of an object's class, is from; it need not exist."""
    called: Any = inspect.unwrap(function)
    for step in (called, getattr(called, "__func__", None), vars(type(called)).get("__call__")):
        if code := getattr(step, "__code__", None):
            return str(code.co_filename)
    return ""


def source_fingerprint(function: Callable[..., Any]) -> str:
    """The fingerprint of what a function is made of: of its file, or of its code where there is none."""
    called: Any = inspect.unwrap(function)
    called = getattr(called, "__func__", called)
    space = getattr(called, "__globals__", None) or vars(sys.modules.get(type(called).__module__, object))
    if space.get(SOURCE) is not None:
        return str(space[SOURCE])
    try:
        return fingerprint_bytes(Path(source_path(function)).read_bytes())
    except OSError:
        return fingerprint_bytes(repr(sorted(map(_contents, _codes(called)), key=repr)).encode())


def _codes(function: Any) -> list[CodeType]:
    """The code of a function and of those of its module that it calls, or of an object's methods."""
    if not isinstance(function, FunctionType):
        methods = (getattr(it, "__code__", None) for kind in type(function).__mro__ for it in vars(kind).values())
        return [code for code in methods if code is not None]
    found, queue = dict[str, CodeType](), [function]
    while queue:
        one = queue.pop()
        if one.__qualname__ in found:
            continue
        found[one.__qualname__] = one.__code__
        values = [one.__globals__.get(name) for name in _global_names(one.__code__)]
        values += [cell.cell_contents for cell in one.__closure__ or () if _is_full(cell)]
        for value in values:
            inner: Any = getattr(value, "function", None) if _is_function_reward(value) else value
            if isinstance(inner, FunctionType) and inner.__globals__ is one.__globals__:
                queue.append(inner)
    return list(found.values())


def _is_function_reward(value: Any) -> bool:
    return isinstance(value, Reward) and hasattr(value, "function")


def _is_full(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _contents(code: CodeType) -> tuple[Any, ...]:
    constants = tuple(_constant(it) for it in code.co_consts)
    return code.co_code, code.co_names, code.co_varnames, constants


def _constant(value: Any) -> Any:
    if isinstance(value, CodeType):
        return _contents(value)
    return sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value)
