"""Picture models as files: safetensors in half precision, with a header that says what they are and of what data set.

| part | format | beside the weights |
|---|---|---|
| VAE | `melodylc-picture-vae/1` | sigma_bar |
| classifier | `melodylc-picture-classifier/1` | |
| actor and critic | `melodylc-picture-actor/2` | the label rows of the training set and how often each occurs |
| attribute critic | `melodylc-picture-attributes/1` | |

A file of another part, another data set or another VAE than it is asked for is refused in one line.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from melodylc.data.errors import CheckpointError, InputError
from melodylc.data.files import fingerprint_file
from melodylc.image.datasets import ClassifierConfig, PictureConfig
from melodylc.image.models import PictureClassifier, PictureVAE
from melodylc.latent.actor import Actor, ActorConfig
from melodylc.latent.gan import AttributeCritic, AuxiliaryCritic, ConditionalCritic
from melodylc.latent.spread import SpreadRestoration
from melodylc.latent.tensor_files import first_line, read_tensors, write_tensors

VAE_FORMAT = "melodylc-picture-vae/1"
CLASSIFIER_FORMAT = "melodylc-picture-classifier/1"
ACTOR_FORMAT = "melodylc-picture-actor/2"
ATTRIBUTES_FORMAT = "melodylc-picture-attributes/1"


@dataclass(frozen=True)
class LoadedVAE:
    """A trained VAE, ready to use."""

    vae: PictureVAE
    sigma_bar: Tensor  #: (z,) the encoder's deviation averaged over the training set; 1 for an autoencoder
    fingerprint: str
    provenance: dict[str, Any]


@dataclass(frozen=True)
class LoadedClassifier:
    """A trained classifier, ready to use."""

    classifier: PictureClassifier
    fingerprint: str
    provenance: dict[str, Any]


@dataclass(frozen=True)
class LabelCombinations:
    """The combinations of labels that a training set has."""

    rows: Tensor  #: (m, labels), 0 or 1, all different
    counts: Tensor  #: (m,) how often each occurs

    @classmethod
    def of(cls, labels: Tensor) -> "LabelCombinations":
        """Those of labels (n, labels)."""
        rows, counts = torch.unique(labels.round(), dim=0, return_counts=True)
        return cls(rows, counts.float())

    def sample(self, wanted: Mapping[int, bool], generator: torch.Generator) -> Tensor:
        """One combination (labels,) that has what is wanted, as often as the training set has it.

        What no training picture has together is asked for all the same: one of the combinations that have most of it,
        with the rest set, so that what wasn't asked comes from a real picture near to the request.
        """
        met = self._met(wanted)
        weights = self.counts * (met == met.max())
        row = self.rows[torch.multinomial(weights, 1, generator=generator)[0]].clone()
        for label, value in wanted.items():
            row[label] = float(value)
        return row

    @property
    def total(self) -> int:
        """How many training pictures there are."""
        return int(self.counts.sum())

    def count(self, wanted: Mapping[int, bool]) -> int:
        """How many training pictures have all that is wanted."""
        return int(self.counts[self._met(wanted) == len(wanted)].sum())

    def _met(self, wanted: Mapping[int, bool]) -> Tensor:
        """How many of the wanted labels each combination has, (m,)."""
        met = torch.zeros(len(self.rows), dtype=torch.long)
        for label, value in wanted.items():
            met += (self.rows[:, label] == float(value)).long()
        return met


@dataclass(frozen=True)
class LoadedActor:
    """An actor that takes labels (or none), with its critic."""

    actor: Actor | SpreadRestoration
    critic: ConditionalCritic | AuxiliaryCritic
    names: tuple[str, ...]  #: of the labels
    rows: LabelCombinations
    fingerprint: str
    provenance: dict[str, Any]  #: among it `vae`, the fingerprint of the VAE it belongs to


@dataclass(frozen=True)
class LoadedAttributes:
    """A critic that reads labels off latent vectors."""

    critic: AttributeCritic
    names: tuple[str, ...]
    provenance: dict[str, Any]


def save_vae(path: Path, vae: PictureVAE, sigma_bar: Tensor, provenance: Mapping[str, Any]) -> None:
    """Write a trained VAE."""
    header = {"config": vae.config.to_dict(), "provenance": dict(provenance)}
    write_tensors(path, {**half_state(vae), "statistics.sigma_bar": sigma_bar.float()}, VAE_FORMAT, header)


def load_vae(path: Path, data: str | None = None) -> LoadedVAE:
    """Read what `save_vae` wrote.

    Raises:
        CheckpointError: it isn't that, is damaged, or of another data set than `data`.
    """
    tensors, header = read_tensors(path, VAE_FORMAT)
    sigma_bar = tensors.pop("statistics.sigma_bar", torch.zeros(0))
    try:
        config = PictureConfig.from_dict(header["config"])
        check_dataset(path, config.dataset, data)
        vae = _new_module(PictureVAE, config, tensors)
        if sigma_bar.shape != (config.z,) or not bool((sigma_bar > 0).all()):
            raise KeyError("sigma_bar")
        return LoadedVAE(vae, sigma_bar, fingerprint_file(path), dict(header["provenance"]))
    except _MISFITS as error:
        raise _misfit(path, error) from None


def save_classifier(path: Path, classifier: PictureClassifier, provenance: Mapping[str, Any]) -> None:
    """Write a trained classifier."""
    header = {"config": classifier.config.to_dict(), "provenance": dict(provenance)}
    write_tensors(path, half_state(classifier), CLASSIFIER_FORMAT, header)


def load_classifier(path: Path, data: str | None = None) -> LoadedClassifier:
    """Read what `save_classifier` wrote; raises as `load_vae` does."""
    tensors, header = read_tensors(path, CLASSIFIER_FORMAT)
    try:
        config = ClassifierConfig.from_dict(header["config"])
        check_dataset(path, config.dataset, data)
        classifier = _new_module(PictureClassifier, config, tensors)
        return LoadedClassifier(classifier, fingerprint_file(path), dict(header["provenance"]))
    except _MISFITS as error:
        raise _misfit(path, error) from None


def save_picture_actor(
    path: Path,
    actor: Actor | SpreadRestoration,
    critic: ConditionalCritic | AuxiliaryCritic,
    names: tuple[str, ...],
    rows: LabelCombinations,
    provenance: Mapping[str, Any],
) -> None:
    """Write an actor and its critic; `provenance` names the data set and the VAE."""
    tensors = {f"actor.{name}": it for name, it in half_state(actor).items()}
    tensors |= {f"critic.{name}": it for name, it in half_state(critic).items()}
    tensors |= {"labels.rows": rows.rows.to(torch.uint8), "labels.counts": rows.counts.float()}
    header: dict[str, Any] = {"config": asdict(actor.config), "names": list(names), "provenance": dict(provenance)}
    if isinstance(critic, AuxiliaryCritic):
        header["auxiliary"] = True
    if isinstance(actor, SpreadRestoration):
        header["widened"] = True
    write_tensors(path, tensors, ACTOR_FORMAT, header)


def load_picture_actor(path: Path, data: str | None = None, vae: str | None = None) -> LoadedActor:
    """Read what `save_picture_actor` wrote; raises as `load_vae`, and for another VAE than `vae`."""
    tensors, header = read_tensors(path, ACTOR_FORMAT)
    try:
        provenance = _belonging(path, header, data, vae)
        config = ActorConfig(**header["config"])
        make: Callable[[ActorConfig], Actor | SpreadRestoration] = _new_spread if header.get("widened") else Actor
        actor = _new_module(make, config, _below("actor.", tensors))
        kind = AuxiliaryCritic if header.get("auxiliary") else ConditionalCritic
        sizes = (config.size, config.context, config.hidden, config.layers)
        critic = _new_module(lambda its: kind(*its), sizes, _below("critic.", tensors))
        rows = LabelCombinations(tensors["labels.rows"].float(), tensors["labels.counts"])
        return LoadedActor(actor, critic, tuple(header["names"]), rows, fingerprint_file(path), provenance)
    except _MISFITS as error:
        raise _misfit(path, error) from None


def _new_spread(config: ActorConfig) -> SpreadRestoration:
    return SpreadRestoration(Actor(config))


def save_attributes(
    path: Path, critic: AttributeCritic, shape: Mapping[str, int], names: tuple[str, ...], provenance: Mapping[str, Any]
) -> None:
    """Write a critic that reads labels off latent vectors; `shape` is what it was made with."""
    header = {"shape": dict(shape), "names": list(names), "provenance": dict(provenance)}
    write_tensors(path, half_state(critic), ATTRIBUTES_FORMAT, header)


def load_attributes(path: Path, data: str | None = None, vae: str | None = None) -> LoadedAttributes:
    """Read what `save_attributes` wrote; raises as `load_picture_actor` does."""
    tensors, header = read_tensors(path, ATTRIBUTES_FORMAT)
    try:
        provenance = _belonging(path, header, data, vae)
        critic = _new_module(lambda shape: AttributeCritic(**shape), header["shape"], tensors)
        return LoadedAttributes(critic, tuple(header["names"]), provenance)
    except _MISFITS as error:
        raise _misfit(path, error) from None


def _belonging(path: Path, header: Mapping[str, Any], data: str | None, vae: str | None) -> dict[str, Any]:
    """The provenance of a part, if it is of that data set and of that VAE."""
    provenance = dict(header["provenance"])
    check_dataset(path, provenance["dataset"], data)
    if vae is not None and provenance["vae"] != vae:
        part = path.parent.name.split("-")[0]
        raise CheckpointError(f"{path}: made for another VAE than the one beside it; train it again (--part {part})")
    return provenance


def check_dataset(path: Path, found: str, wanted: str | None) -> None:
    """Refuse a checkpoint of another data set.

    Raises:
        CheckpointError: it is.
    """
    if wanted is not None and found != wanted:
        raise CheckpointError(f"{path}: a checkpoint of {found}, not of {wanted}: name another, or --dataset {found}")


def half_state(module: nn.Module) -> dict[str, Tensor]:
    """A module's state with floating numbers in half precision; what is counted stays whole."""
    return {name: it.half() if it.is_floating_point() else it for name, it in module.state_dict().items()}


M = TypeVar("M", bound=nn.Module)
_MISFITS = (RuntimeError, KeyError, TypeError, AttributeError, ValueError)


def _misfit(path: Path, error: Exception) -> InputError:
    if isinstance(error, CheckpointError):
        return error
    return CheckpointError(f"{path}: weights and configuration don't fit each other ({first_line(error)})")


def _new_module(kind: Callable[[Any], M], config: Any, tensors: dict[str, Tensor]) -> M:
    with torch.random.fork_rng(devices=[]):
        module = kind(config)
    _fill(module, tensors)
    return module


def _fill(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise ValueError("some of its weights aren't numbers")
    module.load_state_dict({name: it.float() if it.is_floating_point() else it for name, it in tensors.items()})
    module.requires_grad_(False).eval()


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
