"""The site's pages are those of its table, and what is generated is as the code is."""

import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_command_line_s_reference_is_as_the_code() -> None:
    """In a process of its own: click keeps the help option of a command that was called without its group."""
    code = "import runpy, sys; sys.stdout.write(runpy.run_path('tools/cli_reference.py')['reference']())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    written = (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8")
    assert written == done.stdout, "run `python tools/cli_reference.py`"


def test_every_page_is_in_the_table_and_every_row_is_a_page() -> None:
    listed = re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), flags=re.MULTILINE)
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(listed) == sorted(page for page in pages if not page.startswith("examples/"))


def test_the_lowest_versions_are_those_of_the_project() -> None:
    lowest = runpy.run_path(str(ROOT / "tools" / "lowest.py"))["constraints"]
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    names = [re.split(r"[<>=;\[ ]", it)[0] for it in tomllib.loads(text)["project"]["dependencies"]]
    assert set(names) <= {line.split("==")[0] for line in lowest(text)}
