"""The process in which a user's rule runs. It gets questions, what to load and what to score, and answers them.

It has no standard streams to speak of: what goes between us (see `melodylc.rewards.isolation`) uses descriptors of its
own, a print is noticed and dropped, and there is nothing to read. It ends when we do. (This keeps mistakes in, not bad
intentions.)

From a name to a reward: a function of a file, or an entry point of an installed package. What is run of a file is what
is fingerprinted, byte for byte: no compiled file of an earlier version. None is left behind, either.
"""

import inspect
import io
import os
import re
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from queue import SimpleQueue
from types import ModuleType
from typing import IO, Any

import numpy as np

from melodylc.data.arrays import Events
from melodylc.data.errors import InputError, RewardError
from melodylc.data.files import fingerprint_bytes, fingerprint_file, reason
from melodylc.data.melody import Melody
from melodylc.rewards.base import Reward, Scores
from melodylc.rewards.domains import domain
from melodylc.rewards.function import FunctionReward, as_scores, describe_error
from melodylc.rewards.identity import SOURCE, share_process
from melodylc.rewards.isolation import CLOSED, Counter, Frame, receive, send
from melodylc.rewards.parameters import nearest

GROUP = "melodylc.rewards"  #: of the entry points


class _Prints(io.TextIOBase):
    """A standard output that remembers the start of the first line that was printed."""

    text = ""

    def write(self, text: str) -> int:
        if "\n" not in self.text:
            self.text = (self.text + text)[:60]
        return len(text)


def main() -> None:
    """Answer questions until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    incoming, outgoing = _streams()
    counter, ours = Counter(sys.argv[1]), os.getpid()
    questions: SimpleQueue[Frame] = SimpleQueue()
    threading.Thread(target=_listen, args=(incoming, questions), daemon=True).start()
    reward: Reward | None = None

    def reply(frame: Frame) -> None:
        if os.getpid() != ours:  # a rule forked, and here is its child
            os._exit(0)
        try:
            send(outgoing, frame)
        except (OSError, ValueError):
            os._exit(CLOSED)

    while True:
        question = questions.get()
        if "load" in question.header:
            reward, answer = _load(question.header)
        elif reward is not None:
            answer = _score(reward, question.body, counter)
        else:
            answer = Frame({"plugins": [[point.name, package(point), point.value] for point in plugins()]})
        reply(Frame({**answer.header, "number": question.header["number"]}, answer.body))


def _load(order: dict[str, Any]) -> tuple[Reward | None, Frame]:
    share_process(order["process"])
    try:
        reward = load(order["load"], order["parameters"])
        return reward, Frame(_description(reward))
    except InputError as error:
        return None, Frame({"refusal": str(error)})


def _streams() -> tuple[IO[bytes], IO[bytes]]:
    """The two pipes, out of reach of whoever uses the standard streams."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    return incoming, outgoing


def _listen(incoming: IO[bytes], questions: "SimpleQueue[Frame]") -> None:
    """Pass questions on; without somebody to ask, end at once, whatever the rule is doing."""
    try:
        while True:
            questions.put(receive(incoming))
    except EOFError:
        os._exit(0)
    except (OSError, ValueError):
        os._exit(CLOSED)


def _description(reward: Reward) -> dict[str, object]:
    """What the other side has to know of a reward."""
    description: dict[str, object] = {
        "name": reward.name,
        "domain": reward.domain,
        "sentence": reward.sentence,
        "cacheable": reward.cacheable,
        "counts": False,
        "doc": "",
        "parameters": [],
    }
    if isinstance(reward, FunctionReward):
        values = dict(reward.values)
        description["counts"] = not reward.batched
        description["doc"] = inspect.getdoc(reward.function) or ""
        description["parameters"] = [[it.name, it.kind.words, repr(values[it.name])] for it in reward.parameters.each]
    return description


def _score(reward: Reward, content: bytes, counter: Counter) -> Frame:
    kind = domain(reward.domain)
    rows = np.frombuffer(content, kind.dtype).reshape(-1, *kind.shape)
    streams, sys.stdout = sys.stdout, (prints := _Prints())

    def count(done: int) -> None:
        counter.value = done

    try:
        if isinstance(reward, FunctionReward):
            scores = reward.run(rows, count)
        else:
            scores = as_scores(reward.batch(rows), len(rows))
    except RewardError as error:
        return Frame({"problem": error.problem, "row": error.row})
    except BaseException as error:  # SystemExit and the like too: nothing of a rule's ends this process
        return Frame({"problem": f"raised {describe_error(error, '')}", "row": None})
    finally:
        sys.stdout = streams
    if prints.text:
        problem = f"printed {prints.text.splitlines()[0]!r}: a reward returns its value and prints nothing"
        return Frame({"problem": problem, "row": None})
    return Frame({"scores": len(scores)}, scores.tobytes())


