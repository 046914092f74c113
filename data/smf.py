"""Standard MIDI Files: bytes in, a score out. The one place where MIDI is parsed.

A file is a header chunk and track chunks; a track is a row of events, each a time since the one before (one to four
bytes of seven bits) and a message. Channel messages may leave out their status byte where it is the same as before
(running status), so where an event begins is only known once the one before it has been read. Most of a file is
channel messages of two data bytes, though, and there every event has exactly three bytes below 0x80: the last of its
time and its two data bytes. `_Events.regular` takes such stretches at once, by numpy, up to the next byte that may
begin something else, and checks the form of each event; `_Events.track` reads what is left, event by event.

Tolerant where players are. What is assumed or dropped on the way is said in `Score.remarks` (the frame of the file)
and `Score.repairs` (its notes), a clause for each kind:

| what is found                                            | what becomes of it                                      |
|----------------------------------------------------------|---------------------------------------------------------|
| running status after a meta or system exclusive message  | goes on                                                 |
| RIFF around the file; up to 64 kB before its header      | left out; the latter is said                            |
| a header longer than 6 bytes, unknown chunks             | left out; chunks are named                              |
| wrong number of tracks; wrong length of a chunk          | every track there is; up to its end of track; said      |
| no end of track; events after one                        | the chunk's end; read, where they are whole; said       |
| a note that ends on another channel or track             | ends there; said                                        |
| a note that no note-off ends                             | ends by controller 120 or 123, else with its next       |
|                                                          | note-on, else with its track, which is said             |
| velocities above 127; pitches above 127                  | 127; left out; both said                                |
| a tempo of 0                                             | the one before it, or 120; said                         |
| type 2                                                   | its patterns side by side, said; with several meters    |
|                                                          | it is refused                                           |

Two equal notes that overlap on one channel end in the order in which they began. Where a part of the notes would be
lost (the file breaks off, a byte that can't be there), the file is refused, with the track and the byte.

Source: Standard MIDI Files 1.0 (RP-001), MIDI Manufacturers Association.
"""

from bisect import bisect_left
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from melodylc.data.errors import InputError, MidiError
from melodylc.data.files import reason
from melodylc.data.scores import MAX_TRACKS, Part, Score, Ticks, check_size
from melodylc.data.texts import decode_name

MAX_FILE = 16 << 20  #: bytes of a file; the largest of two million collected ones has 5 MB
LEAD = 1 << 16  # bytes that may stand before the header
DRUM_CHANNEL = 9
_LONGEST_TIME = 4  # bytes
_FEW = 12  # regular events in a row for which numpy doesn't pay
_NOTES_OFF = (120, 123)  # controllers: all sound off, all notes off
# Data bytes of system common and real time messages, which have no place in a file.
_SYSTEM = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0, 0xF8: 0, 0xFA: 0, 0xFB: 0, 0xFC: 0, 0xFE: 0}
_NAME, _END, _TEMPO, _METER = 0x03, 0x2F, 0x51, 0x58
_TRACK_END = bytes((0xFF, _END, 0))

Places = npt.NDArray[np.int32]  # of bytes in a file, or numbers of its tracks


def read_score(content: bytes) -> Score:
    """The notes and time signatures of a MIDI file.

    Args:
        content: the whole file.

    Raises:
        MidiError: why it can't be used, without the file's name.

    >>> read_score(b"words")
    Traceback (most recent call last):
    melodylc.data.errors.MidiError: not a MIDI file (no MThd at its start)
    """
    data, before = _unwrap(content)
    header = _header(data)
    events = _Events(data)
    remarks = [*before, *header.remarks, *_read_chunks(events, header)]
    return _score(events, header, remarks)


