"""He et al. 2016, section 3: what stands on the shortcut (Table 1)."""

from __future__ import annotations

from typing import Any

from resablate.claims.arms import Arm, OneOf, Other, Within, deep
from resablate.claims.claim import Claim, Published
from resablate.claims.conjunctions import Every
from resablate.claims.failing import Fails
from resablate.claims.measures import CURVE, ERROR, TRAIN_LOSS
from resablate.claims.numbers import Grows, Number
from resablate.claims.path_measures import DIRECT_PATH
from resablate.claims.rules import Equal, Lower

DEEP = 32
"""Layers from which "deep" is tested: in He et al. (arXiv 1512.03385), Figure 6, the shallowest plain network that does
worse than a shallower one."""
NATS = 0.01
"""A stated margin: training losses that are nearer than this are the same."""
RESNET: dict[str, object] = {"network": "resnet", "block_sampling": "all", "regularizer": "none"}
"""Which trainings count: residual networks of which every block trains and nothing acts on singular values."""
DEEP_RESNET: dict[str, object] = {**RESNET, "depth": deep(DEEP)}
RECIPE: dict[str, object] = {
    "dataset.val_fraction": 0,
    "dataset.normalization": "per_pixel",
    "augmentation": "crop_flip",
    "iterations": 64_000,
    "batch_size": 128,
    "learning_rate": 0.1,
    "optimizer": "sgd",
    "optimizer.momentum": 0.9,
    "optimizer.nesterov": False,
    "optimizer.weight_decay": 1e-4,
    "schedule": "steps",
    "schedule.warmup_iterations": 400,
    "width": 16,
    "block_sampling": "all",
    "regularizer": "none",
}
"""What their CIFAR numbers stand for, all 50,000 training images included."""
RESNET_110: dict[str, object] = {
    **RECIPE,
    "network": "resnet",
    "network.block": "basic",
    "network.transition": "pad",
    "dataset": "cifar10",
    "depth": 110,
}
SHORTCUT = ("shortcut",)

IDENTITY = Arm("identity", {"shortcut": "identity"})
PLAIN = Arm(
    "no shortcut (0 on x)",
    {"shortcut": OneOf(("none", "constant_scale"))},
    ({"shortcut": "none"},),
    lambda params: (
        params["shortcut"] == "none"
        or (params.get("shortcut.carried_factor") == 0 and params.get("shortcut.added_factor") == 1)
    ),
)


def scaled(carried: float, added: float) -> Arm:
    """A constant factor on each side of the addition."""
    fields = {"shortcut": "constant_scale", "shortcut.carried_factor": carried, "shortcut.added_factor": added}
    return Arm(f"factors {carried:g} on x and {added:g} on F", fields)


def gate(kind: str, bias: float) -> Arm:
    """An exclusive or shortcut-only gate with this initial bias."""
    return Arm(f"{kind.replace('_', ' ')} of bias {bias:g}", {"shortcut": kind, "shortcut.bias": bias})


HALF = scaled(0.5, 0.5)
DROPOUT = Arm("dropout 0.5", {"shortcut": "dropout", "shortcut.rate": 0.5})
CONV1X1 = Arm("conv1x1", {"shortcut": "conv1x1"})
CLOSED_GATES = Arm(
    "exclusive gates of bias 0 to -5",
    {"shortcut": "exclusive_gate", "shortcut.bias": Within(-5, 0)},
    tuple({"shortcut": "exclusive_gate", "shortcut.bias": -bias} for bias in range(6)),
)
MULTIPLIED: tuple[dict[str, Any], ...] = (
    HALF.planned[0],
    gate("exclusive_gate", -6).planned[0],
    gate("shortcut_only_gate", 0).planned[0],
    CONV1X1.planned[0],
    DROPOUT.planned[0],
)
MULTIPLICATIVE = Arm(
    "every multiplicative shortcut",
    {"shortcut": OneOf(("constant_scale", "exclusive_gate", "shortcut_only_gate", "conv1x1", "dropout"))},
    MULTIPLIED,
)
EVERY_OTHER = Arm(
    "every other shortcut",
    {"shortcut": Other(("identity",))},
    (*MULTIPLIED, gate("shortcut_only_gate", -6).planned[0], *PLAIN.planned),
)


def _row(text: str, arm: Arm) -> Published:
    return Published(text, "Table 1", {**RESNET_110, "ordering": "original", **arm.fields})


ORIGINAL_110 = _row("identity 6.61 %", IDENTITY)
ROWS = {
    "identity": ORIGINAL_110,
    "half": _row("factors 0.5 and 0.5: 12.35 %", HALF),
    "half_carried": _row("factors 0.5 and 1: fail", scaled(0.5, 1)),
    "plain": _row("no shortcut: fail", Arm("none", {"shortcut": "none"})),
    "zero": _row("factors 0 and 1: fail", scaled(0, 1)),
    "closed": _row("exclusive gate, bias 0 to -5: fail", CLOSED_GATES),
    "exclusive_6": _row("exclusive gate, bias -6: 8.70 %", gate("exclusive_gate", -6)),
    "exclusive_7": _row("exclusive gate, bias -7: 9.81 %", gate("exclusive_gate", -7)),
    "only_0": _row("shortcut-only gate, bias 0: 12.86 %", gate("shortcut_only_gate", 0)),
    "only_6": _row("shortcut-only gate, bias -6: 6.91 %", gate("shortcut_only_gate", -6)),
    "conv1x1": _row("1x1 convolution: 12.22 %", CONV1X1),
    "dropout": _row("dropout 0.5: fail", DROPOUT),
}


