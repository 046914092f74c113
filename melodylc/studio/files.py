"""Melodies of the studio as files: the very bytes that the command line writes, and a manifest beside them."""

import io
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
from melodylc.models.checkpoint import LoadedModel
from melodylc.sampling.methods.combined import Combined
from melodylc.service.generation import Generation
from melodylc.service.order import Order
from melodylc.service.output_folder import OutputFolder, with_manifest
from melodylc.studio.history import Made, Run


def file_name(run: Run, number: int) -> str:
    """What a melody is called beside those of other runs, such as "cmaj-seed7-01.mid"."""
    return f"{run.slug}-{number:02}.mid"


def midi(run: Run, number: int, tempo: float, model: LoadedModel) -> bytes:
    """A melody as a MIDI file: for what was generated, byte for byte what the command line writes."""
    run.melody(number)
    if run.made:
        made = replace(run.made, draws={number: run.made.draws[number]})
        (content,) = _production(made, tempo, model).rendered().files.values()
        return content
    (content,) = _rendered(run, tempo, (number,)).files.values()
    return content


def command(made: Made, tempo: float) -> str:
    """The command line that makes a run's files."""
    return _ordered(made, tempo).command or ""


def folder_of(run: Run, tempo: float, model: LoadedModel) -> dict[str, bytes]:
    """All files of a run and their manifest, by name: those that `command` writes, where it ran to its end."""
    if run.made and not run.made.complete:
        return kept_of([(run, number) for number in sorted(run.melodies)], tempo, model)
    if run.made:
        rendered, manifest = _as_generated(run.made, tempo, model)
        return with_manifest(rendered.files, manifest)
    numbers = tuple(sorted(run.melodies))
    rendered = _rendered(run, tempo, numbers)
    return with_manifest(rendered.files, _manifest(run, tempo, numbers, rendered))


def kept_of(kept: list[tuple[Run, int]], tempo: float, model: LoadedModel) -> dict[str, bytes]:
    """Melodies of several runs, and a manifest that says of each where it comes from."""
    files: dict[str, bytes] = {}
    entries = []
    for run, number in kept:
        content = midi(run, number, tempo, model)
        name = next(it for it in _names(file_name(run, number)) if files.get(it, content) == content)
        if name not in files:
            files[name] = content
            entries.append({"file": name, **_origin(run, number, tempo)})
    return with_manifest(files, {"made": "kept", **_about(), "tempo": tempo, "files": entries})


def zipped(files: Mapping[str, bytes], folder: str) -> bytes:
    """Files in a folder of a ZIP archive; the same files give the same bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(f"{folder}/{name}", (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return packed.getvalue()


def write_one(folder: Path, name: str, content: bytes) -> Path:
    """Write a file into a folder, beside whatever is there: a name that is taken gets a number.

    Raises:
        InputError: it can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = (folder / it for it in _names(name))
        path = next(it for it in paths if not it.exists() or it.read_bytes() == content)
    except OSError as error:
        raise InputError(f"can't write into {str(folder)!r}: {reason(error)}") from error
    with atomic_write(path) as file:
        file.write(content)
    return path


def write_run(folder: Path, run: Run, tempo: float, model: LoadedModel) -> Path:
    """Write a run into a folder of its own, as the command line would.

    Raises:
        InputError: the folder holds something else.
    """
    if run.made is None or not run.made.complete:
        raise InputError("only a run that was generated to its end is written as a folder: write these one by one")
    order = _ordered(run.made, tempo)
    path = folder / order.folder_name
    claimed = OutputFolder.claim(path, order.to_dict())
    rendered, manifest = _as_generated(run.made, tempo, model)
    claimed.write(rendered.files, manifest)
    return path


def _names(name: str) -> Iterator[str]:
    """A name, and the same with numbers, for where it is taken."""
    stem, dot, end = name.rpartition(".")
    yield name
    yield from (f"{stem}-{number}{dot}{end}" for number in count(2))


def _ordered(made: Made, tempo: float) -> Order:
    return replace(made.order, writing=replace(made.order.writing, tempo=tempo))


def _production(made: Made, tempo: float, model: LoadedModel) -> Generation:
    draws = tuple(made.draws[number] for number in sorted(made.draws))
    method = Combined(model, model.prior(made.order.prior), made.order.request.rule, None)
    return Generation(_ordered(made, tempo), model, method, draws)


def _as_generated(made: Made, tempo: float, model: LoadedModel) -> tuple[Rendered, dict[str, Any]]:
    """The files that the command line writes, and its manifest: of what made them, not of what is here now."""
    production = _production(made, tempo, model)
    rendered = production.rendered()
    return rendered, {**production.manifest(rendered), **made.origin}


def _rendered(run: Run, tempo: float, numbers: tuple[int, ...]) -> Rendered:
    pieces = [
        Piece(f"{number:02}", f"melodylc {run.slug}-{number}", run.melody(number), (run.seed, number))
        for number in numbers
    ]
    return render(pieces, Writing(tempo=tempo), run.request.scale)


def _manifest(run: Run, tempo: float, numbers: tuple[int, ...], rendered: Rendered) -> dict[str, Any]:
    rule = run.request.rule
    entries = []
    for number, names in zip(numbers, rendered.of, strict=True):
        rewards = dict(zip(rule.names, rule(run.melody(number)), strict=True)) if rule else {}
        entries.append({"file": names[0], "rewards": rewards, "notes": run.melody(number).note_count})
    return {**_origin(run, None, tempo), **_about(), "tempo": tempo, "files": entries}


def _about() -> dict[str, Any]:
    return {"versions": {"melodylc": __version__}}


def _origin(run: Run, number: int | None, tempo: float) -> dict[str, Any]:
    """Where a run, or a melody of it, comes from."""
    which = {} if number is None else {"number": number}
    if run.made:
        return {"made": "generate", "command": command(run.made, tempo), **which}
    source = {"source": list(run.of)} if run.of else {}
    asked = {"request": run.request.to_dict(), "seed": run.seed, **run.settings} if run.kind != "drop" else {}
    said = [*run.remarks, *run.lost]
    remarks = {"remarks": said} if said else {}
    return {"made": run.kind, "title": run.title, **source, **asked, **remarks, **which}
