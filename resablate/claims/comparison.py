"""Comparing trials that differ in one thing only."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from resablate.claims.claim import Verdict
from resablate.component import shown_value
from resablate.datasets import DATASETS
from resablate.result import COMPLETE, TrialResult
from resablate.spec import TrainSpec
from resablate.statistics.chance import chance_error
from resablate.statistics.replicates import cells

Measure = Callable[[TrialResult], float]
_DEFAULT = TrainSpec()


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
        """Half the distance from the lowest to the highest finite value: 0 for one seed, or if no value is finite."""
        finite = [value for value in self.values if math.isfinite(value)]
        return (max(finite) - min(finite)) / 2 if finite else 0.0


def shortcut_label(spec: TrainSpec) -> str:
    """`constant_scale added_factor=1 carried_factor=0`: every argument, those at their defaults included."""
    arguments = sorted(spec.shortcut.values.items())
    return " ".join([spec.shortcut.name, *(f"{name}={shown_value(value)}" for name, value in arguments)])


def unregularized(results: Sequence[TrialResult]) -> list[TrialResult]:
    """The completed residual networks as the papers have them: nothing acts on singular values, all blocks train."""
    return [
        result
        for result in results
        if result.status in COMPLETE
        and result.spec.network.name == "resnet"
        and result.spec.block_sampling.name == "all"
        and (result.spec.regularizer.name == "none" or result.spec.regularizer.values.get("strength") == 0)
    ]


def deepest_groups(
    results: Sequence[TrialResult],
    *,
    freely: Sequence[str],
    name: Callable[[TrainSpec], str],
    needed: Sequence[str],
) -> dict[str, dict[str, list[TrialResult]]]:
    """For every setting, at its greatest depth: name -> replicates.

    A setting is everything that the compared trials have in common.

    Args:
        results: completed trials.
        freely: the fields in which the compared trials may differ, besides the seed.
        name: what a cell is called in the comparison.
        needed: depths at which one of these names is missing are passed over.
    """
    by_setting: dict[str, dict[int, dict[str, list[TrialResult]]]] = {}
    for cell in cells(results):
        spec = cell.results[0].spec
        by_depth = by_setting.setdefault(_setting(spec, freely), {})
        by_depth.setdefault(spec.depth, {}).setdefault(name(spec), []).extend(cell.results)
    chosen: dict[str, dict[str, list[TrialResult]]] = {}
    for setting, by_depth in by_setting.items():
        depths = [depth for depth, groups in by_depth.items() if set(needed) <= set(groups)]
        if depths:
            chosen[setting] = by_depth[max(depths)]
    greatest = max((_depth(groups) for groups in chosen.values()), default=0)
    return {setting: groups for setting, groups in chosen.items() if _depth(groups) == greatest}


def _depth(groups: Mapping[str, list[TrialResult]]) -> int:
    return next(iter(groups.values()))[0].spec.depth


def _setting(spec: TrainSpec, freely: Sequence[str]) -> str:
    """The cell of the training with the depth, and the fields that may differ, at their defaults."""
    return spec.model_copy(update={name: getattr(_DEFAULT, name) for name in (*freely, "depth")}).cell


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


def guessing_error(trial: TrialResult) -> float:
    """The error of guessing, as a fraction; NaN where the number of classes is not known."""
    return chance_error(trial, DATASETS)


TRAINED = 0.5
"""A network whose error is above this part of the error of guessing has not learned enough to test a claim."""


def has_learned(trial: TrialResult) -> bool:
    """Whether the trial's test error is at most half of the error of guessing."""
    return trial.test_error <= TRAINED * guessing_error(trial)


def percent(value: float) -> str:
    """`6.61 %`; `fail` for trials that diverged."""
    return f"{100 * value:.2f} %" if math.isfinite(value) else "fail"


def nats(value: float) -> str:
    """`0.0123 nats`; `fail` for trials that diverged."""
    return f"{value:.4f} nats" if math.isfinite(value) else "fail"


def describe_setting(trials: Sequence[TrialResult]) -> str:
    """What a number was measured on: `digits, 20 layers, original, 3 trials each`."""
    spec = trials[0].spec
    count = len(trials)
    return f"{spec.dataset}, {spec.depth} layers, {spec.ordering}, {count} trial{'s' if count > 1 else ''} each"
