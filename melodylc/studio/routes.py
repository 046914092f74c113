"""What the page can ask over HTTP: JSON in, JSON, lines of JSON or files out."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

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
from melodylc.studio.about import about
from melodylc.studio.asked import Asked
from melodylc.studio.files import file_name, folder_of, kept_of, midi, write_one, write_run, zipped
from melodylc.studio.guard import Guard
from melodylc.studio.history import Mark, Run
from melodylc.studio.page import page_files
from melodylc.studio.reading import Fields
from melodylc.studio.shown import shown_parts, shown_run, shown_scale, shown_take
from melodylc.studio.streams import Busy, Emit, Engine, streamed
from melodylc.studio.studio import MOST_SEED, Studio, Wanted

MOST_JSON = 64 << 10  #: bytes
MOST_MELODIES = 64  #: in one run
MOST_CHANGED = 16  #: variations in one run
TEMPO = 120.0


class TooLarge(MelodylcError):
    """A request of more bytes than it may have."""


def create_app(studio: Studio, port: int, token: str) -> Guard:
    """The studio as an ASGI application that answers on a port of this machine, to who knows the token."""
    desk = _Desk(studio, token)
    handlers: dict[Any, Any] = {
        Busy: _refused(429),
        TooLarge: _refused(413),
        MelodylcError: _refused(400),
        HTTPException: lambda request, error: JSONResponse({"error": error.detail}, error.status_code),
        OSError: lambda request, error: JSONResponse({"error": reason(error)}, 500),
    }
    return Guard(Starlette(routes=desk.routes(), exception_handlers=handlers), port, token)


def _refused(status: int) -> Callable[[Request, Exception], JSONResponse]:
    return lambda request, error: JSONResponse({"error": str(error)}, status)


class _Desk:
    """Every route, as a method."""

    def __init__(self, studio: Studio, token: str) -> None:
        self._studio = studio
        self._engine = Engine()
        self._files = page_files()
        self._index = self._files.pop("index.html").content.replace(b"{{token}}", token.encode())

    def routes(self) -> list[Route]:
        """The table."""
        get: list[tuple[str, Callable[[Request], Awaitable[Response]]]] = [
            ("/", self.index),
            ("/page/{path:path}", self.static),
            ("/api/about", self.about),
            ("/api/rules/{rule:int}", self.rule),
            ("/api/runs", self.runs),
            ("/api/runs/{run:int}", self.run),
            ("/api/fit", self.progress),
            ("/files/kept.zip", self.kept),
            ("/files/{run:int}.zip", self.folder),
            ("/files/{run:int}/{number:int}/{name}", self.file),
        ]
        post: list[tuple[str, Callable[[Request], Awaitable[Response]]]] = [
            ("/api/plan", self.plan),
            ("/api/generate", self.generate),
            ("/api/vary", self.change),
            ("/api/mend", self.change),
            ("/api/judge", self.judge),
            ("/api/drop", self.drop),
            ("/api/mark", self.mark),
            ("/api/write", self.write),
            ("/api/fit", self.fit),
            ("/api/fit/stop", self.stop),
        ]
        routes = [Route(path, endpoint, methods=["GET"]) for path, endpoint in get]
        return routes + [Route(path, endpoint, methods=["POST"]) for path, endpoint in post]

    # -- what is there ---------------------------------------------------------------------------

    async def index(self, request: Request) -> Response:
        return Response(self._index, media_type="text/html")

    async def static(self, request: Request) -> Response:
        found = self._files.get(request.path_params["path"])
        if found is None:
            raise HTTPException(404, "there is no such file")
        return Response(found.content, media_type=found.kind)

    async def about(self, request: Request) -> Response:
        return JSONResponse(about(self._studio))

    async def rule(self, request: Request) -> Response:
        number = request.path_params["rule"]
        return JSONResponse(await self._engine.run(lambda: self._studio.rules.details(number)))

    async def runs(self, request: Request) -> Response:
        """All of them, without their melodies: there may be thousands."""
        tempo, runs = _tempo(request), self._studio.history
        return JSONResponse(await self._engine.run(lambda: [shown_run(run, tempo) for run in runs]))

    async def run(self, request: Request) -> Response:
        run = self._studio.history.run(request.path_params["run"])
        return JSONResponse(
            await self._engine.run(lambda: [shown_take(run, number) for number in sorted(run.melodies)])
        )

    # -- making melodies -------------------------------------------------------------------------

    async def plan(self, request: Request) -> Response:
        asked = Asked.read(await _json(request), self._studio.rules)

        def planned() -> dict[str, Any]:
            plan = self._studio.plan(asked)
            shown = {"scale": shown_scale(plan.request.scale), "parts": shown_parts(plan.request)}
            return {"ready": plan.ready, "how": plan.how, **shown}

        return JSONResponse(await self._engine.run(planned))

    async def generate(self, request: Request) -> Response:
        fields = Fields(await _json(request))
        tempo = check_tempo(fields.number("tempo", 0, 10_000, TEMPO))
        count = fields.whole("count", 1, MOST_MELODIES, 8)
        seed = fields.whole("seed", -1, MOST_SEED, -1)
        words, asked = self._asked(fields)

        def work(emit: Emit) -> None:
            run = self._studio.generate(
                asked,
                words,
                count,
                None if seed < 0 else seed,
                begun=lambda run: emit({"run": shown_run(run, tempo)}),
                found=lambda run, number: emit({"take": shown_take(run, number)}),
                report=lambda passed, draws: emit({"passed": passed, "draws": draws}),
            )
            emit({"done": len(run.melodies), "asked": count})

        return streamed(self._engine, work)

    async def change(self, request: Request) -> Response:
        fields = Fields(await _json(request))
        source = self._source(fields)
        bars = tuple(_bar(it) for it in fields.listed("bars", 16))
        seed = fields.whole("seed", -1, MOST_SEED, -1)
        wanted = Wanted(
            bars or Wanted.bars,
            fields.number("distance", 0.01, 1, Wanted.distance),
            fields.number("strength", 0.01, 1, Wanted.strength),
            fields.whole("count", 1, MOST_CHANGED, Wanted.count),
            None if seed < 0 else seed,
        )
        words, asked = self._asked(fields)
        how = self._studio.vary if request.url.path.endswith("vary") else self._studio.mend

        def work(emit: Emit) -> None:
            def found(run: Run, number: int) -> None:
                if number == 1:
                    emit({"run": shown_run(run, TEMPO)})
                emit({"take": shown_take(run, number)})

            made = how(*source, asked, words, wanted, found)
            emit({"done": len(made.melodies), "asked": wanted.count})

        return streamed(self._engine, work)

    async def judge(self, request: Request) -> Response:
        """What the rule that is asked for now says of melodies that are there."""
        fields = Fields(await _json(request))
        run, number = self._source(fields)
        words, asked = self._asked(fields)
        if run.kind != "drop":
            raise InputError("what was made for a rule is judged by that one")

        def judge() -> dict[str, Any]:
            self._studio.judge(run, asked, words)
            return {"run": shown_run(run, TEMPO), "take": shown_take(run, number)}

        return JSONResponse(await self._engine.run(judge))

    async def drop(self, request: Request) -> Response:
        told = request.query_params
        asked = Fields(_decoded(told.get("asked", "{}").encode()))
        words, rule = self._asked(asked)
        bars = told.get("bars")
        choice = Choice(told.get("track") or None, parse_bars(bars) if bars else None, as_four_four="four" in told)
        content = await _body(request, MAX_FILE)

        def read() -> dict[str, Any]:
            run = self._studio.drop(told.get("name", ""), content, choice, rule, words)
            return {"run": shown_run(run, TEMPO), "take": shown_take(run, 1), "tempo": run.settings["tempo"]}

        return JSONResponse(await self._engine.run(read))

    # -- keeping them ----------------------------------------------------------------------------

    async def mark(self, request: Request) -> Response:
        fields = Fields(await _json(request))
        run, number = self._source(fields)
        word = fields.text("mark")
        fields.done()
        marks: dict[str | None, Mark | None] = {"kept": "kept", "discarded": "discarded", None: None}
        if word not in marks:
            raise InputError("a mark is kept, discarded or null")
        # Beside whatever is being made: a file is written.
        await asyncio.to_thread(self._studio.history.mark, run.number, number, marks[word])
        return JSONResponse({"mark": word})

    async def file(self, request: Request) -> Response:
        run, number = self._studio.history.run(request.path_params["run"]), request.path_params["number"]
        content = await self._engine.run(lambda: midi(run, number, _tempo(request), self._studio.model))
        return _attached(content, file_name(run, number), "audio/midi")

    async def folder(self, request: Request) -> Response:
        run = self._studio.history.run(request.path_params["run"])
        packed = await self._engine.run(
            lambda: zipped(folder_of(run, _tempo(request), self._studio.model), f"melodylc-{run.slug}")
        )
        return _attached(packed, f"melodylc-{run.slug}.zip", "application/zip")

    async def kept(self, request: Request) -> Response:
        kept = self._studio.history.kept()
        if not kept:
            raise InputError("nothing is kept yet")
        packed = await self._engine.run(
            lambda: zipped(kept_of(kept, _tempo(request), self._studio.model), "melodylc-kept")
        )
        return _attached(packed, "melodylc-kept.zip", "application/zip")

    async def write(self, request: Request) -> Response:
        fields = Fields(await _json(request))
        tempo = check_tempo(fields.number("tempo", 0, 10_000, TEMPO))
        run = self._studio.history.run(fields.whole("run", 1, 1 << 31))
        number = fields.whole("number", 0, 1 << 31, 0)
        fields.done()
        studio = self._studio

        def wrote() -> str:
            if not number:
                return str(write_run(studio.folder, run, tempo, studio.model))
            return str(write_one(studio.folder, file_name(run, number), midi(run, number, tempo, studio.model)))

        return JSONResponse({"path": await self._engine.run(wrote)})

    # -- fitting ---------------------------------------------------------------------------------

    async def progress(self, request: Request) -> Response:
        return JSONResponse(self._studio.fitting.progress.to_dict())

    async def fit(self, request: Request) -> Response:
        asked = Asked.read(await _json(request), self._studio.rules)
        await self._engine.run(lambda: self._studio.fit(asked))
        return await self.progress(request)

    async def stop(self, request: Request) -> Response:
        fields = Fields(await _json(request))
        keep = fields.flag("keep", False)
        fields.done()
        self._studio.fitting.stop(keep)
        return await self.progress(request)

    def _source(self, fields: Fields) -> tuple[Run, int]:
        run = self._studio.history.run(fields.whole("run", 1, 1 << 31))
        number = fields.whole("number", 1, 1 << 31)
        run.melody(number)
        return run, number

    def _asked(self, fields: Fields) -> tuple[dict[str, Any], Asked]:
        """The page's words for what it asks, and what they mean."""
        words = fields.rest()
        return words, Asked.read(words, self._studio.rules)


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
    return _decoded(await _body(request, MOST_JSON))


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise InputError("JSON was expected") from None


async def _body(request: Request, most: int) -> bytes:
    """The body, if it has at most so many bytes; no more than that is ever held."""
    told = request.headers.get("content-length", "0")
    parts, size = [], int(told) if told.isdecimal() else 0
    if size <= most:
        size = 0
        async for part in request.stream():
            size += len(part)
            if size > most:
                break
            parts.append(part)
    if size > most:
        raise TooLarge(f"too large: {most >> 10:,} KiB at most")
    return b"".join(parts)


def _attached(content: bytes, name: str, kind: str) -> Response:
    return Response(content, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})
