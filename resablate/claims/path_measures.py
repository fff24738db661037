"""What claims take from the paths through a network; their lengths are told as parts of the blocks, 54 in the paper."""

from __future__ import annotations

import math
from statistics import fmean

from resablate.claims.measures import Answers, Measure, table_measure
from resablate.measurement import PART, POSITIVE, AnalysisResult, differences_of


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
    """How many lengths carry the gradient: e to the entropy of their shares, as a part of the blocks.

    The shares are of the root mean square over all paths of a length: sampled ones are too few to tell.
    """
    shares = [share for share in found.table["rms_contribution"] if math.isfinite(share) and share > 0]
    return math.exp(-sum(share * math.log(share) for share in shares)) / max(found.table["length"])


def _direct_path(answers: Answers) -> float:
    """How far the gradient's ratio over a block, along the shortcuts alone, is from their factor; to a millionth."""
    found = answers.at_end("path_gradient")
    ratio = found.summary.get("direct_path_ratio", math.nan) if found else math.nan
    factor = answers.result.spec.shortcut.values.get("carried_factor", 1.0)
    return round(abs(ratio / factor - 1), 6) if factor else math.nan


def _initial_gradient(answers: Answers) -> float:
    before = answers.by_epoch("path_gradient").get(0)
    norm = before.summary["gradient_norm"] if before else math.nan
    return math.log(norm) if norm > 0 else math.nan


PATHS_TYPICAL = table_measure(
    "part of the paths of 19 to 35 of 54 blocks",
    "share",
    "path_count",
    lambda a: _share(a, "share", *TYPICAL),
    possible=PART,
)
PATHS_LEFT = table_measure(
    "part left of the short paths less that of the long ones",
    "share",
    "path_count",
    _kept_short_over_long,
    possible=differences_of(PART),
)
EFFECTIVE_PATHS = table_measure(
    "part of all paths that is of 5 to 17 of 54 blocks",
    "share",
    "path_count",
    lambda a: a.summary.get("effective_path_share", math.nan),
    possible=PART,
)
EFFECTIVE_SHARE = table_measure(
    "part of the gradient along paths of 5 to 17 of 54 blocks",
    "share",
    "path_gradient",
    lambda a: _share(a, "rms_contribution", *EFFECTIVE),
    possible=PART,
)
USEFUL_LENGTHS = table_measure("useful lengths as a part of the blocks", "share", "path_gradient", _useful_lengths)
DIRECT_PATH = Measure(
    "distance of the gradient's ratio over a block, along the shortcuts alone, from their factor",
    "share",
    _direct_path,
    "path_gradient",
    possible=POSITIVE,
)
INITIAL_GRADIENT = Measure(
    "ln of the gradient's norm before training", "1", _initial_gradient, "path_gradient", {"epochs": [0]}
)


def norm_by_length(answers: Answers) -> list[float] | None:
    """The root mean square norm of one path, by length from 1; None where one is not positive."""
    found = answers.at_end("path_gradient")
    norms = list(found.table["rms_norm"][1:]) if found else []
    return norms if norms and all(math.isfinite(norm) and norm > 0 for norm in norms) else None
