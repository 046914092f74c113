"""Bars of the language model with memory that are limited to some events."""

import numpy as np
import pytest
import torch

from melodylc.data.alphabet import HOLD, REST, STATES, STEPS_PER_BAR
from melodylc.models import recall
from melodylc.models.recall import RecallConfig, RecallLM
from melodylc.sampling.steering.writer import RecallWriter

N = 64


@pytest.fixture(scope="module")
def model() -> RecallLM:
    torch.manual_seed(0)
    return RecallLM(RecallConfig(embedding=8, hidden=8, length=8)).requires_grad_(False).eval()


def two_bars(model: RecallLM, allowed: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    uniforms = torch.from_numpy(np.random.default_rng(1).random((2, N, STEPS_PER_BAR), np.float32))
    state, _, _ = recall.write_bar(model, recall.start(model, N), uniforms[0])
    _, bar, logprob, ratio = recall.write_bar_within(model, state, uniforms[1], allowed)
    _, scored = recall.score_bar(model, state, bar)
    torch.testing.assert_close(logprob, scored, rtol=1e-4, atol=1e-4)  # p, whatever it was drawn from
    return bar, logprob, ratio


def test_what_is_limited_keeps_to_it_and_says_how_probable_that_was(model: RecallLM) -> None:
    allowed = np.zeros((N, STEPS_PER_BAR, STATES), np.bool_)
    allowed[:, :, [*(p for p in range(128) if p % 12 in (0, 4, 7)), HOLD, REST]] = True
    bar, _, ratio = two_bars(model, allowed)
    notes = bar[bar < HOLD]
    assert len(notes) > N
    assert set((notes % 12).tolist()) <= {0, 4, 7}
    assert (ratio < 0).all()


def test_holds_that_are_not_allowed_end_segments(model: RecallLM) -> None:
    allowed = np.ones((N, STEPS_PER_BAR, STATES), np.bool_)
    allowed[:, 8, HOLD] = False
    bar, _, _ = two_bars(model, allowed)
    assert not (bar[:, 8] == HOLD).any()


def test_a_note_goes_on_where_nothing_else_is_allowed(model: RecallLM) -> None:
    allowed = np.ones((N, STEPS_PER_BAR, STATES), np.bool_)
    allowed[:, 2:8] = False
    allowed[:, 2, 60] = allowed[:, 3:8, HOLD] = True
    bar, _, _ = two_bars(model, allowed)
    assert (bar[:, 2:8] == torch.tensor([60, *[HOLD] * 5])).all()


def test_no_limit_is_the_free_model(model: RecallLM) -> None:
    uniforms = torch.from_numpy(np.random.default_rng(1).random((2, N, STEPS_PER_BAR), np.float32))
    everything = np.ones((N, STEPS_PER_BAR, STATES), np.bool_)
    state, _, _ = recall.write_bar(model, recall.start(model, N), uniforms[0])
    _, free, logprob = recall.write_bar(model, state, uniforms[1])
    _, limited, same, ratio = recall.write_bar_within(model, state, uniforms[1], everything)
    assert torch.equal(free, limited)
    torch.testing.assert_close(logprob, same)
    torch.testing.assert_close(ratio, torch.zeros(N, dtype=torch.float64), rtol=0, atol=1e-5)


def test_where_nothing_is_allowed_what_begins_is_free_and_nothing_goes_on(model: RecallLM) -> None:
    nothing = np.zeros((N, STEPS_PER_BAR, STATES), np.bool_)
    bar, _, ratio = two_bars(model, nothing)
    assert torch.isfinite(ratio).all()
    assert not (bar[:, 1:] == HOLD).any()


def test_the_writer_selects_rows(model: RecallLM) -> None:
    writer = RecallWriter(model)
    state = writer.start(4)
    uniforms = torch.from_numpy(np.random.default_rng(2).random((4, STEPS_PER_BAR), np.float32))
    state, bars, _ = writer.write_bar(state, uniforms)
    chosen = state.select(torch.tensor([2, 2]))
    again = uniforms[[0, 0]]
    _, after, _ = writer.write_bar(chosen, again)
    assert torch.equal(after[0], after[1])
    assert len(bars) == 4
