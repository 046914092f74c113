"""An actor finds known optima of scores that have no gradient, and says so honestly where it doesn't."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from melodylc.data import InputError
from melodylc.latent.actor import Actor, ActorConfig, LatentLayout, Move, condition
from melodylc.latent.fit import DistanceWeight, FitResult, FitSettings, Progress, Round, fit
from melodylc.latent.objective import PartScores, VectorObjective
from melodylc.latent.samples import Measurement, Samples, decode_and_score, summarise

Score = Callable[[torch.Tensor], PartScores]
DIM = 8
SIGMA = torch.full((DIM,), 0.3)
SMALL = FitSettings(
    bank=1000,
    rounds=20,
    warmup=100,
    actor_steps=10,
    critic_steps=15,
    batch=64,
    critic_batch=64,
    distance=DistanceWeight(initial=0.03, decay=1.0),
    actor_rate=2e-3,
    critic_rate=2e-3,
    hidden=32,
    critic_hidden=32,
    critic_layers=2,
    average=0.9,
    check_every=5,
    check=256,
)
FEW = replace(SMALL, rounds=4, check_every=2, warmup=5, actor_steps=2, critic_steps=2)


def steps(z: torch.Tensor) -> PartScores:
    """How many of the first four dimensions exceed 1: flat almost everywhere, optimal for 6 in 10,000 by chance."""
    return np.asarray((z[:, :4] > 1).double().mean(dim=1, keepdim=True))


def two(z: torch.Tensor) -> PartScores:
    """One part on three dimensions, another on two more that it doesn't know of."""
    return np.asarray(torch.stack([(z[:, :3] > 0.5).double().mean(dim=1), (z[:, 3:5] < -0.5).double().mean(dim=1)], 1))


def last_one(features: torch.Tensor) -> torch.Tensor:
    return features[:, 0, -1]


def measured(objective: VectorObjective, z: torch.Tensor, move: Move, labels: torch.Tensor) -> Measurement:
    return summarise(decode_and_score(objective, z, labels, move), z, SIGMA)


def ignore(_: Round) -> None:
    pass


def fitted(score: Score = steps, settings: FitSettings = FEW, report: Progress = ignore, seed: int = 0) -> FitResult:
    return fit(VectorObjective(DIM, score), SIGMA, settings=settings, seed=seed, report=report)


def same(one: Actor, other: Actor) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.fixture(scope="module")
def found() -> FitResult:
    return fitted(settings=SMALL)


def test_an_actor_finds_a_known_optimum_without_a_gradient(found: FitResult) -> None:
    assert found.prior.rate < 0.01
    assert found.measurement.rate > 0.95
    z = torch.randn(1000, DIM)
    assert (steps(VectorObjective(DIM, steps).decode(z, found.actor)[1]) == 1).mean() > 0.95
    assert not found.actor.training
    assert not found.interrupted


def test_the_critic_sees_the_view_alone() -> None:
    """Four rows of two: what matters is in the first two; a view that shows only the others leads nowhere."""
    found = fit(VectorObjective(DIM, steps, lambda z: z.view(-1, 4, 2)), SIGMA, settings=SMALL)
    assert found.critic.place.shape == (4, SMALL.critic_hidden)
    assert found.measurement.rate > 0.9
    blind = fit(VectorObjective(DIM, steps, lambda z: z[:, None, 4:]), SIGMA, settings=FEW)
    assert blind.measurement.rate < 0.05


def test_two_parts_at_once() -> None:
    found = fitted(two, SMALL)
    assert found.measurement.rate > 0.9
    assert min(found.measurement.rates) >= found.measurement.rate
    assert len(found.prior.means) == 2


def test_the_distance_penalty_keeps_the_actor_near() -> None:
    far, near = (
        fitted(settings=replace(SMALL, distance=DistanceWeight(initial=weight, decay=1.0))).measurement
        for weight in (0.003, 0.1)
    )
    assert near.rate > 0.9
    assert near.distance < 0.8 * far.distance


