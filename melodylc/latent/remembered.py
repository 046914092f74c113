"""Networks that remember what they were made with, so that a file can make them again."""

from functools import wraps
from inspect import signature
from typing import Any

from torch import nn


class Remembered(nn.Module):
    """A network whose `arguments` are what its constructor was called with, defaults included.

    >>> class Line(Remembered):
    ...     def __init__(self, width: int, slope: float = 2.0) -> None:
    ...         super().__init__()
    >>> Line(3).arguments
    {'width': 3, 'slope': 2.0}
    """

    arguments: dict[str, Any]

    def __init_subclass__(cls, **others: Any) -> None:
        super().__init_subclass__(**others)
        plain = cls.__init__

        @wraps(plain)
        def remembering(self: Remembered, *args: Any, **named: Any) -> None:
            if "arguments" not in self.__dict__:
                bound = signature(plain).bind(self, *args, **named)
                bound.apply_defaults()
                self.__dict__["arguments"] = dict(list(bound.arguments.items())[1:])
            plain(self, *args, **named)

        cls.__init__ = remembering  # type: ignore[method-assign, assignment]
