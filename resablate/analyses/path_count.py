"""How many paths there are of each length, and what deletions leave of them.

Source: Veit et al. 2016, section 4.3, Figure 6(a), and section 5, Figure 7.
"""

import math
from collections.abc import Mapping
from typing import Annotated

import torch
from annotated_types import Ge

from resablate.analyses.interface import check_dissectable
from resablate.analyses.lengths import deletions, left_after, log10_path_counts, paths_within, shares, spread
from resablate.datasets import ExampleSource
from resablate.measurement import ANY, PART, POSITIVE, AnalysisResult, Bounds
from resablate.model import ResidualNetwork

PATH_COUNT_BOUNDS: Mapping[str, Bounds] = {"*share*": PART, "*left*": PART, "log10_path_count": ANY, "*": POSITIVE}
"""Of its numbers and columns."""
_EFFECTIVE = (5 / 54, 17 / 54)
"""Parts of the blocks: Veit et al. 2016, section 4.3, find that almost all gradient comes by lengths 5 to 17 of 54."""


def path_count(
    network: ResidualNetwork,
    data: ExampleSource,
    *,
    generator: torch.Generator | None = None,
    effective_low: Annotated[int | None, Ge(0)] = None,
    effective_high: Annotated[int | None, Ge(0)] = None,
) -> AnalysisResult:
    """Number of paths by length, and the share of them that is left after some blocks are deleted.

    Of n blocks, C(n, x) paths go through exactly x branches. Deleting d branches leaves C(n-d, x) of them, whichever
    they are. Both are counted, not measured: nothing but the number of blocks matters, and which of them have both
    sides. A block that carries nothing is on every path, as all blocks of a plain network are, which has one path.

    Args:
        network: in whatever mode; only its blocks are counted.
        data: not used but for a check of its labels.
        generator: not used; the analysis draws nothing.
        effective_low: shortest length that counts as effective; where None, as the paper's 5 of 54 blocks, rounded.
        effective_high: the longest; where None, as the paper's 17 of 54 blocks. `path_gradient` measures both.

    Returns:
        A row per `length` x from 0 to n: `log10_path_count` (-inf where there is none); its `share` of all paths; for
        1, 10 and 20 deletions (those that the network has branches for; the mean over which are deleted)
        `left_after_1`, ..., the part of these paths that is left (NaN where there is no path), and `share_after_1`,
        ..., their share of all paths that are left (NaN where none is). The summary has the median length and the
        smallest interval of lengths that holds 95 % of the paths; `effective_low` and `effective_high`; the effective
        paths as a part of all, `effective_path_share`, and of those that are left, `effective_path_share_after_1`, ...;
        and the part of the effective paths that is left, `effective_left_after_1`, .... What would be a part of nothing
        is left out.

    Raises:
        ValueError: if the shortest effective length is longer than the longest.

    Source: Veit et al. 2016, Figures 6(a) and 7.
    """
    check_dissectable(network, data)
    blocks = len(network.chain)
    lengths = range(blocks + 1)
    low, high = (
        round(part * blocks) if asked is None else asked
        for part, asked in zip(_EFFECTIVE, (effective_low, effective_high), strict=True)
    )
    if low > high:
        raise ValueError(f"effective_low must not be greater than effective_high, but got {low} and {high}")
    counts = log10_path_counts(network.chain)
    distribution = shares([1.0] * len(lengths), counts)
    typical = spread(distribution)
    left: dict[str, list[float]] = {}
    for deleted in deletions(network.chain):
        parts = left_after(network.chain, deleted)
        left[f"left_after_{deleted}"] = parts
        left[f"share_after_{deleted}"] = shares([0.0 if math.isnan(part) else part for part in parts], counts)
    within = paths_within(network.chain, low, high)
    effective = {f"effective_{name}": number for name, number in within.items() if not math.isnan(number)}
    summary = {
        "median_length": typical.median,
        "shortest": typical.low,
        "longest": typical.high,
        "effective_low": float(low),
        "effective_high": float(high),
    }
    return AnalysisResult(
        summary={**summary, **effective},
        table={"length": list(lengths), "share": distribution, "log10_path_count": counts, **left},
        units={
            **dict.fromkeys([*summary, "length"], "blocks"),
            **dict.fromkeys(effective, "fraction"),
            "share": "fraction",
            "log10_path_count": "1",
            **dict.fromkeys(left, "fraction"),
        },
        axes=dict.fromkeys(["share", "log10_path_count", *left], "length"),
    )
