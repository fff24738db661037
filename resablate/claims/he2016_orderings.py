"""He et al. 2016, section 4: where batch norm and ReLU stand (Tables 2, 3 and 4)."""

from __future__ import annotations

from typing import Any

from resablate.check import planned_steps
from resablate.claims.arms import Arm, Other, deep
from resablate.claims.claim import Claim, Published
from resablate.claims.conjunctions import Every
from resablate.claims.he2016_shortcuts import DEEP, NATS, RECIPE, RESNET, RESNET_110
from resablate.claims.measures import EARLY_LOSS, ERROR, TRAIN_LOSS
from resablate.claims.numbers import Grows
from resablate.claims.rules import Equal, Lower
from resablate.spec import TrainSpec

IDENTITY_RESNET: dict[str, object] = {**RESNET, "shortcut": "identity"}
DEEP_IDENTITY: dict[str, object] = {**IDENTITY_RESNET, "depth": deep(DEEP)}
BOTTLENECK = {"network.block": "bottleneck", "network.transition": "projection"}
"""Of ResNet-164 and ResNet-1001."""
ORDERING = ("ordering",)
WITHIN = 0.005
"""A stated margin: half a point, that of the shortcut-only gate at -6."""
SIMILAR_NATS = 0.02
"""A stated margin for "mild" in training loss."""


def ordered(name: str) -> Arm:
    """Networks of one ordering."""
    return Arm(name.replace("_", " "), {"ordering": name})


ORIGINAL, FULL = ordered("original"), ordered("full_preactivation")
BN_AFTER, RELU_BEFORE, RELU_ONLY = map(ordered, ("bn_after_add", "relu_before_add", "relu_only_preactivation"))


def at(arm: Arm, depth: int) -> Arm:
    """The same at one depth."""
    return Arm(f"{arm.name} at {depth} layers", {**arm.fields, "depth": depth})


def _row(text: str, table: str, arm: Arm, **fields: object) -> Published:
    return Published(text, f"Table {table}", {**RESNET_110, "shortcut": "identity", **arm.fields, **fields})


def _bottleneck(text: str, table: str, arm: Arm, depth: int, dataset: str = "cifar10", **fields: object) -> Published:
    return _row(text, table, arm, **{**BOTTLENECK, "depth": depth, "dataset": dataset, **fields})


BASIC = {
    "original": _row("original 6.61 %", "2", ORIGINAL),
    "bn_after": _row("BN after addition 8.17 %", "2", BN_AFTER),
    "relu_before": _row("ReLU before addition 7.84 %", "2", RELU_BEFORE),
    "relu_only": _row("ReLU-only pre-activation 6.71 %", "2", RELU_ONLY),
    "full": _row("full pre-activation 6.37 %", "2", FULL),
}
DEEPER = {
    "original": _bottleneck("original 5.93 %", "2", ORIGINAL, 164),
    "bn_after": _bottleneck("BN after addition 6.50 %", "2", BN_AFTER, 164),
    "relu_before": _bottleneck("ReLU before addition 6.14 %", "2", RELU_BEFORE, 164),
    "relu_only": _bottleneck("ReLU-only pre-activation 5.91 %", "2", RELU_ONLY, 164),
    "full": _bottleneck("full pre-activation 5.46 %", "2", FULL, 164),
}
THOUSAND = (
    _bottleneck("original, 1001 layers: 7.61 %", "3", ORIGINAL, 1001),
    _bottleneck("full pre-activation, 1001 layers: 4.92 %", "3", FULL, 1001),
    _bottleneck("original, CIFAR-100: 25.16 %", "3", ORIGINAL, 164, "cifar100"),
    _bottleneck("full pre-activation, CIFAR-100: 24.33 %", "3", FULL, 164, "cifar100"),
    _bottleneck("original, 1001 layers, CIFAR-100: 27.82 %", "3", ORIGINAL, 1001, "cifar100"),
    _bottleneck("full pre-activation, 1001 layers, CIFAR-100: 22.71 %", "3", FULL, 1001, "cifar100"),
    _row("original, one convolution a block: 9.90 %", "3", ORIGINAL, **{"network.block": "single"}),
    _row("full pre-activation, one convolution a block: 8.91 %", "3", FULL, **{"network.block": "single"}),
)
BATCH_64 = _bottleneck("full pre-activation, 1001 layers, batch 64: 4.62 %", "4", FULL, 1001, batch_size=64)
ORIGINAL_1202 = Published(
    "original, 1202 layers: 7.93 %",
    "Table 4",
    {**RECIPE, "network": "resnet", "network.block": "basic", "dataset": "cifar10", "depth": 1202, **ORIGINAL.fields},
)


def _pair(name: str) -> tuple[Published, ...]:
    return (BASIC["original"], BASIC[name], DEEPER["original"], DEEPER[name])


def _slow_start(arm: Arm, rival: Arm, varies: tuple[str, ...]) -> Lower:
    return Lower(arm, (rival,), varies, EARLY_LOSS, NATS)


