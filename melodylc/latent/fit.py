"""From a black box to an actor.

    1. Bank: vectors of the prior and their scores, on which the critic is warmed up. Augmentations of what they decode
       to are scored, too, where the caller can make some: of a rule that the prior never satisfies that shows more.
    2. Rounds of: fresh vectors moved by the actor G, decoded and scored, half of them with a little noise so that the
       critic sees slopes and not only points; critic steps on the replay buffer, half of each batch from its latest;
       then actor steps on  E_z [ L_1(G(z)) + lambda * (L_dist(G(z), z) + w * L_change(G(z), z)) ]  with the vectors
       just decoded, so that features may lean on what they decode to, and half of them such as missed the rule.
       Another cost of those features may be added, such as a realism critic's.
       lambda starts high and falls round by round, the faster the fewer of the vectors satisfy, until enough do; then
       it rises again: the actor goes as far as it must and no farther. (A low lambda from the start ends in one
       melody for all z.)
    3. Every few rounds a check: the running mean of the actor's weights is measured on vectors it hasn't seen.
       Training swings between exploring and contracting, so the state that measured best is taken, not the last.
    4. That state is measured once more on fresh vectors: the best of many measurements flatters.

The score is only ever called; gradients come from the critic alone. On one machine and number of threads a seed
gives the same actor.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from math import inf
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from melodylc.data.errors import InputError
from melodylc.latent.actor import Actor, ActorConfig, Move, condition
from melodylc.latent.actor_critic import ActorCritic, check_settings, check_sigma_bar, current_names
from melodylc.latent.critic import Critic
from melodylc.latent.distance import distance, feature_change
from melodylc.latent.objective import Objective
from melodylc.latent.precision import autocast
from melodylc.latent.samples import (
    Measurement,
    PriorSampler,
    Samples,
    decode_and_score,
    score_samples,
    standard_normal,
    summarise,
)

ExtraCost = Callable[[Tensor], Tensor]
"""A cost of the features of moved vectors, (n, rows, width) to (n,), with a gradient; nobody trains it."""

MeasureActor = Callable[[Actor], Measurement]
"""What single samples of an actor give."""

Augment = Callable[[Tensor, torch.Generator], Tensor]
"""Makes others of its kind, to which no vector need lead, of what vectors decode to: (n, ...) to (n, ...)."""

ADAM_BETAS = (0.9, 0.99)  #: Adam's: a thousand steps are too few for a longer memory
CLIP = 1.0  #: largest norm of the actor's gradient
WEIGHT_DECAY = 0.01  #: of the critic, which would otherwise memorise the bank
EXPLORATION_NOISE = 0.15  #: standard deviation of what is added to half of the vectors of a round
RECENT = 2048  #: latest samples of the replay buffer, which make half of each critic batch
ACTIVE = 0.01  #: mean that a power of a part's score must have among these to count for the actor
TARGET = 0.97  #: share of vectors that should satisfy all parts; more isn't worth more distance


@dataclass(frozen=True)
class DistanceWeight:
    """lambda, the weight of L_dist, and its schedule.

        lambda <- lambda * decay^(pace * (1 - rate / target)^patience / rounds)      while the rate is below the target
        lambda <- lambda / decay^(1 / rounds)                                        once it is above

    kept in [least, initial]. The rate is the share of a round's vectors that satisfy all parts.
    """

    initial: float = 0.05
    least: float = 0.005
    decay: float = 0.3  #: what is left of lambda after all rounds at a pace of 1
    pace: float = 8.0
    patience: float = 4.0

    def __post_init__(self) -> None:
        weights = ("initial", "least", "pace", "patience")
        check_settings("the distance's weight", self, weights=weights, positive_shares=("decay",))

    def update(self, weight: float, rate: float, rounds: int) -> float:
        """lambda after a round, of `rounds`, with that rate.

        >>> DistanceWeight(initial=0.5, least=0.3, decay=0.8**4, pace=1.0).update(0.5, rate=0.0, rounds=4)
        0.4
        """
        missing = 1 - rate / TARGET
        pace = self.pace * missing**self.patience if missing > 0 else -1.0
        weight = weight * self.decay ** (pace / rounds)
        return min(max(weight, self.least), self.initial)


@dataclass(frozen=True)
class FitSettings:
    """How an actor is fitted.

    Raises:
        InputError: a number that makes no sense, by name.
    """

    bank: int = 4096  #: prior samples scored first, where no bank is given
    rounds: int = 17  #: rounds of actor and critic
    fresh: int = 512  #: vectors scored in each round
    warmup: int = 300  #: critic steps on the bank before the first round
    critic_steps: int = 40  #: in each round
    actor_steps: int = 24  #: in each round
    batch: int = 32  #: vectors in a step of the actor
    hard_share: float = 0.5  #: share of these that are taken from those that missed the rule
    critic_batch: int = 128  #: samples in a step of the critic
    augmentations: int = 4096  #: samples of the bank that are augmented and scored, where that can be
    augmented_share: float = 0.25  #: share of a critic's step that is augmented, where there are such
    actor_rate: float = 5e-4  #: Adam's learning rate for the actor, falling in the last rounds
    critic_rate: float = 1e-3  #: the same for the critic
    readout_rate: float = 1e-3  #: the same for its last layer
    full_rate_share: float = 2 / 3  #: share of the rounds before learning rates fall
    exponents: tuple[float, ...] = (1.0, 4.0, 16.0, 64.0, 256.0, inf)  #: powers of the score that the critic regresses
    distance: DistanceWeight = field(default_factory=DistanceWeight)  #: lambda
    change_weight: float = 0.0  #: w, the weight of L_change beside L_dist; 0 where vectors alone should stay near
    extra_cost_weight: float = 0.0  #: weight of a further cost of the critic's features, where one is given
    average: float = 0.98  #: decay of the running mean of the actor's weights, a step
    check_every: int = 10  #: rounds between checks
    check: int = 256  #: vectors measured in a check
    measure: int = 1000  #: vectors measured at the end, actor and prior
    hidden: int = 384  #: width of the actor's layers
    critic_hidden: int = 256  #: width of the critic's layers
    critic_layers: int = 4  #: hidden layers of the critic

    def __post_init__(self) -> None:
        check_settings(
            "fitting",
            self,
            counts=(
                *("bank", "rounds", "fresh", "batch", "critic_batch", "check_every", "check", "measure"),
                *("hidden", "critic_hidden", "critic_layers"),
            ),
            weights=(
                *("warmup", "critic_steps", "actor_steps", "augmentations", "actor_rate", "critic_rate"),
                *("readout_rate", "change_weight", "extra_cost_weight"),
            ),
            shares=("hard_share", "augmented_share", "full_rate_share", "average"),
        )
        if not self.exponents or min(self.exponents) <= 0:
            raise InputError(f"fitting needs positive exponents, not {self.exponents}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, which has no infinity: it is written as a word."""
        return {**asdict(self), "exponents": ["inf" if it == inf else it for it in self.exponents]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "FitSettings":
        """The inverse of `to_dict`; settings of earlier versions, too, without those that there are no more.

        >>> settings = FitSettings(rounds=3, distance=DistanceWeight(0.1))
        >>> FitSettings.from_dict(settings.to_dict()) == settings
        True
        >>> FitSettings.from_dict({"rounds": 3, "cheapest": 0.001, "lesson": 9}).distance.least
        0.001
        """
        values = current_settings(values)
        given = {it.name: values[it.name] for it in fields(cls) if it.name in values}
        if "distance" in given:
            given["distance"] = DistanceWeight(**given["distance"])
        if "exponents" in given:
            given["exponents"] = tuple(map(float, given["exponents"]))
        return cls(**given)


FORMER_FIT_NAMES = {
    "hard": "hard_share",
    "lesson": "critic_batch",
    "distorted": "augmentations",
    "invented": "augmented_share",
    "rate": "actor_rate",
    "full": "full_rate_share",
    "faithful": "change_weight",
    "also": "extra_cost_weight",
}  #: settings that files of before have under another name
FORMER_DISTANCE = {
    "distance": "initial",
    "cheapest": "least",
    "fall": "decay",
    "hurry": "pace",
    "patience": "patience",
}  #: those that are fields of `DistanceWeight` now


def current_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a file's header has them, those of earlier versions under the names that they have now.

    >>> current_settings({"rounds": 3, "lesson": 128, "distance": 0.03, "fall": 0.3})
    {'rounds': 3, 'critic_batch': 128, 'distance': {'initial': 0.03, 'decay': 0.3}}
    """
    if isinstance(values.get("distance"), Mapping):
        return dict(values)
    weight = {new: values[old] for old, new in FORMER_DISTANCE.items() if old in values}
    rest = {name: value for name, value in values.items() if name not in FORMER_DISTANCE}
    return {**current_names(rest, FORMER_FIT_NAMES), **({"distance": weight} if weight else {})}


@dataclass(frozen=True)
class Round:
    """What a round showed, on its own few vectors."""

    number: int  #: 1, 2, ...
    rounds: int  #: how many there will be
    measurement: Measurement
    best: float | None  #: the best checked rate so far
    distance_weight: float  #: lambda after it


Progress = Callable[[Round], None]


@dataclass(frozen=True)
class FitResult:
    """An actor in evaluation mode, and how it came out."""

    actor: Actor
    critic: Critic
    settings: FitSettings
    seed: int
    prior: Measurement  #: the prior by itself
    measurement: Measurement  #: the actor, on vectors used for nothing else
    history: tuple[Round, ...]
    interrupted: bool  #: whether Ctrl-C ended the rounds early


def fit(
    objective: Objective,
    sigma_bar: Tensor,
    *,
    prior: PriorSampler | None = None,
    bank: Samples | None = None,
    measure: MeasureActor | None = None,
    starts: Samples | None = None,
    settings: FitSettings | None = None,
    seed: int = 0,
    report: Progress = lambda _: None,
    initial_actor: Actor | None = None,
    initial_critic: Critic | None = None,
    extra_cost: ExtraCost | None = None,
    augment: Augment | None = None,
) -> FitResult:
    """Fit an actor to a black box.

    Args:
        objective: latent vectors (n, dim) to scores (n, parts) in [0, 1]; satisfaction is exactly 1.
        sigma_bar: (dim,), the encoder's mean standard deviation, positive.
        prior: where vectors come from; if None, they are those of the bank, or N(0, I) where there is none.
        bank: vectors from the prior with what they decode to, if that is there already.
        measure: what measures the actor in the end; if None it moves vectors that come from where all do.
        starts: vectors that the actor learns to move, with what they decode to, where these aren't the prior's own.
        settings: how to fit.
        seed: of everything random.
        report: called after each round.
        initial_actor: an actor to begin from, such as one of a similar rule; it stays as it is.
        initial_critic: one that has learnt to read this objective's features, to begin from; it stays as it is.
        extra_cost: what the actor pays beside the score's critic and the distance, times `extra_cost_weight`.
        augment: how to make more samples for the critic of what vectors decode to.

    Raises:
        InputError: sizes that don't fit each other, or a score outside [0, 1].
        KeyboardInterrupt: before the first check. From then on it ends the rounds or the last measurement, and the best
        state is returned.
    """
    settings = settings or FitSettings()
    _check_sizes(objective, sigma_bar, initial_actor)
    generator = torch.Generator().manual_seed(seed)
    if bank is None:
        prior = prior or standard_normal(objective.layout.dim)
        with torch.no_grad():
            bank = Samples.without_scores(*objective.decode(prior(settings.bank, generator)))
    bank = _score(objective, bank, generator)
    starts = _score(objective, starts, generator) if starts else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        actor = copy.deepcopy(initial_actor) if initial_actor else _new_actor(objective, settings, bank)
        critic = _new_critic(objective, settings, bank, initial_critic)
    if not settings.extra_cost_weight:
        extra_cost = None
    training = _Fit(objective, prior, sigma_bar, settings, generator, actor, critic, bank, starts, extra_cost, augment)
    return training.run(seed, report, measure)


class _Start(NamedTuple):
    """Vectors that nobody has moved yet."""

    z: Tensor  #: (n, dim)
    original: Tensor  #: (n, ...), what they decode to by themselves
    labels: Tensor | None = None  #: (n, parts), if these go with where they are


class _Fit(ActorCritic):
    """The state of one fit."""

    def __init__(
        self,
        objective: Objective,
        prior: PriorSampler | None,
        sigma_bar: Tensor,
        settings: FitSettings,
        generator: torch.Generator,
        actor: Actor,
        critic: Critic,
        bank: Samples,
        starts: Samples | None,
        extra_cost: ExtraCost | None,
        augment: Augment | None,
    ) -> None:
        optimisers = _optimisers(actor.requires_grad_(True), critic, settings)
        super().__init__(actor, critic, optimisers, settings.average, generator, CLIP)
        self.objective, self.prior, self.sigma_bar, self.settings = objective, prior, sigma_bar, settings
        self.bank, self.starts, self.extra_cost, self.augment = bank, starts, extra_cost, augment
        self.warmup = settings.warmup
        self.replay = bank + starts if starts else bank
        self.augmented = self._augment(bank.sample(min(settings.augmentations, len(bank)), generator))
        self.distance_weight = settings.distance.initial
        self.best: tuple[Measurement, Actor] | None = None
        self.history: list[Round] = []

    @property
    def rounds(self) -> int:
        return self.settings.rounds

    def rate_share(self, left: float) -> float:
        """Full for a while, then a straight line down to a twentieth."""
        return max(0.05, min(1.0, left / (1 - self.settings.full_rate_share)))

    def run(self, seed: int, report: Progress, measure: MeasureActor | None) -> FitResult:
        interrupted = False
        try:
            for event in self._rounds():
                report(event)
        except KeyboardInterrupt:
            interrupted = True
        if self.best is None:
            raise KeyboardInterrupt
        actor = _as_stored(self.best[1])
        try:
            measurement = measure(actor) if measure else self._measure(actor, self._draw(self.settings.measure))[0]
        except KeyboardInterrupt:
            measurement, interrupted = self.best[0], True
        return FitResult(
            actor=actor,
            critic=self.critic.eval().requires_grad_(False),
            settings=self.settings,
            seed=seed,
            prior=summarise(self.bank, self.bank.z, self.sigma_bar),
            measurement=measurement,
            history=tuple(self.history),
            interrupted=interrupted,
        )

    def _rounds(self) -> Iterator[Round]:
        settings = self.settings
        while self.round_number < settings.rounds:
            self.train_round(settings.critic_steps, settings.actor_steps)
            rate = self.measurement.rate
            self.distance_weight = settings.distance.update(self.distance_weight, rate, settings.rounds)
            if self.round_number % settings.check_every == 0 or self.round_number == settings.rounds:
                self._check()
            best = self.best[0].rate if self.best else None
            numbers = self.round_number, settings.rounds
            self.history.append(Round(*numbers, self.measurement, best, self.distance_weight))
            yield self.history[-1]

    @torch.no_grad()
    def explore(self) -> None:
        """Fresh vectors, moved by the actor, half of them with noise, decoded and scored."""
        start = self._draw(self.settings.fresh)
        labels, noisy = self._labels(start), self.settings.fresh // 2
        move = condition(self.actor, labels)

        def explore(parts: Tensor, context: Tensor, first: int) -> Tensor:
            end = move(parts, context, first)
            noise = torch.randn(end[:noisy].shape, generator=self.generator)
            return torch.cat((end[:noisy] + EXPLORATION_NOISE * noise, end[noisy:]))

        self.start, self.latest = start, self._score(start.z, labels, explore)
        self.replay += self.latest
        self.measurement = summarise(self.latest[noisy:], start.z[noisy:], self.sigma_bar)
        self.augmented += self._augment(self.latest)
        self.context = self.objective.context(self.latest.decoded, start.z)
        self.missed = (~self.latest.satisfaction).nonzero().flatten()
        self.active = self.critic.active_powers(self.replay.scores[-RECENT:], ACTIVE)

    def critic_loss(self) -> Tensor:
        """L_D of samples of the replay buffer and augmentations."""
        settings = self.settings
        augmented = int(settings.critic_batch * settings.augmented_share) if len(self.augmented) else 0
        recent = min(RECENT, len(self.replay) - len(self.bank))  # none while it warms up
        batch = self.replay.sample(settings.critic_batch - augmented, self.generator, recent)
        if augmented:
            batch += self.augmented.sample(augmented, self.generator, recent)
        with autocast():
            loss: Tensor = self.critic.loss(self.objective.features(batch.decoded), batch.scores)
        return loss

    def actor_loss(self) -> Tensor:
        """L_1 and the distance of vectors that the actor moved in this round, with what they decoded to then."""
        rows = self._rows()
        latest, z, context = self.latest[rows], self.start.z[rows], self.context[rows]
        with autocast():
            end = self.objective.move_at_once(z, context, condition(self.actor, latest.labels))
            features = self.objective.expected_features(end, context, latest.decoded)
            cost = self.critic.cost(features, latest.label_mask, self.active)
            if self.extra_cost:
                cost = cost + self.settings.extra_cost_weight * self.extra_cost(features)
        penalty = distance(end, z, self.sigma_bar)
        if self.settings.change_weight:
            original = self.objective.features(self.start.original[rows])
            penalty = penalty + self.settings.change_weight * feature_change(features, original)
        loss: Tensor = (cost + self.distance_weight * penalty).mean()
        return loss

    def _rows(self) -> Tensor:
        """Rows for a step of the actor: some of those that missed, and others of all."""
        hard = int(self.settings.batch * self.settings.hard_share) if len(self.missed) else 0
        rows = torch.randint(len(self.context), (self.settings.batch - hard,), generator=self.generator)
        return torch.cat((rows, self.sample_rows(self.missed, hard))) if hard else rows

    @torch.no_grad()
    def _augment(self, samples: Samples) -> Samples:
        """Augmentations of what these decode to, scored; no vectors of theirs lead there."""
        if not self.augment:
            return samples[:0]
        decoded = self.augment(samples.decoded, self.generator)
        return score_samples(self.objective, torch.zeros_like(samples.z), decoded, samples.labels)

    def _draw(self, count: int) -> _Start:
        if self.prior is None or self.starts:
            source = self.starts or self.bank
            rows = source[torch.randint(len(source), (count,), generator=self.generator)]
            return _Start(rows.z, rows.decoded, rows.labels if self.starts else None)
        z = self.prior(count, self.generator)
        return _Start(z, self.objective.decode(z)[1] if self.settings.change_weight else z)

    def _labels(self, start: _Start) -> Tensor:
        return self.objective.draw_labels(len(start.z), self.generator) if start.labels is None else start.labels

    def _score(self, z: Tensor, labels: Tensor, move: Move) -> Samples:
        samples = decode_and_score(self.objective, z, labels, move)
        if samples.scores.shape[1] != self.critic.parts:
            raise InputError(f"the score gave {samples.scores.shape[1]} parts, and {self.critic.parts} before")
        return samples

    def _check(self) -> None:
        measurement, samples = self._measure(self.mean_actor, self._draw(self.settings.check))
        self.replay += samples
        if self.best is None or _merit(measurement) > _merit(self.best[0]):
            self.best = measurement, copy.deepcopy(self.mean_actor)

    @torch.no_grad()
    def _measure(self, actor: Actor, start: _Start) -> tuple[Measurement, Samples]:
        labels = self._labels(start)
        samples = self._score(start.z, labels, condition(actor, labels))
        return summarise(samples, start.z, self.sigma_bar), samples


def _merit(measurement: Measurement) -> tuple[float, float, float]:
    # Where nothing satisfies yet, the graded scores say which state is nearer; beyond the target, the distance.
    enough = measurement.rate >= TARGET
    return min(measurement.rate, TARGET), 0.0 if enough else sum(measurement.means), -measurement.distance


def _new_actor(objective: Objective, settings: FitSettings, bank: Samples) -> Actor:
    parts, size, context = objective.layout
    return Actor(ActorConfig(parts, size, context + bank.labels.shape[1], hidden=settings.hidden))


def _new_critic(objective: Objective, settings: FitSettings, bank: Samples, initial: Critic | None) -> Critic:
    """A critic for a bank's scores: one that reads features as the initial one does, or a new one."""
    parts = bank.scores.shape[1]
    if initial:
        return initial.with_new_readout(parts, settings.exponents)
    rows, width = objective.features(bank.decoded[:1]).shape[1:]
    return Critic(rows, width, parts, settings.exponents, settings.critic_hidden, settings.critic_layers)


def _score(objective: Objective, samples: Samples, generator: torch.Generator) -> Samples:
    z, decoded, labels = samples.z, samples.decoded, samples.labels
    if z.ndim != 2 or z.shape[1] != objective.layout.dim or not len(z):
        raise InputError(f"a bank holds vectors of shape (n, {objective.layout.dim}), not {tuple(z.shape)}")
    if len(z) != len(decoded):
        raise InputError(f"a bank of {len(z)} vectors and {len(decoded)} that they decode to: one of each")
    labels = labels if labels.shape[1] else objective.draw_labels(len(z), generator)
    return score_samples(objective, z, decoded, labels)


def _check_sizes(objective: Objective, sigma_bar: Tensor, initial: Actor | None) -> None:
    check_sigma_bar(sigma_bar, objective.layout.dim)
    labels = objective.draw_labels(1, torch.Generator()).shape[1]
    layout = objective.layout._replace(context=objective.layout.context + labels)
    if initial and initial.config.layout != layout:
        given = initial.config.layout[:]
        raise InputError(f"the actor to start from moves vectors of shape {given}, not {layout[:]}")


def _optimisers(actor: Actor, critic: Critic, settings: FitSettings) -> tuple[torch.optim.Adam, torch.optim.AdamW]:
    """The critic's last layer has a rate of its own: where the others read features already, it learns most."""
    last = list(critic.readout.parameters())
    rest = [it for it in critic.parameters() if not any(it is other for other in last)]
    groups = [_group(rest, settings.critic_rate), _group(last, settings.readout_rate)]
    return (
        torch.optim.Adam(actor.parameters(), lr=settings.actor_rate, betas=ADAM_BETAS),
        torch.optim.AdamW(groups, betas=ADAM_BETAS, weight_decay=WEIGHT_DECAY),
    )


def _group(parameters: Iterable[nn.Parameter], rate: float) -> dict[str, Any]:
    return {"params": list(parameters), "lr": rate}


def _as_stored(actor: Actor) -> Actor:
    # Files hold half precision: what is measured should be what will be loaded.
    return actor.half().float().eval()
