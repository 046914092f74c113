"""Who gets into the studio, and what those who do, or don't, can do to it: through real sockets, where they matter."""

import http.client
import json
import os
import re
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the studio needs starlette and uvicorn: pip install -e '.[studio]'")

from starlette.testclient import TestClient

from melodylc.data import InputError
from melodylc.data.smf import MAX_FILE
from melodylc.models.checkpoint import shipped_model
from melodylc.studio import server as server_module
from melodylc.studio.access import SecretFiles, new_secret
from melodylc.studio.fitting import FitProgress, Fitting, _FitJob
from melodylc.studio.routes import create_app
from melodylc.studio.rules import RuleTable
from melodylc.studio.server import create_server, listen
from melodylc.studio.streams import MAX_JOBS
from melodylc.studio.studio import Studio

PORT, SECRET = 8765, "a-secret-of-the-tests-own"
ORIGIN = f"http://127.0.0.1:{PORT}"
BEARER = {"authorization": f"Bearer {SECRET}"}


@contextmanager
def served(studio: Studio, secret: str = SECRET, **bounds: Any) -> Iterator[int]:
    """The port of a studio that is served from a thread of this process."""
    bound: socket.socket = listen(0)
    port: int = bound.getsockname()[1]
    server = create_server(create_app(studio, port, secret), **bounds)
    thread = threading.Thread(target=lambda: server.run(sockets=[bound]), daemon=True)
    thread.start()
    yield port
    server.should_exit = True
    thread.join(30)
    bound.close()


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(shipped_model(), RuleTable.load(), tmp_path_factory.mktemp("studio") / "written")


@pytest.fixture
def client(studio: Studio) -> Iterator[TestClient]:
    with TestClient(create_app(studio, PORT, SECRET), base_url=ORIGIN) as client:
        yield client


def error(response: Any, status: int) -> str:
    assert response.status_code == status, response.text
    message = response.json()["error"]
    assert "\n" not in message
    return str(message)


def every_route(studio: Studio) -> list[tuple[str, str]]:
    routes = create_app(studio, PORT, SECRET)._app.routes  # type: ignore[attr-defined]
    return [(method, re.sub(r"\{.*?\}", "1", route.path)) for route in routes for method in route.methods]


# -- the secret ------------------------------------------------------------------------------------------------


