"""Dherin & Munn 2025 (arXiv 2510.03470): paths multiply, and explode unless branches are scaled."""

from resablate.claims.arms import Arm, Within
from resablate.claims.claim import Claim
from resablate.claims.he2016_shortcuts import DEEP_RESNET, IDENTITY, SHORTCUT
from resablate.claims.path_measures import INITIAL_GRADIENT
from resablate.claims.rules import Lower

SCALED = Arm(
    "scaled branches",
    {"shortcut": "constant_scale", "shortcut.carried_factor": 1.0, "shortcut.added_factor": Within(0, 0.99)},
    # One over the square root of 54 blocks.
    ({"shortcut": "constant_scale", "shortcut.carried_factor": 1.0, "shortcut.added_factor": 0.136},),
)
CLAIMS = (
    Claim(
        "M1",
        "Unless branches are scaled, the paths of a deep network add up to a gradient that explodes: scaled ones have a"
        " smaller gradient before training.",
        "Dherin & Munn 2025 (arXiv 2510.03470)",
        Lower(SCALED, (IDENTITY,), SHORTCUT, INITIAL_GRADIENT, 0.1),
        DEEP_RESNET,
    ),
)
