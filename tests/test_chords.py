"""Chords: what people type, the reward, the request, and how they stand in files."""

import io
import json
import shlex
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import mido
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melodylc.constraints.request import Request
from melodylc.constraints.transposable import check_transposed, transposed_rule
from melodylc.data import InputError, Melody
from melodylc.data.alphabet import HOLD, REST, STEPS, canonical
from melodylc.data.arrays import Mask
from melodylc.data.chords import Chord, Progression, parse_chord, parse_progression
from melodylc.data.formats.abc_notation import abc
from melodylc.data.formats.midi_file import Voice, midi_file
from melodylc.data.formats.musicxml import musicxml
from melodylc.data.formats.plain import melody_json
from melodylc.data.formats.render import Piece, render
from melodylc.data.formats.roll import Panel, drawing, svg, text_lines
from melodylc.data.keys import parse_scale
from melodylc.data.source import extract_melody
from melodylc.data.writing import Writing
from melodylc.rewards import Reward, chords, density, parse_reward, pitch_classes
from melodylc.rewards.bars import by_bar
from melodylc.service.api import make_request
from melodylc.service.edit_order import EditOrder
from melodylc.service.order import Order

# Pitch classes, from the textbook, by hand.
SPELLINGS = {
    ("C", "Cmaj", "CM", "Cmajor", "c", "CMAJ"): {0, 4, 7},
    ("Cm", "C-", "Cmin", "Cmi", "Cminor", "cm"): {0, 3, 7},
    ("C7", "Cdom7"): {0, 4, 7, 10},
    ("Cmaj7", "CM7", "CΔ", "CΔ7", "C^7", "Cma7", "Cj7", "CMaj7", "C△"): {0, 4, 7, 11},
    ("Cm7", "C-7", "Cmin7", "Cmi7"): {0, 3, 7, 10},
    ("CmMaj7", "CmM7", "Cm(maj7)", "C-Δ7", "Cminmaj7", "C-Δ"): {0, 3, 7, 11},
    ("Cm7b5", "Cø", "Cø7", "C-7b5", "Cm7(b5)", "Cm7♭5", "CØ", "Cmin7-5"): {0, 3, 6, 10},
    ("Cdim", "C°", "Co"): {0, 3, 6},
    ("Cdim7", "C°7", "Co7"): {0, 3, 6, 9},
    ("Caug", "C+"): {0, 4, 8},
    ("C+7", "Caug7", "C7#5", "C7+5", "C7+", "C7(#5)"): {0, 4, 8, 10},
    ("Csus4", "Csus", "C4"): {0, 5, 7},
    ("Csus2",): {0, 2, 7},
    ("C7sus4", "C7sus", "Csus7"): {0, 5, 7, 10},
    ("Cadd9", "C(add9)", "Cadd2", "C2"): {0, 2, 4, 7},
    ("Cmadd9", "Cm(add9)"): {0, 2, 3, 7},
    ("C6",): {0, 4, 7, 9},
    ("Cm6", "C-6"): {0, 3, 7, 9},
    ("C6/9", "C69", "C6add9"): {0, 2, 4, 7, 9},
    ("C9",): {0, 2, 4, 7, 10},
    ("Cmaj9", "CM9", "CΔ9"): {0, 2, 4, 7, 11},
    ("Cm9", "C-9"): {0, 2, 3, 7, 10},
    ("C11",): {0, 2, 4, 5, 7, 10},
    ("C13",): {0, 2, 4, 7, 9, 10},
    ("C9sus4",): {0, 2, 5, 7, 10},
    ("C7b9", "C7(b9)", "C7-9", "C7♭9"): {0, 1, 4, 7, 10},
    ("C7#9", "C7+9"): {0, 3, 4, 7, 10},
    ("C13b9",): {0, 1, 4, 7, 9, 10},
    ("Cmaj7#11", "CΔ#11", "CM7(#11)"): {0, 4, 6, 7, 11},
    ("C7b9b13", "C7(b9,b13)"): {0, 1, 4, 7, 8, 10},
    ("C7alt", "Calt"): {0, 1, 3, 4, 6, 8, 10},
    ("C5",): {0, 7},
    ("Cmajb5", "C(b5)"): {0, 4, 6},
    ("Cno3",): {0, 7},
    ("C/E",): {0, 4, 7},
    ("C/D", "C/d"): {0, 2, 4, 7},
    ("Am7/G", "A-7/G"): {0, 4, 7, 9},
    ("F#m7b5", "f♯ø"): {6, 9, 0, 4},
    ("Ebmaj7", "E♭Δ", "ebM7"): {3, 7, 10, 2},
    ("Bb", "bb", "B♭"): {10, 2, 5},
    ("Cb",): {11, 3, 6},
    ("N.C.", "NC", "n.c.", "N.C"): set(),
}
QUALITIES = ("", "m", "7", "maj7", "m7b5", "dim7", "aug", "sus2", "sus4", "7sus4", "69", "add9", "13", "7alt", "mMaj7")


