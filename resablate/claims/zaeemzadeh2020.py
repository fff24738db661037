"""Zaeemzadeh, Rahnavard & Shah 2020, "Norm-Preservation: Why Residual Networks Can Become Extremely Deep?".

r is the norm of the gradient at a block's input over that at its output, per example, its median; the norm change of
the block is |ln r|, which the paper calls l.
"""

from __future__ import annotations

import math

from resablate.claims.analysis_measures import (
    CHANGING_MEDIAN_WORST,
    LARGEST_TAP,
    LN_LARGEST_LOG_RATIO,
    LN_MEAN_LOG_RATIO,
    MEAN_LOG_RATIO,
    ORDINARY_WORST,
    STEM_DISTANCE,
    TRANSITION_DISTANCE,
    TRANSITION_WORST,
)
from resablate.claims.arms import Arm, Params, blocks, deep
from resablate.claims.claim import Claim, Published
from resablate.claims.conjunctions import Every
from resablate.claims.measures import EPOCH_SECONDS, ERROR
from resablate.claims.numbers import Number, Trend
from resablate.claims.rules import DifferenceIs, Lower
from resablate.claims.sooner import Sooner

ONE_BLOCK_IS_ONE_OF_MANY = 32
ORDINARY = 0.1
"""A stated threshold: r within a tenth of 1."""
WITH_STEM = ("all", "stem+transitions")
"""Of SV_LAYERS."""
SLOPE_WITHIN = 0.25
"""A stated margin about the slope of 1 that c ln(2L)/L has."""
COST = math.log(1.1)
ONE_TAP = 0.5
"""A stated threshold: 1/9 is even; the released code's first convolution has 0.99 in one tap."""
RESNET: dict[str, object] = {"network": "resnet", "block_sampling": "all", "regularizer": "none"}
IDENTITY, PLAIN = Arm("identity", {"shortcut": "identity"}), Arm("no shortcut", {"shortcut": "none"})
BARE: dict[str, object] = {"network.block": "bottleneck", "network.transition": "bare"}


def _stem_too(params: Params) -> bool:
    """Whether the first convolution is projected with the transitions, as the paper has it."""
    return params["regularizer.layers"] in WITH_STEM and params["regularizer.stem"] != "off"


PROJECTED = Arm(
    "ProcResNet, projected in half of the steps",
    {**BARE, "regularizer": "procrustes", "regularizer.frequency": 0.5},
    ({**BARE, "regularizer": {"name": "procrustes", "layers": "stem+transitions"}, "depth": 166},),
    also=_stem_too,
)
UNPROJECTED = Arm("ProcResNet without projection", {**BARE, "regularizer": "none"}, ({**BARE, "depth": 166},))
BASELINE = Arm(
    "ResNet with projection shortcuts",
    {"network.block": "bottleneck", "network.transition": "projection", "regularizer": "none"},
    ({"network.block": "bottleneck", "network.transition": "projection", "depth": 164},),
)
CHANGED = ("network", "regularizer", "depth")
RESIDUAL: dict[str, object] = {"network": "resnet", "block_sampling": "all", "shortcut": "identity"}
PREACTIVATED = {"ordering": "full_preactivation"}


def same_blocks(claimed: Params, rival: Params) -> bool:
    """Whether both networks have as many blocks: 166 layers with bare transitions, 164 with projections."""
    return blocks(claimed) is not None and blocks(claimed) == blocks(rival)


def bound(params: Params) -> float:
    """ln(ln(2L) / L) of L blocks; the published bound on a norm change is a multiple of ln(2L) / L."""
    stage = blocks(params)
    total = 3 * stage if stage else 1
    return math.log(math.log(2 * total) / total)


def layers(params: Params) -> float:
    """The depth."""
    depth = params["depth"]
    return float(depth) if isinstance(depth, int) else math.nan


RECIPE: dict[str, object] = {
    **RESIDUAL,
    "dataset": "cifar10",
    "dataset.val_fraction": 0,
    "dataset.normalization": "per_channel",
    "augmentation": "crop_flip",
    "augmentation.fill": "zero",
    "epochs": 300,
    "iterations": None,
    "batch_size": 128,
    "learning_rate": 0.1,
    "schedule": "steps",
    "width": 16,
    "ordering": "full_preactivation",
}
ROWS = (
    Published(
        "ProcResNet-166 4.75 %",
        "README of the released code, one run",
        {
            **RECIPE,
            **PROJECTED.fields,
            "regularizer.layers": "stem+transitions",
            "regularizer.stem": "published",
            "depth": 166,
        },
    ),
)
"""Those of 274, 634 and 1003 layers are of the best epoch by test error, which no training here reports."""


