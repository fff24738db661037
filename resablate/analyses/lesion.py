"""What is lost with each block.

Source: Veit et al. 2016, section 4.1, Figures 3 and 4.
"""

from statistics import fmean

import torch

from resablate.datasets import ExampleSource
from resablate.measurement import AnalysisResult
from resablate.model import ResidualNetwork, Route, evaluation_mode
from resablate.training.evaluation import EVALUATION_BATCH, Scores


def lesion(
    network: ResidualNetwork,
    examples: ExampleSource,
    *,
    generator: torch.Generator | None = None,
    lesion_examples: int | None = None,
) -> AnalysisResult:
    """Error and loss of the network with each block's branch removed in turn.

    The shortcut (or its matching of dimensions) stays, and what follows the addition still acts; nothing is retrained.
    The blocks before the removed one compute the same as ever, so each batch walks through them once: the result is
    bit for bit that of running the whole network for every block, in about half the time.

    Args:
        network: in whatever mode; evaluated in eval mode.
        examples: usually the test examples.
        generator: not used; the analysis draws nothing.
        lesion_examples: use only the first so many.

    Returns:
        A row per block: `error` (fraction) and `loss` (nats) against `block`, and whether it `changes_dimension` (0
        or 1). The summary has the whole network's error, the mean and worst with one block removed, and the mean
        increase over the whole network's.

    Source: Veit et al. 2016, section 4.1.
    """
    chain = network.chain
    whole, removed = Scores(), [Scores() for _ in chain]
    with evaluation_mode(network), torch.inference_mode():
        for images, labels in examples.take(slice(lesion_examples)).batches(EVALUATION_BATCH):
            x = network.stem(images)
            for index, block in enumerate(chain):
                lesioned = block(x, Route.SHORTCUT_ONLY)
                for later in chain[index + 1 :]:
                    lesioned = later(lesioned)
                removed[index].add(network.head(lesioned), labels)
                x = block(x)
            whole.add(network.head(x), labels)
    baseline = whole.mean()
    rows = [scores.mean() for scores in removed]
    errors = [row.error for row in rows]
    return AnalysisResult(
        summary={
            "baseline_error": baseline.error,
            "mean_error": fmean(errors),
            "worst_error": max(errors),
            "mean_increase": fmean(errors) - baseline.error,
        },
        table={
            "block": list(range(len(chain))),
            "error": errors,
            "loss": [row.loss for row in rows],
            "changes_dimension": [float(block.changes_dimension) for block in chain],
        },
        units={
            "baseline_error": "fraction",
            "mean_error": "fraction",
            "worst_error": "fraction",
            "mean_increase": "fraction",
            "block": "1",
            "error": "fraction",
            "loss": "nats",
            "changes_dimension": "1",
        },
        axes={"error": "block", "loss": "block"},
    )
