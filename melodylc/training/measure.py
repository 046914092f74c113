"""How well a model gives held-out melodies back: what training watches and what evaluation reports."""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from melodylc.data.alphabet import HOLD, canonical
from melodylc.models.noise import Noise
from melodylc.models.vae import MelodyVAE

Events = npt.NDArray[np.uint8]
CHUNK = 256  #: melodies encoded and decoded at a time


@dataclass(frozen=True)
class Reconstruction:
    """Shares of events given back, in [0, 1], and the rate they cost."""

    steps: float  #: of all 256 steps, free-running argmax from the posterior mean, canonical form
    notes: float  #: of the steps where a note starts
    sampled_steps: float  #: the same from one sample of q(z|x)
    sampled_notes: float
    exact: float  #: share of melodies given back without a fault, from the mean
    touched: float  #: share of steps that the canonical form turned into rests, from the mean
    kl: float  #: KL(q || N(0, I)) in nats, mean a melody
    active: int  #: dimensions whose KL is above 0.01 nats on average
    melodies: int

    def to_dict(self) -> dict[str, float]:
        """Plain values, rounded for people."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def measure_reconstruction(vae: MelodyVAE, events: Events, seed: int = 0) -> Reconstruction:
    """Encode and decode melodies (n, 256); both from the posterior mean and from one sample each."""
    noise = Noise(seed)
    parts = [_chunk(vae, events[at : at + CHUNK], noise) for at in range(0, len(events), CHUNK)]
    mean, sample, raw, kl = (np.concatenate(part) for part in zip(*parts, strict=True))
    onset = events < HOLD
    right, right_sample = mean == events, sample == events
    return Reconstruction(
        steps=float(right.mean()),
        notes=float(right[onset].mean()),
        sampled_steps=float(right_sample.mean()),
        sampled_notes=float(right_sample[onset].mean()),
        exact=float(right.all(axis=1).mean()),
        touched=float((raw != mean).mean()),
        kl=float(kl.sum(axis=1).mean()),
        active=int((kl.mean(axis=0) > 0.01).sum()),
        melodies=len(events),
    )


@torch.no_grad()
def _chunk(vae: MelodyVAE, events: Events, noise: Noise) -> tuple[npt.NDArray[np.generic], ...]:
    melodies = torch.from_numpy(events.astype(np.int64))
    drawn = vae.encode(melodies, noise)
    raw = vae.raw_events(vae.encode(melodies).z).to(torch.uint8).numpy()
    mean, _ = canonical(raw)
    return mean, vae.decode(drawn.z), raw, drawn.kl.numpy()


@torch.no_grad()
def mean_sigma(vae: MelodyVAE, events: Events) -> Tensor:
    """sigma_bar: the encoder's deviation averaged over melodies (n, 256), per dimension (z,)."""
    chunks = [
        vae.encode(torch.from_numpy(events[at : at + CHUNK].astype(np.int64))).sigma
        for at in range(0, len(events), CHUNK)
    ]
    return torch.cat(chunks).mean(0)
