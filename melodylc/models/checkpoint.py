"""Model files: safetensors with a header that says what the weights are and where they come from.

Weights are stored in half precision (they are trained in bfloat16 and used in float32); the header holds
the configuration and the provenance: corpus fingerprint, commit, training settings, measured accuracy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from melodylc.cache import pretrained
from melodylc.data.errors import CheckpointError, InputError
from melodylc.data.files import fingerprint_file
from melodylc.latent.tensor_files import check_file_size, first_line, read_tensors, write_tensors
from melodylc.models.config import ModelConfig, PriorName
from melodylc.models.language import LanguageConfig, MelodyLM
from melodylc.models.prior import LearntPrior, NormalPrior, Prior
from melodylc.models.recall import RecallConfig, RecallLM
from melodylc.models.vae import MelodyVAE

FORMAT = "melodylc-vae/1"
LANGUAGE_FORMAT = "melodylc-language/1"
STATISTICS = "statistics."  #: prefix of tensors that aren't parameters
LARGEST_MODEL = 4 << 30  #: bytes; ours have 27 million
LANGUAGE = "language."  #: prefix of the language model's parameters


@dataclass(frozen=True)
class LoadedModel:
    """A trained model, ready to decode, and what its file says about it."""

    vae: MelodyVAE
    sigma_bar: Tensor  #: (z,) the encoder's sigma averaged over the training set
    fingerprint: str  #: 16 hex digits over the file's bytes
    provenance: dict[str, Any]
    language: MelodyLM | RecallLM | None = None  #: what a learnt prior draws from, if one was trained

    def prior(self, name: PriorName | None = None) -> Prior:
        """The prior of that name; the learnt one where none is named and there is one.

        Raises:
            InputError: the learnt one, and the model has none.
        """
        if self.language and name != "normal":
            return LearntPrior(self.vae, self.language)
        if name == "learnt":
            raise InputError("this model has no learnt prior: train one (melodylc train prior), or use --prior normal")
        return NormalPrior(self.vae.config.z)


def save_model(
    path: Path,
    vae: MelodyVAE,
    sigma_bar: Tensor,
    provenance: Mapping[str, Any],
    language: MelodyLM | RecallLM | None = None,
) -> None:
    """Write a trained model in half precision."""
    tensors = {name: value.half() for name, value in vae.state_dict().items()}
    tensors[f"{STATISTICS}sigma_bar"] = sigma_bar.float()
    header = {"config": vae.config.to_dict(), "provenance": dict(provenance)}
    if language:
        tensors |= {f"{LANGUAGE}{name}": value.half() for name, value in language.state_dict().items()}
        header["language"] = language.config.to_dict()
    write_tensors(path, tensors, FORMAT, header)


def save_language(path: Path, language: MelodyLM | RecallLM, provenance: Mapping[str, Any]) -> None:
    """Write a language model alone, in half precision."""
    tensors = {name: value.half() for name, value in language.state_dict().items()}
    write_tensors(
        path, tensors, LANGUAGE_FORMAT, {"language": language.config.to_dict(), "provenance": dict(provenance)}
    )


def load_language(path: Path) -> tuple[MelodyLM | RecallLM, dict[str, Any]]:
    """A language model that `save_language` wrote, in float32 and in evaluation mode, and its provenance."""
    if path.is_file():  # of others the reader says what they are
        check_file_size(path, LARGEST_MODEL, "a language model")
    tensors, header = read_tensors(path, LANGUAGE_FORMAT)
    try:
        with torch.random.fork_rng(devices=[]):
            language = language_model(header["language"])
        _fill(language, tensors)
        return language, dict(header["provenance"])
    except (RuntimeError, KeyError, TypeError, AttributeError, ValueError) as error:
        why = first_line(error)
        raise CheckpointError(f"{path}: weights and configuration don't fit each other ({why})") from None


def load_model(path: Path) -> LoadedModel:
    """Read a model that `save_model` wrote, in float32 and in evaluation mode.

    Raises:
        CheckpointError: no such file, too large for one, damaged, or something else.
    """
    if path.is_file():  # of others the reader says what they are
        check_file_size(path, LARGEST_MODEL, "a model")
    tensors, header = read_tensors(path, FORMAT)
    sigma_bar = tensors.pop(f"{STATISTICS}sigma_bar", None)
    told = {name: tensors.pop(name) for name in list(tensors) if name.startswith(LANGUAGE)}
    try:
        # Random weights cost 0.1 s here; on the meta device an embedding's would import a compiler, and 1 s.
        with torch.random.fork_rng(devices=[]):
            vae = MelodyVAE(ModelConfig.from_dict(header["config"]))
            language = language_model(header["language"]) if told or "language" in header else None
        _fill(vae, tensors)
        if language:
            _fill(language, {name.removeprefix(LANGUAGE): value for name, value in told.items()})
        provenance = dict(header["provenance"])
    except (RuntimeError, KeyError, TypeError, AttributeError, ValueError) as error:
        why = first_line(error)
        raise CheckpointError(f"{path}: weights and configuration don't fit each other ({why})") from None
    if sigma_bar is None or sigma_bar.shape != (vae.config.z,):
        raise CheckpointError(f"{path}: lacks the encoder's mean deviation (sigma_bar); train it to the end")
    if not all(tensor.isfinite().all() for tensor in (sigma_bar, *vae.parameters(), *told.values())):
        raise CheckpointError(f"{path}: damaged (some of its weights aren't numbers); copy or train it again")
    return LoadedModel(vae, sigma_bar, fingerprint_file(path), provenance, language)


def language_model(config: dict[str, Any]) -> MelodyLM | RecallLM:
    """A language model with random weights of the configuration that its `to_dict` wrote; InputError for another."""
    remembers = set(config) == set(RecallConfig().to_dict())
    return RecallLM(RecallConfig(**config)) if remembers else MelodyLM(LanguageConfig.from_dict(config))


def _fill(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    module.load_state_dict({name: value.float() for name, value in tensors.items()}, assign=True)
    module.requires_grad_(False).eval()


def shipped_model() -> LoadedModel:
    """The model that comes with the package."""
    return load_model(pretrained() / "base.safetensors")


def open_model(path: str | Path | None = None) -> LoadedModel:
    """The model of a file, or the one that comes with the package.

    Raises:
        CheckpointError: missing, damaged, or something else.
    """
    return load_model(Path(path)) if path is not None else shipped_model()
