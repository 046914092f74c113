"""The studio's HTTP interface is what its OpenAPI file says, and a client from outside can use it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the studio needs starlette and uvicorn: pip install -e '.[studio]'")

from starlette.testclient import TestClient
from test_studio import crooked
from test_studio_access import BEARER, ORIGIN, PORT, SECRET, served

from melodylc.data import midi_bytes
from melodylc.models.checkpoint import shipped_model
from melodylc.studio.access import SecretFiles
from melodylc.studio.routes import API, create_app
from melodylc.studio.rules import RuleTable
from melodylc.studio.studio import Studio

ROOT = Path(__file__).parent.parent
OPENAPI: dict[str, Any] = json.loads((ROOT / "melodylc" / "studio" / "openapi.json").read_text("utf-8"))
CLIENT = ROOT / "docs" / "examples" / "studio_client.py"
OPERATIONS = [(method, path) for path, item in OPENAPI["paths"].items() for method in item]
TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
    "integer": int, "number": (int, float),
}  # fmt: skip


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(shipped_model(), RuleTable.load(), tmp_path_factory.mktemp("studio") / "written")


@pytest.fixture(scope="module")
def client(studio: Studio) -> Iterator[TestClient]:
    with TestClient(create_app(studio, PORT, SECRET), base_url=ORIGIN, headers=BEARER) as client:
        yield client


@pytest.fixture(scope="module")
def lines(client: TestClient) -> list[Any]:
    """Of a generation; run 1, two melodies, the first of which is kept."""
    text = client.post(f"{API}/generate", json={"scale": "d dorian", "tonic": False, "count": 2, "seed": 3}).text
    client.post(f"{API}/mark", json={"run": 1, "number": 1, "mark": "keep"})
    return [json.loads(line) for line in text.splitlines()]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        target: Any = OPENAPI
        for name in schema["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        schema = target
    return schema


def problems(value: Any, schema: dict[str, Any], where: str = "") -> list[str]:
    """Where a value isn't what a schema says; a field that it doesn't name is a problem, too."""
    schema = resolved(schema)
    if "anyOf" in schema:
        tried = [problems(value, one, where) for one in schema["anyOf"]]
        return [] if [] in tried else min(tried, key=len)
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{where}: {value!r}"]
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return [f"{where}: {value!r} is no {kind}"]
    found = []
    if kind == "object" and "properties" in schema:
        found += [f"{where}.{name} is missing" for name in schema.get("required", ()) if name not in value]
        found += [f"{where}.{name} isn't described" for name in value if name not in schema["properties"]]
        for name, inner in schema["properties"].items():
            found += problems(value[name], inner, f"{where}.{name}") if name in value else []
    elif kind == "object" and "additionalProperties" in schema:
        for name, item in value.items():
            found += problems(item, schema["additionalProperties"], f"{where}.{name}")
    elif kind == "array":
        for index, item in enumerate(value):
            found += problems(item, schema["items"], f"{where}[{index}]")
    return found


def answer_schema(method: str, path: str) -> dict[str, Any]:
    (content,) = OPENAPI["paths"][path][method]["responses"]["200"]["content"].values()
    schema: dict[str, Any] = content["schema"]
    return schema


def test_every_route_is_described_and_nothing_else(studio: Studio) -> None:
    app: Any = create_app(studio, PORT, SECRET)._app
    routes = {
        (method.lower(), route.path)
        for route in app.routes
        for method in route.methods - {"HEAD"}
        if route.path not in ("/", "/page/{path:path}")
    }
    assert routes == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_parameters_are_those_of_the_path_and_references_resolve(method: str, path: str) -> None:
    operation = OPENAPI["paths"][path][method]
    names = {it["name"] for it in operation.get("parameters", ()) if it["in"] == "path"}
    assert names == {part[1:-1] for part in path.split("/") if part.startswith("{")}
    for response in operation["responses"].values():
        for content in resolved(response)["content"].values():
            assert resolved(content["schema"])


def test_the_file_itself_is_served(client: TestClient) -> None:
    assert client.get(f"{API}/openapi.json").json() == OPENAPI


@pytest.mark.parametrize(
    ("method", "path"), [it for it in OPERATIONS if it[0] == "post" and not it[1].endswith("/upload")]
)
def test_the_fields_that_are_described_are_the_fields_that_are_read(
    client: TestClient, lines: list[Any], method: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("melodylc.studio.fitting._FitJob.run", lambda job: job.stop(keep=False))
    schema = resolved(OPENAPI["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"])
    body = dict.fromkeys(schema["properties"])  # null is as good as nothing
    body |= {name: 1 for name in ("run", "number") if name in body}
    assert "unknown" not in client.post(path, json=body).text
    assert "unknown: nonsense" in client.post(path, json={**body, "nonsense": 1}).json()["error"]


def test_answers_are_as_described(client: TestClient, lines: list[Any]) -> None:
    for line in lines:
        assert problems(line, {"$ref": "#/components/schemas/Line"}) == []
    assert {name for line in lines for name in line} == {"run", "melody", "passed", "draws", "end", "count"}
    plan, wrong = {"scale": "e locrian", "density": "low"}, {"scale": "x"}
    upload = client.post(f"{API}/upload?name=a.mid&request={json.dumps(plan)}", content=midi_bytes(crooked()))
    number = upload.json()["run"]["run"]
    asked: list[tuple[str, str, str, Any]] = [
        ("get", "/info", "/info", None),
        ("get", "/rules/{rule}", "/rules/0", None),
        ("get", "/runs", "/runs", None),
        ("get", "/runs/{run}/melodies", "/runs/1/melodies", None),
        ("get", "/fit", "/fit", None),
        ("post", "/plan", "/plan", plan),
        ("post", "/score", "/score", {"run": number, "number": 1, **plan}),
        ("post", "/mark", "/mark", {"run": 1, "number": 1, "mark": "keep"}),
        ("post", "/write", "/write", {"run": 1, "number": 1}),
        ("post", "/fit/stop", "/fit/stop", {"keep": True}),
    ]
    answers = [(client.request(method, API + path, json=body), method, name) for method, name, path, body in asked]
    for answer, method, name in [(upload, "post", "/upload"), *answers]:
        assert answer.status_code == 200, answer.text
        assert problems(answer.json(), answer_schema(method, API + name), name) == []
    assert problems(client.post(f"{API}/plan", json=wrong).json(), {"$ref": "#/components/schemas/Error"}) == []
    for path in ("/runs/1/archive.zip", "/keepers.zip", "/runs/1/melodies/1/clip.mid"):
        assert client.get(API + path).headers["content-type"] in ("application/zip", "audio/midi")


def test_the_check_of_schemas_finds_what_is_wrong() -> None:
    line = {"$ref": "#/components/schemas/Line"}
    assert problems({"end": "1", "count": 1}, line)
    assert problems({"end": 1}, line)
    assert problems({"end": 1, "count": True}, line)
    assert problems({"end": 1, "count": 1, "more": 1}, line)


# -- the client in docs/examples -------------------------------------------------------------------------------


def run_client(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "MELODYLC_CACHE": str(folder)}
    return subprocess.run([sys.executable, str(CLIENT), *words], env=env, capture_output=True, text=True)


def test_the_client_of_the_docs_saves_the_command_lines_files(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Callable[..., Any]
) -> None:
    monkeypatch.setenv("MELODYLC_CACHE", str(tmp_path / "cache"))
    words = ("--seed", "7", "-n", "2", "--tempo", "92", "--scale", "d major")
    with served(studio) as port:
        SecretFiles(port, SECRET).write()
        done = run_client(tmp_path / "cache", *words, "-o", str(tmp_path / "clips"))
        assert done.returncode == 0, done.stderr
        refused = run_client(tmp_path / "cache", "--scale", "x major")
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert [path.name for path in sorted(paths)] == ["dmaj-seed7-01.mid", "dmaj-seed7-02.mid"]
    assert run_cli("generate", *words, "-o", tmp_path / "out").code == 0
    by_command_line = sorted((tmp_path / "out").glob("*.mid"))
    assert [path.read_bytes() for path in sorted(paths)] == [path.read_bytes() for path in by_command_line]
    assert refused.returncode == 1
    assert refused.stderr.startswith("unknown scale")
    assert "Traceback" not in refused.stderr


def test_the_client_says_that_no_studio_is_running(tmp_path: Path) -> None:
    done = run_client(tmp_path)
    assert done.returncode == 1
    assert "no studio is running" in done.stderr
