"""From an order to melodies, their files and the manifest: `melodylc generate` and `melodylc.generate`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, NamedTuple, Self

from melodylc.constraints.transposable import check_transposed
from melodylc.data.alphabet import BARS
from melodylc.data.errors import InputError, MelodylcError
from melodylc.data.formats.render import Piece, Rendered, render
from melodylc.data.workers import Workers
from melodylc.models.checkpoint import LoadedModel, open_model
from melodylc.reporting import SILENT, Reporter
from melodylc.sampling.discriminator import find_discriminator
from melodylc.sampling.memorisation import find_memorisation_filter
from melodylc.sampling.methods import find_method
from melodylc.sampling.methods.base import Method, Task
from melodylc.sampling.sampler import Result, Sampler
from melodylc.service.order import Order
from melodylc.service.origin import Origin, check_same, merge_origins
from melodylc.service.production import Production
from melodylc.versions import versions

JOB = 8  #: melodies of a job, at least: as many as most methods write together


@dataclass
class Tally:
    """What became of the candidates of an order; sums, so that those of its parts add up."""

    attempts: int = 0
    followed: int = 0  #: candidates that followed the rule, copies included
    copies: int = 0  #: of those, the ones that were refused
    satisfied: tuple[int, ...] = ()  #: candidates that satisfied each part of the rule
    missing: list[int] = field(default_factory=list)  #: numbers of the melodies that are asked for and not there
    written: int = 0  #: melodies, kept misses left out
    nearest: dict[int, tuple[float, ...]] = field(default_factory=dict)  #: rewards of the best candidates for `missing`

    @classmethod
    def of(cls, order: Order, results: Iterable[Result]) -> Self:
        """The sums of results."""
        tally = cls()
        for one in results:
            there = one.passed or not order.verify
            missing = {} if there else {one.number: one.rewards}
            sums = one.attempts, one.passes + one.copies, one.copies, one.satisfied
            tally.add(cls(*sums, list(missing), int(there), missing))
        return tally

    def add(self, other: "Tally") -> None:
        """Add another one's sums."""
        self.attempts += other.attempts
        self.followed += other.followed
        self.copies += other.copies
        here = self.satisfied or (0,) * len(other.satisfied)
        self.satisfied = tuple(map(sum, zip(here, other.satisfied, strict=True)))
        self.missing += other.missing
        self.written += other.written
        self.nearest |= other.nearest

    def rates(self, order: Order) -> dict[str, float]:
        """Share of the candidates that satisfied each part of the rule, by its name."""
        rule = order.request.rule
        return dict(
            zip(
                rule.names if rule is not None else (), (count / self.attempts for count in self.satisfied), strict=True
            )
        )


def is_written(order: Order, one: Result) -> bool:
    """Whether a melody becomes a file: it follows the rule and copies nothing, or none is verified; or misses stay."""
    return one.passed or not order.verify or (order.keep_misses and not one.is_copy)


def manifest_head(order: Order, origin: Origin, tally: Tally, about: Mapping[str, str]) -> dict[str, Any]:
    """All of a manifest but its files."""
    rule = order.request.rule
    return {
        "command": order.command,
        "request": order.to_dict(),
        "versions": origin["versions"],
        "model": origin["model"],
        "prior": origin["prior"],
        "method": origin["method"],
        "rule": list(rule.names if rule is not None else ()),
        "attempts": tally.attempts,
        "acceptance": round(tally.followed / tally.attempts, 6),
        "rates": {name: round(rate, 6) for name, rate in tally.rates(order).items()},
        "copies_of": origin["copies_of"],
        "copies_refused": tally.copies if order.verify else 0,
        **({} if order.verify or order.allow_copies else {"copies_written": tally.copies}),
        "missing": tally.missing,
        **({"nearest": _nearest_rewards(order, tally.nearest)} if tally.nearest else {}),
        **about,
    }


def describe_miss(order: Order, rewards: Sequence[float]) -> str:
    """The parts of the rule that a melody lacks, and what each says of it."""
    rule = order.request.rule
    names = rule.names if rule is not None else ()
    lacking = [f"{name} {reward:.3f}" for name, reward in zip(names, rewards, strict=True) if reward < 1]
    return ", ".join(lacking) or "a copy of a training melody"


def _nearest_rewards(order: Order, nearest: Mapping[int, tuple[float, ...]]) -> dict[str, dict[str, float]]:
    names = order.request.rule.names if order.request.rule is not None else ()
    return {str(number): dict(zip(names, rewards, strict=True)) for number, rewards in nearest.items()}


