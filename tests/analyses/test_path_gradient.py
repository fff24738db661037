"""Gradients by path length against enumeration and autograd, in double precision."""

import itertools
import math
import sys

import pytest
import torch

from resablate.analyses import gradients_by_length, path_gradient, path_gradients
from resablate.analyses.path_gradient import _shares, _smallest_interval
from resablate.model import ResidualNetwork, Route
from tests.networks import (
    ORDER_NAMES,
    SHORTCUT_NAMES,
    make_examples,
    make_generator,
    make_images,
    make_network,
    relative_gap,
)

SIDES = (Route.GRADIENT_BY_SHORTCUT, Route.GRADIENT_BY_BRANCH)


def _by_enumeration(network: ResidualNetwork, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    blocks = len(network.chain)
    sums = images.new_zeros(blocks + 1, *images.shape)
    for routes in itertools.product(SIDES, repeat=blocks):
        sums[routes.count(Route.GRADIENT_BY_BRANCH)] += path_gradients(network, images, labels, routes=routes)
    return sums


@pytest.mark.parametrize("ordering", ORDER_NAMES)
@pytest.mark.parametrize("shortcut", SHORTCUT_NAMES)
def test_the_walk_equals_all_paths(shortcut: str, ordering: str) -> None:
    network = make_network(shortcut=shortcut, ordering=ordering, depth=14)
    images, labels = make_images(3)
    expected = _by_enumeration(network, images, labels)
    actual = gradients_by_length(network, images, labels)
    whole = path_gradients(network, images, labels, routes=None)
    assert whole.norm() > 0
    assert relative_gap(expected.sum(0), whole) < 1e-12  # the routes' gradients are the ordinary one
    assert relative_gap(actual.sum(0), whole) < 1e-12
    assert all(relative_gap(a, e) < 1e-12 for a, e in zip(actual, expected, strict=True) if e.norm() > 0)
    assert all(a.norm() == 0 for a, e in zip(actual, expected, strict=True) if e.norm() == 0)


def test_the_walk_equals_all_512_paths_of_nine_blocks() -> None:
    network = make_network(depth=20)
    images, labels = make_images(2)
    expected = _by_enumeration(network, images, labels)
    actual = gradients_by_length(network, images, labels)
    assert all(relative_gap(a, e) < 1e-12 for a, e in zip(actual, expected, strict=True))


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    network = make_network(depth=20)
    images, labels = make_images(4)
    whole = gradients_by_length(network, images, labels)
    monkeypatch.setattr(sys.modules[path_gradient.__module__], "_WALK_EXAMPLES", 5)
    assert relative_gap(gradients_by_length(network, images, labels), whole) < 1e-13


def test_a_plain_network_has_one_path() -> None:
    result = path_gradient(make_network(shortcut="none", depth=14), make_examples(), generator=make_generator())
    assert result.table["norm"][:-1] == [0] * 6
    assert result.table["norm"][-1] == pytest.approx(result.summary["gradient_norm"])
    assert result.table["sampled_norm"][-1] > 0
    assert result.table["contribution"] == [0, 0, 0, 0, 0, 0, 1]


def test_where_there_is_one_path_the_sample_is_exact() -> None:
    """Length 0 and length n have a single path, so sampled and summed norms agree on the same examples."""
    examples = make_examples(8)
    result = path_gradient(make_network(depth=14), examples, generator=make_generator(), path_examples=8)
    for length in (0, 6):
        assert result.table["sampled_norm"][length] == pytest.approx(result.table["norm"][length], rel=1e-12)
        assert result.table["sampled_norm_error"][length] == pytest.approx(0, abs=1e-12)


def test_the_contribution_is_count_times_norm() -> None:
    result = path_gradient(make_network(depth=14), make_examples(), generator=make_generator())
    weights = [math.comb(6, k) * norm for k, norm in enumerate(result.table["sampled_norm"])]
    assert result.table["contribution"] == pytest.approx([w / sum(weights) for w in weights])
    assert result.table["log10_path_count"][3] == pytest.approx(math.log10(20))


def test_shares_survive_a_thousand_blocks() -> None:
    counts = [(math.lgamma(1001) - math.lgamma(k + 1) - math.lgamma(1001 - k)) / math.log(10) for k in range(1001)]
    shares = _shares([1e-3] * 1001, counts)
    assert sum(shares) == pytest.approx(1)
    assert max(shares) == shares[500] == pytest.approx(math.sqrt(2 / (math.pi * 1000)), rel=1e-3)


def test_the_smallest_interval() -> None:
    assert _smallest_interval([0.02, 0.5, 0.46, 0.02], 0.95) == (1, 2)
    assert _smallest_interval([0.25] * 4, 0.95) == (0, 3)
    assert _smallest_interval([0, 0, 1.0], 0.95) == (2, 2)


def test_frozen_parameters_are_no_obstacle() -> None:
    network = make_network()
    expected = gradients_by_length(network, *make_images())
    network.requires_grad_(False)
    assert torch.equal(gradients_by_length(network, *make_images()), expected)


def test_where_no_gradient_comes_through_there_is_no_typical_length() -> None:
    network = make_network()
    torch.nn.init.zeros_(network.head[-1].weight)  # type: ignore[index,arg-type]
    result = path_gradient(network, make_examples(), generator=make_generator())
    assert result.summary["gradient_norm"] == 0
    assert all(math.isnan(result.summary[name]) for name in ("median_length", "effective_low", "effective_high"))
    assert all(math.isnan(share) for share in result.table["contribution"])
