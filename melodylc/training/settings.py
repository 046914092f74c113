"""How a melody VAE is trained: stages, their lengths and rates.

Everything at once from the start stalls. A bar codec first, and then the whole song, reaches nine tenths of the
events in a quarter of an hour on two CPU cores. The paper's configuration has no bar encoder, and so a single stage.
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from melodylc.data.errors import InputError
from melodylc.data.rows import BALANCE
from melodylc.models.config import ModelConfig


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """One stage of training. A stage ends at `steps` or at `minutes`, whichever comes first."""

    kind: Literal["codec", "song", "language", "pictures", "labels", "pretext"]
    batch: int  #: melodies a step (the codec takes all their bars), or pictures
    rate: float  #: Adam's peak learning rate; cosine decay to a hundredth
    steps: int
    minutes: float | None = None  #: of training, validation and checkpoints included
    warmup: int = 100  #: steps of linear warm-up
    noise: float = 0.1  #: standard deviation added to true bar embeddings (codec, song)
    hide: float = 0.0  #: share of events hidden from the bar decoder's input, where it has one
    free_nats: tuple[float, float] = (0.0, 0.0)  #: KL a melody that costs nothing: at the start, from `settled` on
    settled: float = 0.5  #: share of the stage after which free_nats has reached its second value
    beta: float = 1.0  #: weight of the KL above free_nats
    average: float = 0.0  #: decay of the moving average of the weights, which is what is validated and kept; 0: none


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """A whole training run."""

    stages: tuple[StageSettings, ...]
    seed: int = 0
    balance: float = BALANCE  #: a collection is drawn with weight (its melodies) ** balance
    augmented: float = 0.0  #: share of melodies that are met in another rhythm (`melodylc.training.augment`)
    clip: float = 1.0  #: largest gradient norm
    precision: Literal["bf16", "fp32"] = "bf16"
    validate_every: int = 250  #: steps
    patience: int = 40  #: validations without improvement that end a stage

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint's header; without `augmented` where it is 0, as older runs have it."""
        return {name: value for name, value in asdict(self).items() if name != "augmented" or value}

    def continued(self) -> "TrainSettings":
        """What goes on from a trained model: the last stage alone, at the free nats it would end with."""
        last = self.stages[-1]
        return replace(self, stages=(replace(last, free_nats=(last.free_nats[1],) * 2),))

    def with_minutes(self, minutes: tuple[float, ...]) -> "TrainSettings":
        """The same run with each stage bounded in time."""
        if len(minutes) != len(self.stages):
            kinds = ",".join(stage.kind for stage in self.stages)
            raise InputError(f"{len(minutes)} durations for {len(self.stages)} stages: give one each of {kinds}")
        for length in minutes:
            if not 0 < length < math.inf:
                raise InputError(f"a stage of {length:g} minutes: every duration must be a number above 0")
        stages = zip(self.stages, minutes, strict=True)
        return replace(self, stages=tuple(replace(stage, minutes=length) for stage, length in stages))


_SMALL = TrainSettings(
    stages=(
        StageSettings(kind="codec", batch=16, rate=5e-3, steps=150, warmup=10),
        StageSettings(kind="song", batch=16, rate=3e-3, steps=150, warmup=10, free_nats=(200.0, 100.0)),
    ),
    validate_every=50,
)

_BASE = TrainSettings(
    stages=(
        StageSettings(kind="codec", batch=64, rate=2e-3, steps=20_000),
        StageSettings(kind="song", batch=128, rate=1.5e-3, steps=200_000, free_nats=(600.0, 255.0), settled=0.3),
    ),
    augmented=0.4,
)

_PAPER = TrainSettings(
    stages=(
        StageSettings(kind="song", batch=32, rate=1e-3, steps=200_000, free_nats=(48.0, 48.0), beta=0.2, hide=0.2),
    ),
)


LANGUAGE = TrainSettings(
    stages=(StageSettings(kind="language", batch=64, rate=2e-3, steps=200_000, warmup=200, average=0.999),), clip=0.5
)


def default_settings(config: ModelConfig) -> TrainSettings:
    """The recipe of a configuration; of any flat encoder the paper's single stage."""
    if config.encoder == "flat":
        return _PAPER
    return _SMALL if config.name == "tiny" else _BASE
