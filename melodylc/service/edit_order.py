"""What a user asks for who has a melody already. No torch in here."""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from melodylc.constraints.request import Request
from melodylc.constraints.transposable import check_transposable
from melodylc.data.alphabet import BARS
from melodylc.data.errors import InputError
from melodylc.data.files import fingerprint_bytes, fingerprint_file
from melodylc.data.keys import NOTES, Scale, parse_scale
from melodylc.data.melody import Melody
from melodylc.data.source import Choice, Source
from melodylc.data.tonality import estimate_key, transposition
from melodylc.data.writing import Writing
from melodylc.models.config import PriorName
from melodylc.rewards.isolation import SECONDS

Mover = Literal["actor", "optimize"]
"""What moves latents towards a rule: its actor, or optimisation along the slope of its critic."""
What = Literal["transform", "reconstruct", "vary", "interpolate", "morph", "continue", "fill"]
MOST_OCTAVES = 8
ADDS = ("continue", "fill")  #: what writes bars to bars that stay


@dataclass(frozen=True)
class EditOrder:
    """Which melodies are made anew, how many times and how.

    Raises:
        InputError: a number out of range, a transformation or morph without a rule, more melodies than a file holds.
    """

    what: What
    sources: tuple[Source, ...] = ()  #: none: a morph begins with a melody of the model's own
    choice: Choice = field(default_factory=Choice)  #: how they were found in their files
    request: Request = field(default_factory=lambda: Request(varied=False))
    to: Scale | None = None  #: the scale in which a morph ends
    count: int = 1
    seed: int = 0
    writing: Writing = field(default_factory=Writing)
    method: Mover = "actor"
    strength: float | None = None  #: of a transformation, in [0, 1]; None: no farther than the rule needs
    distance: float = 0.3  #: of a variation, in (0, 1]
    refine: int = 60  #: steps in which a reconstruction's posterior is fitted to the melody; 0: the encoder's answer
    keys: bool = True  #: whether a transformation may move a melody to another key as a whole
    octave: int = 0  #: octaves by which a transformation moves a melody, in any case
    to_key: Scale | None = None  #: the key to which a melody is transposed, and nothing else is done
    keep: tuple[int, ...] = ()  #: bars of the file that stay, for fill and vary; continue keeps all that are taken
    new_bars_only: bool = False  #: whether the rule judges the bars that are written and no others
    alike: bool = True  #: whether new bars keep to the key, range and density of those that stay
    model: Path | None = None  #: None: the shipped one
    prior: PriorName | None = None  #: None: the best that the model has

    def __post_init__(self) -> None:
        for name, least in (("count", 1), ("seed", 0), ("refine", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name} is a whole number from {least} up, not {getattr(self, name)}")
        if not 0 < self.distance <= 1:
            raise InputError(f"--distance is above 0, the melody itself, up to 1, a stranger, not {self.distance:g}")
        if self.strength is not None and not 0 <= self.strength <= 1:
            raise InputError(f"--strength is 0 to 1, not {self.strength:g}")
        if not -MOST_OCTAVES <= self.octave <= MOST_OCTAVES:
            raise InputError(f"--octave is -{MOST_OCTAVES} to {MOST_OCTAVES}, not {self.octave}")
        if self.to_key is not None and self.request.rule is not None:
            raise InputError("--to-key transposes and no more, and a rule is followed by more: leave one of them out")
        if self.what == "transform" and self.request.rule is None:
            if self.to_key is None and not self.octave:
                raise InputError(
                    "no rule to follow: give --scale, --density, --chords, --range or --reward, or transpose by "
                    "--to-key or --octave"
                )
            if self.count > 1:
                raise InputError(f"a transposition is one melody, not {self.count}: leave -n out, or give a rule")
            if self.to_key is not None and self.to_key.tonic is None:
                raise InputError(f"--to-key takes a key, with a tonic, and {self.to_key.name} has none")
        if self.what in ADDS or (self.what == "vary" and self.keep):
            _check_given(self)
        if self.what == "vary" and self.keep and self.request.rule is not None:
            raise InputError(
                "vary --keep leaves bars as they are, and a rule might change them: leave the rule out, or write the "
                f"other bars by it (melodylc fill --keep {bars_text(self.keep)})"
            )
        if self.what == "morph" and (self.to is None or not self.request.scales):
            raise InputError("a morph goes from one scale to another: give --scale and --to-scale")
        if self.what == "morph" and self.writing.transpose:
            raise InputError("a morph passes through several scales: leave --transpose out")
        if self.writing.with_chords and self.request.chords is None:
            raise InputError("--with-chords writes the chords that are asked for: give --chords, too")
        self.writing.check_count(self.count + len(self.sources))
        check_transposable(self.request, self.writing.transpose)

    @property
    def requests(self) -> tuple[Request, ...]:
        """What each of the melodies is to follow; one for all but in a morph."""
        if self.to is None:
            return (self.request,) * self.count
        scales = list(scales_between(self.request.scales[0], self.to, self.count))
        return tuple(replace(self.request, scales=(scale, *self.request.scales[1:])) for scale in scales)

    @property
    def given(self) -> tuple[int, ...]:
        """Which of the melody's sixteen bars stay, 0..15; none where none has to."""
        if self.what == "continue":
            return tuple(range(self.sources[0].bars))
        return tuple(bar - self.sources[0].first for bar in self.keep)

    def transposed(self, melody: Melody) -> Melody:
        """A melody moved by octaves and to a key, nothing else.

        Raises:
            InputError: a note leaves 0..127.
        """
        start = melody.transposed(12 * self.octave)
        return start.transposed(transposition(start, self.to_key)) if self.to_key else start

    @property
    def _kept(self) -> list[int]:
        return [bar + self.sources[0].first for bar in self.given]

    @property
    def _adding(self) -> dict[str, bool]:
        return {"new_bars_only": self.new_bars_only, "alike": self.alike}

    @property
    def folder_name(self) -> str:
        """A folder where the user names none, such as "song-transform-gmin-seed7"."""
        names = [Path(source.file).stem[:40] or "melody" for source in self.sources] or ["melodylc"]
        target = self.to or self.to_key
        to = ["to", target.slug] if target else [f"octave{self.octave:+d}"] if self.octave else []
        return "-".join([*names, self.what, *self.request.slugs, *to, f"seed{self.seed}"])

    @property
    def name_parts(self) -> list[str]:
        """What stands first in the names of files: the sources' names, and what was done, where it isn't to transform.

        >>> EditOrder("reconstruct").name_parts
        ['melodylc', 'reconstruct']
        """
        names = [Path(source.file).stem[:25] or "melody" for source in self.sources] or ["melodylc"]
        return names if self.what == "transform" else [*names, self.what]

    @property
    def command(self) -> str | None:
        """The command line that makes these melodies again; None where no command line can ask for a rule of Python."""
        if not self.request.typed or not all(source.file for source in self.sources):
            return None
        words = [
            "melodylc",
            self.what,
            *(source.file for source in self.sources),
            *self._chosen(),
            *self._request_words(),
        ]
        words += [
            "-n",
            str(self.count),
            "--seed",
            str(self.seed),
            "--tempo",
            repr(self.writing.tempo).removesuffix(".0"),
        ]
        words += replace(self.writing, tempo=Writing().tempo).words
        for name, value in (("model", self.model), ("prior", self.prior)):
            words += [f"--{name}", str(value)] if value is not None else []
        return shlex.join(words)

    def _chosen(self) -> Iterator[str]:
        choice = self.choice
        if choice.track is not None:
            yield from ("--track", choice.track)
        if choice.bars is not None:
            yield from ("--bars", f"{choice.bars[0]}..{choice.bars[1]}")
        if choice.short is not None:
            yield from ("--short", choice.short)
        if choice.as_four_four:
            yield "--as-4/4"

    def _request_words(self) -> Iterator[str]:
        yield from (word for word in self.request.words if word != "--no-variety")
        if self.request.rule is not None and self.request.varied:
            yield "--variety"
        if self.request.seconds != SECONDS:
            yield from ("--reward-seconds", f"{self.request.seconds:g}")
        if self.to is not None:
            yield from ("--to-scale", self.to.slug)
        if self.to_key is not None:
            yield from ("--to-key", self.to_key.slug)
        if self.octave:
            yield from ("--octave", str(self.octave))
        if self.what == "vary":
            yield from ("--distance", f"{self.distance:g}")
        if self.keep:
            yield from ("--keep", bars_text(self.keep))
        if self.new_bars_only:
            yield "--new-bars-only"
        if not self.alike:
            yield "--free"
        if self.what == "reconstruct":
            yield from ("--refine", str(self.refine))
        if self.strength is not None:
            yield from ("--strength", f"{self.strength:g}")
        if not self.keys:
            yield "--in-place"
        if self.method != "actor":
            yield from ("--method", self.method)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest; two orders with equal ones make the same files."""
        rule = self.request.rule
        return {
            "what": self.what,
            "sources": [{**one.to_dict(), "sha256": _fingerprint(one)} for one in self.sources],
            **self.request.to_dict(),
            "rule": rule.identity if rule is not None else None,
            "to": self.to.name if self.to else None,
            "count": self.count,
            "seed": self.seed,
            **self.writing.to_dict(),
            "method": self.method,
            "strength": self.strength,
            "distance": self.distance if self.what == "vary" else None,
            "refine": self.refine if self.what == "reconstruct" else None,
            "keys": self.keys,
            **({"kept_bars": bars_text(self._kept)} if self.what in ADDS or self.keep else {}),
            **(self._adding if self.what in ADDS else {}),
            "octave": self.octave,
            "to_key": self.to_key.name if self.to_key else None,
            "model": str(self.model) if self.model else None,
            "prior": self.prior,
        }


def parse_keep(text: str) -> tuple[int, ...]:
    """Bars that someone typed: numbers and stretches.

    Raises:
        InputError: something else.

    >>> parse_keep("1..4,13")
    (1, 2, 3, 4, 13)
    """
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,5})(?:\s*\.\.\s*(\d{1,5}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last:
            raise InputError(f"--keep takes bars from 1 up, as in 1..4,13..16, not {text!r}")
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def bars_around(keep: Sequence[int]) -> tuple[int, int]:
    """The sixteen bars of a file that are taken where bars of it are to be kept, and no others are named.

    Those from the first bar on, or where that is too early, from the first that is kept.

    Raises:
        InputError: no sixteen bars hold all of them.

    >>> bars_around(parse_keep("1..4,13..16")), bars_around(parse_keep("21..24,30"))
    ((1, 16), (21, 36))
    """
    if keep[-1] - keep[0] >= BARS:
        raise InputError(
            f"--keep {bars_text(keep)} reaches over {keep[-1] - keep[0] + 1} bars, and a melody has {BARS}: keep bars "
            f"of {BARS} that follow one another"
        )
    first = 1 if keep[-1] <= BARS else keep[0]
    return first, first + BARS - 1


def bars_text(bars: Iterable[int]) -> str:
    """Bars as `parse_keep` reads them.

    >>> bars_text([1, 2, 3, 4, 13])
    '1..4,13'
    """
    rows = sorted(bars)
    firsts = [bar for bar in rows if bar - 1 not in rows]
    lasts = [bar for bar in rows if bar + 1 not in rows]
    return ",".join(f"{a}" if a == b else f"{a}..{b}" for a, b in zip(firsts, lasts, strict=True))


def _check_given(order: EditOrder) -> None:
    """Refuse bars that aren't there, and a melody of which all or nothing is kept.

    Raises:
        InputError: such bars.
    """
    source = order.sources[0]
    last = source.first + source.bars - 1
    strange = [bar for bar in order.keep if not source.first <= bar <= last]
    if strange:
        raise InputError(
            f"bars {bars_text(strange)} aren't among the bars {source.first}..{last} that are taken of the file: "
            "name the sixteen that are meant by --bars"
        )
    if order.what == "vary" and len(order.given) == source.bars:
        raise InputError("all bars are kept, and none is left to vary: name those that stay, as in --keep 1..4")
    if len(order.given) in (0, BARS):
        what = "nothing is kept" if not order.given else f"all {BARS} bars are kept, and none is left to write"
        how = "--bars 1..8" if order.what == "continue" else "--keep 1..4,13..16"
        raise InputError(f"{what}: name the bars that stay, as in {how}")


def target_key(text: str, melody: Melody) -> Scale:
    """The key that someone typed as a target: a bare root leaves a melody in its own mode, major or minor.

    Raises:
        InputError: as `parse_scale`.

    >>> tune = Melody.from_notes((pitch, 4 * i, 4 * i + 4) for i, pitch in enumerate([57, 60, 64, 60, 59, 57]))
    >>> target_key("d", tune).name, target_key("dmaj", tune).name
    ('D minor', 'D major')
    """
    key, own = parse_scale(text), estimate_key(melody)
    bare = re.fullmatch(r"\s*[a-hA-H]\s*(#|b|♯|♭|sharp|flat)?\s*", text)
    return Scale(key.tonic, own.mode) if bare and own else key


def _fingerprint(source: Source) -> str:
    """Of its file; of the melody itself where it came from no file."""
    return fingerprint_file(source.file) if source.file else fingerprint_bytes(source.melody.events.tobytes())


def scales_between(one: Scale, other: Scale, count: int) -> Iterator[Scale]:
    """`count` scales from one to another, in which one note after another has changed.

    >>> from melodylc.data.keys import parse_scale
    >>> way = scales_between(parse_scale("cmaj"), parse_scale("cmin"), 4)
    >>> [scale.name for scale in way]
    ['C major', 'C,D,Eb,F,G,A,B', 'C,D,Eb,F,G,Ab,B', 'C minor']
    """
    lost, gained = (sorted(a.pitch_classes - b.pitch_classes) for a, b in ((one, other), (other, one)))
    for index in range(count):
        share = index / (count - 1) if count > 1 else 1.0
        if share in (0, 1):
            yield one if share == 0 else other
            continue
        notes = one.pitch_classes - set(lost[: round(share * len(lost))]) | set(gained[: round(share * len(gained))])
        same = next((scale for scale in (one, other) if scale.pitch_classes == notes), None)
        yield same or Scale(None, NOTES, notes=frozenset(notes))
