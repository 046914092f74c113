"""Reading ABC, MusicXML and Humdrum: small scores that can be read by eye, laws, and damage."""

import io
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melodylc.data.alphabet import canonical
from melodylc.data.bars import layout
from melodylc.data.errors import MidiError, ScoreError
from melodylc.data.formats.abc_notation import abc
from melodylc.data.formats.musicxml import musicxml
from melodylc.data.keys import parse_scale
from melodylc.data.melody import Melody
from melodylc.data.readers import ENDINGS, form_of, pieces, read_music
from melodylc.data.readers import musicxml as musicxml_module
from melodylc.data.readers.measures import DIVISION, Measure, play_order
from melodylc.data.scores import MAX_BARS, Score
from melodylc.data.source import extract_melody
from melodylc.data.writing import Writing


def notes(score: Score, part: int = 0) -> list[tuple[int, float, float]]:
    """Pitch, beginning and length in quarters."""
    found = score.parts[part]
    rows = zip(found.starts.tolist(), found.ends.tolist(), found.pitches.tolist(), strict=True)
    return [(pitch, start / DIVISION, (end - start) / DIVISION) for start, end, pitch in rows]


def pitches(score: Score, part: int = 0) -> list[int]:
    return [int(pitch) for pitch in score.parts[part].pitches]


def lengths(score: Score) -> list[float]:
    return [round(length, 4) for _, _, length in notes(score)]


# -- ABC ---------------------------------------------------------------------------------------


def tune(body: str, head: str = "M:4/4\nL:1/4\nK:C") -> Score:
    return read_music(f"X:1\n{head}\n{body}\n".encode(), "tune.abc")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("C, C c c'", [48, 60, 72, 84]),
        ("^F F f | F", [66, 66, 78, 65]),  # a sign holds in every octave, up to the bar line
        ("_B =B __B ^^C", [70, 71, 69, 62]),
        ("[CEG]2 {fg}A2", [60, 64, 67, 69]),
        ('"Am7"A !trill!B +fermata+c ~d', [69, 71, 72, 74]),
        ("(3CDE (FG) A", [60, 62, 64, 65, 67, 69]),
        ("[K:D] F C", [66, 61]),
        ("^c2- | c2", [73]),  # a tie carries its sign over the bar line
        ("C % D\nE", [60, 64]),
        ("w:words of song\nC", [60]),
        ("G:|\nA2", [67, 67, 69]),
    ],
)
def test_abc_pitches(body: str, expected: list[int]) -> None:
    assert pitches(tune(body)) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("C C2 C/ C/2 C3/2 C//", [1, 2, 0.5, 0.5, 1.5, 0.25]),
        ("C>D E<F", [1.5, 0.5, 0.5, 1.5]),
        ("C>>D", [1.75, 0.25]),
        ("(3CDE F", [0.6667, 0.6667, 0.6667, 1]),
        ("(3:2:4CDEF G", [0.6667, 0.6667, 0.6667, 0.6667, 1]),
        ("C2-C C-|C", [3, 2]),
        ("[L:1/8] C2 D", [1, 0.5]),
        ("[CE]3 G", [3, 3, 1]),
        ("[C-E]2 C", [3, 2]),
    ],
)
def test_abc_lengths(body: str, expected: list[float]) -> None:
    assert lengths(tune(body)) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("C", [60, 62, 64, 65, 67, 69, 71]),
        ("Am", [60, 62, 64, 65, 67, 69, 71]),
        ("D", [61, 62, 64, 66, 67, 69, 71]),
        ("Ador", [60, 62, 64, 66, 67, 69, 71]),
        ("D mixolydian", [60, 62, 64, 66, 67, 69, 71]),
        ("Eb", [60, 62, 63, 65, 67, 68, 70]),
        ("F#m", [61, 62, 64, 66, 68, 69, 71]),
        ("D exp _e ^f", [60, 62, 63, 66, 67, 69, 71]),
        ("G =f", [60, 62, 64, 65, 67, 69, 71]),
        ("HP", [61, 62, 64, 66, 67, 69, 71]),
        ("none", [60, 62, 64, 65, 67, 69, 71]),
        ("C transpose=-2", [58, 60, 62, 63, 65, 67, 69]),
        ("C clef=treble-8", [48, 50, 52, 53, 55, 57, 59]),
    ],
)
def test_abc_keys(key: str, expected: list[int]) -> None:
    assert pitches(tune("CDEFGAB", f"M:4/4\nL:1/8\nK:{key}")) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("|:C4:|D4|", "CCD"),
        ("C4:|D4:|", "CCDD"),
        ("|:C4|1D4:|2E4|]", "CDCE"),
        ("|:C4|[1D4:|[2E4||F4|]", "CDCEF"),
        ("|:C4|1,3D4:|2E4:|F4|", "CDCECDF"),
        ("|:C4::D4:|", "CCDD"),
        ("C4|1D4:|E4|", "CDCE"),
        ("|::C4::|", "CCC"),
        ("C4||D4|]", "CD"),
        ("|:C4|1D4:|3E4||F4|", "CDCEF"),
    ],
)
def test_abc_repeats(body: str, expected: str) -> None:
    assert pitches(tune(body)) == [60 + "C.D.EF".index(letter) for letter in expected]


