"""What a model proposes: nothing where nothing moves, whatever the model; always canonical, always repeatable."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from melodylc.data.alphabet import canonical
from melodylc.editing.proposals import Proposer
from melodylc.latent.actor import Actor, ActorConfig
from melodylc.models.config import ModelConfig, named_config
from melodylc.models.vae import MelodyVAE
from melodylc.rewards.panel import real_melodies

Events = npt.NDArray[np.uint8]
Propose = Callable[[Proposer, Events, tuple[float, ...]], Events]

FLAT = replace(
    named_config("paper"), z=12, event=8, embedding=16, encoder_hidden=8, conductor_hidden=8, decoder_hidden=8
)
SOURCE = real_melodies()[:3]
WAYS: list[Propose] = [
    lambda proposer, events, strengths: proposer.propose(events, strengths, 2, seed=5),
    lambda proposer, events, strengths: proposer.in_place(events, strengths, 2, seed=5),
]


@pytest.fixture(scope="module", params=[named_config("tiny"), FLAT], ids=["chain", "flat"])
def proposer(request: pytest.FixtureRequest) -> Proposer:
    config: ModelConfig = request.param
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vae = MelodyVAE(config).requires_grad_(False).eval()
        return Proposer(vae, Actor(ActorConfig(*vae.chain, hidden=16)).requires_grad_(False).eval())


@pytest.mark.parametrize("way", WAYS, ids=["walked", "in place"])
def test_with_no_strength_every_proposal_is_the_melody(proposer: Proposer, way: Propose) -> None:
    assert np.array_equal(way(proposer, SOURCE, (0.0,)), np.repeat(SOURCE, 3, axis=0))


@pytest.mark.parametrize("way", WAYS, ids=["walked", "in place"])
def test_proposals_are_canonical_different_and_the_same_again(proposer: Proposer, way: Propose) -> None:
    found = way(proposer, SOURCE, (0.5, 1.0))
    assert found.shape == (2 * 3 * 3, 256)
    assert np.array_equal(found, canonical(found)[0])
    assert np.array_equal(found, way(proposer, SOURCE, (0.5, 1.0)))
    assert len(np.unique(found, axis=0)) > len(SOURCE)


def test_an_optimiser_moves_in_place_of_an_actor(proposer: Proposer) -> None:
    asked: list[Tensor] = []

    def optimise(z: Tensor) -> Tensor:
        asked.append(z)
        return z + 2

    found = Proposer(proposer.vae, None, optimise)
    made = found.propose(SOURCE, (0.0, 1.0), 1, seed=5)
    assert [len(z) for z in asked] == [2 * len(SOURCE)]
    assert np.array_equal(made[:6], np.repeat(SOURCE, 2, axis=0))
    assert not np.array_equal(made[6:], made[:6])
    assert not len(found.in_place(SOURCE, (1.0,), 1, seed=5)), "what fits one bar is the actor's to say"


def test_near_its_own_latent_a_melody_is_itself(proposer: Proposer) -> None:
    z = proposer.encode(SOURCE[:1])
    same, other = proposer.near(SOURCE[0], torch.cat((z, z + 2)))
    assert np.array_equal(same, SOURCE[0])
    assert not np.array_equal(other, SOURCE[0])


def test_what_is_made_of_latents_is_what_the_actor_makes_of_them(proposer: Proposer) -> None:
    z = torch.randn(4, proposer.vae.config.z, generator=torch.Generator().manual_seed(1))
    written = proposer.vae.decode_moved(z, proposer.actor)[1].to(torch.uint8).numpy()
    assert np.array_equal(proposer.decode(z), canonical(written)[0])
