"""The process in which a user's rule runs. It is told what to load and what to score, and answers; see `wire`.

It has no standard streams to speak of: what goes between us uses descriptors of its own, a print is noticed and
dropped, and there is nothing to read. It ends when we do. (This keeps mistakes in, not bad intentions.)
"""

import inspect
import io
import os
import signal
import sys
import threading
from queue import SimpleQueue
from typing import IO, Any

import numpy as np

from melodylc.data.errors import InputError, RewardError
from melodylc.rewards.base import Reward
from melodylc.rewards.domains import domain
from melodylc.rewards.function import FunctionReward, as_scores, told
from melodylc.rewards.loading import load, package, plugins
from melodylc.rewards.wire import TICK, Frame, receive, send


class _Prints(io.TextIOBase):
    """A standard output that remembers the start of the first line that was printed."""

    text = ""

    def write(self, text: str) -> int:
        if "\n" not in self.text:
            self.text = (self.text + text)[:60]
        return len(text)


def main() -> None:
    """Answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    incoming, outgoing = _streams()
    requests: SimpleQueue[Frame] = SimpleQueue()
    threading.Thread(target=_listen, args=(incoming, requests), daemon=True).start()
    reward: Reward | None = None
    while True:
        question = requests.get()
        if "load" in question.header:
            reward, answer = _loaded(question.header)
        elif reward is not None:
            answer = _scored(reward, question.body, outgoing)
        else:
            answer = Frame({"plugins": [[point.name, package(point), point.value] for point in plugins()]})
        send(outgoing, answer)


def _loaded(order: dict[str, Any]) -> tuple[Reward | None, Frame]:
    try:
        reward = load(order["load"], order["parameters"])
    except InputError as error:
        return None, Frame({"refused": str(error)})
    return reward, Frame(_description(reward))


def _streams() -> tuple[IO[bytes], IO[bytes]]:
    """The two pipes, out of reach of whoever uses the standard streams."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    return incoming, outgoing


def _listen(incoming: IO[bytes], requests: "SimpleQueue[Frame]") -> None:
    """Pass requests on; without somebody to ask, end at once, whatever the rule is doing."""
    try:
        while True:
            requests.put(receive(incoming))
    except EOFError:
        os._exit(0)


def _description(reward: Reward) -> dict[str, object]:
    """What the other side has to know of a reward."""
    described: dict[str, object] = {
        "name": reward.name,
        "domain": reward.domain,
        "ticks": False,
        "doc": "",
        "parameters": [],
    }
    if isinstance(reward, FunctionReward):
        values = dict(reward.values)
        described["ticks"] = not reward.batched
        described["doc"] = inspect.getdoc(reward.function) or ""
        described["parameters"] = [[it.name, it.kind.words, repr(values[it.name])] for it in reward.parameters.each]
    return described


def _scored(reward: Reward, content: bytes, outgoing: IO[bytes]) -> Frame:
    kind = domain(reward.domain)
    rows = np.frombuffer(content, kind.dtype).reshape(-1, *kind.shape)
    streams, sys.stdout = sys.stdout, (caught := _Prints())
    try:
        if isinstance(reward, FunctionReward):
            scores = reward.run(rows, lambda: send(outgoing, TICK))
        else:
            scores = as_scores(reward.batch(rows), len(rows))
    except RewardError as error:
        return Frame({"problem": error.problem, "row": error.row})
    except BaseException as error:  # SystemExit and the like too: nothing of a rule's ends this process
        return Frame({"problem": f"raised {told(error, '')}", "row": None})
    finally:
        sys.stdout = streams
    if caught.text:
        problem = f"printed {caught.text.splitlines()[0]!r}: a reward returns its value and prints nothing"
        return Frame({"problem": problem, "row": None})
    return Frame({"scores": len(scores)}, scores.tobytes())
