"""What goes between us and a worker: frames of a header, which is JSON, and a body of bytes.

A frame without either is a tick: the worker says that it goes on.
"""

import json
import struct
from typing import IO, Any, NamedTuple

_SIZES = struct.Struct(">QQ")


class Frame(NamedTuple):
    """A message; none of it is a tick."""

    header: dict[str, Any]
    body: bytes = b""


TICK = Frame({})


def send(stream: IO[bytes], frame: Frame) -> None:
    """Write a frame."""
    header = json.dumps(frame.header).encode() if frame.header else b""
    stream.write(_SIZES.pack(len(header), len(frame.body)) + header + frame.body)
    stream.flush()


def receive(stream: IO[bytes]) -> Frame:
    """Read a frame.

    Raises:
        EOFError: there is no more.
    """
    sizes = _SIZES.unpack(_read(stream, _SIZES.size))
    header, body = (_read(stream, size) for size in sizes)
    return Frame(json.loads(header) if header else {}, body)


def _read(stream: IO[bytes], size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise EOFError
    return content
