"""The data sets of pictures: for each one object with its models' sizes and how they are trained.

| data set | configuration | body | source |
|---|---|---|---|
| mnist | `paper` | three linear layers of 1024, ReLU; z 1024 | Engel, Hoffman and Roberts (2018) |
| celeba | `paper` | convolutions of 256, 512, 1024, 2048; z 1024 | the same |
| mnist | `replication` | three linear layers, normalised, leaky ReLU; z 1024 | Rajagopalan and Seshadri |
| cifar10 | `replication` | six blocks of 32 to 1024, normalised; z 1024; at 64 x 64 | the same |
| any | `small` | a few widths of the same kind, for two cores | |

The output deviation is fixed: p(x|z) = N(decoder(z), deviation^2). 0.1 is sharp, 1.0 blurry. The replication's loss,
mean squared error + 0.00025 KL, is an ELBO with deviation sqrt(12288 * 0.00025 / 2) = 1.24; of MNIST, with 784 numbers
a picture, 0.313. What of the replication isn't here: normalised pictures, its actor's and critic's layers (batch
normalisation in the critic, a layer of labels of its own in both), its classifiers.
"""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Any, Literal

from melodylc.data.errors import InputError
from melodylc.data.pictures.base import Pictures
from melodylc.data.pictures.loading import DATASETS, Dataset, dataset
from melodylc.latent.actor_critic import current_names
from melodylc.latent.gan import GANSettings
from melodylc.training.settings import StageSettings, TrainSettings

DISTANCE = 0.1  #: lambda, the paper's weight of the distance
FILE_NAMES = {"residual_components": "rest", "matched_components": "restored"}  #: of fields, in checkpoints' headers


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
    residual_components: int = 0  #: how many of them are principal components of what the decoder leaves
    matched_components: int = 0  #: principal components of pictures whose variance is matched
    deviation: float = 0.1  #: of p(x|z)
    autoencoder: bool = False  #: a classical one: no noise, no KL, and z standardised afterwards

    def __post_init__(self) -> None:
        if not 0 < self.deviation < float("inf"):
            raise InputError(f"an output deviation is a positive number, not {self.deviation}")
        if self.body == "convolutions" and (len(self.kernels) != len(self.widths) or self.side % 2 ** len(self.widths)):
            raise InputError(f"{len(self.widths)} convolutions halve a side of {self.side} and have a kernel each")
        residual = self.residual_components
        if not 0 <= residual < self.z or (residual and self.autoencoder):
            raise InputError(f"residual components are some of a VAE's {self.z} dimensions, not {residual}")
        if not 0 <= self.matched_components <= self.values:
            raise InputError(f"a picture has {self.values} components to match, not {self.matched_components}")

    @property
    def decoder_z(self) -> int:
        """Latent dimensions of the decoder, which are trained: all but the residual components."""
        return self.z - self.residual_components

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
        return current_names(asdict(self), FILE_NAMES)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "PictureConfig":
        """The configuration that `to_dict` wrote; unknown fields, or missing ones without a default, are refused."""
        values = current_names(values, {file: name for name, file in FILE_NAMES.items()})
        names = {field.name for field in fields(cls)}
        needed = {field.name for field in fields(cls) if field.default is MISSING}
        if wrong := (set(values) - names) | (needed - set(values)):
            raise InputError(f"picture configuration has unknown or missing fields: {wrong}")
        return cls(**_tuples(values))


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
        return cls(**_tuples(values))


def train_settings(kind: str, batch: int, rate: float, steps: int, every: int) -> TrainSettings:
    """One stage of so many steps, with a validation every so many."""
    stage = StageSettings(kind=kind, batch=batch, rate=rate, steps=steps)  # type: ignore[arg-type]
    return TrainSettings(stages=(stage,), validate_every=every)


@dataclass(frozen=True)
class Recipe:
    """How each part of a pipeline is trained."""

    vae: TrainSettings
    classifier: TrainSettings
    gan: GANSettings  #: of actors that are told labels
    attributes: TrainSettings = field(default_factory=lambda: train_settings("labels", 256, 1e-3, 3000, 250))
    realism_steps: int = 1200  #: of the actor without labels

    @property
    def realism(self) -> GANSettings:
        """Of the actor without labels: no distance penalty, or it stays where the prior is and nothing gets better."""
        return replace(self.gan, distance=0.0, steps=self.realism_steps)