def read_content(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        InputError: it can't be read, or is larger than `MAX_FILE`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        raise InputError(f"can't be read: {reason(error)}") from error
    if len(content) > MAX_FILE:
        raise InputError(f"larger than {MAX_FILE >> 20} MiB, which no MIDI file of a piece of music is")
    return content


# -- the frame of the file ---------------------------------------------------------------------


class _Header(NamedTuple):
    kind: int
    tracks: int
    division: int
    end: int
    remarks: tuple[str, ...] = ()


def _unwrap(content: bytes) -> tuple[bytes, list[str]]:
    """The file without what stands before its header."""
    if content[:4] == b"MThd":
        return content, []
    at = content.find(b"MThd", 0, LEAD)
    if at < 0:
        raise MidiError("not a MIDI file (no MThd at its start)" if content else "empty")
    if content[:4] == b"RIFF" and content[8:12] == b"RMID":
        size = int.from_bytes(content[at - 4 : at], "little") if content[at - 8 : at - 4] == b"data" else 0
        return content[at : at + size] if 14 <= size <= len(content) - at else content[at:], []
    return content[at:], [f"{_plural(at, 'byte')} before its header left out"]


def _header(data: bytes) -> _Header:
    size = int.from_bytes(data[4:8], "big")
    end = 8 + size
    if size < 6 or len(data) < 14:
        raise MidiError("not a MIDI file: its header breaks off")
    kind, tracks, division = (int.from_bytes(data[at : at + 2], "big") for at in (8, 10, 12))
    if division == 0:
        raise MidiError("a division of 0 ticks a quarter")
    if division & 0x8000:
        raise MidiError("times in SMPTE frames, without bars")
    if end > len(data) or (data[end : end + 4] != b"MTrk" and data[14:18] == b"MTrk"):
        return _Header(kind, tracks, division, 14, (f"its header says that it has {size:,} bytes, and has 6",))
    return _Header(kind, tracks, division, end)


def _read_chunks(events: "_Events", header: _Header) -> list[str]:
    """Read every track chunk; what was wrong with chunks."""
    data, at, remarks, unknown, lost = events.data, header.end, [], [], 0
    while at < len(data):
        if data[at : at + 4] == b"MTrk" and at + 8 <= len(data):
            at, remark = _read_track(events, at)
            remarks += remark
        elif _is_boundary(data, at) or _is_chunk(data, at):
            unknown.append(data[at : at + 4].decode("ascii"))
            at += 8 + int.from_bytes(data[at + 4 : at + 8], "big")
        else:
            following = data.find(b"MTrk", at + 1)
            following = len(data) if following < 0 else following
            skipped = data[at:following]  # zeros behind the last chunk are padding, and nothing to tell
            lost += len(skipped if following < len(data) else skipped.strip(b"\0"))
            at = following
    if unknown:
        remarks.append(f"{_plural(len(unknown), 'chunk')} of another kind left out ({', '.join(unknown[:3])})")
    if lost:
        remarks.append(f"{_plural(lost, 'byte')} between or after its chunks left out")
    found = len(events.tracks)
    if not found:
        raise MidiError("it breaks off after its header: no track is there" if header.tracks else "it holds no notes")
    if found != header.tracks:
        remarks.append(f"its header says {_plural(header.tracks, 'track')}; {found} found, and all were read")
    if header.kind == 2 and found > 1:
        remarks.append("a file of type 2: its patterns, which have no order, are read side by side")
    return remarks


def _is_boundary(data: bytes, at: int) -> bool:
    """Whether a chunk may begin here, or the file ends."""
    if at >= len(data):
        return at == len(data)
    name = data[at : at + 4]
    return name == b"MTrk" or (name.isalnum() and _is_chunk(data, at))


def _is_chunk(data: bytes, at: int) -> bool:
    """Whether four letters of ASCII and a length that fits stand here."""
    name, begin = data[at : at + 4], at + 8
    fits = begin <= len(data) and begin + int.from_bytes(data[at + 4 : begin], "big") <= len(data)
    return fits and name.isascii() and name.decode("ascii").isprintable()


def _read_track(events: "_Events", at: int) -> tuple[int, list[str]]:
    """Read the track chunk at a position: where the next one begins, and what was wrong with it."""
    data, begin = events.data, at + 8
    size = int.from_bytes(data[at + 4 : begin], "big")
    declared, name = begin + size, f"track chunk {len(events.tracks) + 1}"
    trusted = _is_boundary(data, declared)
    end, ended = events.track(begin, declared if trusted else len(data), cut=declared > len(data))
    if end == declared:
        return end, [] if ended or not size else [f"{name} has no end of track"]
    wrong = f"{name} says that it has {_plural(size, 'byte')}, and has {end - begin:,}"
    if not trusted or data[end : end + 4] == b"MTrk":
        return end, [wrong] if ended else [f"{wrong} and no end of track"]
    if events.goes_on(end, declared):
        return declared, [f"{name} goes on after its end of track: read to the end"]
    left = len(data[end:declared].strip(b"\0"))
    return declared, [f"{_plural(left, 'byte')} after the end of track in {name} left out"] if left else []


# -- events ------------------------------------------------------------------------------------


class _Track(NamedTuple):
    """A track chunk: its events are those from `first` up to `last`."""

    first: int
    last: int


class _Meta(NamedTuple):
    """A meta message: which event it is, its type, and where its data lies."""

    event: int
    type: int
    start: int
    end: int


class _Events:
    """All events of a file, in order: for each, where its time begins and where that ends (status or data follow)."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.array = np.frombuffer(data, np.uint8)
        self.tracks: list[_Track] = []
        self.metas: list[_Meta] = []
        self.system = self.escapes = 0  # messages that have no place in a file; messages in an escape
        self.count = 0
        self._cut = False
        self._width = 0  # data bytes of the running status where reading stands; 0: none
        self._pieces: list[Places] = []
        self._single: list[int] = []  # of events read one by one: begin and end of the time, by turns
        self._low = np.flatnonzero(self.array < 0x80).astype(np.int32)
        odd = np.flatnonzero((self.array >= 0xC0) & ((self.array < 0xE0) | (self.array >= 0xF0)))
        self._odd: list[int] = odd.tolist()  # bytes that may begin a message of other than two data bytes ...
        self._rank: list[int] = np.searchsorted(self._low, odd).tolist()  # ... and how many low bytes precede each

    def columns(self) -> tuple[Places, Places]:
        """The first and the last byte of each event's time."""
        self._flush()
        both = np.concatenate([*self._pieces, np.empty((0, 2), np.int32)])
        return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])

    def track(self, at: int, limit: int, cut: bool) -> tuple[int, bool]:
        """Read a track from `at` to its end of track, or to `limit` at most: where it ended, and whether by the former.

        `cut`: whether its chunk claims more bytes than the file has.

        Raises:
            MidiError: it breaks off, or can't be read.
        """
        first, self._cut, self._width = self.count, cut, 0
        at, ended = self._walk(at, limit)
        if cut and not ended:
            raise self._broken(at, "no end of track")
        self.tracks.append(_Track(first, self.count))
        return at, ended

    def goes_on(self, at: int, limit: int) -> bool:
        """Take in the events after a track's end of track, if they are whole and end just where the chunk does.

        Running status goes on there only where another end of track is the last of them: any three bytes below 0x80
        would be a note otherwise.
        """
        if not self.data.endswith(_TRACK_END, at, limit):
            self._width = 0
        before = self.count, len(self.metas), len(self._pieces), self.system, self.escapes
        self._flush()
        pieces = len(self._pieces)
        try:
            while at < limit:
                at, _ = self._walk(at, limit)
        except MidiError:
            self.count, metas, _, self.system, self.escapes = before
            del self.metas[metas:], self._pieces[pieces:], self._single[:]
            return False
        self.tracks[-1] = self.tracks[-1]._replace(last=self.count)
        return True

    def _walk(self, at: int, limit: int) -> tuple[int, bool]:
        data, single, width = self.data, self._single, self._width
        singly_to = 0
        try:
            while at < limit:
                if width == 2 and at >= singly_to:
                    at, singly_to = self._regular(at, limit)
                    if at >= limit:
                        break
                begin = at
                while data[at] >= 0x80:
                    at += 1
                if at - begin >= _LONGEST_TIME:
                    raise self._broken(begin, "a time of more than four bytes")
                status = data[at + 1]
                if status < 0x80:
                    if not width:
                        raise self._broken(at + 1, "a message without a status byte")
                    end, ended = at + 1 + width, False
                elif status < 0xF0:
                    width = 1 if 0xC0 <= status < 0xE0 else 2
                    end, ended = at + 2 + width, False
                else:
                    end, ended = self._system(at + 1, status)
                if end > limit:
                    raise self._broken(begin, "a message that goes on after the track's end")
                single += begin, at
                self.count += 1
                at = end
                if ended:
                    self._width = width
                    return at, True
        except IndexError:
            raise self._broken(len(data), "it breaks off") from None
        self._width = width
        return at, False

    def _regular(self, at: int, limit: int) -> tuple[int, int]:
        """Take all events from here on that have two data bytes, up to the first of another kind.

        Returns:
            Where it begins, and up to where reading one by one is quicker.
        """
        low, odd, ranks = self._low, self._odd, self._rank
        index = bisect_left(odd, at)
        if index < len(odd) and odd[index] < at + 4 * _FEW:
            return at, odd[index]
        first, last = np.searchsorted(low, (at, limit)).tolist()
        # With k low bytes since `at`, a status byte stands where k % 3 is 1; where it is 0, the byte is part of a time.
        while index < len(odd) and odd[index] < limit:
            if (ranks[index] - first) % 3:
                last = ranks[index]
                break
            index += 1
        count = (last - first) // 3
        if count < _FEW:
            return at, int(low[first + 3 * count - 1]) + 1 if count else at
        ends, ones, twos = low[first : first + 3 * count].reshape(-1, 3).T
        begins = np.empty_like(ends)
        begins[0], begins[1:] = at, twos[:-1] + 1
        good = (twos == ones + 1) & (ones <= ends + 2) & (ends < begins + _LONGEST_TIME)
        if not good.all():
            count = int(good.argmin())
            if not count:
                return at, at
        self._flush()
        self._pieces.append(np.stack((begins[:count], ends[:count]), axis=1))
        self.count += count
        return int(twos[count - 1]) + 1, 0

    def _system(self, at: int, status: int) -> tuple[int, bool]:
        """Where the system or meta message at `at` ends, and whether it is the end of track."""
        if status == 0xFF:
            start, length = self._length(at + 2)
            self.metas.append(_Meta(self.count, self.data[at + 1], start, start + length))
            return start + length, self.data[at + 1] == _END
        if status in (0xF0, 0xF7):
            start, length = self._length(at + 1)
            if status == 0xF7 and length and 0x80 <= self.data[start] < 0xF0:
                self.escapes += 1
            return start + length, False
        if status not in _SYSTEM:
            raise self._broken(at, "a status byte that means nothing")
        self.system += 1
        return at + 1 + _SYSTEM[status], False

    def _length(self, at: int) -> tuple[int, int]:
        """A length of one to four bytes, seven bits each: where it ends, and what it is."""
        value = 0
        for end in range(at, at + 4):
            byte = self.data[end]
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return end + 1, value
        raise self._broken(at, "a length of more than four bytes")

    def _broken(self, at: int, problem: str) -> MidiError:
        track = len(self.tracks) + 1
        if self._cut:
            return MidiError(f"it breaks off in track chunk {track}, after {len(self.data):,} bytes; get it again")
        return MidiError(f"damaged in track chunk {track}, at byte {at:,}: {problem}")

    def _flush(self) -> None:
        if self._single:
            self._pieces.append(np.array(self._single, np.int32).reshape(-1, 2))
            self._single.clear()


