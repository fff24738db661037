"""Which device is chosen, how large a part of a GPU is, and what is out of bounds."""

import ast
import logging
import os
from pathlib import Path

import pytest
import torch

import resablate
from resablate import devices
from resablate.devices import (
    check_machine,
    choose_device,
    device_name,
    gpu_memory_gib,
    gpu_share,
    limit_gpu_memory,
    take_device,
    threads,
)
from resablate.errors import ResourceError
from resablate.failures import reason_of

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def fractions(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Parts of the GPU that this process was kept to."""
    kept: list[float] = []
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", kept.append)
    return kept


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch, fractions: list[float]) -> None:
    """A machine with one GPU of 80 GiB."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(devices, "gpu_memory_gib", lambda: 80.0)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch, fractions: list[float]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def apple(no_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose GPU is Apple's."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    devices._say_once.cache_clear()


def test_a_gpu_is_taken_where_there_is_one_and_it_is_asked_for(one_gpu: None) -> None:
    assert choose_device() == choose_device("auto") == choose_device(1) == choose_device(0.25) == CUDA
    assert choose_device(0) == CPU


def test_without_a_gpu_the_cpu_computes_or_nothing_does(no_gpu: None) -> None:
    assert choose_device() == choose_device("auto") == choose_device(0) == CPU
    with pytest.raises(ResourceError, match=r"^resources\.gpus: a trial asks for 0\.25, but this process sees none$"):
        choose_device(0.25)


def test_apple_s_gpu_is_refused_in_one_sentence(apple: None) -> None:
    sentence = r"\(Apple's GPU \(mps\) is not used, because the analyses compute in float64, which it does not have;"
    with pytest.raises(ResourceError, match=sentence):
        choose_device(1)
    with pytest.raises(ResourceError, match=sentence):
        check_machine(cpus=1, gpus=1)
    check_machine(cpus=1, gpus="auto")
    check_machine(cpus=1, gpus=0)


def test_apple_s_gpu_is_left_alone_and_that_is_said_once(apple: None, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert [choose_device(), choose_device("auto"), choose_device(0)] == [CPU, CPU, CPU]
    assert [record.message for record in caplog.records] == [
        "Apple's GPU (mps) is not used, because the analyses compute in float64, which it does not have;"
        " computing on the CPU"
    ]


def test_cuda_is_taken_where_there_is_mps_too(one_gpu: None, apple: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device() == CUDA


@pytest.mark.parametrize(
    ("gpus", "memory_gib", "kept"),
    [("auto", None, []), (1, None, []), (0.25, None, [0.25]), (0.25, 40, [0.5]), (0.5, 10, [0.5]), (0, 40, [])],
)
def test_a_process_keeps_to_the_part_that_it_takes(
    gpus: float, memory_gib: float | None, kept: list[float], one_gpu: None, fractions: list[float]
) -> None:
    assert take_device(gpus, memory_gib=memory_gib) == (CUDA if gpus else CPU)
    assert fractions == kept


def test_nothing_is_limited_on_the_cpu(no_gpu: None, fractions: list[float]) -> None:
    assert take_device("auto", memory_gib=200) == CPU
    limit_gpu_memory(0.5)
    assert fractions == []


def test_more_memory_than_the_gpu_that_is_taken_has(one_gpu: None) -> None:
    with pytest.raises(ResourceError, match=r"gpu_memory_gib: a trial asks for 96 GiB"):
        take_device(0.5, memory_gib=96)


def test_a_machine_is_asked_before_anything_runs(one_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    check_machine(cpus=2, gpus=1)
    check_machine(cpus=0.5, gpus="auto")
    with pytest.raises(ResourceError, match=r"asks for 3 CPUs and 0 GPUs, but this machine has 2 CPUs and 1 GPUs$"):
        check_machine(cpus=3, gpus="auto")
    with pytest.raises(ResourceError, match=r"asks for 1 CPUs and 2 GPUs, but this machine has 2 CPUs and 1 GPUs$"):
        check_machine(cpus=1, gpus=2)


def test_threads_are_whole_and_at_least_one() -> None:
    assert [threads(cpus) for cpus in (0.1, 1, 1.9, 2, 16)] == [1, 1, 1, 2, 16]


def test_names_of_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100")
    assert (device_name(CPU), device_name(CUDA)) == ("cpu", "NVIDIA H100")


def test_the_device_is_chosen_in_one_file() -> None:
    """No other file makes one, or asks whether there is a GPU, but to ask after a device that it was given."""
    asked = {"cuda.is_available", "cuda.device_count", "mps.is_available", "accelerator.is_available"}
    found = set[str]()
    for file in Path(resablate.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            name = ast.unparse(call.func)
            makes = name == "torch.device" and "cuda" in ast.unparse(call)
            if makes or any(name.endswith(f".{question}") for question in asked):
                found.add(f"{file.name}: {ast.unparse(call)}")
    assert {place for place in found if not place.startswith("devices.py: ")} == {
        "failures.py: torch.cuda.is_available()"  # to give back what is kept there
    }


@pytest.mark.parametrize(
    ("gpus", "memory_gib", "share", "at_a_time"),
    [
        (0.25, None, 0.25, 4),
        (0.25, 10, 0.25, 4),
        (0.25, 30, 0.375, 2),
        (0.01, 26.7, 0.3338, 2),
        (0.25, 80, 1, 1),
        (1, 30, 1, 1),
        (2, 100, 2, 0),
        (0, 30, 0, 0),
    ],
)
def test_a_share_is_what_is_asked_for_or_what_the_memory_needs(
    gpus: float, memory_gib: float | None, share: float, at_a_time: int
) -> None:
    found = gpu_share(gpus, memory_gib=memory_gib, total_gib=80)
    assert found == share
    assert not share or int(1 / found) == at_a_time
    assert not share or at_a_time * (memory_gib or 0) <= 80


def test_more_memory_than_a_gpu_has() -> None:
    with pytest.raises(ResourceError, match=r"gpu_memory_gib: a trial asks for 96 GiB, but a GPU here has 80\.0 GiB"):
        gpu_share(0.25, memory_gib=96, total_gib=80)


@pytest.mark.gpu
def test_a_process_runs_out_of_memory_at_its_share() -> None:
    share = 0.1
    limit_gpu_memory(share)
    try:
        torch.empty(int(0.05 * gpu_memory_gib() * 2**30), dtype=torch.uint8, device="cuda")
        with pytest.raises(torch.OutOfMemoryError) as caught:
            torch.empty(int(0.2 * gpu_memory_gib() * 2**30), dtype=torch.uint8, device="cuda")
        assert reason_of(caught.value).startswith("out of GPU memory: OutOfMemoryError: ")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
