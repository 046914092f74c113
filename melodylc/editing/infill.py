"""Bars written to somebody's own: before, between and after them.

The language model reads the given bars and writes the others, steered by the rule (`melodylc.sampling.methods.steer`).
What is new keeps to the given bars where nothing else is asked: to the key that fits them best (Krumhansl 1990), to
their range, an octave at least, and to `SPARSER` to `DENSER` times as many notes a bar.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from melodylc.constraints.request import Request
from melodylc.data.alphabet import BARS, PITCHES, REST, STEPS, STEPS_PER_BAR, canonical
from melodylc.data.arrays import Events
from melodylc.data.errors import InputError
from melodylc.data.melody import Melody, pitch_name
from melodylc.data.tonality import estimate_key
from melodylc.editing.transformer import EditResult, edit_result
from melodylc.models.checkpoint import LoadedModel
from melodylc.rewards import Reward, Scores, density, pitch_classes, register
from melodylc.rewards.new_bars import BarsReward
from melodylc.sampling.memorisation import find_memorisation_filter
from melodylc.sampling.methods.steer import Steer
from melodylc.sampling.steering.given import GivenBars
from melodylc.sampling.steering.limits import pitches_allowed
from melodylc.sampling.steering.potential import MelodyRows, RuleCounter
from melodylc.sampling.steering.writer import find_writer
from melodylc.threads import fixed_threads

SPARSER, DENSER = 0.6, 1.6
ATTEMPTS = 6  #: melodies that are tried for each one asked
_OCTAVE = 12


def infill(
    model: LoadedModel,
    melody: Melody,
    given: Sequence[int],
    request: Request,
    count: int,
    seed: int,
    *,
    new_only: bool = False,
    alike: bool = True,
    report: Callable[[int], None] = lambda done: None,
) -> list[EditResult]:
    """Melodies 1..count with some bars given and the others written; melody k depends on the seed and k alone.

    Args:
        model: the model.
        melody: whose bars are given.
        given: which, 0..15.
        request: what the whole melody must follow, or its new bars.
        count: how many.
        seed: of all that is random.
        new_only: whether the rule judges new bars only.
        alike: whether new bars keep to the key, range and density of the given ones where the request names none.
        report: told how many are there.

    Raises:
        InputError: the model has no language model, the given bars hold no note, or break the rule by themselves.
    """
    found = find_writer(model)
    if found is None:
        raise InputError("this model has not learnt to write (melodylc train prior): take another --model")
    bars = GivenBars(melody.events, frozenset(given))
    new = tuple(bar for bar in range(BARS) if bar not in bars.bars)
    kept = Melody(bars.events)
    if not kept.note_count:
        raise InputError("the bars that are kept hold no note: keep some that do")
    asked = request.rule.parts if request.rule is not None else ()
    usual = usual_rewards(kept, len(given), request) if alike else ()
    parts = [*((BarsReward(part, new) for part in asked) if new_only else asked), *(BarsReward(p, new) for p in usual)]
    judged, number = _scores(parts), len(asked)
    steer = Steer(found.writer, given=bars)
    copies = find_memorisation_filter(model)
    results: dict[int, EditResult] = {}
    with fixed_threads(1):
        # Prepared as if all bars were new, so that which single notes the rule allows is found; judged as it is asked.
        plan = steer.prepare(_scores([*asked, *usual]))
        if request.rule is not None and not new_only:
            _check_given(bars, request.rule.scores, plan.probes)
        plan = replace(plan, scores=judged)
        seen: set[bytes] = set()
        for attempt in range(1, ATTEMPTS + 1):
            pending = [one for one in range(1, count + 1) if one not in results or not _done(results[one])]
            for candidate in steer.sample(plan, seed, pending, attempt) if pending else ():
                events = canonical(bars.paste(candidate.events[None].astype(np.int64)))[0]
                scores = judged(events)[0]
                copied = copies is not None and bool(copies(_without(events, given))[0])
                fits = bool((scores[number:] == 1).all()) and not copied and events.tobytes() not in seen
                rewards = tuple(scores[:number].tolist())
                result = edit_result(candidate.number, melody, Melody(events[0]), rewards, attempt, new=fits)
                results[candidate.number] = result
                if _done(result):
                    seen.add(events.tobytes())
            report(sum(map(_done, results.values())))
    return [results[one] for one in sorted(results)]


def usual_rewards(kept: Melody, bars: int, request: Request) -> tuple[Reward, ...]:
    """What new bars keep to: key, range and density of so many bars that are kept, where the request names none.

    >>> tune = Melody.from_notes((pitch, 4 * i, 4 * i + 4) for i, pitch in enumerate([60, 62, 64, 65, 67, 69, 71, 72]))
    >>> [reward.name for reward in usual_rewards(tune, 2, Request(varied=False))]
    ['pitch_classes(0,2,4,5,7,9,11)', 'register(lowest=60, highest=72)', 'density(38..102)']
    """
    rewards: list[Reward] = []
    key = estimate_key(kept)
    if key and not request.scales and not request.chords:
        rewards.append(pitch_classes(key.pitch_classes))
    if not request.pitch_range:
        pitches = [note.pitch for note in kept.notes]
        lowest, highest = min(pitches), max(pitches)
        missing = max(_OCTAVE - (highest - lowest), 0)
        lowest = max(lowest - missing // 2, 0)
        rewards.append(register(lowest, min(max(highest, lowest + _OCTAVE), PITCHES - 1)))
    if not request.densities:
        usual = kept.note_count * BARS / bars
        most = min(round(DENSER * usual), STEPS)
        rewards.append(density(min(max(round(SPARSER * usual), 1), most), most))
    return tuple(rewards)


def _scores(parts: Sequence[Reward]) -> Callable[[Events], Scores]:
    """Each part's reward, (n, parts); one of 1 where nothing is asked."""
    return lambda events: np.stack([part.batch(events) for part in parts], 1) if parts else np.ones((len(events), 1))


def _done(result: EditResult) -> bool:
    return result.passed and result.new


def _without(events: Events, given: Sequence[int]) -> Events:
    """Melodies (n, 256) with rests for the given bars: those may come from anywhere."""
    bars = events.reshape(-1, BARS, STEPS_PER_BAR).copy()
    bars[:, list(given)] = REST
    return canonical(bars.reshape(len(events), -1))[0]


def _check_given(bars: GivenBars, scores: Callable[[Events], Scores], probes: MelodyRows) -> None:
    """Refuse bars with a note that the rule allows nowhere.

    Raises:
        InputError: there is one.
    """
    allowed = pitches_allowed(RuleCounter(scores), probes)
    if allowed is None:
        return
    events = bars.events
    wrong = np.flatnonzero(~allowed[np.arange(STEPS), events])
    if wrong.size:
        note, bar = pitch_name(int(events[wrong[0]])), int(wrong[0]) // STEPS_PER_BAR + 1
        more = f", and {wrong.size - 1} more" if wrong.size > 1 else ""
        raise InputError(
            f"the bars that are kept break the rule by themselves ({note} in bar {bar} of the melody{more}): keep "
            "others, ask for less, or apply the rule to new bars only (--new-bars-only)"
        )
