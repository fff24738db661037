"""Veit, Wilber & Belongie 2016, "Residual Networks Behave Like Ensembles of Relatively Shallow Networks".

Their network is a pre-activation ResNet-110 (54 blocks) on CIFAR-10, their plain one a 15-layer VGG. Its lesions and
orders are of the trained network.
"""

from __future__ import annotations

from typing import Any

from resablate.claims.analysis_measures import (
    DELETION_JUMP,
    DELETION_ORDER,
    DISORDER,
    LESION_AT_CHANGES,
    LESION_MEAN,
    LESION_PEAK,
    LESION_SHARE,
)
from resablate.claims.arms import Arm, OneOf, Other, Params, blocks, deep, flat
from resablate.claims.claim import Claim, Published
from resablate.claims.conjunctions import Every
from resablate.claims.measures import table_measure
from resablate.claims.numbers import Number
from resablate.claims.path_measures import (
    EFFECTIVE_PATHS,
    EFFECTIVE_SHARE,
    PATHS_LEFT,
    PATHS_TYPICAL,
    USEFUL_LENGTHS,
    norm_by_length,
)
from resablate.claims.rules import Equal, Lower
from resablate.claims.shaped import Exponential
from resablate.spec import TrainSpec

DEEP = 32
"""Layers from which one block is one of many: 15 blocks."""
BARELY, COLLAPSED = 0.1, 0.8
"""Stated thresholds: parts of the distance from the whole network's error to that of guessing."""
IN_ORDER = 0.8
"""A stated threshold for "smoothly": Kendall's tau of the error."""
JUMP = 0.5
"""A stated threshold: no single step is half of the whole rise."""
FEW = 0.05
"""A stated threshold, for the paper's 0.45 %."""
WITHIN = 0.005
"""A stated margin; the paper's difference of 0.14 points is called not significant."""
FULL_SHARE = 23 / 54
"""Of the blocks that train in a batch."""

WHOLE: dict[str, object] = {
    "network": "resnet",
    # A bare transition stays in place while its block is removed, and has no shortcut of its own.
    "network.transition": Other(("bare",)),
    "block_sampling": "all",
    "regularizer": "none",
    "depth": deep(DEEP),
}
RESIDUAL = Arm("identity", {"shortcut": "identity"})
PLAIN = Arm(
    "no shortcut, or a VGG",
    {"network": OneOf(("resnet", "vgg")), "block_sampling": "all", "regularizer": "none"},
    (
        {"network": "vgg", "depth": 15, "width": 128, "learning_rate": 0.05},
        {"network": "resnet", "shortcut": "none"},
    ),
    lambda params: params["network"] == "vgg" or params["shortcut"] == "none",
)
SAMPLING = ("block_sampling",)
ALL_BLOCKS = Arm("all blocks", {"block_sampling": "all"})
STOCHASTIC = Arm("stochastic depth", {"block_sampling": "stochastic_depth"})


def _same_part(params: Params) -> bool:
    """Whether 23 of 54 blocks train, or the same part of another number, rounded."""
    count, stage = params.get("block_sampling.count"), blocks(params)
    return isinstance(count, int) and stage is not None and abs(count - FULL_SHARE * 3 * stage) <= 1


def _part_of(spec: TrainSpec) -> dict[str, Any]:
    """23 of 54 blocks, or the same part of another number."""
    stage = blocks(flat(spec))
    return {"block_sampling.count": round(FULL_SHARE * 3 * stage)} if stage else {}


FIXED = Arm("23 of 54 blocks", {"block_sampling": "fixed_count"}, (), _same_part, _part_of)
GATED = Arm("exclusive gates", {"shortcut": "exclusive_gate"}, ({"shortcut": "exclusive_gate", "shortcut.bias": -6},))
SAMPLED: dict[str, object] = {
    "network": "resnet",
    "shortcut": "identity",
    "regularizer": "none",
    "depth": deep(DEEP),
}
RESNET_110: dict[str, object] = {  # the training of He et al., to which the paper refers
    "network": "resnet",
    "network.block": "basic",
    "shortcut": "identity",
    "ordering": "full_preactivation",
    "depth": 110,
    "width": 16,
    "dataset": "cifar10",
    "dataset.val_fraction": 0,
    "augmentation": "crop_flip",
    "iterations": 64_000,
    "batch_size": 128,
    "learning_rate": 0.1,
    "schedule": "steps",
    "regularizer": "none",
}
WHOLE_ROW = Published("all blocks 6.10 %", "section 4.3", {**RESNET_110, "block_sampling": "all"})
FIXED_ROW = Published(
    "23 of 54 blocks 5.96 %", "section 4.3", {**RESNET_110, "block_sampling": "fixed_count", "block_sampling.count": 23}
)
NORMS = table_measure("norm of one path by length", "1", "path_gradient", lambda found: found.summary["gradient_norm"])
PREACTIVATED = {"ordering": "full_preactivation"}


def _robust(threshold_of: str) -> Every:
    """Little is lost without a block, and most where the dimension changes."""
    return Every(
        {
            threshold_of: Number(RESIDUAL, LESION_SHARE, BARELY, "below"),
            "most at changes of dimension": Number(RESIDUAL, LESION_PEAK, 0.0, "above"),
        }
    )


