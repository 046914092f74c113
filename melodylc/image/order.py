"""From what somebody asks of pictures to a contact sheet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from melodylc.data.errors import InputError
from melodylc.data.pictures.attributes import parse_wanted
from melodylc.data.pictures.loading import dataset
from melodylc.image.sheet import caption, claim, write_sheet
from melodylc.rewards import Rule, parse_reward
from melodylc.rewards.domains import PICTURES
from melodylc.rewards.isolation import SECONDS

if TYPE_CHECKING:
    from melodylc.image.store import LoadedVAE
    from melodylc.latent.fitted import Progress
    from melodylc.latent.store import StoredActor

FORMAT = "melodylc-pictures/1"


@dataclass(frozen=True)
class PictureOrder:
    """A request for pictures, in the asker's own words."""

    data: str
    classes: tuple[str, ...]  #: digits, or classes of CIFAR-10
    attributes: tuple[str, ...]  #: of faces, such as "smiling" or "no-eyeglasses"
    count: int  #: pictures, of each class where several are named
    seed: int
    run: Path | None = None
    distance: float = 0.1
    rewards: tuple[str, ...] = ()  #: rules on the picture, as typed
    actor: Path | None = None  #: fitted to a rule before; None: kept or fitted on the spot
    seconds: float = SECONDS  #: that a call of a user's rule may take

    @property
    def ruled(self) -> bool:
        """Whether a rule is asked for, instead of labels."""
        return bool(self.rewards or self.actor)

    @property
    def wanted(self) -> list[Mapping[int, bool]]:
        """What each row of pictures should have, label number to whether it is there.

        Raises:
            InputError: an unknown label, one of another kind, or two that contradict each other.
        """
        known = dataset(self.data)
        if known.exclusive and self.attributes:
            raise InputError(f"{self.data} has classes, not attributes: {', '.join(known.names)}")
        if not known.exclusive and self.classes:
            raise InputError(f"{self.data} has attributes, not classes: use --attr with {', '.join(known.names)}")
        if known.exclusive and self.classes:
            return [self._class(text) for text in self.classes]
        return [parse_wanted(self.attributes, known.names)]

    def check(self, path: Path) -> None:
        """Refuse what can't be done before any work.

        Raises:
            InputError: an unknown label, labels and rules at once, or a file that is somebody else's.
        """
        if self.ruled and (self.classes or self.attributes):
            raise InputError("a picture obeys a rule or has labels, not both: leave out one or the other")
        if self.rewards and self.actor:
            raise InputError("--actor brings its own rule: leave out --reward")
        _ = self.wanted
        claim(path, self.to_dict())

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

    def _class(self, text: str) -> Mapping[int, bool]:
        known = dataset(self.data)
        wanted = parse_wanted([text], known.names)
        if not all(wanted.values()):
            raise InputError(f"a picture of {self.data} has one class: name it, instead of {text!r}")
        return {label: label in wanted for label in range(len(known.names))}


def picture_rule(texts: Sequence[str], seconds: float = SECONDS) -> Rule:
    """The rule that somebody typed.

    Raises:
        InputError: one that can't be loaded, or that judges something else.
    """
    rule = Rule(tuple(parse_reward(text, seconds=seconds) for text in texts))
    if rule.domain != PICTURES:
        raise InputError(f'{rule.names[0]} judges {rule.domain}; a rule on pictures says @reward(domain="{PICTURES}")')
    return rule


def produce_ruled(order: PictureOrder, path: Path, report: "Progress") -> tuple[int, int]:
    """Make pictures that obey a rule and write their sheet; how many that were, and how many obey.

    Raises:
        InputError: no trained model, a rule that can't be used, or the file can't be written.
        CheckpointError: an actor for another model or rule.
    """
    from melodylc import __version__
    from melodylc.image.chain import load_model
    from melodylc.image.ruled import make_ruled

    model = load_model(order.data, order.run)
    stored, rule = _ruled_actor(order, model, report)
    made = make_ruled(model, stored, rule, order.count, order.seed)
    captions = [", ".join(f"{value:.3f}" for value in row) for row in made.scores]
    manifest = {"format": FORMAT, "request": order.to_dict(), "version": __version__, "rule": rule.identity}
    models = {"vae": model.fingerprint, "actor": stored.fingerprint}
    title = f"{order.data}: {', '.join(rule.names)} (seed {order.seed})"
    write_sheet(path, made.pixels.numpy(), captions, title, {**manifest, "models": models})
    return len(captions), made.obeying


def _ruled_actor(order: PictureOrder, model: "LoadedVAE", report: "Progress") -> "tuple[StoredActor, Rule]":
    """The actor that was named, or the one for the rule: kept from the last time, else fitted and kept."""
    from melodylc.cache import cache_entry
    from melodylc.image.ruled import fit_rule, kept_path, open_rule

    if order.actor:
        stored = open_rule(model, None, order.actor)
        texts = stored.header.request.get("reward") or ()
        if not texts:
            raise InputError(f"{order.actor} doesn't say which rule on pictures it obeys: name another, or --reward")
        rule = picture_rule(texts, order.seconds)
        return open_rule(model, rule, order.actor), rule
    rule = picture_rule(order.rewards, order.seconds)
    kept = kept_path(model, rule)
    with cache_entry(kept) as path:
        if kept.exists():
            return open_rule(model, rule, kept), rule
        return fit_rule(model, rule, path, report=report, request={"reward": list(order.rewards)}), rule


def produce(order: PictureOrder, path: Path) -> int:
    """Make what was ordered and write its sheet; how many pictures that were.

    Raises:
        InputError: no trained model, or the file can't be written.
    """
    import numpy as np

    from melodylc import __version__
    from melodylc.image.chain import load_chain, make, provenance

    known, chain = dataset(order.data), load_chain(order.data, order.run, order.distance)
    made = [make(chain, wanted, order.count, order.seed) for wanted in order.wanted]
    captions = [caption(row, known.names, known.exclusive) for one in made for row in one.labels.tolist()]
    asked = ", ".join((*order.classes, *order.attributes)) or "as they come"
    title = f"{order.data}: {asked} (seed {order.seed})"
    manifest = {"format": FORMAT, "request": order.to_dict(), "version": __version__, "models": provenance(chain)}
    write_sheet(path, np.concatenate([one.pixels for one in made]), captions, title, manifest)
    return len(captions)
