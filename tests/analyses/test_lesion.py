"""The lesion study against running the whole network."""

import math
from importlib import import_module
from typing import Any

import pytest
import torch

from resablate.analyses import LESION_ARITHMETICS, lesion
from resablate.errors import UnknownName
from resablate.model import Route
from tests.analyses.lesions import assert_bits_of_whole_runs
from tests.networks import ORDER_NAMES, SHORTCUT_NAMES, lesion_routes, make_examples, make_generator, make_network


@pytest.mark.parametrize("ordering", ORDER_NAMES)
@pytest.mark.parametrize("shortcut", SHORTCUT_NAMES)
def test_shared_prefixes_change_no_bit(shortcut: str, ordering: str) -> None:
    network = make_network(shortcut=shortcut, ordering=ordering, dtype=torch.float32)
    examples = make_examples(12, dtype=torch.float32)
    result = lesion(network, examples, generator=make_generator())
    assert_bits_of_whole_runs(result, network, examples)


@pytest.mark.parametrize("count", [5, 300])
@pytest.mark.parametrize(
    "fields",
    [
        *[{"shortcut": shortcut, "ordering": ordering} for shortcut in SHORTCUT_NAMES for ordering in ORDER_NAMES],
        {"network": "vgg", "depth": 7},
        {"transition": "projection"},
    ],
    ids=lambda fields: "-".join(fields.values() if "depth" not in fields else ["vgg"]),
)
def test_folded_arithmetic_gives_the_same_numbers(fields: dict[str, Any], count: int) -> None:
    network = make_network(**{"depth": 14, **fields})
    examples = make_examples(count)
    exact = lesion(network, examples)
    folded = lesion(network, examples, arithmetic="folded")
    for name, column in exact.table.items():
        assert folded.table[name] == pytest.approx(list(column), abs=1e-10)
    assert folded.summary == pytest.approx(exact.summary, abs=1e-10)


def test_batches_of_any_size_are_run_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """From one lesion at a time to all at once."""
    network, examples = make_network(depth=14), make_examples(20)
    exact = lesion(network, examples).table["loss"]
    for most in (0, 20 * 2 * 64 * 8 * 2, 2**30):
        monkeypatch.setitem(import_module("resablate.analyses.lesion")._TOGETHER_BYTES, "cpu", most)
        assert lesion(network, examples, arithmetic="folded").table["loss"] == pytest.approx(exact, abs=1e-10)


def test_a_branch_that_gives_zero_is_not_missed() -> None:
    network = make_network(shortcut="identity", ordering="full_preactivation", depth=14)
    torch.nn.init.zeros_(list(network.chain[3].branch)[-1].weight)
    result = lesion(network, make_examples())
    assert result.table["error"][3] == result.summary["baseline_error"]
    assert result.table["loss"][3] == result.summary["baseline_loss"]
    assert len({result.table["loss"][block] for block in range(6)}) == 6


def test_the_summary_is_that_of_the_table() -> None:
    result = lesion(make_network(depth=14), make_examples(40))
    errors, summary = result.table["error"], result.summary
    baseline = summary["baseline_error"]
    assert result.table["changes_dimension"] == [0, 0, 1, 0, 1, 0]
    assert summary["mean_error"] == pytest.approx(sum(errors) / 6)
    assert summary["worst_error"] == max(errors)
    assert summary["mean_increase"] == pytest.approx(sum(errors) / 6 - baseline)
    assert summary["worst_increase"] == pytest.approx(max(errors) - baseline)
    changing, kept = [errors[2], errors[4]], [errors[0], errors[1], errors[3], errors[5]]
    assert summary["mean_increase_dimension_change"] == pytest.approx(sum(changing) / 2 - baseline)
    assert summary["mean_increase_same_dimension"] == pytest.approx(sum(kept) / 4 - baseline)
    assert summary["mean_loss_increase"] == pytest.approx(sum(result.table["loss"]) / 6 - summary["baseline_loss"])


def test_standard_errors_are_those_of_means_over_examples() -> None:
    network, examples = make_network(depth=14, dtype=torch.float32), make_examples(600, dtype=torch.float32)
    result = lesion(network, examples)
    for block, error in enumerate(result.table["error"]):
        expected = math.sqrt(error * (1 - error) / 600)
        assert result.table["error_standard_error"][block] == pytest.approx(expected, rel=0.15)
    routes = [None, *(lesion_routes(network, block) for block in range(6))]
    wrong = torch.stack([(network(examples.images, route).argmax(1) != examples.labels).double() for route in routes])
    means = {"baseline_error": wrong[0], "mean_error": wrong[1:].mean(0), "mean_increase": wrong[1:].mean(0) - wrong[0]}
    for name, values in means.items():
        assert result.summary[name] == pytest.approx(float(values.mean()), abs=1e-12)
        expected = float(values.std()) / math.sqrt(600)
        assert result.summary[f"{name}_standard_error"] == pytest.approx(expected, rel=0.15)


def test_every_number_of_the_summary_has_its_standard_error() -> None:
    """Against the deviation over 60 disjoint sets of examples."""
    network, examples = make_network(depth=14, dtype=torch.float32), make_examples(60 * 60, dtype=torch.float32)
    parts = [lesion(network, examples.take(slice(start, start + 60))).summary for start in range(0, 3600, 60)]
    names = [name for name in parts[0] if not name.endswith("_standard_error")]
    assert len(names) == 9
    for name in names:
        values = torch.tensor([part[name] for part in parts])
        errors = torch.tensor([part[f"{name}_standard_error"] for part in parts])
        assert float(errors.mean() / values.std()) == pytest.approx(1, abs=0.35), name


def test_a_mean_over_no_block_is_left_out() -> None:
    summary = lesion(make_network(network="vgg", depth=4, in_channels=2), make_examples(channels=2)).summary
    assert "mean_increase_dimension_change" in summary
    single = make_network(depth=8)
    single.blocks = single.blocks[:1]
    single.head = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    assert not [name for name in lesion(single, make_examples(classes=2)).summary if "dimension_change" in name]


def test_only_the_first_examples_are_used() -> None:
    network, examples = make_network(), make_examples(20)
    assert lesion(network, examples, examples=7).table == lesion(network, examples.take(slice(7))).table


def test_removing_a_block_of_a_plain_network_connects_its_neighbors() -> None:
    network = make_network(shortcut="none", depth=14)
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    block = network.chain[1]
    assert torch.equal(block(x, Route.SHORTCUT_ONLY), block.after_add(x))


def test_an_unknown_arithmetic_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="unknown lesion_arithmetic 'fold'; did you mean 'folded'"):
        lesion(make_network(), make_examples(), arithmetic="fold")
    assert list(LESION_ARITHMETICS) == ["exact", "folded"]


@pytest.mark.gpu
@pytest.mark.parametrize("arithmetic", LESION_ARITHMETICS)
def test_a_gpu_measures_the_same(arithmetic: str) -> None:
    network, examples = make_network(depth=14), make_examples(300)
    expected = lesion(network, examples)
    device = torch.device("cuda")
    measured = lesion(network.to(device), examples.to(device), arithmetic=arithmetic)
    for name, column in expected.table.items():
        assert measured.table[name] == pytest.approx(list(column), abs=1e-9)
