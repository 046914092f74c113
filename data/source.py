"""A file of anybody's as a melody: which track, which bars, and what had to be done.

Where the user says neither track nor bars, they are chosen so:

1. **Bars** can be taken from stretches of bars of four quarters (`melodylc.data.bars`), long ones before short ones.
   They count from the first full bar: upbeats have no number, and their notes are left out and named.
2. **Track**: those with a stretch that passes `melodylc.data.windows.Filters` before others; then those named like a
   melody ("lead", "vocals", ...); then by the share of notes that stay when one voice is made of it, where four in five
   are as good as all; then the highest.
3. **Sixteen bars** of it: those that pass before others; then the fewest empty bars, the most different
   bars, the most different pitches; then the earliest.

A stretch of fewer than 16 bars at the end of a piece is as long as the track says: up to its last note, rounded to
sixteenths and then up to whole bars, or up to its own end of track, down to whole bars, where that is later. Where it
says no more than its last note, the last end of track of all counts if it makes a loop of 1, 2, 4, 8 or 16 bars. An end
that would spoil such a loop, as a pedal's release behind it, doesn't count.

Everything that was decided, assumed or changed on the way is said in `Source.remarks`.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from melodylc.data.alphabet import BARS, HOLD, REST, STEPS, STEPS_PER_BAR
from melodylc.data.arrays import Events
from melodylc.data.bars import BAR_SIGNATURES, Layout, Section, counted_in_four, layout
from melodylc.data.errors import InputError, MidiError, ScoreError
from melodylc.data.melody import Melody, pitch_name
from melodylc.data.readers import form_of, read_music
from melodylc.data.roles import is_melodic
from melodylc.data.scores import Part, Score, Ticks
from melodylc.data.smf import read_content
from melodylc.data.texts import fold_text, printable
from melodylc.data.windows import DEFAULT_FILTERS, different_bars, different_pitches, melody_line, sixteenths, windows

Short = Literal["loop", "pad"]
_LOOPS = frozenset((1, 2, 4, 8, 16))  # bars
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


def extract_melody(
    source: str | os.PathLike[str] | bytes, choice: Choice = ANY, *, name: str = "the given bytes"
) -> Source:
    """The melody of any MIDI, ABC, MusicXML or Humdrum file: one track, 16 bars, one voice, on sixteenths.

    Notes move to the nearest sixteenth, and of notes that sound together the highest stays, as in training; what sounds
    at the start but began before it is left out. Fewer than 16 bars are repeated or padded.

    Args:
        source: a path, or the content of a file.
        choice: which track and bars; what isn't said is chosen.
        name: what the content is called.

    Raises:
        ScoreError: the file can't be read, isn't music, has no such track or bars, no notes there, or no bars in 4/4; a
            MidiError unless it is notation.

    >>> extract_melody("nowhere.mid")
    Traceback (most recent call last):
    melodylc.data.errors.MidiError: nowhere.mid: can't be read: there is no such file or folder
    >>> extract_melody(b"words", name="song.mid")
    Traceback (most recent call last):
    melodylc.data.errors.MidiError: song.mid: not a MIDI file (no MThd at its start)
    """
    file = name if isinstance(source, bytes) else os.fspath(source)
    content = b""
    try:
        content = source if isinstance(source, bytes) else read_content(Path(source))
        return _source(file, read_music(content, file), choice)
    except InputError as error:
        kind = MidiError if form_of(content, file) == "MIDI" else ScoreError
        raise kind(f"{file}: {error}") from error


class _Take(NamedTuple):
    """A stretch of a track: `bars` bars from bar `offset` of a section."""

    part: Part
    section: Section
    offset: int
    bars: int
    line: Events  # of the whole section


def _source(file: str, score: Score, choice: Choice) -> Source:
    _check_sounding(score)
    piece = counted_in_four(score) if choice.as_four_four else layout(score)
    if not piece.sections:
        over, under = piece.meter
        raise InputError(
            f"it is in {over}/{under}; a melody is in 4/4 or 2/2: --as-4/4 counts its bars in four quarters"
        )
    parts = _tracks(piece.score, choice.track)
    take = _requested_track(parts, piece, choice.bars) if choice.bars else _best(parts, piece)
    melody, fitted = _sixteen(_cut(take), choice.short, _end_decided(take, piece))
    first = take.section.first + take.offset + 1
    remarks = (
        *_chosen(piece.score, choice, take, first),
        *_describe_changes(piece.score, take),
        *_count_words(piece, take, choice),
        *score.remarks,
        *score.repairs,
        *fitted,
    )
    return Source(file, take.part.track + 1, _name(take.part), first, take.bars, score.tempo, melody, remarks)


# -- which track -------------------------------------------------------------------------------


def _check_sounding(score: Score) -> None:
    if not any(len(part.starts) for part in score.parts):
        raise InputError("it has drums alone (channel 10), and no melody" if score.tracks else "it holds no notes")


def _tracks(score: Score, wanted: str | None) -> list[Part]:
    parts = [part for part in score.parts if len(part.starts)]
    if wanted is None:
        return parts
    number = fold_text(wanted)
    chosen = [part for part in parts if number == str(part.track + 1)]
    for accents in (True, False):
        # What is shown of a name can be typed, in whatever encoding and composition the file has it.
        text = fold_text(printable(wanted, len(wanted)), accents)
        names = [(part, {fold_text(name, accents) for name in (part.name, _name(part))}) for part in parts if text]
        chosen = chosen or [part for part, either in names if text in either]
        chosen = chosen or [part for part, either in names if any(text in name for name in either)]
    if len(chosen) != 1:
        problem = "several tracks are" if chosen else "no track is"
        raise InputError(f"{problem} {wanted[:_LONGEST_NAME]!r}; there are {_list_names(chosen or parts)}")
    return chosen


def _list_names(parts: list[Part], most: int = 16) -> str:
    return ", ".join(map(_label, parts[:most])) + (", ..." if len(parts) > most else "")


def _label(part: Part) -> str:
    name = _name(part)
    return f"{part.track + 1} {name!r}" if name else f"{part.track + 1} (no name)"


def _name(part: Part) -> str:
    return printable(part.name, _LONGEST_NAME)


# -- which bars --------------------------------------------------------------------------------


class _Length(NamedTuple):
    """How many bars of a short stretch a track takes, and what said so; nothing where it was its last note alone."""

    bars: int
    why: str = ""


def _length(part: Part, section: Section, score: Score) -> _Length:
    bar = 4 * score.division

    def steps(tick: int) -> int:
        return int(sixteenths(np.array(tick - section.start), score.division))

    notes = max(1, -(-steps(int(part.ends.max())) // STEPS_PER_BAR))
    own, last = (max(0, steps(tick) // STEPS_PER_BAR) for tick in (part.length, score.length))
    own = min(own, BARS)
    if own > notes and (own in _LOOPS or notes not in _LOOPS):
        return _Length(own, "to its end of track")
    if own <= notes < last and last in _LOOPS and part.length - section.start <= notes * bar:
        return _Length(last, "to the last end of track")
    return _Length(min(notes, BARS), "to its last note, before its end of track" if own > notes else "")


def _is_short(section: Section, piece: Layout) -> bool:
    """Whether it is the piece's last stretch and has fewer than 16 bars: then its length is the track's."""
    return section.start == piece.sections[-1].start and section.bars < BARS


def _end_decided(take: _Take, piece: Layout) -> str:
    if not _is_short(take.section, piece):
        return ""
    length = _length(take.part, take.section, piece.score)
    return length.why if take.offset == 0 and take.bars == length.bars else ""


def _requested_track(parts: list[Part], piece: Layout, bars: tuple[int, int]) -> _Take:
    first, last = bars
    division = piece.score.division
    for section in piece.sections:
        lengths = [_length(part, section, piece.score).bars if _is_short(section, piece) else 0 for part in parts]
        section = section._replace(bars=max(section.bars, *lengths))
        # The end of the file is as good as the last bar asked.
        if section.first < first <= section.first + section.bars:
            count = min(last, section.first + section.bars) - first + 1
            if count < last - first + 1 and _goes_on(section, piece):
                break
            takes = [_take(part, section, division, first - section.first - 1, count) for part in parts]
            takes = [take for take in takes if (_cut(take) < HOLD).any()]
            if not takes:
                raise InputError(f"no notes in bars {first}..{last}{_of_track(parts)}")
            return max(takes, key=lambda take: _rank(take, division))
    spans = ", ".join(f"{section.first + 1}..{section.first + section.bars}" for section in piece.sections)
    raise InputError(f"bars {first}..{last} aren't there, or not all in 4/4; bars in 4/4: {spans}")


def _goes_on(section: Section, piece: Layout) -> bool:
    """Whether music follows the section, in another meter."""
    left = piece.score.end - section.start - 4 * piece.score.division * section.bars
    return int(sixteenths(np.array(left), piece.score.division)) > 0


def _of_track(parts: list[Part]) -> str:
    return f" of track {_label(parts[0])}" if len(parts) == 1 else ""


def _take(part: Part, section: Section, division: int, offset: int, bars: int) -> _Take:
    return _Take(part, section, offset, bars, melody_line(part, section, division))


def _best(parts: list[Part], piece: Layout) -> _Take:
    division, found = piece.score.division, piece.sections
    longest = max(section.bars for section in found)
    usable = [section for section in found if section.bars >= min(BARS, longest)]
    takes = []
    for part in parts:
        for section in usable:
            bars = _length(part, section, piece.score).bars if _is_short(section, piece) else section.bars
            takes.append(_window(_take(part, section._replace(bars=bars), division, 0, bars)))
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
    share = float((_cut(take) < HOLD).sum() / max(1, len(_start_bar(take, division))))
    named = is_melodic(take.part.name)
    return named, 1.0 if share >= _ONE_VOICE else round(share, 1), float(take.part.pitches.mean())


def _start_bar(take: _Take, division: int) -> Ticks:
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


def _sixteen(events: Events, short: Short | None, end: str) -> tuple[Melody, list[str]]:
    """The melody of at most 16 bars of events, and how they became sixteen."""
    bars = len(events) // STEPS_PER_BAR
    if bars == BARS:
        return Melody(events), []
    what = _plural(bars, "bar") + (f" ({end})" if end else "")
    if (short or ("loop" if BARS % bars == 0 else "pad")) == "pad":
        padded = np.concatenate((events, np.full(STEPS - len(events), REST, np.uint8)))
        return Melody(padded), [f"{what}, followed by {BARS - bars} of rest"]
    return Melody(np.resize(events, STEPS)), [f"{what}, repeated up to {BARS}"]


def _chosen(score: Score, choice: Choice, take: _Take, first: int) -> list[str]:
    by_itself = " and ".join(
        what for what, asked in (("the track", choice.track), ("the bars", choice.bars)) if asked is None
    )
    bars = f"bars {first}..{first + take.bars - 1}"
    return [f"track {_label(take.part)} of {score.tracks}, {bars}" + (f" (chose {by_itself})" if by_itself else "")]


def _count_words(piece: Layout, take: _Take, choice: Choice) -> list[str]:
    """How bars were counted, and which notes of an upbeat were left out."""
    over, under = piece.meter
    said = []
    if choice.as_four_four and piece.meter not in BAR_SIGNATURES:
        said.append(f"counted in 4/4, though it says {over}/{under}")
    if piece.paired:
        said.append(f"in {over}/{under} throughout: two of its bars count as one in 4/4")
    if take.section.upbeat:
        part, start = take.part, take.section.start
        before = (part.starts >= start - take.section.upbeat) & (part.starts < start)
        pitches = part.pitches[before][np.argsort(part.starts[before], kind="stable")].tolist()
        left = f" ({_plural(len(pitches), 'note')} left out: {_tracks_named(pitches)})" if pitches else ""
        quarters = f"{take.section.upbeat / piece.score.division:g}"
        long = f"{quarters} quarter{'s' * (quarters != '1')}"
        said.append(f"bars count from the first full one, after an upbeat of {long}{left}")
    return [*said, *piece.remarks]


def _tracks_named(pitches: list[int], most: int = 8) -> str:
    return " ".join(map(pitch_name, pitches[:most])) + (" ..." if len(pitches) > most else "")


def _describe_changes(score: Score, take: _Take) -> list[str]:
    """What became of the notes that begin in the bars taken."""
    starts = _start_bar(take, score.division)
    moved = int(((4 * starts) % score.division != 0).sum())
    lost = len(starts) - int((_cut(take) < HOLD).sum())
    said = [f"{_plural(moved, 'note')} moved to the nearest sixteenth"] if moved else []
    return said + ([f"{_plural(lost, 'note')} left out, where others sound above or begin at once"] if lost > 0 else [])


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
