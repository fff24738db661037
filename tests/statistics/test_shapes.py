"""Shapes against their rivals."""

import numpy as np
import pytest

from resablate.statistics import Verdict, aicc, compare_shapes, curvature

LENGTHS = np.arange(1, 31, dtype=float)
CURVES = {
    "exponential": lambda x: np.exp(-0.3 * x),
    "power_law": lambda x: x**-1.5,
    "gaussian": lambda x: np.exp(-((x - 5) ** 2) / 100),
    "flat": lambda x: np.full(x.shape, 0.2),
}


def curves(shape: str, *, seeds: int = 4, sd: float = 0.1) -> np.ndarray:
    generator = np.random.default_rng(0)
    return CURVES[shape](LENGTHS) * np.exp(sd * generator.normal(size=(seeds, LENGTHS.size)))


@pytest.mark.parametrize("shape", ["exponential", "power_law", "gaussian"])
def test_the_true_shape_beats_what_bends_otherwise(shape: str) -> None:
    for rival in {"exponential", "power_law", "flat"} - {shape}:
        found = compare_shapes(LENGTHS, curves(shape), claimed=shape, rivals=[rival])  # type: ignore[arg-type,list-item]
        assert found.decide().verdict is Verdict.SUPPORTED
        turned = compare_shapes(LENGTHS, curves(shape), claimed=rival, rivals=[shape])  # type: ignore[arg-type,list-item]
        assert turned.decide().verdict is Verdict.CONTRADICTED


def test_a_high_r2_does_not_make_an_exponential() -> None:
    """A Gaussian's logarithm has an R2 of 0.9 on a line over this range, and its curvature tells them apart."""
    values = curves("gaussian")
    line = np.polyfit(LENGTHS, np.log(values[0]), 1)
    left = np.log(values[0]) - np.polyval(line, LENGTHS)
    assert 1 - left.var() / np.log(values[0]).var() > 0.8
    assert compare_shapes(LENGTHS, values, claimed="exponential").decide().verdict is Verdict.CONTRADICTED
    ends = curvature(LENGTHS, values).interval()
    assert ends.low < -0.02 < ends.high


def test_an_exponential_has_no_curvature() -> None:
    ends = curvature(LENGTHS, curves("exponential")).interval()
    assert ends.low < 0 < ends.high
    assert abs(float(ends.low)) < 0.01


def test_aicc_by_hand() -> None:
    found = aicc(LENGTHS, curves("flat", seeds=1))
    logs = np.log(curves("flat", seeds=1)[0])
    # Two fitted numbers, the level and the noise.
    expected = 30 * np.log(logs.var()) + 4 + 2 * 2 * 3 / (30 - 3)
    assert found["flat"] == pytest.approx([expected])
    assert set(found) == set(CURVES)


def test_one_curve_is_one_seed() -> None:
    found = compare_shapes(LENGTHS, curves("exponential", seeds=1), claimed="exponential").decide()
    assert found.verdict is Verdict.UNDECIDED
    assert "one seed" in found.missing


def test_what_has_no_logarithm_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        aicc(LENGTHS, -curves("flat"))
    with pytest.raises(ValueError, match="six points"):
        aicc(LENGTHS[:5], curves("flat")[:, :5])
