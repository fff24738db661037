"""What the trainings of one cell have in common: means over seeds, with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from resablate.question import TEST
from resablate.result import TrialResult
from resablate.statistics import Interval, Sample, error_interval, mean
from resablate.statistics.outcome_samples import sample_of_outcomes


class Ranged(NamedTuple):
    """A mean, its interval at 5 %, None where one training tells nothing of the noise, and the number of trainings."""

    value: float | None
    low: float | None = None
    high: float | None = None
    trainings: int = 0


def error_sample(results: Sequence[TrialResult]) -> Sample | None:
    """The test errors of the trainings that finished: their outcomes if all have them, else a number of each."""
    tested = [
        (result.spec.seed, result.analyses[TEST])
        for result in results
        if result.status == "finished" and TEST in result.analyses
    ]
    tested = [(seed, test) for seed, test in tested if math.isfinite(test.summary["error"])]
    if not tested:
        return None
    sample, _ = sample_of_outcomes([(seed, test.outcomes) for seed, test in tested])
    if sample is not None:
        return sample
    return Sample.of_numbers([test.summary["error"] for _, test in tested], seeds=[seed for seed, _ in tested])


def mean_error(results: Sequence[TrialResult], sample: Sample | None) -> Ranged:
    """The mean test error of a cell; infinite where all its trainings diverged.

    Args:
        results: of the cell.
        sample: by `error_sample`.
    """
    if sample is None:
        failed = any(result.status == "diverged" for result in results)
        return Ranged(math.inf if failed else None)
    value = float(sample.mean)
    if not math.isfinite(float(mean(sample).half_width())):
        return Ranged(value, trainings=sample.count)  # one training, or no spread at all: nothing is known of the noise
    bounded = 0 < value < 1 or sample.outcomes is not None
    return as_range(value, error_interval(sample, scale="logit" if bounded else "identity"), sample.count)


def mean_number(
    numbers: Sequence[tuple[float, float]], *, possible: tuple[float, float] = (-math.inf, math.inf)
) -> Ranged:
    """The mean of a number and its standard error over examples from each training.

    Args:
        numbers: those pairs.
        possible: the least and the greatest value that the number can have; an interval is told as far as those.
    """
    known = [(value, error) for value, error in numbers if math.isfinite(value)]
    if not known:
        infinite = [value for value, _ in numbers if math.isinf(value)]
        return Ranged(infinite[0] if infinite else None)
    sample = Sample.of_numbers([value for value, _ in known])
    errors = [error for _, error in known if math.isfinite(error)]
    examples = float(np.mean(np.square(errors))) if errors else 0.0
    estimate = replace(mean(sample), example_variance=np.asarray(examples), method="over seeds and test examples")
    ends = estimate.interval()
    told = as_range(float(estimate.value), ends, sample.count)
    if told.low is None or told.high is None:  # nothing is known of the noise: no interval, rather than all that can be
        return told
    return told._replace(low=max(told.low, possible[0]), high=min(told.high, possible[1]))


def is_test_error(values: Sequence[float], results: Sequence[TrialResult]) -> bool:
    """Whether a number of each training is its test error, such as the error that lesions are compared with.

    It has the interval of the test error then, and not another one: without the outcomes of the examples it would be
    one on another scale.

    Args:
        values: the number of each training.
        results: those trainings.
    """
    pairs = zip(values, (result.test_error for result in results), strict=True)
    return bool(results) and all(math.isclose(value, error, abs_tol=1e-12) for value, error in pairs)


def as_range(value: float, interval: Interval, count: int) -> Ranged:
    """A mean with its interval, if that is finite."""
    low, high = float(interval.low), float(interval.high)
    known = math.isfinite(low) and math.isfinite(high)
    return Ranged(value, low if known else None, high if known else None, count)
