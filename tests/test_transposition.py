"""Where draws begin: in the transposition that obeys best, and only what a prior wrote is transposed."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from melodylc.data.melody import Melody
from melodylc.edits.transposition import SHIFTS, best_transposition, reconstruct_events, transpose_events
from melodylc.models.checkpoint import LoadedModel, shipped_model
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

    for before, after in zip(REAL[:3], best_transposition(rule, REAL[:3], shift), strict=True):
        ways = {way: transpose_events(before[None], way)[0] for way in range(-12, 13)}
        best = max(map(merit, ways.values()))
        least = min((way for way, it in ways.items() if merit(it) == best), key=abs)
        assert merit(after) == best
        assert any(np.array_equal(after, ways[way]) for way in (least, -least))


def test_what_a_transposition_doesn_t_change_stays() -> None:
    assert np.array_equal(best_transposition(Rule((density(64),)), REAL), REAL)
    assert SHIFTS[0] == 0


def test_a_melody_that_would_leave_the_range_stays() -> None:
    high = np.full((1, 256), 129, np.uint8)
    high[0, :2] = 127, 121
    assert np.array_equal(transpose_events(high, 1), high)
    assert transpose_events(high, -1)[0, :2].tolist() == [126, 120]


# -- arranged, too -----------------------------------------------------------------------------

SNAPPED = (("snap", *MAJOR),)


def test_what_a_rule_likes_better_arranged_is_and_nothing_else() -> None:
    rule = Rule((pitch_classes(MAJOR),))
    plain, both = best_transposition(rule, REAL), best_transposition(rule, REAL, edits=SNAPPED)
    obeyed = rule.satisfied(plain)
    assert obeyed.any()
    assert not obeyed.all()
    assert np.array_equal(both[obeyed], plain[obeyed])
    assert rule.satisfied(both).all()
    assert np.array_equal(both >= 128, plain >= 128)
    assert np.array_equal(best_transposition(rule, REAL, edits=(("delay", 3),)), plain)  # it hears no rhythm


def test_an_arrangement_is_of_where_melodies_will_be() -> None:
    rule = Rule((pitch_classes(MAJOR),))
    moved = best_transposition(rule, REAL, 2, (("snap", *((it - 2) % 12 for it in MAJOR)),))
    assert rule.satisfied(transpose_events(moved, 2)).all()


def test_what_is_given_back_is_what_its_latents_lead_to(model: LoadedModel) -> None:
    z, events = reconstruct_events(model.vae, REAL[:4])
    torch.testing.assert_close(z, model.vae.encode(torch.from_numpy(REAL[:4]).long()).z)
    assert np.mean(events == model.vae.decode(z)) > 0.999  # sums are rounded otherwise in other shapes
