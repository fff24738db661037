"""What claims take from analyses: lesions, orders, norms and singular values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

from resablate.claims.measures import Answers, Measure, table_measure
from resablate.datasets import DATASETS
from resablate.measurement import CORRELATION, INCREASE, PART, POSITIVE, AnalysisResult, Bounds, differences_of
from resablate.statistics.chance import chance_error


def _lesion_share(answers: Answers) -> float:
    lesion = answers.at_end("lesion")
    return lesion.summary["mean_increase"] / _distance_to_chance(answers) if lesion else math.nan


def _possible_lesion_share(answers: Answers) -> Bounds:
    """The error without a block is one: the share ends where that is 0 or 1."""
    lesion, distance = answers.at_end("lesion"), _distance_to_chance(answers)
    base = lesion.summary["baseline_error"] if lesion else math.nan
    return -base / distance, (1 - base) / distance


def _distance_to_chance(answers: Answers) -> float:
    """From the whole network's error to that of guessing; NaN where it is no better."""
    lesion, chance = answers.at_end("lesion"), chance_error(answers.result, DATASETS)
    distance = chance - lesion.summary["baseline_error"] if lesion else math.nan
    return distance if distance > 0 else math.nan


LESION_SHARE = Measure(
    "increase of test error without one block, as a part of the distance to guessing",
    "share",
    _lesion_share,
    "lesion",
    possible_here=_possible_lesion_share,
    above_one="above 100 % of the distance the error is above that of guessing",
)


def increases(lesion: AnalysisResult, *, changing: bool) -> list[float]:
    """The increases of error without one block, of those that change the dimension or those that do not."""
    base, table = lesion.summary["baseline_error"], lesion.table
    rows = zip(table["error"], table["changes_dimension"], strict=True)
    return [error - base for error, changes in rows if bool(changes) == changing]


def _peak(lesion: AnalysisResult) -> float:
    change, same = (increases(lesion, changing=changing) for changing in (True, False))
    return fmean(change) - fmean(same) if change and same else math.nan


def _at_changes(lesion: AnalysisResult) -> float:
    change = increases(lesion, changing=True)
    return fmean(change) if change else math.nan


LESION_PEAK = table_measure(
    "increase at changes of dimension less that elsewhere",
    "fraction",
    "lesion",
    _peak,
    possible=differences_of(INCREASE),
)
LESION_AT_CHANGES = table_measure(
    "increase of error without a block that changes the dimension",
    "fraction",
    "lesion",
    _at_changes,
    possible=INCREASE,
)
LESION_MEAN = table_measure(
    "mean increase of error without one block",
    "fraction",
    "lesion",
    lambda a: a.summary["mean_increase"],
    possible=INCREASE,
)


def kendall(first: Sequence[float], second: Sequence[float]) -> float:
    """Kendall's tau-a of two columns, over the rows where both are numbers; NaN for fewer than three."""
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if math.isfinite(a) and math.isfinite(b)]
    if len(pairs) < 3:  # noqa: PLR2004 - two points are always in order
        return math.nan
    signs = [
        math.copysign(1, (a - c) * (b - d)) if (a - c) * (b - d) else 0
        for place, (a, b) in enumerate(pairs)
        for c, d in pairs[:place]
    ]
    return sum(signs) / len(signs)


def _largest_jump(found: AnalysisResult) -> float:
    """The largest step of the error between neighboring sizes, as a part of the whole rise."""
    errors = [found.summary["baseline_error"], *(e for e in found.table["error_median"] if math.isfinite(e))]
    rise = errors[-1] - errors[0]
    return max(b - a for a, b in pairwise(errors)) / rise if rise > 0 else math.nan


DELETION_ORDER = table_measure(
    "Kendall's tau of error and blocks removed",
    "1",
    "multi_lesion",
    lambda a: kendall(a.table["removed"], a.table["error_median"]),
    possible=CORRELATION,
)
DELETION_JUMP = table_measure("largest step as a part of the rise", "share", "multi_lesion", _largest_jump)
DISORDER = table_measure(
    "Kendall's tau of error and disorder",
    "1",
    "reorder",
    lambda a: -kendall(a.table["tau"], a.table["error_median"]),
    possible=CORRELATION,
)


# norms: a block's norm change is |ln r| of its median ratio r

_SMALLEST = 1e-6
"""A ratio of 0 is no ratio at all: a norm change is at most 13.8."""


