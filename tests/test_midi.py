"""MIDI files: what is written, byte for byte, and what is read."""

import io
from contextlib import suppress
from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melodylc.data.alphabet import HOLD, STEPS, canonical
from melodylc.data.errors import InputError, MidiError
from melodylc.data.keys import Scale, parse_scale
from melodylc.data.melody import Melody, Note
from melodylc.data.midi import TickNote, from_ticks, midi_bytes, read_midi, write_midi


def melody_of(content: bytes) -> Melody:
    """A melody from 256 bytes: bytes that are no event become holds or rests, in canonical form."""
    events = np.frombuffer(content, dtype=np.uint8)
    return Melody(canonical(np.where(events < 130, events, HOLD + events % 2))[0])


MELODIES = st.binary(min_size=STEPS, max_size=STEPS).map(melody_of)

SILENCE = Melody.from_notes([])
TUNE = Melody.from_notes([(60, 0, 4), (64, 4, 8), (67, 16, 256)])

GOLDEN = bytes.fromhex(
    "4d546864 00000006"  # MThd, 6 bytes:
    "0001 0002 01e0"  #      type 1, 2 tracks, 480 ticks a quarter
    "4d54726b 0000001b"  # MTrk, 27 bytes: the conductor
    "00 ff5103 07a120"  #    tempo: 500,000 microseconds a quarter
    "00 ff5804 04021808"  #  4/4, 24 clocks a click, 8 thirty-seconds a quarter
    "00 ff5902 0000"  #      key: no sharps, major
    "81f000 ff2f00"  #       tick 30,720: end
    "4d54726b 0000002d"  # MTrk, 45 bytes: the melody
    "00 ff0308 6d656c6f64796c63"  # its name: melodylc
    "00 903c60 8360 803c00"  #    C4 on, 480 ticks later off
    "00 904060 8360 804000"  #    E4 the same
    "8740 904360 81e100 804300"  # 960 ticks of rest, G4 up to tick 30,720
    "00 ff2f00"  #           end
)


def midi_file(body: str, *, kind: int = 1, ticks: int = 480) -> bytes:
    """A file of one track, whose events are given in hexadecimal."""
    track = bytes.fromhex(body)
    head = b"MThd" + bytes([0, 0, 0, 6, 0, kind, 0, 1]) + ticks.to_bytes(2, "big")
    return head + b"MTrk" + len(track).to_bytes(4, "big") + track


END = "00 ff2f00"


def test_the_golden_file() -> None:
    assert midi_bytes(TUNE, scale=parse_scale("cmaj")) == GOLDEN
    assert read_midi(GOLDEN) == TUNE


@settings(deadline=None, max_examples=40)
@given(MELODIES)
def test_read_gives_back_what_was_written(melody: Melody) -> None:
    assert read_midi(midi_bytes(melody)) == melody


@pytest.mark.parametrize("melody", [SILENCE, TUNE, Melody.from_notes([(127, 255, 256)])])
@pytest.mark.parametrize("tempo", [4, 60, 137.5, 1000])
@pytest.mark.parametrize("scale", [None, "cmaj", "f#m", "gbmaj"])
def test_the_layout_whatever_the_options(melody: Melody, tempo: float, scale: str | None) -> None:
    key = parse_scale(scale) if scale else None
    content = midi_bytes(melody, tempo=tempo, scale=key, name="Ünï")
    assert content == midi_bytes(melody, tempo=tempo, scale=key, name="Ünï")
    assert read_midi(content) == melody
    midi = mido.MidiFile(file=io.BytesIO(content), charset="utf-8")
    assert (midi.type, midi.ticks_per_beat, len(midi.tracks)) == (1, 480, 2)
    for track in midi.tracks:
        assert track[-1].type == "end_of_track"
        assert sum(message.time for message in track) == 30720
    conductor, tune = midi.tracks
    found = {message.type: message for message in conductor}
    assert found["set_tempo"].tempo == round(60_000_000 / tempo)
    assert (found["time_signature"].numerator, found["time_signature"].denominator) == (4, 4)
    assert ("key_signature" in found) == (key is not None)
    if key is not None:
        assert found["key_signature"].key == key.key_signature
    assert tune.name == "Ünï"
    assert sum(message.type == "note_on" for message in tune) == melody.note_count


@pytest.mark.parametrize("mode", ["major", "minor"])
@pytest.mark.parametrize("tonic", range(12))
def test_the_key_signature_of_every_scale_can_be_read_back(tonic: int, mode: str) -> None:
    scale = Scale(tonic, mode)
    midi = mido.MidiFile(file=io.BytesIO(midi_bytes(TUNE, scale=scale)))
    keys = [message.key for message in midi.tracks[0] if message.type == "key_signature"]
    assert [parse_scale(key) for key in keys] == [scale]


