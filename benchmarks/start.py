"""How long `generate` takes as a whole process, beside `import torch` alone. The figures in docs/benchmarks.md.

    python benchmarks/start.py [--repeats 7]

Torch, the model, eight melodies in C major decoded and checked, files written: in turn with the other, so that what
else the machine does falls on both.
"""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click

GENERATE = ("-m", "melodylc", "generate", "-n", "8", "--scale", "cmaj", "--seed", "7", "-o")


@click.command()
@click.option("--repeats", default=7, show_default=True)
def main(repeats: int) -> None:
    """Print both medians and their ratio."""
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


def clock(*arguments: str) -> float:
    """Seconds that a run of this Python takes."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
