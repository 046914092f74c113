"""The common requests: what one actor serves that is told which of them is asked.

    one of the 12 sets of notes of a major scale,
    ending anywhere, on the tonic of that scale, or on that of its relative minor,
    with any density, or low, medium or high,

each with variety beside it: 144 requests. A request in one key is the same in another, transposed, so that actor knows
the twelve in C alone. Its label says which of seven rewards are asked: a one for each.
"""

from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from melodylc.edits.operators import EditSequence
from melodylc.rewards import Reward, Rule, density, pitch_classes, tonic, variety
from melodylc.rewards.density import LEVELS

IDENTITY = "common requests in C"
MAJOR = (0, 2, 4, 5, 7, 9, 11)
ENDS = (None, 0, 9)  #: semitones from the set's major tonic to the note that a melody ends on
DENSITIES = (None, *LEVELS)
PARTS: tuple[Reward, ...] = (
    pitch_classes(MAJOR),
    *(tonic(end) for end in ENDS if end is not None),
    *(density(*LEVELS[name]) for name in LEVELS),
    variety(),
)
"""All that may be asked in C, of which nothing is all at once."""


class CommonRequest(NamedTuple):
    """One of the 144.

    >>> CommonRequest(0, 2, 3).rule.identity
    'density(192..) & pitch_classes(0,2,4,5,7,9,11) & tonic(9) & variety(7 pitches, 9 bars)'
    """

    root: int  #: of the major scale with these notes, 0..11
    end: int  #: place in `ENDS`
    density: int  #: place in `DENSITIES`

    @property
    def rule(self) -> Rule:
        """The rule that it stands for."""
        asked: list[Reward] = [pitch_classes((note + self.root) % 12 for note in MAJOR)]
        if (end := ENDS[self.end]) is not None:
            asked.append(tonic((self.root + end) % 12))
        if name := DENSITIES[self.density]:
            asked.append(density(*LEVELS[name]))
        return Rule((*asked, variety()))

    @property
    def label(self) -> Tensor:
        """Which of `PARTS` are asked, in C: (7,), 1 or 0.

        >>> CommonRequest(7, 2, 1).label.tolist()
        [1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]
        """
        asked = self._replace(root=0).rule.names
        return torch.tensor([float(part.name in asked) for part in PARTS])

    @property
    def edits(self) -> EditSequence:
        """What is done to melodies in C first: notes bent into the scale, and, for a high density, divided."""
        snapped: EditSequence = (("snap", *MAJOR),)
        return (*snapped, ("divide", 1, 1)) if DENSITIES[self.density] == "high" else snapped


REQUESTS = tuple(CommonRequest(*places) for places in product(range(12), range(len(ENDS)), range(len(DENSITIES))))
IN_C = tuple(request for request in REQUESTS if request.root == 0)
_BY_RULE = {request.rule.identity: request for request in REQUESTS}
_LABELS = torch.stack([request.label for request in IN_C])


def common_request(rule: Rule) -> CommonRequest | None:
    """The common request that asks the same as a rule, or None.

    >>> common_request(CommonRequest(7, 0, 1).rule)
    CommonRequest(root=7, end=0, density=1)
    """
    return _BY_RULE.get(rule.identity)


def draw(count: int, generator: torch.Generator) -> Tensor:
    """Labels (n, 7) of `count` of the requests in C, each as likely as any other."""
    return _LABELS[torch.randint(len(_LABELS), (count,), generator=generator)]