def _times(array: npt.NDArray[np.uint8], begins: Places, ends: Places) -> Ticks:
    """The value of each time of one to four bytes, seven bits each, the highest first."""
    times = array[ends].astype(np.int64)
    for back in range(1, _LONGEST_TIME):
        longer = np.flatnonzero(ends - begins >= back)
        if not len(longer):
            break
        times[longer] += (array[ends[longer] - back].astype(np.int64) & 0x7F) << (7 * back)
    return times


# -- notes -------------------------------------------------------------------------------------


class _NoteEvents(NamedTuple):
    """Note-ons and note-offs in the order of the file."""

    track: Ticks
    channel: Ticks
    pitch: Ticks
    tick: Ticks
    on: npt.NDArray[np.bool_]


class _Notes(NamedTuple):
    """Notes: which events begin them, and the ticks at which they end."""

    begins: Ticks
    ends: Ticks


def _score(events: _Events, header: _Header, remarks: list[str]) -> Score:
    begins, ends = events.columns()
    array, tracks = events.array, events.tracks
    ticks = np.cumsum(_times(array, begins, ends))
    firsts = np.array([track.first for track in tracks])
    sizes = np.array([track.last - track.first for track in tracks])
    track_of = np.repeat(np.arange(len(tracks), dtype=np.int32), sizes)
    ticks -= np.repeat(np.concatenate(([0], ticks))[firsts], sizes)
    lengths = np.array([ticks[track.last - 1] if track.last > track.first else 0 for track in tracks])
    status = array[np.minimum(ends + 1, len(array) - 1)]
    explicit = (status >= 0x80) & (status < 0xF0)
    latest = np.maximum.accumulate(np.where(explicit, np.arange(len(status), dtype=np.int32), np.int32(0)))
    running = np.where(status < 0xF0, status[latest], np.uint8(0))
    data_at = ends + 1 + explicit
    repairs: list[str] = []
    notes = _note_events(array, np.flatnonzero(running & 0xE0 == 0x80), running, data_at, ticks, track_of, repairs)
    offs = np.flatnonzero(running & 0xF0 == 0xB0)
    offs = offs[np.isin(array[data_at[offs]], _NOTES_OFF)]
    silences = track_of[offs] * 16 + (running[offs] & 15), ticks[offs]
    paired = _pair_notes(notes, lengths, silences, repairs)
    metas, signatures, tempo = _metas(events, header.kind, ticks, track_of, repairs)
    if events.system:
        repairs.append(f"{_plural(events.system, 'message')} that no file may hold left out")
    if events.escapes:
        repairs.append(f"{_plural(events.escapes, 'escaped message')} left out")
    parts, sounding = _parts(notes, paired, metas, lengths)
    end = max((int(part.ends.max()) for part in parts), default=0)
    read = Score(
        header.division,
        end,
        signatures,
        parts,
        sounding,
        tempo,
        remarks=tuple(remarks),
        repairs=tuple(repairs),
        length=int(lengths.max()),
        note_ons=len(paired.begins),
    )
    return check_size(read, MidiError)