def test_abc_voices_names_tempo_and_upbeat() -> None:
    book = """X:1
M:4/4
L:1/4
Q:1/4=90
V:T name="Tune"
V:B nm=Bass clef=bass octave=-1
K:C
V:T
G | c4 | d4 |
V:B
z | C4 | G4 |
"""
    score = read_music(book.encode(), "book.abc")
    assert [part.name for part in score.parts] == ["Tune", "Bass"]
    assert [pitches(score, part) for part in (0, 1)] == [[67, 72, 74], [48, 55]]
    assert score.tempo == 90
    assert score.signatures == ((0, 1, 4), (DIVISION, 4, 4))
    (section,) = layout(score).sections
    assert (section.start, section.bars, section.upbeat) == (DIVISION, 2, DIVISION)


def test_abc_books() -> None:
    book = b"%abc-2.1\nL:1/4\n\nX:1\nT:One\nM:4/4\nK:C\nC|\n\nwords between\n\nX:2\nT:Two\nM:3/4\nK:G\nF|\n"
    found = dict(pieces(book, "book.abc"))
    assert list(found) == ["book.abc#1 One", "book.abc#2 Two"]
    two = read_music(found["book.abc#2 Two"], "book.abc")
    assert (pitches(two), lengths(two), two.signatures) == ([66], [1.0], ((0, 1, 4),))
    first = read_music(book, "book.abc")
    assert pitches(first) == [60]
    assert first.remarks == ("the first of 2 tunes in it",)


# -- MusicXML ----------------------------------------------------------------------------------


def document(*measures: str, attributes: str = "<divisions>2</divisions>") -> bytes:
    """One part, 4/4; the attributes stand in its first measure."""
    time = "<time><beats>4</beats><beat-type>4</beat-type></time>"
    first = f"<attributes>{attributes}{time}</attributes>"
    bodies = "".join(f"<measure>{first * (not n)}{body}</measure>" for n, body in enumerate(measures))
    names = "<part-list><score-part id='P1'><part-name>Voice</part-name></score-part></part-list>"
    return f"<score-partwise>{names}<part id='P1'>{bodies}</part></score-partwise>".encode()


def note(name: str, duration: int = 2, more: str = "", before: str = "") -> str:
    alter = f"<alter>{name.count('#') - name.count('b')}</alter>"
    pitch = f"<pitch><step>{name[0]}</step>{alter}<octave>{name[-1]}</octave></pitch>"
    return f"<note>{before}{pitch}<duration>{duration}</duration>{more}</note>"


def rest(duration: int) -> str:
    return f"<note><rest/><duration>{duration}</duration></note>"


def xml(*measures: str, attributes: str = "<divisions>2</divisions>") -> Score:
    return read_music(document(*measures, attributes=attributes), "song.musicxml")


