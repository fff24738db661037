"""The analyses: questions put to a trained network. One file each."""

from resablate.analyses.interface import Analysis as Analysis
from resablate.analyses.lesion import lesion as lesion
from resablate.analyses.norm_preservation import norm_preservation as norm_preservation
from resablate.analyses.path_count import path_count as path_count
from resablate.analyses.path_gradient import path_gradient as path_gradient
from resablate.registry import Registry

ANALYSES: Registry[Analysis] = Registry(
    "analysis",
    "analyses",
    {
        "lesion": Analysis(lesion, examples="test", source="Veit et al. 2016, section 4.1"),
        "path_count": Analysis(path_count, examples="train", source="Veit et al. 2016, Figures 6(a) and 7"),
        "path_gradient": Analysis(
            path_gradient, examples="train", source="Veit et al. 2016, section 4.3", over_training=True
        ),
        "norm_preservation": Analysis(
            norm_preservation,
            examples="train",
            source="Zaeemzadeh et al., arXiv 1805.07477, section 4",
            over_training=True,
        ),
    },
)
