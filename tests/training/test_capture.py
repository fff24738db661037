"""Steps are recorded after a warm-up, and taken as they are where that cannot be; a recording knows fixed places."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from resablate.model import build_network
from resablate.training import MEMORY_FORMATS, Training
from resablate.training.arithmetic import KernelLayout
from resablate.training.capture import RecordedStep, keep_on_device, why_not_recorded
from resablate.training.optimizer_state import optimizer_tensors, restore_optimizer
from tests.networks import make_generator
from tests.training.runs import make_digits_network, make_splits, make_training, numbers, run, same_bits
from tests.training.test_step import make_plan, make_step

cuda = pytest.mark.gpu


class Log:
    """A recorder of one's calls: `record` computes nothing, as a graph's capture computes nothing."""

    def __init__(self, *, refuse: str = "") -> None:
        self.said: list[str] = []
        self.refuse = refuse

    def warm_up(self, step: Callable[[], None]) -> None:
        self.said.append("warm up")
        step()

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        self.said.append("record")
        if self.refuse:
            raise RuntimeError(self.refuse)
        return partial(self._replay, step)

    def _replay(self, step: Callable[[], None]) -> None:
        self.said.append("replay")
        step()


def test_every_step_is_taken_once_and_recorded_after_three() -> None:
    taken: list[int] = []
    recorder = Log()
    step = RecordedStep(lambda: taken.append(0), recorder)
    for _ in range(6):
        step()
    assert len(taken) == 6
    assert recorder.said == ["warm up"] * 3 + ["record"] + ["replay"] * 3


def test_what_cannot_be_recorded_runs_as_it_is_and_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    taken: list[int] = []
    recorder = Log(refuse="operation not permitted when stream is capturing\nmore")
    step = RecordedStep(lambda: taken.append(0), recorder)
    with caplog.at_level(logging.WARNING):
        for _ in range(6):
            step()
    assert len(taken) == 6
    assert recorder.said == ["warm up"] * 3 + ["record"]
    assert [record.getMessage() for record in caplog.records] == [
        "steps run kernel by kernel, for a CUDA graph could not be captured: operation not permitted when stream is"
        " capturing"
    ]


def test_a_reason_is_said_once_however_many_trainings_meet_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for reason in ("one that five seeds share", "another") * 5:
            step = RecordedStep(lambda: None, Log(refuse=reason))
            for _ in range(4):
                step()
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == [
        "one that five seeds share",
        "another",
    ]


def test_full_batches_are_recorded_and_the_places_stay_from_epoch_to_epoch() -> None:
    layer, seen = nn.Linear(3, 2), set[int]()
    examples = torch.randn(8, 3, generator=make_generator())

    def gather(chosen: Tensor) -> tuple[Tensor, Tensor]:
        seen.add(len(chosen))
        return examples.index_select(0, chosen), chosen % 2

    recorder = Log()
    step = make_step(layer, torch.optim.SGD(layer.parameters(), lr=0.1), recorder=recorder)
    order = torch.arange(8)
    for epoch in range(3):
        plan = make_plan(order.flip(0) if epoch else order, [0.1] * 3, batch_size=3)
        with step.epoch(plan):
            for size in plan.sizes:
                step.resident(gather, size)
    assert seen == {3, 2}
    assert recorder.said == ["warm up"] * 3 + ["record"] + ["replay"] * 3, "six full batches, and three of two"
    step.forget_recording()
    with step.epoch(make_plan(order, [0.1] * 3, batch_size=3)):
        step.resident(gather, 3)
    assert recorder.said[-1] == "warm up"


@pytest.mark.parametrize("memory_format", MEMORY_FORMATS)
def test_kernels_have_two_places_and_the_same_values(memory_format: str) -> None:
    network = build_network(depth=8, width=4, in_channels=3)
    expected = {name: value.clone() for name, value in network.state_dict().items()}
    layout = KernelLayout(network, MEMORY_FORMATS[memory_format])
    kernels = [parameter for parameter in network.parameters() if parameter.ndim == 4]
    places: list[list[int]] = [[], []]
    for _ in range(2):
        places[0] += [kernel.data_ptr() for kernel in kernels]
        with layout.of_steps():
            places[1] += [kernel.data_ptr() for kernel in kernels]
            assert all(kernel.is_contiguous(memory_format=MEMORY_FORMATS[memory_format].layout) for kernel in kernels)
    half = len(kernels)
    assert all(there[:half] == there[half:] for there in places)
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, ""),
        ({"streamed": True}, "images are decoded while it trains"),
        ({"every_block": False}, "other blocks are drawn for every batch"),
        ({"recordable": False}, "its regularizer computes what waits for the GPU"),
    ],
)
def test_the_reason_is_told(changed: dict[str, Any], reason: str) -> None:
    fields: dict[str, Any] = {"streamed": False, "every_block": True, "recordable": True, **changed}
    assert why_not_recorded(**fields) == reason


@pytest.mark.parametrize(
    "make",
    [partial(torch.optim.SGD, momentum=0.9), torch.optim.AdamW, torch.optim.RMSprop],
    ids=["sgd", "adamw", "rms"],
)
def test_the_kernels_an_optimizer_takes_are_no_part_of_its_state(make: Any) -> None:
    """A checkpoint of a GPU continues on a CPU, and the other way round."""
    layer = nn.Linear(3, 2)
    optimizer = make(layer.parameters(), lr=0.1)
    names = optimizer_tensors(optimizer).keys()
    [group] = optimizer.param_groups
    before = [group.get(name) for name in ("capturable", "fused")]
    keep_on_device(optimizer, every_gradient=True)
    assert any(group.get(name) for name in ("capturable", "fused"))
    assert optimizer_tensors(optimizer).keys() == names
    fresh = make(layer.parameters(), lr=0.1)
    stored = {**optimizer_tensors(optimizer), "optimizer.group_number.0.capturable": torch.tensor(True)}
    restore_optimizer(fresh, stored)
    assert [fresh.param_groups[0].get(name) for name in ("capturable", "fused")] == before


def test_a_fused_step_is_the_plain_one_but_for_rounding() -> None:
    plain, fused = make_training(), make_training()
    keep_on_device(fused.optimizer, every_gradient=True)
    expected, found = (numbers(run(training).history) for training in (plain, fused))
    for row, other in zip(found, expected, strict=True):
        assert row["train_loss"] == pytest.approx(other["train_loss"], rel=1e-3)
    again = make_training()
    keep_on_device(again.optimizer, every_gradient=True)
    assert same_bits(run(again), fused)


def test_momentum_that_some_parameters_do_not_have_yet_is_not_fused() -> None:
    """Of blocks that no pass has drawn: torch's fused step would fail."""
    training = make_training(block_sampling={"name": "fixed_count", "count": 1, "undrawn": "keep"}, epochs=1)
    keep_on_device(training.optimizer, every_gradient=False)
    assert not any(group["fused"] for group in training.optimizer.param_groups)
    run(training)


@cuda
@pytest.mark.parametrize("regime", [{}, {"precision": "bf16", "memory_format": "channels_last"}, {"compile": True}])
@pytest.mark.parametrize("shortcut", ["identity", "dropout"])
@pytest.mark.parametrize("optimizer", ["sgd", {"name": "adamw", "weight_decay": 0.1}])
def test_a_recorded_training_is_the_eager_one_bit_for_bit(
    regime: dict[str, Any], shortcut: str, optimizer: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def trained() -> Training:
        network = make_digits_network(shortcut=shortcut).to("cuda")
        training = make_training(
            network,
            splits=make_splits(device="cuda"),
            optimizer=optimizer,
            learning_rate=0.01,
            augmentation="crop_flip",
            batch_size=20,
            **regime,
        )
        return run(training)

    recorded = trained()
    assert not caplog.records
    monkeypatch.setattr("resablate.training.capture._WARM_UP", 10**9)
    assert same_bits(recorded, trained())
