"""Where draws begin: in the transposition that obeys best, and only what a prior wrote is transposed."""

from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from melodylc.actors import shipped_model
from melodylc.data.melody import Melody
from melodylc.draws import Sampler, latents
from melodylc.models.checkpoint import LoadedModel
from melodylc.nearest import SHIFTS, nearest, nearest_key, transposed
from melodylc.rewards import Rule, density, pitch_classes, tonic
from melodylc.rewards.panel import real_melodies

MAJOR = (0, 2, 4, 5, 7, 9, 11)
REAL = real_melodies()[:12]


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return shipped_model()


@given(st.sets(st.integers(0, 11)), st.integers(0, 11), st.integers(-6, 6))
def test_no_transposition_obeys_better_and_none_as_good_is_less(classes: set[int], last: int, shift: int) -> None:
    rule = Rule((pitch_classes(classes | {last}), tonic(last)))

    def merit(events: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> float:
        melody = Melody(events)
        fits = melody.note_count and all(0 <= pitch + shift < 128 for pitch in melody.pitches)
        return float(np.prod(rule.scores((melody.transposed(shift) if fits else melody).events[None])))

    for before, after in zip(REAL[:3], nearest(rule, REAL[:3], shift), strict=True):
        ways = {way: transposed(before[None], way)[0] for way in range(-12, 13)}
        best = max(map(merit, ways.values()))
        least = min((way for way, it in ways.items() if merit(it) == best), key=abs)
        assert merit(after) == best
        assert any(np.array_equal(after, ways[way]) for way in (least, -least))


def test_what_a_transposition_doesn_t_change_stays() -> None:
    assert np.array_equal(nearest(Rule((density(64),)), REAL), REAL)
    assert SHIFTS[0] == 0


def test_a_melody_that_would_leave_the_range_stays() -> None:
    high = np.full((1, 256), 129, np.uint8)
    high[0, :2] = 127, 121
    assert np.array_equal(transposed(high, 1), high)
    assert transposed(high, -1)[0, :2].tolist() == [126, 120]


def test_latents_are_those_of_what_was_chosen(model: LoadedModel) -> None:
    written: list[torch.Tensor] = []
    rule = Rule((pitch_classes(MAJOR),))

    def choose(events: torch.Tensor) -> torch.Tensor:
        written.append(nearest_key(rule)(events))
        return written[-1]

    found = latents(model.prior(), 3, range(1, 5), choose=choose)
    torch.testing.assert_close(found, model.vae.forced(written[0], None)[0].mean)
    assert not torch.allclose(found, latents(model.prior(), 3, range(1, 5)))


def test_n_0_1_writes_nothing_that_could_be_transposed(model: LoadedModel) -> None:
    prior, choose = model.prior("normal"), nearest_key(Rule((pitch_classes(MAJOR),)))
    assert torch.equal(latents(prior, 3, range(1, 5), choose=choose), latents(prior, 3, range(1, 5)))


def test_draws_for_a_rule_begin_there(model: LoadedModel) -> None:
    rule = Rule((pitch_classes(MAJOR),))
    begun = Sampler(model, None, rule).draw(4, 16, budget=1)
    plain = rule.scores(Melody.stack(draw.melody for draw in Sampler(model, None, None).draw(4, 16, budget=1)))
    assert cast(float, np.mean([draw.rewards for draw in begun])) > plain.mean() + 0.1
    moved = Sampler(model, None, rule, shift=2).draw(4, 16, budget=1)  # chosen for where they will be
    assert cast(float, np.mean([draw.rewards for draw in moved])) > plain.mean() + 0.1
