"""From a request for pictures to a contact sheet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from melodylc.data.errors import InputError
from melodylc.data.pictures.attributes import parse_label, parse_wanted
from melodylc.data.pictures.loading import Dataset, dataset
from melodylc.image.sheet import caption, check_sheet_path, write_sheet
from melodylc.rewards import Rule, parse_reward
from melodylc.rewards.domains import PICTURES
from melodylc.rewards.isolation import SECONDS

if TYPE_CHECKING:
    from melodylc.image.store import LoadedVAE
    from melodylc.latent.fit import Progress
    from melodylc.latent.store import StoredActor

SHEET_FORMAT = "melodylc-pictures/1"


@dataclass(frozen=True)
class PictureRequest:
    """A request for pictures, in the caller's own words."""

    data: str
    classes: tuple[str, ...]  #: digits, or classes of CIFAR-10
    attributes: tuple[str, ...]  #: of faces, such as "smiling" or "no-eyeglasses"
    count: int  #: pictures, of each class where several are named
    seed: int
    run: Path | None = None
    distance: float | None = None  #: None: the data set's default
    rewards: tuple[str, ...] = ()  #: rules on the picture, as typed
    actor: Path | None = None  #: fitted to a rule before; None: kept or fitted on the spot
    seconds: float = SECONDS  #: that a call of a user's rule may take

    @property
    def known(self) -> Dataset:
        """The data set; of somebody's own pictures, as the run knows it."""
        return dataset(self.data, self.run)

    @property
    def has_rule(self) -> bool:
        """Whether a rule is asked for, instead of labels."""
        return bool(self.rewards or self.actor)

    @property
    def wanted(self) -> list[Mapping[int, bool]]:
        """What each row of pictures should have, label number to whether it is there.

        Raises:
            InputError: an unknown label, one of another kind, or two that contradict each other.
        """
        known = self.known
        if known.exclusive and self.attributes:
            raise InputError(f"{self.data} has classes, not attributes: {', '.join(known.names)}")
        if not known.exclusive and self.classes:
            raise InputError(f"{self.data} has attributes, not classes: use --attr with {', '.join(known.names)}")
        if known.exclusive and self.classes:
            return [self._one_class(class_number(known, text)) for text in self.classes]
        return [parse_wanted(self.attributes, known.names)]

    def check(self, path: Path) -> None:
        """Refuse what can't be done before any work.

        Raises:
            InputError: an unknown label, labels and rules at once, or a file that is somebody else's.
        """
        if self.has_rule and (self.classes or self.attributes):
            raise InputError("a picture obeys a rule or has labels, not both: leave out one or the other")
        if self.rewards and self.actor:
            raise InputError("--actor brings its own rule: leave out --reward")
        _ = self.wanted
        check_sheet_path(path, self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a sheet's metadata."""
        return {
            "dataset": self.data,
            "classes": list(self.classes),
            "attributes": list(self.attributes),
            "count": self.count,
            "seed": self.seed,
            "run": None if self.run is None else str(self.run),
            "distance": self.distance,
            "reward": list(self.rewards),
            "actor": None if self.actor is None else str(self.actor),
        }

    def _one_class(self, number: int) -> Mapping[int, bool]:
        return {label: label == number for label in range(len(self.known.names))}


def class_number(data: Dataset, text: str) -> int:
    """The number of the class that somebody typed.

    Raises:
        InputError: the data set has no such class.

    >>> class_number(dataset("cifar10"), "dog")
    5
    """
    try:
        label, value = parse_label(text, data.names)
    except InputError:
        raise InputError(f"{data.name} has no class {text!r}: choose from {', '.join(data.names)}") from None
    if not value:
        raise InputError(f"a picture of {data.name} has one class: name it, instead of {text!r}")
    return label


def picture_rule(texts: Sequence[str], seconds: float = SECONDS) -> Rule:
    """The rule that somebody typed.

    Raises:
        InputError: one that can't be loaded, or that judges something else.
    """
    rule = Rule(tuple(parse_reward(text, seconds=seconds) for text in texts))
    if rule.domain != PICTURES:
        raise InputError(f'{rule.names[0]} judges {rule.domain}; a rule on pictures says @reward(domain="{PICTURES}")')
    return rule


def write_rule_pictures(request: PictureRequest, path: Path, report: "Progress") -> tuple[int, int]:
    """Make pictures that follow a rule and write their sheet; how many there are, and how many follow it.

    Raises:
        InputError: no trained model, a rule that can't be used, or the file can't be written.
        CheckpointError: an actor for another model or rule.
    """
    from melodylc import __version__
    from melodylc.image.pipeline import load_picture_model
    from melodylc.image.rules import generate_for_rule

    model = load_picture_model(request.data, request.run)
    stored, rule = _rule_actor(request, model, report)
    result = generate_for_rule(model, stored, rule, request.count, request.seed)
    captions = [", ".join(f"{value:.3f}" for value in row) for row in result.scores]
    manifest = {"format": SHEET_FORMAT, "request": request.to_dict(), "version": __version__, "rule": rule.identity}
    models = {"vae": model.fingerprint, "actor": stored.fingerprint}
    title = f"{request.data}: {', '.join(rule.names)} (seed {request.seed})"
    write_sheet(path, result.pixels.numpy(), captions, title, {**manifest, "models": models})
    return len(captions), result.satisfaction


def _rule_actor(request: PictureRequest, model: "LoadedVAE", report: "Progress") -> "tuple[StoredActor, Rule]":
    """The actor that was named, or the one for the rule: from the cache, else fitted and cached."""
    from melodylc.cache import cache_entry
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


def write_pictures(request: PictureRequest, path: Path, note: Callable[[str], None] = lambda _: None) -> int:
    """Make the pictures of a request and write their sheet; how many there are.

    Args:
        request: labels, or none.
        path: of the sheet.
        note: called with a sentence where no training picture has all that is asked.

    Raises:
        InputError: no trained model, or the file can't be written.
    """
    import numpy as np

    from melodylc import __version__
    from melodylc.image.pipeline import generate_pictures, load_pipeline, pipeline_fingerprints

    info, pipeline = request.known, load_pipeline(request.data, request.run, request.distance)
    combinations = pipeline.constraint.rows
    for wanted in request.wanted:
        if not combinations.count(wanted):
            asked = " and ".join(f"{'' if value else 'not '}{info.names[label]}" for label, value in wanted.items())
            note(
                f"0 of {combinations.total} training pictures are {asked.replace('_', ' ')}: labels that you didn't "
                "ask for come from the nearest ones, and the pictures may not show it all"
            )
    rows = [generate_pictures(pipeline, wanted, request.count, request.seed) for wanted in request.wanted]
    captions = [caption(row, info.names, info.exclusive) for one in rows for row in one.labels.tolist()]
    labels = ", ".join((*request.classes, *request.attributes)) or "as they come"
    title = f"{request.data}: {labels} (seed {request.seed})"
    manifest = {
        "format": SHEET_FORMAT,
        "request": request.to_dict(),
        "version": __version__,
        "models": pipeline_fingerprints(pipeline),
    }
    write_sheet(path, np.concatenate([one.pixels for one in rows]), captions, title, manifest)
    return len(captions)
