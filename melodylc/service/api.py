"""The verbs of this package as functions: what `melodylc.generate(...)` and its siblings do.

Arguments are named as the command line's options are, and a command line and a call that ask the same give the same
files. A rule may also be Python: `reward=my_rule & melodylc.rewards.density(64, 96)`.
"""

import secrets
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from melodylc.constraints.actors import FoundActor, request_of
from melodylc.constraints.request import NamedReward, Request
from melodylc.data.alphabet import BARS, REST, canonical
from melodylc.data.errors import InputError
from melodylc.data.melody import Melody
from melodylc.data.ranges import Lane, PitchRange, lane_range
from melodylc.data.source import Choice, Source, extract_melody
from melodylc.data.workers import Workers
from melodylc.data.writing import Writing
from melodylc.latent.store import Rates
from melodylc.models.checkpoint import LoadedModel, open_model
from melodylc.models.config import PriorName
from melodylc.reporting import Reporter, progress_bar
from melodylc.rewards import Reward
from melodylc.rewards.bars import by_bar
from melodylc.rewards.isolation import SECONDS
from melodylc.rewards.specs import plain_rewards
from melodylc.sampling.methods import DEFAULT_METHOD
from melodylc.service.edit_order import EditOrder, What, bars_around, parse_keep, target_key
from melodylc.service.edit_production import EditProduction, run_edit_order
from melodylc.service.generation import Generation, run_order
from melodylc.service.order import Order

Texts = str | Sequence[str] | None
Rules = str | Reward | Sequence[str | Reward] | None
MelodySource = Melody | str | Path


def load_model(path: str | Path | None = None) -> LoadedModel:
    """The model of a file, or the one that comes with the package.

    Raises:
        InputError: missing, damaged, or something else.

    >>> load_model().vae.config.z
    256
    """
    return open_model(path)


def make_request(
    scale: Texts = None,
    density: Texts = None,
    reward: Rules = None,
    tonic: bool | None = None,
    variety: bool = True,
    reward_seconds: float = SECONDS,
    chords: str | None = None,
    pitch_range: str | PitchRange | None = None,
    length: int = BARS,
    form: str | None = None,
    motif: str | None = None,
) -> Request:
    """What is asked of melodies; every function here takes the same arguments.

    Args:
        scale: a root and a mode ("c minor", "f#m", "d dorian") or notes ("0,2,4,7,9"); of several, notes lie in all.
        density: notes in sixteen bars: "low", "medium", "high", "64" (at least) or "64..96".
        reward: a rule, as `--reward` takes it, or a reward of Python; of several, all must hold.
        tonic: whether the last note must be the tonic; None: where it alone tells the scale from another.
        variety: whether 7 different pitches and 9 different bars are asked too, with any of these.
        reward_seconds: that one call of a rule of yours may take, where it runs in a process of its own.
        chords: a progression that melodies must fit, over and over: "C | Am | F G7 | C/E", or numerals in the scale.
        pitch_range: where every note lies: "C4..A5", the name of a voice or an instrument ("alto", "bass guitar"), or
            the lowest and the highest MIDI pitch; None: anywhere.
        length: bars of a melody, 2, 4, 8 or 16; of fewer than 16 a rule judges them over and over.
        form: sections that come back: "AABA" or other letters, "AAB", "call-response", with ",likeness=0.9" behind.
        motif: notes that come back, "G4:2 G4:2 G4:2 Eb4:8", or a file's; with ",times=3" or ",bars=1,5,13" behind.

    Raises:
        InputError: an unknown scale or range, a density out of range, a reward that can't be loaded, an ending without
            a scale.

    >>> make_request("c minor", "64..96").rule.identity
    'density(64..96) & pitch_classes(0,2,3,5,7,8,10) & tonic(0) & variety(7 pitches, 9 bars)'
    """
    rules = [reward] if isinstance(reward, str | Reward) else list(reward or ())
    for one in rules:
        if not isinstance(one, str | Reward):
            raise InputError(
                f"a reward is a text or a reward of Python, not {one!r}: decorate the function with @reward"
            )
    texts = [one for one in rules if isinstance(one, str)]
    text = pitch_range if pitch_range is None or isinstance(pitch_range, str) else "{}..{}".format(*pitch_range)
    request = Request.read(
        _texts(scale),
        _texts(density),
        texts,
        tonic,
        variety,
        reward_seconds,
        chords=chords,
        pitch_range=text,
        length=length,
        form=form,
        motif=motif,
    )
    own = tuple(NamedReward(one.name, one, typed=False) for one in rules if isinstance(one, Reward))
    return replace(request, rewards=(*request.rewards, *own)) if own else request


