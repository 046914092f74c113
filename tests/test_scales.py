"""The modes of scales: Ableton's thirty-five against Live's own table, their signatures, and sets of notes."""

import io
import itertools
import re
from pathlib import Path

import mido
import pretty_midi
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mido.midifiles.meta import _key_signature_decode

from melodylc.constraints.request import Request
from melodylc.data import Melody, midi_bytes, to_pretty_midi
from melodylc.data.errors import InputError
from melodylc.data.keys import Scale, parse_scale, pitch_class
from melodylc.data.scales import MODES

# Names in the order of Live 12's Song.scale_name; steps from its remote script Launchkey_MK4/scale.py (the first
# thirty) and Messiaen's treatise (the last five).
LIVE: dict[str, tuple[int, ...]] = {
    "Major": (0, 2, 4, 5, 7, 9, 11),
    "Minor": (0, 2, 3, 5, 7, 8, 10),
    "Dorian": (0, 2, 3, 5, 7, 9, 10),
    "Mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "Lydian": (0, 2, 4, 6, 7, 9, 11),
    "Phrygian": (0, 1, 3, 5, 7, 8, 10),
    "Locrian": (0, 1, 3, 5, 6, 8, 10),
    "Whole Tone": (0, 2, 4, 6, 8, 10),
    "Half-whole Dim.": (0, 1, 3, 4, 6, 7, 9, 10),
    "Whole-half Dim.": (0, 2, 3, 5, 6, 8, 9, 11),
    "Minor Blues": (0, 3, 5, 6, 7, 10),
    "Minor Pentatonic": (0, 3, 5, 7, 10),
    "Major Pentatonic": (0, 2, 4, 7, 9),
    "Harmonic Minor": (0, 2, 3, 5, 7, 8, 11),
    "Harmonic Major": (0, 2, 4, 5, 7, 8, 11),
    "Dorian #4": (0, 2, 3, 6, 7, 9, 10),
    "Phrygian Dominant": (0, 1, 4, 5, 7, 8, 10),
    "Melodic Minor": (0, 2, 3, 5, 7, 9, 11),
    "Lydian Augmented": (0, 2, 4, 6, 8, 9, 11),
    "Lydian Dominant": (0, 2, 4, 6, 7, 9, 10),
    "Super Locrian": (0, 1, 3, 4, 6, 8, 10),
    "8-Tone Spanish": (0, 1, 3, 4, 5, 6, 8, 10),
    "Bhairav": (0, 1, 4, 5, 7, 8, 11),
    "Hungarian Minor": (0, 2, 3, 6, 7, 8, 11),
    "Hirajoshi": (0, 2, 3, 7, 8),
    "In-Sen": (0, 1, 5, 7, 10),
    "Iwato": (0, 1, 5, 6, 10),
    "Kumoi": (0, 2, 3, 7, 9),
    "Pelog Selisir": (0, 1, 3, 7, 8),
    "Pelog Tembung": (0, 1, 5, 7, 8),
    "Messiaen 3": (0, 2, 3, 4, 6, 7, 8, 10, 11),
    "Messiaen 4": (0, 1, 2, 5, 6, 7, 8, 11),
    "Messiaen 5": (0, 1, 5, 6, 7, 11),
    "Messiaen 6": (0, 2, 4, 5, 6, 8, 10, 11),
    "Messiaen 7": (0, 1, 2, 3, 5, 6, 7, 8, 9, 11),
}
ROOTS = [letter + sign for letter, sign in itertools.product("CDEFGAB", ("", "#", "b"))]
FIFTHS = {name: sharps for (sharps, _), name in _key_signature_decode.items()}
TUNE = Melody.from_notes([(60, 0, 4)])
DOCUMENT = Path(__file__).parent.parent / "docs" / "scales.md"
every_mode = pytest.mark.parametrize("mode", MODES)


@pytest.mark.parametrize("name", LIVE)
def test_live_s_names_on_every_root_in_every_spelling(name: str) -> None:
    for root in ROOTS:
        tonic = pitch_class(root)
        expected = {(tonic + step) % 12 for step in LIVE[name]}
        for typed in (f"{root} {name}", f"{root}-{name}".lower(), f"{root}_{name}".replace(" ", "_"), f"{root}{name}"):
            scale = parse_scale(typed)
            assert scale.tonic == tonic, typed
            assert scale.pitch_classes == expected, typed


