"""Whether the judges of likeness count: what they say of sets whose quality is known.

    python benchmarks/judges.py CORPUS [SEEDS]

For each seed 500 held-out melodies (`Held.draw_with_works`, all held-out works) against 500 of: training works (real
against real: 0.45 to 0.55), what `melodylc generate` writes without a rule (0.92 at least), the language model alone,
`--prior normal`, and a Markov chain of order 6 (0.98 at least). The chain is of events, a
sixteenth each, given the six before, learnt from 20,000 training melodies. (One of whole notes copies what it learnt
from, and is no touchstone.) Prints the areas in the mean over the seeds.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import STATES, STEPS, canonical
from melodylc.data.corpus import Corpus
from melodylc.evaluation.real import Held
from melodylc.evaluation.samples import draw_samples, redraw_copies
from melodylc.evaluation.subject import subject_of
from melodylc.evaluation.two_sample import two_sample
from melodylc.models.checkpoint import shipped_model
from melodylc.sampling.memorisation import find_memorisation_filter
from melodylc.training.settings import TrainSettings

COUNT, ORDER, LEARNT = 500, 6, 20_000
Events = npt.NDArray[np.uint8]
Contexts = npt.NDArray[np.int64]


class MarkovChain:
    """A chain of events of order 6 that falls back on fewer where the six were never seen.

    Its contexts are whole numbers, sorted, with what followed each beside them.
    """

    def __init__(self, events: Events) -> None:
        self.starts = events[:, :ORDER].astype(np.int64)
        self.contexts: list[tuple[Contexts, Contexts]] = []
        for order in range(ORDER, -1, -1):
            windows = np.lib.stride_tricks.sliding_window_view(events[:, ORDER - order :], order + 1, axis=1)
            keys = self._keys(windows[..., :order].reshape(windows.shape[0] * windows.shape[1], order).astype(np.int64))
            sort = np.argsort(keys, kind="stable")
            self.contexts.append((keys[sort], windows[..., order].reshape(-1)[sort].astype(np.int64)))

    @staticmethod
    def _keys(context: Contexts) -> Contexts:
        """Contexts (n, order) as numbers (n,)."""
        return (context * STATES ** np.arange(context.shape[1])).sum(axis=1)

    def write(self, count: int, rng: np.random.Generator) -> Events:
        """Canonical melodies (count, 256)."""
        written = np.zeros((count, STEPS), np.int64)
        written[:, :ORDER] = self.starts[rng.integers(len(self.starts), size=count)]
        for step in range(ORDER, STEPS):
            todo = np.arange(count)
            for order, (keys, following) in zip(range(ORDER, -1, -1), self.contexts, strict=True):
                key = self._keys(written[todo, step - order : step])
                first, last = np.searchsorted(keys, key, "left"), np.searchsorted(keys, key, "right")
                seen = last > first
                written[todo[seen], step] = following[rng.integers(first[seen], last[seen])]
                todo = todo[~seen]
        return canonical(written)[0]


def sets(corpus: Corpus, seed: int, chain: MarkovChain) -> Iterator[tuple[str, Events]]:
    """What is judged, but for the real melodies."""
    model = shipped_model()
    subject, guard, prior = subject_of(model), find_memorisation_filter(model), model.prior("learnt")
    learnt = subject.priors[-1]
    yield "generate", redraw_copies(subject, learnt, draw_samples(subject, learnt, COUNT, seed), seed, guard)
    rng = np.random.default_rng(seed)
    written = prior.melodies(np.stack([prior.numbers(rng) for _ in range(COUNT)]))
    if written is not None:
        yield "the language model alone", canonical(written.numpy().astype(np.uint8))[0]
    yield "--prior normal", draw_samples(subject, subject.priors[0], COUNT, seed)
    yield f"a Markov chain of order {ORDER}", chain.write(COUNT, rng)


def main() -> None:
    """Print a table."""
    corpus = Corpus.open(sys.argv[1])
    seeds = range(1, 1 + int(sys.argv[2])) if sys.argv[2:] else range(1, 4)
    balance = TrainSettings.balance
    heldout, training = (
        Held.of(corpus, np.arange(len(corpus.heldout)), balance, np.arange(len(corpus.train))),
        Held.training(corpus, balance),
    )
    rows = np.arange(len(training.events))
    chain = MarkovChain(training.draw_with_works(rows, LEARNT, np.random.default_rng(0))[0])
    found: Mapping[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for seed in seeds:
        rng = np.random.default_rng((seed, 9))
        real = heldout.draw_with_works(np.arange(len(heldout.events)), COUNT, rng)
        other, works = training.draw_with_works(rows, COUNT, rng)
        for name, events in (("real: training works", other), *sets(corpus, seed, chain)):
            done = two_sample(*real, events, works if name.startswith("real") else None)
            for judge, area in done.areas.items():
                found[name][judge].append(area.auc)
            found[name]["Fréchet"].append(done.frechet)
            print(seed, name, {judge: str(area) for judge, area in done.areas.items()}, flush=True)
    print("| set | trees | events | Fréchet distance in our features |\n|---|---|---|---|")
    for name, by in found.items():
        cells = [
            f"{np.mean(by[judge]):.3f} ± {np.std(by[judge], ddof=min(1, len(seeds) - 1)):.3f}"
            for judge in ("trees", "events")
        ]
        print(f"| {name} | {' | '.join(cells)} | {np.mean(by['Fréchet']):.1f} |")


if __name__ == "__main__":
    main()
