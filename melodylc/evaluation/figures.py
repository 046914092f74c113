"""Figures with their spread, and plain values of everything for a file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Self

import numpy as np

from melodylc.data.errors import InputError


@dataclass(frozen=True)
class Spread:
    """A figure measured once a seed, or once where nothing is drawn.

    >>> print(Spread.of([0.25, 0.5, 0.75]), Spread.of([0.5]))
    0.5000 ± 0.2500 0.5000
    """

    mean: float
    deviation: float  #: standard deviation over the seeds, n - 1 in its denominator; 0 for one value
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """The spread of at least one value."""
        found = tuple(float(value) for value in values)
        deviation = float(np.std(found, ddof=1)) if len(found) > 1 else 0.0
        return cls(float(np.mean(found)), deviation, found)

    def text(self, digits: int = 4) -> str:
        """For people: the mean, and the deviation where there are several values."""
        spread = f" ± {self.deviation:.{digits}f}" if len(self.values) > 1 else ""
        return f"{self.mean:.{digits}f}{spread}"

    def __str__(self) -> str:
        return self.text()


def plain(value: Any) -> Any:
    """Dataclasses, dictionaries and sequences as what JSON can hold.

    >>> plain({"a": (Spread.of([1.0]),)})
    {'a': [{'mean': 1.0, 'deviation': 0.0, 'values': [1.0]}]}
    """
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def check_seeds(seeds: Sequence[int]) -> None:
    """Refuse no seeds, equal ones, and those below 0.

    Raises:
        InputError: one of these.
    """
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        given = ", ".join(map(str, seeds)) or "none"
        raise InputError(f"seeds {given}: give one or more, all different, from 0 on")
