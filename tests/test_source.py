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
from melodylc.data.smf import MAX_FILE
from melodylc.data.source import Choice, Source, extract_melody, parse_bars

Notes = list[tuple[int, int, int]]


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return tmp_path / "song.mid"


def read(song: Path, content: bytes, **choice: object) -> Source:
    song.write_bytes(content)
    return extract_melody(song, Choice(**choice))  # type: ignore[arg-type]


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
    found = extract_melody(path)
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
    assert extract_melody(song).melody.onsets.tolist() == [0, 64, 128, 192]


Extra = list[tuple[int, str]]


def track_of(notes: Notes, end: int, extra: Extra | None = None) -> mido.MidiTrack:
    """A track with notes, controllers (tick, hexadecimal) and an end of track at a tick."""
    events = [(tick, 1, mido.Message.from_hex(message)) for tick, message in extra or []]
    for pitch, start, stop in notes:
        events.append((start, 2, mido.Message("note_on", note=pitch)))
        events.append((stop, 0, mido.Message("note_off", note=pitch)))
    track, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=end - now))
    return track


def file_of(*tracks: mido.MidiTrack) -> bytes:
    file = mido.MidiFile(type=1, ticks_per_beat=480)
    file.tracks += tracks
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def longer(notes: Notes, ticks: int) -> Notes:
    *most, (pitch, start, end) = notes
    return [*most, (pitch, start, end + ticks)]


