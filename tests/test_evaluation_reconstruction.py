"""Figures of models whose answers are known: one that is perfect, and ones that err where they should."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from parrot import CERTAINTY, Events, Parrot, melodies
from torch import Tensor
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import cross_entropy

from melodylc.data.alphabet import HOLD, STATES, STEPS, canonical
from melodylc.evaluation.reconstruction import Reconstruction, answers
from melodylc.evaluation.subject import CHUNK, LatentEncoding, StandardNormal, Subject, subject_of
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import named_config
from melodylc.models.language import LanguageConfig, MelodyLM
from melodylc.models.posterior import Encoding
from melodylc.models.prior import COOL, LearntPrior, pool
from melodylc.models.vae import MelodyVAE


def figures(vae: MelodyVAE, count: int, seeds: tuple[int, ...] = (0,)) -> Reconstruction:
    return answers(Subject(vae), melodies(count), seeds).figures()


def test_a_perfect_model() -> None:
    count = 2 * CHUNK + 3
    found, events = figures(Parrot(), count), melodies(count)
    for accuracy in (found.mean_forced, found.mean_free, found.sample_forced, found.sample_free):
        shares = [accuracy.steps, accuracy.notes, accuracy.bars, accuracy.melodies]
        assert [share.mean for share in shares] == [1.0] * 4
    assert (found.melodies, found.touched.mean, found.active) == (count, 0.0, STEPS)
    means = (events.astype(float) - 64) / 64
    kl = ((means**2 + 1e-8 - 1) / 2 - math.log(1e-4)).sum(axis=1).mean()
    nll = STEPS * math.log(1 + (STATES - 1) * math.exp(-CERTAINTY))
    (rate,) = found.rates.values()
    assert rate.kl.mean == pytest.approx(kl, rel=1e-5)
    assert rate.bits.mean == pytest.approx((kl + nll) / STEPS / math.log(2), rel=1e-5)


def test_errors_are_counted_where_they_are() -> None:
    class Forgetful(Parrot):
        """Transposes the second melody's first note, and the third's second rest sounds."""

        def raw_events(self, z: Tensor) -> Tensor:
            raw = super().raw_events(z)
            raw[1, 0] += 1
            raw[2, 3] = 50
            return raw

    found = figures(Forgetful(), 8).mean_free
    assert found.steps.mean == pytest.approx(1 - 2 / (8 * STEPS))
    assert found.notes.mean == pytest.approx(1 - 1 / (8 * STEPS / 4))
    assert found.bars.mean == pytest.approx(1 - 2 / (8 * 16))
    assert found.melodies.mean == 6 / 8
    assert figures(Forgetful(), 8).mean_forced.steps.mean == 1.0  # it forgets where it runs free


def test_teacher_forced_errors_have_figures_of_their_own() -> None:
    class Hesitant(Parrot):
        """Beside what it heard the next state, surer of it at every note."""

        def logits(self, z: Tensor, events: Tensor) -> Tensor:
            scores = super().logits(z, events)
            row, step = torch.nonzero(events < HOLD, as_tuple=True)
            scores[row, step, events[row, step] + 1] = 2 * CERTAINTY
            return scores

    found = figures(Hesitant(), 5)
    assert (found.mean_forced.notes.mean, found.mean_forced.steps.mean) == (0.0, 0.75)
    assert (found.mean_forced.bars.mean, found.sample_forced.melodies.mean) == (0.0, 0.0)
    assert found.mean_free.steps.mean == 1.0


def test_what_the_canonical_form_touched_is_told() -> None:
    class Dangling(Parrot):
        """Holds on after each of the rests: the bar line's fault in a real model."""

        def raw_events(self, z: Tensor) -> Tensor:
            raw = super().raw_events(z)
            raw[:, 3::4] = HOLD
            return raw

    found = figures(Dangling(), 5)
    assert found.touched.mean == pytest.approx(1 / 4)
    assert (found.mean_free.steps.mean, found.mean_free.melodies.mean) == (1.0, 1.0)  # judged as they leave, as rests


def test_a_wide_posterior_is_told_by_its_samples_alone() -> None:
    found = figures(Parrot(sigma=0.1), 20, seeds=(1, 2, 3))
    assert (found.mean_free.steps.mean, found.mean_free.notes.mean) == (1.0, 1.0)
    # 6.4 states of deviation: a note is right where the noise is under half a state.
    right = math.erf(0.5 / 6.4 / math.sqrt(2))
    for accuracy in (found.sample_free, found.sample_forced):
        assert accuracy.notes.mean == pytest.approx(right, abs=0.02)
        assert 0 < accuracy.notes.deviation < 3 * math.sqrt(right * (1 - right) / (20 * 64))
        assert len(set(accuracy.notes.values)) == 3
    again = figures(Parrot(sigma=0.1), 20, seeds=(3, 1, 2))
    assert sorted(again.sample_free.steps.values) == sorted(found.sample_free.steps.values)


def test_noise_differs_from_chunk_to_chunk() -> None:
    subject, count = Subject(Parrot(sigma=0.3)), CHUNK + 5
    events = np.tile(melodies(1), (count, 1))
    (sample,) = answers(subject, events, (4,)).samples
    assert (sample.free[0] != sample.free[CHUNK]).any()
    assert (sample.free[0] != sample.free[1]).any()


def test_dimensions_that_say_nothing_are_not_active(monkeypatch: pytest.MonkeyPatch) -> None:
    vae = MelodyVAE(named_config("tiny"))
    mean, sigma = torch.zeros(32), torch.ones(32)
    mean[:3] = 0.2  # 0.02 nats
    mean[3] = 0.1  # 0.005 nats
    sigma[4] = 0.5  # 0.318 nats
    encoding = Encoding(*(p.expand(4, -1) for p in (mean, mean, sigma)))
    monkeypatch.setattr(vae, "encode", lambda events, noise, refine: encoding)
    found = figures(vae, 4)
    assert found.active == 4
    (rate,) = found.rates.values()
    assert rate.kl.mean == pytest.approx(3 * 0.02 + 0.005 + (0.25 - 1) / 2 - math.log(0.5), rel=1e-4)


