"""Comparing trials that differ in one thing only."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from resablate.claims.claim import Verdict
from resablate.datasets import DATASETS
from resablate.result import COMPLETE, TrialResult
from resablate.shortcuts import SHORTCUTS
from resablate.spec import ArgumentValue, TrainSpec

REPLICATE_FIELDS = ("seed", "analyses", "path_examples", "path_samples")
"""Fields that do not make another kind of network."""
SHORTCUT_FIELDS = ("shortcut", "shortcut_args")

Setting = tuple[Hashable, ...]
Measure = Callable[[TrialResult], float]


@dataclass(frozen=True)
class Sample:
    """One number from every seed; infinite for trials that diverged."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle value."""
        return median(self.values)

    @property
    def half_range(self) -> float:
        """Half the distance from lowest to highest: 0 for one seed or where no finite one is left."""
        finite = [value for value in self.values if math.isfinite(value)]
        return (max(finite) - min(finite)) / 2 if finite else 0.0


def arguments_of(spec: TrainSpec) -> dict[str, ArgumentValue]:
    """The shortcut's arguments, those left to their defaults included."""
    if spec.shortcut not in SHORTCUTS:
        return dict(spec.shortcut_args)
    parameters = inspect.signature(SHORTCUTS[spec.shortcut]).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty} | spec.shortcut_args


def shortcut_label(spec: TrainSpec) -> str:
    """`constant_scale carried_factor=0 added_factor=1`: whole numbers without a point, with defaults."""
    arguments = arguments_of(spec).items()
    parts = [f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in arguments]
    return " ".join([spec.shortcut, *parts])


def unregularized(results: Sequence[TrialResult]) -> list[TrialResult]:
    """The completed residual networks as the papers have them: nothing acts on singular values, all blocks train."""
    return [
        result
        for result in results
        if result.status in COMPLETE
        and result.spec.network == "resnet"
        and result.spec.block_sampling == "all"
        and (result.spec.regularizer == "none" or result.spec.sv_strength == 0)
    ]


def deepest_groups(
    results: Sequence[TrialResult],
    *,
    freely: Sequence[str],
    name: Callable[[TrainSpec], str],
    needed: Sequence[str],
) -> dict[Setting, dict[str, list[TrialResult]]]:
    """For every setting, at its greatest depth: name -> replicates.

    Args:
        results: completed trials.
        freely: the fields in which the compared trials may differ; all others make the setting.
        name: what a trial is in the comparison.
        needed: names without which a depth says nothing and a shallower one is taken.
    """
    by_setting: dict[Setting, dict[int, dict[str, list[TrialResult]]]] = {}
    for result in results:
        by_depth = by_setting.setdefault(_setting(result.spec, freely), {})
        by_depth.setdefault(result.spec.depth, {}).setdefault(name(result.spec), []).append(result)
    chosen: dict[Setting, dict[str, list[TrialResult]]] = {}
    for setting, by_depth in by_setting.items():
        depths = [depth for depth, groups in by_depth.items() if set(needed) <= set(groups)]
        if depths:
            chosen[setting] = by_depth[max(depths)]
    greatest = max((_depth(groups) for groups in chosen.values()), default=0)
    return {setting: groups for setting, groups in chosen.items() if _depth(groups) == greatest}


def _depth(groups: Mapping[str, list[TrialResult]]) -> int:
    return next(iter(groups.values()))[0].spec.depth


def _setting(spec: TrainSpec, freely: Sequence[str]) -> Setting:
    left_out = {*REPLICATE_FIELDS, *freely, "depth"}
    return tuple(
        tuple(value.items()) if isinstance(value, dict) else value
        for name, value in dict(spec).items()
        if name not in left_out
    )


def sample(trials: Sequence[TrialResult], measure: Measure) -> Sample:
    """`measure` over the trials; a diverged trial counts as infinitely bad."""
    values = [math.inf if trial.status == "diverged" else measure(trial) for trial in trials]
    return Sample(tuple(value for value in values if not math.isnan(value)) or (math.nan,))


def test_error(result: TrialResult) -> float:
    """Fraction."""
    return result.test_error


def train_loss(result: TrialResult) -> float:
    """Nats, in the last epoch."""
    return result.history[-1].train_loss if result.history else math.nan


def compare(low: Sample, high: Sample, measured: str) -> Verdict:
    """Whether `low` is lower than `high` by more than the larger of the two half-ranges over seeds."""
    if math.isnan(low.median) or math.isnan(high.median):
        return Verdict("not tested", f"no number: {measured}")
    gap = 0.0 if low.median == high.median else high.median - low.median
    if abs(gap) <= max(low.half_range, high.half_range):
        return Verdict("undecided", measured)
    return Verdict("supported" if gap > 0 else "contradicted", measured)


def chance_error(spec: TrainSpec) -> float:
    """The error of guessing, as a fraction; NaN for a data set that is not installed."""
    return 1 - 1 / DATASETS[spec.dataset].num_classes if spec.dataset in DATASETS else math.nan


TRAINED = 0.5
"""A network whose error is more than half of guessing's has not learned enough to say anything."""


def has_learned(trial: TrialResult) -> bool:
    """Whether the trial's test error is at most half of guessing's."""
    return trial.test_error <= TRAINED * chance_error(trial.spec)


def percent(value: float) -> str:
    """`6.61 %`; `fail` for what diverged."""
    return f"{100 * value:.2f} %" if math.isfinite(value) else "fail"


def nats(value: float) -> str:
    """`0.0123 nats`; `fail` for what diverged."""
    return f"{value:.4f} nats" if math.isfinite(value) else "fail"


def place(trials: Sequence[TrialResult]) -> str:
    """Where a number was measured: `digits, 20 layers, original, 3 trials each`."""
    spec = trials[0].spec
    count = len(trials)
    return f"{spec.dataset}, {spec.depth} layers, {spec.ordering}, {count} trial{'s' if count > 1 else ''} each"
