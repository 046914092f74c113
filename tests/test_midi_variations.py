"""Files that go wrong, drawn at random: five of each kind, from a tune on to the melody that must come of it.

The tune, its division, where its faults lie and how its bytes are written come from a seed: hands write what they think
of. Where `VARIATIONS` is set in the environment, so many of each kind are drawn.
"""

import os
import random
import struct
from collections.abc import Callable
from typing import NamedTuple

import pytest
from test_smf import chunk, head, notes_of, time

from melodylc.data.errors import MidiError
from melodylc.data.melody import Melody
from melodylc.data.smf import read_score
from melodylc.data.source import Choice, extract_melody

SEEDS = range(int(os.environ.get("VARIATIONS", "5")))
Note = tuple[int, int, int]  # pitch, and the sixteenths at which it begins and ends
Message = tuple[int, bytes]  # a tick, and what comes then; in the order of the file


class Expected(NamedTuple):
    """What must come of a file: how many bars, these notes in them, and a remark."""

    content: bytes
    notes: list[Note]
    said: str = ""
    bars: int = 16
    choice: Choice = Choice()


class Pen:
    """Tunes and the bytes of files, all from one seed."""

    def __init__(self, seed: str) -> None:
        self.draw = random.Random(seed)
        self.division = self.draw.choice((96, 120, 192, 384, 480, 960))
        self.sixteenth = self.division // 4
        self.running = self.draw.random() < 0.5
        self.by_velocity = self.draw.random() < 0.5  # whether note-offs are note-ons of velocity 0

    def tune(self, sixteenths: int = 256, last: int = 1) -> list[Note]:
        """Notes one after another, with rests between some, none equal to the one before; the last ends at the end."""
        notes: list[Note] = []
        now, pitch = 0, 60
        while now < sixteenths:
            long = min(self.draw.choice((1, 2, 2, 2, 4)), sixteenths - now)
            pitch = self.draw.choice([other for other in range(48, 85) if other != pitch])
            if now + long == sixteenths or now % 16 == 0 or self.draw.random() < 0.9:
                notes.append((pitch, now, now + long))
            now += long
        return notes

    def messages(self, notes: list[Note], later: int = 0, velocity: int = 64) -> list[Message]:
        """Note-ons and note-offs, `later` sixteenths after what the notes say."""
        rows = []
        for pitch, start, end in notes:
            rows.append(((start + later) * self.sixteenth, 1, bytes((0x90, pitch, velocity))))
            off = (0x90, pitch, 0) if self.by_velocity else (0x80, pitch, self.draw.randrange(128))
            rows.append(((end + later) * self.sixteenth, 0, bytes(off)))
        return [(tick, message) for tick, _, message in sorted(rows, key=lambda row: row[:2])]

    def write(self, messages: list[Message], end: int | None = None, last: bytes = b"\xff\x2f\x00") -> bytes:
        """The events of a track; in running status, which goes on after all but channel messages, or not."""
        track, now, status = b"", 0, 0
        for tick, message in messages:
            plain = self.running and message[0] == status and message[0] < 0xF0
            status = message[0] if message[0] < 0xF0 else status
            track, now = track + time(tick - now) + (message[1:] if plain else message), tick
        return track + (time(max((end or now) - now, 0)) + last if last else b"")

    def mixed(self, messages: list[Message], others: list[Message]) -> list[Message]:
        """Messages among others, where they are due; before those of the same tick."""
        return sorted([*others, *messages], key=lambda row: row[0])

    def places(self, messages: list[Message], most: int = 20) -> list[int]:
        """Ticks of some of the messages."""
        return sorted(self.draw.choice(messages)[0] for _ in range(self.draw.randint(1, most)))

    def bytes_below(self, limit: int, most: int = 12) -> bytes:
        """A few random bytes."""
        return bytes(self.draw.randrange(limit) for _ in range(self.draw.randint(0, most)))

    def meter(self, over: int, under: int) -> bytes:
        """A time signature."""
        return bytes((0xFF, 0x58, 4, over, under.bit_length() - 1, 24, 8))

    def file(self, *tracks: bytes, count: int | None = None, extra: bytes = b"", kind: int = 1) -> bytes:
        """A file of tracks."""
        found = len(tracks) if count is None else count
        return head(found, self.division, kind, extra) + b"".join(map(chunk, tracks))

    def conductor(self, *messages: Message, end: int = 0) -> bytes:
        """A track without notes, in 4/4."""
        return self.write([(0, self.meter(4, 4)), *messages], end)


