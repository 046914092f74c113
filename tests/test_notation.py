"""MusicXML, ABC and JSON: music21 reads the same notes, meter, key, tempo and names; and how keys are spelled."""

import json
from functools import cache
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_midi import MELODIES, SILENCE, TUNE

from melodylc.data.alphabet import HOLD, STEPS, canonical
from melodylc.data.formats.abc_notation import abc
from melodylc.data.formats.musicxml import musicxml
from melodylc.data.formats.notation import bars, fifths, spell
from melodylc.data.formats.plain import melody_json
from melodylc.data.keys import Scale, parse_scale
from melodylc.data.melody import Melody
from melodylc.data.scales import MODES
from melodylc.data.writing import Writing

KEYS = ["cmaj", "am", "c# major", "abm", "eb dorian", "f# harmonic minor", "c whole tone", "0,2,4,7,9"]
# music21 takes the lowest octave's number in ABC, -1, for a flat.
LOWEST = {"musicxml": 0, "abc": 14}
EVERYWHERE = Melody.from_notes([(pitch, 2 * pitch, 2 * pitch + 1 + pitch % 2) for pitch in range(128)])


@cache
def music21() -> Any:
    return pytest.importorskip("music21", reason="music21 isn't installed: pip install -e '.[oracles]'")


def heard(text: str, kind: str) -> tuple[Any, list[tuple[int, float, float]]]:
    """A score as music21 has it, and its notes: pitch, start and length in sixteenths, ties joined."""
    score = music21().converter.parseData(text, format=kind)
    notes = score.stripTies().flatten().notes
    return score, [(it.pitch.midi, 4 * float(it.offset), 4 * float(it.quarterLength)) for it in notes]


WRITERS = {"musicxml": musicxml, "abc": abc}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("text", [None, *KEYS])
def test_music21_reads_what_was_written(kind: str, text: str | None) -> None:
    scale = parse_scale(text) if text else None
    for melody in (_from(LOWEST[kind], EVERYWHERE), TUNE):
        score, notes = heard(WRITERS[kind](melody, Writing(tempo=92.5), scale, "Dämmerung & <Nacht>"), kind)
        assert notes == [(note.pitch, note.start, note.end - note.start) for note in melody.notes]
        assert score.highestTime == 64
        flat = score.flatten()
        assert [it.number for it in flat.getElementsByClass("MetronomeMark")] == [92.5]
        assert {it.ratioString for it in flat.getElementsByClass("TimeSignature")} == {"4/4"}
        assert score.metadata.title == "Dämmerung & <Nacht>"
        signs = [it.sharps for it in flat.getElementsByClass("KeySignature")]
        assert (signs or [0]) == [fifths(scale) or 0]
        measures = score.parts[0].getElementsByClass("Measure") if kind == "musicxml" else []
        assert all(measure.barDuration.quarterLength == measure.highestTime == 4 for measure in measures)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("seed", range(3))
