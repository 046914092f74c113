"""From a black box to an actor.

    1. Bank: vectors of the prior and their scores; the critic's first lessons.
    2. Rounds of: fresh vectors moved by the actor G, decoded and scored, half of them with a little noise so that the
       critic sees slopes and not only points; critic steps on everything scored so far, half of each batch on the
       latest; then actor steps on  E_z [ L_1(G(z)) + lambda * (L_dist(G(z), z) + w * L_change(G(z), z)) ]  with the
       vectors just decoded, so that a view may lean on what they became, and half of them such as didn't obey. Another
       cost of that view may be added, such as a realism critic's.
       lambda starts high and falls round by round until enough of the vectors satisfy, then it rises again: the actor
       goes as far as it must and no farther. (A low lambda from the start ends in one melody for all z.)
    3. Every few rounds a check: the running mean of the actor's weights is measured on vectors it hasn't seen.
       Training swings between exploring and contracting, so the state that measured best is kept, not the last.
    4. That state is measured once more on fresh vectors: the best of many measurements flatters.

The score is only ever called; gradients come from the critic alone. On one machine and number of threads a seed
gives the same actor.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.latent.actor import Actor, ActorConfig, informed
from melodylc.latent.box import Box, Move
from melodylc.latent.critic import Critic
from melodylc.latent.distance import change, distance
from melodylc.latent.precision import brief
from melodylc.latent.scores import Bank, Measured, Prior, answered, ask, standard_normal, summarise
from melodylc.latent.settings import FitSettings

Known = tuple[Tensor, Tensor]  #: vectors of the prior (n, dim), and what they become (n, ...)

Cost = Callable[[Tensor], Tensor]
"""A cost of what the critic sees of moved vectors, (n, rows, width) to (n,), with a gradient; nobody teaches it."""


class Start(NamedTuple):
    """Vectors that nobody has moved yet."""

    z: Tensor  #: (n, dim)
    original: Tensor  #: (n, ...), what they become by themselves


BETAS = (0.9, 0.99)  #: Adam's: a thousand steps are too few for a longer memory


@dataclass(frozen=True)
class Round:
    """What a round showed, on its own few vectors."""

    number: int  #: 1, 2, ...
    rounds: int  #: how many there will be
    measured: Measured
    best: float | None  #: the best checked rate so far
    price: float  #: lambda after it


Progress = Callable[[Round], None]


@dataclass(frozen=True)
class Fitted:
    """An actor in evaluation mode, and how it came out."""

    actor: Actor
    critic: Critic
    settings: FitSettings
    seed: int
    prior: Measured  #: the prior by itself
    measured: Measured  #: the actor, on vectors used for nothing else
    history: tuple[Round, ...]
    interrupted: bool  #: whether Ctrl-C ended the rounds early


def fit(
    box: Box,
    sigma_bar: Tensor,
    *,
    prior: Prior | None = None,
    bank: Known | None = None,
    judge: Prior | None = None,
    settings: FitSettings | None = None,
    seed: int = 0,
    report: Progress = lambda _: None,
    start: Actor | None = None,
    also: Cost | None = None,
) -> Fitted:
    """Fit an actor to a black box.

    Args:
        box: latent vectors (n, dim) to scores (n, parts) in [0, 1]; satisfied is exactly 1.
        sigma_bar: (dim,), the encoder's mean standard deviation, positive.
        prior: where vectors come from; if None, they are those of the bank, or N(0, I) where there is none.
        bank: vectors from the prior with what they become, if that is known already.
        judge: where the vectors of the last measurement come from; where all do if None.
        settings: how to fit.
        seed: of everything random.
        report: called after each round.
        start: an actor to begin from, such as one of a similar rule; it stays as it is.
        also: what the actor pays beside the score's critic and the distance, times `settings.also`.

    Raises:
        InputError: sizes that don't fit each other, or a score outside [0, 1].
        KeyboardInterrupt: before the first check. From then on it ends the rounds, and the best state is returned.
    """
    settings = settings or FitSettings()
    _check_sizes(box, sigma_bar, start)
    generator = torch.Generator().manual_seed(seed)
    if bank is None:
        prior = prior or standard_normal(box.chain.dim)
        with torch.no_grad():
            bank = box.decode(prior(settings.bank, generator))
    known = _known(box, bank, generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        labels = known.told.shape[1]
        actor = copy.deepcopy(start) if start else Actor(_shape(box, settings, labels))
        rows, width = box.seen(known.decoded[:1], known.told[:1]).shape[1:]
        shape = settings.exponents, settings.critic_hidden, settings.critic_layers
        critic = Critic(rows, width, known.scores.shape[1], labels, *shape)
    fitting = _Fitting(box, prior, sigma_bar, settings, generator, actor, critic, known, also)
    return fitting.run(seed, report, judge)


class _Fitting:
    """The state of one fit."""

    def __init__(
        self,
        box: Box,
        prior: Prior | None,
        sigma_bar: Tensor,
        settings: FitSettings,
        generator: torch.Generator,
        actor: Actor,
        critic: Critic,
        known: Bank,
        also: Cost | None,
    ) -> None:
        self.box, self.prior, self.sigma_bar, self.settings = box, prior, sigma_bar, settings
        self.generator, self.actor, self.critic = generator, actor, critic
        self.mean = copy.deepcopy(actor).requires_grad_(False)
        self.known, self.first = known, known
        self.also = also if settings.also else None
        self.actor_rates = torch.optim.Adam(actor.requires_grad_(True).parameters(), settings.rate, BETAS)
        self.critic_rates = torch.optim.AdamW(
            critic.parameters(), settings.critic_rate, BETAS, weight_decay=settings.weight_decay
        )
        self.rates = ((self.actor_rates, settings.rate), (self.critic_rates, settings.critic_rate))
        self.price = settings.distance
        self.steps = count(1)
        self.best: tuple[Measured, Actor] | None = None
        self.history: list[Round] = []

    def run(self, seed: int, report: Progress, judge: Prior | None) -> Fitted:
        interrupted = False
        try:
            for event in self._rounds():
                report(event)
        except KeyboardInterrupt:
            interrupted = True
        if self.best is None:
            raise KeyboardInterrupt
        actor = _as_stored(self.best[1])
        return Fitted(
            actor=actor,
            critic=self.critic.eval().requires_grad_(False),
            settings=self.settings,
            seed=seed,
            prior=summarise(self.first, self.first.z, self.sigma_bar),
            measured=self._measure(actor, self._judged(judge))[0],
            history=tuple(self.history),
            interrupted=interrupted,
        )

    def _judged(self, judge: Prior | None) -> Tensor:
        count = self.settings.measure
        return judge(count, self.generator) if judge else self._draw(count).z

    def _rounds(self) -> Iterator[Round]:
        settings = self.settings
        self._teach(settings.warmup)
        for number in range(1, settings.rounds + 1):
            self._set_rates(number)
            start, answers, measured = self._explore(settings.fresh)
            self._teach(settings.critic_steps)
            self._improve(start, answers, settings.actor_steps)
            self._bargain(measured.rate)
            if number % settings.check_every == 0 or number == settings.rounds:
                self._check()
            best = self.best[0].rate if self.best else None
            self.history.append(Round(number, settings.rounds, measured, best, self.price))
            yield self.history[-1]

    def _bargain(self, rate: float) -> None:
        settings = self.settings
        pace = settings.fall ** (1 / settings.rounds)
        price = self.price * (pace if rate < settings.target else 1 / pace)
        self.price = min(max(price, settings.cheapest), settings.distance)

    def _set_rates(self, number: int) -> None:
        # Full rate for two thirds, then a straight line down to a twentieth.
        left = 1 - (number - 1) / self.settings.rounds
        pace = max(0.05, min(1.0, 3 * left))
        for optimiser, rate in self.rates:
            optimiser.param_groups[0]["lr"] = pace * rate

    def _teach(self, steps: int) -> None:
        recent = self.settings.recent if len(self.known) > len(self.first) else 0
        recent = min(recent, len(self.known) - len(self.first))
        for _ in range(steps):
            lesson = self.known.sample(self.settings.lesson, self.generator, recent)
            with brief():
                loss = self.critic.loss(self.box.seen(lesson.decoded, lesson.told), lesson.scores, lesson.told)
            _step(self.critic_rates, loss)

    def _improve(self, start: Start, answers: Bank, steps: int) -> None:
        """Actor steps on vectors, with what they became once the actor had moved them."""
        context = self.box.context(answers.decoded, start.z)
        missed = (answers.scores < 1).any(dim=1).nonzero().flatten()
        self.critic.requires_grad_(False)
        reached = self.critic.reached(self.known.scores[-self.settings.recent :], self.settings.reach)
        for _ in range(steps):
            chosen = self._chosen(missed, len(context))
            z, original = (one[chosen] for one in start)
            told, known = answers.told[chosen], context[chosen]
            with brief():
                moved = self.box.moved(z, known, informed(self.actor, told))
                view = self.box.view(moved, known, answers.decoded[chosen], told)
                cost = self.critic.cost(view, told, reached)
                if self.also:
                    cost = cost + self.settings.also * self.also(view)
            far = distance(moved, z, self.sigma_bar)
            if self.settings.faithful:
                far = far + self.settings.faithful * change(view, self.box.seen(original, told))
            _step(self.actor_rates, (cost + self.price * far).mean(), self.settings.clip)
            self._average(next(self.steps))
        self.critic.requires_grad_(True)

    def _chosen(self, missed: Tensor, count: int) -> Tensor:
        """Rows for a step of the actor: some of those that missed, and others of all `count`."""
        hard = int(self.settings.batch * self.settings.hard) if len(missed) else 0
        rows = torch.randint(count, (self.settings.batch - hard,), generator=self.generator)
        if not hard:
            return rows
        return torch.cat((rows, missed[torch.randint(len(missed), (hard,), generator=self.generator)]))

    @torch.no_grad()
    def _average(self, step: int) -> None:
        decay = min(self.settings.average, step / (step + 9))  # the first states count for little
        for mean, weight in zip(self.mean.parameters(), self.actor.parameters(), strict=True):
            mean.lerp_(weight, 1 - decay)

    @torch.no_grad()
    def _explore(self, count: int) -> tuple[Start, Bank, Measured]:
        """Fresh vectors, what became of them, moved by the actor, and what that amounts to without noise."""
        start, told = self._draw(count), self.box.ask(count, self.generator)
        shaken = count // 2 if self.settings.noise else 0
        acting = informed(self.actor, told)

        def move(parts: Tensor, context: Tensor, first: int) -> Tensor:
            moved = acting(parts, context, first)
            noise = torch.randn(moved[:shaken].shape, generator=self.generator)
            return torch.cat((moved[:shaken] + self.settings.noise * noise, moved[shaken:]))

        answers = self._ask(start.z, told, move)
        self.known += answers
        return start, answers, summarise(answers[shaken:], start.z[shaken:], self.sigma_bar)

    def _draw(self, count: int) -> Start:
        if self.prior is None:
            drawn = self.first[torch.randint(len(self.first), (count,), generator=self.generator)]
            return Start(drawn.z, drawn.decoded)
        z = self.prior(count, self.generator)
        return Start(z, self.box.decode(z)[1] if self.settings.faithful else z)

    def _ask(self, z: Tensor, told: Tensor, move: Move) -> Bank:
        answers = ask(self.box, z, told, move)
        if answers.scores.shape[1] != self.critic.parts:
            raise InputError(f"the score gave {answers.scores.shape[1]} parts, and {self.critic.parts} before")
        return answers

    def _check(self) -> None:
        measured, answers = self._measure(self.mean, self._draw(self.settings.check).z)
        self.known += answers
        if self.best is None or self._merit(measured) > self._merit(self.best[0]):
            self.best = measured, copy.deepcopy(self.mean)

    def _merit(self, measured: Measured) -> tuple[float, float, float]:
        # Where nothing satisfies yet, the graded scores say which state is nearer; beyond the target, the distance.
        enough = measured.rate >= self.settings.target
        return min(measured.rate, self.settings.target), 0.0 if enough else sum(measured.means), -measured.distance

    @torch.no_grad()
    def _measure(self, actor: Actor, z: Tensor) -> tuple[Measured, Bank]:
        told = self.box.ask(len(z), self.generator)
        answers = self._ask(z, told, informed(actor, told))
        return summarise(answers, z, self.sigma_bar), answers


def _step(optimiser: torch.optim.Optimizer, loss: Tensor, clip: float | None = None) -> None:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(optimiser.param_groups[0]["params"], clip)
    optimiser.step()


def _as_stored(actor: Actor) -> Actor:
    # Files hold half precision: what is measured should be what will be loaded.
    return actor.half().float().eval()


def _shape(box: Box, settings: FitSettings, labels: int) -> ActorConfig:
    parts, size, context = box.chain
    return ActorConfig(
        parts, size, context + labels, hidden=settings.hidden, layers=settings.layers, bound=settings.bound
    )


def _known(box: Box, bank: Known, generator: torch.Generator) -> Bank:
    z, decoded = bank
    if z.ndim != 2 or z.shape[1] != box.chain.dim or not len(z):
        raise InputError(f"a bank holds vectors of shape (n, {box.chain.dim}), not {tuple(z.shape)}")
    if len(z) != len(decoded):
        raise InputError(f"a bank of {len(z)} vectors and {len(decoded)} that they become: one of each")
    return answered(box, z, decoded, box.ask(len(z), generator))


def _check_sizes(box: Box, sigma_bar: Tensor, start: Actor | None) -> None:
    dim = box.chain.dim
    if sigma_bar.shape != (dim,) or not bool((sigma_bar > 0).all()):
        raise InputError(f"sigma_bar is {dim} positive numbers, not shape {tuple(sigma_bar.shape)} or not positive")
    labels = box.ask(1, torch.Generator()).shape[1]
    shape = box.chain._replace(context=box.chain.context + labels)
    if start and start.config.chain != shape:
        raise InputError(f"the actor to start from moves vectors of shape {start.config.chain[:]}, not {shape[:]}")
