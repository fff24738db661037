"""Block saliency: novelty against the shortcut."""

from resablate.claims.claim import Claim
from resablate.claims.conjunctions import Missing

CLAIMS = (
    Claim(
        "S1",
        "How much a block turns and renews the carried signal predicts what its lesion costs better than its "
        "magnitude does.",
        "Block saliency: novelty against the shortcut",
        Missing("the analysis of block saliency (change of the carried signal, cosine with the shortcut, gradient)"),
    ),
)
