"""Classifiers of pictures: what judges generated ones, trained apart from everything that makes them."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from melodylc.data.errors import InputError
from melodylc.data.pictures.loading import dataset
from melodylc.image.bodies import strided


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """The shape of a classifier, and what its outputs mean."""

    dataset: str
    channels: int
    side: int
    names: tuple[str, ...]  #: of the labels
    exclusive: bool  #: whether exactly one label is right
    widths: tuple[int, ...]  #: channels of the convolutions, each with stride 2
    kernel: int = 5  #: of each
    norm: bool = True
    hidden: int = 128  #: features
    flip: bool = False  #: whether a mirrored picture has the same labels
    shift: int = 2  #: pixels that training pictures are moved by at most

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint's header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ClassifierConfig":
        """The inverse of `to_dict`; JSON has lists for tuples."""
        plain: dict[str, Any] = {name: tuple(it) if isinstance(it, list) else it for name, it in values.items()}
        return cls(**plain)


_SHAPES: dict[str, dict[str, Any]] = {
    "mnist": {"channels": 1, "side": 28, "widths": (16, 32), "norm": False},
    "cifar10": {"channels": 3, "side": 32, "widths": (64, 128, 256), "flip": True},
    "celeba": {"channels": 3, "side": 64, "widths": (32, 64, 128, 256), "kernel": 3, "flip": True},
    "faces": {"channels": 3, "side": 64, "widths": (16, 32, 64, 64), "flip": True},
}


def classifier_config(data: str) -> ClassifierConfig:
    """The classifier of a data set.

    >>> classifier_config("mnist").names[7]
    '7'
    """
    found = dataset(data)
    return ClassifierConfig(dataset=data, names=found.names, exclusive=found.exclusive, **_SHAPES[data])


def flips(data: str) -> bool:
    """Whether pictures of a data set have the same labels in a mirror.

    >>> flips("mnist"), flips("celeba")
    (False, True)
    """
    return classifier_config(data).flip


class PictureClassifier(nn.Module):
    """Convolutions, a layer of features, and a logit for each label.

    >>> PictureClassifier(classifier_config("mnist"))(torch.zeros(3, 1, 28, 28)).shape
    torch.Size([3, 10])
    """

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        widths, steps = (config.channels, *config.widths), len(config.widths)
        if config.side % 2**steps:
            raise InputError(f"{steps} convolutions halve a side of {config.side}")
        size = config.widths[-1] * (config.side // 2**steps) ** 2
        self.body = nn.Sequential(*strided(widths, (config.kernel,) * steps, config.norm), nn.Flatten())
        self.hidden = nn.Sequential(nn.Linear(size, config.hidden), nn.ReLU())
        self.head = nn.Linear(config.hidden, len(config.names))

    def features(self, pictures: Tensor) -> Tensor:
        """(n, hidden) of pictures (n, channels, side, side) in [0, 1]."""
        found: Tensor = self.hidden(self.body(pictures.contiguous(memory_format=torch.channels_last)))
        return found

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (n, labels) of pictures (n, channels, side, side) in [0, 1]."""
        logits: Tensor = self.head(self.features(pictures))
        return logits

    @torch.no_grad()
    def labels(self, pictures: Tensor) -> Tensor:
        """What it says: 0 or 1, (n, labels); exactly one 1 in a row where labels exclude each other."""
        logits = torch.cat([self(part).float() for part in torch.split(pictures, 256)])
        if self.config.exclusive:
            return nn.functional.one_hot(logits.argmax(dim=1), logits.shape[1]).float()
        return (logits > 0).float()
