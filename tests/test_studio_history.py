"""The studio's history: what was made is there when the studio is opened again, and nothing else gets in."""

import json
import shutil
import zipfile
from collections.abc import Callable
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the studio needs starlette and uvicorn: pip install -e '.[studio]'")

from starlette.testclient import TestClient
from test_studio import LEAPS, ORIGIN, PORT, TOKEN, crooked

from melodylc.data import InputError, midi_bytes
from melodylc.data.files import atomic_write
from melodylc.data.source import Choice
from melodylc.models.checkpoint import shipped_model
from melodylc.service.order import Order
from melodylc.studio import archive as archive_module
from melodylc.studio import history as history_module
from melodylc.studio.forms import RequestForm
from melodylc.studio.history import History
from melodylc.studio.routes import create_app
from melodylc.studio.rules import RuleTable
from melodylc.studio.streams import ListenerLeft
from melodylc.studio.studio import HISTORY, Studio, VariationSettings, _slug, _title
from melodylc.studio.views import melody_view, run_view

Cli = Callable[..., Any]
WORDS: dict[str, Any] = {"scale": "D major", "tonic": None, "density": None, "rules": [], "variety": True}


model = cache(shipped_model)


def opened(folder: Path, *rules: str) -> Studio:
    """A studio in a folder, as `melodylc studio` opens it."""
    studio = Studio(model(), RuleTable.load(rules), folder)
    assert studio.open_history() == ""
    return studio


def closed(studio: Studio) -> None:
    studio.history.close()


def asked(studio: Studio, words: dict[str, Any]) -> RequestForm:
    return RequestForm.read(words, studio.rules)


def shown(studio: Studio) -> list[Any]:
    """All that the page gets to see."""
    return [[run_view(run, 92), [melody_view(run, it) for it in sorted(run.melodies)]] for run in studio.history]


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / HISTORY).iterdir() if path.suffix == ".json")


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any], dict[int, bytes]]:
    """A day in the studio: its folder, what the page showed at the end, and the archives of its runs."""
    folder = tmp_path_factory.mktemp("day")
    studio = opened(folder)
    made = studio.generate(asked(studio, WORDS), WORDS, 3, 7)
    varied = studio.vary(
        made, 1, asked(studio, WORDS), WORDS, VariationSettings(count=2, seed=3), lambda run, number: None
    )
    dropped = studio.upload("my song.mid", midi_bytes(crooked(), tempo=97), Choice(), asked(studio, WORDS), WORDS)
    studio.repair(dropped, 1, asked(studio, WORDS), WORDS, VariationSettings(seed=1), lambda run, number: None)
    studio.history.mark(made.number, 2, "keep")
    studio.history.mark(varied.number, 1, "discard")
    before = shown(studio), archives(studio)
    closed(studio)
    return (folder, *before)


def archives(studio: Studio) -> dict[int, bytes]:
    app = create_app(studio, PORT, TOKEN)
    with TestClient(app, base_url=ORIGIN, headers={"authorization": f"Bearer {TOKEN}"}) as client:
        return {
            run.number: client.get(f"/api/v1/runs/{run.number}/archive.zip?tempo=92").content for run in studio.history
        }


@pytest.fixture
def folder(day: tuple[Path, list[Any], dict[int, bytes]], tmp_path: Path) -> Path:
    """A copy of that day's folder."""
    return Path(shutil.copytree(day[0], tmp_path / "copy"))


def test_the_next_day_all_is_there_to_the_byte(
    day: tuple[Path, list[Any], dict[int, bytes]], folder: Path, run_cli: Cli, tmp_path: Path
) -> None:
    studio = opened(folder)
    assert shown(studio) == day[1]
    assert archives(studio) == day[2]
    command = day[1][0][0]["command"].split()
    assert run_cli(*command[1:], "-o", tmp_path / "out").code == 0
    packed = zipfile.ZipFile(BytesIO(archives(studio)[1]))
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert {Path(name).name: packed.read(name) for name in packed.namelist()} == written
    closed(studio)


def test_a_history_of_the_first_format_is_read(folder: Path) -> None:
    studio = opened(folder)
    before = shown(studio)
    closed(studio)
    fields = {"source": "of", "request": "asked", "provenance": "made"}
    words = {"repair": "mend", "upload": "drop", "keep": "kept", "discard": "discarded"}
    for path in (folder / HISTORY).glob("*.json"):
        values = {fields.get(name, name): value for name, value in json.loads(path.read_bytes()).items()}
        marks = {number: words[mark] for number, mark in values["marks"].items()}
        kind = words.get(values["kind"], values["kind"])
        path.write_text(json.dumps({**values, "format": "melodylc-run/1", "kind": kind, "marks": marks}))
    studio = opened(folder)
    assert shown(studio) == before
    assert {run.kind for run in studio.history} == {"generate", "vary", "upload", "repair"}
    assert studio.history.keepers()
    closed(studio)


