"""Where a piece's bars of four quarters are: upbeats, short bars, repeats, two bars of 2/4.

Files made from notation write an upbeat as a bar of its own, with a time signature of its own (1/4, then 4/4), and so
the short bar that it completes, at the end of the piece and at every repeat (3/4, 1/4, 4/4 again). These are no meters:

1. **Full bars** are those of 4/4 or 2/2. Where the piece is in 2/4 throughout, two of its bars count as one.
2. A bar shorter than that **before** the first full bar of a stretch is its upbeat: bars count from the full one.
3. Two bars next to one another, each shorter, that last as long as a full bar, are one where full bars surround them.
4. A shorter bar **after** the last full one belongs to the stretch where the piece ends with it, or where it and the
   upbeat of the stretch make a full bar; it is filled up with rest.
5. A lone shorter bar between full ones, as a repeat leaves it where its upbeat isn't written out again, is made a full
   one: one of less than half a bar is an upbeat, and goes into the end of the bar before, where nothing begins there
   (what sounds there ends earlier), or is filled up with rest before it; a longer one is filled up with rest after it.
   So is a full bar with an upbeat behind it that are written as one (9/8). Half a bar, and 3/4 in a piece without an
   upbeat, are a change of meter.
6. What else isn't a full bar ends a stretch.

The end of the last note is rounded to the nearest sixteenth before bars are counted.
"""

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from melodylc.data.scores import Part, Score

BAR_SIGNATURES = frozenset(((4, 4), (2, 2)))
Meter = tuple[int, int]


class Section(NamedTuple):
    """A stretch of bars of four quarters.

    `start`: its first tick; `first`: how many bars are before it, upbeats not counted; `upbeat`: the ticks of its
    upbeat; `repeats`: the bars of it, from 0, with which a part begins after a repeat or double bar, as far as the file
    says or that shows by upbeats.
    """

    start: int
    bars: int
    first: int
    upbeat: int = 0
    repeats: tuple[int, ...] = ()


class Layout(NamedTuple):
    """A piece's bars.

    `score`: its notes, moved where lone short bars were filled; `meter`: the one that lasts longest; `paired`: whether
    two bars of 2/4 count as one; `remarks`: what was moved, a clause each.
    """

    score: Score
    sections: tuple[Section, ...]
    meter: Meter
    paired: bool = False
    remarks: tuple[str, ...] = ()


class _Run(NamedTuple):
    """`bars` bars in a row, of so many ticks each; `joint`: one made of a short bar and an upbeat."""

    start: int
    length: float
    bars: int
    meter: Meter
    joint: bool = False

    @property
    def end(self) -> int:
        return round(self.start + self.length * self.bars)


def layout(score: Score) -> Layout:
    """Where the bars are.

    >>> layout(Score(480, 480 * (15 + 4 * 19) + 1, ((0, 3, 4), (480 * 15, 4, 4)), ())).sections
    (Section(start=7200, bars=19, first=5, upbeat=0, repeats=()),)
    >>> upbeat = layout(Score(4, 4 + 16 * 15 + 12, ((0, 1, 4), (4, 4, 4), (244, 3, 4)), ()))
    >>> upbeat.sections, upbeat.meter
    ((Section(start=4, bars=16, first=0, upbeat=4, repeats=()),), (4, 4))
    """
    runs = bar_runs(score)
    meter = _main_meter(runs)
    half = 2 * score.division
    paired = meter == (2, 4) and all(run.meter == (2, 4) or _is_short(run, half) for run in runs)
    full = half if paired else 2 * half
    whole = frozenset(((2, 4),)) if paired else BAR_SIGNATURES
    runs = _merge_bars(runs, full, whole)
    joints = [run.end for run in runs if run.joint]
    score, remarks, lines = _fill_bars(score, runs, full, whole)
    lines = sorted({*lines, *score.double_bars})
    joints = sorted({*joints, *score.double_bars})
    if remarks:
        runs = _merge_bars(bar_runs(score), full, whole)
        joints = lines
    found = [_in_fours(one, joints, 4 * score.division, paired) for one in _sections(runs, full, whole)]
    return Layout(score, tuple(found), meter, paired, remarks)


