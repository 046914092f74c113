"""A share of a corpus's files, read and not yet compared with the others: a folder of `data build --shard`.

`shard.json` says which share it is, of which files (a digest of all their names), under which options, and which files
`part-*.npz` hold what was found (`melodylc.data.extract.save_shard`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from melodylc.data.errors import InputError

SHARD = "shard.json"
SHARD_FORMAT = "melodylc-shard/1"
_OPTIONS = ("version", "filters", "heldout_share")
_KEYS = frozenset(("shard", "of", "listing", "files", "parts", *_OPTIONS))


@dataclass(frozen=True)
class CorpusShard:
    """One of the shards that a corpus is merged of."""

    folder: Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """The shard in a folder.

        Raises:
            InputError: there is none, or it isn't whole.
        """
        path = Path(folder)
        try:
            manifest = json.loads((path / SHARD).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise InputError(f"no shard in {str(path)!r} (no sound {SHARD}): `melodylc data build --shard`") from None
        if not isinstance(manifest, dict) or manifest.get("format") != SHARD_FORMAT or _KEYS - set(manifest):
            raise InputError(f"{str(path)!r} holds no shard of this version: build it again")
        shard = cls(path, manifest)
        if gone := next((part for part in shard.parts if not part.is_file()), None):
            raise InputError(f"{str(gone)!r} is missing: build the shard again")
        return shard

    @property
    def number(self) -> int:
        """Which one it is, from 1."""
        return int(self.manifest["shard"])

    @property
    def of(self) -> int:
        """How many there are."""
        return int(self.manifest["of"])

    @property
    def files(self) -> int:
        """How many files of music it has read."""
        return int(self.manifest["files"])

    @property
    def parts(self) -> list[Path]:
        """Files of what was found, in order."""
        return [self.folder / Path(name).name for name in self.manifest["parts"]]


def check_shards(shards: Sequence[CorpusShard]) -> dict[str, Any]:
    """Make sure that shards, sorted by number, are all of one corpus; the options that they have in common.

    Raises:
        InputError: they don't belong together, or one is missing or there twice.
    """
    if not shards:
        raise InputError("no shards given")
    first = shards[0]
    for shard in shards[1:]:
        if shard.of != first.of:
            raise InputError(f"{shard.folder} is one of {shard.of} shards, and {first.folder} one of {first.of}")
        for name in _OPTIONS:
            if shard.manifest[name] != first.manifest[name]:
                raise InputError(
                    f"{shard.folder} and {first.folder} have another {name.replace('_', ' ')}: build them alike"
                )
        if shard.manifest["listing"] != first.manifest["listing"]:
            raise InputError(f"{shard.folder} and {first.folder} were built of other files: build them of the same")
    numbers = [shard.number for shard in shards]
    if twice := next((number for number in numbers if numbers.count(number) > 1), None):
        one, other = [shard.folder for shard in shards if shard.number == twice][:2]
        raise InputError(f"{one} and {other} are the same shard, {twice}/{first.of}: leave one out")
    if missing := sorted(set(range(1, first.of + 1)) - set(numbers)):
        words = ", ".join(f"{number}/{first.of}" for number in missing[:10])
        raise InputError(f"missing: shard {words}{', ...' * (len(missing) > 10)}: build it with --shard")
    return {name: first.manifest[name] for name in _OPTIONS}
