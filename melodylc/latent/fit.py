"""From a black box to an actor.

    1. Bank: vectors of the prior and their scores; the critic's first lessons. What they become, distorted, is
       scored, too, where somebody knows how to distort it: of a rule that the prior never obeys that shows more.
    2. Rounds of: fresh vectors moved by the actor G, decoded and scored, half of them with a little noise so that the
       critic sees slopes and not only points; critic steps on everything scored so far, half of each batch on the
       latest; then actor steps on  E_z [ L_1(G(z)) + lambda * (L_dist(G(z), z) + w * L_change(G(z), z)) ]  with the
       vectors just decoded, so that a view may lean on what they became, and half of them such as didn't obey. Another
       cost of that view may be added, such as a realism critic's.
       lambda starts high and falls round by round, the faster the fewer of the vectors satisfy, until enough do; then
       it rises again: the actor goes as far as it must and no farther. (A low lambda from the start ends in one
       melody for all z.)
    3. Every few rounds a check: the running mean of the actor's weights is measured on vectors it hasn't seen.
       Training swings between exploring and contracting, so the state that measured best is kept, not the last.
    4. That state is measured once more on fresh vectors: the best of many measurements flatters.

The score is only ever called; gradients come from the critic alone. On one machine and number of threads a seed
gives the same actor.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from melodylc.data.errors import InputError
from melodylc.latent.actor import Actor, informed
from melodylc.latent.beginning import Known, actor_shape, check_sizes, first_critic, scored
from melodylc.latent.box import Box, Move
from melodylc.latent.critic import Critic
from melodylc.latent.distance import change, distance
from melodylc.latent.fitted import Fitted, Progress, Round
from melodylc.latent.precision import brief
from melodylc.latent.scores import Bank, Measured, Prior, answered, ask, standard_normal, summarise
from melodylc.latent.settings import FitSettings

Cost = Callable[[Tensor], Tensor]
"""A cost of what the critic sees of moved vectors, (n, rows, width) to (n,), with a gradient; nobody teaches it."""

Judge = Callable[[Actor], Measured]
"""What single draws of an actor give."""

Distort = Callable[[Tensor, torch.Generator], Tensor]
"""Makes others of its kind, which vectors needn't lead to, of what vectors become: (n, ...) to (n, ...)."""


class Start(NamedTuple):
    """Vectors that nobody has moved yet."""

    z: Tensor  #: (n, dim)
    original: Tensor  #: (n, ...), what they become by themselves
    told: Tensor | None = None  #: (n, parts), what is asked of each, if that goes with where they are


BETAS = (0.9, 0.99)  #: Adam's: a thousand steps are too few for a longer memory


