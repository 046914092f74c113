"""Where jobs run that hang on nothing but themselves: processes of this machine, a Dask cluster, any `Executor`.

A job is a function at the top of a module and one value that can be pickled; its result hangs on these alone. So a job
whose worker died is done again, elsewhere, and gives the same. Results come in the order of the jobs, and only so many
jobs are under way that memory stays flat, whatever their number.

>>> from concurrent.futures import ThreadPoolExecutor
>>> with ThreadPoolExecutor(2) as executor:
...     list(Workers(executor).map(len, ["a", "bb", "ccc"]))
[1, 2, 3]
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from types import ModuleType
from typing import Any, TypeVar

from melodylc.data.errors import InputError

AHEAD = 64  #: jobs under way, where nobody knows the number of workers
TRIES = 3  #: times that a job may take its worker's process with it
PATIENCE = 10.0  #: seconds in which a cluster must answer
_LOOK = 1.0  # seconds between two looks at whether a cluster is there

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


class WorkersLost(InputError):
    """The workers went away with jobs undone; what was done is whole."""


class Workers:
    """Something that does jobs.

    Args:
        executor: of any kind: submitit's, Ray's, mpi4py's, Dask's, or one of the standard library.
        ahead: jobs that may be under way at once.
        name: what it is, for messages.
    """

    def __init__(self, executor: Executor, ahead: int = AHEAD, name: str = "the executor") -> None:
        self._executor = executor
        self._ahead = ahead
        self.name = name

    def map(self, function: Callable[[_Job], _Result], jobs: Iterable[_Job]) -> Iterator[_Result]:
        """The result of each job, in order; jobs are asked for as they are needed.

        Raises:
            WorkersLost: they went away, before a job was done that stands next.
            Exception: whatever a job raises.
        """
        waiting: deque[tuple[_Job, Future[_Result]]] = deque()
        try:
            for job in jobs:
                waiting.append((job, self._submit(function, job)))
                if len(waiting) >= self._ahead:
                    yield self._result(function, waiting)
            while waiting:
                yield self._result(function, waiting)
        finally:
            for _, future in waiting:
                future.cancel()

    def _submit(self, function: Callable[[_Job], _Result], job: _Job) -> "Future[_Result]":
        try:
            return self._executor.submit(function, job)
        except BrokenExecutor as error:
            failed: Future[_Result] = Future()
            failed.set_exception(error)
            return failed

    def _result(self, function: Callable[[_Job], _Result], waiting: "deque[tuple[_Job, Future[_Result]]]") -> _Result:
        """The first one's result; where workers died, it and those behind it are begun again."""
        for _ in range(TRIES):
            try:
                result = self._wait(waiting[0][1])
                waiting.popleft()
                return result
            except BrokenExecutor as error:
                if not self._renew():
                    raise WorkersLost(f"{self.name} ended: {error}") from error
            except CancelledError as error:
                raise WorkersLost(f"{self.name} went away") from error
            lost = [(job, _is_lost(future), future) for job, future in waiting]
            waiting.clear()
            waiting.extend((job, self._submit(function, job) if gone else future) for job, gone, future in lost)
        raise WorkersLost(f"{self.name} ended {TRIES} times at the same job: is there enough memory?")

    def _wait(self, future: "Future[_Result]") -> _Result:
        return future.result()

    def _renew(self) -> bool:
        """New workers in the place of dead ones; whether there are any."""
        return False


def _is_lost(future: "Future[Any]") -> bool:
    return future.done() and (future.cancelled() or isinstance(future.exception(), BrokenExecutor))


class _LocalWorkers(Workers):
    """Processes of this machine, one thread each. One that dies takes the pool with it, and a new pool goes on."""

    def __init__(self, count: int) -> None:
        self._count = count
        super().__init__(process_pool(count, _one_thread), 3 * count, f"the {count} worker processes")

    def _submit(self, function: Callable[[_Job], _Result], job: _Job) -> "Future[_Result]":
        with quiet_start():
            return super()._submit(function, job)

    def _renew(self) -> bool:
        self.close()
        self._executor = process_pool(self._count, _one_thread)
        return True

    def close(self) -> None:
        """End the processes; what they haven't begun is dropped."""
        self._executor.shutdown(cancel_futures=True)