def log_ratios(found: AnalysisResult, *, changing: bool) -> list[float]:
    """The norm change of each block that changes the dimension, or of each that does not."""
    rows = zip(found.table["median_ratio"], found.table["changes_dimension"], strict=True)
    kept = [ratio for ratio, changes in rows if bool(changes) == changing and math.isfinite(ratio)]
    return [abs(math.log(min(max(ratio, _SMALLEST), 1 / _SMALLEST))) for ratio in kept]


def _mean_log_ratio(found: AnalysisResult) -> float:
    sizes = log_ratios(found, changing=False)
    return fmean(sizes) if sizes else math.nan


def _largest_log_ratio(found: AnalysisResult) -> float:
    return max(log_ratios(found, changing=False), default=math.nan)


def _ln(number: float) -> float:
    return math.log(number) if number > 0 else math.nan


def _worst_over_epochs(answers: Answers, *, changing: bool, largest: bool) -> float:
    """The maximum over epochs of the median, or of the largest, norm change."""
    worst: list[float] = []
    for found in answers.by_epoch("norm_preservation").values():
        sizes = sorted(log_ratios(found, changing=changing))
        if sizes:
            worst.append(sizes[-1] if largest else sizes[len(sizes) // 2])
    return max(worst, default=math.nan)


NORM_EPOCHS = [0, 1, 2, 4]
MEAN_LOG_RATIO = table_measure(
    "mean norm change |ln r| of ordinary blocks",
    "1",
    "norm_preservation",
    _mean_log_ratio,
    possible=POSITIVE,
)
LN_MEAN_LOG_RATIO = table_measure(
    "ln of the mean norm change", "1", "norm_preservation", lambda a: _ln(_mean_log_ratio(a))
)
LN_LARGEST_LOG_RATIO = table_measure(
    "ln of the largest norm change", "1", "norm_preservation", lambda a: _ln(_largest_log_ratio(a))
)
ORDINARY_WORST = Measure(
    "largest median norm change of ordinary blocks over the epochs",
    "1",
    lambda answers: _worst_over_epochs(answers, changing=False, largest=False),
    "norm_preservation",
    {"epochs": NORM_EPOCHS},
    possible=POSITIVE,
)
CHANGING_MEDIAN_WORST = Measure(
    "largest median norm change at changes of dimension over the epochs",
    "1",
    lambda answers: _worst_over_epochs(answers, changing=True, largest=False),
    "norm_preservation",
    {"epochs": NORM_EPOCHS},
    possible=POSITIVE,
)


def _worst_transition(answers: Answers) -> float:
    sizes = [
        found.summary.get(TRANSITION_LOG_RATIO, math.nan) for found in answers.by_epoch("norm_preservation").values()
    ]
    return max((size for size in sizes if math.isfinite(size)), default=math.nan)


TRANSITION_LOG_RATIO = "transition_largest_median_log_ratio"
TRANSITION_WORST = Measure(
    "largest norm change of a transition convolution over the epochs",
    "1",
    _worst_transition,
    "norm_preservation",
    {"epochs": NORM_EPOCHS},
    possible=POSITIVE,
)


def _distance(column: str, *, pointwise: bool) -> Measure:
    """The largest relative distance from the target of the convolutions of a kind."""

    def number(found: AnalysisResult) -> float:
        table = found.table
        rows = zip(table[column], table["distance_from_target"], table["target"], strict=True)
        distances = [distance / target for is_one, distance, target in rows if is_one and target > 0]
        return max((distance for distance in distances if math.isfinite(distance)), default=math.nan)

    what = "the transitions" if pointwise else "the first convolution"
    return table_measure(f"distance from the target of {what}", "share", "spectrum", number, possible=POSITIVE)


TRANSITION_DISTANCE = _distance("is_transition", pointwise=True)
STEM_DISTANCE = _distance("is_stem", pointwise=False)
LARGEST_TAP = table_measure(
    "part of the first convolution's energy in one tap",
    "share",
    "spectrum",
    lambda a: a.summary.get("stem_largest_tap_share", math.nan),
    possible=PART,
)

# saliency

NOVELTY_ADVANTAGE = table_measure(
    "rank correlation with the lesions of novelty less that of magnitude",
    "1",
    "saliency",
    lambda a: a.summary.get("novelty_advantage", math.nan),
    possible=differences_of(CORRELATION),
)
