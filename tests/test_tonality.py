"""Which key a melody is in, and how it goes to another: what is known of simple tunes, and laws that hold for all."""

import numpy as np
import pytest

from melodylc.data import Melody, parse_scale
from melodylc.data.tonality import basic_space, bend, estimate_key, octaves_into, transposition
from melodylc.rewards.panel import real_melodies

TWINKLE = [60, 60, 67, 67, 69, 69, 67, 65, 65, 64, 64, 62, 62, 60]
MINOR = [69, 72, 76, 74, 72, 71, 69, 68, 69, 72, 74, 76, 72, 69]
REAL = Melody.unstack(real_melodies())


def line(pitches: list[int]) -> Melody:
    return Melody.from_notes((pitch, 4 * step, 4 * step + 4) for step, pitch in enumerate(pitches))


@pytest.mark.parametrize("up", range(-6, 6))
def test_keys_of_tunes_that_everybody_knows(up: int) -> None:
    major, minor = estimate_key(line(TWINKLE).transposed(up)), estimate_key(line(MINOR).transposed(up))
    assert major is not None
    assert minor is not None
    assert (major.tonic, major.mode) == (up % 12, "major")
    assert (minor.tonic, minor.mode) == ((9 + up) % 12, "minor")


def test_a_melody_without_notes_has_no_key_and_stays() -> None:
    empty = Melody.from_notes([])
    assert estimate_key(empty) is None
    assert transposition(empty, parse_scale("g")) == octaves_into(empty, 60, 70) == 0
    assert bend(empty, parse_scale("g")) == empty


@pytest.mark.parametrize(
    ("scale", "way"), [("c", 0), ("g", -5), ("f", 5), ("bb", -2), ("d", 2), ("em", -5), ("am", 0), ("c,d,e,g,a", 0)]
)
def test_the_nearest_way_to_another_key(scale: str, way: int) -> None:
    """A minor scale is reached by its relative major, which keeps every interval."""
    assert transposition(line(TWINKLE), parse_scale(scale)) == way


@pytest.mark.parametrize("number", range(0, 64, 7))
def test_a_transposed_melody_goes_to_the_same_place(number: int) -> None:
    melody, scale = REAL[number], parse_scale("ebm")
    there = melody.transposed(transposition(melody, scale))
    other = melody.transposed(1)
    assert (there.pitches - other.transposed(transposition(other, scale)).pitches).tolist() in (
        [0] * there.note_count,
        [12] * there.note_count,
        [-12] * there.note_count,
    )


def test_a_melody_at_the_edge_goes_the_way_that_there_is() -> None:
    assert transposition(line([0, 4, 7, 0]), parse_scale("g")) > 0
    assert transposition(line([127, 123, 120]), parse_scale("c")) <= 0


@pytest.mark.parametrize("number", range(0, 64, 9))
def test_what_is_bent_is_in_the_scale_and_no_dearer_than_the_nearest_pitches(number: int) -> None:
    melody, scale = REAL[number], parse_scale("g")
    bent = bend(melody, scale)
    assert scale.pitch_classes.issuperset((bent.pitches % 12).tolist())
    assert np.array_equal(bent.onsets, melody.onsets)
    inside = np.flatnonzero(np.resize(scale.mask, 128))
    nearest = inside[np.abs(inside - melody.pitches[:, None]).argmin(axis=1)]

    def cost(pitches: np.ndarray) -> float:
        moved = pitches - melody.pitches
        steps = np.abs(np.diff(moved))
        return float(
            ((moved != 0) * (0.3 + 0.01 * np.abs(moved))).sum()
            + ((steps > 0) * (0.3 + 0.7 * np.minimum(1, steps / 6))).sum()
        )

    assert cost(bent.pitches) <= cost(nearest) + 1e-9


def test_a_stretch_in_another_key_moves_as_one() -> None:
    there = [60, 62, 64, 65, 67, 65, 64, 62]
    melody = line([*there, *(pitch + 1 for pitch in there), *there])
    moved = bend(melody, parse_scale("c")).pitches - melody.pitches
    assert moved.tolist() == [0] * 8 + [-1] * 8 + [0] * 8


def test_what_is_in_the_scale_stays() -> None:
    assert bend(line(TWINKLE), parse_scale("c")) == line(TWINKLE)


@pytest.mark.parametrize(("up", "octaves"), [(0, 0), (-24, 2), (24, -2), (-5, 0)])
def test_octaves_into_a_range(up: int, octaves: int) -> None:
    assert octaves_into(line(TWINKLE).transposed(up), 55, 72) == octaves


def test_basic_spaces_of_minor_and_of_sets_without_a_tonic() -> None:
    assert basic_space(parse_scale("am")).argsort()[-3:].tolist() == [0, 4, 9]
    assert sorted(set(basic_space(parse_scale("0,2,4"))).__iter__()) == [1, 2]
