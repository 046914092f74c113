"""Model files: safetensors with a header that says what the weights are and where they come from.

Weights are stored in half precision (they are trained in bfloat16 and used in float32); the header holds
the configuration and the provenance: corpus fingerprint, commit, training settings, measured accuracy.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from melodylc.data.errors import CheckpointError, InputError
from melodylc.data.files import atomic_write, fingerprint_file
from melodylc.models.config import ModelConfig, PriorName
from melodylc.models.language import LanguageConfig, MelodyLM
from melodylc.models.prior import LearntPrior, NormalPrior, Prior
from melodylc.models.recall import RecallConfig, RecallLM
from melodylc.models.vae import MelodyVAE

FORMAT = "melodylc-vae/1"
LANGUAGE_FORMAT = "melodylc-language/1"
STATISTICS = "statistics."  #: prefix of tensors that aren't parameters
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


def read_tensors(path: Path, format: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the decoded header of a safetensors file of ours; CheckpointError if it isn't one."""
    try:
        with safe_open(path, framework="pt") as file:
            header = dict(file.metadata() or {})
            if header.get("format") != format:
                found = header.get("format", "no melodylc header")
                raise CheckpointError(f"{path}: not a {format} file ({found}); name a file that melodylc wrote")
            # Copies: the file stays mapped otherwise, and some systems let no mapped file be replaced.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        decoded = json.loads(header["header"])
        if not isinstance(decoded, dict):
            raise KeyError("header")
        return tensors, decoded
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except (OSError, SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path}: damaged or not a safetensors file ({first_line(error)})") from None


def first_line(error: Exception) -> str:
    """What an error says, without the lines after the first."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def write_tensors(path: Path, tensors: dict[str, Tensor], format: str, header: dict[str, Any]) -> None:
    """Write what `read_tensors` reads, atomically; the same content makes the same bytes."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = save(contiguous, metadata={"format": format, "header": json.dumps(header, sort_keys=True)})
    with atomic_write(path) as file:
        file.write(_ordered_header(data))
        file.write(memoryview(data)[8 + _header_size(data) :])


def _header_size(data: bytes) -> int:
    return int.from_bytes(data[:8], "little")


def _ordered_header(data: bytes) -> bytes:
    """The length and the header of a safetensors file, whose metadata come in another order every time."""
    size = _header_size(data)
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    return data[:8] + json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(size)


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
    """Read a model that `save_model` wrote, in float32 and in evaluation mode."""
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