def test_there_are_thirty_five_and_no_more() -> None:
    assert len(LIVE) == len(MODES) == 35
    assert {mode.steps for mode in MODES.values()} == set(LIVE.values())


@every_mode
def test_names_and_slugs_lead_back(mode: str) -> None:
    for tonic in range(12):
        scale = Scale(tonic, mode)
        for text in (scale.name, scale.slug, scale.name.upper(), scale.slug.replace("-", "")):
            assert parse_scale(text) == scale
        assert not re.search(r"[\s/\\]", scale.slug)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Eb_minor_pentatonic", "Eb minor pentatonic"),
        ("c harmonic minor", "C harmonic minor"),
        ("g mixolydian", "G mixolydian"),
        ("D Hungarian minor", "D Hungarian minor"),
        ("d dorian scale", "D dorian"),
        ("Messiaen", ""),
        ("e messiaen mode 3", "E Messiaen 3"),
        ("Ador", "A dorian"),  # as ABC files have it
        ("Gmix", "G mixolydian"),
        ("c blues", "C minor blues"),
        ("a pentatonic", "A major pentatonic"),
        ("f sharp lydian", "F# lydian"),
        ("d dorian sharp 4", "D dorian #4"),
        ("d dorian ♯4", "D dorian #4"),
        ("F Lydian b7", "F lydian dominant"),
        # a b after the root is a flat unless the mode begins with it
        ("b blues", "B minor blues"),
        ("bb blues", "Bb minor blues"),
        ("e blues", "E minor blues"),
        ("eb blues", "Eb minor blues"),
        ("a bhairav", "A Bhairav"),
        ("ab bhairav", "Ab Bhairav"),
        ("bbhairav", "B Bhairav"),
        ("b dorian", "B dorian"),
        ("bbdorian", "Bb dorian"),
        # roots that keys on their third aren't written with
        ("g# mixolydian", "Ab mixolydian"),
        ("gb dorian", "F# dorian"),
        ("g# dorian", "G# dorian"),
        ("ab dorian", "Ab dorian"),
    ],
)
def test_what_people_type(text: str, name: str) -> None:
    if not name:
        with pytest.raises(InputError, match="unknown scale"):
            parse_scale(text)
    else:
        assert parse_scale(text).name == name


# ------------------------------------------------------------------------------------ signatures

CHURCH = {"minor": 9, "dorian": 2, "phrygian": 4, "lydian": 5, "mixolydian": 7, "locrian": 11}


@pytest.mark.parametrize("mode", CHURCH)
@pytest.mark.parametrize("root", ROOTS)
def test_modes_of_the_major_scale_have_its_signature(mode: str, root: str) -> None:
    """The white keys from a root on have no accidentals; each transposition adds the same as to C major."""
    scale = parse_scale(f"{root} {mode}")
    assert scale.tonic is not None
    assert scale.key_signature is not None
    major = Scale((scale.tonic - CHURCH[mode]) % 12, "major")
    assert scale.pitch_classes == major.pitch_classes
    assert (FIFTHS[scale.key_signature] - FIFTHS[str(major.key_signature)]) % 12 == 0


