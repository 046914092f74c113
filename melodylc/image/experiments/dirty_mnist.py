"""Dirty-MNIST, reimplemented: MNIST, and ambiguous digits of several right answers.

Mukhoti, Kirsch, van Amersfoort, Torr and Gal (2021), appendix on Dirty-MNIST, and how their files are read
(BlackHC/ddu_dirty_mnist): 6,000 ambiguous digits with ten labels each, which makes 60,000, beside MNIST's own.

1. A digit is what a VAE decodes from a mixture a z_1 + (1 - a) z_2 of the encodings of two digits; here of different
   classes, a ~ U(0.3, 0.7).
2. An ensemble of classifiers judges it: p is the mean of their answers. Where they disagree, measured by the mutual
   information I = H(p) - mean_k H(p_k), it is junk and goes; here where I is in the upper half.
3. Of the rest as many are kept of each class (the largest of p), spread evenly over the entropy H(p): of each class, a
   tenth of its share from every tenth of its range of entropies, as far as there are any.
4. Its ten labels are drawn from p. Normal noise of 0.05 of MNIST's deviation (0.3081) is added to each of ten copies.

The paper was not at hand when this was written: the steps are what is known of its appendix, sizes, copies and noise
are read off the authors' package. The mixture, the cut-off, the bins, and how many are looked at (`DRAWN` for each one
kept, which decides how ambiguous they get), are ours. VAE and ensemble serve for nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.image.models import PictureClassifier, PictureVAE

COPIES = 10  #: labels of an ambiguous digit
DIGIT_NOISE = 0.05 * 0.3081
ENTROPY_BINS = 10
DRAWN = 16  #: mixtures looked at for each one kept: few are as ambiguous as the last bins want
_CHUNK = 256


@dataclass(frozen=True)
class AmbiguousDigits:
    """Ambiguous digits, each as often as it has labels."""

    pictures: Tensor  #: (n * 10, 1, 28, 28) in [0, 1]
    classes: Tensor  #: (n * 10,) class numbers
    entropy: Tensor  #: (n,) of p, in nats


@torch.no_grad()
def ambiguous_digits(
    vae: PictureVAE, judges: Sequence[PictureClassifier], pictures: Tensor, classes: Tensor, count: int, seed: int = 0
) -> AmbiguousDigits:
    """`count` ambiguous digits from real ones (m, 1, 28, 28) in [0, 1] with class numbers (m,).

    Raises:
        InputError: fewer than two classes, or fewer than two judges.
    """
    if len(judges) < 2 or len(set(classes.tolist())) < 2:
        raise InputError("ambiguous digits take two classes and an ensemble of two classifiers or more")
    generator = torch.Generator().manual_seed(seed)
    mixed = _mixtures(vae, pictures, classes, DRAWN * count, generator)
    answers = torch.stack([_answers(judge, mixed) for judge in judges])
    mean = answers.mean(dim=0)
    doubt = entropy(mean) - entropy(answers).mean(dim=0)
    sound = torch.nonzero(doubt <= doubt.median())[:, 0]
    chosen = sound[spread_evenly(mean[sound].argmax(dim=1), entropy(mean[sound]), count, generator)]
    labels = torch.multinomial(mean[chosen], COPIES, replacement=True, generator=generator)
    copies = mixed[chosen].repeat_interleave(COPIES, dim=0)
    noisy = copies + DIGIT_NOISE * torch.randn(copies.shape, generator=generator)
    return AmbiguousDigits(noisy, labels.flatten(), entropy(mean[chosen]))


def entropy(answers: Tensor) -> Tensor:
    """In nats, of probabilities (..., classes).

    >>> round(entropy(torch.tensor([0.5, 0.5])).item(), 4), entropy(torch.tensor([1.0, 0.0])).item()
    (0.6931, 0.0)
    """
    nats: Tensor = torch.special.entr(answers).sum(dim=-1)
    return nats


def spread_evenly(kinds: Tensor, values: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` row numbers at most: of each kind as many, and of a kind as many from each tenth of its range."""
    names = sorted(set(kinds.tolist()))
    share, chosen = -(-count // len(names)), []
    for name in names:
        rows = torch.nonzero(kinds == name)[:, 0]
        rows = rows[torch.randperm(len(rows), generator=generator)]
        chosen.append(rows[_even(values[rows], share)])
    found = torch.cat(chosen)
    return found[torch.randperm(len(found), generator=generator)][:count]


def _even(values: Tensor, count: int) -> Tensor:
    """Positions of `count` values, taken in turn from the bins of their range."""
    low, high = values.min(), values.max()
    bins = ((values - low) / (high - low).clamp(min=1e-9) * ENTROPY_BINS).long().clamp(max=ENTROPY_BINS - 1)
    turn = torch.zeros(len(values), dtype=torch.long)
    for at in set(bins.tolist()):
        members = torch.nonzero(bins == at)[:, 0]
        turn[members] = torch.arange(len(members))
    return turn.argsort(stable=True)[:count]


def _mixtures(vae: PictureVAE, pictures: Tensor, classes: Tensor, count: int, generator: torch.Generator) -> Tensor:
    first, second = (torch.randint(len(classes), (4 * count,), generator=generator) for _ in range(2))
    pairs = torch.nonzero(classes[first] != classes[second])[:count, 0]
    first, second = first[pairs], second[pairs]
    used, places = torch.unique(torch.cat([first, second]), return_inverse=True)
    means = torch.cat([vae.encode(part).mean for part in torch.split(pictures[used], _CHUNK)])
    one, other = means[places].chunk(2)
    share = 0.3 + 0.4 * torch.rand(len(one), 1, generator=generator)
    return torch.cat([vae.decode(part) for part in torch.split(share * one + (1 - share) * other, _CHUNK)])


def _answers(judge: PictureClassifier, pictures: Tensor) -> Tensor:
    return torch.cat([judge(part).softmax(dim=1) for part in torch.split(pictures, _CHUNK)])
