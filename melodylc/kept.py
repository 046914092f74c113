"""Actors that somebody kept as files, and the requests that they were fitted to.

Such a file says how its rule was asked for; a rule that is somebody's own function stays in its own file, which is
needed again. It is looked for under the path that was typed and beside the actor, and run only where it is, byte for
byte, what the actor was fitted to: no actor brings code with it.
"""

from pathlib import Path

from melodylc.actors import FoundActor
from melodylc.common import IDENTITY
from melodylc.data.errors import CheckpointError
from melodylc.data.files import fingerprint_file
from melodylc.latent.store import ActorHeader, load_actor, read_header
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import PriorName
from melodylc.request import Request
from melodylc.rewards.isolation import SECONDS


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
    request = _read(path, header, seconds)
    found = request.rule.identity if request.rule else "nothing"
    if found != header.rule:
        raise CheckpointError(f"{path}: fitted to {header.rule}, and here these rewards are {found}: fit it anew")
    return request


def kept_actor(path: Path, model: LoadedModel, request: Request, prior: PriorName | None = None) -> FoundActor:
    """The actor of a file, for a model and the request that it was fitted to.

    Raises:
        CheckpointError: damaged, or made for another model, prior or rule.
    """
    rule = request.rule.identity if request.rule else None
    start = model.prior(prior).identity
    return FoundActor(load_actor(path, model=model.fingerprint, prior=start, rule=rule), "given")


def _read(path: Path, header: ActorHeader, seconds: float) -> Request:
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
