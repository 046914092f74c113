"""The discriminator that ships, and one written and read again; every way its file may be wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_evaluation_two_sample import melodies

from melodylc.data.errors import CheckpointError
from melodylc.data.musical_features import musical_features, names, select_columns
from melodylc.data.rows import transpose
from melodylc.sampling.discriminator import (
    WITHOUT,
    Discriminator,
    find_discriminator,
    load_discriminator,
    save_discriminator,
)


def a_small_one(units: int = 4, columns: tuple[str, ...] = ("key.fit", "recur.both_4")) -> Discriminator:
    rng, k = np.random.default_rng(0), len(columns)
    shapes = ((2, k, units), (2, units), (2, units), (2,))
    return Discriminator(columns, np.zeros(k), np.ones(k), *(rng.standard_normal(shape) for shape in shapes))


def test_it_ships_and_sees_all_but_the_register() -> None:
    assert find_discriminator().columns == tuple(np.array(names())[select_columns(*WITHOUT)].tolist())


def test_scores_are_those_of_its_nets() -> None:
    found, events = a_small_one(), melodies(5, 0)
    seen = musical_features(events)[:, [names().index(name) for name in found.columns]]
    for row, score in zip(seen, found.scores(events), strict=True):
        nets = [
            float(np.maximum(row.clip(-4, 4) @ hidden + bias, 0) @ out + last)
            for hidden, bias, out, last in zip(found.hidden, found.hidden_bias, found.out, found.out_bias, strict=True)
        ]
        assert score == pytest.approx(np.mean(nets))


def test_a_melody_is_as_real_in_any_key_and_beside_any_other() -> None:
    found, events = find_discriminator(), melodies(20, 1)
    scores = found.scores(events)
    np.testing.assert_allclose(found.scores(transpose(events, np.full(20, 4))), scores, atol=1e-6)
    np.testing.assert_allclose(found.scores(events[3:5]), scores[3:5], atol=1e-6)


def test_a_tune_whose_bars_return_is_more_real_than_one_that_wanders() -> None:
    wandering = melodies(40, 2)
    bars = wandering.reshape(40, 16, 16)
    period = bars[:, [0, 1, 2, 3, 0, 1, 4, 5, 6, 7, 6, 8, 0, 1, 4, 5]].reshape(40, 256)
    found = find_discriminator()
    assert found.scores(period).mean() > found.scores(wandering).mean() + 1


def test_what_was_written_is_read(tmp_path: Path) -> None:
    found, events = a_small_one(), melodies(5, 3)
    save_discriminator(tmp_path / "d.safetensors", found, {"corpus": "abc"})
    np.testing.assert_allclose(
        load_discriminator(tmp_path / "d.safetensors").scores(events), found.scores(events), atol=0.02
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"columns": ("key.fit", "no.such")}, "a feature 'no.such' that isn't known"),
        ({"mean": np.zeros(3)}, "its weights don't fit each other"),
        ({"out": np.full((2, 4), np.nan)}, "its weights don't fit each other"),
    ],
)
def test_a_file_that_can_not_be_is_refused(change: dict[str, object], told: str, tmp_path: Path) -> None:
    save_discriminator(tmp_path / "d.safetensors", replace(a_small_one(), **change), {})  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match=told):
        load_discriminator(tmp_path / "d.safetensors")
