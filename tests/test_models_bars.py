"""The bar codec: greedy writing against the plain LSTM, and what each event may depend on."""

import pytest
import torch
from torch import Tensor

from melodylc.data.alphabet import STATES, STEPS_PER_BAR
from melodylc.models.bars import MASK, START, BarDecoder, BarEncoder

EMBEDDING = 12


@pytest.fixture(params=[True, False], ids=["slices", "no slices"])
def decoder(request: pytest.FixtureRequest) -> BarDecoder:
    """A decoder whose weights are large enough for its bars to be lively."""
    torch.manual_seed(1)
    made = BarDecoder(event=10, hidden=24, embedding=EMBEDDING, slices=request.param).requires_grad_(False)
    for parameter in made.parameters():
        parameter.mul_(4.0)
    return made.eval()


def embeddings(count: int) -> Tensor:
    return torch.tanh(torch.randn(count, EMBEDDING, generator=torch.Generator().manual_seed(2)))


def bars(count: int) -> Tensor:
    return torch.randint(0, STATES, (count, STEPS_PER_BAR), generator=torch.Generator().manual_seed(3))


def written_naively(decoder: BarDecoder, embedding: Tensor) -> list[int]:
    """One bar, one event at a time: the whole prefix through the LSTM anew."""
    written: list[int] = []
    for step in range(STEPS_PER_BAR):
        prefix = torch.tensor([written + [0] * (STEPS_PER_BAR - step)])
        written.append(int(decoder(embedding[None], prefix)[0, step].argmax()))
    return written


def test_greedy_is_the_plain_lstm_one_bar_and_one_event_at_a_time(decoder: BarDecoder) -> None:
    given = embeddings(40)
    written = decoder.greedy(given)
    assert written.shape == (40, STEPS_PER_BAR)
    assert written.dtype == torch.int64
    assert len(set(written.flatten().tolist())) > 20  # else any decoder would pass
    assert written.tolist() == [written_naively(decoder, embedding) for embedding in given]


def test_forward_is_the_lstm_run_by_hand(decoder: BarDecoder) -> None:
    given, written = embeddings(3), bars(3)
    added = decoder.slices(given).expand(-1, STEPS_PER_BAR, -1)
    states, before = decoder.states(given), torch.full((3,), START)
    for step in range(STEPS_PER_BAR):
        hidden, states = decoder.lstm((decoder.events(before) + added[:, step])[:, None], states)
        torch.testing.assert_close(decoder(given, written)[:, step], decoder.head(hidden[:, 0]))
        before = written[:, step]


@pytest.mark.parametrize("step", [0, 7, 15])
def test_an_event_is_told_from_those_before_it_alone(decoder: BarDecoder, step: int) -> None:
    given, written = embeddings(4), bars(4)
    changed = written.clone()
    changed[:, step:] = (changed[:, step:] + 5) % STATES
    before, after = decoder(given, written), decoder(given, changed)
    torch.testing.assert_close(before[:, : step + 1], after[:, : step + 1])
    if step < STEPS_PER_BAR - 1:
        assert not torch.allclose(before[:, step + 1], after[:, step + 1])


def test_a_bar_is_the_same_whatever_stands_beside_it(decoder: BarDecoder) -> None:
    given, written = embeddings(33), bars(33)
    together, alone = decoder(given, written), [decoder(given[i : i + 1], written[i : i + 1]) for i in range(33)]
    torch.testing.assert_close(together, torch.cat(alone))
    assert decoder.greedy(given).equal(torch.cat([decoder.greedy(given[i : i + 1]) for i in range(33)]))


def test_hidden_events_are_not_seen(decoder: BarDecoder) -> None:
    given, everything = embeddings(2), torch.ones(2, STEPS_PER_BAR, dtype=torch.bool)
    blind = decoder(given, bars(2), everything)
    torch.testing.assert_close(blind, decoder(given, (bars(2) + 1) % STATES, everything))
    torch.testing.assert_close(blind, decoder(given, torch.full((2, STEPS_PER_BAR), MASK)))
    torch.testing.assert_close(decoder(given, bars(2), ~everything), decoder(given, bars(2)))


def test_slices_differ_from_step_to_step_only_where_asked_for(decoder: BarDecoder) -> None:
    steps = decoder.bar.out_features // 10
    assert steps in (1, STEPS_PER_BAR)
    assert decoder.slices(embeddings(5)).shape == (5, steps, 10)


def test_a_bars_embedding_is_its_own() -> None:
    torch.manual_seed(4)
    encoder = BarEncoder(event=6, hidden=8, mix=5, embedding=EMBEDDING).eval()
    with torch.no_grad():
        together = encoder(bars(9))
        alone = torch.cat([encoder(bar[None]) for bar in bars(9)])
    assert together.shape == (9, EMBEDDING)
    assert bool((together.abs() < 1).all())
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("step", range(STEPS_PER_BAR))
def test_every_event_tells_on_the_embedding(step: int) -> None:
    torch.manual_seed(5)
    encoder = BarEncoder(event=6, hidden=8, mix=5, embedding=EMBEDDING).eval()
    changed = bars(1).clone()
    changed[0, step] = (changed[0, step] + 1) % STATES
    assert not torch.equal(encoder(bars(1)), encoder(changed))
