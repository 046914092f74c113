"""Simple priors of latents beside N(0, I) and the learnt one, on the model that ships. The figures in docs/method.md.

    python benchmarks/priors.py CORPUS

A full Gaussian, and a mixture of as many as are named, by expectation and maximisation on encodings of training
melodies (one sample of q(z|x) each, after true bars), drawn as training draws them. Samples are held against held-out
melodies as `melodylc evaluate model` does; `nats` is how much more probable held-out encodings are than under N(0, I).
"""

import math
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor

from melodylc.actors import shipped_model
from melodylc.data.corpus import Corpus
from melodylc.evaluation.figures import Spread
from melodylc.evaluation.real import Ground
from melodylc.evaluation.samples import compare_samples, draw_real, draw_samples
from melodylc.evaluation.subject import Encoded, Events, subject_of
from melodylc.models.noise import Noise
from melodylc.models.vae import MelodyVAE
from melodylc.training.batches import Batches

ROUNDS = 30  #: of expectation and maximisation
SHRUNK = 0.05  #: of every covariance is its diagonal
TOGETHER = 256


@dataclass(frozen=True)
class Mixture:
    """k Gaussians in d dimensions."""

    weights: Tensor  #: (k,)
    means: Tensor  #: (k, d)
    factors: Tensor  #: (k, d, d) Cholesky's, of the covariances

    @property
    def name(self) -> str:
        """What the table calls it."""
        return "a full Gaussian" if len(self.weights) == 1 else f"a mixture of {len(self.weights)} full Gaussians"

    def sample(self, count: int, seed: int) -> Tensor:
        """`count` latents (count, d)."""
        chance = torch.Generator().manual_seed(seed)
        of = torch.multinomial(self.weights, count, replacement=True, generator=chance)
        noise = torch.randn(count, self.means.shape[1], generator=chance)
        return self.means[of] + (self.factors[of] @ noise[:, :, None])[:, :, 0]

    def kl(self, encoded: Encoded, events: Events) -> Tensor:
        """From one sample of q(z|x): log q(z|x) - log p(z)."""
        log_q = torch.distributions.Normal(encoded.mean, encoded.sigma).log_prob(encoded.z).sum(1)
        return log_q - torch.logsumexp(self.logs(encoded.z), 1)

    def logs(self, x: Tensor) -> Tensor:
        """log of weight times density of each component, (n, k)."""
        columns = []
        for weight, mean, factor in zip(self.weights, self.means, self.factors, strict=True):
            white = torch.linalg.solve_triangular(factor, (x - mean).T, upper=False)
            size = factor.diagonal().log().sum() + x.shape[1] / 2 * math.log(2 * math.pi)
            columns.append(weight.log() - size - white.square().sum(0) / 2)
        return torch.stack(columns, 1)


def fitted(x: Tensor, count: int) -> Mixture:
    """The mixture of `count` Gaussians that is fitted to x (n, d), from means drawn among them."""
    chance = torch.Generator().manual_seed(0)
    means = x[torch.randperm(len(x), generator=chance)[:count]]
    shares = torch.softmax(-torch.cdist(x, means), 1)
    for _ in range(ROUNDS if count > 1 else 1):
        weights = shares.mean(0)
        means = (shares.T @ x) / shares.sum(0)[:, None]
        factors = torch.stack([_factor(x, share, mean) for share, mean in zip(shares.T, means, strict=True)])
        found = Mixture(weights, means, factors)
        shares = torch.softmax(found.logs(x), 1)
    return found


def _factor(x: Tensor, share: Tensor, mean: Tensor) -> Tensor:
    covariance = ((x - mean) * share[:, None]).T @ (x - mean) / share.sum()
    factor: Tensor = torch.linalg.cholesky(torch.lerp(covariance, torch.diag(covariance.diagonal()), SHRUNK))
    return factor


def encodings(vae: MelodyVAE, batches: Batches, count: int) -> Tensor:
    """Samples of q(z|x), (count, d)."""
    noise, parts = Noise(0), []
    for step in range(count // TOGETHER):
        melodies = torch.from_numpy(batches.draw(0, step, TOGETHER).astype(np.int64))
        with torch.no_grad():
            parts.append(vae.forced(melodies, noise)[0].z.float())
    return torch.cat(parts)


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path))
@click.option("--encodings", "count", default=16384, show_default=True)
@click.option("--components", default=16, show_default=True)
@click.option("--samples", default=500, show_default=True)
def main(corpus: Path, count: int, components: int, samples: int) -> None:
    """Print a Markdown table, in the mean over the seeds 1, 2, 3."""
    torch.set_num_threads(1)
    opened, model, seeds = Corpus.open(corpus), shipped_model(), (1, 2, 3)
    ground, subject = Ground.of(model.provenance, opened), subject_of(model)
    x = encodings(model.vae, Batches(opened, ground.balance, 0, ground.remaining.train), count)
    mixtures = [fitted(x, number) for number in (1, components)]
    priors = [subject.priors[0], *mixtures, *subject.priors[1:]]
    drawn = [draw_real(ground.held, samples, seed) for seed in seeds]
    made = {prior.name: [draw_samples(subject, prior, samples, seed) for seed in seeds] for prior in priors}
    found = compare_samples(drawn, made)
    heldout = ground.held.draw(np.arange(len(ground.held.events)), 512, np.random.default_rng(0))
    encoded = subject.forced(heldout, 0).encoded
    plain = subject.priors[0].kl(encoded, heldout)
    click.echo(f"model {model.fingerprint}; {count} encodings; best key of real ones {found.reference['best_key']}\n")
    click.echo("| prior | best key | area over the ceiling | other way round | nats |\n|---|---|---|---|---|")
    for prior in priors:
        against = found.priors[prior.name]
        less = plain_sample(encoded) - prior.kl(encoded, heldout)
        nats = f"{float(less.mean()):.1f}" if isinstance(prior, Mixture) else ""
        best: Spread = against.comparison.levels["best_key"]
        click.echo(f"| {prior.name} | {best} | {against.ratio} | {against.back_ratio} | {nats} |")
    click.echo(f"\nKL to N(0, I) of these held-out encodings {float(plain.mean()):.1f} nats.")


def plain_sample(encoded: Encoded) -> Tensor:
    """KL to N(0, I) from the same one sample of q(z|x) as that to a mixture."""
    log_q = torch.distributions.Normal(encoded.mean, encoded.sigma).log_prob(encoded.z).sum(1)
    return log_q - torch.distributions.Normal(0.0, 1.0).log_prob(encoded.z).sum(1)


if __name__ == "__main__":
    main()
