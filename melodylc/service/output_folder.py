"""The folder that `generate` writes: melodies as files, and the manifest that vouches for them.

A folder belongs to the request in its manifest. The same request writes its files anew; anything else in there,
another request's melodies or a file changed since, is somebody's work and stops us before a byte is written.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from melodylc.data.errors import InputError
from melodylc.data.files import atomic_write, fingerprint_bytes, fingerprint_file, reason, temporary_folder
from melodylc.data.locks import Lock, lock

MANIFEST = "manifest.json"
FORMAT = "melodylc-melodies/1"


@dataclass(frozen=True)
class OutputFolder:
    """A folder that may be written, checked and locked beforehand by `claim`; free again once it is written."""

    path: Path
    listed: tuple[str, ...]  #: files that an earlier run of the same request left there
    lock: Lock

    @classmethod
    def claim(cls, path: Path, request: Mapping[str, Any], kind: str = FORMAT) -> "OutputFolder":
        """Check that `path` is free, or holds what the same request wrote; no other process can write it from then on.

        `kind` is the format that manifests of such folders name.

        Raises:
            InputError: it is a file, can't be made or written, holds anything else, or is another process's.
        """
        if path.is_symlink() and not path.exists():
            raise InputError(f"{path} is a link to nothing: name another folder with -o")
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file: name a folder with -o")
        held = lock(path)
        try:
            return cls(path, _ours(path, request, kind), held)
        except BaseException:
            held.release()
            raise

    def write(self, files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> None:
        """Write all files and then the manifest; each is whole or untouched, at any moment.

        Raises:
            InputError: the disk is full or the folder can't be written.
        """
        contents = with_manifest(files, manifest)
        with self.lock:
            if self.path.exists():
                self._replace(contents)
            else:
                self._create(contents)

    def _create(self, contents: Mapping[str, bytes]) -> None:
        """A new folder appears with all its files, or not at all."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with temporary_folder(self.path) as staged:
                for name, content in contents.items():
                    with atomic_write(staged / name) as file:
                        file.write(content)
                staged.rename(self.path)
        except OSError as error:
            raise InputError(f"{self.path} can't be made: {reason(error)}") from error

    def _replace(self, contents: Mapping[str, bytes]) -> None:
        for name, content in contents.items():
            with atomic_write(self.path / name) as file:
                file.write(content)
        for stale in set(self.listed) - set(contents):
            (self.path / stale).unlink(missing_ok=True)


def with_manifest(files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> dict[str, bytes]:
    """All that a folder holds: the files, and the manifest with their fingerprints as another one."""
    entries = [_with_fingerprint(entry, files) for entry in manifest["files"]]
    text = json.dumps({"format": FORMAT, **manifest, "files": entries}, indent=2, ensure_ascii=False) + "\n"
    return {**files, MANIFEST: text.encode()}


def _with_fingerprint(entry: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
    """An entry with the fingerprints of its file and of those beside it."""
    beside = [{"file": name, "sha256": fingerprint_bytes(files[name])} for name in entry.get("beside", ())]
    return {**entry, "sha256": fingerprint_bytes(files[entry["file"]]), **({"beside": beside} if beside else {})}


def _ours(path: Path, request: Mapping[str, Any], kind: str) -> tuple[str, ...]:
    """The files that the same request left in `path`, where there is nothing else."""
    found = {entry.name for entry in path.iterdir() if not entry.name.startswith(".")} if path.exists() else set()
    listed = _manifest_files(path, request, kind) if found else ()
    if others := sorted(found - {*listed, MANIFEST}):
        raise InputError(f"{path} holds other files ({_some(others)}): name another folder with -o")
    return listed


def _manifest_files(path: Path, request: Mapping[str, Any], kind: str) -> tuple[str, ...]:
    """The files of the manifest in `path`, where it is of this request and they are as it says."""
    if not (path / MANIFEST).exists():
        return ()
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        entries = [part for entry in manifest["files"] for part in (entry, *entry.get("beside", ()))]
        recorded = {str(entry["file"]): str(entry["sha256"]) for entry in entries}
        same = manifest["format"] == kind and manifest["request"] == json.loads(json.dumps(request))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path / MANIFEST} is not a manifest of ours: name another folder with -o") from None
    if not same:
        held = "melodies" if manifest["format"] == FORMAT else "files"
        raise InputError(f"{path} holds the {held} of another command: name another folder with -o")
    changed = [name for name, digest in recorded.items() if _has_changed(path, name, digest)]
    if changed:
        raise InputError(f"{path} holds files changed since ({_some(changed)}): name another folder with -o")
    return tuple(recorded)


def _has_changed(path: Path, name: str, digest: str) -> bool:
    if Path(name).name != name:
        raise InputError(f"{path / MANIFEST} lists {name!r}, outside its folder: name another folder with -o")
    return (path / name).exists() and fingerprint_file(path / name) != digest


def _some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
