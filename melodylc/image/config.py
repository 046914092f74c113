"""Sizes of picture models: one frozen value beside the thing it configures.

| data set | configuration | body | source |
|---|---|---|---|
| mnist | `paper` | three linear layers of 1024, ReLU; z 1024 | Engel, Hoffman and Roberts (2018) |
| celeba | `paper` | convolutions of 256, 512, 1024, 2048; z 1024 | the same |
| cifar10 | `replication` | six blocks of 32 to 1024, normalised; z 1024; at 64 x 64 | Rajagopalan and Seshadri |
| any | `small` | a few widths of the same kind, for two cores | |

The output deviation is fixed: p(x|z) = N(decoder(z), deviation^2). 0.1 is sharp, 1.0 blurry. The replication's loss,
mean squared error + 0.00025 KL, is an ELBO with deviation sqrt(12288 * 0.00025 / 2) = 1.24.
"""

from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Literal

from melodylc.data.errors import InputError
from melodylc.data.pictures.loading import dataset


@dataclass(frozen=True, kw_only=True)
class PictureConfig:
    """Every size that shapes the weights of a `PictureVAE`, and its output deviation.

    Raises:
        InputError: a number that makes no sense.
    """

    name: str
    dataset: str
    channels: int
    side: int  #: pictures are side x side; others are resized
    body: Literal["linear", "convolutions"]
    widths: tuple[int, ...]  #: units or channels, from the picture to z; the decoder mirrors them
    kernels: tuple[int, ...] = ()  #: of the convolutions, each with stride 2
    norm: bool = False  #: batch normalisation and a leaky ReLU after each layer, instead of a ReLU
    z: int = 1024  #: latent dimensions
    rest: int = 0  #: how many of them are principal components of what the others leave: `melodylc.image.principal`
    restored: int = 0  #: components of pictures whose variance is given back: `melodylc.image.restored`
    deviation: float = 0.1  #: of p(x|z)
    autoencoder: bool = False  #: a classical one: no noise, no KL, and z standardised afterwards

    def __post_init__(self) -> None:
        if not 0 < self.deviation < float("inf"):
            raise InputError(f"an output deviation is a positive number, not {self.deviation}")
        if self.body == "convolutions" and (len(self.kernels) != len(self.widths) or self.side % 2 ** len(self.widths)):
            raise InputError(f"{len(self.widths)} convolutions halve a side of {self.side} and have a kernel each")
        if not 0 <= self.rest < self.z or (self.rest and self.autoencoder):
            raise InputError(f"components of the rest are some of a VAE's {self.z} dimensions, not {self.rest}")
        if not 0 <= self.restored <= self.values:
            raise InputError(f"a picture has {self.values} components that can be restored, not {self.restored}")

    @property
    def learnt(self) -> int:
        """Latent dimensions that are trained: all but the components of the rest."""
        return self.z - self.rest

    @property
    def values(self) -> int:
        """Numbers in a picture."""
        return self.channels * self.side**2

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a picture."""
        return self.channels, self.side, self.side

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint's header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "PictureConfig":
        """The configuration that `to_dict` wrote; unknown fields, or missing ones without a default, are refused."""
        known = {field.name for field in fields(cls)}
        needed = {field.name for field in fields(cls) if field.default is MISSING}
        if wrong := (set(values) - known) | (needed - set(values)):
            raise InputError(f"picture configuration has unknown or missing fields: {wrong}")
        plain: dict[str, Any] = {name: tuple(it) if isinstance(it, list) else it for name, it in values.items()}
        return cls(**plain)


_SHAPES: dict[str, dict[str, Any]] = {
    "mnist": {"channels": 1, "side": 28, "body": "linear"},
    "celeba": {"channels": 3, "side": 64, "body": "convolutions"},
    "cifar10": {"channels": 3, "side": 32, "body": "convolutions"},
    "faces": {"channels": 3, "side": 64, "body": "convolutions"},
}  #: of a data set, unless a configuration has another


def _configured(data: str, name: str, **settings: Any) -> tuple[tuple[str, str], PictureConfig]:
    return (data, name), PictureConfig(dataset=data, name=name, **{**_SHAPES[data], **settings})


def _small(data: str, widths: tuple[int, ...], **settings: Any) -> tuple[tuple[str, str], PictureConfig]:
    return _configured(data, "small", widths=widths, norm=True, **settings)


CONFIGS = dict(
    (
        _configured("mnist", "paper", widths=(1024, 1024, 1024)),
        _small("mnist", (400, 400, 400), z=64, deviation=0.2),
        _configured("celeba", "paper", widths=(256, 512, 1024, 2048), kernels=(5, 5, 3, 3)),
        _small("celeba", (32, 64, 128, 256), kernels=(5, 3, 3, 3), z=128, restored=512, deviation=0.3),
        _configured(
            *("cifar10", "replication"),
            side=64,
            widths=(32, 64, 128, 256, 512, 1024),
            kernels=(3,) * 6,
            norm=True,
            deviation=1.24,
        ),
        _small("cifar10", (32, 64, 128), kernels=(3,) * 3, z=512, rest=384, restored=512, deviation=0.14),
        _small("faces", (16, 32, 64, 64), kernels=(5, 5, 3, 3), z=32),
    )
)


def named_config(data: str, name: str) -> PictureConfig:
    """The configuration of a data set that has this name.

    >>> named_config("mnist", "paper").widths
    (1024, 1024, 1024)
    """
    known = [of for at, of in CONFIGS if at == dataset(data).name]
    if name not in known:
        raise InputError(f"unknown configuration {name!r} of {data}: choose from {', '.join(known)}")
    return CONFIGS[data, name]
