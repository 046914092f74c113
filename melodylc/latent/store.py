"""Actors as files: weights in half precision, with a header that says what they were made for.

An actor is of use with one model, one of its priors and one rule only; the header names them, and `load_actor` compares
them with what is wanted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike
from typing import Any, Self

import torch

from melodylc.data.errors import CheckpointError, InputError
from melodylc.data.files import fingerprint_file
from melodylc.latent.actor import Actor, ActorConfig
from melodylc.latent.fit import FitResult, current_settings
from melodylc.latent.tensor_files import check_file_size, first_line, read_metadata, read_tensors, write_tensors

ACTOR_FILE_FORMAT = "melodylc-actor/2"
LARGEST_ACTOR = 256 * 2**20  #: bytes; what claims more isn't an actor of ours


@dataclass(frozen=True)
class Rates:
    """What single samples gave when the actor was fitted, as a file has it: before and after it."""

    prior: float  #: share of prior samples that satisfy every part
    actor: float  #: the same, moved by the actor
    samples: int  #: samples moved by the actor
    prior_samples: int  #: samples of the prior alone
    prior_parts: tuple[float, ...]  #: share that satisfies each part
    actor_parts: tuple[float, ...]
    prior_means: tuple[float, ...]  #: mean score of each part
    actor_means: tuple[float, ...]
    distance: float  #: mean L_dist of the actor
    z_mse: float  #: mean z_MSE of the actor

    @classmethod
    def of(cls, result: FitResult) -> Self:
        """The rates of a fit."""
        prior, actor = result.prior, result.measurement
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
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; JSON has lists for tuples."""
        fields: dict[str, Any] = {name: tuple(it) if isinstance(it, list) else it for name, it in values.items()}
        return cls(**fields)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        return asdict(self)


@dataclass(frozen=True)
class ActorHeader:
    """What an actor's file says about it."""

    model: str  #: fingerprint of the model whose latent vectors it moves
    prior: str  #: where these come from
    rule: str  #: identity of the rule it was fitted to
    parts: tuple[str, ...]  #: names of the rule's parts, in the order of the rates
    config: ActorConfig
    settings: dict[str, Any]  #: `FitSettings` as plain values, and the seed
    rates: Rates
    request: dict[str, Any] = field(default_factory=dict)  #: the request in the caller's own words
    preparation: list[Any] = field(default_factory=list)  #: what is done to vectors before, in the caller's words

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """A header as a file has it, perhaps one of an earlier version."""
        return cls(
            model=str(values["model"]),
            prior=str(values["prior"]),
            rule=str(values["rule"]),
            parts=tuple(map(str, values["parts"])),
            config=ActorConfig(**values["config"]),
            settings=current_settings(values["settings"]),
            rates=Rates.from_dict(values["measured"]),
            request=dict(values.get("request", {})),
            preparation=list(values.get("begins", [])),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return {
            "model": self.model,
            "prior": self.prior,
            "rule": self.rule,
            "parts": list(self.parts),
            "config": asdict(self.config),
            "settings": self.settings,
            "measured": self.rates.to_dict(),
            "request": self.request,
            "begins": self.preparation,
        }


@dataclass(frozen=True)
class StoredActor:
    """An actor read from a file, ready to move vectors."""

    actor: Actor
    header: ActorHeader
    fingerprint: str  #: 16 hexadecimal digits over the file's bytes

    @property
    def rates(self) -> Rates:
        """The rates measured when it was fitted."""
        return self.header.rates


def save_actor(
    path: str | PathLike[str],
    result: FitResult,
    *,
    model: str,
    prior: str,
    rule: str,
    parts: tuple[str, ...],
    request: Mapping[str, Any] | None = None,
    preparation: Sequence[Any] = (),
) -> None:
    """Write a fitted actor, whole or not at all.

    Args:
        path: the file to write.
        result: what `fit` returned.
        model: fingerprint of the model.
        prior: what the vectors are drawn from.
        rule: identity of the rule.
        parts: names of the rule's parts.
        request: plain values that say how the rule was asked for, if somebody wants to know later.
        preparation: plain values that say what is done to vectors before the actor moves them.

    Raises:
        InputError: the file can't be written, or names that don't fit the rates.
    """
    columns = len(result.measurement.rates)
    if len(parts) != columns:
        raise InputError(f"{len(parts)} name{'s' * (len(parts) != 1)} for {columns} columns of scores")
    header = ActorHeader(
        model,
        prior,
        rule,
        parts,
        result.actor.config,
        {**result.settings.to_dict(), "seed": result.seed, "interrupted": result.interrupted},
        Rates.of(result),
        dict(request or {}),
        list(preparation),
    )
    tensors = {name: value.half() for name, value in result.actor.state_dict().items()}
    write_tensors(path, tensors, ACTOR_FILE_FORMAT, header.to_dict())


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
    check_file_size(path, LARGEST_ACTOR, "an actor")
    tensors, values = read_tensors(path, ACTOR_FILE_FORMAT)
    header = _header(path, values)
    for what, wanted, found in (
        ("model", model, header.model),
        ("prior", prior, header.prior),
        ("rule", rule, header.rule),
    ):
        if wanted is not None and wanted != found:
            raise CheckpointError(f"{path}: an actor for the {what} {found}, not {wanted}; fit one for this {what}")
    weights = {name: value.float() for name, value in tensors.items()}
    if not all(bool(value.isfinite().all()) for value in weights.values()):
        raise CheckpointError(f"{path}: damaged (a weight is not a number); fit the actor anew")
    try:
        with torch.device("meta"):  # no time or memory spent on random weights
            actor = Actor(header.config)
        actor.load_state_dict(weights, assign=True)
    except (RuntimeError, TypeError) as error:
        raise CheckpointError(f"{path}: its weights don't fit its header ({first_line(error)})") from None
    return StoredActor(actor.requires_grad_(False).eval(), header, fingerprint_file(path))


def read_header(path: str | PathLike[str]) -> ActorHeader | None:
    """What an actor's file says about it, without its weights; None for a file of another kind.

    Raises:
        CheckpointError: the file can't be read, or is a damaged actor.
    """
    values = read_metadata(path, ACTOR_FILE_FORMAT)
    return None if values is None else _header(path, values)


def _header(path: str | PathLike[str], values: Mapping[str, Any]) -> ActorHeader:
    try:
        return ActorHeader.from_dict(values)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: the header is damaged ({first_line(error)}); fit the actor anew") from None
