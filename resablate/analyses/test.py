"""The test: error and loss on the test examples."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from resablate.analyses.interface import check_dissectable
from resablate.datasets import ExampleSource
from resablate.measurement import PART, POSITIVE, AnalysisResult, Bounds, Outcomes
from resablate.model import ResidualNetwork, evaluation_mode
from resablate.training.bootstrap import ResampledScores, standard_error
from resablate.training.evaluation import EVALUATION_BATCH, Scores

TEST_BOUNDS: Mapping[str, Bounds] = {"*error": PART, "*": POSITIVE}
"""Of its numbers and columns."""
_FEW_CLASSES = 10
"""With more classes the papers report the error of the five largest logits too."""


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
        `classes`, which tells the error of guessing; with more than ten classes also `top5_error` and its standard
        error, of the label not being among the five largest logits. The table is empty; `outcomes` has every example.

    Raises:
        AnalysisError: if the network has no block, or a label is none of its classes.

    Source: every paper reports it.
    """
    check_dissectable(network, data)
    scores, resampled = Scores(), ResampledScores(1)
    classes = 0
    wrong: list[Tensor] = []
    wrong_top5: list[Tensor] = []
    with evaluation_mode(network), torch.inference_mode():
        for images, labels in data.batches(EVALUATION_BATCH):
            logits = network(images)
            classes = logits.shape[1]
            scores.add(logits, labels)
            resampled.start(labels)
            resampled.add([0], logits, labels)
            wrong.append(logits.argmax(dim=1) != labels)
            if classes > _FEW_CLASSES:
                wrong_top5.append((logits.topk(5, dim=1).indices != labels[:, None]).all(dim=1))
    measured = scores.mean()
    top5 = torch.cat(wrong_top5).cpu().numpy() if wrong_top5 else None
    summary = {
        "error": measured.error,
        "error_standard_error": float(standard_error(resampled.errors()[0])),
        **({} if top5 is None else _top5_error(top5)),
        "loss": measured.loss,
        "loss_standard_error": float(standard_error(resampled.losses()[0])),
    }
    units = {name: "nats" if name.startswith("loss") else "fraction" for name in summary}
    return AnalysisResult(
        summary={**summary, "classes": float(classes)},
        table={},
        units={**units, "classes": "1"},
        outcomes=Outcomes.of(torch.cat(wrong).cpu().numpy(), examples=data.fingerprint(), wrong_top5=top5),
    )


def _top5_error(wrong: NDArray[np.bool_]) -> dict[str, float]:
    """The error and the standard error of a fraction, sqrt(p (1 - p) / (n - 1))."""
    error = float(wrong.mean())
    return {
        "top5_error": error,
        "top5_error_standard_error": math.sqrt(error * (1 - error) / (len(wrong) - 1)) if len(wrong) > 1 else math.nan,
    }
