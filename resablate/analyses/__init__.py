"""The analyses: questions put to a trained network. One file each."""

from resablate.analyses.interface import Analysis as Analysis
from resablate.analyses.lesion import lesion as lesion
from resablate.analyses.path_gradient import gradients_by_length as gradients_by_length
from resablate.analyses.path_gradient import path_gradient as path_gradient
from resablate.analyses.path_gradient import path_gradients as path_gradients
from resablate.analyses.spectrum import spectrum as spectrum
from resablate.registry import Registry

ANALYSES: Registry[Analysis] = Registry(
    "analysis",
    "analyses",
    {
        "lesion": Analysis(lesion, examples="test", source="Veit et al. 2016, section 4.1"),
        "path_gradient": Analysis(
            path_gradient, examples="train", source="Veit et al. 2016, section 4.3", over_training=True
        ),
        "spectrum": Analysis(
            spectrum,
            examples="train",
            source="Sedghi, Gupta & Long 2019; Zaeemzadeh et al. 2020",
            over_training=True,
        ),
    },
)