def generate(
    scale: Texts = None,
    density: Texts = None,
    reward: Rules = None,
    *,
    chords: str | None = None,
    n: int = 8,
    seed: int | None = None,
    tonic: bool | None = None,
    variety: bool = True,
    pitch_range: str | PitchRange | None = None,
    reward_seconds: float = SECONDS,
    actor: "str | Path | FittedActor | None" = None,
    method: str = DEFAULT_METHOD,
    best_of: int = 1,
    realism: float = 0.0,
    draws: int = 40,
    verify: bool = True,
    allow_copies: bool = False,
    keep_misses: bool = False,
    lane: Lane = "lead",
    length: int = BARS,
    form: str | None = None,
    motif: str | None = None,
    model: str | Path | None = None,
    prior: PriorName | None = None,
    first: int = 1,
    whole: int | None = None,
    executor: Executor | None = None,
    reporter: Reporter | None = None,
) -> Generation:
    """Write melodies of sixteen bars, or fewer, that follow rules; `melodylc generate` from Python.

    Args:
        scale: see `make_request`, as for `density`, `reward`, `tonic`, `variety` and `reward_seconds`.
        density: notes in sixteen bars.
        reward: a rule, or several.
        chords: that melodies must fit, such as "C | Am | F | G7".
        n: how many melodies.
        seed: melody k depends on the seed and k alone; None: a new one.
        tonic: whether the last note must be the tonic.
        variety: whether some variety is asked with any rule.
        pitch_range: where every note lies; see `make_request`.
        reward_seconds: that a call of a rule of yours may take.
        actor: what `melodylc.fit` returned or wrote, which brings its own rule.
        method: how melodies are made to follow the rules (`melodylc.sampling.methods`).
        best_of: how many that follow are written for each one asked, of which the one most like real melodies is taken.
        realism: weight of the realism critic, where something is fitted.
        draws: most attempts a melody may take.
        verify: whether only what follows the rules is returned.
        allow_copies: whether melodies that share four bars with a training melody are returned too.
        keep_misses: whether the nearest candidate is returned where none followed the rule; its `passed` is False.
        lane: what part of a piece they are: "lead", "inner" or "bass"; where `pitch_range` is None, a lead is moved by
            octaves to about G3..E6, and a bass lies in a bass guitar's range ("any" waives both).
        form: which sections come back; see `make_request`.
        motif: notes that come back; see `make_request`.
        length: bars of a melody, 2, 4, 8 or 16; `melody` holds fewer than 16 over and over, files hold them once.
        model: another trained model's file; None: the one that ships.
        prior: "learnt" or "normal"; None: the best that the model has.
        first: number of the first melody, where these are a part of a run.
        whole: melodies of the whole run; None: these end it.
        executor: where melodies are written, eight a job: a `ProcessPoolExecutor`, a Dask client's `get_executor()`, or
            submitit's, Ray's and mpi4py's; None: here. The melodies are the same.
        reporter: hears how far the work is; None: a bar where there is a terminal or a notebook.

    Returns:
        a sequence of results, each with `melody`, `rewards`, `passed` and `seed`; `save` writes their files.

    Raises:
        InputError: anything that the command line would refuse, in the same words.

    >>> tunes = generate(scale="c minor", density="medium", n=2, seed=7)
    >>> tunes[0].passed, tunes[0].rewards
    (True, (1.0, 1.0, 1.0, 1.0))
    """
    anywhere = lane == "lead" and pitch_range == "any"
    if actor is None and not isinstance(pitch_range, tuple):
        pitch_range = lane_range(lane, pitch_range)
    request, path = _request_and_actor(
        actor, scale, density, reward, tonic, variety, reward_seconds, chords, pitch_range, length, form, motif
    )
    order = Order(
        request=request,
        count=n,
        seed=secrets.randbits(31) if seed is None else seed,
        draws=draws,
        verify=verify,
        model=Path(model) if model is not None else None,
        prior=prior,
        actor=path,
        method=method,
        best_of=best_of,
        realism=realism,
        allow_copies=allow_copies,
        keep_misses=keep_misses,
        lane=lane,
        first=first,
        whole=whole,
        octaves=not anywhere,
    )
    with _reporting(reporter) as heard:
        return run_order(order, heard, workers=Workers(executor) if executor is not None else None)


