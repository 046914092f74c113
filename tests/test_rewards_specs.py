"""Rewards as people type them: names, parameters, files, packages, and how they are joined."""

from pathlib import Path

import pytest
from rule_files import LEAPS

from melodylc.data import InputError
from melodylc.rewards import parse_reward
from melodylc.rewards.parameters import Parameters
from melodylc.rewards.specs import BUILTIN, Entry, catalogue, describe, parse_name


@pytest.fixture(scope="module")
def listed() -> list[Entry]:
    return catalogue()


@pytest.mark.parametrize("name", BUILTIN)
def test_every_built_in_has_parameters_that_can_be_typed_and_says_what_it_is(name: str, listed: list[Entry]) -> None:
    assert Parameters.of(BUILTIN[name]).each
    (entry,) = [entry for entry in listed if entry.name == name]
    assert entry.origin == "melodylc"
    assert len(entry.summary) > 20
    assert len(entry.sentence) > 6
    assert entry.sentence != entry.name
    assert not {"_", "="} & set(entry.sentence)
    assert describe(name).parameters


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("tonic,pitch_class=9", "tonic(9)"),
        (" density , least=64 , most = 96 ", "density(64..96)"),
        ("density,least=64,most=none", "density(64..)"),
        ("pitch_classes,classes=0,2,4,7,9", "pitch_classes(0,2,4,7,9)"),
        ("variety", "variety(7 pitches, 9 bars)"),
        ("~variety", "~variety(7 pitches, 9 bars)"),
        ("~~variety", "variety(7 pitches, 9 bars)"),
        ("0.5*variety", "0.5*variety(7 pitches, 9 bars)"),
        ("2 * ~variety", "2*~variety(7 pitches, 9 bars)"),
        ("~2*variety", "~(2*variety(7 pitches, 9 bars))"),
        ("1e-3*(variety)", "0.001*variety(7 pitches, 9 bars)"),
        ("variety & density,least=2 | tonic,pitch_class=0", "((density(2..) & variety(7 pitches, 9 bars)) | tonic(0))"),
        ("variety&(density,least=2|tonic,pitch_class=0)", "((density(2..) | tonic(0)) & variety(7 pitches, 9 bars))"),
        ("~(variety | density,least=2)", "~(density(2..) | variety(7 pitches, 9 bars))"),
        ("pitch_classes,classes=0,2,4,at_least=0.95", "at_least(0.95, pitch_classes(0,2,4))"),
        ("2*tonic,at_least=0.5,pitch_class=0", "2*at_least(0.5, tonic(0))"),
        ("~(variety | tonic,pitch_class=0), at_least = 0.5", "~at_least(0.5, (tonic(0) | variety(7 pitches, 9 bars)))"),
        ("(variety),at_least=1 & density,least=2", "(density(2..) & variety(7 pitches, 9 bars))"),
        ("0.5*variety & variety", "(0.5*variety(7 pitches, 9 bars) & variety(7 pitches, 9 bars))"),
    ],
)
def test_expressions(text: str, name: str) -> None:
    assert parse_reward(text).name == name


@pytest.mark.parametrize(
    ("text", "label", "name", "path", "package", "texts"),
    [
        ("a.py:f", "a.py:f", "f", "a.py", "", {}),
        ("a b/c.py:f,x=1,y=p,q", "a b/c.py:f", "f", "a b/c.py", "", {"x": "1", "y": "p,q"}),
        ("one,two/c.py:f,x=1", "one,two/c.py:f", "f", "one,two/c.py", "", {"x": "1"}),
        ('"R&B (new)/c.py":f', "R&B (new)/c.py:f", "f", "R&B (new)/c.py", "", {}),
        ("C:\\rules\\c.py:f", "C:\\rules\\c.py:f", "f", "C:\\rules\\c.py", "", {}),
        ("my-package:f,x=a:b", "my-package:f", "f", None, "my-package", {"x": "a:b"}),
        ("f,x=", "f", "f", None, "", {"x": ""}),
    ],
)
def test_names(text: str, label: str, name: str, path: str | None, package: str, texts: dict[str, str]) -> None:
    named = parse_name(text)
    assert named == (label, name, Path(path) if path else None, package, tuple(texts.items()))


def test_the_home_folder_is_no_complement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "leaps.py").write_text(LEAPS, "utf-8")
    assert parse_reward("~/leaps.py:stepwise").name.startswith("stepwise(largest=2)@")
    assert parse_reward("~(~/leaps.py:stepwise)").name.startswith("~stepwise(largest=2)@")
    (tmp_path / "else").mkdir()
    elsewhere = tmp_path / "else" / "other.py"
    elsewhere.write_bytes((tmp_path / "leaps.py").read_bytes())
    assert parse_reward(f"~{elsewhere}:stepwise").name.startswith("~stepwise(largest=2)@")  # not of an absolute path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "can't read the reward '' at its end"),
        ("variety &", "at its end"),
        ("variety tonic,pitch_class=0", "no reward"),
        ("(variety", "at its end"),
        ("variety)", r"at '\)'"),
        ("& variety", "at '& variety'"),
        ("0*variety", "positive number, not '0'"),
        ("-1*variety", "positive number, not '-1'"),
        ("nan*variety", "positive number, not 'nan'"),
        ("x*variety", "positive number, not 'x'"),
        ("0.5*", "at its end"),
        ("variaty", "no reward 'variaty'; nearest: variety"),
        ("density,lest=3", "density: no parameter 'lest'; nearest: least"),
        ("density,least=many", "density: least is a whole number, not 'many'"),
        ("density,least=0", "density: .*1..256"),
        ("density", "density: least must be given: a whole number"),
        ("variety,at_least=0", "a share above 0 and at most 1"),
        ("variety,at_least=most", "a share above 0 and at most 1, not 'most'"),
        ("(variety),at_least=2", "a share above 0 and at most 1"),
        ("(variety),share=2", r"at ',share=2'"),
        ("density,64", "'64' after density is no parameter"),
        ("density,least=1,least=2", "density: least is given twice"),
        ("leaps.py", "leaps.py names no reward"),
        ("leaps.py:", "names no reward"),
        ("leaps.py:,largest=2", "names no reward"),
        ("nowhere/leaps.py:stepwise", "nowhere/leaps.py: there is no such file"),
        ("no-such-package:stepwise", "no installed package 'no-such-package' has rewards"),
        ("leaps:stepwise", r"no installed package 'leaps' has rewards; a file's name ends in \.py"),
    ],
)
def test_what_can_not_be_read(text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=words) as caught:
        parse_reward(text)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "rules.py").mkdir()
    with pytest.raises(InputError, match="this is a folder"):
        parse_reward(f"{tmp_path}/rules.py:f")


def test_a_file_in_the_working_directory_is_found_by_its_path_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leaps.py").write_text(LEAPS, "utf-8")
    (tmp_path / "melodylc_bad-1.dist-info").mkdir()
    (tmp_path / "melodylc_bad-1.dist-info" / "METADATA").write_text("Name: melodylc-bad\nVersion: 1\n", "utf-8")
    (tmp_path / "melodylc_bad-1.dist-info" / "entry_points.txt").write_text(
        "[melodylc.rewards]\nzigzag = leaps:stepwise\n", "utf-8"
    )
    assert parse_reward("leaps.py:stepwise,largest=1").name.startswith("stepwise(largest=1)@")
    with pytest.raises(InputError, match="no reward 'zigzag'"):
        parse_reward("zigzag")
