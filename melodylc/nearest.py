"""Where a draw begins: of all transpositions of what the prior wrote, the one that obeys best.

A prior that was taught melodies in all keys writes them in any, and each of them is as probable in another. Asked for
C major, eleven melodies in twelve would have to be changed note by note, and lose their intervals; transposed first, a
few of their notes. A rule says itself which transposition it likes: it is called on all, and knows nothing of why.
Where an arrangement was found for the rule (`melodylc.arranging`), what obeys no transposition is arranged, too.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from melodylc.arranging.ways import Arrangement, arranged
from melodylc.data.alphabet import PITCHES, canonical
from melodylc.models.bars import Move
from melodylc.models.vae import MelodyVAE
from melodylc.rewards import Rule

SHIFTS = tuple(sorted(range(-12, 13), key=lambda shift: (abs(shift), -shift)))  #: semitones, least first
Events = npt.NDArray[np.uint8]


def nearest(rule: Rule, events: Events, shift: int = 0, arrangement: Arrangement = ()) -> Events:
    """Melodies (n, 256), each in the transposition of which a rule thinks best once it is moved by `shift` semitones.

    At most an octave up or down; of several that are as good, the least. The best has the largest product of graded
    rewards. Those that the rule likes better once they are arranged, too, are.

    >>> from melodylc.rewards import pitch_classes
    >>> nearest(Rule((pitch_classes([0, 4, 7]),)), np.array([[61, 128, 65, 68] + [129] * 252], np.uint8))[0, :4]
    array([ 60, 128,  64,  67], dtype=uint8)
    """
    events = canonical(events)[0]
    ways = [transposed(events, way) for way in SHIFTS]
    judged = np.concatenate([transposed(way, shift) for way in ways])
    merit = rule.graded(judged).prod(axis=1).reshape(len(ways), len(events))
    best: Events = np.stack(ways)[merit.argmax(axis=0), np.arange(len(events))]
    if not arrangement:
        return best
    other = arranged(best, arrangement)
    better = rule.graded(transposed(other, shift)).prod(axis=1) > merit.max(axis=0)
    return np.where(better[:, None], other, best)


@dataclass(frozen=True)
class Beginning:
    """How draws for a rule begin: the latents of what a prior wrote, `nearest` to the rule; and once more if need be.

    What is arranged seldom lies exactly where a latent leads, and loses some of what it was arranged for. So melodies
    are looked at as they come out, and those that don't obey are arranged again, if that helps, as they have become.
    They are the model's own by then, and what they lose the second time is little.
    """

    rule: Rule
    vae: MelodyVAE
    arrangement: Arrangement = ()
    shift: int = 0  #: semitones that melodies will be moved by once they are made

    @torch.no_grad()
    def __call__(self, written: Tensor) -> Tensor:
        """Latents (n, z) for melodies (n, 256), int64."""
        events = nearest(self.rule, written.to(torch.uint8).numpy(), self.shift, self.arrangement)
        if not self.arrangement:
            return self.vae.forced(torch.from_numpy(events).long(), None)[0].z.float()
        z, became = given_back(self.vae, events)
        merit = self._merit(became)
        if (merit == 1).all():
            return z
        other = arranged(became, self.arrangement)
        again, later = given_back(self.vae, np.where((self._merit(other) > merit)[:, None], other, became))
        return torch.where(torch.from_numpy(self._merit(later) > merit)[:, None], again, z)

    @torch.no_grad()
    def write(self, z: Tensor, move: Move | None) -> tuple[Tensor, Tensor]:
        """Latents (n, z) as they were moved, and raw events (n, 256), int64; what obeys once arranged isn't moved."""
        if move is None or not self.arrangement:
            return self.vae.write(z, move)
        unmoved, raw = self.vae.write(z)
        obeys = torch.from_numpy(self._merit(canonical(raw.to(torch.uint8).numpy())[0]) == 1)[:, None]
        if obeys.all():
            return unmoved, raw
        moved, later = self.vae.write(z, move)
        return torch.where(obeys, unmoved, moved), torch.where(obeys, raw, later)

    def _merit(self, events: Events) -> npt.NDArray[np.float64]:
        product: npt.NDArray[np.float64] = self.rule.graded(transposed(events, self.shift)).prod(axis=1)
        return product


def given_back(vae: MelodyVAE, events: Events) -> tuple[Tensor, Events]:
    """Latents (n, z) of melodies (n, 256), and the canonical melodies (n, 256) that these lead to."""
    with torch.no_grad():
        encoding, embeddings = vae.through(torch.from_numpy(events).long(), None)
        raw = vae.decoder.greedy(embeddings.flatten(0, 1)).reshape(len(events), -1)
    return encoding.z.float(), canonical(raw.to(torch.uint8).numpy())[0]


def transposed(events: npt.NDArray[np.uint8], semitones: int) -> npt.NDArray[np.uint8]:
    """Melodies (n, 256) moved by so many semitones; one that would leave 0..127 stays as it is.

    >>> transposed(np.array([[60, 128, 129], [1, 126, 129]], np.uint8), 3)
    array([[ 63, 128, 129],
           [  1, 126, 129]], dtype=uint8)
    """
    notes, moved = events < PITCHES, events.astype(np.int64) + semitones
    fits = ~(notes & ((moved < 0) | (moved >= PITCHES))).any(axis=1, keepdims=True)
    return np.where(notes & fits, moved, events).astype(np.uint8)
