"""What a realism critic knows, and what its price does to actors.

    python benchmarks/realism.py knows runs/corpus [ACTOR.safetensors ...]
    python benchmarks/realism.py pays runs/corpus --folder runs/realism [--seed 0 ...] [NAME ...]

`knows`: the share of pairs in which a held-out melody ranks higher than one of a sampler (0.5 is chance), by the
critic and by the language model in two ways, and by the discriminator (`melodylc.sampling.discriminator`); 512 of each.
Actors, such as `pays` leaves in its folder, move samples of the bank that taught none.

`pays`: a fit for each rule, weight and seed, as `melodylc fit` does it, but on one thread. "alone" are the
prior's draws, each moved by the actor; "moved" are draws as they begin, moved where they don't obey, and not mended;
"drawn" are mended, too: what `generate --no-verify` writes. All are of the same samples of the bank, which taught no
actor. What is like real melodies is told in overlapping areas with held-out ones (`melodylc.evaluation.statistics`),
mean levels, and by the critic (mean D). What is done is kept in the folder, a file a fit, and not done again.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import torch
from own_rules import OWN, rule_of
from torch import Tensor

from melodylc.constraints.bank import find_bank
from melodylc.constraints.fitting import HELD_BACK, RealismTerm
from melodylc.constraints.objective import MelodyBox
from melodylc.constraints.realism import UNASKED, RealismCritic, find_realism
from melodylc.constraints.request import Request
from melodylc.data.alphabet import HOLD, canonical
from melodylc.data.corpus import Corpus
from melodylc.data.errors import InputError
from melodylc.edits.operators import describe_edits
from melodylc.evaluation.diversity import differ
from melodylc.evaluation.real import Ground
from melodylc.evaluation.samples import draw_real
from melodylc.evaluation.statistics import Features, features, overlapping_areas
from melodylc.latent.actor import Move
from melodylc.latent.distance import z_mse
from melodylc.latent.precision import autocast
from melodylc.latent.store import load_actor
from melodylc.models.checkpoint import LoadedModel, shipped_model
from melodylc.models.prior import pool
from melodylc.rewards import Rule
from melodylc.sampling.discriminator import find_discriminator
from melodylc.sampling.fitting import fit_actor
from melodylc.sampling.mixture import Decoding, Mixture
from melodylc.threads import fixed_threads

Events = npt.NDArray[np.uint8]
WEIGHTS = (0.0, 0.1, 0.3, 1.0)
KNOWS = 512  #: melodies of each kind
AREAS = ("pitch_range", "pitch_classes", "interval", "note_lengths", "notes_per_bar", "pitch_count")
LEVELS = ("pitch_count", "notes_per_bar", "interval", "repetition")
WAYS = ("alone", "moved", "drawn")
SHARED = ("prior", "begun")  #: sets that are the same whatever the weight
UNSEEN = OWN.with_name("unseen_rules.py")
RULES: dict[str, Callable[[], Rule | None]] = {
    "D major": lambda: Request.read(scale=["dmaj"]).rule,
    "dotted_march": lambda: rule_of(UNSEEN, "dotted_march"),
    "C major, 192 notes": lambda: Request.read(scale=["cmaj"], density=["high"]).rule,
    "off_beats": lambda: rule_of(OWN, "off_beats"),
}


@dataclass(frozen=True)
class Fit:
    """A fit, and what was drawn with it."""

    edits: str
    seconds: float  #: of processor
    obey: dict[str, float]  #: by the way of drawing: share of the draws
    z_mse: dict[str, float]  #: likewise
    events: dict[str, Events]  #: likewise, (n, 256) canonical


@dataclass(frozen=True)
class Judge:
    """What says how like real melodies others are."""

    box: MelodyBox
    critic: RealismCritic
    reference: Features  #: of real melodies

    @torch.no_grad()
    def __call__(self, events: Events) -> dict[str, float]:
        """Overlapping areas, mean levels, how many steps differ, the mean D."""
        found, raw = features(events), torch.from_numpy(events)
        areas, levels = overlapping_areas(self.reference, found), found.levels()
        return {
            **{f"area {name}": float(areas[name]) for name in AREAS},
            **{name: float(levels[name].mean()) for name in LEVELS},
            "differ": differ(events),
            "D": float(torch.exp(-self.critic.cost(self.box.features(raw))).mean()),
        }


@click.group()
def main() -> None:
    """What a realism critic knows, and what its price does."""


@main.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.argument("actors", type=click.Path(path_type=Path, exists=True), nargs=-1)
def knows(corpus: Path, actors: tuple[Path, ...]) -> None:
    """Print a Markdown table: a row a judge; a column each of the samplers and of actors' files."""
    model = shipped_model()
    critic, discriminator = find_realism(model), find_discriminator()
    held = Ground.of(model.provenance, Corpus.open(corpus)).held
    real = torch.from_numpy(held.draw(np.arange(len(held.events)), KNOWS, np.random.default_rng(5)))
    box, language = MelodyBox(model.vae, UNASKED), model.language
    if language is None:
        raise InputError("this model has no language model")
    judges: dict[str, Callable[[Tensor], Tensor]] = {
        "realism critic": lambda events: -critic.cost(box.features(events)),
        "-log p of the language model, a melody": lambda events: -language.nll(events.long()),
        "the same, a note": lambda events: -language.nll(events.long()) / (events < HOLD).sum(1).clamp(min=1),
        "the discriminator": lambda events: torch.from_numpy(discriminator.scores(events.to(torch.uint8).numpy())),
    }
    click.echo(f"model {model.fingerprint}, critic {critic.fingerprint}, {KNOWS} of each\n")
    with fixed_threads(1), torch.no_grad():
        sets = {**_samplers(model), **{file.stem: _moved_by(model, file) for file in actors}}
        click.echo(f"| ranked by | {' | '.join(sets)} |\n{'|---' * (1 + len(sets))}|")
        for name, judge in judges.items():
            told = judge(real)
            shares = [_higher(told, judge(events)) for events in sets.values()]
            click.echo(f"| {name} | {' | '.join(f'{share:.2f}' for share in shares)} |")


