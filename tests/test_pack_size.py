"""How many trainings of a shape train fastest as one: what is measured, and when nothing is."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from resablate import pack_size
from resablate.check import check_trial
from resablate.pack_size import best_pack_size, pack_times
from resablate.spec import TrainSpec

CPU = torch.device("cpu")
Clock = Callable[[Mapping[int, float]], list[int]]


def spec(**fields: Any) -> TrainSpec:
    small = {"depth": 8, "width": 2, "batch_size": 4, "dataset": "digits"}
    return check_trial(TrainSpec.parse(small | fields))


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_size, "_MEASURED", {})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Sets what a member of a pack takes, in parts of what it takes alone; lists the sizes that were compared."""

    def set_times(parts: Mapping[int, float]) -> list[int]:
        tried: list[int] = []

        def compare(alone: Any, pack: Any) -> float:
            tried.append(pack.size)
            return parts[pack.size]

        monkeypatch.setattr(pack_size, "_compare", compare)
        return tried

    return set_times


@pytest.mark.slow
def test_steps_are_timed() -> None:
    """On any processor small networks gain: their kernels take less than the calls."""
    times = pack_times(spec(), 4, device=CPU)
    assert times[1] == 1
    assert all(0 < part < 1.5 for part in times.values())
    assert best_pack_size(spec(), 4, device=CPU) in times


def test_the_fastest_size_is_chosen_and_kept(clock: Clock) -> None:
    tried = clock({2: 0.7, 4: 0.5, 8: 0.45, 16: 0.6})
    assert best_pack_size(spec(), 100, device=CPU) == 8
    assert tried == [2, 4, 8, 16], "larger ones are not tried once a member takes longer"
    assert best_pack_size(spec(seed=5, learning_rate=0.3, epochs=99), 100, device=CPU) == 8
    assert best_pack_size(spec(), 4, device=CPU) == 4
    assert tried == [2, 4, 8, 16], "nothing of one shape is measured twice"
    assert best_pack_size(spec(width=4), 2, device=CPU) == 2
    assert tried == [2, 4, 8, 16, 2]


def test_a_number_between_the_sizes_is_tried_too(clock: Clock) -> None:
    tried = clock({2: 0.7, 3: 0.6})
    assert best_pack_size(spec(), 3, device=CPU) == 3
    assert tried == [2, 3]


@pytest.mark.parametrize("part", [0.97, 1.0, 1.3])
def test_a_gain_within_the_error_of_measurement_is_none(clock: Clock, part: float) -> None:
    clock({2: part, 4: part, 8: part})
    assert best_pack_size(spec(), 8, device=CPU) == 1


def test_nothing_is_measured_where_nothing_can_be_gained(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = clock({})
    assert best_pack_size(spec(), 1, device=CPU) == 1
    assert best_pack_size(spec(block_sampling="stochastic_depth"), 8, device=CPU) == 1
    monkeypatch.setattr(pack_size, "_LONGEST_COMPARISON", 0.0)
    assert best_pack_size(spec(), 8, device=CPU) == 1, "a step that takes so long is none of calls"
    assert tried == []


def test_a_pack_that_does_not_fit_into_memory_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    def compare(alone: Any, pack: Any) -> float:
        if pack.size > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return 0.6

    monkeypatch.setattr(pack_size, "_compare", compare)
    assert best_pack_size(spec(), 16, device=CPU) == 2
