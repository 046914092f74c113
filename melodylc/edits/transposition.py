"""Where a draw begins: of all transpositions of what the prior wrote, the one that obeys best.

A prior that was taught melodies in all keys writes them in any, and each of them is as probable in another. Asked for
C major, eleven melodies in twelve would have to be changed note by note, and lose their intervals; transposed first, a
few of their notes. A rule says itself which transposition it likes: it is called on all, and knows nothing of why.
Where edits were found for the rule (`melodylc.edits.search`), what follows it in no transposition is edited, too.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from melodylc.data.alphabet import PITCHES, canonical
from melodylc.data.arrays import Events
from melodylc.edits.operators import EditSequence, apply_edits
from melodylc.models.vae import MelodyVAE
from melodylc.rewards import Rule

SHIFTS = tuple(sorted(range(-12, 13), key=lambda shift: (abs(shift), -shift)))  #: semitones, least first


def best_transposition(rule: Rule, events: Events, shift: int = 0, edits: EditSequence = ()) -> Events:
    """Melodies (n, 256), each in the transposition of which a rule thinks best once it is moved by `shift` semitones.

    At most an octave up or down; of several that are as good, the least. The best has the largest product of graded
    rewards. Those that the rule likes better once they are edited, too, are.

    >>> from melodylc.rewards import pitch_classes
    >>> rule, melody = Rule((pitch_classes([0, 4, 7]),)), np.array([[61, 128, 65, 68] + [129] * 252], np.uint8)
    >>> best_transposition(rule, melody)[0, :4]
    array([ 60, 128,  64,  67], dtype=uint8)
    """
    events = canonical(events)[0]
    ways = [transpose_events(events, way) for way in SHIFTS]
    judged = np.concatenate([transpose_events(way, shift) for way in ways])
    merit = rule.graded(judged).prod(axis=1).reshape(len(ways), len(events))
    best: Events = np.stack(ways)[merit.argmax(axis=0), np.arange(len(events))]
    if not edits:
        return best
    other = apply_edits(best, edits)
    better = rule.graded(transpose_events(other, shift)).prod(axis=1) > merit.max(axis=0)
    return np.where(better[:, None], other, best)


def reconstruct_events(vae: MelodyVAE, events: Events) -> tuple[Tensor, Events]:
    """Latents (n, z) of melodies (n, 256), and the canonical melodies (n, 256) that these lead to."""
    with torch.no_grad():
        encoding, embeddings = vae.reconstruct(torch.from_numpy(events).long(), None)
        raw = vae.decoder.greedy(embeddings.flatten(0, 1)).reshape(len(events), -1)
    return encoding.z.float(), canonical(raw.to(torch.uint8).numpy())[0]


def transpose_events(events: npt.NDArray[np.uint8], semitones: int) -> npt.NDArray[np.uint8]:
    """Melodies (n, 256) moved by so many semitones; one that would leave 0..127 stays as it is.

    >>> transpose_events(np.array([[60, 128, 129], [1, 126, 129]], np.uint8), 3)
    array([[ 63, 128, 129],
           [  1, 126, 129]], dtype=uint8)
    """
    notes, moved = events < PITCHES, events.astype(np.int64) + semitones
    fits = ~(notes & ((moved < 0) | (moved >= PITCHES))).any(axis=1, keepdims=True)
    return np.where(notes & fits, moved, events).astype(np.uint8)
