"""A corpus made by the real builder from a few MIDI files, and a stand-in for laws that need chosen arrays."""

import random
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import mido
import numpy as np
import numpy.typing as npt
import pytest

from melodylc.data.build import build
from melodylc.data.corpus import Corpus, Piece
from melodylc.data.windows import Filters

SCALE = (0, 2, 4, 5, 7, 9, 11, 12)
FILES = {"reels": 6, "hymns": 4, "airs": 2}
BARS = 24  # nine windows a file
EVERY_BAR = Filters(windows="every-bar")


def write_tune(path: Path, seed: int) -> None:
    """A tune of 24 bars in 4/4: a few one-bar figures, repeated and moved."""
    chance = random.Random(seed)
    figures = [[chance.choice(SCALE) for _ in range(8)] for _ in range(6)]
    track = mido.MidiTrack([mido.MetaMessage("time_signature", numerator=4, denominator=4)])
    for bar in range(BARS):
        for step in chance.choice(figures):
            pitch = 60 + step + 12 * (bar % 8 == 7)
            track += [mido.Message("note_on", note=pitch, time=0), mido.Message("note_off", note=pitch, time=240)]
    mido.MidiFile(tracks=[track], ticks_per_beat=480).save(path)


_built: list[Corpus] = []


def build_small(factory: pytest.TempPathFactory) -> Corpus:
    """Three collections of unlike sizes, half of the works held out; made once for all tests."""
    if not _built:
        folder = factory.mktemp("small")
        for number, (collection, count) in enumerate(FILES.items()):
            (folder / collection).mkdir()
            for index in range(count):
                write_tune(folder / collection / f"{chr(97 + index) * 5}.mid", 100 * number + index)
        paths = [folder / collection for collection in FILES]
        _built.append(build(paths, folder / "corpus", filters=EVERY_BAR, heldout=0.5, workers=1))
    return _built[0]


def pretend(
    train: npt.NDArray[np.uint8], collection: npt.NDArray[np.int16], names: int = 1, works: tuple[str, ...] = ()
) -> Corpus:
    """What looks like a corpus to the sampler: training melodies with their collections, works held out."""
    pieces = [Piece("c", f"{work}.mid", work) for work in works]
    made = SimpleNamespace(
        train=train,
        train_collection=collection,
        collections=[f"c{number}" for number in range(names)],
        pieces=pieces,
        heldout_piece=np.arange(len(works), dtype=np.int32),
        heldout=np.full((len(works), 256), 129, np.uint8),
    )
    return cast(Corpus, made)
