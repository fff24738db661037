"""How much gradient comes by paths of each length.

A network of n blocks is the sum of 2^n paths: at every block a path takes the shortcut or the branch, and its length
is the number of branches it takes. Two quantities are measured, each at the network's input:

* `norm`: the exact sum of the gradients of *all* paths of a length, in one backward walk;
* `sampled_norm`: the gradient of *one* path of a length, sampled as Veit et al. did.

They differ because the paths of a length cancel.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from resablate.datasets import ExampleSource
from resablate.measurement import AnalysisResult
from resablate.model import Block, ResidualNetwork, Route, evaluation_mode

_WALK_EXAMPLES = 512
"""Examples times path lengths in one piece of the walk: bounds its memory."""
_EFFECTIVE_SHARE = 0.95


def path_gradient(
    network: ResidualNetwork,
    examples: ExampleSource,
    *,
    generator: torch.Generator,
    path_examples: int = 32,
    path_samples: int = 4,
) -> AnalysisResult:
    """Gradient of each example's loss with respect to its pixels, by path length.

    Batch norm is in eval mode, so that examples do not couple. Norms are Euclidean, in nats per unit of normalized
    input, averaged over examples.

    Args:
        network: in whatever mode.
        examples: usually the training examples.
        generator: draws examples and paths.
        path_examples: examples followed at once; all where there are fewer.
        path_samples: sampled paths (each with a fresh draw of examples) per length.

    Returns:
        A row per `length` from 0 to n: `norm` of the sum over all paths; `sampled_norm` of a single path with its
        standard error `sampled_norm_error` (NaN for one sample); `log10_path_count`; and `contribution`, the share
        of path count times `sampled_norm`. The summary has the ordinary gradient's norm, the median length by
        contribution, and the smallest interval of lengths that holds 95 % of it.

    Source: Veit et al. 2016, section 4.3 and Figure 6 (sampled paths, contribution); the exact sum is this project's.
    """
    images, labels = examples.draw(path_examples, generator)
    sums = gradients_by_length(network, images, labels)
    lengths = range(len(network.chain) + 1)
    sampled = [
        [
            _mean_norm(path_gradients(network, *examples.draw(path_examples, generator), routes=routes))
            for routes in (_random_path(len(network.chain), length, generator) for _ in range(path_samples))
        ]
        for length in lengths
    ]
    means = [sum(row) / len(row) for row in sampled]
    counts = [_log10_binomial(len(network.chain), length) for length in lengths]
    shares = _shares(means, counts)
    # Where no sampled path carries a gradient there is nothing to take shares of.
    low, high = (math.nan, math.nan) if math.isnan(shares[0]) else _smallest_interval(shares, _EFFECTIVE_SHARE)
    return AnalysisResult(
        summary={
            "gradient_norm": _mean_norm(sums.sum(0)),
            "median_length": math.nan if math.isnan(shares[0]) else float(_median_length(shares)),
            "effective_low": float(low),
            "effective_high": float(high),
        },
        table={
            "length": list(lengths),
            "norm": [_mean_norm(gradient) for gradient in sums],
            "sampled_norm": means,
            "sampled_norm_error": [_standard_error(row) for row in sampled],
            "log10_path_count": counts,
            "contribution": shares,
        },
        units={
            "gradient_norm": "nats per unit of input",
            "median_length": "blocks",
            "effective_low": "blocks",
            "effective_high": "blocks",
            "length": "blocks",
            "norm": "nats per unit of input",
            "sampled_norm": "nats per unit of input",
            "sampled_norm_error": "nats per unit of input",
            "log10_path_count": "1",
            "contribution": "fraction",
        },
        axes={"norm": "length", "sampled_norm": "length", "contribution": "length"},
    )


def path_gradients(
    network: ResidualNetwork, images: Tensor, labels: Tensor, *, routes: Sequence[Route] | None
) -> Tensor:
    """Gradient (B, C, H, W) of each example's loss with respect to `images` (B, C, H, W), back along `routes`.

    Forward values are those of the whole network. Zero where no gradient comes through.

    Args:
        network: in whatever mode; batch norm is in eval mode here.
        images: normalized.
        labels: (B,).
        routes: one for each block, `GRADIENT_BY_BRANCH` or `GRADIENT_BY_SHORTCUT` for a single path; the ordinary
            gradient where None.

    Source: Veit et al. 2016, section 4.3.
    """
    with evaluation_mode(network), torch.enable_grad():
        leaf = images.detach().requires_grad_()
        loss = functional.cross_entropy(network(leaf, routes), labels, reduction="sum")
        return _vjp(loss, leaf, torch.ones_like(loss))


def gradients_by_length(network: ResidualNetwork, images: Tensor, labels: Tensor) -> Tensor:
    """The gradients of all 2^n paths, summed by length: (n+1, B, C, H, W), exact.

    One walk backward carries a polynomial in t whose k-th coefficient belongs to the paths of length k so far: with
    the Jacobians H of a block's carried side and J of its added side, c_k becomes H^T c_k + J^T c_(k-1). The
    coefficients are a batch, so a block costs one forward and two backward passes of (coefficients x B) examples,
    taken in pieces of bounded size.

    Args:
        network: in whatever mode; batch norm is in eval mode here.
        images: (B, C, H, W), normalized.
        labels: (B,).

    Returns:
        At [k, b] the sum over all paths through exactly k branches, for example b; over k they sum to the ordinary
        gradient.
    """
    with evaluation_mode(network):
        inputs: list[Tensor] = []
        with torch.no_grad():
            x = network.stem(images)
            for block in network.chain:
                inputs.append(x)
                x = block(x)
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            loss = functional.cross_entropy(network.head(x), labels, reduction="sum")
            coefficients = _vjp(loss, x, torch.ones_like(loss)).unsqueeze(0)
        for block, x in zip(reversed(network.chain), reversed(inputs), strict=True):
            coefficients = _through_block(block, x, coefficients)
        return torch.cat([_through_stem(network, images, piece) for piece in _pieces(coefficients)])


def _through_block(block: Block, x: Tensor, coefficients: Tensor) -> Tensor:
    """(K, B, ...) behind the block to (K+1, B, ...) before it."""
    before = x.new_zeros(len(coefficients) + 1, *x.shape)
    start = 0
    for piece in _pieces(coefficients):
        flat = piece.flatten(0, 1)
        with torch.enable_grad():
            leaf = x.repeat(len(piece), 1, 1, 1).requires_grad_()
            carried, added = block.addends(leaf)
            total = (carried + added).detach().requires_grad_()
            behind = _vjp(block.after_add(total), total, flat)
            by_shortcut = _vjp(carried, leaf, behind).view(len(piece), *x.shape)
            by_branch = _vjp(added, leaf, behind).view(len(piece), *x.shape)
        before[start : start + len(piece)] += by_shortcut
        before[start + 1 : start + 1 + len(piece)] += by_branch
        start += len(piece)
    return before


def _through_stem(network: ResidualNetwork, images: Tensor, piece: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = images.detach().repeat(len(piece), 1, 1, 1).requires_grad_()
        return _vjp(network.stem(leaf), leaf, piece.flatten(0, 1)).view(len(piece), *images.shape)


def _pieces(coefficients: Tensor) -> Sequence[Tensor]:
    return coefficients.split(max(1, _WALK_EXAMPLES // coefficients.shape[1]))


def _vjp(output: Tensor, leaf: Tensor, vector: Tensor) -> Tensor:
    """`vector` times the Jacobian of `output` by `leaf`; zero where `output` does not depend on it."""
    if not output.requires_grad:
        return torch.zeros_like(leaf)
    (gradient,) = torch.autograd.grad(output, leaf, vector, retain_graph=True, materialize_grads=True)
    return gradient


def _random_path(blocks: int, length: int, generator: torch.Generator) -> list[Route]:
    branches = set(torch.randperm(blocks, generator=generator)[:length].tolist())
    return [Route.GRADIENT_BY_BRANCH if i in branches else Route.GRADIENT_BY_SHORTCUT for i in range(blocks)]


def _mean_norm(gradients: Tensor) -> float:
    """Mean over the examples of (B, C, H, W) of the Euclidean norm, summed in double precision."""
    return float(gradients.double().flatten(1).norm(dim=1).mean())


def _standard_error(values: Sequence[float]) -> float:
    if len(values) < 2:  # noqa: PLR2004 - a deviation needs two
        return math.nan
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))


def _log10_binomial(n: int, k: int) -> float:
    return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / math.log(10)


def _shares(norms: Sequence[float], log10_counts: Sequence[float]) -> list[float]:
    """Count times norm, as shares that sum to 1; in logarithms, because counts overflow at 1,000 blocks."""
    logs = [
        math.log10(norm) + count if norm > 0 else -math.inf for norm, count in zip(norms, log10_counts, strict=True)
    ]
    largest = max(logs)
    if not math.isfinite(largest):
        return [math.nan] * len(logs)
    weights = [10 ** (value - largest) for value in logs]
    return [weight / sum(weights) for weight in weights]


def _median_length(shares: Sequence[float]) -> int:
    below = 0.0
    for length, share in enumerate(shares):
        below += share
        if below >= 0.5:  # noqa: PLR2004 - the median
            return length
    return len(shares) - 1


def _smallest_interval(shares: Sequence[float], part: float) -> tuple[int, int]:
    """The shortest run of lengths holding at least `part`, the one that holds most where several are as short."""
    count = len(shares)
    for width in range(1, count):
        held, low = max((sum(shares[low : low + width]), low) for low in range(count - width + 1))
        if held >= part:
            return low, low + width - 1
    return 0, count - 1
