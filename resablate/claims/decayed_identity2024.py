"""Zhang et al. 2024 (arXiv 2404.10947)."""

from resablate.claims.claim import Claim
from resablate.claims.conjunctions import Missing

CLAIMS = (
    Claim(
        "I1",
        "Whether an identity shortcut is best depends on the task: a shortcut that decays with depth gives "
        "better representations without labels.",
        "Zhang et al. 2024 (arXiv 2404.10947)",
        Missing("a task without labels; the shortcut decayed_identity is there"),
    ),
)
