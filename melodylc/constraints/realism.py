"""How like real melodies: a realism critic, taught on a corpus and kept as a file beside its model.

What is real are samples of the posteriors of training melodies; what isn't, samples of N(0, I), what an actor makes
of them to please the critic (`melodylc.latent.realism`), and what actors of rules make of the prior's. Its cost may be
part of what an actor pays in a fit (`--realism`). It judges where latents lie; melodies that obey are ranked by
`melodylc.sampling.likelihood`.

The shipped model's comes with the package. `melodylc train realism` makes another model's, in the user's cache, or
another for the shipped one, which then goes before.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from melodylc.cache import cache_folder, pretrained
from melodylc.constraints.features import VERSION
from melodylc.constraints.objective import MelodyBox
from melodylc.data.corpus import Corpus
from melodylc.data.errors import CheckpointError, InputError
from melodylc.data.files import fingerprint_file
from melodylc.data.leave_out import LEFT_OUT, leave_out
from melodylc.latent.actor import Move
from melodylc.latent.critic import Critic
from melodylc.latent.precision import autocast
from melodylc.latent.realism import Decoded, Realism, RealismFigures, RealismSettings, fit_realism
from melodylc.latent.tensor_files import first_line, read_tensors, write_tensors
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.noise import Noise
from melodylc.models.prior import pool
from melodylc.rewards import Rule, density
from melodylc.training.batches import Batches
from melodylc.training.settings import TrainSettings

FORMAT = f"melodylc-realism/2, view {VERSION}"
FILE = "realism.safetensors"
MELODIES = 4096  #: that a critic is taught on, and as many samples
MOVED = 3072  #: samples that actors of rules move to be shown, each as many as any other
UNASKED = Rule((density(1),))  #: a box has a rule, and a game of realism never asks it
_TOGETHER = 256
_Report = Callable[[int, int, str], None]  #: steps done since the last call, of how many, and what


@dataclass(frozen=True)
class RealismCritic:
    """A critic for one model."""

    critic: Critic
    fingerprint: str  #: of its weights' file

    def cost(self, view: Tensor) -> Tensor:
        """-log D of views (n, rows, width): (n,), with a gradient."""
        return self.critic.cost(view)


def find_realism(model: LoadedModel) -> RealismCritic:
    """The critic of a model: in the user's cache, or the one that ships.

    Raises:
        InputError: there is none.
        CheckpointError: it is damaged.
    """
    for path in (realism_path(model), pretrained() / FILE):
        if path.exists() and (found := _read(path, model)):
            return found
    raise InputError(
        "this model has no realism critic, and the one that ships is for another: "
        "make one with `melodylc train realism CORPUS --model FILE`"
    )


def realism_path(model: LoadedModel) -> Path:
    """Where a model's critic is kept in the user's cache."""
    return cache_folder() / "realism" / f"{model.fingerprint}.safetensors"


def train_realism(
    corpus: Corpus,
    model: LoadedModel,
    path: Path,
    settings: RealismSettings | None = None,
    count: int | None = None,
    seed: int = 0,
    report: _Report = lambda done, of, what: None,
    actors: Mapping[str, Move] | None = None,
    moved: int | None = None,
) -> Realism:
    """Teach a critic on `count` of the melodies that a model was trained on (`MELODIES` by default), and write it.

    It is shown, too, what some rules' actors, under names that the file will tell, make of `moved` samples of the
    model's prior (`MOVED`).

    Raises:
        CorpusError: a corpus without training melodies.
    """
    settings, count, actors = settings or RealismSettings(), count or MELODIES, actors or {}
    each = (moved or MOVED) // len(actors) if actors else 0
    box, of = MelodyBox(model.vae, UNASKED), 2 * count + each * len(actors) + settings.rounds
    real = real_samples(corpus, model, count, seed, lambda done: report(done, of, "encoding real melodies"))
    z = pool(model.prior("normal"), count, np.random.default_rng(seed))
    decoded = _decode(box, z, lambda done: report(done, of, "sampling"))
    others = None
    if actors:
        start = pool(model.prior(), each, np.random.default_rng((seed, 1)))
        shown = [_decode(box, start, lambda done: report(done, of, "asking actors"), it) for it in actors.values()]
        others = torch.cat(shown)

    def report_round(number: int, figures: RealismFigures) -> None:
        report(1, of, f"D of real ones {figures.real:.2f}, of samples {figures.prior:.2f}, moved {figures.moved:.2f}")

    found = fit_realism(box, real, (z, decoded), model.sigma_bar, settings, seed, report_round, others)
    about = {"belief": asdict(found.figures), "seed": seed, "corpus": corpus.fingerprint}
    about["actors"] = list(actors)
    view = list(box.features(real[1][:1]).shape[1:])
    save_realism(path, found.critic, model, {"view": view, "settings": asdict(settings), **about})
    return found


def real_samples(
    corpus: Corpus, model: LoadedModel, count: int, seed: int, report: Callable[[int], None] = lambda done: None
) -> Decoded:
    """Samples of q(z|x), (count, z), of melodies x drawn as training draws them, and what they become."""
    provenance = model.provenance
    rows = leave_out(corpus, (provenance.get(LEFT_OUT) or {}).get("collection")).train
    batches = Batches(
        corpus, float((provenance.get("settings") or {}).get("balance", TrainSettings.balance)), seed, rows
    )
    box, noise, latents, events = MelodyBox(model.vae, UNASKED), Noise(seed), [], []
    for step, at in enumerate(range(0, count, _TOGETHER)):
        drawn = torch.from_numpy(batches.draw(0, step, min(_TOGETHER, count - at)).astype(np.int64))
        with torch.no_grad(), autocast():
            latents.append(model.vae.encode(drawn, noise).z.float())
        events.append(_decode(box, latents[-1], report))
    return torch.cat(latents), torch.cat(events)


def _decode(box: MelodyBox, z: Tensor, report: Callable[[int], None], move: Move | None = None) -> Tensor:
    """What latents (n, z) become, moved or not, (n, 256), uint8."""
    found = []
    for part in torch.split(z, _TOGETHER):
        found.append(box.decode(part, move)[1])
        report(len(part))
    return torch.cat(found)


def save_realism(path: Path, critic: Critic, model: LoadedModel, about: dict[str, Any]) -> None:
    """Write a critic in half precision, with its shape and what it is for."""
    tensors = {name: value.half() for name, value in critic.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, tensors, FORMAT, {"model": model.fingerprint, **about})


def _read(path: Path, model: LoadedModel) -> RealismCritic | None:
    tensors, about = read_tensors(path, FORMAT)
    if about.get("model") != model.fingerprint:
        return None
    try:
        settings = RealismSettings.from_dict(about["settings"])
        rows, width = about["view"]
        critic = Critic(rows, width, 1, (1.0,), settings.critic_hidden, settings.critic_layers)
        critic.load_state_dict({name: value.float() for name, value in tensors.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path}: damaged ({first_line(error)}); train the realism critic anew") from None
    return RealismCritic(critic.requires_grad_(False).eval(), fingerprint_file(path))
