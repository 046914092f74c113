"""Melodies like one that is there: variations of it, and bars of it brought into the key.

The melody is encoded, parts of its latent are moved, and what the decoder then writes otherwise than before is what
changes; where the two agree the melody keeps its own events, so that what the model can't say isn't lost. Bars that
were not chosen stay, note for note.

    z = mean q(z|x)      z'_k = G(sqrt(1 - d^2) z_k + d e, h_k)      x'_t = x_t where dec(z')_t = dec(z)_t

with e standard normal, d the distance, and G the actor of the rule, where there is one, on the chosen bars alone. Where
the actor's key is another, all that happens there, and its melodies are transposed back and scored here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from melodylc.constraints.actors import FoundActor
from melodylc.data.alphabet import BARS, HOLD, PITCHES, STEPS, STEPS_PER_BAR, canonical
from melodylc.data.errors import InputError
from melodylc.data.melody import Melody
from melodylc.latent.actor import Move
from melodylc.models.vae import MelodyVAE
from melodylc.rewards import Rule
from melodylc.threads import fixed_threads

BATCH = 16  #: melodies decoded at once
MAX_BATCHES = 12  #: batches before giving up
ALL_BARS = tuple(range(BARS))
_Events = npt.NDArray[np.uint8]
_Numbers = npt.NDArray[np.float64]


class _Source(NamedTuple):
    """A melody in an actor's key: events (256,), its latent (1, z), what the decoder makes of that (1, 256)."""

    events: _Events
    z: Tensor
    decoded: npt.NDArray[np.int64]
    actor: Move | None
    shift: int  #: semitones from there to where it came from


