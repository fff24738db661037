"""bfloat16 is advised where it was measured to be faster, and where nothing was measured on matrix units."""

from dataclasses import replace

import pytest

from resablate.advice import faster_way, sweep_advice
from resablate.machine_speed import TYPICAL
from resablate.spec import TrainSpec

WORDS = "base: {precision: bf16, memory_format: channels_last}"


@pytest.mark.parametrize(("gain", "said"), [(2.74, "2.7 times"), (1.3, "1.3 times"), (1.2, ""), (0.8, "")])
@pytest.mark.parametrize("matrix_units", [True, False])
def test_what_was_measured_decides(gain: float, said: str, matrix_units: bool) -> None:
    speed = replace(TYPICAL, regimes={"bf16 channels_last": gain}, measured="here")
    words = faster_way(speed, matrix_units=matrix_units)
    assert bool(words) is bool(said)
    if said:
        assert WORDS in words
        assert f"about {said} faster on this machine, as measured" in words


def test_where_nothing_was_measured_the_processor_decides() -> None:
    assert faster_way(TYPICAL, matrix_units=False) == ""
    words = faster_way(TYPICAL, matrix_units=True)
    assert WORDS in words
    assert "2.5 times where that was measured" in words
    assert "resablate calibrate" in words


def test_a_sweep_that_is_written_so_needs_no_advice() -> None:
    slow, half = TrainSpec(), TrainSpec.parse({"precision": "bf16"})
    fast = TrainSpec.parse({"precision": "bf16", "memory_format": "channels_last"})
    assert sweep_advice(TYPICAL, [fast], matrix_units=True) == ""
    assert WORDS in sweep_advice(TYPICAL, [fast, slow], matrix_units=True)
    assert WORDS in sweep_advice(TYPICAL, [half], matrix_units=True)
