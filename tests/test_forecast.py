"""What check says a sweep costs: by the calibration, by what trials recorded, or by neither."""

import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resablate.estimates import estimate_seconds, pass_work, trial_cost
from resablate.forecast import advice, expected_packs, forecast, recorded_ratio
from resablate.machine_speed import save_speed
from resablate.plan import SweepPlan, plan_sweep
from resablate.result import TrialResult
from resablate.sweep import parse_sweep
from resablate.tracking import open_tracker
from tests.commands.shell import Shell
from tests.test_machine_speed import SPEED

HERE = {"host": socket.gethostname(), "device": "cpu"}


def plan_of(**base: Any) -> SweepPlan:
    fields = {"depth": 8, "epochs": 2, **base}
    content = {"name": "x", "base": fields, "axes": {"seed": [0, 1]}, "analyses": {"lesion": {}, "path_gradient": {}}}
    return plan_sweep(parse_sweep({**content, "resources": {"gpus": 0}}))


def asking(plan: SweepPlan, **resources: Any) -> SweepPlan:
    """The same trials with other resources."""
    sweep = plan.sweep.model_copy(update={"resources": plan.sweep.resources.model_copy(update=resources)})
    return replace(plan, sweep=sweep)


def ended(plan: SweepPlan, times: float, **changes: Any) -> TrialResult:
    """A trial that took so many times what is expected of its training."""
    spec = plan.trials[0]
    wall = times * estimate_seconds(spec, [], speed=SPEED)
    return TrialResult(**{"spec": spec, "status": "finished", "wall_seconds": wall, "versions": HERE, **changes})


def test_without_a_calibration_it_is_an_estimate_and_said_so() -> None:
    plan = plan_of()
    found = forecast(plan)
    assert "resablate calibrate" in found.basis
    assert list(found.seconds) == [estimate_seconds(spec, plan.questions(spec)) for spec in plan.trials]
    assert (found.unit, found.gpu) == ("one CPU core", False)


def test_a_calibration_is_gone_by() -> None:
    save_speed(SPEED, "cpu")
    plan = plan_of()
    found = forecast(plan)
    assert found.basis == "by what was measured on a processor, today"
    assert list(found.seconds) == [estimate_seconds(spec, plan.questions(spec), speed=SPEED) for spec in plan.trials]


def test_every_part_of_a_trial_has_its_speed() -> None:
    (spec, _), asked = (plan := plan_of()).trials, plan.questions(plan_of().trials[0])
    whole = estimate_seconds(spec, asked, speed=SPEED)
    parts = {
        "step": replace(SPEED, step=replace(SPEED.step, layer=1.0)),
        "forward": replace(SPEED, forward=replace(SPEED.forward, layer=1.0)),
        "walk": replace(SPEED, walk=replace(SPEED.walk, layer=1.0)),
        "sampled": replace(SPEED, sampled=replace(SPEED.sampled, layer=1.0)),
    }
    for name, slower in parts.items():
        assert estimate_seconds(spec, asked, speed=slower) > whole, name
    trained = estimate_seconds(spec, [], speed=SPEED)
    fast = spec.replace(precision="bf16", memory_format="channels_last")
    assert estimate_seconds(fast, [], speed=SPEED) < trained


