"""Several processes that train one model: what each does, and that together they do what one would."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from small_corpus import build_small
from torch import Tensor, nn

from melodylc.data.corpus import Corpus
from melodylc.data.errors import InputError
from melodylc.models.checkpoint import load_model
from melodylc.models.noise import Noise
from melodylc.training.team import Team, TeamBroken, join_team

PAIR = (Team(0, 2), Team(1, 2))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build_small(tmp_path_factory)


def test_shares_are_the_batch_dealt_out() -> None:
    batch = torch.arange(12).reshape(6, 2)
    one, two = (team.share(batch) for team in PAIR)
    assert torch.stack((one, two), 1).flatten(0, 1).equal(batch)
    assert Team().share(batch).equal(batch)
    with pytest.raises(InputError, match=r"a batch of 5 can't be dealt to 2 processes: use a number that divides it"):
        PAIR[0].share(batch[:5])


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_random_numbers_are_those_of_the_whole_batch(kind: str) -> None:
    alone, *noises = Noise(5), *(team.noise(5) for team in PAIR)
    for shape in ((3,), (2, 2), ()):
        one, two = (getattr(noise, kind)(4, *shape) for noise in noises)
        assert torch.stack((one, two), 1).flatten(0, 1).equal(getattr(alone, kind)(8, *shape))


def test_alone_there_is_nobody_to_agree_with() -> None:
    parameter = nn.Parameter(torch.ones(2))
    parameter.grad = torch.tensor([1.0, 2.0])
    Team().average_gradients([parameter])
    assert parameter.grad.tolist() == [1.0, 2.0]
    assert Team().agree(0.25) == 0.25
    assert Team().mean(torch.tensor(3.0)).item() == 3.0


def test_a_team_that_falls_apart_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(_: Tensor) -> None:
        raise RuntimeError("Connection reset by peer\nand a page more")

    monkeypatch.setattr(torch.distributed, "all_reduce", lost)
    with pytest.raises(TeamBroken, match="process 1 of 2 lost the others; the last checkpoint is kept: run the same"):
        PAIR[1].agree(1.0)


def test_a_team_of_one_needs_no_environment() -> None:
    team = join_team({})
    assert (team.rank, team.world, team.leads) == (0, 1, True)


# -- real processes ----------------------------------------------------------------------------


def command(corpus: Corpus, folder: Path, processes: int, steps: int) -> list[str]:
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--master-port", str(port())]
    script = [str(Path(__file__).with_name("train_small.py")), str(corpus.folder), str(folder), str(steps)]
    return [sys.executable, *(launch if processes > 1 else []), *script]


def port() -> int:
    """One that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def losses(folder: Path) -> list[float]:
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [json.loads(line)["validation"]["loss"] for line in lines]


def weights(folder: Path) -> dict[str, Tensor]:
    return load_model(folder / "model.safetensors").vae.state_dict()


def test_two_processes_train_what_one_would(corpus: Corpus, tmp_path: Path) -> None:
    for folder, processes in (("one", 1), ("two", 2)):
        done = subprocess.run(
            command(corpus, tmp_path / folder, processes, 4), env=environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=2e-3)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=2e-2, rtol=0.05, msg=name)


@pytest.mark.skipif(os.name == "nt", reason="signals are another thing there")
def test_a_process_that_dies_ends_the_others_and_leaves_the_last_checkpoint(corpus: Corpus, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with subprocess.Popen(
        command(corpus, folder, 2, 100_000),
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as team:
        while not (folder / "log.jsonl").exists() and team.poll() is None:
            time.sleep(0.05)
        members = subprocess.run(["pgrep", "-P", str(team.pid)], capture_output=True, text=True).stdout.split()
        os.kill(int(members[-1]), signal.SIGKILL)
        _, told = team.communicate(timeout=120)
    assert team.returncode != 0
    assert re.search(
        r"process 0 of 2 (lost the others|was told to end); the last checkpoint is kept: run the same", told
    )
    assert not (folder / "model.safetensors").exists()
    assert (folder / "state.safetensors").exists()
