"""Optimisation instead of an actor: gradient descent in latent space until every critic is satisfied.

    z* = argmin_z  sum_j w_j * L_j(z) * [L_j(z) > t_j]  +  lambda * L_dist(z, z_0),   from z_0, by Adam

L_j is a differentiable cost of a vector, such as a critic's L_1 = -log D, and t_j is where it is low enough: a goal
that is met no longer pulls, and a vector that meets all of its goals stays where it is. From the encoding of an
example z_0 this is the paper's identity-preserving transformation; from a sample of the prior it generates.

No vector knows of the others beside it: each has moments and a count of steps of its own. Nothing is random.

`satisfy` does that along the slope of a critic that was fitted to an objective. Such a critic reads features, and
features lean on what was decoded, which changes as vectors move: every few steps they are decoded anew. They are scored
then, too: the objective itself says which vectors satisfy it, and these stay where they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite

import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.latent.critic import Critic
from melodylc.latent.distance import distance
from melodylc.latent.objective import Objective

Cost = Callable[[Tensor], Tensor]
"""Vectors (n, dim) to a number for each, (n,), that says nothing of the others and has a gradient; less is better."""


@dataclass(frozen=True)
class Goal:
    """A cost, what it weighs, and where it is low enough. A critic's D of 0.9 is a cost of -log 0.9.

    Raises:
        InputError: a weight that isn't positive, or a threshold that is no number.
    """

    cost: Cost
    weight: float = 1.0
    threshold: float = -inf  #: a vector whose cost is at most this has met the goal; -inf: never

    def __post_init__(self) -> None:
        if not 0 < self.weight < inf:
            raise InputError(f"a goal's weight is a positive number, not {self.weight}")
        if not self.threshold < inf:
            raise InputError(f"a goal's threshold is a number, not {self.threshold}")


Goals = Sequence[Goal] | Callable[[Tensor], Sequence[Goal]]
"""Goals, or what makes goals for where vectors (n, dim) are now: it is asked again every `renew` steps."""


@dataclass(frozen=True)
class OptimiseSettings:
    """How vectors are optimised.

    Raises:
        InputError: a number that makes no sense, by name.
    """

    steps: int = 100  #: most of them
    rate: float = 0.1  #: Adam's learning rate
    betas: tuple[float, float] = (0.9, 0.999)  #: Adam's
    distance: float = 0.0  #: lambda, the weight of L_dist to where a vector began
    renew: int = 10  #: steps until goals that depend on where vectors are get made anew
    frames: int = 0  #: steps between the states on the way that are returned; 0: none are

    def __post_init__(self) -> None:
        for name, least in (("steps", 0), ("renew", 1), ("frames", 0)):
            if getattr(self, name) < least:
                raise InputError(f"optimising needs {name} of at least {least}, not {getattr(self, name)}")
        for name in ("rate", "distance"):
            if not (isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise InputError(f"optimising needs {name} of at least 0, not {getattr(self, name)}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise InputError(f"optimising needs betas in [0, 1), not {self.betas}")


@dataclass(frozen=True)
class OptimiseResult:
    """Where vectors ended."""

    z: Tensor  #: (n, dim)
    satisfaction: Tensor  #: (n,), bool: whether all goals are met there
    costs: Tensor  #: (n, goals), what each goal costs there
    steps: Tensor  #: (n,), int64: how many steps a vector moved
    frames: Tensor  #: (frames, n, dim): the start, the states on the way, and the end; (0, n, dim) without


@dataclass(frozen=True)
class OptimiseStep:
    """How far it is."""

    number: int  #: 0 before the first step
    steps: int  #: the most there can be
    satisfied: int  #: vectors that meet all goals
    costs: tuple[float, ...]  #: each goal's, mean over the vectors


def optimise(
    start: Tensor,
    goals: Goals,
    settings: OptimiseSettings | None = None,
    *,
    sigma_bar: Tensor | None = None,
    report: Callable[[OptimiseStep], None] = lambda _: None,
) -> OptimiseResult:
    """Move vectors down the slope of their goals' costs, each until it meets them all or the steps are spent.

    Args:
        start: (n, dim), where they begin; stays as it is.
        goals: what is wanted of them. Where these depend on what vectors become, they are made from the latest before
            anything counts as met for good.
        settings: how to go about it.
        sigma_bar: (dim,), positive, what the distance is measured in; 1 everywhere if None.
        report: called before each step, and at the end.

    Raises:
        InputError: no goals, a cost of another shape, or sizes that don't fit each other.

    >>> near = Goal(lambda z: (z - 3).square().sum(dim=-1), threshold=0.1)
    >>> end = optimise(torch.tensor([[0.0], [3.1]]), [near])
    >>> end.satisfaction.tolist(), bool(end.steps[0] > 20), int(end.steps[1]), end.z[1].tolist()
    ([True, True], True, 0, [3.0999999046325684])
    """
    settings = settings or OptimiseSettings()
    if start.ndim != 2 or (sigma_bar is not None and sigma_bar.shape != start.shape[1:]):
        given = tuple(sigma_bar.shape) if sigma_bar is not None else "none"
        raise InputError(f"vectors have shape (n, dim) and sigma_bar (dim,), not {tuple(start.shape)} and {given}")
    sigma_bar = torch.ones_like(start[0]) if sigma_bar is None else sigma_bar
    with torch.enable_grad():
        return _descend(start.detach().clone(), goals, settings, sigma_bar, report)


def _descend(
    start: Tensor, goals: Goals, settings: OptimiseSettings, sigma_bar: Tensor, report: Callable[[OptimiseStep], None]
) -> OptimiseResult:
    adam = _Adam(start, settings)
    frames = [start] if settings.frames else []
    z, now, fresh = start, _current(goals, start), True
    for step in range(settings.steps + 1):
        last = step == settings.steps
        if not fresh and (last or step % settings.renew == 0):
            now, fresh = _current(goals, z), True
        costs, open_, slope = _look(z, now, start, settings.distance, sigma_bar)
        if not fresh and not open_.any():
            now, fresh = _current(goals, z), True
            costs, open_, slope = _look(z, now, start, settings.distance, sigma_bar)
        moving = open_.any(dim=1)
        report(OptimiseStep(step, settings.steps, int((~moving).sum()), tuple(costs.mean(dim=0).tolist())))
        if last or not moving.any():
            break
        z, fresh = adam.step(z, slope, moving), not callable(goals)
        if settings.frames and (step + 1) % settings.frames == 0:
            frames.append(z)
    if settings.frames and frames[-1] is not z:
        frames.append(z)
    states = torch.stack(frames) if frames else start.new_zeros(0, *start.shape)
    return OptimiseResult(z, ~moving, costs, adam.counts, states)


def _look(
    z: Tensor, goals: Sequence[Goal], start: Tensor, weight: float, sigma_bar: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """What goals cost (n, goals), which of them are open (n, goals), and the slope (n, dim) of those and the way."""
    here = z.detach().requires_grad_(True)
    costs = torch.stack([_cost(goal, here) for goal in goals], dim=1)
    # What is no number is not met.
    open_ = ~(costs.detach() <= costs.new_tensor([goal.threshold for goal in goals]))
    weights = costs.new_tensor([goal.weight for goal in goals])
    total = torch.where(open_, costs, 0.0) @ weights + weight * distance(here, start, sigma_bar)
    (slope,) = torch.autograd.grad(total.sum(), here)
    return costs.detach(), open_, slope


def _cost(goal: Goal, z: Tensor) -> Tensor:
    cost = goal.cost(z)
    if cost.shape != z.shape[:1]:
        raise InputError(f"a goal's cost of vectors {tuple(z.shape)} has shape ({len(z)},), not {tuple(cost.shape)}")
    return cost.float()


def _current(goals: Goals, z: Tensor) -> Sequence[Goal]:
    current = goals(z) if callable(goals) else goals
    if not current:
        raise InputError("nothing to optimise: give at least one goal")
    return current


class _Adam:
    """Adam (Kingma and Ba 2015) with moments and a count of steps for each vector."""

    def __init__(self, start: Tensor, settings: OptimiseSettings) -> None:
        self.settings = settings
        self.mean, self.square = torch.zeros_like(start), torch.zeros_like(start)
        self.counts = torch.zeros(len(start), dtype=torch.int64, device=start.device)

    @torch.no_grad()
    def step(self, z: Tensor, slope: Tensor, moving: Tensor) -> Tensor:
        """Vectors (n, dim) one step on, those that are `moving`, (n,)."""
        first, second = self.settings.betas
        self.counts = self.counts + moving
        rows = moving[:, None]
        self.mean = torch.where(rows, torch.lerp(slope, self.mean, first), self.mean)
        self.square = torch.where(rows, torch.lerp(slope.square(), self.square, second), self.square)
        count = self.counts.clamp(min=1)[:, None].to(z.dtype)
        mean, square = self.mean / (1 - first**count), self.square / (1 - second**count)
        return torch.where(rows, z - self.settings.rate * mean / (square.sqrt() + 1e-8), z)


SATISFY_SETTINGS = OptimiseSettings(steps=160, rate=0.05, betas=(0.9, 0.99), distance=0.01, renew=8)
_NOT_YET = 1e-30  # a critic may be sure where the objective isn't: such a vector has to go on


def satisfy(
    start: Tensor,
    objective: Objective,
    critic: Critic,
    sigma_bar: Tensor,
    settings: OptimiseSettings | None = None,
    report: Callable[[OptimiseStep], None] = lambda _: None,
) -> OptimiseResult:
    """Move vectors (n, dim) until they satisfy every part of an objective, or the steps are spent.

    Args:
        start: where they begin.
        objective: what they are decoded and scored with; `satisfaction` is by its word.
        critic: fitted to that objective.
        sigma_bar: (dim,), what the distance is measured in.
        settings: how to go about it; `SATISFY_SETTINGS` if None.
        report: as `optimise`'s.
    """

    def goals(z: Tensor) -> Sequence[Goal]:
        _, decoded = objective.decode(z)
        satisfied = torch.from_numpy((objective.score(decoded) == 1).all(axis=1))
        context = objective.context(decoded, z)

        def cost(end: Tensor) -> Tensor:
            features = objective.expected_features(end, context, decoded)
            return torch.where(satisfied, 0.0, critic.cost(features).clamp(min=_NOT_YET))

        return [Goal(cost, threshold=0.0)]

    return optimise(start, goals, settings or SATISFY_SETTINGS, sigma_bar=sigma_bar, report=report)
