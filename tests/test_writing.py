"""Files in every setting: readers that aren't ours must hear the same melody, as long, as fast, in the same key."""

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import mido
import numpy as np
import pretty_midi
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st
from test_midi import MELODIES, SILENCE, TUNE

from melodylc.data.errors import InputError
from melodylc.data.formats.midi_file import LOOP_MARKER, Voice, midi_file
from melodylc.data.formats.performance import perform
from melodylc.data.formats.programs import ALIASES, NAMES, parse_program, program_name
from melodylc.data.formats.render import JOINED, Piece, render
from melodylc.data.keys import Scale, parse_scale
from melodylc.data.melody import Melody
from melodylc.data.midi import midi_bytes
from melodylc.data.scales import MODES
from melodylc.data.source import Choice, extract_melody
from melodylc.data.writing import FORMATS, Writing

Heard = list[tuple[int, int, int]]  # pitch, start and end in sixteenths

WRITINGS = st.builds(
    Writing,
    tempo=st.sampled_from([4.0, 60.0, 92.5, 137.25, 1000.0]),
    type=st.sampled_from([0, 1]),
    ppq=st.sampled_from([24, 96, 100, 480, 960, 1920]),
    program=st.none() | st.integers(1, 128),
    velocity=st.integers(1, 127),
    swing=st.floats(50, 70),
    humanize=st.floats(0, 100),
    channel=st.integers(1, 16).filter(lambda channel: channel != 10),
    repeat=st.integers(1, 3),
    loop_marker=st.booleans(),
)
SCALES = st.none() | st.builds(Scale, st.integers(0, 11), st.sampled_from(sorted(MODES)))


def expected(melody: Melody, repeat: int = 1) -> Heard:
    return [(p, 256 * n + a, 256 * n + b) for n in range(repeat) for p, a, b in melody.notes]


def sixteenth(ticks: float, ppq: int) -> int:
    return round(4 * ticks / ppq)


def mido_hears(content: bytes) -> dict[str, Any]:
    file = mido.MidiFile(file=io.BytesIO(content))
    heard: dict[str, Any] = {"notes": [], "names": [], "key": None, "programs": set(), "channels": set()}
    sounding: dict[int, int] = {}
    heard["ends"] = {sum(message.time for message in track) for track in file.tracks}
    for track in file.tracks:
        now = 0
        for message in track:
            now += message.time
            if message.type == "note_on":
                sounding[message.note] = now
            elif message.type == "note_off":
                start = sounding.pop(message.note)
                step = file.ticks_per_beat
                heard["notes"].append((message.note, sixteenth(start, step), sixteenth(now, step)))
            elif message.type == "set_tempo":
                heard["tempo"] = mido.tempo2bpm(message.tempo)
            elif message.type == "time_signature":
                heard["meter"] = (message.numerator, message.denominator)
            elif message.type == "key_signature":
                heard["key"] = message.key
            elif message.type == "track_name":
                heard["names"].append(message.name)
            elif message.type == "program_change":
                heard["programs"].add(message.program + 1)
            if not message.is_meta:
                heard["channels"].add(message.channel + 1)
    return {**heard, "type": file.type, "ppq": file.ticks_per_beat, "last": message_before_the_end(file.tracks[-1])}


def message_before_the_end(track: mido.MidiTrack) -> Any:
    return track[-2] if len(track) > 1 else None


def pretty_midi_hears(content: bytes) -> dict[str, Any]:
    file = pretty_midi.PrettyMIDI(io.BytesIO(content))
    notes = sorted((note for instrument in file.instruments for note in instrument.notes), key=lambda note: note.start)
    steps = [[sixteenth(file.time_to_tick(time), file.resolution) for time in (it.start, it.end)] for it in notes]
    keys = [pretty_midi.key_number_to_key_name(it.key_number) for it in file.key_signature_changes]
    return {
        "notes": [(note.pitch, *step) for note, step in zip(notes, steps, strict=True)],
        "tempo": file.get_tempo_changes()[1].tolist(),
        "meter": [(it.numerator, it.denominator) for it in file.time_signature_changes],
        "keys": keys,
        "programs": {instrument.program + 1 for instrument in file.instruments},
        "names": [instrument.name for instrument in file.instruments],
        "drums": any(instrument.is_drum for instrument in file.instruments),
        "velocities": [note.velocity for note in notes],
    }


