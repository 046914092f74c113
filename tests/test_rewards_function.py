"""`@reward`: from a function to a reward, its parameters, its name, and what it may return."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from melodylc import Melody, reward
from melodylc.data import STEPS, InputError
from melodylc.data.errors import RewardError
from melodylc.rewards import FunctionReward, Rule, density
from melodylc.rewards.panel import real_melodies, sources

SILENCE = Melody.from_notes([])
STEPS_UP = Melody.from_notes((60 + 2 * i, 4 * i, 4 * i + 4) for i in range(5))
answer: Any = None  # what the rule below says


@reward
def stepwise(melody: Melody, largest: int = 2) -> float:
    """Share of intervals of at most `largest` semitones."""
    steps = abs(melody.intervals)
    return float((steps <= largest).mean()) if len(steps) else 0.0


@reward(batch=True)
def busy(events: np.ndarray, notes: int = 64) -> Any:
    return np.minimum(1, (events < 128).sum(axis=1) / notes)


@reward
def says(melody: Melody) -> Any:
    return answer


@reward(batch=True)
def all_say(events: np.ndarray) -> Any:
    return answer


def test_it_is_a_reward_like_any_other() -> None:
    events = real_melodies()
    for rule in (stepwise, busy):
        assert rule.batch(events).tolist() == [rule(melody) for melody in Melody.unstack(events)]
        assert rule.batch(events[:0]).shape == (0,)
    assert Rule((stepwise & 0.5 * busy, density(2)))(STEPS_UP) == (5 / 64, 1.0, 1.0)


def test_with_parameters() -> None:
    assert stepwise(STEPS_UP) == 1
    assert stepwise(STEPS_UP, largest=1) == 0
    strict = stepwise(largest=1)
    assert isinstance(strict, FunctionReward)
    assert strict(STEPS_UP) == 0
    assert strict(largest=2) == stepwise
    assert stepwise() == stepwise


def test_its_name_has_all_parameters_and_covers_its_source() -> None:
    name, _, source = stepwise(largest=1).name.partition("@")
    assert name == "stepwise(largest=1)"
    assert len(source) == 16
    assert stepwise(largest=1).name == stepwise(largest=1).name != stepwise.name


def test_a_function_without_a_file_is_named_by_its_code() -> None:
    script = (
        "from melodylc import Melody, reward\n"
        "def make(body):\n"
        "    space = {{'Melody': Melody}}; exec(f'def f(m, kinds=(1, 2)): return {{body}}', space)\n"
        "    return reward(space['f'])\n"
        "print(make('1 in {{1, 2, 3}}').name, make('0').name, make('1').name)"
    ).format()
    runs = [subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True) for _ in "12"]
    assert runs[0].stdout == runs[1].stdout
    assert len(set(runs[0].stdout.rpartition("\n")[0].split("f(kinds=(1, 2))@")[1:])) == 3


@pytest.mark.parametrize("fine", [0, 1, 0.25, True, False, np.True_, np.float32(0.5), np.int64(1), np.float64(1)])
def test_what_it_may_return(fine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "answer", fine)
    value = says(SILENCE)
    assert type(value) is float
    assert value == float(fine)
    monkeypatch.setitem(globals(), "answer", [fine, fine])
    assert all_say.batch(Melody.stack([SILENCE] * 2)).tolist() == [float(fine)] * 2


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (1.3, "returned 1.3"),
        (-1, "returned -1.0"),
        (float("nan"), "returned NaN"),
        (np.float64("inf"), "returned inf"),
        (1.0000000000000002, "returned 1.0000000000000002"),
        (None, r"returned nothing \(None\)"),
        ("0.5", "returned text '0.5'"),
        ([0.5], "returned something of type list"),
        (1j, "returned something of type complex"),
        (np.ones(3), "returned something of type ndarray"),
    ],
)
def test_what_it_may_not_return(wrong: Any, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "answer", wrong)
    with pytest.raises(
        RewardError, match=rf"^says {words}.*a number in \[0, 1\] or a bool, on a melody without notes$"
    ):
        says(SILENCE)


@pytest.mark.parametrize(
    ("wrong", "words", "row"),
    [
        ([0.5], r"float64 of shape \(1,\)", None),
        (0.5, r"of shape \(\)", None),
        (None, r"nothing \(None\)", None),
        (["a", "b"], "of shape", None),
        ([[0.5], [0.5, 1]], "of shape", None),
        (np.array([0.5, 1.3]), "returned 1.3", 1),
        ([float("nan"), 0.5], "returned NaN", 0),
    ],
)
def test_what_a_batch_may_not_return(wrong: Any, words: str, row: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "answer", wrong)
    with pytest.raises(RewardError, match=f"^all_say .*{words}") as caught:
        all_say.batch(Melody.stack([SILENCE, STEPS_UP]))
    assert caught.value.row == row
    assert ("5 notes" in str(caught.value)) == (row == 1)


def fails(melody: Melody) -> float:
    return 1 / melody.note_count


def test_an_exception_becomes_one_line_with_its_own_and_keeps_its_cause() -> None:
    expected = rf"^fails raised ZeroDivisionError: division by zero \(line {fails.__code__.co_firstlineno + 1}\), on"
    with pytest.raises(RewardError, match=expected) as caught:
        reward(fails).batch(Melody.stack([STEPS_UP, SILENCE]))
    assert caught.value.row == 1
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def writes(melody: Melody) -> float:
    melody.events[0] = 60
    return 1


def sets(melody: Any) -> float:
    melody.pitch = 60
    return 1


def smuggles(melody: Any) -> float:
    object.__setattr__(melody, "_content", bytes([60]) * STEPS)
    return 1


@pytest.mark.parametrize("function", [writes, sets, smuggles])
def test_changing_the_melody_is_noticed(function: Callable[..., float]) -> None:
    with pytest.raises(RewardError, match=f"^{function.__name__} (tried to change|changed) what it was given"):
        reward(function)(SILENCE)


def test_a_batch_can_not_be_changed() -> None:
    def unlocks(events: np.ndarray) -> np.ndarray:
        events.flags.writeable = True
        return np.ones(len(events))

    def zeroes(events: np.ndarray) -> np.ndarray:
        events[:] = 0
        return np.ones(len(events))

    events = Melody.stack([SILENCE])
    for function in (unlocks, zeroes):
        with pytest.raises(RewardError, match=function.__name__):
            reward(batch=True)(function).batch(events)
    assert (events == 129).all()


def no_melody() -> float:
    return 1


def keyword_melody(*, melody: Melody) -> float:
    return 1


def no_default(melody: Melody, largest: int) -> float:
    return 1


def anything(melody: Melody, **options: int) -> float:
    return 1


def untyped(melody: Melody, largest=None) -> float:  # type: ignore[no-untyped-def]  # noqa: ANN001
    return 1


def strange(melody: Melody, path: Path = Path()) -> float:
    return 1


def mistyped(melody: Melody, largest: int = "two") -> float:  # type: ignore[assignment]
    return 1


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (no_melody, "no_melody: its first argument"),
        (keyword_melody, "keyword_melody: its first argument"),
        (no_default, "no_default: parameter largest needs a default"),
        (anything, "anything: .*options"),
        (untyped, "untyped: parameter largest needs a type"),
        (strange, "strange: parameter path needs a type"),
        (mistyped, "mistyped: largest is a whole number, not 'two'"),
        (Melody, "above a function"),
    ],
)
def test_functions_that_can_be_no_reward(function: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        reward(function)


def test_an_unknown_domain_is_refused() -> None:
    with pytest.raises(InputError, match="no domain 'melody'; nearest: melodies"):
        reward(domain="melody")(fails)


@reward
def many(  # type: ignore[no-untyped-def]
    melody: Melody,
    share: float = 0.5,
    strict: bool = False,
    way: Literal["up", "down"] = "up",
    classes: tuple[int, ...] = (0, 7),
    most: int | None = None,
    word: str = "a",
    plain=3,  # noqa: ANN001
) -> float:
    return share


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        ({"share": "1", "strict": "yes"}, {"share": 1.0, "strict": True}),
        ({"strict": "False", "way": "down"}, {"strict": False, "way": "down"}),
        ({"classes": "0, 4,7", "most": "3"}, {"classes": (0, 4, 7), "most": 3}),
        ({"most": "none", "word": "b,c=d", "plain": " 4 "}, {"most": None, "word": "b,c=d", "plain": 4}),
    ],
)
def test_parameters_as_typed(texts: dict[str, str], values: dict[str, Any]) -> None:
    assert {name: value for name, value in many.with_texts(texts).values if name in texts} == values


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"largets": "2"}, "no parameter 'largets'; nearest: largest"),
        ({"largest": "2.5"}, "largest is a whole number, not '2.5'"),
        ({"largest": ""}, "largest is a whole number, not ''"),
    ],
)
def test_parameters_typed_wrong(texts: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        stepwise.with_texts(texts)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"share": "1"}, "share is a number"),
        ({"share": float("nan")}, "share is a number"),
        ({"strict": 1}, "strict is true or false"),
        ({"way": "left"}, "way is up or down"),
        ({"classes": 3}, "classes is a list such as 0,2,4"),
        ({"classes": "0,2"}, "classes is a list"),
        ({"most": 1.5}, "most is a whole number or none"),
        ({"plain": True}, "plain is a whole number"),
        ({"wrod": "a"}, "nearest: word"),
    ],
)
def test_parameters_given_wrong(values: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        many(**values)


def test_numbers_of_numpy_and_lists_are_parameters_too() -> None:
    assert many(share=np.float32(0.5), plain=np.int64(3), classes=[0, 7]) == many
    assert many(classes={7, 0}) == many


def test_the_panel_s_melodies_are_real_and_their_sources_known() -> None:
    events = real_melodies()
    assert events.shape == (64, STEPS)
    assert len(set(Melody.unstack(events))) == 64
    assert {row["collection"] for row in sources()} == {"openscore_lieder", "openscore_quartets"}
    assert len(sources()) == 64
