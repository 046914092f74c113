"""Scales, in the spellings people type. The modes beside major and minor: test_scales.py."""

import itertools

import pytest
from mido.midifiles.meta import _key_signature_decode

from melodylc.data.errors import InputError
from melodylc.data.keys import LETTERS, ROOTS, ModeName, Scale, parse_scale
from melodylc.data.scales import Kind

# Every root that can be spelled, with its pitch class.
SPELLED = {
    letter + sign: (pitch + step) % 12
    for (letter, pitch), (sign, step) in itertools.product(LETTERS.items(), {"": 0, "#": 1, "b": -1}.items())
}
MODES: tuple[Kind, ...] = ("major", "minor")
ALL = [Scale(tonic, mode) for mode in MODES for tonic in range(12)]
SIGNATURES = set(_key_signature_decode.values())

# Written out, so that nothing here is computed as in the module.
PITCH_CLASSES = {
    "C major": {0, 2, 4, 5, 7, 9, 11},
    "A minor": {9, 11, 0, 2, 4, 5, 7},
    "C minor": {0, 2, 3, 5, 7, 8, 10},
    "F# minor": {6, 8, 9, 11, 1, 2, 4},
    "Bb major": {10, 0, 2, 3, 5, 7, 9},
    "B major": {11, 1, 3, 4, 6, 8, 10},
    "Eb minor": {3, 5, 6, 8, 10, 11, 1},
}


@pytest.mark.parametrize(("name", "expected"), PITCH_CLASSES.items())
def test_pitch_classes(name: str, expected: set[int]) -> None:
    scale = parse_scale(name)
    assert scale.name == name
    assert scale.pitch_classes == expected
    assert {pitch for pitch in range(12) if scale.mask[pitch]} == expected
    assert len(scale.mask) == 12


@pytest.mark.parametrize("scale", ALL, ids=lambda scale: scale.slug)
def test_laws_of_all_twenty_four(scale: Scale) -> None:
    assert scale.tonic in scale.pitch_classes
    assert len(scale.pitch_classes) == 7
    assert scale.key_signature is not None
    assert scale.key_signature in SIGNATURES
    for text in (scale.name, scale.slug, scale.key_signature, scale.slug.upper()):
        assert parse_scale(text) == scale
    assert scale == Scale(scale.tonic, scale.mode)
    assert hash(scale) == hash(Scale(scale.tonic, scale.mode))


@pytest.mark.parametrize("scale", ALL, ids=lambda scale: scale.slug)
def test_relative_keys_share_their_pitch_classes_and_signature(scale: Scale) -> None:
    assert scale.relative.mode != scale.mode
    assert scale.relative.pitch_classes == scale.pitch_classes
    assert scale.relative.relative == scale
    fifths: dict[str | None, int] = {name: sharps for (sharps, _), name in _key_signature_decode.items()}
    assert fifths[scale.relative.key_signature] == fifths[scale.key_signature]


def test_twelve_sets_of_pitch_classes_serve_all() -> None:
    assert len({scale.pitch_classes for scale in ALL}) == 12
    assert parse_scale("Am").relative == parse_scale("cmaj")


MAJOR = ["{}", "{}maj", "{}major", "{}-major", "{} Major", "{}_maj", "{}M", "{} M", "{}MAJ", " {} ", "{}ionian"]
MINOR = ["{}m", "{}min", "{}minor", "{}-minor", "{} minor", "{}_MIN", "{} m", "{}-m", "{} natural minor"]


