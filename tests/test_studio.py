"""The studio's server: what it makes is what the command line makes, and nobody but the page gets in."""

import json
import socket
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the studio needs starlette and uvicorn: pip install -e '.[studio]'")

from starlette.testclient import TestClient

from melodylc.constraints.fitting import SETTINGS
from melodylc.constraints.request import Request
from melodylc.data import InputError, Melody, midi_bytes, parse_scale, read_midi
from melodylc.data.smf import MAX_FILE
from melodylc.models.checkpoint import shipped_model
from melodylc.rewards.panel import real_melodies
from melodylc.studio.forms import Fields, RequestForm
from melodylc.studio.history import MAX_RUNS, History, Run
from melodylc.studio.routes import create_app
from melodylc.studio.rules import RuleEntry, RuleTable
from melodylc.studio.server import check_installed, listen
from melodylc.studio.streams import ListenerLeft
from melodylc.studio.studio import Studio
from melodylc.studio.variation import Variator

PORT, TOKEN = 8765, "a token of the test's own"
ORIGIN = f"http://127.0.0.1:{PORT}"
QUICK = replace(SETTINGS, bank=64, rounds=2, fresh=16, warmup=5, check_every=1, check=16, measure=16)
LEAPS = '''"""A rule of somebody's."""
from melodylc import Melody, reward


@reward
def stepwise(melody: Melody, largest: int = 2) -> float:
    """Share of small intervals."""
    steps = abs(melody.intervals)
    return float((steps <= largest).mean()) if len(steps) else 0.0
'''


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    folder = tmp_path_factory.mktemp("studio")
    (folder / "leaps.py").write_text(LEAPS)
    rules = RuleTable.load([f"{folder / 'leaps.py'}:stepwise,largest=127"])
    return Studio(shipped_model(), rules, folder / "written", fit_settings=QUICK)


@pytest.fixture(scope="module")
def client(studio: Studio) -> Iterator[TestClient]:
    app = create_app(studio, PORT, TOKEN)
    with TestClient(app, base_url=ORIGIN, headers={"authorization": f"Bearer {TOKEN}"}) as made:
        yield made


def streamed(client: TestClient, path: str, **body: Any) -> list[dict[str, Any]]:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.text.splitlines()]