REPEAT = "<barline location='{}'>{}<repeat direction='{}'/></barline>"


def ending(kind: str, number: str) -> str:
    return f"<ending type='{kind}' number='{number}'/>"


def test_musicxml_notes_chords_ties_and_rests() -> None:
    score = xml(
        note("C4") + note("E4", before="<chord/>") + rest(2) + note("F#4", 4, "<tie type='start'/>"),
        note("F#4", 2, "<tie type='stop'/>") + note("Bb4", 6),
    )
    assert notes(score) == [(60, 0, 1), (64, 0, 1), (66, 2, 3), (70, 5, 3)]
    assert score.parts[0].name == "Voice"
    assert score.signatures == ((0, 4, 4),)


def test_musicxml_voices_and_staves() -> None:
    upper = note("C5", 8, "<voice>1</voice><staff>1</staff>")
    lower = note("C3", 4, "<voice>5</voice><staff>2</staff>")
    score = xml(f"{upper}<backup><duration>8</duration></backup><forward><duration>4</duration></forward>{lower}")
    assert [(part.name, notes(score, part.track)) for part in score.parts] == [
        ("Voice (staff 1)", [(72, 0, 4)]),
        ("Voice (staff 2)", [(48, 2, 2)]),
    ]


def test_musicxml_grace_cue_transposition_and_tempo() -> None:
    grace = "<note><grace/><pitch><step>D</step><octave>4</octave></pitch></note>"
    tempo = "<direction><direction-type/><sound tempo='72'/></direction>"
    cue = note("D4", 2, before="<cue/>")
    moved = "<divisions>2</divisions><transpose><chromatic>-2</chromatic><octave-change>-1</octave-change></transpose>"
    score = xml(tempo + grace + cue + note("C5", 8), attributes=moved)
    assert notes(score) == [(58, 0, 4)]
    assert score.tempo == 72


