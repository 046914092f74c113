"""What each stage minimises, against numbers worked out by hand."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from melodylc.data.alphabet import BARS, STATES, STEPS, STEPS_PER_BAR
from melodylc.data.errors import InputError
from melodylc.data.roles import LEAD
from melodylc.models.autoregressive import AutoregressiveSong
from melodylc.models.config import CONFIGS, named_config
from melodylc.models.noise import Noise
from melodylc.models.recall import RecallConfig, RecallLM
from melodylc.models.segments import UNKNOWN
from melodylc.models.vae import MelodyVAE
from melodylc.training.settings import StageSettings, default_settings
from melodylc.training.stages import LanguageStage, charge, make_stage, melody_nll

TINY = named_config("tiny")
KINDS = ("codec", "song")


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

    hidden: Tensor | None = None

    def forward(self, embeddings: Tensor, bars: Tensor, hide: Tensor | None = None) -> Tensor:
        self.hidden = hide
        return torch.zeros(*bars.shape, STATES)


# -- the charge for KL -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("progress", "free"), [(0.0, 100.0), (0.125, 85.0), (0.25, 70.0), (0.5, 40.0), (0.75, 40.0), (1.0, 40.0)]
)
def test_free_nats_move_from_the_first_to_the_second(progress: float, free: float) -> None:
    settings = stage_settings("song", free_nats=(100.0, 40.0), settled=0.5, beta=0.2)
    for kl in (0.0, 39.0, 70.0, 90.0, 100.0, 130.0):
        assert charge(torch.tensor(kl), settings, progress).item() == pytest.approx(0.2 * max(0.0, kl - free))


def test_by_default_every_nat_is_charged() -> None:
    assert charge(torch.tensor(12.5), stage_settings("song"), 0.3).item() == 12.5


# -- likelihoods -------------------------------------------------------------------------------


def test_a_decoder_that_knows_nothing_pays_log_130_an_event() -> None:
    nats = melody_nll(Uniform(), torch.zeros(3, BARS, 4), events(3), 0.2, Noise(0))
    assert nats.item() == pytest.approx(STEPS * math.log(STATES), rel=1e-6)


def test_the_likelihood_of_a_melody_is_the_categorical_one(vae: MelodyVAE) -> None:
    embeddings = torch.randn(5, BARS, TINY.embedding)
    bars = events(5).reshape(-1, STEPS_PER_BAR)
    expected = -log_likelihoods(vae.decoder(embeddings.flatten(0, 1), bars), bars).sum() / 5
    torch.testing.assert_close(melody_nll(vae.decoder, embeddings, events(5), 0.0, Noise(0)), expected)


def test_the_share_hidden_is_the_share_asked() -> None:
    spy = Uniform()
    melody_nll(spy, torch.zeros(1000, BARS, 4), events(1000), 0.3, Noise(0))
    assert spy.hidden is not None
    assert spy.hidden.float().mean().item() == pytest.approx(0.3, abs=0.01)
    melody_nll(spy, torch.zeros(1, BARS, 4), events(1), 0.0, Noise(0))
    assert spy.hidden is None


# -- stages ------------------------------------------------------------------------------------


def chain(vae: MelodyVAE) -> AutoregressiveSong:
    assert isinstance(vae.song, AutoregressiveSong)
    return vae.song


def nats(vae: MelodyVAE, embeddings: Tensor) -> float:
    """-log p(x | embeddings) of the events, a melody."""
    bars = events(len(embeddings)).reshape(-1, STEPS_PER_BAR)
    return -log_likelihoods(vae.decoder(embeddings.flatten(0, 1), bars), bars).sum().item() / len(embeddings)


def test_the_codec_pays_for_bars_given_their_own_noisy_embeddings(vae: MelodyVAE) -> None:
    loss, figures = make_stage(vae, stage_settings("codec", noise=0.0)).loss(events(3), 0.0, Noise(0))
    expected = nats(vae, chain(vae).bars(events(3)))
    assert figures["nll"] == pytest.approx(expected, rel=1e-5)
    assert loss.item() == pytest.approx(expected / STEPS, rel=1e-5)
    noisy, _ = make_stage(vae, stage_settings("codec", noise=3.0)).loss(events(3), 0.0, Noise(0))
    assert noisy.item() != loss.item()


def test_the_song_is_the_negative_elbo(vae: MelodyVAE) -> None:
    loss, figures = make_stage(vae, stage_settings("song", noise=0.3, free_nats=(22.0, 22.0))).loss(
        events(3), 1.0, Noise(7)
    )
    encoding, embeddings = vae.teacher_forced(events(3), Noise(7), 0.3)
    kl = encoding.kl.sum().item() / 3
    assert figures == pytest.approx({"nll": nats(vae, embeddings), "kl": kl}, rel=1e-5)
    assert loss.item() == pytest.approx((nats(vae, embeddings) + kl - 22.0) / STEPS, rel=1e-5)


def test_the_language_model_pays_for_every_segment_given_those_before() -> None:
    torch.manual_seed(0)
    model = RecallLM(RecallConfig(embedding=6, hidden=10, length=8)).eval()
    role = torch.tensor([LEAD, 2, UNKNOWN])
    loss, figures = LanguageStage(model).loss(torch.cat((events(3), role[:, None]), 1), 0.0, Noise(0))
    expected = model.nll(events(3), role=role).mean().item()
    assert figures == pytest.approx({"nll": expected}, rel=1e-5)
    assert loss.item() == pytest.approx(expected / STEPS, rel=1e-5)


def test_a_language_model_in_training_misses_units_that_the_noise_says() -> None:
    torch.manual_seed(0)
    model = RecallLM(RecallConfig(embedding=6, hidden=10, length=8))
    rows = torch.cat((events(3), torch.zeros(3, 1, dtype=torch.int64)), 1)
    same, other, complete = (LanguageStage(model).loss(rows, 0.0, Noise(seed))[0].item() for seed in (1, 2, 1))
    assert same == complete
    assert same != other
    assert same != LanguageStage(model.eval()).loss(rows, 0.0, Noise(1))[0].item()


@pytest.mark.parametrize("kind", KINDS)
def test_a_stage_moves_its_own_parameters_alone(kind: str, vae: MelodyVAE) -> None:
    stage = make_stage(vae, stage_settings(kind))
    stage.loss(events(2), 0.5, Noise(0))[0].backward()  # type: ignore[no-untyped-call]
    moved = {id(parameter) for parameter in vae.parameters() if parameter.grad is not None}
    assert moved == {id(parameter) for parameter in stage.parameters()}


def test_the_codec_is_a_part_and_the_rest_is_everything(vae: MelodyVAE) -> None:
    codec, song = ({id(p) for p in make_stage(vae, stage_settings(kind)).parameters()} for kind in KINDS)
    assert codec < song == {id(p) for p in vae.parameters()}


def test_a_flat_encoder_has_no_bars_to_train() -> None:
    flat = MelodyVAE(replace(TINY, name="flat", encoder="flat"))
    with pytest.raises(TypeError, match="a codec stage needs a chain of bars, and flat is none"):
        make_stage(flat, stage_settings("codec"))


# -- recipes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONFIGS)
def test_every_configuration_has_a_recipe_that_fits_it(name: str) -> None:
    config = named_config(name)
    kinds = [stage.kind for stage in default_settings(config).stages]
    assert kinds == (["song"] if config.encoder == "flat" else list(KINDS))


def test_going_on_is_the_last_stage_at_its_final_free_nats() -> None:
    whole = default_settings(TINY)
    on = whole.continued()
    assert [(stage.kind, stage.free_nats) for stage in on.stages] == [("song", (100.0, 100.0))]
    assert replace(on, stages=whole.stages) == whole


def test_minutes_bound_each_stage() -> None:
    settings = default_settings(TINY).with_minutes((0.5, 1))
    assert [stage.minutes for stage in settings.stages] == [0.5, 1]
    assert replace(settings, stages=default_settings(TINY).stages) == default_settings(TINY)


@pytest.mark.parametrize(
    ("minutes", "line"),
    [
        ((), "0 durations for 2 stages: give one each of codec,song"),
        ((1.0,), "1 durations for 2 stages: give one each of codec,song"),
        ((1.0, 0.0), "a stage of 0 minutes: every duration must be a number above 0"),
        ((1.0, -3.5), "a stage of -3.5 minutes"),
        ((1.0, math.nan), "a stage of nan minutes"),
        ((math.inf, 1.0), "a stage of inf minutes"),
    ],
)
def test_minutes_that_bound_nothing_are_refused(minutes: tuple[float, ...], line: str) -> None:
    with pytest.raises(InputError, match=line):
        default_settings(TINY).with_minutes(minutes)
