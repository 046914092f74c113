"""The language model: what an event may depend on, and that writing is sampling from its own probabilities."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from melodylc.data.alphabet import STATES, STEPS
from melodylc.data.errors import InputError
from melodylc.models.config import named_config
from melodylc.models.language import LOOKBACK, LanguageConfig, MelodyLM
from melodylc.models.prior import COOL, LearntPrior, NormalPrior, Prior, pool
from melodylc.models.recall import RecallConfig, RecallLM
from melodylc.models.vae import MelodyVAE

SMALL = LanguageConfig(event=12, bar_event=6, bar_hidden=16, embedding=10, context=14, hidden=16)


@pytest.fixture
def model() -> MelodyLM:
    torch.manual_seed(1)
    made = MelodyLM(SMALL).requires_grad_(False).eval()
    for parameter in made.parameters():
        parameter.mul_(3.0)
    return made


def events(count: int) -> Tensor:
    return torch.randint(0, STATES, (count, STEPS), generator=torch.Generator().manual_seed(2))


def chances(count: int) -> Tensor:
    return torch.rand(count, STEPS, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("step", [0, 15, 16, 100, 255])
def test_an_event_hears_of_those_before_it_alone(model: MelodyLM, step: int) -> None:
    changed = events(2)
    changed[:, step:] = (changed[:, step:] + 7) % STATES
    before, after = model(events(2)), model(changed)
    torch.testing.assert_close(before[:, : step + 1], after[:, : step + 1])
    if step < STEPS - 1:
        assert not torch.allclose(before[:, step + 1], after[:, step + 1])


@pytest.mark.parametrize("ago", LOOKBACK)
def test_the_same_place_some_bars_ago_is_heard_at_once(model: MelodyLM, ago: int) -> None:
    for parameter in model.over_bars.parameters():
        parameter.zero_()  # the other way round
    changed, step = events(2), 130
    changed[:, step] = (changed[:, step] + 7) % STATES
    differs = (model(events(2)) != model(changed)).any(dim=2).all(dim=0)
    assert differs[step + 16 * ago] if step + 16 * ago < STEPS else not differs[144:].all()


def test_writing_is_the_first_event_whose_cumulative_probability_exceeds_the_number(model: MelodyLM) -> None:
    written = model.write(chances(5))
    assert len(set(written.flatten().tolist())) > 50
    cumulative = model(written).double().softmax(-1).cumsum(-1)
    expected = (cumulative <= chances(5)[..., None]).sum(-1)
    assert (written == expected).float().mean() > 0.999  # but for rounding at an edge


def test_cold_writing_is_the_most_probable_event_after_another(model: MelodyLM) -> None:
    written = model.write(chances(3), temperature=1e-4)
    assert (written == model(written).argmax(-1)).float().mean() > 0.99  # but for near ties


def test_a_melody_is_the_same_whatever_is_written_beside_it(model: MelodyLM) -> None:
    together = model.write(chances(6))
    assert together.equal(torch.cat([model.write(chances(6)[at : at + 1]) for at in range(6)]))


def test_a_configuration_survives_its_dictionary() -> None:
    assert LanguageConfig.from_dict(SMALL.to_dict()) == SMALL
    with pytest.raises(InputError, match="a language model with other fields: hidden"):
        LanguageConfig.from_dict({"hidden": 3})


# -- priors ------------------------------------------------------------------------------------


@pytest.fixture(params=["normal", "learnt", "recall"])
def prior(request: pytest.FixtureRequest, model: MelodyLM) -> Prior:
    torch.manual_seed(4)
    vae = MelodyVAE(named_config("tiny")).requires_grad_(False).eval()
    if request.param == "normal":
        return NormalPrior(vae.config.z)
    recall = RecallLM(RecallConfig(embedding=12, hidden=10, length=8)).requires_grad_(False).eval()
    return LearntPrior(vae, model if request.param == "learnt" else recall)


def test_the_same_numbers_are_the_same_latent(prior: Prior) -> None:
    numbers = np.stack([prior.numbers(np.random.default_rng(seed)) for seed in (5, 6, 5)])
    latents = prior.latents(numbers)
    assert latents.shape == (3, 32)
    torch.testing.assert_close(latents[0], latents[2])
    assert not torch.allclose(latents[0], latents[1])


def test_a_pool_is_one_draw_after_another_however_it_is_made(prior: Prior) -> None:
    found = pool(prior, 7, np.random.default_rng(5), chunk=3)
    stream = np.random.default_rng(5)
    expected = [prior.latents(prior.numbers(stream)[None]) for _ in range(7)]
    torch.testing.assert_close(found, torch.cat(expected))


def test_a_learnt_latent_is_the_posterior_mean_of_what_was_written(model: MelodyLM) -> None:
    torch.manual_seed(4)
    vae = MelodyVAE(named_config("tiny")).requires_grad_(False).eval()
    numbers = chances(3).numpy()
    torch.testing.assert_close(
        LearntPrior(vae, model).latents(numbers), vae.teacher_forced(model.write(chances(3), COOL), None)[0].mean
    )
    cold = replace(LearntPrior(vae, model), temperature=1e-4).latents(numbers)
    torch.testing.assert_close(cold, vae.teacher_forced(model.write(chances(3), 1e-4), None)[0].mean)


def test_what_a_melody_costs(model: MelodyLM) -> None:
    given = events(3)
    for temperature in (1.0, 0.5):
        chosen = torch.log_softmax(model(given) / temperature, -1).gather(2, given[..., None])[..., 0]
        torch.testing.assert_close(model.nll(given, temperature), -chosen.double().sum(1))
