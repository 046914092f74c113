"""The studio on a port of this machine, until Ctrl-C. Nothing heavy is imported before `serve`: mistakes cost no time.

A connection that sends half a request and waits is closed after some seconds; of many open ones the oldest that has
nothing in progress goes, so that whoever opens connections without using them doesn't keep the page out.
"""

import errno
import os
import signal
import socket
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from melodylc.data.errors import InputError
from melodylc.data.files import reason

if TYPE_CHECKING:
    import uvicorn

HOST = "127.0.0.1"
HEADER_SECONDS = 10.0  #: that a request's first line and headers may take, and an unread body after its answer
MAX_CONNECTIONS = 64
_NEEDED = ("starlette", "uvicorn")
_GRACE = 2  # seconds that answers in progress may take at the end


def check_installed() -> None:
    """Make sure that what the studio needs beside the rest is there.

    Raises:
        InputError: it isn't.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(f"the studio needs {' and '.join(missing)}: pip install -e '.[studio]'")


def listen(port: int) -> socket.socket:
    """A socket on a port of this machine, on the loopback alone; port 0 is any that is free.

    Raises:
        InputError: the port is taken, or may not be used.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name != "nt":  # there it would let two programs listen on one port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
        bound.listen()
    except OSError as error:
        bound.close()
        why = "another program has it" if error.errno == errno.EADDRINUSE else reason(error)
        raise InputError(
            f"port {port} can't be used ({why}): choose another with --port; 0 finds a free one"
        ) from error
    return bound


def _bounded_protocol(seconds: float, most: int) -> Any:
    """uvicorn's HTTP/1.1, which waits for ever by itself; here `seconds`, and for at most `most` connections."""
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class BoundedProtocol(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.since = self.loop.time()  # nothing has been in progress
            self._tick()
            open_ones = [
                it for it in self.connections if isinstance(it, BoundedProtocol) and not it.transport.is_closing()
            ]
            if len(open_ones) > most:
                min((it for it in open_ones if it.waits), key=lambda it: it.since).transport.abort()

        @property
        def waits(self) -> bool:
            """Whether the client is expected to say something: no answer is in progress."""
            return self.cycle is None or self.cycle.response_complete

        def _tick(self) -> None:
            if self.transport.is_closing():
                return
            now = self.loop.time()
            if not self.waits or self.conn.their_state is h11.DONE:
                self.since = now
            if now - self.since >= seconds:
                self.transport.abort()
            else:
                self.loop.call_later(seconds / 4, self._tick)

    return BoundedProtocol


def create_server(app: Any, header_seconds: float = HEADER_SECONDS) -> "uvicorn.Server":
    """A server for an ASGI application, with bounds on connections that wait."""
    import uvicorn

    config = uvicorn.Config(
        app,
        http=_bounded_protocol(header_seconds, MAX_CONNECTIONS),
        ws="none",
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
    )
    return uvicorn.Server(config)


def serve(app: Any, bound: socket.socket, ready: Callable[[], None], close: Callable[[], None]) -> None:
    """Answer requests until Ctrl-C or SIGTERM; `ready` is called once anybody may come, `close` at the end.

    Raises:
        KeyboardInterrupt: either of them.
    """
    # uvicorn raises the signal again that ended it; by itself this one would end the process before `close`.
    former = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        ready()
        create_server(app).run(sockets=[bound])
    finally:
        close()
        bound.close()
        signal.signal(signal.SIGTERM, former)