def test_every_route_needs_the_secret(studio: Studio, client: TestClient) -> None:
    routes = every_route(studio)
    assert ("GET", "/") in routes
    assert len(routes) > 20
    wrong = [{}, {"authorization": "Bearer"}, {"authorization": "Bearer another"}, {"authorization": f"Basic {SECRET}"}]
    wrong += [{"cookie": f"melodylc-studio-{PORT}={value}"} for value in ("", "another", SECRET)]
    wrong += [{"x-melodylc-token": SECRET}, {"authorization": f"Bearer {SECRET}x"}, {"authorization": "Bearer é"}]
    for method, path in [*routes, ("OPTIONS", "/"), ("PUT", "/api/v1/runs"), ("GET", "/nowhere")]:
        for headers in wrong:
            response = client.request(
                method, path, headers=[(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
            )
            assert response.status_code == 401, (method, path, headers)
            assert "set-cookie" not in response.headers
            assert SECRET not in response.text
            assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    "query", ["", "?token=", "?token=another", f"?token={SECRET}&token={SECRET}", "?token=%ff" * 9]
)
def test_a_wrong_token_in_the_address_opens_nothing(client: TestClient, query: str) -> None:
    response = client.get(f"/{query}")
    assert response.status_code == 401
    assert "the address that the terminal shows" in response.text
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("path", ["/api/v1/runs", "/page/script/main.js", "/api/v1/openapi.json"])
def test_the_token_is_taken_from_the_address_of_the_page_alone(client: TestClient, path: str) -> None:
    assert client.get(f"{path}?token={SECRET}").status_code == 401
    assert client.post(f"/?token={SECRET}").status_code == 401


def test_the_address_with_the_secret_gives_a_cookie_that_scripts_cannot_read(client: TestClient) -> None:
    # As from a file of this machine, or a link: the browser then says that another site asks.
    response = client.get(f"/?token={SECRET}", headers={"sec-fetch-site": "cross-site"})
    assert response.status_code == 200
    cookie = response.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert "domain" not in cookie.lower()
    assert SECRET not in cookie + response.text
    assert 'url=/"' in response.text
    assert response.headers["referrer-policy"] == "no-referrer"
    assert "studio" in client.get("/").text  # the client keeps it
    assert client.get("/api/v1/runs").json() == []
    assert client.post("/api/v1/plan", json={}, headers={"origin": ORIGIN}).json()["ready"]
    # Another port of this machine is the same site, and gets the cookie sent along.
    assert "no origin" in error(client.post("/api/v1/plan", json={}), 403)
    assert "another origin" in error(
        client.post("/api/v1/plan", json={}, headers={"origin": "http://127.0.0.1:1"}), 403
    )


def test_scripts_send_the_secret_itself(client: TestClient) -> None:
    assert client.get("/api/v1/runs", headers=BEARER).json() == []
    assert client.post("/api/v1/plan", json={}, headers=BEARER).json()["ready"]
    assert client.get("/api/v1/runs", headers={"authorization": f"bearer  {SECRET}"}).status_code == 200


def test_the_secret_of_each_start_is_new() -> None:
    assert len({new_secret() for _ in range(8)}) == 8
    assert len(new_secret()) >= 32


def test_the_file_for_scripts_is_its_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELODYLC_CACHE", str(tmp_path / "cache"))
    files = SecretFiles(PORT, SECRET)
    files.json.parent.mkdir(parents=True)
    (tmp_path / "target").write_text("somebody's")
    files.json.symlink_to(tmp_path / "target")  # laid there by another
    former = os.umask(0)
    try:
        files.write()
    finally:
        os.umask(former)
    assert (tmp_path / "target").read_text() == "somebody's"
    assert json.loads(files.json.read_text()) == {"address": f"{ORIGIN}/", "token": SECRET, "pid": os.getpid()}
    assert files.entrance in files.html.read_text()
    for path in (files.json, files.html):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    killed = SecretFiles(PORT + 1, "of-one-that-was-killed")
    killed.write()
    values = {"address": killed.address, "token": "", "pid": _ended_process()}
    killed.json.write_text(json.dumps(values))
    later = SecretFiles(PORT, "of-a-later-studio")
    later.write()
    files.remove()
    assert later.json.exists()  # it is no longer ours
    later.remove()
    assert list(files.json.parent.iterdir()) == []


def _ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MELODYLC_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="can't write into"):
        SecretFiles(PORT, SECRET).write()


def test_the_command_prints_an_address_that_opens_and_takes_the_file_away(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "melodylc", "studio", "--port", "0", "--no-open", "-o", str(tmp_path / "out")]
    env = {**os.environ, "MELODYLC_CACHE": str(tmp_path / "cache")}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env)
    try:
        assert process.stderr is not None
        matches = (re.search(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)", line) for line in process.stderr)
        port, token = next(match for match in matches if match).groups()
        assert str(tmp_path / "cache" / "studio" / f"{port}.json") in process.stderr.readline()
        values = json.loads((tmp_path / "cache" / "studio" / f"{port}.json").read_text())
        assert (values["token"], values["address"]) == (token, f"http://127.0.0.1:{port}/")
        with closing(http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)) as connection:
            connection.request("GET", "/api/v1/runs")
            assert connection.getresponse().status == 401
    finally:
        process.terminate()
        process.communicate()
    assert list((tmp_path / "cache" / "studio").iterdir()) == []


# -- who asks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": f"evil.example:{PORT}"},
        {"host": f"127.0.0.1:{PORT + 1}"},
        {"host": "127.0.0.1"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"http://localhost:{PORT}"},
        {"origin": f"https://127.0.0.1:{PORT}"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/api/v1/runs"), ("POST", "/api/v1/plan"), ("OPTIONS", "/")]
)
def test_no_other_host_or_site_gets_in_even_with_the_secret(
    client: TestClient, method: str, path: str, headers: dict[str, str]
) -> None:
    content = b"{}" if method == "POST" else None
    response = client.request(method, path, headers={**BEARER, **headers}, content=content)
    assert "refused" in error(response, 403)
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
def test_the_page_gets_in_by_every_name_of_this_machine(client: TestClient, name: str) -> None:
    own = {"host": f"{name}:{PORT}", "origin": f"http://{name}:{PORT}", "sec-fetch-site": "same-origin"}
    assert client.post("/api/v1/plan", json={}, headers={**BEARER, **own}).status_code == 200