Cli = Callable[..., Any]


def melody(*notes: tuple[int, int, int]) -> Melody:
    return Melody.from_notes(notes)


@pytest.mark.parametrize(
    ("text", "classes"), [(text, classes) for texts, classes in SPELLINGS.items() for text in texts]
)
def test_a_spelling_has_the_pitch_classes_of_the_textbook(text: str, classes: set[int]) -> None:
    assert parse_chord(text).pitch_classes == classes


@pytest.mark.parametrize("texts", SPELLINGS)
def test_spellings_of_one_chord_are_one_value_which_its_name_reads_back(texts: tuple[str, ...]) -> None:
    found = {parse_chord(text) for text in texts if text not in ("C7#5", "C7+5", "C7+", "C7(#5)")}
    assert len(found) == 1
    (chord,) = found
    assert parse_chord(chord.name) == chord
    assert hash(parse_chord(chord.name)) == hash(chord)


@pytest.mark.parametrize(("root", "quality"), list(product(("C", "F#", "Bb", "Eb"), QUALITIES)))
def test_transposing_moves_every_pitch_class(root: str, quality: str) -> None:
    chord = Chord(root, quality, "A")
    for semitones in (-5, 0, 1, 12, 14):
        moved = chord.transposed(semitones)
        assert moved.pitch_classes == {(note + semitones) % 12 for note in chord.pitch_classes}
        assert moved.quality == chord.quality
        assert {pitch % 12 for pitch in moved.voicing()} == moved.pitch_classes


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_voicing_is_close_and_has_the_bass_below(quality: str) -> None:
    for root in ("C", "G", "F#", "B"):
        pitches = Chord(root, quality, "E").voicing()
        assert pitches[0] % 12 == 4
        assert pitches[-1] - pitches[0] < 12
        assert 43 <= pitches[0] <= 54
        assert list(pitches) == sorted(set(pitches))


NUMERALS = {
    ("I vi IV V", "gmaj"): "G | Em | C | D",
    ("i VI III VII", "amin"): "Am | F | C | G",
    ("i bVII bVI V7", "amin"): "Am | G | F | E7",
    ("ii7 V7 IΔ", "bbmaj"): "Cm7 | F7 | Bbmaj7",
    ("vii° viiø7 iii6 I6", "cmaj"): "Bdim | Bm7b5 | Em6 | C6",
    ("I V7/V V V7/ii", "cmaj"): "C | D7 | G | A7",
    ("I/E bIII #ivdim7 iv", "cmaj"): "C/E | Eb | F#dim7 | Fm",
    ("I+ Isus4 v", "ebmaj"): "Ebaug | Ebsus4 | Bbm",
    ("i IV", "d dorian"): "Dm | G",
    ("I IV bVII", "c pentatonic"): "C | F | Bb",
}


@pytest.mark.parametrize(("typed", "names"), NUMERALS.items())
def test_numerals_count_in_a_key(typed: tuple[str, str], names: str) -> None:
    scale = "c major pentatonic" if typed[1] == "c pentatonic" else typed[1]
    assert parse_progression(typed[0], parse_scale(scale)).name == names


PROGRESSIONS = {
    "C | Am | F | G7": "C | Am | F | G7",
    "C|Am|F|G7": "C | Am | F | G7",
    "| C | Am || F | G7 |]": "C | Am | F | G7",
    "C, Am, F, G7": "C | Am | F | G7",
    "C Am F G7": "C | Am | F | G7",
    "C Am |": "C Am |",
    "C . Am F | G / / C": "C . Am F | G . . C",
    "C C | Am Am Am Am": "C | Am",
    "C | % | % | G": "C | C | C | G",
    "|: C | Am :| F | G": "C | Am | C | Am | F | G",
    "|: C :||: F G :|": "C | C | F G | F G",
    "C | Am | C | Am": "C | Am",
    "C | C | C | C | C": "C",
    "C7(b9,#11) | F": "C7b9#11 | F",
}


