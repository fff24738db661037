"""Three rules for the test time of networks that trained on a part of their blocks."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from resablate.analyses import ANALYSES, TrainedWith
from resablate.component import Component
from resablate.measurement import AnalysisResult
from resablate.model import ResidualNetwork, Route, unscaled
from resablate.training import BLOCK_SAMPLINGS, evaluate
from tests.networks import SHORTCUT_NAMES, make_examples, make_generator, make_network

RUN = ANALYSES["test_time_rules"].run
CHANCES = (0.9, 0.75, 0.5)
ROUTES = (Route.BOTH, Route.SHORTCUT_ONLY)


def make_sampled(*, shortcut: str = "identity", survival: tuple[float, ...] = CHANCES) -> ResidualNetwork:
    network = make_network(shortcut=shortcut)
    for block, chance in zip(network.chain, survival, strict=True):
        block.survival = chance
    return network


def measure(network: ResidualNetwork, *, sampling: str = "all", count: int = 40, **known: Any) -> AnalysisResult:
    trained_with = TrainedWith(block_sampling=Component(sampling), regularizer=Component("none"))
    run: Callable[..., AnalysisResult] = RUN
    return run(network, make_examples(count), generator=make_generator(), trained_with=trained_with, **known)


def scores(probabilities: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    wrong = (probabilities.argmax(1) != labels).double().mean()
    return float(wrong), float(functional.nll_loss(probabilities.log(), labels))


@pytest.mark.parametrize("shortcut", SHORTCUT_NAMES)
def test_scaled_and_unscaled_are_evaluations(shortcut: str) -> None:
    network = make_sampled(shortcut=shortcut)
    examples = make_examples(40)
    found = measure(network, sampling="stochastic_depth").summary
    scaled = evaluate(network, examples)
    assert (found["scaled_error"], found["scaled_loss"]) == pytest.approx((scaled.error, scaled.loss), rel=1e-12)
    with unscaled(network):
        assert [block.survival for block in network.chain] == [1, 1, 1]
        whole = evaluate(network, examples)
    assert (found["unscaled_error"], found["unscaled_loss"]) == pytest.approx((whole.error, whole.loss), rel=1e-12)
    assert found["scaled_loss"] != found["unscaled_loss"]


@pytest.mark.parametrize("sampling", ["stochastic_depth", "fixed_count"])
def test_averaged_is_the_mean_of_the_softmax_over_the_first_so_many_subsets(sampling: str) -> None:
    """Against the mean written out, unscaled, for the subsets that the same generator gives."""
    survival = CHANCES if sampling == "stochastic_depth" else (2 / 3,) * 3
    network = make_sampled(survival=survival)
    examples = make_examples(40)
    found = measure(network, sampling=sampling, subsets=11)
    assert found.table["subsets"] == [1, 2, 4, 8, 11]
    draws = make_generator()
    subsets = [BLOCK_SAMPLINGS[sampling].draw(survival, draws) for _ in range(11)]
    assert len({tuple(routes) for routes in subsets}) > 1
    plain = make_network()
    with torch.no_grad():
        members = torch.stack([plain(examples.images, routes).softmax(1) for routes in subsets])
    for place, count in enumerate(found.table["subsets"]):
        error, loss = scores(members[: int(count)].mean(0), examples.labels)
        assert found.table["error"][place] == pytest.approx(error, rel=1e-12)
        assert found.table["loss"][place] == pytest.approx(loss, rel=1e-12)
    assert found.summary["averaged_error"] == found.table["error"][-1]
    assert found.summary["averaged_loss"] == found.table["loss"][-1]


def test_averaged_comes_to_the_expectation_over_all_subsets() -> None:
    """Brute force: every one of the 2^3 networks, weighted by its chance in training."""
    network, plain, examples = make_sampled(), make_network(), make_examples(40)
    expected = torch.zeros(40, 3, dtype=torch.float64)
    for routes in itertools.product(ROUTES, repeat=3):
        chances = [c if route is Route.BOTH else 1 - c for c, route in zip(CHANCES, routes, strict=True)]
        with torch.no_grad():
            expected += math.prod(chances) * plain(examples.images, routes).softmax(1)
    found = measure(network, sampling="stochastic_depth", subsets=4000)
    _, loss = scores(expected, examples.labels)
    one = found.table["loss"][0]
    assert abs(found.summary["averaged_loss"] - loss) < 0.02 * abs(one - loss) + 1e-3
    assert found.table["subsets"][-2:] == [2048, 4000]


def test_a_network_of_all_blocks_has_one_rule() -> None:
    found = measure(make_network())
    rules = [(found.summary[f"{rule}_error"], found.summary[f"{rule}_loss"]) for rule in ("scaled", "unscaled")]
    assert rules[0] == rules[1]
    assert found.summary["averaged_error"] == rules[0][0]
    assert found.summary["averaged_loss"] == pytest.approx(rules[0][1], rel=1e-12)
    assert len(set(found.table["error"])) == 1


def test_a_subset_drawn_twice_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network = make_sampled()
    calls: list[object] = []
    network.register_forward_pre_hook(lambda module, inputs: calls.append(inputs[1:]))
    measure(network, sampling="all", subsets=50)
    assert len(calls) == 1 + 3, "one image first tells the number of classes"
    calls.clear()
    measure(network, sampling="stochastic_depth", subsets=50)
    assert len(calls) <= 1 + 2 + 2**3


def test_very_sure_networks_have_a_finite_loss() -> None:
    """A softmax of 1e-400 is zero as a number, and not as a logarithm."""
    network = make_sampled()
    last = list(network.head.parameters())
    with torch.no_grad():
        for parameter in last[-2:]:
            parameter.mul_(1e5)
    found = measure(network, sampling="stochastic_depth")
    assert found.summary["averaged_loss"] > 700
    assert all(math.isfinite(value) for value in found.table["loss"])


@pytest.mark.parametrize("count", [1, 2, 3, 64])
def test_the_curve_ends_with_all_subsets(count: int) -> None:
    subsets = measure(make_sampled(), subsets=count).table["subsets"]
    assert subsets[0] == 1
    assert subsets[-1] == count
    assert subsets == sorted(set(subsets))


def test_where_the_training_is_not_known_all_blocks_are_kept() -> None:
    network = make_sampled()
    run: Callable[..., AnalysisResult] = RUN
    assert run(network, make_examples(40), generator=make_generator()) == measure(network)
