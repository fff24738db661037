"""How many paths there are of each length, and what deletions leave of them.

Source: Veit et al. 2016, section 4.3, Figure 6(a), and section 5, Figure 7.
"""

import math

import torch

from resablate.analyses.interface import check_dissectable
from resablate.analyses.lengths import log10_binomial, log10_path_counts, shares, spread
from resablate.datasets import ExampleSource
from resablate.measurement import AnalysisResult
from resablate.model import ResidualNetwork

DELETIONS = (1, 10, 20)
"""Blocks deleted at once, as in Veit et al. 2016, Figure 7."""


def path_count(
    network: ResidualNetwork, data: ExampleSource, *, generator: torch.Generator | None = None
) -> AnalysisResult:
    """Number of paths by length, and the share of them that is left after some blocks are deleted.

    Of n blocks, C(n, x) paths go through exactly x branches. Deleting d branches leaves C(n-d, x) of them, whichever
    they are. Both are counted, not measured: nothing but the number of blocks matters, and which of them have both
    sides. A block that carries nothing is on every path, as all blocks of a plain network are, which has one path.

    Args:
        network: in whatever mode; only its blocks are counted.
        data: not used but for a check of its labels.
        generator: not used; the analysis draws nothing.

    Returns:
        A row per `length` x from 0 to n: `log10_path_count` (-inf where there is none); its `share` of all paths; and
        `left_after_1`, `left_after_10` and `left_after_20`, the parts of these paths that are left after so many
        deletions (those that the network has branches for; the mean over which are deleted; NaN where there is no
        path). The summary has the median length and the smallest interval of lengths that holds 95 % of the paths.

    Source: Veit et al. 2016, Figures 6(a) and 7.
    """
    check_dissectable(network, data)
    lengths = range(len(network.chain) + 1)
    counts = log10_path_counts(network.chain)
    branches = sum(block.adds for block in network.chain)
    distribution = shares([1.0] * len(lengths), counts)
    typical = spread(distribution)
    left = {
        f"left_after_{deleted}": [
            _part_left(branches, length, deleted) if math.isfinite(counts[length]) else math.nan for length in lengths
        ]
        for deleted in DELETIONS
        if deleted < branches
    }
    return AnalysisResult(
        summary={"median_length": typical.median, "shortest": typical.low, "longest": typical.high},
        table={"length": list(lengths), "share": distribution, "log10_path_count": counts, **left},
        units={
            "median_length": "blocks",
            "shortest": "blocks",
            "longest": "blocks",
            "length": "blocks",
            "share": "fraction",
            "log10_path_count": "1",
            **dict.fromkeys(left, "fraction"),
        },
        axes=dict.fromkeys(["share", "log10_path_count", *left], "length"),
    )


def _part_left(branches: int, length: int, deleted: int) -> float:
    """The chance that a path through `length` of the branches meets none of those deleted."""
    if length > branches - deleted:
        return 0.0
    return 10 ** (log10_binomial(branches - deleted, length) - log10_binomial(branches, length))
