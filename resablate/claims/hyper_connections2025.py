"""Manifold-constrained hyper-connections (arXiv 2512.24880)."""

from resablate.claims.claim import Claim
from resablate.claims.conjunctions import Missing

CLAIMS = (
    Claim(
        "C1",
        "With several residual streams the norm of the gradient is kept where the streams mix by a doubly "
        "stochastic matrix.",
        "Manifold-constrained hyper-connections (arXiv 2512.24880)",
        Missing("a network with several residual streams"),
    ),
)
