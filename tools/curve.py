"""Draw how a training run's losses fell: nats a melody over minutes, in training and on held-out melodies.

python tools/curve.py RUN/log.jsonl [PICTURE.svg]
"""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from melodylc.data.alphabet import STEPS
from melodylc.data.files import atomic_write

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "training.svg"
LEFT, RIGHT, TOP, BOTTOM = 50, 610, 30, 320
COLOURS = {"training, one batch": "#9db8d2", "held out": "#d62728"}


def drawing(minutes: Sequence[float], curves: dict[str, Sequence[float]]) -> str:
    """An SVG of curves over minutes."""
    lowest, highest = (of(map(of, curves.values())) for of in (min, max))
    last = max(minutes)

    def across(minute: float) -> float:
        return LEFT + (RIGHT - LEFT) * minute / last

    def down(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (value - lowest) / (highest - lowest)

    def text(x: float, y: float, words: str, colour: str = "#303030") -> str:
        return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}">{words}</text>'

    rows = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 360" font-family="sans-serif" font-size="11">']
    rows.append('<rect width="640" height="360" fill="#ffffff"/>')
    for part in range(5):
        value = lowest + (highest - lowest) * part / 4
        rows.append(f'<path d="M{LEFT} {down(value):.1f}H{RIGHT}" stroke="#d9d9d9"/>')
        rows.append(text(18, down(value) + 4, f"{value:.0f}"))
        rows.append(text(across(last * part / 4) - 6, BOTTOM + 16, f"{last * part / 4:.0f}"))
    for at, (name, values) in enumerate(curves.items()):
        points = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in zip(minutes, values, strict=True))
        rows.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>')
        rows.append(text(LEFT + 160 * at, 18, name, COLOURS[name]))
    return "\n".join([*rows, text(430, 352, "minutes of training"), text(430, 18, "nats a melody"), "</svg>", ""])


@click.command()
@click.argument("log", type=click.Path(path_type=Path, exists=True))
@click.argument("picture", type=click.Path(path_type=Path), default=PICTURE)
def main(log: Path, picture: Path) -> None:
    """Draw the last stage of a run."""
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    lines = [line for line in lines if line["stage"] == lines[-1]["stage"]]
    curves: dict[str, Sequence[float]] = {
        "training, one batch": [STEPS * line["train"]["loss"] for line in lines],
        "held out": [STEPS * line["validation"]["loss"] for line in lines],
    }
    with atomic_write(picture) as file:
        file.write(drawing([line["minutes"] for line in lines], curves).encode())
    click.echo(f"wrote {picture}: {len(lines)} validations, at last {curves['held out'][-1]:.1f} nats")


if __name__ == "__main__":
    main()