# -- how much is asked -----------------------------------------------------------------------------------------


def request(port: int, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, body, BEARER)
        response = connection.getresponse()
        return response.status, response.read()


def test_one_stream_too_many_is_refused_and_none_hangs(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr(studio, "generate", lambda *words, **more: gate.wait(60) and next(iter(studio.history)))
    studio.history.add("upload", title="", slug="a", request=studio.request(_empty_form()), form={})
    answers: list[tuple[int, bytes]] = []

    def ask(port: int) -> None:
        answers.append(request(port, "POST", "/api/v1/generate", b"{}"))

    with served(studio) as port:
        threads = [threading.Thread(target=ask, args=(port,)) for _ in range(MAX_JOBS + 4)]
        for thread in threads:
            thread.start()
        _until(lambda: len(answers) >= 4)
        assert {status for status, _ in answers} == {429}
        assert all(b"busy" in body for _, body in answers)
        assert request(port, "GET", "/api/v1/runs")[0] == 429  # it would wait, too
        assert request(port, "GET", "/api/v1/fit")[0] == 200
        gate.set()
        for thread in threads:
            thread.join(60)
        assert sorted(status for status, _ in answers) == [200] * MAX_JOBS + [429] * 4
        assert all(json.loads(body) for status, body in answers if status == 200)
        assert request(port, "GET", "/api/v1/runs")[0] == 200


def _empty_form() -> Any:
    from melodylc.studio.forms import RequestForm

    return RequestForm()


def _until(true: Callable[[], Any]) -> None:
    for _ in range(2400):
        if true():
            return
        time.sleep(0.025)
    raise AssertionError("nothing came of it")


@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n",
        b"POST /api/v1/plan HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100\r\n\r\n{",
    ],
    ids=["nothing", "line", "headers", "body of a refused one"],
)
def test_half_a_request_is_not_waited_for(studio: Studio, half: bytes) -> None:
    with served(studio, header_seconds=0.4) as port, socket.create_connection(("127.0.0.1", port), 60) as one:
        one.sendall(half)
        received = b""
        try:
            while part := one.recv(65536):
                received += part
        except ConnectionError:
            pass
        assert b" 200 " not in received


