"""The picture in docs/how-to/studio.md: the studio with eight melodies of seed 7, as Debian's chromium shows it.

python tools/screenshot.py [FILE] [light|dark] [WIDTHxHEIGHT]

It needs playwright (`pip install 'melodylc[studio,e2e]'`) and chromium on the PATH.
"""

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

COLOURS = 128  # enough for a page of few, and a fraction of the size


def main(path: Path, scheme: str, size: str) -> None:
    """Start a studio, ask it for melodies, and take its picture."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "melodylc", "studio", "--port", "0", "--no-open", "-o", folder]
        studio = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            matches = (re.search(r"http://\S+", line) for line in studio.stderr or ())
            address = next(match[0] for match in matches if match)
            picture(address, path, scheme, [int(number) for number in size.split("x")])
        finally:
            studio.send_signal(signal.SIGINT)
            studio.wait()


def picture(address: str, path: Path, scheme: str, size: list[int]) -> None:
    """The page after Generate with seed 7."""
    sandbox = [] if hasattr(os, "geteuid") and os.geteuid() else ["--no-sandbox"]
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=sandbox)
        page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        page.goto(address)
        page.locator("html[data-ready]").wait_for()
        page.locator("#autoplay").evaluate("box => { box.checked = false; }")
        page.fill("#seed", "7")
        page.click("#generate")
        page.locator(".take[data-mark]").nth(7).wait_for(timeout=120_000)
        page.locator(".take .keep").nth(1).click()
        page.locator(".take[data-mark=keep]").wait_for()
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        page.wait_for_timeout(500)
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        browser.close()
    shot.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"wrote {path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    given = [*sys.argv[1:], *("docs/pictures/studio.png", "light", "1280x800")[len(sys.argv) - 1 :]]
    main(Path(given[0]), given[1], given[2])
