"""Actors as files: safetensors in half precision, with a header that says what they were made for.

The header is JSON under the one metadata key "header": safetensors writes several in any order, and the same actor
should be the same file. An actor is of use with one model and one rule
only; the header names both, and `load_actor` compares them with what is asked.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import inf
from os import PathLike
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from melodylc.data.errors import CheckpointError, InputError
from melodylc.data.files import atomic_write, fingerprint_bytes, reason
from melodylc.latent.actor import Actor, ActorConfig
from melodylc.latent.fitted import Fitted

FORMAT = "melodylc-actor/2"
LARGEST = 256 * 2**20  #: bytes; what claims more isn't an actor of ours


@dataclass(frozen=True)
class Rates:
    """What single draws gave when the actor was fitted, as stored: before and after it."""

    prior: float  #: share of prior draws that satisfy every part
    actor: float  #: the same, moved by the actor
    samples: int  #: draws moved by the actor
    prior_samples: int  #: draws of the prior alone
    prior_parts: tuple[float, ...]  #: share that satisfies each part
    actor_parts: tuple[float, ...]
    prior_means: tuple[float, ...]  #: mean score of each part
    actor_means: tuple[float, ...]
    distance: float  #: mean L_dist of the actor
    z_mse: float  #: mean z_MSE of the actor

    @classmethod
    def of(cls, fitted: Fitted) -> Self:
        """The rates of a fit."""
        prior, actor = fitted.prior, fitted.measured
        return cls(
            prior=prior.rate,
            actor=actor.rate,
            samples=actor.count,
            prior_samples=prior.count,
            prior_parts=prior.rates,
            actor_parts=actor.rates,
            prior_means=prior.means,
            actor_means=actor.means,
            distance=actor.distance,
            z_mse=actor.z_mse,
        )

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; JSON has lists for tuples."""
        fields: dict[str, Any] = {name: tuple(it) if isinstance(it, list) else it for name, it in values.items()}
        return cls(**fields)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        return asdict(self)


@dataclass(frozen=True)
class Header:
    """What an actor's file says about it."""

    model: str  #: fingerprint of the model whose latent vectors it moves
    prior: str  #: where these come from
    rule: str  #: identity of the rule it was fitted to
    parts: tuple[str, ...]  #: names of the rule's parts, in the order of the measured rates
    config: ActorConfig
    settings: dict[str, Any]  #: `FitSettings` as plain values, and the seed
    measured: Rates
    request: dict[str, Any] = field(default_factory=dict)  #: what was asked for, in the asker's own words
    begins: list[Any] = field(default_factory=list)  #: how vectors begin, in the words of who draws them


@dataclass(frozen=True)
class StoredActor:
    """An actor read from a file, ready to move vectors."""

    actor: Actor
    header: Header
    fingerprint: str  #: 16 hexadecimal digits over the file's bytes

    @property
    def measured(self) -> Rates:
        """The rates measured when it was fitted."""
        return self.header.measured


def save_actor(
    path: str | PathLike[str],
    fitted: Fitted,
    *,
    model: str,
    prior: str,
    rule: str,
    parts: tuple[str, ...],
    request: Mapping[str, Any] | None = None,
    begins: Sequence[Any] = (),
) -> None:
    """Write a fitted actor, whole or not at all.

    Args:
        path: the file to write.
        fitted: what `fit` returned.
        model: fingerprint of the model.
        prior: what the vectors are drawn from.
        rule: identity of the rule.
        parts: names of the rule's parts.
        request: plain values that say how the rule was asked for, if somebody wants to know later.
        begins: plain values that say how vectors begin that it is asked to move.

    Raises:
        InputError: the file can't be written, or names that don't fit the measured rates.
    """
    columns = len(fitted.measured.rates)
    if len(parts) != columns:
        raise InputError(f"{len(parts)} name{'s' * (len(parts) != 1)} for {columns} columns of scores")
    header = {
        "format": FORMAT,
        "model": model,
        "prior": prior,
        "rule": rule,
        "parts": list(parts),
        "config": asdict(fitted.actor.config),
        "settings": _plain({**asdict(fitted.settings), "seed": fitted.seed, "interrupted": fitted.interrupted}),
        "measured": Rates.of(fitted).to_dict(),
        "request": dict(request or {}),
        "begins": list(begins),
    }
    tensors = {name: value.detach().half().contiguous() for name, value in fitted.actor.state_dict().items()}
    metadata = {"header": json.dumps(header, sort_keys=True, allow_nan=False)}
    with atomic_write(path) as file:
        file.write(save(tensors, metadata=metadata))


