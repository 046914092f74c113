"""Where this package keeps what it made, and what came with it. `MELODYLC_CACHE` moves the cache."""

import os
from importlib.resources import files
from pathlib import Path


def cache_folder() -> Path:
    """The user's cache folder of this package."""
    if folder := os.environ.get("MELODYLC_CACHE"):
        return Path(folder)
    from platformdirs import user_cache_path

    return user_cache_path("melodylc", appauthor=False)


def pretrained() -> Path:
    """The folder of the models, actors and banks that ship."""
    return Path(str(files("melodylc.pretrained")))