def test_a_member_of_a_pack_takes_its_share_of_the_pack() -> None:
    (spec, _) = plan_of().trials
    speed = replace(SPEED, packed=replace(SPEED.step, layer=SPEED.step.layer / 2))
    alone, member = (estimate_seconds(spec, [], speed=speed, members=count) for count in (1, 2))
    steps = spec.epochs * -(-1293 // spec.batch_size)  # digits without the test and validation images
    calls = steps * (SPEED.step.batch / 2 + 0.75 * SPEED.step.layer * trial_cost(spec).layers)
    # Two share them, and a layer's cost half; every image is its own.
    assert alone - member == pytest.approx(calls)


def test_packs_are_those_that_are_expected_to_be_faster() -> None:
    plan = plan_of(epochs=1000)
    alone = replace(SPEED, packed=replace(SPEED.step, wide=10 * SPEED.step.wide))
    shared = replace(SPEED, packed=replace(SPEED.step, wide=SPEED.step.wide / 2))
    assert [len(pack) for pack in expected_packs(asking(plan, pack="auto"), alone, device="cpu")] == [1, 1]
    assert [len(pack) for pack in expected_packs(asking(plan, pack=2), alone, device="cpu")] == [2]
    one_slot = asking(plan, pack="auto", cpus=os.cpu_count() or 1)
    assert [len(pack) for pack in expected_packs(one_slot, shared, device="cpu")] == [2]
    assert expected_packs(asking(plan, pack=1), shared, device="cpu") == []


def test_a_forecast_of_packs_says_so() -> None:
    save_speed(SPEED, "cpu")
    plan = asking(plan_of(), pack=2)
    found = forecast(plan)
    assert "1 pack of 2 trials" in found.basis
    expected = [estimate_seconds(spec, plan.questions(spec), speed=SPEED, members=2) for spec in plan.trials]
    assert list(found.seconds) == expected


def test_training_is_so_many_times_an_epoch() -> None:
    once, twice = (plan_of(epochs=n).trials[0] for n in (1, 2))
    assert estimate_seconds(twice, [], speed=SPEED) == pytest.approx(2 * estimate_seconds(once, [], speed=SPEED))


def test_work_is_counted_by_batches_and_images() -> None:
    cost = trial_cost(plan_of().trials[0])
    one, three = pass_work(cost, 100, batch=100), pass_work(cost, 201, batch=100)
    assert (one.batches, three.batches) == (1, 3)
    assert three.layers == 3 * one.layers == 3 * cost.layers
    assert three.wide + three.narrow == 201 * cost.multiply_adds
    assert three.activations == 201 * cost.activations


def test_what_trials_recorded_here_scales_what_is_expected() -> None:
    plan = plan_of()
    results = [ended(plan, times) for times in (1.5, 2.0, 9.0)]
    assert recorded_ratio(results, SPEED, device="cpu") == (pytest.approx(2.0), 3)
    elsewhere = [
        ended(plan, 5.0, versions={**HERE, "host": "another"}),
        ended(plan, 5.0, versions={**HERE, "device": "Some GPU"}),
        ended(plan, 5.0, status="failed"),
        ended(plan, 5.0, pack_size=4),
    ]
    assert recorded_ratio(elsewhere, SPEED, device="cpu") == (1.0, 0)
    assert recorded_ratio([*elsewhere, *results], SPEED, device="cpu") == (pytest.approx(2.0), 3)


def test_what_is_not_foretold_of_compiled_trials_is_said() -> None:
    assert "without what compiling takes" in forecast(plan_of(compile=True)).basis
    assert "compil" not in forecast(plan_of()).basis


def test_records_are_read_where_there_are_some(tmp_path: Path) -> None:
    plan = plan_of()
    assert "recorded" not in forecast(plan).basis
    assert not (tmp_path / "mlflow.db").exists(), "looking for records makes none"
    assert "recorded" not in forecast(plan, records=f"sqlite:///{tmp_path}/none.db").basis


def test_check_and_sweep_tell_what_would_be_faster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_speed(SPEED, "cpu")
    plan = plan_of()
    words = advice(plan)
    assert "2.5 times faster" in words
    assert advice(plan_of(precision="bf16", memory_format="channels_last")) == ""
    path = tmp_path / "x.yaml"
    path.write_text("name: x\nbase: {depth: 8, epochs: 1}\nresources: {gpus: 0}\n")
    ran = Shell(tmp_path, monkeypatch, capsys)("check", str(path))
    assert ran.code == 0, ran.err
    assert words in ran.out
    there = f"on one CPU core ({os.cpu_count()} of which this machine has)"
    assert f"{there} (by what was measured on a processor, today" in ran.out
    ran = Shell(tmp_path, monkeypatch, capsys)("sweep", str(path), "--inline")
    assert ran.code == 0, ran.err
    assert words in ran.err
    ran = Shell(tmp_path, monkeypatch, capsys)("check", str(path))
    assert "as 1 trial recorded here" in ran.out
    assert open_tracker(None).load_sweep("x").results
