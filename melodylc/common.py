"""The common requests: what one actor serves that is told which of them is asked.

    one of the 12 sets of notes of a major scale,
    ending anywhere, on the tonic of that scale, or on that of its relative minor,
    with any density, or low, medium or high,

each with variety beside it: 144 requests. As labels they are three one-hot vectors, 12 + 3 + 4 numbers. Three actors
ship, without labels; for each of the 144 one of them begins so near that mending does the rest (`CommonRequest.near`).
"""

from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from melodylc.data.alphabet import canonical
from melodylc.rewards import Reward, Rule, density, pitch_classes, tonic, variety
from melodylc.rewards.base import Events, Scores
from melodylc.rewards.density import LEVELS

IDENTITY = "common requests"
PARTS = ("pitch_classes", "tonic", "density", "variety")  #: what a request is scored by
MAJOR = (0, 2, 4, 5, 7, 9, 11)
ENDS = (None, 0, 9)  #: semitones from the set's major tonic to the note that a melody ends on
DENSITIES = (None, *LEVELS)
SIZES = (12, len(ENDS), len(DENSITIES))
LABELS = sum(SIZES)

_SETS = tuple(pitch_classes((note + root) % 12 for note in MAJOR) for root in range(12))
_TONICS = tuple(tonic(note) for note in range(12))
_DENSITIES = tuple(density(*LEVELS[name]) for name in LEVELS)
_VARIETY = variety()


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
        asked: list[Reward] = [_SETS[self.root]]
        if (end := ENDS[self.end]) is not None:
            asked.append(_TONICS[(self.root + end) % 12])
        if self.density:
            asked.append(_DENSITIES[self.density - 1])
        return Rule((*asked, _VARIETY))

    @property
    def near(self) -> "CommonRequest":
        """The one whose actor ships that its draws are begun as, in C: 192 notes, a minor tonic, or neither.

        >>> CommonRequest(7, 2, 1).near.rule.identity
        'pitch_classes(0,2,4,5,7,9,11) & tonic(9) & variety(7 pitches, 9 bars)'
        """
        dense, minor = self.density == DENSITIES.index("high"), self.end == ENDS.index(9)
        return CommonRequest(0, self.end if minor and not dense else 0, self.density if dense else 0)

    @property
    def label(self) -> Tensor:
        """Three ones among `LABELS` numbers."""
        hot = torch.zeros(LABELS)
        hot[[self.root, SIZES[0] + self.end, SIZES[0] + SIZES[1] + self.density]] = 1
        return hot


REQUESTS = tuple(CommonRequest(*places) for places in product(*map(range, SIZES)))
_BY_RULE = {request.rule.identity: request for request in REQUESTS}


def common_request(rule: Rule) -> CommonRequest | None:
    """The common request that asks the same as a rule, or None.

    >>> common_request(CommonRequest(7, 0, 1).rule)
    CommonRequest(root=7, end=0, density=1)
    """
    return _BY_RULE.get(rule.identity)


def draw(count: int, generator: torch.Generator) -> Tensor:
    """Labels (n, 19) of `count` common requests, each as likely as any other."""
    parts = [torch.nn.functional.one_hot(torch.randint(size, (count,), generator=generator), size) for size in SIZES]
    return torch.cat(parts, dim=1).float()


def roots(told: Tensor) -> Tensor:
    """Roots (n,), int64, 0..11, of the sets of notes that labels (n, 19) name."""
    return told[:, : SIZES[0]].argmax(dim=1)


def scores(events: Events, told: Tensor) -> Scores:
    """Scores (n, 4) of melodies (n, 256), each by the request that its label (n, 19) names; what isn't asked holds."""
    melodies = canonical(events)[0]
    roots, ends, densities = (part.argmax(dim=1).numpy() for part in torch.split(told, list(SIZES), dim=1))
    shifts = np.array([0 if end is None else end for end in ENDS])
    held = np.ones((len(melodies), len(PARTS)))
    for column, asked, rewards in (
        (0, roots, _SETS),
        (1, np.where(ends > 0, (roots + shifts[ends]) % 12, -1), _TONICS),
        (2, densities - 1, _DENSITIES),
    ):
        for place in np.unique(asked[asked >= 0]):
            rows = asked == place
            held[rows, column] = rewards[place].batch(melodies[rows])
    held[:, 3] = _VARIETY.batch(melodies)
    return held
