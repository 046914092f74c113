"""An evaluation of rules as a picture: a line a row of its table, a column a measure, bars with their intervals.

SVG, which any browser shows; written here, since rectangles and words are all that it takes.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from melodylc.data.texts import printable
from melodylc.evaluation.rule_figures import Interval, RuleSamples
from melodylc.evaluation.rules import CaseFigures, RulesEvaluation

NAMES, COLUMN, GAP, LINE, HEAD, MARGIN = 96, 150, 58, 26, 44, 12
FONT_SIZE, LETTER = 11, 6.2  #: pixels; how wide a letter is on average
PAPER, AXIS, MEAN, SHARE, INK = "#ffffff", "#d9d9d9", "#b9cfe4", "#2b5f8f", "#303030"


class Bar(NamedTuple):
    """A measure of a row: a dark bar, its interval as a line, and a light bar behind it for a mean."""

    value: float
    interval: Interval | None = None
    behind: float | None = None


class Column(NamedTuple):
    """A measure of all rows: what stands above it, and the bars; None where there is none."""

    title: str
    bars: Sequence[Bar | None]


def picture(done: RulesEvaluation) -> str:
    """The picture, as SVG."""
    body: list[str] = []
    top, width = MARGIN, 0
    for name, case in done.cases.items():
        columns = list(_columns(done, name, case))
        body += _case(name, list(case.rows), columns, top)
        top += HEAD + LINE * len(case.rows) + 2 * MARGIN
        width = max(width, 2 * MARGIN + NAMES + len(columns) * (COLUMN + GAP))
    note = "dark: share of draws (exactly 1), with 95 % interval; light: mean score"
    body.append(_text(MARGIN, top, note))
    height = top + MARGIN
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
    head += f'font-family="sans-serif" font-size="{FONT_SIZE}">'
    title = f"<title>{escape(printable(', '.join(done.cases)))}</title>"
    return "\n".join([head, title, _box(0, 0, width, height, PAPER), *body, "</svg>", ""])


def _columns(done: RulesEvaluation, name: str, case: CaseFigures) -> Iterator[Column]:
    rows = list(case.rows.values())
    for part in rows[0].parts:
        found = [draws.parts[part] for draws in rows]
        yield Column(part, [Bar(one.rate.mean, one.rate_interval, one.mean.mean) for one in found])
    if len(rows[0].parts) > 1:
        yield Column("all", [Bar(draws.all.mean, draws.interval) for draws in rows])
    yield Column("distinct", [Bar(draws.distinct.mean) for draws in rows])
    yield Column("apart, over the prior's", [_apart(draws) for draws in rows])
    if done.samples:
        against = done.samples.priors
        yield Column(
            "like real melodies, over the ceiling",
            [Bar(against[done.sample_name(name, row)].ratio.mean) for row in case.rows],
        )


def _apart(draws: RuleSamples) -> Bar | None:
    return Bar(draws.over_prior.mean) if draws.over_prior else None


def _case(name: str, rows: Sequence[str], columns: Sequence[Column], top: int) -> Iterator[str]:
    yield f'<g font-weight="bold">{_text(MARGIN, top + FONT_SIZE, name)}</g>'
    first = top + HEAD
    for at, row in enumerate(rows):
        yield _text(MARGIN, first + at * LINE + LINE / 2 - 3, row)
    for place, column in enumerate(columns):
        left = MARGIN + NAMES + place * (COLUMN + GAP)
        most = max(1.0, *(bar.value for bar in column.bars if bar))
        yield _text(left, first - 10, _short(column.title))
        yield _box(left, first - 4, 1, LINE * len(rows), AXIS)
        yield _box(left + COLUMN / most, first - 4, 1, LINE * len(rows), AXIS)
        for at, bar in enumerate(column.bars):
            if bar:
                yield from _bar(bar, left, first + at * LINE, COLUMN / most)


def _bar(bar: Bar, left: float, top: float, scale: float) -> Iterator[str]:
    if bar.behind is not None:
        yield _box(left, top - 2, bar.behind * scale, LINE - 8, MEAN)
    yield _box(left, top + 2, bar.value * scale, LINE - 16, SHARE)
    if bar.interval:
        low, high = bar.interval
        yield _box(left + low * scale, top + LINE / 2 - 7, max(1.0, (high - low) * scale), 2, INK)
    end = max(bar.value, bar.behind or 0.0, bar.interval[1] if bar.interval else 0.0)
    yield _text(left + end * scale + 4, top + LINE / 2 - 3, f"{bar.value:.3f}")


def _short(title: str) -> str:
    most = int((COLUMN + GAP - 8) / LETTER)
    return title if len(title) <= most else f"{title[: most - 1]}…"


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="{INK}">{escape(printable(text))}</text>'


def _box(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{colour}"/>'
