"""The studio's page in a browser: generate, play, drop, vary, keep, download, and the bytes are the command line's.

It needs Python's playwright and Debian's chromium (or another Chromium on the PATH); without either it skips.
"""

import json
import os
import re
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the studio needs starlette and uvicorn: pip install -e '.[studio]'")
pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[e2e]'")

from playwright import sync_api as playwright
from test_studio_access import SECRET, served

from melodylc.data import Melody, midi_bytes, read_midi
from melodylc.data.source import Choice
from melodylc.models.checkpoint import shipped_model
from melodylc.rewards.panel import real_melodies
from melodylc.studio.access import SecretFiles
from melodylc.studio.forms import RequestForm
from melodylc.studio.rules import RuleTable
from melodylc.studio.studio import Studio

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH (Debian: apt-get install chromium)")

Cli = Callable[..., Any]
ENTRANCE = f"?token={SECRET}"
PATIENCE = 120_000  # milliseconds: the machine may be busy


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The studio, served from a thread of this process."""
    studio = Studio(shipped_model(), RuleTable.load(), tmp_path_factory.mktemp("studio"))
    studio.backend.warm_up()
    with served(studio) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sandbox = [] if hasattr(os, "geteuid") and os.geteuid() else ["--no-sandbox"]  # Chromium's own can't be root's
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield made
        made.close()


@pytest.fixture(scope="module")
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page; at the end, it must have asked nobody but the studio, and complained of nothing."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    made = context.new_page()
    foreign: list[str] = []
    problems: list[str] = []
    made.on(
        "request", lambda request: None if request.url.startswith((address, "blob:")) else foreign.append(request.url)
    )
    made.on(
        "console",
        lambda said: (
            problems.append(f"{said.text} ({said.location.get('url')})") if said.type in ("error", "warning") else None
        ),
    )
    made.on("pageerror", lambda error: problems.append(str(error)))
    made.goto(address + ENTRANCE)
    made.locator("html[data-ready]").wait_for()
    assert made.url == address  # the secret is gone from it
    yield made
    context.close()
    assert foreign == []
    assert problems == []


def wait(true: Callable[[], Any]) -> Any:
    for _ in range(PATIENCE // 50):
        if result := true():
            return result
        time.sleep(0.05)
    raise AssertionError("nothing came of it")


@pytest.fixture(scope="module")
def generated(page: Any) -> Any:
    """Eight melodies with seed 7, the first of which plays."""
    page.fill("#seed", "7")
    page.keyboard.press("Tab")
    page.locator("body").press("g")
    page.locator(".take[data-mark]").nth(7).wait_for()
    return page.locator(".run[data-run='1']")


def test_what_is_generated_plays_at_once_and_goes_on(page: Any, generated: Any) -> None:
    assert page.locator("#now").inner_text() == "C major, 1"
    assert generated.locator(".take.playing").count() == 1
    assert page.locator("#play").get_attribute("aria-label") == "Stop"

    def place() -> float:
        return float(page.locator(".take.playing .playhead").evaluate("head => parseFloat(head.style.left) || 0"))

    first = wait(place)
    assert wait(lambda: place() > first)
    page.locator("body").press("n")
    assert page.locator("#now").inner_text() == "C major, 2"
    page.evaluate("document.activeElement.blur()")  # Space presses a button that has the focus
    page.keyboard.press("Space")
    assert page.locator(".take.playing").count() == 0


def test_a_loop_is_sixteen_bars_to_the_sample_and_has_no_seam(page: Any) -> None:
    loop = page.evaluate(
        """async () => {
            const { renderLoop } = await import("/page/script/synth.js");
            const top = numbers => numbers.reduce((a, b) => Math.max(a, b), 0);
            const notes = [[60, 0, 8], [67, 8, 16], [72, 240, 256]];
            const sound = renderLoop(notes, 93, 44100);
            const steps = [...sound].map((x, i) => Math.abs(x - sound[(i + sound.length - 1) % sound.length]));
            const alone = renderLoop([[72, 240, 256]], 93, 44100);
            return { length: sound.length, seam: steps[0], most: top(steps), tail: Math.abs(alone[200]),
                     finite: sound.every(Number.isFinite), peak: top(sound.map(Math.abs)) };
        }"""
    )
    assert loop["length"] == round(44100 * 16 * 4 * 60 / 93)
    assert loop["seam"] < loop["most"] / 2
    assert loop["tail"] > 1e-4  # the last note rings on at the beginning
    assert loop["finite"]
    assert 0.05 < loop["peak"] < 1


def test_a_download_is_the_command_lines_file(page: Any, generated: Any, run_cli: Cli, tmp_path: Path) -> None:
    page.fill("#tempo", "93.5")
    page.locator("#tempo").press("Enter")
    line = generated.locator("code")
    wait(lambda: "--tempo 93.5" in line.inner_text())
    words = line.inner_text().split()
    assert run_cli(*words[1:], "-o", tmp_path / "out").code == 0
    with page.expect_download() as download:
        generated.locator(".take").nth(2).locator(".drag").click()
    assert download.value.suggested_filename == "cmaj-seed7-03.mid"
    assert Path(download.value.path()).read_bytes() == next((tmp_path / "out").glob("*-03.mid")).read_bytes()
    with page.expect_download() as download:
        generated.locator(".zip").click()
    packed = zipfile.ZipFile(download.value.path())
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert {Path(name).name: packed.read(name) for name in packed.namelist()} == written


def test_a_melody_can_be_dragged_out_as_a_file(page: Any, generated: Any) -> None:
    told = (
        generated.locator(".roll")
        .nth(2)
        .evaluate(
            """roll => {
            const dataTransfer = new DataTransfer();
            roll.dispatchEvent(new DragEvent("dragstart", { dataTransfer, bubbles: true }));
            return dataTransfer.getData("DownloadURL");
        }"""
        )
    )
    kind, name, url = told.split(":", 2)
    assert (kind, name) == ("audio/midi", "cmaj-seed7-03.mid")
    answer = page.request.get(url)
    assert answer.ok
    assert read_midi(answer.body()).note_count


def test_a_file_is_dropped_judged_varied_and_mended(page: Any, generated: Any) -> None:
    melody = Melody(real_melodies()[3])
    content = list(midi_bytes(melody))
    page.evaluate(
        """content => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([new Uint8Array(content)], "song.mid", { type: "audio/midi" }));
            for (const type of ["dragenter", "dragover", "drop"])
                document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
        }""",
        content,
    )
    run = page.locator(".run", has=page.get_by_role("heading", name="song.mid", exact=True))
    run.locator(".take[data-mark]").wait_for()
    assert run.locator(".note").count() == melody.note_count
    for root, outside in (("0", (0, 2, 4, 5, 7, 9, 11)), ("1", (1, 3, 5, 6, 8, 10, 0))):
        page.select_option("#root", root)
        red = sum(pitch % 12 not in outside for pitch in melody.pitches.tolist())
        playwright.expect(run.locator(".note.out")).to_have_count(red, timeout=PATIENCE)
    assert red > 0
    bars = run.get_by_role("option")
    bars.first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert run.locator("[aria-selected=true]").count() == 2
    run.locator(".repair").click()
    mended = page.locator(".run", has_text="key fixed")
    mended.locator(".take[data-mark]").wait_for()
    wrong = mended.locator(".bars .wrong").all_inner_texts()
    assert not {"1", "2"} & set(wrong)


def test_keeping_discarding_and_loading_the_page_again(page: Any, address: str, generated: Any) -> None:
    take = generated.locator(".take").nth(4)  # of those that came fifth: one that is drawn again comes later
    number = int(take.get_attribute("aria-label").rsplit(", ", 1)[1])
    take.locator(".keep").click()
    wait(lambda: page.locator("#kept-count").inner_text() == "1")
    other = generated.locator(".take").nth(5)
    other.locator(".discard").click()
    wait(lambda: not other.is_visible())
    page.reload()
    page.locator("html[data-ready]").wait_for()
    page.locator("#show-kept").click()
    page.locator(".take[data-mark=keep]").wait_for()
    assert page.locator(".take:visible").count() == 1
    with page.expect_download() as download:
        page.locator("#download-kept").click()
    manifest = json.loads(zipfile.ZipFile(download.value.path()).read("melodylc-kept/manifest.json"))
    assert [entry["file"] for entry in manifest["files"]] == [f"cmaj-seed7-{number:02}.mid"]
    page.locator("#show-all").click()


def test_the_next_day_the_history_is_there_and_drawn_as_it_is_opened(
    browser: Any, tmp_path: Path, run_cli: Cli
) -> None:
    before = Studio(shipped_model(), RuleTable.load(), tmp_path)
    assert before.open_history() == ""
    words: dict[str, Any] = {"scale": "C major", "rules": []}
    asked = RequestForm.read(words, before.rules)
    before.generate(asked, words, 2, 7)
    for index in range(4):
        content = midi_bytes(Melody(real_melodies()[index]))
        before.upload(f"song {index}.mid", content, Choice(), asked, words)
    before.history.mark(1, 2, "keep")
    before.history.mark(2, 1, "keep")
    before.history.close()
    studio = Studio(before.model, RuleTable.load(), tmp_path)
    assert studio.open_history() == ""
    context = browser.new_context(accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    with served(studio) as port:
        page.goto(f"http://127.0.0.1:{port}/{ENTRANCE}")
        page.locator("html[data-ready]").wait_for()
        assert page.locator(".run").count() == 5
        assert page.locator(".take").count() == 3  # of the latest three runs
        assert page.locator("#kept-count").inner_text() == "2"
        oldest = page.locator(".run[data-run='1']")
        assert "seed 7 · 2 melodies" in oldest.locator(".meta").inner_text()
        oldest.locator("summary").click()
        playwright.expect(oldest.locator(".take")).to_have_count(2, timeout=PATIENCE)
        playwright.expect(oldest.locator(".take[data-mark=keep]")).to_have_count(1)
        with page.expect_download() as download:
            oldest.locator(".take").first.locator(".drag").click()
        words_typed = oldest.locator("code").inner_text().split()
        assert run_cli(*words_typed[1:], "-o", tmp_path / "out").code == 0
        assert Path(download.value.path()).read_bytes() == next((tmp_path / "out").glob("*-01.mid")).read_bytes()
        page.locator("#show-kept").click()
        playwright.expect(page.locator(".take:visible")).to_have_count(2, timeout=PATIENCE)
        context.close()
    studio.history.close()


def test_a_fit_is_offered_followed_and_stopped(page: Any) -> None:
    """The page's part of it, with answers of the test's own: a real fit stands in test_studio.py.

    Only a model that writes no bars, one without a language model, has rules that aren't ready at once.
    """

    def unready(route: Any) -> None:
        route.fulfill(json={**route.fetch().json(), "ready": False})

    told = {"state": "none", "title": "E locrian", "round": 0, "rounds": 40, "rate": None, "best": None, "message": ""}
    asked: list[Any] = []

    def answer(route: Any) -> None:
        if route.request.method == "POST":
            asked.append(json.loads(route.request.post_data))
            stopped = route.request.url.endswith("stop")
            told.update(
                {"state": "stopping"} if stopped else {"state": "running", "round": 3, "rate": 0.5, "best": 0.6}
            )
        busy = told["state"] in ("running", "stopping")
        route.fulfill(json={**told, "busy": busy})

    page.route("**/api/v1/plan", unready)
    page.route("**/api/v1/fit*", answer)
    page.route("**/api/v1/fit/stop", answer)
    page.select_option("#root", "4")
    page.select_option("#mode", "locrian")
    page.locator("#fit-start").click()
    progress = page.locator("#fit")
    playwright.expect(progress).to_contain_text("Round 3 of 40: 50 % follow the rule, best 60 %.", timeout=PATIENCE)
    page.locator("#fit-keep").click()
    playwright.expect(progress).to_contain_text("measuring the best so far", timeout=PATIENCE)
    told.update(state="done", rate=0.93)
    playwright.expect(page.locator("#say")).to_contain_text(
        "E locrian: learnt; 93 % of single melodies follow it.", timeout=PATIENCE
    )
    assert asked[0]["scale"] == "E locrian"
    assert asked[1:] == [{"keep": True}]
    page.unroute_all()
    page.select_option("#mode", "major")
    page.select_option("#root", "0")
    playwright.expect(progress).to_be_hidden(timeout=PATIENCE)


def test_words_are_plain_and_errors_go_when_the_next_thing_succeeds(page: Any, address: str) -> None:
    page = page.context.new_page()  # whose complaints of a refused file are expected
    page.goto(address)
    page.locator("html[data-ready]").wait_for()
    content = list(midi_bytes(Melody.from_notes([(60, step, step + 4) for step in range(0, 256, 4)])))
    drop = """([content, name]) => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([new Uint8Array(content)], name, { type: "audio/midi" }));
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(drop, [[77, 84], "words of mine.mid"])
    problem = page.locator("#say .bad")
    playwright.expect(problem).to_contain_text(re.compile(r"^words of mine\.mid: "), timeout=PATIENCE)
    page.evaluate(drop, [content, "one note.mid"])
    run = page.locator(".run", has=page.get_by_role("heading", name="one note.mid", exact=True))
    run.locator(".take[data-mark]").wait_for()
    assert problem.count() == 0
    assert re.fullmatch(r"not varied yet: \d+ %", run.locator(".chips .no").last.inner_text())
    page.get_by_text("Low", exact=True).click()
    playwright.expect(page.locator("#how")).to_have_text(re.compile(r"Ready\b.*\."), timeout=PATIENCE)
    playwright.expect(run.locator(".chips")).to_contain_text("low density", timeout=PATIENCE)
    page.get_by_text("Any", exact=True).click()
    top = run.locator(".pitches").evaluate(
        "names => Math.min(...[...names.children].map(it => it.getBoundingClientRect().top))"
    )
    assert top >= run.locator(".scroller").evaluate("it => it.getBoundingClientRect().top")  # no label is clipped
    page.wait_for_function(  # it is drawn anew when what is asked changes
        "() => [...document.querySelectorAll('.run [role=option]')].some(it => it.getBoundingClientRect().height >= 24)"
    )
    page.close()


