"""How long `generate` takes as a whole process, beside `import torch` alone, and how much of the house it enters.

    python benchmarks/start.py [--repeats 7]
    python benchmarks/start.py --trace

Torch, the model, eight melodies in C major decoded and checked, files written: in turn with the other, so that what
else the machine does falls on both. `--trace` follows one melody by `sys.setprofile`: modules of ours in which a
function or a class's body runs, and the frames of our functions that stand on one another at the deepest.
"""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import FrameType

import click

SEED = ("--scale", "cmaj", "--seed", "7", "-o")
GENERATE = ("-m", "melodylc", "generate", "-n", "8", *SEED)
FOLDERS = ("melodylc", "cli", "data", "rewards")


@click.command()
@click.option("--repeats", default=7, show_default=True)
@click.option("--trace", is_flag=True, help="Count modules and frames of one melody instead.")
def main(repeats: int, trace: bool) -> None:
    """Print both medians and their ratio; or, with --trace, modules entered and the deepest frames."""
    if trace:
        return report_trace()
    taken: dict[str, list[float]] = {"generate": [], "import": []}
    with TemporaryDirectory() as folder:
        for number in range(repeats + 1):  # the first of each fills the disk's cache and doesn't count
            seconds = clock(*GENERATE, str(Path(folder) / str(number))), clock("-c", "import torch")
            if number:
                for name, value in zip(taken, seconds, strict=True):
                    taken[name].append(value)
    for name, values in taken.items():
        click.echo(f"{name:10}  {median(values):.3f} s of wall clock ({min(values):.3f} to {max(values):.3f})")
    click.echo(f"{median(taken['generate']) / median(taken['import']):.2f} times")
    return None


def clock(*arguments: str) -> float:
    """Seconds that a run of this Python takes."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


class Trace:
    """A profile function that notes our modules and our deepest stack.

    Args:
        root: the folder that holds the package's four.
    """

    def __init__(self, root: Path) -> None:
        self.modules: set[str] = set()
        self.deepest: list[str] = []
        self._root = root
        self._ours: dict[str, str] = {}  # a code's file -> its path below the root, or "" where it isn't ours

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Hear of a call."""
        if event == "call" and self._is_ours(frame):
            self.modules.add(self._where(frame))
            stack = []
            above: FrameType | None = frame
            while above:
                if self._is_ours(above):
                    stack.append(f"{self._where(above)}: {above.f_code.co_qualname}")
                above = above.f_back
            self.deepest = max(self.deepest, stack[::-1], key=len)

    def _is_ours(self, frame: FrameType) -> bool:
        return frame.f_code.co_name != "<module>" and bool(self._where(frame))

    def _where(self, frame: FrameType) -> str:
        file = frame.f_code.co_filename
        if file not in self._ours:
            path = Path(file).resolve()
            inside = path.is_relative_to(self._root) and path.relative_to(self._root).parts[0] in FOLDERS
            self._ours[file] = str(path.relative_to(self._root)) if inside else ""
        return self._ours[file]


def report_trace() -> None:
    """Print what `generate -n 1` enters, and its deepest stack."""
    from melodylc.cli.main import main as melodylc

    trace = Trace(Path(__file__).resolve().parent.parent)
    with TemporaryDirectory() as folder:
        sys.setprofile(trace)
        try:
            melodylc(["generate", "-n", "1", *SEED, str(Path(folder) / "tune")])
        except SystemExit as end:
            if end.code:
                raise
        finally:
            sys.setprofile(None)
    click.echo("\n".join(trace.deepest), err=True)
    click.echo(f"modules entered: {len(trace.modules)}; own frames at the deepest: {len(trace.deepest)}")


if __name__ == "__main__":
    main()
