"""The page's own files, read once: what isn't among them can't be asked for."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class Static(NamedTuple):
    """A file and what it is."""

    content: bytes
    kind: str


def page_files() -> dict[str, Static]:
    """Every file of the page by its path within it, such as "script/main.js".

    >>> page_files()["index.html"].kind
    'text/html'
    """
    return dict(_walk(files("melodylc.studio") / "page", ""))


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, Static]]:
    found: list[tuple[str, Static]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        elif (kind := _KINDS.get(entry.name.rpartition(".")[2])) is not None:
            found.append((prefix + entry.name, Static(entry.read_bytes(), kind)))
    return found