@main.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.argument("names", type=click.Choice(list(RULES)), nargs=-1)
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="Where what is done is kept.")
@click.option("--weights", default=",".join(f"{weight:g}" for weight in WEIGHTS), show_default=True)
@click.option("--seed", "seeds", type=int, multiple=True, default=(0,), show_default=True)
@click.option("--draws", default=512, show_default=True, type=click.IntRange(2, HELD_BACK))
def pays(corpus: Path, names: tuple[str, ...], folder: Path, weights: str, seeds: tuple[int, ...], draws: int) -> None:
    """Fit what isn't there yet; print Markdown tables of all that is asked for, means over the seeds."""
    model = shipped_model()
    critic = find_realism(model)
    folder.mkdir(parents=True, exist_ok=True)
    asked = [float(weight) for weight in weights.split(",")]
    click.echo(f"model {model.fingerprint}, critic {critic.fingerprint}, seeds {seeds}, {draws} draws a fit\n")
    with fixed_threads(1):
        real = draw_real(Ground.of(model.provenance, Corpus.open(corpus)).held, draws, 0)
        judge = Judge(MelodyBox(model.vae, UNASKED), critic, features(real.reference))
        for name in names or RULES:
            found = {
                weight: [_named(model, critic, name, weight, seed, folder, draws) for seed in seeds] for weight in asked
            }
            _show(name, found, judge, real.other)


def _named(
    model: LoadedModel, critic: RealismCritic, name: str, weight: float, seed: int, folder: Path, draws: int
) -> Fit:
    rule, realism = RULES[name](), RealismTerm(critic, weight) if weight else None
    assert rule is not None
    file = f"{name}-{weight:g}-{seed}-{draws}-{critic.fingerprint if realism else 'none'}.npz"
    return _fit(model, rule, realism, folder / file.replace(", ", "-").replace(" ", "-"), seed, draws)


