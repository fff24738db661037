"""What claims take from analyses: lesions, orders, paths, norms and singular values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

from resablate.claims.measures import Answers, Measure, table_measure
from resablate.datasets import DATASETS
from resablate.measurement import AnalysisResult
from resablate.statistics.chance import chance_error


def _lesion_share(answers: Answers) -> float:
    lesion, chance = answers.at_end("lesion"), chance_error(answers.result, DATASETS)
    if lesion is None or math.isnan(chance):
        return math.nan
    base = lesion.summary["baseline_error"]
    return lesion.summary["mean_increase"] / (chance - base) if base < chance else math.nan


LESION_SHARE = Measure(
    "increase of test error without one block, as a part of the distance to guessing",
    "share",
    _lesion_share,
    "lesion",
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


LESION_PEAK = table_measure("increase at changes of dimension less that elsewhere", "fraction", "lesion", _peak)
LESION_AT_CHANGES = table_measure(
    "increase of error without a block that changes the dimension", "fraction", "lesion", _at_changes
)
LESION_MEAN = table_measure(
    "mean increase of error without one block", "fraction", "lesion", lambda a: a.summary["mean_increase"]
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
)
DELETION_JUMP = table_measure("largest step as a part of the rise", "share", "multi_lesion", _largest_jump)
DISORDER = table_measure(
    "Kendall's tau of error and disorder", "1", "reorder", lambda a: -kendall(a.table["tau"], a.table["error_median"])
)


# paths: lengths are told as parts of the blocks, 54 in the paper


def _share(found: AnalysisResult, column: str, low: float, high: float) -> float:
    """The sum of a column over lengths from `low` to `high` of 54 blocks, scaled to the network's."""
    blocks = max(found.table["length"])
    rows = zip(found.table["length"], found.table[column], strict=True)
    kept = [value for length, value in rows if low * blocks <= BLOCKS * length <= high * blocks]
    return sum(kept) if kept and all(map(math.isfinite, kept)) else math.nan


BLOCKS = 54
"""Of the ResNet-110 of Veit et al.; a rule for another depth scales with its blocks."""
TYPICAL = (19.0, 35.0)
EFFECTIVE = (5.0, 17.0)


def _kept_short_over_long(found: AnalysisResult) -> float:
    """The part left after the most deletions: the mean of the shortest third of lengths less that of the longest."""
    deleted = [name for name in found.table if name.startswith("left_after_")]
    if not deleted:
        return math.nan
    left = found.table[max(deleted, key=lambda name: int(name.rpartition("_")[2]))]
    third = len(left) // 3
    return fmean(left[:third]) - fmean(left[-third:]) if third else math.nan


def _useful_lengths(found: AnalysisResult) -> float:
    """How many lengths carry the gradient: e to the entropy of their shares, as a part of the blocks."""
    shares = [share for share in found.table["rms_contribution"] if math.isfinite(share) and share > 0]
    return math.exp(-sum(share * math.log(share) for share in shares)) / max(found.table["length"])


def _direct_path(found: AnalysisResult) -> float:
    """Ln of the gradient's norm along the path of length 0, by block."""
    norm, blocks = found.table["sampled_norm"][0], max(found.table["length"])
    return math.log(norm) / blocks if norm > 0 and blocks > 0 else math.nan


def _initial_gradient(answers: Answers) -> float:
    before = answers.by_epoch("path_gradient").get(0)
    norm = before.summary["gradient_norm"] if before else math.nan
    return math.log(norm) if norm > 0 else math.nan


PATHS_TYPICAL = table_measure(
    "part of the paths of 19 to 35 of 54 blocks", "share", "path_count", lambda a: _share(a, "share", *TYPICAL)
)
PATHS_LEFT = table_measure(
    "part left of the short paths less that of the long ones", "share", "path_count", _kept_short_over_long
)
EFFECTIVE_PATHS = table_measure(
    "part of all paths that is of 5 to 17 of 54 blocks",
    "share",
    "path_count",
    lambda a: a.summary.get("effective_path_share", math.nan),
)
EFFECTIVE_SHARE = table_measure(
    "part of the gradient along paths of 5 to 17 of 54 blocks",
    "share",
    "path_gradient",
    lambda a: _share(a, "rms_contribution", *EFFECTIVE),
)
USEFUL_LENGTHS = table_measure("useful lengths as a part of the blocks", "share", "path_gradient", _useful_lengths)
DIRECT_PATH = table_measure("ln of the norm along the direct path, by block", "1", "path_gradient", _direct_path)
INITIAL_GRADIENT = Measure(
    "ln of the gradient's norm before training", "1", _initial_gradient, "path_gradient", {"epochs": [0]}
)