@pytest.mark.parametrize(("text", "name"), PROGRESSIONS.items())
def test_a_progression_has_one_spelling_that_reads_back(text: str, name: str) -> None:
    progression = parse_progression(text)
    assert progression.name == name
    assert parse_progression(progression.name) == progression


def test_steps_and_spans_say_which_chord_is_where() -> None:
    progression = parse_progression("C . F G | Am | N.C.")
    names = [progression.chords[index].name for index in progression.steps]
    bar = ["C"] * 8 + ["F"] * 4 + ["G"] * 4
    assert names == (bar + ["Am"] * 16 + ["N.C."] * 16) * 5 + bar
    assert [(it.chord.name, it.start, it.end) for it in progression.spans][:5] == [
        ("C", 0, 8),
        ("F", 8, 12),
        ("G", 12, 16),
        ("Am", 16, 32),
        ("N.C.", 32, 48),
    ]
    assert progression.spans[-1].end == STEPS
    assert progression.bar(4).name == progression.bar(1).name == "Am"
    assert progression.allowed[0].nonzero()[0].tolist() == [0, 4, 7]
    assert progression.allowed[40].all()


REFUSED = {
    "C | Am | Xm | G": "bar 3, chord 1: can't read the chord 'Xm'; nearest: ",
    "C | Am Cmja7": "bar 2, chord 2: can't read the chord 'Cmja7'; nearest: Cmaj7.",
    "H7": "nearest: B7.",
    "C | Gsuss4": "nearest: Gsus4.",
    "C/X": "can't read the chord 'C/X'; nearest: C",
    "C | | G": "bar 2 of the chords is empty: write % for the bar before again, or N.C. for none",
    "": "no chords: write bars with | between",
    " | ": "no chords: write bars with | between",
    "%": "% repeats the bar before, alone in its bar: there is none at bar 1, chord 1",
    "C % | G": "% repeats the bar before, alone in its bar: there is none at bar 1, chord 2",
    ". C | G": ". repeats the chord before, in its bar: there is none at bar 1, chord 1",
    "C F G | C": "bar 1 of the chords has 3, and 1, 2, 4, 8 or 16 share a bar equally: write .",
    "I vi IV": "I is a numeral, which names a chord of a key: give a scale that has a tonic",
    "|".join(["C"] * 17): "17 bars of chords are too many: a melody has 16",
    "Cmaj7maj7": "can't read the chord",
    "C5sus7b": "can't read the chord",
    "C" * 500: "can't read the chord 'CCCCCCCCCCCCCCCCCCCCCCCCCCCCCC...'",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items())
def test_what_cannot_be_read_is_said_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse_progression(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.sampled_from([*"CDbgHI#♭m79°øΔ/(,|.% :[]vV-+13", "maj", "sus", "add", "dim", "alt", "no", "|:"]), max_size=9
    ),
    st.sampled_from([None, "cmaj", "f#m", "gb", "c whole tone", "0,2,4", "0,2,4 tonic 2"]),
)
def test_whatever_is_typed_has_a_name_that_reads_back_or_is_refused(parts: list[str], key: str | None) -> None:
    try:
        found = parse_progression("".join(parts), None if key is None else parse_scale(key))
    except InputError:
        return  # in one line, as those above
    assert parse_progression(found.name) == found
    assert parse_progression(found.transposed(5).name) == found.transposed(5)


def test_a_chord_of_parts_that_are_none_is_refused() -> None:
    for parts in (("H",), ("C", "xyz"), ("C", "", "Q"), ("", "m")):
        with pytest.raises(InputError):
            Chord(*parts)
    with pytest.raises(InputError, match="1 to 16 bars"):
        Progression(())


# -- the reward ------------------------------------------------------------------------------------

FOUR = "C | Am | F | G7"
ROOTS = melody(*((pitch, 16 * bar, 16 * bar + 12) for bar, pitch in enumerate([60, 69, 65, 67] * 4)))


