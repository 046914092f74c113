"""Figures of a model whose answers are known: one that is perfect, and ones that err where they should."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from melodylc.data.alphabet import HOLD, REST, STEPS
from melodylc.models.config import named_config
from melodylc.models.noise import Noise
from melodylc.models.posterior import Encoding
from melodylc.models.vae import MelodyVAE
from melodylc.training.measure import CHUNK, mean_sigma, measure_reconstruction

Events = npt.NDArray[np.uint8]


def drawn(mean: Tensor, sigma: Tensor, noise: Noise | None = None) -> Encoding:
    """The mean, or with noise a draw."""
    return Encoding(mean if noise is None else mean + sigma * noise.normal(*mean.shape), mean, sigma)


class Parrot(MelodyVAE):
    """Its latent is the melody itself: (x - 64) / 64, so that decoding gives back what was encoded."""

    def __init__(self, sigma: float = 1e-4) -> None:
        super().__init__(named_config("tiny"))
        self.sigma = sigma

    def encode(self, events: Tensor, noise: Noise | None = None) -> Encoding:
        return drawn((events.float() - 64) / 64, torch.full(events.shape, self.sigma), noise)

    def raw_events(self, z: Tensor) -> Tensor:
        return (z * 64 + 64).round().clamp(0, 129).long()


def melodies(count: int) -> Events:
    """Four notes a bar, each held for two steps and rested for two, ascending with the row's number."""
    events = np.tile(np.array([60, HOLD, REST, REST], np.uint8), (count, STEPS // 4))
    events[:, ::4] += np.arange(count, dtype=np.uint8)[:, None] % 12
    return events


def test_a_perfect_model() -> None:
    events = melodies(2 * CHUNK + 3)
    found = measure_reconstruction(Parrot(), events)
    assert (found.steps, found.notes, found.exact, found.touched) == (1.0, 1.0, 1.0, 0.0)
    assert (found.sampled_steps, found.sampled_notes) == (1.0, 1.0)
    assert found.melodies == len(events)
    means = (events.astype(float) - 64) / 64
    kl = (means**2 + 1e-8 - 1) / 2 - math.log(1e-4)
    assert found.kl == pytest.approx(kl.sum(axis=1).mean(), rel=1e-5)
    assert found.active == STEPS


def test_errors_are_counted_where_they_are() -> None:
    class Forgetful(Parrot):
        """Transposes the second melody's first note, and the third's second rest sounds."""

        def raw_events(self, z: Tensor) -> Tensor:
            raw = super().raw_events(z)
            raw[1, 0] += 1
            raw[2, 3] = 50
            return raw

    found = measure_reconstruction(Forgetful(), melodies(8))
    assert found.steps == pytest.approx(1 - 2 / (8 * STEPS))
    assert found.notes == pytest.approx(1 - 1 / (8 * STEPS / 4))
    assert found.exact == 6 / 8
    assert found.touched == 0.0


def test_what_the_canonical_form_touched_is_told() -> None:
    class Dangling(Parrot):
        """Holds on after each of the rests: the bar line's fault in a real model."""

        def raw_events(self, z: Tensor) -> Tensor:
            raw = super().raw_events(z)
            raw[:, 3::4] = HOLD
            return raw

    found = measure_reconstruction(Dangling(), melodies(5))
    assert found.touched == pytest.approx(1 / 4)
    assert (found.steps, found.notes, found.exact) == (1.0, 1.0, 1.0)  # judged as they leave, as rests


def test_a_wide_posterior_is_told_by_its_sample_alone() -> None:
    found = measure_reconstruction(Parrot(sigma=0.1), melodies(20))
    assert (found.steps, found.notes) == (1.0, 1.0)
    # 6.4 states of deviation: a note is right where the noise is under half a state.
    assert found.sampled_notes == pytest.approx(math.erf(0.5 / 6.4 / math.sqrt(2)), abs=0.02)
    assert found.sampled_steps < 0.6
    assert measure_reconstruction(Parrot(sigma=0.1), melodies(20)) == found
    assert measure_reconstruction(Parrot(sigma=0.1), melodies(20), seed=1) != found


def test_dimensions_that_say_nothing_are_not_active(monkeypatch: pytest.MonkeyPatch) -> None:
    vae = MelodyVAE(named_config("tiny"))
    mean, sigma = torch.zeros(32), torch.ones(32)
    mean[:3] = 0.2  # 0.02 nats
    mean[3] = 0.1  # 0.005 nats
    sigma[4] = 0.5  # 0.318 nats
    monkeypatch.setattr(vae, "encode", lambda x, _=None: drawn(mean.expand(len(x), -1), sigma.expand(len(x), -1)))
    found = measure_reconstruction(vae, melodies(4))
    assert found.active == 4
    assert found.kl == pytest.approx(3 * 0.02 + 0.005 + (0.25 - 1) / 2 - math.log(0.5), rel=1e-4)


def test_figures_for_people() -> None:
    values = measure_reconstruction(Parrot(), melodies(3)).to_dict()
    assert values["steps"] == 1.0
    assert values["melodies"] == 3
    assert all(value == round(value, 4) for value in values.values())


def test_sigma_bar_is_the_mean_over_all_melodies_however_they_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    vae = MelodyVAE(named_config("tiny"))
    monkeypatch.setattr(vae, "encode", lambda x: drawn(torch.zeros(len(x), 3), x[:, :3].float() + 1))
    events = np.zeros((CHUNK + 1, STEPS), np.uint8)
    events[:, 1] = 4
    events[-1, 2] = CHUNK + 1 - 2  # in the second, short chunk
    expected = torch.tensor([1.0, 5.0, 1 + (CHUNK - 1) / (CHUNK + 1)])
    torch.testing.assert_close(mean_sigma(vae, events), expected)


def test_sigma_bar_of_a_real_model_is_its_posteriors_mean() -> None:
    vae, events = MelodyVAE(named_config("tiny")), melodies(7)
    whole = vae.encode(torch.from_numpy(events.astype(np.int64))).sigma.mean(0)
    torch.testing.assert_close(mean_sigma(vae, events), whole.detach())
    assert not mean_sigma(vae, events).requires_grad
