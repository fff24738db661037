"""The lesion study against running the whole network."""

import pytest
import torch
from torch.nn import functional

from resablate.analyses import lesion
from resablate.model import Route
from tests.networks import ORDER_NAMES, SHORTCUT_NAMES, lesion_routes, make_examples, make_network


@pytest.mark.parametrize("ordering", ORDER_NAMES)
@pytest.mark.parametrize("shortcut", SHORTCUT_NAMES)
def test_shared_prefixes_change_no_bit(shortcut: str, ordering: str) -> None:
    network = make_network(shortcut=shortcut, ordering=ordering, dtype=torch.float32)
    examples = make_examples(12, dtype=torch.float32)
    result = lesion(network, examples)
    for block in range(len(network.chain)):
        logits = network(examples.images, lesion_routes(network, block)).detach()
        loss = functional.cross_entropy(logits.double(), examples.labels, reduction="sum") / 12
        assert result.table["loss"][block] == float(loss)
        assert result.table["error"][block] == int((logits.argmax(1) != examples.labels).sum()) / 12


def test_a_branch_that_gives_zero_is_not_missed() -> None:
    network = make_network(shortcut="identity", ordering="full_preactivation", depth=14)
    torch.nn.init.zeros_(list(network.chain[3].branch)[-1].weight)
    result = lesion(network, make_examples())
    whole = result.summary["baseline_error"]
    assert result.table["error"][3] == whole
    assert result.table["loss"][3] == pytest.approx(lesion(network, make_examples()).table["loss"][3])
    assert len({result.table["loss"][block] for block in range(6)}) == 6


def test_the_summary_is_that_of_the_table() -> None:
    result = lesion(make_network(depth=14), make_examples(40))
    errors = result.table["error"]
    assert result.summary["mean_error"] == pytest.approx(sum(errors) / 6)
    assert result.summary["worst_error"] == max(errors)
    assert result.summary["mean_increase"] == pytest.approx(sum(errors) / 6 - result.summary["baseline_error"])
    assert result.table["changes_dimension"] == [0, 0, 1, 0, 1, 0]


def test_only_the_first_examples_are_used() -> None:
    network, examples = make_network(), make_examples(20)
    assert lesion(network, examples, lesion_examples=7).table == lesion(network, examples.take(slice(7))).table


def test_removing_a_block_of_a_plain_network_connects_its_neighbors() -> None:
    network = make_network(shortcut="none", depth=14)
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    block = network.chain[1]
    assert torch.equal(block(x, Route.SHORTCUT_ONLY), block.after_add(x))
