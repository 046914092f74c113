"""Where picture models are trained and judged: a GPU that is there, or the CPU.

Everything random is drawn on the CPU whatever the device, so a run on another device differs by rounding alone.
"""

import torch

from melodylc.data.errors import InputError

DEVICES = ("cpu", "cuda", "mps")


def find_device(name: str | None = None) -> torch.device:
    """The device of a name; the best that is there where it is None.

    Raises:
        InputError: this machine, or this build of torch, has no such device.

    >>> find_device("cpu")
    device(type='cpu')
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name is None:
        return torch.device("cuda" if there["cuda"] else "mps" if there["mps"] else "cpu")
    if name not in there:
        raise InputError(f"unknown device {name!r}: choose from {', '.join(DEVICES)}")
    if not there[name]:
        have = ", ".join(device for device, is_there in there.items() if is_there)
        raise InputError(f"--device {name}: torch finds none here; there is {have}")
    return torch.device(name)
