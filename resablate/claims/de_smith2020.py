"""De & Smith 2020 (arXiv 2002.10444): why blocks are near the identity at the start."""

from resablate.claims.analysis_measures import LESION_SHARE
from resablate.claims.arms import Arm
from resablate.claims.claim import Claim
from resablate.claims.conjunctions import Every
from resablate.claims.he2016_shortcuts import DEEP_RESNET, SHORTCUT
from resablate.claims.rules import Lower

_STABLE: dict[str, object] = {"learning_rate": 0.02, "clipping": "norm"}
"""A rate and a limit at which deep networks without a norm learn too; all arms of a comparison have them."""
NORMALIZED = Arm(
    "batch norm",
    {"shortcut": "identity", "norm": "batch"},
    ({"shortcut": "identity", "norm": "batch", **_STABLE},),
)
UNNORMALIZED = Arm(
    "no norm",
    {"shortcut": "identity", "norm": "none"},
    ({"shortcut": "identity", "norm": "none", **_STABLE},),
)
SKIP_INIT = Arm(
    "SkipInit without a norm",
    {"shortcut": "skip_init", "norm": "none", "shortcut.initial": 0.0},
    ({"shortcut": "skip_init", "norm": "none", **_STABLE},),
)
CLAIMS = (
    Claim(
        "D1",
        "Batch norm shrinks branches by the square root of the depth, so that blocks are near the identity at"
        " the start: without normalization a lesion does more, unless the branch starts at 0.",
        "De & Smith 2020 (arXiv 2002.10444)",
        Every(
            {
                "batch norm": Lower(NORMALIZED, (UNNORMALIZED,), ("norm",), LESION_SHARE, 0.01),
                "SkipInit": Lower(SKIP_INIT, (UNNORMALIZED,), SHORTCUT, LESION_SHARE, 0.01),
            }
        ),
        DEEP_RESNET,
    ),
)
