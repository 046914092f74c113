"""Melodies as files: the very bytes that the command line writes, and a manifest beside them."""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from melodylc import __version__
from melodylc.data.errors import InputError
from melodylc.data.files import atomic_write, reason
from melodylc.data.formats.render import Piece, Rendered, render
from melodylc.data.writing import Writing
from melodylc.service.generation import Generation
from melodylc.service.order import Order
from melodylc.service.output_folder import OutputFolder, with_manifest
from melodylc.studio.backend import Backend
from melodylc.studio.history import Provenance, Run


def file_name(run: Run, number: int) -> str:
    """What a melody's file is called beside those of other runs, such as "cmaj-seed7-01.mid"."""
    return f"{run.slug}-{number:02}.mid"


def safe_name(name: str) -> str:
    """A name that any system takes for a file: ASCII letters, digits, dashes.

    >>> safe_name("my song (2).mid")
    'my-song-2'
    """
    return re.sub(r"[^A-Za-z0-9]+", "-", name.rpartition(".")[0] or name).strip("-")[:40] or "melody"


def melody_bytes(run: Run, number: int, tempo: float, backend: Backend) -> bytes:
    """A melody as a MIDI file: for a generated one, byte for byte what the command line writes."""
    run.melody(number)
    if run.provenance:
        single = replace(run.provenance, draws={number: run.provenance.draws[number]})
        (content,) = _production(single, tempo, backend).rendered().files.values()
        return content
    (content,) = _render(run, tempo, (number,)).files.values()
    return content


def command(provenance: Provenance, tempo: float) -> str:
    """The command line that makes a run's files."""
    return _order(provenance, tempo).command or ""


def run_files(run: Run, tempo: float, backend: Backend) -> dict[str, bytes]:
    """All files of a run and their manifest, by name: those that `command` writes, where it ran to its end."""
    if run.provenance and not run.provenance.complete:
        return collection([(run, number) for number in sorted(run.melodies)], tempo, backend)
    if run.provenance:
        rendered, manifest = _as_generated(run.provenance, tempo, backend)
        return with_manifest(rendered.files, manifest)
    numbers = tuple(sorted(run.melodies))
    rendered = _render(run, tempo, numbers)
    return with_manifest(rendered.files, _manifest(run, tempo, numbers, rendered))


def collection(melodies: list[tuple[Run, int]], tempo: float, backend: Backend) -> dict[str, bytes]:
    """Melodies of several runs, and a manifest that says of each where it comes from."""
    files: dict[str, bytes] = {}
    entries = []
    for run, number in melodies:
        content = melody_bytes(run, number, tempo, backend)
        name = next(it for it in _names(file_name(run, number)) if files.get(it, content) == content)
        if name not in files:
            files[name] = content
            entries.append({"file": name, **_origin(run, number, tempo)})
    return with_manifest(files, {"made": "kept", **_versions(), "tempo": tempo, "files": entries})


def zip_archive(files: Mapping[str, bytes], folder: str) -> bytes:
    """Files in a folder of a ZIP archive; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(f"{folder}/{name}", (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return buffer.getvalue()


def write_melody(folder: Path, name: str, content: bytes) -> Path:
    """Write a file into a folder, beside whatever is there: a name that is taken, or a link, gets a number.

    Raises:
        InputError: it can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = next(it for it in (folder / name for name in _names(name)) if _is_free(it, content))
    except OSError as error:
        raise InputError(f"can't write into {str(folder)!r}: {reason(error)}") from error
    with atomic_write(path) as file:
        file.write(content)
    return path


def write_run(folder: Path, run: Run, tempo: float, backend: Backend) -> Path:
    """Write a run into a folder of its own, as the command line would.

    Raises:
        InputError: the folder holds something else, or it or a file in it is a link.
    """
    if run.provenance is None or not run.provenance.complete:
        raise InputError("only a run that was generated to its end is written as a folder: write these one by one")
    order = _order(run.provenance, tempo)
    path = folder / order.folder_name
    link = next((it for it in (path, *(path.iterdir() if path.is_dir() else ())) if it.is_symlink()), None)
    if link:
        raise InputError(f"{link} is a link, which could lead out of the studio's folder: move it away")
    target = OutputFolder.claim(path, order.to_dict())
    rendered, manifest = _as_generated(run.provenance, tempo, backend)
    target.write(rendered.files, manifest)
    return path


def _is_free(path: Path, content: bytes) -> bool:
    """Whether a file may be written there: nothing is, or the same. A link is never followed."""
    if path.is_symlink():
        return False
    return not path.exists() or (path.is_file() and path.read_bytes() == content)


def _names(name: str) -> Iterator[str]:
    """A name, and the same with numbers, for where it is taken."""
    stem, dot, end = name.rpartition(".")
    yield name
    yield from (f"{stem}-{number}{dot}{end}" for number in count(2))


def _order(provenance: Provenance, tempo: float) -> Order:
    order = provenance.order
    return replace(order, writing=replace(order.writing, tempo=tempo))


def _production(provenance: Provenance, tempo: float, backend: Backend) -> Generation:
    draws = tuple(provenance.draws[number] for number in sorted(provenance.draws))
    return backend.production(_order(provenance, tempo), draws)


def _as_generated(provenance: Provenance, tempo: float, backend: Backend) -> tuple[Rendered, dict[str, Any]]:
    """The files that the command line writes, and its manifest: of what made them, not of what is here now."""
    production = _production(provenance, tempo, backend)
    rendered = production.rendered()
    return rendered, {**production.manifest(rendered), **provenance.origin}


def _render(run: Run, tempo: float, numbers: tuple[int, ...]) -> Rendered:
    pieces = [
        Piece(f"{number:02}", f"melodylc {run.slug}-{number}", run.melody(number), (run.seed, number))
        for number in numbers
    ]
    return render(pieces, Writing(tempo=tempo), run.request.scale)


def _manifest(run: Run, tempo: float, numbers: tuple[int, ...], rendered: Rendered) -> dict[str, Any]:
    rule = run.request.rule
    entries = []
    for number, names in zip(numbers, rendered.of, strict=True):
        rewards = dict(zip(rule.names, rule(run.melody(number)), strict=True)) if rule is not None else {}
        entries.append({"file": names[0], "rewards": rewards, "notes": run.melody(number).note_count})
    return {**_origin(run, None, tempo), **_versions(), "tempo": tempo, "files": entries}


def _versions() -> dict[str, Any]:
    return {"versions": {"melodylc": __version__}}


def _origin(run: Run, number: int | None, tempo: float) -> dict[str, Any]:
    """Where a run, or a melody of it, comes from."""
    which = {} if number is None else {"number": number}
    if run.provenance:
        return {"made": "generate", "command": command(run.provenance, tempo), **which}
    source = {"source": list(run.source)} if run.source else {}
    request = {"request": run.request.to_dict(), "seed": run.seed, **run.settings} if run.kind != "upload" else {}
    lines = [*run.remarks, *run.warnings]
    remarks = {"remarks": lines} if lines else {}
    return {"made": run.kind, "title": run.title, **source, **request, **remarks, **which}
