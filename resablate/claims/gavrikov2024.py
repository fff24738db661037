"""Gavrikov et al. 2024 (arXiv 2410.14470): the recipe alone changes which layers are critical."""

from resablate.claims.claim import Claim
from resablate.claims.conjunctions import Missing

CLAIMS = (
    Claim(
        "G1",
        "The training recipe alone changes which blocks are critical.",
        "Gavrikov et al. 2024 (arXiv 2410.14470)",
        Missing("a rank correlation of the lesions of two recipes beside that of two seeds, which no rule computes"),
    ),
)
