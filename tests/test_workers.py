"""Where jobs run: in order, few at a time, done again where a worker died, and one sentence where all are gone."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from corpus_midi import small_collection

from melodylc.data.errors import InputError
from melodylc.data.workers import TRIES, Workers, WorkersLost, choose_workers, local_workers
from melodylc.service.origin import check_same

Cli = Callable[..., Any]


def die_once(job: tuple[Path, int]) -> int:
    """The number of a job; the first process that comes to number 3 dies of it."""
    flag, number = job
    if number == 3 and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die(job: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def complain(job: int) -> int:
    if job == 2:
        raise InputError("two is too many")
    return job


def threads(job: object) -> str | None:
    return os.environ.get("OMP_NUM_THREADS")


class Inline(Executor):
    """Does each job at once, and counts those that nobody has taken yet."""

    def __init__(self) -> None:
        self.begun = 0

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        self.begun += 1
        future: Future[Any] = Future()
        future.set_result(function(*args, **kwargs))
        return future


def test_results_come_in_order_and_jobs_are_asked_for_as_they_are_needed() -> None:
    executor, asked = Inline(), []

    def jobs() -> Iterator[int]:
        for number in range(10**12):
            asked.append(number)
            yield number

    results = Workers(executor, ahead=5).map(abs, jobs())
    assert [next(results) for _ in range(20)] == list(range(20))
    assert executor.begun == len(asked) == 24


def test_a_worker_that_dies_costs_nothing(tmp_path: Path) -> None:
    with local_workers(2) as workers:
        results = list(workers.map(die_once, [(tmp_path / "flag", number) for number in range(8)]))
    assert results == list(range(8))
    assert (tmp_path / "flag").exists()


def test_a_job_that_always_kills_its_worker_ends_in_a_sentence() -> None:
    with local_workers(1) as workers, pytest.raises(WorkersLost, match=f"ended {TRIES} times at the same job"):
        list(workers.map(die, [0]))


def test_what_a_job_raises_comes_through_and_workers_have_one_thread() -> None:
    with local_workers(1) as workers:
        results = workers.map(complain, [1, 2, 3])
        assert next(results) == 1
        with pytest.raises(InputError, match="two is too many"):
            next(results)
        assert list(workers.map(threads, [0])) == ["1"]


def test_an_executor_that_ended_is_a_sentence() -> None:
    class Broken(ThreadPoolExecutor):
        def submit(self, *_: Any, **__: Any) -> "Future[Any]":
            raise BrokenExecutor("no more")

    with Broken(1) as executor, pytest.raises(WorkersLost, match="the executor ended: no more"):
        list(Workers(executor).map(abs, [1]))


def test_one_worker_is_this_process() -> None:
    with choose_workers(1) as none, choose_workers() as nothing:
        assert none is nothing is None


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'melodylc\[cluster\]'"), choose_workers(cluster="tcp://a:1"):
        pass


# -- Dask --------------------------------------------------------------------------------------

_SERVE = """
import sys, time
from distributed import LocalCluster
if __name__ == "__main__":
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1")
    print(cluster.scheduler_address, *(nanny.pid for nanny in cluster.workers.values()), flush=True)
    time.sleep(600)
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[int], "subprocess.Popen[str]"]]:
    """A real cluster of two workers: its address, its workers' process numbers, its scheduler's process."""
    pytest.importorskip("distributed")
    script = tmp_path / "serve.py"
    script.write_text(_SERVE, "utf-8")
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout
    address, *workers = process.stdout.readline().split()
    try:
        yield address, [int(number) for number in workers], process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        script.unlink()


@pytest.fixture
def asked(untrained: Path) -> tuple[object, ...]:
    return ("generate", "--model", untrained, "--method", "rejection", "--no-verify", "--seed", 5)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_cluster_writes_the_same_bytes_though_a_worker_is_killed(
    run_cli: Cli,
    asked: tuple[object, ...],
    tmp_path: Path,
    cluster: tuple[str, list[int], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, workers, _ = cluster
    assert run_cli(*asked, "-n", 40, "-o", tmp_path / "here").code == 0
    seen: list[int] = []

    def kill_one(*arguments: Any) -> None:
        seen.append(1)
        if len(seen) == 1:
            os.kill(workers[0], signal.SIGKILL)
        check_same(*arguments)

    monkeypatch.setattr("melodylc.service.generation.check_same", kill_one)
    done = run_cli(*asked, "-n", 40, "-o", tmp_path / "there", "--cluster", address)
    assert done.code == 0, done.err
    assert len(seen) == 5
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    tunes = small_collection(tmp_path / "tunes", 10)
    assert run_cli("data", "build", tunes, "-o", tmp_path / "read-there", "--cluster", address).code == 0
    assert run_cli("data", "build", tunes, "-o", tmp_path / "read-here", "--workers", 1).code == 0
    assert contents(tmp_path / "read-there") == contents(tmp_path / "read-here")


def test_a_scheduler_that_goes_away_is_a_sentence_and_what_was_done_is_kept(
    run_cli: Cli,
    asked: tuple[object, ...],
    tmp_path: Path,
    cluster: tuple[str, list[int], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, workers, scheduler = cluster

    def kill_all(*arguments: Any) -> None:
        check_same(*arguments)
        if scheduler.poll() is None:
            for number in (scheduler.pid, *workers):
                os.kill(number, signal.SIGKILL)
            scheduler.wait()

    monkeypatch.setattr("melodylc.service.generation.check_same", kill_all)
    done = run_cli(*asked, "-n", 2000, "-o", tmp_path / "one", "--cluster", address)
    assert (done.code, done.err.strip().count("\n")) == (2, 0)
    assert f"the cluster at {address} went away; " in done.err
    written = len(list((tmp_path / "one").glob("*.mid")))
    assert 8 <= written < 2000
    assert f"{written} of 2000 melodies are in {tmp_path / 'one'}, and `melodylc generate" in done.err
    assert f"-n {2000 - written} --first {written + 1} --of 2000 --seed 5" in done.err
    part = json.loads((tmp_path / "one" / "manifest.json").read_text("utf-8"))
    assert {name: part["request"][name] for name in ("count", "of")} == {"count": written, "of": 2000}
    assert len(part["files"]) == written


def test_a_cluster_that_is_not_there_is_a_sentence(
    run_cli: Cli, asked: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("melodylc.data.workers.PATIENCE", 1.0)
    for address in ("tcp://127.0.0.1:9", "nonsense", ""):
        done = run_cli(*asked, "-o", tmp_path / "out", "--cluster", address)
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert "no Dask scheduler answers" in done.err
    assert list(tmp_path.iterdir()) == []
