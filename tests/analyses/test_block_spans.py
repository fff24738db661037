"""Spans of blocks skipped, reversed, and in parallel."""

import pytest
import torch
from torch import Tensor

from resablate.analyses import block_spans
from resablate.errors import AnalysisError
from resablate.model import ResidualNetwork
from tests.networks import ScaledGradient, make_examples, make_generator, make_network, make_scaling_network


def _loss(network: ResidualNetwork, x: Tensor, labels: Tensor, rest: int) -> float:
    for block in network.chain[rest:]:
        x = block(x)
    return float(torch.nn.functional.cross_entropy(network.head(x), labels))


@pytest.mark.parametrize("ordering", ["original", "full_preactivation"])
def test_each_kind_by_hand(ordering: str) -> None:
    network, examples = make_network(depth=20, ordering=ordering), make_examples()
    table = block_spans(network, examples, length=2).table
    assert table["block"] == [0, 1, 4, 7], "3 blocks a stage, the first of the later stages changes dimensions"
    images, labels = next(examples.batches(12))
    with torch.no_grad():
        for row, start in enumerate(table["block"]):
            first, second = network.chain[start : start + 2]
            x = network.stem(images)
            for block in network.chain[:start]:
                x = block(x)
            skipped = second.after_add(second.bypass(first.after_add(first.bypass(x))))
            parallel = second.after_add(first.addends(x).carried + (first.addends(x).added + second.addends(x).added))
            for kind, y in (("skip", skipped), ("reverse", first(second(x))), ("parallel", parallel)):
                expected = _loss(network, y, labels, start + 2)
                assert table[f"{kind}_loss"][row] == pytest.approx(expected, rel=1e-12)


def test_the_longest_span_there_is() -> None:
    network = make_network(depth=20)
    assert block_spans(network, make_examples(), length=3).table["block"] == [0]
    longest = block_spans(network, make_examples(), length=9)
    assert (longest.summary["length"], longest.summary["spans"]) == (3, 1)
    changing = make_scaling_network([ScaledGradient(1, 1, changes_dimension=True)])
    with pytest.raises(AnalysisError, match="every block here changes them"):
        block_spans(changing, make_examples(size=(2, 2)))


def test_branches_that_give_nothing_change_nothing_in_any_order() -> None:
    network = make_network(depth=20)
    with torch.no_grad():
        for block in network.chain[:3]:
            for parameter in block.branch.parameters():
                parameter.zero_()
    result = block_spans(network, make_examples(), generator=make_generator(), length=2)
    for kind in ("skip", "reverse", "parallel"):
        assert result.table[f"{kind}_loss"][:2] == [result.summary["baseline_loss"]] * 2
