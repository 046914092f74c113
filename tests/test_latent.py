"""Distance, actor and critic: numbers worked out by hand, bounds, a function that is known."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from melodylc.data import InputError
from melodylc.latent.actor import Actor, ActorConfig
from melodylc.latent.critic import Critic
from melodylc.latent.distance import distance, z_mse
from melodylc.latent.objective import VectorObjective
from melodylc.latent.samples import Samples, decode_and_score, summarise

START = torch.tensor([[0.0, 1.0], [3.0, 3.0]])
MOVED = torch.tensor([[1.0, -1.0], [3.0, 3.0]])  # by 1 and -2, and not at all
SIGMA = torch.tensor([0.5, 2.0])


def test_the_distance_by_hand() -> None:
    # log(1 + 1) / 0.25 = 2.7725887, log(1 + 4) / 4 = 0.4023595, and their mean
    assert distance(MOVED, START, SIGMA).tolist() == pytest.approx([1.5874741, 0.0], abs=1e-6)


def test_the_notebook_s_distance_by_hand() -> None:
    assert z_mse(MOVED, START, SIGMA).tolist() == [(4 + 1) / 2, 0.0]


NOTHING = torch.zeros(64, 1, 0)  # what is known before the only part
FIELDS: list[dict[str, float]] = [
    {"parts": 0},
    {"size": 0},
    {"context": -1},
    {"hidden": 0},
    {"layers": 0},
    {"bound": 0.0},
    {"bound": math.inf},
]


def gated(gate: float, proposal: float) -> Actor:
    """An actor whose gates and proposals are the same whatever z is."""
    actor = Actor(ActorConfig(parts=1, size=4, hidden=8, bound=3.0))
    last = actor.network[-1]
    assert isinstance(last, torch.nn.Linear)
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor([proposal] * 4 + [gate] * 4))
    return actor


def test_a_closed_gate_changes_nothing() -> None:
    z = 5 * torch.randn(64, 1, 4)
    assert torch.equal(gated(-1e4, 2.0)(z, NOTHING), z)


def test_an_open_gate_gives_the_bounded_proposal() -> None:
    moved = gated(1e4, 1.5)(torch.randn(64, 1, 4), NOTHING)
    assert moved.detach().numpy() == pytest.approx(3 * math.tanh(0.5))


@given(st.floats(-1e6, 1e6), st.floats(-50, 50), st.integers(0, 100))
def test_no_dimension_leaves_the_bound_unless_it_was_outside(proposal: float, gate: float, seed: int) -> None:
    z = 2 * torch.randn(64, 1, 4, generator=torch.Generator().manual_seed(seed))
    moved = gated(gate, proposal)(z, NOTHING)
    assert (moved.abs() <= z.abs().clamp(min=3.0) + 1e-5).all()


@pytest.mark.parametrize("fields", FIELDS)
def test_an_actor_of_no_shape_is_refused(fields: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(fields))} is"):
        ActorConfig(**{"parts": 1, "size": 4, **fields})  # type: ignore[arg-type]


def test_an_actor_knows_which_part_it_moves() -> None:
    torch.manual_seed(0)
    actor, z = Actor(ActorConfig(parts=3, size=4, context=2, hidden=8)), torch.randn(5, 1, 4).expand(5, 3, 4)
    torch.nn.init.normal_(actor.place)
    context = torch.randn(5, 1, 2).expand(5, 3, 2)
    moved = actor(z, context)
    assert not torch.allclose(moved[:, 0], moved[:, 1])
    torch.testing.assert_close(actor(z[:, 1:], context[:, 1:], 1), moved[:, 1:])
    assert not torch.allclose(actor(z, context + 1), moved)


def test_the_critic_fits_a_known_function() -> None:
    torch.manual_seed(0)
    critic = Critic(1, 3, parts=2, exponents=(1.0, 4.0), hidden=32, layers=2)
    optimiser = torch.optim.Adam(critic.parameters(), 1e-2)

    def known(z: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.sigmoid(2 * z[:, 0]), torch.sigmoid(z[:, 1] * z[:, 2])], dim=1)

    for _ in range(150):
        z = torch.randn(128, 3)
        optimiser.zero_grad()
        critic.loss(z[:, None], known(z)).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    z = torch.randn(500, 3)
    error = (torch.sigmoid(critic(z[:, None])) - critic.targets(known(z))).abs()
    assert error.mean() < 0.04


def test_the_critic_learns_from_rows_what_holds_in_each() -> None:
    """Sixteen rows, one unknown feature in each, a share of them: easy in view, out of reach in a vector of 64."""
    torch.manual_seed(0)
    errors = {}
    lessons, unseen = torch.randn(1000, 16, 4), torch.randn(1000, 16, 4)

    def known(rows: torch.Tensor) -> torch.Tensor:
        return (rows[..., 0] * rows[..., 1] > 0).float().mean(dim=1, keepdim=True)

    for shape in ((16, 4), (1, 64)):
        critic = Critic(*shape, parts=1, hidden=32)
        optimiser = torch.optim.Adam(critic.parameters(), 3e-3)
        for _ in range(300):
            chosen = torch.randint(1000, (64,))
            optimiser.zero_grad()
            critic.loss(lessons[chosen].view(-1, *shape), known(lessons[chosen])).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        guess = torch.sigmoid(critic(unseen.view(-1, *shape)))[..., 0]
        errors[shape] = (guess - known(unseen)).square().mean() / known(unseen).var()
    assert errors[16, 4] < 0.5 < 0.9 < errors[1, 64]


def test_the_critic_knows_which_row_it_looks_at() -> None:
    torch.manual_seed(0)
    critic = Critic(4, 3, parts=1, hidden=16)
    view = torch.randn(5, 4, 3)
    optimiser = torch.optim.Adam(critic.parameters(), 1e-2)
    critic.loss(view, torch.rand(5, 1)).backward()  # type: ignore[no-untyped-call]
    assert torch.allclose(critic(view), critic(view.flip(1)))
    optimiser.step()
    assert not torch.allclose(critic(view), critic(view.flip(1)))


def test_the_critic_s_targets_sharpen() -> None:
    targets = Critic(1, 2, parts=1, exponents=(1.0, 16.0, math.inf)).targets(torch.tensor([[0.98], [1.0], [0.0]]))
    assert targets[:, 0].tolist() == [pytest.approx([0.98, 0.98**16, 0.0]), [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]


def test_the_critic_s_cost_by_hand() -> None:
    critic = Critic(1, 2, parts=2, hidden=8)
    last = critic.all[-1]
    assert isinstance(last, torch.nn.Linear)
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor([0.0, math.log(3)]))  # D is 1/2 and 3/4
    expected = -(math.log(0.5) + math.log(0.75)) / 2
    assert critic.cost(torch.randn(3, 1, 2)).tolist() == pytest.approx([expected] * 3)


def test_a_power_counts_once_it_is_reached() -> None:
    critic = Critic(1, 2, parts=2, exponents=(1.0, 16.0, math.inf), hidden=8)
    scores = torch.tensor([[0.5, 1.0], [0.5, 0.9]])
    reached = critic.active_powers(scores, 0.01)
    assert reached.tolist() == [[True, False, False], [True, True, True]]
    assert critic.active_powers(torch.zeros(3, 2), 0.01)[:, 0].all()  # the lowest always
    last = critic.all[-1]
    assert isinstance(last, torch.nn.Linear)
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor([0.0, -9.0, -9.0, math.log(3), math.log(3), math.log(3)]))  # D is 1/2 and 3/4
    expected = -(math.log(0.5) + math.log(0.75)) / 2
    assert critic.cost(torch.randn(3, 1, 2), active=reached).tolist() == pytest.approx([expected] * 3)


def test_answers_amount_to_what_they_are() -> None:
    answers = Samples(MOVED, MOVED, torch.zeros(2, 0), torch.tensor([[1.0, 0.5], [1.0, 1.0]]))
    measured = summarise(answers, START, SIGMA)
    assert (measured.count, measured.rate, measured.rates, measured.means) == (2, 0.5, (1.0, 0.5), (1.0, 0.75))
    assert measured.distance == pytest.approx(1.5874741 / 2)
    assert measured.z_mse == 1.25


def test_what_is_nearly_one_isn_t_rounded_to_it() -> None:
    nearly, nothing = np.array([[1 - 1e-12], [1.0]]), torch.zeros(2, 1)
    answers = decode_and_score(VectorObjective(1, lambda _: nearly), nothing, nothing[:, :0])
    assert (answers.scores == 1).tolist() == [[False], [True]]


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ([[math.nan], [0.0]], "nan"),
        ([[1.3], [0.0]], "1.3"),
        ([[0.0], [-0.5]], "-0.5"),
        ([0.0, 0.0], r"\(2, parts\)"),
        ([[0.0]], r"\(1, 1\)"),
        ([[], []], r"\(2, 0\)"),
    ],
)
def test_a_score_that_isn_t_one_is_refused(answer: list[object], named: str) -> None:
    with pytest.raises(InputError, match=named):
        decode_and_score(VectorObjective(1, lambda _: np.array(answer)), torch.zeros(2, 1), torch.zeros(2, 0))


def test_half_of_a_sample_is_recent() -> None:
    z = torch.arange(1000.0)[:, None]
    bank = Samples(z, z, torch.zeros(1000, 0), torch.zeros(1000, 1))
    drawn = bank.sample(400, torch.Generator().manual_seed(0), recent=10)
    assert (drawn.z[200:] >= 990).all()
    assert (drawn.z[:200] < 990).sum() > 150
