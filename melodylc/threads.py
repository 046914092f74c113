"""How many threads torch computes on, for a while.

The number decides how sums are rounded, and a rounding can change a note: what a seed means must not hang on
the machine's number of cores or on an environment variable.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def fixed_threads(count: int) -> Iterator[None]:
    """Compute on `count` threads inside the block, whatever was set outside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