def fit(
    box: Box,
    sigma_bar: Tensor,
    *,
    prior: Prior | None = None,
    bank: Known | None = None,
    judge: Judge | None = None,
    starts: Known | None = None,
    settings: FitSettings | None = None,
    seed: int = 0,
    report: Progress = lambda _: None,
    start: Actor | None = None,
    also: Cost | None = None,
    critic: Critic | None = None,
    distort: Distort | None = None,
) -> Fitted:
    """Fit an actor to a black box.

    Args:
        box: latent vectors (n, dim) to scores (n, parts) in [0, 1]; satisfied is exactly 1.
        sigma_bar: (dim,), the encoder's mean standard deviation, positive.
        prior: where vectors come from; if None, they are those of the bank, or N(0, I) where there is none.
        bank: vectors from the prior with what they become, if that is known already.
        judge: what measures the actor in the end; if None it moves vectors that come from where all do.
        starts: vectors that the actor learns to move, with what they become, where these aren't the prior's own.
        settings: how to fit.
        seed: of everything random.
        report: called after each round.
        start: an actor to begin from, such as one of a similar rule; it stays as it is.
        also: what the actor pays beside the score's critic and the distance, times `settings.also`.
        critic: one that has learnt to see what this box shows, to begin from; it stays as it is.
        distort: how to make more lessons of what vectors become.

    Raises:
        InputError: sizes that don't fit each other, or a score outside [0, 1].
        KeyboardInterrupt: before the first check. From then on it ends the rounds or the last measurement, and the best
        state is returned.
    """
    settings = settings or FitSettings()
    check_sizes(box, sigma_bar, start)
    generator = torch.Generator().manual_seed(seed)
    if bank is None:
        prior = prior or standard_normal(box.chain.dim)
        with torch.no_grad():
            bank = Known(*box.decode(prior(settings.bank, generator)))
    known = scored(box, bank, generator)
    first = scored(box, starts, generator) if starts else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        labels = known.told.shape[1]
        actor = copy.deepcopy(start) if start else Actor(actor_shape(box, settings, labels))
        taught = first_critic(box, known, settings, critic)
    fitting = _Fitting(box, prior, sigma_bar, settings, generator, actor, taught, known, first, also, distort)
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
        starts: Bank | None,
        also: Cost | None,
        distort: Distort | None,
    ) -> None:
        self.box, self.prior, self.sigma_bar, self.settings = box, prior, sigma_bar, settings
        self.generator, self.actor, self.critic = generator, actor, critic
        self.mean = copy.deepcopy(actor).requires_grad_(False)
        self.first, self.starts = known, starts
        self.known = known + starts if starts else known
        self.also = also if settings.also else None
        self.distort = distort
        self.distorted = self._distorted(known.sample(min(settings.distorted, len(known)), generator))
        self.actor_rates = torch.optim.Adam(_pace(actor.requires_grad_(True).parameters(), settings.rate), betas=BETAS)
        self.critic_rates = torch.optim.AdamW(_paces(critic, settings), betas=BETAS, weight_decay=settings.weight_decay)
        self.price = settings.distance
        self.steps = count(1)
        self.best: tuple[Measured, Actor] | None = None
        self.history: list[Round] = []

    def run(self, seed: int, report: Progress, judge: Judge | None) -> Fitted:
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
            measured = judge(actor) if judge else self._measure(actor, self._draw(self.settings.measure))[0]
        except KeyboardInterrupt:
            measured, interrupted = self.best[0], True
        return Fitted(
            actor=actor,
            critic=self.critic.eval().requires_grad_(False),
            settings=self.settings,
            seed=seed,
            prior=summarise(self.first, self.first.z, self.sigma_bar),
            measured=measured,
            history=tuple(self.history),
            interrupted=interrupted,
        )

    def _rounds(self) -> Iterator[Round]:
        settings = self.settings
        self._teach(settings.warmup)
        for number in range(1, settings.rounds + 1):
            self._set_rates(number)
            start, answers, measured = self._explore(settings.fresh)
            self.distorted += self._distorted(answers)
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
        missing = 1 - rate / settings.target
        pace = settings.hurry * missing**settings.patience if missing > 0 else -1.0
        price = self.price * settings.fall ** (pace / settings.rounds)
        self.price = min(max(price, settings.cheapest), settings.distance)

    def _set_rates(self, number: int) -> None:
        # The full rate for a while, then a straight line down to a twentieth.
        left = 1 - (number - 1) / self.settings.rounds
        pace = max(0.05, min(1.0, left / (1 - self.settings.full)))
        for optimiser in (self.actor_rates, self.critic_rates):
            for group in optimiser.param_groups:
                group["lr"] = pace * group["full"]

    def _teach(self, steps: int) -> None:
        settings = self.settings
        invented = int(settings.lesson * settings.invented) if len(self.distorted) else 0
        recent = min(settings.recent, len(self.known) - len(self.first))  # none in the first lessons
        for _ in range(steps):
            lesson = self.known.sample(settings.lesson - invented, self.generator, recent)
            if invented:
                lesson += self.distorted.sample(invented, self.generator, recent)
            with brief():
                loss = self.critic.loss(self.box.seen(lesson.decoded), lesson.scores)
            _step(self.critic_rates, loss)

    @torch.no_grad()
    def _distorted(self, answers: Bank) -> Bank:
        """What those became, distorted, and its scores; no vectors of theirs lead there."""
        if not self.distort:
            return answers[:0]
        decoded = self.distort(answers.decoded, self.generator)
        return answered(self.box, torch.zeros_like(answers.z), decoded, answers.told)

    def _improve(self, start: Start, answers: Bank, steps: int) -> None:
        """Actor steps on vectors, with what they became once the actor had moved them."""
        context = self.box.context(answers.decoded, start.z)
        missed = (~answers.satisfied).nonzero().flatten()
        self.critic.requires_grad_(False)
        reached = self.critic.reached(self.known.scores[-self.settings.recent :], self.settings.reach)
        for _ in range(steps):
            chosen = self._chosen(missed, len(context))
            z, original = start.z[chosen], start.original[chosen]
            told, asked, known = answers.told[chosen], answers.asked[chosen], context[chosen]
            with brief():
                moved = self.box.moved(z, known, informed(self.actor, told))
                view = self.box.view(moved, known, answers.decoded[chosen])
                cost = self.critic.cost(view, asked, reached)
                if self.also:
                    cost = cost + self.settings.also * self.also(view)
            far = distance(moved, z, self.sigma_bar)
            if self.settings.faithful:
                far = far + self.settings.faithful * change(view, self.box.seen(original))
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
        start = self._draw(count)
        told = self._told(start)
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
        if self.prior is None or self.starts:
            known = self.starts or self.first
            drawn = known[torch.randint(len(known), (count,), generator=self.generator)]
            return Start(drawn.z, drawn.decoded, drawn.told if self.starts else None)
        z = self.prior(count, self.generator)
        return Start(z, self.box.decode(z)[1] if self.settings.faithful else z)

    def _ask(self, z: Tensor, told: Tensor, move: Move) -> Bank:
        answers = ask(self.box, z, told, move)
        if answers.scores.shape[1] != self.critic.parts:
            raise InputError(f"the score gave {answers.scores.shape[1]} parts, and {self.critic.parts} before")
        return answers

    def _check(self) -> None:
        measured, answers = self._measure(self.mean, self._draw(self.settings.check))
        self.known += answers
        if self.best is None or self._merit(measured) > self._merit(self.best[0]):
            self.best = measured, copy.deepcopy(self.mean)

    def _merit(self, measured: Measured) -> tuple[float, float, float]:
        # Where nothing satisfies yet, the graded scores say which state is nearer; beyond the target, the distance.
        enough = measured.rate >= self.settings.target
        return min(measured.rate, self.settings.target), 0.0 if enough else sum(measured.means), -measured.distance

    @torch.no_grad()
    def _measure(self, actor: Actor, start: Start) -> tuple[Measured, Bank]:
        told = self._told(start)
        answers = self._ask(start.z, told, informed(actor, told))
        return summarise(answers, start.z, self.sigma_bar), answers

    def _told(self, start: Start) -> Tensor:
        return self.box.ask(len(start.z), self.generator) if start.told is None else start.told


def _paces(critic: Critic, settings: FitSettings) -> list[dict[str, Any]]:
    """What a critic learns at which rate: where it knows how to look, its last layer has the most to learn."""
    last = list(critic.readout.parameters())
    rest = [it for it in critic.parameters() if not any(it is other for other in last)]
    return [*_pace(rest, settings.critic_rate), *_pace(last, settings.readout_rate)]


def _pace(parameters: Iterable[nn.Parameter], rate: float) -> list[dict[str, Any]]:
    return [{"params": list(parameters), "lr": rate, "full": rate}]


def _step(optimiser: torch.optim.Optimizer, loss: Tensor, clip: float | None = None) -> None:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(optimiser.param_groups[0]["params"], clip)
    optimiser.step()


def _as_stored(actor: Actor) -> Actor:
    # Files hold half precision: what is measured should be what will be loaded.
    return actor.half().float().eval()
