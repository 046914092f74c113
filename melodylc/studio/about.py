"""What the page must know before anything is asked."""

from typing import Any

from melodylc import __version__
from melodylc.data.keys import Scale
from melodylc.data.scales import MODES, told_by_tonic
from melodylc.data.smf import MAX_FILE
from melodylc.data.writing import FASTEST, SLOWEST
from melodylc.rewards.density import LEVELS
from melodylc.studio.rules import HEAVIEST, LIGHTEST
from melodylc.studio.studio import Studio


def about(studio: Studio) -> dict[str, Any]:
    """Scales, densities, rules and limits, as plain values."""
    return {
        "version": __version__,
        "model": studio.model.fingerprint,
        "folder": str(studio.folder.absolute()),
        "modes": [_mode(name) for name in MODES],
        "densities": {name: list(ends) for name, ends in LEVELS.items()},
        "rules": [
            {"rule": number, "label": row.label, "origin": row.origin, "summary": row.summary}
            for number, row in enumerate(studio.rules.rows)
        ],
        "weights": [LIGHTEST, HEAVIEST],
        "tempo": [SLOWEST, FASTEST],
        "largest_file": MAX_FILE,
    }


def _mode(name: str) -> dict[str, Any]:
    roots = [Scale(tonic, name).root for tonic in range(12)]
    return {"name": name, "steps": list(MODES[name].steps), "roots": roots, "tonic": told_by_tonic(name)}
