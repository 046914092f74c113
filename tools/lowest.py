"""The lowest versions that pyproject.toml allows, as constraints for pip: what the last job of the workflow tests.

    python tools/lowest.py > lowest.txt && pip install -e '.[dev]' -c lowest.txt

Of what the package needs when it runs, extras included; tools of its development come in their newest versions.
"""

import re
import tomllib
from pathlib import Path

TOOLS = {"dev", "docs", "e2e", "oracles"}


def constraints(pyproject: str) -> list[str]:
    r"""A line ``name==lowest`` for each requirement with a lower bound.

    >>> constraints('[project]\\ndependencies = ["torch>=2.6,<2.14", "rich>=13"]')
    ['rich==13', 'torch==2.6']
    """
    project = tomllib.loads(pyproject)["project"]
    extras = project.get("optional-dependencies", {})
    wanted = [*project["dependencies"], *(it for name in extras.keys() - TOOLS for it in extras[name])]
    found = (re.match(r"([\w.-]+)(?:\[[^]]*\])?>=([\w.]+)", it) for it in wanted)
    return sorted(f"{it[1]}=={it[2]}" for it in found if it)


def main() -> None:
    """Print them."""
    print(*constraints((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8")), sep="\n")


if __name__ == "__main__":
    main()
