"""The optimizers: one file each."""

from resablate.optimizers.adamw import adamw
from resablate.optimizers.interface import WEIGHT_DECAYS as WEIGHT_DECAYS
from resablate.optimizers.interface import Optimizer as Optimizer
from resablate.optimizers.muon import muon
from resablate.optimizers.sgd import sgd
from resablate.registry import Registry

OPTIMIZERS: Registry[Optimizer] = Registry("optimizer", "optimizers", {"sgd": sgd, "adamw": adamw, "muon": muon})
