"""What each stage minimises, against numbers worked out by hand."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal

from melodylc.data.alphabet import BARS, STATES, STEPS, STEPS_PER_BAR
from melodylc.data.errors import InputError
from melodylc.models.bars import BarDecoder
from melodylc.models.config import CONFIGS, named_config
from melodylc.models.song import BarsEncoder
from melodylc.models.vae import MelodyVAE, kl_to_prior
from melodylc.training.settings import StageSettings, default_settings
from melodylc.training.stages import bar_nll, charge, make_stage

TINY = named_config("tiny")
KINDS = ("codec", "song", "joint")


def stage_settings(kind: str, **changes: object) -> StageSettings:
    values = {"kind": kind, "batch": 4, "rate": 1e-3, "steps": 10} | changes
    return StageSettings(**values)  # type: ignore[arg-type]


@pytest.fixture
def vae() -> MelodyVAE:
    torch.manual_seed(0)
    return MelodyVAE(TINY)


def events(count: int) -> Tensor:
    return torch.randint(0, STATES, (count, STEPS), generator=torch.Generator().manual_seed(1))


def log_likelihoods(logits: Tensor, bars: Tensor) -> Tensor:
    """log p of every event, shape of `bars`."""
    normalised = logits - logits.exp().sum(dim=-1, keepdim=True).log()
    return normalised.gather(-1, bars[..., None])[..., 0]


class Uniform(nn.Module):
    """A bar decoder to which all events are alike."""

    def forward(self, embeddings: Tensor, bars: Tensor, hide: Tensor | None = None) -> Tensor:
        return torch.zeros(*bars.shape, STATES)


# -- the charge for KL -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("progress", "free"), [(0.0, 100.0), (0.125, 85.0), (0.25, 70.0), (0.5, 40.0), (0.75, 40.0), (1.0, 40.0)]
)
def test_free_nats_move_from_the_first_to_the_second(progress: float, free: float) -> None:
    settings = stage_settings("joint", free_nats=(100.0, 40.0), settled=0.5, beta=0.2)
    for kl in (0.0, 39.0, 70.0, 90.0, 100.0, 130.0):
        assert charge(torch.tensor(kl), settings, progress).item() == pytest.approx(0.2 * max(0.0, kl - free))


def test_by_default_every_nat_is_charged() -> None:
    assert charge(torch.tensor(12.5), stage_settings("joint"), 0.3).item() == 12.5


# -- likelihoods -------------------------------------------------------------------------------


def test_a_decoder_that_knows_nothing_pays_log_130_an_event() -> None:
    assert bar_nll(Uniform(), torch.zeros(3, 4), events(3)[:, :16], hide=0.2).item() == pytest.approx(
        STEPS_PER_BAR * math.log(STATES), rel=1e-6
    )


def test_the_likelihood_of_bars_is_the_categorical_one(vae: MelodyVAE) -> None:
    embeddings, bars = torch.randn(5, TINY.embedding), events(5)[:, :STEPS_PER_BAR]
    expected = -log_likelihoods(vae.decoder(embeddings, bars), bars).sum(1).mean()
    torch.testing.assert_close(bar_nll(vae.decoder, embeddings, bars, hide=0.0), expected)


def test_the_share_hidden_is_the_share_asked(monkeypatch: pytest.MonkeyPatch, vae: MelodyVAE) -> None:
    seen: list[Tensor] = []

    def spy(self: BarDecoder, embedding: Tensor, bars: Tensor, hide: Tensor | None = None) -> Tensor:
        assert hide is not None
        seen.append(hide)
        return torch.zeros(*bars.shape, STATES)

    monkeypatch.setattr(BarDecoder, "forward", spy)
    torch.manual_seed(0)
    bar_nll(vae.decoder, torch.zeros(1000, TINY.embedding), torch.zeros(1000, 16, dtype=torch.int64), hide=0.3)
    assert seen[0].float().mean().item() == pytest.approx(0.3, abs=0.02)


# -- stages ------------------------------------------------------------------------------------


def test_the_codec_pays_for_bars_given_their_own_noisy_embeddings(vae: MelodyVAE) -> None:
    assert isinstance(vae.encoder, BarsEncoder)
    loss, figures = make_stage(vae, stage_settings("codec", noise=0.0, hide=0.0)).loss(events(3), 0.0)
    bars = events(3).reshape(-1, STEPS_PER_BAR)
    nats = -log_likelihoods(vae.decoder(vae.encoder.bar(bars), bars), bars).sum().item() / 3  # a melody
    assert figures["nll"] == pytest.approx(nats, rel=1e-5)
    assert loss.item() == pytest.approx(nats / STEPS, rel=1e-5)
    noisy, _ = make_stage(vae, stage_settings("codec", noise=3.0, hide=0.0)).loss(events(3), 0.0)
    assert noisy.item() != loss.item()


def test_the_song_pays_for_embeddings_missed_and_for_kl(vae: MelodyVAE, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(vae.encoder, BarsEncoder)
    embeddings = vae.encoder.embed(events(2))
    monkeypatch.setattr(vae.conductor, "forward", lambda z: embeddings + 0.05)
    mean, sigma = torch.full((2, TINY.z), 3.0), torch.ones(2, TINY.z)
    monkeypatch.setattr(vae.encoder.song, "forward", lambda _: Normal(mean, sigma))
    loss, figures = make_stage(vae, stage_settings("song", noise=0.1, free_nats=(22.0, 22.0))).loss(events(2), 1.0)
    misfit = BARS * TINY.embedding * 0.05**2 / (2 * 0.1**2)
    kl = TINY.z * 3.0**2 / 2
    assert figures == pytest.approx({"misfit": misfit, "kl": kl}, rel=1e-4)
    assert loss.item() == pytest.approx((misfit + kl - 22.0) / STEPS, rel=1e-4)


def test_everything_jointly_is_the_negative_elbo(vae: MelodyVAE) -> None:
    stage = make_stage(vae, stage_settings("joint", hide=0.0))
    torch.manual_seed(7)
    loss, figures = stage.loss(events(3), 0.0)
    torch.manual_seed(7)
    posterior = vae.encode(events(3))
    log_likelihood = log_likelihoods(vae.logits(posterior.rsample(), events(3)), events(3)).sum(1).mean()
    kl = kl_to_prior(posterior).sum(1).mean()
    assert figures == pytest.approx({"nll": -log_likelihood.item(), "kl": kl.item()}, rel=1e-5)
    assert loss.item() == pytest.approx((kl - log_likelihood).item() / STEPS, rel=1e-5)


def test_some_of_the_bars_stand_for_all_without_bias(vae: MelodyVAE, monkeypatch: pytest.MonkeyPatch) -> None:
    for parameter in vae.decoder.parameters():
        parameter.data.mul_(6.0)  # bars must differ in what they cost
    sharp = Normal(torch.randn(6, TINY.z), torch.full((6, TINY.z), 1e-9))
    monkeypatch.setattr(vae, "encode", lambda _: sharp)
    whole = make_stage(vae, stage_settings("joint", hide=0.0)).loss(events(6), 0.0)[1]["nll"]
    part = make_stage(vae, stage_settings("joint", hide=0.0, bars=4))
    torch.manual_seed(0)
    found = torch.tensor([part.loss(events(6), 0.0)[1]["nll"] for _ in range(200)])
    assert found.std() > 0
    assert abs(found.mean().item() - whole) < 4 * found.std().item() / math.sqrt(200)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stage_moves_its_own_parameters_alone(kind: str, vae: MelodyVAE) -> None:
    stage = make_stage(vae, stage_settings(kind))
    stage.loss(events(2), 0.5)[0].backward()  # type: ignore[no-untyped-call]
    moved = {id(parameter) for parameter in vae.parameters() if parameter.grad is not None}
    assert moved == {id(parameter) for parameter in stage.parameters()}


def test_codec_and_song_together_are_everything(vae: MelodyVAE) -> None:
    codec, song, joint = (list(make_stage(vae, stage_settings(kind)).parameters()) for kind in KINDS)
    assert {id(p) for p in codec} | {id(p) for p in song} == {id(p) for p in joint}
    assert not {id(p) for p in codec} & {id(p) for p in song}


@pytest.mark.parametrize("kind", ["codec", "song"])
def test_a_flat_encoder_has_no_bars_to_train(kind: str) -> None:
    flat = MelodyVAE(replace(TINY, name="flat", encoder="flat", bar_mix=0, mix=0))
    with pytest.raises(TypeError, match=f"a {kind} stage needs a bar encoder, and flat has none"):
        make_stage(flat, stage_settings(kind))


# -- recipes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONFIGS)
def test_every_configuration_has_a_recipe_that_fits_it(name: str) -> None:
    config = named_config(name)
    kinds = [stage.kind for stage in default_settings(config).stages]
    assert kinds == (["joint"] if config.encoder == "flat" else list(KINDS))


def test_going_on_is_the_last_stage_at_its_final_free_nats() -> None:
    whole = default_settings(TINY)
    on = whole.continued()
    assert [(stage.kind, stage.free_nats) for stage in on.stages] == [("joint", (40.0, 40.0))]
    assert replace(on, stages=whole.stages) == whole


def test_minutes_bound_each_stage() -> None:
    settings = default_settings(TINY).with_minutes((0.5, 1, 2))
    assert [stage.minutes for stage in settings.stages] == [0.5, 1, 2]
    assert replace(settings, stages=default_settings(TINY).stages) == default_settings(TINY)


@pytest.mark.parametrize(
    ("minutes", "line"),
    [
        ((), "0 durations for 3 stages: give one each of codec,song,joint"),
        ((1.0, 2.0), "2 durations for 3 stages: give one each of codec,song,joint"),
        ((1.0, 0.0, 2.0), "a stage of 0 minutes: every duration must be a number above 0"),
        ((1.0, 2.0, -3.5), "a stage of -3.5 minutes"),
        ((1.0, math.nan, 2.0), "a stage of nan minutes"),
        ((math.inf, 1.0, 2.0), "a stage of inf minutes"),
    ],
)
def test_minutes_that_bound_nothing_are_refused(minutes: tuple[float, ...], line: str) -> None:
    with pytest.raises(InputError, match=line):
        default_settings(TINY).with_minutes(minutes)
