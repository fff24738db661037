"""Whether each block keeps the norm of the gradient that comes back through it.

Source: Zaeemzadeh et al., arXiv 1805.07477.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from resablate.analyses.interface import at_least_one, check_dissectable
from resablate.datasets import ExampleSource
from resablate.measurement import AnalysisResult
from resablate.model import ResidualNetwork, evaluation_mode

_BATCH = 32
"""ExampleSource whose gradients at all blocks are in memory at once."""
_RESAMPLES = 200
"""Enough for a standard error: Efron & Tibshirani 1993, section 6.4."""


def norm_preservation(
    network: ResidualNetwork,
    examples: ExampleSource,
    *,
    generator: torch.Generator,
    norm_examples: int = 256,
) -> AnalysisResult:
    """Norm of the gradient before each block over its norm behind the block.

    The gradient is that of an example's loss E with respect to the block's input x_l and its output x_(l+1), which is
    the input of the next: ||dE/dx_l|| / ||dE/dx_(l+1)||, Euclidean. Batch norm is in eval mode, so that examples do
    not couple. One backward pass gives the gradients at all blocks.

    Args:
        network: in whatever mode.
        examples: usually the training examples.
        generator: draws the examples, and resamples them for the standard error.
        norm_examples: examples measured; all where there are fewer.

    Returns:
        A row per `block`: `ratio` of the norms over all examples together, its standard error `ratio_error` (by
        bootstrap over examples; NaN for a single one), `mean_ratio` and `median_ratio` over the examples' own ratios,
        and whether it `changes_dimension` (0 or 1). A ratio of zero to zero, where no gradient comes, is NaN; an
        example that has none is left out of mean and median. The summary has the largest and the mean size of the
        ratio's natural logarithm, of the blocks that keep the dimension and of those that change it.

    Source: Zaeemzadeh et al., arXiv 1805.07477, experiments on the gradient norm ratio.
    """
    at_least_one(norm_examples=norm_examples)
    check_dissectable(network, examples)
    chosen = torch.randperm(len(examples), generator=generator)[:norm_examples].to(examples.device)
    with evaluation_mode(network):
        batches = [_gradient_norms(network, *batch) for batch in examples.take(chosen).batches(_BATCH)]
    norms = torch.cat(batches, dim=1).cpu()
    squares = norms.square()
    own = norms[:-1] / norms[1:]
    ratios = _ratios(squares.sum(dim=1, keepdim=True)).squeeze(1).tolist()
    changing = [block.changes_dimension for block in network.chain]
    return AnalysisResult(
        summary={
            **_sizes("same_dimension", [ratio for ratio, changes in zip(ratios, changing, strict=True) if not changes]),
            **_sizes("changing_dimension", [ratio for ratio, changes in zip(ratios, changing, strict=True) if changes]),
        },
        table={
            "block": list(range(len(changing))),
            "ratio": ratios,
            "ratio_error": _bootstrap_errors(squares, generator),
            "mean_ratio": own.nanmean(dim=1).tolist(),
            "median_ratio": own.nanquantile(0.5, dim=1).tolist(),
            "changes_dimension": [float(changes) for changes in changing],
        },
        units=dict.fromkeys(
            [
                *_sizes("same_dimension", [1.0]),
                *_sizes("changing_dimension", [1.0]),
                *("block", "ratio", "ratio_error", "mean_ratio", "median_ratio", "changes_dimension"),
            ],
            "1",
        ),
        axes=dict.fromkeys(["ratio", "mean_ratio", "median_ratio"], "block"),
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


def _bootstrap_errors(squares: Tensor, generator: torch.Generator) -> list[float]:
    """Standard error of every ratio of the sums over examples, by resampling them; NaN for a single one."""
    count = squares.shape[1]
    if count < 2:  # noqa: PLR2004 - a deviation needs two
        return [math.nan] * (len(squares) - 1)
    weights = torch.zeros(_RESAMPLES, count, dtype=torch.float64)
    drawn = torch.randint(count, weights.shape, generator=generator)
    weights.scatter_add_(1, drawn, torch.ones_like(weights))
    return _ratios(squares @ weights.T).std(dim=1).tolist()


def _ratios(squares: Tensor) -> Tensor:
    """Of squared norms (n+1, samples): (n, samples)."""
    return (squares[:-1] / squares[1:]).sqrt()


def _sizes(kind: str, ratios: Sequence[float]) -> dict[str, float]:
    """Largest and mean size of the logarithms, by name; nothing where there is no ratio."""
    logs = [abs(math.log(ratio)) if ratio else math.inf for ratio in ratios if not math.isnan(ratio)]
    if not logs:
        return {}
    return {f"{kind}_largest_log_ratio": max(logs), f"{kind}_mean_log_ratio": math.fsum(logs) / len(logs)}
