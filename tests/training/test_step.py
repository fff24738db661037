"""A step computes what a plain loop computes, and takes nothing from the program while an epoch runs."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from resablate.augmentations import AUGMENTATIONS
from resablate.augmentations.crop_flip import CropFlip
from resablate.augmentations.none import Keep
from resablate.datasets import Examples
from resablate.model import build_network
from resablate.regularizers import REGULARIZERS
from resablate.training import MEMORY_FORMATS, PRECISIONS
from resablate.training.batch_norm import batch_norms, batches_counted_at_once
from resablate.training.step import EpochPlan, TrainingStep, plan_epoch
from tests.networks import make_generator
from tests.training.runs import make_digits_network, make_splits, make_training, run


class TensorDescent(torch.optim.Optimizer):
    """Plain gradient descent that never reads its rate."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {"lr": 0.0})

    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.data -= (group["lr"] * parameter.grad).to(parameter.dtype)


def make_step(forward: Any, optimizer: torch.optim.Optimizer, device: str = "cpu", **changed: Any) -> TrainingStep:
    fields: dict[str, Any] = {
        "augment": Keep().apply,
        "penalty": lambda: None,
        "precision": PRECISIONS["float32"],
        "memory_format": MEMORY_FORMATS["contiguous"],
        **changed,
    }
    return TrainingStep(forward=forward, optimizer=optimizer, device=torch.device(device), **fields)


def make_plan(order: Tensor, rates: list[float], *, batch_size: int, augmentation: str = "none") -> EpochPlan:
    row = AUGMENTATIONS[augmentation]()
    return plan_epoch(order, rates, batch_size=batch_size, draw=partial(row.draw, generator=make_generator()))


def test_a_plan_holds_the_draws_of_batch_after_batch() -> None:
    order = torch.randperm(11, generator=make_generator(1))
    plan = make_plan(order, [0.3, 0.2, 0.1], batch_size=4, augmentation="crop_flip")
    assert torch.equal(plan.order, order)
    assert plan.sizes == (4, 4, 3)
    generator = make_generator()
    for start, size in zip((0, 4, 8), plan.sizes, strict=True):
        for whole, part in zip(plan.draws, CropFlip().draw(size, generator), strict=True):
            assert torch.equal(whole[start : start + size], part)


def test_a_plan_that_ends_early_has_the_shapes_of_a_whole_one() -> None:
    order = torch.randperm(11, generator=make_generator(1))
    whole, early = (make_plan(order, rates, batch_size=4, augmentation="crop") for rates in ([0.3] * 3, [0.3, 0.2]))
    assert early.sizes == (4, 4)
    assert early.rates.tolist() == [0.3, 0.2, 0.2]
    assert torch.equal(early.order, whole.order)
    assert all(torch.equal(one, two) for one, two in zip(early.draws, whole.draws, strict=True))


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
@pytest.mark.parametrize("penalty", ["none", "orthogonal_penalty"])
def test_no_value_is_read_in_an_epoch(augmentation: str, penalty: str) -> None:
    """On torch's `meta` device tensors have no values: reading one, or letting one decide, is an error."""
    network = build_network(shortcut="dropout", depth=8, width=4, in_channels=1).to("meta")
    regularizer = REGULARIZERS[penalty](network, torch.empty(1, 1, 8, 8, device="meta"))
    images = torch.empty(20, 1, 8, 8, dtype=torch.uint8, device="meta")
    shape = torch.ones(1, 1, 1, device="meta")
    examples = Examples(images, torch.empty(20, dtype=torch.int64, device="meta"), shape, shape)
    step = make_step(
        network,
        TensorDescent(network.parameters()),
        "meta",
        augment=AUGMENTATIONS[augmentation]().apply,
        penalty=regularizer.penalty,
        memory_format=MEMORY_FORMATS["channels_last"],
    )
    plan = make_plan(torch.randperm(20), [0.1] * 3, batch_size=8, augmentation=augmentation)
    with batches_counted_at_once(network, 3), step.epoch(plan):
        for size in plan.sizes:
            step.resident(examples.gather, size)
    with pytest.raises(RuntimeError, match="meta"):
        step.loss_sum.item()