def test_everything_has_a_name_and_can_be_reached_by_keyboard(page: Any) -> None:
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, a, input:not([hidden]), select, [role=option], [role=img]")]
            .filter(it => !(it.ariaLabel || it.getAttribute("aria-label") || it.textContent.trim()
                            || it.labels?.length || it.title))
            .map(it => it.outerHTML)"""
    )
    assert nameless == []
    page.locator("body").press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    seen = {}
    for _ in range(12):
        page.keyboard.press("Tab")
        name, rings = page.evaluate(
            """() => { const it = document.activeElement;
                       const rings = [it, it.closest("label")].map(one => one && getComputedStyle(one).outlineStyle);
                       return [it.id || it.textContent.trim() || it.value, rings]; }"""
        )
        seen[name] = "solid" in rings  # a radio button's ring is its label's
    assert len(seen) == 12
    assert all(seen.values()), seen


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_on_a_phone_and_in_the_dark(page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # colours at once
    page.set_viewport_size({"width": 390, "height": 844})
    page.evaluate("document.querySelectorAll('.run').forEach(run => (run.open = true))")
    page.locator(".run code").first.wait_for()
    wait(lambda: page.locator(".run:not(:has(.take))").count() == 0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    contrasts = page.evaluate(CONTRASTS)
    assert contrasts
    assert {words: ratio for words, ratio in contrasts if ratio < 4.5} == {}
    page.set_viewport_size({"width": 1400, "height": 900})


CONTRASTS = """() => {
    const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgb = colour => { paint.clearRect(0, 0, 1, 1); paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1);
                            return [...paint.getImageData(0, 0, 1, 1).data]; };
    const light = ([r, g, b]) => { const f = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
                                   return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
    const behind = it => { for (; it; it = it.parentElement) { const c = rgb(getComputedStyle(it).backgroundColor);
                                                               if (c[3] > 250) return c; } return [255, 255, 255]; };
    return ["h1", "legend", "label", "#how", "#generate", ".meta", "code", ".chips span", ".chips .no",
            ".actions .play", ".bars [role=option]", ".bars .wrong", ".pitches span", "#now", ".keys button"]
        .map(name => [name, document.querySelector(name)]).filter(([, it]) => it && it.checkVisibility())
        .map(([name, it]) => { const [a, b] = [light(rgb(getComputedStyle(it).color)), light(behind(it))];
                               return [name, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]; });
}"""


def test_a_page_of_another_origin_gets_nothing(browser: Any, address: str, tmp_path: Path) -> None:
    """Real ones, in a real browser that has the cookie: they can neither read nor change anything."""
    (tmp_path / "evil.html").write_text("<!doctype html><title>evil</title>")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as other:  # of the same site, since ports don't count
        threading.Thread(target=other.serve_forever, daemon=True).start()
        context = browser.new_context()
        page = context.new_page()
        page.goto(address + ENTRANCE)
        page.locator("html[data-ready]").wait_for()
        for evil in ((tmp_path / "evil.html").as_uri(), f"http://127.0.0.1:{other.server_port}/evil.html"):
            page.goto(evil)
            answers = page.evaluate(
                """async address => {
                    const tries = [["api/v1/runs", {}], ["api/v1/mark", { method: "POST", body: "{}" }],
                                   ["api/v1/runs", { credentials: "include" }], ["api/v1/runs", { mode: "no-cors" }],
                                   ["api/v1/fit", { method: "POST", mode: "no-cors", body: "{}" }]];
                    return Promise.all(tries.map(([path, how]) =>
                        fetch(address + path, how).then(it => it.type + it.status).catch(() => "failed")));
                }""",
                address,
            )
            assert answers == ["failed"] * 5
        context.close()
        other.shutdown()


def test_the_page_of_a_file_leads_in_and_the_address_alone_does_not(
    browser: Any, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `melodylc studio` opens it; the browser says of it that another site asks."""
    monkeypatch.setenv("MELODYLC_CACHE", str(tmp_path))
    files = SecretFiles(int(address.rstrip("/").rpartition(":")[2]), SECRET)
    files.write()
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(address)
    assert "open the address that the terminal shows" in page.locator("p").inner_text()
    page.goto(files.html.as_uri())
    page.locator("html[data-ready]").wait_for()
    assert page.url == address
    assert page.evaluate("document.cookie") == ""
    page.reload()
    page.locator("html[data-ready]").wait_for()
    context.close()