def test_write_and_read_a_file(tmp_path: Path) -> None:
    path = tmp_path / "01.mid"
    write_midi(path, TUNE, scale=parse_scale("cmaj"))
    assert path.read_bytes() == GOLDEN
    assert read_midi(path) == read_midi(str(path)) == TUNE
    with pytest.raises(InputError, match="can't write"):
        write_midi(tmp_path / "missing" / "01.mid", TUNE)


@pytest.mark.parametrize("tempo", [0, -1, 3.9, 1001, float("nan"), float("inf")])
def test_a_tempo_out_of_range_is_refused(tempo: float) -> None:
    with pytest.raises(InputError, match="a tempo is 4 to 1000 quarters a minute, not"):
        midi_bytes(TUNE, tempo=tempo)


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(InputError, match="UTF-8"):
        midi_bytes(TUNE, name="\udcff")


# Files of others that are melodies all the same: one note C4 of a quarter, at the start.
C4 = Melody.from_notes([(60, 0, 4)])
MELODIES_OF_OTHERS = {
    "type 0": midi_file("00 903c40 8360 803c40" + END, kind=0),
    "96 ticks": midi_file("00 903c40 60 803c40" + END, ticks=96),
    "note-on with velocity 0, running status": midi_file("00 903c40 8360 3c00" + END),
    "a long end": midi_file("00 903c40 8360 803c40 8fffff7f ff2f00"),
    "one tick after bar 16": midi_file("00 903c40 8360 803c40 81ed21 ff2f00"),
    "no end of track": midi_file("00 903c40 8360 803c40"),
    "2/2": midi_file("00 ff5804 02011808 00 903c40 8360 803c40" + END),
    "4/4 again at bar 2": midi_file("00 903c40 8360 803c40 8b20 ff5804 04021808" + END),
    "3/4 after bar 16": midi_file("00 903c40 8360 803c40 81ec20 ff5804 03021808" + END),
    "a stray note-off": midi_file("00 903c40 8360 803c40 00 803c40 00 803d40" + END),
    "controllers": midi_file("00 b00764 00 c001 00 e00040 00 f0037f01f7 00 ff0100 00 903c40 8360 803c40" + END),
}


@pytest.mark.parametrize("content", MELODIES_OF_OTHERS.values(), ids=MELODIES_OF_OTHERS)
def test_melodies_of_others_are_read(content: bytes) -> None:
    assert read_midi(content) == C4


def test_notes_may_be_spread_over_tracks() -> None:
    midi = mido.MidiFile(type=1, ticks_per_beat=480)
    for start, pitch in ((0, 60), (480, 64)):
        on = mido.Message("note_on", note=pitch, time=start)
        midi.tracks.append(mido.MidiTrack([on, mido.Message("note_off", note=pitch, time=480)]))
    file = io.BytesIO()
    midi.save(file=file)
    assert read_midi(file.getvalue()).notes == (Note(60, 0, 4), Note(64, 4, 8))


NOT_MELODIES = {
    "chord": ("00 903c40 00 904040 8360 803c40 00 804040", "two notes at once: pitch 64"),
    "overlap": ("00 903c40 78 904040 78 803c40 78 804040", "two notes at once"),
    "again": ("00 903c40 78 903c40 78 803c40", "1 note never ends"),
    "off the grid": ("01 903c40 8360 803c40", r"pitch 60 at bar 1, tick 1, isn't on a sixteenth \(120 ticks\)"),
    "late end": ("00 903c40 8361 803c40", "at bar 1, tick 481, isn't on a sixteenth"),
    "no length": ("00 903c40 00 803c40", "begins before it ends"),
    "never ends": ("00 903c40", "1 note never ends"),
    "drums": ("00 992440 8360 892440", "it has drums"),
    "3/4": ("00 ff5804 03021808 00 903c40 8360 803c40", "3/4 at bar 1; a melody is in 4/4 or 2/2"),
    "6/8 later": ("00 903c40 8360 803c40 8b20 ff5804 06031808", "6/8 at bar 2"),
    "4/4 within a bar": ("00 903c40 8360 803c40 00 ff5804 04021808", "a time signature within a bar, at bar 1"),
    "bar 17": ("81f000 903c40 8360 803c40", "outside the first 16 bars"),
    "into bar 17": ("81ef08 903c40 8170 803c40", "outside the first 16 bars"),
    "no notes": ("00 ff0100", "it holds no notes"),
}