class PictureDataset:
    """A data set: sizes of its VAEs by configuration, of its classifier, and the recipe of `small`.

    Args:
        name: as the loader has it.
        labels: what has the names of its labels; the loader's data set if None.
        channels: of a picture.
        side: of a picture.
        body: of the VAEs.
        vaes: fields of `PictureConfig` that differ, by the configuration's name.
        classifier: the same of `ClassifierConfig`.
        recipe: how the parts of `small` are trained on two cores.
        augmentation: side of pictures and steps of the classifier of the augmentation experiment, if it is one's.
    """

    def __init__(
        self,
        name: str,
        *,
        labels: Dataset | Pictures | None = None,
        channels: int,
        side: int,
        body: Literal["linear", "convolutions"],
        vaes: Mapping[str, dict[str, Any]],
        classifier: dict[str, Any],
        recipe: Recipe,
        augmentation: tuple[int, int] | None = None,
    ) -> None:
        shape = {"dataset": name, "channels": channels, "side": side}
        self.name, self.recipe, self.augmentation = name, recipe, augmentation
        self.configs = {of: PictureConfig(name=of, **{**shape, "body": body, **sizes}) for of, sizes in vaes.items()}
        labels = labels or dataset(name)
        meaning = {"names": labels.names, "exclusive": labels.exclusive}
        self.classifier = ClassifierConfig(**{**shape, **meaning, **classifier})

    def config(self, name: str) -> PictureConfig:
        """The configuration of this name.

        Raises:
            InputError: there is none.
        """
        if name not in self.configs:
            raise InputError(f"unknown configuration {name!r} of {self.name}: choose from {', '.join(self.configs)}")
        return self.configs[name]


_SMALL_GAN = GANSettings(distance=DISTANCE, batch=64, actor_batch=512, critic_rate=1e-3, actor_rate=4e-3, average=0.99)
_FREE_GAN = replace(_SMALL_GAN, steps=600, distance=0.0, flip_share=0.5, mismatch_weight=8.0)  #: of sharp VAEs


def _like_mnist(name: str, other_vaes: Mapping[str, dict[str, Any]] | None = None, **more: Any) -> PictureDataset:
    """A data set whose pictures are of the shape of MNIST's digits."""
    return PictureDataset(
        name,
        channels=1,
        side=28,
        body="linear",
        vaes={
            "paper": {"widths": (1024, 1024, 1024)},
            "small": {"widths": (400, 400, 400), "norm": True, "z": 64, "deviation": 0.2},
            **(other_vaes or {}),
        },
        classifier={"widths": (16, 32), "norm": False},
        recipe=Recipe(
            train_settings("pictures", 128, 3e-3, 8000, 500),
            train_settings("labels", 128, 3e-3, 3000, 500),
            replace(_SMALL_GAN, steps=1800, penalty_weight=1.0, mismatch_weight=0.5),
        ),
        **more,
    )