def with_length(content: bytes) -> bytes:
    """A message's length, and its content."""
    return time(len(content)) + content


# -- kinds -------------------------------------------------------------------------------------


def running_after_system(pen: Pen) -> Expected:
    """Running status goes on after system exclusive messages, escapes and texts."""
    pen.running = True
    notes = pen.tune()
    plain = pen.messages(notes)
    others = [
        b"\xf0" + with_length(pen.bytes_below(128) + b"\xf7"),
        b"\xf7" + with_length(b"\xf3" + pen.bytes_below(128, 1)),
        b"\xff\x05" + with_length(pen.bytes_below(256, 200)),
        b"\xff\x7f" + with_length(pen.bytes_below(256)),
    ]
    system = [(tick, pen.draw.choice(others)) for tick in pen.places(plain)]
    return Expected(pen.file(pen.conductor(), pen.write(pen.mixed(plain, system))), notes)


def packets(pen: Pen) -> Expected:
    """A system exclusive message in packets that take time."""
    notes = pen.tune()
    plain = pen.messages(notes)
    ticks = sorted(pen.draw.randrange(256 * pen.sixteenth) for _ in range(pen.draw.randint(2, 8)))
    rows = [(tick, b"\xf7" + with_length(pen.bytes_below(128))) for tick in ticks]
    rows[0] = ticks[0], b"\xf0" + rows[0][1][1:]
    rows[-1] = ticks[-1], b"\xf7" + with_length(pen.bytes_below(128) + b"\xf7")
    return Expected(pen.file(pen.conductor(), pen.write(pen.mixed(plain, rows))), notes)


def another_channel(pen: Pen) -> Expected:
    """Some note-offs stand on another channel."""
    pen.by_velocity = False
    notes = pen.tune()
    pitch = pen.draw.choice(notes)[0]
    other = pen.draw.randint(1, 15)
    rows = [
        (tick, bytes((0x80 | other, *message[1:])) if message[0] == 0x80 and message[1] == pitch else message)
        for tick, message in pen.messages(notes)
    ]
    return Expected(pen.file(pen.conductor(), pen.write(rows)), notes, "ended by a note-off on another channel")


def all_notes_off(pen: Pen) -> Expected:
    """Controller 120 or 123 ends notes."""
    notes = pen.tune()
    number = pen.draw.choice((120, 123))
    rows = [
        (tick, message if message[0] == 0x90 and message[2] else bytes((0xB0, number, 0)))
        for tick, message in pen.messages(notes)
    ]
    return Expected(pen.file(pen.conductor(), pen.write(rows)), notes)


def track_count(pen: Pen) -> Expected:
    """The header's number of tracks is wrong, and empty chunks aren't counted."""
    notes = pen.tune()
    tracks = [pen.conductor(), pen.write(pen.messages(notes))]
    for _ in range(pen.draw.randint(0, 3)):
        tracks.insert(pen.draw.randint(0, len(tracks)), b"")
    wrong = pen.draw.choice([count for count in (0, 1, 2, 3, 5, 17, 65_535) if count != len(tracks)])
    return Expected(pen.file(*tracks, count=wrong), notes, f"{len(tracks)} found, and all were read")


def chunk_length(pen: Pen) -> Expected:
    """A chunk's length is a few bytes off."""
    notes = pen.tune()
    tracks = [pen.conductor(), pen.write(pen.messages(notes)), pen.conductor()]
    wrong = pen.draw.randrange(3)
    size = max(0, len(tracks[wrong]) + pen.draw.choice((-9, -3, -2, -1, 1, 2, 3, 9, 100, 1 << 20)))
    chunks = [chunk(track, size=size if index == wrong else None) for index, track in enumerate(tracks)]
    return Expected(head(3, pen.division) + b"".join(chunks), notes, f"track chunk {wrong + 1} says that it has")


def tempo_of_nothing(pen: Pen) -> Expected:
    """Tempos of 0 anywhere."""
    notes = pen.tune()
    plain = pen.messages(notes)
    tempos = [(tick, b"\xff\x51\x03\0\0\0") for tick in pen.places(plain, 5)]
    if pen.draw.random() < 0.5:
        content = pen.file(pen.conductor(*tempos), pen.write(plain))
    else:
        content = pen.file(pen.conductor(), pen.write(pen.mixed(plain, tempos)))
    return Expected(content, notes, "of 0 left out")