def _note_events(
    array: npt.NDArray[np.uint8],
    which: Ticks,
    running: npt.NDArray[np.uint8],
    data_at: Places,
    ticks: Ticks,
    track_of: Places,
    repairs: list[str],
) -> _NoteEvents:
    where, status = data_at[which], running[which]
    pitches, velocities = array[where], array[where + 1]
    on = (status >= 0x90) & (velocities > 0)
    if len(loud := np.flatnonzero(on & (velocities > 127))):
        repairs.append(f"{_plural(len(loud), 'velocity', 'velocities')} above 127 taken for 127")
    if (high := pitches > 127).any():
        count = int((high & on).sum())
        repairs.append(f"{_plural(count, 'note')} of a pitch above 127 left out")
        which, status, pitches, on = which[~high], status[~high], pitches[~high], on[~high]
    channels = (status & 15).astype(np.int64)
    return _NoteEvents(track_of[which].astype(np.int64), channels, pitches.astype(np.int64), ticks[which], on)


def _pair_notes(notes: _NoteEvents, lengths: Ticks, silences: tuple[Ticks, Ticks], repairs: list[str]) -> _Notes:
    """The end of every note."""
    key = (notes.track * 16 + notes.channel) * 128 + notes.pitch
    pairs = _pair(key, notes.tick, notes.on)
    for where in ("channel", "track"):
        if not (pairs.lacking.any() and len(pairs.stray)):
            break
        # Notes and note-offs that found no match are looked for on other channels, then on other tracks.
        loose = notes.track * (16 * 128) + notes.pitch if where == "channel" else notes.pitch
        unmatched = np.intersect1d(loose[pairs.begins[pairs.lacking]], loose[pairs.stray])
        found = _pair(np.where(np.isin(loose, unmatched), loose, key), notes.tick, notes.on, by_tick=where == "track")
        if (count := int(pairs.lacking.sum() - found.lacking.sum())) > 0:
            repairs.append(f"{_plural(count, 'note')} ended by a note-off on another {where}")
            pairs = found
    begins, lacking, own = pairs.begins, pairs.lacking, notes.track[pairs.begins]
    stops = np.where(pairs.ends < 0, np.maximum(lengths[own], notes.tick[begins]), notes.tick[pairs.ends])
    if len(silences[0]):
        silenced = _next_silence(own * 16 + notes.channel[begins], notes.tick[begins], *silences)
        lacking = lacking & (silenced > stops)
        stops = np.minimum(stops, silenced)
    if count := int(lacking.sum()):
        what = "1 note never ends: it sounds" if count == 1 else f"{count:,} notes never end: they sound"
        repairs.append(f"{what} to the end of the track, or until the pitch begins again")
    return _Notes(begins, stops)


