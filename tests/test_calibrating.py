"""Calibration runs what trials run; fitted speeds tell the seconds that they were fitted to."""

import numpy as np
import pytest
import torch

from resablate import calibrating
from resablate.calibrating import Shape, calibrate
from resablate.machine_speed import PassSpeed, Work, load_speed, save_speed
from tests.commands.shell import Shell

TINY = (Shape(8, 2, 8, 1, 4), Shape(8, 4, 8, 1, 8), Shape(8, 2, 8, 3, 8), Shape(14, 2, 8, 1, 4), Shape(8, 16, 8, 1, 4))
PACKS = tuple((shape, 2) for shape in TINY)


def test_a_machine_is_measured() -> None:
    before = torch.get_num_threads()
    speed = calibrate(torch.device("cpu"), shapes=TINY, packs=PACKS, usual=TINY[0], compared=TINY[:2])
    assert torch.get_num_threads() == before
    assert speed.measured
    formats = ("contiguous", "channels_last")
    assert speed.regimes.keys() == {f"{precision} {layout}" for precision in ("float32", "bf16") for layout in formats}
    assert {len(gains) for gains in speed.regimes.values()} == {2}
    assert set(speed.regimes["float32 contiguous"].values()) == {1.0}
    assert all(gain > 0 for gains in speed.regimes.values() for gain in (*gains.values(), speed.spectrum))
    work = Work(1, 10, 10**6, 10**7, 10**8)
    assert speed.step.seconds(work) > speed.forward.seconds(work) > 0
    assert min(each.seconds(work) for each in (speed.packed, speed.walk, speed.sampled)) > 0
    save_speed(speed, "cpu")
    assert load_speed("cpu") == speed


def test_a_fit_finds_the_speeds_that_made_the_seconds() -> None:
    draw = np.random.default_rng(0)
    work = [Work(*row) for row in draw.uniform(1, 10, (9, 5)) * [1, 10, 1e6, 1e7, 1e8]]
    true = PassSpeed(1e-3, 2e-4, 3e-9, 0.0, 5e-11)
    found = calibrating._fit(work, [true.seconds(one) for one in work])
    for one in work:
        assert found.seconds(one) == pytest.approx(true.seconds(one), rel=1e-6)
    assert found.wide == pytest.approx(true.wide, rel=1e-3)


def test_rounds_end_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrating, "_LONGEST_SECONDS", 0.0)
    calls: list[int] = []
    piece = calibrating._Piece(lambda: calls.append(1))
    calibrating._in_turn([piece], calibrating._Clock(torch.device("cpu")))
    assert len(calls) == 2  # one that does not count, and one round


def test_the_command_keeps_what_it_measures(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(calibrating, "SHAPES", TINY)
    monkeypatch.setattr(
        calibrating.calibrate,
        "__kwdefaults__",
        {"shapes": TINY, "packs": PACKS, "usual": TINY[0], "compared": TINY[:2]},
    )
    ran = Shell(tmp_path, monkeypatch, capsys)("calibrate", "--cpu")  # type: ignore[arg-type]
    assert ran.code == 0, ran.err
    assert load_speed("cpu").measured in ran.out
