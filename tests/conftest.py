"""What every test gets: one thread, a cache of its own, repeatable examples, and ways to run commands and stop them."""

import importlib.util
import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import hypothesis
import pytest

# Before anything imports torch: tests share their machine, and two threads on busy cores are slower than one.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"
os.environ["GOMP_SPINCOUNT"] = "0"  # where a test asks for two all the same
# Colours and widths follow the tests, not the terminal they are started from.
for _variable in ("FORCE_COLOR", "CLICOLOR_FORCE", "PY_COLORS", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
    os.environ.pop(_variable, None)
os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(Path(__file__).parent.parent / "build" / "hypothesis")

hypothesis.settings.register_profile("house", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("house")

ROOT = Path(__file__).parent.parent
FOLDERS = {"melodylc": "melodylc", "melodylc.cli": "cli", "melodylc.data": "data", "melodylc.rewards": "rewards"}


class Run(NamedTuple):
    """What a command line left behind."""

    code: int
    out: str
    err: str


def interrupted(former: Callable[..., object], call: int) -> Callable[..., object]:
    """The same, with Ctrl-C after one of its calls."""
    calls = itertools.count()

    def wrapped(*arguments: object) -> object:
        done = former(*arguments)
        if next(calls) == call:
            signal.raise_signal(signal.SIGINT)
        return done

    return wrapped


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to test a mixture of two checkouts: an environment that another one was installed into."""
    strangers = {
        name: Path(spec.submodule_search_locations[0]).resolve()
        for name, folder in FOLDERS.items()
        if (spec := importlib.util.find_spec(name))
        and spec.submodule_search_locations
        and Path(spec.submodule_search_locations[0]).resolve() != (ROOT / folder).resolve()
    }
    if strangers:
        where = ", ".join(f"{name} from {path}" for name, path in strangers.items())
        raise pytest.UsageError(f"this environment has {where}, not from {ROOT}: run `make setup` here")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c() -> None:
    # A shell starts its background jobs deaf to Ctrl-C, and they pass that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def run_cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    """Call it with the words after ``melodylc``; it runs them in this process."""
    from melodylc.cli.main import run

    def call(*words: object) -> Run:
        capsys.readouterr()
        code = run([str(word) for word in words])
        return Run(code, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a small model that was never trained, chaotic enough to tell melodies apart."""
    import torch

    from melodylc.models.checkpoint import save_model
    from melodylc.models.config import named_config
    from melodylc.models.vae import MelodyVAE

    torch.manual_seed(0)
    vae = MelodyVAE(named_config("tiny"))
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.mul_(3)
    path = tmp_path_factory.mktemp("untrained") / "model.safetensors"
    save_model(path, vae, torch.full((32,), 0.5), {})
    return path