def plainly(progression: Progression, least: float, tune: Melody) -> bool:
    """What the reward's 1 means, note by note."""
    sounding = fitting = 0
    for pitch, start, end in tune.notes:
        for step in range(start, end):
            chord = progression.chords[progression.steps[step]]
            fits = not chord.root or pitch % 12 in chord.pitch_classes
            if step % 16 in (0, 8) and not fits:
                return False
            sounding, fitting = sounding + 1, fitting + fits
    return sounding > 0 and fitting / sounding >= least


def test_one_melody_has_all_and_one_has_nothing() -> None:
    rule = chords(FOUR)
    assert rule(ROOTS) == 1
    assert rule(ROOTS.transposed(1)) == 0
    assert rule(melody()) == 0


def test_passing_notes_between_strong_beats_are_allowed() -> None:
    passing = melody(*(note for bar in range(16) for note in _passing(16 * bar)))
    assert chords("C")(passing) == 1
    assert chords("C", least=0.9)(passing) == pytest.approx(0.75 / 0.9)


def _passing(start: int) -> list[tuple[int, int, int]]:
    """C, D passing, E, F neighbouring, E: 12 of 16 sixteenths are of C major."""
    lengths = ((60, 0, 4), (62, 4, 6), (64, 6, 10), (65, 10, 12), (64, 12, 16))
    return [(pitch, start + one, start + other) for pitch, one, other in lengths]


def test_a_note_held_into_another_chord_is_judged_by_that() -> None:
    held = melody((60, 0, 32))
    assert chords("C | Am")(held) == 1
    assert chords("C | G")(held) == pytest.approx(0.5 * 0.5 / 0.7)


def test_between_and_without_chords() -> None:
    off = melody((60, 4, 8))
    assert chords("C")(off) == 1  # nothing sounds on a strong beat
    assert chords("D")(off) == 0
    assert chords("N.C.")(melody((61, 0, 64))) == 1
    assert chords("C", least=0)(melody((60, 0, 1), (61, 1, 8))) == 1


def test_it_is_one_exactly_where_its_definition_holds() -> None:
    generator = np.random.default_rng(5)
    rule = chords("C . F G | Am | N.C. | Dm7/C", least=0.5)
    events = generator.choice([60, 62, 64, 65, 67, 69, HOLD, HOLD, HOLD, REST], (400, STEPS))
    events[:200] = np.where(begins_on_a_chord_tone(rule.progression, events[:200]), events[:200], REST)
    rows, _ = canonical(events)
    values = rule.batch(rows)
    assert ((values >= 0) & (values <= 1)).all()
    expected = [plainly(rule.progression, 0.5, tune) for tune in Melody.unstack(rows)]
    assert (values == 1).tolist() == expected
    assert 50 < sum(expected) < 400
    assert [rule(tune) for tune in Melody.unstack(rows[:20])] == values[:20].tolist()


def begins_on_a_chord_tone(progression: Progression, events: npt.NDArray[np.int64]) -> Mask:
    """Where an event is a chord tone that begins, or a rest: nothing is held."""
    fits: Mask = (events < 128) & progression.allowed[np.arange(STEPS), events % 12]
    return fits


def test_nearer_is_better() -> None:
    rule = chords(FOUR)
    wrong = [
        melody(*((note.pitch + (index < count), note.start, note.end) for index, note in enumerate(ROOTS.notes)))
        for count in range(17)
    ]
    values = [rule(tune) for tune in wrong]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == 17


def test_each_bar_is_judged_by_its_own_chords() -> None:
    tune = melody((60, 0, 16), (60, 16, 32), (60, 32, 48), (60, 48, 64))
    for rule in (chords("C | Am | G | F"), chords("C | Am | G | F") & density(1)):
        _, bars = by_bar([rule], tune)
        assert bars[:5, 0].tolist()[:4] == [1, 1, 0, 1]
        assert np.isnan(bars[4, 0])


