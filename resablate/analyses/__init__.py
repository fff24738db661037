"""The analyses: questions put to a trained network. One file each."""

from resablate.analyses.block_spans import block_spans as block_spans
from resablate.analyses.branch_ablation import branch_ablation as branch_ablation
from resablate.analyses.by_kind import BY_KIND_BOUNDS
from resablate.analyses.interface import Analysis as Analysis
from resablate.analyses.interface import TrainedWith as TrainedWith
from resablate.analyses.interface import check_dissectable as check_dissectable
from resablate.analyses.interface import cut_examples as cut_examples
from resablate.analyses.lesion import LESION_ARITHMETICS as LESION_ARITHMETICS
from resablate.analyses.lesion import LESION_BOUNDS
from resablate.analyses.lesion import lesion as lesion
from resablate.analyses.linear_spectrum import LINEAR_SPECTRUM_BOUNDS
from resablate.analyses.linear_spectrum import linear_spectrum as linear_spectrum
from resablate.analyses.multi_lesion import LESION_DESIGNS as LESION_DESIGNS
from resablate.analyses.multi_lesion import MULTI_LESION_BOUNDS
from resablate.analyses.multi_lesion import multi_lesion as multi_lesion
from resablate.analyses.norm_preservation import NORM_BOUNDS
from resablate.analyses.norm_preservation import norm_preservation as norm_preservation
from resablate.analyses.path_count import PATH_COUNT_BOUNDS
from resablate.analyses.path_count import path_count as path_count
from resablate.analyses.path_gradient import PATH_GRADIENT_BOUNDS
from resablate.analyses.path_gradient import path_gradient as path_gradient
from resablate.analyses.reorder import REORDER_BOUNDS
from resablate.analyses.reorder import reorder as reorder
from resablate.analyses.saliency import SALIENCY_BOUNDS
from resablate.analyses.saliency import saliency as saliency
from resablate.analyses.spectrum import SPECTRUM_BOUNDS
from resablate.analyses.spectrum import spectrum as spectrum
from resablate.analyses.test import TEST_BOUNDS
from resablate.analyses.test import score_test as score_test
from resablate.analyses.test_time_rules import RULES_BOUNDS
from resablate.analyses.test_time_rules import test_time_rules as test_time_rules
from resablate.analyses.weights import WEIGHTS as WEIGHTS
from resablate.measurement import ANY, Bounds
from resablate.registry import Registry

ANALYSES: Registry[Analysis] = Registry(
    "analysis",
    "analyses",
    {
        "test": Analysis(score_test, examples="test", source="every paper reports it", bounds=TEST_BOUNDS),
        "lesion": Analysis(
            lesion, examples="test", source="Veit et al. 2016, section 4.1", during_training=True, bounds=LESION_BOUNDS
        ),
        "multi_lesion": Analysis(
            multi_lesion,
            examples="test",
            source="Veit et al. 2016, section 4.2, Figure 5(a)",
            during_training=True,
            bounds=MULTI_LESION_BOUNDS,
        ),
        "reorder": Analysis(
            reorder,
            examples="test",
            source="Veit et al. 2016, section 4.2, Figure 5(b)",
            during_training=True,
            bounds=REORDER_BOUNDS,
        ),
        "saliency": Analysis(
            saliency,
            examples="test",
            source="Where Redundancy Lives, ICLR 2026 submission 25281; Veit et al. 2016, section 4.1",
            during_training=True,
            bounds=SALIENCY_BOUNDS,
        ),
        "path_count": Analysis(
            path_count, examples="train", source="Veit et al. 2016, Figures 6(a) and 7", bounds=PATH_COUNT_BOUNDS
        ),
        "path_gradient": Analysis(
            path_gradient,
            examples="train",
            source="Veit et al. 2016, section 4.3",
            during_training=True,
            bounds=PATH_GRADIENT_BOUNDS,
        ),
        "norm_preservation": Analysis(
            norm_preservation,
            examples="train",
            source="Zaeemzadeh et al., arXiv 1805.07477, section 4",
            during_training=True,
            bounds=NORM_BOUNDS,
        ),
        "spectrum": Analysis(
            spectrum,
            examples="train",
            source="Sedghi, Gupta & Long 2019; Zaeemzadeh et al. 2020",
            during_training=True,
            bounds=SPECTRUM_BOUNDS,
        ),
        "linear_spectrum": Analysis(
            linear_spectrum,
            examples="train",
            source="Elhage et al., A Mathematical Framework for Transformer Circuits, 2021",
            during_training=True,
            bounds=LINEAR_SPECTRUM_BOUNDS,
        ),
        "branch_ablation": Analysis(
            branch_ablation,
            examples="test",
            source="Wang et al., arXiv 2211.00593; Chan et al., Causal scrubbing, 2022",
            during_training=True,
            bounds=BY_KIND_BOUNDS,
        ),
        "block_spans": Analysis(
            block_spans,
            examples="test",
            source="Lad et al., arXiv 2406.19384; Sun et al., arXiv 2407.09298",
            during_training=True,
            bounds=BY_KIND_BOUNDS,
        ),
        "test_time_rules": Analysis(
            test_time_rules,
            examples="test",
            source="Huang et al., arXiv 1603.09382, eq. 5; Veit et al. 2016, section 4.3",
            bounds=RULES_BOUNDS,
        ),
    },
    given=("generator", "trained_with"),
)


def possible_values(measured: str, number: str) -> Bounds:
    """The least and the greatest value of a number of an analysis.

    Args:
        measured: the analysis, as results name it: `lesion`, or with its arguments `lesion examples 2000`.
        number: of its summary, or a column of its table.
    """
    name = measured.partition(" ")[0]
    return ANALYSES[name].possible(number) if name in ANALYSES else ANY
