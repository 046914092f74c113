"""The melody VAE: sizes, the posterior, decoding, and the paper's own model at full size."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from melodylc.data.alphabet import BARS, HOLD, STATES, STEPS, STEPS_PER_BAR, canonical
from melodylc.data.errors import InputError
from melodylc.data.melody import Melody
from melodylc.models.autoregressive import AutoregressiveSong
from melodylc.models.config import CONFIGS, ModelConfig, named_config
from melodylc.models.noise import Noise
from melodylc.models.posterior import SIGMA_FLOOR, Posterior, kl_to_prior
from melodylc.models.song import FlatSong
from melodylc.models.vae import MelodyVAE
from melodylc.training.settings import default_settings
from melodylc.training.stages import make_stage

TINY = named_config("tiny")
FLAT = replace(TINY, name="flat", encoder="flat", bar_hidden=0, song_hidden=0, attention=0)  # the paper's shape, small


def lively(config: ModelConfig, seed: int = 1) -> MelodyVAE:
    """A model whose weights are large enough for its melodies to differ."""
    torch.manual_seed(seed)
    vae = MelodyVAE(config).requires_grad_(False).eval()
    for parameter in vae.parameters():
        parameter.mul_(4.0)
    return vae


@pytest.fixture(params=[TINY, FLAT], ids=["chain", "flat"])
def vae(request: pytest.FixtureRequest) -> MelodyVAE:
    return lively(request.param)


def events(count: int, seed: int = 2) -> Tensor:
    return torch.randint(0, STATES, (count, STEPS), generator=torch.Generator().manual_seed(seed))


def latents(count: int, seed: int = 3) -> Tensor:
    return torch.randn(count, TINY.z, generator=torch.Generator().manual_seed(seed))


def written_naively(vae: MelodyVAE, z: Tensor) -> list[int]:
    """One melody, one event at a time: the most probable after the prefix, by the model's own logits."""
    melody = torch.zeros(1, STEPS, dtype=torch.int64)
    for step in range(STEPS):
        melody[0, step] = vae.logits(z[None], melody)[0, step].argmax()
    return melody[0].tolist()


# -- decoding ----------------------------------------------------------------------------------


def test_bars_in_parallel_are_256_events_one_after_another(vae: MelodyVAE) -> None:
    raw = vae.raw_events(latents(2))
    assert len(set(raw.flatten().tolist())) > 20
    assert raw.tolist() == [written_naively(vae, z) for z in latents(2)]


def test_a_melody_is_the_same_whatever_is_decoded_with_it(vae: MelodyVAE) -> None:
    together = vae.decode(latents(37))
    alone = np.concatenate([vae.decode(z[None]) for z in latents(37)])
    np.testing.assert_array_equal(together, alone)
    logits, some = vae.logits(latents(37), events(37))[:3], vae.logits(latents(37)[:3], events(37)[:3])
    torch.testing.assert_close(logits, some, atol=1e-3, rtol=1e-3)  # these weights are large


def test_what_leaves_is_canonical(vae: MelodyVAE) -> None:
    decoded, raw = vae.decode(latents(64)), vae.raw_events(latents(64)).numpy()
    assert decoded.shape == (64, STEPS)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, canonical(raw)[0])
    assert all(Melody(melody).events.tolist() == melody.tolist() for melody in decoded)


def test_holds_after_nothing_become_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    vae = lively(TINY)
    monkeypatch.setattr(vae, "raw_events", lambda z: torch.full((len(z), STEPS), HOLD))
    assert vae.decode(latents(1)).tolist() == [[HOLD + 1] * STEPS]


def test_given_z_no_bar_knows_of_another(vae: MelodyVAE) -> None:
    given, changed = events(2), events(2)
    changed[:, 5 * STEPS_PER_BAR : 6 * STEPS_PER_BAR] += 1
    changed %= STATES
    same = vae.logits(latents(2), given) == vae.logits(latents(2), changed)
    unheard = [
        bar != 5 or vae.config.encoder == "chain" for bar in range(BARS)
    ]  # its events don't even know of each other
    assert same.reshape(2, BARS, -1).all(dim=2).all(dim=0).tolist() == unheard


