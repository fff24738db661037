"""The calibration of a machine: kept whole, or as if it were not there."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from resablate.machine_speed import (
    TYPICAL,
    MachineSpeed,
    PassSpeed,
    Work,
    calibration_file,
    has_matrix_units,
    load_speed,
    processor,
    save_speed,
)

SPEED = MachineSpeed(
    step=PassSpeed(1e-3, 2e-4, 3e-9, 4e-11, 5e-11),
    packed=PassSpeed(1e-3, 2e-4, 2e-9, 4e-11, 4e-11),
    forward=PassSpeed(1e-4, 5e-5, 1e-9, 2e-11, 2e-11),
    walk=PassSpeed(1e-4, 6e-5, 1e-9, 3e-11, 3e-11),
    sampled=PassSpeed(2e-4, 9e-5, 2e-9, 4e-11, 4e-11),
    spectrum=3e-8,
    regimes={"float32 contiguous": {1e6: 1.0}, "bf16 channels_last": {1e6: 2.5}},
    measured="a processor, today",
)


def test_seconds_are_work_times_speed() -> None:
    assert PassSpeed(1.0, 10.0, 100.0, 1000.0, 10_000.0).seconds(Work(1, 2, 3, 4, 5)) == 54_321


def test_more_images_in_a_batch_ask_for_no_more_calls() -> None:
    assert Work(1, 2, 3, 4, 5).of_images(2) == Work(1, 2, 6, 8, 10)


def test_what_is_kept_is_what_is_read() -> None:
    assert load_speed("cpu") == TYPICAL
    path = save_speed(SPEED, "cpu")
    assert path == calibration_file("cpu")
    assert load_speed("cpu") == SPEED
    assert load_speed("Some GPU") == TYPICAL
    save_speed(replace(SPEED, spectrum=1.0), "Some GPU")
    assert load_speed("cpu") == SPEED


def _without(name: str) -> Callable[[dict[str, object]], object]:
    return lambda content: content.pop(name)


@pytest.mark.parametrize(
    "damage",
    [
        _without("step"),
        _without("measured"),
        lambda content: content.update(version=content["version"] + 1),
        lambda content: content.update(spectrum="fast"),
        lambda content: content.update(spectrum=-1.0),
        lambda content: content.update(walk=1.0),
        lambda content: content.update(spectrum=float("nan")),
        lambda content: content.update(step={"layer": 1.0}),
        lambda content: content.update(regimes=[1.0]),
        lambda content: content.update(regimes={"bf16 channels_last": 2.5}),
        lambda content: content.update(regimes={"bf16 channels_last": {"large": 2.5}}),
        lambda content: content["forward"].update(another=1.0),
    ],
)
def test_a_file_that_is_not_whole_is_as_if_it_were_not_there(damage: Callable[[dict[str, object]], object]) -> None:
    path = save_speed(SPEED, "cpu")
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    assert load_speed("cpu") == TYPICAL


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"5"])
def test_a_damaged_file_is_as_if_it_were_not_there(content: bytes) -> None:
    path = save_speed(SPEED, "cpu")
    path.write_bytes(content)
    assert load_speed("cpu") == TYPICAL
    save_speed(SPEED, "cpu")
    assert load_speed("cpu") == SPEED


def test_a_folder_in_its_place_is_as_if_it_were_not_there() -> None:
    calibration_file("cpu").mkdir(parents=True)
    assert load_speed("cpu") == TYPICAL
    save_speed(SPEED, "cpu")
    assert load_speed("cpu") == SPEED


INFORMATION = """processor\t: 0
model name\t: A Processor
flags\t\t: fpu avx512f {more}

processor\t: 1
model name\t: Another
flags\t\t: amx_bf16
"""


@pytest.mark.parametrize(("more", "units"), [("amx_bf16 amx_tile", True), ("amx_bf16_other avx512_bf16", False)])
def test_matrix_units_are_what_the_system_tells(tmp_path: Path, more: str, units: bool) -> None:
    (tmp_path / "cpuinfo").write_text(INFORMATION.format(more=more))
    assert has_matrix_units(tmp_path / "cpuinfo") is units
    assert processor(tmp_path / "cpuinfo") == "A Processor"


def test_where_the_system_tells_nothing(tmp_path: Path) -> None:
    assert not has_matrix_units(tmp_path / "none")
    assert processor(tmp_path / "none")
