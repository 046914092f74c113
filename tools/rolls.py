"""The pictures of melodies in docs/pictures: one for each kind of request, as the package draws them.

python tools/rolls.py [FOLDER]
"""

from pathlib import Path

import click

import melodylc
from melodylc.data.files import atomic_write
from melodylc.data.formats.roll import Panel, svg
from melodylc.data.keys import parse_scale

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"
SEED = 7
TUNE = [60, 64, 67, 64, 65, 69, 72, 69, 67, 65, 64, 61, 60, 59, 62, 60]  #: quarters, one of them outside C major


@melodylc.reward
def stepwise(melody: melodylc.Melody, largest: int = 2) -> float:
    """Share of intervals of at most `largest` semitones."""
    steps = abs(melody.intervals)
    return float((steps <= largest).mean()) if len(steps) else 0.0


def pictures() -> dict[str, str]:
    """SVG files by name."""
    minor, major, dorian = map(parse_scale, ("c minor", "c major", "d dorian"))
    key = melodylc.generate("c minor", "medium", n=1, seed=SEED)[0].melody
    own = melodylc.generate("d dorian", reward=stepwise(largest=4), n=1, seed=SEED)[0].melody
    tune = melodylc.Melody.from_notes([(pitch, 4 * step, 4 * step + 4) for step, pitch in enumerate(TUNE * 4)])
    better = melodylc.transform(tune, scale="cmaj", seed=SEED)[0].melody
    path = melodylc.morph(tune, scale="c major", to_scale="c minor", n=3, seed=SEED)
    return {
        "key.svg": svg([Panel("C minor, 64 to 128 notes", key)], minor),
        "rule.svg": svg([Panel("D dorian, no leap beyond a major third", own)], dorian),
        "transform.svg": svg([Panel("before", tune), Panel("in C major", better)], major),
        "morph.svg": svg([Panel(f"{row} of {len(path)}", one.melody) for row, one in enumerate(path, 1)], major),
    }


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=FOLDER)
def main(folder: Path) -> None:
    """Write them all."""
    for name, text in pictures().items():
        with atomic_write(folder / name) as file:
            file.write(text.encode())
        click.echo(f"wrote {folder / name}: {len(text):,} bytes")


if __name__ == "__main__":
    main()
