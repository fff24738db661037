"""How much gradient comes by paths of each length.

A network of n blocks is the sum of 2^n paths: at every block a path takes the shortcut or the branch, and its length
is the number of branches it takes. Where a block has one of the two sides only, every path takes that one. Three
quantities are measured, each at the network's input:

* `norm`: the exact sum of the gradients of *all* paths of a length, in one backward walk;
* `sampled_norm`: the gradient of *one* path of a length, sampled as Veit et al. did;
* `rms_norm`: the same of a path of a length in the root mean square over all of them, by walks with random signs.

The first differs from the others because the paths of a length cancel.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor

from resablate.analyses.gradient_norms import direct_path_ratio
from resablate.analyses.interface import at_least_one, check_dissectable
from resablate.analyses.lengths import log10_path_counts, paths_within, shares, spread
from resablate.datasets import ExampleSource
from resablate.measurement import ANY, PART, POSITIVE, AnalysisResult, Bounds
from resablate.model import Block, ResidualNetwork, Route, path_gradients, path_norms
from resablate.training.bootstrap import REPLICATES

PATH_GRADIENT_BOUNDS: Mapping[str, Bounds] = {
    "*path_share*": PART,
    "*left_after*": PART,
    "*contribution": PART,
    "log10_path_count": ANY,
    "*": POSITIVE,
}
"""Of its numbers and columns."""
_NORM = "nats per unit of input"


def path_gradient(
    network: ResidualNetwork,
    data: ExampleSource,
    *,
    generator: torch.Generator,
    examples: Annotated[int, Ge(1)] = 32,
    samples: Annotated[int, Ge(1)] = 4,
    signs: Annotated[int, Ge(0)] = 4,
) -> AnalysisResult:
    """Gradient of each example's loss with respect to its pixels, by path length.

    Batch norm is in eval mode, so that examples do not couple. Norms are Euclidean, in nats per unit of normalized
    input, averaged over examples.

    Args:
        network: in whatever mode.
        data: usually the training examples.
        generator: draws examples, paths and signs.
        examples: examples followed at once; all where there are fewer.
        samples: sampled paths (each with a fresh draw of examples) per length.
        signs: draws of random signs for each example, all lengths at once; 0 leaves `rms_norm` NaN.

    Returns:
        A row per `length` from 0 to n: `norm` of the sum over all paths; `sampled_norm` of a single path;
        `rms_norm`, the root mean square over paths, examples and draws; each with its `..._standard_error`,
        over examples, sampled paths and examples (over draws of a single example; NaN where there is but one value);
        norms are zero where there is no path; `log10_path_count`, -inf there; and shares of each length:
        `contribution` of path count times `sampled_norm`, `rms_contribution` of path count times `rms_norm`,
        `sum_contribution` of `norm`. The summary has the ordinary gradient's norm with its standard error over
        examples, and of each of the three shares the median length and the smallest interval of lengths that holds
        95 %, `effective_low` to `effective_high` (`rms_effective_low`, `sum_effective_low`, ...). Of the paths of these
        lengths it tells how many there are: `effective_path_share` of all paths, `effective_path_share_after_1`,
        `..._10` and `..._20` of those that are left when so many branches are deleted, and `effective_left_after_1`,
        ..., the part of them that is left then. `direct_path_ratio` is what a block leaves of the gradient along the
        path of length 0, the shortcuts alone: its norm before the block over that behind it, in the geometric mean over
        the blocks that keep the dimension: where nothing follows the addition, the shortcuts' constant factor. Shares
        and lengths have a `..._standard_error` by bootstrap over examples, or over sampled paths.

    Source: Veit et al. 2016, section 4.3 and Figure 6 (sampled paths, contribution); He et al. 2016, equation 8 (direct
        path); the exact sum and the random signs are this project's.
    """
    at_least_one(examples=examples, samples=samples)
    check_dissectable(network, data)
    blocks = len(network.chain)
    counts = log10_path_counts(network.chain)
    images, labels = data.draw(examples, generator)
    sampled = [
        [
            float(_norms(path_gradients(network, *data.draw(examples, generator), routes=routes)).mean())
            for routes in (_random_path(network.chain, length, generator) for _ in range(samples))
        ]
        if math.isfinite(count)
        else [0.0] * samples
        for length, count in enumerate(counts)
    ]
    drawn = torch.randint(2, (blocks, signs, len(images)), generator=generator) * 2 - 1
    norms = path_norms(network, images, labels, signs=drawn).cpu()
    rms, rms_errors = _root_mean_squares(norms[:, 1:], counts)
    columns = {
        "norm": norms[:, 0].mean(dim=1).tolist(),
        "norm_standard_error": [_standard_error(row) for row in norms[:, 0].tolist()],
        "sampled_norm": [sum(row) / len(row) for row in sampled],
        "sampled_norm_standard_error": [_standard_error(row) for row in sampled],
        "rms_norm": rms,
        "rms_norm_standard_error": rms_errors,
    }
    contributions = _contributions(norms, sampled, counts)
    within = cache(partial(paths_within, network.chain))  # resamples have few different intervals
    spreads = _spreads(contributions, within)
    resampled = [_contributions(*_resample(norms, sampled, generator), counts) for _ in range(REPLICATES)]
    share_errors = _deviations(resampled)
    spread_errors = _deviations([_spreads(one, within) for one in resampled])
    whole = _norms(path_gradients(network, images, labels, routes=None)).tolist()
    gradient = {"gradient_norm": sum(whole) / len(whole), "gradient_norm_standard_error": _standard_error(whole)}
    direct = {"direct_path_ratio": direct_path_ratio(network, images, labels)}
    table = {"length": list(range(blocks + 1)), **columns, "log10_path_count": counts, **contributions, **share_errors}
    return AnalysisResult(
        summary={**gradient, **spreads, **spread_errors, **direct},
        table=table,
        units={
            **dict.fromkeys(gradient, _NORM),
            **{name: _unit_of_spread(name) for name in (*spreads, *spread_errors)},
            "length": "blocks",
            **dict.fromkeys(columns, _NORM),
            "direct_path_ratio": "1",
            "log10_path_count": "1",
            **dict.fromkeys([*contributions, *share_errors], "fraction"),
        },
        axes=dict.fromkeys(["norm", "sampled_norm", "rms_norm", *contributions], "length"),
    )


def _contributions(
    norms: Tensor, sampled: Sequence[Sequence[float]], log10_counts: Sequence[float]
) -> dict[str, list[float]]:
    """Share of each length, of each kind.

    Args:
        norms: (n+1, 1 + draws, B), double: of `path_norms`.
        sampled: of each length, of each sampled path.
        log10_counts: of the paths of each length.
    """
    return {
        "contribution": shares([sum(row) / len(row) for row in sampled], log10_counts),
        "rms_contribution": shares(_root_mean_squares(norms[:, 1:], log10_counts)[0], log10_counts),
        "sum_contribution": shares(norms[:, 0].mean(dim=1).tolist(), [0.0] * len(log10_counts)),
    }


def _resample(
    norms: Tensor, sampled: Sequence[Sequence[float]], generator: torch.Generator
) -> tuple[Tensor, list[list[float]]]:
    """As many examples, and of each length as many sampled paths, drawn with replacement."""
    examples, paths = norms.shape[2], len(sampled[0])
    drawn = torch.randint(examples, (examples,), generator=generator)
    picked = torch.randint(paths, (len(sampled), paths), generator=generator).tolist()
    # A deviation needs two values: resamples of one are all that one.
    again = norms[:, :, drawn] if examples > 1 else torch.full_like(norms, math.nan)
    return again, [
        [row[i] for i in places] if paths > 1 else [math.nan] for row, places in zip(sampled, picked, strict=True)
    ]


def _deviations(resampled: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The standard deviation of every number, or of every number of every row, over the resamples."""
    return {
        f"{name}_standard_error": torch.tensor([one[name] for one in resampled], dtype=torch.float64)
        .std(dim=0)
        .tolist()
        for name in resampled[0]
    }


