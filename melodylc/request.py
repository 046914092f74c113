"""What a user asks for: of a melody (a request), and of a whole run (an order). No torch in here."""

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from melodylc.data.errors import InputError
from melodylc.data.keys import Scale
from melodylc.data.midi import check_tempo
from melodylc.rewards import Density, Reward, Rule, pitch_classes, tonic, variety


@dataclass(frozen=True)
class Request:
    """A scale, an ending and a density, each of them optional; and with any of them variety, unless it is waived.

    Raises:
        InputError: an end on the tonic of a set of notes that has none.

    >>> from melodylc import parse_scale
    >>> Request(scale=parse_scale("am")).rule.identity
    'pitch_classes(0,2,4,5,7,9,11) & tonic(9) & variety(7 pitches, 9 bars)'
    """

    scale: Scale | None = None
    density: Density | None = None
    end_on_tonic: bool | None = None  #: None: where only the tonic tells the scale from others (`Scale.told_by_tonic`)
    varied: bool = True  #: whether a melody must not obey by monotony

    def __post_init__(self) -> None:
        if self.end_on_tonic and self.scale is not None and self.scale.tonic is None:
            raise InputError(
                f"{self.scale.name} has no tonic to end on: name one, as in --scale '{self.scale.name} tonic "
                f"{self.scale.name.split(',')[0]}'"
            )

    @property
    def ends_on_tonic(self) -> bool:
        """Whether the last note must be the tonic."""
        if self.scale is None or self.end_on_tonic is not None:
            return self.scale is not None and bool(self.end_on_tonic)
        return self.scale.told_by_tonic

    @property
    def rule(self) -> Rule | None:
        """The rule, or None where nothing is asked."""
        parts: list[Reward] = []
        if self.scale is not None:
            parts.append(pitch_classes(self.scale.pitch_classes))
        if self.scale is not None and self.scale.tonic is not None and self.ends_on_tonic:
            parts.append(tonic(self.scale.tonic))
        if self.density is not None:
            parts.append(self.density)
        if parts and self.varied:
            parts.append(variety())
        return Rule(tuple(parts)) if parts else None

    @property
    def words(self) -> list[str]:
        """The options that ask for this, as the command line takes them."""
        words = []
        if self.scale is not None:
            words += ["--scale", self.scale.slug]
        if self.scale is not None and self.end_on_tonic is not None:
            words += ["--tonic" if self.end_on_tonic else "--no-tonic"]
        if self.density is not None:
            words += ["--density", f"{self.density.least}..{self.density.most or ''}"]
        return words if self.varied else [*words, "--no-variety"]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        return {
            "scale": self.scale.name if self.scale else None,
            "density": self.density.name if self.density else None,
            "ends_on_tonic": self.ends_on_tonic,
            "varied": self.varied,
        }


@dataclass(frozen=True)
class Order:
    """How many melodies of what kind, from which seed.

    Raises:
        InputError: a count below 1, a negative seed, a tempo that MIDI can't hold.
    """

    request: Request = field(default_factory=Request)
    count: int = 8
    seed: int = 0
    tempo: float = 120.0  #: quarter notes a minute
    draws: int = 100  #: most latents decoded for one melody
    verify: bool = True  #: whether only melodies that obey are written
    model: Path | None = None  #: None: the shipped one

    def __post_init__(self) -> None:
        for name, least in (("count", 1), ("draws", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name} is a whole number from {least} up, not {getattr(self, name)}")
        check_tempo(self.tempo)

    @property
    def budget(self) -> int:
        """Draws that one melody may take: a single one where nothing is verified."""
        return self.draws if self.verify else 1

    @property
    def folder_name(self) -> str:
        """A folder for this order where the user names none, such as "melodylc-cmaj-192+-seed7".

        >>> Order(seed=7).folder_name
        'melodylc-free-seed7'
        """
        request = self.request
        parts = [request.scale.slug] if request.scale else []
        if request.density is not None:
            most = request.density.most
            parts.append(f"{request.density.least}+" if most is None else f"{request.density.least}-{most}")
        return "-".join(["melodylc", *(parts or ["free"]), f"seed{self.seed}"])

    @property
    def command(self) -> str:
        """The command line that makes these melodies again.

        >>> Order(count=2).command
        'melodylc generate -n 2 --seed 0'
        """
        words = ["melodylc", "generate", *self.request.words, "-n", str(self.count), "--seed", str(self.seed)]
        defaults = Order()
        if self.tempo != defaults.tempo:
            words += ["--tempo", f"{self.tempo:g}"]
        if self.draws != defaults.draws:
            words += ["--draws", str(self.draws)]
        if not self.verify:
            words += ["--no-verify"]
        if self.model is not None:
            words += ["--model", str(self.model)]
        return shlex.join(words)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest; two orders with equal ones make the same files."""
        return {
            **self.request.to_dict(),
            "count": self.count,
            "seed": self.seed,
            "tempo": self.tempo,
            "draws": self.draws,
            "verify": self.verify,
            "model": str(self.model) if self.model else None,
        }