def test_another_cost_of_what_the_critic_sees_is_paid_too() -> None:
    """The score asks about the first four dimensions; a price on the last moves that one as well."""
    settings = replace(SMALL, rounds=8)
    free = fitted(settings=settings)
    unpaid = fit(VectorObjective(DIM, steps), SIGMA, settings=settings, extra_cost=last_one)
    paid = fit(
        VectorObjective(DIM, steps), SIGMA, settings=replace(settings, extra_cost_weight=1.0), extra_cost=last_one
    )
    assert same(free.actor, unpaid.actor)
    z = torch.randn(500, DIM, generator=torch.Generator().manual_seed(1))
    last = [VectorObjective(DIM, steps).decode(z, found.actor)[0][:, -1].mean() for found in (free, paid)]
    assert last[1] < last[0] - 0.5
    with pytest.raises(InputError, match="extra_cost_weight of at least 0"):
        replace(SMALL, extra_cost_weight=-1.0)


def test_lambda_falls_until_enough_obey_and_never_leaves_its_range() -> None:
    weight = DistanceWeight(initial=0.5, least=0.3, decay=0.8**4, pace=1.0)
    bounds, hurry = replace(FEW, distance=weight), replace(FEW, distance=replace(weight, pace=2.0))
    misses = fitted(lambda z: np.zeros((len(z), 1)), bounds).history
    assert [row.distance_weight for row in misses] == pytest.approx([0.4, 0.32, 0.3, 0.3][: len(misses)])
    hurried = fitted(lambda z: np.zeros((len(z), 1)), hurry).history
    assert [row.distance_weight for row in hurried] == pytest.approx([0.32, 0.3, 0.3, 0.3][: len(hurried)])
    some = fitted(lambda z: np.asarray((z[:, :1] > 0).double()), replace(hurry, actor_rate=0.0)).history
    assert some[-1].distance_weight > 0.45  # half of them obey: no hurry
    meets = fitted(lambda z: np.ones((len(z), 1)), bounds).history
    assert {row.distance_weight for row in meets} == {0.5}


def test_a_rule_that_nothing_meets_is_reported_as_such() -> None:
    found = fitted(lambda z: np.full((len(z), 1), 0.5))
    assert found.measurement.rate == found.prior.rate == 0.0
    assert found.measurement.means == (0.5,)


def test_a_seed_is_an_actor() -> None:
    before = torch.random.get_rng_state()
    one, again, other = fitted(seed=3), fitted(seed=3), fitted(seed=4)
    assert same(one.actor, again.actor)
    assert one.history == again.history
    assert one.measurement == again.measurement
    assert not same(one.actor, other.actor)
    assert torch.equal(before, torch.random.get_rng_state())


def test_progress_is_told_round_by_round() -> None:
    rounds: list[Round] = []
    found = fitted(report=rounds.append)
    assert [entry.number for entry in rounds] == [1, 2, 3, 4]
    assert [entry.best is None for entry in rounds] == [True, False, False, False]
    assert found.history == tuple(rounds)


def stop_after(number: int) -> Progress:
    def report(entry: Round) -> None:
        if entry.number == number:
            raise KeyboardInterrupt

    return report


def test_an_interrupt_keeps_the_best_so_far() -> None:
    found = fitted(report=stop_after(3))
    assert found.interrupted
    assert len(found.history) == 3
    assert same(found.actor, fitted(report=stop_after(2)).actor)


def test_an_interrupt_with_nothing_to_keep_goes_on() -> None:
    with pytest.raises(KeyboardInterrupt):
        fitted(report=stop_after(1))


def test_the_best_state_is_kept_not_the_last() -> None:
    spoilt = False

    def score(z: torch.Tensor) -> PartScores:
        return steps(z) * (0.0 if spoilt else 1.0)

    def spoil(entry: Round) -> None:
        nonlocal spoilt
        spoilt = entry.number >= 2

    found = fitted(score, report=spoil)
    assert same(found.actor, fitted(report=stop_after(2)).actor)
    assert found.measurement.means == (0.0,)  # measured anew, so it doesn't flatter


def test_a_bank_that_is_known_already_isn_t_decoded_again() -> None:
    decoded: list[int] = []

    class Counting(VectorObjective):
        def decode(self, z: torch.Tensor, move: Move | None = None) -> tuple[torch.Tensor, torch.Tensor]:
            decoded.append(len(z))
            return super().decode(z, move)

    z = torch.randn(500, DIM, generator=torch.Generator().manual_seed(1))
    found = fit(Counting(DIM, steps), SIGMA, bank=Samples.without_scores(z, z), settings=FEW)
    assert found.prior.count == 500
    assert found.prior.rate == (steps(z) == 1).mean()
    pair = [FEW.fresh, FEW.fresh, FEW.check]
    assert decoded == [*pair, *pair, FEW.measure]


