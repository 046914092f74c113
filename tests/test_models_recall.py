"""The language model that remembers: read at once and written bar by bar it is one distribution, and it can copy."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from melodylc.data.alphabet import BARS, HOLD, REST, STEPS, STEPS_PER_BAR, canonical
from melodylc.data.errors import CheckpointError, InputError
from melodylc.data.roles import ROLES
from melodylc.models.checkpoint import load_language, save_language
from melodylc.models.recall import RecallConfig, RecallLM, RecallState, score_bar, start, write_bar
from melodylc.models.segments import BASE, KINDS, LAGS, SOURCES, UNKNOWN, segments

SMALL = RecallConfig(embedding=24, hidden=20, layers=2, length=12)


@pytest.fixture(scope="module")
def model() -> RecallLM:
    torch.manual_seed(3)
    return RecallLM(SMALL).requires_grad_(False).eval()


@pytest.fixture(scope="module")
def melodies() -> Tensor:
    """Random ones, some with returning bars, and the corners: silence, one note held, 256 notes, the widest leaps."""
    rng = np.random.default_rng(5)
    events = rng.choice([HOLD, HOLD, HOLD, REST, 60, 62, 64, 67], size=(8, STEPS))
    bars = events.reshape(8, BARS, STEPS_PER_BAR)
    bars[:4, 8:12] = bars[:4, :4]
    bars[2:6, 5] = np.where(bars[2:6, 1] < HOLD, bars[2:6, 1] + 5, bars[2:6, 1])
    corners = np.array(
        [
            np.full(STEPS, REST),
            np.r_[50, np.full(STEPS - 1, HOLD)],
            np.full(STEPS, 71),
            np.tile([0, 127], STEPS // 2),
            np.r_[np.full(STEPS - 1, REST), 127],
        ]
    )
    return torch.from_numpy(canonical(np.concatenate([bars.reshape(8, STEPS), corners]))[0].astype(np.int64))


def _stepwise(
    model: RecallLM, melodies: Tensor, role: Tensor | None, temperature: float = 1.0
) -> tuple[Tensor, RecallState]:
    state = start(model, len(melodies), role)
    total = torch.zeros(len(melodies), dtype=torch.float64)
    for bar in torch.split(melodies, STEPS_PER_BAR, dim=1):
        state, logprob = score_bar(model, state, bar, temperature)
        total += logprob
    return total, state


@pytest.mark.parametrize("temperature", [1.0, 0.8])
def test_bar_by_bar_is_what_it_is_at_once(model: RecallLM, melodies: Tensor, temperature: float) -> None:
    role = torch.arange(len(melodies)) % (UNKNOWN + 1)
    total, state = _stepwise(model, melodies, role, temperature)
    assert np.array_equal(state.written, melodies)
    torch.testing.assert_close(-total, model.nll(melodies, temperature, role), atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_what_is_written_has_the_log_probability_that_writing_says(model: RecallLM, temperature: float) -> None:
    state, total = start(model, 16), torch.zeros(16, dtype=torch.float64)
    for numbers in torch.split(torch.rand(16, STEPS, generator=torch.Generator().manual_seed(1)), STEPS_PER_BAR, dim=1):
        state, bar, logprob = write_bar(model, state, numbers, temperature)
        assert np.array_equal(bar, state.written[:, STEPS_PER_BAR * (state.bar - 1) : STEPS_PER_BAR * state.bar])
        total += logprob
    assert not canonical(state.written)[1].any()
    torch.testing.assert_close(-total, model.nll(torch.from_numpy(state.written), temperature), atol=1e-3, rtol=1e-5)


def test_the_past_is_all_that_is_heard(model: RecallLM, melodies: Tensor) -> None:
    changed = melodies.clone()
    changed[:, 7 * STEPS_PER_BAR :] = 90
    one, other = (segments(events.numpy(), np.zeros(len(events), np.int64)) for events in (melodies, changed))
    before, after = model(melodies), model(changed)
    for row in range(len(melodies)):
        count = int(((one.melody == row) & (one.past.step < 7 * STEPS_PER_BAR)).sum())
        assert count == int(((other.melody == row) & (other.past.step < 7 * STEPS_PER_BAR)).sum())
        torch.testing.assert_close(before[row, :count], after[row, :count])


def test_selected_rows_go_on_as_they_would_have(model: RecallLM) -> None:
    numbers = torch.rand(6, STEPS, generator=torch.Generator().manual_seed(2))
    rows = torch.tensor([4, 0, 0, 5])
    whole = model.write(numbers)
    state = start(model, 6)
    for bar, part in enumerate(torch.split(numbers, STEPS_PER_BAR, dim=1)):
        if bar == 5:
            former, state = state, state.select(rows)
        state, _, _ = write_bar(model, state, part if bar < 5 else part[rows])
    assert np.array_equal(state.written, whole[rows])
    assert former.bar == 5
    assert np.array_equal(former.written[:, : 5 * STEPS_PER_BAR], whole[:, : 5 * STEPS_PER_BAR])


def test_a_melody_is_the_same_whatever_is_written_beside_it(model: RecallLM) -> None:
    numbers = torch.rand(5, STEPS, generator=torch.Generator().manual_seed(7))
    assert torch.equal(model.write(numbers)[3:4], model.write(numbers[3:4]))


def test_the_coldest_is_the_most_probable(model: RecallLM) -> None:
    numbers = torch.rand(4, STEPS, generator=torch.Generator().manual_seed(8))
    cold = model.write(numbers, temperature=1e-6)
    assert torch.equal(cold, cold[:1].expand(4, -1))
    assert torch.equal(cold, model.write(numbers, nucleus=1e-6))


def test_holds_that_hold_nothing_are_rests(model: RecallLM, melodies: Tensor) -> None:
    stray = melodies.clone()
    stray[0] = HOLD
    stray[9, :3] = HOLD
    silent = torch.from_numpy(canonical(stray.numpy())[0].astype(np.int64))
    torch.testing.assert_close(model.nll(stray), model.nll(silent))
    total, state = _stepwise(model, stray, None)
    assert np.array_equal(state.written, silent)
    torch.testing.assert_close(-total, model.nll(silent), atol=1e-3, rtol=1e-5)


def test_roles_matter_and_are_not_needed(model: RecallLM, melodies: Tensor) -> None:
    costs = torch.stack(
        [model.nll(melodies, role=torch.full((len(melodies),), role)) for role in range(len(ROLES) + 1)]
    )
    assert torch.equal(costs[UNKNOWN], model.nll(melodies))
    assert (costs.std(0) > 0).all()


def _told_to_copy(source: int, moved: bool) -> RecallLM:
    """A model without a taste of its own whose every vote but one counts for nothing."""
    model = RecallLM(SMALL).requires_grad_(False).eval()
    for parameter in (*model.kinds.parameters(), *model.lengths.parameters()):
        parameter.zero_()
    model.kinds.bias[KINDS + source + (SOURCES if moved else 0)] = 40
    model.lengths.bias[STEPS_PER_BAR + source] = 40
    return model


@pytest.mark.parametrize("source", range(len(LAGS)))
def test_a_vote_that_outweighs_all_copies_the_bar_some_bars_ago(source: int) -> None:
    model, ago = _told_to_copy(source, moved=False), LAGS[source]
    written = model.write(torch.rand(3, STEPS, generator=torch.Generator().manual_seed(source)))
    bars = written.view(3, BARS, STEPS_PER_BAR)
    # A bar line that a note is held over has no vote: what was written there is another matter.
    first = bars[:, ago:, 0] == bars[:, :-ago, 0]
    assert (first | (bars[:, :-ago, 0] == HOLD)).all()
    onsets = bars[:, :-ago] < HOLD
    assert torch.equal(bars[:, ago:][onsets], bars[:, :-ago][onsets])


def test_a_vote_for_intervals_moves_what_it_copies() -> None:
    model = _told_to_copy(0, moved=True)
    state = start(model, 1)
    notes = torch.tensor([[60, HOLD, HOLD, HOLD, 62, HOLD, HOLD, HOLD, 64, HOLD, HOLD, HOLD, 65, HOLD, HOLD, HOLD]])
    state, _ = score_bar(model, state, notes)
    numbers = torch.full((1, STEPS_PER_BAR), 0.5)
    # The first bar's first note was counted from BASE: its interval is 60 - BASE, and so the second bar begins on 65.
    _, bar, _ = write_bar(model, state, numbers)
    assert bar[0, ::4].tolist() == [65 + 60 - BASE, 67, 69, 70]
    assert (bar[0] == HOLD).sum() == 12


def test_the_lag_that_has_agreed_for_longest_is_a_source() -> None:
    rng = np.random.default_rng(1)
    bars = rng.integers(40, 90, size=(BARS, STEPS_PER_BAR))
    bars[9] = bars[4]
    read = segments(bars.reshape(1, STEPS), np.zeros(1, np.int64))
    inside = (read.past.step >= 9 * STEPS_PER_BAR + 3) & (read.past.step <= 10 * STEPS_PER_BAR)
    assert (read.sources.best[inside] == 5).all()
    runs = read.sources.runs[inside][:, 0, -1]  # note for note
    assert runs.tolist() == list(range(3, STEPS_PER_BAR + 1))


def test_a_file_gives_back_a_language_model(model: RecallLM, melodies: Tensor, tmp_path: Path) -> None:
    save_language(tmp_path / "language.safetensors", model, {"minutes": [3]})
    loaded, provenance = load_language(tmp_path / "language.safetensors")
    assert provenance == {"minutes": [3]}
    torch.testing.assert_close(loaded.nll(melodies), deepcopy(model).half().float().nll(melodies))
    broken = RecallLM(RecallConfig(embedding=8, hidden=8, length=8))
    broken.config = SMALL
    save_language(tmp_path / "broken.safetensors", broken, {})
    with pytest.raises(CheckpointError, match="don't fit each other"):
        load_language(tmp_path / "broken.safetensors")


def test_configurations_come_back_and_others_are_refused() -> None:
    assert RecallConfig.from_dict(SMALL.to_dict()) == SMALL
    with pytest.raises(InputError, match="other fields"):
        RecallConfig.from_dict({"hidden": 3})
