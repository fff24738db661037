"""The regularizers of singular values: one file each."""

from collections.abc import Callable

from resablate.registry import Registry
from resablate.regularizers.interface import Regularizer as Regularizer
from resablate.regularizers.none import NoRegularizer as NoRegularizer
from resablate.regularizers.orthogonal_penalty import OrthogonalPenalty
from resablate.regularizers.procrustes import SV_STEMS as SV_STEMS
from resablate.regularizers.procrustes import Procrustes
from resablate.regularizers.sites import SV_LAYERS as SV_LAYERS
from resablate.regularizers.sites import SV_TARGETS as SV_TARGETS
from resablate.regularizers.sites import Site as Site
from resablate.regularizers.sites import chosen_convolutions as chosen_convolutions
from resablate.regularizers.sites import find_applied_sites as find_applied_sites
from resablate.regularizers.sites import find_sites as find_sites
from resablate.regularizers.spectral_penalty import SpectralPenalty

REGULARIZERS: Registry[Callable[..., Regularizer]] = Registry(
    "regularizer",
    "regularizers",
    {
        "none": NoRegularizer,
        "procrustes": Procrustes,
        "spectral_penalty": SpectralPenalty,
        "orthogonal_penalty": OrthogonalPenalty,
    },
)
