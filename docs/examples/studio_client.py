"""Generate melodies with a studio that is running, from outside, and save them as MIDI files.

    melodylc studio --no-open                                      in one terminal
    python studio_client.py --scale "d dorian" -n 4 -o clips       in another

Nothing but the standard library is needed, so it can be taken over into a DAW's own scripts.
"""

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

CACHES = {"win32": r"~\AppData\Local\melodylc\Cache", "darwin": "~/Library/Caches/melodylc"}


def find_studio() -> tuple[str, str]:
    """Address and token of the studio that was started last."""
    usual = CACHES.get(sys.platform, f"{os.environ.get('XDG_CACHE_HOME', '~/.cache')}/melodylc")
    folder = Path(os.environ.get("MELODYLC_CACHE", usual)).expanduser() / "studio"
    files = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
    if not files:
        sys.exit(f"no studio is running: nothing in {folder}; start one with `melodylc studio`")
    values = json.loads(files[-1].read_text(encoding="utf-8"))
    return values["address"], values["token"]


def call(path: str, body: dict[str, Any] | None = None) -> Iterator[bytes]:
    """The lines of an answer; a body makes it a POST."""
    address, token = find_studio()
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{address}api/v1{path}", data, {"authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request) as response:
            yield from response
    except urllib.error.HTTPError as error:
        sys.exit(json.load(error)["error"])


def main() -> None:
    parser = argparse.ArgumentParser(description="Melodies of a running studio as MIDI files.")
    parser.add_argument("--scale", default="c major")
    parser.add_argument("-n", "--count", type=int, default=1)
    parser.add_argument("--seed", type=int, default=-1, help="-1: a new one")
    parser.add_argument("--tempo", type=float, default=120)
    parser.add_argument("-o", "--output", type=Path, default=Path())
    words = parser.parse_args()
    words.output.mkdir(parents=True, exist_ok=True)
    for line in map(json.loads, call("/generate", {"scale": words.scale, "count": words.count, "seed": words.seed})):
        if "error" in line:
            sys.exit(line["error"])
        if melody := line.get("melody"):
            where = f"/runs/{melody['run']}/melodies/{melody['number']}/{quote(melody['file'])}?tempo={words.tempo:g}"
            path = words.output / melody["file"]
            path.write_bytes(b"".join(call(where)))
            print(path)


if __name__ == "__main__":
    main()
