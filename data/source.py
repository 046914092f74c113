"""A MIDI file of anybody's as a melody: which track, which bars, and what had to be done.

Where the user says neither track nor bars, they are chosen so:

1. **Bars** can be taken from stretches in 4/4 or 2/2 (`melodylc.data.windows.sections`), long ones before short ones.
2. **Track**: those with a stretch that passes `melodylc.data.windows.Filters` before others; then those named like a
   melody ("lead", "vocals", ...); then by the share of notes that stay when one voice is made of it, where four in five
   are as good as all; then the highest.
3. **Sixteen bars** of it: those that pass before others; then the fewest empty bars, the most different
   bars, the most different pitches; then the earliest.

Everything that was decided or changed on the way is said in `Source.remarks`.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from melodylc.data.alphabet import BARS, HOLD, REST, STEPS, STEPS_PER_BAR
from melodylc.data.errors import InputError, MidiError
from melodylc.data.files import reason
from melodylc.data.melody import Melody
from melodylc.data.midi import length
from melodylc.data.scores import Part, Score, Ticks, read_score
from melodylc.data.texts import printable
from melodylc.data.windows import (
    BAR_SIGNATURES,
    DEFAULT_FILTERS,
    Events,
    Section,
    different_bars,
    different_pitches,
    melody_line,
    sections,
    sixteenths,
    windows,
)

MAX_FILE = 16 << 20  #: bytes of a file; the largest of two million collected ones has 5 MB
Short = Literal["loop", "pad"]
_MELODIC = re.compile(r"melod|lead|voc|voice|vox|solo|sing|song", re.IGNORECASE)
_LONGEST_NAME = 40
_ONE_VOICE = 0.8  # share of notes that must stay for a track to count as one voice


@dataclass(frozen=True)
class Choice:
    """What of a file is wanted; None leaves it to us.

    Raises:
        InputError: bars that don't rise from 1, or more than 16.
    """

    track: str | None = None  #: its number, from 1 among those with notes, or its name or a part of it
    bars: tuple[int, int] | None = None  #: the first and the last, from 1
    short: Short | None = None  #: what fewer than 16 bars become; None: 1, 2, 4 and 8 are looped
    as_four_four: bool = False  #: whether time signatures are ignored and bars of four quarters counted instead

    def __post_init__(self) -> None:
        if self.bars and not 1 <= self.bars[0] <= self.bars[1] < self.bars[0] + BARS:
            raise InputError(f"bars are A..B from 1 up, {BARS} at most, not {self.bars[0]}..{self.bars[1]}")


ANY = Choice()


@dataclass(frozen=True)
class Source:
    """A melody, and where it was found."""

    file: str  #: its path
    track: int  #: from 1, among the file's tracks that have notes
    name: str  #: of the track; may be empty
    first: int  #: the bar of the file with which it begins, from 1
    bars: int  #: how many bars were taken from there, 1..16
    tempo: float  #: quarters a minute, the file's first
    melody: Melody
    remarks: tuple[str, ...]  #: what was chosen and what was changed, a clause each

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without the melody."""
        return {
            "file": self.file,
            "track": self.track,
            "name": self.name,
            "bars": [self.first, self.first + self.bars - 1],
            "tempo": round(self.tempo, 3),
            "remarks": list(self.remarks),
        }


def parse_bars(text: str) -> tuple[int, int]:
    """The bars that someone typed: A..B, both included, or A for the sixteen from there.

    Raises:
        InputError: anything else.

    >>> parse_bars("5..20"), parse_bars("5")
    ((5, 20), (5, 20))
    """
    found = re.fullmatch(r"\s*([0-9]{1,6})\s*(?:(?:\.\.|-)\s*([0-9]{1,6}))?\s*", text)
    if not found:
        raise InputError(f"bars are A..B, as in 5..20, or A for the {BARS} from there, not {text[:40]!r}")
    first = int(found[1])
    return first, int(found[2]) if found[2] else first + BARS - 1


def read_source(path: str | os.PathLike[str], choice: Choice = ANY) -> Source:
    """The melody of a MIDI file: one track, 16 bars, one voice, on sixteenths.

    Notes move to the nearest sixteenth, and of notes that sound together the highest stays, as in training; what sounds
    at the start but began before it is left out. Fewer than 16 bars are repeated or padded.

    Raises:
        MidiError: the file can't be read, isn't MIDI, has no such track or bars, no notes there, or no bars in 4/4.

    >>> read_source("nowhere.mid")
    Traceback (most recent call last):
    melodylc.data.errors.MidiError: nowhere.mid: can't be read: there is no such file or folder
    """
    try:
        content = _content(Path(path))
    except InputError as error:
        raise MidiError(f"{os.fspath(path)}: {error}") from error
    return source_of(os.fspath(path), content, choice)


