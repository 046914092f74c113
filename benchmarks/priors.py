"""Simple priors of latents beside N(0, I) and the learnt one, on the model that ships: docs/experiments/method.md.

    python benchmarks/priors.py CORPUS [--flow]

A full Gaussian, a mixture of as many as are named (scikit-learn's), and with `--flow` a spline flow (zuko's, to be
installed), on encodings of training melodies (samples of q(z|x) after true bars), drawn as training draws them.
Samples are held against held-out melodies as `melodylc evaluate model` does; `nats` is how much more probable held-out
encodings are than under N(0, I).
"""

import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import click
import numpy as np
import torch
from sklearn.mixture import BayesianGaussianMixture
from torch import Tensor
from torch.distributions import Categorical, Distribution, MixtureSameFamily, MultivariateNormal, Normal

from melodylc.data.corpus import Corpus
from melodylc.evaluation.real import Ground
from melodylc.evaluation.samples import compare_samples, draw_real, draw_samples
from melodylc.evaluation.subject import Events, LatentEncoding, subject_of
from melodylc.models.checkpoint import shipped_model
from melodylc.models.noise import Noise
from melodylc.models.vae import MelodyVAE
from melodylc.training.batches import Batches

WORTH = 4096  #: encodings that say of each covariance: it is I. Of 16,384 a sixteenth would leave one ill-conditioned
TOGETHER = 256
FLOW_BATCH, FLOW_RATE = 256, 1e-3


@dataclass(frozen=True)
class Fitted:
    """A density of latents that was fitted to encodings."""

    name: str
    density: Distribution

    def sample(self, count: int, seed: int) -> Tensor:
        """`count` latents (count, d)."""
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed)
            drawn: Tensor = self.density.sample((count,))
        return drawn

    def kl(self, encoded: LatentEncoding, events: Events) -> Tensor:
        """From one sample of q(z|x): log q(z|x) - log p(z)."""
        log_q = Normal(encoded.mean, encoded.sigma).log_prob(encoded.z).sum(1)
        return log_q - self.density.log_prob(encoded.z)


def mixture(x: Tensor, count: int) -> Fitted:
    """`count` full Gaussians, by expectation and maximisation on x (n, d), each with a Wishart prior around I."""
    size = x.shape[1]
    found = BayesianGaussianMixture(
        n_components=count,
        covariance_prior=WORTH * np.eye(size),
        degrees_of_freedom_prior=WORTH,
        weight_concentration_prior_type="dirichlet_distribution",
        random_state=0,
    ).fit(x.double().numpy())
    weights, means, covariances = (
        torch.from_numpy(value).float() for value in (found.weights_, found.means_, found.covariances_)
    )
    name = "a full Gaussian" if count == 1 else f"a mixture of {count} full Gaussians"
    return Fitted(name, MixtureSameFamily(Categorical(weights), MultivariateNormal(means, covariances)))


def flow(mean: Tensor, sigma: Tensor, steps: int) -> Fitted:
    """A spline flow, each dimension given those before it, on new draws of N(mean, sigma) (n, d) every step."""
    torch.manual_seed(0)
    model = flows().NSF(mean.shape[1], transforms=2, hidden_features=(512,))
    optimizer = torch.optim.Adam(model.parameters(), lr=FLOW_RATE, fused=True)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        rows = torch.randint(len(mean), (FLOW_BATCH,))
        loss = -model().log_prob(torch.normal(mean[rows], sigma[rows])).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        falling.step()
    return Fitted("a spline flow", model.requires_grad_(False)())


def flows() -> ModuleType:
    """zuko's, where it is installed."""
    try:
        import zuko
    except ImportError:
        raise click.ClickException("--flow needs zuko: pip install zuko") from None
    return zuko.flows


def encodings(vae: MelodyVAE, batches: Batches, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Samples of q(z|x), their means and deviations, (count, d) each."""
    noise, parts = Noise(0), []
    for step in range(count // TOGETHER):
        melodies = torch.from_numpy(batches.draw(0, step, TOGETHER).astype(np.int64))
        with torch.no_grad():
            found = vae.teacher_forced(melodies, noise)[0]
        parts.append(torch.stack([found.z, found.mean, found.sigma]).float())
    z, mean, sigma = torch.cat(parts, 1)
    return z, mean, sigma


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path))
@click.option("--encodings", "count", default=16384, show_default=True)
@click.option("--components", default=16, show_default=True)
@click.option("--samples", default=500, show_default=True)
@click.option("--flow", "flowing", is_flag=True, help="A spline flow, too; needs zuko.")
@click.option("--steps", default=1000, show_default=True, help="Of the flow.")
def main(corpus: Path, count: int, components: int, samples: int, flowing: bool, steps: int) -> None:
    """Print a Markdown table, in the mean over the seeds 1, 2, 3."""
    torch.set_num_threads(1)
    if flowing:
        flows()  # told now, if it isn't there
    opened, model, seeds = Corpus.open(corpus), shipped_model(), (1, 2, 3)
    ground, subject = Ground.of(model.provenance, opened), subject_of(model)
    heldout = ground.held.draw(np.arange(len(ground.held.events)), 512, np.random.default_rng(0))
    encoded = subject.teacher_forced(heldout, 0).encoded
    z, mean, sigma = encodings(model.vae, Batches(opened, ground.balance, 0, ground.remaining.train), count)
    making = [lambda: mixture(z, 1), lambda: mixture(z, components)]
    making += [lambda: flow(mean, sigma, steps)] if flowing else []
    fitted = []
    for make in making:
        clock = time.process_time()
        fitted.append(make())
        click.echo(f"{fitted[-1].name}: {(time.process_time() - clock) / 60:.1f} minutes of processor time", err=True)
        click.echo(f"{float(less(fitted[-1], encoded).mean()):.1f} nats", err=True)
    drawn = [draw_real(ground.held, samples, seed) for seed in seeds]
    priors = [subject.priors[0], *fitted, *subject.priors[1:]]
    made = {prior.name: [draw_samples(subject, prior, samples, seed) for seed in seeds] for prior in priors}
    found = compare_samples(drawn, made)
    click.echo(f"model {model.fingerprint}; {count} encodings; best key of real ones {found.reference['best_key']}\n")
    click.echo("| prior | best key | area over the ceiling | other way round | nats |\n|---|---|---|---|---|")
    for prior in priors:
        against = found.priors[prior.name]
        nats = f"{float(less(prior, encoded).mean()):.1f}" if isinstance(prior, Fitted) else ""
        best = against.comparison.levels["best_key"]
        click.echo(f"| {prior.name} | {best} | {against.ratio} | {against.back_ratio} | {nats} |")


def less(prior: Fitted, encoded: LatentEncoding) -> Tensor:
    """Nats that each of the encodings costs less than under N(0, I)."""
    plain: Tensor = Normal(0.0, 1.0).log_prob(encoded.z).sum(1)
    return prior.density.log_prob(encoded.z) - plain


if __name__ == "__main__":
    main()
