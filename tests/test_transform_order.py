"""What is asked of a melody that is there already: what makes no sense, and the command that says it again."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from melodylc.constraints.request import Request
from melodylc.data import InputError, Melody, parse_scale, write_midi
from melodylc.data.source import Choice, Source, extract_melody
from melodylc.data.writing import Writing
from melodylc.service.edit_order import EditOrder, scales_between

C_MAJOR = Request.read(scale=["cmaj"], variety=False)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "my song.mid"
    write_midi(path, Melody.from_notes((60 + step % 12, step, step + 1) for step in range(256)))
    return extract_melody(path)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: EditOrder("transform"), "no rule to follow"),
        (lambda: EditOrder("vary", distance=0.0), "distance"),
        (lambda: EditOrder("vary", distance=1.5), "distance"),
        (lambda: EditOrder("transform", request=C_MAJOR, strength=-0.1), "strength"),
        (lambda: EditOrder("vary", count=0), "count"),
        (lambda: EditOrder("transform", octave=9), "--octave is -8 to 8"),
        (lambda: EditOrder("transform", octave=1, count=2), "a transposition is one melody"),
        (lambda: EditOrder("transform", to_key=parse_scale("0,2,4")), "has none"),
        (lambda: EditOrder("transform", request=C_MAJOR, to_key=parse_scale("g")), "--to-key transposes and no more"),
        (lambda: EditOrder("vary", seed=-1), "seed"),
        (lambda: EditOrder("morph", request=C_MAJOR), "--to-scale"),
        (lambda: EditOrder("morph", to=parse_scale("cmin")), "--scale"),
        (
            lambda: EditOrder("morph", request=C_MAJOR, to=parse_scale("cmin"), writing=Writing(transpose=2)),
            "--transpose",
        ),
        (lambda: EditOrder("vary", count=10_000, writing=Writing(join="after")), "ticks"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        wrong()


def test_the_command_names_everything_that_isn_t_as_usual(source: Source) -> None:
    order = EditOrder(
        what="transform",
        sources=(source,),
        choice=Choice(track="Lead", bars=(5, 20), short="pad", as_four_four=True),
        request=Request.read(scale=["g minor"], density=["64..96"], variety=True),
        count=4,
        seed=7,
        writing=Writing(tempo=92.5, swing=58),
        method="optimize",
        strength=0.5,
        keys=False,
    )
    options = (
        "--track Lead --bars 5..20 --short pad --as-4/4 --scale gmin --density 64..96 --variety "
        "--strength 0.5 --in-place --method optimize -n 4 --seed 7 --tempo 92.5 --swing 58"
    )
    assert order.command == shlex.join(["melodylc", "transform", source.file, *options.split()])
    assert order.folder_name == "my song-transform-gmin-64-96-seed7"
    plain = EditOrder("vary", (source,), seed=1)
    assert plain.command == shlex.join(
        ["melodylc", "vary", source.file, *"--distance 0.3 -n 1 --seed 1 --tempo 120".split()]
    )


def test_another_file_under_the_same_name_is_another_order(source: Source) -> None:
    before = EditOrder("vary", (source,)).to_dict()
    assert before == EditOrder("vary", (source,)).to_dict()
    write_midi(source.file, Melody.from_notes([(60, 0, 4)]))
    assert before != EditOrder("vary", (source,)).to_dict()


@pytest.mark.parametrize(("one", "other"), [("cmaj", "cmin"), ("c", "f#"), ("0,2,4,7,9", "dmin"), ("c", "c")])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 9])
def test_scales_change_note_by_note_and_arrive(one: str, other: str, count: int) -> None:
    ends = parse_scale(one), parse_scale(other)
    way = list(scales_between(*ends, count))
    assert len(way) == count
    assert way[-1] == ends[1]
    assert count == 1 or way[0] == ends[0]
    left = [len(scale.pitch_classes ^ ends[1].pitch_classes) for scale in way]
    assert left == sorted(left, reverse=True), "every step is nearer"
