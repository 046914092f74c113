"""How picture models are trained: a recipe for each part of each configuration."""

from dataclasses import dataclass, field, replace

from melodylc.data.errors import InputError
from melodylc.image.config import PictureConfig
from melodylc.latent.gan import GANSettings
from melodylc.training.settings import StageSettings, TrainSettings

PENALTY = 0.1  #: lambda, the paper's weight of the distance


@dataclass(frozen=True)
class Recipe:
    """How each part of a chain is trained."""

    vae: TrainSettings
    classifier: TrainSettings
    game: GANSettings
    attributes: TrainSettings = field(default_factory=lambda: _run("labels", 256, 1e-3, 3000, 250))


def _run(kind: str, batch: int, rate: float, steps: int, every: int) -> TrainSettings:
    stage = StageSettings(kind=kind, batch=batch, rate=rate, steps=steps)  # type: ignore[arg-type]
    return TrainSettings(stages=(stage,), validate_every=every)


_LARGE = GANSettings(
    steps=50_000, critic_rate=1e-4, actor_rate=1e-4, average=0.999, hidden=2048, layers=4
)  # the notebook's sizes and rate
_SMALL = GANSettings(batch=64, actor_batch=512, critic_rate=1e-3, actor_rate=4e-3, average=0.99)
_PAPER = Recipe(_run("pictures", 128, 3e-4, 100_000, 1000), _run("labels", 128, 1e-3, 20_000, 500), _LARGE)
_RECIPES = {
    "mnist": Recipe(
        _run("pictures", 128, 3e-3, 8000, 500),
        _run("labels", 128, 3e-3, 3000, 500),
        replace(_SMALL, steps=1800, penalty_weight=1.0, mismatch_weight=0.5),
    ),
    "cifar10": Recipe(
        _run("pictures", 64, 2e-3, 1500, 250),
        _run("labels", 64, 2e-3, 1500, 250),
        replace(_SMALL, steps=1800, penalty_weight=1.0, mismatch_weight=0.5, bound=20.0, spread_share=0.75),
    ),
    "celeba": Recipe(
        _run("pictures", 64, 2e-3, 6000, 250),
        _run("labels", 64, 2e-3, 3000, 250),
        replace(_SMALL, steps=1500, flip_share=0.5, mismatch_weight=8.0, spread_share=0.5),
    ),
    "faces": Recipe(_run("pictures", 32, 2e-3, 1500, 250), _run("labels", 32, 2e-3, 600, 100), GANSettings(steps=2000)),
}


def recipe(config: PictureConfig) -> Recipe:
    """The recipe of a configuration: that of two cores for `small`, that of the papers' sizes else."""
    return _RECIPES[config.dataset] if config.name == "small" else _PAPER


def with_steps(settings: TrainSettings, steps: int | None) -> TrainSettings:
    """The same with another number of steps, if there is one.

    Raises:
        InputError: less than one step.
    """
    if steps is None:
        return settings
    if steps < 1:
        raise InputError(f"training takes 1 step or more, not {steps}")
    return replace(settings, stages=tuple(replace(stage, steps=steps) for stage in settings.stages))
