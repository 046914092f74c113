"""Latent constraints on pictures: VAEs of MNIST, CIFAR-10 and CelebA, classifiers, and actors told labels.

The core is `melodylc.latent`, the same as for melodies. `generate` and `transform` are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from melodylc.image.api import generate, transform

__all__ = ["generate", "transform"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module("melodylc.image.api"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
