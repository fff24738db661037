"""Residual networks as a stem, a chain of blocks and a head.

Shapes: B examples, C channels, H height, W width, in that order.
"""

from resablate.model.block import Block as Block
from resablate.model.block import ShortcutBlock as ShortcutBlock
from resablate.model.building import NETWORKS as NETWORKS
from resablate.model.building import ComponentLike as ComponentLike
from resablate.model.building import NetworkKind as NetworkKind
from resablate.model.building import build_network as build_network
from resablate.model.convolutions import CONVOLUTIONS as CONVOLUTIONS
from resablate.model.cost import NetworkCost as NetworkCost
from resablate.model.cost import count_multiply_adds as count_multiply_adds
from resablate.model.cost import count_parameters as count_parameters
from resablate.model.cost import network_cost as network_cost
from resablate.model.folding import folded as folded
from resablate.model.initialization import INITIALIZATIONS as INITIALIZATIONS
from resablate.model.modes import evaluation_mode as evaluation_mode
from resablate.model.modes import unscaled as unscaled
from resablate.model.network import ResidualNetwork as ResidualNetwork
from resablate.model.norms import NORMS as NORMS
from resablate.model.packing import PackedNetwork as PackedNetwork
from resablate.model.packing import unpackable_parts as unpackable_parts
from resablate.model.paths import gradients_by_length as gradients_by_length
from resablate.model.paths import path_gradients as path_gradients
from resablate.model.paths import path_norms as path_norms
from resablate.model.recording import Call as Call
from resablate.model.recording import recorded as recorded
from resablate.model.route import Route as Route
from resablate.model.stages import BLOCKS as BLOCKS
from resablate.model.stages import BOTTLENECK_STRIDES as BOTTLENECK_STRIDES
from resablate.model.stages import PROJECTIONS as PROJECTIONS
from resablate.model.stages import STAGE_PREACTIVATIONS as STAGE_PREACTIVATIONS
from resablate.model.stages import STEMS as STEMS
from resablate.model.stages import TRANSITIONS as TRANSITIONS
from resablate.model.variants import Step as Step
from resablate.model.variants import run_variants as run_variants
from resablate.model.variants import without as without
