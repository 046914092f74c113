"""The chain of bars: what a bar may know of the others, all ways through it, and its pointer."""

import pytest
import torch
from torch import Tensor

from melodylc.data.alphabet import BARS, STATES, STEPS
from melodylc.models.autoregressive import HEADS, Attention, AutoregressiveSong
from melodylc.models.config import named_config
from melodylc.models.noise import Noise

TINY = named_config("tiny")
PART = TINY.z // BARS


@pytest.fixture
def song() -> AutoregressiveSong:
    torch.manual_seed(1)
    made = AutoregressiveSong(TINY).requires_grad_(False).eval()
    for parameter in made.parameters():
        parameter.mul_(3.0)
    return made


def latents(count: int) -> Tensor:
    return torch.randn(count, TINY.z, generator=torch.Generator().manual_seed(2))


def events(count: int) -> Tensor:
    return torch.randint(0, STATES, (count, STEPS), generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("bar", [0, 5, 15])
def test_a_part_of_z_tells_on_its_bar_and_those_after_it(song: AutoregressiveSong, bar: int) -> None:
    changed = latents(3)
    changed[:, bar * PART : (bar + 1) * PART] += 1.0
    same = (song.embeddings(latents(3)) == song.embeddings(changed)).all(dim=2)
    assert same[:, :bar].all()
    assert not same[:, bar:].any()


@pytest.mark.parametrize("noise", [None, 4])
def test_the_walk_from_a_melody_and_the_walk_from_its_latent_are_one(
    song: AutoregressiveSong, noise: int | None
) -> None:
    encoding, embeddings = song.reconstruct(events(3), None if noise is None else Noise(noise))
    torch.testing.assert_close(song.embeddings(encoding.z), embeddings)


def test_the_posterior_of_a_bar_knows_what_was_made_of_the_bars_before(song: AutoregressiveSong) -> None:
    true, _ = song.teacher_forced(events(2), Noise(4))
    made, _ = song.reconstruct(events(2), Noise(4))
    changed = ~true.mean.isclose(made.mean, atol=1e-4).reshape(2, BARS, PART).all(dim=2)
    assert not changed[:, 0].any()
    assert changed[:, 1:].all()  # weights at random give no bar back


def test_blur_is_on_the_bars_before_alone(song: AutoregressiveSong) -> None:
    noise = Noise(4)
    noise.normal(2, BARS, TINY.embedding)  # what a blur draws first
    sharp, blurred = (
        song.teacher_forced(events(2), noise)[0].mean,
        song.teacher_forced(events(2), Noise(4), 0.5)[0].mean,
    )
    same = (sharp == blurred).reshape(2, BARS, PART).all(dim=2)
    assert same[:, 0].all()
    assert not same[:, 1:].any()


def test_what_is_written_follows_what_was_written(song: AutoregressiveSong) -> None:
    _, bars = song.decode_moved(latents(3))
    torch.testing.assert_close(song.embeddings(latents(3)), song.embed(latents(3), song.contexts(bars, latents(3))))
    written = song.decoder.greedy(song.embeddings(latents(3)).flatten(0, 1))
    assert bars.equal(written.reshape(3, STEPS))


def test_every_part_of_z_is_moved_in_its_turn_and_again_when_it_is_known_what_that_made(
    song: AutoregressiveSong,
) -> None:
    told: list[Tensor] = []

    def move(part: Tensor, context: Tensor, bar: int) -> Tensor:
        told.append(context)
        return part + bar

    moved, bars = song.decode_moved(latents(3), move)
    once, twice = (
        (latents(3).reshape(3, BARS, PART) + times * torch.arange(BARS)[:, None]).flatten(1) for times in (1, 2)
    )
    torch.testing.assert_close(moved, twice)
    assert bars.equal(song.decode_moved(moved)[1])
    torch.testing.assert_close(torch.cat(told[::2], 1), song.contexts(bars, latents(3)))
    torch.testing.assert_close(torch.cat(told[1::2], 1), song.contexts(bars, once))


def test_all_parts_at_once_are_moved_as_in_their_turns(song: AutoregressiveSong) -> None:
    def move(part: Tensor, context: Tensor, bar: int) -> Tensor:
        return part + context[..., : part.shape[-1]] - 2 * context[..., -part.shape[-1] :]

    moved, bars = song.decode_moved(latents(3), move)
    torch.testing.assert_close(song.move_parts(latents(3), song.contexts(bars, latents(3)), move), moved)


def test_a_pointer_sharp_and_open_copies_the_bar_it_points_to(song: AutoregressiveSong) -> None:
    song.conductor.head.bias[TINY.embedding :] = 1e3  # the gate, wide open
    song.conductor.pointer.distance[0, 2] = 1e6  # the third bar back: the last is at distance 0
    bars, (_, made) = song.bars(events(4)), song.teacher_forced(events(4), Noise(4))
    torch.testing.assert_close(made[:, 3:], bars[:, :-3])
    assert not torch.allclose(made[:, 2], bars[:, 0])  # the third back from there is no bar


def test_attention_weights_are_shares_of_the_places_so_far() -> None:
    torch.manual_seed(5)
    attention = Attention(HEADS)
    torch.nn.init.normal_(attention.distance)
    queries, keys = torch.randn(2, 3, HEADS * 5), torch.randn(2, HEADS, 7, 5)
    weights = attention(queries, keys)
    assert weights.shape == (2, HEADS, 3, 7)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, HEADS, 3))
    seen = torch.ones(3, 7).tril(diagonal=4).bool()  # the last three of seven places
    assert weights[..., ~seen].eq(0).all()
    assert weights[..., seen].gt(0).all()
    for head, query, place in ((0, 1, 4), (3, 2, 6)):
        scores = [
            queries[1, query].reshape(HEADS, 5)[head] @ keys[1, head, at] / 5**0.5
            + attention.distance[head, 4 + query - at]
            for at in range(5 + query)
        ]
        torch.testing.assert_close(weights[1, head, query, place], torch.stack(scores).softmax(0)[place])
