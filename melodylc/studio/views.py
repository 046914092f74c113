"""What the page is told: runs, melodies and limits as plain values, with what follows the rule and what doesn't."""

from typing import Any

import numpy as np

from melodylc import __version__
from melodylc.constraints.request import Request
from melodylc.data.formats.roll import is_outside
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody, pitch_name
from melodylc.data.scales import MODES, told_by_tonic
from melodylc.data.smf import MAX_FILE
from melodylc.data.writing import FASTEST, SLOWEST
from melodylc.rewards import Density, PitchClasses, Tonic, Variety
from melodylc.rewards.bars import by_bar
from melodylc.rewards.base import Reward
from melodylc.rewards.density import LEVELS
from melodylc.studio.export import command, file_name
from melodylc.studio.history import Run
from melodylc.studio.rules import HEAVIEST, LIGHTEST
from melodylc.studio.studio import Studio, density_words


def info_view(studio: Studio) -> dict[str, Any]:
    """What must be known before anything is asked: scales, densities, rules and limits."""
    return {
        "version": __version__,
        "model": studio.model.fingerprint,
        "folder": str(studio.folder.absolute()),
        "modes": [_mode_view(name) for name in MODES],
        "densities": {name: list(ends) for name, ends in LEVELS.items()},
        "rules": [
            {"rule": number, "label": entry.label, "origin": entry.origin, "summary": entry.summary}
            for number, entry in enumerate(studio.rules.entries)
        ],
        "weights": [LIGHTEST, HEAVIEST],
        "tempo": [SLOWEST, FASTEST],
        "largest_file": MAX_FILE,
    }


def scale_view(scale: Scale | None) -> dict[str, Any] | None:
    """A scale: its name, its pitch classes and its tonic."""
    if scale is None:
        return None
    return {"name": scale.name, "notes": sorted(scale.pitch_classes), "tonic": scale.tonic}


def parts_view(request: Request) -> list[dict[str, str]]:
    """The parts of a request's rule, as named in manifests and in plain words."""
    rule = request.rule
    return [{"name": part.name, "label": _label(part, request)} for part in rule.parts] if rule is not None else []


def run_view(run: Run, tempo: float) -> dict[str, Any]:
    """A run without its melodies."""
    return {
        "run": run.number,
        "kind": run.kind,
        "title": run.title,
        "slug": run.slug,
        "seed": run.seed,
        "source": list(run.source) if run.source else None,
        "request": run.form,
        "remarks": [*run.remarks, *run.warnings],
        "scale": scale_view(run.request.scale),
        "parts": parts_view(run.request),
        "command": command(run.provenance, tempo) if run.provenance else None,
        "melodies": len(run.melodies),
        **{mark: list(run.marks.values()).count(mark) for mark in ("keep", "discard")},
    }


def melody_view(run: Run, number: int) -> dict[str, Any]:
    """A melody of a run, with its file's name and what its rule says of it."""
    melody = run.melody(number)
    return {
        "run": run.number,
        "number": number,
        "file": file_name(run, number),
        "notes": [list(note) for note in melody.notes],
        "mark": run.marks.get(number),
        **scores_view(melody, run.request),
    }


def scores_view(melody: Melody, request: Request) -> dict[str, Any]:
    """What a request says of a melody.

    Returns:
        "rewards", one a part; "passed"; "outside", the notes outside the scale by their place in time; and "bars": for
        each bar the parts, by number, that don't hold in it, of those that don't hold in the whole.
    """
    scale, rule = request.scale, request.rule
    outside = [index for index, note in enumerate(melody.notes) if is_outside(note, scale)]
    rewards = list(rule(melody)) if rule is not None else []
    failures = [index for index, reward in enumerate(rewards) if reward < 1]
    bars: list[list[int]] = [[] for _ in range(16)]
    if rule is not None and failures:
        _, scores = by_bar([rule.parts[index] for index in failures], melody)
        bars = [[failures[column] for column in np.flatnonzero(row < 1)] for row in scores]
    return {"rewards": rewards, "passed": not failures, "outside": outside, "bars": bars}


def _mode_view(name: str) -> dict[str, Any]:
    roots = [Scale(tonic, name).root for tonic in range(12)]
    return {"name": name, "steps": list(MODES[name].steps), "roots": roots, "tonic": told_by_tonic(name)}


def _label(part: Reward, request: Request) -> str:
    raw = part.raw
    if isinstance(raw, PitchClasses):
        names = [it.name for it in request.scales if it.pitch_classes == raw.classes]
        return f"in {names[0]}" if names else "in the scale"
    if isinstance(raw, Tonic):
        return f"ends on {pitch_name(60 + raw.pitch_class)[:-1]}"
    if isinstance(raw, Density):
        return density_words(raw)
    return "varied" if isinstance(raw, Variety) else part.name.partition("@")[0]