def source_of(file: str, content: bytes, choice: Choice = ANY) -> Source:
    """As `read_source`, of a file's bytes; `file` is what it is called.

    Raises:
        MidiError: as `read_source`.

    >>> source_of("song.mid", b"words")
    Traceback (most recent call last):
    melodylc.data.errors.MidiError: song.mid: not a MIDI file (no MThd at its start)
    """
    try:
        score, sounding = read_score(content), length(content)
        return _source(file, score, choice, score.end if sounding is None else sounding)
    except InputError as error:
        raise MidiError(f"{file}: {error}") from error


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        raise InputError(f"can't be read: {reason(error)}") from error
    if len(content) > MAX_FILE:
        raise InputError(f"larger than {MAX_FILE >> 20} MiB, which no MIDI file of a piece of music is")
    return content


class _Take(NamedTuple):
    """A stretch of a track: `bars` bars from bar `offset` of a section."""

    part: Part
    section: Section
    offset: int
    bars: int
    line: Events  # of the whole section


def _source(file: str, score: Score, choice: Choice, end: int) -> Source:
    parts = _tracks(score, choice.track)
    found = _stretches(score, choice, end)
    take = _asked(parts, found, score, choice.bars) if choice.bars else _best(parts, found, score.division)
    melody, fitted = _sixteen(_cut(take), choice.short)
    first = take.section.first + take.offset + 1
    remarks = (*_chosen(score, choice, take, first), *_changed(score, take), *fitted)
    return Source(file, take.part.track + 1, _name(take.part), first, take.bars, score.tempo, melody, remarks)


# -- which track -------------------------------------------------------------------------------


def _tracks(score: Score, wanted: str | None) -> list[Part]:
    parts = [part for part in score.parts if len(part.starts)]
    if not parts:
        raise InputError("it has drums alone (channel 10), and no melody" if score.tracks else "it holds no notes")
    if wanted is None:
        return parts
    text = wanted.strip().lower()
    tests = (
        lambda part: text == str(part.track + 1),
        lambda part: text == part.name.strip().lower(),
        lambda part: text in part.name.lower(),
    )
    chosen = next(filter(None, ([part for part in parts if text and test(part)] for test in tests)), [])
    if len(chosen) != 1:
        problem = "several tracks are" if chosen else "no track is"
        raise InputError(f"{problem} {wanted[:_LONGEST_NAME]!r}; there are {_listed(chosen or parts)}")
    return chosen


def _listed(parts: list[Part], most: int = 16) -> str:
    return ", ".join(map(_label, parts[:most])) + (", ..." if len(parts) > most else "")


def _label(part: Part) -> str:
    name = _name(part)
    return f"{part.track + 1} {name!r}" if name else f"{part.track + 1} (no name)"


def _name(part: Part) -> str:
    return printable(part.name, _LONGEST_NAME)


# -- which bars --------------------------------------------------------------------------------


