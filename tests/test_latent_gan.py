"""The game of actor and critic: the penalty by hand, a known optimum, and a game that was stopped."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.latent.actor import Actor, ActorConfig, move_vectors
from melodylc.latent.distance import distance
from melodylc.latent.gan import ConditionalCritic, GANSettings, LatentGAN, fake_loss, flip_one_label, gradient_penalty
from melodylc.latent.samples import Encodings

DIM = 4
SMALL = GANSettings(
    steps=200, critic_steps=3, batch=32, critic_rate=3e-3, actor_rate=3e-3, hidden=32, layers=2, average=0.9
)
SIGMA_BAR = torch.full((DIM,), 0.3)


def clusters(count: int = 600) -> Encodings:
    """Two classes: 1.5 and -1.5 in the first dimension, N(0, 1) in the others."""
    generator = torch.Generator().manual_seed(1)
    mean = torch.randn(count, DIM, generator=generator)
    classes = torch.arange(count) % 2
    mean[:, 0] = 1.5 - 3.0 * classes + 0.1 * mean[:, 0]
    return Encodings(mean, torch.full((count, DIM), 0.1), torch.eye(2)[classes])


def played(encodings: Encodings, settings: GANSettings, seed: int = 0) -> LatentGAN:
    game = LatentGAN(encodings, SIGMA_BAR, settings, seed)
    for _ in range(settings.steps):
        game.step()
    return game


def right(game: LatentGAN) -> float:
    """Share of moved prior samples that lie on the side of the class they were told."""
    generator = torch.Generator().manual_seed(2)
    labels = torch.eye(2)[torch.arange(400) % 2]
    with torch.no_grad():
        moved = move_vectors(game.mean_actor, torch.randn(400, DIM, generator=generator), labels)
    return float(((moved[:, 0] > 0) == (labels[:, 0] == 1)).float().mean())


@pytest.fixture(scope="module")
def free() -> LatentGAN:
    return played(clusters(), SMALL)


# -- the parts ---------------------------------------------------------------------------------


def linear_critic(slope: Tensor) -> ConditionalCritic:
    """A critic whose logit is slope . z + 20, so that D itself is flat."""
    critic = ConditionalCritic(len(slope), hidden=1, layers=1)
    critic.network = torch.nn.Sequential(torch.nn.Linear(len(slope), 1))
    with torch.no_grad():
        critic.network[0].weight.copy_(slope[None])  # type: ignore[operator]
        critic.network[0].bias.fill_(20.0)  # type: ignore[operator]
    return critic


def test_the_gradient_penalty_acts_on_the_logit() -> None:
    # |slope| = 5 everywhere, so 10 * (5 - 1)^2 = 160; of D, whose slope is about 0 here, it would be 10.
    real, other, random = torch.randn(8, 2), torch.randn(8, 2), torch.Generator().manual_seed(0)
    critic = linear_critic(torch.tensor([3.0, 4.0]))
    assert gradient_penalty(critic, real, other, random).item() == pytest.approx(160.0, rel=1e-5)
    assert gradient_penalty(critic, real, other, random, weight=0.5).item() == pytest.approx(8.0, rel=1e-5)


def test_of_rows_the_gradient_penalty_counts_all() -> None:
    # A slope of 1 in each of four places is one of 2, and so 10 * (2 - 1)^2.
    real, other = torch.randn(8, 2, 2), torch.randn(8, 2, 2)
    random = torch.Generator().manual_seed(0)
    assert gradient_penalty(lambda rows: rows.sum(dim=(1, 2)), real, other, random).item() == pytest.approx(10.0)


def test_the_gradient_penalty_looks_between_the_two_batches_in_each_dimension() -> None:
    seen: list[Tensor] = []

    class Spy(ConditionalCritic):
        def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
            seen.append(z.detach())
            return super().forward(z, labels)

    real, other = torch.ones(200, 3), torch.zeros(200, 3)
    gradient_penalty(Spy(3, hidden=4, layers=1), real, other, torch.Generator().manual_seed(0))
    (between,) = seen
    assert ((between >= 0) & (between <= 1)).all()
    assert between.std(dim=1).mean() > 0.15  # one share for a whole vector would give 0


def test_costs_are_the_cross_entropies_of_both_answers() -> None:
    critic, z = ConditionalCritic(3, hidden=8, layers=2), torch.randn(10, 3)
    chance = torch.sigmoid(critic(z))
    assert torch.allclose(critic.cost(z), -chance.log(), atol=1e-5)
    assert torch.allclose(fake_loss(critic(z)), -(1 - chance).log(), atol=1e-5)


def test_encodings_are_drawn_from_their_gaussians() -> None:
    encodings = Encodings(torch.tensor([[5.0, -5.0]]), torch.tensor([[0.5, 2.0]]), torch.ones(1, 1))
    z, labels = encodings.sample(20_000, torch.Generator().manual_seed(0))
    assert torch.allclose(z.mean(0), torch.tensor([5.0, -5.0]), atol=0.05)
    assert torch.allclose(z.std(0), torch.tensor([0.5, 2.0]), rtol=0.03)
    assert labels.shape == (20_000, 1)
    assert encodings.sigma_bar.tolist() == [0.5, 2.0]


def test_labels_move_a_vector_elsewhere_and_no_other_row() -> None:
    torch.manual_seed(0)
    actor, z = Actor(ActorConfig.of_vectors(3, 2, hidden=8, layers=3, bound=4.0)), torch.randn(5, 3)
    first, second, both = (move_vectors(actor, z, torch.eye(2)[row]) for row in ([0] * 5, [1] * 5, [0, 0, 1, 1, 1]))
    assert not torch.isclose(first, second).all(dim=1).any()
    torch.testing.assert_close(both, torch.cat([first[:2], second[2:]]))


# -- the game ----------------------------------------------------------------------------------


def test_an_actor_learns_to_obey_labels(free: LatentGAN) -> None:
    assert 0.4 < right(LatentGAN(clusters(), SIGMA_BAR, SMALL)) < 0.6
    assert right(free) > 0.97


def test_the_distance_penalty_keeps_it_near(free: LatentGAN) -> None:
    near = played(clusters(), replace(SMALL, distance=0.3))
    prior = torch.randn(500, DIM, generator=torch.Generator().manual_seed(3))
    labels = torch.eye(2)[torch.arange(500) % 2]
    with torch.no_grad():
        far = [distance(move_vectors(game.mean_actor, prior, labels), prior, SIGMA_BAR).mean() for game in (near, free)]
    assert far[0] < 0.6 * far[1]
    assert right(near) > 0.7  # dear as a step is, it goes where it was told


def test_without_other_labels_to_compare_the_third_term_is_nothing() -> None:
    game = LatentGAN(replace(clusters(), labels=torch.ones(600, 2)), SIGMA_BAR, SMALL)
    real, labels = game.encodings.sample(32, game.generator)
    false, third, _, counts = game._fake(real, torch.zeros(32, DIM), torch.ones(32, DIM), labels)
    assert torch.equal(third, real)
    assert counts.sum() == 0
    assert set(false.flatten().tolist()) == {0.0, 1.0}
    assert 0.7 < false.mean() < 1.0  # a tenth are bare prior samples
    *_, others, counts = LatentGAN(clusters(), SIGMA_BAR, SMALL)._fake(
        real, real, real, torch.eye(2)[torch.arange(32) % 2]
    )
    assert torch.equal(counts, (others != torch.eye(2)[torch.arange(32) % 2]).any(dim=1).float())
    assert 4 < counts.sum() < 28


def test_wrong_labels_may_be_wrong_in_one_alone() -> None:
    labels = torch.randint(2, (3000, 5), generator=torch.Generator().manual_seed(1)).float()
    changed = flip_one_label(labels, torch.Generator().manual_seed(2)) != labels
    assert (changed.sum(dim=1) == 1).all()
    assert torch.allclose(changed.float().mean(dim=0), torch.full((5,), 0.2), atol=0.03)
    for turned, low, high in ((0.0, 0.0, 0.0), (0.5, 0.45, 0.55), (1.0, 1.0, 1.0)):
        game = LatentGAN(clusters(), SIGMA_BAR, replace(SMALL, flip_share=turned))
        others = game._mismatch(torch.eye(2)[torch.arange(2000) % 2])  # exactly one is right: others have two or none
        assert low <= (others.sum(dim=1) != 1).float().mean() <= high


def first_loss(settings: GANSettings) -> float:
    return LatentGAN(clusters(), SIGMA_BAR, replace(settings, critic_steps=1)).step().critic


def test_the_weight_of_wrong_labels_is_that_of_their_term() -> None:
    # Before the first step the critic is the same, and so is what it is shown.
    losses = [first_loss(replace(SMALL, mismatch_weight=weight)) for weight in (0.0, 1.0, 4.0)]
    assert losses[1] > losses[0]
    assert losses[2] - losses[0] == pytest.approx(4 * (losses[1] - losses[0]), rel=1e-4)


def test_a_game_weighs_its_gradient_penalty_as_it_is_told() -> None:
    steep = [LatentGAN(clusters(), SIGMA_BAR, replace(SMALL, penalty_weight=weight)) for weight in (10.0, 1.0, 0.0)]
    real, false = torch.ones(8, DIM), torch.zeros(8, DIM)
    found = [game._penalty(lambda z: 3 * z.sum(dim=1), real, false).item() for game in steep]
    assert found == pytest.approx([250.0, 25.0, 0.0])  # a slope of 3 in each of four dimensions is one of 6


def test_a_game_that_was_stopped_is_the_game_that_was_not() -> None:
    settings = replace(SMALL, steps=6, distance=0.1)
    whole = played(clusters(), settings)
    first = LatentGAN(clusters(), SIGMA_BAR, settings)
    for _ in range(2):
        first.step()
    second = LatentGAN(clusters(), SIGMA_BAR, settings, seed=9)
    second.restore({name: tensor.clone() for name, tensor in first.state().items()})
    while second.round_number < settings.steps:
        second.step()
    expected = whole.state()
    assert expected.keys() == second.state().keys()
    assert not [name for name, tensor in second.state().items() if not tensor.equal(expected[name])]


def test_a_state_of_an_earlier_version_goes_on() -> None:
    first = LatentGAN(clusters(), SIGMA_BAR, SMALL)
    first.step()
    former = {name.replace("label_layer", "told"): tensor.clone() for name, tensor in first.state().items()}
    assert former.keys() != first.state().keys()
    second = LatentGAN(clusters(), SIGMA_BAR, SMALL, seed=9)
    second.restore(former)
    assert not [name for name, tensor in second.state().items() if not tensor.equal(first.state()[name])]


def test_another_seed_is_another_game() -> None:
    settings = replace(SMALL, steps=1)
    weights = [played(clusters(), settings, seed).mean_actor.network[0].weight for seed in (0, 0, 1)]
    assert torch.equal(weights[0], weights[1])  # type: ignore[arg-type]
    assert not torch.equal(weights[0], weights[2])  # type: ignore[arg-type]


def test_global_random_numbers_are_left_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    played(clusters(), replace(SMALL, steps=1))
    assert torch.equal(torch.rand(1), expected)


# -- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"steps": 0}, "steps of at least 1, not 0"),
        ({"critic_steps": 0}, "critic_steps of at least 1"),
        ({"actor_batch": 0}, "actor_batch of at least 1, not 0"),
        ({"distance": -0.1}, "distance of at least 0, not -0.1"),
        ({"critic_rate": math.inf}, "critic_rate of at least 0"),
        ({"penalty_weight": -1.0}, "penalty_weight of at least 0, not -1.0"),
        ({"prior_share": 1.0}, r"prior_share in \[0, 1\), not 1.0"),
        ({"average": -1.0}, r"average in \[0, 1\)"),
        ({"flip_share": 1.1}, r"flip_share in \[0, 1\], not 1.1"),
        ({"spread_share": -0.1}, r"spread_share in \[0, 1\], not -0.1"),
        ({"mismatch_weight": -1.0}, "mismatch_weight of at least 0, not -1.0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, float], line: str) -> None:
    with pytest.raises(InputError, match=line):
        replace(SMALL, **change)  # type: ignore[arg-type]


def test_the_actor_learns_from_as_many_vectors_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    known = Encodings.sample_labels

    def noted(self: Encodings, count: int, generator: torch.Generator) -> Tensor:
        drawn.append(count)
        return known(self, count, generator)

    monkeypatch.setattr(Encodings, "sample_labels", noted)
    for settings in (SMALL, replace(SMALL, actor_batch=80)):
        LatentGAN(clusters(), SIGMA_BAR, settings).step()
    assert drawn == [32, 80]


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="sigma_bar is 4 positive numbers"):
        LatentGAN(clusters(), torch.ones(3), SMALL)
    with pytest.raises(InputError, match="labels of shape"):
        Encodings(torch.zeros(3, 2), torch.ones(3, 2), torch.zeros(2, 1))
    with pytest.raises(InputError, match="encodings of shape"):
        Encodings(torch.zeros(0, 2), torch.ones(0, 2), torch.zeros(0, 1))


def test_labels_where_none_are_taken_are_refused_and_the_other_way_round() -> None:
    actor = Actor(ActorConfig.of_vectors(2, 0, hidden=8, layers=2, bound=4.0))
    with pytest.raises(InputError, match="takes no labels, and was given 1"):
        move_vectors(actor, torch.zeros(1, 2), torch.zeros(1, 1))
    with pytest.raises(InputError, match="takes 3 labels, and was given none"):
        ConditionalCritic(2, 3)(torch.zeros(1, 2))


def test_the_penalty_measures_slopes_in_the_critics_units() -> None:
    scale = torch.tensor([1.0, 2.0, 4.0])
    critic = ConditionalCritic(3, hidden=8, layers=1, scale=scale)
    plain = ConditionalCritic(3, hidden=8, layers=1)
    plain.network.load_state_dict(critic.network.state_dict())
    z, other = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(critic(z), plain(scale * z))
    found = gradient_penalty(critic, z, other, torch.Generator().manual_seed(1), scale)
    wanted = gradient_penalty(plain, scale * z, scale * other, torch.Generator().manual_seed(1))
    torch.testing.assert_close(found, wanted)


def test_a_sharp_game_has_a_critic_in_units_of_the_encoders_deviation() -> None:
    game = LatentGAN(clusters(), torch.tensor([0.04, 0.25, 1.0, 1.0]), replace(SMALL, whitening=0.5))
    torch.testing.assert_close(game.critic.scale, torch.tensor([5.0, 2.0, 1.0, 1.0]))
    assert game.step().step == 1