def _bounded(measure_is_mean: bool) -> Every:
    measure = LN_MEAN_LOG_RATIO if measure_is_mean else LN_LARGEST_LOG_RATIO
    axis, depths = "ln(ln(2L)/L)", (8, 20, 56, 110)
    return Every(
        {
            "falls": Trend(IDENTITY, measure, bound, axis, 0.0, "above", 0.0, 4, depths),
            "as ln(2L)/L": Trend(IDENTITY, measure, bound, axis, 1.0, None, SLOPE_WITHIN, 4, depths),
        }
    )


CLAIMS = (
    Claim(
        "Z1",
        "Shortcuts preserve the norm of the gradient: its change over a block, |ln r|, is smaller with identity than"
        " without shortcuts.",
        "Zaeemzadeh et al. 2020, section 5",
        Lower(IDENTITY, (PLAIN,), ("shortcut",), MEAN_LOG_RATIO, 0.01),
        {**RESNET, "depth": deep(ONE_BLOCK_IS_ONE_OF_MANY)},
    ),
    Claim(
        "Z2",
        "Deeper networks preserve the norm better: the mean norm change falls as ln(2L)/L with the number L of blocks.",
        "Zaeemzadeh et al. 2020, Theorem 1",
        _bounded(measure_is_mean=True),
        RESNET,
    ),
    Claim(
        "Z3",
        "So does every block: the largest norm change falls as ln(2L)/L.",
        "Zaeemzadeh et al. 2020, Theorem 1",
        _bounded(measure_is_mean=False),
        RESNET,
    ),
    Claim(
        "Z4",
        "Ordinary blocks stay within a tenth of a ratio of 1 all through training; changes of dimension do not.",
        "Zaeemzadeh et al. 2020, section 5, and the animation of the released code",
        Every(
            {
                "ordinary": Number(IDENTITY, ORDINARY_WORST, ORDINARY, "below"),
                "changes of dimension": Number(IDENTITY, CHANGING_MEDIAN_WORST, ORDINARY, "above"),
            }
        ),
        {**RESNET, "depth": deep(ONE_BLOCK_IS_ONE_OF_MANY)},
        (),
        PREACTIVATED,
    ),
    Claim(
        "Z5",
        "The projection brings the transition convolutions nearer to a ratio of 1, all through training.",
        "Zaeemzadeh et al. 2020, section 5, and the animation of the released code",
        Lower(PROJECTED, (UNPROJECTED,), ("regularizer",), TRANSITION_WORST, 0.05),
        RESIDUAL,
        (),
        PREACTIVATED,
    ),
    Claim(
        "Z6",
        "A Procrustes ResNet has a lower test error than a ResNet of as many blocks, and than without projection.",
        "Zaeemzadeh et al. 2020, section 5; README of the released code",
        Every(
            {
                "than ResNet": Lower(PROJECTED, (BASELINE,), CHANGED, ERROR, 0.001, 0.0071, same_blocks),
                "than without projection": Lower(PROJECTED, (UNPROJECTED,), ("regularizer",)),
            }
        ),
        RESIDUAL,
        ROWS,
        PREACTIVATED,
    ),
    Claim(
        "Z7",
        "A Procrustes ResNet learns faster: it reaches the final validation loss of a ResNet in fewer epochs.",
        "Zaeemzadeh et al. 2020, section 5",
        Sooner(PROJECTED, BASELINE, CHANGED, same_blocks),
        RESIDUAL,
        (),
        PREACTIVATED,
    ),
    Claim(
        "Z8",
        "The projection brings the singular values to the target: of 1x1 transitions within a thousandth, of the first"
        " convolution within a twentieth, without its energy going into one tap.",
        "Zaeemzadeh et al. 2020, section 4; the released code",
        Every(
            {
                "transitions": Number(PROJECTED, TRANSITION_DISTANCE, 1e-3, "below"),
                "first convolution": Number(PROJECTED, STEM_DISTANCE, 0.05, "below"),
                "taps": Number(PROJECTED, LARGEST_TAP, ONE_TAP, "below"),
            }
        ),
        RESIDUAL,
        (),
        PREACTIVATED,
    ),
    Claim(
        "Z9",
        "The projection costs little: less than a tenth of the time of an epoch.",
        "Zaeemzadeh et al. 2020, section 5",
        DifferenceIs(PROJECTED, UNPROJECTED, ("regularizer",), EPOCH_SECONDS, COST, scale="log"),
        RESIDUAL,
        (),
        PREACTIVATED,
    ),
    Claim(
        "Z10",
        "With the projection deeper networks have lower errors, from 166 to 1003 layers.",
        "README of the released code",
        Trend(PROJECTED, ERROR, layers, "depth", 0.0, "below", 0.0, 3, (166, 274, 634, 1003)),
        {**RESIDUAL, "depth": deep(166)},
        ROWS,
        PREACTIVATED,
    ),
)