GROUP = "melodylc.rewards"  #: of the entry points


@dataclass(frozen=True)
class SourceReward(Reward):
    """A reward that isn't a function, such as a combination, named with the fingerprint of its source."""

    reward: Reward
    source: str

    @property
    def name(self) -> str:
        """Such as "(density(64..) & tonic(0))@0123456789abcdef"."""
        return f"{self.reward.name}@{self.source}"

    @property
    def domain(self) -> str:
        return self.reward.domain

    def __call__(self, melody: Melody) -> float:
        return self.reward(melody)

    def batch(self, events: Events) -> Scores:
        """As the reward's own."""
        return self.reward.batch(events)


def load(place: Mapping[str, str], texts: Mapping[str, str]) -> Reward:
    """The reward at a place, with parameters as typed.

    Args:
        place: "label", how it was asked for; "name"; and "file" or "package", which is empty where none was named.
        texts: parameters by name.

    Raises:
        InputError: anything that keeps it from being one; one line.
    """
    found = _of_file(place) if "file" in place else _of_plugin(place)
    if not texts:
        return found
    if not isinstance(found, FunctionReward):
        raise InputError(f"{place['label']} takes no parameters")
    try:
        return found.with_texts(texts)
    except InputError as error:
        raise InputError(f"{place['label']}: {error}") from None


def plugins() -> list[EntryPoint]:
    """The entry points of installed packages, by name."""
    return sorted(entry_points(group=GROUP), key=lambda point: (point.name, package(point)))


def package(point: EntryPoint) -> str:
    """The name of an entry point's package."""
    return point.dist.name if point.dist else "?"


def _of_file(place: Mapping[str, str]) -> Reward:
    path, name = place["file"], place["name"]
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {reason(error)}") from None
    source = fingerprint_bytes(content)
    found = vars(_run(path, content, source))
    if name not in found:
        rewards = [key for key, value in found.items() if isinstance(value, Reward)]
        raise InputError(f"{path} has no reward {name!r}; {nearest(name, rewards, 'it has none: write @reward above')}")
    return _as_reward(found[name], source, place["label"])


def _run(path: str, content: bytes, source: str) -> ModuleType:
    module = ModuleType(f"melodylc_rule_{source}")
    module.__file__ = path
    setattr(module, SOURCE, source)
    sys.modules[module.__name__] = module
    try:
        exec(compile(content, path, "exec"), vars(module))
    except InputError as error:  # what @reward refused says enough
        raise InputError(f"{path}: {error}") from None
    except (Exception, SystemExit) as error:
        raise InputError(f"{path} doesn't import: {describe_error(error, path)}") from None
    return module


def _of_plugin(place: Mapping[str, str]) -> Reward:
    point = _point(place["package"], place["name"])
    try:
        found = point.load()
    except (Exception, SystemExit) as error:
        where = f"{point.name} of package {package(point)} ({point.value})"
        raise InputError(f"{where} doesn't import: {describe_error(error, '')}") from None
    return _as_reward(found, _fingerprint(point), place["label"])


def _point(wanted: str, name: str) -> EntryPoint:
    every = plugins()
    if wanted:
        every = [point for point in every if _plain(package(point)) == _plain(wanted)]
        if not every:
            raise InputError(f"no installed package {wanted!r} has rewards; a file's name ends in .py")
    found = [point for point in every if point.name == name]
    if not found:
        from melodylc.rewards.specs import BUILTIN  # it imports all built-in rewards, for this message alone

        known = {point.name for point in every} | (set() if wanted else set(BUILTIN))
        raise InputError(f"no reward {name!r}{wanted and f' in {wanted}'}; {nearest(name, known, 'there are none')}")
    if len(found) > 1:
        spellings = " or ".join(f"{package(point)}:{name}" for point in found)
        raise InputError(f"{len(found)} installed packages have a reward {name!r}: say {spellings}")
    return found[0]


def _plain(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def _as_reward(found: Any, source: str, label: str) -> Reward:
    if isinstance(found, FunctionReward):
        return replace(found, source=source)
    if isinstance(found, Reward):
        return SourceReward(found, source)
    raise InputError(f"{label} is no reward but a {type(found).__name__}: write @reward above a function")


def _fingerprint(point: EntryPoint) -> str:
    """Of every source file of the entry point's package, or of its module where that is one file."""
    top = sys.modules[point.module.split(".")[0]]
    folders = [Path(folder) for folder in getattr(top, "__path__", [])]
    if not folders and top.__file__:
        return fingerprint_file(top.__file__)
    paths = sorted(path for folder in folders for path in folder.rglob("*.py"))
    return fingerprint_bytes(b"".join(path.name.encode() + b"\0" + path.read_bytes() for path in paths))
