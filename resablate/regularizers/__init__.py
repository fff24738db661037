"""The regularizers of singular values: one file each."""

from resablate.registry import Registry
from resablate.regularizers.interface import Regularizer as Regularizer
from resablate.regularizers.none import NoRegularizer
from resablate.regularizers.orthogonal_penalty import OrthogonalPenalty

REGULARIZERS: Registry[type[Regularizer]] = Registry(
    "regularizer",
    "regularizers",
    {"none": NoRegularizer, "orthogonal_penalty": OrthogonalPenalty},
)
