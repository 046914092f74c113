"""What a user asks of a melody: scales, densities, chords, rewards. No torch in here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from melodylc.constraints.presets import form_reward, over_and_over, place_motif
from melodylc.data.alphabet import BARS, PITCHES, STEPS
from melodylc.data.chords import Progression, parse_progression
from melodylc.data.errors import InputError
from melodylc.data.keys import Scale, parse_scale
from melodylc.data.melody import pitch_name
from melodylc.data.ranges import MiddleC, PitchRange, parse_range, range_name
from melodylc.rewards import (
    Chords,
    Density,
    Form,
    Motif,
    Reward,
    Rule,
    Variety,
    parse_density,
    parse_reward,
    pitch_classes,
    register,
    tonic,
    variety,
)
from melodylc.rewards.domains import MELODIES
from melodylc.rewards.isolation import SECONDS
from melodylc.rewards.specs import Find, existing

LENGTHS = (2, 4, 8, 16)  #: bars that a melody may have
SHORT_VARIETY = {2: (4, 2), 4: (6, 3), 8: (7, 4)}
"""Different pitches and bars that nineteen in twenty stretches of so many bars of training melodies have."""
_FEWEST_PITCHES = 3  #: in a range: with fewer there is no melody


class NamedReward(NamedTuple):
    """A reward, and how it was typed."""

    text: str
    reward: Reward
    typed: bool = True  #: False: a reward of Python, which no text stands for


@dataclass(frozen=True)
class Request:
    """Scales, densities, rewards and a progression; and with any of them variety, unless it is waived.

    A variety of one's own among the rewards takes the place of that.

    Raises:
        InputError: two that exclude each other, such as a chord and a scale without a common note; a reward that
            doesn't judge melodies; an end on the tonic of a set of notes that has none.

    >>> Request.read(scale=["am"]).rule.identity
    'pitch_classes(0,2,4,5,7,9,11) & tonic(9) & variety(7 pitches, 9 bars)'
    """

    scales: tuple[Scale, ...] = ()  #: notes must be in all of them; the first is the key that files are written in
    densities: tuple[Density, ...] = ()
    rewards: tuple[NamedReward, ...] = ()
    end_on_tonic: bool | None = None  #: None: where only the tonic tells a scale from others (`Scale.told_by_tonic`)
    chords: Progression | None = None  #: that a melody must fit; see `melodylc.rewards.chords`
    varied: bool = True  #: whether a melody must not obey by monotony
    seconds: float = SECONDS  #: that a call of a user's reward may take
    pitch_range: PitchRange | None = None  #: in which every note lies; None: anywhere
    motif: Motif | None = None  #: that is written into the bars it names, and judged there
    length: int = BARS  #: bars of a melody, one of `LENGTHS`; a rule judges them over and over, up to sixteen

    def __post_init__(self) -> None:
        self._check_length()
        if self.pitch_range and len(self._pitches) < _FEWEST_PITCHES:
            inside = " and ".join(scale.name for scale in self.scales)
            raise InputError(
                f"{range_name(self.pitch_range)} holds {len(self._pitches)} pitches{f' of {inside}' * bool(inside)}: "
                f"a range has {_FEWEST_PITCHES} at least, so widen it"
            )
        homeless = next((scale for scale in self.scales if scale.tonic is None), None)
        if self.end_on_tonic and homeless:
            raise InputError(
                f"{homeless.name} has no tonic to end on: name one, as in --scale '{homeless.name} tonic "
                f"{homeless.name.split(',')[0]}'"
            )
        self._check_motif()
        for chord in self.chords.chords if self.chords else ():
            for scale in self.scales:
                if not chord.allowed & scale.pitch_classes:
                    raise InputError(f"no note of the chord {chord.name} is in {scale.name}: change one of the two")
        if self.rule is not None and self.rule.domain != MELODIES:
            raise InputError(f"{self.rule.names[0]} judges {self.rule.domain}, and what is written here are melodies")

    @classmethod
    def read(
        cls,
        scale: Sequence[str] = (),
        density: Sequence[str] = (),
        reward: Sequence[str] = (),
        tonic: bool | None = None,
        variety: bool = True,
        seconds: float = SECONDS,
        find: Find = existing,
        chords: str | None = None,
        pitch_range: str | None = None,
        middle_c: MiddleC = "C4",
        length: int = BARS,
        form: str | None = None,
        motif: str | None = None,
    ) -> Self:
        """The request that someone typed; the inverse of `to_dict`. `find` says where a reward's file is.

        A form is the reward of that name, and a motif notes or a file (`melodylc.constraints.presets`).

        Numerals among the chords count in the first scale.

        Raises:
            InputError: an unknown scale or range, a density out of range, a reward that can't be loaded, an ending of
                no scale, a chord that can't be read.
        """
        if tonic is not None and not scale:
            raise InputError(f"--{'' if tonic else 'no-'}tonic asks about the tonic of a scale: give --scale too")
        scales = tuple(parse_scale(text) for text in scale)
        if (form is not None or motif is not None) and length not in LENGTHS:
            cls(length=length)  # refuses it
        rewards = list(reward) if form is None else [*reward, form_reward(form, length)]
        return cls(
            scales=scales,
            densities=tuple(parse_density(text) for text in density),
            rewards=tuple(NamedReward(text, parse_reward(text, seconds=seconds, find=find)) for text in rewards),
            end_on_tonic=tonic,
            chords=None if chords is None else parse_progression(chords, scales[0] if scales else None),
            varied=variety,
            seconds=seconds,
            pitch_range=None if pitch_range in (None, "any") else parse_range(pitch_range, middle_c),
            motif=None if motif is None else place_motif(motif, length),
            length=length,
        )

    @property
    def scale(self) -> Scale | None:
        """The scale that files are written in."""
        return self.scales[0] if self.scales else None

    @property
    def rule(self) -> Rule | None:
        """The rule, or None where nothing is asked."""
        parts: list[Reward] = [pitch_classes(scale.pitch_classes) for scale in self.scales]
        parts += [tonic(scale.tonic) for scale in self.scales if scale.tonic is not None and self._ends(scale)]
        parts += [] if self.chords is None else [Chords(self.chords.first(self.length))]
        parts += [*self.densities, *(asked.reward for asked in self.rewards)]
        parts += [] if self.motif is None else [over_and_over(self.motif, self.length)]
        if self.pitch_range:
            parts.append(register(*self.pitch_range))
        if parts and self.varied and not any(isinstance(part.raw, Variety) for part in parts):
            usual = variety(*SHORT_VARIETY.get(self.length, ()))
            few = min(usual.pitches, len(self._pitches)) if self.pitch_range else usual.pitches
            parts.append(variety(few, min(usual.bars, self._different_bars)))
        return Rule(tuple(parts)) if parts else None

    @property
    def words(self) -> list[str]:
        """The options that ask for this, as the command line takes them."""
        words = [word for scale in self.scales for word in ("--scale", scale.slug)]
        if self.end_on_tonic is not None:
            words += ["--tonic" if self.end_on_tonic else "--no-tonic"]
        words += [word for density in self.densities for word in ("--density", _typed(density))]
        words += [] if self.chords is None else ["--chords", self.chords.name]
        words += [word for asked in self.rewards for word in ("--reward", asked.text)]
        if self.pitch_range:
            words += ["--range", range_name(self.pitch_range)]
        words += [] if self.motif is None else ["--motif", self._motif_text]
        words += [] if self.length == BARS else ["--length", str(self.length)]
        return words if self.varied else [*words, "--no-variety"]

    @property
    def typed(self) -> bool:
        """Whether a command line can ask for this."""
        return all(named.typed for named in self.rewards)

    @property
    def slugs(self) -> list[str]:
        """Parts of a folder's name, such as "cmaj" and "64-96"."""
        densities = [_typed(density).replace("..", "-") for density in self.densities]
        names = [name for asked in self.rewards for name in re.findall(r"([A-Za-z_]\w*)\(", asked.reward.name)]
        chords = [] if self.chords is None else [re.sub(r"[^\w#]+", "-", self.chords.name)[:40].strip("-")]
        names += [range_name(self.pitch_range).replace("..", "-").lower()] if self.pitch_range else []
        others = ["motif"] if self.motif is not None else []
        others += [] if self.length == BARS else [f"{self.length}bars"]
        densities = [re.sub("-$", "+", it) for it in densities]
        return [*(scale.slug for scale in self.scales), *densities, *chords, *names, *others]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest or an actor's file."""
        return {
            "scale": [scale.name for scale in self.scales],
            "density": [_typed(density) for density in self.densities],
            "reward": [asked.text for asked in self.rewards],
            "chords": None if self.chords is None else self.chords.name,
            "tonic": self.end_on_tonic,
            "variety": self.varied,
            **({"pitch_range": range_name(self.pitch_range)} if self.pitch_range else {}),
            **({} if self.motif is None else {"motif": self._motif_text}),
            **({} if self.length == BARS else {"length": self.length}),
        }

    def _check_motif(self) -> None:
        """Refuse a motif with notes that are in no melody that is asked for.

        Raises:
            InputError: there are some.
        """
        lowest, highest = self.pitch_range or (0, PITCHES - 1)
        for note in () if self.motif is None else self.motif.motif_notes:
            outside = next((scale.name for scale in self.scales if not scale.mask[note.pitch % 12]), None)
            if not lowest <= note.pitch <= highest:
                outside = range_name((lowest, highest))
            if outside:
                raise InputError(
                    f"the motif has {pitch_name(note.pitch)}, which is not in {outside}: change one of the two"
                )

    def _check_length(self) -> None:
        """Refuse a length that isn't offered, and what doesn't fit into it.

        Raises:
            InputError: such a length, chords of more bars, or a density that no number of notes in so many bars has.
        """
        if self.length not in LENGTHS:
            raise InputError(
                f"a melody has {', '.join(map(str, LENGTHS[:-1]))} or {LENGTHS[-1]} bars, not {self.length}"
            )
        if self.chords and len(self.chords.bars) > self.length:
            raise InputError(
                f"the chords take {len(self.chords.bars)} bars and the melody has {self.length}: "
                "write fewer of them, or ask for a longer melody"
            )
        times = BARS // self.length
        for asked in self.densities:
            if -(-asked.least // times) * times > (asked.most or STEPS):
                raise InputError(
                    f"no number of notes in {self.length} bars is a density of {_typed(asked)}, which counts sixteen: "
                    f"widen it to {asked.least}..{-(-asked.least // times) * times}"
                )

    @property
    def _motif_text(self) -> str:
        return "" if self.motif is None else f"{self.motif.notes},bars={','.join(map(str, self.motif.bars))}"

    @property
    def _different_bars(self) -> int:
        """Different bars that variety may ask for: of those that a form leaves room for, as many as of sixteen."""
        forms = [asked.reward.raw.pattern for asked in self.rewards if isinstance(asked.reward.raw, Form)]
        room = min((len(set(pattern)) * BARS // len(pattern) for pattern in forms), default=BARS)
        return -(-room * variety().bars // BARS)

    @property
    def _pitches(self) -> list[int]:
        """The pitches of the range that are in every scale."""
        lowest, highest = self.pitch_range or (0, PITCHES - 1)
        return [pitch for pitch in range(lowest, highest + 1) if all(scale.mask[pitch % 12] for scale in self.scales)]

    def _ends(self, scale: Scale) -> bool:
        return scale.told_by_tonic if self.end_on_tonic is None else self.end_on_tonic


def _typed(density: Density) -> str:
    """A density as one types it, such as "64..96"."""
    return density.name.removeprefix("density(").removesuffix(")")
