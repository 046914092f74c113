"""Where the actor for a rule comes from: the package, the user's cache, or a file that somebody kept.

An actor belongs to one model, one of its priors and one rule; all three stand in its header and are checked.

A file of `melodylc fit -o` says how its rule was asked for; a rule that is somebody's own function stays in its own
file, which is needed again. It is looked for under the path that was typed and beside the actor, and run only where it
is, byte for byte, what the actor was fitted to: no actor brings code with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from melodylc.cache import learnt_folder, pretrained
from melodylc.constraints import fitting
from melodylc.constraints.common_requests import IDENTITY, IN_C, CommonRequest, common_request
from melodylc.constraints.fitting import RealismTerm
from melodylc.constraints.pretraining.store import pretrained_critic_fingerprint
from melodylc.constraints.request import Request
from melodylc.data.errors import CheckpointError, InputError
from melodylc.data.files import fingerprint_bytes, fingerprint_file
from melodylc.edits.operators import EditSequence, parse_edits
from melodylc.latent.actor import Actor, Move, bind_labels
from melodylc.latent.store import ActorHeader, StoredActor, load_actor, read_header
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import PriorName
from melodylc.rewards import Rule
from melodylc.rewards.isolation import SECONDS

HIGHEST = 6  #: of the twelve keys, as semitones above C; the others are below


@dataclass(frozen=True)
class FoundActor:
    """An actor with its origin."""

    stored: StoredActor
    origin: Literal["shipped", "cached", "fitted", "given"]
    shift: int = 0  #: semitones that its melodies must be moved by: it was fitted to this rule in another key
    request: CommonRequest | None = None  #: which of those that it serves is asked, where it serves several

    @cached_property
    def move(self) -> Actor:
        """What moves parts of latents as its rule asks, and is told nothing any more."""
        return bind_labels(self.stored.actor, self.request.label) if self.request else self.stored.actor

    @property
    def edits(self) -> EditSequence:
        """What its rule asks to be done to melodies before they are encoded; what obeys then it doesn't move."""
        return self.request.edits if self.request else parse_edits(self.stored.header.preparation)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        return {
            "fingerprint": self.stored.fingerprint,
            "origin": self.origin,
            "edits": [list(step) for step in self.edits],
            "rule": self.stored.header.rule,
            "semitones": self.shift,
            "measured": self.stored.rates.to_dict(),
        }


def shipped_moves(model: LoadedModel) -> dict[str, Move]:
    """What the actor that ships does for each common request in C, if it is this model's; under names of their own."""
    stored = _common(model, model.prior().identity)
    return {f"{stored.fingerprint}: {it.rule.identity}": bind_labels(stored.actor, it.label) for it in IN_C if stored}


def moves_of(model: LoadedModel, paths: Sequence[Path]) -> dict[str, Move]:
    """What actors of single rules do, by their files.

    Raises:
        CheckpointError: no such actor, or one for another model.
        InputError: one that serves several rules.
    """
    found = {str(path): load_actor(path, model=model.fingerprint) for path in paths}
    for path, stored in found.items():
        if stored.header.rule == IDENTITY:
            raise InputError(f"{path}: this actor serves many rules: name those of single ones, of `melodylc fit -o`")
    return {path: stored.actor for path, stored in found.items()}


def find_actor(
    model: LoadedModel,
    rule: Rule,
    prior: PriorName | None = None,
    say: Callable[[str], None] = lambda _: None,
    realism: RealismTerm | None = None,
    other_keys: bool = False,
) -> FoundActor | None:
    """The shipped or cached actor for this model, its prior and this rule, or None.

    Those that ship were fitted without a realism critic. A damaged cached one is named and forgotten.
    Where `other_keys`, one that ships for the same in another key will do, too (`FoundActor.shift`).
    """
    start, request = model.prior(prior).identity, common_request(rule)
    if request and not realism and (other_keys or not request.root) and (stored := _common(model, start)):
        return FoundActor(stored, "shipped", request.root - 12 * (request.root > HIGHEST), request)
    path = cache_path(model, rule, prior, realism)
    try:
        if not path.exists():
            return None
        return FoundActor(load_actor(path, model=model.fingerprint, prior=start, rule=rule.identity), "cached")
    except (CheckpointError, OSError) as error:
        say(f"the cached actor can't be used ({error}): fitting it anew")
        return None


def _common(model: LoadedModel, prior: str) -> StoredActor | None:
    """The actor for the common requests that comes with the package, if it is of this model and prior."""
    path = pretrained() / "common.safetensors"
    header = read_header(path) if path.exists() else None
    return load_actor(path) if header and (header.model, header.prior) == (model.fingerprint, prior) else None


def cache_path(
    model: LoadedModel, rule: Rule, prior: PriorName | None = None, realism: RealismTerm | None = None
) -> Path:
    """Where the fitted actor of a model, a prior and a rule is kept; how it is fitted is part of the name."""
    also = (realism.weight, realism.critic.fingerprint) if realism else None
    of = (
        model.fingerprint,
        model.prior(prior).identity,
        rule.identity,
        fitting.SETTINGS,
        fitting.EDIT_SAMPLES,
        pretrained_critic_fingerprint(),
        also,
    )
    return learnt_folder(cacheable=rule.cacheable) / "actors" / f"{fingerprint_bytes(repr(of).encode())}.safetensors"


def request_of(path: Path, seconds: float = SECONDS) -> Request:
    """The request that an actor was fitted to.

    Args:
        path: the actor's file.
        seconds: that a call of a user's reward may take.

    Raises:
        InputError: it isn't an actor, or a reward of its rule is missing or has changed since.
    """
    header = read_header(path)
    if header is None:
        raise CheckpointError(f"{path}: not an actor; `melodylc fit -o` makes one")
    if header.rule == IDENTITY:
        raise CheckpointError(f"{path}: serves the common requests by itself: ask with --scale and --density instead")
    if not header.request:
        raise CheckpointError(f"{path}: doesn't say how its rule was asked for; fit it anew with `melodylc fit -o`")
    request = _read_request(path, header, seconds)
    found = request.rule.identity if request.rule is not None else "nothing"
    if found != header.rule:
        raise CheckpointError(f"{path}: fitted to {header.rule}, and here these rewards are {found}: fit it anew")
    return request


def load_given_actor(path: Path, model: LoadedModel, request: Request, prior: PriorName | None = None) -> FoundActor:
    """The actor of a file, for a model and the request that it was fitted to.

    Raises:
        CheckpointError: damaged, or made for another model, prior or rule.
    """
    rule = request.rule.identity if request.rule is not None else None
    start = model.prior(prior).identity
    return FoundActor(load_actor(path, model=model.fingerprint, prior=start, rule=rule), "given")


def _read_request(path: Path, header: ActorHeader, seconds: float) -> Request:
    def find(typed: Path) -> Path:
        there = [place for place in (typed, path.parent / typed.name) if place.is_file()]
        for place in there:
            if f"@{fingerprint_file(place)}" in header.rule:
                return place
        why = f"{there[0]} has changed since" if there else "is neither there nor beside it"
        raise CheckpointError(f"{path}: fitted to a rule of {typed}; {why}: bring that file back, or fit anew")

    try:
        return Request.read(**header.request, seconds=seconds, find=find)
    except TypeError:
        raise CheckpointError(f"{path}: the request in its header is damaged; fit it anew") from None