def test_no_run_is_written_through_a_link(folder: Path, tmp_path: Path) -> None:
    studio = opened(folder)
    path = folder / HISTORY / "run-000001.json"
    path.rename(tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    before = (tmp_path / "outside").read_bytes()
    with pytest.raises(InputError, match="is a link"):
        studio.history.mark(1, 1, "keep")
    assert (tmp_path / "outside").read_bytes() == before
    closed(studio)


def test_it_goes_on_where_it_was_left(folder: Path) -> None:
    studio = opened(folder)
    first = studio.history.run(1)
    made = studio.vary(
        first, 2, asked(studio, WORDS), WORDS, VariationSettings(count=1, seed=4), lambda run, number: None
    )
    assert made.number == 5
    studio.history.mark(1, 2, None)
    closed(studio)
    again = opened(folder)
    assert [run.number for run in again.history] == [1, 2, 3, 4, 5]
    assert again.history.run(5).source == (1, 2)
    assert not again.history.run(1).keepers
    closed(again)


def test_variations_of_variations_keep_short_names(folder: Path) -> None:
    studio = opened(folder)
    run = studio.history.run(1)
    for _ in range(60):
        run = studio._derive("vary", run, 1, run.request, WORDS, VariationSettings())
        run.melodies[1] = studio.history.run(1).melody(1)
    assert run.title.startswith("Variations of ")
    assert len(run.title) < 120
    assert run.slug == f"{studio.history.run(1).slug}-vary{run.number}"
    assert studio.history.run(5).title == "Variations of D major, 1"
    assert studio.history.run(6).title == "Variations of D major, 1.1"
    closed(studio)


@pytest.mark.parametrize("scale", ["f# minor", "bb whole tone", "0,2,4,7,9", "c 8-tone spanish"])
def test_any_key_and_density_is_there_again(tmp_path: Path, scale: str) -> None:
    studio = opened(tmp_path)
    words = {**WORDS, "scale": scale, "density": "192..256"}
    request = studio.request(asked(studio, words))
    run = studio.history.add("vary", title=_title(request), slug=_slug(request, 7), request=request, form=words)
    run.melodies[1] = crooked()
    studio.history.save(run)
    before = shown(studio)
    closed(studio)
    studio = opened(tmp_path)
    assert shown(studio) == before
    closed(studio)


def test_a_run_that_was_stopped_is_there_too(tmp_path: Path) -> None:
    def stop(run: Any, number: int) -> None:
        raise ListenerLeft

    studio = opened(tmp_path)
    with pytest.raises(ListenerLeft):
        studio.generate(asked(studio, WORDS), WORDS, 3, 7, on_melody=stop)
    before = shown(studio), archives(studio)
    closed(studio)
    studio = opened(tmp_path)
    assert (shown(studio), archives(studio)) == before
    closed(studio)


def test_draws_that_never_obeyed_stay_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("backend", "archive"):
        monkeypatch.setattr(f"melodylc.studio.{module}.Order", partial(Order, draws=1))
    monkeypatch.setattr("melodylc.studio.backend.find_writer", lambda model: None)  # one attempt is seldom too few then
    studio = opened(tmp_path)
    run = studio.generate(asked(studio, WORDS), WORDS, 8, 1)
    assert 0 < len(run.melodies) < 8
    before = archives(studio)
    assert json.loads(zipfile.ZipFile(BytesIO(before[1])).read(f"melodylc-{run.slug}/manifest.json"))["missing"]
    closed(studio)
    studio = opened(tmp_path)
    assert archives(studio) == before
    closed(studio)


# -- a rule of one's own ---------------------------------------------------------------------------------


@pytest.fixture
def ruled(tmp_path: Path) -> tuple[Path, str]:
    """A folder with a run that was judged by somebody's rule, and that rule."""
    (tmp_path / "leaps.py").write_text(LEAPS)
    rule = f"{tmp_path / 'leaps.py'}:stepwise,largest=127"
    studio = opened(tmp_path / "studio", rule)
    words = {**WORDS, "rules": [{"rule": 0, "parameters": {"largest": "1"}, "weight": 1}]}
    studio.upload("song.mid", midi_bytes(crooked()), Choice(), asked(studio, words), words)
    assert "stepwise" in str(shown(studio))
    closed(studio)
    return tmp_path / "studio", rule


def test_a_rule_is_found_under_whatever_number_it_has(ruled: tuple[Path, str]) -> None:
    folder, rule = ruled
    studio = opened(folder, rule.replace("stepwise,largest=127", "stepwise,largest=5"), rule)
    (run,) = studio.history
    assert run.form["rules"] == [{"rule": 1, "parameters": {"largest": "1"}, "weight": 1}]
    assert [asked.text for asked in run.request.rewards] == [rule.replace("127", "1")]
    assert run.warnings == ()
    closed(studio)


def test_no_file_of_a_history_brings_a_rule_with_it(ruled: tuple[Path, str]) -> None:
    """Its code isn't run unless it is named; and nothing of the run is lost by that."""
    folder, rule = ruled
    (path,) = (folder / HISTORY).glob("*.json")
    before = path.read_bytes()
    studio = opened(folder)
    (run,) = studio.history
    assert "name it with --reward" in run.warnings[0]
    assert run.request.rewards == ()
    assert run_view(run, 92)["remarks"][-1] == run.warnings[0]
    studio.history.mark(run.number, 1, "keep")
    closed(studio)
    assert json.loads(path.read_bytes()) == {**json.loads(before), "marks": {"1": "keep"}}
    studio = opened(folder, rule)
    (run,) = studio.history
    assert (run.warnings, len(run.request.rewards), run.keepers) == ((), 1, [1])
    closed(studio)


def test_a_rule_that_has_changed_since_is_said(ruled: tuple[Path, str]) -> None:
    folder, rule = ruled
    Path(rule.rpartition(":")[0]).write_text(LEAPS.replace("<=", "<"))
    studio = opened(folder, rule)
    (run,) = studio.history
    assert "changed since" in run.warnings[0]
    studio.score(run, asked(studio, WORDS), WORDS)
    assert run.warnings == ()
    closed(studio)
    studio = opened(folder)
    assert [run.warnings for run in studio.history] == [()]
    closed(studio)


def test_what_another_model_made_says_so(folder: Path) -> None:
    path = folder / HISTORY / "run-000001.json"
    values = json.loads(path.read_bytes())
    values["provenance"]["origin"]["model"] = "0123456789abcdef"
    path.write_text(json.dumps(values))
    studio = opened(folder)
    assert "another model, 0123456789abcdef" in studio.history.run(1).warnings[0]
    packed = zipfile.ZipFile(BytesIO(archives(studio)[1]))
    manifest = json.loads(packed.read(next(it for it in packed.namelist() if it.endswith(".json"))))
    assert manifest["model"] == "0123456789abcdef"
    closed(studio)


def test_what_was_made_before_copies_were_refused_says_so(folder: Path) -> None:
    path = folder / HISTORY / "run-000001.json"
    values = json.loads(path.read_bytes())
    assert values["provenance"]["origin"].pop("copies_of")
    for draw in values["provenance"]["draws"]:
        assert draw.pop("copied") is False
        assert draw.pop("refused") == 0
    path.write_text(json.dumps(values))
    studio = opened(folder)
    assert "other copies were refused" in studio.history.run(1).warnings[0]
    packed = zipfile.ZipFile(BytesIO(archives(studio)[1]))
    manifest = json.loads(packed.read(next(it for it in packed.namelist() if it.endswith(".json"))))
    assert (manifest["copies_of"], manifest["copies_refused"]) == ([], 0)
    closed(studio)


# -- what goes wrong -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda values: b"{",
        lambda values: b"",
        lambda values: b"[" * 100_000,
        lambda values: [],
        lambda values: {**values, "format": "melodylc-run/9"},
        lambda values: {**values, "run": 9},
        lambda values: {**values, "more": 1},
        lambda values: {**values, "kind": "mend"},
        lambda values: {**values, "slug": "../../etc"},
        lambda values: {**values, "seed": -1},
        lambda values: {**values, "source": [1]},
        lambda values: {**values, "marks": {"1": "loved"}},
        lambda values: {**values, "request": {"path": "/etc/passwd"}},
        lambda values: {**values, "request": {"rules": [3]}},
        lambda values: {**values, "melodies": {"1": [[60, 0, 4], [62, 2, 8]]}},
        lambda values: {**values, "melodies": {"1": "notes"}},
        lambda values: {**values, "melodies": {"one": []}},
        lambda values: {**values, "melodies": {"1" * 5000: []}},
        lambda values: {**values, "seed": 10**400},
        lambda values: json.dumps(values).replace('"seed": 7', '"seed": ' + "1" * 5000).encode(),
        lambda values: {**values, "title": "\ud800"},
        lambda values: {**values, "kind": []},
        lambda values: {**values, "provenance": {"count": 3, "origin": {}, "draws": [{"number": 1}]}},
        lambda values: {**values, "title": "x" * 3_000_000},
    ],
)
def test_a_damaged_run_is_left_alone_and_the_others_are_there(folder: Path, change: Callable[[Any], Any]) -> None:
    path = folder / HISTORY / "run-000001.json"
    changed = change(json.loads(path.read_bytes()))
    path.write_bytes(changed if isinstance(changed, bytes) else json.dumps(changed).encode())
    content = path.read_bytes()
    studio = Studio(model(), RuleTable.load(), folder)
    remark = studio.open_history()
    found = [run.number for run in studio.history]
    if found == [1, 2, 3, 4]:  # what is asked was read without what can't be: said where the run is shown
        assert studio.history.run(1).warnings
    else:
        assert found == [2, 3, 4]
        assert "run 1" in remark
        assert "\n" not in remark
    assert path.read_bytes() == content
    assert studio.history.add("upload", title="", slug="a", request=studio.history.run(2).request, form={}).number == 5
    closed(studio)


