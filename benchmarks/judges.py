"""Whether the judges of likeness count: what they say of sets whose quality is known.

    python benchmarks/judges.py CORPUS [SEEDS]

For each seed 500 held-out melodies (`Held.draw_with_works`, all held-out works) against 500 of: training works (real
against real: 0.45 to 0.55), what `melodylc generate` writes without a rule (0.92 at least), the language model alone,
`--prior normal`, and a Markov chain of order 6 (0.98 at least). The chain is of notes: interval, steps to the onset,
length and place in the bar of a note, given those of the six notes before, learnt from 40,000 training melodies; where
the six were never seen, of the five before, and so on. Prints the areas in the mean over the seeds.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from melodylc.data import Melody
from melodylc.data.alphabet import STEPS, STEPS_PER_BAR, canonical
from melodylc.data.corpus import Corpus
from melodylc.evaluation.musical_features import NoteTables
from melodylc.evaluation.real import Held
from melodylc.evaluation.samples import draw_samples, redraw_copies
from melodylc.evaluation.subject import subject_of
from melodylc.evaluation.two_sample import two_sample
from melodylc.models.checkpoint import shipped_model
from melodylc.sampling.memorisation import find_guard
from melodylc.training.settings import TrainSettings

COUNT, ORDER, LEARNT = 500, 6, 40_000
Events = npt.NDArray[np.uint8]
Note = tuple[int, int, int, int]  # interval, steps since the onset before, length, place in the bar


class MarkovChain:
    """A chain of notes of order 6 that falls back on fewer notes."""

    def __init__(self, events: Events) -> None:
        self.next: dict[tuple[Note, ...], list[Note]] = defaultdict(list)
        self.first: list[tuple[int, int, int]] = []  # pitch, onset, length
        for at in range(0, len(events), 1000):
            notes = NoteTables(events[at : at + 1000])
            for row, count in enumerate(notes.count):
                self._learn(*(table[row, :count].tolist() for table in (notes.pitch, notes.start, notes.length)))

    def _learn(self, pitch: list[int], start: list[int], length: list[int]) -> None:
        self.first.append((pitch[0], start[0], length[0]))
        said: list[Note] = [(0, 0, length[0], start[0] % STEPS_PER_BAR)]
        for at in range(1, len(pitch)):
            note = (pitch[at] - pitch[at - 1], start[at] - start[at - 1], length[at], start[at] % STEPS_PER_BAR)
            for order in range(1, ORDER + 1):
                self.next[tuple(said[-order:])].append(note)
                if order >= len(said):
                    break
            said.append(note)

    def write(self, rng: np.random.Generator) -> Events:
        """A melody (256,)."""
        pitch, start, length = self.first[rng.integers(len(self.first))]
        notes, said = [(pitch, start, min(start + length, STEPS))], [(0, 0, length, start % STEPS_PER_BAR)]
        while True:
            options = next(
                (self.next[key] for order in range(ORDER, 0, -1) if (key := tuple(said[-order:])) in self.next), None
            )
            if not options:
                break
            note = options[rng.integers(len(options))]
            pitch, start = int(np.clip(pitch + note[0], 21, 108)), start + note[1]
            if start >= STEPS:
                break
            notes[-1] = (*notes[-1][:2], min(notes[-1][2], start))
            notes.append((pitch, start, min(start + note[2], STEPS)))
            said.append(note)
        return Melody.from_notes(notes).events


def sets(corpus: Corpus, seed: int, chain: MarkovChain) -> Iterator[tuple[str, Events]]:
    """What is judged, but for the real melodies."""
    model = shipped_model()
    subject, guard, prior = subject_of(model), find_guard(model), model.prior("learnt")
    learnt = subject.priors[-1]
    yield "generate", redraw_copies(subject, learnt, draw_samples(subject, learnt, COUNT, seed), seed, guard)
    rng = np.random.default_rng(seed)
    written = prior.written(np.stack([prior.numbers(rng) for _ in range(COUNT)]))
    if written is not None:
        yield "the language model alone", canonical(written.numpy().astype(np.uint8))[0]
    yield "--prior normal", draw_samples(subject, subject.priors[0], COUNT, seed)
    yield f"a Markov chain of order {ORDER}", np.stack([chain.write(rng) for _ in range(COUNT)])


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
