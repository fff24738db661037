"""He et al. 2016, Table 5: ResNet-152 and ResNet-200 on ImageNet, tested at a crop of 320."""

from __future__ import annotations

from resablate.claims.arms import Arm
from resablate.claims.claim import Claim, Published
from resablate.claims.conjunctions import Every
from resablate.claims.measures import error_at
from resablate.claims.rules import Lower

CROP = 320
NETWORK: dict[str, object] = {
    "dataset": "image_folder",
    "network": "imagenet_resnet",
    "shortcut": "identity",
    "block_sampling": "all",
    "regularizer": "none",
}
BASE = {
    "dataset": {"name": "image_folder", "val_fraction": 0, "train_crop": 224},
    "network": {"name": "imagenet_resnet", "transition": "projection"},
    "width": 64,
    "epochs": 90,
    "batch_size": 256,
    "schedule": {"name": "steps", "milestones": [0.333333333, 0.666666666]},
    "augmentation": "scale",
}
"""Their recipe: 90 epochs, 0.1 divided by 10 after 30 and 60."""


def _arm(ordering: str, depth: int, augmentation: str = "scale") -> Arm:
    name = (
        f"{ordering.replace('_', ' ')} ResNet-{depth}{', scale and aspect' if augmentation == 'scale_aspect' else ''}"
    )
    return Arm(name, {"ordering": ordering, "depth": depth, "augmentation": augmentation})


ORIGINAL_152, ORIGINAL_200 = _arm("original", 152), _arm("original", 200)
FULL_152, FULL_200 = _arm("full_preactivation", 152), _arm("full_preactivation", 200)
ASPECT_200 = _arm("full_preactivation", 200, "scale_aspect")
VARIES = ("depth", "ordering", "augmentation")


def _row(text: str, arm: Arm) -> Published:
    fields = {
        **NETWORK,
        "width": 64,
        "epochs": 90,
        "batch_size": 256,
        "dataset.train_crop": 224,
        "dataset.val_fraction": 0,
        "schedule": "steps",
        **arm.fields,
    }
    return Published(text, f"Table 5, top-1 and top-5 at a crop of {CROP}; colors augmented too", fields)


ROWS = (
    _row("original 152: 21.3 % (top-5: 5.5 %)", ORIGINAL_152),
    _row("pre-activated 152: 21.1 % (top-5: 5.5 %)", FULL_152),
    _row("original 200: 21.8 % (top-5: 6.0 %)", ORIGINAL_200),
    _row("pre-activated 200: 20.7 % (top-5: 5.3 %)", FULL_200),
    _row("pre-activated 200, scale and aspect: 20.1 % (top-5: 4.8 %)", ASPECT_200),
)


def _both(claimed: Arm, rival: Arm, top1: float, top5: float | None) -> Every:
    """Top-1 error, and top-5 error where a difference was published."""
    rules = {"top-1": Lower(claimed, (rival,), VARIES, error_at(CROP, top5=False), 0.001, top1)}
    if top5 is not None:
        rules["top-5"] = Lower(claimed, (rival,), VARIES, error_at(CROP, top5=True), 0.001, top5)
    return Every(rules)


CLAIMS = (
    Claim(
        "H23",
        "On ImageNet a pre-activated ResNet-200 has a lower error than the original one, top-1 and top-5.",
        "He et al. 2016, Table 5",
        _both(FULL_200, ORIGINAL_200, 0.011, 0.007),
        NETWORK,
        ROWS,
        BASE,
    ),
    Claim(
        "H24",
        "On ImageNet the original ResNet-200 has a higher error than the original ResNet-152, top-1 and top-5.",
        "He et al. 2016, section 5 and Table 5",
        _both(ORIGINAL_152, ORIGINAL_200, 0.005, 0.005),
        NETWORK,
        ROWS,
        BASE,
    ),
    Claim(
        "H25",
        "On ImageNet a pre-activated ResNet-152 has a lower top-1 error than the original one.",
        "He et al. 2016, Table 5",
        _both(FULL_152, ORIGINAL_152, 0.002, None),
        NETWORK,
        ROWS,
        BASE,
    ),
    Claim(
        "H26",
        "On ImageNet scale and aspect augmentation lowers the error of a pre-activated ResNet-200, top-1 and top-5.",
        "He et al. 2016, section 5 and Table 5",
        _both(ASPECT_200, FULL_200, 0.006, 0.005),
        NETWORK,
        ROWS,
        BASE,
    ),
)