class _ClusterWorkers(Workers):
    """The workers of a Dask cluster."""

    def __init__(self, client: Any, name: str) -> None:
        threads = sum(client.nthreads().values())
        super().__init__(client.get_executor(pure=False), max(AHEAD, 4 * threads), name)
        self._client = client

    def _wait(self, future: "Future[_Result]") -> _Result:
        from distributed import KilledWorker

        while True:
            try:
                return future.result(timeout=_LOOK)
            except KilledWorker as error:
                raise WorkersLost(f"{self.name}: {' '.join(str(error).split())[:200]}") from error
            except NotYet:
                if future.done():  # the job's own
                    raise
                # Its client would wait for ever, and a scheduler that comes back knows nothing of our jobs.
                if self._client.status != "running":
                    raise WorkersLost(f"{self.name} went away") from None


@contextmanager
def local_workers(count: int) -> Iterator[Workers]:
    """So many processes of this machine, which end with the block."""
    workers = _LocalWorkers(count)
    try:
        yield workers
    finally:
        workers.close()


@contextmanager
def cluster_workers(address: str) -> Iterator[Workers]:
    """The workers of the Dask cluster whose scheduler has this address, such as "tcp://10.0.0.1:8786".

    Raises:
        InputError: `distributed` isn't installed, or no scheduler answers there.
    """
    try:
        import distributed
    except ImportError:
        raise InputError("--cluster needs Dask's distributed: pip install 'melodylc[cluster]'") from None
    _calm_logs()
    try:
        client = distributed.Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError, ImportError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"no Dask scheduler answers at {address!r} ({why}): start one, `dask scheduler`") from None
    try:
        yield _ClusterWorkers(client, f"the cluster at {address}")
    finally:
        with suppress(OSError, NotYet, CancelledError):
            client.close(timeout=1)


@contextmanager
def choose_workers(workers: int | None = None, cluster: str | None = None) -> Iterator[Workers | None]:
    """What a command's options ask for; None: everything is done here.

    Raises:
        InputError: both are given, or the cluster can't be reached.
    """
    if cluster is not None:
        if workers is not None:
            raise InputError("--workers are this machine's, and --cluster brings its own: leave one of them out")
        with cluster_workers(cluster) as found:
            yield found
    elif workers is not None and workers > 1:
        with local_workers(workers) as found:
            yield found
    else:
        yield None


def _calm_logs() -> None:
    """What Dask says of connections that break is for its own logs; we say it in a sentence."""
    import logging

    for name in ("distributed.client", "distributed.comm", "distributed.batched", "distributed.core"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


# -- processes ---------------------------------------------------------------------------------


def all_cores() -> int:
    """How many processes may run at once here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_pool(count: int, begin: Callable[[], None] | None = None) -> ProcessPoolExecutor:
    """Processes that end with this one, however it ends; work is given to them inside `quiet_start`.

    Args:
        count: how many.
        begin: a function that each calls first.
    """
    # Spawned, not forked: the same on every system, and safe beside threads.
    return ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=_enlist, initargs=(begin,))


def _one_thread() -> None:
    # Before torch is imported: its threads are made then, and spin where several processes share the cores.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def _enlist(begin: Callable[[], None] | None) -> None:
    """Be deaf to Ctrl-C, which is for the parent, and end with it, however it ended.

    A worker waits for work on a pipe that its fellows hold open too, so the pipe's end would never come.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(
        signal, "pthread_sigmask"
    ):  # a SIGTERM of its own ends a worker; it was started while that was held back
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDINGS)
    if parent := multiprocessing.parent_process():

        def watch() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()
    if begin:
        begin()


_ENDINGS = {getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)}


@contextmanager
def quiet_start() -> Iterator[None]:
    """Processes that start in the block don't run the caller's script, and are deaf to Ctrl-C even while they import.

    A script without `if __name__ == "__main__":` would call `build` again in each of them. Ctrl-C and the signals that
    are as good as it wait until the block is over: they are for the parent, which dismisses its crew; half-started
    processes would keep it waiting for ever.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")  # what a worker runs is imported from this module
    try:
        if not hasattr(signal, "pthread_sigmask"):
            yield
            return
        resource_tracker.ensure_running()  # a process's start would start it, and that lets the signal through again
        former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, *_ENDINGS})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, former)
    finally:
        sys.modules["__main__"] = main
