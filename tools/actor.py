"""Fit the actors that ship: longer than `melodylc fit` does, on one thread, half an hour of a quiet core each.

python tools/actors.py [NAME ...]
python tools/actors.py --measure [NAME ...]

With `--measure` the weights that are there stay: the arrangement is looked for and draws are measured, as a fit ends.

A key's actor learns in two stages: on the prior's draws, and then on draws as those for its rule begin
(`melodylc.nearest`), where it unlearns most of the leaps that it made to get there.
"""

import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from melodylc.actors import SETTINGS, asked_for, fit_actor, measured_draws, shipped_model
from melodylc.arranging.ways import Arrangement, words
from melodylc.bank import find_bank
from melodylc.box import MelodyBox
from melodylc.cache import pretrained
from melodylc.drawing import Drawing
from melodylc.latent.fitted import Round
from melodylc.latent.settings import FitSettings
from melodylc.latent.store import amend_actor, load_actor
from melodylc.models.checkpoint import LoadedModel
from melodylc.request import Request
from melodylc.threads import fixed_threads


class Stage(NamedTuple):
    """A fit, from where the one before ended."""

    settings: FitSettings
    begun: int = 0  #: samples of the bank to learn on, transposed as draws begin; 0: the prior's draws as they are


LONG = replace(
    SETTINGS,
    rounds=90,
    full=2 / 3,
    warmup=300,
    critic_steps=40,
    batch=64,
    actor_steps=12,
    distance=0.05,
    fall=0.05,
    hurry=1.0,
    patience=0.0,
    cheapest=0.002,
    faithful=600.0,
    measure=1000,
)
NEAR = replace(
    LONG,
    rounds=110,
    fresh=448,
    full=0.4,
    warmup=400,
    critic_steps=44,
    rate=2e-4,
    average=0.995,
    distance=0.0042,
    cheapest=0.0025,
    fall=0.3,
    patience=1.0,
    check_every=5,
    check=768,
)
KEY = (Stage(LONG), Stage(NEAR, begun=4096))


class Recipe(NamedTuple):
    """What an actor is fitted to, and how."""

    request: Request
    stages: tuple[Stage, ...]
    arrangement: Arrangement | None = None  #: None: what the rule asks for


SHIPPED = {
    "cmaj": Recipe(Request.read(scale=["cmaj"]), KEY),
    "amin": Recipe(Request.read(scale=["amin"], tonic=True), KEY),
    # Three times as many notes can't be had without changing nearly everything. A rule of density likes the same note
    # sixteen times a bar as well as notes and their neighbours, which sound and leap more like melodies.
    "cmaj-high": Recipe(
        Request.read(scale=["cmaj"], density=["high"]),
        (Stage(replace(LONG, distance=0.03, faithful=30.0)),),
        (("snap", 0, 2, 4, 5, 7, 9, 11), ("divide", 1, 1)),
    ),
}


def main() -> None:
    """Write those named, or all."""
    model, names = shipped_model(), [name for name in sys.argv[1:] if name != "--measure"] or list(SHIPPED)
    if "--measure" in sys.argv:
        for name in names:
            measure(model, name)
        return
    for name in names:
        request, stages, arrangement = SHIPPED[name]
        rule = request.rule
        assert rule is not None
        actor = None
        with TemporaryDirectory() as folder:
            for number, (settings, begun) in enumerate(stages, 1):
                last = number == len(stages)
                path = pretrained() / f"{name}.safetensors" if last else Path(folder) / f"{number}.safetensors"
                found = fit_actor(
                    model,
                    rule,
                    path,
                    show,
                    settings,
                    request.to_dict(),
                    threads=1,
                    begun=begun,
                    start=actor,
                    arrange=last if arrangement is None else arrangement,
                )
                actor = load_actor(path).actor
                rate = found.stored.measured.actor
                print(f"\n{name}, stage {number} of {len(stages)}: {rate:.2%} of single draws obey", file=sys.stderr)


def measure(model: LoadedModel, name: str) -> None:
    """Find the arrangement for an actor that ships, measure its draws, and write both into its file."""
    rule, path = SHIPPED[name].request.rule, pretrained() / f"{name}.safetensors"
    assert rule is not None
    box, bank = MelodyBox(model.vae, rule), find_bank(model, model.prior())
    with fixed_threads(1):
        arrangement = SHIPPED[name].arrangement or asked_for(box, bank)
        drawing = Drawing(rule, model.vae, arrangement)
        measured = measured_draws(box, drawing, bank[:1000], load_actor(path).actor, model.sigma_bar)
    amend_actor(path, measured, arrangement)
    print(f"{name}: {words(arrangement)}: {measured.rate:.2%} of single draws obey", file=sys.stderr)


def show(done: Round) -> None:
    """A line of progress."""
    print(f"\r{done.number} of {done.rounds}: {done.measured.rate:.1%} obey", end="", file=sys.stderr)


if __name__ == "__main__":
    main()
