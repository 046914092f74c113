"""What a melody or a figure may depend on beside its seed."""

import platform

import numpy as np
import torch

from melodylc import __version__


def versions() -> dict[str, str]:
    """Versions of this package and of what computes for it, for manifests and figures."""
    return {
        "melodylc": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
