"""Reading in bulk: one test a kind of broken file; none is fatal, and none eats memory."""

import resource
import struct

import pytest
from corpus_midi import BAR, midi

from melodylc.data.archives import MidiFile
from melodylc.data.errors import MidiError
from melodylc.data.extract import extract
from melodylc.data.scores import MAX_BARS, Score, read_score
from melodylc.data.windows import DEFAULT_FILTERS

END = bytes.fromhex("00 ff 2f 00")
NOTE_ON, NOTE_OFF = bytes.fromhex("00 90 3c 40"), bytes.fromhex("60 80 3c 00")
ENDLESS = bytes.fromhex("ff ff ff 7f")  # the longest delta: 268,435,455 ticks


def smf(track: bytes, division: int = 480) -> bytes:
    header = b"MThd" + struct.pack(">IHHH", 6, 0, 1, division)
    return header + b"MTrk" + struct.pack(">I", len(track)) + track


GOOD = smf(NOTE_ON + NOTE_OFF + END)
BROKEN = {
    "nothing": (b"", "empty"),
    "another format": (b"RIFF" + GOOD, "not a MIDI file"),
    "a header alone": (b"MThd" + b"\0" * 4, "not a MIDI file"),
    "a header of nonsense": (b"MThd" + b"\xff" * 30, "SMPTE"),
    "division 0": (smf(NOTE_ON + NOTE_OFF + END, division=0), "a division of 0"),
    "SMPTE time": (smf(NOTE_ON + NOTE_OFF + END, division=0xE728), "SMPTE"),
    "tempo 0": (smf(bytes.fromhex("00 ff 51 03 00 00 00") + NOTE_ON + NOTE_OFF + END), "a tempo of 0"),
    "cut short": (GOOD[:-6], "unreadable"),
    "a chunk of 2 GB": (GOOD[:14] + b"MTrk\x7f\xff\xff\xff" + NOTE_ON, "unreadable"),
    "no status byte": (smf(bytes.fromhex("00 3c 40") + END), "unreadable"),
    "a note of 268 million ticks": (smf(NOTE_ON + ENDLESS + NOTE_OFF[1:] + END, division=1), "claims 67,108,864 bars"),
    "a rest of billions": (smf((ENDLESS + b"\xff\x01\x00") * 20 + NOTE_ON + NOTE_OFF + END, division=1), "claims"),
    "signatures at billions": (
        smf((ENDLESS + bytes.fromhex("ff 58 04 04 02 18 08")) * 5 + NOTE_ON + NOTE_OFF + END, division=1),
        "claims",
    ),
}


@pytest.mark.parametrize(("content", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(MidiError) as caught:
        read_score(content)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("content", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_reported_and_the_rest_goes_on(content: bytes, reason: str) -> None:
    found = extract([MidiFile("c", "bad.mid", content), MidiFile("c", "good.mid", GOOD)], DEFAULT_FILTERS)
    bad, good = found.reports
    assert reason in bad.problem
    assert (good.problem, good.tracks) == ("", 1)


def test_claimed_ticks_cost_no_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for content, _ in BROKEN.values():
        extract([MidiFile("c", "bad.mid", content)], DEFAULT_FILTERS)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 64 << 10  # kilobytes


def test_notes_that_cover_too_much_are_refused() -> None:
    long = (MAX_BARS - 1) * BAR
    with pytest.raises(MidiError, match="cover more than"):
        read_score(midi([(pitch, 0, long) for pitch in range(40, 80)]))
    assert read_score(midi([(60, 0, long)])).end == long


@pytest.mark.parametrize(
    "content",
    [GOOD, smf(END), smf(NOTE_ON + END), GOOD[:10] + b"\0\0" + GOOD[12:14]],
    ids=["a note", "no note", "a note without end", "no track"],
)
def test_odd_files_that_are_fine(content: bytes) -> None:
    assert isinstance(read_score(content), Score)
