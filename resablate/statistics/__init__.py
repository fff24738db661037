"""How a verdict is reached: from the outcomes of trainings to one of five words, at one error rate for a whole report.

A `Sample` holds the outcomes of one cell's trainings. A `contrast` of cells (a mean, a difference, a slope) is an
`Estimate`, whose interval counts both another seed and another test set. A claim is a `Comparison`; `decide_family`
makes a `Decision` of each claim of a report. Everything works on plain arrays, of one report or of many worlds.
"""

from resablate.statistics.comparison import (
    Comparison,
    Decision,
    compare,
    compare_equivalent,
    compare_means,
    compare_with_every,
    in_every,
)
from resablate.statistics.conjunction import every
from resablate.statistics.contrasts import contrast, difference, interaction, mean, sd_of_test_set
from resablate.statistics.estimate import Estimate, Interval
from resablate.statistics.family import decide_family
from resablate.statistics.orders import OrderAgreement, order_agreement
from resablate.statistics.planning import power, seeds_from_estimate, seeds_needed
from resablate.statistics.printed_error import error_interval
from resablate.statistics.rate_differences import RateDifference, compare_rates
from resablate.statistics.rates import Rate, compare_rate
from resablate.statistics.resampling import resampled
from resablate.statistics.resemblance import resemblance
from resablate.statistics.sample import Sample
from resablate.statistics.sequential import (
    Look,
    Rounds,
    Standing,
    deciding_look,
    follow,
    over_looks,
    plan_rounds,
    spend,
)
from resablate.statistics.shapes import aicc, compare_shapes, curvature
from resablate.statistics.slopes import slope
from resablate.statistics.step_down import holm, holm_levels
from resablate.statistics.thresholds import compare_with_threshold, compare_with_value
from resablate.statistics.verdict import (
    Evidence,
    Verdict,
    decide,
    default_margin,
    evidence_of_difference,
    evidence_of_equivalence,
)

__all__ = [
    "Comparison",
    "Decision",
    "Estimate",
    "Evidence",
    "Interval",
    "Look",
    "OrderAgreement",
    "Rate",
    "RateDifference",
    "Rounds",
    "Sample",
    "Standing",
    "Verdict",
    "aicc",
    "compare",
    "compare_equivalent",
    "compare_means",
    "compare_rate",
    "compare_rates",
    "compare_shapes",
    "compare_with_every",
    "compare_with_threshold",
    "compare_with_value",
    "contrast",
    "curvature",
    "decide",
    "decide_family",
    "deciding_look",
    "default_margin",
    "difference",
    "error_interval",
    "every",
    "evidence_of_difference",
    "evidence_of_equivalence",
    "follow",
    "holm",
    "holm_levels",
    "in_every",
    "interaction",
    "mean",
    "order_agreement",
    "over_looks",
    "plan_rounds",
    "power",
    "resampled",
    "resemblance",
    "sd_of_test_set",
    "seeds_from_estimate",
    "seeds_needed",
    "slope",
    "spend",
]
