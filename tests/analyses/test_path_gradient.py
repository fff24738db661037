"""The table of path lengths: what its columns are made of."""

import math
from typing import Any

import pytest
import torch

from resablate.analyses import path_gradient
from resablate.datasets import Examples
from resablate.errors import AnalysisError
from resablate.model import gradients_by_length, path_gradients
from tests.model.enumeration import path_squares
from tests.networks import make_examples, make_generator, make_images, make_network


def test_a_plain_network_has_one_path() -> None:
    result = path_gradient(make_network(shortcut="none", depth=14), make_examples(), generator=make_generator())
    assert result.table["norm"][:-1] == [0] * 6
    assert result.table["norm"][-1] == pytest.approx(result.summary["gradient_norm"])
    assert result.table["sampled_norm"][-1] > 0
    assert result.table["contribution"] == [0, 0, 0, 0, 0, 0, 1]


def test_a_plain_network_counts_one_path() -> None:
    networks: list[dict[str, Any]] = [{"network": "vgg", "depth": 7}, {"shortcut": "none", "depth": 14}]
    for fields in networks:
        table = path_gradient(make_network(**fields), make_examples(), generator=make_generator()).table
        assert table["log10_path_count"] == [-math.inf] * 6 + [0]
        for share in ("contribution", "rms_contribution", "sum_contribution"):
            assert table[share] == [0, 0, 0, 0, 0, 0, 1]


def test_of_a_mixed_network_only_its_own_paths_are_sampled_and_counted() -> None:
    network, examples = make_network(depth=14), make_examples(8)
    for place in (1, 4):
        network.blocks[place] = make_network(shortcut="none", depth=14).chain[place]
    squares = path_squares(network, examples.images[:1], examples.labels[:1])
    result = path_gradient(network, examples.take(slice(1)), generator=make_generator(), samples=100, signs=300)
    counts = [0, 0, 1, 4, 6, 4, 1]
    for length, count in enumerate(counts):
        assert 10 ** result.table["log10_path_count"][length] == pytest.approx(count)
        sampled, rms = (result.table[name][length] for name in ("sampled_norm", "rms_norm"))
        assert (sampled > 0) == (rms > 0) == (count > 0)
        assert rms == pytest.approx(math.sqrt(squares[length] / max(1, count)), rel=0.2)
        assert sampled <= 1.2 * rms
    for length in (2, 6):
        assert result.table["sampled_norm"][length] == pytest.approx(result.table["norm"][length], rel=1e-12)


def test_where_there_is_one_path_the_sample_is_exact() -> None:
    """Length 0 and length n have a single path, so sampled and summed norms agree on the same examples."""
    examples = make_examples(8)
    result = path_gradient(make_network(depth=14), examples, generator=make_generator(), examples=8)
    for length in (0, 6):
        assert result.table["sampled_norm"][length] == pytest.approx(result.table["norm"][length], rel=1e-12)
        assert result.table["sampled_norm_standard_error"][length] == pytest.approx(0, abs=1e-12)


def test_the_contribution_is_count_times_norm() -> None:
    result = path_gradient(make_network(depth=14), make_examples(), generator=make_generator())
    weights = [math.comb(6, k) * norm for k, norm in enumerate(result.table["sampled_norm"])]
    assert result.table["contribution"] == pytest.approx([w / sum(weights) for w in weights])
    assert result.table["log10_path_count"][3] == pytest.approx(math.log10(20))


def test_the_sums_are_those_of_the_walk_with_their_errors_over_examples() -> None:
    network, examples = make_network(depth=14), make_examples(8)
    result = path_gradient(network, examples, generator=make_generator(), examples=8)
    norms = gradients_by_length(network, examples.images, examples.labels).flatten(2).norm(dim=2)
    assert result.table["norm"] == pytest.approx(norms.mean(dim=1).tolist())
    assert result.table["norm_standard_error"] == pytest.approx((norms.std(dim=1) / math.sqrt(8)).tolist())
    whole = path_gradients(network, examples.images, examples.labels, routes=None).flatten(1).norm(dim=1)
    assert result.summary["gradient_norm"] == pytest.approx(float(whole.mean()))
    assert result.summary["gradient_norm_standard_error"] == pytest.approx(float(whole.std()) / math.sqrt(8))
    assert result.table["sum_contribution"] == pytest.approx((norms.mean(1) / norms.mean(1).sum()).tolist())


def test_random_signs_estimate_the_root_mean_square_over_all_512_paths() -> None:
    network, (images, labels) = make_network(depth=20), make_images(1)
    result = path_gradient(network, Examples(images, labels), generator=make_generator(), samples=1, signs=300)
    squares = path_squares(network, images, labels)
    for k, (estimate, error) in enumerate(
        zip(result.table["rms_norm"], result.table["rms_norm_standard_error"], strict=True)
    ):
        truth = math.sqrt(squares[k] / math.comb(9, k))
        assert abs(estimate - truth) <= 5 * error + 1e-12 * truth
        assert error < 0.1 * truth, "else five errors hold anything"
    exact = [math.comb(9, k) * rms for k, rms in enumerate(result.table["rms_norm"])]
    assert result.table["rms_contribution"] == pytest.approx([value / sum(exact) for value in exact])


