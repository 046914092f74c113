"""Real melodies made to obey a scale: how many do, how fast, what is left of them, and what they are like.

    python benchmarks/transform.py runs/corpus 500
    python benchmarks/transform.py runs/corpus 500 --keys

Held-out melodies in whatever key they are in, transformed by `melodylc.editing` into C major, and beside that

    in place      the same, without moving a melody to another key as a whole (with --in-place)
    snapped       every note to the nearest pitch of the scale (of two equally near, the lower)
    key, snapped  moved as a whole, by -6..6 semitones, to where most notes are in the scale, then snapped

The areas are Yang and Lerch's (`melodylc.evaluation.statistics`), against as many other held-out melodies, each moved
as a whole to where most of its notes are in C major; the ceiling is what yet others of those reach. What is made of
one sample is compared with another there, so the luck of the draw is in all of it. It isn't in the second table, which
is against the same melodies as they were, moved likewise. Standard errors of differences are a jackknife's, ten times
without a tenth of all melodies. Seconds are processor time of one melody by itself, on one thread, the model loaded.

With --keys, melodies go to a major key, another for each, without any model: moved by `transposition` and bent by
`bend` (`melodylc.data.tonality`), which is where `transform` begins. The bound is the largest share of intervals that
any melody in the scale keeps, if each note moves by up to 6 semitones from there.
"""

import argparse
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from melodylc.cli.ui import table
from melodylc.constraints.actors import find_actor
from melodylc.constraints.request import Request
from melodylc.data.alphabet import PITCHES
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody
from melodylc.data.tonality import bend, transposition
from melodylc.editing.change import similarity
from melodylc.editing.proposals import Proposer
from melodylc.editing.transformer import Transformer
from melodylc.evaluation.statistics import features, overlapping_areas
from melodylc.models.checkpoint import shipped_model
from melodylc.rewards import Rule

Events = npt.NDArray[np.uint8]
SCALE = "cmaj"
OWN = "the same"
LIMIT = 10.0  #: seconds a melody may take
BLOCKS = 10  #: of melodies, each left out once


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="folder of `melodylc data build`")
    parser.add_argument("count", type=int, nargs="?", default=500, help="melodies")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--in-place", action="store_true", help="also without moving melodies to another key")
    parser.add_argument("--keys", action="store_true", help="into other keys, without the model: intervals alone")
    asked = parser.parse_args()
    real = np.load(asked.corpus / "heldout.npy", mmap_mode="r")
    chosen = np.random.default_rng(asked.seed).choice(len(real), 3 * asked.count, replace=False)
    source, reference, others = np.split(np.array(real[chosen]), 3)
    if asked.keys:
        _show_other_keys(source)
        return
    request = Request.read(scale=[SCALE], variety=False)
    if request.rule is None or request.scale is None:
        raise SystemExit(f"no rule in {SCALE}")
    mask = np.array(request.scale.mask)
    made, seconds = {}, {}
    with ProcessPoolExecutor(asked.jobs) as pool:
        for name, keys in (("transform", True), ("in place", False))[: 1 + asked.in_place]:
            made[name], seconds[name] = _apart(pool.map(partial(_transformed, keys), source, chunksize=4))
    made["snapped"], seconds["snapped"] = _apart(_timed(lambda one: _snap(one, mask), events) for events in source)
    made["key, snapped"], seconds["key, snapped"] = _apart(
        _timed(lambda one: _snap(_in_key(one, mask), mask), events) for events in source
    )
    _show_kept(source, made, seconds, request.rule)
    reference, own, ceiling = (_all_in_key(events, mask) for events in (reference, source, others))
    _show_areas("others", reference, {**made, "ceiling": ceiling})
    _show_areas(OWN, own, made)
    _show_levels({"others": reference, OWN: own, **made})
    for other in ("snapped", "key, snapped"):
        _show_ahead(other, {"others": reference, OWN: own}, made["transform"], made[other])


def _show_other_keys(source: Events) -> None:
    """How many intervals are left of melodies that go to a major key, those first of which few notes must be bent."""
    rows = []
    for number, melody in enumerate(Melody.unstack(source)):
        scale, start = Scale(number % 12, "major"), time.process_time()
        moved = melody.transposed(transposition(melody, scale))
        bent = bend(moved, scale)
        took = time.process_time() - start
        outside = 1 - float(np.array(scale.mask)[moved.pitches % 12].mean())
        intervals = max(1, melody.note_count - 1)
        kept = [similarity(melody, one).intervals for one in (moved, bent)]
        rows.append([outside, *kept, 1 - _fewest_changes(moved, scale) / intervals, took])
    found = np.array(rows)
    groups = {"all": found[:, 0] <= 1, "5% outside at most": found[:, 0] <= 0.05, "none outside": found[:, 0] == 0}
    lines = [
        [name, int(which.sum()), *(f"{value:.4f}" for value in found[which].mean(axis=0))]
        for name, which in groups.items()
    ]
    columns = ["outside", "intervals moved", "moved and bent", "bound", "seconds"]
    table(["into another key", "melodies", *columns], lines)


def _fewest_changes(melody: Melody, scale: Scale) -> int:
    """The fewest intervals that change where every note moves into the scale, by up to 6 semitones."""
    moves = np.arange(-6, 7)
    allowed = np.array(scale.mask)[(melody.pitches[:, None] + moves) % 12]
    total = np.zeros(len(moves))
    for number, row in enumerate(allowed):
        ways = total[:, None] + (moves[:, None] != moves) * (number > 0)
        total = np.where(row, ways.min(axis=0), np.inf)
    return int(total.min())


