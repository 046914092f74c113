"""Installed packages: the complete one in docs/examples, and two that get in each other's way."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from melodylc.data import InputError
from melodylc.rewards import parse_reward
from melodylc.rewards.panel import real_melodies

Cli = Callable[..., Any]
EXAMPLE = Path(__file__).parent.parent / "docs" / "examples" / "melodylc-leaps"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the example was installed into, from a copy: building leaves files beside the source."""
    source, target = tmp_path_factory.mktemp("source") / EXAMPLE.name, tmp_path_factory.mktemp("site")
    shutil.copytree(EXAMPLE, source)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(site))
    return site


def package(folder: Path, name: str, rewards: str, source: str) -> None:
    """What an installer leaves of a package of one module."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(f"[melodylc.rewards]\n{rewards}\n", "utf-8")
    (folder / f"{name.replace('-', '_')}.py").write_text(source, "utf-8")


HALF = "from melodylc import reward\n@reward\ndef half(melody):\n    return 0.5\n"


def test_the_example_s_own_tests_pass(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "tests"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_its_rewards_are_listed_shown_and_used(installed: Path, run_cli: Cli) -> None:
    listed = run_cli("rewards", "list")
    assert listed.code == 0
    assert "melodylc_leaps:smooth" in listed.out
    shown = run_cli("rewards", "show", "narrow,semitones=9")
    assert shown.code == 0
    for word in ("narrow(semitones=9)@", "a whole number", "lowest note"):
        assert word in shown.out
    events = real_melodies()
    assert parse_reward("smooth,largest=2").batch(events).std() > 0
    assert parse_reward("melodylc-leaps:narrow | melodylc_leaps:smooth").batch(events).std() > 0


def test_a_package_s_reward_is_named_with_its_sources(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(site, tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    before = parse_reward("smooth").name
    assert parse_reward("smooth").name == before
    with (tmp_path / "site" / "melodylc_leaps.py").open("a") as module:
        module.write("# another version\n")
    assert parse_reward("smooth").name != before


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    package(tmp_path, "rules-one", "half = rules_one:half\nvariety = rules_one:half\nold = rules_one:gone", HALF)
    package(
        tmp_path, "rules-two", "half = rules_two:half\nbroken = rules_two:nothing.there", HALF.replace("0.5", "0.25")
    )
    return tmp_path


def test_two_packages_of_one_name_are_told_apart_or_refused(two: Path) -> None:
    with pytest.raises(
        InputError, match="2 installed packages have a reward 'half': say rules-one:half or rules-two:half"
    ):
        parse_reward("half")
    assert parse_reward("rules-one:half").batch(real_melodies()).max() == 0.5
    assert parse_reward("rules_two:half").batch(real_melodies()).max() == 0.25


def test_a_built_in_keeps_its_name(two: Path, run_cli: Cli) -> None:
    assert parse_reward("variety").name == "variety(7 pitches, 9 bars)"
    assert parse_reward("rules-one:variety").name.startswith("half()@")
    assert "rules-one:variety" in run_cli("rewards", "list").out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rules-one:old", r"old of package rules-one \(rules_one:gone\) doesn't import: AttributeError"),
        ("broken", r"broken of package rules-two \(rules_two:nothing.there\) doesn't import: AttributeError"),
        ("rules-one:halv", "no reward 'halv' in rules-one; nearest: half"),
        ("brken", "no reward 'brken'; nearest: broken"),
    ],
)
def test_what_a_package_does_not_have(two: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_reward(text)