TEXTS = {
    "chords,progression=C|Am|F|G7": "chords(C | Am | F | G7)",
    'chords,progression="C7(b9) | Am"': "chords(C7b9 | Am)",
    "chords,progression=C,Am,F,G7,least=0.5": "chords(C | Am | F | G7, least=0.5)",
    "chords,progression=I vi | IV V,key=gmaj": "chords(G Em | C D)",
    "chords,progression=C | % | G . . C7 | density,least=64": "(chords(C | C | G . . C7) | density(64..))",
    "(chords,progression=C | Am) & density,least=64": "(chords(C | Am) & density(64..))",
    "0.5*chords,progression=C|Am,at_least=0.9": "0.5*at_least(0.9, chords(C | Am))",
}


@pytest.mark.parametrize(("text", "name"), TEXTS.items())
def test_it_can_be_typed(text: str, name: str) -> None:
    assert parse_reward(text).name == name


@pytest.mark.parametrize("text", ["chords", "chords,progression=C|Am,least=1.5", "chords,progression=Cx"])
def test_what_is_no_such_reward_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_reward(text)


# -- the request -----------------------------------------------------------------------------------


def test_a_request_reads_back_and_its_words_ask_the_same() -> None:
    request = make_request("gmaj", chords="I | vi . . iv | V7/B")
    assert Request.read(**request.to_dict()) == request
    order = Order(request, writing=Writing(with_chords=True))
    assert order.to_dict()["chords"] == "G | Em . . Cm | D7/B"
    assert order.folder_name.startswith("melodylc-gmaj-G-Em")
    assert order.command is not None
    assert "--chords 'G | Em . . Cm | D7/B'" in order.command
    assert "--with-chords" in order.command
    assert "/" not in order.folder_name
    assert request.rule is not None
    assert "chords(G | Em . . Cm | D7/B)" in request.rule.names


def test_a_chord_without_a_note_of_the_scale_is_refused() -> None:
    with pytest.raises(InputError, match="no note of the chord F# is in C major"):
        make_request("cmaj", chords="C | F#")
    with pytest.raises(InputError, match="no note of the chord F# is in C,E,G"):
        _ = Request.read(reward=["chords,progression=C|F#", "in_scale,scale=0+4+7"])
    assert make_request("cmaj", chords="C | Fm").rule is not None


def test_chords_are_transposed_with_the_rest() -> None:
    request = make_request("cmaj", chords=FOUR)
    assert request.rule is not None
    moved = transposed_rule(request.rule, 2)
    assert moved is not None
    assert "chords(D | Bm | G | A7)" in moved.names
    check_transposed(request, [ROOTS], 2)
    files = render(
        [Piece("01", "a", ROOTS)], Writing(formats=("abc",), transpose=2, with_chords=True), None, request.chords
    )
    assert '"Bm"' in files.files["01.abc"].decode()


def test_chords_in_files_need_chords() -> None:
    for order in (Order, lambda **rest: EditOrder("vary", **rest)):
        with pytest.raises(InputError, match="--with-chords writes the chords that are asked for: give --chords, too"):
            order(writing=Writing(with_chords=True))


# -- files -----------------------------------------------------------------------------------------


