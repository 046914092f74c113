"""What is said of pictures: MS-SSIM against its formula, diversity, ratios."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.image.evaluation import (
    SCALE_WEIGHTS,
    ClassifierScores,
    PictureFigures,
    as_row,
    compare_figures,
    label_ms_ssim,
    ms_ssim,
    ms_ssim_scales,
)
from melodylc.image.fidelity import frechet, measure_fidelity

Plane = npt.NDArray[np.float64]


def windowed(plane: Plane) -> Plane:
    """Gaussian means, place by place."""
    at = np.arange(-5, 6)
    window = np.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    size = len(plane) - 10
    found = [[(plane[i : i + 11, j : j + 11] * window).sum() for j in range(size)] for i in range(size)]
    return np.array(found)


def by_the_formula(one: Plane, other: Plane, count: int) -> float:
    """Wang, Simoncelli and Bovik's equations for one plane, with loops."""
    weights, result = np.array(SCALE_WEIGHTS[:count]) / sum(SCALE_WEIGHTS[:count]), 1.0
    for at in range(count):
        mean_one, mean_other = windowed(one), windowed(other)
        var_one, var_other = windowed(one**2) - mean_one**2, windowed(other**2) - mean_other**2
        both = windowed(one * other) - mean_one * mean_other
        light = (2 * mean_one * mean_other + 1e-4) / (mean_one**2 + mean_other**2 + 1e-4)
        structure = (2 * both + 9e-4) / (var_one + var_other + 9e-4)
        term = (light * structure if at == count - 1 else structure).mean()
        result *= max(term, 0.0) ** weights[at]
        half = len(one) // 2
        one, other = (
            plane[: 2 * half, : 2 * half].reshape(half, 2, half, 2).mean(axis=(1, 3)) for plane in (one, other)
        )
    return float(result)


@pytest.mark.parametrize(("side", "count"), [(28, 2), (44, 3)])
def test_ms_ssim_is_what_the_paper_writes(side: int, count: int) -> None:
    rng = np.random.default_rng(side)
    one = rng.random((side, side))
    other = np.clip(one + rng.normal(0, 0.3, one.shape), 0, 1)
    assert ms_ssim_scales(side) == count
    found = ms_ssim(*(torch.from_numpy(plane)[None, None] for plane in (one, other)))
    assert found.item() == pytest.approx(by_the_formula(one, other, count), abs=1e-6)


def test_a_picture_is_like_itself_and_like_others_both_ways() -> None:
    one, other = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    assert torch.allclose(ms_ssim(one, one), torch.ones(2))
    assert torch.allclose(ms_ssim(one, other), ms_ssim(other, one))
    assert (ms_ssim(one, other) < 0.3).all()
    assert (ms_ssim(one, 1 - one) == 0).all()  # negative structure counts as none


def test_small_pictures_have_no_scale() -> None:
    with pytest.raises(InputError, match="11 pixels a side or more, not 8"):
        ms_ssim_scales(8)


def test_likeness_is_of_pairs_of_one_label() -> None:
    noise = torch.randint(0, 256, (6, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pixels = torch.cat([noise[:1].expand(4, 1, 28, 28), noise])
    labels = torch.zeros(10, 3)
    labels[:4, 0], labels[4:, 1], labels[9, 2] = 1, 1, 1
    same, other, alone = label_ms_ssim(pixels, labels, pairs=30).tolist()
    assert same == pytest.approx(1, abs=1e-5)
    assert other < 0.5  # never a picture with itself
    assert math.isnan(alone)


def judged(f1: float, alike: Tensor, far: float | None = None) -> PictureFigures:
    return PictureFigures(ClassifierScores(0.9, 0.9, 0.9, f1, (f1,), 10), alike, torch.zeros(1, 1, 28, 28), far)


def test_generated_pictures_are_compared_with_test_data() -> None:
    test = judged(0.8, torch.tensor([0.5, 0.4, torch.nan]))
    made = judged(0.76, torch.tensor([0.45, 0.44, 0.2]), 3.0)
    told = compare_figures(test, made, ("a", "b", "c"))
    assert told.startswith("F1 over test data's 0.950; MS-SSIM over real pictures' ")
    assert told.endswith("most 1.100 (b)")
    assert as_row(made) == ["0.9000", "0.9000", "0.9000", "0.7600", "3.00", "0.363"]
    assert as_row(judged(0.5, torch.tensor([torch.nan])))[-2:] == ["", ""]
    assert "MS-SSIM" not in compare_figures(
        judged(0.8, torch.tensor([torch.nan])), judged(0.8, torch.tensor([0.5])), ("a",)
    )


def test_precision_and_recall_tell_what_is_wrong() -> None:
    random = np.random.default_rng(0)
    real = random.standard_normal((600, 3))
    good, narrow = random.standard_normal((600, 3)), 0.2 * random.standard_normal((600, 3))
    wide = 6 * random.standard_normal((600, 3))
    found = {name: measure_fidelity(real, one) for name, one in (("good", good), ("narrow", narrow), ("wide", wide))}
    assert found["good"].frechet < found["narrow"].frechet < found["wide"].frechet
    assert min(found["good"].precision, found["good"].recall) > 0.9
    assert found["narrow"].precision > 0.95
    assert found["narrow"].recall < 0.3
    assert found["wide"].precision < 0.3


def test_frechet_by_hand() -> None:
    random = np.random.default_rng(1)
    one, other = random.standard_normal((20_000, 2)), np.array([3.0, 0.5]) * random.standard_normal((20_000, 2)) + 1
    # Independent coordinates: |1 - 0|^2 twice, (3 - 1)^2 and (0.5 - 1)^2.
    assert frechet(one, other) == pytest.approx(2 + 4 + 0.25, rel=0.05)
    assert frechet(one, one) == pytest.approx(0, abs=1e-6)
