"""`melodylc score`: what rules say of a melody that is there already, as a whole and bar by bar."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from melodylc.cli.options import make_request, request_options
from melodylc.cli.sources import make_choice, source_options, summary
from melodylc.cli.ui import say, table

if TYPE_CHECKING:
    from melodylc.data.source import Source
    from melodylc.rewards import Reward, Scores

_SOURCE = ("track", "bars", "short", "as_four_four")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@request_options
@source_options
@click.option("--json", "as_json", is_flag=True, help="Exact values, as JSON on stdout.")
def score(file: Path, as_json: bool, **options: Any) -> None:
    """Say how far a melody of a file follows rules: every rule's value, from 0 to 1, for the whole and for each bar.

    Without any rule, all built-in ones that need no parameter. A bar's value is that of a melody which is this
    bar sixteen times over; bars without notes have none, nor have rules on the whole, such as its last note.

    \b
    melodylc score song.mid --scale cmaj --density 64..96
    melodylc score song.mid --track Lead --bars 5..20 --reward leaps.py:stepwise --json
    """
    from melodylc.data.source import extract_melody
    from melodylc.rewards.bars import by_bar

    choice = make_choice(**{name: options.pop(name) for name in _SOURCE})
    parts = _parts(**options)
    source = extract_melody(file, choice)
    whole, bars = by_bar(parts, source.melody)
    if as_json:
        click.echo(json.dumps(_as_dict(source, parts, whole, bars), indent=2, ensure_ascii=False))
        return
    say(summary(source))
    own = bars[: source.bars].T  # a loop's other bars repeat these
    rows = [[part.name, _short(value), *map(_short, row)] for part, value, row in zip(parts, whole, own, strict=True)]
    table(["rule", "whole", *(str(source.first + bar) for bar in range(source.bars))], rows)
    followed = int((whole == 1).sum())
    click.echo(f"\n{followed} of {len(parts)} satisfied; {source.melody.note_count} notes")


def _parts(**asked: Any) -> "tuple[Reward, ...]":
    from melodylc.rewards.specs import plain_rewards

    rule = make_request(**asked).rule
    return rule.parts if rule is not None else tuple(plain_rewards())


def _short(value: float) -> str:
    """A reward in three characters; only what is exactly 1 says so.

    >>> [_short(value) for value in (1.0, 0.999, 0.5, 0.001, 0.0, math.nan)]
    ['1', '.99', '.50', '.00', '0', '-']
    """
    if math.isnan(value):
        return "-"
    return f"{value:.0f}" if value in (0, 1) else f".{int(value * 100):02}"


def _as_dict(source: "Source", parts: "tuple[Reward, ...]", whole: "Scores", bars: "Scores") -> dict[str, Any]:
    names = [part.name for part in parts]
    values = [[None if math.isnan(value) else value for value in row] for row in bars[: source.bars].tolist()]
    return {
        "source": source.to_dict(),
        "notes": source.melody.note_count,
        "satisfied": bool((whole == 1).all()),
        "whole": dict(zip(names, whole.tolist(), strict=True)),
        "bars": [{"bar": source.first + n, **dict(zip(names, row, strict=True))} for n, row in enumerate(values)],
    }
