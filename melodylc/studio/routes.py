"""The HTTP interface: JSON in, JSON, lines of JSON or files out. `openapi.json` describes every route under /api/v1."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from melodylc.data.errors import InputError, MelodylcError
from melodylc.data.files import reason
from melodylc.data.smf import MAX_FILE
from melodylc.data.source import Choice, parse_bars
from melodylc.data.writing import check_tempo
from melodylc.studio.access import AccessControl
from melodylc.studio.export import collection, file_name, melody_bytes, run_files, write_melody, write_run, zip_archive
from melodylc.studio.forms import Fields, RequestForm, decode_json
from melodylc.studio.history import Mark, Run
from melodylc.studio.streams import Emit, Engine, TooManyJobs, stream
from melodylc.studio.studio import MAX_SEED, Studio, VariationSettings, too_large, upload_name
from melodylc.studio.views import info_view, melody_view, parts_view, run_view, scale_view

API = "/api/v1"
MAX_JSON = 64 << 10  #: bytes
MAX_MELODIES = 64  #: in one run
MAX_VARIATIONS = 16  #: in one run
BODY_SECONDS = 60.0  #: that a request's body may take
TEMPO = 120.0
_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class BodyTooLarge(MelodylcError):
    """A request of more bytes than it may have."""


class BodyTooSlow(MelodylcError):
    """A request whose body doesn't come."""


class PageFile(NamedTuple):
    """A file of the page, and what it is."""

    content: bytes
    kind: str


def create_app(studio: Studio, port: int, secret: str) -> AccessControl:
    """The studio as an ASGI application that answers on a port of this machine, to who knows the secret."""
    handlers: dict[Any, Any] = {
        TooManyJobs: _error(429),
        BodyTooLarge: _error(413),
        BodyTooSlow: _error(408),
        MelodylcError: _error(400),
        HTTPException: lambda request, error: JSONResponse({"error": error.detail}, error.status_code),
        OSError: lambda request, error: JSONResponse({"error": reason(error)}, 500),
    }
    return AccessControl(Starlette(routes=_Handlers(studio).routes(), exception_handlers=handlers), port, secret)


def page_files() -> dict[str, PageFile]:
    """Every file of the page by its path within it, read once: nothing else can be asked for.

    >>> page_files()["index.html"].kind
    'text/html'
    """
    return dict(_walk(files("melodylc.studio") / "page", ""))