@dataclass(frozen=True)
class FittedActor:
    """An actor, the request that it serves, and its file."""

    path: Path
    request: Request
    actor: FoundActor

    @property
    def rates(self) -> Rates:
        """How often single melodies follow the rule, the model's own and with the actor."""
        return self.actor.stored.rates


def fit(
    reward: Rules = None,
    *,
    scale: Texts = None,
    density: Texts = None,
    chords: str | None = None,
    tonic: bool | None = None,
    variety: bool = True,
    pitch_range: str | PitchRange | None = None,
    reward_seconds: float = SECONDS,
    output: str | Path | None = None,
    model: str | Path | None = None,
    prior: PriorName | None = None,
    realism: float = 0.0,
    rounds: int | None = None,
    reporter: Reporter | None = None,
) -> FittedActor:
    """Learn an actor for a rule, once, for many calls of `generate(actor=...)`; `melodylc fit` from Python.

    Args:
        reward: a rule, or several; see `make_request`, as for `scale`, `density`, `tonic`, `variety`, `reward_seconds`.
        scale: of the rule.
        density: of the rule.
        chords: of the rule.
        tonic: of the rule.
        variety: of the rule.
        pitch_range: of the rule.
        reward_seconds: that a call of a rule of yours may take.
        output: file of the actor (.safetensors); None: where this package keeps what it learnt, for the next time.
        model: another trained model's file; None: the one that ships.
        prior: what latents are drawn from.
        realism: weight of the realism critic in the fit.
        rounds: of learning; None: as many as usual.
        reporter: hears how far the work is; None: a bar where there is a terminal or a notebook.

    Raises:
        InputError: nothing is asked, the file can't be written, or a rule is refused.
    """
    from melodylc.constraints import fitting
    from melodylc.constraints.actors import cache_path
    from melodylc.service.fitting import fit_to_file

    request = make_request(scale, density, reward, tonic, variety, reward_seconds, chords, pitch_range)
    if request.rule is None:
        raise InputError("nothing to learn: give a scale, a density, chords or a reward")
    settings = replace(fitting.SETTINGS, rounds=rounds) if rounds else fitting.SETTINGS
    where = Path(model) if model is not None else None
    path = Path(output) if output is not None else cache_path(load_model(where), request.rule, prior)
    with _reporting(reporter) as heard:
        return FittedActor(path, request, fit_to_file(request, path, where, prior, realism, settings, heard))


def transform(
    source: MelodySource, scale: Texts = None, density: Texts = None, reward: Rules = None, **options: Any
) -> EditProduction:
    """Make a melody follow rules and change as little as that takes; `melodylc transform` from Python.

    Args:
        source: a melody, or a MIDI file to find one in.
        scale: see `make_request`.
        density: see `make_request`.
        reward: see `make_request`.
        options: `n`, `seed`, `strength`, `keys` (False: bent in place), `octave`, `to_key` (transposed, and no rule),
            `method`, and those of `make_request`, of the choice of a melody in a file (`track`, `bars`, `short`,
            `as_four_four`), `model`, `prior` and `reporter`.

    Returns:
        a sequence of results, each with `melody`, `rewards`, `similarity` and `change`; `save` writes their files.

    Raises:
        InputError: anything that the command line would refuse, in the same words.

    >>> tune = Melody.from_notes([(pitch, 4 * step, 4 * step + 4) for step, pitch in enumerate([60, 62, 64, 66] * 16)])
    >>> changed = transform(tune, scale="cmaj", seed=1)
    >>> set(changed[0].melody.notes[3].pitch % 12 for _ in [0]) <= {0, 2, 4, 5, 7, 9, 11}
    True
    """
    return _edit("transform", [source], scale=scale, density=density, reward=reward, **options)


def vary(source: MelodySource, *, keep: str | None = None, **options: Any) -> EditProduction:
    """Melodies near one; `melodylc vary` from Python.

    Args:
        source: a melody, or a MIDI file to find one in.
        keep: bars that stay, note for note, as in "1..4"; None: none has to.
        options: `n`, `seed`, `distance` in (0, 1], and as for `transform`.

    Raises:
        InputError: anything that the command line would refuse, in the same words.
    """
    kept = {} if keep is None else _kept(keep, options)
    return _edit("vary", [source], **{"n": 8, **options, **kept})


