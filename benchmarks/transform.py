"""Real melodies made to obey a scale: how many do, how fast, what is left of them, and what they are like.

    python benchmarks/transform.py runs/corpus 500

Held-out melodies in whatever key they are in, transformed by `melodylc.transform` into C major, and beside that

    in place      the same, without moving a melody to another key as a whole
    snapped       every note to the nearest pitch of the scale (of two equally near, the lower)
    key, snapped  moved as a whole, by -6..6 semitones, to where most notes are in the scale, then snapped

The areas are Yang and Lerch's (`melodylc.evaluation.statistics`), against as many other held-out melodies, each moved
as a whole to where most of its notes are in C major; the ceiling is what yet others of those reach. Seconds are
processor time of one melody by itself, on one thread, the model loaded.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from melodylc.actors import find_actor, shipped_model
from melodylc.cli.ui import table
from melodylc.data.alphabet import PITCHES
from melodylc.data.melody import Melody
from melodylc.evaluation.statistics import features, overlapping_areas
from melodylc.request import Request
from melodylc.rewards import Rule
from melodylc.transform.change import kept
from melodylc.transform.propose import Proposer
from melodylc.transform.transformer import Transformer

Events = npt.NDArray[np.uint8]
SCALE = "cmaj"
LIMIT = 10.0  #: seconds a melody may take


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="folder of `melodylc data build`")
    parser.add_argument("count", type=int, nargs="?", default=500, help="melodies")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    real = np.load(asked.corpus / "heldout.npy", mmap_mode="r")
    chosen = np.random.default_rng(asked.seed).choice(len(real), 3 * asked.count, replace=False)
    source, reference, others = np.split(np.array(real[chosen]), 3)
    request = Request.read(scale=[SCALE], variety=False)
    if request.rule is None or request.scale is None:
        raise SystemExit(f"no rule in {SCALE}")
    mask = np.array(request.scale.mask)
    made, seconds = {}, {}
    for name, keys in (("transform", True), ("in place", False)):
        made[name], seconds[name] = _timed(_transformer(request, keys).transform, source)
    made["snapped"], seconds["snapped"] = _timed(lambda melody, *_: _snap(melody, mask), source)
    made["key, snapped"], seconds["key, snapped"] = _timed(
        lambda melody, *_: _snap(_in_key(melody, mask), mask), source
    )
    _show_kept(source, made, seconds, request.rule)
    _show_areas(_all_in_key(reference, mask), {**made, "ceiling": _all_in_key(others, mask)})


def _transformer(request: Request, keys: bool) -> Transformer:
    model, rule, taught = shipped_model(), request.rule, Request.read(scale=[SCALE]).rule
    actor = find_actor(model, taught) if taught else None
    if rule is None or actor is None:
        raise SystemExit(f"no actor for {SCALE} yet: fit one with `melodylc generate --scale {SCALE}`")
    return Transformer(model, rule, Proposer(model.vae, actor.move), keys=keys)


def _timed(make: Callable[..., object], source: Events) -> tuple[Events, list[float]]:
    rows, seconds = [], []
    for melody in Melody.unstack(source):
        start = time.process_time()
        found = make(melody, 1, 0)
        seconds.append(time.process_time() - start)
        rows.append(found[0].melody if isinstance(found, list) else found)
    return Melody.stack(row for row in rows if isinstance(row, Melody)), seconds


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
        left = [kept(*pair) for pair in zip(Melody.unstack(source), Melody.unstack(events), strict=True)]
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


def _show_areas(reference: Events, made: dict[str, Events]) -> None:
    real = features(reference)
    areas = {name: overlapping_areas(real, features(events)) for name, events in made.items()}
    levels = {name: features(events).levels() for name, events in {"reference": reference, **made}.items()}
    names = list(next(iter(areas.values())))
    table(["area", *areas], [[name, *(f"{areas[row][name]:.4f}" for row in areas)] for name in names])
    wanted = list(levels["reference"])
    table(["mean", *levels], [[name, *(f"{levels[row][name].mean():.3f}" for row in levels)] for name in wanted])


if __name__ == "__main__":
    main()
