"""Branches that give their mean, or what they give for another example."""

import pytest
import torch
from torch import Tensor

from resablate.analyses import branch_ablation
from resablate.errors import AnalysisError
from resablate.model import ResidualNetwork, Route
from tests.networks import make_examples, make_generator, make_network


def _logits(network: ResidualNetwork, images: Tensor, place: int, replace: dict[str, Tensor]) -> Tensor:
    x = network.stem(images)
    for index, block in enumerate(network.chain):
        carried, added = block.addends(x)
        x = block.after_add(carried + (replace["by"] if index == place else added))
    return network.head(x)


def _loss(logits: Tensor, labels: Tensor) -> float:
    return float(torch.nn.functional.cross_entropy(logits, labels))


@pytest.mark.parametrize("shortcut", ["identity", "exclusive_gate"])
def test_each_kind_by_hand(shortcut: str) -> None:
    network, examples = make_network(shortcut=shortcut), make_examples(9)
    result = branch_ablation(network, examples, generator=make_generator(4))
    images, labels = next(examples.batches(9))
    draw = make_generator(4)
    with torch.no_grad():
        x = network.stem(images)
        for index, block in enumerate(network.chain):
            added = block.addends(x).added
            shift = int(torch.randint(1, 9, (), generator=draw))
            by_mean = _logits(network, images, index, {"by": added.mean(dim=0)})
            by_other = _logits(network, images, index, {"by": added[(torch.arange(9) - shift) % 9]})
            routes = [Route.SHORTCUT_ONLY if i == index else Route.BOTH for i in range(len(network.chain))]
            assert result.table["mean_loss"][index] == pytest.approx(_loss(by_mean, labels), rel=1e-12)
            assert result.table["resample_loss"][index] == pytest.approx(_loss(by_other, labels), rel=1e-12)
            assert result.table["removal_loss"][index] == pytest.approx(
                _loss(network(images, routes), labels), rel=1e-12
            )
            x = block(x)
        assert result.summary["baseline_loss"] == pytest.approx(_loss(network(images), labels), rel=1e-12)


def test_a_branch_that_is_the_same_for_all_loses_nothing_by_its_mean() -> None:
    network = make_network()
    last = [module for module in network.chain[1].branch.modules() if isinstance(module, torch.nn.BatchNorm2d)][-1]
    with torch.no_grad():
        assert last.weight is not None
        last.weight.zero_()  # what remains is the shift
    result = branch_ablation(network, make_examples(), generator=make_generator())
    assert result.table["mean_loss"][1] == pytest.approx(result.summary["baseline_loss"], rel=1e-12)
    assert result.table["resample_loss"][1] == pytest.approx(result.summary["baseline_loss"], rel=1e-12)
    assert result.table["removal_loss"][1] != pytest.approx(result.summary["baseline_loss"], rel=1e-6)


def test_one_example_has_no_other() -> None:
    with pytest.raises(AnalysisError, match="needs two, got 1"):
        branch_ablation(make_network(), make_examples(1), generator=make_generator())
