"""Sweeps that train in a second."""

import json
from collections.abc import Mapping
from typing import Any

from resablate.plan import SweepPlan, plan_sweep
from resablate.result import TrialResult
from resablate.sweep import SweepSpec, parse_sweep

BASE: Mapping[str, Any] = {
    "dataset": "digits",
    "train_examples": 128,
    "depth": 8,
    "width": 4,
    "epochs": 2,
    "batch_size": 32,
    "lesion_examples": 64,
    "path_examples": 8,
    "path_samples": 1,
}


def tiny_sweep(
    axes: Mapping[str, list[Any]], *, name: str = "tiny", resources: Mapping[str, Any] | None = None, **base: Any
) -> SweepSpec:
    """A sweep over `axes` with `base` on top of BASE."""
    fields = {field: value for field, value in {**BASE, **base}.items() if field not in axes}
    given = {"resources": dict(resources)} if resources else {}
    return parse_sweep({"name": name, "base": fields, "axes": dict(axes), **given})


def tiny_plan(
    axes: Mapping[str, list[Any]], *, name: str = "tiny", resources: Mapping[str, Any] | None = None, **base: Any
) -> SweepPlan:
    """`tiny_sweep`, planned."""
    return plan_sweep(tiny_sweep(axes, name=name, resources=resources, **base))


def numbers(result: TrialResult) -> dict[str, Any]:
    """Everything measured but the times, to the last bit; a NaN is a string, which is equal to itself."""
    content = json.loads(result.to_json())
    del content["wall_seconds"], content["versions"]
    for epoch in content["history"]:
        del epoch["wall_seconds"]
    return content
