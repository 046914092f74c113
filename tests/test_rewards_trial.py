"""`melodylc rewards test`: what it finds, and what it says."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rule_files import LEAPS, write

from melodylc.data import InputError, Melody
from melodylc.rewards import Reward, Rule, density, parse_reward, reward
from melodylc.rewards.domains import DOMAINS, Domain
from melodylc.rewards.panel import odd_melodies, real_melodies
from melodylc.rewards.trial import advice, histogram, try_panel, try_samples, verdict
from melodylc.sampling import sampler as draws

Cli = Callable[..., Any]


@pytest.fixture(autouse=True)
def _samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples of no model: real melodies, as many as are asked."""
    monkeypatch.setattr(
        draws, "prior_events", lambda model, count, seed, step: np.resize(real_melodies(), (count, 256))
    )


def makes(tmp_path: Path, name: str, body: str) -> Callable[[], Reward]:
    path = write(tmp_path / "rules.py", {name: body})
    return lambda: parse_reward(f"{path}:{name}", seconds=20)


def test_a_sound_rule_has_no_problems() -> None:
    trial = try_panel(lambda: density(64))
    try_samples(trial, density(64), real_melodies()[:10])
    assert not trial.problems
    assert trial.odd == {name: density(64)(melody) for name, melody in odd_melodies().items()}
    assert trial.real is not None
    assert trial.prior is not None
    assert trial.prior.tolist() == trial.real[:10].tolist() == density(64).batch(real_melodies()[:10]).tolist()
    assert trial.seconds is not None
    assert trial.seconds > 0


def test_problems_are_named_with_the_melody_and_three_are_enough(tmp_path: Path) -> None:
    trial = try_panel(makes(tmp_path, "odd", "return float('nan') if melody.note_count == 1 else 0.5"))
    assert [problem.name for problem in trial.problems] == [
        "one note",
        "one note, all sixteen bars",
        "one note, the last sixteenth",
    ]
    assert str(trial.problems[0]) == "returned NaN: a reward is a number in [0, 1] or a bool, on one note"
    assert trial.problems[0].item == "<Melody: 1 note, C4 to C4> (60, 0, 4)"
    assert trial.real is None


def test_a_problem_with_one_real_melody_is_found(tmp_path: Path) -> None:
    first = real_melodies()[7]
    notes = Melody(first).note_count
    pitch = int(Melody(first).pitches[0])
    body = f"return 2 if melody.note_count == {notes} and melody.pitches[0] == {pitch} else 1"
    (problem,) = try_panel(makes(tmp_path, "picky", body)).problems
    assert problem.item.startswith(repr(Melody(first)))


@pytest.mark.parametrize(
    ("body", "how"),
    [
        ("globals()['n'] = globals().get('n', 0) + 1; return 1 / globals()['n']", "the second time"),
        ("return os.getpid() % 1000003 / 1000003", "in another process"),
    ],
)
def test_answers_that_change_are_noticed(tmp_path: Path, body: str, how: str) -> None:
    trial = try_panel(makes(tmp_path, "moody", body))
    assert trial.problems[0].what.startswith("isn't repeatable: ")
    assert trial.problems[0].what.endswith(how)


def test_a_batch_that_looks_at_its_neighbours_is_noticed() -> None:
    @reward(batch=True)
    def relative(events: Any) -> Any:
        notes = (events < 128).sum(axis=1)
        return notes / max(notes.max(), 1)

    (problem,) = try_panel(lambda: relative).problems
    assert problem.what.endswith("without the others of its batch")