@pytest.mark.parametrize(("body", "why"), NOT_MELODIES.values(), ids=NOT_MELODIES)
def test_what_is_no_melody_is_refused_with_the_reason(body: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "song.mid").write_bytes(midi_file(body + END))
    with pytest.raises(MidiError, match=why) as caught:
        read_midi(tmp_path / "song.mid")
    assert str(caught.value).startswith(f"{tmp_path / 'song.mid'}: ")
    assert "\n" not in str(caught.value)


NOTE = "00 903c40 8360 803c40"
BROKEN = {
    "empty": (b"", "empty"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "no MThd at its start"),
    "a header alone": (GOLDEN[:14], "it breaks off after its header"),
    "cut within a track": (GOLDEN[:60], "it breaks off in track chunk 2, after 60 bytes; get it again"),
    "cut between two events": (GOLDEN[:-8], "it breaks off in track chunk 2"),
    "a short header": (b"MThd" + bytes([0, 0, 0, 2, 0, 1]), "its header breaks off"),
    "division 0": (midi_file(NOTE + END, ticks=0), "a division of 0"),
    "SMPTE time": (midi_file(NOTE + END, ticks=0xE728), "times in SMPTE frames"),
    "no MTrk": (GOLDEN.replace(b"MTrk", b"XTrk"), "no track is there"),
    "status 0xf4": (midi_file("00 f4 00"), "at byte 23: a status byte that means nothing"),
    "no running status": (midi_file("00 3c 40"), "a message without a status byte"),
    "data byte 0xff": (midi_file("00 903cff 8360 803c40" + END), "1 velocity above 127"),
    "a text of 200 MB": (midi_file("00 ff01 dfffff7f" + END), "goes on after the track's end"),
    "a time of five bytes": (midi_file("8fffffff7f 903c40" + END), "a time of more than four bytes"),
    "a time of 30,000 bytes": (midi_file("ff" * 30_000 + "7f 903c40" + END), "a time of more than four bytes"),
}
# What the former reader refused, and needn't: a melody has no key, and one pattern is a piece.
FORMERLY_REFUSED = {
    "type 2": midi_file(NOTE + END, kind=2),
    "key of 20 sharps": midi_file("00 ff5902 1400" + NOTE + END),
    "a meta message without its data": midi_file("00 ff5100" + NOTE + END),
}


@pytest.mark.parametrize("content", FORMERLY_REFUSED.values(), ids=FORMERLY_REFUSED)
def test_what_says_nothing_of_the_notes_is_no_reason(content: bytes) -> None:
    assert read_midi(content) == C4


@pytest.mark.parametrize(("content", "why"), BROKEN.values(), ids=BROKEN)
def test_broken_files_are_refused_in_one_line(content: bytes, why: str) -> None:
    with pytest.raises(MidiError, match=why) as caught:
        read_midi(content)
    assert "\n" not in str(caught.value)


def test_files_that_can_not_be_opened(tmp_path: Path) -> None:
    with pytest.raises(MidiError, match=r"missing.mid: can't be read: there is no such file"):
        read_midi(tmp_path / "missing.mid")
    with pytest.raises(MidiError, match="this is a folder"):
        read_midi(tmp_path)


@pytest.mark.parametrize(("rests", "why"), [(1, "outside the first 16 bars"), (200, "claims")])
def test_billions_of_ticks_cost_nothing(rests: int, why: str) -> None:
    with pytest.raises(MidiError, match=why):
        read_midi(midi_file("00 903c40" + "81ffff7f ff0100" * rests + "00 803c40" + END))


@pytest.mark.parametrize("body", ["00 903c40 00 904040 8360 803c40 00 804040", "01 903c40 8360 803c40"])
def test_what_it_does_not_take_names_what_does(body: str) -> None:
    with pytest.raises(MidiError, match=r"; extract_melody takes a melody out of such a file$"):
        read_midi(midi_file(body + END))


def test_far_too_large_files_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.mid"
    with path.open("wb") as file:
        file.write(GOLDEN)
        file.truncate(1 << 40)  # sparse: a terabyte that takes no room
    with pytest.raises(MidiError, match="larger than 16 MiB"):
        read_midi(path)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_no_damage_gets_past_the_one_error(data: st.DataObject) -> None:
    content = bytearray(GOLDEN)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(MidiError):
        read_midi(bytes(content[: data.draw(st.integers(0, len(content)))]))


def test_ticks_that_no_sixteenth_divides() -> None:
    assert from_ticks([TickNote(60, 0, 10)], [], 10).durations.tolist() == [4]
    with pytest.raises(InputError, match=r"2\.5 ticks"):
        from_ticks([TickNote(60, 0, 3)], [], 10)