def test_two_studios_do_not_write_into_one_folder(folder: Path) -> None:
    one = opened(folder)
    other = Studio(model(), RuleTable.load(), folder)
    assert "another studio" in other.open_history()
    assert len(other.history) == 0
    before = files_of(folder)
    other.upload("song.mid", midi_bytes(crooked()), Choice(), asked(other, WORDS), WORDS)
    assert files_of(folder) == before
    closed(one)
    one = opened(folder)
    assert len(one.history) == 4
    closed(one)


def test_a_disk_that_is_full_is_said_once_and_work_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = opened(folder)

    def full(path: Path, mode: str) -> Any:
        raise InputError(f"can't write {path.name}: the disk is full")

    monkeypatch.setattr(archive_module, "atomic_write", full)
    song = midi_bytes(crooked())
    with pytest.raises(InputError, match="the disk is full: what is made from now on is gone when"):
        studio.upload("song.mid", song, Choice(), asked(studio, WORDS), WORDS)
    assert studio.history.run(5).melodies
    studio.upload("song.mid", song, Choice(), asked(studio, WORDS), WORDS)
    monkeypatch.setattr(archive_module, "atomic_write", atomic_write)
    assert len(studio.history) == 6


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "studio").write_text("a file")
    studio = Studio(model(), RuleTable.load(), tmp_path / "studio")
    assert studio.open_history() == ""  # nothing is made before there is something to keep
    with pytest.raises(InputError, match="a part of this path is a file"):
        studio.upload("song.mid", midi_bytes(crooked()), Choice(), asked(studio, WORDS), WORDS)