def test_a_second_domain_needs_a_row_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def rows(values: Any) -> Any:
        return np.array(list(values), dtype=np.float32).reshape(-1, 2, 2)

    pictures = Domain(
        name="pictures",
        shape=(2, 2),
        dtype=np.dtype(np.float32),
        checked=rows,
        items=list,
        stack=rows,
        show=lambda picture: f"a picture of {picture.sum()}",
        odd=lambda: {"black": np.zeros((2, 2)), "white": np.ones((2, 2))},
        real=lambda: rows([np.eye(2)] * 9),
    )
    monkeypatch.setitem(DOMAINS, "pictures", pictures)

    @reward(domain="pictures")
    def bright(picture: Any, power: float = 1.0) -> float:
        return float(picture.mean() ** power)

    @reward(domain="pictures")
    def paints(picture: Any) -> float:
        picture[0] = 1
        return 1

    trial = try_panel(lambda: bright(power=2))
    assert trial.odd == {"black": 0, "white": 1}
    assert trial.real is not None
    assert trial.real.tolist() == [0.25] * 9
    assert Rule((bright, 0.5 * (bright | ~bright))).scores(pictures.real()).shape == (9, 2)
    problems = try_panel(lambda: paints).problems
    assert problems[0].what.startswith("tried to change what it was given")
    assert problems[1].item == "a picture of 4.0"
    with pytest.raises(InputError, match=r"bright.* judges pictures and density.* judges melodies"):
        _ = bright & density(9)


def test_histogram_counts_every_score_once() -> None:
    scores = np.random.default_rng(0).random(500).round(1)
    counts = dict(histogram(scores))
    assert sum(counts.values()) == 500
    assert counts["0"] == (scores == 0).sum()
    assert counts["1"] == (scores == 1).sum()
    assert counts["0.9 to 1"] == (scores == 0.9).sum()


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ([1, 1, 1], "nothing to learn"),
        ([0, 0, 0], "nothing here shows a fit the way"),
        ([0.5, 0.5], "all samples score 0.5"),
        ([0, 0, 0, 1], "25.0% of the samples satisfy it, the others score 0"),
        (
            [0.2, 0.4, 0.9],
            r"no sample satisfies it \(less than 63.2% do, at 95 %; the best scores 0.900\), .*3 different",
        ),
        ([0.2, 0.4, 1, 1], "50.0% of the samples satisfy it, and they score 3 different values"),
    ],
)
def test_the_verdict(scores: list[float], words: str) -> None:
    assert re.search(words, verdict(np.array(scores, dtype=float)))


def test_the_report(run_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "leaps.py").write_text(LEAPS, "utf-8")
    run = run_cli("rewards", "test", f"{tmp_path}/leaps.py:stepwise,largest=2", "--samples", 20)
    assert (run.code, run.err) == (0, "")
    for word in ("empty (all rests)", "256 notes", "real", "prior", "0.5 to 0.6", "different values", "microseconds"):
        assert word in run.out


def test_a_rule_of_yes_and_no_is_advised_to_return_a_share() -> None:
    yes = reward(lambda melody: melody.note_count > 8)
    share = reward(lambda melody: min(1.0, melody.note_count / 8))
    assert "return a share instead" in advice(try_panel(lambda: yes))
    assert advice(try_panel(lambda: share)) == ""


def test_the_report_of_a_rule_that_fails(run_cli: Cli, tmp_path: Path) -> None:
    path = write(tmp_path / "bad.py", {"bad": "return 1 / melody.note_count"})
    run = run_cli("rewards", "test", f"{path}:bad")
    assert run.code == 2
    assert "problem: raised ZeroDivisionError: division by zero (line 7), on empty (all rests)" in run.out
    assert run.err.startswith(f"melodylc: error: {path}:bad raised ZeroDivisionError")
    assert run.err.count("\n") == 1


@pytest.mark.parametrize("words", [("rewards", "test", "variaty"), ("rewards", "show", "variaty")])
def test_a_reward_that_is_none(run_cli: Cli, words: tuple[str, ...]) -> None:
    run = run_cli(*words)
    assert (run.code, run.out, run.err.count("\n")) == (2, "", 1)
    assert "nearest: variety" in run.err


def test_show_names_parameters_and_their_values(run_cli: Cli) -> None:
    run = run_cli("rewards", "show", "density,least=64")
    assert run.code == 0
    rows = [line.split() for line in run.out.splitlines()]
    assert ["least", "a", "whole", "number", "64"] in rows
    assert ["most", "a", "whole", "number", "or", "none", "None"] in rows


def test_show_tells_the_formula_and_where_it_comes_from(run_cli: Cli) -> None:
    run = run_cli("rewards", "show", "form")
    assert "c_form(x) = S * D" in run.out
    assert "MuSpy" in run.out
    assert "Args:" in run.out