@pytest.mark.parametrize(
    ("mode", "degrees", "raised"),
    [
        ("harmonic minor", 1, (11,)),
        ("dorian #4", 4, (11,)),
        ("phrygian dominant", 5, (11,)),
        ("melodic minor", 1, (9, 11)),
        ("lydian augmented", 3, (9, 11)),
        ("lydian dominant", 4, (9, 11)),
        ("super locrian", 7, (9, 11)),
    ],
)
@pytest.mark.parametrize("tonic", range(12))
def test_modes_of_altered_minor_scales_have_the_minor_s_signature(
    mode: str, degrees: int, raised: tuple[int, ...], tonic: int
) -> None:
    """Raise the sixth or seventh of the parent, count up to the degree: there the mode begins."""
    scale = Scale(tonic, mode)
    parent = scale.parent
    assert parent is not None
    assert parent.tonic is not None
    natural = [step for step in (0, 2, 3, 5, 7, 8, 10) if step + 1 not in raised]
    altered = sorted({*natural, *raised})
    assert parent.mode == "minor"
    assert {(parent.tonic + step) % 12 for step in altered} == scale.pitch_classes
    assert (parent.tonic + altered[degrees - 1]) % 12 == tonic


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        ("d dorian", "C"),
        ("eb dorian", "Db"),
        ("ab dorian", "Gb"),
        ("g# dorian", "F#"),
        ("d# dorian", "C#"),
        ("a# dorian", "Ab"),  # G# major has eight sharps
        ("d# phrygian", "B"),
        ("a# locrian", "B"),
        ("f# lydian", "C#"),
        ("cb lydian", "Gb"),
        ("c# lydian", "Ab"),
        ("a harmonic minor", "Am"),
        ("e phrygian dominant", "Am"),
        ("d dorian #4", "Am"),
        ("b super locrian", "Cm"),
        ("f lydian dominant", "Cm"),
        ("c lydian augmented", "Am"),
        ("d hungarian minor", "Dm"),
        ("c harmonic major", "C"),
        ("eb minor pentatonic", "Ebm"),
        ("gb major pentatonic", "Gb"),
        ("a blues", "Am"),
        ("c whole tone", None),
        ("c half-whole dim.", None),
        ("c whole-half dim.", None),
        ("c bhairav", None),
        ("c hirajoshi", None),
        ("c messiaen 3", None),
        ("c,d,e", None),
        ("0,2,4,5,7,9,11 tonic c", None),
    ],
)
def test_signatures_by_hand(text: str, signature: str | None) -> None:
    scale = parse_scale(text)
    assert scale.key_signature == signature
    assert (scale.parent is None) == (signature is None)


@every_mode
def test_files_have_the_signature_or_none(mode: str) -> None:
    for tonic in range(12):
        scale = Scale(tonic, mode)
        midi = mido.MidiFile(file=io.BytesIO(midi_bytes(TUNE, scale=scale)))
        written = [message.key for message in midi.tracks[0] if message.type == "key_signature"]
        assert written == [key for key in [scale.key_signature] if key is not None]
        converted = to_pretty_midi(TUNE, scale=scale).key_signature_changes
        read = pretty_midi.PrettyMIDI(io.BytesIO(midi_bytes(TUNE, scale=scale))).key_signature_changes
        assert [change.key_number for change in converted] == [change.key_number for change in read]


@pytest.mark.parametrize("text", ["d dorian", "c whole tone", "c,d"])
def test_only_major_and_minor_have_relatives(text: str) -> None:
    with pytest.raises(InputError, match="no relative"):
        _ = parse_scale(text).relative


# ------------------------------------------------------------------------------------ the ending


@every_mode
def test_the_tonic_tells_what_the_notes_leave_open(mode: str) -> None:
    """Of all scales with the same notes, those of one mode need no tonic, and it is the first in the table."""
    for tonic in range(12):
        scale = Scale(tonic, mode)
        same = [Scale(root, name) for name in MODES for root in range(12)]
        same = [other for other in same if other.pitch_classes == scale.pitch_classes]
        assert {other.mode for other in same if not other.told_by_tonic} == {same[0].mode}


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("c", False),
        ("am", True),
        ("d dorian", True),
        ("b locrian", True),
        ("a harmonic minor", False),
        ("a melodic minor", False),
        ("e phrygian dominant", True),
        ("c major pentatonic", False),
        ("a minor pentatonic", True),
        ("a blues", False),
        ("c whole tone", False),
        ("0,2,4,7,9", False),
        ("0,2,4,7,9 tonic 9", True),
    ],
)
def test_where_a_melody_ends_on_the_tonic_unless_told(text: str, ends: bool) -> None:
    scale = parse_scale(text)
    rule = Request(scales=(scale,), varied=False).rule
    assert rule is not None
    assert rule.names[1:] == ((f"tonic({scale.tonic})",) if ends else ())


