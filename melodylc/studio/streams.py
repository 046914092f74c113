"""Work in its one thread, and its results as lines of JSON while they come."""

import asyncio
import json
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from starlette.responses import StreamingResponse

from melodylc.data.errors import MelodylcError

MOST_WAITING = 8
Emit = Callable[[dict[str, Any]], None]
Result = TypeVar("Result")


class Busy(MelodylcError):
    """More is waiting than should."""


class Gone(Exception):
    """Nobody listens any more."""


class Engine:
    """One thread that all work is done in, in order; a few things may wait for it."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "melodylc-studio")
        self._waiting = 0

    async def run(self, work: Callable[[], Result]) -> Result:
        """What the work returns.

        Raises:
            Busy: too much is waiting already.
        """
        self.check()
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    def check(self) -> None:
        """Make sure that there is room for more.

        Raises:
            Busy: there isn't.
        """
        if self._waiting >= MOST_WAITING:
            raise Busy("the studio is busy: wait for what you asked before")

    def close(self) -> None:
        """Take no more work."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def streamed(engine: Engine, work: Callable[[Emit], None]) -> StreamingResponse:
    """What work emits, a line each; where the listener goes away, the next emit ends the work by `Gone`."""
    engine.check()
    return StreamingResponse(_lines(engine, work), media_type="application/x-ndjson")


async def _lines(engine: Engine, work: Callable[[Emit], None]) -> AsyncIterator[str]:
    loop, queue, gone = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any] | None](), threading.Event()

    def put(value: dict[str, Any] | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: so is the studio
            loop.call_soon_threadsafe(queue.put_nowait, value)

    def emit(value: dict[str, Any]) -> None:
        if gone.is_set():
            raise Gone
        put(value)

    def whole() -> None:
        if not gone.is_set():
            _guarded(work, emit)
        put(None)

    running = asyncio.ensure_future(engine.run(whole))
    try:
        while (value := await queue.get()) is not None:
            yield json.dumps(value) + "\n"
        await running
    finally:
        gone.set()


def _guarded(work: Callable[[Emit], None], emit: Emit) -> None:
    with suppress(Gone):
        try:
            work(emit)
        except MelodylcError as error:
            emit({"error": str(error)})
        except Gone:
            raise
        except Exception:  # a bug: the traceback is for the terminal, and the page must not wait for ever
            traceback.print_exc(file=sys.stderr)
            emit({"error": "something broke inside; the terminal says what"})
