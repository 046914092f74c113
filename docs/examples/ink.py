"""Three rules on pictures, whatever they show: light, symmetry, and where the ink is.

melodylc image generate --dataset mnist --reward docs/examples/ink.py:left -n 8 -o left.png

All are graded up to what they ask for. A picture is 64 x 64 here; black is 0.
"""

from melodylc import reward
from melodylc.data.pictures.picture import Picture


@reward(domain="pictures")
def bright(picture: Picture, least: float = 0.25) -> float:
    """Mean brightness."""
    return min(1.0, float(picture.grey.mean()) / least)


@reward(domain="pictures")
def symmetric(picture: Picture, least: float = 0.95) -> float:
    """Like its mirror image: 1 less the mean difference from it."""
    return min(1.0, float(1 - abs(picture.grey - picture.grey[:, ::-1]).mean()) / least)


@reward(domain="pictures")
def left(picture: Picture, share: float = 0.7) -> float:
    """Ink of the left half, as a share of all."""
    grey = picture.grey
    return min(1.0, float(grey[:, :32].sum()) / max(float(grey.sum()), 1e-9) / share)