def symusic_hears(content: bytes) -> dict[str, Any]:
    score: Any = symusic.Score.from_midi(content)
    ppq = score.ticks_per_quarter
    notes = [
        (note.pitch, sixteenth(note.start, ppq), sixteenth(note.end, ppq))
        for track in score.tracks
        for note in sorted(track.notes, key=lambda note: note.start)
    ]
    return {
        "notes": notes,
        "names": [track.name for track in score.tracks],
        "tempo": [tempo.qpm for tempo in score.tempos],
        "meter": [(it.numerator, it.denominator) for it in score.time_signatures],
        "keys": [it.key for it in score.key_signatures],
    }


@settings(max_examples=40)
@given(MELODIES, WRITINGS, SCALES, st.integers(0, 9))
def test_readers_agree_whatever_the_setting(melody: Melody, writing: Writing, scale: Scale | None, seed: int) -> None:
    content = midi_file([Voice("Tune 7", melody, (seed, 1))], writing, scale)
    notes, key = expected(melody, writing.repeat), scale.key_signature if scale else None
    end = 64 * writing.ppq * writing.repeat
    heard = mido_hears(content)
    assert heard["notes"] == notes
    assert heard["ends"] == {end}
    assert heard["tempo"] == pytest.approx(writing.tempo, rel=1e-5)
    assert (heard["meter"], heard["key"], heard["type"], heard["ppq"]) == ((4, 4), key, writing.type, writing.ppq)
    assert heard["names"] == ["Tune 7"]
    assert heard["channels"] <= {writing.channel}
    assert heard["programs"] == ({writing.program} if writing.program else set())
    marker = heard["last"]
    assert (marker.type == "control_change" and marker.control == LOOP_MARKER) == writing.loop_marker
    if notes:
        pretty = pretty_midi_hears(content)
        assert (pretty["notes"], pretty["meter"], pretty["drums"]) == (notes, [(4, 4)], False)
        assert pretty["tempo"] == pytest.approx([writing.tempo], rel=1e-5)
        assert pretty["programs"] == {writing.program or 1}
        assert len(pretty["keys"]) == (key is not None)
        second = symusic_hears(content)
        assert (second["notes"], second["meter"]) == (notes, [(4, 4)])
        assert second["tempo"] == pytest.approx([writing.tempo], rel=1e-5)
        assert second["names"] == ["Tune 7"] == pretty["names"]
        assert second["keys"] == ([] if key is None else [sharps(key)])


def sharps(key: str) -> int:
    """The sharps of a signature, from the order in which they come."""
    major = [*("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#")]
    minor = [*("Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#")]
    return minor.index(key[:-1]) - 7 if key.endswith("m") else major.index(key) - 7


@pytest.mark.parametrize(
    "writing", [Writing(), Writing(type=0, ppq=96, program=41, swing=62, humanize=80, transpose=0, loop_marker=True)]
)
def test_music21_hears_the_same(writing: Writing) -> None:
    music21 = pytest.importorskip("music21", reason="music21 isn't installed: pip install -e '.[oracles]'")
    straight = replace(writing, swing=50, humanize=0)
    score = music21.converter.parseData(midi_file([Voice("Tune", TUNE)], straight, Scale(3, "major")), format="midi")
    flat = score.stripTies().flatten()
    heard = [(note.pitch.midi, 4 * note.offset, 4 * (note.offset + note.quarterLength)) for note in flat.notes]
    assert heard == expected(TUNE)
    assert [it.number for it in flat.getElementsByClass("MetronomeMark")] == [120]
    assert {it.ratioString for it in flat.getElementsByClass("TimeSignature")} == {"4/4"}
    assert {it.sharps for it in flat.getElementsByClass("KeySignature")} == {-3}


