"""Bars to embeddings and back: decoders against the plainest way of doing it, and what an event may depend on."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from melodylc.data.alphabet import BARS, STATES, STEPS, STEPS_PER_BAR
from melodylc.models.bars import MASK, START, BarEncoder, DenseBarDecoder, LstmBarDecoder

EMBEDDING = 12


def lively(module: nn.Module) -> nn.Module:
    """The module with weights that are large enough for its bars to differ."""
    for parameter in module.requires_grad_(False).parameters():
        parameter.mul_(4.0)
    return module.eval()


@pytest.fixture
def lstm() -> LstmBarDecoder:
    torch.manual_seed(1)
    made = lively(LstmBarDecoder(event=10, hidden=24, embedding=EMBEDDING))
    assert isinstance(made, LstmBarDecoder)
    return made


@pytest.fixture
def dense() -> DenseBarDecoder:
    torch.manual_seed(1)
    made = lively(DenseBarDecoder(EMBEDDING, hidden=24))
    assert isinstance(made, DenseBarDecoder)
    return made


@pytest.fixture(params=["lstm", "dense"])
def decoder(request: pytest.FixtureRequest) -> LstmBarDecoder | DenseBarDecoder:
    made: LstmBarDecoder | DenseBarDecoder = request.getfixturevalue(request.param)
    return made


def embeddings(count: int) -> Tensor:
    return torch.tanh(torch.randn(count, EMBEDDING, generator=torch.Generator().manual_seed(2)))


def bars(count: int) -> Tensor:
    return torch.randint(0, STATES, (count, STEPS_PER_BAR), generator=torch.Generator().manual_seed(3))


def melodies(count: int) -> Tensor:
    return bars(BARS * count).reshape(count, STEPS)


def written_naively(decoder: LstmBarDecoder | DenseBarDecoder, embedding: Tensor) -> list[int]:
    """One bar, one event at a time, from the whole prefix anew."""
    written: list[int] = []
    for step in range(STEPS_PER_BAR):
        prefix = torch.tensor([written + [0] * (STEPS_PER_BAR - step)])
        written.append(int(decoder(embedding[None], prefix)[0, step].argmax()))
    return written


# -- decoders ----------------------------------------------------------------------------------


def test_greedy_is_one_bar_and_one_event_at_a_time(decoder: LstmBarDecoder | DenseBarDecoder) -> None:
    given = embeddings(40)
    written = decoder.greedy(given)
    assert written.shape == (40, STEPS_PER_BAR)
    assert written.dtype == torch.int64
    assert len(set(written.flatten().tolist())) > 20  # else any decoder would pass
    assert written.tolist() == [written_naively(decoder, embedding) for embedding in given]


def test_a_bar_is_the_same_whatever_stands_beside_it(decoder: LstmBarDecoder | DenseBarDecoder) -> None:
    given, written = embeddings(33), bars(33)
    together, alone = decoder(given, written), [decoder(given[i : i + 1], written[i : i + 1]) for i in range(33)]
    torch.testing.assert_close(together, torch.cat(alone))
    assert decoder.greedy(given).equal(torch.cat([decoder.greedy(given[i : i + 1]) for i in range(33)]))


def test_the_lstm_decoder_is_the_lstm_run_by_hand(lstm: LstmBarDecoder) -> None:
    given, written = embeddings(3), bars(3)
    states, before = lstm.states(given), torch.full((3,), START)
    for step in range(STEPS_PER_BAR):
        hidden, states = lstm.lstm((lstm.events(before) + lstm.bar(given))[:, None], states)
        torch.testing.assert_close(lstm(given, written)[:, step], lstm.head(hidden[:, 0]))
        before = written[:, step]


@pytest.mark.parametrize("step", [0, 7, 15])
def test_the_lstm_decoder_hears_of_earlier_events_alone(lstm: LstmBarDecoder, step: int) -> None:
    given, written = embeddings(4), bars(4)
    changed = written.clone()
    changed[:, step:] = (changed[:, step:] + 5) % STATES
    before, after = lstm(given, written), lstm(given, changed)
    torch.testing.assert_close(before[:, : step + 1], after[:, : step + 1])
    if step < STEPS_PER_BAR - 1:
        assert not torch.allclose(before[:, step + 1], after[:, step + 1])


def test_the_dense_decoder_hears_of_no_event(dense: DenseBarDecoder) -> None:
    everything = torch.ones(4, STEPS_PER_BAR, dtype=torch.bool)
    assert dense(embeddings(4), bars(4)).equal(dense(embeddings(4), (bars(4) + 5) % STATES, everything))


def test_hidden_events_are_not_seen(lstm: LstmBarDecoder) -> None:
    given, everything = embeddings(2), torch.ones(2, STEPS_PER_BAR, dtype=torch.bool)
    blind = lstm(given, bars(2), everything)
    torch.testing.assert_close(blind, lstm(given, (bars(2) + 1) % STATES, everything))
    torch.testing.assert_close(blind, lstm(given, torch.full((2, STEPS_PER_BAR), MASK)))
    torch.testing.assert_close(lstm(given, bars(2), ~everything), lstm(given, bars(2)))


# -- the encoder -------------------------------------------------------------------------------


@pytest.fixture
def encoder() -> BarEncoder:
    torch.manual_seed(4)
    made = lively(BarEncoder(event=6, hidden=20, embedding=EMBEDDING))
    assert isinstance(made, BarEncoder)
    return made


def test_an_embedding_is_a_bar_of_one_hot_events_through_two_layers(encoder: BarEncoder) -> None:
    rows = one_hot(bars(BARS), STATES).float() @ encoder.events.weight
    hidden = encoder.hidden(rows.flatten(1))
    expected = torch.tanh(encoder.head(hidden * torch.sigmoid(hidden)))
    torch.testing.assert_close(encoder(melodies(1))[0], expected)
    assert bool((expected.abs() <= 1).all())


def test_a_bars_embedding_is_its_own(encoder: BarEncoder) -> None:
    together = encoder(melodies(5))
    assert together.shape == (5, BARS, EMBEDDING)
    torch.testing.assert_close(together, torch.cat([encoder(melody[None]) for melody in melodies(5)]))
    changed = melodies(5)
    changed[:, 3 * STEPS_PER_BAR : 4 * STEPS_PER_BAR] += 1
    same = (encoder(changed % STATES) == together).all(dim=2).all(dim=0)
    assert same.tolist() == [bar != 3 for bar in range(BARS)]


@pytest.mark.parametrize("step", range(STEPS_PER_BAR))
def test_every_event_tells_on_the_embedding(encoder: BarEncoder, step: int) -> None:
    changed = melodies(1)
    changed[0, step] = (changed[0, step] + 1) % STATES
    assert not torch.equal(encoder(melodies(1)), encoder(changed))
