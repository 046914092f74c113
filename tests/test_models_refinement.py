"""Posteriors fitted to melodies: held to a case with a known answer, and to the bound that they should better."""

import pytest
import torch
from test_models_vae import FLAT, TINY, events, lively
from torch import Tensor
from torch.nn.functional import cross_entropy

from melodylc.data.errors import InputError
from melodylc.models.noise import Noise
from melodylc.models.posterior import Encoding
from melodylc.models.refinement import Refinement, refined
from melodylc.models.vae import MelodyVAE


@pytest.fixture(params=[TINY, FLAT], ids=["chain", "flat"])
def vae(request: pytest.FixtureRequest) -> MelodyVAE:
    return lively(request.param)


def guess(mean: Tensor) -> Encoding:
    return Encoding(mean, mean, torch.full_like(mean, 0.5))


@pytest.mark.parametrize("beta", [1.0, 0.25])
def test_of_a_gaussian_likelihood_the_posterior_is_found(beta: float) -> None:
    # -log p(x|z) = (z - x)^2 / (2 s^2): the optimum is a Gaussian with precision 1 / s^2 / beta + 1.
    data, spread = torch.tensor([[[2.0, -1.0]], [[0.5, 3.0]]]), 0.3
    how = Refinement(steps=2000, rate=0.05, beta=beta)
    found = refined(guess(torch.zeros(2, 1, 2)), lambda z: ((z - data) ** 2).sum(-1) / (2 * spread**2), how, None)
    precision = 1 / (beta * spread**2) + 1
    torch.testing.assert_close(found.mean, data / (beta * spread**2) / precision, atol=0.03, rtol=0)
    torch.testing.assert_close(found.sigma, torch.full_like(data, precision**-0.5), atol=0, rtol=0.1)
    assert found.z.equal(found.mean)


def test_a_melody_is_fitted_the_same_alone_and_among_others(vae: MelodyVAE) -> None:
    how, both = Refinement(steps=3), events(2)
    together, alone = vae.encode(both, None, how), vae.encode(both[:1], None, how)
    torch.testing.assert_close(together.mean[:1], alone.mean, atol=0.05, rtol=0)  # bfloat16


def test_a_draw_is_of_the_fitted_posterior(vae: MelodyVAE) -> None:
    how = Refinement(steps=2)
    drawn, again = (vae.song.forced(events(3), Noise(5), refine=how)[0] for _ in range(2))
    assert drawn.z.equal(again.z)
    normal = ((drawn.z - drawn.mean) / drawn.sigma).reshape(3, -1)
    torch.testing.assert_close(normal.flatten(), Noise(5).normal(3, TINY.z).flatten(), atol=1e-3, rtol=0)


def test_the_bound_gets_better_and_the_model_stays_as_it_is(vae: MelodyVAE) -> None:
    before = {name: weight.clone() for name, weight in vae.state_dict().items()}
    melodies = events(4)

    def loss(refine: Refinement | None) -> float:
        total = 0.0
        for seed in range(8):
            encoding, logits = vae.forced_logits(melodies, Noise(seed), refine)
            total += float(cross_entropy(logits.float().transpose(1, 2), melodies, reduction="sum") + encoding.kl.sum())
        return total

    assert loss(Refinement(steps=40, beta=1.0)) < 0.99 * loss(None)
    assert all(weight.equal(before[name]) and weight.grad is None for name, weight in vae.state_dict().items())


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"rate": 0.0}, {"beta": -1.0}, {"beta": float("nan")}])
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong)).rstrip("s")):
        Refinement(**wrong)  # type: ignore[arg-type]