@settings(max_examples=60)
@given(MELODIES, WRITINGS, st.integers(0, 9))
def test_a_touch_keeps_order_sixteenths_and_the_loop(melody: Melody, writing: Writing, seed: int) -> None:
    played = perform(melody, writing, (seed,))
    step = writing.ppq / 4
    assert [note.pitch for note in played] == melody.pitches.tolist()
    for note, (_, start, end) in zip(played, melody.notes, strict=True):
        assert abs(note.start - start * step) < step / 2
        assert abs(note.end - end * step) < step / 2
        assert 0 <= note.start < note.end <= 256 * step
        assert 1 <= note.velocity <= 127
    for (one, written), (other, _) in zip(
        zip(played, melody.notes, strict=True), list(zip(played, melody.notes, strict=True))[1:], strict=False
    ):
        assert one.end <= other.start
        assert written.end <= 256
    assert played == perform(melody, writing, (seed,))


def test_a_touch_is_of_the_seed_and_off_by_default() -> None:
    melody = Melody.from_notes([(60 + step % 7, step, step + 1) for step in range(256)])
    grid = [note.start for note in perform(melody, Writing())]
    assert grid == [120 * step for step in range(256)]
    loose = Writing(humanize=50)
    one, other = ([note.start for note in perform(melody, loose, (seed, 1))] for seed in (1, 2))
    assert one != other
    moved = np.abs(np.array(one) - grid)
    assert 0 < moved.mean() <= moved.max() <= 15  # half of a quarter of 120 ticks
    assert len({note.velocity for note in perform(melody, loose)}) > 5


@pytest.mark.parametrize(("swing", "late"), [(50, 0), (60, 24), (66.7, 40), (70, 48)])
def test_swing_delays_every_second_sixteenth(swing: float, late: int) -> None:
    melody = Melody.from_notes([(60, step, step + 1) for step in range(256)])
    starts = [note.start for note in perform(melody, Writing(swing=swing))]
    assert starts == [120 * step + late * (step % 2) for step in range(256)]


