"""The analyses: questions put to a trained network. One file each."""

from resablate.analyses.interface import Analysis as Analysis
from resablate.analyses.lesion import lesion as lesion
from resablate.analyses.path_gradient import path_gradient as path_gradient
from resablate.registry import Registry

ANALYSES: Registry[Analysis] = Registry(
    "analysis",
    "analyses",
    {
        "lesion": Analysis(lesion, examples="test", source="Veit et al. 2016, section 4.1"),
        "path_gradient": Analysis(
            path_gradient, examples="train", source="Veit et al. 2016, section 4.3", over_training=True
        ),
    },
)
