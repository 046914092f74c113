"""Draws: melody k hangs on the seed and k alone, and the first that obeys is the one that counts."""

import numpy as np
import pytest
import torch
from sampler_of import sampler_of
from torch import Tensor

from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import named_config
from melodylc.models.vae import MelodyVAE
from melodylc.rewards import Rule, Tonic, pitch_classes, tonic
from melodylc.sampling.methods.combined import Combined

GROUP = Combined.together


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    """An untrained model: chaotic enough to tell melodies apart."""
    torch.manual_seed(0)
    vae = MelodyVAE(named_config("tiny"))
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.mul_(3)
    return LoadedModel(vae.requires_grad_(False).eval(), torch.full((32,), 0.5), "0" * 16, {})


def test_fewer_melodies_are_the_start_of_more(model: LoadedModel) -> None:
    sampler = sampler_of(model, None, None)
    many = sampler.sample(7, 2 * GROUP + 3, budget=1)
    for count in (1, GROUP - 1, GROUP, GROUP + 1):
        assert sampler.sample(7, count, budget=1) == many[:count]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_change_nothing_and_are_given_back(model: LoadedModel, threads: int) -> None:
    reference = sampler_of(model, None, None).sample(7, 5, budget=1)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert sampler_of(model, None, None).sample(7, 5, budget=1) == reference
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_seeds_and_numbers_give_different_melodies(model: LoadedModel) -> None:
    sampler = sampler_of(model, None, None)
    events = [draw.melody for seed in (0, 1, 2) for draw in sampler.sample(seed, 6, budget=1)]
    assert len(set(events)) == len(events)


def test_the_first_draw_that_obeys_is_kept_whatever_is_asked_beside_it(model: LoadedModel) -> None:
    rule = Rule((tonic_among(model),))
    sampler = sampler_of(model, None, rule)
    drawn = sampler.sample(3, 12, budget=200)
    assert all(draw.passed for draw in drawn)
    assert any(draw.attempts > 1 for draw in drawn)
    assert sampler.sample(3, 5, budget=200) == drawn[:5]
    for draw in drawn:
        assert draw.rewards == rule(draw.melody)
        short = sampler.sample(3, draw.number, budget=draw.attempts)[-1]
        assert short.melody == draw.melody
        if draw.attempts > 1:
            assert not sampler.sample(3, draw.number, budget=draw.attempts - 1)[-1].passed


def test_a_spent_budget_gives_the_last_draw_and_says_so(model: LoadedModel) -> None:
    never = Rule((pitch_classes([unused_class(model)]),))
    reports: list[tuple[int, int]] = []
    drawn = sampler_of(model, None, never).sample(0, 3, budget=4, report=lambda *report: reports.append(report))
    assert [(draw.passed, draw.attempts) for draw in drawn] == [(False, 4)] * 3
    assert reports[-1] == (0, 12)


def test_distance_is_what_the_actor_moved(model: LoadedModel) -> None:
    def far(parts: Tensor, context: Tensor, first: int) -> Tensor:
        return parts + 0.5  # twice

    assert sampler_of(model, None, None).sample(0, 2, budget=1)[0].distance == 0
    assert sampler_of(model, far, None).sample(0, 2, budget=1)[0].distance == pytest.approx(4.0, rel=1e-5)


def tonic_among(model: LoadedModel) -> Tonic:
    """A last note that about one draw in some has."""
    drawn = sampler_of(model, None, None).sample(3, 40, budget=1)
    lasts = [int(draw.melody.pitches[-1]) % 12 for draw in drawn if draw.melody.note_count]
    values, counts = np.unique(lasts, return_counts=True)
    return tonic(int(values[np.argmax(counts)]))


def unused_class(model: LoadedModel) -> int:
    drawn = sampler_of(model, None, None).sample(0, 3, budget=4)
    single = [{int(pitch) % 12 for pitch in draw.melody.pitches} for draw in drawn]
    return next(c for c in range(12) if all(found != {c} for found in single))


def test_melodies_are_moved_before_they_are_judged(model: LoadedModel) -> None:
    plain, moved = sampler_of(model, None, None), sampler_of(model, None, None, shift=3)
    for before, after in zip(plain.sample(3, 8, 1), moved.sample(3, 8, 1), strict=True):
        highest = max((note.pitch for note in before.melody.notes), default=0)
        assert after.melody == (before.melody.transposed(3) if highest < 125 else before.melody)
    above = sampler_of(model, None, None, shift=127).sample(3, 8, 1)
    assert [draw.melody for draw in above] == [draw.melody for draw in plain.sample(3, 8, 1)]
