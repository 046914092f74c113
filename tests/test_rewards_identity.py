"""What a rule's name covers: closures, objects, notebook cells, trained models, and what they say they depend on."""

import builtins
import functools
import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from melodylc import Melody, reward
from melodylc.data import InputError
from melodylc.data.files import fingerprint_file
from melodylc.rewards import FunctionReward, Reward, Rule, density, pitch_classes, tonic
from melodylc.rewards.isolation import load_isolated

TUNE = Melody.from_notes([(60, 0, 4), (62, 4, 8), (67, 8, 12)])
LIMIT = 3


class Model:
    """What nobody can look into: its weights are in slots."""

    __slots__ = ("_weight",)

    def __init__(self, weight: float) -> None:
        self._weight = weight

    def __call__(self, melody: Melody) -> float:
        """How near the model takes it to be."""
        return min(1.0, self._weight * melody.note_count)

    def rate(self, melody: Melody, power: float = 1.0) -> float:
        return float(self(melody) ** power)


@dataclass(frozen=True)
class Table:
    """Weights that can be looked into."""

    weights: Any = field(default_factory=lambda: np.ones(12))

    def __call__(self, melody: Melody) -> float:
        return float(self.weights[melody.pitches % 12].mean())


def within(limit: Any) -> FunctionReward:
    @reward
    def inside(melody: Melody) -> bool:
        """Fewer notes than the limit."""
        return bool(melody.note_count < (limit if isinstance(limit, int) else limit(melody)))

    return inside


def test_a_rule_keeps_its_function_s_name_docstring_and_signature() -> None:
    @reward
    def steps(melody: Melody, largest: int = 2) -> float:
        """Share of small intervals."""
        return float((abs(melody.intervals) <= largest).mean())

    for rule in (steps, steps(largest=4)):
        assert (rule.__name__, rule.__doc__) == ("steps", "Share of small intervals.")  # type: ignore[attr-defined]
        assert list(inspect.signature(rule).parameters) == ["melody", "largest"]
        assert inspect.unwrap(rule) is steps.function
    assert steps(largest=4).sentence == "share of small intervals (largest 4)"


@pytest.mark.parametrize(
    "rule", [within(3), density(64), density(64) & tonic(0), ~tonic(0), 2 * tonic(0), Rule((tonic(0), density(64)))]
)
def test_a_rule_is_neither_true_nor_false(rule: Reward | Rule) -> None:
    with pytest.raises(InputError, match=r"join rewards with &, \| and ~") as caught:
        _ = rule and tonic(0)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError):
        _ = not rule


def test_a_closure_is_named_with_what_it_closes_over() -> None:
    assert (within(4)(TUNE), within(3)(TUNE)) == (1, 0)
    assert within(4).name == within(4).name != within(3).name
    assert within(4).cacheable


def test_a_closure_over_a_model_lives_for_the_process() -> None:
    model = Model(0.1)
    rule = within(model)
    assert not rule.cacheable
    assert not (rule & density(2)).cacheable
    assert not (~rule | 2 * rule).cacheable
    assert not Rule((density(2), rule)).cacheable
    assert rule.name == within(model).name != within(Model(0.1)).name


def test_a_rule_with_a_model_of_its_module_changes_its_name_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    @reward
    def rated(melody: Melody) -> float:
        return float(CURRENT(melody))  # type: ignore[name-defined]  # noqa: F821

    names = []
    for model in (Model(0.1), Model(0.1), Table(), Table(np.zeros(12))):
        monkeypatch.setitem(globals(), "CURRENT", model)
        names.append(rated.name)
        assert rated.cacheable == isinstance(model, Table)
    assert len(set(names)) == 4
    monkeypatch.setitem(globals(), "CURRENT", Table(np.zeros(12)))
    assert rated.name == names[-1]


def test_literals_of_the_file_and_what_it_imports_add_nothing() -> None:
    @reward
    def few(melody: Melody) -> bool:
        return melody.note_count <= LIMIT and bool(np.isfinite(1)) and isinstance(melody, Melody)

    assert few.cacheable
    assert few.name == f"few()@{few.source}"


def test_a_helper_s_variables_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    @reward
    def helped(melody: Melody) -> float:
        return helper(melody)

    first = helped.name
    monkeypatch.setitem(globals(), "WEIGHTS", [0.5, 0.25])
    assert helped.name != first
    monkeypatch.setitem(globals(), "WEIGHTS", Model(1))
    assert not helped.cacheable


WEIGHTS: Any = [0.5, 0.5]


def helper(melody: Melody) -> float:
    return float(WEIGHTS[0])


