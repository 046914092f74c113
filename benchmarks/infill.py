"""What follows or fills held-out melodies: whether bars stay, the key is kept, and how much of them comes back.

    python benchmarks/infill.py runs/corpus 40

Of every melody bars 1..8 stay and 9..16 are written (continue), then bars 1..4 and 13..16 stay (fill), one melody each.
The key is the one that fits the kept bars best, asked of new bars by default. A new bar *returns* where a kept bar has
as many onsets, and 0.9 of the onsets' places and of the intervals between them, in any transposition; so is judged what
the composer wrote there. Only bars with two onsets or more count. The spread is a standard error over melodies.
"""

import argparse
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

import melodylc
from melodylc.cli.ui import table
from melodylc.data.alphabet import BARS, PITCHES, STEPS_PER_BAR
from melodylc.data.corpus import Corpus
from melodylc.data.melody import Melody
from melodylc.data.tonality import estimate_key
from melodylc.reporting import SILENT
from melodylc.rewards import pitch_classes
from melodylc.rewards.new_bars import BarsReward
from melodylc.sampling.steering.given import GivenBars

_NEAR = 0.9
_KEPT = {"continue": tuple(range(8)), "fill": (*range(4), *range(12, 16))}


def returns(melody: Melody, kept: Iterable[int]) -> list[bool]:
    """Of each bar that isn't kept and has two onsets or more, whether a kept bar returns in it."""
    bars = melody.events.reshape(BARS, STEPS_PER_BAR)
    kept = set(kept)
    news = [bar for bar in range(BARS) if bar not in kept and (bars[bar] < PITCHES).sum() > 1]
    return [any(_near(bars[bar], bars[old]) for old in kept) for bar in news]


def _near(one: np.ndarray, other: np.ndarray) -> bool:
    places, others = np.flatnonzero(one < PITCHES), np.flatnonzero(other < PITCHES)
    if len(places) != len(others):
        return False
    steps, its = (np.diff(bar[at].astype(int)) for bar, at in ((one, places), (other, others)))
    return bool(np.isin(places, others).mean() >= _NEAR and (steps == its).mean() >= _NEAR)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("count", type=int, nargs="?", default=40)
    options = parser.parse_args()
    held_out = Corpus.open(options.corpus).heldout
    rows = np.random.default_rng(0).permutation(len(held_out))[: options.count]
    results = []
    for what, kept in _KEPT.items():
        new = tuple(bar for bar in range(BARS) if bar not in kept)
        same, follows, ours, theirs, started, written = 0, 0, [], [], time.process_time(), 0
        asked = 0
        for row in rows:
            melody = Melody(held_out[row])
            given = Melody(GivenBars(melody.events, frozenset(kept)).events)
            if (key := estimate_key(given)) is None:
                continue
            asked += 1
            if what == "continue":
                done = melodylc.extend(melody, bars=(1, 8), n=1, seed=int(row), reporter=SILENT)
            else:
                done = melodylc.fill(melody, "1..4,13..16", n=1, seed=int(row), reporter=SILENT)
            for one in done:
                written += 1
                same += all((one.melody.events.reshape(BARS, -1) == given.events.reshape(BARS, -1))[list(kept)].ravel())
                follows += BarsReward(pitch_classes(key.pitch_classes), new)(one.melody) == 1
                if (mine := returns(one.melody, kept)) and (true := returns(melody, kept)):
                    ours.append(np.mean(mine))
                    theirs.append(np.mean(true))
        difference = np.array(ours) - np.array(theirs)
        seconds = (time.process_time() - started) / max(asked, 1)
        results.append(
            [
                what,
                asked,
                written,
                f"{same}",
                f"{follows / max(written, 1):.3f}",
                f"{np.mean(ours):.3f}",
                f"{np.mean(theirs):.3f}",
                f"{difference.mean():+.3f} ± {difference.std() / np.sqrt(len(difference)):.3f}",
                f"{seconds:.1f}",
            ]
        )
    table(["", "asked", "written", "kept equal", "in key", "return", "true return", "difference", "s"], results)


if __name__ == "__main__":
    main()
