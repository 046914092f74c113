"""What a model proposes in place of a melody: its latents moved, and the events that changed with them.

A melody x is encoded, z = q(z|x), and moved, z' = z + s * (M(z) - z), with a strength s and M an actor or an
optimiser. Where what z' becomes is what z becomes, the event of x itself stays: a reconstruction's errors are no part
of a transformation.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from melodylc.data.alphabet import canonical
from melodylc.data.arrays import Events
from melodylc.edits.operators import EditSequence
from melodylc.latent.actor import Move
from melodylc.models.noise import Noise
from melodylc.models.vae import MelodyVAE


@dataclass(frozen=True)
class Proposer:
    """A model, and what moves its latents: an actor, or `optimise`, latents (n, z) to latents (n, z)."""

    vae: MelodyVAE
    actor: Move | None = None
    optimise: Callable[[Tensor], Tensor] | None = None
    edits: EditSequence = ()  #: that draws begin in, where the actor goes with one

    def propose(self, events: Events, strengths: Sequence[float], draws: int, seed: int) -> Events:
        """Melodies (n * (1 + draws) * strengths, 256) made of melodies (n, 256), canonical.

        Each is made of the posterior's mean and of so many draws from it, at every strength.
        """
        start = np.repeat(events, 1 + draws, axis=0)
        moved, back = self._along(self._latents(events, draws, seed), strengths)
        return _merge(np.tile(start, (len(strengths), 1)), moved, np.tile(back, (len(strengths), 1)))

    def near(self, events: Events, z: Tensor) -> Events:
        """Melodies (n, 256) of latents (n, z) near that of a melody (256,), which stays where the two agree."""
        with torch.no_grad():
            _, written = self.vae.decode_moved(torch.cat((z, self.encode(events[None]))))
        rows = written.to(torch.uint8).numpy()
        return _merge(events, rows[:-1], rows[-1:])

    def decode(self, z: Tensor) -> Events:
        """Melodies of latents (n, z), moved as far as the mover wants: (n, 256), canonical."""
        with torch.no_grad():
            written = self.vae.decode_moved(
                self.optimise(z) if self.optimise else z, None if self.optimise else self.actor
            )[1]
        return canonical(written.to(torch.uint8).numpy())[0]

    @torch.no_grad()
    def in_place(self, events: Events, strengths: Sequence[float], draws: int, seed: int) -> Events:
        """As `propose`, every bar after the bars of the melody as it is: what fits where one bar alone changes."""
        if self.actor is None:
            return events[:0]
        start = np.repeat(events, 1 + draws, axis=0)
        told = torch.from_numpy(start.astype(np.int64))
        mean = self.vae.teacher_forced(told[:: 1 + draws], None)[0].z
        drawn = self.vae.teacher_forced(
            torch.from_numpy(np.repeat(events, draws, axis=0).astype(np.int64)), Noise(seed)
        )[0].z
        z = torch.cat((mean[:, None], drawn.view(len(events), draws, -1)), dim=1).flatten(0, 1)
        contexts = self.vae.contexts(told, z)
        moved = self.vae.move_parts(z, contexts, self.actor)
        rows = torch.cat([torch.lerp(z, moved, strength) for strength in (0.0, *strengths)])
        embeddings = self.vae.embed(rows, contexts.repeat(1 + len(strengths), 1, 1))
        written = self.vae.decoder.greedy(embeddings.flatten(0, 1)).reshape(len(rows), -1).to(torch.uint8).numpy()
        back, made = written[: len(z)], written[len(z) :]
        return _merge(np.tile(start, (len(strengths), 1)), made, np.tile(back, (len(strengths), 1)))

    @torch.no_grad()
    def encode(self, events: Events) -> Tensor:
        """The posterior's means (n, z) of melodies (n, 256)."""
        return self.vae.encode(torch.from_numpy(events.astype(np.int64))).z

    @torch.no_grad()
    def _latents(self, events: Events, draws: int, seed: int) -> Tensor:
        """Guide and draws, melody by melody: (n * (1 + draws), z)."""
        rows = torch.from_numpy(np.repeat(events.astype(np.int64), 1 + draws, axis=0))
        return self.vae.encode(rows, _MeanFirstNoise(seed, 1 + draws)).z

    def _along(self, z: Tensor, strengths: Sequence[float]) -> tuple[Events, Events]:
        """What latents (m, z) become at each strength, (strengths * m, 256), and unmoved, (m, 256)."""
        share = torch.tensor([0.0, *strengths]).repeat_interleave(len(z))[:, None]
        start = z.repeat(1 + len(strengths), 1)
        if self.optimise:
            goal = self.optimise(z).repeat(1 + len(strengths), 1)
            written = self.vae.decode_moved(torch.lerp(start, goal, share))[1]
        else:
            written = self.vae.decode_moved(start, _scaled_move(self.actor, share[..., None]) if self.actor else None)[
                1
            ]
        events = written.to(torch.uint8).numpy()
        return events[len(z) :], events[: len(z)]


class _MeanFirstNoise(Noise):
    """Noise but for the first of every so many rows, which are means."""

    def __init__(self, seed: int, every: int) -> None:
        super().__init__(seed)
        self.every = every

    def normal(self, rows: int, *shape: int) -> Tensor:
        numbers = super().normal(rows, *shape)
        numbers[:: self.every] = 0
        return numbers


def _scaled_move(actor: Move, share: Tensor) -> Move:
    def move(parts: Tensor, context: Tensor, first: int) -> Tensor:
        return torch.lerp(parts, actor(parts, context, first), share)

    return move


def _merge(events: Events, moved: Events, back: Events) -> Events:
    """What was moved, with the events of the melody itself where that is what it would be unmoved."""
    return canonical(np.where(moved == back, events, moved))[0]
