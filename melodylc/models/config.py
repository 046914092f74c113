"""Sizes of a melody model: one frozen value beside the thing it configures.

Three configurations have a name. `paper` is the model of Engel, Hoffman and Roberts (2018): the
hierarchical MusicVAE with a flat bidirectional encoder. `base` is the one that ships, and `tiny` is
small enough for tests; these two are chains of bars (`melodylc.models.autoregressive`), which learn in minutes
what a flat encoder doesn't in hours, and whose samples keep to a key.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from melodylc.data.alphabet import BARS
from melodylc.data.errors import InputError

LARGEST_LAYER = 8192  #: of any layer
MOST_LAYERS = 64  #: layers or blocks in a row
PriorName = Literal["learnt", "normal"]  #: what latents are drawn from


def check_sizes(sizes: Mapping[str, Any]) -> None:
    """Refuse sizes that no model of ours has, before memory is taken for them.

    Raises:
        InputError: a number that isn't whole, or out of range.

    >>> check_sizes({"hidden": 10**9})
    Traceback (most recent call last):
    melodylc.data.errors.InputError: hidden is a whole number from 0 to 8192, not 1000000000
    """
    for name, size in sizes.items():
        most = MOST_LAYERS if name in ("layers", "blocks") else LARGEST_LAYER
        if not isinstance(size, str) and not (type(size) is int and 0 <= size <= most):
            raise InputError(f"{name} is a whole number from 0 to {most}, not {str(size)[:40]}")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Every size that shapes the weights of a `MelodyVAE`."""

    name: str
    encoder: Literal["flat", "chain"]  #: one LSTM over 256 events, or a chain of bars
    z: int  #: latent dimensions; of a chain, a multiple of 16
    event: int  #: dimensions of an event's embedding
    embedding: int  #: dimensions of a bar's embedding, the conductor's output
    encoder_hidden: int  #: units each way of the LSTM over the bars (or over the 256 events)
    conductor_hidden: int  #: units of the conductor's LSTM (of each of its two layers, if flat)
    decoder_hidden: int  #: units of the bar decoder's hidden layer (of each of its LSTM's two layers, if flat)
    bar_hidden: int = 0  #: units of the bar encoder's hidden layer; a chain's, as the two below
    song_hidden: int = 0  #: units of the hidden layers before the posterior and before a bar's embedding
    attention: int = 0  #: dimensions of the attention to earlier bars
    blocks: int = 0  #: residual blocks after each of those hidden layers of `song_hidden` units

    def __post_init__(self) -> None:
        check_sizes(self.to_dict())
        if self.encoder == "chain" and self.z % BARS:
            raise InputError(f"a chain's latent dimensions are a multiple of {BARS}, not {self.z}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint's header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelConfig":
        """The configuration that `to_dict` wrote; unknown or missing fields are refused."""
        known = {field.name for field in fields(cls)}
        if set(values) != known:
            odd = ", ".join(sorted(set(values) ^ known))
            raise InputError(f"model configuration has unknown or missing fields: {odd}")
        return cls(**values)


CONFIGS = {
    config.name: config
    for config in (
        ModelConfig(
            name="paper",
            encoder="flat",
            z=512,
            event=512,
            embedding=512,
            encoder_hidden=2048,
            conductor_hidden=1024,
            decoder_hidden=1024,
        ),
        ModelConfig(
            name="base",
            encoder="chain",
            z=256,
            event=48,
            embedding=256,
            encoder_hidden=256,
            conductor_hidden=512,
            decoder_hidden=512,
            bar_hidden=768,
            song_hidden=768,
            attention=256,
            blocks=2,
        ),
        ModelConfig(
            name="tiny",
            encoder="chain",
            z=32,
            event=8,
            embedding=32,
            encoder_hidden=16,
            conductor_hidden=32,
            decoder_hidden=32,
            bar_hidden=48,
            song_hidden=48,
            attention=16,
            blocks=1,
        ),
    )
}


def named_config(name: str) -> ModelConfig:
    """The configuration called `name`.

    >>> named_config("base").z
    256
    """
    if name not in CONFIGS:
        raise InputError(f"unknown model configuration {name!r}: choose one of {', '.join(CONFIGS)}")
    return CONFIGS[name]