def test_musicxml_repeats_and_endings() -> None:
    forward, back = REPEAT.format("left", "", "forward"), REPEAT.format("right", "{}", "backward")
    score = xml(
        note("C4", 8),
        forward + note("D4", 8),
        f"<barline location='left'>{ending('start', '1')}</barline>" + note("E4", 8) + back.format(ending("stop", "1")),
        f"<barline location='left'>{ending('start', '2')}</barline>{note('F4', 8)}"
        f"<barline location='right'>{ending('discontinue', '2')}</barline>",
        note("G4", 8),
    )
    assert pitches(score) == [60, 62, 64, 62, 65, 67]
    assert [tick // (4 * DIVISION) for tick in score.double_bars] == [1, 3, 4]


def test_musicxml_endings_with_short_brackets() -> None:
    back = REPEAT.format("right", "", "backward")
    first, second, third = (
        f"<barline location='left'>{ending('start', n)}</barline>{note(name, 8)}"
        f"<barline location='right'>{ending('stop', n)}</barline>"
        for n, name in (("1", "D4"), ("2", "F4"), ("3", "A4"))
    )
    score = xml(note("C4", 8), first, note("E4", 8) + back, second, note("G4", 8) + back, third)
    assert pitches(score) == [60, 62, 64, 60, 65, 67, 60, 69]


def test_musicxml_upbeats_and_short_bars() -> None:
    bars = [note("C4", 8)] * 15
    score = xml(note("G4", 2), *bars, note("C4", 6))
    (section,) = layout(score).sections
    assert (section.start, section.bars, section.upbeat) == (DIVISION, 16, DIVISION)


def packed(content: bytes, name: str = "score.xml") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/container.xml", "<container/>")
        archive.writestr(name, content)
    return buffer.getvalue()


def test_compressed_musicxml() -> None:
    assert pitches(read_music(packed(document(note("C4", 8))), "song.mxl")) == [60]


# -- Humdrum -----------------------------------------------------------------------------------


def kern(*lines: str) -> Score:
    return read_music("\n".join(line.replace(" ", "\t").replace("+", " ") for line in lines).encode(), "song.krn")


def test_kern_spines_chords_ties_and_nulls() -> None:
    score = kern(
        "**kern **text **kern",
        '*I"Cello * *I"Violin',
        "*M4/4 * *M4/4",
        "*MM84 * *MM84",
        "=1 =1 =1",
        "1C la 4cc#",
        ". . 4r",
        ". . [2ee-",
        "=2 =2 =2",
        "2.GG+2.D . 4ee-]",
        ". . 8.b",
        ". . 16an",
        ". . 4f",
        "4AA . qff",
        ". . 4g",
        "== == ==",
        "*- *- *-",
    )
    assert [part.name for part in score.parts] == ["Violin", "Cello"]
    assert notes(score) == [(73, 0, 1), (75, 2, 3), (71, 5, 0.75), (69, 5.75, 0.25), (65, 6, 1), (67, 7, 1)]
    assert notes(score, 1) == [(48, 0, 4), (43, 4, 3), (50, 4, 3), (45, 7, 1)]
    assert (score.tempo, score.signatures) == (84, ((0, 4, 4),))


def test_kern_splits_joins_and_upbeat() -> None:
    score = kern("**kern", "*M4/4", "4g", "=1", "*^", "2cc 4e", ". 4f", "*v *v", "3%2c", "6d", "6e", "=2", "1c", "*-")
    assert notes(score)[:4] == [(67, 0, 1), (72, 1, 2), (64, 1, 1), (65, 2, 1)]
    assert lengths(score)[4:] == [2.6667, 0.6667, 0.6667, 4]
    assert score.signatures[:2] == ((0, 1, 4), (DIVISION, 4, 4)) or score.signatures[0] == (0, 1, 4)


# -- laws --------------------------------------------------------------------------------------


@st.composite
def melodies(draw: st.DrawFn) -> Melody:
    events = draw(st.lists(st.sampled_from([128, 128, 129, *range(36, 97)]), min_size=256, max_size=256))
    return Melody(canonical(np.array(events, np.uint8))[0])


SCALES = ("c", "am", "f# major", "gb major", "d dorian", "c whole tone", None)


@settings(max_examples=40)
@given(melodies(), st.sampled_from(SCALES))
@pytest.mark.parametrize(("write", "ending"), [(abc, ".abc"), (musicxml, ".musicxml")])
def test_what_is_written_is_read_back(
    write: Callable[..., str], ending: str, melody: Melody, scale: str | None
) -> None:
    text = write(melody, Writing(tempo=93.5), parse_scale(scale) if scale else None)
    if not melody.note_count:
        with pytest.raises(ScoreError, match="no notes"):
            extract_melody(text.encode(), name=f"tune{ending}")
        return
    found = extract_melody(text.encode(), name=f"tune{ending}")
    assert found.melody == melody
    assert (found.tempo, found.bars, found.first) == (93.5, 16, 1)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0, 0, 2, 3]), st.sampled_from([(), (), (1,), (2,)]))))
def test_repeats_end_and_leave_out_nothing_but_endings(rows: list[tuple[bool, int, tuple[int, ...]]]) -> None:
    measures = [Measure((4, 4), forward=forward, times=times, ending=frozenset(e)) for forward, times, e in rows]
    order = play_order(measures)
    assert len(order) <= 16 * len(measures)
    assert {index for index, measure in enumerate(measures) if not measure.ending} <= set(order)


def refusal(content: bytes, name: str) -> str:
    """Why a file is refused; nothing where it is read. Any other error is the reader's fault."""
    try:
        layout(read_music(content, name))
    except ScoreError as error:
        return str(error)
    return ""


@given(st.binary(max_size=300), st.sampled_from(sorted(ENDINGS)))
def test_any_bytes_are_read_or_refused_in_one_line(content: bytes, ending: str) -> None:
    assert refusal(content, f"x{ending}").count("\n") == 0