CLAIMS = (
    Claim(
        "H11",
        "Batch norm after the addition gives a higher test error than the original ordering.",
        "He et al. 2016, section 4.1 and Table 2",
        Lower(ORIGINAL, (BN_AFTER,), ORDERING, margin=0.0016, published=0.0156),
        DEEP_IDENTITY,
        _pair("bn_after"),
    ),
    Claim(
        "H12",
        "With batch norm after the addition the training loss falls slowly at the start.",
        "He et al. 2016, section 4.1 and Figure 6 (left)",
        _slow_start(ORIGINAL, BN_AFTER, ORDERING),
        DEEP_IDENTITY,
    ),
    Claim(
        "H13",
        "ReLU before the addition gives a higher test error than the original ordering.",
        "He et al. 2016, section 4.1 and Table 2",
        Lower(ORIGINAL, (RELU_BEFORE,), ORDERING, margin=0.0012, published=0.0123),
        DEEP_IDENTITY,
        _pair("relu_before"),
    ),
    Claim(
        "H14",
        "ReLU-only pre-activation is equivalent to the original ordering, within half a point.",
        "He et al. 2016, section 4.1 and Table 2",
        Equal(RELU_ONLY, ORIGINAL, ORDERING, WITHIN),
        DEEP_IDENTITY,
        _pair("relu_only"),
    ),
    Claim(
        "H15",
        "Full pre-activation gives a lower test error than the original ordering.",
        "He et al. 2016, section 4.1 and Tables 2 and 3",
        Lower(FULL, (ORIGINAL,), ORDERING, published=0.0024),
        DEEP_IDENTITY,
        (*_pair("full"), *THOUSAND),
    ),
    Claim(
        "H16",
        "Full pre-activation gives the lowest test error of the five orderings.",
        "He et al. 2016, section 4.1 and Table 2",
        Lower(FULL, (ORIGINAL, BN_AFTER, RELU_BEFORE, RELU_ONLY), ORDERING, published=0.0024),
        DEEP_IDENTITY,
        (*BASIC.values(), *DEEPER.values()),
    ),
    Claim(
        "H17",
        "What full pre-activation gains over the original ordering grows with depth.",
        "He et al. 2016, section 4.2 and Table 3",
        # 0.47 points at 164 layers, 2.69 at 1001.
        Grows(FULL, ORIGINAL, ORDERING, ERROR, 0.0022, 0.0222, (164, 1001)),
        IDENTITY_RESNET,
        (*_pair("full"), *THOUSAND),
        BOTTLENECK,
    ),
    Claim(
        "H18",
        "With the original ordering 1001 layers are worse than 164; with full pre-activation they are better.",
        "He et al. 2016, section 4.2 and Table 3",
        Every(
            {
                "original": Lower(
                    at(ORIGINAL, 164), (at(ORIGINAL, 1001),), ("depth",), margin=0.0017, published=0.0168
                ),
                "pre-activated": Lower(at(FULL, 1001), (at(FULL, 164),), ("depth",), published=0.0054),
            }
        ),
        IDENTITY_RESNET,
        (DEEPER["original"], DEEPER["full"], *THOUSAND),
        BOTTLENECK,
    ),
    Claim(
        "H19",
        "At 1001 layers the training loss falls slowly at the start with the original ordering, and fast with full"
        " pre-activation.",
        "He et al. 2016, section 4.2 and Figure 1",
        _slow_start(at(FULL, 1001), at(ORIGINAL, 1001), ORDERING),
        IDENTITY_RESNET,
        (),
        BOTTLENECK,
    ),
    Claim(
        "H20",
        "At 164 layers the ReLU after the addition does little harm: the final training loss is that of full"
        f" pre-activation, within {SIMILAR_NATS} nats.",
        "He et al. 2016, section 4.2",
        Equal(at(ORIGINAL, 164), at(FULL, 164), ORDERING, SIMILAR_NATS, TRAIN_LOSS),
        IDENTITY_RESNET,
        (),
        BOTTLENECK,
    ),
    Claim(
        "H21",
        "Full pre-activation has a higher final training loss and a lower test error than the original ordering.",
        "He et al. 2016, section 4.2 and Figure 6 (right)",
        Every(
            {
                "training loss": Lower(ORIGINAL, (FULL,), ORDERING, TRAIN_LOSS, 0.001),
                "test error": Lower(FULL, (ORIGINAL,), ORDERING, published=0.0024),
            }
        ),
        DEEP_IDENTITY,
        _pair("full"),
    ),
    Claim(
        "H22",
        "A pre-activated ResNet-164 of 1.7 million parameters beats an original ResNet-1202 of 19.4 million; a batch"
        " of 64 beats one of 128.",
        "He et al. 2016, Table 4",
        Every(
            {
                "164 against 1202": Lower(
                    Arm("pre-activated 164", {**FULL.fields, **BOTTLENECK, "depth": 164}),
                    (Arm("original 1202", {**ORIGINAL.fields, "network.block": "basic", "depth": 1202}),),
                    ("network", "depth", "ordering"),
                    margin=0.0025,
                    published=0.0247,
                ),
                "batch 64 against 128": Lower(
                    Arm("batch 64", {"batch_size": 64, "depth": 1001, **FULL.fields}),
                    (Arm("batch 128", {"batch_size": 128, "depth": 1001, **FULL.fields}),),
                    ("batch_size", "iterations", "epochs"),
                    published=0.0030,
                ),
            },
            {"batch 64 against 128": BOTTLENECK},
        ),
        IDENTITY_RESNET,
        (DEEPER["full"], ORIGINAL_1202, THOUSAND[1], BATCH_64),
    ),
)


def _first_steps(spec: TrainSpec) -> dict[str, Any]:
    """400 of 64,000 steps, or the same part of another number."""
    return {"schedule.warmup_iterations": max(1, round(planned_steps(spec) / 160))}


WARM_UP = Claim(
    "H28",
    "With full pre-activation no warm-up is needed: the test error is the same without, within half a point.",
    "He et al. 2016, appendix",
    Equal(
        Arm("no warm-up", {"schedule": "steps", "schedule.warmup_iterations": 0}),
        Arm(
            "warm-up",
            {"schedule": "steps", "schedule.warmup_iterations": Other((0,))},
            ({"schedule": "steps"},),
            following=_first_steps,
        ),
        ("schedule.warmup_iterations",),
        WITHIN,
    ),
    {**DEEP_IDENTITY, **FULL.fields},
)