CLAIMS = (
    Claim(
        "V1",
        "Removing one block of a trained residual network changes its test error little: by less than a tenth of the"
        " distance to guessing, on average.",
        "Veit et al. 2016, section 4.1 and Figure 3",
        Number(RESIDUAL, LESION_SHARE, BARELY, "below"),
        WHOLE,
        (WHOLE_ROW,),
        PREACTIVATED,
    ),
    Claim(
        "V2",
        "Removing one layer of a plain network or a VGG brings its test error to that of guessing: by four fifths of"
        " the distance or more, on average.",
        "Veit et al. 2016, section 4.1 and Figure 3",
        Number(PLAIN, LESION_SHARE, COLLAPSED, "above"),
    ),
    Claim(
        "V3",
        "The blocks that matter most are those that change the dimension.",
        "Veit et al. 2016, section 4.1 and Figure 3",
        Number(RESIDUAL, LESION_PEAK, 0.0, "above"),
        WHOLE,
        (),
        PREACTIVATED,
    ),
    Claim(
        "V4",
        "On ImageNet too, removing one block of a ResNet-200 changes its error little, most at changes of dimension.",
        "Veit et al. 2016, section 4.1 and Figure 4",
        _robust("little"),
        {
            "network": "imagenet_resnet",
            "dataset": "image_folder",
            "block_sampling": "all",
            "regularizer": "none",
            "depth": deep(200),
        },
        (),
        {
            "dataset": {"name": "image_folder", "val_fraction": 0, "train_crop": 224},
            "network": {"name": "imagenet_resnet", "transition": "projection"},
            "width": 64,
            "epochs": 90,
            "batch_size": 256,
            "augmentation": "scale",
            **PREACTIVATED,
        },
    ),
    Claim(
        "V5",
        "The test error rises smoothly with the number of blocks that are removed.",
        "Veit et al. 2016, section 4.2 and Figure 5(a)",
        Every(
            {
                "rises": Number(RESIDUAL, DELETION_ORDER, IN_ORDER, "above"),
                "without a jump": Number(RESIDUAL, DELETION_JUMP, JUMP, "below"),
            }
        ),
        WHOLE,
        (),
        PREACTIVATED,
    ),
    Claim(
        "V6",
        "The test error rises smoothly as the order of the blocks is shuffled.",
        "Veit et al. 2016, section 4.2 and Figure 5(b)",
        Number(RESIDUAL, DISORDER, IN_ORDER, "above"),
        WHOLE,
        (),
        PREACTIVATED,
    ),
    Claim(
        "V7",
        "More than 95 % of the paths lead through 19 to 35 of 54 blocks.",
        "Veit et al. 2016, section 4.3 and Figure 6(a)",
        Number(RESIDUAL, PATHS_TYPICAL, 0.95, "above", counted=True),
        {**WHOLE, "depth": deep(110)},
        (),
        PREACTIVATED,
    ),
    Claim(
        "V8",
        "The gradient's norm along a path falls exponentially with the path's length.",
        "Veit et al. 2016, section 4.3 and Figure 6(b)",
        Exponential(RESIDUAL, NORMS, norm_by_length),
        WHOLE,
        (),
        PREACTIVATED,
    ),
    Claim(
        "V9",
        "Nine tenths of the gradient or more come along paths of 5 to 17 of 54 blocks, which are few: 0.45 % of all.",
        "Veit et al. 2016, section 4.3 and Figure 6(c)",
        Every(
            {
                "of the gradient": Number(RESIDUAL, EFFECTIVE_SHARE, 0.9, "above"),
                "few paths": Number(RESIDUAL, EFFECTIVE_PATHS, FEW, "below", counted=True),
            }
        ),
        {**WHOLE, "depth": deep(110)},
        (),
        PREACTIVATED,
    ),
    Claim(
        "V10",
        "Training 23 of 54 blocks in a batch gives the test error of training all, within half a point.",
        "Veit et al. 2016, section 4.3",
        Equal(FIXED, ALL_BLOCKS, SAMPLING, WITHIN),
        SAMPLED,
        (FIXED_ROW, WHOLE_ROW),
        PREACTIVATED,
    ),
    Claim(
        "V11",
        "Removing blocks leaves a larger part of the short paths than of the long ones.",
        "Veit et al. 2016, section 4.2 and Figure 7",
        Number(RESIDUAL, PATHS_LEFT, 0.0, "above", counted=True),
        WHOLE,
        (),
        PREACTIVATED,
    ),
    Claim(
        "V12",
        "Stochastic depth makes a network slightly more robust to the loss of a block, mainly at changes of dimension.",
        "Veit et al. 2016, section 5 and Figure 8",
        Every(
            {
                "on average": Lower(STOCHASTIC, (ALL_BLOCKS,), SAMPLING, LESION_MEAN),
                "at changes of dimension": Lower(STOCHASTIC, (ALL_BLOCKS,), SAMPLING, LESION_AT_CHANGES),
            }
        ),
        SAMPLED,
    ),
    Claim(
        "V13",
        "Gates as in highway networks leave fewer useful path lengths than identity.",
        "Veit et al. 2016, section 6",
        Lower(GATED, (RESIDUAL,), ("shortcut",), USEFUL_LENGTHS, 0.02),
        WHOLE,
    ),
)
