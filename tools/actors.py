"""Fit the actors that ship: in two stages, on one thread, half an hour of a quiet core each.

python tools/actors.py [NAME ...]

Both learn on draws as those for the rule begin (`melodylc.nearest`). The first pays so much for what it changes that it
learns to mend notes instead of writing bars anew; the second may go as far as it must.
"""

import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from melodylc.actors import SETTINGS, fit_actor, shipped_model
from melodylc.cache import pretrained
from melodylc.latent.fitted import Round
from melodylc.latent.settings import FitSettings
from melodylc.latent.store import load_actor
from melodylc.request import Request

BEGUN = 4096  #: samples of the bank that they learn on
DEAR = replace(
    SETTINGS,
    rounds=70,
    fresh=384,
    warmup=300,
    critic_steps=40,
    batch=64,
    actor_steps=12,
    rate=6e-4,
    full=0.55,
    average=0.985,
    check=512,
    faithful=600.0,
    distance=0.05,
    cheapest=0.01,
    fall=0.2,
    hurry=1.5,
    patience=0.5,
)
FAR = replace(
    DEAR,
    rate=5e-4,
    full=0.5,
    average=0.99,
    check=640,
    distance=0.007,
    cheapest=0.0015,
    fall=0.15,
    hurry=2.0,
    patience=0.7,
)
SHIPPED: dict[str, tuple[Request, tuple[FitSettings, ...]]] = {
    "cmaj": (Request.read(scale=["cmaj"]), (DEAR, FAR)),
    "amin": (Request.read(scale=["amin"], tonic=True), (DEAR, FAR)),
}


def main() -> None:
    """Write those named, or all."""
    model = shipped_model()
    for name in sys.argv[1:] or SHIPPED:
        request, stages = SHIPPED[name]
        rule = request.rule
        assert rule is not None
        actor = None
        with TemporaryDirectory() as folder:
            for number, settings in enumerate(stages, 1):
                last = number == len(stages)
                path = pretrained() / f"{name}.safetensors" if last else Path(folder) / f"{number}.safetensors"
                found = fit_actor(
                    model, rule, path, show, settings, request.to_dict(), threads=1, begun=BEGUN, start=actor
                )
                actor = load_actor(path).actor
                rate = found.stored.measured.actor
                print(f"\n{name}, stage {number} of {len(stages)}: {rate:.2%} of single draws obey", file=sys.stderr)


def show(done: Round) -> None:
    """A line of progress."""
    print(f"\r{done.number} of {done.rounds}: {done.measured.rate:.1%} obey", end="", file=sys.stderr)


if __name__ == "__main__":
    main()
