"""Sixteen-bar melodies that obey: latent constraints on a melody VAE.

The names below are loaded when they are first used, so that importing this package costs nothing
and ``melodylc --help`` never waits for torch.

>>> import melodylc
>>> melodylc.parse_scale("c minor").name
'C minor'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from melodylc import data, image, rewards
    from melodylc.data import (
        Corpus,
        InputError,
        Melody,
        MelodylcError,
        Note,
        Scale,
        midi_bytes,
        parse_scale,
        read_midi,
        write_midi,
    )
    from melodylc.rewards import reward
    from melodylc.service.api import (
        FittedActor,
        extend,
        fill,
        fit,
        generate,
        interpolate,
        load_model,
        morph,
        reconstruct,
        score,
        transform,
        vary,
    )

    __version__: str

__all__ = [
    "Corpus",
    "FittedActor",
    "InputError",
    "Melody",
    "MelodylcError",
    "Note",
    "Scale",
    "__version__",
    "data",
    "extend",
    "fill",
    "fit",
    "generate",
    "image",
    "interpolate",
    "load_model",
    "midi_bytes",
    "morph",
    "parse_scale",
    "read_midi",
    "reconstruct",
    "reward",
    "rewards",
    "score",
    "transform",
    "vary",
    "write_midi",
]

_NAMES = {
    "melodylc.data": (
        "Corpus",
        "InputError",
        "Melody",
        "MelodylcError",
        "Note",
        "Scale",
        "midi_bytes",
        "parse_scale",
        "read_midi",
        "write_midi",
    ),
    "melodylc.rewards": ("reward",),
    "melodylc.service.api": (
        "FittedActor",
        "extend",
        "fill",
        "fit",
        "generate",
        "interpolate",
        "load_model",
        "morph",
        "reconstruct",
        "score",
        "transform",
        "vary",
    ),
}
_PACKAGES = ("data", "image", "rewards")  # reached as attributes, `melodylc.rewards.density(64)`, with no import
_HOME = {name: module for module, names in _NAMES.items() for name in names}


def _installed_version() -> str:
    from importlib.metadata import version  # 30 ms that most runs can do without

    return version("melodylc")


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = _installed_version()
    elif name in _PACKAGES:
        value = import_module(f"melodylc.{name}")
    elif name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