def sounding(track: mido.MidiTrack, ticks: int) -> dict[int, set[int]]:
    """The pitches that sound in each span of so many ticks."""
    now, on, found = 0, set[int](), dict[int, set[int]]()
    for message in track:
        for tick in range(now, now + message.time, ticks):
            found[tick // ticks] = set(on)
        now += message.time
        if message.type == "note_on":
            on.add(message.note)
        elif message.type == "note_off":
            on.discard(message.note)
    return found


@pytest.mark.parametrize("writing", [Writing(), Writing(ppq=96, repeat=2), Writing(type=0), Writing(channel=9)])
def test_the_chord_track_says_the_progression(writing: Writing) -> None:
    progression = parse_progression("C | Am . F G7 | N.C. | Dm7/C")
    content = midi_file([Voice("tune", ROOTS)], writing, None, chords=progression)
    midi = mido.MidiFile(file=io.BytesIO(content))
    channel = 10 if writing.channel == 9 else writing.channel
    track = [it for it in midi.tracks[-1] if it.is_meta or it.channel == channel]
    if writing.type:
        assert midi.tracks[-1].name == "chords"
        assert len(midi.tracks) == 3
        assert len(track) == len(midi.tracks[-1])
        found = sounding(midi.tracks[-1], writing.ppq // 4)
        for step in range(STEPS * writing.repeat):
            chord = progression.chords[progression.steps[step % STEPS]]
            assert found[step] == set(chord.voicing())
    markers, now = [], 0
    for message in midi.tracks[0]:
        now += message.time
        if message.type == "marker":
            markers.append((now * 4 // writing.ppq, message.text))
    once = [(it.start, it.chord.name) for it in progression.spans]
    assert markers == [(start + STEPS * n, name) for n in range(writing.repeat) for start, name in once]
    assert {sum(message.time for message in it) for it in midi.tracks} == {64 * writing.ppq * writing.repeat}


def test_a_file_with_chords_reads_back_as_its_melody(tmp_path: Path) -> None:
    file = tmp_path / "song.mid"
    file.write_bytes(midi_file([Voice("tune", ROOTS)], Writing(), None, chords=parse_progression(FOUR)))
    assert extract_melody(file).melody == ROOTS


@pytest.mark.parametrize("quality", sorted({parse_chord(text).quality for texts in SPELLINGS for text in texts}))
def test_musicxml_says_the_chord(quality: str) -> None:
    chord = Chord("Eb", quality, "F")
    score = Xml.fromstring(musicxml(ROOTS, Writing(), None, "a", Progression(((chord,),))).partition("?>")[2])
    harmonies = score.findall(".//harmony")
    assert len(harmonies) == 16
    one = harmonies[0]
    assert (one.findtext("root/root-step"), one.findtext("root/root-alter")) == ("E", "-1")
    assert one.findtext("bass/bass-step") == "F"
    # Read as the format defines it: the degrees of the kind, then those that are altered, added and subtracted.
    degrees = dict(KINDS[one.findtext("kind") or ""])
    scale = {1: 0, 2: 2, 3: 4, 4: 5, 5: 7, 6: 9, 7: 10, 9: 14, 11: 17, 13: 21}
    added = []
    for degree in one.findall("degree"):
        number, alter = int(degree.findtext("degree-value") or ""), int(degree.findtext("degree-alter") or "")
        match degree.findtext("degree-type"):
            case "alter":
                degrees[number] += alter
            case "subtract":
                del degrees[number]
            case _:
                added.append(scale[number] + alter)
    assert {(3 + it) % 12 for it in [*degrees.values(), *added]} | {5} == chord.pitch_classes


# From the definition of kind-value in MusicXML 4.0: semitones by degree.
_MAJOR, _MINOR = {1: 0, 3: 4, 5: 7}, {1: 0, 3: 3, 5: 7}
_DIMINISHED, _AUGMENTED = {1: 0, 3: 3, 5: 6}, {1: 0, 3: 4, 5: 8}
KINDS = {
    "major": _MAJOR,
    "minor": _MINOR,
    "augmented": _AUGMENTED,
    "diminished": _DIMINISHED,
    "dominant": _MAJOR | {7: 10},
    "major-seventh": _MAJOR | {7: 11},
    "minor-seventh": _MINOR | {7: 10},
    "diminished-seventh": _DIMINISHED | {7: 9},
    "augmented-seventh": _AUGMENTED | {7: 10},
    "half-diminished": _DIMINISHED | {7: 10},
    "major-minor": _MINOR | {7: 11},
    "major-sixth": _MAJOR | {6: 9},
    "minor-sixth": _MINOR | {6: 9},
    "dominant-ninth": _MAJOR | {7: 10, 9: 14},
    "major-ninth": _MAJOR | {7: 11, 9: 14},
    "minor-ninth": _MINOR | {7: 10, 9: 14},
    "dominant-11th": _MAJOR | {7: 10, 9: 14, 11: 17},
    "dominant-13th": _MAJOR | {7: 10, 9: 14, 11: 17, 13: 21},
    "suspended-second": {1: 0, 2: 2, 5: 7},
    "suspended-fourth": {1: 0, 4: 5, 5: 7},
    "power": {1: 0, 5: 7},
}


def test_abc_musicxml_and_json_have_every_chord_where_it_begins() -> None:
    progression = parse_progression("C . Am F | N.C. | G7/B")
    names = [it.chord.name for it in progression.spans]
    tune = melody((60, 0, 256))
    text = abc(tune, Writing(), None, "a", progression)
    assert text.split('"')[1::2] == names
    assert 'C8- "Am"C4- "F"C4-' in text
    score = Xml.fromstring(musicxml(tune, Writing(), None, "a", progression).partition("?>")[2])
    starts, now = [], 0
    for element in score.iter():
        if element.tag == "harmony":
            starts.append(now)
        elif element.tag == "duration":
            now += int(element.text or "")
    assert starts == [it.start for it in progression.spans]
    rows = json.loads(melody_json(tune, Writing(), chords=progression))["chords"]
    assert rows[:2] == [["C", [0, 4, 7], 0, 8], ["Am", [0, 4, 9], 8, 12]]


def test_without_chords_files_are_as_before() -> None:
    progression, pieces = parse_progression(FOUR), [Piece("01", "a", ROOTS)]
    writing = Writing(formats=("midi", "musicxml", "abc", "json"))
    assert render(pieces, writing, None, progression) == render(pieces, writing)


def test_rolls_have_names_above_and_other_notes_in_red() -> None:
    progression = parse_progression(FOUR)
    tune = melody((60, 0, 4), (62, 4, 8), (69, 16, 32))
    picture = drawing([Panel("a", tune), Panel("b", tune)], None, progression)
    assert [box.role for box in picture.boxes if box.role in ("note", "outside")] == ["note", "outside", "note"] * 2
    labels = [label.text for label in picture.labels]
    assert labels.count("Am") == 8
    tops = [box.y for box in picture.boxes if box.role == "bar"]
    assert all(label.y > 0 for label in picture.labels)
    assert min(tops) > min(label.y for label in picture.labels)
    assert svg([Panel("a", tune)], None, progression).count(">G7</text>") == 4
    first, second, *_ = text_lines(tune, None, bars=4, chords=progression)
    assert [text.split() for text, _ in second] == [["C", "Am", "F", "G7"]]
    assert second[0][0].index("Am") == first[0][0].index("2")


# -- the command line ------------------------------------------------------------------------------


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """The roots of C, Am, F and G, four times."""
    (tmp_path / "song.mid").write_bytes(midi_file([Voice("tune", ROOTS)], Writing()))
    return tmp_path / "song.mid"


def test_score_and_show_say_where_chords_hold(run_cli: Cli, song: Path) -> None:
    found = json.loads(run_cli("score", song, "--chords", "I | vi | IV | I", "--scale", "cmaj", "--json").out)
    name = "chords(C | Am | F | C)"
    assert [bar[name] for bar in found["bars"]] == [1] * 16  # G is a note of C, too
    assert found["whole"][name] == 1
    shown = run_cli("show", song, "--chords", "Dm | G").out
    assert "Dm" in shown
    assert "8 of 16 notes begin on a chord that they aren't of" in shown


@pytest.mark.parametrize("command", ["generate", "score", "transform", "vary", "show"])
def test_a_chord_that_cannot_be_read_ends_with_code_2(command: str, run_cli: Cli, song: Path) -> None:
    done = run_cli(command, *([] if command == "generate" else [song]), "--chords", "C | Am Gm7b6")
    assert done.code == 2
    assert "bar 2, chord 2: can't read the chord 'Gm7b6'; nearest: Gm7b5." in done.err


def test_the_command_in_the_manifest_writes_the_same_files_again(run_cli: Cli, song: Path, tmp_path: Path) -> None:
    asked = ["--chords", "I | vi . IV ii | % | V7/B", "--scale", "cmaj", "--with-chords", "--format", "midi,svg"]
    assert run_cli("transform", song, *asked, "--seed", 1, "--no-variety", "-o", tmp_path / "one").code == 0
    found = json.loads((tmp_path / "one" / "manifest.json").read_text())
    assert found["request"]["chords"] == "C | Am . F Dm | Am . F Dm | G7/B"
    assert found["files"][1]["rewards"]["chords(C | Am . F Dm | Am . F Dm | G7/B)"] == 1
    assert run_cli(*shlex.split(found["command"])[1:], "-o", tmp_path / "two").code == 0
    one, two = ({file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    assert mido.MidiFile(tmp_path / "two" / found["files"][0]["file"]).tracks[-1].name == "chords"


def test_every_reward_with_chords_is_a_reward() -> None:
    both = chords(FOUR) & pitch_classes([0, 2, 4, 5, 7, 9, 11])
    assert isinstance(both, Reward)
    assert both(ROOTS) == 1
