"""Holm's procedure."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resablate.statistics import holm, holm_levels


def test_adjusted_p_values_by_hand() -> None:
    # 4 x 0.005, 3 x 0.01, 2 x 0.03, 1 x 0.04 raised to the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_levels_by_hand() -> None:
    # The third is compared with 0.05 / 2 and fails, and so does what is above it.
    assert holm_levels([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.05 / 3, 0.025, 0.025, 0.0125])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_both_forms_reject_the_same(p_values: list[float]) -> None:
    adjusted, levels = holm(p_values), holm_levels(p_values)
    near = np.abs(adjusted - 0.05) < 1e-9
    assert (((adjusted <= 0.05) == (np.array(p_values) <= levels)) | near).all()
    assert (adjusted >= np.array(p_values) - 1e-12).all()


def test_worlds_stand_in_front() -> None:
    p_values = np.random.default_rng(0).random((6, 4))
    assert holm(p_values)[2] == pytest.approx(holm(p_values[2]))
    assert holm_levels(p_values)[5] == pytest.approx(holm_levels(p_values[5]))
