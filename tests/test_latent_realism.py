"""The game of realism on boxes: it finds where data lie, in a plain box and in a chain of parts."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.latent.actor import LatentLayout, Move
from melodylc.latent.objective import PartScores, VectorObjective
from melodylc.latent.realism import Realism, RealismSettings, RealismTraining, fit_realism

DIM = 4
SIGMA_BAR = torch.full((DIM,), 0.3)
SMALL = RealismSettings(
    rounds=40,
    fresh=64,
    critic_steps=10,
    actor_steps=6,
    warmup=20,
    batch=32,
    recent=1024,
    critic_rate=3e-3,
    actor_rate=3e-3,
    distance=0.01,
    hidden=32,
    layers=2,
    bound=2.0,
    critic_hidden=32,
    critic_layers=2,
    average=0.95,
    free_slope=1.0,
)
FEW = replace(SMALL, rounds=2, warmup=2, critic_steps=2, actor_steps=1)


def unscored(z: Tensor) -> PartScores:
    raise AssertionError("a game of realism asks no score")


BOX = VectorObjective(DIM, unscored)


def vectors(count: int = 600, seed: int = 1) -> tuple[Tensor, Tensor]:
    z = torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed))
    return z, z


def data(count: int = 600) -> tuple[Tensor, Tensor]:
    """N(0, 1), but for the first dimension, which is 2."""
    z = vectors(count, 2)[0]
    z[:, 0] = 2.0 + 0.1 * z[:, 0]
    return z, z


@pytest.fixture(scope="module")
def found() -> Realism:
    return fit_realism(BOX, data(), vectors(), SIGMA_BAR, SMALL)


def test_a_critic_knows_where_data_lie_and_its_actor_goes_there(found: Realism) -> None:
    assert found.figures.real > found.figures.prior + 0.2
    assert found.figures.moved > found.figures.prior + 0.1
    moved, _ = BOX.decode(vectors(500, 3)[0], found.actor)
    assert moved[:, 0].mean().item() == pytest.approx(2.0, abs=0.5)
    costs = [found.critic.cost(z[:, None]).mean() for z, _ in (data(), vectors())]
    assert costs[0] < 0.7 * costs[1]


def test_the_distance_penalty_keeps_it_near(found: Realism) -> None:
    near = fit_realism(BOX, data(), vectors(), SIGMA_BAR, replace(SMALL, distance=0.3))
    assert near.figures.z_mse < 0.6 * found.figures.z_mse


@dataclass(frozen=True)
class Sum:
    """A chain of two parts: before the second, the first is known, and what is seen is their sum."""

    @property
    def layout(self) -> LatentLayout:
        return LatentLayout(2, 1, 1)

    def decode(self, z: Tensor, move: Move | None = None) -> tuple[Tensor, Tensor]:
        first, second = z[:, :1, None], z[:, 1:, None]
        if move is not None:
            first = move(first, torch.zeros_like(first), 0)
            second = move(second, first, 1)
        moved = torch.cat([first, second], dim=1).squeeze(2)
        return moved, moved

    def draw_labels(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.zeros(count, 0)

    def score(self, decoded: Tensor) -> PartScores:
        return np.zeros((len(decoded), 1))

    def context(self, decoded: Tensor, z: Tensor) -> Tensor:
        return torch.stack([torch.zeros_like(decoded[:, 0]), decoded[:, 0]], dim=1)[:, :, None]

    def move_at_once(self, z: Tensor, context: Tensor, move: Move) -> Tensor:
        return move(z[..., None], context, 0)[..., 0]

    def features(self, decoded: Tensor) -> Tensor:
        return decoded.sum(dim=1)[:, None, None]

    def expected_features(self, z: Tensor, context: Tensor, decoded: Tensor) -> Tensor:
        return (z[:, 1] + context[:, 1, 0])[:, None, None]


def test_in_a_chain_a_part_is_moved_to_fit_what_came_before() -> None:
    z = torch.randn(600, 2, generator=torch.Generator().manual_seed(1))
    real = torch.stack([z[:, 0], 1.5 - z[:, 0] + 0.1 * z[:, 1]], dim=1)  # the sum is 1.5
    box = Sum()
    steady = replace(SMALL, critic_steps=20, actor_rate=1e-3, average=0.98)  # what SMALL comes to, rounding decides
    found = fit_realism(box, (real, real), (z, z), torch.ones(2), steady)
    fresh = torch.randn(400, 2, generator=torch.Generator().manual_seed(5))
    before, after = ((one.sum(dim=1) - 1.5).abs().mean() for one in (fresh, box.decode(fresh, found.actor)[0]))
    assert after < 0.85 * before


def test_a_seed_is_a_game_and_global_random_numbers_are_left_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one, again, other = (fit_realism(BOX, data(), vectors(), SIGMA_BAR, FEW, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    weights = [found.actor.enter.weight for found in (one, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert one.figures == again.figures


def test_what_others_made_is_not_real_either() -> None:
    elsewhere = data()[0] * torch.tensor([1.0, -3.0, 1.0, 1.0])  # where nothing else is
    elsewhere[:, 1] -= 4.0
    costs = []
    for others in (None, elsewhere):
        critic = fit_realism(BOX, data(), vectors(), SIGMA_BAR, SMALL, others=others).critic
        costs.append(float(critic.cost(elsewhere[:, None]).mean() - critic.cost(data()[0][:, None]).mean()))
    assert costs[1] > max(1.0, costs[0])


def test_every_round_is_reported() -> None:
    told: list[int] = []
    fit_realism(BOX, data(), vectors(), SIGMA_BAR, FEW, report=lambda number, belief: told.append(number))
    assert told == [1, 2]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"rounds": 0}, "rounds of at least 1, not 0"),
        ({"batch": 0}, "batch of at least 1"),
        ({"distance": -0.1}, "distance of at least 0, not -0.1"),
        ({"critic_rate": math.inf}, "critic_rate of at least 0"),
        ({"free_slope": 0.0}, "a free_slope above 0, not 0.0"),
        ({"average": 1.0}, r"average in \[0, 1\), not 1.0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, float], line: str) -> None:
    with pytest.raises(InputError, match=line):
        replace(SMALL, **change)  # type: ignore[arg-type]


def test_sizes_that_do_not_fit_are_refused() -> None:
    z, _ = vectors(5)
    for real, prior, sigma, line in (
        ((z[:, :2], z), (z, z), SIGMA_BAR, "real vectors are of shape"),
        ((z, z), (z, z[:2]), SIGMA_BAR, "prior vectors are of shape"),
        ((z[:0], z[:0]), (z, z), SIGMA_BAR, "real vectors are of shape"),
        ((z, z), (z, z), torch.zeros(DIM), "sigma_bar is 4 positive numbers"),
    ):
        with pytest.raises(InputError, match=line):
            RealismTraining(BOX, real, prior, sigma, SMALL)
