"""Numbers of paths against those that the paper states, and counted ones."""

import itertools
import math
from typing import Any

import pytest
from torch import nn

from resablate.analyses import path_count
from resablate.measurement import AnalysisResult
from tests.networks import ScaledGradient, make_examples, make_network, make_scaling_network

VEIT_LEFT = {
    1: {1: 0.981, 5: 0.907, 10: 0.815, 11: 0.796, 17: 0.685, 27: 0.500},
    10: {1: 0.815, 5: 0.343, 10: 0.104, 11: 0.080, 17: 0.015, 27: 0.0004},
    20: {1: 0.630, 5: 0.088, 10: 0.0055, 11: 0.0030, 17: 0, 27: 0},
}
"""Parts of the paths of some lengths in 54 blocks after so many deletions: Veit et al. 2016, Figure 7."""


def _counted(blocks: int) -> AnalysisResult:
    network = make_scaling_network([ScaledGradient(1, 1)] * blocks)
    return path_count(network, make_examples(size=(2, 2)))


def test_the_paths_of_resnet_110() -> None:
    result = path_count(make_network(depth=110), make_examples())
    share = result.table["share"]
    assert len(share) == 55
    assert share == pytest.approx([math.comb(54, x) / 2**54 for x in range(55)], rel=1e-10)
    assert sum(share[5:18]) == pytest.approx(0.004537, rel=1e-3)  # the paper's 0.45 %
    assert sum(share[19:36]) == pytest.approx(0.980, abs=5e-4)
    typical = {name: result.summary[name] for name in ("median_length", "shortest", "longest")}
    assert typical == {"median_length": 27, "shortest": 20, "longest": 34}
    assert sum(share[20:35]) > 0.95 > sum(share[20:34])


def test_what_deletions_leave_is_what_the_paper_draws() -> None:
    table = _counted(54).table
    for deleted, parts in VEIT_LEFT.items():
        for length, part in parts.items():
            # To the last digit that is written.
            assert table[f"left_after_{deleted}"][length] == pytest.approx(part, abs=6e-4 if part > 0.01 else 6e-5)


def test_what_deletions_leave_is_exact() -> None:
    table = _counted(54).table
    for deleted in (1, 10, 20):
        exact = [math.comb(54 - deleted, x) / math.comb(54, x) for x in range(55)]
        assert table[f"left_after_{deleted}"] == pytest.approx(exact, rel=1e-11)


def test_the_effective_paths_and_what_deletions_leave_of_them() -> None:
    """Few of all paths, and most of those that deletions leave: Veit et al. 2016, sections 4.3 and 5."""
    result = _counted(54)
    assert (result.summary["effective_low"], result.summary["effective_high"]) == (5, 17)
    assert result.summary["effective_path_share"] == pytest.approx(0.004537, rel=1e-3)
    for deleted in (1, 10, 20):
        blocks = 54 - deleted
        left = sum(math.comb(blocks, x) for x in range(5, 18))
        assert result.summary[f"effective_path_share_after_{deleted}"] == pytest.approx(left / 2**blocks)
        part = left / sum(math.comb(54, x) for x in range(5, 18))
        assert result.summary[f"effective_left_after_{deleted}"] == pytest.approx(part)
        exact = [math.comb(blocks, x) / 2**blocks for x in range(55)]
        assert result.table[f"share_after_{deleted}"] == pytest.approx(exact, rel=1e-10)
    assert result.units["effective_path_share"] == "fraction"
    assert result.units["effective_low"] == "blocks"


def test_other_lengths_may_count_as_effective() -> None:
    network = make_scaling_network([ScaledGradient(1, 1)] * 12)
    summary = path_count(network, make_examples(size=(2, 2)), effective_low=2, effective_high=3).summary
    assert summary["effective_path_share"] == pytest.approx((math.comb(12, 2) + math.comb(12, 3)) / 2**12)
    assert (_counted(108).summary["effective_low"], _counted(108).summary["effective_high"]) == (10, 34)
    with pytest.raises(ValueError, match="effective_low must not be greater than effective_high, but got 9 and 4"):
        path_count(network, make_examples(size=(2, 2)), effective_low=9)


def test_a_network_of_few_blocks_has_no_more_deletions() -> None:
    assert not any("left" in name for name in _counted(1).table)
    assert [name for name in _counted(11).table if "left" in name] == ["left_after_1", "left_after_10"]


@pytest.mark.parametrize("fields", [{"network": "vgg", "depth": 7}, {"shortcut": "none", "depth": 14}])
def test_a_plain_network_has_one_path(fields: dict[str, Any]) -> None:
    result = path_count(make_network(**fields), make_examples())
    assert result.table["share"] == [0, 0, 0, 0, 0, 0, 1]
    assert result.table["log10_path_count"] == [-math.inf] * 6 + [0]
    typical = {name: result.summary[name] for name in ("median_length", "shortest", "longest")}
    assert typical == {"median_length": 6, "shortest": 6, "longest": 6}
    assert result.summary["effective_path_share"] == 0, "no path is short"
    assert not any("left" in name or "after" in name for name in result.summary), "parts of nothing"
    all_of_it = path_count(make_network(**fields), make_examples(), effective_high=6).summary
    assert (all_of_it["effective_path_share"], all_of_it["effective_left_after_1"]) == (1, 0)
    assert "effective_path_share_after_1" not in all_of_it
    assert result.table["left_after_1"][-1] == 0


def test_sides_that_are_scaled_away_are_no_choice() -> None:
    for factor in ("carried_factor", "added_factor"):
        network = make_network(shortcut={"name": "constant_scale", factor: 0.0})
        length = 3 if factor == "carried_factor" else 0
        assert path_count(network, make_examples()).summary["median_length"] == length


def test_only_blocks_with_both_sides_are_a_choice() -> None:
    """Against all paths written out, and all deletions."""
    plain, residual = (make_network(shortcut=name, depth=14).chain for name in ("none", "identity"))
    network = make_network(depth=14)
    network.blocks = nn.ModuleList([residual[0], plain[1], *residual[2:4], plain[4], residual[5]])
    network.chain[3].survival = 0.0
    paths = [
        {place for place, taken in enumerate(sides) if taken}
        for sides in itertools.product([False, True], repeat=6)
        if sides[1] and sides[4] and not sides[3]
    ]
    table = path_count(network, make_examples()).table
    for length in range(7):
        here = [path for path in paths if len(path) == length]
        assert table["share"][length] == pytest.approx(len(here) / 8)
        if here:
            assert table["log10_path_count"][length] == pytest.approx(math.log10(len(here)))
            left = [deleted not in path for path in here for deleted in (0, 1, 2, 4, 5)]
            assert table["left_after_1"][length] == pytest.approx(sum(left) / len(left))
        else:
            assert math.isnan(table["left_after_1"][length])


def test_a_thousand_blocks() -> None:
    result = _counted(1000)
    exact = math.log10(math.comb(1000, 500))
    assert result.table["log10_path_count"][500] == pytest.approx(exact, rel=1e-12)
    assert sum(result.table["share"]) == pytest.approx(1)
    few, many = (sum(math.comb(n, x) for x in range(93, 316)) for n in (980, 1000))
    assert result.summary["effective_left_after_20"] == pytest.approx(few / many, rel=1e-8)
    assert result.table["left_after_20"][500] == pytest.approx(math.comb(980, 500) / math.comb(1000, 500), rel=1e-9)
