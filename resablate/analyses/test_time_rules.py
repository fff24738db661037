"""What to do at test time with a network that never trained as a whole.

Source: Huang et al., arXiv 1603.09382, equation 5; Veit et al. 2016, section 4.3, which does not say what it did.
"""

import torch
from torch import Tensor

from resablate.datasets import ExampleSource
from resablate.measurement import AnalysisResult
from resablate.model import ResidualNetwork, Route, evaluation_mode, unscaled
from resablate.training.block_sampling import BLOCK_SAMPLINGS
from resablate.training.evaluation import EVALUATION_BATCH, Scores


def test_time_rules(
    network: ResidualNetwork,
    examples: ExampleSource,
    *,
    generator: torch.Generator,
    block_sampling: str = "all",
    subset_samples: int = 20,
) -> AnalysisResult:
    """Error and loss under three rules: branches scaled by their survival, unscaled, or averaged over subsets.

    `scaled` is eval mode as ever. `averaged` is the mean of the softmax over `subset_samples` networks, each made of
    blocks that a training batch might have had, unscaled as there, and the same for every example. A network that
    trained on all blocks has but one such subset, and the three agree.

    Args:
        network: in whatever mode; its blocks' `survival` are the chances in training.
        examples: usually the test examples.
        generator: draws the subsets.
        block_sampling: a row of BLOCK_SAMPLINGS: how training drew the blocks of a batch.
        subset_samples: networks averaged over.

    Returns:
        The summary has error (fraction) and loss (nats) under each rule. A row for 1, 2, 4, ... `subsets`, and one for
        all: `error` and `loss` of the mean over the first so many.
    """
    chain = network.chain
    draw = BLOCK_SAMPLINGS[block_sampling].draw
    survival = [block.survival for block in chain]
    drawn = [tuple(draw(survival, generator)) for _ in range(subset_samples)]
    scaled, whole = Scores(), Scores()
    averaged = {count: Scores() for count in _curve(subset_samples)}
    with evaluation_mode(network), torch.inference_mode():
        for images, labels in examples.batches(EVALUATION_BATCH):
            scaled.add(network(images), labels)
            with unscaled(network):
                whole.add(network(images), labels)
                _add_means(averaged, network, images, labels, drawn)
    rules = {"scaled": scaled.mean(), "unscaled": whole.mean(), "averaged": averaged[subset_samples].mean()}
    curve = [scores.mean() for scores in averaged.values()]
    errors = {f"{rule}_error": found.error for rule, found in rules.items()}
    losses = {f"{rule}_loss": found.loss for rule, found in rules.items()}
    return AnalysisResult(
        summary={**errors, **losses},
        table={
            "subsets": list(averaged),
            "error": [found.error for found in curve],
            "loss": [found.loss for found in curve],
        },
        units={
            **dict.fromkeys(errors, "fraction"),
            **dict.fromkeys(losses, "nats"),
            "subsets": "1",
            "error": "fraction",
            "loss": "nats",
        },
        axes={"error": "subsets", "loss": "subsets"},
    )


def _add_means(
    averaged: dict[int, Scores],
    network: ResidualNetwork,
    images: Tensor,
    labels: Tensor,
    drawn: list[tuple[Route, ...]],
) -> None:
    """Count one batch under the mean of the first so many of the networks `drawn`, for each key of `averaged`."""
    known: dict[tuple[Route, ...], Tensor] = {}
    total: Tensor | None = None
    for count, routes in enumerate(drawn, start=1):
        if routes not in known:
            known[routes] = network(images, routes).double().log_softmax(dim=1)
        # In logarithms nothing underflows; a sum of probabilities classifies and scores like their mean.
        total = known[routes] if total is None else torch.logaddexp(total, known[routes])
        if count in averaged:
            averaged[count].add(total, labels)


def _curve(largest: int) -> list[int]:
    """1, 2, 4, ... below `largest`, and `largest`."""
    return [2**power for power in range(largest.bit_length()) if 2**power < largest] + [largest]