_MNIST_REPLICATION = {"widths": (1024, 1024, 1024), "norm": True, "deviation": 0.313}
MNIST = _like_mnist("mnist", {"replication": _MNIST_REPLICATION}, augmentation=(28, 3000))
FASHION_MNIST = _like_mnist("fashion_mnist")
CELEBA = PictureDataset(
    "celeba",
    channels=3,
    side=64,
    body="convolutions",
    vaes={
        "paper": {"widths": (256, 512, 1024, 2048), "kernels": (5, 5, 3, 3)},
        "small": {
            "widths": (32, 64, 128, 256),
            "kernels": (5, 3, 3, 3),
            "norm": True,
            "z": 128,
            "matched_components": 512,
            "deviation": 0.3,
        },
    },
    classifier={"widths": (32, 64, 128, 256), "kernel": 3, "flip": True},
    recipe=Recipe(
        train_settings("pictures", 64, 2e-3, 6000, 250),
        train_settings("labels", 64, 2e-3, 3000, 250),
        replace(_SMALL_GAN, steps=1500, flip_share=0.5, mismatch_weight=8.0, spread_share=0.5),
    ),
)
CIFAR10 = PictureDataset(
    "cifar10",
    channels=3,
    side=32,
    body="convolutions",
    vaes={
        "replication": {
            "side": 64,
            "widths": (32, 64, 128, 256, 512, 1024),
            "kernels": (3,) * 6,
            "norm": True,
            "deviation": 1.24,
        },
        "small": {
            "widths": (32, 64, 128),
            "kernels": (3,) * 3,
            "norm": True,
            "z": 512,
            "residual_components": 384,
            "matched_components": 512,
            "deviation": 0.14,
        },
    },
    classifier={"widths": (64, 128, 256), "flip": True},
    recipe=Recipe(
        train_settings("pictures", 64, 2e-3, 1500, 250),
        train_settings("labels", 64, 2e-3, 1500, 250),
        replace(_SMALL_GAN, steps=1800, penalty_weight=1.0, mismatch_weight=0.5, bound=20.0, spread_share=0.75),
    ),
    augmentation=(64, 4000),
)
TOY_FACES = PictureDataset(
    "faces",
    channels=3,
    side=64,
    body="convolutions",
    vaes={"small": {"widths": (16, 32, 64, 64), "kernels": (5, 5, 3, 3), "norm": True, "z": 32}},
    classifier={"widths": (16, 32, 64, 64), "flip": True},
    recipe=Recipe(
        train_settings("pictures", 32, 2e-3, 1500, 250),
        train_settings("labels", 32, 2e-3, 600, 100),
        _FREE_GAN,
    ),
)
OWN_RECIPE = Recipe(
    train_settings("pictures", 32, 2e-3, 3000, 250),
    train_settings("labels", 32, 2e-3, 600, 100),
    _FREE_GAN,
)  #: of somebody's own pictures, of which there are hundreds
PICTURE_DATASETS = {it.name: it for it in (MNIST, FASHION_MNIST, CIFAR10, CELEBA, TOY_FACES)}
PAPER_RECIPE = Recipe(
    train_settings("pictures", 128, 3e-4, 100_000, 1000),
    train_settings("labels", 128, 1e-3, 20_000, 500),
    GANSettings(
        steps=50_000, critic_rate=1e-4, actor_rate=1e-4, distance=DISTANCE, average=0.999, hidden=2048, layers=4
    ),
    realism_steps=50_000,
)  #: with the authors' notebook's sizes and rate
REPLICATION_RECIPE = Recipe(
    train_settings("pictures", 32, 5e-3, 86_000, 1000),
    train_settings("labels", 32, 5e-3, 86_000, 1000),
    replace(PAPER_RECIPE.gan, batch=128, critic_rate=3e-3, actor_rate=3e-3),
    realism_steps=50_000,
)  #: its batches and rates; its classifiers take 50 epochs, 86,000 steps of MNIST, and what it doesn't say is ours


def picture_dataset(name: str) -> PictureDataset:
    """The data set of a name; somebody's own pictures are none of these, but `dataset_of` them.

    Raises:
        InputError: there is none.

    >>> picture_dataset("mnist").config("paper").widths, picture_dataset("mnist").classifier.names[7]
    ((1024, 1024, 1024), '7')
    """
    return PICTURE_DATASETS[dataset(name).name]


def dataset_of(pictures: Pictures) -> PictureDataset:
    """The data set that pictures are of; own pictures have sizes that go by theirs."""
    if pictures.dataset in DATASETS:
        return picture_dataset(pictures.dataset)
    channels, side, _ = pictures.shape
    count = side.bit_length() - 3  # convolutions that leave 4 x 4
    widths, kernels = (16, 32, 64, 64, 64)[:count], (5, 5, 3, 3, 3)[:count]
    return PictureDataset(
        pictures.dataset,
        labels=pictures,
        channels=channels,
        side=side,
        body="convolutions",
        vaes={"small": {"widths": widths, "kernels": kernels, "norm": True, "z": 32}},
        classifier={"widths": widths},
        recipe=OWN_RECIPE,
    )


def picture_config(data: str, name: str) -> PictureConfig:
    """The configuration of a data set that has this name; raises as `PictureDataset.config`."""
    return picture_dataset(data).config(name)


def recipe(config: PictureConfig) -> Recipe:
    """The recipe of a configuration: that of two cores for `small`, those of their authors else."""
    if config.name != "small":
        return REPLICATION_RECIPE if config.name == "replication" else PAPER_RECIPE
    return PICTURE_DATASETS[config.dataset].recipe if config.dataset in PICTURE_DATASETS else OWN_RECIPE


def default_distance(data: str) -> float:
    """The weight of the distance penalty that a data set's actors are trained with unless somebody says otherwise.

    >>> default_distance("mnist"), default_distance("faces")
    (0.1, 0.0)
    """
    return (PICTURE_DATASETS[data].recipe if data in PICTURE_DATASETS else OWN_RECIPE).gan.distance


def with_steps(settings: TrainSettings, steps: int | None) -> TrainSettings:
    """The same with another number of steps, if there is one.

    Raises:
        InputError: less than one step.
    """
    if steps is None:
        return settings
    if steps < 1:
        raise InputError(f"training takes 1 step or more, not {steps}")
    return replace(settings, stages=tuple(replace(stage, steps=steps) for stage in settings.stages))


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(it) if isinstance(it, list) else it for name, it in values.items()}