def extend(source: MelodySource, *, bars: tuple[int, int] | None = None, **options: Any) -> EditProduction:
    """What may follow some bars of a melody, up to sixteen; `melodylc continue` from Python.

    Args:
        source: a melody, or a MIDI file to find one in.
        bars: which of the file's bars stay, the first and the last, from 1; None: all of a file of fewer than sixteen.
        options: `n`, `seed`, `new_bars_only` (the rule judges those alone), `alike` (False: new bars needn't keep to
            the key, range and density of those that stay), and as for `transform`.

    Returns:
        a sequence of results; each one's bars of the source are those of the source, note for note.

    Raises:
        InputError: anything that the command line would refuse, in the same words.
    """
    if isinstance(source, Melody):
        first, last = bars or (1, BARS)
        Choice(bars=(first, last))  # refuses what are no bars
        rows = source.events.reshape(BARS, -1)[first - 1 : last]
        events = np.full((BARS, rows.shape[1]), REST, np.uint8)
        events[: len(rows)] = rows
        tune = Melody(canonical(events.reshape(-1))[0])
        found: Any = Source("", 1, "", first, len(rows), Writing().tempo, tune, ())
        return _edit("continue", [found], **{"n": 4, **options})
    choice = {} if bars is None else {"bars": bars}
    return _edit("continue", [source], **{"n": 4, **options, **choice, "short": "pad"})


def fill(source: MelodySource, keep: str, **options: Any) -> EditProduction:
    """The bars between those that stay; `melodylc fill` from Python.

    Args:
        source: a melody, or a MIDI file to find one in.
        keep: which bars stay, as in "1..4,13..16".
        options: as for `extend`.

    Returns:
        a sequence of results; each one's kept bars are those of the source, note for note.

    Raises:
        InputError: anything that the command line would refuse, in the same words.
    """
    return _edit("fill", [source], **{"n": 4, **options, "short": "pad", **_kept(keep, options)})


def interpolate(one: MelodySource, other: MelodySource, **options: Any) -> EditProduction:
    """Melodies from one to another; `melodylc interpolate` from Python.

    Args:
        one: where it begins.
        other: where it ends.
        options: `n`, `seed`, and as for `transform`.

    Raises:
        InputError: anything that the command line would refuse, in the same words.
    """
    return _edit("interpolate", [one, other], **{"n": 7, **options})


def morph(source: MelodySource | None = None, *, scale: str, to_scale: str, **options: Any) -> EditProduction:
    """One melody from one scale to another; `melodylc morph` from Python.

    Args:
        source: a melody, or a MIDI file to find one in; None: one of the model's own.
        scale: where it begins.
        to_scale: where it ends.
        options: `n`, `seed`, and as for `transform`.

    Raises:
        InputError: anything that the command line would refuse, in the same words.
    """
    from melodylc.data.keys import parse_scale

    sources = [] if source is None else [source]
    return _edit("morph", sources, scale=scale, to=parse_scale(to_scale), **{"n": 5, **options})


def reconstruct(source: MelodySource, **options: Any) -> EditProduction:
    """What the model gives back of a melody; `melodylc reconstruct` from Python.

    Args:
        source: a melody, or a MIDI file to find one in.
        options: `n`, `seed`, `refine` (steps in which the posterior is fitted to the melody), and as for `transform`.

    Raises:
        InputError: anything that the command line would refuse, in the same words.
    """
    return _edit("reconstruct", [source], **options)


@dataclass(frozen=True)
class MelodyScore:
    """What rules say of a melody."""

    source: Source
    rewards: dict[str, float]  #: of the whole melody, in [0, 1], by the rules' names
    bars: tuple[dict[str, float], ...]  #: of each bar by itself; NaN where a rule says nothing of a bar

    @property
    def passed(self) -> bool:
        """Whether every reward is exactly 1."""
        return all(value == 1 for value in self.rewards.values())


