"""The studio on its port, until Ctrl-C."""

import secrets
import socket
from collections.abc import Callable

import uvicorn

from melodylc.studio.port import HOST
from melodylc.studio.routes import create_app
from melodylc.studio.studio import Studio

_PATIENCE = 2  # seconds that answers under way may take at the end


def serve(studio: Studio, bound: socket.socket, ready: Callable[[str], None]) -> None:
    """Answer requests until Ctrl-C; `ready` is told the address once anybody may come.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    port = bound.getsockname()[1]
    app = create_app(studio, port, secrets.token_urlsafe(24))
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=_PATIENCE
    )
    try:
        ready(f"http://{HOST}:{port}/")
        uvicorn.Server(config).run(sockets=[bound])
    finally:
        studio.fitting.close()
        studio.history.close()
        bound.close()
