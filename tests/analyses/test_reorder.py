"""Blocks in another order: how orders are drawn and measured, and the network untouched."""

import copy
import itertools

import pytest
import scipy.stats
import torch
import torchvision

from resablate.adapters import adapt
from resablate.analyses import reorder
from resablate.analyses.reorder import BINS, kendall_tau, shuffled, swappable_pairs, tau_bin
from resablate.datasets import Examples
from resablate.model import ResidualNetwork
from resablate.training import evaluate
from tests.networks import make_examples, make_generator, make_network


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_tau_is_scipys(order: tuple[int, ...]) -> None:
    assert kendall_tau(order) == pytest.approx(scipy.stats.kendalltau(range(4), order).statistic, abs=1e-12)


def test_tau_of_one_block_is_one() -> None:
    assert kendall_tau([0]) == 1
    assert tau_bin([0]) == 0


def test_bins_are_centered() -> None:
    draw = make_generator()
    for _ in range(200):
        order = torch.randperm(11, generator=draw).tolist()
        assert abs(kendall_tau(order) - (1 - tau_bin(order) / BINS)) <= 0.5 / BINS + 1e-12


@pytest.mark.parametrize(
    ("swaps", "tau"),
    [(1, 0.985), (2, 0.969), (3, 0.954), (5, 0.932), (10, 0.879), (15, 0.840), (20, 0.812), (50, 0.732)],
)
def test_mean_tau_by_number_of_swaps(swaps: int, tau: float) -> None:
    """An independent simulation of 18 + 17 + 17 swappable blocks of 54, as in a network of depth 110."""
    pairs = swappable_pairs(make_network(depth=110, width=1).chain)
    assert len(pairs) == 18 * 17 // 2 + 2 * (17 * 16 // 2)
    draw = make_generator()
    taus = [kendall_tau(shuffled(54, pairs, swaps, draw)) for _ in range(300)]
    assert sum(taus) / 300 == pytest.approx(tau, abs=0.006)


def test_only_blocks_of_one_stage_change_places() -> None:
    network = make_network(depth=20)
    assert swappable_pairs(network.chain) == [(0, 1), (0, 2), (1, 2), (4, 5), (7, 8)]
    vgg = make_network(network="vgg", depth=10, width=2, in_channels=2)
    assert [block.changes_dimension for block in vgg.chain] == [False] * 3 + [True, False, False] * 2
    assert swappable_pairs(vgg.chain) == [(0, 1), (0, 2), (1, 2), (4, 5), (7, 8)]


def _error(network: ResidualNetwork, examples: Examples, order: tuple[int, ...]) -> float:
    x = network.stem(examples.images)
    for block in order:
        x = network.chain[block](x)
    return int((network.head(x).argmax(1) != examples.labels).sum()) / len(examples)


def test_the_table_is_that_of_the_orders_that_the_generator_draws() -> None:
    network, examples = make_network(depth=20), make_examples(30)
    result = reorder(network, examples, generator=make_generator(), swaps=6, samples=5)
    draw = make_generator()
    pairs = swappable_pairs(network.chain)
    orders = [shuffled(9, pairs, swaps, draw) for swaps in range(1, 7) for _ in range(5)]
    errors: dict[int, list[float]] = {}
    for order in orders:
        errors.setdefault(tau_bin(order), []).append(_error(network, examples, order))
    assert list(result.table["bin"]) == sorted(errors)
    assert sum(result.table["count"]) == 30
    for row, place in enumerate(result.table["bin"]):
        values = torch.tensor(errors[int(place)], dtype=torch.float64)
        assert result.table["count"][row] == len(values)
        assert result.table["tau"][row] == pytest.approx(1 - 0.02 * place)
        for name, part in (("lower_quartile", 0.25), ("median", 0.5), ("upper_quartile", 0.75)):
            assert result.table[f"error_{name}"][row] == pytest.approx(float(values.quantile(part)))
    assert result.summary["lowest_tau"] == min(map(kendall_tau, orders))
    assert result.summary["baseline_error"] == _error(network, examples, tuple(range(9)))
    assert result.summary["mean_error"] == pytest.approx(sum(map(sum, errors.values())) / 30)
    assert result.summary["swappable_blocks"] == 7


def test_where_nothing_can_change_places_every_order_is_the_network() -> None:
    network, examples = make_network(depth=8), make_examples()
    result = reorder(network, examples, generator=make_generator(), swaps=3, samples=2)
    assert (result.table["bin"], result.table["tau"], result.table["count"]) == ([0], [1], [6])
    assert result.table["error_median"] == [result.summary["baseline_error"]]
    assert result.summary["swappable_blocks"] == 0
    assert not [name for name in result.summary if "mean_error" in name]


def test_equal_blocks_can_change_places_at_no_loss() -> None:
    network, examples = make_network(depth=20), make_examples(40)
    for stage in ((0, 1, 2), (4, 5), (7, 8)):
        for block in stage[1:]:
            network.chain[block].load_state_dict(network.chain[stage[0]].state_dict())
    result = reorder(network, examples, generator=make_generator())
    assert set(result.table["error_median"]) == {result.summary["baseline_error"]}
    assert result.summary["lowest_tau"] < 1


def test_only_the_first_examples_are_used() -> None:
    network, examples = make_network(depth=14), make_examples(20)
    few = reorder(network, examples, generator=make_generator(), examples=7)
    assert few.table == reorder(network, examples.take(slice(7)), generator=make_generator()).table


def test_adapted_blocks_change_places_too() -> None:
    network = adapt(torchvision.models.resnet18(num_classes=3))
    assert swappable_pairs(network.chain) == [(0, 1)]


def test_disorder_and_error_are_correlated_over_the_orders() -> None:
    network, images = make_network(depth=32), make_examples(60).images
    with torch.no_grad():
        network.head[-1].bias.sub_(network(images).mean(dim=0))  # type: ignore[index, union-attr, operator]
        examples = Examples(images, network(images).argmax(dim=1))
    assert len(set(examples.labels.tolist())) == 3
    result = reorder(network, examples, generator=make_generator(), swaps=4, samples=3)
    pairs, generator = swappable_pairs(network.chain), make_generator()
    orders = [shuffled(len(network.chain), pairs, count, generator) for count in range(1, 5) for _ in range(3)]
    errors: list[float] = []
    for order in orders:
        again = copy.deepcopy(network)
        again.blocks = torch.nn.ModuleList([again.chain[place] for place in order])
        errors.append(evaluate(again, examples).error)
    expected = scipy.stats.spearmanr([1 - kendall_tau(order) for order in orders], errors).statistic
    assert result.summary["disorder_rank_correlation"] == pytest.approx(expected)
    assert result.summary["disorder_rank_correlation_standard_error"] > 0
    assert result.units["disorder_rank_correlation"] == "1"
