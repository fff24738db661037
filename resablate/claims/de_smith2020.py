"""De & Smith 2020 (arXiv 2002.10444)."""

from resablate.claims.claim import Claim
from resablate.claims.conjunctions import Missing

CLAIMS = (
    Claim(
        "D1",
        "Batch norm shrinks branches by the square root of the depth, so that blocks are near the identity at"
        " the start: without normalization a lesion does more, unless the branch starts at 0.",
        "De & Smith 2020 (arXiv 2002.10444)",
        Missing(
            "a shortcut with a learned factor of 0 at the start on the branch (SkipInit), and an ordering without"
            " batch norm"
        ),
    ),
)