def test_a_real_model_against_its_own_parts() -> None:
    torch.manual_seed(1)
    vae, events = MelodyVAE(named_config("tiny")).eval(), melodies(6)
    found, truth = answers(Subject(vae), events, (5,)), torch.from_numpy(events.astype(np.int64))
    with torch.no_grad():
        posterior = vae.encode(truth)
        forced, logits = vae.teacher_forced_logits(truth, None)
        np.testing.assert_array_equal(found.mean.free, vae.decode(posterior.mean))
    np.testing.assert_array_equal(found.mean.forced, logits.argmax(2).numpy())
    nll = cross_entropy(logits.flatten(0, 1), truth.flatten(), reduction="none").reshape(6, STEPS).sum(1)
    np.testing.assert_allclose(found.mean.cost[:, 0], (nll + forced.kl.sum(1)).numpy(), rtol=1e-5)
    kl = kl_divergence(Normal(posterior.mean, posterior.sigma), Normal(0.0, 1.0))
    np.testing.assert_allclose(found.mean.kl[:, 0], kl.sum(1).numpy(), rtol=1e-4)
    np.testing.assert_allclose(found.mean.dimensions, kl.numpy(), rtol=1e-3, atol=1e-5)
    assert (found.samples[0].cost != found.mean.cost).all()


def test_the_training_of_a_caller_keeps_its_random_stream() -> None:
    vae = Parrot()
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    figures(vae, 3, seeds=(1, 2))
    torch.testing.assert_close(torch.rand(3), expected)


def test_some_of_the_melodies_have_the_figures_they_have_alone() -> None:
    whole = answers(Subject(Parrot(sigma=0.02)), melodies(9), (1, 2))
    some = np.array([True, False, True] * 3)
    part = whole.select(some).figures()
    assert part.melodies == 6
    right = [(answer.free == whole.events)[some].mean() for answer in whole.samples]
    assert part.sample_free.steps.values == pytest.approx(tuple(right))
    assert 0 < part.sample_free.steps.mean < 1


# -- priors ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shifted:
    """What a learnt prior may be: a Gaussian, its KL estimated at the sample."""

    centre: float
    width: float
    name: str = "learnt"

    def sample(self, count: int, seed: int) -> Tensor:
        return self.centre + self.width * StandardNormal(STEPS).sample(count, seed)

    def kl(self, encoded: LatentEncoding, events: Events) -> Tensor:
        own = log_density(encoded.z, encoded.mean, encoded.sigma)
        return (own - log_density(encoded.z, torch.tensor(self.centre), torch.tensor(self.width))).sum(1)


def log_density(z: Tensor, mean: Tensor, sigma: Tensor) -> Tensor:
    return -0.5 * ((z - mean) / sigma).square() - sigma.log() - 0.5 * math.log(2 * math.pi)


def test_a_learnt_prior_has_a_rate_of_its_own() -> None:
    vae, prior, events = Parrot(sigma=0.5), Shifted(0.4, 0.7), melodies(40)
    found = answers(Subject(vae, (StandardNormal(STEPS), prior)), events, (1, 2, 3)).figures()
    posterior = vae.encode(torch.from_numpy(events.astype(np.int64)))
    for name, target in (("N(0, I)", Normal(0.0, 1.0)), ("learnt", Normal(prior.centre, prior.width))):
        exact = kl_divergence(Normal(posterior.mean, posterior.sigma), target).sum(1).mean().item()
        assert found.rates[name].kl.mean == pytest.approx(exact, rel=0.02)
    one, other = found.rates.values()
    assert one.kl.deviation == pytest.approx(0, abs=1e-6)
    gap = (one.kl.mean - other.kl.mean) / STEPS / math.log(2)
    assert one.bits.mean - other.bits.mean == pytest.approx(gap)


def test_a_standard_normal_is_one_and_hangs_on_its_seed() -> None:
    prior = StandardNormal(32)
    z = prior.sample(4000, 3)
    assert z.shape == (4000, 32)
    assert z.mean().item() == pytest.approx(0, abs=0.02)
    assert z.std().item() == pytest.approx(1, abs=0.02)
    assert z.equal(prior.sample(4000, 3))
    assert not z.equal(prior.sample(4000, 4))


def test_what_is_written_is_canonical() -> None:
    torch.manual_seed(2)
    events, touched = Subject(MelodyVAE(named_config("tiny"))).melodies(torch.randn(20, 32))
    np.testing.assert_array_equal(canonical(events)[0], events)
    assert touched.shape == events.shape == (20, STEPS)


def test_a_model_with_a_language_has_a_learnt_prior_too() -> None:
    torch.manual_seed(6)
    vae, language = MelodyVAE(named_config("tiny")).eval(), MelodyLM(LanguageConfig(hidden=16, context=16)).eval()
    subject = subject_of(LoadedModel(vae, torch.ones(32), "0" * 16, {}, language))
    normal, learnt = subject.priors
    assert (normal.name, learnt.name) == ("N(0, I)", "learnt")
    events = melodies(4)
    bound = language.nll(torch.from_numpy(events.astype(np.int64)), COOL)
    torch.testing.assert_close(learnt.kl(subject.encode(events), events), bound)
    drawn = learnt.sample(5, 8)
    torch.testing.assert_close(drawn, pool(LearntPrior(vae, language), 5, np.random.default_rng(8)))
