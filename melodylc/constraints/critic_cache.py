"""Critics as files in the user's cache: what optimisation needs in place of an actor, or beside one.

An actor's file holds no critic, so that actors stay small: a fit on the spot leaves its critic here, and for an actor
that came from elsewhere one is taught anew (`melodylc.constraints.actors.find_critic`). A critic that can't be read,
or that was of another shape in the version that wrote it, is none.
"""

from math import inf
from pathlib import Path
from typing import Any

import torch

from melodylc.cache import learnt_folder
from melodylc.constraints.features import VERSION
from melodylc.data.errors import CheckpointError, InputError
from melodylc.data.files import fingerprint_bytes
from melodylc.latent.critic import Critic
from melodylc.latent.tensor_files import read_tensors, write_tensors
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import PriorName
from melodylc.rewards import Rule

FORMAT = "melodylc-critic/2"


def critic_path(model: LoadedModel, rule: Rule, prior: PriorName | None = None) -> Path:
    """Where the critic of a model, a prior and a rule is kept."""
    key = fingerprint_bytes(repr(sorted(_about(model, rule, prior).items())).encode())
    return learnt_folder(cacheable=rule.cacheable) / "critics" / f"{key}.safetensors"


def keep_critic(critic: Critic, model: LoadedModel, rule: Rule, prior: PriorName | None = None) -> None:
    """Write a critic to the cache, in half precision, where that can be."""
    path = critic_path(model, rule, prior)
    header = {**_about(model, rule, prior), "arguments": {name: _plain(it) for name, it in critic.arguments.items()}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(path, {name: it.half() for name, it in critic.state_dict().items()}, FORMAT, header)
    except (OSError, InputError):
        pass  # it will be taught again


def kept_critic(model: LoadedModel, rule: Rule, prior: PriorName | None = None) -> Critic | None:
    """The critic in the cache, in float32 and evaluation mode, or None."""
    try:
        tensors, header = read_tensors(critic_path(model, rule, prior), FORMAT)
        if {name: header[name] for name in _about(model, rule, prior)} != _about(model, rule, prior):
            return None
        with torch.random.fork_rng(devices=[]):
            critic = Critic(**{name: _read(it) for name, it in header["arguments"].items()})
        critic.load_state_dict({name: value.float() for name, value in tensors.items()})
    except (CheckpointError, KeyError, TypeError, ValueError, RuntimeError, AttributeError):
        return None
    return critic.requires_grad_(False).eval()


def _about(model: LoadedModel, rule: Rule, prior: PriorName | None) -> dict[str, str]:
    about = {"model": model.fingerprint, "prior": model.prior(prior).identity, "rule": rule.identity}
    return {**about, "view": VERSION}


def _plain(value: Any) -> Any:
    """JSON has no infinity: it is written as a word."""
    if isinstance(value, tuple | list):
        return [_plain(it) for it in value]
    return "inf" if value == inf else value


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_read(it) for it in value)
    return inf if value == "inf" else value
