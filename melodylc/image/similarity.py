"""How alike pictures are: MS-SSIM, and with it how diverse the pictures of a label are (AC-GAN's measure).

Wang, Simoncelli and Bovik (2003), with their constants and weights:

    MS-SSIM(x, y) = l_M(x, y)^w_M * prod_j cs_j(x, y)^w_j          w = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333
    l  = (2 mu_x mu_y + C_1) / (mu_x^2 + mu_y^2 + C_1)             C_1 = 0.01^2
    cs = (2 sigma_xy + C_2) / (sigma_x^2 + sigma_y^2 + C_2)        C_2 = 0.03^2

under a Gaussian window of 11 x 11 pixels and deviation 1.5, kept inside the picture; a scale is half the one before, by
means over 2 x 2 pixels. Five scales need a side of 176. **Here there are as many as the window fits into: three at 64
pixels (64, 32, 16), two at 28 and 32, with the weights of these scales, made to sum to 1.** l * cs is averaged over the
picture and its channels at the last scale, cs at the others; a negative mean counts as 0.

Odena, Olah and Shlens (2017): the mean over random pairs of pictures of one label is low where they are diverse.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from melodylc.data.errors import InputError

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW, SPREAD = 11, 1.5
C_1, C_2 = 0.01**2, 0.03**2
PAIRS = 1000  #: of pictures of one label; with AC-GAN's 100 the mean over ten labels is uncertain by a fiftieth
CHUNK = 100


def scales(side: int) -> int:
    """How many scales fit into pictures of side x side.

    Raises:
        InputError: not even one.

    >>> [scales(side) for side in (28, 32, 64, 128, 176, 500)]
    [2, 2, 3, 4, 5, 5]
    """
    fitting = [at for at in range(len(WEIGHTS)) if side // 2**at >= WINDOW]
    if not fitting:
        raise InputError(f"MS-SSIM needs pictures of {WINDOW} pixels a side or more, not {side}")
    return len(fitting)


def ms_ssim(one: Tensor, other: Tensor) -> Tensor:
    """MS-SSIM of pictures (n, channels, side, side) in [0, 1] with as many others, (n,): 1 for the same picture.

    >>> ms_ssim(torch.ones(2, 1, 28, 28), torch.ones(2, 1, 28, 28))
    tensor([1., 1.])
    """
    count = scales(one.shape[-1])
    weights = torch.tensor(WEIGHTS[:count]) / sum(WEIGHTS[:count])
    result = one.new_ones(len(one))
    for at, weight in enumerate(weights.tolist()):
        if at:
            one, other = avg_pool2d(one, 2), avg_pool2d(other, 2)
        light, structure = _terms(one, other)
        found = light * structure if at + 1 == count else structure
        result = result * found.flatten(1).mean(1).clamp(min=0) ** weight
    return result


def likeness(pixels: Tensor, labels: Tensor, pairs: int = PAIRS, seed: int = 0) -> Tensor:
    """Mean MS-SSIM over random pairs of different pictures that have a label, for each label: (labels,).

    Args:
        pixels: (n, channels, side, side), uint8.
        labels: (n, labels), 0 or 1.
        pairs: how many for each label.
        seed: of their choice.

    NaN where fewer than two pictures have a label.
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([_alike(pixels[column > 0.5], pairs, generator) for column in labels.T])


def _alike(pixels: Tensor, pairs: int, generator: torch.Generator) -> Tensor:
    if len(pixels) < 2:
        return torch.tensor(torch.nan)
    first = torch.randint(len(pixels), (pairs,), generator=generator)
    second = (first + torch.randint(1, len(pixels), (pairs,), generator=generator)) % len(pixels)
    parts = zip(torch.split(first, CHUNK), torch.split(second, CHUNK), strict=True)
    return torch.cat([ms_ssim(pixels[one].float() / 255, pixels[two].float() / 255) for one, two in parts]).mean()


def _terms(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """l and cs at every place."""
    mean_one, mean_other = _windowed(one), _windowed(other)
    square_one, square_other = _windowed(one.square()) - mean_one**2, _windowed(other.square()) - mean_other**2
    both = _windowed(one * other) - mean_one * mean_other
    light = (2 * mean_one * mean_other + C_1) / (mean_one**2 + mean_other**2 + C_1)
    return light, (2 * both + C_2) / (square_one + square_other + C_2)


def _windowed(pictures: Tensor) -> Tensor:
    """Gaussian means, (n, channels, side - 10, side - 10), as products with a banded matrix."""
    at = torch.arange(WINDOW) - WINDOW // 2
    window = torch.exp(-(at**2) / (2 * SPREAD**2))
    side = pictures.shape[-1]
    band = torch.zeros(side - WINDOW + 1, side)
    for row in range(len(band)):
        band[row, row : row + WINDOW] = window / window.sum()
    band = band.to(pictures)
    return band @ pictures @ band.T