BOOK = b'X:1\nM:4/4\nL:1/8\nQ:120\nK:Dmix clef=bass\n|:"D"A>B {c}(3cde [FA]2|1 z4 Z2:|2 ^c2-c_B[V:2]&G,8|]\n'
SPINES = b"**kern\t**kern\n*M3/4\t*M3/4\n=1\t=1\n*^\t*\n4c\t8d\t2.e 2.g\n*v\t*v\t*\n2d]\t.\n==\t==\n*-\t*-\n"
XML = document(note("C4", 4) + "<backup><duration>4</duration></backup>" + note("E4", 8), note("F4"))


@settings(max_examples=150)
@given(st.sampled_from([(BOOK, "a.abc"), (SPINES, "a.krn"), (XML, "a.xml"), (packed(XML), "a.mxl")]), st.data())
def test_damaged_files_are_read_or_refused_in_one_line(file: tuple[bytes, str], data: st.DataObject) -> None:
    content = bytearray(file[0])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[at] = data.draw(st.integers(0, 255))
        else:
            del content[at : at + data.draw(st.integers(1, 20))]
            content = content or bytearray(b" ")
    assert refusal(bytes(content), file[1]).count("\n") == 0


# -- refusals ----------------------------------------------------------------------------------

BOMB = b"<!DOCTYPE a [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]><score-partwise>&b;</score-partwise>"
OUTSIDE = b"<!DOCTYPE a [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><score-partwise>&a;</score-partwise>"
DAMAGED = {
    "empty.xml": (b"", "empty"),
    "cut.xml": (XML[:-30], "damaged at line 1: "),
    "bomb.xml": (BOMB, "declares entities"),
    "outside.xml": (OUTSIDE, "declares entities"),
    "deep.xml": (b"<score-partwise>" + b"<a>" * 100, "more than 64 deep"),
    "number.xml": (XML.replace(b"<octave>4", b"<octave>four", 1), "damaged at line 1: a number"),
    "divisions.xml": (XML.replace(b"<divisions>2", b"<divisions>0", 1), "0 divisions a quarter"),
    "timewise.xml": (b"<score-timewise/>", "its root is <score-timewise>"),
    "silent.xml": (document(rest(8)), "no notes"),
    "cut.mxl": (packed(XML)[:-30], "damaged, or not compressed MusicXML"),
    "none.mxl": (packed(XML, "score.txt"), "no score is in it"),
    "words.krn": (b"words", "damaged at line 1: not Humdrum"),
    "cut.krn": (SPINES[:-20], "it breaks off"),
    "fields.krn": (SPINES.replace(b"2d]\t.\n", b"2d]\n"), "damaged at line 7: 1 field where there are 2 spines"),
    "lyrics.krn": (b"**text\nla\n*-\n", "no \\*\\*kern spine"),
    "no-key.abc": (b"X:1\nT:Air\nCDE|\n", "no K: line"),
    "no-notes.abc": (b"X:1\nK:C\n\n", "no notes"),
    "binary.abc": (b"X:1\nK:C\nC\0D", "bytes that no text has"),
    "long.abc": (b"X:1\nK:C\nC|Z99999|", f"more than {MAX_BARS:,} bars"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_are_refused_by_name(name: str) -> None:
    content, why = DAMAGED[name]
    with pytest.raises(ScoreError, match=why) as caught:
        extract_melody(content, name=name)
    assert str(caught.value).startswith(f"{name}: ")
    assert not isinstance(caught.value, MidiError)


def test_a_compressed_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(musicxml_module, "MAX_UNPACKED", 1000)
    with pytest.raises(ScoreError, match="refused as an archive bomb"):
        read_music(packed(XML + b" " * 1000), "song.mxl")


def test_forms_are_known_by_content_and_then_by_name() -> None:
    assert form_of(packed(XML), "song.abc") == "compressed MusicXML"
    assert form_of(XML) == "MusicXML"
    assert form_of(SPINES) == "Humdrum"
    assert form_of(BOOK) == "ABC"
    assert form_of(b"\xef\xbb\xbfX:1\n") == "ABC"