@pytest.mark.parametrize("root", SPELLED)
def test_every_root_in_every_spelling(root: str) -> None:
    for mode, templates in (("major", MAJOR), ("minor", MINOR)):
        for template, typed in itertools.product(templates, (root, root.lower(), root.upper())):
            scale = parse_scale(template.format(typed))
            assert (scale.tonic, scale.mode) == (SPELLED[root], mode), template.format(typed)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        # as the issue has them
        ("cmaj", "C major"),
        ("C-major", "C major"),
        ("c minor", "C minor"),
        ("Am", "A minor"),
        ("f#m", "F# minor"),
        ("bbmaj", "Bb major"),
        # b is a note and a flat
        ("b", "B major"),
        ("bb", "Bb major"),
        ("bm", "B minor"),
        ("bbm", "Bb minor"),
        ("bM", "B major"),
        ("b minor", "B minor"),
        ("b b minor", "Bb minor"),
        ("ab", "Ab major"),
        ("abm", "Ab minor"),
        ("a minor", "A minor"),
        ("bmaj", "B major"),
        ("B", "B major"),
        ("BB", "Bb major"),
        # only M and m differ by their size
        ("CM", "C major"),
        ("Cm", "C minor"),
        ("cM", "C major"),
        ("CMIN", "C minor"),
        ("cMAJOR", "C major"),
        # words and signs
        ("E flat minor", "Eb minor"),
        ("c-sharp-minor", "C# minor"),
        ("B♭ minor", "Bb minor"),
        ("F♯", "F# major"),
        ("a aeolian", "A minor"),
    ],
)
def test_what_people_type(text: str, name: str) -> None:
    assert parse_scale(text).name == name


@pytest.mark.parametrize(
    ("typed", "name", "signature"),
    [
        ("g#maj", "Ab major", "Ab"),  # eight sharps don't exist
        ("d#", "Eb major", "Eb"),
        ("a#maj", "Bb major", "Bb"),
        ("dbm", "C# minor", "C#m"),
        ("gbm", "F# minor", "F#m"),
        ("e#m", "F minor", "Fm"),
        ("b#", "C major", "C"),
        ("fb", "E major", "E"),
        # where both are written, what was typed stays
        ("gb", "Gb major", "Gb"),
        ("f#", "F# major", "F#"),
        ("db", "Db major", "Db"),
        ("c#", "C# major", "C#"),
        ("cb", "Cb major", "Cb"),
        ("d#m", "D# minor", "D#m"),
        ("a#m", "A# minor", "A#m"),
    ],
)
def test_roots_without_a_key_signature_are_respelled(typed: str, name: str, signature: str) -> None:
    assert parse_scale(typed).name == name
    assert parse_scale(typed).key_signature == signature


def test_all_thirty_signatures_can_be_had() -> None:
    had = {parse_scale(root + mode).key_signature for mode in MODES for root in ROOTS[mode]}
    assert had == SIGNATURES


@pytest.mark.parametrize(
    ("text", "name"),
    [("H major", "B major"), ("h", "B major"), ("hm", "B minor"), ("h dorian", "B dorian"), ("c,d,h", "C,D,B")],
)
def test_h_is_the_german_b(text: str, name: str) -> None:
    assert parse_scale(text).name == name


@pytest.mark.parametrize(
    ("typo", "nearest"),
    [
        ("cmajr", "cmaj"),
        ("c majer", "cmaj"),
        ("cmjor", "cmaj"),
        ("c minr", "cmin"),
        ("ebminro", "ebmin"),
        ("f#mn", "f#min"),
        ("bbb", "bbmaj"),
        ("a-dorain", "a-dorian"),
        ("c hungrian minor", "c-hungarian-minor"),
        ("eb minor pentatnic", "eb-minor-pentatonic"),
        ("lydian", "lydian"),
        ("gis minor", "gmin"),
        ("c##", "c#maj"),
        ("j", "maj"),
        ("", "cmaj"),
        ("major", "maj"),
        ("Cm7", "cmin"),
        ("7", "maj"),
        ("c\nmaj\nor?", "cmaj"),
        ("x" * 100_000, "maj"),
    ],
)
def test_a_typo_gets_the_nearest_names(typo: str, nearest: str) -> None:
    with pytest.raises(InputError, match="unknown scale") as caught:
        parse_scale(typo)
    line = str(caught.value)
    suggestions = line.split("nearest: ")[1].split(". ")[0].split(", ")
    assert len(suggestions) == 3
    assert any(nearest in name for name in suggestions)
    for name in suggestions:
        parse_scale(name)
    assert "\n" not in line
    assert len(line) < 300


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((12, "major"), "0..11"),
        ((-1, "minor"), "0..11"),
        ((0, "dorain"), "'dorain'; nearest: dorian"),
        ((None, "major"), "0..11"),
        ((0, "major", "D"), "D is pitch class 2, not 0"),
        ((0, "major", "H"), "a letter"),
        ((0, "major", "Cx"), "a letter"),
    ],
)
def test_scales_that_do_not_exist_are_refused(arguments: tuple[int | None, ModeName, str], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Scale(*arguments)
