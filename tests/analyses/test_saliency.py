"""Saliencies of blocks in closed form, and against lesions."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from resablate.analyses import lesion, saliency
from resablate.model import Block, ResidualNetwork, Route
from resablate.shortcuts import Addends
from tests.networks import make_examples, make_generator, make_network, make_scaling_network

COUNT = 40


class Turning(Block):
    """Adds x times a factor, turned by an angle in every plane of two neighboring pixels."""

    def __init__(self, factor: float, angle: float) -> None:
        super().__init__(after_add=nn.Sequential())
        self.factor, self.angle = factor, angle

    @property
    def changes_dimension(self) -> bool:
        return False

    def sides(self, x: Tensor) -> Addends:
        right, left = x[..., 0], x[..., 1]
        turned = [
            math.cos(self.angle) * right - math.sin(self.angle) * left,
            math.sin(self.angle) * right + math.cos(self.angle) * left,
        ]
        return Addends(carried=x, added=self.factor * torch.stack(turned, dim=-1))

    def bypass(self, x: Tensor) -> Tensor:
        return x


def measure(network: ResidualNetwork, **keywords: int):
    size = (2, 2) if any(isinstance(block, Turning) for block in network.chain) else (8, 8)
    return saliency(network, make_examples(COUNT, size=size), generator=make_generator(), **keywords)


def test_a_turned_signal_has_known_change_cosine_and_novelty() -> None:
    turns = [(0.5, 0.0), (0.25, math.pi / 2), (2.0, math.pi), (1.5, 1.0)]
    result = measure(make_scaling_network([Turning(*turn) for turn in turns]))
    factors, angles = zip(*turns, strict=True)
    assert result.table["change"] == pytest.approx(factors, rel=1e-12)
    assert result.table["cosine"] == pytest.approx([math.cos(angle) for angle in angles], abs=1e-12)
    new = [factor * math.sin(angle) for factor, angle in turns]
    assert result.table["novelty"] == pytest.approx(new, abs=1e-7), "a root of a difference of equal numbers"
    for name in ("change", "cosine"):
        assert result.table[f"{name}_standard_error"] == pytest.approx([0] * 4, abs=1e-12)
        assert result.summary[f"mean_{name}"] == pytest.approx(sum(result.table[name]) / 4)
    size = make_examples(COUNT, size=(2, 2)).images.flatten(1).norm(dim=1).mean()
    assert result.table["magnitude"][0] == pytest.approx(0.5 * float(size))


def test_the_gradient_is_that_of_the_loss_at_the_sum() -> None:
    network = make_network(depth=14)
    result = measure(network)
    examples = make_examples(COUNT)
    for place in (0, 3, 5):
        x = network.stem(examples.images)
        for block in network.chain[:place]:
            x = block(x)
        carried, added = (side.detach() for side in network.chain[place].addends(x))
        added.requires_grad_()
        y = network.chain[place].after_add(carried + added)
        for block in network.chain[place + 1 :]:
            y = block(y)
        loss = functional.cross_entropy(network.head(y), examples.labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, added)
        g, a = gradient.flatten(1), added.detach().flatten(1)
        assert result.table["first_order"][place] == pytest.approx(-float((g * a).sum(dim=1).mean()))
        product = float((g.norm(dim=1) * a.norm(dim=1)).mean())
        assert result.table["gradient_product"][place] == pytest.approx(product)
        assert abs(result.table["first_order"][place]) <= product


def test_of_small_branches_the_first_order_is_the_lesion() -> None:
    result = measure(make_scaling_network([Turning(1e-4 * place, place) for place in range(1, 6)]))
    for first, lost in zip(result.table["first_order"], result.table["loss_increase"], strict=True):
        assert first == pytest.approx(lost, rel=5e-3)
    assert result.summary["first_order_rank_correlation"] == pytest.approx(1)
    assert result.summary["first_order_rank_correlation_standard_error"] < 0.1


def test_the_lesions_are_those_of_the_lesion_analysis() -> None:
    network = make_network(depth=14)
    result, lost = measure(network), lesion(network, make_examples(COUNT))
    for name in ("error", "loss"):
        whole = lost.summary[f"baseline_{name}"]
        assert result.summary[f"baseline_{name}"] == pytest.approx(whole)
        increases = [value - whole for value in lost.table[name]]
        assert result.table[f"{name}_increase"] == pytest.approx(increases, abs=1e-12)
    assert result.table["changes_dimension"] == lost.table["changes_dimension"]


def test_the_rank_correlations_are_over_the_blocks() -> None:
    from scipy import stats

    result = measure(make_network(depth=20))
    for name in ("magnitude", "change", "cosine", "novelty", "gradient_product", "first_order"):
        for lost, part in (("loss_increase", ""), ("error_increase", "error_")):
            expected = stats.spearmanr(result.table[name], result.table[lost]).statistic
            assert result.summary[f"{name}_{part}rank_correlation"] == pytest.approx(expected)
    advantage = result.summary["novelty_rank_correlation"] - result.summary["magnitude_rank_correlation"]
    assert result.summary["novelty_advantage"] == pytest.approx(advantage)
    assert result.summary["novelty_advantage_standard_error"] > 0


def test_a_plain_network_carries_nothing_to_compare_with() -> None:
    result = measure(make_network(shortcut="none", depth=14))
    for name in ("change", "cosine", "novelty"):
        assert all(map(math.isnan, result.table[name]))
        assert f"{name}_rank_correlation" not in result.summary
    assert result.summary["magnitude_rank_correlation"] != 0


def test_a_branch_that_is_not_there_changes_nothing() -> None:
    network = make_network(depth=14)
    network.chain[2].survival = 0.0
    table = measure(network).table
    for name in ("magnitude", "change", "novelty", "gradient_product", "first_order", "loss_increase"):
        assert table[name][2] == 0
    assert math.isnan(table["cosine"][2])


def test_two_blocks_have_no_rank_correlation() -> None:
    summary = measure(make_scaling_network([Turning(1, 1), Turning(2, 2)])).summary
    assert not any("rank" in name for name in summary)


def test_it_uses_the_first_so_many_examples() -> None:
    network = make_network()
    few = measure(network, examples=7)
    first = saliency(network, make_examples(COUNT).take(slice(7)), generator=make_generator())
    assert repr(few) == repr(first)
    assert math.isnan(measure(network, examples=1).table["change_standard_error"][0])
    with pytest.raises(ValueError, match="examples must be at least 1"):
        measure(network, examples=0)


@pytest.mark.slow
def test_the_error_is_that_of_many_draws_of_examples() -> None:
    network, examples = make_network(depth=14), make_examples(100 * 40)
    parts = [
        saliency(network, examples.take(slice(start, start + 40)), generator=make_generator(start))
        for start in range(0, len(examples), 40)
    ]
    for name in ("change", "cosine", "novelty", "first_order", "loss_increase"):
        values, errors = (
            torch.tensor([part.table[column] for part in parts]) for column in (name, f"{name}_standard_error")
        )
        assert (errors.mean(dim=0) / values.std(dim=0)).tolist() == pytest.approx([1] * 6, abs=0.3)


def test_the_lesion_is_by_the_route_of_lesions() -> None:
    network, examples = make_network(shortcut="none"), make_examples(COUNT)
    routes = [Route.BOTH, Route.SHORTCUT_ONLY, Route.BOTH]
    with torch.no_grad():
        lost = functional.cross_entropy(network(examples.images, routes), examples.labels)
    result = measure(network)
    increase = float(lost) - result.summary["baseline_loss"]
    assert result.table["loss_increase"][1] == pytest.approx(increase), "neighbors are connected, not cut"