@cache
def _transformer(keys: bool) -> Transformer:
    request = Request.read(scale=[SCALE], variety=False)
    model, rule, taught = shipped_model(), request.rule, Request.read(scale=[SCALE]).rule
    actor = find_actor(model, taught) if taught else None
    if rule is None or actor is None:
        raise SystemExit(f"no actor for {SCALE} yet: fit one with `melodylc generate --scale {SCALE}`")
    return Transformer(model, rule, Proposer(model.vae, actor.move), keys=keys, scale=request.scale)


def _transformed(keys: bool, events: Events) -> tuple[Events, float]:
    transformer = _transformer(keys)
    return _timed(lambda melody: transformer.transform(melody, 1, 0)[0].melody, events)


def _timed(make: Callable[[Melody], Melody], events: Events) -> tuple[Events, float]:
    melody, start = Melody(events), time.process_time()
    made = make(melody)
    return made.events, time.process_time() - start


def _apart(found: Iterable[tuple[Events, float]]) -> tuple[Events, list[float]]:
    events, seconds = zip(*found, strict=True)
    return np.stack(events), list(seconds)


def _snap(melody: Melody, mask: npt.NDArray[np.bool_]) -> Melody:
    """Every note at the nearest pitch of the scale."""
    pitches = np.flatnonzero(np.resize(mask, PITCHES))
    nearest = pitches[np.abs(pitches - np.arange(PITCHES)[:, None]).argmin(axis=1)]
    events = melody.events.astype(np.int64)
    return Melody(np.where(events < PITCHES, nearest[np.minimum(events, PITCHES - 1)], events))


def _in_key(melody: Melody, mask: npt.NDArray[np.bool_]) -> Melody:
    """The melody moved to where most of its notes are in the scale; of equals, the least far."""
    shifts = sorted(range(-6, 7), key=abs)
    shares = [mask[(melody.pitches + shift) % 12].mean() for shift in shifts]
    order = sorted(range(len(shifts)), key=lambda index: -shares[index])
    for index in order:
        if melody.pitches.min() + shifts[index] >= 0 and melody.pitches.max() + shifts[index] < PITCHES:
            return melody.transposed(shifts[index])
    return melody


def _all_in_key(events: Events, mask: npt.NDArray[np.bool_]) -> Events:
    return Melody.stack(_in_key(melody, mask) for melody in Melody.unstack(events))


def _show_kept(source: Events, made: dict[str, Events], seconds: dict[str, list[float]], rule: Rule) -> None:
    rows = []
    for name, events in made.items():
        left = [similarity(*pair) for pair in zip(Melody.unstack(source), Melody.unstack(events), strict=True)]
        obeyed, took = rule.satisfied(events), np.array(seconds[name])
        rows.append(
            [
                name,
                f"{(obeyed & (took <= LIMIT)).mean():.4f}",
                f"{obeyed.mean():.4f}",
                *(
                    f"{np.mean([getattr(one, what) for one in left]):.4f}"
                    for what in ("onsets", "pitches", "intervals")
                ),
                f"{np.median(took):.2f}",
                f"{took.max():.2f}",
            ]
        )
    columns = [f"obey in {LIMIT:g} s", "obey", "onsets kept", "pitches", "intervals", "median s", "most s"]
    table(
        ["into C major", *columns],
        rows,
        title=f"{len(source)} held-out melodies, {_share(rule, source)} obey as they are",
    )


def _share(rule: Rule, events: Events) -> str:
    return f"{rule.satisfied(events).mean():.1%}"


def _show_areas(name: str, reference: Events, made: dict[str, Events]) -> None:
    real = features(reference)
    areas = {column: overlapping_areas(real, features(events), paired=name == OWN) for column, events in made.items()}
    rows = [[row, *(f"{areas[column][row]:.4f}" for column in areas)] for row in real.by_name()]
    table([f"area with {name}", *areas], rows)


def _show_levels(sets: dict[str, Events]) -> None:
    levels = {name: features(events).levels() for name, events in sets.items()}
    wanted = list(next(iter(levels.values())))
    table(["mean", *levels], [[row, *(f"{levels[name][row].mean():.3f}" for name in levels)] for row in wanted])


def _show_ahead(other: str, references: dict[str, Events], ours: Events, theirs: Events) -> None:
    """By how much `ours` is ahead of `theirs`, with the standard error of that."""
    columns = [_ahead(reference, ours, theirs, name == OWN) for name, reference in references.items()]
    rows = [[area, *(f"{column[area][0]:+.4f} ± {column[area][1]:.4f}" for column in columns)] for area in columns[0]]
    table([f"transform ahead of {other}", *references], rows)


def _ahead(reference: Events, ours: Events, theirs: Events, paired: bool) -> dict[str, tuple[float, float]]:
    def differences(left: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        real = features(reference[left])
        one, another = (overlapping_areas(real, features(events[left]), paired=paired) for events in (ours, theirs))
        return np.array(list(one.values())) - np.array(list(another.values()))

    group = np.arange(len(reference)) % BLOCKS
    parts = np.stack([differences(group != block) for block in range(BLOCKS)])
    errors = np.sqrt((BLOCKS - 1) * ((parts - parts.mean(axis=0)) ** 2).mean(axis=0))
    found = zip(differences(group >= 0).tolist(), errors.tolist(), strict=True)
    return dict(zip(features(reference[:1]).by_name(), found, strict=True))


if __name__ == "__main__":
    main()
