"""The test: error and loss on the test examples."""

import torch

from resablate.analyses.interface import check_dissectable
from resablate.datasets import ExampleSource
from resablate.measurement import AnalysisResult
from resablate.model import ResidualNetwork, evaluation_mode
from resablate.training.bootstrap import ResampledScores, standard_error
from resablate.training.evaluation import EVALUATION_BATCH, Scores


def score_test(
    network: ResidualNetwork, data: ExampleSource, *, generator: torch.Generator | None = None
) -> AnalysisResult:
    """Error and loss of the whole network: bit for bit what `evaluate` gives.

    Args:
        network: in whatever mode; evaluated in eval mode.
        data: usually the test examples.
        generator: not used; the analysis draws nothing.

    Returns:
        The summary has `error` (fraction) and `loss` (nats), each with its `..._standard_error` as that of a sample of
        examples, by the bootstrap that all analyses of test examples use (NaN for a single example); and the number of
        `classes`, which tells the error of guessing. The table is empty.

    Raises:
        AnalysisError: if the network has no block, or a label is none of its classes.

    Source: every paper reports it.
    """
    check_dissectable(network, data)
    scores, resampled = Scores(), ResampledScores(1)
    classes = 0
    with evaluation_mode(network), torch.inference_mode():
        for images, labels in data.batches(EVALUATION_BATCH):
            logits = network(images)
            classes = logits.shape[1]
            scores.add(logits, labels)
            resampled.start(labels)
            resampled.add([0], logits, labels)
    measured = scores.mean()
    return AnalysisResult(
        summary={
            "error": measured.error,
            "error_standard_error": float(standard_error(resampled.errors()[0])),
            "loss": measured.loss,
            "loss_standard_error": float(standard_error(resampled.losses()[0])),
            "classes": float(classes),
        },
        table={},
        units={
            **dict.fromkeys(("error", "error_standard_error"), "fraction"),
            **dict.fromkeys(("loss", "loss_standard_error"), "nats"),
            "classes": "1",
        },
    )