class _Handlers:
    """Every route, as a method."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._engine = Engine()
        self._files = page_files()
        self._openapi = (files("melodylc.studio") / "openapi.json").read_bytes()

    def routes(self) -> list[Route]:
        """The table."""
        get: list[tuple[str, Callable[[Request], Awaitable[Response]]]] = [
            ("/", self.page),
            ("/page/{path:path}", self.page),
            (f"{API}/openapi.json", self.openapi),
            (f"{API}/info", self.info),
            (f"{API}/rules/{{rule}}", self.rule),
            (f"{API}/runs", self.runs),
            (f"{API}/runs/{{run}}/melodies", self.melodies),
            (f"{API}/runs/{{run}}/melodies/{{number}}/{{file}}", self.melody_file),
            (f"{API}/runs/{{run}}/archive.zip", self.run_archive),
            (f"{API}/keepers.zip", self.keepers_archive),
            (f"{API}/fit", self.fit_progress),
        ]
        post: list[tuple[str, Callable[[Request], Awaitable[Response]]]] = [
            (f"{API}/plan", self.plan),
            (f"{API}/generate", self.generate),
            (f"{API}/vary", self.vary),
            (f"{API}/repair", self.vary),
            (f"{API}/upload", self.upload),
            (f"{API}/score", self.score),
            (f"{API}/mark", self.mark),
            (f"{API}/write", self.write),
            (f"{API}/fit", self.fit),
            (f"{API}/fit/stop", self.fit_stop),
        ]
        routes = [Route(path, endpoint, methods=["GET"]) for path, endpoint in get]
        return routes + [Route(path, endpoint, methods=["POST"]) for path, endpoint in post]

    # -- what is there ---------------------------------------------------------------------------

    async def page(self, request: Request) -> Response:
        file = self._files.get(request.path_params.get("path", "index.html"))
        if file is None:
            raise HTTPException(404, "there is no such file")
        return Response(file.content, media_type=file.kind)

    async def openapi(self, request: Request) -> Response:
        return Response(self._openapi, media_type="application/json")

    async def info(self, request: Request) -> Response:
        return JSONResponse(info_view(self._studio))

    async def rule(self, request: Request) -> Response:
        number = _path_number(request, "rule")
        return JSONResponse(await self._engine.submit(lambda: self._studio.rules.details(number)))

    async def runs(self, request: Request) -> Response:
        """All of them, without their melodies: there may be thousands."""
        tempo, runs = _tempo(request), self._studio.history
        return JSONResponse(await self._engine.submit(lambda: [run_view(run, tempo) for run in runs]))

    async def melodies(self, request: Request) -> Response:
        run = self._path_run(request)
        return JSONResponse(
            await self._engine.submit(lambda: [melody_view(run, number) for number in sorted(run.melodies)])
        )

    # -- making melodies -------------------------------------------------------------------------

    async def plan(self, request: Request) -> Response:
        form = RequestForm.read(await _json(request), self._studio.rules)

        def view() -> dict[str, Any]:
            plan = self._studio.plan(form)
            about = {"scale": scale_view(plan.request.scale), "parts": parts_view(plan.request)}
            return {"ready": plan.ready, "summary": plan.summary, **about}

        return JSONResponse(await self._engine.submit(view))

    async def generate(self, request: Request) -> Response:
        fields = Fields(await _json(request))
        tempo = check_tempo(fields.number("tempo", 0, 10_000, TEMPO))
        count = fields.whole("count", 1, MAX_MELODIES, 8)
        seed = _seed(fields)
        values, form = self._form(fields)

        def work(emit: Emit) -> None:
            run = self._studio.generate(
                form,
                values,
                count,
                seed,
                on_run=lambda run: emit({"run": run_view(run, tempo)}),
                on_melody=lambda run, number: emit({"melody": melody_view(run, number)}),
                on_progress=lambda passed, draws: emit({"passed": passed, "draws": draws}),
            )
            emit({"end": len(run.melodies), "count": count})

        return stream(self._engine, work)

    async def vary(self, request: Request) -> Response:
        """Variations, or the key repaired."""
        fields = Fields(await _json(request))
        source = self._melody(fields)
        bars = tuple(_bar(it) for it in fields.items("bars", 16))
        settings = VariationSettings(
            bars or VariationSettings.bars,
            fields.number("distance", 0.01, 1, VariationSettings.distance),
            fields.number("strength", 0.01, 1, VariationSettings.strength),
            fields.whole("count", 1, MAX_VARIATIONS, VariationSettings.count),
            _seed(fields),
        )
        values, form = self._form(fields)
        repairs = request.url.path.endswith("/repair")
        change, count = (self._studio.repair, 1) if repairs else (self._studio.vary, settings.count)

        def work(emit: Emit) -> None:
            def on_melody(run: Run, number: int) -> None:
                if number == 1:
                    emit({"run": run_view(run, TEMPO)})
                emit({"melody": melody_view(run, number)})

            run = change(*source, form, values, settings, on_melody)
            emit({"end": len(run.melodies), "count": count})

        return stream(self._engine, work)

    async def score(self, request: Request) -> Response:
        """What the request of now says of an uploaded melody."""
        fields = Fields(await _json(request))
        run, number = self._melody(fields)
        values, form = self._form(fields)
        if run.kind != "upload":
            raise InputError("what was made for a rule is scored by that one")

        def score() -> dict[str, Any]:
            self._studio.score(run, form, values)
            return {"run": run_view(run, TEMPO), "melody": melody_view(run, number)}

        return JSONResponse(await self._engine.submit(score))

    async def upload(self, request: Request) -> Response:
        query = request.query_params
        values, form = self._form(Fields(decode_json(query.get("request", "{}").encode("utf-8", "replace"))))
        bars = query.get("bars")
        choice = Choice(query.get("track") or None, parse_bars(bars) if bars else None, as_four_four="four" in query)
        name = query.get("name", "")
        content = await _body(request, MAX_FILE, too_large(upload_name(name)))

        def read() -> dict[str, Any]:
            run = self._studio.upload(name, content, choice, form, values)
            return {"run": run_view(run, TEMPO), "melody": melody_view(run, 1), "tempo": run.settings["tempo"]}

        return JSONResponse(await self._engine.submit(read))

    # -- keeping them ----------------------------------------------------------------------------

    async def mark(self, request: Request) -> Response:
        fields = Fields(await _json(request))
        run, number = self._melody(fields)
        word = fields.text("mark")
        fields.end()
        marks: dict[str | None, Mark | None] = {"keep": "keep", "discard": "discard", None: None}
        if word not in marks:
            raise InputError("a mark is keep, discard or null")
        # Beside whatever is being made: a file is written.
        await asyncio.to_thread(self._studio.history.mark, run.number, number, marks[word])
        return JSONResponse({"mark": word})

    async def melody_file(self, request: Request) -> Response:
        run, number, tempo = self._path_run(request), _path_number(request, "number"), _tempo(request)
        content = await self._engine.submit(lambda: melody_bytes(run, number, tempo, self._studio.backend))
        return _attachment(content, file_name(run, number), "audio/midi")

    async def run_archive(self, request: Request) -> Response:
        run, tempo = self._path_run(request), _tempo(request)
        content = await self._engine.submit(
            lambda: zip_archive(run_files(run, tempo, self._studio.backend), f"melodylc-{run.slug}")
        )
        return _attachment(content, f"melodylc-{run.slug}.zip", "application/zip")

    async def keepers_archive(self, request: Request) -> Response:
        keepers, tempo = self._studio.history.keepers(), _tempo(request)
        if not keepers:
            raise InputError("nothing is kept yet")
        content = await self._engine.submit(
            lambda: zip_archive(collection(keepers, tempo, self._studio.backend), "melodylc-kept")
        )
        return _attachment(content, "melodylc-kept.zip", "application/zip")

    async def write(self, request: Request) -> Response:
        fields = Fields(await _json(request))
        tempo = check_tempo(fields.number("tempo", 0, 10_000, TEMPO))
        run = self._studio.history.run(fields.whole("run", 1, 1 << 31))
        number = fields.whole("number", 0, 1 << 31, 0)
        fields.end()
        folder, backend = self._studio.folder, self._studio.backend

        def write() -> str:
            if not number:
                return str(write_run(folder, run, tempo, backend))
            return str(write_melody(folder, file_name(run, number), melody_bytes(run, number, tempo, backend)))

        return JSONResponse({"path": await self._engine.submit(write)})

    # -- fitting ---------------------------------------------------------------------------------

    async def fit_progress(self, request: Request) -> Response:
        return JSONResponse(self._studio.fitting.progress.to_dict())

    async def fit(self, request: Request) -> Response:
        form = RequestForm.read(await _json(request), self._studio.rules)
        await self._engine.submit(lambda: self._studio.fit(form))
        return await self.fit_progress(request)

    async def fit_stop(self, request: Request) -> Response:
        fields = Fields(await _json(request))
        keep = fields.flag("keep", False)
        fields.end()
        await asyncio.to_thread(self._studio.fitting.stop, keep)
        return await self.fit_progress(request)

    # -- reading requests ------------------------------------------------------------------------

    def _path_run(self, request: Request) -> Run:
        return self._studio.history.run(_path_number(request, "run"))

    def _melody(self, fields: Fields) -> tuple[Run, int]:
        run = self._studio.history.run(fields.whole("run", 1, 1 << 31))
        number = fields.whole("number", 1, 1 << 31)
        run.melody(number)
        return run, number

    def _form(self, fields: Fields) -> tuple[dict[str, Any], RequestForm]:
        """The request as it came, in the fields that are left, and read."""
        values = fields.remainder()
        return values, RequestForm.read(values, self._studio.rules)


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, PageFile]]:
    entries: list[tuple[str, PageFile]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            entries += _walk(entry, f"{prefix}{entry.name}/")
        elif (kind := _KINDS.get(entry.name.rpartition(".")[2])) is not None:
            entries.append((prefix + entry.name, PageFile(entry.read_bytes(), kind)))
    return entries


def _error(status: int) -> Callable[[Request, Exception], JSONResponse]:
    return lambda request, error: JSONResponse({"error": str(error)}, status)


def _path_number(request: Request, name: str) -> int:
    text = request.path_params[name]
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise InputError(f"{name} is a number of at most 9 digits, not {text[:20]!r}")
    return int(text)


def _seed(fields: Fields) -> int | None:
    """None for a new one."""
    seed = fields.whole("seed", -1, MAX_SEED, -1)
    return None if seed < 0 else seed


def _bar(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= 16:
        raise InputError("a bar is a whole number from 1 to 16")
    return value - 1


def _tempo(request: Request) -> float:
    text = request.query_params.get("tempo", str(TEMPO))
    try:
        return check_tempo(float(text))
    except ValueError as error:
        raise (
            error if isinstance(error, InputError) else InputError(f"a tempo is a number, not {text[:40]!r}")
        ) from None


async def _json(request: Request) -> Any:
    return decode_json(await _body(request, MAX_JSON, f"too large: JSON has {MAX_JSON >> 10} KiB at most"))


async def _body(request: Request, most: int, message: str) -> bytes:
    """The body, if it has at most so many bytes; no more than that is ever held.

    What comes beyond is read and thrown away before the answer: a browser that is still sending would lose the message.
    A client that asked first (Expect: 100-continue) is answered at once.
    """
    parts, size = list[bytes](), 0
    length = request.headers.get("content-length", "0")
    large = len(length) > 12 or (length.isdecimal() and int(length) > most)
    if large and "100-continue" in request.headers.get("expect", "").lower():
        raise BodyTooLarge(message)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    large = True
                    parts.clear()
                if not large:
                    parts.append(part)
    except TimeoutError:
        raise BodyTooLarge(message) if large else BodyTooSlow("the rest of the request didn't come") from None
    if large:
        raise BodyTooLarge(message)
    return b"".join(parts)


def _attachment(content: bytes, name: str, kind: str) -> Response:
    return Response(content, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})
