"""The language model that ships, by itself: nats, copies and likeness of what it writes.

    python benchmarks/language.py CORPUS [TEMPERATURE ...]

Nats a melody of 512 held-out leads, of works that never chose a checkpoint, beside the language model of the VAE's
learnt prior. For each temperature (its own where none is given) 500 leads: how many share four bars with a training
melody, and how well two judges tell them from 500 held-out leads (`melodylc.evaluation.two_sample`).
"""

import sys

import numpy as np
import torch

from melodylc.cache import pretrained
from melodylc.data.alphabet import canonical
from melodylc.data.corpus import Corpus
from melodylc.data.roles import LEAD
from melodylc.data.rows import BALANCE, evaluation_rows
from melodylc.evaluation.real import Held
from melodylc.evaluation.two_sample import two_sample
from melodylc.models.checkpoint import load_language, shipped_model
from melodylc.sampling.memorisation import find_memorisation_filter
from melodylc.sampling.steering.writer import WRITER, find_writer

COUNT, TOGETHER = 500, 100
FIGURES = (
    "recur.intervals_4",
    "recur.longest_intervals",
    "block.exact_2_any",
    "motion.step_inertia",
    "motion.repeated",
    "motion.turns",
    "onset.notes",
)


def main() -> None:
    """Print the figures."""
    torch.set_num_threads(1)
    corpus, model = Corpus.open(sys.argv[1]), shipped_model()
    language, _ = load_language(pretrained() / WRITER)
    role = torch.full((TOGETHER,), LEAD)
    leads, train = (np.flatnonzero(of == LEAD) for of in (corpus.heldout_role, corpus.train_role))
    judged = np.intersect1d(evaluation_rows(corpus, among=np.arange(len(corpus.heldout))), leads)
    rows = np.sort(np.random.default_rng(3).choice(judged, min(512, len(judged)), replace=False))
    held_out = torch.from_numpy(np.asarray(corpus.heldout[rows]).astype(np.int64)).split(TOGETHER)
    with torch.no_grad():
        nats = [torch.cat([language.nll(part, 1.0, role[: len(part)]) for part in held_out]).mean().item()]
        if model.language is not None:
            nats.append(torch.cat([model.language.nll(part) for part in held_out]).mean().item())
    print(f"corpus {corpus.fingerprint}; nats of {len(rows)} held-out leads: {', '.join(f'{n:.1f}' for n in nats)}")
    found = find_writer(model)
    own = [found.temperature] if found else []
    held, is_copy = Held.of(corpus, leads, BALANCE, train), find_memorisation_filter(model)
    for temperature in [float(value) for value in sys.argv[2:]] or own:
        rng = np.random.default_rng(1)
        with torch.no_grad():
            uniforms = (torch.from_numpy(rng.random((TOGETHER, 256))) for _ in range(COUNT // TOGETHER))
            parts = [language.write(each, temperature, role).numpy() for each in uniforms]
        written = canonical(np.concatenate(parts).astype(np.uint8))[0]
        done = two_sample(
            *held.draw_with_works(np.arange(len(held.events)), COUNT, np.random.default_rng((1, 9))), written
        )
        areas = ", ".join(f"{judge} {area.auc:.3f}" for judge, area in done.areas.items())
        copies = f"{np.mean(is_copy(written)):.3f}" if is_copy else "not known"
        print(f"temperature {temperature:g}: {areas}; copies {copies}")
        print("  " + ", ".join(f"{name} {done.form[name][1]:.3f} ({done.form[name][0]:.3f})" for name in FIGURES))


if __name__ == "__main__":
    main()
