"""Who gets in: the page of whoever opened the address with the secret in it, and scripts that know the secret.

The port can be reached by every account of this machine, and by every page that a browser here has open. So each
request needs the secret of this start, in one of three ways, as Jupyter has it:

    GET /?token=SECRET               once, when the page is opened: the answer is a cookie and leads to GET /
    Cookie: melodylc-studio-PORT     the page from then on; HttpOnly and SameSite=Strict
    Authorization: Bearer SECRET     scripts, which read the secret from a file that only its owner can read

Besides, the host must be ours by name and port (a foreign name that resolves to 127.0.0.1 isn't), and the browser must
not say that another site asks. What changes something and comes with a cookie must bring our own origin: browsers send
cookies of this machine's address to whatever port of it is asked, and call pages of other ports the same site.
"""

import hashlib
import hmac
import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from melodylc.cache import cache_folder
from melodylc.data.errors import InputError
from melodylc.data.files import reason

HOSTS = ("127.0.0.1", "localhost", "[::1]")
_READING = ("GET", "HEAD")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_NO_SECRET = "open the address that the terminal shows, with its token; scripts send Authorization: Bearer"
# A page that leads on by itself is same-origin whoever opened the address; a redirect would be its opener's.
# Without an icon of its own a browser asks for /favicon.ico, which isn't there.
_HEAD = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>melodylc studio</title>'
_ENTRANCE = f'{_HEAD}<meta http-equiv="refresh" content="0; url=/">'
_CLOSED = f"{_HEAD}<h1>melodylc studio</h1><p>{_NO_SECRET}."


def new_secret() -> str:
    """A secret for one start of the studio, 192 random bits."""
    return secrets.token_urlsafe(24)


class AccessControl:
    """Lets nobody in without the secret, and adds the headers that keep the page to itself.

    Args:
        app: what is guarded.
        port: of this machine that it is served on.
        secret: of this start.
    """

    def __init__(self, app: ASGIApp, port: int, secret: str) -> None:
        self._app = app
        self._secret = secret.encode()
        self._hosts = {f"{name}:{port}" for name in HOSTS}
        self._cookie = f"melodylc-studio-{port}"
        # The cookie doesn't give the secret away: it goes to other ports of this machine too.
        self._cookie_value = hmac.new(self._secret, b"cookie", hashlib.sha256).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":

            async def send_with_headers(message: Message) -> None:
                if message["type"] == "http.response.start":
                    MutableHeaders(scope=message).update(_HEADERS)
                await send(message)

            await (self._answer(scope) or self._app)(scope, receive, send_with_headers)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _answer(self, scope: Scope) -> Response | None:
        """What a request gets instead of what it asks for; None: it gets that."""
        headers = Headers(scope=scope)
        host, origin, site = (headers.get(name, "").lower() for name in ("host", "origin", "sec-fetch-site"))
        if host not in self._hosts:
            return _refuse(403, "this host is not the studio's")
        if "origin" in headers and origin != f"http://{host}":
            return _refuse(403, "another origin asks")
        if self._is_entrance(scope):
            entrance = HTMLResponse(_ENTRANCE)
            entrance.set_cookie(self._cookie, self._cookie_value, httponly=True, samesite="strict")
            return entrance
        if site not in ("", "same-origin", "none"):
            return _refuse(403, "another site asks")
        if self._has_secret(headers.get("authorization", "")):
            return None
        if not self._has_cookie(headers.get("cookie", "")):
            return HTMLResponse(_CLOSED, 401) if scope["path"] == "/" else _refuse(401, _NO_SECRET)
        if scope["method"] not in _READING and "origin" not in headers:
            return _refuse(403, "no origin is given")
        return None

    def _is_entrance(self, scope: Scope) -> bool:
        if scope["method"] != "GET" or scope["path"] != "/":
            return False
        values = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        return len(values) == 1 and hmac.compare_digest(values[0].encode("utf-8", "replace"), self._secret)

    def _has_secret(self, authorization: str) -> bool:
        scheme, _, value = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(value.strip().encode("utf-8"), self._secret)

    def _has_cookie(self, cookies: str) -> bool:
        value = cookie_parser(cookies).get(self._cookie, "")
        return hmac.compare_digest(value.encode("utf-8"), self._cookie_value.encode())


class SecretFiles:
    """The files of a running studio that only its owner can read, in the folder `studio` of the cache.

    PORT.json holds the address and the secret, for scripts; PORT.html leads a browser there, so that the secret doesn't
    stand among the words of a command, which every account can list.
    """

    def __init__(self, port: int, secret: str) -> None:
        self.address = f"http://{HOSTS[0]}:{port}/"
        self._secret = secret
        folder = cache_folder() / "studio"
        self.json, self.html = folder / f"{port}.json", folder / f"{port}.html"

    @property
    def entrance(self) -> str:
        """The address with the secret in it."""
        return f"{self.address}?token={self._secret}"

    def write(self) -> None:
        """Write both, in place of those of an earlier studio.

        Raises:
            InputError: they can't be written.
        """
        try:
            self.json.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            page = f'{_HEAD}<meta http-equiv="refresh" content="0; url={self.entrance}">'
            self.sweep()
            values = {"address": self.address, "token": self._secret, "pid": os.getpid()}
            _write_private(self.json, json.dumps(values) + "\n")
            _write_private(self.html, page)
        except OSError as error:
            raise InputError(f"can't write into {str(self.json.parent)!r}: {reason(error)}") from error

    def sweep(self) -> None:
        """Remove those of studios that were killed."""
        for path in self.json.parent.glob("*.json"):
            with suppress(OSError, ValueError, TypeError, KeyError):
                if not _is_alive(json.loads(path.read_text("utf-8"))["pid"]):
                    path.unlink()
                    path.with_suffix(".html").unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove them, where they are still ours."""
        with suppress(OSError):
            if self._secret in self.json.read_text("utf-8"):
                for path in (self.json, self.html):
                    path.unlink(missing_ok=True)


def _write_private(path: Path, text: str) -> None:
    """A new file in place of whatever is there, readable by its owner alone from its first moment."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _is_alive(pid: int) -> bool:
    """Whether a process runs; where that can't be told, True."""
    if os.name == "nt":  # there signal 0 is Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _refuse(status: int, why: str) -> Response:
    headers = {"www-authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"error": f"refused: {why}"}, status, headers)
