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

MAX_JOBS = 8  #: under way or waiting, at a time
Emit = Callable[[dict[str, Any]], None]
StreamResult = TypeVar("StreamResult")


class TooManyJobs(MelodylcError):
    """More is waiting than should."""


class ListenerLeft(Exception):
    """Nobody listens any more."""


class Engine:
    """One thread that all work is done in, in order; a few jobs may wait for it."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "melodylc-studio")
        self._jobs = 0

    def submit(self, work: Callable[[], StreamResult]) -> "asyncio.Future[StreamResult]":
        """Queue work; the place in the queue is taken, or refused, before this returns.

        Raises:
            TooManyJobs: too much is waiting already.
        """
        if self._jobs >= MAX_JOBS:
            raise TooManyJobs("the studio is busy: wait for what you asked before")
        future = asyncio.wrap_future(self._pool.submit(work))
        self._jobs += 1
        future.add_done_callback(self._release)
        return future

    def close(self) -> None:
        """Take no more work."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _release(self, future: "asyncio.Future[Any]") -> None:
        self._jobs -= 1


def stream(engine: Engine, work: Callable[[Emit], None]) -> StreamingResponse:
    """What work emits, a line each; where the listener goes away, the next emit ends the work by `ListenerLeft`.

    Raises:
        TooManyJobs: too much is waiting already; nothing has been answered yet.
    """
    loop, queue, gone = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any] | None](), threading.Event()

    def emit(value: dict[str, Any]) -> None:
        if gone.is_set():
            raise ListenerLeft
        with suppress(RuntimeError):  # the loop is closed: so is the studio
            loop.call_soon_threadsafe(queue.put_nowait, value)

    job = engine.submit(lambda: None if gone.is_set() else _guard(work, emit))
    job.add_done_callback(lambda _: queue.put_nowait(None))  # however it ended, the answer ends

    async def lines() -> AsyncIterator[str]:
        try:
            while (value := await queue.get()) is not None:
                yield json.dumps(value) + "\n"
        finally:
            gone.set()

    return StreamingResponse(lines(), media_type="application/x-ndjson")


def _guard(work: Callable[[Emit], None], emit: Emit) -> None:
    with suppress(ListenerLeft):
        try:
            work(emit)
        except MelodylcError as error:
            emit({"error": str(error)})
        except ListenerLeft:
            raise
        except Exception:  # a bug: the traceback is for the terminal, and the page must not wait for ever
            traceback.print_exc(file=sys.stderr)
            emit({"error": "something broke inside; the terminal says what"})
