"""bfloat16 is advised where it was measured to be faster, and where nothing was measured on matrix units."""

from dataclasses import replace

import pytest

from resablate.advice import machine_advice, sweep_advice
from resablate.machine_speed import TYPICAL, MachineSpeed, Work
from resablate.spec import TrainSpec

WORDS = "base: {precision: bf16, memory_format: channels_last}"


FAST = TrainSpec.parse({"precision": "bf16", "memory_format": "channels_last"})


def measured(**gains: float) -> MachineSpeed:
    """A machine where ways to compute are so many times faster, whatever the size."""
    ways = {name.replace("_and_", " "): {1e6: gain} for name, gain in gains.items()}
    return replace(TYPICAL, regimes={"float32 contiguous": {1e6: 1.0}, **ways}, measured="here")


@pytest.mark.parametrize(("gain", "said"), [(2.74, "2.7 times"), (1.3, "1.3 times"), (1.2, ""), (0.8, "")])
@pytest.mark.parametrize("matrix_units", [True, False])
def test_what_was_measured_decides(gain: float, said: str, matrix_units: bool) -> None:
    speed = measured(bf16_and_channels_last=gain)
    for words, how in (
        (machine_advice(speed, matrix_units=matrix_units), "up to"),
        (sweep_advice(speed, [TrainSpec()], matrix_units=matrix_units), "about"),
    ):
        assert bool(words) is bool(said)
        if said:
            assert WORDS in words
            assert f"{how} {said} faster on this machine, as measured" in words


def test_where_nothing_was_measured_the_processor_decides() -> None:
    assert machine_advice(TYPICAL, matrix_units=False) == ""
    words = machine_advice(TYPICAL, matrix_units=True)
    assert WORDS in words
    assert "2.5 times where that was measured" in words
    assert "resablate calibrate" in words


def test_a_sweep_that_is_written_so_needs_no_advice() -> None:
    slow, half = TrainSpec(), TrainSpec.parse({"precision": "bf16"})
    assert sweep_advice(TYPICAL, [FAST], matrix_units=True) == ""
    assert WORDS in sweep_advice(TYPICAL, [FAST, slow], matrix_units=True)
    assert WORDS in sweep_advice(TYPICAL, [half], matrix_units=True)


def test_a_sweep_is_compared_as_it_computes_now() -> None:
    speed = measured(bf16_and_channels_last=2.4, float32_and_channels_last=1.5)
    assert "2.4 times" in sweep_advice(speed, [TrainSpec()], matrix_units=False)
    half_way = TrainSpec.parse({"memory_format": "channels_last"})
    assert "1.6 times" in sweep_advice(speed, [half_way], matrix_units=False)
    assert sweep_advice(speed, [FAST], matrix_units=False) == ""
    words = sweep_advice(measured(float32_and_channels_last=1.5), [TrainSpec()], matrix_units=False)
    assert "`base: {memory_format: channels_last}`" in words
    assert "by rounding" in words


def test_of_compiled_trials_nothing_is_known() -> None:
    compiled = TrainSpec.parse({"compile": True})
    assert sweep_advice(measured(bf16_and_channels_last=2.4), [compiled], matrix_units=True) == ""
    assert sweep_advice(TYPICAL, [compiled], matrix_units=True) == ""


def test_a_gain_is_that_of_networks_of_the_size() -> None:
    speed = replace(TYPICAL, regimes={"bf16 channels_last": {1e5: 0.8, 1e7: 2.8}}, measured="here")
    tiny = TrainSpec.parse({"depth": 8, "width": 2, "dataset": "digits", "batch_size": 8})
    assert sweep_advice(speed, [tiny], matrix_units=True) == ""
    assert speed.gain("bf16 channels_last", Work(1, 1, 0, 0, 1e6)) == pytest.approx(1.8)
    assert speed.gain("bf16 channels_last", Work(1, 1, 0, 0, 1e9)) == 2.8
    assert speed.gain("tf32 contiguous", Work(1, 1, 0, 0, 1e9)) == 1.0
