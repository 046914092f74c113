"""From an order to melodies, their files and the manifest: `melodylc generate` and `melodylc.service.generation`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from melodylc.constraints.transposable import check_transposed
from melodylc.data.alphabet import BARS
from melodylc.data.formats.render import Piece, Rendered, render
from melodylc.models.checkpoint import LoadedModel, open_model
from melodylc.reporting import SILENT, Reporter
from melodylc.sampling.discriminator import find_discriminator
from melodylc.sampling.memorisation import find_memorisation_filter
from melodylc.sampling.methods import find_method
from melodylc.sampling.methods.base import Method, Task
from melodylc.sampling.sampler import Result, Sampler
from melodylc.service.order import Order
from melodylc.service.production import Production
from melodylc.versions import versions


@dataclass(frozen=True, repr=False)
class Generation(Production[Result]):
    """What came of an order; as a sequence, the melodies that are written."""

    order: Order
    model: LoadedModel
    method: Method
    results: tuple[Result, ...]  #: one for each melody asked, in order
    corpora: tuple[str, ...] = ()  #: fingerprints of the corpora whose copies were refused, if any were looked for

    @property
    def accepted(self) -> tuple[Result, ...]:
        """The melodies that are written: those that follow the rule and copy nothing, or all where none is verified."""
        return tuple(one for one in self.results if one.passed or not self.order.verify)

    @property
    def attempts(self) -> int:
        """Candidates written for all melodies asked."""
        return sum(one.attempts for one in self.results)

    @property
    def acceptance(self) -> float:
        """Share of the candidates that followed the rule, copies included."""
        return (sum(one.passes for one in self.results) + self.copies) / self.attempts

    @property
    def copies(self) -> int:
        """Candidates that followed the rule and shared four bars with a training melody."""
        return sum(one.copies for one in self.results)

    @property
    def rates(self) -> dict[str, float]:
        """Share of the candidates that satisfied each part of the rule, by its name."""
        rule = self.order.request.rule
        counts = zip(*(one.satisfied for one in self.results), strict=True)
        return {
            name: sum(n) / self.attempts for name, n in zip(rule.names if rule is not None else (), counts, strict=True)
        }

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
        rule = self.order.request.rule
        parts = rule.names if rule is not None else ()
        return {
            "command": self.order.command,
            "request": self.order.to_dict(),
            "versions": versions(),
            "model": self.model.fingerprint,
            "prior": self.model.prior(self.order.prior).identity,
            "method": {"name": self.method.name, **self.method.to_dict()},
            "rule": list(parts),
            "attempts": self.attempts,
            "acceptance": round(self.acceptance, 6),
            "rates": {name: round(rate, 6) for name, rate in self.rates.items()},
            "copies_of": list(self.corpora),
            "copies_refused": self.copies,
            "missing": list(self.missing),
            **rendered.about,
            "files": [
                {
                    "file": files[0],
                    **({"beside": files[1:]} if files[1:] else {}),
                    "passed": one.passed,
                    "rewards": dict(zip(parts, one.rewards, strict=True)),
                    "notes": one.melody.note_count * self.order.request.length // BARS,  # of what is written
                    "attempts": one.attempts,
                    "distance": round(one.distance, 6),
                    "rests_added": one.rests_added,
                    **({} if one.likeness is None else _choice(one)),
                    **one.details,
                }
                for one, files in zip(self.accepted, rendered.of, strict=True)
            ],
        }


def _choice(one: Result) -> dict[str, Any]:
    return {"likeness": round(one.likeness or 0.0, 4), "best_of": one.passes}


def run_order(
    order: Order,
    reporter: Reporter = SILENT,
    model: LoadedModel | None = None,
    settled: Callable[[Result], None] = lambda result: None,
    method: Method | None = None,
    on_progress: Callable[[int, int], None] = lambda passed, attempts: None,
) -> Generation:
    """Make the melodies of an order.

    Args:
        order: what is asked.
        reporter: hears how far the work is.
        model: the model of the order, where it is loaded already.
        settled: given each melody as soon as it is settled.
        method: a method that is prepared already, in the place of the order's.
        on_progress: told how many melodies are settled and how many were written; what it raises ends the work.

    Raises:
        InputError: a file that comes with the package is damaged.
    """
    loaded = model or (open_model(order.model))
    if method is None:
        task = Task(loaded, order.request, order.prior, order.actor, order.realism, reporter, order.lane, order.octaves)
        method = find_method(order.method).prepare(task)
    judge = find_discriminator().scores if order.best_of > 1 else None
    copies = find_memorisation_filter(loaded) if order.refuses_copies else None

    def report(passed: int, attempts: int) -> None:
        on_progress(passed, attempts)
        reporter.progress(f"writing melodies ({attempts} written)", passed, order.count)

    reporter.progress("writing melodies", 0, order.count)
    sampler = Sampler(method, order.request.rule, judge, copies)
    results = sampler.sample(order.seed, order.count, order.budget, report, order.best_of, settled)
    return Generation(order, loaded, method, tuple(results), copies.corpora if copies else ())
