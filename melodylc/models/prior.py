"""Where latents come from: the paper's N(0, I), or a learnt prior.

The learnt prior is the encodings of melodies that a language model writes: a mixture of posteriors, as the VampPrior is
(Tomczak and Welling 2018, "VAE with a VampPrior"), with as many components as there are melodies and the language
model's probabilities as weights:

    p(z) = sum_x p_LM(x) q(z|x),   so that   KL(q(z|x) || p) <= -log p_LM(x)

N(0, I) has room for every latent, and most of its room is between melodies; this one is only where melodies are.
A draw takes the mean of its posterior, a chain's after true bars: so all bars go at once. The language model writes a
little colder than it was trained (`COOL`), because one event in a few hundred is otherwise an accident that no composer
would leave.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from melodylc.data.alphabet import STEPS
from melodylc.data.roles import LEAD, ROLES
from melodylc.models.config import PriorName
from melodylc.models.language import MelodyLM
from melodylc.models.recall import RecallLM
from melodylc.models.vae import MelodyVAE

COOL = 0.95
Numbers = npt.NDArray[np.float32]


class Prior(Protocol):
    """Turns random numbers into latents; the same numbers are the same latent."""

    @property
    def name(self) -> PriorName: ...

    @property
    def identity(self) -> str:
        """What it is, settings included."""
        ...

    def numbers(self, rng: np.random.Generator) -> Numbers:
        """The random numbers (k,) of one latent."""
        ...

    def melodies(self, numbers: Numbers) -> Tensor | None:
        """The melodies (n, 256), int64, that random numbers (n, k) stand for; None where latents aren't of melodies."""
        ...

    def latents(self, numbers: Numbers) -> Tensor:
        """Latents (n, z) of random numbers (n, k)."""
        ...


@dataclass(frozen=True)
class NormalPrior:
    """N(0, I) in `z` dimensions.

    >>> prior = NormalPrior(3)
    >>> prior.latents(prior.numbers(np.random.default_rng(0))[None]).shape
    torch.Size([1, 3])
    """

    z: int
    name: PriorName = "normal"
    identity: str = "N(0, I)"

    def numbers(self, rng: np.random.Generator) -> Numbers:
        """Standard normal numbers (z,)."""
        return rng.standard_normal(self.z, np.float32)

    def melodies(self, numbers: Numbers) -> None:
        """Nothing is."""

    def latents(self, numbers: Numbers) -> Tensor:
        """The numbers themselves, (n, z)."""
        return torch.from_numpy(numbers)


@dataclass(frozen=True)
class LearntPrior:
    """Posterior means of what a language model writes."""

    vae: MelodyVAE
    language: MelodyLM | RecallLM
    temperature: float = COOL  #: of the language model: below 1, more of what is probable
    role: int = LEAD  #: of what is written, where the language model knows roles
    name: PriorName = "learnt"

    @property
    def identity(self) -> str:
        """The kind, the temperature and the role; the models stand in the file that it comes from."""
        role = f", {ROLES[self.role]}" if isinstance(self.language, RecallLM) else ""
        return f"learnt at {self.temperature:g}{role}"

    def numbers(self, rng: np.random.Generator) -> Numbers:
        """Uniform numbers (256,), one an event."""
        return rng.random(STEPS, np.float32)

    @torch.no_grad()
    def melodies(self, numbers: Numbers) -> Tensor:
        """What the language model writes."""
        chances = torch.from_numpy(numbers)
        if isinstance(self.language, RecallLM):
            return self.language.write(chances, self.temperature, torch.full((len(chances),), self.role))
        return self.language.write(chances, self.temperature)

    @torch.no_grad()
    def latents(self, numbers: Numbers) -> Tensor:
        """Latents (n, z) of numbers (n, 256)."""
        return self.vae.teacher_forced(self.melodies(numbers), None)[0].z


def stream_numbers(prior: Prior, seed: int, numbers: Iterable[int], attempt: int = 1) -> Numbers:
    """The random numbers (n, k) of one attempt at some melodies of a seed, each from a random stream of its own."""
    streams = (np.random.default_rng((seed, number, attempt)) for number in numbers)
    return np.stack([prior.numbers(stream) for stream in streams])


def pool(prior: Prior, count: int, rng: np.random.Generator, chunk: int = 256) -> Tensor:
    """`count` latents (count, z), made `chunk` at a time."""
    sizes = [min(chunk, count - at) for at in range(0, count, chunk)]
    return torch.cat([prior.latents(np.stack([prior.numbers(rng) for _ in range(size)])) for size in sizes])
