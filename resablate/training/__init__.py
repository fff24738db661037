"""Training one network: schedule, augmentation, epochs, evaluation, checkpoints."""

from resablate.model import evaluation_mode as evaluation_mode
from resablate.training.arithmetic import MEMORY_FORMATS as MEMORY_FORMATS
from resablate.training.arithmetic import PRECISIONS as PRECISIONS
from resablate.training.arithmetic import MemoryFormat as MemoryFormat
from resablate.training.arithmetic import Precision as Precision
from resablate.training.arithmetic import float32_products as float32_products
from resablate.training.block_sampling import BLOCK_SAMPLINGS as BLOCK_SAMPLINGS
from resablate.training.bootstrap import ResampledScores as ResampledScores
from resablate.training.bootstrap import score_variants as score_variants
from resablate.training.bootstrap import standard_error as standard_error
from resablate.training.calibration import calibrated as calibrated
from resablate.training.capture import why_not_recorded as why_not_recorded
from resablate.training.checkpoint import drop_newest_checkpoint as drop_newest_checkpoint
from resablate.training.checkpoint import load_weights as load_weights
from resablate.training.checkpoint import resume as resume
from resablate.training.checkpoint import save_checkpoint as save_checkpoint
from resablate.training.checkpoint import save_weights as save_weights
from resablate.training.determinism import derived_generator as derived_generator
from resablate.training.determinism import derived_seed as derived_seed
from resablate.training.determinism import deterministic_kernels as deterministic_kernels
from resablate.training.determinism import thread_count as thread_count
from resablate.training.evaluation import evaluate as evaluate
from resablate.training.heap import keep_freed_memory as keep_freed_memory
from resablate.training.loop import Training as Training
from resablate.training.pack import Pack as Pack
from resablate.training.pack import Packs as Packs