# -- bounds ----------------------------------------------------------------------------------------------


def test_only_so_many_runs_stay_and_what_is_kept_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "MAX_RUNS", 4)
    monkeypatch.setattr(history_module, "MAX_KEEPER_RUNS", 2)
    studio = opened(tmp_path)
    song = midi_bytes(crooked())

    def drop() -> int:
        return studio.upload("song.mid", song, Choice(), asked(studio, WORDS), WORDS).number

    for _ in range(2):
        studio.history.mark(drop(), 1, "keep")
    drop()
    with pytest.raises(InputError, match="something of 2 runs is kept already"):
        studio.history.mark(3, 1, "keep")
    for _ in range(4):
        drop()
    assert [run.number for run in studio.history] == [1, 2, 6, 7]
    assert files_of(tmp_path) == [f"run-{number:06}.json" for number in (1, 2, 6, 7)]
    closed(studio)
    monkeypatch.setattr(history_module, "MAX_RUNS", 3)
    studio = opened(tmp_path)
    assert [run.number for run in studio.history] == [1, 2, 7]
    assert files_of(tmp_path) == [f"run-{number:06}.json" for number in (1, 2, 7)]
    closed(studio)


def test_the_latest_run_is_never_the_one_that_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "MAX_RUNS", 2)
    history = History()
    about: dict[str, Any] = {"title": "", "slug": "", "request": None, "form": {}}
    for _ in range(2):
        run = history.add("upload", **about)
        run.melodies[1] = crooked()
        history.mark(run.number, 1, "keep")
    assert history.run(history.add("upload", **about).number).number == 3
