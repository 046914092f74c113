"""Optimisation in latent space: it arrives, it moves no more than it must, and no vector knows of the others."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.latent.optimise import Goal, OptimiseSettings, OptimiseStep, optimise


def below(side: float) -> Goal:
    """The first dimension is to be above `side`; no other dimension matters."""
    return Goal(lambda z: side - z[:, 0], threshold=0.0)


def vectors(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))


def test_it_agrees_with_torchs_own_adam() -> None:
    start, target = vectors(3), vectors(3, seed=1)

    def cost(z: Tensor) -> Tensor:
        return (z - target).square().sum(dim=1)

    theirs = start.clone().requires_grad_(True)
    adam = torch.optim.Adam([theirs], lr=0.05, betas=(0.8, 0.95))
    for _ in range(30):
        adam.zero_grad()
        cost(theirs).sum().backward()  # type: ignore[no-untyped-call]
        adam.step()
    ours = optimise(start, [Goal(cost)], OptimiseSettings(steps=30, rate=0.05, betas=(0.8, 0.95)))
    torch.testing.assert_close(ours.z, theirs.detach(), atol=1e-5, rtol=1e-5)
    assert ours.steps.tolist() == [30, 30, 30]
    assert not ours.satisfaction.any()


def test_what_meets_its_goals_stays_where_it_is() -> None:
    start = vectors(20)
    found = optimise(start, [below(0.5)])
    already = start[:, 0] >= 0.5
    assert already.any()
    assert not already.all()
    assert torch.equal(found.z[already], start[already])
    assert bool((found.steps[already] == 0).all())
    assert bool((found.steps[~already] > 0).all())
    assert bool(found.satisfaction.all())


def test_it_stops_at_the_threshold_and_moves_only_what_matters() -> None:
    start = torch.zeros(5, 4)
    found = optimise(start, [below(1.0)], OptimiseSettings(rate=0.01, steps=200))
    assert bool(((found.z[:, 0] >= 1) & (found.z[:, 0] < 1.011)).all())
    assert torch.equal(found.z[:, 1:], start[:, 1:])


def test_a_goal_that_is_met_no_longer_pulls() -> None:
    once = Goal(lambda z: (z[:, 1] - 2).square(), threshold=0.25)
    found = optimise(torch.zeros(1, 4), [below(5.0), once], OptimiseSettings(steps=200, betas=(0.0, 0.9)))
    assert bool(found.satisfaction.all())
    assert 1.5 <= float(found.z[0, 1]) < 1.9, "it went on towards 2 after it was near enough"


def test_the_anchor_keeps_it_near_and_counts_what_is_sharp() -> None:
    goal = Goal(lambda z: (2 - z[:, 0]).relu() + (2 - z[:, 1]).relu())
    sigma_bar = torch.tensor([0.2, 1.0, 1.0, 1.0])
    free, tied = (
        optimise(torch.zeros(1, 4), [goal], OptimiseSettings(steps=300, distance=weight), sigma_bar=sigma_bar).z[0]
        for weight in (0.0, 0.5)
    )
    assert free[:2].min() > 1.8
    assert tied[0] < 0.5 < tied[1], "the sharp dimension is the expensive one"


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_no_vector_knows_of_the_others(seed: int, rows: list[int]) -> None:
    start = vectors(6, seed)
    goals = [below(1.0), Goal(lambda z: z[:, 1:].square().mean(dim=1), weight=0.1, threshold=0.5)]
    together = optimise(start, goals, OptimiseSettings(distance=0.01))
    alone = optimise(start[rows], goals, OptimiseSettings(distance=0.01))
    torch.testing.assert_close(alone.z, together.z[rows])
    assert torch.equal(alone.steps, together.steps[rows])


def test_it_is_the_same_every_time_and_leaves_its_start_alone() -> None:
    start = vectors(8)
    before, state = start.clone(), torch.get_rng_state()
    first, second = (optimise(start, [below(1.0)]) for _ in range(2))
    assert torch.equal(first.z, second.z)
    assert torch.equal(start, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_frames_lead_from_start_to_end() -> None:
    start = torch.tensor([[0.0], [0.9]])
    found = optimise(start, [below(1.0)], OptimiseSettings(frames=4))
    assert torch.equal(found.frames[0], start)
    assert torch.equal(found.frames[-1], found.z)
    assert len(found.frames) == 2 + (int(found.steps.max()) - 1) // 4
    way = found.frames[:, 0, 0].diff()
    assert bool((way > 0).all())
    assert optimise(start, [below(1.0)]).frames.shape == (0, 2, 1)


def test_goals_are_made_anew_from_where_vectors_are() -> None:
    """A target that recedes until 3: what was met of old goals isn't the end."""
    asked: list[Tensor] = []

    def goals(z: Tensor) -> list[Goal]:
        asked.append(z)
        side = (z[:, 0] + 0.5).clamp(max=3.0)
        return [Goal(lambda later: side - later[:, 0], threshold=1e-3)]

    found = optimise(torch.zeros(2, 1), goals, OptimiseSettings(steps=200, renew=7))
    assert bool(found.satisfaction.all())
    assert bool((found.z >= 2.99).all())
    assert torch.equal(asked[-1], found.z), "the last word is of goals made where the vectors ended"


def test_progress_is_reported_from_the_start_to_the_end() -> None:
    seen: list[OptimiseStep] = []
    found = optimise(torch.tensor([[0.0], [2.0]]), [below(1.0)], report=seen.append)
    assert [step.number for step in seen] == list(range(int(found.steps.max()) + 1))
    assert seen[0].satisfied == 1
    assert seen[-1].satisfied == 2
    assert seen[0].costs == (((1.0 - 0.0) + (1.0 - 2.0)) / 2,)


def test_it_works_where_gradients_are_off() -> None:
    with torch.no_grad():
        found = optimise(torch.zeros(1, 4), [below(1.0)])
    assert bool(found.satisfaction.all())
    assert not found.z.requires_grad


def test_a_cost_that_is_no_number_is_never_met() -> None:
    found = optimise(torch.zeros(1, 2), [Goal(lambda z: z[:, 0] * math.nan, threshold=9.0)], OptimiseSettings(steps=2))
    assert not found.satisfaction.any()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Goal(torch.sum, weight=0.0), "weight"),
        (lambda: Goal(torch.sum, threshold=math.nan), "threshold"),
        (lambda: OptimiseSettings(steps=-1), "steps"),
        (lambda: OptimiseSettings(rate=math.nan), "rate"),
        (lambda: OptimiseSettings(betas=(1.0, 0.9)), "betas"),
        (lambda: optimise(torch.zeros(2, 3), []), "at least one goal"),
        (lambda: optimise(torch.zeros(3), [below(1.0)]), r"\(n, dim\)"),
        (lambda: optimise(torch.zeros(2, 3), [below(1.0)], sigma_bar=torch.ones(2)), "sigma_bar"),
        (lambda: optimise(torch.zeros(2, 3), [Goal(lambda z: z.sum())]), "shape"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        wrong()