def test_a_body_that_does_not_come_is_not_waited_for(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("melodylc.studio.routes.BODY_SECONDS", 0.3)
    with served(studio) as port, socket.create_connection(("127.0.0.1", port), 60) as one:
        head = f"POST /api/v1/plan HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {SECRET}\r\n"
        one.sendall(head.encode() + b"content-length: 100\r\n\r\n{")
        assert b" 408 " in one.recv(65536)


def test_many_open_connections_keep_nobody_out(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 8)
    with served(studio) as port:
        idle = [socket.create_connection(("127.0.0.1", port), 60) for _ in range(40)]
        for one in idle:
            one.sendall(b"GET / HT")
        assert request(port, "GET", "/api/v1/fit")[0] == 200
        closed = 0
        for one in idle[:32]:  # of the oldest at most eight are left
            try:
                closed += one.recv(1) == b""
            except ConnectionError:
                closed += 1
        assert closed == 32
        for one in idle:
            one.close()


@pytest.mark.parametrize("length", [MAX_FILE + 1, 3 * MAX_FILE])
def test_a_file_over_the_limit_gets_its_message_while_it_is_sent(studio: Studio, length: int) -> None:
    with served(studio) as port:
        status, body = request(port, "POST", "/api/v1/upload?name=my%20song.mid", bytes(length))
    assert status == 413
    message = json.loads(body)["error"]
    assert message == "my song.mid: larger than 16 MiB, which no MIDI file of a piece of music is"


def test_who_asks_first_is_told_at_once(studio: Studio) -> None:
    with served(studio) as port, socket.create_connection(("127.0.0.1", port), 60) as one:
        head = f"POST /api/v1/upload HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {SECRET}\r\n"
        one.sendall(head.encode() + f"expect: 100-continue\r\ncontent-length: {MAX_FILE + 1}\r\n\r\n".encode())
        assert b" 413 " in one.recv(65536)


@pytest.mark.parametrize(
    "path",
    [
        f"/api/v1/runs/{'1' * 5000}/melodies",
        f"/api/v1/rules/{'1' * 5000}",
        f"/api/v1/runs?tempo={'1' * 5000}",
        "/api/v1/runs?tempo=nan",
        "/api/v1/runs/²/melodies",
        "/api/v1/runs/-1/archive.zip",
    ],
    ids=lambda path: path[:30],
)
def test_numbers_of_thousands_of_digits_are_refused(client: TestClient, path: str) -> None:
    error(client.get(path, headers=BEARER), 400)


def test_half_a_surrogate_pair_is_refused(client: TestClient) -> None:
    query = '/api/v1/upload?name=a.mid&request={"scale":"\\ud800"}'
    assert "JSON in UTF-8" in error(client.post(query, content=b"", headers=BEARER), 400)
    answer = error(client.post("/api/v1/upload?name=%ed%a0%80.mid", content=b"words", headers=BEARER), 400)
    assert "not a MIDI file" in answer


# -- a fit that starts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [False, True])
def test_stop_before_the_process_is_there_stops_it(monkeypatch: pytest.MonkeyPatch, keep: bool) -> None:
    started: list[Any] = []
    monkeypatch.setattr("melodylc.studio.fitting._start", started.append)
    job = _FitJob({}, FitProgress("starting", "C major"))
    job.stop(keep)
    job.run()
    assert started == []
    assert (job.progress.state, job.progress.busy) == ("stopped", False)


def test_stop_while_the_process_starts_stops_it_and_the_next_fit_has_its_own_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, studio: Studio
) -> None:
    monkeypatch.setenv("MELODYLC_CACHE", str(tmp_path))
    waiting = "import time; time.sleep(600)"
    monkeypatch.setattr("melodylc.studio.fitting._COMMAND", [sys.executable, "-c", waiting])
    fitting = Fitting(studio.model)
    requests = [studio.request(_form(scale)) for scale in ("f# phrygian", "e locrian")]
    processes = []
    for number, scale in enumerate(requests):
        fitting.start(scale, f"fit {number}")
        job: Any = fitting._job
        _until(partial(_has_process, job))
        processes.append(job._process)
        assert fitting.progress.state == "starting"
        fitting.stop(keep=number == 1)  # there is nothing to keep yet
        assert (fitting.progress.state, fitting.progress.title) == ("stopped", f"fit {number}")
    for process in processes:
        assert process.wait(60) != 0
    assert (fitting.progress.state, fitting.progress.title) == ("stopped", "fit 1")
    assert not list(tmp_path.rglob("*.safetensors"))


def _has_process(job: Any) -> bool:
    return job._process is not None


def _form(scale: str) -> Any:
    from melodylc.studio.forms import RequestForm

    return RequestForm(scale=scale)


# -- links -----------------------------------------------------------------------------------------------------


def test_write_follows_no_link_out_of_its_folder(client: TestClient, studio: Studio, tmp_path: Path) -> None:
    lines = client.post("/api/v1/generate", json={"scale": "cmaj", "count": 1, "seed": 5}, headers=BEARER).text
    run = json.loads(lines.splitlines()[0])["run"]
    melody = next(json.loads(line)["melody"] for line in lines.splitlines() if '"melody"' in line)
    outside = tmp_path / "outside"
    studio.folder.mkdir(exist_ok=True)
    (studio.folder / melody["file"]).symlink_to(outside)  # to nothing, yet
    path = Path(client.post("/api/v1/write", json={"run": run["run"], "number": 1}, headers=BEARER).json()["path"])
    assert path.name == melody["file"].replace(".mid", "-2.mid")
    assert not outside.exists()
    outside.write_bytes(path.read_bytes())  # to the very same bytes
    again = client.post("/api/v1/write", json={"run": run["run"], "number": 1}, headers=BEARER).json()["path"]
    assert Path(again) == path

    (tmp_path / "elsewhere").mkdir()
    folder = studio.folder / "melodylc-cmaj-seed5"
    folder.symlink_to(tmp_path / "elsewhere")
    assert "is a link" in error(client.post("/api/v1/write", json={"run": run["run"]}, headers=BEARER), 400)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    folder.unlink()
    client.post("/api/v1/write", json={"run": run["run"]}, headers=BEARER)
    (written,) = folder.glob("*-01.mid")
    content = written.read_bytes()
    (tmp_path / "file").write_bytes(content)
    written.unlink()
    written.symlink_to(tmp_path / "file")
    assert "is a link" in error(client.post("/api/v1/write", json={"run": run["run"]}, headers=BEARER), 400)