@settings(max_examples=15)
@given(melody=MELODIES, writing=WRITINGS)
def test_our_reader_gives_the_melody_back(
    melody: Melody, writing: Writing, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("back") / "back.mid"
    path.write_bytes(midi_file([Voice("x", melody)], writing))
    if melody.note_count:
        assert extract_melody(path, Choice(bars=(1, 16))).melody == melody


def test_the_default_is_midi_bytes() -> None:
    for scale in (None, parse_scale("gbmaj")):
        assert midi_file([Voice("x", TUNE)], Writing(), scale) == midi_bytes(TUNE, name="x", scale=scale)


# -- many melodies in one file -----------------------------------------------------------------

FILE = f"{JOINED}.mid"
LOW = Melody.from_notes([(48, 0, 16), (50, 16, 256)])
PIECES = [Piece("01", "melodylc 7-1", TUNE, (7, 1)), Piece("02", "melodylc 7-2", LOW, (7, 2))]


@pytest.mark.parametrize("type_", [0, 1])
def test_joined_one_after_another(type_: int) -> None:
    made = render(PIECES, Writing(join="after", type=type_, repeat=2), Scale(0, "major"))
    assert (list(made.files), made.of) == ([FILE], [[FILE], [FILE]])
    heard = mido_hears(made.files[FILE])
    later = [(pitch, start + 512, end + 512) for pitch, start, end in expected(LOW, 2)]
    assert heard["notes"] == expected(TUNE, 2) + later
    assert (heard["ends"], heard["names"]) == ({4 * 30_720}, ["melodies"])
    assert list(markers(made.files[FILE])) == [(0, "melodylc 7-1"), (61_440, "melodylc 7-2")]


def markers(content: bytes) -> Iterator[tuple[int, str]]:
    for track in mido.MidiFile(file=io.BytesIO(content)).tracks:
        now = 0
        for message in track:
            now += message.time
            if message.type == "marker":
                yield now, message.text


def test_joined_one_a_track() -> None:
    made = render(PIECES, Writing(join="tracks"), None)
    heard = mido_hears(made.files[FILE])
    assert heard["notes"] == expected(TUNE) + expected(LOW)
    assert (heard["ends"], heard["names"]) == ({30_720}, ["melodylc 7-1", "melodylc 7-2"])
    assert symusic_hears(made.files[FILE])["names"] == ["melodylc 7-1", "melodylc 7-2"]


def test_names_are_utf8() -> None:
    assert symusic_hears(midi_file([Voice("Töne €", TUNE)], Writing()))["names"] == ["Töne €"]
    with pytest.raises(InputError, match="can't be written in UTF-8"):
        midi_file([Voice("\udcff", TUNE)], Writing())


def test_joined_files_stand_beside_other_formats() -> None:
    made = render(PIECES, Writing(join="after", formats=("abc", "midi")), None)
    assert made.of == [["01.abc", FILE], ["02.abc", FILE]]
    assert sorted(made.files) == ["01.abc", "02.abc", FILE]


def test_nothing_to_render() -> None:
    assert render([], Writing(join="after")).files == {}


# -- transposition -----------------------------------------------------------------------------


def test_a_melody_and_its_scale_move_together() -> None:
    made = render([PIECES[0]], Writing(transpose=3), parse_scale("a minor"))
    heard = mido_hears(made.files["01.mid"])
    assert heard["notes"] == expected(TUNE.transposed(3))
    assert (heard["key"], made.about) == ("Cm", {"written_in": "C minor"})
    assert mido_hears(render([PIECES[0]], Writing(transpose=-12), parse_scale("am")).files["01.mid"])["key"] == "Am"


@given(st.sampled_from(sorted(MODES)), st.integers(0, 11), st.integers(-127, 127))
def test_a_transposed_scale_has_the_notes_transposed(mode: str, tonic: int, semitones: int) -> None:
    scale = Scale(tonic, mode)
    moved = {(pitch + semitones) % 12 for pitch in scale.pitch_classes}
    assert scale.transposed(semitones).pitch_classes == moved
    notes = Scale(None, "notes", notes=scale.pitch_classes)
    assert notes.transposed(semitones).pitch_classes == moved


def test_beyond_the_keyboard() -> None:
    with pytest.raises(InputError, match=r"melodylc 7-1: pitch 6\d moved by \+100 .* choose another --transpose"):
        render(PIECES, Writing(transpose=100))


# -- the value itself --------------------------------------------------------------------------


@given(WRITINGS)
def test_words_and_options_are_inverses(writing: Writing) -> None:
    import click

    from melodylc.cli.writings import take_writing, writing_options

    @click.command()
    @writing_options
    def command(**options: Any) -> None:
        assert take_writing(options) == writing
        assert not options

    command.main(writing.words, standalone_mode=False)


def test_words_of_everything_else() -> None:
    writing = Writing(formats=("svg", "midi"), join="tracks", transpose=-5)
    assert writing.words == ["--transpose", "-5", "--join", "tracks", "--format", "svg,midi"]
    assert Writing().words == []
    assert Writing(tempo=123.456789).words == ["--tempo", "123.456789"]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"tempo": 0.0}, "tempo"),
        ({"tempo": float("nan")}, "tempo"),
        ({"formats": ("midi", "mp3")}, "no format 'mp3'; there are midi, musicxml"),
        ({"formats": ()}, "no format given"),
        ({"formats": ("svg", "svg")}, "twice"),
        ({"type": 2}, "--type is 0 to 1"),
        ({"ppq": 12}, "--ppq is 24 to 1920"),
        ({"ppq": 50}, "multiple of 4"),
        ({"program": 0}, "a program is 1 to 128"),
        ({"velocity": 0}, "--velocity is 1 to 127"),
        ({"swing": 75.0}, "--swing is 50 to 70"),
        ({"swing": float("nan")}, "--swing is 50 to 70"),
        ({"humanize": -1.0}, "--humanize is 0 to 100"),
        ({"channel": 17}, "--channel is 1 to 16"),
        ({"channel": 10}, "plays drums"),
        ({"transpose": 128}, "--transpose is -127 to 127"),
        ({"repeat": 0}, "--repeat is 1 to 64"),
        ({"join": "sideways"}, "--join is after or tracks"),
        ({"join": "after", "formats": ("svg",)}, "add midi to --format"),
        ({"join": "tracks", "type": 0}, "needs --type 1"),
        ({"formats": ("wav",), "tempo": 4.0, "repeat": 9}, "60 at most"),
    ],
)
def test_settings_that_can_not_be(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        Writing(**wrong)


def test_a_file_of_too_many_ticks() -> None:
    with pytest.raises(InputError, match="ask for fewer melodies, or lower --repeat or --ppq"):
        Writing(join="after").check_count(326)
    Writing(join="after").check_count(325)
    Writing(ppq=1920, repeat=64, join="tracks").check_count(10_000)


def test_general_midi_has_its_own_names() -> None:
    theirs = [name.lower().replace("(", "").replace(")", "") for name in pretty_midi.constants.INSTRUMENT_MAP]
    assert [name.lower().replace("(", "").replace(")", "") for name in NAMES] == theirs
    assert all(parse_program(name) == number == parse_program(str(number)) for number, name in enumerate(NAMES, 1))
    assert program_name(1) == "Acoustic Grand Piano"


@pytest.mark.parametrize(
    ("word", "program"),
    [
        *[("piano", 1), ("Guitar", 25), ("bass", 34), ("bass-guitar", 34), ("strings", 49), ("flute", 74), ("sax", 66)],
        *[("organ", 17), ("synth", 82), ("lead", 82), ("pad", 90), ("trumpet", 57), ("violin", 41), ("cello", 43)],
        *[("clarinet", 72), ("choir", 53), ("harp", 47), ("horn", 61), ("electric piano", 5), ("marimba", 13)],
    ],
)
def test_programs_by_the_words_that_people_use(word: str, program: int) -> None:
    assert parse_program(word) == program


def test_every_word_for_a_program_is_one_and_hides_no_name() -> None:
    names = {name.lower() for name in NAMES}
    for word, name in ALIASES.items():
        assert name in NAMES
        assert word not in names
        assert parse_program(word) == NAMES.index(name) + 1


def test_a_slip_of_the_pen_gets_the_nearest_programs() -> None:
    with pytest.raises(InputError, match=r"no program is called 'pianno'; nearest: piano"):
        parse_program("pianno")


@pytest.mark.parametrize("text", ["0", "129", "-1", "kazoo", "", "drum", "€"])
def test_programs_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="program"):
        parse_program(text)


def test_every_format_has_a_writer() -> None:
    pieces = [Piece("01", "t", TUNE), Piece("02", "s", SILENCE)]
    made = render(pieces, Writing(tempo=1000, formats=tuple(FORMATS)), Scale(0, "major"))
    assert [name.split(".")[1] for name in made.of[0]] == list(FORMATS.values())
    assert all(made.files[name] for names in made.of for name in names)


def test_no_tempo_is_left_out_of_midi_files_alone() -> None:
    kinds = {
        message.type
        for track in mido.MidiFile(file=io.BytesIO(midi_file([Voice("x", TUNE)], Writing(no_tempo=True)))).tracks
        for message in track
    }
    assert "set_tempo" not in kinds
    assert "time_signature" in kinds
    assert "Q:" in render([Piece("01", "t", TUNE)], Writing(no_tempo=True, formats=("abc",))).files["01.abc"].decode()


def test_names_that_are_none() -> None:
    with pytest.raises(InputError, match="--names is long or short"):
        Writing(names="both")  # type: ignore[arg-type]
