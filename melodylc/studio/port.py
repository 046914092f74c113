"""A port of this machine for the studio; nothing heavy is imported for it, since a mistake should cost no time."""

import errno
import os
import socket
from importlib.util import find_spec

from melodylc.data.errors import InputError
from melodylc.data.files import reason

HOST = "127.0.0.1"
_NEEDED = ("starlette", "uvicorn")


def check_installed() -> None:
    """Make sure that what the studio needs beside the rest is there.

    Raises:
        InputError: it isn't.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(f"the studio needs {' and '.join(missing)}: pip install 'melodylc[studio]'")


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
