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
from melodylc.nearest import SHIFTS, Beginning, given_back, nearest, transposed
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

    def encode(events: torch.Tensor) -> torch.Tensor:
        written.append(events)
        return Beginning(rule, model.vae)(events)

    found = latents(model.prior(), 3, range(1, 5), encode=encode)
    chosen = torch.from_numpy(nearest(rule, written[0].numpy().astype(np.uint8))).long()
    torch.testing.assert_close(found, model.vae.forced(chosen, None)[0].mean)
    assert not torch.allclose(found, latents(model.prior(), 3, range(1, 5)))


def test_n_0_1_writes_nothing_that_could_be_transposed(model: LoadedModel) -> None:
    prior, encode = model.prior("normal"), Beginning(Rule((pitch_classes(MAJOR),)), model.vae)
    assert torch.equal(latents(prior, 3, range(1, 5), encode=encode), latents(prior, 3, range(1, 5)))


def test_draws_for_a_rule_begin_there(model: LoadedModel) -> None:
    rule = Rule((pitch_classes(MAJOR),))
    begun = Sampler(model, None, rule).draw(4, 16, budget=1)
    plain = rule.scores(Melody.stack(draw.melody for draw in Sampler(model, None, None).draw(4, 16, budget=1)))
    assert cast(float, np.mean([draw.rewards for draw in begun])) > plain.mean() + 0.1
    moved = Sampler(model, None, rule, shift=2).draw(4, 16, budget=1)  # chosen for where they will be
    assert cast(float, np.mean([draw.rewards for draw in moved])) > plain.mean() + 0.1


# -- arranged, too -----------------------------------------------------------------------------

SNAPPED = (("snap", *MAJOR),)


def test_what_a_rule_likes_better_arranged_is_and_nothing_else() -> None:
    rule = Rule((pitch_classes(MAJOR),))
    plain, both = nearest(rule, REAL), nearest(rule, REAL, arrangement=SNAPPED)
    obeyed = rule.satisfied(plain)
    assert obeyed.any()
    assert not obeyed.all()
    assert np.array_equal(both[obeyed], plain[obeyed])
    assert rule.satisfied(both).all()
    assert np.array_equal(both >= 128, plain >= 128)
    assert np.array_equal(nearest(rule, REAL, arrangement=(("delay", 3),)), plain)  # it hears no rhythm


def test_an_arrangement_is_of_where_melodies_will_be() -> None:
    rule = Rule((pitch_classes(MAJOR),))
    moved = nearest(rule, REAL, 2, (("snap", *((it - 2) % 12 for it in MAJOR)),))
    assert rule.satisfied(transposed(moved, 2)).all()


def test_what_is_given_back_is_what_its_latents_lead_to(model: LoadedModel) -> None:
    z, events = given_back(model.vae, REAL[:4])
    torch.testing.assert_close(z, model.vae.encode(torch.from_numpy(REAL[:4]).long()).z)
    assert np.mean(events == model.vae.decode(z)) > 0.999  # sums are rounded otherwise in other shapes


def test_those_that_obey_are_left_and_others_arranged_again(model: LoadedModel) -> None:
    rule, written = Rule((pitch_classes(MAJOR),)), torch.from_numpy(REAL).long()
    arranged = nearest(rule, REAL, arrangement=SNAPPED)
    once, became = given_back(model.vae, arranged)
    obeyed = rule.satisfied(became)
    twice = Beginning(rule, model.vae, SNAPPED)(written)
    assert torch.equal(twice[obeyed], once[obeyed])
    scores = rule.scores(became)[:, 0], rule.scores(model.vae.decode(twice))[:, 0]
    assert (scores[1] >= scores[0] - 1e-9).mean() > 0.9  # sums are rounded otherwise in other shapes
    assert scores[1].mean() >= scores[0].mean()


def test_arranged_draws_obey_more_often(model: LoadedModel) -> None:
    rule = Rule((pitch_classes(MAJOR),))
    rates = [
        np.mean([draw.passed for draw in Sampler(model, None, rule, arrangement=it).draw(4, 16, budget=1)])
        for it in ((), SNAPPED)
    ]
    assert rates[1] > rates[0] + 0.3


def test_an_actor_leaves_arranged_draws_that_obey(model: LoadedModel) -> None:
    z = latents(model.prior(), 3, range(1, 9))  # in any key
    rule = Rule((density(int(np.median((model.vae.decode(z) < 128).sum(axis=1))) + 1),))  # half obey
    obeys = rule.satisfied(model.vae.decode(z))

    def far(parts: torch.Tensor, context: torch.Tensor, first: int) -> torch.Tensor:
        return parts + 1.0

    moved, raw = Beginning(rule, model.vae, SNAPPED).write(z, far)
    assert 0 < obeys.sum() < len(obeys)
    assert torch.equal(moved[obeys], z[obeys])
    assert (moved[~obeys] != z[~obeys]).all()
    plain, bare = (model.vae.write(z, move)[1] for move in (None, far))
    assert torch.equal(raw[obeys], plain[obeys])
    assert torch.equal(raw[~obeys], bare[~obeys])
    everywhere, _ = Beginning(rule, model.vae).write(z, far)  # nothing is arranged: an actor has to move it
    assert torch.equal(everywhere, model.vae.write(z, far)[0])
