"""What the papers say, as checks on measured results. One file per paper."""

from resablate.claims import he2016, veit2016
from resablate.claims.claim import Claim as Claim
from resablate.claims.claim import Outcome as Outcome
from resablate.claims.claim import Verdict as Verdict
from resablate.claims.he2016 import published_row as published_row
from resablate.registry import Registry

CLAIMS: Registry[Claim] = Registry(
    "claim",
    "claims",
    {
        "he2016_identity_best": he2016.IDENTITY_BEST,
        "he2016_scaling_trains_worse": he2016.SCALING_TRAINS_WORSE,
        "he2016_plain_fails": he2016.PLAIN_FAILS,
        "he2016_preactivation_better": he2016.PREACTIVATION_BETTER,
        "he2016_bn_after_add_worse": he2016.BN_AFTER_ADD_WORSE,
        "veit2016_residual_robust": veit2016.RESIDUAL_ROBUST,
        "veit2016_plain_collapses": veit2016.PLAIN_COLLAPSES,
        "veit2016_norm_decays": veit2016.NORM_DECAYS,
        "veit2016_short_paths": veit2016.SHORT_PATHS,
    },
)