def loud(pen: Pen) -> Expected:
    """Velocities above 127."""
    notes = pen.tune()
    rows = [
        (tick, message[:2] + bytes((pen.draw.randint(128, 255),)) if message[0] == 0x90 and message[2] else message)
        for tick, message in pen.messages(notes)
    ]
    return Expected(pen.file(pen.conductor(), pen.write(rows)), notes, "above 127 taken for 127")


def unknown_chunks(pen: Pen) -> Expected:
    """Chunks of other kinds anywhere."""
    notes = pen.tune()
    chunks = [chunk(pen.conductor()), chunk(pen.write(pen.messages(notes)))]
    for _ in range(pen.draw.randint(1, 4)):
        name = bytes(pen.draw.choice(b"ABCXYZabcxyz0129 ") for _ in range(3)) + b"x"
        content = pen.bytes_below(256, 300) + pen.draw.choice((b"", b"MTrk", chunk(pen.conductor())))
        chunks.insert(pen.draw.randint(0, len(chunks)), chunk(content, name))
    return Expected(head(2, pen.division) + b"".join(chunks), notes, "left out")


def long_header(pen: Pen) -> Expected:
    """A header of more than six bytes."""
    notes = pen.tune()
    extra = bytes(pen.draw.randrange(256) for _ in range(pen.draw.choice((1, 2, 3, 10, 58, 250, 1000))))
    return Expected(pen.file(pen.conductor(), pen.write(pen.messages(notes)), extra=extra), notes)


def riff(pen: Pen) -> Expected:
    """RIFF of type RMID around it, with lists before and behind."""
    notes = pen.tune()
    midi = pen.file(pen.conductor(), pen.write(pen.messages(notes)))
    lists = [b"LIST" + struct.pack("<I", 4 + 2 * count) + b"INFO" + bytes(2 * count) for count in (0, 5, 40)]
    data = b"data" + struct.pack("<I", len(midi)) + midi + b"\0" * (len(midi) % 2)
    before, behind = (b"".join(pen.draw.sample(lists, pen.draw.randint(0, 2))) for _ in range(2))
    body = b"RMID" + before + data + behind
    return Expected(b"RIFF" + struct.pack("<I", len(body)) + body, notes)


def mac_binary(pen: Pen) -> Expected:
    """MacBinary: 128 bytes before it, padding and a resource fork behind."""
    notes = pen.tune()
    midi = pen.file(pen.conductor(), pen.write(pen.messages(notes)))
    name = b"song " + bytes(pen.draw.choice(b"abcdefgh") for _ in range(pen.draw.randint(0, 20)))
    before = (b"\0" + bytes((len(name),)) + name).ljust(65, b"\0") + b"MidiPLAY"
    before = before.ljust(83, b"\0") + struct.pack(">I", len(midi))
    fork = pen.bytes_below(256, 60) if pen.draw.random() < 0.5 else b""
    behind = b"\0" * (-len(midi) % 128) + fork
    return Expected(before.ljust(128, b"\0") + midi + behind, notes, "128 bytes before its header left out")


