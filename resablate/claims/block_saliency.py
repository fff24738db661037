"""Block saliency (OpenReview xalTjNXVHb): a block is redundant where it adds little that is new to what it carries."""

from resablate.claims.analysis_measures import NOVELTY_ADVANTAGE
from resablate.claims.claim import Claim
from resablate.claims.numbers import Number
from resablate.claims.veit2016 import PREACTIVATED, RESIDUAL, WHOLE

CLAIMS = (
    Claim(
        "S1",
        "How much a block adds that is new to the carried signal ranks the blocks by their lesions better than its"
        " magnitude does.",
        "Where Redundancy Lives: Stage-Aware Block Saliency (OpenReview xalTjNXVHb)",
        Number(RESIDUAL, NOVELTY_ADVANTAGE, 0.0, "above"),
        WHOLE,
        (),
        PREACTIVATED,
    ),
)
