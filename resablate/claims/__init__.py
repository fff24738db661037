"""What the papers say, as checks on measured results. One file per paper; he2016 is one per section."""

from resablate.claims import (
    block_saliency,
    de_smith2020,
    decayed_identity2024,
    dherin_munn2025,
    gavrikov2024,
    he2016,
    hyper_connections2025,
    veit2016,
    zaeemzadeh2020,
    zhang2022,
)
from resablate.claims.claim import Claim as Claim
from resablate.claims.claim import Published as Published
from resablate.registry import Registry

PAPERS = (
    he2016,
    veit2016,
    zaeemzadeh2020,
    de_smith2020,
    dherin_munn2025,
    zhang2022,
    decayed_identity2024,
    gavrikov2024,
    hyper_connections2025,
    block_saliency,
)
CLAIMS: Registry[Claim] = Registry("claim", "claims", {claim.id: claim for paper in PAPERS for claim in paper.CLAIMS})
