"""What is lost where a branch gives its mean, or what it gives for another example, instead of nothing.

Source: Wang et al., arXiv 2211.00593 (mean ablation); Chan et al., "Causal scrubbing", 2022 (resampling).
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from resablate.analyses.by_kind import scores_by_kind
from resablate.analyses.interface import at_least_one, check_dissectable
from resablate.datasets import ExampleSource
from resablate.errors import AnalysisError
from resablate.measurement import AnalysisResult
from resablate.model import ResidualNetwork, Route, evaluation_mode
from resablate.training.bootstrap import score_variants
from resablate.training.evaluation import LESION_BATCH

_KINDS = ("removal", "mean", "resample")
_FEWEST = 2


def branch_ablation(
    network: ResidualNetwork,
    data: ExampleSource,
    *,
    generator: torch.Generator,
    examples: Annotated[int | None, Ge(2)] = None,
) -> AnalysisResult:
    """Error and loss with one block's branch removed, replaced by its mean, or by that of another example.

    A removed branch moves the sum away from what the blocks behind it have ever seen. With its mean over the examples
    the sum stays in place and only what the branch tells of the example is lost; with the output of another example,
    which comes from the same batch, even its spread stays. What is lost by removal alone is a shift, not information.

    Args:
        network: in whatever mode; evaluated in eval mode.
        data: usually the test examples; the mean is theirs too.
        generator: draws which example stands for which.
        examples: use only the first so many; all where None.

    Returns:
        A row per `block`: `removal_error`, `mean_error` and `resample_error` (fractions), the same with `loss` (nats),
        each with its `..._standard_error` by bootstrap over examples, and whether the block `changes_dimension` (0 or
        1). The summary has the whole network's `baseline_error` and `baseline_loss`, and of each kind the mean increase
        of both over the blocks (`mean_error_increase_by_removal`, ...), with standard errors.

    Raises:
        AnalysisError: if there is one example alone, the network has no block, or a label is none of its classes.
        ValueError: if a number is less than 1.

    Source: arXiv 2211.00593; Chan et al. 2022; the comparison with removal is this project's.
    """
    at_least_one(examples=examples)
    chosen = data.take(slice(examples))
    check_dissectable(network, chosen)
    if len(chosen) < _FEWEST:
        raise AnalysisError(
            f"branch_ablation puts one example's branch in another's place: it needs two, got {len(chosen)}"
        )
    means = _mean_branches(network, chosen)
    count = len(network.chain)
    run = partial(_variants, network, means, generator)
    scores = score_variants(network, chosen, run, count=count * len(_KINDS) + 1)
    found = scores_by_kind(scores, _KINDS, places=count)
    changes = [float(block.changes_dimension) for block in network.chain]
    return AnalysisResult(
        summary=found.summary,
        table={"block": list(range(count)), **found.columns, "changes_dimension": changes},
        units={**found.units, "block": "1", "changes_dimension": "1"},
        axes=dict.fromkeys(found.axes, "block"),
    )


def _mean_branches(network: ResidualNetwork, data: ExampleSource) -> list[Tensor]:
    """The mean of each block's added side over the examples."""
    sums: list[Tensor] = []
    with evaluation_mode(network), torch.inference_mode():
        for images, _ in data.batches(LESION_BATCH):
            x = network.stem(images)
            for index, block in enumerate(network.chain):
                carried, added = block.addends(x)
                total = added.double().sum(dim=0)
                if index == len(sums):
                    sums.append(total)
                else:
                    sums[index] += total
                x = block.after_add(carried + added)
    return [total / len(data) for total in sums]


def _variants(
    network: ResidualNetwork, means: Sequence[Tensor], generator: torch.Generator, images: Tensor
) -> Iterator[tuple[list[int], Tensor]]:
    """Logits of one batch for every kind and block, by kind and then by block; the whole network's last."""
    chain = network.chain
    count = len(chain)
    x = network.stem(images)
    for index, block in enumerate(chain):
        carried, added = block.addends(x)
        shift = int(torch.randint(1, max(2, len(images)), (), generator=generator, device=generator.device))
        replaced = (
            block(x, Route.SHORTCUT_ONLY),
            block.after_add(carried + means[index].to(added.dtype)),
            block.after_add(carried + added.roll(shift, dims=0)),
        )
        for kind, output in enumerate(replaced):
            y = output
            for later in chain[index + 1 :]:
                y = later(y)
            yield [kind * count + index], network.head(y)
        x = block.after_add(carried + added)
    yield [len(_KINDS) * count], network.head(x)