class _Pairs(NamedTuple):
    """Events that begin notes, those that end them (-1: none), which of the former lack a note-off; loose note-offs."""

    begins: Ticks
    ends: Ticks
    lacking: npt.NDArray[np.bool_]
    stray: Ticks


def _pair(key: Ticks, ticks: Ticks, on: npt.NDArray[np.bool_], by_tick: bool = False) -> _Pairs:
    """Which event ends each note-on, among the events of its key."""
    small = len(key) and key.max() < 1 << 16
    order = (
        np.lexsort((on, ticks, key)) if by_tick else np.argsort(key.astype(np.uint16) if small else key, kind="stable")
    )
    on = on[order]
    none = np.empty(0, np.int64)
    if not len(on) % 2 and on[::2].all() and not on[1::2].any() and (key[order[::2]] == key[order[1::2]]).all():
        return _Pairs(order[::2], order[1::2], np.zeros(len(on) // 2, np.bool_), none)
    key = key[order]
    places = np.arange(len(key))
    first = np.ones(len(key), np.bool_)  # of its key
    first[1:] = key[1:] != key[:-1]
    last = np.append(first[1:], True)
    group, group_starts = np.cumsum(first) - 1, np.flatnonzero(first)
    counted = np.cumsum(np.where(on, 1, -1))
    within = counted - (counted[group_starts] - np.where(on[group_starts], 1, -1))[group]
    # How many notes sound after each event, where a note-off can't take it below none: the running sum above its own
    # running minimum. Groups lie so far apart that the minimum begins anew in each.
    apart = group * (2 * len(key) + 2)
    sounding = within - np.minimum(np.minimum.accumulate(within - apart) + apart, 0)
    stray = ~on
    stray[1:] &= first[1:] | (sounding[:-1] == 0)
    # Up to where the last silence in a group lies, as many note-offs as note-ons: the first in ends first.
    silent = np.maximum.accumulate(np.where(sounding == 0, places, np.where(first, places - 1, -1)))
    settled = places <= silent[last][group]
    ends = np.full(len(key), -1)
    ends[on & settled] = places[~on & settled & ~stray]
    # After it some note-off is missing: a note ends with the next event of its key.
    open_ones = np.flatnonzero(on & ~settled & ~last)
    ends[open_ones] = open_ones + 1
    begins = np.flatnonzero(on)
    chosen = ends[begins]
    lacking = ~settled[begins] & ((chosen < 0) | on[chosen])
    return _Pairs(order[begins], np.where(chosen < 0, -1, order[chosen]), lacking, order[stray])


def _next_silence(key: Ticks, ticks: Ticks, silence_keys: Ticks, silence_ticks: Ticks) -> Ticks:
    """For each (key, tick), the next tick after it at which its key is silenced; far away where none is."""
    far = np.int64(1) << 40
    silences = np.sort(silence_keys * far + np.minimum(silence_ticks, far - 1))
    wanted = key * far + np.minimum(ticks, far - 1)
    found = np.searchsorted(silences, wanted, side="right")
    following = np.append(silences, -1)[found]
    return np.where(following // far == key, following % far, np.iinfo(np.int64).max)


# -- parts -------------------------------------------------------------------------------------


def _metas(
    events: _Events, kind: int, ticks: Ticks, track_of: Places, repairs: list[str]
) -> tuple[dict[int, str], tuple[tuple[int, int, int], ...], float]:
    """Names by track, time signatures, and the first tempo in quarters a minute."""
    names: dict[int, str] = {}
    signatures, tempos, wrong = [], [], 0
    patterns: dict[int, list[tuple[int, int, int]]] = {}
    for meta in events.metas:
        if meta.type == _NAME:
            names.setdefault(int(track_of[meta.event]), decode_name(events.data[meta.start : meta.end]))
        elif meta.type == _METER and meta.end - meta.start >= 2:
            over, power = events.data[meta.start : meta.start + 2]
            signatures.append((int(ticks[meta.event]), over, 1 << power if power < 16 else 0))
            patterns.setdefault(int(track_of[meta.event]), []).append(signatures[-1])
        elif meta.type == _TEMPO and meta.end - meta.start >= 3:
            pace = int.from_bytes(events.data[meta.start : meta.start + 3], "big")
            wrong += not pace
            if pace:
                tempos.append((int(ticks[meta.event]), 60e6 / pace))
    if wrong:
        repairs.append(f"{_plural(wrong, 'tempo')} of 0 left out" + ("" if tempos else ": 120 assumed"))
    if kind == 2 and any(rows != signatures[: len(rows)] for rows in patterns.values()):
        raise MidiError("a file of type 2 whose patterns have meters of their own: it is several pieces, not one")
    first = min(tempos, key=lambda row: row[0])[1] if tempos else 120.0
    return names, tuple(sorted(signatures, key=lambda row: row[0])), first


def _parts(notes: _NoteEvents, paired: _Notes, names: dict[int, str], lengths: Ticks) -> tuple[tuple[Part, ...], int]:
    """The notes by track and channel, drums left out, and how many there are with drums."""
    keys = notes.track[paired.begins] * 16 + notes.channel[paired.begins]
    starts, pitches = notes.tick[paired.begins], notes.pitch[paired.begins]
    order = np.arange(len(keys))
    if (keys[1:] < keys[:-1]).any():  # some notes were paired across channels or tracks
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
    edges = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))) if len(keys) else np.empty(0, np.int64)
    if len(edges) > MAX_TRACKS:
        raise MidiError(f"more than {MAX_TRACKS:,} tracks")
    parts = []
    for index, (first, last) in enumerate(zip(edges, np.append(edges, len(keys))[1:], strict=True)):
        track, channel = divmod(int(keys[first]), 16)
        rows: Any = order[first:last]
        if channel != DRUM_CHANNEL:
            name, end = names.get(track, ""), int(lengths[track])
            parts.append(Part(index, starts[rows], paired.ends[rows], pitches[rows], name, end))
    return tuple(parts), len(edges)


def _plural(count: int, noun: str, several: str = "") -> str:
    return f"{count:,} {noun if count == 1 else several or noun + 's'}"
