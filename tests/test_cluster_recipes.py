"""The recipes for Slurm in docs/examples, run as an array runs its tasks."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from corpus_midi import small_collection

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
Cli = Callable[..., Any]


def run_array(script: str, tasks: int, folder: Path, *words: object, **variables: object) -> None:
    """Run all tasks of an array, one after the other."""
    command = folder / "bin" / "melodylc"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m melodylc "$@"\n')
    command.chmod(0o755)
    for task in range(tasks):
        environment = {
            **os.environ,
            "PATH": f"{command.parent}:{os.environ['PATH']}",
            "SLURM_ARRAY_TASK_ID": str(task),
            "SLURM_ARRAY_TASK_COUNT": str(tasks),
            **{name: str(value) for name, value in variables.items()},
        }
        done = subprocess.run(
            ["bash", str(EXAMPLES / script), *map(str, words)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(("total", "parts"), [(17, 3)])
def test_an_array_of_parts_is_the_whole_run(
    run_cli: Cli, untrained: Path, tmp_path: Path, total: int, parts: int
) -> None:
    asked = ("--model", untrained, "--method", "rejection", "--no-verify")
    run_array("generate_array.sh", parts, tmp_path, *asked, TOTAL=total, SEED=3)
    joined = run_cli("manifest", "join", *(tmp_path / "parts").iterdir(), "-o", tmp_path / "joined")
    assert joined.code == 0, joined.err
    run_cli("generate", *asked, "--seed", 3, "-n", total, "-o", tmp_path / "whole")
    assert contents(tmp_path / "joined") == contents(tmp_path / "whole")


def test_an_array_of_shards_is_the_whole_corpus(run_cli: Cli, tmp_path: Path) -> None:
    tunes = small_collection(tmp_path / "tunes", 12)
    run_array("corpus_array.sh", 2, tmp_path, tunes)
    merged = run_cli("data", "merge", *(tmp_path / "shards").iterdir(), "-o", tmp_path / "merged")
    assert merged.code == 0, merged.err
    assert run_cli("data", "build", tunes, "--workers", 1, "-o", tmp_path / "whole").code == 0
    assert contents(tmp_path / "merged") == contents(tmp_path / "whole")