def norm_by_length(answers: Answers) -> list[float] | None:
    """The root mean square norm of one path, by length from 1; None where one is not positive."""
    found = answers.at_end("path_gradient")
    norms = list(found.table["rms_norm"][1:]) if found else []
    return norms if norms and all(math.isfinite(norm) and norm > 0 for norm in norms) else None


# norms: l = |ln r| of the median ratio r of a block

_SMALLEST = 1e-6
"""A ratio of 0 is no ratio at all: l is at most 13.8."""


def log_ratios(found: AnalysisResult, *, changing: bool) -> list[float]:
    """L of each block that changes the dimension, or of each that does not."""
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
    """The maximum over epochs of the median, or of the largest, l."""
    worst: list[float] = []
    for found in answers.by_epoch("norm_preservation").values():
        sizes = sorted(log_ratios(found, changing=changing))
        if sizes:
            worst.append(sizes[-1] if largest else sizes[len(sizes) // 2])
    return max(worst, default=math.nan)


NORM_EPOCHS = [0, 1, 2, 4]
MEAN_LOG_RATIO = table_measure("mean l of ordinary blocks", "1", "norm_preservation", _mean_log_ratio)
LN_MEAN_LOG_RATIO = table_measure("ln of mean l", "1", "norm_preservation", lambda a: _ln(_mean_log_ratio(a)))
LN_LARGEST_LOG_RATIO = table_measure(
    "ln of the largest l", "1", "norm_preservation", lambda a: _ln(_largest_log_ratio(a))
)
ORDINARY_WORST = Measure(
    "largest median l of ordinary blocks over the epochs",
    "1",
    lambda answers: _worst_over_epochs(answers, changing=False, largest=False),
    "norm_preservation",
    {"epochs": NORM_EPOCHS},
)
CHANGING_MEDIAN_WORST = Measure(
    "largest median l at changes of dimension over the epochs",
    "1",
    lambda answers: _worst_over_epochs(answers, changing=True, largest=False),
    "norm_preservation",
    {"epochs": NORM_EPOCHS},
)


def _worst_transition(answers: Answers) -> float:
    sizes = [
        found.summary.get(TRANSITION_LOG_RATIO, math.nan) for found in answers.by_epoch("norm_preservation").values()
    ]
    return max((size for size in sizes if math.isfinite(size)), default=math.nan)


TRANSITION_LOG_RATIO = "transition_largest_median_log_ratio"
TRANSITION_WORST = Measure(
    "largest l of a transition convolution over the epochs",
    "1",
    _worst_transition,
    "norm_preservation",
    {"epochs": NORM_EPOCHS},
)


def _distance(column: str, *, pointwise: bool) -> Measure:
    """The largest relative distance from the target of the convolutions of a kind."""

    def number(found: AnalysisResult) -> float:
        table = found.table
        rows = zip(table[column], table["distance_from_target"], table["target"], strict=True)
        distances = [distance / target for is_one, distance, target in rows if is_one and target > 0]
        return max((distance for distance in distances if math.isfinite(distance)), default=math.nan)

    what = "the transitions" if pointwise else "the first convolution"
    return table_measure(f"distance from the target of {what}", "share", "spectrum", number)


TRANSITION_DISTANCE = _distance("is_transition", pointwise=True)
STEM_DISTANCE = _distance("is_stem", pointwise=False)
LARGEST_TAP = table_measure(
    "part of the first convolution's energy in one tap",
    "share",
    "spectrum",
    lambda a: a.summary.get("stem_largest_tap_share", math.nan),
)

# saliency

NOVELTY_ADVANTAGE = table_measure(
    "rank correlation with the lesions of novelty less that of magnitude",
    "1",
    "saliency",
    lambda a: a.summary.get("novelty_advantage", math.nan),
)