def _spreads(
    contributions: Mapping[str, Sequence[float]], within: Callable[[float, float], Mapping[str, float]]
) -> dict[str, float]:
    """Median and effective lengths of each kind of share, and by `within` the paths of these lengths, by name."""
    found: dict[str, float] = {}
    for name, distribution in contributions.items():
        kind = name.removesuffix("contribution")
        median, low, high = spread(distribution)
        found |= {f"{kind}median_length": median, f"{kind}effective_low": low, f"{kind}effective_high": high}
        found |= {f"{kind}effective_{part}": number for part, number in within(low, high).items()}
    return {name: float(number) for name, number in found.items()}


def _unit_of_spread(name: str) -> str:
    return "fraction" if "path_share" in name or "left" in name else "blocks"


def _root_mean_squares(norms: Tensor, log10_counts: Sequence[float]) -> tuple[list[float], list[float]]:
    """Root mean square norm of a single path, and its standard error, from those of sums with random signs.

    Args:
        norms: (n+1, draws, B), double.
        log10_counts: of the paths of each length.
    """
    if not norms.shape[1]:
        return [math.nan] * len(norms), [math.nan] * len(norms)
    # Where there is no path the norm is zero, and remains so.
    roots = torch.tensor(log10_counts, dtype=torch.float64).clamp(min=0).mul(0.5)
    scaled = norms / (10**roots).view(-1, 1, 1)  # before they are squared: at 1,000 blocks squares would overflow
    # The draws of an example share its gradient, so it is the examples that are independent, if there are several.
    squares = scaled.square().mean(dim=1) if norms.shape[2] > 1 else scaled.square().flatten(1)
    means = squares.mean(dim=1).tolist()
    errors = (squares.std(dim=1) / math.sqrt(squares.shape[1])).tolist()
    # To first order, the error of a root is that of the square over twice the root.
    return (
        [math.sqrt(mean) for mean in means],
        [error / (2 * math.sqrt(mean)) if mean else error for mean, error in zip(means, errors, strict=True)],
    )


def _random_path(chain: Sequence[Block], length: int, generator: torch.Generator) -> list[Route]:
    """One of the paths of `length`, of which there must be some, each as likely as any other."""
    branches = {place for place, block in enumerate(chain) if not block.carries}
    choices = [place for place, block in enumerate(chain) if block.carries and block.adds]
    drawn = torch.randperm(len(choices), generator=generator)[: length - len(branches)].tolist()
    branches |= {choices[place] for place in drawn}
    return [Route.GRADIENT_BY_BRANCH if i in branches else Route.GRADIENT_BY_SHORTCUT for i in range(len(chain))]


def _norms(gradients: Tensor) -> Tensor:
    """Euclidean norm (B,) of each example's gradient, of (B, C, H, W), summed in double precision."""
    return gradients.double().flatten(1).norm(dim=1)


def _standard_error(values: Sequence[float]) -> float:
    if len(values) < 2:  # noqa: PLR2004 - a deviation needs two
        return math.nan
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))
