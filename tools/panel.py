"""Makes rewards/panel.npz: the real melodies that `melodylc rewards test` tries a rule on.

    python tools/panel.py CORPUS

CORPUS is a folder that `melodylc data build` made. Taken are 32 held-out melodies each of two collections under CC0:
of each voice the window in its middle, first voices first; where these are too few, those at a quarter and then at
three quarters.
"""

import io
import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from melodylc.data import Corpus, InputError
from melodylc.data.files import atomic_write

COLLECTIONS = {
    "openscore_lieder": "OpenScore/Lieder, bca1224, CC0",
    "openscore_quartets": "OpenScore/StringQuartets, 2c723a5, CC0",
}
EACH = 32
PLACES = (0.5, 0.25, 0.75)  #: of a voice's windows
PANEL = Path(__file__).parent.parent / "rewards" / "panel.npz"


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path))
def main(corpus: Path) -> None:
    """Write the panel from a corpus."""
    opened = Corpus.open(corpus)
    rows = [row for name in COLLECTIONS for row in chosen(opened, name)]
    described = {
        "collections": COLLECTIONS,
        "corpus": opened.fingerprint,
        "side": "heldout",
        "melodies": [source(opened, row) for row in rows],
    }
    write(opened.heldout[rows], described)
    click.echo(f"wrote {len(rows)} melodies to {PANEL.name}, {PANEL.stat().st_size} bytes")


def chosen(corpus: Corpus, collection: str) -> list[int]:
    """Rows of the held-out side."""
    if collection not in corpus.collections:
        raise InputError(f"this corpus lacks {collection}; build it with that archive")
    rows = np.flatnonzero(corpus.heldout_collection == corpus.collections.index(collection))
    voices: dict[tuple[int, int], list[int]] = {}
    for row in rows.tolist():
        voices.setdefault((int(corpus.heldout_track[row]), int(corpus.heldout_piece[row])), []).append(row)
    ordered = [windows for _, windows in sorted(voices.items())]
    found = list(dict.fromkeys(windows[int(len(windows) * where)] for where in PLACES for windows in ordered))
    if len(found) < EACH:
        raise InputError(f"this corpus has {len(voices)} held-out voices of {collection}: too few")
    return found[:EACH]


def source(corpus: Corpus, row: int) -> dict[str, Any]:
    """Where a melody comes from."""
    piece = corpus.pieces[int(corpus.heldout_piece[row])]
    return {
        "collection": piece.collection,
        "file": piece.file,
        "track": int(corpus.heldout_track[row]),
        "bar": int(corpus.heldout_bar[row]),
    }


def write(events: np.ndarray, described: dict[str, Any]) -> None:
    """Write the melodies and their sources, compressed."""
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(described, ensure_ascii=False).encode(), np.uint8)
    np.savez_compressed(buffer, events=events, sources=text)
    with atomic_write(PANEL) as file:
        file.write(buffer.getbuffer())


if __name__ == "__main__":
    main()
