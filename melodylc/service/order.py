"""What a user orders of `generate`: a request, how many melodies, from which seed, in which files. No torch in here."""

import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from melodylc.constraints.request import Request
from melodylc.constraints.transposable import check_transposable
from melodylc.data.alphabet import BARS
from melodylc.data.errors import InputError
from melodylc.data.ranges import LANE_RANGES, Lane
from melodylc.data.roles import LEAD, ROLES
from melodylc.data.writing import Writing
from melodylc.models.config import PriorName
from melodylc.rewards.isolation import SECONDS
from melodylc.sampling.methods import DEFAULT_METHOD, check_method

LEADING = ROLES[LEAD]  #: the lane that is written where none is asked


@dataclass(frozen=True)
class Order:
    """How many melodies of what kind, from which seed.

    Raises:
        InputError: a count below 1, a negative seed, more melodies than one file holds, a reward on pitch beside
            `Writing.transpose`, a choice among melodies that are not verified, realism where nothing is fitted,
            a lane that is none, or that what is asked beside it doesn't write, or a part that reaches beyond the whole.

    >>> part = Order(first=9, count=4, whole=100)
    >>> part.numbers, part.command
    (range(9, 13), 'melodylc generate -n 4 --first 9 --of 100 --seed 0')
    """

    request: Request = field(default_factory=Request)
    count: int = 8
    seed: int = 0
    writing: Writing = field(default_factory=Writing)  #: how the melodies become files
    draws: int = 40  #: most latents decoded for one melody
    verify: bool = True  #: whether only melodies that follow the rule are written
    model: Path | None = None  #: None: the shipped one
    prior: PriorName | None = None  #: None: the best that the model has
    actor: Path | None = None  #: the file that the request comes from; None: the request was typed
    method: str = DEFAULT_METHOD  #: how melodies are made to follow the rule: a name in `melodylc.sampling.methods`
    best_of: int = 1  #: melodies that follow the rule, of which the one most like real melodies is written
    realism: float = 0.0  #: weight of the realism critic in the actor's fit
    allow_copies: bool = False  #: whether melodies that share four bars with a training melody are written too
    keep_misses: bool = False  #: whether the nearest is written where nothing follows the rule
    lane: Lane = "lead"  #: what part of a piece the melodies are; another than the lead is steered
    first: int = 1  #: number of the first melody: those before it are another part's
    whole: int | None = None  #: melodies of the whole run that this is a part of; None: this ends it
    octaves: bool = True  #: whether steered leads of no range are moved by octaves to where leads lie

    def __post_init__(self) -> None:
        check_method(self.method)
        for name, least in (("count", 1), ("draws", 1), ("seed", 0), ("best_of", 1), ("first", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name} is a whole number from {least} up, not {getattr(self, name)}")
        if self.whole is not None and self.whole < self.numbers[-1]:
            raise InputError(f"melody {self.numbers[-1]} is none of {self.whole}: ask for fewer, or for a larger whole")
        if self.is_part and self.writing.join:
            raise InputError("--join puts all melodies into one file: leave out --first and --of")
        if self.lane not in ROLES:
            raise InputError(f"a lane is one of {', '.join(ROLES)}, not {self.lane!r}")
        length = self.request.length
        object.__setattr__(self, "writing", replace(self.writing, bars=length))
        wanted = {f"--lane {self.lane}": self.lane != LEADING, f"--length {length}": length != BARS}
        wanted["--motif"] = self.request.motif is not None
        steered = next((option for option, asked in wanted.items() if asked), None)
        if steered and (option := self._writes_leads):
            raise InputError(f"{steered} is written by the steered language model: leave out {option}")
        if self.best_of > 1 and not self.verify:
            raise InputError(
                f"--best-of {self.best_of} chooses among melodies that follow the rule: leave out --no-verify"
            )
        if self.realism and self.actor:
            raise InputError("--realism is about fitting, and --actor is fitted: give it to `melodylc fit` instead")
        if self.realism and self.request.rule is None:
            raise InputError(
                "--realism is about fitting, and nothing is asked: give --scale, --density, --chords or --reward"
            )
        if self.writing.with_chords and self.request.chords is None:
            raise InputError("--with-chords writes the chords that are asked for: give --chords, too")
        self.writing.check_count(self.count)
        check_transposable(self.request, self.writing.transpose)

    @property
    def _writes_leads(self) -> str | None:
        """The option because of which nothing but leads of sixteen bars can be written."""
        others = {
            f"--method {self.method}": self.method not in (DEFAULT_METHOD, "steer"),
            "--actor": self.actor is not None,
            "--realism": self.realism != 0,
            "--prior normal": self.prior == "normal",
        }
        return next((option for option, asked in others.items() if asked), None)

    @property
    def numbers(self) -> range:
        """The numbers of the melodies, from 1."""
        return range(self.first, self.first + self.count)

    @property
    def total(self) -> int:
        """Melodies of the whole run."""
        return self.whole or self.numbers[-1]

    @property
    def is_part(self) -> bool:
        """Whether these are a part of a run."""
        return self.count < self.total

    @property
    def budget(self) -> int:
        """Attempts that one melody may take: a single one where nothing is verified, more where several must follow."""
        return self.draws * self.best_of if self.verify else 1

    @property
    def folder_name(self) -> str:
        """A folder for this order where the user names none, such as "melodylc-cmaj-192+-seed7".

        >>> Order(seed=7).folder_name
        'melodylc-free-seed7'
        """
        parts = [self.actor.stem] if self.actor else [*self._lane, *self.request.slugs]
        return "-".join(["melodylc", *(parts or ["free"]), f"seed{self.seed}"])

    @property
    def name_parts(self) -> list[str]:
        """What stands first in the names of files, before the key."""
        if self.actor:
            return [self.actor.stem]
        return self._lane or ([] if self.request.slugs else ["free"])

    @property
    def _lane(self) -> list[str]:
        """The lane, as part of a name, where it isn't the usual one."""
        return [] if self.lane == LEADING else [self.lane]

    @property
    def _part(self) -> list[str]:
        """The options that ask for a part of a run."""
        of = ["--of", str(self.whole)] if self.whole and self.is_part else []
        return [*(["--first", str(self.first)] if self.first > 1 else []), *of]

    @property
    def command(self) -> str | None:
        """The command line that makes these melodies again; None where no command line can ask for a rule of Python.

        >>> Order(count=2).command
        'melodylc generate -n 2 --seed 0'
        """
        if not self.request.typed:
            return None
        asked = ["--actor", str(self.actor)] if self.actor else self.request.words
        words = ["melodylc", "generate", *asked, "-n", str(self.count), *self._part, "--seed", str(self.seed)]
        defaults = Order()
        if self.request.seconds != SECONDS:
            words += ["--reward-seconds", f"{self.request.seconds:g}"]
        words += self.writing.words
        if self.lane != LEADING:
            words += ["--lane", self.lane]
        if self.request.pitch_range is None and (self.lane in LANE_RANGES or not self.octaves):
            words += ["--range", "any"]
        if self.draws != defaults.draws:
            words += ["--draws", str(self.draws)]
        if not self.verify:
            words += ["--no-verify"]
        if self.allow_copies:
            words += ["--allow-copies"]
        if self.keep_misses:
            words += ["--keep-misses"]
        if self.best_of > 1:
            words += ["--best-of", str(self.best_of)]
        if self.realism:
            words += ["--realism", f"{self.realism:g}"]
        if self.model is not None:
            words += ["--model", str(self.model)]
        if self.prior is not None:
            words += ["--prior", self.prior]
        if self.method != DEFAULT_METHOD:
            words += ["--method", self.method]
        return shlex.join(words)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest; two orders with equal ones make the same files."""
        rule = self.request.rule
        return {
            **self.request.to_dict(),
            "rule": rule.identity if rule is not None else None,  # covers a reward's source, which its text doesn't
            "count": self.count,
            **({"first": self.first} if self.first > 1 else {}),
            **({"of": self.whole} if self.whole and self.is_part else {}),
            "seed": self.seed,
            **self.writing.to_dict(),
            "draws": self.draws,
            "verify": self.verify,
            "model": str(self.model) if self.model else None,
            "prior": self.prior,
            "actor": str(self.actor) if self.actor else None,
            "method": self.method,
            "best_of": self.best_of,
            "realism": self.realism,
            "allow_copies": self.allow_copies,
            **({"keep_misses": True} if self.keep_misses else {}),
            **({} if self.lane == LEADING else {"lane": self.lane}),
            **({} if self.octaves else {"octaves": False}),
        }