# -- encoding ----------------------------------------------------------------------------------


def test_the_posterior_has_a_mean_and_a_positive_sigma_for_every_melody(vae: MelodyVAE) -> None:
    encoding = vae.encode(events(5))
    assert encoding.z.shape == encoding.mean.shape == encoding.sigma.shape == encoding.kl.shape == (5, TINY.z)
    assert encoding.z.equal(encoding.mean)
    assert bool((encoding.sigma >= SIGMA_FLOOR).all())
    alone = vae.encode(events(5)[3:4])
    torch.testing.assert_close(alone.mean, encoding.mean[3:4])
    torch.testing.assert_close(alone.sigma, encoding.sigma[3:4])


def test_a_draw_has_the_posteriors_own_spread(vae: MelodyVAE) -> None:
    drawn = vae.encode(events(64), Noise(5))
    normal = (drawn.z - drawn.mean) / drawn.sigma
    torch.testing.assert_close(normal.flatten(), Noise(5).normal(*_shape(vae, 64)).flatten(), atol=1e-3, rtol=1e-3)


def _shape(vae: MelodyVAE, rows: int) -> tuple[int, ...]:
    return (rows, TINY.z) if vae.config.encoder == "flat" else (rows, BARS, TINY.z // BARS)


def test_what_a_latent_leads_to_is_what_it_is_decoded_from(vae: MelodyVAE) -> None:
    encoding, embeddings = vae.reconstruct(events(4), Noise(6))
    torch.testing.assert_close(vae.embeddings(encoding.z), embeddings)
    assert bool((embeddings.abs() <= 1).all())


def test_after_bars_that_come_back_whole_forced_and_free_are_one() -> None:
    """Where decoding gives a melody back, following its true bars and following the decoded ones is the same."""
    vae = lively(TINY)
    assert isinstance(vae.song, AutoregressiveSong)
    torch.nn.init.zeros_(vae.song.decoder.head.weight)  # every bar comes out alike, whatever z
    written = vae.raw_events(latents(1))
    forced, free = vae.teacher_forced(written, Noise(6)), vae.reconstruct(written, Noise(6))
    torch.testing.assert_close(forced[0].z, free[0].z)
    torch.testing.assert_close(forced[1], free[1])


@pytest.mark.parametrize("step", [0, 100, 255])
def test_the_posterior_hears_every_step(step: int) -> None:
    vae, changed = lively(TINY), events(1)
    changed[0, step] = (changed[0, step] + 1) % STATES
    assert not torch.equal(vae.encode(events(1)).mean, vae.encode(changed).mean)


def test_the_posterior_keeps_full_precision_under_autocast(vae: MelodyVAE) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        encoding = vae.encode(events(2))
    assert encoding.z.dtype == encoding.mean.dtype == encoding.sigma.dtype == torch.float32
    assert bool((encoding.sigma >= SIGMA_FLOOR).all())


def test_sigma_never_falls_to_zero_and_starts_where_told() -> None:
    head = Posterior(3, 2, sigma=0.25)
    torch.nn.init.zeros_(head.head.weight)
    assert head(torch.zeros(1, 3), None).sigma[0].tolist() == pytest.approx([0.25 + SIGMA_FLOOR] * 2, rel=1e-5)
    torch.nn.init.constant_(head.head.bias, -200.0)
    assert head(torch.zeros(1, 3), None).sigma[0].tolist() == pytest.approx([SIGMA_FLOOR] * 2)


def test_the_flat_encoder_reads_the_last_state_each_way() -> None:
    vae = lively(FLAT)
    assert isinstance(vae.song, FlatSong)
    outputs, _ = vae.song.encoder(vae.song.events(events(3)))
    forwards, backwards = outputs.chunk(2, dim=-1)
    expected = vae.song.posterior(torch.cat((forwards[:, -1], backwards[:, 0]), dim=-1), None)
    torch.testing.assert_close(vae.encode(events(3)).mean, expected.mean)


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=5), st.lists(st.floats(1e-3, 50), min_size=5, max_size=5))
def test_kl_is_what_torch_says(means: list[float], sigmas: list[float]) -> None:
    q = Normal(torch.tensor(means, dtype=torch.float64), torch.tensor(sigmas[: len(means)], dtype=torch.float64))
    prior = Normal(torch.zeros_like(q.mean), torch.ones_like(q.mean))
    torch.testing.assert_close(kl_to_prior(q.mean, q.stddev), kl_divergence(q, prior))
    assert bool((kl_to_prior(q.mean, q.stddev) >= -1e-12).all())