def _fit(model: LoadedModel, rule: Rule, realism: RealismTerm | None, path: Path, seed: int, draws: int) -> Fit:
    """Read it, or make it and keep it."""
    if not path.exists():
        bank, clock = find_bank(model, model.prior()), time.process_time()
        file = path.with_suffix(".safetensors")
        actor = fit_actor(model, rule, file, lambda _: None, threads=1, realism=realism, seed=seed)
        spent, kept = time.process_time() - clock, dict[str, Events]()
        obey, far = dict[str, float](), dict[str, float]()
        mixture = Mixture(rule, model.vae, actor.edits)
        for way, draft, begun in _ways(mixture, bank.z[:draws], bank.events[:draws], actor.move):
            kept[way] = canonical(draft.events.to(torch.uint8).numpy())[0]
            obey[way] = float(np.mean(rule.satisfied(kept[way])))
            far[way] = float(z_mse(draft.z, begun, model.sigma_bar).mean())
        about = {"edits": describe_edits(actor.edits), "seconds": spent, "obey": obey, "z_mse": far}
        np.savez_compressed(path, about=np.array(json.dumps(about)), **kept)
    with np.load(path) as found:
        about = json.loads(str(found["about"]))
        return Fit(**about, events={way: found[way] for way in about["obey"]})


@autocast()
def _ways(mixture: Mixture, z: Tensor, written: Tensor, move: Move) -> list[tuple[str, Decoding, Tensor]]:
    begun, plain = mixture.start_from(written), replace(mixture, first_repair=None, repairs=())
    arranged = plain.start_from(written)
    return [
        ("prior", Decoding.of(mixture.vae, z), z),
        ("begun", arranged, arranged.z),
        ("alone", Decoding.of(mixture.vae, z, move), z),
        ("moved", plain.finish(arranged, move), arranged.z),
        ("drawn", mixture.finish(begun, move), begun.z),
    ]


def _show(name: str, found: dict[float, list[Fit]], like: Judge, other: Events) -> None:
    """Two tables of a rule: what obeys, and what is like real melodies."""
    first, every = next(iter(found.values()))[0], [fit for fits in found.values() for fit in fits]
    click.echo(
        f"\n{name}: {first.edits}; of the prior's draws {first.obey['prior']:.3f} obey, as they begin "
        f"{first.obey['begun']:.3f}; {np.mean([fit.seconds for fit in every]):.0f} s of processor a fit\n"
    )
    click.echo("| weight | alone, z_MSE | moved, z_MSE | drawn, z_MSE |\n|---|---|---|---|")
    for weight, fits in found.items():
        pairs = [([fit.obey[way] for fit in fits], [fit.z_mse[way] for fit in fits]) for way in WAYS]
        click.echo(f"| {weight:g} | {' | '.join(f'{_told(obey, 3)}, {_told(far, 2)}' for obey, far in pairs)} |")
    ceiling = like(other)
    click.echo(f"\n| draws | weight | {' | '.join(ceiling)} |\n{'|---' * (2 + len(ceiling))}|")
    click.echo(f"| real | | {' | '.join(_told([value], 2) for value in ceiling.values())} |")
    for way in SHARED:
        click.echo(f"| {way} | | {' | '.join(_told([value], 2) for value in like(first.events[way]).values())} |")
    for way in WAYS:
        for weight, fits in found.items():
            values = [like(fit.events[way]) for fit in fits]
            cells = [_told([one[figure] for one in values], 2) for figure in ceiling]
            click.echo(f"| {way} | {weight:g} | {' | '.join(cells)} |")


def _told(values: Sequence[float], digits: int) -> str:
    """The mean over seeds, and the deviation where there are several."""
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}"


def _samplers(model: LoadedModel) -> dict[str, Tensor]:
    box = MelodyBox(model.vae, UNASKED)
    normal = box.decode(pool(model.prior("normal"), KNOWS, np.random.default_rng(1)))[1]
    return {"N(0, I)": _plain(normal), "learnt prior": _plain(find_bank(model, model.prior()).events[:KNOWS])}


def _moved_by(model: LoadedModel, file: Path) -> Tensor:
    """What an actor makes of samples of the bank that taught none, each moved."""
    z = find_bank(model, model.prior()).z[:KNOWS]
    return _plain(MelodyBox(model.vae, UNASKED).decode(z, load_actor(file, model=model.fingerprint).actor)[1])


def _plain(events: Tensor) -> Tensor:
    return torch.from_numpy(canonical(events.numpy())[0])


def _higher(one: Tensor, other: Tensor) -> float:
    """The share of pairs in which the one is higher; ties count half."""
    return float((one[:, None] > other).float().mean() + (one[:, None] == other).float().mean() / 2)


if __name__ == "__main__":
    main()
