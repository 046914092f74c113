"""Forms and motifs as musicians ask for them."""

from pathlib import Path
from typing import Any

import pytest

import melodylc
from melodylc.constraints.presets import over_and_over, place_motif
from melodylc.constraints.request import Request
from melodylc.data import InputError, Melody, Note, write_midi
from melodylc.data.alphabet import HOLD, REST, STEPS_PER_BAR, loop_bars
from melodylc.rewards import motif
from melodylc.sampling.methods.base import Task
from melodylc.sampling.steering.limits import with_notes

FATE = "G4:2 G4:2 G4:2 Eb4:8"
OWN = (Note(67, 0, 2), Note(67, 2, 4), Note(67, 4, 6), Note(63, 6, 14))


def begins_in(melody: Melody, bar: int) -> bool:
    start = (bar - 1) * STEPS_PER_BAR
    there = [note for note in melody.notes if start <= note.start < start + 14]
    *others, last = [Note(note.pitch, note.start - start, note.end - start) for note in there]
    return (*others, last._replace(end=14)) == OWN and last.end >= 14


@pytest.mark.parametrize(("length", "text", "bars"), [(16, FATE, (1, 9)), (4, f"{FATE},bars=2", (2,))])
def test_a_motif_stands_where_it_is_said_and_the_rule_holds(length: int, text: str, bars: tuple[int, ...]) -> None:
    done = melodylc.generate("c minor", motif=text, length=length, n=2, seed=2)
    assert [one.passed for one in done] == [True, True]
    for one in done:
        assert all(begins_in(one.melody, bar) for bar in bars)
        assert (loop_bars(one.melody.events, length) == one.melody.events).all()
    assert "--motif 'G4:2 G4:2 G4:2 D#4:8,bars=" in str(done.order.command)


@pytest.mark.parametrize("form", ["call-response", "AABA,likeness=0.9"])
def test_sections_come_back(form: str) -> None:
    one = melodylc.generate("c minor", form=form, length=4, n=1, seed=2)[0]
    assert one.passed
    first, _, third, last = one.melody.events[: 4 * STEPS_PER_BAR].reshape(4, -1)
    again = third if form == "call-response" else last
    assert (first == again).mean() >= (1.0 if form == "call-response" else 0.9)


def test_a_motif_of_a_file_is_its_notes_from_the_first_to_the_last(tmp_path: Path) -> None:
    write_midi(tmp_path / "fate.mid", Melody.from_notes((p, s + 20, e + 20) for p, s, e in OWN))
    assert place_motif(f"{tmp_path / 'fate.mid'},times=4") == place_motif(f"{FATE},times=4")


def test_a_request_reads_what_it_wrote_and_variety_leaves_room() -> None:
    request = Request.read(["c minor"], form="aaba", motif=FATE, length=8)
    assert Request.read(**request.to_dict()) == request
    assert request.rule is not None
    names = request.rule.names
    assert "form(pattern=AABAAABA, likeness=1.0, contrast=0.25, rhythm=False)" in names
    assert "motif(notes=G4:2 G4:2 G4:2 D#4:8, times=4, transposed=False, bars=(1, 5, 9, 13))" in names
    assert "variety(7 pitches, 3 bars)" in names
    assert request.slugs == ["cmin", "form", "motif", "8bars"]
    assert not Task(None, request).finds_octaves  # type: ignore[arg-type]  # the motif stays where it was typed
    assert Task(None, request).only_written  # type: ignore[arg-type]


def test_events_between_the_notes_of_a_motif_are_its_own() -> None:
    table = with_notes(place_motif("G4:2 r:2 Eb4:1").motif_notes, [2])
    assert table[:16].all()
    assert [table[16 + step].nonzero()[0].tolist() for step in range(5)] == [[67], [HOLD], [REST], [REST], [63]]
    assert table[21:].all()


def test_occurrences_do_not_overlap_and_other_notes_between_spoil_them() -> None:
    row = Melody.from_notes((60, 2 * step, 2 * step + 2) for step in range(5))
    assert motif("C4:2 C4:2 C4", times=1)(row) == 1
    assert motif("C4:2 C4:2 C4", times=2)(row) < 1
    assert motif("C4:4 C4", times=1)(row) == pytest.approx(2 / 3)
    assert over_and_over(place_motif("C4 D4", 8), 8).times == 4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"form": "ABA"}, "'ABA' has 3 equal sections, and 16 bars"),
        ({"form": "AABA", "length": 2}, "has 4 equal sections, and 2 bars"),
        ({"form": ""}, "has 0 equal sections"),
        ({"form": "AABA,loudness=1"}, "no parameter 'loudness'"),
        ({"form": "AABA", "length": 3}, "a melody has 2, 4, 8 or 16 bars, not 3"),
        ({"motif": "C4:80 D4:16", "length": 4}, "the motif takes 6 bars and the melody has 4"),
        ({"motif": "C4:20 D4:8,times=3", "length": 4}, "takes 2 bars, .* 2 times at most"),
        ({"motif": "C4 D4,bars=1,17"}, "don't hold in bars 1, 17"),
        ({"motif": "C4 D4,times=0"}, "in bars none"),
        ({"motif": "C4 D4,transposed=no"}, "takes times or bars, and not transposed"),
        ({"motif": "C4"}, "two notes or more"),
        ({"motif": "r:4 C4 D4"}, "begins with a note"),
        ({"motif": "C4 D4:0"}, "'D4:0'"),
        ({"motif": "C4 X4"}, "a note has a name and an octave"),
        ({"motif": "nowhere.mid"}, "there is no such file"),
        ({"motif": "C4 F#4", "scale": "c"}, "the motif has F#4, which is not in C major"),
        ({"motif": "C4 D4", "pitch_range": "C5..C6"}, "the motif has C4, which is not in C5..C6"),
        ({"motif": "C4 D4", "method": "combined"}, "--motif is written by the steered language model"),
    ],
)
def test_what_does_not_fit_is_one_sentence(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        melodylc.generate(**given)
    assert "\n" not in str(caught.value)
