"""A run in parts: file k hangs on the seed and k alone, whoever writes it; and parts join to the whole."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

import melodylc
from melodylc.data.errors import InputError
from melodylc.rewards import density
from melodylc.service.generation import Batch, order_batches
from melodylc.service.order import Order
from melodylc.service.origin import merge_origins

Cli = Callable[..., Any]
RULE = """
from melodylc import Melody, reward

@reward
def lively(melody: Melody, least: int = 4) -> bool:
    return melody.note_count >= least
"""
ORIGIN = {"versions": {"torch": "2"}, "model": "m", "prior": "p", "method": {"name": "auto"}, "copies_of": []}


def asked(untrained: Path, *more: object) -> list[object]:
    """A rule that some melodies break, and some break at every attempt."""
    rule = ("--density", 256, "--no-variety", "--draws", 2)
    return ["generate", "--method", "rejection", "--model", untrained, *rule, "--seed", 5, *more]


@pytest.fixture(scope="module")
def whole(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from melodylc.cli.main import run

    folder = tmp_path_factory.mktemp("whole") / "whole"
    assert run([str(word) for word in asked(untrained, "-n", 12, "-o", folder)]) == 3
    assert 0 < len(json.loads((folder / "manifest.json").read_text())["missing"]) < 12
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def split(run_cli: Cli, untrained: Path, folder: Path, *parts: tuple[int, int], of: int = 12) -> list[Path]:
    folders = [folder / f"part{first}" for first, _ in parts]
    for (first, count), path in zip(parts, folders, strict=True):
        assert run_cli(*asked(untrained, "--first", first, "-n", count, "--of", of, "-o", path)).code in (0, 3)
    return folders


@pytest.mark.parametrize("parts", [[(1, 5), (6, 7)], [(1, 8), (9, 4)], [(1, 1), (2, 2), (4, 9)]])
def test_parts_have_the_bytes_of_the_whole_and_join_to_it(
    run_cli: Cli, tmp_path: Path, untrained: Path, whole: Path, parts: list[tuple[int, int]]
) -> None:
    folders = split(run_cli, untrained, tmp_path, *parts)
    files = {name: content for path in folders for name, content in contents(path).items() if name != "manifest.json"}
    assert files == {name: content for name, content in contents(whole).items() if name != "manifest.json"}
    joined = run_cli("manifest", "join", *reversed(folders), "-o", tmp_path / "joined")
    assert joined.code == 3  # some are missing, as in the whole run
    assert contents(tmp_path / "joined") == contents(whole)


def test_workers_write_the_same_bytes(run_cli: Cli, tmp_path: Path, untrained: Path, whole: Path) -> None:
    assert run_cli(*asked(untrained, "-n", 12, "-o", tmp_path / "out", "--workers", 2)).code == 3
    assert contents(tmp_path / "out") == contents(whole)


def test_any_executor_serves_and_a_rule_of_a_file_travels(tmp_path: Path, untrained: Path) -> None:
    (tmp_path / "lively.py").write_text(RULE, "utf-8")
    options: dict[str, Any] = {
        "reward": [f"{tmp_path / 'lively.py'}:lively,least=255", density(256)],
        "variety": False,
        "model": untrained,
        "method": "rejection",
        "seed": 5,
        "n": 20,
        "draws": 2,
    }
    here = melodylc.generate(**options)
    with ProcessPoolExecutor(1, get_context("spawn")) as processes, ThreadPoolExecutor(3) as threads:
        for executor in (processes, threads):
            there = melodylc.generate(**options, executor=executor)
            assert there.results == here.results
            assert there.origin == here.origin
    part = melodylc.generate(**{**options, "n": 4}, first=7, whole=20)
    assert part.results == here.results[6:10]


def test_only_so_many_melodies_are_under_way(untrained: Path) -> None:
    order = Order(count=10**9, model=untrained, method="rejection", verify=False)
    batches = order_batches(order)
    numbers = [one.number for batch in (next(batches), next(batches)) for one in batch.results]
    assert numbers == list(range(1, 17))


def test_a_part_says_so_and_the_whole_does_not() -> None:
    assert Order(count=12, whole=12).to_dict() == Order(count=12).to_dict()
    part = Order(count=2, first=3, whole=12, seed=4)
    assert part.command == "melodylc generate -n 2 --first 3 --of 12 --seed 4"
    assert {name: part.to_dict()[name] for name in ("count", "first", "of")} == {"count": 2, "first": 3, "of": 12}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--first", 12, "-n", 2, "--of", 12], "melody 13 is none of 12"),
        (["--first", 3, "--join", "after"], "leave out --first and --of"),
        (["--workers", 2, "--cluster", "tcp://127.0.0.1:1"], "leave one of them out"),
        (["--first", 0], "--first"),
    ],
)
def test_parts_that_are_none(run_cli: Cli, tmp_path: Path, words: list[object], expected: str) -> None:
    refused = run_cli("generate", "-o", tmp_path / "out", *words)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert expected in refused.err
    assert list(tmp_path.iterdir()) == []


def test_parts_that_do_not_make_a_whole_are_refused(run_cli: Cli, tmp_path: Path, untrained: Path) -> None:
    one, two = split(run_cli, untrained, tmp_path, (1, 2), (3, 2), of=4)
    (longer,) = split(run_cli, untrained, tmp_path / "longer", (3, 2), of=100)
    other = tmp_path / "other"
    run_cli(*asked(untrained, "--first", 3, "-n", 2, "--of", 4, "--seed", 6, "-o", other))
    undeclared = tmp_path / "undeclared"
    run_cli(*asked(untrained, "-n", 2, "-o", undeclared))
    changed, lacking, older, elsewhere = (tmp_path / name for name in ("changed", "lacking", "older", "elsewhere"))
    for copy in (changed, lacking, older, elsewhere):
        shutil.copytree(two, copy)
    next(changed.glob("*.mid")).write_bytes(b"mine")
    next(lacking.glob("*.mid")).unlink()
    manifest = json.loads((two / "manifest.json").read_text("utf-8"))
    versions = {**manifest["versions"], "torch": "1.0"}
    for folder, change in ((older, {"versions": versions}), (elsewhere, {"model": "f" * 16})):
        (folder / "manifest.json").write_text(json.dumps({**manifest, **change}), "utf-8")
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    for folders, expected in (
        ([one], "melodies 3 to 4 of 4 are in no part: write them with --first 3 -n 2 --of 4"),
        ([two], "melodies 1 to 2 of 4 are in no part"),
        ([one, two, two], f"melody 3 is in {two} and in {two}"),
        ([one, longer], f"{one} is a part of 4 melodies, and {longer} of 100"),
        ([undeclared, longer], "melodies 5 to 100 of 100"),
        ([one, other], f"{other} doesn't belong with {one}: its request: seed is 6, not 5"),
        ([one, changed], "holds files changed since, or lacks them"),
        ([one, lacking], "holds files changed since, or lacks them"),
        ([one, older], "its versions: torch is 1.0"),
        ([one, elsewhere], "its model is ffffffffffffffff"),
        ([one, tmp_path / "empty"], "holds no manifest.json"),
        ([one, tmp_path / "nowhere"], "holds no manifest.json"),
    ):
        refused = run_cli("manifest", "join", *folders, "-o", tmp_path / "out")
        assert (refused.code, refused.err.count("\n")) == (2, 1)
        assert expected in refused.err
    refused = run_cli("manifest", "join", one, two, "-o", one)
    assert refused.code == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_names_with_too_few_digits_are_refused(run_cli: Cli, tmp_path: Path, untrained: Path) -> None:
    few = ("generate", "--method", "rejection", "--model", untrained, "--seed", 5, "--no-verify")
    run_cli(*few, "-n", 99, "-o", tmp_path / "one")
    run_cli(*few, "--first", 100, "-n", 1, "-o", tmp_path / "two")
    refused = run_cli("manifest", "join", tmp_path / "one", tmp_path / "two", "-o", tmp_path / "out")
    assert "has 2 digits in its names, and 100 melodies take 3: write it with --of 100" in refused.err
    assert not (tmp_path / "out").exists()


def test_what_parts_came_from_together() -> None:
    def with_actor(origin: str, fingerprint: str = "a") -> dict[str, Any]:
        return {**ORIGIN, "method": {"name": "auto", "actor": {"origin": origin, "fingerprint": fingerprint}}}

    assert merge_origins(ORIGIN, with_actor("cached"), "b") == with_actor("cached")
    assert merge_origins(with_actor("cached"), with_actor("fitted"), "b") == with_actor("fitted")
    with pytest.raises(InputError, match="its method: actor: fingerprint is c, not a"):
        merge_origins(with_actor("cached"), with_actor("cached", "c"), "b")


def test_workers_of_another_model_are_refused(monkeypatch: pytest.MonkeyPatch, untrained: Path, tmp_path: Path) -> None:
    def elsewhere(job: Any) -> Batch:
        return Batch([], {**ORIGIN, "model": "f" * 16})

    monkeypatch.setattr("melodylc.service.generation.write_job", elsewhere)
    monkeypatch.setattr("melodylc.service.generation.versions", lambda: ORIGIN["versions"])
    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(InputError, match=r"a worker doesn't belong .* its model is ff"),
    ):
        melodylc.generate(model=untrained, method="rejection", executor=executor)
