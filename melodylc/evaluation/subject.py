"""The model under evaluation, as the rest of this package sees it: nothing else here touches a VAE.

Melodies go in and out as arrays of events, (n, 256) uint8; latents stay tensors, (n, z).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from melodylc.data.alphabet import canonical
from melodylc.data.arrays import Events, Values
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.noise import Noise
from melodylc.models.posterior import Encoding
from melodylc.models.prior import LearntPrior, NormalPrior, pool
from melodylc.models.refinement import Refinement
from melodylc.models.vae import MelodyVAE

CHUNK = 256  #: melodies that go through the model together


@dataclass(frozen=True)
class LatentEncoding:
    """Latents of melodies, on the way of the posterior's mean or of one sample, and what they cost."""

    z: Tensor  #: (n, z)
    mean: Tensor  #: (n, z)
    sigma: Tensor  #: (n, z)
    kl: Tensor  #: (n,) KL(q(z|x) || N(0, I)), nats

    @property
    def kl_by_dimension(self) -> Tensor:
        """(n, z) nats: (mean^2 + sigma^2 - 1) / 2 - log sigma."""
        return (self.mean.square() + self.sigma.square() - 1) / 2 - self.sigma.log()


@dataclass(frozen=True)
class TeacherForcing:
    """What a model expects of melodies, each bar given the true ones before it, and what they cost it."""

    events: Events  #: (n, 256) the most probable event at each step
    nll: Values  #: (n,) -log p(x|z), nats
    encoded: LatentEncoding  #: the latents of q(z|x) along the true melodies


class PriorSubject(Protocol):
    """What latents are drawn from."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def sample(self, count: int, seed: int) -> Tensor:
        """`count` latents (count, z), the same for the same seed."""
        ...

    def kl(self, encoded: LatentEncoding, events: Events) -> Tensor:
        """KL(q(z|x) || this prior) of each melody x, (n,) nats.

        Exact, or an unbiased estimate from z, log q(z|x) - log p(z), or where neither is to be had an upper bound.
        """
        ...


@dataclass(frozen=True)
class StandardNormal:
    """N(0, I)."""

    z: int
    name: str = "N(0, I)"

    def sample(self, count: int, seed: int) -> Tensor:
        return pool(NormalPrior(self.z), count, np.random.default_rng(seed))

    def kl(self, encoded: LatentEncoding, events: Events) -> Tensor:
        return encoded.kl


@dataclass(frozen=True)
class Learnt:
    """The learnt prior, whose KL is known by its upper bound -log p_LM(x) (`melodylc.models.prior`)."""

    prior: LearntPrior
    name: str = "learnt"

    def sample(self, count: int, seed: int) -> Tensor:
        return pool(self.prior, count, np.random.default_rng(seed))

    def kl(self, encoded: LatentEncoding, events: Events) -> Tensor:
        return self.prior.language.nll(_tensor(events), self.prior.temperature)


class Subject:
    """A VAE and the priors that it can be sampled from."""

    def __init__(
        self, vae: MelodyVAE, priors: tuple[PriorSubject, ...] | None = None, refine: Refinement | None = None
    ) -> None:
        self.vae, self.refine = vae, refine
        self.priors: tuple[PriorSubject, ...] = (StandardNormal(vae.config.z),) if priors is None else priors

    def refined(self, how: Refinement) -> "Subject":
        """The same, with posteriors that are fitted to each melody."""
        return Subject(self.vae, self.priors, how)

    @torch.no_grad()
    def encode(self, events: Events, seed: int | None = None) -> LatentEncoding:
        """Latents of melodies: the posterior's mean, or one sample of it that depends on the seed alone."""
        return _latent_encoding(self.vae.encode(_tensor(events), _noise(seed), self.refine))

    @torch.no_grad()
    def teacher_forced(self, events: Events, seed: int | None = None) -> TeacherForcing:
        """Teacher-forced, from the mean or from one sample: every bar, or event, given the true ones before it.

        A chain's latents are the posterior's given true bars, and so aren't quite those of `encode`.
        """
        truth = _tensor(events)
        encoding, logits = self.vae.teacher_forced_logits(truth, _noise(seed), self.refine)
        nll = cross_entropy(logits.float().transpose(1, 2), truth, reduction="none").sum(1)
        return TeacherForcing(
            logits.argmax(2).to(torch.uint8).numpy(), nll.double().numpy(), _latent_encoding(encoding)
        )

    def melodies(self, z: Tensor) -> tuple[Events, npt.NDArray[np.bool_]]:
        """Free-running: canonical melodies, the most probable event at each step, and the steps made rests for that."""
        return canonical(self.vae.raw_events(z).to(torch.uint8).cpu().numpy())


def subject_of(model: LoadedModel) -> Subject:
    """A model from a file, with all the priors that it has."""
    normal, best = StandardNormal(model.vae.config.z), model.prior()
    return Subject(model.vae, (normal, Learnt(best)) if isinstance(best, LearntPrior) else (normal,))


def batch_slices(count: int) -> Iterator[slice]:
    """Parts of `count` melodies that go through a model together.

    >>> list(batch_slices(300))
    [slice(0, 256, None), slice(256, 300, None)]
    """
    for start in range(0, count, CHUNK):
        yield slice(start, min(start + CHUNK, count))


def _noise(seed: int | None) -> Noise | None:
    return None if seed is None else Noise(seed)


def _latent_encoding(found: Encoding) -> LatentEncoding:
    return LatentEncoding(found.z, found.mean, found.sigma, found.kl.sum(1))


def _tensor(events: Events) -> Tensor:
    return torch.from_numpy(np.asarray(events).astype(np.int64))
