"""Somebody's own pictures with a label changed and the rest kept: files in, files out.

What a picture shows to begin with is what the classifier sees in it. Where the run has the critics for it (`--part
attributes` and `--part realism`) a picture's latent vector is optimised, as `melodylc.image.transformation` says;
otherwise its actor moves it. Pictures are handled in groups of a fixed size, so what becomes of one hangs on no other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from melodylc.data.errors import InputError
from melodylc.data.files import fingerprint_bytes, reason
from melodylc.data.pictures.base import Bytes, Pictures
from melodylc.data.pictures.decode import read_pixels
from melodylc.data.pictures.folder import picture_files
from melodylc.data.texts import file_stem
from melodylc.image.pipeline import (
    PICTURE_GROUP,
    find_classifier,
    load_attribute_critic,
    load_picture_model,
    load_pipeline,
    load_realism,
)
from melodylc.image.request import PictureRequest
from melodylc.image.sheet import draw_sheet, png_bytes
from melodylc.image.table import as_inputs
from melodylc.image.training import part_path
from melodylc.image.transformation import LABELS_ENOUGH, TransformModels, transform_pictures
from melodylc.service.output_folder import OutputFolder

EDIT_FORMAT = "melodylc-changed-pictures/1"
ON_SHEET = 8  #: pictures in a row of the sheet
SHEET_FILE = "sheet.png"


@dataclass(frozen=True, eq=False)
class ChangedPicture:
    """One of somebody's pictures, and what became of it; in a notebook the latter shows itself."""

    source: Path
    given: Bytes  #: (channels, side, side), as it was cut and reduced
    encoded: Bytes  #: what the VAE gives back of it
    pixels: Bytes  #: what became of it
    before: tuple[str, ...]  #: labels that the classifier sees in it
    after: tuple[str, ...]  #: and in what became of it
    passed: bool  #: whether it sees all that was asked

    def _repr_png_(self) -> bytes:
        return png_bytes(self.pixels)


@dataclass(frozen=True, eq=False)
class PictureEdit(Sequence[ChangedPicture]):
    """Somebody's pictures, changed, in order; in a notebook they show themselves as a sheet."""

    request: Mapping[str, Any]
    title: str
    method: str  #: "optimised" or "actor"
    results: tuple[ChangedPicture, ...]
    models: Mapping[str, str]  #: fingerprints of what took part

    def __getitem__(self, index: Any) -> Any:
        return self.results[index]

    def __len__(self) -> int:
        return len(self.results)

    def _repr_png_(self) -> bytes:
        return self.sheet_png()

    def sheet_png(self) -> bytes:
        """Given, encoded and changed pictures, a row each, eight at a time."""
        pixels: list[Bytes] = []
        captions: list[str] = []
        for first in range(0, len(self), ON_SHEET):
            some = self.results[first : first + ON_SHEET]
            missing = min(ON_SHEET, len(self)) - len(some)
            blank = [np.full_like(self.results[0].given, 255)] * missing
            for row in ("given", "encoded", "pixels"):
                pixels += [*(getattr(one, row) for one in some), *blank]
            captions += [*(", ".join(one.before) or "none" for one in some), *[""] * missing]
            captions += [*("encoded" for _ in some), *[""] * missing]
            captions += [*(", ".join(one.after) or "none" for one in some), *[""] * missing]
        return png_bytes(draw_sheet(np.stack(pixels), captions, self.title, min(ON_SHEET, len(self))))

    def save(self, folder: str | Path) -> Path:
        """Write a folder of changed pictures, a sheet and a manifest.

        Raises:
            InputError: the folder is somebody else's, or can't be written.
        """
        return self.write(OutputFolder.claim(Path(folder), self.request, EDIT_FORMAT))

    def write(self, folder: OutputFolder) -> Path:
        """The same, into a folder that was claimed before."""
        files = {name: png_bytes(one.pixels) for name, one in zip(self._names(), self.results, strict=True)}
        entries = [
            {
                "file": name,
                "source": one.source.name,
                "before": list(one.before),
                "after": list(one.after),
                "passed": one.passed,
            }
            for name, one in zip(files, self.results, strict=True)
        ]
        from melodylc.versions import versions

        about = {"request": self.request, "method": self.method, "versions": versions(), "models": self.models}
        manifest = {"format": EDIT_FORMAT, **about, "files": [*entries, {"file": SHEET_FILE}]}
        folder.write({**files, SHEET_FILE: self.sheet_png()}, manifest)
        return folder.path

    def _names(self) -> list[str]:
        digits = max(2, len(str(len(self))))
        return [f"{at:0{digits}}-{file_stem(one.source.stem) or 'picture'}.png" for at, one in enumerate(self, 1)]


