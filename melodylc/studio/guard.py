"""The door: only the page that this studio served gets in, from this machine.

A page of another origin can make a browser send requests here, and a name that resolves to 127.0.0.1 can make it read
the answers. So the host must be ours by name and port, an origin must be ours where one is given, the browser must not
say that another site asks, and whatever changes something must carry the token that the page was given.
"""

import hmac

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN = "x-melodylc-token"
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


class Guard:
    """Answers 403 to whoever isn't the page, and adds the headers that keep the page to itself."""

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self._app = app
        self._token = token
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":

            async def secured(message: Message) -> None:
                if message["type"] == "http.response.start":
                    MutableHeaders(scope=message).update(_HEADERS)
                await send(message)

            why = self.refusal(scope["method"], Headers(scope=scope))
            answer = JSONResponse({"error": f"refused: {why}"}, 403) if why else self._app
            await answer(scope, receive, secured)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def refusal(self, method: str, headers: Headers) -> str:
        """Why a request is refused, or ""."""
        host, origin, site = (headers.get(name, "") for name in ("host", "origin", "sec-fetch-site"))
        if host.lower() not in self._hosts:
            return "this host is not the studio's"
        if "origin" in headers and origin.lower() != f"http://{host.lower()}":
            return "another origin asks"
        if site not in ("", "same-origin", "none"):
            return "another site asks"
        if method not in _READING and not hmac.compare_digest(headers.get(TOKEN, "").encode(), self._token.encode()):
            return "the page is of another session: load it again"
        return ""
