"""How well the VAE gives back rhythms that it rarely met: held-out melodies as they are, syncopated, and detached.

    python benchmarks/rhythms.py CORPUS [MODEL]

512 held-out melodies of works that never chose a checkpoint. Every third onset is moved a sixteenth or an eighth early
where there is room (chances even), or every second note has a sixteenth of rest before it. Encoded to the mean and
decoded; a note counts as given back where the same pitch begins at the same step. Beside all notes those on odd
sixteenths.
"""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from melodylc.data.alphabet import HOLD, STEPS
from melodylc.data.arrays import Events
from melodylc.data.corpus import Corpus
from melodylc.data.rows import evaluation_rows
from melodylc.models.checkpoint import LoadedModel, open_model
from melodylc.training.augment import anticipate_onsets, detach_notes

COUNT, TOGETHER = 512, 64


def every(events: Events, nth: int) -> npt.NDArray[np.bool_]:
    """Marks (n, 256) on every nth onset of each melody."""
    onsets = events < HOLD
    marks: npt.NDArray[np.bool_] = onsets & (onsets.cumsum(1) % nth == 0)
    return marks


def given_back(model: LoadedModel, events: Events) -> tuple[float, float]:
    """Share of note-ons (n, 256) that come back, and of those on odd sixteenths."""
    with torch.no_grad():
        parts = torch.from_numpy(events.astype(np.int64)).split(TOGETHER)
        decoded = np.concatenate([model.vae.decode(model.vae.encode(part).mean) for part in parts])
    onsets, odd = events < HOLD, np.arange(STEPS) % 2 == 1
    right = decoded == events
    return float(right[onsets].mean()), float(right[onsets & odd].mean())


def main() -> None:
    """Print the figures."""
    torch.set_num_threads(1)
    corpus, model = Corpus.open(sys.argv[1]), open_model(Path(sys.argv[2]) if sys.argv[2:] else None)
    events = np.asarray(corpus.heldout[evaluation_rows(corpus, COUNT)])
    rng = np.random.default_rng(0)
    early = [anticipate_onsets(events, every(events, 3), by) for by in (1, 2)]
    either = np.where(rng.random((len(events), 1)) < 0.5, *early)
    sets = {
        "as they are": events,
        "every third onset early": either,
        "rests between": detach_notes(events, every(events, 2)),
    }
    print(f"model {model.fingerprint}, corpus {corpus.fingerprint}; {len(events)} held-out melodies, from the mean")
    print("| melodies | note-ons back | on odd sixteenths |\n|---|---|---|")
    for name, some in sets.items():
        share, odd = given_back(model, some)
        print(f"| {name} | {share:.3f} | {odd:.3f} |")


if __name__ == "__main__":
    main()