def test_kl_of_the_prior_itself_is_nothing() -> None:
    assert kl_to_prior(torch.zeros(2, 3), torch.ones(2, 3)).tolist() == [[0.0] * 3] * 2


# -- configurations ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_survives_its_dictionary(name: str) -> None:
    assert ModelConfig.from_dict(named_config(name).to_dict()) == named_config(name)


def test_an_unknown_name_is_answered_with_those_that_exist() -> None:
    with pytest.raises(InputError, match=r"unknown model configuration 'huge': choose one of paper, base, tiny"):
        named_config("huge")


def test_unknown_and_missing_fields_are_refused_by_name() -> None:
    values = TINY.to_dict() | {"depth": 3}
    del values["z"]
    with pytest.raises(InputError, match="unknown or missing fields: depth, z"):
        ModelConfig.from_dict(values)


def test_paper_has_the_sizes_the_paper_states() -> None:
    with torch.device("meta"):
        vae = MelodyVAE(named_config("paper"))
    shapes = {name: tuple(parameter.shape) for name, parameter in vae.named_parameters()}
    gates = 4
    assert shapes["song.encoder.weight_hh_l0"] == (gates * 2048, 2048)
    assert shapes["song.encoder.weight_hh_l0_reverse"] == (gates * 2048, 2048)
    assert "song.encoder.weight_hh_l1" not in shapes
    assert shapes["song.posterior.head.weight"] == (2 * 512, 2 * 2048)  # mean and sigma of z 512, from both ways
    assert shapes["song.initial.weight"] == (4 * 1024, 512)  # two layers' hidden and cell states, from z
    assert shapes["song.head.weight"] == (512, 1024)  # bar embeddings of 512
    assert shapes["song.decoder.initial.weight"] == (4 * 1024, 512)
    assert shapes["song.decoder.head.weight"] == (STATES, 1024)
    for part in ("song.conductor", "song.decoder.lstm"):
        assert shapes[f"{part}.weight_hh_l0"] == shapes[f"{part}.weight_hh_l1"] == (gates * 1024, 1024)
        assert f"{part}.weight_hh_l2" not in shapes


def test_paper_takes_a_training_step_and_decodes() -> None:
    torch.manual_seed(0)
    vae = MelodyVAE(named_config("paper"))
    (settings,) = default_settings(vae.config).stages
    stage = make_stage(vae, settings)
    optimizer = torch.optim.Adam(stage.parameters(), lr=settings.rate, fused=True)
    before = vae.decoder.head.weight.detach().clone()
    loss, figures = stage.loss(events(1), 1.0, Noise(0))
    loss.backward()  # type: ignore[no-untyped-call]
    assert figures["nll"] == pytest.approx(STEPS * np.log(STATES), rel=0.01)  # it knows nothing yet
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in vae.parameters())
    optimizer.step()
    assert not torch.equal(vae.decoder.head.weight, before)
    decoded = vae.decode(torch.randn(2, 512))
    assert decoded.shape == (2, STEPS)
    assert all(Melody(melody) for melody in decoded)


@pytest.mark.parametrize("z", [1, 24, 250])
def test_a_chain_needs_as_many_dimensions_for_every_bar(z: int) -> None:
    with pytest.raises(InputError, match=f"a chain's latent dimensions are a multiple of 16, not {z}"):
        replace(TINY, z=z)


def test_sizes_grow_from_tiny_to_paper() -> None:
    with torch.device("meta"):
        sizes = [
            sum(p.numel() for p in MelodyVAE(named_config(name)).parameters()) for name in ("tiny", "base", "paper")
        ]
    assert all(smaller * 5 < larger for smaller, larger in pairwise(sizes))
