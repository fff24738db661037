"""Several blocks removed at once, against running the whole network for each set."""

import itertools
import math
from collections.abc import Iterable

import pytest
import torch

from resablate.analyses import LESION_DESIGNS, lesion, multi_lesion
from resablate.datasets import Examples
from resablate.model import ResidualNetwork, Route
from tests.networks import make_examples, make_generator, make_network

NAMES = ("error_lower_quartile", "error_median", "error_upper_quartile", "error_minimum", "error_maximum")


def _error(network: ResidualNetwork, examples: Examples, removed: Iterable[int]) -> float:
    gone = set(removed)
    routes = [Route.SHORTCUT_ONLY if index in gone else Route.BOTH for index in range(len(network.chain))]
    return int((network(examples.images, routes).argmax(1) != examples.labels).sum()) / len(examples)


def _quantiles(errors: list[float]) -> list[float]:
    ordered = torch.tensor(errors, dtype=torch.float64)
    return [float(ordered.quantile(part)) for part in (0.25, 0.5, 0.75, 0, 1)]


@pytest.mark.parametrize("design", LESION_DESIGNS)
def test_the_sets_are_those_of_the_orders_that_the_generator_draws(design: str) -> None:
    network, examples = make_network(depth=20), make_examples(30)
    changing = [block for block, row in enumerate(network.chain) if row.changes_dimension]
    assert changing == [3, 6]
    result = multi_lesion(network, examples, generator=make_generator(), subsets=7, design=design)
    assert list(result.table["removed"]) == list(range(1, 10))
    draw = make_generator()
    fresh = [[torch.randperm(9, generator=draw).tolist() for _ in range(7)] for _ in range(9)]
    for size in range(1, 10):
        orders = fresh[0] if design == "nested" else fresh[size - 1]
        row = {name: result.table[name][size - 1] for name in result.table}
        expected = _quantiles([_error(network, examples, order[:size]) for order in orders])
        assert [row[name] for name in NAMES] == pytest.approx(expected)
        kept = [[block for block in order if block not in changing] for order in orders]
        same = [row[f"same_dimension_{name}"] for name in NAMES]
        if size <= 7:
            assert same == pytest.approx(_quantiles([_error(network, examples, order[:size]) for order in kept]))
        else:
            assert all(math.isnan(value) for value in [*same, row["same_dimension_error_median_standard_error"]])


def test_one_block_is_a_lesion_and_all_blocks_are_one_set() -> None:
    network, examples = make_network(depth=14), make_examples(40)
    table = multi_lesion(network, examples, generator=make_generator(), subsets=60).table
    single = lesion(network, examples)
    assert table["error_minimum"][0] == min(single.table["error"])
    assert table["error_maximum"][0] == max(single.table["error"])
    assert table["error_minimum"][5] == table["error_maximum"][5] == _error(network, examples, range(6))


def test_the_designs_agree_on_every_set_of_a_small_network() -> None:
    """With many draws both see the same distribution of sets: means over the sets are close to those over all."""
    network, examples = make_network(depth=14), make_examples(40)
    for design in LESION_DESIGNS:
        table = multi_lesion(
            network,
            examples,
            generator=make_generator(3),
            largest=4,
            subsets=600,
            design=design,
        ).table
        for size in range(1, 5):
            everything = [_error(network, examples, blocks) for blocks in itertools.combinations(range(6), size)]
            assert table["error_minimum"][size - 1] == min(everything)
            assert table["error_maximum"][size - 1] == max(everything)
            assert table["error_median"][size - 1] == pytest.approx(_quantiles(everything)[1], abs=0.026)


def test_the_standard_error_of_one_set_is_that_of_a_mean() -> None:
    network, examples = make_network(depth=14), make_examples(500)
    result = multi_lesion(network, examples, generator=make_generator(), subsets=1)
    baseline = result.summary["baseline_error"]
    assert baseline == _error(network, examples, [])
    expected = math.sqrt(baseline * (1 - baseline) / 500)
    assert result.summary["baseline_error_standard_error"] == pytest.approx(expected, rel=0.15)
    for name in ("", "same_dimension_"):
        error = result.table[f"{name}error_median"][2]
        measured = result.table[f"{name}error_median_standard_error"][2]
        assert measured == pytest.approx(math.sqrt(error * (1 - error) / 500), rel=0.15)


def test_sizes_and_examples_are_cut() -> None:
    network, examples = make_network(depth=14), make_examples(40)
    few = multi_lesion(network, examples, generator=make_generator(), largest=2, examples=9)
    assert few.table["removed"] == [1, 2]
    assert few.summary["largest_size"] == 2
    assert few.summary["largest_size_error"] == few.table["error_median"][1]
    assert few.summary["largest_size_error_standard_error"] == few.table["error_median_standard_error"][1] > 0
    assert repr(few) == repr(multi_lesion(network, examples.take(slice(9)), generator=make_generator(), largest=2))