@dataclass(frozen=True)
class EditRequest:
    """What is to be changed in which pictures."""

    order: PictureRequest  #: labels and model
    files: tuple[Path, ...]  #: pictures, and folders of them
    until: float = LABELS_ENOUGH  #: D of labels at which optimisation stops
    crop: int | None = None  #: side of the central square, in a picture's pixels; None: as large as fits

    @property
    def label_values(self) -> dict[int, bool]:
        """Label number to whether it should be there.

        Raises:
            InputError: an unknown label, or none.
        """
        known = self.order.known
        if len(self.order.classes) > 1:
            raise InputError(f"a picture of {known.name} has one class: name one, not {len(self.order.classes)}")
        wanted = dict(self.order.label_values[0])
        if not wanted:
            raise InputError("nothing to change: give --attr, e.g. --attr smiling (or --digit, or --class)")
        return wanted

    def sources(self) -> list[Path]:
        """The picture files, those of folders in order of their names.

        Raises:
            InputError: there is no such file, or a folder without pictures.
        """
        found: list[Path] = []
        for path in self.files:
            inside = picture_files(path) if path.is_dir() else [path]
            if not inside:
                raise InputError(f"{path} has no picture in it: name another folder")
            if not path.exists():
                raise InputError(f"{path}: there is no such file; name a picture, or a folder of them")
            found += inside
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest; files by their names and contents."""
        try:
            files = [{"name": path.name, "sha256": fingerprint_bytes(path.read_bytes())} for path in self.sources()]
        except OSError as error:
            raise InputError(f"can't read {str(error.filename)!r}: {reason(error)}") from None
        return {**self.order.to_dict(), "files": files, "until": self.until, "crop": self.crop}


def edit_pictures(request: EditRequest) -> PictureEdit:
    """Change somebody's pictures.

    Raises:
        InputError: an unknown label, a file that isn't a picture, a run without a classifier or an actor.
        CheckpointError: a part is damaged, or doesn't fit the others.
    """
    order, wanted = request.order, request.label_values
    model, judge = load_picture_model(order.data, order.run), find_classifier(order.data, order.run)
    if judge is None:
        raise InputError("a classifier has to say what your pictures show: train one with --part classifier")
    config, info, sources = model.vae.config, order.known, request.sources()
    pixels = np.stack([read_pixels(path, config.side, config.channels, request.crop) for path in sources])
    run = order.run
    if run and all(part_path(run, part).is_file() for part in ("attributes", "realism")):
        realism, attributes = load_realism(run, model), load_attribute_critic(run, model)
        tools = TransformModels(model, judge.classifier, realism, attributes, {})
    else:
        actor = load_pipeline(order.data, order.run, order.distance).constraint
        tools = TransformModels(model, judge.classifier, None, None, {"actor": actor})

    def words(row: Sequence[float]) -> tuple[str, ...]:
        return tuple(name.replace("_", " ") for name, value in zip(info.names, row, strict=True) if value > 0.5)

    results: list[ChangedPicture] = []
    side = judge.classifier.config.side
    for first in range(0, len(sources), PICTURE_GROUP):
        some = np.arange(first, first + PICTURE_GROUP)
        group = pixels[np.where(some < len(sources), some, first)]  # always as many, so that rounding is the same
        labels = judge.classifier.labels(as_inputs(torch.from_numpy(group), side))
        pictures = Pictures(info.name, "test", group, labels.numpy().astype(np.uint8), info.names, info.exclusive)
        done = transform_pictures(tools, pictures, wanted, sure=request.until)
        (method,) = done.methods
        seen = judge.classifier.labels(as_inputs(torch.from_numpy(method.pixels), side))
        right = torch.stack([seen[:, at] == float(value) for at, value in wanted.items()]).all(dim=0)
        results += [
            ChangedPicture(
                source=sources[first + at],
                given=group[at],
                encoded=done.reconstructions[at],
                pixels=method.pixels[at],
                before=words(labels[at].tolist()),
                after=words(seen[at].tolist()),
                passed=bool(right[at]),
            )
            for at in range(min(PICTURE_GROUP, len(sources) - first))
        ]
    models = {"vae": model.fingerprint, "classifier": judge.fingerprint}
    title = f"{order.data}: {', '.join(order.words)}; given, encoded, changed"
    return PictureEdit(request.to_dict(), title, method.name, tuple(results), models)
