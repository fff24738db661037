"""The calibration of a machine: kept whole, or as if it were not there."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from resablate.checkups import Scope
from resablate.checkups.calibrations import calibrations
from resablate.forecast import forecast
from resablate.machine_speed import (
    TYPICAL,
    TYPICAL_GPU,
    VERSION,
    MachineSpeed,
    PassSpeed,
    Work,
    calibration_file,
    calibration_problem,
    has_matrix_units,
    load_speed,
    processor,
    save_speed,
)
from tests.scheduling.tiny import final_plan

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
    assert load_speed("Some GPU") == TYPICAL_GPU
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
        lambda content: content.update(spectrum=10**400),
        lambda content: content.update(spectrum=True),
        lambda content: content["step"].update(layer=1e300),
        lambda content: content["step"].update(layer=1000),
        lambda content: content.update(step=dict.fromkeys(content["step"], 0)),
        lambda content: content.update(walk=dict.fromkeys(content["walk"], 5e-324)),
        lambda content: content.update(measured="\x1b[31mred"),
        lambda content: content.update(measured="a line\nanother"),
        lambda content: content.update(measured="long" * 999),
        lambda content: content.update(measured=None),
        lambda content: content.update(regimes={"bf16 channels_last": {"1000": 0.0}}),
        lambda content: content.update(regimes={"bf16 channels_last": {"1000": 1e300}}),
        lambda content: content.update(regimes={"bf16 channels_last": {"1e400": 1.0}}),
        lambda content: content.update(regimes={"\x1b[31m channels_last": {"1000": 2.0}}),
        lambda content: content.update(regimes={"bf16": {"1000": 2.0}}),
    ],
)
def test_a_file_that_is_not_whole_is_as_if_it_were_not_there(damage: Callable[[dict[str, object]], object]) -> None:
    path = save_speed(SPEED, "cpu")
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    assert load_speed("cpu") == TYPICAL
    other = content.get("version") != VERSION
    assert calibration_problem(path) == ("" if other else "is damaged")


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


def test_a_pipe_in_its_place_is_not_waited_for() -> None:
    calibration_file("cpu").parent.mkdir(parents=True)
    os.mkfifo(calibration_file("cpu"))
    assert load_speed("cpu") == TYPICAL
    assert calibration_problem(calibration_file("cpu")) == "cannot be read (it is not a regular file)"


def test_check_s_line_names_the_file_that_is_damaged() -> None:
    path = save_speed(SPEED, "cpu")
    assert str(path) not in forecast(final_plan({})).basis
    path.write_text(path.read_text().replace("3e-08", "1" + "0" * 400))
    told = f"an estimate, of no machine ({path} is damaged): resablate calibrate measures this one"
    assert forecast(final_plan({})).basis == told


def test_doctor_finds_calibrations_that_are_damaged_and_removes_those_alone() -> None:
    whole, damaged, pipe = (save_speed(SPEED, name) for name in ("cpu", "damaged", "pipe"))
    damaged.write_text("{")
    pipe.unlink()
    os.mkfifo(pipe)
    (whole.parent / "notes.txt").write_text("mine")
    faults = {fault.place: fault for fault in calibrations(Scope(None, "memory:", [], whole.parent))}
    assert faults.keys() == {str(damaged), str(pipe)}
    assert (faults[str(damaged)].problem, faults[str(pipe)].mend) == ("it is damaged", None)
    mend = faults[str(damaged)].mend
    assert mend
    mend()
    assert not damaged.exists()
    assert whole.exists()


def test_a_full_disk_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full has no room for anything, as a full disk."""
    path = calibration_file("cpu")
    path.parent.mkdir(parents=True)
    path.with_suffix(".partial").symlink_to("/dev/full")
    monkeypatch.setattr("resablate.storage.files.time.sleep", lambda seconds: pytest.fail("it waits"))
    with pytest.raises(OSError, match="No space left"):
        save_speed(SPEED, "cpu")
    assert not os.path.lexists(path.with_suffix(".partial"))


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
