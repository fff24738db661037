from collections import Counter

import pytest

from resablate.orderings import ORDERINGS
from tests.networks import ORDER_NAMES

PAPER = {
    "original": ("conv bn relu conv bn", "relu"),
    "bn_after_add": ("conv bn relu conv", "bn relu"),
    "relu_before_add": ("conv bn relu conv bn relu", ""),
    "relu_only_preactivation": ("relu conv bn relu conv bn", ""),
    "full_preactivation": ("bn relu conv bn relu conv", ""),
}
"""He et al. 2016, Figure 4, copied by hand."""


def test_the_table_is_figure_4() -> None:
    assert tuple(ORDERINGS)[: len(PAPER)] == tuple(PAPER) == ORDER_NAMES
    assert {name: (ORDERINGS[name].branch, ORDERINGS[name].after_add) for name in PAPER} == PAPER


@pytest.mark.parametrize("name", PAPER)
def test_all_orderings_consist_of_the_same_components(name: str) -> None:
    row = ORDERINGS[name]
    words = Counter(f"{row.branch} {row.after_add}".split())
    assert words == {"conv": 2, "bn": 2, "relu": 2}, "only the orders are different (He et al. 2016, section 4)"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("original", ""),
        ("bn_after_add", ""),
        ("relu_before_add", ""),
        ("relu_only_preactivation", "relu"),
        ("full_preactivation", "bn relu"),
        ("one_norm", ""),
        ("one_norm_preactivation", "bn relu"),
        ("fixup", ""),
    ],
)
def test_what_comes_before_the_first_convolution(name: str, words: str) -> None:
    assert ORDERINGS[name].preactivation == words
