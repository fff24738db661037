"""Zhang et al. 2022 (arXiv 2203.08120)."""

from resablate.claims.claim import Claim
from resablate.claims.conjunctions import Missing

CLAIMS = (
    Claim(
        "T1",
        "A deep plain network can train, with tailored activations: that it fails is conditional.",
        "Zhang et al. 2022 (arXiv 2203.08120)",
        Missing("a tailored rectifier (TAT) as an ordering's activation, and its initialization"),
    ),
)