@dataclass(frozen=True)
class Variator:
    """A model, and the actor of the rule, where there is one."""

    vae: MelodyVAE
    actor: FoundActor | None = None

    def vary(
        self,
        melody: Melody,
        rule: Rule | None,
        count: int,
        *,
        bars: tuple[int, ...] = ALL_BARS,
        distance: float = 0.3,
        strength: float = 1.0,
        seed: int = 0,
    ) -> Iterator[Melody]:
        """Melodies that differ from `melody`, and from one another, in some bars, as they are found.

        Each part of the rule is satisfied; where not all bars may change, it is at least as near as it was.

        Args:
            melody: what is varied.
            rule: what variations keep to; None: anything.
            count: most that are wanted.
            bars: which may change, each in 0..15.
            distance: share of noise in the latent, in [0, 1].
            strength: how far the actor moves the latent, in [0, 1].
            seed: of the noise.
        """
        least = _floor(rule, melody, bars)
        source = self._encode(melody)
        previous = {melody}
        for number in range(MAX_BATCHES):
            steps = np.full(BATCH, distance), np.full(BATCH, strength)
            events = self._propose(source, bars, *steps, (seed, number))
            scores = np.ones((len(events), 1)) if rule is None else rule.scores(events)
            for row, good in zip(events, np.asarray((scores >= least).all(axis=1)), strict=True):
                variation = Melody(row)
                if good and variation not in previous:
                    previous.add(variation)
                    yield variation
                    if len(previous) > count:
                        return

    def repair(
        self,
        melody: Melody,
        pitch_classes: frozenset[int],
        bars: tuple[int, ...],
        *,
        strength: float = 1.0,
        seed: int = 0,
    ) -> Melody:
        """`melody` with the notes that begin in some bars in a scale; bars that are stay as they are.

        Each bar becomes the nearest of those tried that is in the scale and has notes; one for which none was found
        stays as it was.

        Args:
            melody: what is repaired.
            pitch_classes: of the scale, each in 0..11.
            bars: which may change, each in 0..15.
            strength: the most of noise, and of the actor's moves, in (0, 1].
            seed: of the noise.
        """
        wrong = [bar for bar in bars if not _inside(_bars(melody.events), pitch_classes)[bar]]
        source, best = self._encode(melody), dict[int, tuple[int, _Events]]()
        steps = np.linspace(0, strength, BATCH), strength * np.tile((1.0, 0.5), BATCH // 2)
        for number in range(MAX_BATCHES):
            missing = tuple(bar for bar in wrong if bar not in best)
            if not missing:
                break
            for row in self._propose(source, missing, *steps, (seed, number)):
                _update_nearest(best, melody, row, missing, pitch_classes)
        repaired = melody.events.copy()
        for bar, (_, nearest) in best.items():
            repaired[bar * STEPS_PER_BAR : (bar + 1) * STEPS_PER_BAR] = nearest
        return Melody(canonical(repaired)[0])

    def _encode(self, melody: Melody) -> "_Source":
        """The melody where the actor is at home; as it is and without the actor, where it doesn't fit there."""
        actor, shift = (self.actor.move, self.actor.shift) if self.actor else (None, 0)
        try:
            events = melody.transposed(-shift).events
        except InputError:
            events, actor, shift = melody.events, None, 0
        with fixed_threads(1), torch.no_grad():
            z = self.vae.encode(torch.from_numpy(events.astype(np.int64))[None]).z
            return _Source(events, z, self.vae.raw_events(z).numpy(), actor, shift)

    def _propose(
        self, source: "_Source", bars: tuple[int, ...], distances: _Numbers, strengths: _Numbers, seed: tuple[int, ...]
    ) -> _Events:
        """Canonical melodies (n, 256) that differ from one in some bars; a distance and a strength for each."""
        chosen = np.isin(np.arange(BARS), bars)
        normal = np.random.default_rng(seed).standard_normal((len(distances), source.z.shape[1]), np.float32)
        share = torch.from_numpy(distances).float()[:, None] * self._where(chosen)
        noisy = (1 - share.square()).sqrt() * source.z + share * torch.from_numpy(normal)
        with fixed_threads(1):
            after = self.vae.decode_moved(noisy, self._move(source.actor, chosen, strengths))[1].numpy()
        replace = np.repeat(chosen, STEPS_PER_BAR) & (after != source.decoded)
        return _transposed(canonical(np.where(replace, after, source.events).astype(np.uint8))[0], source.shift)

    def _where(self, chosen: npt.NDArray[np.bool_]) -> Tensor:
        """1 for the dimensions of z that belong to chosen bars, (z,); all of them, where z isn't made of bars."""
        parts, size, _ = self.vae.chain
        return torch.from_numpy(np.repeat(chosen, size) if parts == BARS else np.ones(parts * size)).float()

    def _move(self, actor: Move | None, chosen: npt.NDArray[np.bool_], strengths: _Numbers) -> Move | None:
        if actor is None:
            return None
        whole = self.vae.chain[0] != BARS
        far = torch.from_numpy(strengths.astype(np.float32))[:, None, None]

        def move(parts: Tensor, context: Tensor, first: int) -> Tensor:
            return torch.lerp(parts, actor(parts, context, first), far) if whole or chosen[first] else parts

        return move


def _transposed(events: _Events, semitones: int) -> _Events:
    """Those melodies (n, 256) that can be moved so far, moved."""
    notes, shifted = events < PITCHES, events.astype(np.int64) + semitones
    fits = ~(notes & ((shifted < 0) | (shifted >= PITCHES))).any(axis=1)
    return np.where(notes, shifted, events)[fits].astype(np.uint8)


def _floor(rule: Rule | None, melody: Melody, bars: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """The least that each part of a rule must be."""
    if rule is None:
        return np.zeros(1)
    return np.ones(len(rule.parts)) if len(set(bars)) == BARS else rule.scores(melody.events[None])[0]


def _bars(events: _Events) -> _Events:
    return events.reshape(-1, STEPS_PER_BAR)


def _inside(bars: _Events, pitch_classes: frozenset[int]) -> npt.NDArray[np.bool_]:
    """For each bar (n, 16) whether all notes that begin in it are in a scale."""
    good = np.isin(bars % 12, list(pitch_classes)) | (bars >= HOLD)
    return np.asarray(good.all(axis=1))


def _update_nearest(
    best: dict[int, tuple[int, _Events]],
    melody: Melody,
    row: _Events,
    bars: tuple[int, ...],
    pitch_classes: frozenset[int],
) -> None:
    before, after = _bars(melody.events), _bars(row.reshape(STEPS))
    good = _inside(after, pitch_classes)
    for bar in bars:
        far = int((before[bar] != after[bar]).sum())
        if good[bar] and (after[bar] < HOLD).any() and (bar not in best or far < best[bar][0]):
            best[bar] = far, after[bar]
