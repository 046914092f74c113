"""The pre-trained critic as a file. The one that ships has seen melodies, not latent vectors: it serves any model."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from melodylc.cache import pretrained
from melodylc.constraints.features import VERSION
from melodylc.data.errors import CheckpointError
from melodylc.data.files import fingerprint_file
from melodylc.latent.critic import Critic
from melodylc.latent.tensor_files import first_line, read_tensors, write_tensors

PRETRAINED_FORMAT = "melodylc-pretrained-critic/1"


def pretrained_critic_path() -> Path:
    """Where the one that comes with the package lies."""
    return pretrained() / "critic.safetensors"


@cache
def pretrained_critic_fingerprint() -> str:
    """16 hexadecimal digits over the file of the one that comes with the package."""
    return fingerprint_file(pretrained_critic_path())


def save_pretrained_critic(path: Path, critic: Critic, about: Mapping[str, Any]) -> None:
    """Write a critic in half precision, with what its view is and where it comes from."""
    tensors = {name: it.half() for name, it in critic.state_dict().items()}
    arguments = {**critic.arguments, "exponents": list(critic.arguments["exponents"])}
    write_tensors(
        path, tensors, PRETRAINED_FORMAT, {"arguments": arguments, "view": VERSION, "provenance": dict(about)}
    )


def load_pretrained_critic(path: Path) -> Critic:
    """Read it, in float32.

    Raises:
        CheckpointError: no such file, damaged, or of a critic that was shown other features.
    """
    tensors, header = read_tensors(path, PRETRAINED_FORMAT)
    if header.get("view") != VERSION:
        raise CheckpointError(
            f"{path}: of a critic with another view ({header.get('view')}, not {VERSION}): train anew"
        )
    try:
        arguments = {**header["arguments"], "exponents": tuple(header["arguments"]["exponents"])}
        with torch.random.fork_rng(devices=[]):
            critic = Critic(**arguments)
        critic.load_state_dict({name: it.float() for name, it in tensors.items()})
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise CheckpointError(f"{path}: damaged ({first_line(error)})") from None
    return critic