def _stretches(score: Score, choice: Choice, end: int) -> list[Section]:
    """The sections to choose from; one that is short goes on to the end of the file, in whole bars."""
    if choice.as_four_four:
        score = score._replace(signatures=())
    bar = 4 * score.division
    found = sections(score, 1)
    if found and found[-1].start + found[-1].bars * bar >= score.end:
        last = found[-1]
        found[-1] = last._replace(bars=max(last.bars, min((end - last.start) // bar, BARS)))
    if not found:
        _, over, under = next(row for row in score.signatures if row[1:] not in BAR_SIGNATURES)
        raise InputError(
            f"it is in {over}/{under}; a melody is in 4/4 or 2/2: --as-4/4 counts its bars in four quarters"
        )
    return found


def _asked(parts: list[Part], found: list[Section], score: Score, bars: tuple[int, int]) -> _Take:
    first, last = bars
    for section in found:
        # The end of the file is as good as the last bar asked.
        if section.first < first <= section.first + section.bars:
            count = min(last, section.first + section.bars) - first + 1
            if count < last - first + 1 and section.start + 4 * score.division * section.bars < score.end:
                break
            takes = [_take(part, section, score.division, first - section.first - 1, count) for part in parts]
            takes = [take for take in takes if (_cut(take) < HOLD).any()]
            if not takes:
                raise InputError(f"no notes in bars {first}..{last}{_of_track(parts)}")
            return max(takes, key=lambda take: _rank(take, score.division))
    spans = ", ".join(f"{section.first + 1}..{section.first + section.bars}" for section in found)
    raise InputError(f"bars {first}..{last} aren't there, or not all in 4/4; bars in 4/4: {spans}")


def _of_track(parts: list[Part]) -> str:
    return f" of track {_label(parts[0])}" if len(parts) == 1 else ""


def _take(part: Part, section: Section, division: int, offset: int, bars: int) -> _Take:
    return _Take(part, section, offset, bars, melody_line(part, section, division))


def _best(parts: list[Part], found: list[Section], division: int) -> _Take:
    longest = max(section.bars for section in found)
    usable = [section for section in found if section.bars >= min(BARS, longest)]
    takes = [_window(_take(part, section, division, 0, section.bars)) for part in parts for section in usable]
    takes = [take for take in takes if (_cut(take) < HOLD).any()]
    if not takes:
        raise InputError("no notes in its bars in 4/4")
    return max(takes, key=lambda take: (_passes(_cut(take)), *_rank(take, division)))


def _window(whole: _Take) -> _Take:
    """The best 16 bars of a section."""
    if whole.bars <= BARS:
        return whole
    failed, kept = DEFAULT_FILTERS.select(whole.line)
    numbers = np.flatnonzero(failed < 0)
    if not len(numbers):
        numbers, kept = np.arange(len(failed)), windows(whole.line)
    empty = (kept.reshape(-1, BARS, STEPS_PER_BAR) >= HOLD).all(axis=2).sum(axis=1)
    order = np.lexsort((numbers, -different_pitches(kept), -different_bars(kept), empty))
    return whole._replace(offset=int(numbers[order[0]]), bars=BARS)


def _passes(events: Events) -> bool:
    return len(events) == STEPS and bool(DEFAULT_FILTERS.select(events)[0][0] < 0)


def _rank(take: _Take, division: int) -> tuple[bool, float, float]:
    share = float((_cut(take) < HOLD).sum() / max(1, len(_begun(take, division))))
    named = bool(_MELODIC.search(take.part.name))
    return named, 1.0 if share >= _ONE_VOICE else round(share, 1), float(take.part.pitches.mean())


def _begun(take: _Take, division: int) -> Ticks:
    """Where the notes begin that begin in the bars taken: ticks from the section's start."""
    starts = take.part.starts - take.section.start
    bars = sixteenths(starts, division) // STEPS_PER_BAR
    return starts[(bars >= take.offset) & (bars < take.offset + take.bars)]


def _cut(take: _Take) -> Events:
    """The events of a take, without what was held before it: shape (16 * bars,)."""
    events = take.line[take.offset * STEPS_PER_BAR :][: take.bars * STEPS_PER_BAR].copy()
    held = int((events != HOLD).argmax()) if (events != HOLD).any() else len(events)
    events[:held] = REST
    return events


# -- sixteen bars of it, and what is said ------------------------------------------------------


def _sixteen(events: Events, short: Short | None) -> tuple[Melody, list[str]]:
    """The melody of at most 16 bars of events, and how they became sixteen."""
    bars = len(events) // STEPS_PER_BAR
    if bars == BARS:
        return Melody(events), []
    if (short or ("loop" if BARS % bars == 0 else "pad")) == "pad":
        padded = np.concatenate((events, np.full(STEPS - len(events), REST, np.uint8)))
        return Melody(padded), [f"{_plural(bars, 'bar')}, followed by {BARS - bars} of rest"]
    return Melody(np.resize(events, STEPS)), [f"{_plural(bars, 'bar')}, repeated up to {BARS}"]


def _chosen(score: Score, choice: Choice, take: _Take, first: int) -> list[str]:
    by_itself = " and ".join(
        what for what, asked in (("the track", choice.track), ("the bars", choice.bars)) if asked is None
    )
    bars = f"bars {first}..{first + take.bars - 1}"
    said = [f"track {_label(take.part)} of {score.tracks}, {bars}" + (f" (chose {by_itself})" if by_itself else "")]
    if choice.as_four_four and (others := [row[1:] for row in score.signatures if row[1:] not in BAR_SIGNATURES]):
        said.append(f"counted in 4/4, though it says {others[0][0]}/{others[0][1]}")
    return said


def _changed(score: Score, take: _Take) -> list[str]:
    """What became of the notes that begin in the bars taken."""
    starts = _begun(take, score.division)
    moved = int(((4 * starts) % score.division != 0).sum())
    lost = len(starts) - int((_cut(take) < HOLD).sum())
    said = [f"{_plural(moved, 'note')} moved to the nearest sixteenth"] if moved else []
    return said + ([f"{_plural(lost, 'note')} left out, where others sound above or begin at once"] if lost > 0 else [])


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