def test_an_ending_on_no_tonic_is_refused() -> None:
    scale = parse_scale("0,2,4,7,9")
    rule = Request(scales=(scale,), end_on_tonic=False).rule
    assert rule is not None
    assert not any(name.startswith("tonic") for name in rule.names)
    with pytest.raises(
        InputError, match="C,D,E,G,A has no tonic to end on: name one, as in --scale 'C,D,E,G,A tonic C'"
    ):
        Request(scales=(scale,), end_on_tonic=True)


# ---------------------------------------------------------------------------------- sets of notes


@given(st.sets(st.integers(0, 11), min_size=2), st.booleans(), st.data())
def test_any_set_of_notes_leads_back(notes: set[int], named: bool, data: st.DataObject) -> None:
    tonic = data.draw(st.sampled_from(sorted(notes))) if named else None
    scale = Scale(tonic, "notes", notes=frozenset(notes))
    assert scale.pitch_classes == notes
    assert scale.key_signature is None
    for text in (scale.name, scale.slug, scale.slug.replace("-", " "), scale.name.lower().replace(",", " + ")):
        assert parse_scale(text) == scale


@pytest.mark.parametrize(
    ("text", "notes", "tonic"),
    [
        ("0,2,4,7,9", {0, 2, 4, 7, 9}, None),
        ("9, 7, 4, 2, 0", {0, 2, 4, 7, 9}, None),
        ("0 2 4 7 9", {0, 2, 4, 7, 9}, None),
        ("0-2-4", {0, 2, 4}, None),
        ("0+2+4", {0, 2, 4}, None),
        ("c,d,e,g,a", {0, 2, 4, 7, 9}, None),
        ("C, Eb, F#, Bb", {0, 3, 6, 10}, None),
        ("a,b", {9, 11}, None),
        ("b,bb", {10, 11}, None),
        ("c, e flat, g", {0, 3, 7}, None),
        ("c,e-flat,g♯", {0, 3, 8}, None),
        ("E#,Cb,B#", {5, 11, 0}, None),
        ("0,2,", {0, 2}, None),
        ("0,0,2", {0, 2}, None),
        ("c,d,e,g,a tonic d", {0, 2, 4, 7, 9}, 2),
        ("0-2-4-tonic-4", {0, 2, 4}, 4),
        ("0,3,7 tonic E flat", {0, 3, 7}, 3),
    ],
)
def test_notes_as_people_type_them(text: str, notes: set[int], tonic: int | None) -> None:
    assert parse_scale(text) == Scale(tonic, "notes", notes=frozenset(notes))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0,12", "'12' is no note"),
        ("-1,2", "'-1' is no note"),
        ("c,j", "'j' is no note"),
        ("c,,d", "'' is no note"),
        ("c,maj", "'maj' is no note"),
        ("0,1.5", "'1.5' is no note"),
        ("c,d tonic", "'' is no note"),
        ("c,d tonic x", "'x' is no note"),
        ("c,d tonic e", "tonic E isn't one"),
        ("0,0", "two of 0..11"),
        ("0,٣", "is no note"),
    ],
)
def test_notes_that_are_none_are_named(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        parse_scale(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 160


@pytest.mark.parametrize(
    ("tonic", "mode", "notes", "reason"),
    [
        (None, "notes", (), "got none"),
        (0, "major", (0, 2), "no other mode has any"),
        (None, "notes", (0, 12), "got 0, 12"),
        (1, "notes", (0, 2), "Db isn't one"),
    ],
)
def test_sets_of_notes_that_make_no_sense(tonic: int | None, mode: str, notes: tuple[int, ...], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Scale(tonic, mode, notes=frozenset(notes))


def test_the_document_lists_every_mode_as_it_is() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ([\d ]+) \| ([^|]*) \| (yes|no) \|", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    listed = {name.strip(): (steps.strip(), key.strip(), ends) for name, steps, key, ends in rows}
    assert listed == {
        mode.name: (
            " ".join(map(str, mode.steps)),
            Scale(0, mode.name).key_signature or "none",
            "yes" if Scale(0, mode.name).told_by_tonic else "no",
        )
        for mode in MODES.values()
    }