@pytest.mark.parametrize(
    "make",
    [Table, lambda: Model(0.25), lambda: Model(0.25).rate, lambda: functools.partial(Model.rate, Model(0.25))],
)
def test_objects_that_can_be_called(make: Callable[[], Any]) -> None:
    function = make()
    if isinstance(function, functools.partial):
        function.__name__ = "rate"  # type: ignore[attr-defined]
    rule = reward(function)
    assert 0 < rule(TUNE) <= 1
    assert rule.cacheable == isinstance(function, Table)
    assert rule.name.split("(")[0] in ("Table", "Model", "rate")
    assert Rule((rule, density(2)))(TUNE)[1] == 1
    assert reward(function, fingerprint="v1").cacheable


def test_a_fingerprint_is_part_of_the_name_and_enough() -> None:
    one, other = (reward(Model(0.25), fingerprint=text) for text in ("one", "other"))
    assert one.cacheable
    assert one.name == reward(Model(0.25), fingerprint="one").name != other.name
    versions = iter(["first", "second"])
    changing = reward(Model(0.25), fingerprint=lambda: next(versions))
    assert changing.name != changing.name


def test_files_that_it_depends_on(tmp_path: Path) -> None:
    weights = tmp_path / "weights.txt"
    weights.write_text("1")
    names = []
    for content in ("1", "2", "1"):
        weights.write_text(content)
        rule = reward(depends=[weights], fingerprint="x")(Model(0.25))
        assert rule.cacheable
        names.append(rule.name)
    assert names[0] == names[2] != names[1]
    with pytest.raises(InputError, match=r"@reward Model: depends: can't read .*gone.txt': there is no such file"):
        reward(depends=[tmp_path / "gone.txt"])(Model(0.25))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (3, "above a function, or takes an object that can be called, not 3"),
        (density(3), "above a function"),
        (Melody, "above a function"),
        (builtins.dict.fromkeys, "parameter"),
        (builtins.max, "nothing says which arguments it takes"),
    ],
)
def test_what_can_be_no_reward(function: Any, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        reward(function)
    assert "\n" not in str(caught.value)


CELLS = """
import melodylc
from melodylc import reward
space = {'__name__': '__main__', 'reward': reward}
def run(cell):
    exec(compile(cell, '<cell>', 'exec'), space)
run('most = 3')
run('@reward\\ndef few(melody, least: int = 1):\\n    return least <= melody.note_count <= most')
few = space['few']
print(few.name); print(few.cacheable)
run('most = 4'); print(few.name)
run('class Net:\\n    def __call__(self, melody): return 1.0\\nnet = Net()')
run('@reward\\ndef netted(melody):\\n    return net(melody)')
print(space['netted'].cacheable)
both = few(least=2) & melodylc.rewards.density(2, 96)
print(both(melodylc.Melody.from_notes([(60, 0, 4), (62, 4, 8)])))
"""


def test_cells_of_a_notebook() -> None:
    runs = [
        subprocess.run([sys.executable, "-c", CELLS], capture_output=True, text=True, check=True).stdout for _ in "12"
    ]
    first, cacheable, second, netted, value = runs[0].split("\n")[:5]
    assert (cacheable, netted, value) == ("True", "False", "1.0")
    assert first != second
    assert runs[0] == runs[1]


RATED = """
import json
from pathlib import Path
from melodylc import reward
class Net:
    __slots__ = ('weight',)
    def __init__(self):
        self.weight = json.loads(Path(__file__).with_name('weight.json').read_text())
    def __call__(self, melody): return min(1.0, melody.note_count * self.weight)
net = Net()
@reward
def plain(melody): return net(melody)
@reward(depends=['weight.json'])
def declared(melody): return net(melody)
"""


def test_a_file_s_rule_with_a_model_in_its_own_process(tmp_path: Path) -> None:
    (tmp_path / "rated.py").write_text(RATED)
    found = {}
    for weight in ("0.25", "0.125"):
        (tmp_path / "weight.json").write_text(weight)
        for name in ("plain", "declared"):
            rule = load_isolated({"label": name, "name": name, "file": str(tmp_path / "rated.py")}, {})
            assert rule.cacheable == (name == "declared")
            assert rule(TUNE) == 3 * float(weight)
            rule.worker.stop()
            assert rule(TUNE) == 3 * float(weight)  # a new process, and the same name
            found[name, weight] = rule.name
            assert f"@{fingerprint_file(tmp_path / 'rated.py')}" in rule.name  # by which an actor's file finds it
    assert found["declared", "0.25"] != found["declared", "0.125"]


def loosely(factory: Any) -> Any:
    """As somebody calls it who checks no types."""
    return factory


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: loosely(density)("64"), "least is a whole number, not '64'"),
        (lambda: loosely(density)(64.5), "least is a whole number, not '64.5'"),
        (lambda: loosely(tonic)(None), "pitch_class is a whole number, not 'None'"),
        (lambda: loosely(pitch_classes)("cde"), "classes is a list such as"),
        (lambda: loosely(pitch_classes)([0.5]), "classes is a list such as"),
    ],
)
def test_a_factory_checks_its_parameters_as_the_text_form_does(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make()
