"""Fit the actors that ship: longer than `melodylc fit` does, on one thread, a dozen minutes of a quiet core each.

python tools/actors.py [NAME ...]
"""

import sys
from dataclasses import replace

from melodylc.actors import SETTINGS, fit_actor, shipped_model
from melodylc.cache import pretrained
from melodylc.latent.fitted import Round
from melodylc.latent.settings import FitSettings
from melodylc.request import Request

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
)
SHIPPED: dict[str, tuple[Request, FitSettings]] = {
    "cmaj": (Request.read(scale=["cmaj"]), LONG),
    # A last note is right or wrong, so it takes longer until all are.
    "amin": (Request.read(scale=["amin"], tonic=True), LONG),
    # Three times as many notes can't be had without changing nearly everything.
    "cmaj-high": (
        Request.read(scale=["cmaj"], density=["high"]),
        replace(LONG, distance=0.03, faithful=30.0),
    ),
}


def main() -> None:
    """Write those named, or all."""
    model = shipped_model()
    for name in sys.argv[1:] or SHIPPED:
        request, settings = SHIPPED[name]
        rule = request.rule
        assert rule is not None
        path = pretrained() / f"{name}.safetensors"
        found = fit_actor(model, rule, path, show, settings, request.to_dict(), threads=1)
        print(f"\nwrote {path}: {found.stored.measured.actor:.2%} of single draws obey", file=sys.stderr)


def show(done: Round) -> None:
    """A line of progress."""
    print(f"\r{done.number} of {done.rounds}: {done.measured.rate:.1%} obey", end="", file=sys.stderr)


if __name__ == "__main__":
    main()
