"""The rewards that come with the package, by name: a function whose parameters can be typed. A new one is a new row."""

from collections.abc import Callable

from melodylc.rewards.base import Reward
from melodylc.rewards.density import density
from melodylc.rewards.pitch import pitch_classes, tonic
from melodylc.rewards.variety import variety

BUILTIN: dict[str, Callable[..., Reward]] = {
    "pitch_classes": pitch_classes,
    "tonic": tonic,
    "density": density,
    "variety": variety,
}