def score(
    source: MelodySource,
    scale: Texts = None,
    density: Texts = None,
    reward: Rules = None,
    *,
    chords: str | None = None,
    tonic: bool | None = None,
    variety: bool = False,
    pitch_range: str | PitchRange | None = None,
    reward_seconds: float = SECONDS,
    **choice: Any,
) -> MelodyScore:
    """How far a melody follows rules, as a whole and bar by bar; `melodylc score` from Python.

    Without any rule, all built-in ones that need no parameter.

    Args:
        source: a melody, or a MIDI file to find one in.
        scale: see `make_request`, as for `density`, `reward`, `tonic`, `variety` and `reward_seconds`.
        density: of the rule.
        reward: of the rule.
        chords: of the rule.
        tonic: of the rule.
        variety: of the rule.
        pitch_range: of the rule.
        reward_seconds: that a call of a rule of yours may take.
        choice: which melody of a file: `track`, `bars`, `short`, `as_four_four`.

    Raises:
        InputError: anything that the command line would refuse, in the same words.

    >>> score(Melody.from_notes([(60, 0, 4), (61, 4, 8)]), scale="cmaj").rewards
    {'pitch_classes(0,2,4,5,7,9,11)': 0.5}
    """
    request = make_request(scale, density, reward, tonic, variety, reward_seconds, chords, pitch_range)
    parts = request.rule.parts if request.rule is not None else tuple(plain_rewards())
    found = _source(source, Choice(**choice))
    whole, bars = by_bar(parts, found.melody)
    names = [part.name for part in parts]
    rows = tuple(dict(zip(names, row, strict=True)) for row in bars[: found.bars].tolist())
    return MelodyScore(found, dict(zip(names, whole.tolist(), strict=True)), rows)


def _request_and_actor(
    actor: str | Path | FittedActor | None,
    scale: Texts,
    density: Texts,
    reward: Rules,
    tonic: bool | None,
    variety: bool,
    reward_seconds: float,
    chords: str | None,
    pitch_range: str | PitchRange | None,
    length: int,
    form: str | None,
    motif: str | None,
) -> tuple[Request, Path | None]:
    if actor is None:
        request = make_request(
            scale, density, reward, tonic, variety, reward_seconds, chords, pitch_range, length, form, motif
        )
        return request, None
    if length != BARS:
        raise InputError(f"an actor has learnt to write {BARS} bars: leave length out")
    if scale or density or reward or chords or pitch_range or form or motif or tonic is not None or not variety:
        raise InputError(
            "an actor brings its own rule: leave out scale, density, reward, chords, pitch_range, form, motif, "
            "tonic and variety"
        )
    if isinstance(actor, FittedActor):
        return actor.request, actor.path
    return request_of(Path(actor), reward_seconds), Path(actor)


_CHOICE = ("track", "bars", "short", "as_four_four")
_REQUEST = ("scale", "density", "reward", "tonic", "variety", "reward_seconds", "chords", "pitch_range")
_ORDER = (
    "strength",
    "distance",
    "refine",
    "keys",
    "octave",
    "to_key",
    "method",
    "prior",
    "keep",
    "new_bars_only",
    "alike",
    "to",
)


def _edit(what: What, sources: Iterable[MelodySource | Source], **options: Any) -> EditProduction:
    reporter, seed, count, model = (options.pop(name, None) for name in ("reporter", "seed", "n", "model"))
    choice = Choice(**{name: options.pop(name) for name in _CHOICE if name in options})
    asked = {name: options.pop(name) for name in _REQUEST if name in options}
    unknown = next((name for name in options if name not in _ORDER), None)
    if unknown is not None:
        known = ", ".join(("n", "seed", "model", "reporter", *_ORDER[:-1], *_REQUEST, *_CHOICE))
        raise InputError(f"{what} has no {unknown!r}: take some of {known}")
    found = tuple(_source(source, choice) for source in sources)
    if isinstance(options.get("to_key"), str) and found:
        options["to_key"] = target_key(options["to_key"], found[0].melody)
    order = EditOrder(
        what=what,
        sources=found,
        choice=choice,
        request=make_request(**{"variety": False, **asked}),
        count=1 if count is None else count,
        seed=secrets.randbits(31) if seed is None else seed,
        writing=Writing().at(found[0].tempo) if found else Writing(),
        model=Path(model) if model is not None else None,
        **options,
    )
    with _reporting(reporter) as heard:
        return run_edit_order(order, heard)


def _kept(text: str, options: dict[str, Any]) -> dict[str, Any]:
    keep = parse_keep(text)
    return {"keep": keep, "bars": options.get("bars") or bars_around(keep)}


def _source(source: MelodySource | Source, choice: Choice) -> Source:
    if isinstance(source, Source):
        return source
    if isinstance(source, Melody):
        return Source("", 1, "", 1, BARS, Writing().tempo, source, ())
    return extract_melody(Path(source), choice)


def _reporting(reporter: Reporter | None) -> Any:
    return progress_bar() if reporter is None else nullcontext(reporter)


def _texts(value: Texts) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)
