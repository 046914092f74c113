"""Files of named tensors: safetensors with one JSON header and the name of a format.

Everything that melodylc learns lies in such files: models, actors, critics, banks, running trainings. The same content
makes the same bytes. Each carries a checksum of its header and tensors, which is checked wherever both are read; older
files have none.
"""

import hashlib
import json
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from melodylc.data.errors import CheckpointError
from melodylc.data.files import atomic_write, reason


def write_tensors(path: str | PathLike[str], tensors: dict[str, Tensor], format: str, header: dict[str, Any]) -> None:
    """Write what `read_tensors` reads, atomically; the same content makes the same bytes.

    Raises:
        InputError: the file can't be written.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(header, sort_keys=True)
    data = save(contiguous, metadata={"checksum": _checksum(text, contiguous), "format": format, "header": text})
    with atomic_write(path) as file:
        file.write(_ordered_header(data))
        file.write(memoryview(data)[8 + _header_size(data) :])


def read_tensors(path: str | PathLike[str], format: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the decoded header of a file of that format.

    Raises:
        CheckpointError: no such file, damaged, or of another format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            header = _header(path, metadata, format)
            # Copies: the file stays mapped otherwise, and some systems let no mapped file be replaced.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise CheckpointError(f"{path}: a folder, not a file") from None
    except (OSError, SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: damaged or not a safetensors file ({first_line(error)})") from None
    checksum = metadata.get("checksum")
    if checksum is not None and checksum != _checksum(metadata.get("header", ""), tensors):
        raise CheckpointError(f"{path}: damaged (its checksum is another); get it again, or make it anew")
    return tensors, header


def check_file_size(path: str | PathLike[str], most: int, kind: str) -> None:
    """Refuse a file of more than `most` bytes before any of it is read.

    Raises:
        CheckpointError: it is larger, or can't be read.
    """
    try:
        with Path(path).open("rb") as file:
            size = file.seek(0, 2)
    except OSError as error:
        raise CheckpointError(f"{path}: can't read this ({reason(error)})") from None
    if size > most:
        raise CheckpointError(f"{path}: {size} bytes are too many for {kind}")


def read_metadata(path: str | PathLike[str], format: str) -> dict[str, Any] | None:
    """The header of a file of that format, without its tensors; None where it is of another, or no such file at all.

    Raises:
        CheckpointError: the file can't be read.
    """
    try:
        with Path(path).open("rb"):
            pass
        with safe_open(path, framework="pt") as file:
            return _header(path, file.metadata() or {}, format)
    except OSError as error:
        raise CheckpointError(f"{path}: can't read this ({reason(error)})") from None
    except (SafetensorError, KeyError, ValueError, RecursionError, CheckpointError):
        return None


def _header(path: str | PathLike[str], metadata: dict[str, str], format: str) -> dict[str, Any]:
    if metadata.get("format", format) != format:
        raise _other_format(path, format, metadata["format"])
    if "format" in metadata and "header" not in metadata:
        raise KeyError("header")
    header = json.loads(metadata.get("header", "{}"))
    if not isinstance(header, dict):
        raise KeyError("header")
    # Actors of before have it inside.
    found = metadata.get("format") or header.pop("format", "no melodylc header")
    if found != format:
        raise _other_format(path, format, str(found))
    return header


def _checksum(header: str, tensors: dict[str, Tensor]) -> str:
    """SHA-256 of a header and of tensors: names, types, shapes and content."""
    digest = hashlib.sha256(header.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\0{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _other_format(path: str | PathLike[str], format: str, found: str) -> CheckpointError:
    return CheckpointError(f"{path}: not a {format} file ({first_line(found)}); name a file that melodylc wrote")


def first_line(error: object) -> str:
    """What an error says, without the lines after the first."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]


def _header_size(data: bytes) -> int:
    return int.from_bytes(data[:8], "little")


def _ordered_header(data: bytes) -> bytes:
    """The length and the header of a safetensors file, whose metadata come in another order every time."""
    size = _header_size(data)
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    return data[:8] + json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(size)