def test_a_judge_measures_in_the_end() -> None:
    box = VectorObjective(DIM, lambda z: np.asarray((z[:, :1] > 20).double()))
    judged: list[Measurement] = []

    def judge(actor: Actor) -> Measurement:
        judged.append(measured(box, torch.full((30, DIM), 50.0), actor, torch.zeros(30, 0)))
        return judged[-1]

    found = fit(box, SIGMA, measure=judge, settings=FEW)
    assert (found.prior.rate, found.history[-1].measurement.rate) == (0.0, 0.0)
    assert judged == [found.measurement]
    assert (found.measurement.count, found.measurement.z_mse > 0) == (30, True)
    assert found.measurement.rate > 0.5  # gates start half shut


def test_an_interrupted_judge_costs_no_fit() -> None:
    def judge(actor: Actor) -> Measurement:
        raise KeyboardInterrupt

    found = fit(
        VectorObjective(DIM, lambda z: np.asarray((z[:, :1] > 20).double())), SIGMA, measure=judge, settings=FEW
    )
    assert found.interrupted
    assert found.measurement.count == FEW.check
    assert len(found.history) == FEW.rounds


@dataclass(frozen=True)
class Sums:
    """A chain of numbers that are added up, y_k = y_(k-1) + z_k: satisfied where all sums are near 1.

    By itself no part of z says whether it is right; an actor must know the sum so far.
    """

    parts: int = 6

    @property
    def layout(self) -> LatentLayout:
        return LatentLayout(self.parts, 1, 1)

    def draw_labels(self, count: int, generator: torch.Generator) -> torch.Tensor:
        return torch.zeros(count, 0)

    def decode(self, z: torch.Tensor, move: Move | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        moved, total = [], torch.zeros(len(z), 1, 1)
        for number in range(self.parts):
            part = z[:, number, None, None]
            moved.append(part if move is None else move(part, total, number).detach())
            total = total + moved[-1]
        together = torch.cat(moved, 1)[..., 0]
        return together, together.cumsum(1)

    def score(self, decoded: torch.Tensor) -> PartScores:
        return np.asarray((1 - (decoded - 1).abs().clamp(0.1, 1)).add(0.1).mean(1, keepdim=True).clamp(max=1).double())

    def context(self, decoded: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(decoded[:, :-1], (1, 0))[..., None]

    def move_at_once(self, z: torch.Tensor, context: torch.Tensor, move: Move) -> torch.Tensor:
        return move(z[..., None], context, 0)[..., 0]

    def features(self, decoded: torch.Tensor) -> torch.Tensor:
        return decoded[..., None]

    def expected_features(self, z: torch.Tensor, context: torch.Tensor, decoded: torch.Tensor) -> torch.Tensor:
        return z[..., None] + context


def test_a_part_is_moved_knowing_what_those_before_became() -> None:
    box = Sums()
    found = fit(
        box,
        torch.full((box.parts,), 0.3),
        settings=replace(SMALL, rounds=40, distance=DistanceWeight(initial=0.01, decay=1.0)),
    )
    assert found.prior.rate < 0.01
    assert found.measurement.rate > 0.9


def test_a_box_tells_its_actor_the_same_in_its_turn_and_at_once() -> None:
    box, z = Sums(), torch.randn(50, 6)
    actor = Actor(ActorConfig(*box.layout, hidden=16))
    moved, decoded = box.decode(z, actor)
    at_once = actor(z[..., None], box.context(decoded, z))[..., 0]
    torch.testing.assert_close(at_once.detach(), moved)


def test_a_start_is_where_it_starts_and_stays_as_it_was(found: FitResult) -> None:
    before = {name: value.clone() for name, value in found.actor.state_dict().items()}
    again = fit(
        VectorObjective(DIM, steps),
        SIGMA,
        settings=replace(FEW, actor_rate=0.0, critic_rate=0.0),
        initial_actor=found.actor,
    )
    assert again.measurement.rate > 0.95
    assert all(torch.equal(before[name], value) for name, value in found.actor.state_dict().items())


def test_vectors_come_from_the_prior_that_is_given() -> None:
    def shifted(count: int, generator: torch.Generator) -> torch.Tensor:
        return torch.randn(count, DIM, generator=generator) + 5

    assert fit(VectorObjective(DIM, steps), SIGMA, prior=shifted, settings=FEW).prior.rate > 0.99


def test_an_actor_learns_on_the_vectors_that_it_is_given() -> None:
    z = torch.randn(200, DIM, generator=torch.Generator().manual_seed(1)) + 2  # half a draw of N(0, I) away at least
    moved: list[torch.Tensor] = []

    class Watched(VectorObjective):
        def decode(self, z: torch.Tensor, move: Move | None = None) -> tuple[torch.Tensor, torch.Tensor]:
            moved.append(z)
            return super().decode(z, move)

    found = fit(Watched(DIM, steps), SIGMA, starts=Samples.without_scores(z, z), settings=FEW)
    _bank, *rounds = moved
    assert all((one[:, None] == z).all(2).any(1).all() for one in rounds)
    assert found.prior.rate < 0.02  # of N(0, I), not of those


class OneOfThree(VectorObjective):
    """A dimension above 1, below -1, or neither of these and the next one above 1: of each vector one is asked."""

    def draw_labels(self, count: int, generator: torch.Generator) -> torch.Tensor:
        return torch.eye(3)[torch.randint(3, (count,), generator=generator)]


def which(z: torch.Tensor) -> PartScores:
    middle = (z[:, 0].abs() < 0.5) & (z[:, 1] > 1)
    return np.asarray(torch.stack([z[:, 0] > 1, z[:, 0] < -1, middle], 1).double())


def test_an_actor_is_told_which_parts_are_asked() -> None:
    box = OneOfThree(DIM, which)
    found = fit(box, SIGMA, settings=replace(SMALL, rounds=40, exponents=(1.0,)))
    assert found.prior.rate < 0.15
    assert found.measurement.rate > 0.9  # what contradicts itself is never asked of one vector
    assert min(found.measurement.rates) > 0.8
    z = torch.randn(300, DIM, generator=torch.Generator().manual_seed(3))
    for part in range(3):
        told = torch.eye(3)[part].expand(len(z), -1)
        assert measured(box, z, condition(found.actor, told), told).rate > 0.8


def test_vectors_may_come_with_what_is_asked_of_them() -> None:
    z = torch.randn(600, DIM, generator=torch.Generator().manual_seed(1))
    told = torch.eye(3)[(z[:, 0] > 0).long()]
    asked: list[torch.Tensor] = []

    class Watched(OneOfThree):
        def draw_labels(self, count: int, generator: torch.Generator) -> torch.Tensor:
            asked.append(super().draw_labels(count, generator))
            return asked[-1]

    box = Watched(DIM, which)
    found = fit(
        box, SIGMA, settings=replace(SMALL, rounds=20, exponents=(1.0,)), starts=Samples.without_scores(z, z, told)
    )
    assert len(asked) == 2  # to learn what shape labels have, and of the bank
    assert found.measurement.rate > 0.9
    assert found.measurement.rates[2] == 0  # of nobody


def test_labels_are_of_all_parts() -> None:
    with pytest.raises(InputError, match="labels for 3 parts of a score that has 1"):
        fit(OneOfThree(DIM, steps), SIGMA, settings=FEW)


def test_the_stored_precision_is_what_was_measured() -> None:
    assert all(torch.equal(weight, weight.half().float()) for weight in fitted().actor.parameters())


@pytest.mark.parametrize(
    "fields",
    [
        {"bank": 0},
        {"rounds": 0},
        {"critic_batch": 0},
        {"change_weight": -1.0},
        {"augmented_share": 1.0},
        {"average": 1.0},
        {"exponents": ()},
        {"exponents": (0.0,)},
    ],
)
def test_settings_that_make_no_sense_are_named(fields: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(fields))):
        replace(FEW, **fields)  # type: ignore[arg-type]


def test_what_no_vector_leads_to_is_scored_and_taught() -> None:
    """A score that all of the bank lacks: only what is made of it shows the critic where it is to be had."""
    scored: list[torch.Tensor] = []

    def far(z: torch.Tensor) -> PartScores:
        scored.append(z)
        return np.asarray((z[:, :1] > 6).double())

    def distort(decoded: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return decoded + 8 * torch.rand(len(decoded), 1, generator=generator)

    settings = replace(FEW, augmentations=300, augmented_share=0.5, warmup=200)
    plain = fit(VectorObjective(DIM, far), SIGMA, settings=settings)
    assert not any((z[:, 0] > 6).any() for z in scored)
    taught = fit(VectorObjective(DIM, far), SIGMA, settings=settings, augment=distort)
    assert any(len(z) == 300 and (z[:, 0] > 6).any() for z in scored)
    high, low = torch.zeros(1, DIM) + 8, torch.zeros(1, DIM)
    sure = [float((found.critic(high[None]) - found.critic(low[None])).min()) for found in (plain, taught)]
    assert sure[1] > 2 > sure[0]


def test_a_critic_to_begin_from_stays_as_it_was_and_knows_what_to_look_at(found: FitResult) -> None:
    before = {name: it.clone() for name, it in found.critic.state_dict().items()}
    still = replace(FEW, actor_rate=0.0, warmup=30, critic_rate=0.0, readout_rate=0.02)
    other = fit(VectorObjective(DIM, steps), SIGMA, settings=still, initial_critic=found.critic).critic
    assert all(torch.equal(before[name], it) for name, it in found.critic.state_dict().items())
    kept = {name for name, it in other.state_dict().items() if torch.equal(before[name], it)}
    assert set(before) - kept == {name for name in before if name.startswith(f"all.{len(other.all) - 1}.")}
    fresh = found.critic.with_new_readout(3, (1.0, 2.0))
    assert fresh(torch.randn(5, 1, DIM)).shape == (5, 3, 2)
    assert not fresh(torch.randn(5, 1, DIM)).any()


def test_a_schedule_that_makes_no_sense_is_named() -> None:
    for name, value in (("initial", -1.0), ("least", -0.1), ("decay", 1.1), ("pace", -1.0), ("patience", -1.0)):
        with pytest.raises(InputError, match=name):
            DistanceWeight(**{name: value})


def test_settings_of_an_earlier_version_are_read() -> None:
    former: dict[str, object] = {
        "rounds": 7,
        "hard": 0.1,
        "lesson": 9,
        "invented": 0.2,
        "rate": 0.3,
        "full": 0.4,
        "faithful": 5.0,
    }
    former |= {
        "also": 6.0,
        "distorted": 8,
        "distance": 0.5,
        "cheapest": 0.01,
        "fall": 0.6,
        "hurry": 2.0,
        "patience": 1.0,
    }
    former |= {"clip": 1.0, "exponents": [1.0, "inf"], "seed": 3}
    read = FitSettings.from_dict(former)
    assert (read.rounds, read.hard_share, read.critic_batch, read.augmented_share) == (7, 0.1, 9, 0.2)
    assert (read.actor_rate, read.full_rate_share, read.change_weight, read.extra_cost_weight) == (0.3, 0.4, 5.0, 6.0)
    assert (read.augmentations, read.exponents) == (8, (1.0, math.inf))
    assert read.distance == DistanceWeight(0.5, 0.01, 0.6, 2.0, 1.0)


def test_sizes_that_don_t_fit_are_refused() -> None:
    box, z = VectorObjective(DIM, steps), torch.zeros(5, DIM)
    with pytest.raises(InputError, match="8 positive numbers"):
        fit(box, torch.ones(3))
    with pytest.raises(InputError, match="8 positive numbers"):
        fit(box, torch.zeros(DIM))
    with pytest.raises(InputError, match=r"shape \(1, 4, 0\), not \(1, 8, 0\)"):
        fit(box, SIGMA, initial_actor=Actor(ActorConfig(1, 4)))
    with pytest.raises(InputError, match=r"\(n, 8\)"):
        fit(box, SIGMA, bank=Samples.without_scores(torch.zeros(5, 3), z))
    with pytest.raises(InputError, match="5 vectors and 4"):
        fit(box, SIGMA, bank=Samples.without_scores(z, z[:4]))


def test_a_score_that_changes_its_parts_is_refused() -> None:
    asked = iter((steps, two))
    with pytest.raises(InputError, match="2 parts"):
        fit(VectorObjective(DIM, lambda z: next(asked)(z)), SIGMA, settings=FEW)
