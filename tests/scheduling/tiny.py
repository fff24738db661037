"""Sweeps that train in a second."""

import json
from collections.abc import Mapping
from typing import Any

from resablate.plan import SweepPlan, plan_sweep
from resablate.result import TrialResult
from resablate.sweep import SweepSpec, parse_sweep

BASE: Mapping[str, Any] = {
    "dataset": "digits",
    "dataset.train_examples": 128,
    "depth": 8,
    "width": 4,
    "epochs": 2,
    "batch_size": 32,
}
STEPS = 4
"""Optimizer steps in an epoch of BASE."""
ANALYSES: Mapping[str, Any] = {"lesion": {"examples": 64}, "path_gradient": {"examples": 8, "samples": 1}}


def tiny_sweep(
    axes: Mapping[str, Any],
    *,
    name: str = "tiny",
    analyses: Mapping[str, Any] = ANALYSES,
    resources: Mapping[str, Any] | None = None,
    search: Mapping[str, Any] | None = None,
    fields: Mapping[str, Any] | None = None,
    **base: Any,
) -> SweepSpec:
    """A sweep over `axes` with `base`, and `fields` whose names have a dot, on top of BASE; no packs if not asked."""
    kept = {field: value for field, value in {**BASE, **base, **(fields or {})}.items() if field not in axes}
    parts: dict[str, Any] = {"base": kept, "axes": dict(axes), "analyses": dict(analyses)}
    given = {"resources": {"pack": 1, **(resources or {})}, "search": dict(search or {})}
    return parse_sweep({"name": name, **parts, **given})


def tiny_plan(axes: Mapping[str, Any], **parts: Any) -> SweepPlan:
    """`tiny_sweep`, planned."""
    return plan_sweep(tiny_sweep(axes, **parts))


def final_plan(axes: Mapping[str, Any], **parts: Any) -> SweepPlan:
    """`tiny_plan` with the keys under which its trials are filed."""
    return tiny_plan(axes, **parts).identified(None)


def numbers(result: TrialResult) -> dict[str, Any]:
    """Everything measured, to the last bit, but the times and beside whom; a NaN is a string, equal to itself."""
    content = json.loads(result.to_json())
    del content["wall_seconds"], content["versions"], content["pack_size"]
    content.pop("use", None)  # of a trial that was not trained to its end there is none
    for epoch in content["history"]:
        del epoch["wall_seconds"]
    return content