def load_actor(
    path: str | PathLike[str], *, model: str | None = None, prior: str | None = None, rule: str | None = None
) -> StoredActor:
    """Read an actor, in float32 and evaluation mode.

    Args:
        path: a file that `save_actor` wrote.
        model: the model's fingerprint that it must be for, if given.
        prior: where the vectors come from, if that is given.
        rule: the rule's identity that it must be for, if given.

    Raises:
        CheckpointError: no such file, damaged, another kind of file, or an actor for another model, prior or rule.
    """
    content = _read(path)
    header = _parse_header(path, _fields(path, content))
    asked = (("model", model, header.model), ("prior", prior, header.prior), ("rule", rule, header.rule))
    for what, wanted, found in asked:
        if wanted is not None and wanted != found:
            raise CheckpointError(f"{path}: an actor for the {what} {found}, not {wanted}; fit one for this {what}")
    return StoredActor(_build(path, header.config, content), header, fingerprint_bytes(content))


def read_header(path: str | PathLike[str]) -> Header | None:
    """What an actor's file says about it, without its weights; None for a file of another kind.

    Raises:
        CheckpointError: the file can't be read, or is a damaged actor.
    """
    try:
        with Path(path).open("rb") as file:
            start = file.read(8)
            size = int.from_bytes(start, "little")
            content = start + file.read(size) if size <= LARGEST else start
    except OSError as error:
        raise CheckpointError(f"{path}: can't read this ({reason(error)})") from None
    try:
        fields = _fields(path, content)
    except CheckpointError:
        return None
    return _parse_header(path, fields) if fields.get("format") == FORMAT else None


def _read(path: str | PathLike[str]) -> bytes:
    try:
        size = Path(path).stat().st_size
        if size > LARGEST:
            raise CheckpointError(f"{path}: {size} bytes are too many for an actor")
        return Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: can't read this ({reason(error)})") from None


def _fields(path: str | PathLike[str], content: bytes) -> Mapping[str, Any]:
    try:
        table = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata = table.get("__metadata__", {})
        fields = json.loads(metadata.get("header", "{}"))
        return {"format": metadata.get("format", "no melodylc header"), **fields}
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise CheckpointError(f"{path}: damaged or not a safetensors file; fit the actor anew") from None


def _parse_header(path: str | PathLike[str], fields: Mapping[str, Any]) -> Header:
    if fields["format"] != FORMAT:
        raise CheckpointError(
            f"{path}: not a {FORMAT} file ({_line(fields['format'])}); name an actor that melodylc wrote"
        )
    try:
        return Header(
            model=str(fields["model"]),
            prior=str(fields["prior"]),
            rule=str(fields["rule"]),
            parts=tuple(map(str, fields["parts"])),
            config=ActorConfig(**fields["config"]),
            settings=dict(fields["settings"]),
            measured=Rates.read(fields["measured"]),
            request=dict(fields.get("request", {})),
            begins=list(fields.get("begins", [])),
        )
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: the header is damaged ({_line(error)}); fit the actor anew") from None


def _build(path: str | PathLike[str], config: ActorConfig, content: bytes) -> Actor:
    try:
        weights: dict[str, Tensor] = {name: value.float() for name, value in load(content).items()}
        with torch.device("meta"):  # no time or memory spent on random weights
            actor = Actor(config)
        actor.load_state_dict(weights, assign=True)
    except (SafetensorError, RuntimeError, InputError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged, or its weights don't fit its header ({_line(error)})") from None
    if not all(bool(value.isfinite().all()) for value in weights.values()):
        raise CheckpointError(f"{path}: damaged (a weight is not a number); fit the actor anew")
    return actor.requires_grad_(False).eval()


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity: it is written as a word."""
    exponents = ["inf" if exponent == inf else exponent for exponent in settings["exponents"]]
    return {**settings, "exponents": exponents}


def _line(error: object) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
