"""Runs and melodies as the page gets them: plain values, with what keeps to the rule and what doesn't."""

from typing import Any

import numpy as np

from melodylc.constraints.request import Request
from melodylc.data.formats.roll import is_outside
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody, pitch_name
from melodylc.rewards import Density, PitchClasses, Tonic, Variety
from melodylc.rewards.bars import by_bar
from melodylc.rewards.base import Reward
from melodylc.studio.files import command, file_name
from melodylc.studio.history import Run


def shown_scale(scale: Scale | None) -> dict[str, Any] | None:
    """A scale: its name, its pitch classes and its tonic."""
    if scale is None:
        return None
    return {"name": scale.name, "notes": sorted(scale.pitch_classes), "tonic": scale.tonic}


def shown_parts(request: Request) -> list[dict[str, str]]:
    """The parts of a request's rule, as named in manifests and in plain words."""
    rule = request.rule
    return [{"name": part.name, "label": _label(part, request)} for part in rule.parts] if rule else []


def shown_run(run: Run, tempo: float) -> dict[str, Any]:
    """A run without its melodies."""
    return {
        "run": run.number,
        "kind": run.kind,
        "title": run.title,
        "slug": run.slug,
        "seed": run.seed,
        "of": list(run.of) if run.of else None,
        "asked": run.asked,
        "remarks": [*run.remarks, *run.lost],
        "scale": shown_scale(run.request.scale),
        "parts": shown_parts(run.request),
        "command": command(run.made, tempo) if run.made else None,
        "takes": len(run.melodies),
        **{mark: list(run.marks.values()).count(mark) for mark in ("kept", "discarded")},
    }


def shown_take(run: Run, number: int) -> dict[str, Any]:
    """A melody of a run, with its file's name and what its rule says of it."""
    melody = run.melody(number)
    return {
        "run": run.number,
        "number": number,
        "name": file_name(run, number),
        "notes": [list(note) for note in melody.notes],
        "mark": run.marks.get(number),
        **judged(melody, run.request),
    }


def judged(melody: Melody, request: Request) -> dict[str, Any]:
    """What a request says of a melody.

    Returns:
        "rewards", one a part; "passed"; "outside", the notes outside the scale by their place in time; and "bars": for
        each bar the parts, by number, that don't hold in it, of those that don't hold in the whole.
    """
    scale, rule = request.scale, request.rule
    outside = [index for index, note in enumerate(melody.notes) if is_outside(note, scale)]
    rewards = list(rule(melody)) if rule else []
    failed = [index for index, reward in enumerate(rewards) if reward < 1]
    bars: list[list[int]] = [[] for _ in range(16)]
    if rule and failed:
        _, scores = by_bar([rule.parts[index] for index in failed], melody)
        bars = [[failed[column] for column in np.flatnonzero(row < 1)] for row in scores]
    return {"rewards": rewards, "passed": not failed, "outside": outside, "bars": bars}


def _label(part: Reward, request: Request) -> str:
    raw = part.raw
    if isinstance(raw, PitchClasses):
        names = [it.name for it in request.scales if it.pitch_classes == raw.classes]
        return f"in {names[0]}" if names else "in the scale"
    if isinstance(raw, Tonic):
        return f"ends on {pitch_name(60 + raw.pitch_class)[:-1]}"
    if isinstance(raw, Density):
        return f"{raw.least} notes or more" if raw.most is None else f"{raw.least} to {raw.most} notes"
    return "varied" if isinstance(raw, Variety) else part.name.partition("@")[0]