def tick_late(pen: Pen) -> Expected:
    """The last note ends a little behind the bar line, or before it."""
    bars = pen.draw.choice((1, 2, 4, 8, 16))
    notes = pen.tune(16 * bars)
    rows = pen.messages(notes)
    rows[-1] = rows[-1][0] + pen.draw.randint(1 - pen.sixteenth // 2, pen.sixteenth // 2 - 1), rows[-1][1]
    rows.sort(key=lambda row: row[0])
    content = pen.file(pen.conductor(), pen.write(rows))
    return Expected(content, notes, f"{bars} bar{'s' * (bars > 1)}" if bars < 16 else "", bars)


def pedal_late(pen: Pen) -> Expected:
    """A pedal is let go, and the track or the conductor's ends, behind a loop."""
    bars = pen.draw.choice((1, 2, 4, 8))
    notes = pen.tune(16 * bars)
    end = 16 * bars * pen.sixteenth
    beyond = end + pen.draw.randint(1, 15 * pen.sixteenth)  # not as far as the next bar line
    rows = [*pen.messages(notes), (beyond, b"\xb0\x40\x00")]
    later = pen.draw.choice((0, beyond, 4 * beyond))
    return Expected(pen.file(pen.conductor(end=later), pen.write(rows, beyond)), notes, "repeated up to 16", bars)


def silent_bar(pen: Pen) -> Expected:
    """A loop whose last bar is silent stays as long as its track."""
    bars = pen.draw.choice((2, 4, 8))
    notes = pen.tune(16 * (bars - 1))
    content = pen.file(pen.conductor(), pen.write(pen.messages(notes), 16 * bars * pen.sixteenth))
    return Expected(content, notes, f"{bars} bars (to its end of track), repeated", bars)


def upbeat(pen: Pen) -> Expected:
    """An upbeat with a time signature of its own; the last bar is whole, or completes it."""
    before = pen.draw.choice((2, 4, 6, 8, 12))
    short = pen.draw.random() < 0.5
    under = pen.draw.choice((8, 16) if before % 4 else (4, 8, 16))
    last = 256 - before * short
    lead = [(72, 0, before)]
    notes = pen.tune(last)
    rest = (16 - before) * under // 16
    signatures = [(0, pen.meter(before * under // 16, under)), (before * pen.sixteenth, pen.meter(4, 4))]
    if short:
        signatures.append(((before + 240) * pen.sixteenth, pen.meter(rest, under)))
    rows = pen.messages(lead) + pen.messages(notes, later=before)
    content = pen.file(pen.write(signatures), pen.write(rows))
    choice = Choice(as_four_four=pen.draw.random() < 0.5)
    return Expected(content, notes, "(1 note left out: C5)", choice=choice)


def two_quarters(pen: Pen) -> Expected:
    """A piece in 2/4 throughout, with an upbeat or none."""
    before = pen.draw.choice((0, 2, 4))
    notes = pen.tune()
    signatures = [(0, pen.meter(2, 4))]
    if before:
        signatures = [(0, pen.meter(before // 2, 8)), (before * pen.sixteenth, pen.meter(2, 4))]
    rows = pen.messages([(72, 0, before)] if before else []) + pen.messages(notes, later=before)
    content = pen.file(pen.write(signatures), pen.write(rows))
    return Expected(content, notes, "two of its bars count as one")


def repeats(pen: Pen) -> Expected:
    """Two parts, each with an upbeat, whose last bars they complete: one stretch."""
    before = pen.draw.choice((2, 4, 6))
    notes = pen.tune(256 - before)
    at = pen.sixteenth
    middle = before + 128 - before  # the first part ends with a short bar, and the second one's upbeat follows
    signatures = [
        (0, pen.meter(before, 16)),
        (before * at, pen.meter(4, 4)),
        ((before + 112) * at, pen.meter(16 - before, 16)),
        (middle * at, pen.meter(before, 16)),
        ((middle + before) * at, pen.meter(4, 4)),
        ((before + 240) * at, pen.meter(16 - before, 16)),
    ]
    rows = pen.messages([(72, 0, before)]) + pen.messages(notes, later=before)
    return Expected(pen.file(pen.write(signatures), pen.write(rows)), notes, "after an upbeat")


NAMES = [
    ("Mélodie", "latin-1"), ("Flöte 1", "cp1252"), ("Canción", "latin-1"), ("Röst", "utf-8"), ("メロディ", "shift-jis"),
    ("主旋律ギター", "shift-jis"), ("Вокал и хор", "cp1251"), ("Σoλo", "utf-8"), ("Me\u0301lodie", "utf-8"),  # noqa: RUF001
    ("Śpiew", "utf-8"), ("ﾒﾛﾃﾞｨ", "shift-jis"), ("Åsa’s flöjt", "cp1252"),  # noqa: RUF001
]  # fmt: skip


def named_track(pen: Pen) -> Expected:
    """A track chosen by its name, in the encodings that people's files have."""
    notes = pen.tune()
    name, encoding = pen.draw.choice(NAMES)
    label = (0, b"\xff\x03" + with_length(name.encode(encoding)))
    other = pen.write([(0, b"\xff\x03" + with_length(b"Lead guitar")), *pen.messages(pen.tune())])
    typed = pen.draw.choice((name, name.upper(), name[: len(name) - 1]))
    content = pen.file(pen.conductor(), other, pen.write([label, *pen.messages(notes)]))
    return Expected(content, notes, choice=Choice(track=typed))


def bad_key(pen: Pen) -> Expected:
    """A key signature that doesn't exist, or lacks its data, in a loop or in sixteen bars."""
    bars = pen.draw.choice((4, 16))
    notes = pen.tune(16 * bars)
    sign = pen.draw.choice((b"\x02\x14\x00", b"\x02\x80\x07", b"\x00", b"\x01\x03", b"\x03\x00\x02\x00"))
    rows = pen.messages(notes)
    signs = [(tick, b"\xff\x59" + sign) for tick in pen.places(rows, 3)]
    return Expected(pen.file(pen.conductor(*signs), pen.write(pen.mixed(rows, signs))), notes, bars=bars)


def patterns(pen: Pen) -> Expected:
    """Type 2: patterns, of which each is a track."""
    notes = pen.tune()
    tracks = [pen.conductor()] * pen.draw.randint(1, 4)
    tracks.insert(pen.draw.randint(0, len(tracks)), pen.write(pen.messages(notes)))
    return Expected(pen.file(*tracks, kind=2), notes, "a file of type 2")


def no_end(pen: Pen) -> Expected:
    """No end of track, or one too early, or bytes behind it."""
    notes = pen.tune()
    rows = pen.messages(notes)
    kind = pen.draw.randrange(3)
    if kind == 0:
        return Expected(
            pen.file(pen.conductor(), pen.write(rows, last=b"")), notes, "track chunk 2 has no end of track"
        )
    if kind == 1:
        tick = pen.draw.choice(rows)[0]
        content = pen.file(pen.conductor(), pen.write(pen.mixed(rows, [(tick, b"\xff\x2f\x00")])))
        return Expected(content, notes, "goes on after its end of track")
    # A byte of F4 or F5 means nothing in a file, so what follows can't be taken for events.
    content = pen.file(pen.conductor(), pen.write(rows) + b"\0\xf5" + pen.bytes_below(256))
    return Expected(content, notes, "after the end of track in track chunk 2 left out")


KINDS: list[Callable[[Pen], Expected]] = [
    running_after_system, packets, another_channel, all_notes_off, track_count, chunk_length,
    tempo_of_nothing, loud, unknown_chunks, long_header, riff, mac_binary, tick_late, pedal_late, silent_bar, upbeat,
    two_quarters, repeats, named_track, bad_key, patterns, no_end,
]  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_file_that_goes_wrong_gives_its_melody(kind: Callable[[Pen], Expected], seed: int) -> None:
    wanted = kind(Pen(f"{kind.__name__} {seed}"))
    found = extract_melody(wanted.content, wanted.choice)
    assert found.bars == wanted.bars
    steps = 16 * wanted.bars
    turns = range(0, 256, steps)
    again = [(pitch, start + turn, end + turn) for turn in turns for pitch, start, end in wanted.notes]
    assert found.melody == Melody.from_notes(again)
    assert wanted.said in "; ".join(found.remarks)


@pytest.mark.parametrize("seed", SEEDS)
def test_notes_that_never_end_sound_until_their_pitch_begins_again_or_to_the_end(seed: int) -> None:
    pen = Pen(f"never {seed}")
    notes = pen.tune()
    lost = set(pen.draw.sample(range(len(notes)), pen.draw.randint(1, 9)))
    rows = pen.messages(notes)
    for index in lost:
        pitch, _, end = notes[index]
        rows.remove(next(row for row in rows if _ends(row, pitch, end * pen.sixteenth)))
    score = read_score(pen.file(pen.conductor(), pen.write(rows, 256 * pen.sixteenth)))
    again = [next((start for other, start, _ in notes[index + 1 :] if other == notes[index][0]), 256) for index in lost]
    ends = dict(zip(lost, again, strict=True))
    expected = [(pitch, start, ends.get(index, end)) for index, (pitch, start, end) in enumerate(notes)]
    assert notes_of(score) == [(pitch, start * pen.sixteenth, end * pen.sixteenth) for pitch, start, end in expected]
    assert "to the end of the track, or until the pitch begins again" in "; ".join(score.repairs)


def _ends(row: Message, pitch: int, tick: int) -> bool:
    at, message = row
    return at == tick and message[1] == pitch and (message[0] == 0x80 or not message[2])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_download_that_broke_off_is_refused(seed: int) -> None:
    pen = Pen(f"cut {seed}")
    content = pen.file(pen.conductor(), pen.write(pen.messages(pen.tune())))
    first = 14 + len(chunk(pen.conductor()))
    cut = content[: pen.draw.randint(first + 9, len(content) - 1)]
    with pytest.raises(MidiError, match=f"it breaks off in track chunk 2, after {len(cut):,} bytes; get it again"):
        extract_melody(cut)
