"""Sizes of a melody model: one frozen value beside the thing it configures.

Three configurations have a name. `paper` is the model of Engel, Hoffman and Roberts (2018): the
hierarchical MusicVAE with a flat bidirectional encoder. `base` is the one that ships, and `tiny` is
small enough for tests. `base` and `tiny` replace the flat encoder by a hierarchical one and give every
bar its own slice of z, because that is what made reconstruction possible on two CPU cores.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from melodylc.data.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Every size that shapes the weights of a `MelodyVAE`."""

    name: str
    z: int  #: latent dimensions
    embedding: int  #: dimensions of a bar's embedding, the conductor's output
    event: int  #: dimensions of an event's embedding, the bar decoder's input
    encoder: Literal["flat", "bars"]  #: one LSTM over 256 events, or bars first and then the song
    encoder_hidden: int  #: units each way of the LSTM over the song (or over the 256 events)
    bar_encoder_hidden: int  #: units each way of the LSTM inside a bar; unused by "flat"
    bar_mix: int  #: dimensions an event contributes to its bar's embedding; 0: no slices inside a bar
    mix: int  #: dimensions a bar contributes to the posterior, and gets as its slice of z; 0: no slices
    conductor_hidden: int  #: units in each of the conductor's two layers
    decoder_hidden: int  #: units in each of the bar decoder's two layers

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
            z=512,
            embedding=512,
            event=512,
            encoder="flat",
            encoder_hidden=2048,
            bar_encoder_hidden=0,
            bar_mix=0,
            mix=0,
            conductor_hidden=1024,
            decoder_hidden=1024,
        ),
        ModelConfig(
            name="base",
            z=256,
            embedding=256,
            event=128,
            encoder="bars",
            encoder_hidden=256,
            bar_encoder_hidden=128,
            bar_mix=32,
            mix=128,
            conductor_hidden=512,
            decoder_hidden=256,
        ),
        ModelConfig(
            name="tiny",
            z=16,
            embedding=32,
            event=16,
            encoder="bars",
            encoder_hidden=16,
            bar_encoder_hidden=16,
            bar_mix=8,
            mix=8,
            conductor_hidden=32,
            decoder_hidden=32,
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