@dataclass(frozen=True, repr=False)
class Generation(Production[Result]):
    """What came of an order; as a sequence, the melodies that are written."""

    order: Order
    origin: Origin
    results: tuple[Result, ...]  #: one for each melody asked, in order

    @property
    def accepted(self) -> tuple[Result, ...]:
        """The melodies that are written: those that follow the rule and copy nothing, or all where none is verified."""
        return tuple(one for one in self.results if is_written(self.order, one))

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers of the melodies that are asked for and not there; the nearest misses may be."""
        return tuple(self.tally.missing)

    def track_name(self, result: Result) -> str:
        """What a melody's track is called; a miss says so."""
        return super().track_name(result) + self._miss(result)

    def name(self, result: Result) -> str:
        """What a melody's files are called; those of a miss say so."""
        short = self.order.writing.names == "short"
        return super().name(result) + self._miss(result) if short else self.track_name(result)

    def _is_miss(self, result: Result) -> bool:
        return self.order.verify and not result.passed

    def _miss(self, result: Result) -> str:
        return "-miss" if self._is_miss(result) else ""

    @property
    def total(self) -> int:
        """Melodies of the whole run."""
        return self.order.total

    @property
    def tally(self) -> Tally:
        """What became of all candidates."""
        return Tally.of(self.order, self.results)

    @property
    def attempts(self) -> int:
        """Candidates written for all melodies asked."""
        return self.tally.attempts

    @property
    def acceptance(self) -> float:
        """Share of the candidates that followed the rule, copies included."""
        return self.tally.followed / self.tally.attempts

    @property
    def copies(self) -> int:
        """Candidates that followed the rule and shared four bars with a training melody."""
        return self.tally.copies

    @property
    def rates(self) -> dict[str, float]:
        """Share of the candidates that satisfied each part of the rule, by its name."""
        return self.tally.rates(self.order)

    def rendered(self) -> Rendered:
        """The files of the melodies.

        Raises:
            InputError: a note that `Writing.transpose` moves out of 0..127, or away from the rule.
        """
        seed, semitones = self.order.seed, self.order.writing.transpose
        pieces = [Piece(self.name(one), self.track_name(one), one.melody, (seed, one.number)) for one in self.accepted]
        request = self.order.request
        rendered = render(pieces, self.order.writing, request.scale, request.chords, self.joined_name)
        check_transposed(self.order.request, [one.melody for one in self.accepted], semitones)
        return rendered

    def manifest(self, rendered: Rendered) -> dict[str, Any]:
        """What the melodies are, how they came about and what they score; no time of day, so it reproduces too.

        The rewards are those of a melody as it was made, before `Writing.transpose`.
        """
        head = manifest_head(self.order, self.origin, self.tally, rendered.about)
        return {**head, "files": self.entries(rendered)}

    def entries(self, rendered: Rendered) -> list[dict[str, Any]]:
        """What the manifest says of each melody."""
        rule = self.order.request.rule
        parts = rule.names if rule is not None else ()
        return [
            {
                "file": files[0],
                **({"beside": files[1:]} if files[1:] else {}),
                "passed": one.passed,
                **({"miss": True} if self._is_miss(one) else {}),
                "rewards": dict(zip(parts, one.rewards, strict=True)),
                "notes": one.melody.note_count * self.order.request.length // BARS,  # of what is written
                "attempts": one.attempts,
                "distance": round(one.distance, 6),
                "rests_added": one.rests_added,
                **({} if one.likeness is None else _choice(one)),
                **one.details,
            }
            for one, files in zip(self.accepted, rendered.of, strict=True)
        ]


def _choice(one: Result) -> dict[str, Any]:
    return {"likeness": round(one.likeness or 0.0, 4), "best_of": one.passes}


class Batch(NamedTuple):
    """Some melodies of an order, one after the other, and what made them."""

    results: list[Result]
    origin: Origin


@dataclass(frozen=True)
class PreparedOrder:
    """An order with all that its melodies take: a model, a method that is ready, what refuses copies."""

    order: Order
    model: LoadedModel
    sampler: Sampler
    corpora: tuple[str, ...] = ()  #: fingerprints of the corpora whose copies are refused

    @classmethod
    def of(
        cls,
        order: Order,
        reporter: Reporter = SILENT,
        model: LoadedModel | None = None,
        method: Method | None = None,
    ) -> Self:
        """Load and prepare what isn't given."""
        loaded = model or open_model(order.model)
        if method is None:
            settings = order.prior, order.actor, order.realism, reporter, order.lane, order.octaves, order.best_of
            task = Task(loaded, order.request, *settings)
            method = find_method(order.method).prepare(task)
        judge = find_discriminator().scores if order.best_of > 1 else None
        copies = None if order.allow_copies else find_memorisation_filter(loaded)
        sampler = Sampler(method, order.request.rule, judge, copies)
        return cls(order, loaded, sampler, copies.corpora if copies else ())

    @property
    def origin(self) -> Origin:
        """What has taken part so far."""
        return origin_of(self.model, self.order, self.sampler.method, self.corpora)

    def batches(
        self,
        numbers: range,
        report: Callable[[int, int], None] = lambda passed, attempts: None,
        settled: Callable[[Result], None] = lambda result: None,
        missed: Callable[[Result], None] = lambda result: None,
    ) -> Iterator[Batch]:
        """The melodies of these numbers, some at a time."""
        order = self.order
        for results in self.sampler.groups(order.seed, numbers, order.budget, report, order.best_of, settled, missed):
            yield Batch(results, self.origin)


