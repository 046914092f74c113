"""What choosing one of K by the discriminator is worth.

    python benchmarks/best_of.py CORPUS [SEEDS]

For each seed and K, 500 melodies, each the best of K that the language model that ships writes, against 500 held-out
leads before both judges (`melodylc.evaluation.two_sample`); with the share of different melodies, how far they are
apart, the figures of form, and what a candidate costs to judge. K = 1 is no choice.
"""

import sys
import time
from collections import defaultdict

import numpy as np
import numpy.typing as npt
import torch

from melodylc.data.alphabet import canonical
from melodylc.data.corpus import Corpus
from melodylc.data.roles import LEAD
from melodylc.data.rows import BALANCE
from melodylc.evaluation.diversity import apart
from melodylc.evaluation.real import Held
from melodylc.evaluation.samples import distinct
from melodylc.evaluation.two_sample import two_sample
from melodylc.models.checkpoint import shipped_model
from melodylc.sampling.discriminator import find_discriminator
from melodylc.sampling.methods.steer import write
from melodylc.sampling.steering.writer import find_writer

COUNT, TOGETHER = 500, 100
SIZES = (1, 2, 4, 8)
FIGURES = ("recur.intervals_4", "recur.longest_both_apart", "block.exact_2_any", "motion.step_inertia", "onset.notes")
Values = npt.NDArray[np.float64]


def best(candidates: npt.NDArray[np.uint8], scores: Values, k: int) -> npt.NDArray[np.uint8]:
    """Of every 8 candidates the one of the first `k` with the highest score: (n / 8, 256)."""
    most = max(SIZES)
    table = scores.reshape(-1, most)[:, :k]
    return candidates.reshape(len(table), most, -1)[np.arange(len(table)), table.argmax(axis=1)]


def main() -> None:
    """Print a table."""
    torch.set_num_threads(1)
    corpus, model = Corpus.open(sys.argv[1]), shipped_model()
    seeds = range(1, 1 + int(sys.argv[2])) if sys.argv[2:] else range(1, 4)
    rows, train = (np.flatnonzero(role == LEAD) for role in (corpus.heldout_role, corpus.train_role))
    held = Held.of(corpus, rows, BALANCE, train)
    most, discriminator, found_writer = max(SIZES), find_discriminator(), find_writer(model)
    if found_writer is None:
        raise SystemExit("no language model ships")
    found: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for seed in seeds:
        real = held.draw_with_works(np.arange(len(held.events)), COUNT, np.random.default_rng((seed, 9)))
        rng = np.random.default_rng(seed)
        written = np.concatenate([write(found_writer.writer, TOGETHER, rng) for _ in range(COUNT * most // TOGETHER)])
        candidates = canonical(written.astype(np.uint8))[0]
        begun = time.process_time()
        scores = discriminator.scores(candidates)
        found[1]["ms"].append((time.process_time() - begun) / len(candidates) * 1000)
        for k in SIZES:
            chosen, row = best(candidates, scores, k), found[k]
            done = two_sample(*real, chosen)
            for judge, area in done.areas.items():
                row[judge].append(area.auc)
            row["distinct"].append(distinct(chosen))
            row["apart"].append(apart(chosen))
            for figure in FIGURES:
                row[figure].append(done.form[figure][1])
            print(seed, k, {column: round(values[-1], 3) for column, values in row.items()}, flush=True)
    columns = ("trees", "events", "distinct", "apart", *FIGURES)
    print(f"| of | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for k, row in found.items():
        print(f"| {k} | {' | '.join(f'{np.mean(row[column]):.3f}' for column in columns)} |")
    print(f"{np.mean(found[1]['ms']):.2f} ms a candidate")


if __name__ == "__main__":
    main()