def test_the_rate_is_a_tensor_in_an_epoch_and_a_number_after_it() -> None:
    layer = nn.Sequential(nn.Flatten(), nn.Linear(3, 2))
    examples = Examples(torch.randn(6, 3, 1, 1, generator=make_generator()), torch.tensor([0, 1, 0, 1, 1, 0]))
    plan = make_plan(torch.arange(6), [0.5, 0.25], batch_size=3)
    optimizer = TensorDescent(layer.parameters())
    step = make_step(layer, optimizer)
    with step.epoch(plan):
        seen: list[float] = []
        for size in plan.sizes:
            step.resident(examples.gather, size)
            assert optimizer.param_groups[0]["lr"] is step.rate
            seen.append(float(step.rate))
    assert seen == [0.5, 0.25]
    assert optimizer.param_groups[0]["lr"] == 0.25


def test_sums_and_rates_may_be_of_several_networks() -> None:
    """Two linear layers as one, each with its rate: the sums and the weights of each alone."""
    examples = Examples(torch.randn(9, 5, 1, 1, generator=make_generator()), torch.arange(9) % 3)
    rates = torch.tensor([[0.5, 0.1], [0.2, 0.3]], dtype=torch.float64)
    weights = torch.randn(2, 3, 5, generator=make_generator(1))
    together = weights.clone().requires_grad_()

    def losses(logits: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(-1, 2).mean(0)

    class Descent(TensorDescent):
        def step(self, closure: Any = None) -> None:
            [group] = self.param_groups
            together.data -= (group["lr"][:, None, None] * together.grad).float()

    def gather(chosen: Tensor) -> tuple[Tensor, Tensor]:
        images, labels = examples.gather(chosen)
        return images, labels[:, None].expand(-1, 2)

    def logits(x: Tensor) -> Tensor:
        return torch.einsum("bi,kci->bkc", x.flatten(1), together)

    step = make_step(logits, Descent([together]), losses=losses, members=2)
    plan = make_plan(torch.arange(8), [0.0, 0.0], batch_size=4)
    with step.epoch(replace(plan, rates=rates)):
        for size in plan.sizes:
            step.resident(gather, size)
    for member in range(2):
        alone = nn.Linear(5, 3, bias=False)
        alone.weight.data = weights[member].clone()
        one = make_step(nn.Sequential(nn.Flatten(), alone), TensorDescent(alone.parameters()))
        with one.epoch(replace(plan, rates=rates[:, member])):
            for size in plan.sizes:
                one.resident(examples.gather, size)
        assert torch.allclose(together[member], alone.weight, atol=1e-6)
        assert float(step.loss_sum[member]) == pytest.approx(float(one.loss_sum), rel=1e-6)
        assert int(step.wrong[member]) == int(one.wrong)


def test_batches_are_counted_as_torch_counts_them() -> None:
    ours, theirs = make_digits_network(), make_digits_network().train()
    run(make_training(ours, epochs=2))
    images = make_splits().train.normalize(make_splits().train.images)
    for _ in range(6):
        theirs(images)
    counters = [
        [int(value) for name, value in network.state_dict().items() if name.endswith("num_batches_tracked")]
        for network in (ours, theirs)
    ]
    assert counters[0] == counters[1] == [6] * 7


def test_blocks_that_are_left_out_have_not_seen_the_batch() -> None:
    network = run(make_training(block_sampling={"name": "fixed_count", "count": 1}, epochs=2)).network
    first, *rest = (int(norm.num_batches_tracked) for norm in batch_norms(network))
    assert first == 6
    assert sum(rest) == 6 * 2, "one block of two norms in each batch"


def test_counters_are_as_before_after_an_error_and_kept_where_they_count() -> None:
    network = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm2d(2, momentum=None), nn.BatchNorm2d(2, affine=False))
    names = list(network.state_dict())
    with pytest.raises(RuntimeError, match="inside"), batches_counted_at_once(network, 3):
        assert [norm.num_batches_tracked is None for norm in batch_norms(network)] == [True, False, True]
        raise RuntimeError("inside")
    assert list(network.state_dict()) == names
    assert [int(norm.num_batches_tracked) for norm in batch_norms(network)] == [0, 0, 0]
    with batches_counted_at_once(network, 3):
        network(torch.randn(2, 2, 3, 3))
    assert [int(norm.num_batches_tracked) for norm in batch_norms(network)] == [3, 1, 3]
