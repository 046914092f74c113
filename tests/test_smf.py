"""Reading MIDI: five kinds of each oddity that players take, each kind of broken file, and laws against plain readers.

`NOTES` are sixteen bars of eighths; whatever stands around them in a file, they must come back, or the file is refused.
"""

import importlib.util
import resource
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from corpus_midi import BAR, midi
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from melodylc.data import smf
from melodylc.data.archives import MusicFile
from melodylc.data.errors import MidiError
from melodylc.data.extract import extract
from melodylc.data.scores import MAX_BARS, Score
from melodylc.data.smf import read_score
from melodylc.data.windows import DEFAULT_FILTERS

END = bytes.fromhex("00 ff 2f 00")
NOTE_ON, NOTE_OFF = bytes.fromhex("00 90 3c 40"), bytes.fromhex("60 80 3c 00")
ENDLESS = bytes.fromhex("ff ff ff 7f")  # the longest delta: 268,435,455 ticks
EIGHTH = 240
PITCHES = [60 + (7 * step + step // 8) % 19 for step in range(128)]
NOTES = [(pitch, step * EIGHTH, (step + 1) * EIGHTH) for step, pitch in enumerate(PITCHES)]


def chunk(track: bytes, name: bytes = b"MTrk", size: int | None = None) -> bytes:
    return name + struct.pack(">I", len(track) if size is None else size) + track


def head(tracks: int = 1, division: int = 480, kind: int = 1, extra: bytes = b"") -> bytes:
    return b"MThd" + struct.pack(">IHHH", 6 + len(extra), kind, tracks, division) + extra


def smf_of(track: bytes, division: int = 480) -> bytes:
    return head(division=division) + chunk(track)


def time(ticks: int) -> bytes:
    """A time in one to four bytes of seven bits."""
    digits = [ticks >> shift & 0x7F for shift in (21, 14, 7, 0)]
    while len(digits) > 1 and not digits[0]:
        del digits[0]
    return bytes([*(digit | 0x80 for digit in digits[:-1]), digits[-1]])


def body(
    running: bool = False,
    between: Callable[[int], bytes] = lambda step: b"",
    off: Callable[[int], bytes] = lambda pitch: bytes([0x80, pitch, 0]),
    velocity: int = 64,
) -> bytes:
    """The track of `NOTES` without its end; `between` stands before each note, and takes no time."""
    track = b""
    for step, pitch in enumerate(PITCHES):
        extra = between(step)
        plain = running and step
        track += extra + b"\0" + (bytes([pitch, velocity]) if plain else bytes([0x90, pitch, velocity]))
        track += time(EIGHTH) + (bytes([pitch, 0]) if running else off(pitch))
    return track


def notes_of(score: Score) -> list[tuple[int, int, int]]:
    rows = [zip(part.starts.tolist(), part.pitches.tolist(), part.ends.tolist(), strict=True) for part in score.parts]
    return [(pitch, start, end) for start, pitch, end in sorted(row for part in rows for row in part)]


def at(*steps: int, message: str) -> Callable[[int], bytes]:
    return lambda step: bytes.fromhex(message) if step in steps or not steps else b""


PLAIN = body()
TRACK = PLAIN + END
GOOD_FILE = head() + chunk(TRACK)
# Everything here gives NOTES, and says nothing of them.
READ = {
    "plain": GOOD_FILE,
    "running status": smf_of(body(running=True) + END),
    # running status goes on after a system exclusive or meta message
    "after a sysex, once": smf_of(body(True, at(64, message="00 f0 03 7e 01 f7")) + END),
    "after a sysex, everywhere": smf_of(body(True, at(message="00 f0 03 7e 01 f7")) + END),
    "after a sysex, near the end": smf_of(body(True, at(125, message="00 f0 05 43 10 4c 00 f7")) + END),
    "after an escape": smf_of(body(True, at(1, 2, 99, message="00 f7 02 f3 01")) + END),
    "after a text": smf_of(body(True, at(64, message="00 ff 01 03 61 62 63")) + END),
    "after a lyric for each note": smf_of(body(True, at(message="00 ff 05 02 6c 61")) + END),
    "after a long text": smf_of(body(True, at(9, message="00 ff 01 81 00" + "ff" * 128)) + END),
    # system exclusive messages in packets
    "two packets": smf_of(body(between=at(0, message="00 f0 02 43 12 00 f7 03 43 00 f7")) + END),
    "three packets": smf_of(body(between=at(32, message="00 f0 02 43 12 00 f7 01 43 00 f7 02 00 f7")) + END),
    "packets that are empty": smf_of(body(between=at(message="00 f0 00 00 f7 00")) + END),
    "a packet in running status": smf_of(body(True, at(5, message="00 f0 01 43 00 f7 01 f7")) + END),
    "a packet of 0x90s": smf_of(body(between=at(5, message="00 f0 04 7f 3c 40 f7 00 f7 02 44 f7")) + END),
    # other messages on the way
    "program changes": smf_of(body(True, at(message="00 c0 05 00 90 00 00")) + END),
    "one data byte, running": smf_of(body(between=at(message="00 d0 40 00 41 00 42")) + END),
    "controllers, running": smf_of(body(between=at(message="00 b0 07 64 00 0a 40 00 40 7f")) + END),
    "pitch bends": smf_of(body(between=at(message="00 e0 00 40 00 e0 7f 7f")) + END),
    "aftertouch": smf_of(body(between=at(message="00 a0 3c 10")) + END),
    # note-offs in all forms
    "velocity 0": smf_of(body(off=lambda pitch: bytes([0x90, pitch, 0])) + END),
    "note-offs with a velocity": smf_of(body(off=lambda pitch: bytes([0x80, pitch, 127])) + END),
    "controller 123": smf_of(body(off=lambda pitch: bytes([0xB0, 123, 0])) + END),
    "controller 120": smf_of(body(off=lambda pitch: bytes([0xB0, 120, 0])) + END),
    "controller 123, then note-offs": smf_of(body(off=lambda pitch: bytes([0xB0, 123, 0, 0, 0x80, pitch, 0])) + END),
    # the frame
    "a header of 8 bytes": head(extra=b"\0\0") + chunk(TRACK),
    "a header of 7 bytes": head(extra=b"x") + chunk(TRACK),
    "a header of 32 bytes": head(extra=bytes(26)) + chunk(TRACK),
    "a header of 300 bytes": head(extra=b"\xff" * 294) + chunk(TRACK),
    "RIFF": b"RIFF"
    + struct.pack("<I", 12 + len(GOOD_FILE))
    + b"RMIDdata"
    + struct.pack("<I", len(GOOD_FILE))
    + GOOD_FILE,
    "RIFF, with a list after it": b"RIFF\0\0\0\0RMIDdata"
    + struct.pack("<I", len(GOOD_FILE))
    + GOOD_FILE
    + b"LIST\4\0\0\0INFO",
    "RIFF, with a list before it": b"RIFF\0\0\0\0RMIDLIST\4\0\0\0INFOdata"
    + struct.pack("<I", len(GOOD_FILE))
    + GOOD_FILE,
    "RIFF of no size": b"RIFF\0\0\0\0RMIDdata\0\0\0\0" + GOOD_FILE,
    "RIFF of too large a size": b"RIFF\xff\xff\xff\xffRMIDdata\xff\xff\xff\x7f" + GOOD_FILE,
    "type 0": head(kind=0) + chunk(TRACK),
    "a key signature that doesn't exist": smf_of(bytes.fromhex("00 ff 59 02 14 00") + TRACK),
    "a key signature without its data": smf_of(bytes.fromhex("00 ff 59 00") + TRACK),
    "a meter without its data": smf_of(bytes.fromhex("00 ff 58 01 04") + TRACK),
    "a tempo without its data": smf_of(bytes.fromhex("00 ff 51 00") + TRACK),
    "unknown meta messages": smf_of(bytes.fromhex("00 ff 7f 03 00 00 41 00 ff 60 00") + TRACK),
}


@pytest.mark.parametrize("content", READ.values(), ids=READ)
def test_what_players_take_is_read(content: bytes) -> None:
    score = read_score(content)
    assert notes_of(score) == NOTES
    assert (score.note_ons, score.remarks, score.repairs, score.length) == (128, (), (), 16 * BAR)


METER = bytes.fromhex("00 ff 58 04 04 02 18 08")
CONDUCTOR = chunk(METER + END)
PATTERNS = "a file of type 2: its patterns, which have no order, are read side by side"
LONG = PLAIN + time(EIGHTH) + bytes.fromhex("ff 2f 00")
# Everything here gives NOTES too, and says what was wrong.
SAID = {
    "a header that says 8 bytes, and has 6": (
        head()[:7] + b"\x08" + head()[8:] + chunk(TRACK),
        "its header says that it has 8 bytes, and has 6",
    ),
    "a header of gigabytes": (
        head()[:4] + b"\xff" + head()[5:] + chunk(TRACK),
        "its header says that it has 4,278,190,086",
    ),
    "too few tracks": (head(1) + CONDUCTOR + chunk(TRACK), "its header says 1 track; 2 found, and all were read"),
    "too many tracks": (head(9) + CONDUCTOR + chunk(TRACK), "its header says 9 tracks; 2 found"),
    "no tracks": (head(0) + chunk(TRACK), "its header says 0 tracks; 1 found"),
    "an empty chunk": (head(1) + chunk(b"") + chunk(TRACK), "its header says 1 track; 2 found"),
    "65,535 tracks": (head(65535) + chunk(TRACK), "its header says 65,535 tracks; 1 found"),
    "an unknown chunk": (head() + chunk(b"abc", b"XFIH") + chunk(TRACK), "1 chunk of another kind left out (XFIH)"),
    "two unknown chunks": (
        head() + chunk(TRACK) + chunk(b"", b"XFIH") + chunk(b"abcd", b"XFKM"),
        "2 chunks of another kind left out (XFIH, XFKM)",
    ),
    "an unknown chunk that holds MTrk": (head() + chunk(b"MTrk", b"abcd") + chunk(TRACK), "left out (abcd)"),
    "a second header": (head() + chunk(TRACK) + head(), "left out (MThd)"),
    "an unknown chunk without its bytes": (head() + chunk(TRACK) + b"XFIH\0\0\1\0", "7 bytes between or after"),
    "3 bytes too many at the end": (head() + chunk(TRACK, size=len(TRACK) + 3), "track chunk 1 says that it has"),
    "a gigabyte too many": (head() + chunk(TRACK, size=1 << 30), "says that it has 1,073,741,824 bytes"),
    "3 bytes too many before another": (
        head(2) + chunk(END, size=len(END) + 3) + chunk(TRACK),
        "track chunk 1 says that it has 7 bytes, and has 4",
    ),
    "3 bytes too few": (head() + chunk(TRACK, size=len(TRACK) - 3), "track chunk 1 says that it has"),
    "3 bytes too few before another": (head(2) + chunk(TRACK, size=len(TRACK) - 3) + CONDUCTOR, "track chunk 1 says"),
    "a length of 0": (head() + chunk(TRACK, size=0), "track chunk 1 says that it has 0 bytes"),
    "the next track within a length": (
        head(2) + chunk(END, size=len(END) + 8 + len(TRACK)) + chunk(TRACK),
        "track chunk 1 says that it has",
    ),
    "no end of track": (head() + chunk(PLAIN), "track chunk 1 has no end of track"),
    "an end of track in the middle": (
        head() + chunk(END + TRACK),
        "track chunk 1 goes on after its end of track: read to the end",
    ),
    "two ends of track": (head() + chunk(TRACK + END), "track chunk 1 goes on after its end of track"),
    "junk after the end of track": (head() + chunk(TRACK + b"abc"), "3 bytes after the end of track in track chunk 1"),
    "MacBinary": (bytes(128) + GOOD_FILE, "128 bytes before its header left out"),
    "MacBinary, filled up": (b"\0\4song" + bytes(122) + GOOD_FILE + bytes(57), "128 bytes before its header left out"),
    "a line before the header": (b"HTTP/1.1 200 OK\r\n\r\n" + GOOD_FILE, "19 bytes before its header"),
    "another RIFF": (b"RIFF\0\0\0\0WAVE" + GOOD_FILE, "12 bytes before its header"),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD_FILE, "3 bytes before its header"),
    "bytes after the last chunk": (GOOD_FILE + b"more to come", "12 bytes between or after its chunks"),
    "bytes between chunks": (head(2) + CONDUCTOR + b"!" + chunk(TRACK), "1 byte between or after its chunks"),
    "zeros between chunks": (head(2) + CONDUCTOR + b"\0" + chunk(TRACK), "1 byte between or after its chunks"),
    "note-offs on another channel": (
        smf_of(body(off=lambda pitch: bytes([0x81, pitch, 0])) + END),
        "128 notes ended by a note-off on another channel",
    ),
    "one note-off on another channel": (
        smf_of(body(off=lambda pitch: bytes([0x8F if pitch == PITCHES[5] else 0x80, pitch, 0])) + END),
        f"{PITCHES.count(PITCHES[5])} notes ended by a note-off on another channel",
    ),
    "a tempo of 0": (smf_of(bytes.fromhex("00 ff 51 03 000000") + TRACK), "1 tempo of 0 left out: 120 assumed"),
    "a tempo of 0 after another": (
        smf_of(bytes.fromhex("00 ff 51 03 07a120 00 ff 51 03 000000") + TRACK),
        "1 tempo of 0 left out",
    ),
    "a tempo of 0 before another": (
        smf_of(bytes.fromhex("00 ff 51 03 000000 00 ff 51 03 07a120") + TRACK),
        "1 tempo of 0 left out",
    ),
    "two tempos of 0": (
        smf_of(bytes.fromhex("00 ff 51 03 000000 00 ff 51 03 000000") + TRACK),
        "2 tempos of 0 left out: 120 assumed",
    ),
    "a tempo of 0 within": (
        smf_of(body(running=True, between=at(64, message="00 ff 51 03 000000")) + END),
        "1 tempo of 0 left out",
    ),
    "a velocity of 200": (smf_of(TRACK.replace(b"@", b"\xc8", 1)), "1 velocity above 127 taken for 127"),
    "velocities of 128": (smf_of(body(velocity=128) + END), "128 velocities above 127 taken for 127"),
    "velocities of 255": (smf_of(body(velocity=255) + END), "128 velocities above 127 taken for 127"),
    "a high velocity after running status": (
        smf_of(body(running=True, velocity=240) + END),
        "128 velocities above 127",
    ),
    "a high release": (smf_of(body(off=lambda pitch: bytes([0x80, pitch, 0xC8])) + END), ""),
    "a pitch of 200": (
        smf_of(bytes.fromhex("00 90 c8 40 00 80 c8 00") + TRACK),
        "1 note of a pitch above 127 left out",
    ),
    "a clock in the track": (smf_of(bytes.fromhex("00 f8") + TRACK), "1 message that no file may hold left out"),
    "a song position": (smf_of(bytes.fromhex("00 f2 00 00") + TRACK), "1 message that no file may hold left out"),
    "an escaped note": (smf_of(bytes.fromhex("00 f7 03 90 3c 40") + TRACK), "1 escaped message left out"),
    "a type 2 of two patterns": (head(2, kind=2) + chunk(TRACK) + chunk(END), PATTERNS),
    "a type 2 with a conductor": (head(2, kind=2) + CONDUCTOR + chunk(TRACK), PATTERNS),
    "a type 2 of three": (head(3, kind=2) + CONDUCTOR + chunk(TRACK) + CONDUCTOR, PATTERNS),
    "a type 2 that says one": (head(1, kind=2) + chunk(TRACK) + chunk(END), PATTERNS),
    "a type 2 of patterns of equal meters": (head(2, kind=2) + chunk(METER + TRACK) + CONDUCTOR, PATTERNS),
}


@pytest.mark.parametrize(("content", "said"), SAID.values(), ids=SAID)
def test_what_is_assumed_or_dropped_is_said(content: bytes, said: str) -> None:
    score = read_score(content)
    assert notes_of(score) == NOTES
    assert score.note_ons == 128
    assert any(said in remark for remark in (*score.remarks, *score.repairs)) or not said
    assert len({*score.remarks, *score.repairs}) <= 2


HANGING = {
    "the last": ("00 903c40 60 803c00 00 904040", [(60, 0, 96), (64, 96, 960)], 1),
    "all": ("00 903c40 60 904040", [(60, 0, 960), (64, 96, 960)], 2),
    "one that begins again": ("00 903c40 60 903c40 60 803c00", [(60, 0, 96), (60, 96, 192)], 1),
    "the first of a chord": ("00 903c40 00 904340 60 804300", [(60, 0, 960), (67, 0, 96)], 1),
    "after equal ones that overlap": (
        "00 903c40 30 903c40 10 803c00 20 803c00 10 903c40",
        [(60, 0, 64), (60, 48, 96), (60, 112, 960)],
        1,
    ),
}


@pytest.mark.parametrize(("events", "notes", "count"), HANGING.values(), ids=HANGING)
def test_notes_that_never_end_sound_to_the_end_of_the_track(
    events: str, notes: list[tuple[int, int, int]], count: int
) -> None:
    track = bytes.fromhex(events)
    now = sum(track[i] for i in (0, *range(4, len(track), 4)))  # each event: a time of one byte, and three of message
    score = read_score(smf_of(track + time(960 - now) + END[1:]))
    assert sorted(notes_of(score)) == sorted(notes)
    which = "1 note never ends: it sounds" if count == 1 else f"{count} notes never end: they sound"
    assert score.repairs == (f"{which} to the end of the track, or until the pitch begins again",)


def test_a_note_may_end_in_another_track() -> None:
    on, off = bytes.fromhex("00 90 3c 40") + END, bytes.fromhex("60 80 3c 00") + END
    score = read_score(head(2) + chunk(on) + chunk(off))
    assert notes_of(score) == [(60, 0, 96)]
    assert score.repairs == ("1 note ended by a note-off on another track",)


def test_equal_notes_that_overlap_end_in_the_order_of_their_beginning() -> None:
    track = bytes.fromhex("00 903c40 30 903c40 10 803c00 20 803c00")
    assert notes_of(read_score(smf_of(track + END))) == [(60, 0, 64), (60, 48, 96)]


def test_parts_are_tracks_and_channels_and_know_their_names_and_ends() -> None:
    def track(name: bytes, channels: list[int], end: int) -> bytes:
        notes = b"".join(bytes([0, 0x90 | c, 60 + c, 64, 96, 0x80 | c, 60 + c, 0]) for c in channels)
        return chunk(b"\0\xff\3" + bytes([len(name)]) + name + notes + time(end) + END[1:])

    score = read_score(head(3) + track(b"A", [0, 3], 10) + track(b"B", [9], 0) + track(b"C", [5], 500))
    assert [(part.track, part.name, part.length) for part in score.parts] == [
        (0, "A", 202),
        (1, "A", 202),
        (3, "C", 596),
    ]
    assert (score.tracks, score.note_ons, score.length, score.end) == (4, 4, 596, 192)


# -- what is refused ---------------------------------------------------------------------------

GOOD = smf_of(NOTE_ON + NOTE_OFF + END)
CLAIMS = {
    "a note of 268 million ticks": (smf_of(NOTE_ON + ENDLESS + NOTE_OFF[1:] + END, 1), "claims 67,108,864 bars"),
    "a rest of billions": (smf_of((ENDLESS + b"\xff\x01\x00") * 20 + NOTE_ON + NOTE_OFF + END, 1), "claims"),
    "signatures at billions": (
        smf_of((ENDLESS + bytes.fromhex("ff 58 04 04 02 18 08")) * 5 + NOTE_ON + NOTE_OFF + END, 1),
        "claims",
    ),
}
BROKEN = {
    "nothing": (b"", "empty"),
    "another format": (b"RIFF\0\0\0\0WAVEfmt ", "not a MIDI file"),
    "a header alone": (b"MThd" + b"\0" * 4, "not a MIDI file: its header breaks off"),
    "a header and no track": (head(), "it breaks off after its header: no track is there"),
    "a header of nonsense": (b"MThd" + b"\xff" * 30, "SMPTE"),
    "division 0": (smf_of(NOTE_ON + NOTE_OFF + END, division=0), "a division of 0"),
    "SMPTE time": (smf_of(NOTE_ON + NOTE_OFF + END, division=0xE728), "SMPTE"),
    "cut short": (GOOD[:-6], "it breaks off in track chunk 1, after 28 bytes; get it again"),
    "cut between two notes": (GOOD_FILE[: 22 + 9 * 64], "it breaks off in track chunk 1"),
    "cut within a note": (GOOD_FILE[: 22 + 9 * 64 + 2], "it breaks off in track chunk 1"),
    "cut within a text": (smf_of(b"\0\xff\1\x40abc", 480)[:-2], "it breaks off in track chunk 1"),
    "cut within a second track": ((head(2) + chunk(TRACK) + chunk(TRACK))[:-100], "it breaks off in track chunk 2"),
    "a chunk of 2 GB": (GOOD[:14] + b"MTrk\x7f\xff\xff\xff" + NOTE_ON, "it breaks off in track chunk 1"),
    "no status byte": (
        smf_of(bytes.fromhex("00 3c 40") + END),
        "damaged in track chunk 1, at byte 23: a message without",
    ),
    "a status that means nothing": (smf_of(bytes.fromhex("00 f5 00") + END), "a status byte that means nothing"),
    "a time of five bytes": (smf_of(b"\x81" + ENDLESS + NOTE_ON[1:] + END), "a time of more than four bytes"),
    "a length of five bytes": (smf_of(b"\0\xff\1\x81\x80\x80\x80\x00" + END), "a length of more than four bytes"),
    "a text longer than its track": (smf_of(b"\0\xff\1\x40abc") + chunk(TRACK), "a message that goes on after"),
    "patterns of several meters": (
        head(2, kind=2) + CONDUCTOR + chunk(METER.replace(b"\4\4", b"\4\3") + TRACK),
        "a file of type 2 whose patterns have meters of their own",
    ),
    **CLAIMS,
}


@pytest.mark.parametrize(("content", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(MidiError) as caught:
        read_score(content)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("content", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_reported_and_the_rest_goes_on(content: bytes, reason: str) -> None:
    found = extract([MusicFile("c", "bad.mid", content), MusicFile("c", "good.mid", GOOD)], DEFAULT_FILTERS)
    bad, good = found.reports
    assert reason in bad.problem
    assert (good.problem, good.tracks) == ("", 1)


@pytest.mark.parametrize(
    ("content", "unused"),
    [
        (GOOD_FILE, ""),
        (midi([(60, 0, 16 * BAR)], signatures=[(0, 3, 4)]), "in 3/4"),
        (midi([(60, 0, 9 * BAR)]), "9 bars of 4/4 in a row at most"),
        (midi([(60, 0, 16 * BAR)], channel=9), "no notes but drums"),
        (midi([]), "no notes"),
    ],
)
def test_every_file_is_accounted_for(content: bytes, unused: str) -> None:
    (report,) = extract([MusicFile("c", "a.mid", content)], DEFAULT_FILTERS).reports
    assert (report.unused, report.windows > 0, report.problem) == (unused, not unused, "")


def test_what_was_assumed_stands_in_the_report() -> None:
    (report,) = extract([MusicFile("c", "a.mid", SAID["no tracks"][0])], DEFAULT_FILTERS).reports
    assert report.remarks == ("its header says 0 tracks; 1 found, and all were read",)


def test_claimed_ticks_cost_no_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for content, _ in CLAIMS.values():
        extract([MusicFile("c", "bad.mid", content)], DEFAULT_FILTERS)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 64 << 10  # kilobytes


def test_notes_that_cover_too_much_are_refused() -> None:
    long = (MAX_BARS - 1) * BAR
    with pytest.raises(MidiError, match="cover more than"):
        read_score(midi([(pitch, 0, long) for pitch in range(40, 80)]))
    assert read_score(midi([(60, 0, long)])).end == long


# -- laws --------------------------------------------------------------------------------------


def plainly_paired(events: list[tuple[int, bool]], end: int) -> list[tuple[int, int]]:
    """Notes of one key, by a queue; where some lack a note-off, those after the last silence end at the next event."""
    depth, silent = 0, 0
    for index, (_, on) in enumerate(events):
        depth = depth + 1 if on else max(depth - 1, 0)
        silent = index + 1 if depth == 0 else silent
    waiting: list[int] = []
    notes = []
    for tick, on in events[:silent]:
        if on:
            waiting.append(tick)
        elif waiting:
            notes.append((waiting.pop(0), tick))
    rest = events[silent:]
    notes += [(tick, rest[i + 1][0] if i + 1 < len(rest) else end) for i, (tick, on) in enumerate(rest) if on]
    return sorted(notes)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 90), st.booleans(), st.sampled_from([60, 61])), max_size=30))
