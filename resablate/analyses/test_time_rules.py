"""What to do at test time with a network that never trained as a whole.

Source: Huang et al., arXiv 1603.09382, equation 5; Veit et al. 2016, section 4.3, which does not say what it did.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from resablate.analyses.interface import TrainedWith, at_least_one, check_dissectable
from resablate.datasets import ExampleSource
from resablate.measurement import PART, POSITIVE, AnalysisResult, Bounds
from resablate.model import ResidualNetwork, Route, unscaled
from resablate.training.block_sampling import BLOCK_SAMPLINGS
from resablate.training.bootstrap import score_variants, standard_error

RULES_BOUNDS: Mapping[str, Bounds] = {"*error": PART, "*": POSITIVE}
"""Of its numbers and columns."""


def test_time_rules(
    network: ResidualNetwork,
    data: ExampleSource,
    *,
    generator: torch.Generator,
    trained_with: TrainedWith | None = None,
    subsets: Annotated[int, Ge(1)] = 20,
) -> AnalysisResult:
    """Error and loss under three rules: branches scaled by their survival, unscaled, or averaged over subsets.

    `scaled` is eval mode as ever. `averaged` is the mean of the softmax over `subsets` networks, each made of
    blocks that a training batch might have had, unscaled as there, and the same for every example. A network that
    trained on all blocks has but one such subset, and the three agree.

    Args:
        network: in whatever mode; its blocks' `survival` are the chances in training.
        data: usually the test examples.
        generator: draws the subsets.
        trained_with: tells how training drew the blocks of a batch; all of them where None.
        subsets: networks averaged over.

    Returns:
        The summary has error (fraction) and loss (nats) under each rule, each with its `..._standard_error`, by
        bootstrap. A row for 1, 2, 4, ... `subsets`, and one for all: `error` and `loss` of the mean over the first so
        many, and their standard errors.

    Raises:
        AnalysisError: if the network has no block, or a label is none of its classes.
        ValueError: if a number is less than 1.
    """
    at_least_one(subsets=subsets)
    check_dissectable(network, data)
    draw = BLOCK_SAMPLINGS[trained_with.block_sampling.name if trained_with else "all"].draw
    survival = [block.survival for block in network.chain]
    drawn = [tuple(draw(survival, generator)) for _ in range(subsets)]
    counts = _curve(subsets)
    scores = score_variants(network, data, partial(_logits, network, drawn, counts), count=2 + len(counts))
    errors, losses = scores.errors(), scores.losses()
    places = {"scaled": 0, "unscaled": 1, "averaged": -1}
    summary = {
        **{f"{rule}_error": float(errors[place, 0]) for rule, place in places.items()},
        **{f"{rule}_error_standard_error": float(standard_error(errors[place])) for rule, place in places.items()},
        **{f"{rule}_loss": float(losses[place, 0]) for rule, place in places.items()},
        **{f"{rule}_loss_standard_error": float(standard_error(losses[place])) for rule, place in places.items()},
    }
    table = {
        "subsets": counts,
        "error": errors[2:, 0].tolist(),
        "error_standard_error": standard_error(errors[2:]).tolist(),
        "loss": losses[2:, 0].tolist(),
        "loss_standard_error": standard_error(losses[2:]).tolist(),
    }
    return AnalysisResult(
        summary=summary,
        table=table,
        units={
            **{name: "nats" if "loss" in name else "fraction" for name in (*summary, *table)},
            "subsets": "1",
        },
        axes={"error": "subsets", "loss": "subsets"},
    )


def _logits(
    network: ResidualNetwork, drawn: Sequence[tuple[Route, ...]], counts: Sequence[int], images: Tensor
) -> Iterator[tuple[list[int], Tensor]]:
    """Of one batch under each rule: 0 scaled, 1 unscaled, then the mean of the first `counts` of the networks drawn."""
    yield [0], network(images)
    known: dict[tuple[Route, ...], Tensor] = {}
    total: Tensor | None = None
    with unscaled(network):
        yield [1], network(images)
        for count, routes in enumerate(drawn, start=1):
            if routes not in known:
                known[routes] = network(images, routes).double().log_softmax(dim=1)
            # In logarithms nothing underflows; a sum of probabilities classifies and scores like their mean.
            total = known[routes] if total is None else torch.logaddexp(total, known[routes])
            if count in counts:
                yield [2 + counts.index(count)], total


def _curve(largest: int) -> list[int]:
    """1, 2, 4, ... below `largest`, and `largest`."""
    return [2**power for power in range(largest.bit_length()) if 2**power < largest] + [largest]
