"""Rules of one's own on the command line: `generate --reward`, `fit --reward` and `generate --actor`."""

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rule_files import BAD, LEAPS, write

from melodylc.cache import pretrained
from melodylc.constraints import bank, fitting
from melodylc.constraints.request import Request
from melodylc.data import read_midi
from melodylc.latent.store import read_header
from melodylc.models import checkpoint
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import named_config
from melodylc.models.vae import MelodyVAE
from melodylc.rewards import parse_reward
from melodylc.sampling.fitting import fit_actor

Cli = Callable[..., Any]
QUICK = replace(
    fitting.SETTINGS,
    bank=64,
    rounds=1,
    fresh=16,
    warmup=1,
    check=16,
    measure=16,
    batch=4,
    actor_steps=1,
    critic_steps=1,
    hidden=8,
    critic_hidden=8,
    critic_layers=1,
)
LIVELY = '''
from melodylc import Melody, reward

@reward
def lively(melody: Melody, least: int = 4) -> float:
    """min(1, n / least) for n notes."""
    return min(1.0, melody.note_count / least)
'''


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    """An untrained model, as good as any other here: chaotic enough to tell melodies apart."""
    torch.manual_seed(0)
    vae = MelodyVAE(named_config("tiny"))
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.mul_(3)
    return LoadedModel(vae.requires_grad_(False).eval(), torch.full((32,), 0.5), "1" * 16, {})


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: LoadedModel) -> None:
    """A folder of the test's own with two files of rules, a small model and a short fit."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MELODYLC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fitting, "SETTINGS", QUICK)
    monkeypatch.setattr(fitting, "HELD_BACK", 16)
    monkeypatch.setattr(bank, "SIZE", 16 + QUICK.bank)
    monkeypatch.setattr(checkpoint, "shipped_model", lambda: model)
    Path("lively.py").write_text(LIVELY, "utf-8")
    Path("leaps.py").write_text(LEAPS, "utf-8")


@pytest.fixture
def no_actor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw from the prior."""
    monkeypatch.setattr("melodylc.sampling.methods.combined.actor_for", lambda *_, **__: None)


def manifest(folder: str) -> Any:
    return json.loads((Path(folder) / "manifest.json").read_text("utf-8"))


def assert_refused(run: Any, *expected: str) -> None:
    assert (run.code, run.out, run.err.count("\n")) == (2, "", 1)
    for words in expected:
        assert words in run.err


def test_files_obey_a_rule_of_one_s_own_and_the_command_makes_them_again(run_cli: Cli, no_actor: None) -> None:
    rule = "0.5*lively.py:lively,least=9"
    words = ["--reward", rule, "--reward", "~tonic,pitch_class=0", "--no-variety", "-n", 2, "--seed", 3]
    run = run_cli("generate", *words, "-o", "out")
    assert run.code == 0, run.err
    found = manifest("out")
    first, second = found["rule"]
    assert first.startswith("0.5*lively(least=9)@")
    assert second == "~tonic(0)"
    assert found["rates"].keys() == {first, second}
    for entry in found["files"]:
        melody = read_midi((Path("out") / entry["file"]).read_bytes())
        assert entry["rewards"] == {first: 1, second: 1}
        assert melody.note_count >= 9
        assert melody.pitches[-1] % 12 != 0
    again = shlex.split(found["command"])[1:]
    assert run_cli(*again, "-o", "again").code == 0
    assert manifest("again") == found


def test_another_source_is_another_request(run_cli: Cli, no_actor: None) -> None:
    words = ("generate", "--reward", "lively.py:lively", "--no-variety", "-n", 1, "--seed", 1, "-o", "out")
    assert run_cli(*words).code == 0
    assert run_cli(*words).code == 0
    Path("lively.py").write_text(LIVELY + "# changed\n", "utf-8")
    assert_refused(run_cli(*words), "another command")