def _in_fours(section: Section, joints: list[int], bar: int, paired: bool) -> Section:
    """The section in bars of four quarters, with the repeats that lie in it."""
    bars = (section.bars + 1) // 2 if paired else section.bars
    places = [divmod(tick - section.start, bar) for tick in joints]
    repeats = tuple(place for place, rest in places if not rest and 0 < place < bars)
    return section._replace(bars=bars, first=section.first // (2 if paired else 1), repeats=repeats)


def counted_in_four(score: Score) -> Layout:
    """Bars of four quarters from the first full bar on, whatever the meters are.

    >>> counted_in_four(Score(4, 60, ((0, 1, 4), (4, 3, 4)), ())).sections
    (Section(start=4, bars=4, first=0, upbeat=4, repeats=()),)
    """
    runs = bar_runs(score)
    meter = _main_meter(runs)
    longest = max(run.length for run in runs if run.meter == meter)
    upbeat = 0
    for run in runs:
        if not (run.bars == 1 and run.length < longest and upbeat + run.length < longest):
            break
        upbeat = run.end
    bar = 4 * score.division
    bars = -(-(runs[-1].end - upbeat) // bar)
    return Layout(score, (Section(upbeat, max(bars, 1), 0, upbeat),), meter)


def bar_runs(score: Score) -> list[_Run]:
    """From each time signature to the next, the bars, and what is left of the last as a bar of its own.

    A file without a signature at its beginning begins in 4/4, as the MIDI standard has it.
    """
    at = {0: (4, 4)} | {tick: (over, under) for tick, over, under in score.signatures}
    starts = sorted(at)
    runs: list[_Run] = []
    for index, start in enumerate(starts):
        over, under = at[start]
        last = index == len(starts) - 1
        span = _to_sixteenth(max(score.end - start, 0), score.division) if last else starts[index + 1] - start
        length = 4 * score.division * over / under if under else 0.0
        if not (over and under):
            runs.append(_Run(start, float(span), 1, (over, under)))
            continue
        bars = int(span / length + 1e-9)
        if bars:
            joined = runs and runs[-1].meter == (over, under) and runs[-1].length == length
            before = runs.pop() if joined else _Run(start, length, 0, (over, under))
            runs.append(before._replace(bars=before.bars + bars))
        rest = span - length * bars
        if rest > 0.5 and last and not bars:
            runs.append(_Run(start, length, 1, (over, under)))  # the music only ends in it
        elif rest > 0.5:
            runs.append(_Run(round(start + length * bars), rest, 1, (0, 0)))
    return runs or [_Run(0, 4.0 * score.division, 0, at[0])]


def _to_sixteenth(ticks: int, division: int) -> int:
    """The nearest sixteenth, in ticks; halves go up."""
    return round((8 * ticks + division) // (2 * division) * division / 4)


def _main_meter(runs: list[_Run]) -> Meter:
    """The meter that lasts longest; one that a bar was cut short of isn't there."""
    lasting: dict[Meter, float] = defaultdict(float)
    for run in runs:
        lasting[run.meter] += run.length * run.bars
    named = {meter: length for meter, length in lasting.items() if meter != (0, 0)}
    return max(named, key=lambda meter: named[meter], default=(4, 4))


def _is_short(run: _Run, full: float) -> bool:
    return run.length < full and run.bars <= 2


def _merge_bars(runs: list[_Run], full: int, whole: frozenset[Meter]) -> list[_Run]:
    """Short bars that make a full one together, as one (3)."""
    meter = next(iter(whole))
    found: list[_Run] = []
    index = 0
    while index < len(runs):
        run, after = runs[index], 1
        total = run.length * run.bars
        second = runs[index + 1] if run.bars == 1 and index + 1 < len(runs) and runs[index + 1].bars == 1 else None
        if second and _is_short(run, full) and abs(total + second.length - full) < 0.5:
            total, after = float(full), 2
        follows = runs[index + after].meter in whole if index + after < len(runs) else True
        if _is_short(run, full) and abs(total - full) < 0.5 and found and found[-1].meter in whole and follows:
            run = _Run(run.start, float(full), 1, meter, joint=True)
        else:
            after = 1
        found.append(run)
        index += after
    return found


def _sections(runs: list[_Run], full: int, whole: frozenset[Meter]) -> list[Section]:
    found: list[Section] = []
    before, index = 0, 0
    while index < len(runs):
        run = runs[index]
        if run.meter not in whole:
            following = index + 1 < len(runs) and runs[index + 1].meter in whole
            is_upbeat = following and run.bars == 1 and run.length < full
            before += 0 if is_upbeat else run.bars
            index += 1
            continue
        upbeat = runs[index - 1] if index and runs[index - 1].meter not in whole else None
        ticks = round(upbeat.length) if upbeat and upbeat.bars == 1 and upbeat.length < full else 0
        first, start, bars = before, run.start, 0
        while index < len(runs) and runs[index].meter in whole:
            bars += runs[index].bars
            index += 1
        if index < len(runs) and runs[index].bars == 1 and runs[index].length < full:
            last = index == len(runs) - 1
            if last or (ticks and abs(ticks + runs[index].length - full) < 0.5):
                bars += 1
                index += 1
        found.append(Section(start, bars, first, ticks))
        before += bars
    return found


# -- lone short bars ---------------------------------------------------------------------------


class _Shift(NamedTuple):
    """From a tick on, everything is so many ticks later (earlier: negative)."""

    tick: int
    ticks: int


def _fill_bars(
    score: Score, runs: list[_Run], full: int, whole: frozenset[Meter]
) -> tuple[Score, tuple[str, ...], list[int]]:
    """The score with its lone short bars made full ones (5), as it is where it has other meters.

    Returns:
        The score, what was done, and the ticks of bar lines after lone or joint bars.
    """
    nothing: tuple[Score, tuple[str, ...], list[int]] = score, (), []
    firsts = [index for index, run in enumerate(runs) if run.meter in whole]
    if not firsts:
        return nothing
    begin, end = firsts[0], firsts[-1]
    shifts: list[_Shift] = []
    lines = [run.end for run in runs if run.joint]
    index = begin
    while index <= end:
        if runs[index].meter not in whole:
            lone = runs[index : next(after for after in firsts if after > index)]
            shift = _shift(score, lone, full, has_upbeat=begin > 0)
            if shift is None:
                return nothing
            shifts.append(shift)
            lines.append(lone[-1].end)
            index += len(lone)
        else:
            index += 1
    if not shifts:
        return nothing
    earlier = sum(shift.ticks < 0 for shift in shifts)
    remarks = []
    if earlier:
        remarks.append(f"{_plural(earlier, 'upbeat')} put into the end of the bar before")
    if later := len(shifts) - earlier:
        remarks.append(f"{_plural(later, 'short bar')} filled up with rest")
    opening = [row for row in score.signatures if row[0] < runs[begin].start]
    signatures = (*opening, (runs[begin].start, *runs[begin].meter))
    moved = _shift_times(score, shifts)._replace(signatures=signatures)
    return (
        moved,
        tuple(remarks),
        sorted(tick + sum(shift.ticks for shift in shifts if shift.tick <= tick) for tick in lines),
    )


def _shift(score: Score, lone: list[_Run], full: int, has_upbeat: bool) -> _Shift | None:
    """How bars that aren't full become one; None: they are a change of meter."""
    if any(run.bars > 1 for run in lone) or len(lone) > 2:
        return None
    length = sum(run.length for run in lone)
    start, extra = lone[0].start, length - full
    if len(lone) == 2:
        return _Shift(lone[1].start, round(-extra)) if extra < 0 else None
    if extra > 0:
        return _upbeat(score, round(start + full), extra, full) if extra < full / 4 else None
    if abs(length - full / 2) < 0.5 or (lone[0].meter == (3, 4) and not has_upbeat):
        return None
    return _upbeat(score, start, length, full) if length < full / 2 else _Shift(lone[0].end, round(-extra))


def _upbeat(score: Score, start: int, length: float, full: int) -> _Shift:
    """Where nothing begins in the time that an upbeat needs before its bar line, it goes there."""
    room = start - length - score.division / 8
    free = not any(((part.starts >= room) & (part.starts < start)).any() for part in score.parts)
    return _Shift(start, round(-length if free else full - length))


def _later(shifts: list[_Shift], tick: int) -> int:
    """Where the end of something at a tick comes to lie."""
    return tick + sum(shift.ticks for shift in shifts if shift.tick < tick)


def _shift_times(score: Score, shifts: list[_Shift]) -> Score:
    ticks = np.array([shift.tick for shift in shifts])
    sums = np.concatenate(([0], np.cumsum([shift.ticks for shift in shifts])))

    def moved(part: Part) -> Part:
        ends = part.ends.copy()
        for shift in shifts:
            cut = (part.starts < shift.tick) & (ends <= shift.tick)
            ends[cut] = np.minimum(ends[cut], shift.tick + min(shift.ticks, 0))
        starts = part.starts + sums[np.searchsorted(ticks, part.starts, side="right")]
        ends = ends + sums[np.searchsorted(ticks, ends, side="left")]
        return part._replace(starts=starts, ends=np.maximum(ends, starts), length=_later(shifts, part.length))

    parts = tuple(moved(part) for part in score.parts)
    double_bars = tuple(tick + int(sums[np.searchsorted(ticks, tick, side="right")]) for tick in score.double_bars)
    end, length = _later(shifts, score.end), _later(shifts, score.length)
    return score._replace(parts=parts, end=end, length=length, double_bars=double_bars)


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
