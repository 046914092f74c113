"""An actor that lost some of the spread around its labels, and is given it back."""

import pytest
import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.latent.actor import Actor, ActorConfig, label_scale, move_vectors
from melodylc.latent.samples import Encodings
from melodylc.latent.spread import SpreadRestoration, restore_spread

DIM, LABELS = 6, 3
FAR = torch.tensor([[3.0, 0, 0, 0, 0, 0], [0, 2.0, 0, 0, 0, 0], [0, 0, -1.0, 0, 0, 0]])
SPREAD = torch.tensor([1.0, 0.5, 1.5, 1.0, 0.25, 2.0])


def real(exclusive: bool = False) -> Encodings:
    """Vectors around a mean that their labels add up to, each dimension with a spread of its own."""
    generator = torch.Generator().manual_seed(1)
    labels = (torch.rand(4000, LABELS, generator=generator) < 0.4).float()
    if exclusive:
        labels = torch.eye(LABELS)[torch.randint(LABELS, (4000,), generator=generator)]
    mean = labels @ FAR + SPREAD * torch.randn(4000, DIM, generator=generator)
    return Encodings(mean, torch.full_like(mean, 0.01), labels)


@pytest.fixture(scope="module")
def narrow() -> Actor:
    """An actor that has learnt nothing: half open gates that pull vectors towards where its weights happen to say."""
    torch.manual_seed(0)
    actor = Actor(ActorConfig.of_vectors(DIM, LABELS, hidden=16, layers=2, bound=4.0))
    return actor.requires_grad_(False).eval()


def moved(actor: Actor | SpreadRestoration, labels: Tensor, seed: int = 5) -> Tensor:
    return move_vectors(actor, torch.randn(len(labels), DIM, generator=torch.Generator().manual_seed(seed)), labels)


def around(vectors: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Means linear in the labels, and root mean squares around them; by another solver than the one that is tested."""
    known = torch.cat([labels, torch.ones(len(labels), 1)], dim=1).double()
    means = torch.linalg.pinv(known) @ vectors.double()
    return means, (vectors.double() - known @ means).square().mean(dim=0).sqrt()


@pytest.mark.parametrize("exclusive", [False, True], ids=["attributes", "classes"])
def test_a_whole_share_gives_every_dimension_the_spread_of_real_vectors(narrow: Actor, exclusive: bool) -> None:
    encodings = real(exclusive)
    wide = restore_spread(narrow, encodings, 1.0, label_scale(DIM))
    labels = encodings.sample_labels(20_000, torch.Generator().manual_seed(2))
    before, after = moved(narrow, labels), moved(wide, labels)
    assert not torch.allclose(around(before, labels)[1], SPREAD.double(), rtol=0.1)
    torch.testing.assert_close(around(after, labels)[1], SPREAD.double(), rtol=0.05, atol=0)
    torch.testing.assert_close(around(after, labels)[0], around(before, labels)[0], atol=0.08, rtol=0)


def test_half_a_share_is_half_way(narrow: Actor) -> None:
    none, half, whole = (restore_spread(narrow, real(), share, label_scale(DIM)) for share in (0.0, 0.5, 1.0))
    torch.testing.assert_close(half.gain, (none.gain + whole.gain) / 2)
    labels = torch.eye(LABELS)
    torch.testing.assert_close(moved(none, labels), moved(narrow, labels))
    torch.testing.assert_close(moved(half, labels), (moved(none, labels) + moved(whole, labels)) / 2)


def test_the_same_seed_widens_the_same(narrow: Actor) -> None:
    first, again, other = (restore_spread(narrow, real(), 0.5, seed=seed) for seed in (1, 1, 2))
    assert first.gain.equal(again.gain)
    assert not first.gain.equal(other.gain)


def test_an_actor_that_leaves_vectors_where_they_are_lacks_no_spread_of_the_prior() -> None:
    actor = Actor(ActorConfig.of_vectors(DIM, 0, hidden=8, layers=2, bound=4.0)).requires_grad_(False)
    last = actor.network[-1]
    assert isinstance(last, torch.nn.Linear)
    last.bias[DIM:] = -50.0
    last.weight.zero_()
    prior = torch.randn(4000, DIM, generator=torch.Generator().manual_seed(0))
    wide = restore_spread(actor, Encodings.without_labels(prior, torch.zeros_like(prior)), 1.0)
    torch.testing.assert_close(wide.gain, torch.ones(DIM), atol=0.05, rtol=0)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(narrow: Actor, share: float) -> None:
    with pytest.raises(InputError, match=r"a share of the spread is in \[0, 1\]"):
        restore_spread(narrow, real(), share)


def test_an_actor_of_parts_is_refused() -> None:
    with pytest.raises(InputError, match="not one of 4 parts"):
        restore_spread(Actor(ActorConfig(parts=4, size=8, hidden=16)), real(), 0.5)
