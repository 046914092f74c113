"""The folder that `generate` writes: melodies as files, and the manifest that vouches for them.

A folder belongs to the request in its manifest. The same request writes its files anew; anything else in there,
another request's melodies or a file changed since, is somebody's work and stops us before a byte is written.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
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
        with self.fill() as staged:
            staged.add(files, manifest["files"])
            staged.finish(manifest)

    @contextmanager
    def fill(self) -> Iterator["StagedFolder"]:
        """A place for files as they come, none of which is kept in memory; the folder is free again after the block.

        A new folder appears with all its files when `StagedFolder.finish` is called, or not at all. One that is there
        keeps its files until then.

        Raises:
            InputError: the disk is full or the folder can't be written.
        """
        with self.lock, ExitStack() as stack:
            with _explain_errors(self.path):
                there = self.path.exists()
                self.path.parent.mkdir(parents=True, exist_ok=True)
                path = stack.enter_context(temporary_folder(self.path / MANIFEST if there else self.path))
                staged = StagedFolder(self, path, there)
            stack.callback(staged.close)
            yield staged


@contextmanager
def _explain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} can't be made: {reason(error)}") from error


class StagedFolder:
    """Files of a folder to be, and what its manifest will say of them, on the disk."""

    def __init__(self, target: OutputFolder, path: Path, replaces: bool) -> None:
        self._target = target
        self._path = path
        self._replaces = replaces
        self._entries = open(path / _ENTRIES, "w+", encoding="utf-8", newline="")  # noqa: SIM115 - goes with the folder

    def add(self, files: Mapping[str, bytes], entries: Sequence[Mapping[str, Any]]) -> None:
        """Write files, and add the manifest's entries of them with their fingerprints."""
        self.copy(files, [_with_fingerprint(entry, files) for entry in entries])

    def copy(self, files: Mapping[str, bytes], entries: Sequence[Mapping[str, Any]]) -> None:
        """Write files, and add entries that have their fingerprints already."""
        for name, content in files.items():
            with atomic_write(self._path / name) as file:
                file.write(content)
        with _explain_errors(self._target.path):
            for entry in entries:
                self._entries.write(_entry_text(entry))

    def finish(self, head: Mapping[str, Any]) -> None:
        """Write the manifest, the last of all files, and put the folder in its place.

        Args:
            head: all that the manifest says but its files; where it has some, they aren't looked at.
        """
        with _explain_errors(self._target.path):
            self._write_manifest(head)
            self.close()
            (self._path / _ENTRIES).unlink()
            if self._replaces:
                self._replace()
            else:
                self._path.rename(self._target.path)

    def close(self) -> None:
        """Let go of what is open."""
        self._entries.close()

    def _write_manifest(self, head: Mapping[str, Any]) -> None:
        text = _manifest_text(head, ())
        empty = self._entries.tell() == 0
        self._entries.seek(0)
        with atomic_write(self._path / MANIFEST, "w") as file:
            if empty:
                file.write(text)
                return
            file.write(text.removesuffix(_NO_ENTRIES) + _OPEN)
            self._entries.read(1)  # the comma before the first one
            shutil.copyfileobj(self._entries, file)
            file.write(_CLOSE)

    def _replace(self) -> None:
        names = {entry.name for entry in self._path.iterdir()}
        for name in [*sorted(names - {MANIFEST}), MANIFEST]:
            with open(self._path / name, "rb") as staged, atomic_write(self._target.path / name) as file:
                shutil.copyfileobj(staged, file)
        for stale in set(self._target.listed) - names:
            (self._target.path / stale).unlink(missing_ok=True)


_ENTRIES = ".entries"  # in a folder that is being filled: what the manifest will say of its files
_NO_ENTRIES, _OPEN, _CLOSE = '"files": []\n}\n', '"files": [', "\n  ]\n}\n"  # of JSON with an indent of 2


def _entry_text(entry: Mapping[str, Any]) -> str:
    """An entry as it stands in a manifest, behind another one."""
    return "," + _manifest_text({}, (entry,)).partition(_OPEN)[2].removesuffix(_CLOSE)


def _manifest_text(head: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> str:
    manifest = {"format": FORMAT, **head}
    manifest.pop("files", None)
    return json.dumps({**manifest, "files": entries}, indent=2, ensure_ascii=False) + "\n"


def with_manifest(files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> dict[str, bytes]:
    """All that a folder holds: the files, and the manifest with their fingerprints as another one."""
    entries = [_with_fingerprint(entry, files) for entry in manifest["files"]]
    return {**files, MANIFEST: _manifest_text(manifest, entries).encode()}


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


def load_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a folder, whose files are as it says.

    Raises:
        InputError: it is none of ours, or a file of its has changed or is gone.
    """
    try:
        manifest: dict[str, Any] = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        recorded, sound = _fingerprints_of(manifest), manifest["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise InputError(f"{path / MANIFEST} is not a manifest of ours")
    wrong = [name for name, digest in recorded.items() if _has_changed(path, name, digest, gone=True)]
    if wrong:
        raise InputError(f"{path} holds files changed since, or lacks them ({_some(wrong)}): write it again")
    return manifest


def _fingerprints_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The fingerprints of a manifest's files, by their names."""
    entries = [part for entry in manifest["files"] for part in (entry, *entry.get("beside", ()))]
    return {str(entry["file"]): str(entry["sha256"]) for entry in entries}


def _manifest_files(path: Path, request: Mapping[str, Any], kind: str) -> tuple[str, ...]:
    """The files of the manifest in `path`, where it is of this request and they are as it says."""
    if not (path / MANIFEST).exists():
        return ()
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        recorded = _fingerprints_of(manifest)
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


def _has_changed(path: Path, name: str, digest: str, gone: bool = False) -> bool:
    """Whether a file isn't as its manifest says; `gone` is what holds where it isn't there."""
    if Path(name).name != name:
        raise InputError(f"{path / MANIFEST} lists {name!r}, outside its folder: name another folder with -o")
    return fingerprint_file(path / name) != digest if (path / name).exists() else gone


def _some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