def takes(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The melodies by their numbers; they come as they are settled."""
    return sorted((line["melody"] for line in lines if "melody" in line), key=lambda take: int(take["number"]))


def melody_of(take: dict[str, Any]) -> Melody:
    return Melody.from_notes([tuple(note) for note in take["notes"]])


def error(response: Any, status: int) -> str:
    assert response.status_code == status, response.text
    message = response.json()["error"]
    assert "\n" not in message
    return str(message)


@pytest.fixture(scope="module")
def generated(client: TestClient) -> list[dict[str, Any]]:
    return streamed(client, "/api/v1/generate", scale="D major", density="high", count=3, seed=7, tempo=92)


@pytest.fixture
def dropped(client: TestClient) -> dict[str, Any]:
    """A melody that people wrote in C major, but for its fifth bar."""
    response = client.post('/api/v1/upload?name=my/song.mid&request={"scale":"c major"}', content=midi_bytes(crooked()))
    assert response.status_code == 200, response.text
    made: dict[str, Any] = response.json()
    return made


def crooked() -> Melody:
    c_major = Request.read(scale=["cmaj"], variety=False).rule
    assert c_major is not None
    real = real_melodies()
    events = real[c_major.satisfied(real)][0].copy()
    events[64:80] = [61, *[128] * 7, 63, *[128] * 7]
    return Melody(events)


# -- what it makes ---------------------------------------------------------------------------------


def test_a_run_is_what_the_command_line_makes_manifest_and_all(
    client: TestClient, generated: list[dict[str, Any]], run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    run = generated[0]["run"]
    words = run["command"].split()
    assert words[:2] == ["melodylc", "generate"]
    assert words[2:4] == ["--scale", "dmaj"]  # C major, two semitones higher: nothing to fit
    assert run_cli(*words[1:], "-o", tmp_path / "out").code == 0
    packed = zipfile.ZipFile(BytesIO(client.get(f"/api/v1/runs/{run['run']}/archive.zip?tempo=92").content))
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert {Path(name).name: packed.read(name) for name in packed.namelist()} == written
    for take in takes(generated):
        single = client.get(f"/api/v1/runs/{take['run']}/melodies/{take['number']}/{take['file']}?tempo=92")
        assert single.content == next(
            file for name, file in written.items() if name.endswith(f"-{take['number']:02}.mid")
        )
        assert single.headers["content-type"] == "audio/midi"
        assert read_midi(single.content) == melody_of(take)


def test_melodies_come_with_what_the_rule_says(generated: list[dict[str, Any]]) -> None:
    (begun, *rest), made = generated, takes(generated)
    assert [take["number"] for take in made] == [1, 2, 3]
    assert rest[-1] == {"end": 3, "count": 3}
    assert [part["label"] for part in begun["run"]["parts"]] == ["in D major", "high density", "varied"]
    assert begun["run"]["scale"]["notes"] == [1, 2, 4, 6, 7, 9, 11]
    for take in made:
        assert (take["passed"], take["outside"], take["rewards"]) == (True, [], [1, 1, 1])


def test_a_rule_that_nothing_has_learnt_is_ready_at_once(client: TestClient) -> None:
    assert client.post("/api/v1/plan", json={"scale": "e dorian"}).json()["ready"]
    made = takes(streamed(client, "/api/v1/generate", scale="e dorian", count=2, seed=1))
    assert all(take["passed"] for take in made)


def test_a_key_and_a_rule_that_hears_pitches_are_planned_together(client: TestClient, studio: Studio) -> None:
    number = next(index for index, row in enumerate(studio.rules.entries) if row.label == "register")
    plan = client.post("/api/v1/plan", json={"scale": "dmaj", "rules": [{"rule": number}]})
    assert plan.status_code == 200, plan.text
    assert plan.json()["ready"]


def test_a_page_that_is_loaded_again_finds_everything(client: TestClient, generated: list[dict[str, Any]]) -> None:
    runs = {run["run"]: run for run in client.get("/api/v1/runs?tempo=92").json()}
    told = dict(generated[0]["run"])
    found = runs[told["run"]]
    counts = {"melodies": 3, "keep": 0, "discard": 0}  # when it began there were none
    assert {name: found[name] for name in told} == {**told, **counts}
    assert client.get(f"/api/v1/runs/{told['run']}/melodies").json() == takes(generated)


# -- your own melody -------------------------------------------------------------------------------


def test_a_dropped_file_is_shown_with_what_is_wrong(dropped: dict[str, Any]) -> None:
    run, take = dropped["run"], dropped["melody"]
    assert (run["kind"], run["title"], run["command"]) == ("upload", "song.mid", None)
    assert "bars 1..16" in run["remarks"][0]
    assert melody_of(take) == crooked()
    assert take["outside"]
    assert {take["notes"][index][1] // 16 for index in take["outside"]} == {4}
    assert [bar for bar, parts in enumerate(take["bars"]) if 0 in parts] == [4]


def test_it_is_judged_by_what_is_asked_now(client: TestClient, dropped: dict[str, Any]) -> None:
    source = {"run": dropped["run"]["run"], "number": 1}
    told = client.post("/api/v1/score", json={**source, "scale": "0,1,2,3,4,5,6,7,8,9,10,11", "variety": False}).json()
    assert told["melody"]["outside"] == []
    assert told["melody"]["passed"]


def test_only_the_bar_that_is_wrong_is_mended(client: TestClient, dropped: dict[str, Any]) -> None:
    made = streamed(client, "/api/v1/repair", run=dropped["run"]["run"], number=1, scale="c major", bars=[5, 6], seed=1)
    (take,) = takes(made)
    before, after = crooked().events, melody_of(take).events
    assert take["outside"] == []
    assert (before[:64] == after[:64]).all()
    assert (before[80:] == after[80:]).sum() >= len(before[80:]) - 16  # what the bar held may have ended
    assert made[0]["run"]["source"] == [dropped["run"]["run"], 1]
    assert (
        "nothing to change"
        in streamed(client, "/api/v1/repair", run=made[0]["run"]["run"], number=1, scale="cmaj")[0]["error"]
    )
    assert "choose a key" in streamed(client, "/api/v1/repair", run=dropped["run"]["run"], number=1)[0]["error"]


def test_variations_obey_differ_and_leave_other_bars_alone(client: TestClient, generated: list[dict[str, Any]]) -> None:
    source = takes(generated)[0]
    asked = {"scale": "D major", "density": "high", "run": source["run"], "number": 1, "seed": 3}
    made = takes(streamed(client, "/api/v1/vary", **asked, count=2, bars=[1, 2]))
    assert len({str(take["notes"]) for take in (*made, source)}) == 3
    for take in made:
        assert take["passed"]
        assert (melody_of(take).events[32:48] == melody_of(source).events[32:48]).sum() >= 8
        assert (melody_of(take).events[48:] == melody_of(source).events[48:]).all()
    again = takes(streamed(client, "/api/v1/vary", **asked, count=2, bars=[1, 2]))
    assert [take["notes"] for take in again] == [take["notes"] for take in made]


def test_what_the_model_cannot_say_stays_where_nothing_changes() -> None:
    variator = Variator(shipped_model().vae)
    melody = Melody(real_melodies()[5])
    (varied,) = variator.vary(melody, None, 1, distance=0.2, seed=1)
    share = float((varied.events == melody.events).mean())
    assert 0.3 < share < 1


def test_mending_takes_the_nearest_bar_that_is_in_the_scale() -> None:
    everything = frozenset(range(12))
    variator = Variator(shipped_model().vae)
    assert variator.repair(crooked(), everything, (4,)) == crooked()
    mended = variator.repair(crooked(), parse_scale("cmaj").pitch_classes, (4,), seed=2)
    assert np.isin(mended.pitches % 12, [0, 2, 4, 5, 7, 9, 11]).all()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"words in a text file, renamed", "not a MIDI file"),
        (midi_bytes(Melody.from_notes([])), "holds no notes"),
    ],
    ids=["empty", "text", "silent"],
)
def test_a_file_without_a_melody_is_refused_in_one_line(client: TestClient, content: bytes, expected: str) -> None:
    message = error(client.post("/api/v1/upload?name=song.mid", content=content), 400)
    assert message.startswith("song.mid: ")
    assert expected in message


def test_a_file_that_is_too_large_is_not_read(client: TestClient) -> None:
    told = {"content-length": str(200 << 20)}
    message = error(client.post("/api/v1/upload?name=a.mid", content=b"MThd", headers=told), 413)
    assert message == "a.mid: larger than 16 MiB, which no MIDI file of a piece of music is"

    def endless() -> Iterator[bytes]:
        for _ in range(MAX_FILE // (1 << 20) + 8):
            yield bytes(1 << 20)

    assert "larger than 16 MiB" in error(client.post("/api/v1/upload?name=a.mid", content=endless()), 413)


# -- keeping -----------------------------------------------------------------------------------------


def test_what_is_kept_comes_as_an_archive_that_says_where_from(
    client: TestClient, generated: list[dict[str, Any]], dropped: dict[str, Any]
) -> None:
    one = {"run": generated[0]["run"]["run"], "number": 2}
    other = {"run": dropped["run"]["run"], "number": 1}
    for take in (one, other):
        assert client.post("/api/v1/mark", json={**take, "mark": "keep"}).json() == {"mark": "keep"}
    packed = zipfile.ZipFile(BytesIO(client.get("/api/v1/keepers.zip?tempo=92").content))
    manifest = json.loads(packed.read("melodylc-kept/manifest.json"))
    by_name = {entry["file"]: entry for entry in manifest["files"]}
    assert {f"melodylc-kept/{name}" for name in by_name} == set(packed.namelist()) - {"melodylc-kept/manifest.json"}
    entry = by_name["dmaj-192+-seed7-02.mid"]
    assert entry["command"] == generated[0]["run"]["command"]
    assert entry["number"] == 2
    assert by_name["song-01.mid"]["made"] == "upload"
    for take in (one, other):
        client.post("/api/v1/mark", json={**take, "mark": None})
    assert "nothing is kept" in error(client.get("/api/v1/keepers.zip"), 400)


def test_writing_to_the_folder_never_replaces_somebodys_file(
    client: TestClient, studio: Studio, generated: list[dict[str, Any]]
) -> None:
    wanted = {"run": generated[0]["run"]["run"], "number": 1, "tempo": 92}
    studio.folder.mkdir(parents=True, exist_ok=True)
    name = takes(generated)[0]["file"]
    (studio.folder / name).write_text("mine")
    path = Path(client.post("/api/v1/write", json=wanted).json()["path"])
    assert path.name == name.replace(".mid", "-2.mid")
    assert Path(client.post("/api/v1/write", json=wanted).json()["path"]) == path
    assert (studio.folder / name).read_text() == "mine"
    assert path.read_bytes() == client.get(f"/api/v1/runs/{wanted['run']}/melodies/1/x.mid?tempo=92").content


def test_a_run_is_written_as_the_command_line_would(
    client: TestClient, studio: Studio, generated: list[dict[str, Any]]
) -> None:
    run = generated[0]["run"]["run"]
    path = Path(client.post("/api/v1/write", json={"run": run, "tempo": 92}).json()["path"])
    packed = zipfile.ZipFile(BytesIO(client.get(f"/api/v1/runs/{run}/archive.zip?tempo=92").content))
    assert {it.name: it.read_bytes() for it in path.iterdir()} == {
        Path(it).name: packed.read(it) for it in packed.namelist()
    }
    assert path.parent == studio.folder


def test_a_run_that_was_stopped_keeps_what_is_there(client: TestClient, studio: Studio) -> None:
    """Whoever stops listening ends the work; its melodies can be had, and nothing claims that there are more."""

    def stop(run: Run, number: int) -> None:
        raise ListenerLeft

    with pytest.raises(ListenerLeft):
        studio.generate(RequestForm(scale="cmaj"), {}, 3, 7, on_melody=stop)
    *_, run = studio.history
    assert list(run.melodies) == [1]
    packed = zipfile.ZipFile(BytesIO(client.get(f"/api/v1/runs/{run.number}/archive.zip").content))
    manifest = json.loads(packed.read(f"melodylc-{run.slug}/manifest.json"))
    assert [entry["file"] for entry in manifest["files"]] == ["cmaj-seed7-01.mid"]
    assert "to its end" in error(client.post("/api/v1/write", json={"run": run.number}), 400)


def test_old_runs_are_forgotten_unless_something_was_kept() -> None:
    history = History()
    about: dict[str, Any] = {"title": "", "slug": "", "request": Request(), "form": {}}
    kept = history.add("upload", **about)
    kept.melodies[1] = crooked()
    history.mark(1, 1, "keep")
    for _ in range(MAX_RUNS):
        history.add("upload", **about)
    numbers = [run.number for run in history]
    assert len(numbers) == MAX_RUNS
    assert numbers[:2] == [1, 3]
    with pytest.raises(InputError, match="no run 2"):
        history.run(2)


# -- rules ---------------------------------------------------------------------------------------------


def test_rules_are_asked_for_by_number_with_checked_parameters(client: TestClient, studio: Studio) -> None:
    about = client.get("/api/v1/info").json()
    assert about["rules"][0]["label"] == "stepwise"
    assert len(about["modes"]) == 35
    assert all(len(mode["roots"]) == 12 for mode in about["modes"])
    told = client.get("/api/v1/rules/0").json()
    assert told["parameters"] == [{"name": "largest", "kind": "a whole number", "value": "127", "required": False}]
    asked = RequestForm.read({"rules": [{"rule": 0, "parameters": {"largest": "3"}, "weight": 0.5}]}, studio.rules)
    assert asked.rewards[0].startswith("0.5*")
    assert asked.rewards[0].endswith("leaps.py:stepwise,largest=3")
    assert "no rule 99" in error(client.get("/api/v1/rules/99"), 400)


@pytest.mark.parametrize("value", ["2 & /etc/passwd.py:x", "2|tonic", '2"', "2,other=1", "~2", "a.py:b", "2*tonic", ""])
def test_no_parameter_can_name_another_rule_or_a_path(studio: Studio, value: str) -> None:
    with pytest.raises(InputError, match="are allowed"):
        studio.rules.text(0, {"largest": value})


def test_a_rule_of_ones_own_is_asked_by_the_command_line_too(client: TestClient) -> None:
    rules = [{"rule": 0, "parameters": {}, "weight": 1}]
    plan = client.post("/api/v1/plan", json={"rules": rules, "variety": False}).json()
    assert [part["label"] for part in plan["parts"]] == ["stepwise(largest=127)"]
    assert plan["ready"]


def test_a_named_rule_that_cannot_be_loaded_is_an_error() -> None:
    with pytest.raises(InputError, match="no such file"):
        RuleTable.load(["nowhere.py:rule"])


# -- fitting ---------------------------------------------------------------------------------------------


def progress(client: TestClient, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    for _ in range(12_000):
        told: dict[str, Any] = client.get("/api/v1/fit").json()
        if until(told):
            return told
        time.sleep(0.05)
    raise AssertionError(told)


def test_one_fit_at_a_time_and_what_it_learnt_serves(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MELODYLC_CACHE", str(tmp_path))
    asked = {"rules": [{"rule": 0}], "variety": False}
    assert client.post("/api/v1/fit", json=asked).json()["busy"]
    assert "one fit at a time" in error(client.post("/api/v1/fit", json=asked), 400)
    told = progress(client, lambda told: not told["busy"])
    assert (told["state"], told["round"], told["rounds"]) == ("done", 2, 2)
    assert client.post("/api/v1/plan", json=asked).json()["ready"]
    assert takes(streamed(client, "/api/v1/generate", **asked, count=1, seed=1))[0]["passed"]


def test_cancelling_a_fit_is_certain_and_leaves_nothing(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MELODYLC_CACHE", str(tmp_path))
    client.post("/api/v1/fit", json={"scale": "f# phrygian"})
    progress(client, lambda told: told["state"] != "starting" or told["message"] != "" or told["busy"])
    while client.post("/api/v1/fit/stop", json={"keep": False}).json()["state"] != "stopped":
        time.sleep(0.02)
    assert not list(tmp_path.rglob("*.safetensors"))
    assert "nothing to learn" in error(client.post("/api/v1/fit", json={}), 400)


# -- the page and what it sends ---------------------------------------------------------------------------


def test_the_page_is_all_here_and_fetches_nothing(client: TestClient, root: Path) -> None:
    page = root / "melodylc" / "studio" / "page"
    index = client.get("/")
    assert TOKEN not in index.text
    assert index.headers["content-security-policy"].startswith("default-src 'none'")
    for path in page.rglob("*"):
        text = path.read_text("utf-8") if path.is_file() else ""
        foreign = text.replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in foreign
        assert "https://" not in foreign
        assert len(text.splitlines()) < 350
        if path.is_file() and path.name != "index.html":
            answer = client.get(f"/page/{path.relative_to(page).as_posix()}")
            assert (answer.status_code, answer.content) == (200, path.read_bytes())


@pytest.mark.parametrize("path", ["/page/../routes.py", "/page/%2e%2e/routes.py", "/page//etc/passwd", "/page/", "/x"])
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/api/v1/plan", b"{", "JSON in UTF-8 was expected"),
        ("/api/v1/plan", b"[" * 60_000, "JSON in UTF-8 was expected"),
        ("/api/v1/plan", b"[]", "JSON object"),
        ("/api/v1/plan", b'{"scale": 3}', "scale is a text"),
        ("/api/v1/plan", b'{"scale": "c\\ud800 major"}', "JSON in UTF-8 was expected"),
        ("/api/v1/plan", b'{"scale": "\xed\xa0\x80"}', "JSON in UTF-8 was expected"),
        ("/api/v1/plan", '{"scale": "c"}'.encode("utf-16"), "JSON in UTF-8 was expected"),
        ("/api/v1/plan", b'{"rules": [{"rule": ' + b"1" * 5000 + b"}]}", "JSON in UTF-8 was expected"),
        ("/api/v1/plan", b'{"density": "' + b"1" * 150 + b'"}', "no density"),
        ("/api/v1/plan", b'{"rules": [{"rule": 0, "weight": 1' + b"0" * 4000 + b"}]}", "weight is a number"),
        ("/api/v1/generate", b'{"tempo": 1' + b"0" * 4000 + b"}", "tempo is a number"),
        ("/api/v1/plan", b'{"scale": "x major"}', "unknown scale"),
        ("/api/v1/plan", b'{"density": "9999"}', "out of range"),
        ("/api/v1/plan", b'{"path": "/etc/passwd"}', "unknown: path"),
        ("/api/v1/plan", b'{"\\u001b[2J": 1}', "unknown: [2J"),
        ("/api/v1/plan", b'{"rules": [{"rule": "leaps.py:stepwise"}]}', "rule is a whole number"),
        ("/api/v1/plan", b'{"rules": [{"rule": 0, "weight": 0}]}', "weight is a number"),
        ("/api/v1/plan", b'{"rules": [{"rule": 0, "weight": NaN}]}', "weight is a number"),
        ("/api/v1/generate", b'{"count": 65}', "count is a whole number from 1 to 64"),
        ("/api/v1/generate", b'{"count": true}', "count is a whole number"),
        ("/api/v1/generate", b'{"seed": -2}', "seed is a whole number"),
        ("/api/v1/generate", b'{"tempo": 3}', "tempo is 4 to 1000"),
        ("/api/v1/vary", b'{"run": 9999, "number": 1}', "no run 9999"),
        ("/api/v1/mark", b'{"run": 1, "number": 1, "mark": "loved"}', "a mark is"),
        ("/api/v1/mark", b'{"run": 1, "number": 99}', "no melody 99"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    client: TestClient, generated: list[dict[str, Any]], path: str, body: bytes, expected: str
) -> None:
    assert expected in error(client.post(path, content=body), 400)


def test_much_json_is_refused(client: TestClient) -> None:
    assert "64 KiB at most" in error(client.post("/api/v1/plan", content=b" " * (65 << 10)), 413)
    assert "a tempo is" in error(client.get("/api/v1/runs?tempo=fast"), 400)


def test_a_bug_ends_a_stream_with_a_line(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*words: Any, **more: Any) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("melodylc.studio.backend.run_order", broken)
    *_, last = streamed(client, "/api/v1/generate", scale="cmaj")
    assert "the terminal says what" in last["error"]
    assert "oops" in capsys.readouterr().err


def test_a_field_that_nobody_asked_for_is_an_error() -> None:
    fields = Fields({"a": None, "b": {"c": "d"}})
    assert fields.text("a") is None
    assert fields.texts("b", 1) == {"c": "d"}
    fields.end()
    with pytest.raises(InputError, match="at most 1"):
        Fields({"b": {"c": "d", "e": "f"}}).texts("b", 1)


# -- the command line ---------------------------------------------------------------------------------------


def test_a_port_that_is_taken_is_one_line(run_cli: Callable[..., Any]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        run = run_cli("studio", "--no-open", "--port", other.getsockname()[1])
    assert run.code == 2
    assert run.err.count("\n") == 1
    assert "another program has it" in run.err


def test_it_listens_to_this_machine_alone() -> None:
    with listen(0) as bound:
        host, port = bound.getsockname()
    assert host == "127.0.0.1"
    assert port > 0


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("melodylc.studio.server.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install -e .*\[studio\]"):
        check_installed()


def test_a_rule_with_a_quoted_path_keeps_its_quotes() -> None:
    rules = RuleTable((RuleEntry('"R&B/leaps.py":stepwise,largest=2', "stepwise", "", ""),))
    assert rules.text(0, {"largest": "3"}) == '"R&B/leaps.py":stepwise,largest=3'