def test_root_mean_squares_are_over_examples_too() -> None:
    """One path at length 0 and at length n, so that signs change nothing."""
    network, examples = make_network(depth=14), make_examples(8)
    result = path_gradient(network, examples, generator=make_generator(), examples=8, signs=1)
    squares = gradients_by_length(network, examples.images, examples.labels).flatten(2).square().sum(dim=2)
    for length in (0, 6):
        root = squares[length].mean().sqrt()
        assert result.table["rms_norm"][length] == pytest.approx(root.item())
        error = squares[length].std() / math.sqrt(8) / (2 * root)
        assert result.table["rms_norm_standard_error"][length] == pytest.approx(error.item())


def test_without_signs_their_columns_are_empty() -> None:
    result = path_gradient(make_network(), make_examples(), generator=make_generator(), signs=0)
    for name in ("rms_norm", "rms_norm_standard_error", "rms_contribution"):
        assert all(map(math.isnan, result.table[name]))
    assert math.isnan(result.summary["rms_median_length"])
    assert result.summary["sum_median_length"] >= 0


@pytest.mark.parametrize("kind", ["", "rms_", "sum_"])
def test_median_and_effective_lengths_by_each_share(kind: str) -> None:
    result = path_gradient(make_network(depth=20), make_examples(), generator=make_generator())
    shares = result.table[f"{kind}contribution"]
    assert sum(shares) == pytest.approx(1)
    median = int(result.summary[f"{kind}median_length"])
    assert sum(shares[:median]) < 0.5 <= sum(shares[: median + 1])
    low, high = (int(result.summary[f"{kind}effective_{end}"]) for end in ("low", "high"))
    assert sum(shares[low : high + 1]) >= 0.95


def test_labels_outside_the_classes_are_one_clear_error() -> None:
    images, labels = make_images(classes=9)
    with pytest.raises(AnalysisError, match="labels"):
        path_gradient(make_network(num_classes=3), Examples(images, labels + 3), generator=make_generator())


@pytest.mark.parametrize(
    ("shortcut", "ratio"),
    [("identity", 1.0), ({"name": "constant_scale", "carried_factor": 0.25}, 0.25), ("none", 0.0)],
)
def test_along_the_shortcuts_alone_the_gradient_is_multiplied_by_their_factors(shortcut: Any, ratio: float) -> None:
    """Equation 8 of He et al. 2016, whatever the branches, the stem and the classifier do."""
    network = make_network(depth=20, shortcut=shortcut, ordering="full_preactivation")
    result = path_gradient(network, make_examples(), generator=make_generator())
    assert result.summary["direct_path_ratio"] == pytest.approx(ratio, rel=1e-5)


def test_where_no_gradient_reaches_the_last_block_none_comes_along_the_shortcuts() -> None:
    network = make_network(depth=20, shortcut="conv1x1")
    torch.nn.init.zeros_(network.head[-1].weight)  # type: ignore[index,arg-type]
    result = path_gradient(network, make_examples(), generator=make_generator())
    assert result.summary["direct_path_ratio"] == 0


def test_where_no_gradient_comes_through_there_is_no_typical_length() -> None:
    network = make_network()
    torch.nn.init.zeros_(network.head[-1].weight)  # type: ignore[index,arg-type]
    result = path_gradient(network, make_examples(), generator=make_generator())
    assert result.summary["gradient_norm"] == 0
    assert all(math.isnan(result.summary[name]) for name in ("median_length", "effective_low", "effective_high"))
    assert all(math.isnan(share) for share in result.table["contribution"])


def test_shares_have_standard_errors_over_examples() -> None:
    network, once = make_network(depth=14), make_examples(12)
    twice = Examples(torch.cat([once.images] * 2), torch.cat([once.labels] * 2))
    errors = [
        path_gradient(network, examples, generator=make_generator(), samples=8, signs=64).table
        for examples in (once, twice, once.take(slice(1)))
    ]
    # The same examples again tell nothing new, and a standard error does not know: a root of two less.
    single, double = (table["sum_contribution_standard_error"] for table in errors[:2])
    for length in (2, 3, 4):
        assert double[length] == pytest.approx(single[length] / math.sqrt(2), rel=0.35)
    assert all(error > 0 for error in errors[0]["rms_contribution_standard_error"][1:])
    for share in ("rms_contribution", "sum_contribution"):
        assert all(math.isnan(error) for error in errors[2][f"{share}_standard_error"])
    assert all(error > 0 for error in errors[2]["contribution_standard_error"][1:])


def test_the_paths_of_effective_lengths_are_counted() -> None:
    result = path_gradient(make_network(depth=20), make_examples(8), generator=make_generator())
    for kind in ("", "rms_", "sum_"):
        low, high = (int(result.summary[f"{kind}effective_{end}"]) for end in ("low", "high"))
        paths = sum(math.comb(9, x) for x in range(low, high + 1))
        assert result.summary[f"{kind}effective_path_share"] == pytest.approx(paths / 2**9)
        left = sum(math.comb(8, x) for x in range(low, high + 1))
        assert result.summary[f"{kind}effective_path_share_after_1"] == pytest.approx(left / 2**8)
        assert result.summary[f"{kind}effective_left_after_1"] == pytest.approx(left / paths)
        for name in ("path_share", "path_share_after_1", "left_after_1"):
            assert result.units[f"{kind}effective_{name}"] == "fraction"
            assert result.summary[f"{kind}effective_{name}_standard_error"] >= 0
    assert not any("after_10" in name for name in result.summary), "of nine blocks"


def test_of_a_plain_network_no_path_is_left() -> None:
    summary = path_gradient(make_network(shortcut="none"), make_examples(), generator=make_generator()).summary
    assert summary["effective_path_share"] == 1
    assert summary["effective_left_after_1"] == 0
    assert "effective_path_share_after_1" not in summary