def test_a_contradiction_spends_the_budget_and_says_the_rate_of_each_part(run_cli: Cli, no_actor: None) -> None:
    rules = ("--reward", "lively.py:lively,least=1", "--reward", "~lively.py:lively,least=2")
    words = [*rules, "--no-variety", "-n", 2, "--draws", 2]
    run = run_cli("generate", *words, "-o", "out")
    assert run.code == 3
    found = manifest("out")
    one, other = found["rule"]
    assert (found["files"], found["missing"]) == ([], [1, 2])
    assert found["rates"] == {one: 1.0, other: 0.0}
    assert f"of the 4 melodies written that satisfied each part: {one} 100.00%, {other} 0.00%" in run.err
    assert f"nearest: melody 1, {other} 0.000; --keep-misses writes such a melody" in run.err
    assert f"{other} was never satisfied: it was never more than 0: if it only says yes or no" in run.err
    assert found["nearest"] == {"1": {one: 1.0, other: 0.0}, "2": {one: 1.0, other: 0.0}}


def test_the_nearest_misses_can_be_kept(run_cli: Cli, no_actor: None) -> None:
    rules = ("--reward", "lively.py:lively,least=1", "--reward", "~lively.py:lively,least=2")
    words = [*rules, "--no-variety", "--draws", 2, "--seed", 3, "--keep-misses"]
    run = run_cli("generate", *words, "-n", 2, "-o", "out")
    assert run.code == 3
    found = manifest("out")
    assert [entry["file"].rpartition("-seed3-")[2] for entry in found["files"]] == ["01-miss.mid", "02-miss.mid"]
    assert [(entry["passed"], entry["miss"]) for entry in found["files"]] == [(False, True)] * 2
    assert found["missing"] == [1, 2]
    assert "wrote 0 melodies and 2 misses" in run.err
    assert run_cli(*shlex.split(found["command"])[1:], "-o", "again").code == 3
    assert manifest("again") == found
    for part in (1, 2):
        assert run_cli("generate", *words, "-n", 1, "--first", part, "--of", 2, "-o", f"part{part}").code == 3
    run_cli("manifest", "join", "part1", "part2", "-o", "whole")
    assert manifest("whole") == found


def test_a_learnt_rule_is_kept_and_used(run_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = ("--scale", "gmin", "--no-tonic", "--reward", "lively.py:lively,least=2", "--no-variety")
    assert run_cli("fit", *rule, "-o", "kept/lively.safetensors").code == 0
    header = read_header("kept/lively.safetensors")
    assert header is not None
    assert header.request["reward"] == ["lively.py:lively,least=2"]
    assert header.rule == f"{parse_reward('lively.py:lively,least=2').name} & pitch_classes(0,2,3,5,7,9,10)"
    words = ("generate", "--actor", "kept/lively.safetensors", "--no-verify", "-n", 2, "--seed", 5)
    run = run_cli(*words, "-o", "out")
    assert run.code == 0, run.err
    found = manifest("out")
    assert found["method"]["actor"]["origin"] == "given"
    assert found["request"]["scale"] == ["G minor"]
    assert found["request"]["actor"] == "kept/lively.safetensors"
    assert run_cli(*shlex.split(found["command"])[1:], "-o", "again").code == 0
    assert manifest("again") == found

    Path("lively.py").rename("kept/lively.py")  # beside the actor it is found too, from anywhere
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert run_cli("generate", "--actor", "../kept/lively.safetensors", *words[3:], "-o", "out").code == 0
    monkeypatch.chdir(tmp_path)

    ran = tmp_path / "ran"
    Path("lively.py").write_text(f"open({str(ran)!r}, 'w')\n{LIVELY}", "utf-8")  # of that name, but not that file
    assert run_cli(*words, "-o", "out").code == 0
    Path("kept/lively.py").write_text(f"open({str(ran)!r}, 'w')\n{LIVELY}", "utf-8")
    assert_refused(run_cli(*words, "-o", "other"), "lively.py has changed since", "fit anew")
    assert not ran.exists()
    Path("kept/lively.py").unlink()
    Path("lively.py").unlink()
    assert_refused(run_cli(*words, "-o", "other"), "is neither there nor beside it", "lively.py")
    assert not Path("other").exists()


def test_an_actor_of_another_model_is_refused(
    run_cli: Cli, monkeypatch: pytest.MonkeyPatch, model: LoadedModel
) -> None:
    rule = ("--reward", "lively.py:lively", "--no-variety")
    assert run_cli("fit", *rule, "-o", "a.safetensors").code == 0
    other = replace(model, fingerprint="0" * 16)
    monkeypatch.setattr(checkpoint, "shipped_model", lambda: other)
    assert_refused(run_cli("generate", "--actor", "a.safetensors"), "an actor for the model", "not 0000000000000000")


def test_the_bank_of_another_prior_is_made_with_progress_and_once(model: LoadedModel) -> None:
    rule = Request.read(reward=["lively.py:lively"]).rule
    assert rule is not None
    told: list[tuple[int, int]] = []
    for _ in range(2):
        fit_actor(
            model, rule, Path("a.safetensors"), lambda _: None, QUICK, decoding=lambda *report: told.append(report)
        )
    assert told == [(bank.SIZE, bank.SIZE)]


def test_an_actor_that_doesn_t_say_what_was_asked_is_refused(run_cli: Cli, model: LoadedModel) -> None:
    rule = Request.read(reward=["lively.py:lively"]).rule
    assert rule is not None
    fit_actor(model, rule, Path("a.safetensors"), lambda _: None, QUICK)
    assert_refused(run_cli("generate", "--actor", "a.safetensors"), "doesn't say how its rule was asked for")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("none.safetensors", None, "there is no such file"),
        ("text.safetensors", b"not an actor", "not an actor; `melodylc fit -o` makes one"),
        ("base.safetensors", "base", "not an actor"),
        ("common.safetensors", "common", "ask with --scale and --density instead"),
    ],
)
def test_what_is_no_kept_actor(run_cli: Cli, name: str, content: bytes | str | None, expected: str) -> None:
    if isinstance(content, str):
        content = (pretrained() / f"{content}.safetensors").read_bytes()
    if content is not None:
        Path(name).write_bytes(content)
    assert_refused(run_cli("generate", "--actor", name, "-o", "out"), name, expected)
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--scale", "cmaj"), "--scale"),
        (("--reward", "lively.py:lively"), "--reward"),
        (("--density", "low"), "--density"),
        (("--no-variety",), "--no-variety"),
    ],
)
def test_an_actor_brings_its_own_rule(run_cli: Cli, words: tuple[str, ...], named: str) -> None:
    assert_refused(run_cli("generate", "--actor", "a.safetensors", *words), f"leave out {named}")


