"""Ratios of gradient norms against known factors and against plain autograd, in double precision."""

import math

import pytest
import torch
import torchvision
from torch import Tensor
from torch.nn import functional

from resablate.adapters import adapt
from resablate.analyses import norm_preservation
from resablate.datasets import Examples
from resablate.errors import AnalysisError
from resablate.model import ResidualNetwork
from tests.networks import (
    ORDER_NAMES,
    SHORTCUT_NAMES,
    ScaledGradient,
    make_examples,
    make_generator,
    make_images,
    make_network,
    make_scaling_network,
)


def _norms_by_autograd(network: ResidualNetwork, examples: Examples) -> Tensor:
    """(n+1, B), an example and a block at a time: the network from that block on, and nothing else of ours."""
    norms: list[list[float]] = []
    for place in range(len(network.chain) + 1):
        norms.append([])
        for image, label in zip(examples.images, examples.labels, strict=True):
            x = network.stem(image.unsqueeze(0))
            for block in network.chain[:place]:
                x = block(x)
            x = x.detach().requires_grad_()
            end = x
            for block in network.chain[place:]:
                end = block(end)
            functional.cross_entropy(network.head(end), label.unsqueeze(0)).backward()
            assert x.grad is not None
            norms[-1].append(float(x.grad.norm()))
    network.zero_grad()
    return torch.tensor(norms, dtype=torch.float64)


def _assert_agreement(network: ResidualNetwork, examples: Examples) -> None:
    norms = _norms_by_autograd(network, examples)
    table = norm_preservation(network, examples, generator=make_generator()).table
    together = norms.square().sum(dim=1).sqrt()
    own = norms[:-1] / norms[1:]
    assert table["ratio"] == pytest.approx((together[:-1] / together[1:]).tolist(), rel=1e-11)
    assert table["mean_ratio"] == pytest.approx(own.mean(dim=1).tolist(), rel=1e-11)
    assert table["median_ratio"] == pytest.approx(own.quantile(0.5, dim=1).tolist(), rel=1e-11)


def test_known_factors() -> None:
    """A block of sides that scale a gradient by a and b scales it by a + b, for every example."""
    blocks = [
        ScaledGradient(1, 0.5),
        ScaledGradient(1, 0),
        ScaledGradient(0.1, 0.1, changes_dimension=True),
        ScaledGradient(0, 4, changes_dimension=True),
    ]
    result = norm_preservation(
        make_scaling_network(blocks), make_examples(300, size=(2, 2)), generator=make_generator()
    )
    for name in ("ratio", "mean_ratio", "median_ratio"):
        assert result.table[name] == pytest.approx([1.5, 1, 0.2, 4], rel=1e-12)
    assert result.table["ratio_standard_error"] == pytest.approx([0] * 4, abs=1e-12)
    assert result.table["changes_dimension"] == [0, 0, 1, 1]
    logs = [abs(math.log(ratio)) for ratio in (1.5, 1, 0.2, 4)]
    assert result.table["median_log_ratio"] == pytest.approx(logs, abs=1e-12)
    assert result.summary == {
        f"{kind}_dimension_{number}_{ratio}{error}": pytest.approx(0 if error else value, abs=1e-12)
        for kind, found in (("same", logs[:2]), ("changing", logs[2:]))
        for number, value in (("largest", max(found)), ("mean", sum(found) / 2))
        for ratio in ("log_ratio", "median_log_ratio")
        for error in ("", "_standard_error")
    }
    assert not any("entry" in name or "transition" in name for name in result.table)


@pytest.mark.parametrize("ordering", ORDER_NAMES)
@pytest.mark.parametrize("shortcut", SHORTCUT_NAMES)
def test_autograd_agrees_for_every_shortcut_and_ordering(shortcut: str, ordering: str) -> None:
    _assert_agreement(make_network(shortcut=shortcut, ordering=ordering), make_examples(5))


def test_autograd_agrees_over_several_batches() -> None:
    _assert_agreement(make_network(transition="bare", depth=10), make_examples(70))


def test_autograd_agrees_on_an_adapted_network() -> None:
    torch.manual_seed(0)
    network = adapt(torchvision.models.resnet18(num_classes=5).double().eval())
    images, labels = make_images(2, channels=3, size=(32, 32))
    _assert_agreement(network, Examples(images, labels))


@pytest.mark.slow
def test_the_error_is_that_of_many_draws_of_examples() -> None:
    """The bootstrap against the deviation over 200 disjoint sets of examples."""
    network = make_network(ordering="full_preactivation")
    examples = make_examples(200 * 40)
    parts = [
        norm_preservation(network, examples.take(slice(start, start + 40)), generator=make_generator(start))
        for start in range(0, len(examples), 40)
    ]
    for kind in ("ratio", "mean_ratio", "median_ratio"):
        ratios, errors = (
            torch.tensor([part.table[name] for part in parts]) for name in (kind, f"{kind}_standard_error")
        )
        assert (errors.mean(dim=0) / ratios.std(dim=0)).tolist() == pytest.approx([1, 1, 1], abs=0.25)
    for name in ("changing_dimension_largest_log_ratio", "changing_dimension_mean_log_ratio"):
        sizes, errors = (torch.tensor([part.summary[n] for part in parts]) for n in (name, f"{name}_standard_error"))
        assert float(errors.mean() / sizes.std()) == pytest.approx(1, abs=0.25)


def test_it_uses_so_many_examples() -> None:
    network, examples = make_network(), make_examples(20)
    few = norm_preservation(network, examples, generator=make_generator(), examples=1)
    assert few.table["ratio"] == pytest.approx(few.table["mean_ratio"])
    for kind in ("ratio", "mean_ratio", "median_ratio"):
        assert all(map(math.isnan, few.table[f"{kind}_standard_error"]))
    every = norm_preservation(network, examples, generator=make_generator(), examples=20)
    more = norm_preservation(network, examples, generator=make_generator(1), examples=30)
    assert every.table["ratio"] == pytest.approx(more.table["ratio"], rel=1e-12)


def test_where_no_gradient_comes_there_is_no_ratio() -> None:
    network = make_network()
    torch.nn.init.zeros_(network.head[-1].weight)  # type: ignore[index,arg-type]
    result = norm_preservation(network, make_examples(), generator=make_generator())
    assert all(map(math.isnan, result.table["ratio"]))
    assert not result.summary


def test_a_network_without_blocks_is_one_clear_error() -> None:
    with pytest.raises(AnalysisError, match="at least one block"):
        norm_preservation(make_scaling_network([]), make_examples(size=(2, 2)), generator=make_generator())