def _rows(*names: str) -> tuple[Published, ...]:
    return tuple(ROWS[name] for name in names)


def _raises(measure_part: str) -> str:
    return f"A multiplicative shortcut of any kind raises the training loss{measure_part}."


CLAIMS = (
    Claim(
        "H1",
        "An identity shortcut gives a lower test error than every other shortcut.",
        "He et al. 2016, section 3 and Table 1",
        Lower(IDENTITY, (EVERY_OTHER,), SHORTCUT, published=0.0030),
        DEEP_RESNET,
        tuple(ROWS.values()),
    ),
    Claim(
        "H2",
        "Factors of 0.5 on both sides of the addition give a higher training loss and a higher test error.",
        "He et al. 2016, section 3.1, Figure 3(a) and Table 1",
        Every(
            {
                "training loss": Lower(IDENTITY, (HALF,), SHORTCUT, TRAIN_LOSS, NATS),
                "test error": Lower(IDENTITY, (HALF,), SHORTCUT, margin=0.0057, published=0.0574),
            }
        ),
        DEEP_RESNET,
        _rows("identity", "half"),
    ),
    Claim(
        "H3",
        "With a factor of 0.5 on x and 1 on F a deep network fails.",
        "He et al. 2016, section 3.1 and Table 1",
        Fails(scaled(0.5, 1), IDENTITY, SHORTCUT),
        DEEP_RESNET,
        _rows("identity", "half_carried"),
    ),
    Claim(
        "H4",
        "With 0 on the shortcut, which leaves a plain network, a deep network fails.",
        "He et al. 2016, section 3.1 and Table 1",
        Fails(PLAIN, IDENTITY, SHORTCUT),
        DEEP_RESNET,
        _rows("identity", "plain", "zero"),
    ),
    Claim(
        "H5",
        "An exclusive gate fails with biases of 0 to -5 and is best at -6: -7 is worse.",
        "He et al. 2016, section 3.2 and Table 1",
        Every(
            {
                "0 to -5 fail": Fails(CLOSED_GATES, IDENTITY, SHORTCUT),
                "-6 is best": Lower(
                    gate("exclusive_gate", -6),
                    (
                        Arm(
                            "gates of bias -7 and less",
                            {"shortcut.bias": Within(-99, -7)},
                            (gate("exclusive_gate", -7).planned[0],),
                        ),
                    ),
                    ("shortcut.bias",),
                    margin=0.0011,
                    published=0.0111,
                ),
            },
            {"-6 is best": {"shortcut": "exclusive_gate"}},
        ),
        DEEP_RESNET,
        _rows("closed", "exclusive_6", "exclusive_7"),
    ),
    Claim(
        "H6",
        "A shortcut-only gate is bad with a bias of 0, and equivalent to identity within 0.5 points at -6.",
        "He et al. 2016, section 3.2 and Table 1",
        Every(
            {
                "bad at 0": Lower(
                    IDENTITY, (gate("shortcut_only_gate", 0),), SHORTCUT, margin=0.0062, published=0.0625
                ),
                "as identity at -6": Equal(gate("shortcut_only_gate", -6), IDENTITY, SHORTCUT, 0.005),
            }
        ),
        DEEP_RESNET,
        _rows("identity", "only_0", "only_6"),
    ),
    Claim(
        "H7",
        "A 1x1 convolution on the shortcut does no harm in a shallow network and is bad in a deep one.",
        "He et al. 2016, section 3.3 and Table 1",
        # No worse at 34 layers (their section 3.3), 5.61 points worse at 110.
        Grows(IDENTITY, CONV1X1, SHORTCUT, ERROR, 0.0056, 0.0561, (20, 110)),
        RESNET,
        _rows("identity", "conv1x1"),
    ),
    Claim(
        "H8",
        "Dropout of 0.5 on the shortcut makes a deep network fail.",
        "He et al. 2016, section 3.4 and Table 1",
        Fails(DROPOUT, IDENTITY, SHORTCUT),
        DEEP_RESNET,
        _rows("identity", "dropout"),
    ),
    Claim(
        "H9",
        _raises(""),
        "He et al. 2016, section 3.5",
        Lower(IDENTITY, (MULTIPLICATIVE,), SHORTCUT, TRAIN_LOSS, NATS),
        DEEP_RESNET,
    ),
    Claim(
        "H10",
        _raises(" through the whole curve: after a quarter, half, three quarters and all of the epochs"),
        "He et al. 2016, section 3.5 and Figure 3",
        Every({measure.name: Lower(IDENTITY, (MULTIPLICATIVE,), SHORTCUT, measure, NATS) for measure in CURVE}),
        DEEP_RESNET,
    ),
)

PRODUCT = Claim(
    "H27",
    "The gradient along the shortcuts alone is the product of their factors: by each block of factor 0.5 it halves.",
    "He et al. 2016, equation 8",
    Number(HALF, DIRECT_PATH, 0.01, "below", counted=True),
    {**RESNET, "depth": deep(20)},
    (),
    {"ordering": "full_preactivation"},  # equation 8 has nothing after the addition
)