def origin_of(model: LoadedModel, order: Order, method: Method, corpora: tuple[str, ...]) -> Origin:
    """What makes an order's melodies, as a manifest has it."""
    return {
        "versions": versions(),
        "model": model.fingerprint,
        "prior": model.prior(order.prior).identity,
        "method": {"name": method.name, **method.to_dict()},
        "copies_of": list(corpora),
    }


def order_batches(
    order: Order,
    reporter: Reporter = SILENT,
    workers: Workers | None = None,
    prepared: PreparedOrder | None = None,
    settled: Callable[[Result], None] = lambda result: None,
    on_progress: Callable[[int, int], None] = lambda passed, attempts: None,
) -> Iterator[Batch]:
    """The melodies of an order, in their order, as they are there; none is kept.

    Args:
        order: what is asked.
        reporter: hears how far the work is.
        workers: where it is done; None: here.
        prepared: what is ready already.
        settled: given each melody as soon as it is settled.
        on_progress: told how many melodies are settled and how many were written; what it raises ends the work.

    Raises:
        InputError: a file that comes with the package is damaged, or a worker has another version or model than others.
        WorkersLost: the workers went away.
    """
    if workers is None:
        nearest = ""

        def on_miss(result: Result) -> None:
            nonlocal nearest
            nearest = f"; the nearest so far: {describe_miss(order, result.rewards)}"

        def report(passed: int, attempts: int) -> None:
            on_progress(passed, attempts)
            reporter.progress(f"writing melodies ({attempts} written{nearest})", passed, order.count)

        ready = prepared or PreparedOrder.of(order, reporter)
        reporter.progress("writing melodies", 0, order.count)
        yield from ready.batches(order.numbers, report, settled, on_miss)
        return
    model = open_model(order.model)
    here = {"versions": versions(), "model": model.fingerprint}
    size, done, written = _job_size(order), 0, 0
    first, last = order.numbers[0], order.numbers[-1]
    starts = range(first - (first - 1) % size, last + 1, size)
    jobs = (Job(order, model.fingerprint, max(start, first), min(start + size - 1, last)) for start in starts)
    reporter.progress("writing melodies", 0, order.count)
    for batch in workers.map(write_job, jobs):
        check_same(here, {name: batch.origin[name] for name in here}, "a worker")
        for one in batch.results:
            settled(one)
        done, written = done + len(batch.results), written + sum(one.attempts for one in batch.results)
        on_progress(done, written)
        reporter.progress(f"writing melodies ({written} written)", done, order.count)
        yield batch


def _job_size(order: Order) -> int:
    """Melodies of a job: whole groups."""
    together = find_method(order.method).together
    return together * -(-JOB // together)


class Job(NamedTuple):
    """Some melodies of an order: what is sent to a worker."""

    order: Order
    model: str  #: its fingerprint
    first: int
    last: int

    @property
    def key(self) -> str:
        """Equal for jobs that the same preparation serves."""
        whole = replace(self.order, first=1, count=1, whole=None)
        return str((self.model, whole.to_dict(), whole.request.seconds))


_one_job = Lock()  # a process writes one after the other: what is prepared is no two threads'
_prepared: dict[str, PreparedOrder] = {}  # of a worker's last job


def write_job(job: Job) -> Batch:
    """Write the melodies of a job: what a worker does.

    Raises:
        InputError: anything that the order's rule, model or files may be refused for.
    """
    with _one_job:
        try:
            if job.key not in _prepared:
                _prepared.clear()
                _prepared[job.key] = PreparedOrder.of(job.order)
            batches = list(_prepared[job.key].batches(range(job.first, job.last + 1)))
        except MelodylcError as error:  # some kinds can't be sent from process to process
            raise InputError(str(error)) from None
    return Batch([one for batch in batches for one in batch.results], batches[-1].origin)


def run_order(
    order: Order,
    reporter: Reporter = SILENT,
    model: LoadedModel | None = None,
    settled: Callable[[Result], None] = lambda result: None,
    method: Method | None = None,
    on_progress: Callable[[int, int], None] = lambda passed, attempts: None,
    workers: Workers | None = None,
) -> Generation:
    """Make the melodies of an order, and keep them all.

    Args:
        order: what is asked.
        reporter: hears how far the work is.
        model: the model of the order, where it is loaded already.
        settled: given each melody as soon as it is settled.
        method: a method that is prepared already, in the place of the order's.
        on_progress: told how many melodies are settled and how many were written; what it raises ends the work.
        workers: where it is done; None: here.

    Raises:
        InputError: a file that comes with the package is damaged.
        WorkersLost: the workers went away.
    """
    prepared = None if workers else PreparedOrder.of(order, reporter, model, method)
    results: list[Result] = []
    origin: Origin = {}
    for batch in order_batches(order, reporter, workers, prepared, settled, on_progress):
        results += batch.results
        origin = merge_origins(origin, batch.origin, "a worker") if origin else batch.origin
    return Generation(order, origin, tuple(results))