def test_notes_are_paired_as_by_a_plain_queue(rows: list[tuple[int, bool, int]]) -> None:
    track, now = b"", 0
    by_pitch: dict[int, list[tuple[int, bool]]] = {60: [], 61: []}
    for wait, on, pitch in rows:
        now += wait
        track += bytes([wait, 0x90, pitch, 64 * on])
        by_pitch[pitch].append((now, on))
    expected = [(start, pitch, end) for pitch, events in by_pitch.items() for start, end in plainly_paired(events, now)]
    score = read_score(smf_of(track + END))
    assert sorted((start, pitch, end) for pitch, start, end in notes_of(score)) == sorted(expected)
    assert score.note_ons == sum(on for _, on, _ in rows)


MESSAGES = st.sampled_from(
    ["903c40", "903c00", "803c40", "b04010", "c005", "d011", "e00040", "3c40", "3c00", "05", "ff0102c0d0", "f003c0d0f7"]
)
TIMES = st.one_of(st.integers(0, 127), st.integers(128, 1 << 14), st.sampled_from([1 << 20, (1 << 22) - 1]))


def plain_events(track: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Tick, status and data of each message, byte by byte."""
    position, now, status = 0, 0, 0
    while position < len(track):
        value = 0
        while True:
            byte = track[position]
            position += 1
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                break
        now += value
        if track[position] == 0xFF:
            size = track[position + 2]
            yield now, 0xFF, track[position + 1 : position + 3 + size]
            position += 3 + size
        elif track[position] == 0xF0:
            position += 2 + track[position + 1]
        else:
            if track[position] >= 0x80:
                status = track[position]
                position += 1
            size = 1 if 0xC0 <= status < 0xE0 else 2
            yield now, status, track[position : position + size]
            position += size


@settings(max_examples=200)
@given(st.lists(st.tuples(TIMES, MESSAGES), max_size=60), st.integers(1, 30))
def test_long_stretches_at_once_are_what_they_are_one_by_one(rows: list[tuple[int, str]], repeat: int) -> None:
    track, width = bytes.fromhex("00 903c40 00 803c00"), 2
    for ticks, message in rows * repeat:
        content = bytes.fromhex(message)
        if content[0] < 0x80 and len(content) != width:
            continue  # running status of the other kind
        if content[0] < 0xF0 and content[0] >= 0x80:
            width = len(content) - 1
        track += time(ticks) + content
    expected = [row for row in plain_events(track) if 0x80 <= row[1] < 0xA0]
    division = (1 << 15) - 1
    assume(sum(ticks for ticks, _ in rows) * repeat < division << 14)
    score = read_score(smf_of(track + END, division))
    assert score.note_ons == sum(status >= 0x90 and data[1] > 0 for _, status, data in expected)
    starts = np.sort(np.concatenate([part.starts for part in score.parts]))
    assert starts.tolist() == [tick for tick, status, data in expected if status >= 0x90 and data[1]]


def test_it_makes_no_difference_how_many_are_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    contents = [*READ.values(), *(content for content, _ in SAID.values())]
    usual = [read_score(content) for content in contents]
    for few in (1, 10_000):
        monkeypatch.setattr(smf, "_FEW", few)
        for content, before in zip(contents, usual, strict=True):
            now = read_score(content)
            assert (notes_of(now), now._replace(parts=())) == (notes_of(before), before._replace(parts=()))


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from([*READ.values()])))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        parts, said = read_score(bytes(content[: data.draw(st.integers(0, len(content)))])).parts, ""
    except MidiError as error:
        parts, said = (), str(error)
    assert "\n" not in said
    assert all((part.ends >= part.starts).all() for part in parts)


@pytest.mark.parametrize(
    "content",
    [GOOD, smf_of(END), smf_of(NOTE_ON + END), GOOD[:10] + b"\0\0" + GOOD[12:14] + chunk(END)],
    ids=["a note", "no note", "a note without end", "no note and no count"],
)
def test_odd_files_that_are_fine(content: bytes) -> None:
    assert isinstance(read_score(content), Score)


# -- an independent count ----------------------------------------------------------------------


def reading() -> ModuleType:
    """benchmarks/reading.py, whose plain scan knows nothing of the parser."""
    path = Path(__file__).parent.parent / "benchmarks" / "reading.py"
    spec = importlib.util.spec_from_file_location("reading", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_plain_scan_counts_the_same_notes_or_the_file_says_why() -> None:
    benchmark = reading()
    song = [midi([(60 + n % 12, n * 120, (n + 1) * 120) for n in range(100)], [(48, 0, 4 * BAR)]), GOOD_FILE]
    whole = [*READ.values(), *song]
    assert {benchmark.verdict(content) for content in song} == {"the same count"}
    found = [benchmark.verdict(content) for content in benchmark.mutated(whole, 1000, seed=0)]
    assert not [said for said in found if said.startswith("FAULT")]
    assert len(set(found)) == 3
    assert benchmark.verdict(GOOD_FILE[:-40]) == "refused, with a reason"


def test_what_is_read_whole_is_counted() -> None:
    benchmark = reading()
    tune = [(60 + n % 12, n * 240, (n + 1) * 240) for n in range(8 * 16)]
    upbeat = midi(tune, signatures=[(0, 1, 4), (480, 4, 4), (480 + 15 * BAR, 3, 4)])
    for content, kind, before, now in (
        (midi(tune), "", True, True),
        (upbeat, "", False, True),
        (midi(tune, signatures=[(0, 3, 4)]), "in other meters", False, False),
        (midi(tune, signatures=[(0, 4, 4), (12 * BAR, 3, 4)]), "with changes of meter", False, False),
        (midi(tune[:40]), "shorter than 16 bars", True, True),
    ):
        score = read_score(content)
        assert (benchmark.kind(score), benchmark.whole_before(score), benchmark.is_whole(score)) == (kind, before, now)
