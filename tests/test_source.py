"""Anybody's MIDI file as a melody: which track and bars are taken, what is said, and what is refused."""

import io
from pathlib import Path

import mido
import numpy as np
import pytest
from corpus_midi import BAR, SIXTEENTH, midi, tune
from hypothesis import given, settings
from hypothesis import strategies as st
from test_midi import MELODIES

from melodylc.data.alphabet import HOLD, STEPS
from melodylc.data.errors import InputError, MidiError
from melodylc.data.melody import Melody
from melodylc.data.midi import midi_bytes
from melodylc.data.source import MAX_FILE, Choice, Source, parse_bars, read_source

Notes = list[tuple[int, int, int]]


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return tmp_path / "song.mid"


def read(song: Path, content: bytes, **choice: object) -> Source:
    song.write_bytes(content)
    return read_source(song, Choice(**choice))  # type: ignore[arg-type]


def melody_of(notes: Notes, first: int = 1) -> Melody:
    """The melody that notes in ticks are from bar `first` on, by other means than the reader's."""
    steps = [
        (pitch, start // SIXTEENTH - 16 * (first - 1), end // SIXTEENTH - 16 * (first - 1))
        for pitch, start, end in notes
    ]
    return Melody.from_notes((pitch, start, end) for pitch, start, end in steps if start >= 0 and end <= STEPS)


@settings(max_examples=15)
@given(melody=MELODIES)
def test_our_own_files_come_back_event_for_event(melody: Melody, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("own") / "own.mid"
    path.write_bytes(midi_bytes(melody, name="own", tempo=92))
    found = read_source(path)
    assert found.melody == melody
    assert (found.track, found.name, found.first, found.bars) == (1, "own", 1, 16)
    assert found.tempo == pytest.approx(92, abs=1e-3)


@pytest.mark.parametrize("bars", [(5, 20), (1, 16), (9, 24)])
def test_the_bars_asked(song: Path, bars: tuple[int, int]) -> None:
    notes = tune(3, 24)
    found = read(song, midi(notes), bars=bars)
    assert found.melody == melody_of(notes, bars[0])
    assert (found.first, found.bars) == (bars[0], 16)
    assert f"bars {bars[0]}..{bars[1]}" in found.remarks[0]


def test_a_note_held_into_the_first_bar_asked_is_left_out(song: Path) -> None:
    held = [(60, 0, BAR + BAR // 2), (62, BAR + BAR // 2, 17 * BAR)]
    assert read(song, midi(held), bars=(2, 17)).melody.notes == ((62, 8, 256),)


def test_bars_count_in_the_files_own_meters(song: Path) -> None:
    waltz = 3 * BAR // 4
    notes = [(pitch, start + 4 * waltz, end + 4 * waltz) for pitch, start, end in tune(1, 16)]
    found = read(song, midi(notes, signatures=[(0, 3, 4), (4 * waltz, 4, 4)]))
    assert (found.first, found.melody) == (5, melody_of(tune(1, 16)))


@pytest.mark.parametrize("wanted", ["2", "Lead Guitar", "lead guitar", "guit", " 2 "])
def test_a_track_by_number_or_name(song: Path, wanted: str) -> None:
    content = named({"Bass": tune(1), "Lead Guitar": tune(2), "Bassoon": tune(4)})
    found = read(song, content, track=wanted)
    assert (found.track, found.name, found.melody) == (2, "Lead Guitar", melody_of(tune(2)))
    assert "chose the bars" in found.remarks[0]


def test_an_exact_name_wins_over_a_part_of_one(song: Path) -> None:
    assert read(song, named({"Bassoon": tune(1), "Bass": tune(2)}), track="bass").track == 2


def named(tracks: dict[str, Notes], drums: Notes | None = None) -> bytes:
    """A file whose tracks have names."""
    file = mido.MidiFile(file=io.BytesIO(midi(*tracks.values(), *([drums] if drums else []))))
    for track, name in zip(file.tracks[1:], [*tracks, "Drums"], strict=False):
        track.insert(0, mido.MetaMessage("track_name", name=name))
    if drums:
        for message in file.tracks[-1]:
            if not message.is_meta:
                message.channel = 9
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


CHORDS = [(48 + pitch, bar * BAR, (bar + 1) * BAR) for bar in range(16) for pitch in (0, 4, 7)]


@pytest.mark.parametrize(
    ("tracks", "chosen"),
    [
        ({"Chords": CHORDS, "Tune": tune(2)}, 2),  # one voice before chords
        ({"A": tune(1), "Lead Vocal": [(p - 12, a, b) for p, a, b in tune(2)]}, 2),  # by name
        ({"A": tune(1), "B": [(p + 12, a, b) for p, a, b in tune(1)]}, 2),  # the higher
        ({"Lead": [(60, 0, BAR)], "B": tune(5)}, 2),  # what could train before what couldn't
    ],
)
def test_the_track_that_is_most_like_a_melody(song: Path, tracks: dict[str, Notes], chosen: int) -> None:
    found = read(song, named(tracks))
    assert found.track == chosen
    assert "chose the track and the bars" in found.remarks[0]


def test_drums_are_never_chosen_but_count(song: Path) -> None:
    found = read(song, named({"A": tune(1)}, drums=tune(2)))
    assert (found.track, "of 2" in found.remarks[0]) == (1, True)


def test_the_best_bars_leave_the_silence_out(song: Path) -> None:
    notes = [(pitch, start + 7 * BAR, end + 7 * BAR) for pitch, start, end in tune(1, 16)]
    found = read(song, midi([*notes, (60, 30 * BAR, 31 * BAR)]))
    assert (found.first, found.melody) == (8, melody_of(tune(1, 16)))


@pytest.mark.parametrize(
    ("bars", "short", "said", "repeated"),
    [
        (4, None, "4 bars, repeated up to 16", True),
        (1, None, "1 bar, repeated up to 16", True),
        (5, None, "5 bars, followed by 11 of rest", False),
        (5, "loop", "5 bars, repeated up to 16", True),
        (8, "pad", "8 bars, followed by 8 of rest", False),
    ],
)
def test_short_ones_are_repeated_or_padded_and_said_so(
    song: Path, bars: int, short: str | None, said: str, repeated: bool
) -> None:
    found = read(song, midi(tune(1, bars)), short=short)
    begin = melody_of(tune(1, bars)).events[: 16 * bars]
    assert found.remarks[-1] == said
    np.testing.assert_array_equal(found.melody.events[: 16 * bars], begin)
    rest = found.melody.events[16 * bars :]
    np.testing.assert_array_equal(rest, np.resize(begin, STEPS)[16 * bars :] if repeated else np.full(len(rest), 129))


def test_a_loop_is_as_long_as_its_track_not_as_its_last_note(song: Path) -> None:
    """Four bars whose last is silent, as a DAW exports them."""
    file = mido.MidiFile(type=1, ticks_per_beat=480)
    file.tracks += [mido.MidiTrack([mido.MetaMessage("end_of_track", time=4 * BAR)])]
    file.tracks += [
        mido.MidiTrack([mido.Message("note_on", note=60, velocity=9), mido.Message("note_off", note=60, time=BAR)])
    ]
    file.save(song)
    assert read_source(song).melody.onsets.tolist() == [0, 64, 128, 192]


def test_what_was_moved_and_left_out_is_said(song: Path) -> None:
    triplets = [(60 + n % 5, n * 160, (n + 1) * 160) for n in range(16 * 12)]
    found = read(song, midi(triplets))
    assert found.remarks[1] == f"{16 * 8} notes moved to the nearest sixteenth"
    found = read(song, midi(CHORDS))
    assert found.remarks[1] == "32 notes left out, where others sound above or begin at once"
    assert set(found.melody.pitches.tolist()) == {55}


def test_other_meters_may_be_counted_in_fours(song: Path) -> None:
    found = read(song, midi(tune(1), signatures=[(0, 3, 4)]), as_four_four=True)
    assert found.melody == melody_of(tune(1))
    assert "counted in 4/4, though it says 3/4" in found.remarks


@settings(max_examples=30)
@given(data=st.data())
def test_whatever_the_notes_the_melody_is_sixteen_bars(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    note = st.tuples(st.integers(0, 127), st.integers(0, 20 * BAR), st.integers(1, 3 * BAR))
    tracks = data.draw(st.lists(st.lists(note, min_size=1, max_size=30), min_size=1, max_size=3))
    path = tmp_path_factory.mktemp("any") / "any.mid"
    path.write_bytes(midi(*([(pitch, start, start + length) for pitch, start, length in track] for track in tracks)))
    found = read_source(path)
    assert found.melody.note_count > 0
    pitches = {pitch for pitch, _, _ in tracks[found.track - 1]}
    assert set(found.melody.pitches.tolist()) <= pitches
    assert Melody(found.melody.events) == found.melody
    assert not (found.melody.events[::16] == HOLD).all() or found.melody.note_count


REFUSED = {
    "empty": (b"", {}, "empty"),
    "text": (b"Dear musician, this is no MIDI file.", {}, "not a MIDI file"),
    "a header alone": (b"MThd\0\0\0\6\0\1\0\1\1\xe0", {}, "unreadable|no notes"),
    "no notes": (midi([]), {}, "it holds no notes"),
    "drums alone": (midi(tune(1), channel=9), {}, "drums alone"),
    "a waltz": (midi(tune(1), signatures=[(0, 3, 4)]), {}, "it is in 3/4; .*--as-4/4"),
    "no such number": (midi(tune(1)), {"track": "2"}, "no track is '2'; there are 1 "),
    "no such name": (named({"Lead": tune(1)}), {"track": "Bass"}, "no track is 'Bass'; there are 1 'Lead'"),
    "several": (named({"Bass": tune(1), "Bassoon": tune(1)}), {"track": "as"}, "several tracks are 'as'"),
    "an empty name": (midi(tune(1)), {"track": ""}, "no track is ''"),
    "bars beyond the end": (midi(tune(1, 20)), {"bars": (30, 45)}, r"aren't there.*bars in 4/4: 1\.\.20"),
    "bars across meters": (
        midi(tune(1, 20), signatures=[(0, 4, 4), (8 * BAR, 3, 4)]),
        {"bars": (5, 20)},
        "not all in 4/4",
    ),
    "silent bars": (midi([(60, 0, BAR), (60, 30 * BAR, 31 * BAR)]), {"bars": (5, 20)}, r"no notes in bars 5\.\.20"),
    "silent bars of one track": (
        named({"A": tune(1), "B": [(60, 20 * BAR, 21 * BAR)]}),
        {"bars": (1, 16), "track": "B"},
        r"no notes in bars 1\.\.16 of track 2 'B'",
    ),
}


@pytest.mark.parametrize(("content", "choice", "why"), REFUSED.values(), ids=REFUSED)
def test_what_can_not_be_taken_is_refused_in_one_line(
    song: Path, content: bytes, choice: dict[str, object], why: str
) -> None:
    with pytest.raises(MidiError, match=why) as caught:
        read(song, content, **choice)
    assert str(caught.value).startswith(f"{song}: ")
    assert "\n" not in str(caught.value)


def test_huge_and_missing_files(tmp_path: Path) -> None:
    with (tmp_path / "huge.mid").open("wb") as file:
        file.write(b"MThd")
        file.truncate(1 << 40)  # sparse: a terabyte that takes no room
    with pytest.raises(MidiError, match="larger than 16 MiB"):
        read_source(tmp_path / "huge.mid")
    assert MAX_FILE == 16 << 20
    with pytest.raises(MidiError, match="no such file"):
        read_source(tmp_path / "missing.mid")
    with pytest.raises(MidiError, match="a folder"):
        read_source(tmp_path)


def test_an_end_of_track_in_a_billion_ticks_costs_nothing(song: Path) -> None:
    file = mido.MidiFile(type=0, ticks_per_beat=1)
    track = [mido.Message("note_on", note=60, velocity=9), mido.Message("note_off", note=60, time=4)]
    file.tracks.append(mido.MidiTrack([*track, mido.MetaMessage("end_of_track", time=(1 << 28) - 1)]))
    file.save(song)
    assert read_source(song).melody.notes == ((60, 0, 16),)


@pytest.mark.parametrize("text", ["", "0..5x", "..", "5..", "1.5", "-3", "5..20..30", "9999999"])
def test_bars_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="bars are"):
        parse_bars(text)


@pytest.mark.parametrize("bars", [(0, 5), (5, 4), (1, 17)])
def test_bars_out_of_order_or_too_many(bars: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="from 1 up"):
        Choice(bars=bars)