@pytest.mark.parametrize("bars", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("ticks", [1, 7, 30, 59, -1])
def test_the_last_note_is_rounded_before_bars_are_counted(song: Path, bars: int, ticks: int) -> None:
    notes = longer(tune(1, bars), ticks)
    found = read(song, file_of(track_of(notes, notes[-1][2])))
    begin = melody_of(tune(1, bars)).events[: 16 * bars]
    assert (found.bars, found.melody) == (bars, Melody(np.resize(begin, STEPS)))


@pytest.mark.parametrize("bars", [1, 2, 4, 8, 16])
@pytest.mark.parametrize(
    ("beyond", "conductor"),
    [(480, 0), (BAR - 61, 0), (0, 480), (0, BAR)],
    ids=[
        "a pedal's release a beat later",
        "nearly a bar later",
        "a conductor a beat longer",
        "a conductor a bar longer",
    ],
)
def test_what_goes_on_behind_a_loop_is_no_bar_of_it(song: Path, bars: int, beyond: int, conductor: int) -> None:
    if conductor == BAR and bars == 1:
        bars = 2  # of one bar it would make a loop of two
    end = bars * BAR
    pedal = [(0, "B0 40 7F"), (end + beyond, "B0 40 00")]
    found = read(song, file_of(track_of([], end + beyond + conductor), track_of(tune(1, bars), end + beyond, pedal)))
    assert found.bars == bars
    assert bars == 16 or found.remarks[-1] == f"{bars} bar{'s' * (bars > 1)}, repeated up to 16"


@pytest.mark.parametrize("bars", [2, 4, 8])
@pytest.mark.parametrize("whose", ["its", "the conductor's", "another track's"])
def test_a_loop_with_a_silent_last_bar_stays_what_it_is(song: Path, bars: int, whose: str) -> None:
    notes = tune(1, bars - 1)
    own = track_of(notes, (bars if whose == "its" else bars - 1) * BAR)
    others = {"its": [], "the conductor's": [track_of([], bars * BAR)]}
    more = others.get(whose, [track_of([(40, 0, bars * BAR)], bars * BAR)])
    found = read(song, file_of(*more, own), track=str(1 + (whose == "another track's")))
    assert found.bars == bars
    which = "its end of track" if whose == "its" else "the last end of track"
    assert found.remarks[-1] == f"{bars} bars (to {which}), repeated up to 16"


def test_an_end_of_track_that_spoils_a_loop_is_said_not_to_count(song: Path) -> None:
    found = read(song, file_of(track_of(tune(1, 4), 5 * BAR)))
    assert found.remarks[-1] == "4 bars (to its last note, before its end of track), repeated up to 16"


# -- upbeats -----------------------------------------------------------------------------------

QUARTER = 480


def with_upbeat(upbeat: int, over: int = 4, under: int = 4, short_end: bool = False, bars: int = 16) -> bytes:
    """An upbeat of so many eighths, and bars of eighths: of four quarters, or of the meter given."""
    bar = over * 4 * QUARTER // under
    start = upbeat * QUARTER // 2
    end = start + bars * bar - (start if short_end else 0)
    count = end // (QUARTER // 2)
    notes = [(60 + step * 5 % 13, step * QUARTER // 2, (step + 1) * QUARTER // 2) for step in range(count)]
    signatures = [(0, upbeat, 8), (start, over, under)]
    if short_end:
        signatures.append((start + (bars - 1) * bar, over * 8 // under - upbeat, 8))
    return midi(notes, signatures=signatures)


@pytest.mark.parametrize("upbeat", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("short_end", [False, True])
@pytest.mark.parametrize("as_four_four", [False, True])
def test_bars_count_from_the_first_full_one(song: Path, upbeat: int, short_end: bool, as_four_four: bool) -> None:
    found = read(song, with_upbeat(upbeat, short_end=short_end), as_four_four=as_four_four)
    assert (found.first, found.bars) == (1, 16)
    steps = [(60 + n * 5 % 13, 2 * (n - upbeat), 2 * (n - upbeat) + 2) for n in range(upbeat, upbeat + 128)]
    kept = [step for step in steps if step[2] <= STEPS - 2 * upbeat * short_end]
    assert found.melody == Melody.from_notes(kept)
    (said,) = [remark for remark in found.remarks if "upbeat" in remark]
    assert f"after an upbeat of {upbeat / 2:g} quarter" in said
    assert f"({upbeat} note{'s' * (upbeat > 1)} left out: C4" in said


@pytest.mark.parametrize(("over", "under"), [(3, 4), (6, 8), (5, 4), (9, 8), (7, 8)])
def test_the_message_names_the_main_meter(song: Path, over: int, under: int) -> None:
    with pytest.raises(MidiError, match=rf"it is in {over}/{under}; .*--as-4/4"):
        read(song, with_upbeat(1, over, under))
    found = read(song, with_upbeat(1, over, under), as_four_four=True)
    assert f"counted in 4/4, though it says {over}/{under}" in found.remarks
    assert found.melody.notes[0] == (65, 0, 2)  # the second eighth, on the first full bar


@pytest.mark.parametrize("upbeat", [0, 1, 2, 3])
def test_two_bars_of_two_quarters_count_as_one_and_it_is_said(song: Path, upbeat: int) -> None:
    content = with_upbeat(upbeat, 2, 4, bars=32) if upbeat else midi(tune(1), signatures=[(0, 2, 4)])
    found = read(song, content)
    assert (found.first, found.bars, found.melody.note_count) == (1, 16, 128)
    assert "in 2/4 throughout: two of its bars count as one in 4/4" in found.remarks


def test_lone_short_bars_are_said(song: Path) -> None:
    notes = [(60 + n % 7, n * QUARTER, (n + 1) * QUARTER) for n in range(64)]
    signatures = [(0, 4, 4), (7 * BAR, 3, 4), (7 * BAR + 3 * QUARTER, 4, 4), (15 * BAR + 3 * QUARTER, 1, 4)]
    upbeat = [(67, 0, QUARTER), *((pitch, start + QUARTER, end + QUARTER) for pitch, start, end in notes)]
    moved = [(0, 1, 4), *((tick + QUARTER, over, under) for tick, over, under in signatures)]
    found = read(song, midi(upbeat, signatures=moved), bars=(1, 16))
    assert "1 short bar filled up with rest" in found.remarks
    assert found.melody.events[8 * 16 - 4] == 129


# -- names -------------------------------------------------------------------------------------


def renamed(content: bytes, name: bytes) -> bytes:
    """A file whose last track's name, "yyyy", is these bytes."""
    before, track = content[: content.rindex(b"MTrk")], content[content.rindex(b"MTrk") + 8 :]
    track = track.replace(b"\xff\x03\x04yyyy", b"\xff\x03" + bytes([len(name)]) + name)
    return before + b"MTrk" + len(track).to_bytes(4, "big") + track


@pytest.mark.parametrize(
    ("name", "encoding", "typed"),
    [
        ("Mélodie", "latin-1", "Mélodie"),
        ("Mélodie ©", "latin-1", "mélodie ©"),
        ("Flöte", "latin-1", "FLÖTE"),
        ("Canción «voz»", "latin-1", "canción «voz»"),
        ("Singer\u2019s part", "cp1252", "singer\u2019s"),
        ("メロディ", "shift-jis", "メロディ"),
        ("主旋律", "shift-jis", "旋律"),
        ("ﾒﾛﾃﾞｨ", "shift-jis", "メロディ"),
        ("Lead ギター", "shift-jis", "lead ギター"),
        ("歌", "utf-8", "歌"),
        ("Me\u0301lodie", "utf-8", "M\u00e9lodie"),
        ("M\u00e9lodie", "utf-8", "me\u0301lodie"),
        ("Flo\u0308te", "utf-8", "Flote"),
        ("\uff2cead", "utf-8", "lead"),
        ("Мелодия", "cp1251", "мелодия"),
        ("Straße", "utf-8", "STRASSE"),
        (
            "a name of more than forty letters, which is shown cut off",
            "utf-8",
            "a name of more than forty letters, which",
        ),
        ("with\x07a bell", "utf-8", "with a bell"),
    ],
)
def test_a_name_can_be_chosen_as_it_is_shown(song: Path, name: str, encoding: str, typed: str) -> None:
    content = renamed(named({"xxxx": tune(1), "yyyy": tune(2)}), name.encode(encoding))
    found = read(song, content, track=typed)
    assert found.track == 2
    assert read(song, content, track=found.name).track == 2  # what is shown can be typed
    with pytest.raises(MidiError, match="there are 1 'xxxx', 2 ") as caught:
        read(song, content, track="nobody")
    shown = str(caught.value).rpartition(", 2 '")[2].removesuffix("'")
    assert read(song, content, track=shown).track == 2


MELODIC = """
    Mélodie Gesang Stimme Voix Chant Voz Canto Voce Melodía メロディ 歌 主旋律 Вокал Мелодия Śpiew Röst Zang Solist
""".split()


@pytest.mark.parametrize("name", MELODIC)
def test_melodies_are_known_by_name_in_other_languages(song: Path, name: str) -> None:
    low = [(pitch - 12, start, end) for pitch, start, end in tune(2)]
    assert read(song, renamed(named({"A": tune(1), "yyyy": low}), name.encode())).track == 2


# -- files that go wrong, and what is right ----------------------------------------------------

ROOT = Path(__file__).parent.parent
INPUTS = next(
    (it for above in (ROOT.parent, ROOT.parent.parent) if (it := above / "shared/inputs/midi").is_dir()), None
)
# Bars that are taken, and notes of the melody; the rest is 16 and 128.
RIGHT = {
    "04_loop4_badkey": (4, 96),
    "04_loop4_good": (4, 96),
    "07_type2": (4, 128),
    "18_hang_all": (16, 21),
    "29_loop1_note_past": (1, 128),
    "29_loop4_cc_past": (4, 128),
    "29_loop4_note_past": (4, 128),
    "pickup_short_end": (16, 56),
    "pickup_ts": (16, 56),
    "twinkle16": (16, 56),
}


@pytest.mark.skipif(INPUTS is None, reason="the small files that go wrong aren't beside the repository")
def test_every_small_file_that_goes_wrong_is_right() -> None:
    assert INPUTS is not None
    paths = sorted(INPUTS.glob("*.mid"))
    assert len(paths) > 25
    for path in paths:
        if path.stem == "35_cut_half":
            with pytest.raises(MidiError, match="it breaks off in track chunk 2, after 606 bytes; get it again"):
                extract_melody(path)
            continue
        found = extract_melody(path)
        assert (found.bars, found.melody.note_count) == RIGHT.get(path.stem, (16, 128)), path.stem


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
    found = extract_melody(path)
    assert found.melody.note_count > 0
    pitches = {pitch for pitch, _, _ in tracks[found.track - 1]}
    assert set(found.melody.pitches.tolist()) <= pitches
    assert Melody(found.melody.events) == found.melody
    assert not (found.melody.events[::16] == HOLD).all() or found.melody.note_count


REFUSED = {
    "empty": (b"", {}, "empty"),
    "text": (b"Dear musician, this is no MIDI file.", {}, "not a MIDI file"),
    "a header alone": (b"MThd\0\0\0\6\0\1\0\1\1\xe0", {}, "it breaks off"),
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
        extract_melody(tmp_path / "huge.mid")
    assert MAX_FILE == 16 << 20
    with pytest.raises(MidiError, match="no such file"):
        extract_melody(tmp_path / "missing.mid")
    with pytest.raises(MidiError, match="a folder"):
        extract_melody(tmp_path)


def test_an_end_of_track_in_a_billion_ticks_costs_nothing(song: Path) -> None:
    file = mido.MidiFile(type=0, ticks_per_beat=1)
    track = [mido.Message("note_on", note=60, velocity=9), mido.Message("note_off", note=60, time=4)]
    file.tracks.append(mido.MidiTrack([*track, mido.MetaMessage("end_of_track", time=(1 << 28) - 1)]))
    file.save(song)
    assert extract_melody(song).melody.notes == ((60, 0, 16),)


@pytest.mark.parametrize("text", ["", "0..5x", "..", "5..", "1.5", "-3", "5..20..30", "9999999"])
def test_bars_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="bars are"):
        parse_bars(text)


@pytest.mark.parametrize("bars", [(0, 5), (5, 4), (1, 17)])
def test_bars_out_of_order_or_too_many(bars: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="from 1 up"):
        Choice(bars=bars)
