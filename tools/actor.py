"""Fit the actor that ships, which serves the common requests: longer than `melodylc fit` does, on one thread.

python tools/actor.py [PATH]

It learns first to do what it is asked, and then, as distance is dearer from stage to stage, to change less on the way:
forty minutes of a core.
"""

import sys
from dataclasses import replace
from pathlib import Path

from melodylc.cache import pretrained
from melodylc.constraints.fitting import SETTINGS
from melodylc.latent.fit import DistanceWeight, Round
from melodylc.models.checkpoint import shipped_model
from melodylc.sampling.fitting import fit_common_actor

FAR = replace(
    SETTINGS,
    rounds=150,
    full_rate_share=2 / 3,
    warmup=300,
    critic_steps=40,
    batch=64,
    actor_steps=12,
    distance=DistanceWeight(initial=0.03, least=0.001, decay=0.05, pace=1.0, patience=0.0),
    change_weight=60.0,
    check=512,
    measure=1000,
)
NEAR = replace(
    FAR,
    rounds=80,
    full_rate_share=0.4,
    actor_rate=2e-4,
    average=0.995,
    distance=DistanceWeight(initial=0.008, least=0.004, decay=0.3, pace=1.0, patience=1.0),
    change_weight=120.0,
    check_every=5,
    check=768,
)
STAGES = (FAR, NEAR, replace(NEAR, rounds=100, distance=replace(NEAR.distance, initial=0.03)))


def main() -> None:
    """Write it where it ships, or to a path."""
    path = Path(sys.argv[1]) if sys.argv[1:] else pretrained() / "common.safetensors"
    model, actor = shipped_model(), None
    for number, settings in enumerate(STAGES, 1):
        found = fit_common_actor(model, path, show, settings, threads=1, start=actor)
        actor = found.stored.actor
        print(f"\nstage {number}: {found.stored.rates.actor:.2%} of single draws obey", file=sys.stderr)


def show(done: Round) -> None:
    """A line of progress."""
    print(f"\r{done.number} of {done.rounds}: {done.measurement.rate:.1%} obey", end="", file=sys.stderr)


if __name__ == "__main__":
    main()