def test_music21_reads_any_melody_in_any_key(kind: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    events = np.where(random.random(STEPS) < 0.4, random.integers(LOWEST[kind], 128, STEPS), HOLD + seed % 2)
    melody = Melody(canonical(events)[0])
    scale = Scale(int(random.integers(12)), sorted(MODES)[int(random.integers(len(MODES)))])
    expected = [(note.pitch, note.start, note.end - note.start) for note in melody.notes]
    assert heard(WRITERS[kind](melody, Writing(), scale), kind)[1] == expected


def _from(lowest: int, melody: Melody) -> Melody:
    return Melody.from_notes(note for note in melody.notes if note.pitch >= lowest)


def test_music21_reads_the_instrument() -> None:
    score, _ = heard(musicxml(TUNE, Writing(program=74, channel=3), None), "musicxml")
    (instrument,) = score.flatten().getElementsByClass("Instrument")
    assert (instrument.midiProgram, instrument.midiChannel, instrument.instrumentName) == (73, 2, "Flute")
    assert "%%MIDI program 73\n" in abc(TUNE, Writing(program=74), None)


@given(MELODIES)
def test_bars_are_full_and_ties_lead_from_note_to_note(melody: Melody) -> None:
    written = bars(melody)
    assert [sum(it.length for it in bar) for bar in written] == [16] * 16
    joined: list[list[int]] = []
    now = 0
    for it in (it for bar in written for it in bar):
        if it.pitch is None:
            assert not it.tied_before
            assert not it.tied_after
        elif it.tied_before:
            assert joined[-1][0] == it.pitch
            assert joined[-1][2] == now
            joined[-1][2] += it.length
        else:
            joined.append([it.pitch, now, now + it.length])
        now += it.length
    assert [tuple(row) for row in joined] == list(melody.notes)


@given(st.integers(0, 127), st.integers(-7, 7))
def test_a_spelling_sounds_like_its_pitch(pitch: int, key: int) -> None:
    note = spell(pitch, key)
    naturals = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
    assert 12 * (note.octave + 1) + naturals[note.letter] + note.alter == pitch
    assert abs(note.alter) <= 2


@pytest.mark.parametrize(
    ("scale", "letters"),
    [
        ("cmaj", "C D E F G A B"),
        ("f#maj", "F# G# A# B C# D# E#"),
        ("gb major", "Gb Ab Bb Cb Db Eb F"),
        ("a harmonic minor", "A B C D E F G#"),
        ("c harmonic minor", "C D Eb F G Ab B"),
        ("e phrygian dominant", "E F G# A B C D"),
        ("eb dorian", "Eb F Gb Ab Bb C Db"),
    ],
)
def test_scales_are_spelled_as_in_books(scale: str, letters: str) -> None:
    key = parse_scale(scale)
    signs = {-2: "bb", -1: "b", 0: "", 1: "#", 2: "##"}
    steps = MODES[key.mode].steps
    found = [spell(60 + (key.tonic or 0) + step, fifths(key) or 0) for step in steps]
    assert " ".join(it.letter + signs[it.alter] for it in found) == letters


@pytest.mark.parametrize("scale", [None, *KEYS])
def test_signatures_are_those_of_the_midi_files(scale: str | None) -> None:
    key = parse_scale(scale) if scale else None
    score = ElementTree.fromstring(musicxml(TUNE, Writing(), key).split("\n", 2)[2])
    found = score.find(".//key/fifths")
    assert (None if found is None else int(found.text or "")) == fifths(key)
    line = next(line for line in abc(TUNE, Writing(), key).splitlines() if line.startswith("K:"))
    assert line == f"K:{(key and key.key_signature) or 'none'}"


def test_low_melodies_get_a_low_clef() -> None:
    for pitch, sign in ((40, "F"), (80, "G")):
        score = ElementTree.fromstring(musicxml(Melody.from_notes([(pitch, 0, 4)]), Writing()).split("\n", 2)[2])
        assert score.findtext(".//clef/sign") == sign


def test_titles_can_not_break_out() -> None:
    nasty = "a\nK:D\r\n%%x</work-title>\0"
    assert [line for line in abc(TUNE, Writing(), None, nasty).splitlines() if line.startswith("K:")] == ["K:none"]
    score = ElementTree.fromstring(musicxml(TUNE, Writing(), None, nasty).split("\n", 2)[2])
    assert score.findtext("work/work-title") == "a K:D  %%x</work-title>"


@settings(max_examples=10)
@given(MELODIES)
def test_json_is_the_melody(melody: Melody) -> None:
    found = json.loads(melody_json(melody, Writing(tempo=92), parse_scale("bbm"), "x"))
    assert Melody(found["events"]) == Melody.from_notes(map(tuple, found["notes"])) == melody
    assert (found["tempo"], found["scale"], found["key_signature"]) == (92, "Bb minor", "Bbm")


def test_silence_is_written_too() -> None:
    assert heard(musicxml(SILENCE, Writing()), "musicxml")[1] == []
    assert abc(SILENCE, Writing()).count("z16") == 16
