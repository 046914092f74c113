"""From a click to eight verified melodies in the studio, over HTTP on this machine.

    python benchmarks/studio.py [SCALE] [TIMES]

The server is that of `melodylc studio`, in a thread of this process, model and actor loaded as when its page is up. A
click is the POST that the page sends; times are until the first and the last line with a melody, each click with a new
seed, after one that isn't counted. "Processor" is what the whole process computed meanwhile: on a quiet machine about
the time until the last melody.
"""

import http.client
import json
import os
import platform
import statistics
import sys
import threading
import time
from pathlib import Path

import torch

from melodylc.models.checkpoint import shipped_model
from melodylc.studio.routes import create_app
from melodylc.studio.rules import RuleTable
from melodylc.studio.server import HOST, create_server, listen
from melodylc.studio.studio import Studio

TOKEN = "benchmark"
COUNT = 8


def main(scale: str, times: int) -> None:
    """Measure and print."""
    studio = Studio(shipped_model(), RuleTable.load(), Path("melodylc-studio"))
    studio.backend.warm_up()
    bound = listen(0)
    port = bound.getsockname()[1]
    server = create_server(create_app(studio, port, TOKEN))
    thread = threading.Thread(target=lambda: server.run(sockets=[bound]), daemon=True)
    thread.start()
    rows = [click(port, scale, seed) for seed in range(times + 1)][1:]
    server.should_exit = True
    thread.join()
    print(f"{scale}, {times} clicks for {COUNT} melodies; seconds, median (least to most)")
    for name, column in zip(("first melody", "last melody", "processor"), zip(*rows, strict=True), strict=True):
        print(f"{name:>12}: {statistics.median(column):.3f} ({min(column):.3f} to {max(column):.3f})")
    load = " ".join(f"{it:.1f}" for it in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    print(f"torch {torch.__version__}, python {platform.python_version()}, {os.cpu_count()} cores, load {load}")


def click(port: int, scale: str, seed: int) -> tuple[float, float, float]:
    """Seconds until the first and the last melody, and of computing."""
    body = json.dumps({"scale": scale, "count": COUNT, "seed": seed})
    began, computed = time.perf_counter(), time.process_time()
    connection = http.client.HTTPConnection(HOST, port)
    connection.request("POST", "/api/v1/generate", body, {"authorization": f"Bearer {TOKEN}"})
    seen = [time.perf_counter() - began for line in connection.getresponse() if b'"melody"' in line]
    connection.close()
    if len(seen) < COUNT:
        raise SystemExit(f"{len(seen)} melodies of {COUNT}")
    return seen[0], seen[-1], time.process_time() - computed


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "cmaj", int(sys.argv[2]) if len(sys.argv) > 2 else 20)