@pytest.mark.parametrize("name", ["over", "forever", "prints", "killed"])
def test_a_rule_that_fails_is_one_line_and_nothing_is_written(run_cli: Cli, no_actor: None, name: str) -> None:
    body, said = BAD[name]
    write(Path("bad.py"), {name: f"\n    if melody.note_count > 3:\n        {body}"})
    seconds = ("--reward-seconds", "0.5") if "no answer" in said else ()
    run = run_cli("generate", "--reward", f"bad.py:{name}", *seconds, "-n", 1, "--seed", 1, "-o", "out")
    assert_refused(run, f"melodylc: error: bad.py:{name} {said.split(' (line')[0].split(', on')[0]}")
    assert not Path("out").exists()


def test_a_rule_that_fails_while_it_is_fitted(run_cli: Cli) -> None:
    write(Path("bad.py"), {"late": "\n    globals()['n'] = globals().get('n', 0) + 1\n    return 0.5 if n < 90 else 2"})
    assert_refused(run_cli("fit", "--reward", "bad.py:late", "-o", "a.safetensors"), "bad.py:late returned 2.0")
    assert not Path("a.safetensors").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--density", "low", "--density", "high"], "no melody has density(16..64) and density(192..) at once"),
        (["--density", "low", "--reward", "density,least=65"], "no melody has density(16..64) and density(65..)"),
        (["--scale", "am", "--scale", "em"], "no melody ends on tonic(9) and on tonic(4)"),
        (["--reward", "0*variety"], "a weight is a positive number, not '0'"),
        (["--reward", "leaps.py:stepwise,larges=2"], "leaps.py:stepwise: no parameter 'larges'; nearest: largest"),
        (["--reward", "leaps.py:stepwize"], "leaps.py has no reward 'stepwize'; nearest: stepwise"),
        (["--reward", "lively"], "no reward 'lively'"),
        (["--reward", "nowhere.py:stepwise"], "nowhere.py: there is no such file"),
        (["--reward", "variety", "--reward-seconds", "0"], "--reward-seconds"),
        (["--reward", "variety", "--tonic"], "--scale"),
    ],
)
@pytest.mark.parametrize("command", ["generate", "fit"])
def test_bad_input_is_one_line(run_cli: Cli, command: str, words: list[str], expected: str) -> None:
    assert_refused(run_cli(command, *words, "-o", "out"), expected)
    assert not Path("out").exists()
