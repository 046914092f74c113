"""Posteriors fitted to melodies: held to a case with a known answer, and to the bound that they should better."""

import pytest
import torch
from test_models_vae import FLAT, TINY, events, lively
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.models.noise import Noise
from melodylc.models.posterior import Encoding, kl_to_prior
from melodylc.models.refinement import FitTo, Refinement, refine_posterior
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
    start, both = guess(torch.zeros(2, 1, 2)), data.repeat(how.draws, 1, 1)
    found = refine_posterior(start, lambda z: ((z - both) ** 2).sum(-1) / (2 * spread**2), how, None)
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
    drawn, again = (vae.song.teacher_forced(events(3), Noise(5), refine=how)[0] for _ in range(2))
    assert drawn.z.equal(again.z)
    normal = ((drawn.z - drawn.mean) / drawn.sigma).reshape(3, -1)
    torch.testing.assert_close(normal.flatten(), Noise(5).normal(3, TINY.z).flatten(), atol=1e-3, rtol=0)


def test_the_bound_gets_better_and_the_model_stays_as_it_is(vae: MelodyVAE) -> None:
    before = {name: weight.clone() for name, weight in vae.state_dict().items()}
    melodies, how = events(4), Refinement(steps=40, beta=1.0, to="bound")

    def loss(refine: Refinement | None) -> float:
        total = 0.0
        for seed in range(8):
            encoding, logits = vae.teacher_forced_logits(melodies, Noise(seed), refine)
            total += float(how.misfit(logits, melodies).sum() + encoding.kl.sum())
        return total

    assert loss(how) < 0.99 * loss(None)
    assert all(weight.equal(before[name]) and weight.grad is None for name, weight in vae.state_dict().items())


@pytest.mark.parametrize("to", ["events", "bound"])
def test_no_posterior_beside_the_fitted_one_is_better(to: FitTo) -> None:
    # Two events of three states, whose logits are linear in z.
    weights = 2 * torch.randn(3, 2, 3, generator=torch.Generator().manual_seed(4))
    how = Refinement(steps=400, to=to)

    def misfit(z: Tensor) -> Tensor:
        return how.misfit(torch.einsum("ni,ite->nte", z, weights), torch.tensor([[2, 0]]).expand(len(z), 2))

    found = refine_posterior(guess(torch.zeros(1, 3)), misfit, how, None)
    normal = Noise(6).normal(4096, 3)
    normal = torch.cat((normal, -normal))

    def loss(mean: Tensor, sigma: Tensor) -> float:
        return float(misfit(mean + sigma * normal).mean() + how.beta * kl_to_prior(mean, sigma).sum())

    best, apart = loss(found.mean, found.sigma), 0.3 * torch.eye(3)
    assert best < loss(torch.zeros(1, 3), torch.full((1, 3), 0.5)) - 0.1
    for step in (*apart, *-apart):
        assert best < loss(found.mean + step, found.sigma)
        assert best < loss(found.mean, found.sigma * (1.5 * step).exp())


def test_what_argmax_gets_wrong_is_between_the_cross_entropy_and_the_error() -> None:
    how, events = Refinement(), torch.tensor([[0, 1]])
    sure, torn, wrong = (
        how.misfit(torch.tensor([[[gap, 0.0], [0.0, gap]]]), events).item() for gap in (9.0, 0.0, -9.0)
    )
    assert sure < 1e-3
    assert torn == pytest.approx(2 * 2 * (1 - 0.5**0.5))
    assert wrong == pytest.approx(2 * 2, abs=1e-3)  # 1 / q each at the most, however wrong
    bound = Refinement(to="bound").misfit(torch.tensor([[[-9.0, 0.0], [0.0, -9.0]]]), events).item()
    assert bound == pytest.approx(2 * 9, abs=1e-3)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"pairs": 0}, {"rate": 0.0}, {"beta": -1.0}, {"beta": float("nan")}])
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong)).rstrip("s")):
        Refinement(**wrong)  # type: ignore[arg-type]
