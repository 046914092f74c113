"""From a request for pictures to results: pictures that a classifier has looked at, and the files they become.

A classifier that nothing was trained with judges every picture of a label, and one that it takes for something else is
made again, from another random stream, up to the request's number of draws: as melodies are. Nothing is dropped: what
still isn't what was asked is written, and the manifest, the caption and the command say so.

A sheet or a folder belongs to the request in its metadata, or its manifest. The same command replaces its own files.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from melodylc.data.files import atomic_write
from melodylc.data.pictures.base import Bytes
from melodylc.data.pictures.decode import SUFFIXES
from melodylc.data.texts import file_stem
from melodylc.image.request import PictureRequest, picture_rule
from melodylc.image.sheet import METADATA_KEY, check_sheet_path, draw_sheet, png_bytes
from melodylc.service.output_folder import OutputFolder

if TYPE_CHECKING:
    from melodylc.image.store import LoadedVAE
    from melodylc.latent.fit import Progress
    from melodylc.latent.store import StoredActor
    from melodylc.rewards import Rule

SHEET_FORMAT = "melodylc-pictures/1"
FOLDER_FORMAT = "melodylc-picture-folder/1"
SHEET, ARRAYS = "sheet.png", "pictures.npz"  #: in a folder
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PictureResult:
    """One picture, and what is known of it; in a notebook it shows itself."""

    number: int  #: 1, 2, ... of the whole request
    pixels: Bytes  #: (channels, side, side)
    z: Floats  #: (z,) what it was decoded from
    labels: tuple[str, ...] = ()  #: as the actor was told
    verdict: tuple[str, ...] | None = None  #: labels that the classifier sees; None: there is none
    passed: bool | None = None  #: whether the classifier sees what was asked, or the rule is followed; None: unknown
    attempts: int = 1  #: pictures that were made for this one
    scores: tuple[float, ...] = ()  #: what each part of a rule says

    @property
    def caption(self) -> str:
        """What stands under it."""
        if self.scores:
            return ", ".join(f"{value:.3f}" for value in self.scores)
        text = ", ".join(self.labels) or "none"
        seen = ", ".join(self.verdict or ()) or "none"
        return text if self.passed is not False else f"{text} (looks like: {seen})"

    def png(self) -> bytes:
        """The picture as a PNG, pixel by pixel."""
        return png_bytes(self.pixels)

    def _repr_png_(self) -> bytes:
        return self.png()


@dataclass(frozen=True, eq=False)
class PictureGeneration(Sequence[PictureResult]):
    """The pictures of a request, in order; in a notebook they show themselves as a sheet."""

    request: PictureRequest
    seed: int
    results: tuple[PictureResult, ...]
    models: Mapping[str, str]  #: fingerprints of what took part
    names: tuple[str, ...]  #: of the labels, as the data set has them
    label_rows: npt.NDArray[np.uint8]  #: (n, labels) as the actor was told; (n, 0) for a rule
    rule: str | None = None  #: the rule's identity

    @overload
    def __getitem__(self, index: int) -> PictureResult: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[PictureResult]: ...
    def __getitem__(self, index: int | slice) -> PictureResult | Sequence[PictureResult]:
        return self.results[index]

    def __len__(self) -> int:
        return len(self.results)

    @property
    def pixels(self) -> Bytes:
        """(n, channels, side, side), uint8."""
        return np.stack([one.pixels for one in self.results])

    @property
    def latents(self) -> Floats:
        """(n, z)."""
        return np.stack([one.z for one in self.results])

    @property
    def failures(self) -> tuple[PictureResult, ...]:
        """The pictures that aren't what was asked, as far as anybody can say."""
        return tuple(one for one in self.results if one.passed is False)

    @property
    def title(self) -> str:
        """What stands over the sheet."""
        asked = ", ".join(self.request.words) or "as they come"
        return f"{self.request.data}: {asked} (seed {self.seed})"

    def sheet_png(self) -> bytes:
        """The contact sheet as a PNG: a row, or more, for each label that was asked."""
        return png_bytes(self._sheet(), {METADATA_KEY: self._about(SHEET_FORMAT)})

    def _sheet(self) -> Any:
        captions = [one.caption for one in self.results]
        return draw_sheet(self.pixels, captions, self.title, group=self.request.count)

    def _repr_png_(self) -> bytes:
        return png_bytes(self._sheet())

    def __repr__(self) -> str:
        return f"<{len(self)} pictures of {self.request.data}, seed {self.seed}>"

    def files(self) -> dict[str, bytes]:
        """All files of a folder but its manifest, by name."""
        content = io.BytesIO()
        np.savez(
            content, pictures=self.pixels, labels=self.label_rows, names=np.array(self.names), latents=self.latents
        )
        singles = {self._name(one): one.png() for one in self.results}
        return {**singles, SHEET: png_bytes(self._sheet()), ARRAYS: content.getvalue()}

    def manifest(self) -> dict[str, Any]:
        """How the pictures were made and what is known of each; no time of day, no path of the machine's."""
        entries = [self._entry(one) for one in self.results]
        return {**self._about(FOLDER_FORMAT), "files": [*entries, {"file": SHEET}, {"file": ARRAYS}]}

    def save(self, path: str | Path) -> Path:
        """Write a contact sheet, if `path` ends in .png; else a folder of pictures, sheet, arrays and manifest.

        Raises:
            InputError: `path` is somebody else's, or can't be written.
        """
        return PictureOutput.claim(Path(path), self.request).write(self)

    def _about(self, kind: str) -> dict[str, Any]:
        rule = {} if self.rule is None else {"rule": self.rule}
        from melodylc.versions import versions

        about = {"request": self.request.to_dict(), "seed": self.seed, "versions": versions(), "models": self.models}
        return {"format": kind, **about, **rule}

    def _entry(self, one: PictureResult) -> dict[str, Any]:
        entry: dict[str, Any] = {"file": self._name(one), "passed": one.passed, "attempts": one.attempts}
        if one.scores:
            return {**entry, "rewards": [round(value, 6) for value in one.scores]}
        verdict = None if one.verdict is None else list(one.verdict)
        return {**entry, "labels": list(one.labels), "classifier": verdict}

    def _name(self, one: PictureResult) -> str:
        classes, digits = self.request.classes, max(2, len(str(len(self))))
        words = [classes[(one.number - 1) // self.request.count]] if classes else self.request.attributes
        stem = "-".join(filter(None, map(file_stem, words))) or self.request.data
        return f"{stem[:60]}-{one.number:0{digits}}.png"


@dataclass(frozen=True)
class PictureOutput:
    """A sheet or a folder that may be written, checked beforehand by `claim`; a folder is locked until it is."""

    path: Path
    folder: OutputFolder | None

    @classmethod
    def claim(cls, path: Path, request: PictureRequest) -> "PictureOutput":
        """Check, before any work, that `path` is free or holds what the same request wrote.

        Raises:
            InputError: it is somebody else's, or can't be written.
        """
        if path.suffix.lower() in SUFFIXES and not path.is_dir():
            check_sheet_path(path, request.to_dict())
            return cls(path, None)
        return cls(path, OutputFolder.claim(path, request.to_dict(), FOLDER_FORMAT))

    def write(self, pictures: PictureGeneration) -> Path:
        """Write the pictures; where they are."""
        if self.folder is not None:
            self.folder.write(pictures.files(), pictures.manifest())
            return self.path
        with atomic_write(self.path) as file:
            file.write(pictures.sheet_png())
        return self.path


def run_request(
    request: PictureRequest,
    seed: int,
    note: Callable[[str], None] = lambda _: None,
    report: "Progress" = lambda _: None,
) -> PictureGeneration:
    """Make the pictures of a request.

    Args:
        request: what is asked.
        seed: picture k hangs on it and k alone.
        note: called with a sentence where no training picture has all that is asked.
        report: hears of the rounds where an actor is fitted to a rule.

    Raises:
        InputError: no trained model, or a rule that can't be used.
        CheckpointError: an actor for another model or rule.
    """
    request.check()
    return _for_rule(request, seed, report) if request.has_rule else _for_labels(request, seed, note)


def _for_labels(request: PictureRequest, seed: int, note: Callable[[str], None]) -> PictureGeneration:
    from melodylc.image.pipeline import find_classifier, generate_verified, load_pipeline, pipeline_fingerprints

    info, pipeline = request.known, load_pipeline(request.data, request.run, request.distance)
    judge = find_classifier(request.data, request.run)
    combinations = pipeline.constraint.rows
    for wanted in request.label_values:
        if not combinations.count(wanted):
            asked = " and ".join(f"{'' if value else 'not '}{info.names[label]}" for label, value in wanted.items())
            note(
                f"0 of {combinations.total} training pictures are {asked.replace('_', ' ')}: labels that you didn't "
                "ask for come from the nearest ones, and the pictures may not show it all"
            )

    def words(row: Sequence[float]) -> tuple[str, ...]:
        return tuple(name.replace("_", " ") for name, value in zip(info.names, row, strict=True) if value > 0.5)

    draws = request.draws if request.verify else 1
    results: list[PictureResult] = []
    rows: list[npt.NDArray[np.uint8]] = []
    for wanted in request.label_values:
        made = generate_verified(pipeline, wanted, request.count, seed, judge.classifier if judge else None, draws)
        rows.append(made.labels.numpy().astype(np.uint8))
        for at in range(request.count):
            verdict = None if made.verdicts is None else words(made.verdicts[at].tolist())
            results.append(
                PictureResult(
                    number=len(results) + 1,
                    pixels=made.pixels[at],
                    z=made.z[at].numpy(),
                    labels=words(made.labels[at].tolist()),
                    verdict=verdict,
                    passed=None if made.passed is None else bool(made.passed[at]),
                    attempts=int(made.attempts[at]),
                )
            )
    models = pipeline_fingerprints(pipeline) | ({"classifier": judge.fingerprint} if judge else {})
    return PictureGeneration(request, seed, tuple(results), models, info.names, np.concatenate(rows))


def _for_rule(request: PictureRequest, seed: int, report: "Progress") -> PictureGeneration:
    from melodylc.image.pipeline import load_picture_model
    from melodylc.image.rules import generate_for_rule

    model = load_picture_model(request.data, request.run)
    stored, rule = _rule_actor(request, model, report)
    made = generate_for_rule(model, stored, rule, request.count, seed)
    results = tuple(
        PictureResult(
            number=at + 1,
            pixels=made.pixels[at].numpy(),
            z=made.z[at].numpy(),
            passed=bool((made.scores[at] == 1).all()),
            scores=tuple(float(value) for value in made.scores[at]),
        )
        for at in range(request.count)
    )
    models = {"vae": model.fingerprint, "actor": stored.fingerprint}
    none = np.zeros((request.count, 0), np.uint8)
    return PictureGeneration(request, seed, results, models, (), none, rule.identity)


def _rule_actor(request: PictureRequest, model: "LoadedVAE", report: "Progress") -> "tuple[StoredActor, Rule]":
    """The actor that was named, or the one for the rule: from the cache, else fitted and cached."""
    from melodylc.cache import cache_entry
    from melodylc.data.errors import InputError
    from melodylc.image.rules import fit_picture_rule, load_rule_actor, rule_actor_path

    if request.actor:
        stored = load_rule_actor(model, None, request.actor)
        texts = stored.header.request.get("reward") or ()
        if not texts:
            raise InputError(f"{request.actor} doesn't say which rule on pictures it obeys: name another, or --reward")
        rule = picture_rule(texts, request.seconds)
        return load_rule_actor(model, rule, request.actor), rule
    rule = picture_rule(request.rewards, request.seconds)
    entry = rule_actor_path(model, rule)
    with cache_entry(entry) as path:
        if entry.exists():
            return load_rule_actor(model, rule, entry), rule
        return fit_picture_rule(model, rule, path, report=report, request={"reward": list(request.rewards)}), rule
