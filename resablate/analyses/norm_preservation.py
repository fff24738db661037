"""Whether each block keeps the norm of the gradient that comes back through it.

Source: Zaeemzadeh et al., arXiv 1805.07477.
"""

import math
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor
from torch.nn import functional

from resablate.analyses.interface import at_least_one, check_dissectable
from resablate.datasets import ExampleSource
from resablate.measurement import AnalysisResult
from resablate.model import ResidualNetwork, evaluation_mode
from resablate.training.bootstrap import REPLICATES, standard_error

_BATCH = 32
"""Examples whose gradients at all blocks are in memory at once."""


def norm_preservation(
    network: ResidualNetwork,
    data: ExampleSource,
    *,
    generator: torch.Generator,
    examples: Annotated[int, Ge(1)] = 256,
) -> AnalysisResult:
    """Norm of the gradient before each block over its norm behind the block.

    The gradient is that of an example's loss E with respect to the block's input x_l and its output x_(l+1), which is
    the input of the next: ||dE/dx_l|| / ||dE/dx_(l+1)||, Euclidean. Batch norm is in eval mode, so that examples do
    not couple. One backward pass gives the gradients at all blocks.

    Args:
        network: in whatever mode.
        data: usually the training examples.
        generator: draws the examples, and resamples them for the standard error.
        examples: examples measured; all where there are fewer.

    Returns:
        A row per `block`: `ratio` of the norms over all examples together, `mean_ratio` and `median_ratio` over the
        examples' own ratios, and whether it `changes_dimension` (0 or 1). A ratio of zero to zero, where no gradient
        comes, is NaN; an example that has none is left out of mean and median. The summary has the largest and the
        mean size of the ratio's natural logarithm, of the blocks that keep the dimension and of those that change it.
        Every number has its `..._standard_error` (by bootstrap over examples; NaN for a single one).

    Source: Zaeemzadeh et al., arXiv 1805.07477, experiments on the gradient norm ratio.
    """
    at_least_one(examples=examples)
    check_dissectable(network, data)
    chosen = torch.randperm(len(data), generator=generator)[:examples].to(data.device)
    with evaluation_mode(network):
        batches = [_gradient_norms(network, *batch) for batch in data.take(chosen).batches(_BATCH)]
    norms = torch.cat(batches, dim=1).cpu()
    measured = _resampled(norms, generator)
    changing = torch.tensor([block.changes_dimension for block in network.chain])
    sizes = {
        **_sizes("same_dimension", measured["ratio"][~changing]),
        **_sizes("changing_dimension", measured["ratio"][changing]),
    }
    summary = {
        **{name: float(values[0]) for name, values in sizes.items()},
        **{f"{name}_standard_error": float(standard_error(values)) for name, values in sizes.items()},
    }
    table = {
        "block": list(range(len(changing))),
        **{name: values[:, 0].tolist() for name, values in measured.items()},
        **{f"{name}_standard_error": standard_error(values).tolist() for name, values in measured.items()},
        "changes_dimension": changing.double().tolist(),
    }
    return AnalysisResult(
        summary=summary,
        table=table,
        units=dict.fromkeys([*summary, *table], "1"),
        axes=dict.fromkeys(measured, "block"),
    )


def _gradient_norms(network: ResidualNetwork, images: Tensor, labels: Tensor) -> Tensor:
    """Norm (n+1, B) of each example's gradient at the input of every block and at the output of the last: double."""
    with torch.no_grad():
        x = network.stem(images)
    with torch.enable_grad():
        boundaries = [x.detach().requires_grad_()]
        for block in network.chain:
            boundaries.append(block(boundaries[-1]))
        loss = functional.cross_entropy(network.head(boundaries[-1]), labels, reduction="sum")
        gradients = torch.autograd.grad(loss, boundaries, materialize_grads=True)
    return torch.stack([gradient.double().flatten(1).norm(dim=1) for gradient in gradients])


def _resampled(norms: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Every kind of ratio, of norms (n+1, B): (n, 1 + resamples), column 0 over the examples as they are."""
    count = norms.shape[1]
    columns = [_ratios(norms)]
    if count < 2:  # noqa: PLR2004 - a deviation needs two
        columns += [torch.full_like(columns[0], math.nan)] * REPLICATES
    else:
        drawn = torch.randint(count, (REPLICATES, count), generator=generator)
        columns += [_ratios(norms[:, row]) for row in drawn]
    return dict(zip(("ratio", "mean_ratio", "median_ratio"), torch.stack(columns, dim=2), strict=True))


def _ratios(norms: Tensor) -> Tensor:
    """Of norms (n+1, B) the ratio over all together, and mean and median of the examples' own: (3, n)."""
    squares = norms.square().sum(dim=1)
    own = norms[:-1] / norms[1:]
    return torch.stack([(squares[:-1] / squares[1:]).sqrt(), own.nanmean(dim=1), own.nanquantile(0.5, dim=1)])


def _sizes(kind: str, ratios: Tensor) -> dict[str, Tensor]:
    """Of ratios (blocks, 1 + resamples) largest and mean size of the logarithms; nothing where there is no ratio."""
    logs = ratios[~ratios[:, 0].isnan()].log().abs()
    if not len(logs):
        return {}
    return {f"{kind}_largest_log_ratio": logs.amax(dim=0), f"{kind}_mean_log_ratio": logs.mean(dim=0)}
