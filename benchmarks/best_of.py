"""What choosing one of K by the discriminator is worth, beside choosing by likelihood.

    python benchmarks/best_of.py CORPUS [SEEDS]

For each seed and K, 500 melodies of the shipped model, each the best of K of the prior's draws, against 500 held-out
ones before both judges (`melodylc.evaluation.two_sample`); with the share of different melodies, how far they are
apart, the figures of form, and what a candidate costs to judge. K = 1 is no choice.
"""

import sys
import time
from collections import defaultdict

import numpy as np
import numpy.typing as npt
import torch

from melodylc.actors import shipped_model
from melodylc.data.corpus import Corpus
from melodylc.discriminator import find_discriminator
from melodylc.evaluation.diversity import apart
from melodylc.evaluation.real import Held
from melodylc.evaluation.samples import distinct, draw_samples
from melodylc.evaluation.subject import subject_of
from melodylc.evaluation.two_sample import two_sample
from melodylc.likeness import find_likeness
from melodylc.training.settings import TrainSettings

COUNT = 500
CHOICES = (("discriminator", (1, 4, 8, 16)), ("likelihood", (4,)))
FIGURES = ("recur.intervals_4", "recur.longest_both_apart", "block.exact_2_any", "motion.step_inertia", "onset.notes")
Values = npt.NDArray[np.float64]


def best(candidates: npt.NDArray[np.uint8], scores: Values, k: int) -> npt.NDArray[np.uint8]:
    """Of every 16 candidates the one of the first `k` with the highest score: (n / 16, 256)."""
    most = max(k for _, some in CHOICES for k in some)
    table = scores.reshape(-1, most)[:, :k]
    return candidates.reshape(len(table), most, -1)[np.arange(len(table)), table.argmax(axis=1)]


def main() -> None:
    """Print a table."""
    torch.set_num_threads(1)
    corpus, model = Corpus.open(sys.argv[1]), shipped_model()
    seeds = range(1, 1 + int(sys.argv[2])) if sys.argv[2:] else range(1, 4)
    held = Held.of(corpus, np.arange(len(corpus.heldout)), TrainSettings.balance, np.arange(len(corpus.train)))
    subject, most = subject_of(model), max(k for _, some in CHOICES for k in some)
    discriminator, likelihood = find_discriminator(), find_likeness(model)
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for seed in seeds:
        real = held.draw_with_works(np.arange(len(held.events)), COUNT, np.random.default_rng((seed, 9)))
        candidates = draw_samples(subject, subject.priors[-1], COUNT * most, seed)
        begun = time.process_time()
        scores = {"discriminator": discriminator.scores(candidates)}
        found["discriminator, 1"]["ms"].append((time.process_time() - begun) / len(candidates) * 1000)
        few = candidates.reshape(COUNT, most, -1)[:, :4].reshape(COUNT * 4, -1)
        told = likelihood(torch.zeros(0), torch.from_numpy(few)).numpy().reshape(COUNT, 4)
        scores["likelihood"] = np.pad(told, ((0, 0), (0, most - 4)), constant_values=-np.inf).reshape(-1)
        for name, sizes in CHOICES:
            for k in sizes:
                chosen = best(candidates, scores[name], k)
                done, row = two_sample(*real, chosen), found[f"{name}, {k}"]
                for judge, area in done.areas.items():
                    row[judge].append(area.auc)
                row["distinct"].append(distinct(chosen))
                row["apart"].append(apart(chosen))
                for figure in FIGURES:
                    row[figure].append(done.form[figure][1])
                print(seed, name, k, {column: round(values[-1], 3) for column, values in row.items()}, flush=True)
    columns = ("trees", "events", "distinct", "apart", *FIGURES)
    print(f"| chosen by, of | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for name, row in found.items():
        print(f"| {name} | {' | '.join(f'{np.mean(row[column]):.3f}' for column in columns)} |")
    print(f"{np.mean(found['discriminator, 1']['ms']):.2f} ms a candidate")


if __name__ == "__main__":
    main()
