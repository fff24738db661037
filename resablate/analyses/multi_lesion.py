"""What is lost with several blocks at once.

Source: Veit et al. 2016, section 4.2, Figure 5(a).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from resablate.analyses.interface import QUARTILES, at_least_one, check_dissectable
from resablate.datasets import ExampleSource
from resablate.measurement import PART, POSITIVE, AnalysisResult, Bounds
from resablate.model import ResidualNetwork, run_variants, without
from resablate.registry import Registry
from resablate.training.bootstrap import score_variants, standard_error

MULTI_LESION_BOUNDS: Mapping[str, Bounds] = {"*error*": PART, "largest_size": POSITIVE}
"""Of its numbers and columns."""
Order = list[int]
"""All blocks in a random order."""


def _independent(sizes: int, subsets: int, draw: Callable[[], Order]) -> list[list[Order]]:
    """Every set of blocks drawn on its own."""
    return [[draw() for _ in range(subsets)] for _ in range(sizes)]


def _nested(sizes: int, subsets: int, draw: Callable[[], Order]) -> list[list[Order]]:
    """Set k is the first k of one random order, so that each order gives one set of every size, at half the cost."""
    return [[draw() for _ in range(subsets)]] * sizes


LESION_DESIGNS: Registry[Callable[[int, int, Callable[[], Order]], list[list[Order]]]] = Registry(
    "lesion_design", "lesion_designs", {"independent": _independent, "nested": _nested}
)
"""Number of sizes, orders for each, what draws one -> for each size, the orders whose first blocks are its sets."""


def multi_lesion(
    network: ResidualNetwork,
    data: ExampleSource,
    *,
    generator: torch.Generator,
    largest: Annotated[int, Ge(1)] = 20,
    subsets: Annotated[int, Ge(1)] = 100,
    design: Annotated[str, LESION_DESIGNS] = "independent",
    examples: Annotated[int | None, Ge(1)] = None,
) -> AnalysisResult:
    """Error of the network with random sets of 1, 2, ... blocks removed.

    A random order of all blocks gives a set of k twice: its first k, and the first k of those that keep dimensions,
    so that with and without the blocks that change them the same draws are compared. Every set that two draws have
    in common, and every beginning that two sets have in common, is computed once; errors are bit for bit those of
    running the whole network for each set.

    Args:
        network: in whatever mode; evaluated in eval mode.
        data: usually the test examples.
        generator: draws the sets.
        largest: the largest number of blocks removed at once; all blocks where there are fewer.
        subsets: random sets of each size.
        design: a row of LESION_DESIGNS. Both give sets of one size the same distribution; the errors of
            a nested design move together over the sizes.
        examples: use only the first so many; all where None.

    Returns:
        A row for each number of blocks `removed`: quartiles, minimum and maximum of the error (fraction) over the
        sets (`error_median`, ...), the same over the sets without blocks that change dimensions
        (`same_dimension_error_median`, ...; NaN where there are not so many blocks). Every error has its
        `..._standard_error` as that of a sample of examples, by bootstrap; the sets count as given. The summary has
        the whole network's error and the median at the largest size, with standard errors.

    Raises:
        AnalysisError: if the network has no block, or a label is none of its classes.
        ValueError: if a number is less than 1.
        UnknownName: if there is no such design.

    Source: Veit et al. 2016, section 4.2 and Figure 5(a), sizes 1 to 20; the number of sets is not published.
    """
    at_least_one(largest=largest, subsets=subsets, examples=examples)
    chosen = data.take(slice(examples))
    check_dissectable(network, chosen)
    chain = network.chain
    sizes = range(1, min(largest, len(chain)) + 1)

    def draw() -> Order:
        return torch.randperm(len(chain), generator=generator, device=generator.device).tolist()

    orders = LESION_DESIGNS[design](len(sizes), subsets, draw)
    every = [[frozenset(order[:size]) for order in row] for size, row in zip(sizes, orders, strict=True)]
    kept = [
        [frozenset([block for block in order if not chain[block].changes_dimension][:size]) for order in row]
        for size, row in zip(sizes, orders, strict=True)
    ]
    whole: frozenset[int] = frozenset()
    errors = _errors(network, chosen, [whole, *(blocks for row in every + kept for blocks in row)])
    table = {"removed": [float(size) for size in sizes]}
    for prefix, rows in (("", every), ("same_dimension_", kept)):
        table |= _columns(prefix, [torch.stack([errors[blocks] for blocks in row]) for row in rows])
    eligible = sum(not block.changes_dimension for block in chain)
    for name in table:
        if name.startswith("same_dimension_"):
            table[name][eligible:] = [math.nan] * len(table[name][eligible:])
    summary = {
        "baseline_error": float(errors[whole][0]),
        "baseline_error_standard_error": float(standard_error(errors[whole])),
        "largest_size": table["removed"][-1],
        "largest_size_error": table["error_median"][-1],
        "largest_size_error_standard_error": table["error_median_standard_error"][-1],
    }
    return AnalysisResult(
        summary=summary,
        table=table,
        units={**dict.fromkeys([*summary, *table], "fraction"), "removed": "blocks", "largest_size": "blocks"},
        axes={f"{prefix}error_{name}": "removed" for prefix in ("", "same_dimension_") for name in QUARTILES},
    )


def _errors(
    network: ResidualNetwork, data: ExampleSource, removed: Sequence[frozenset[int]]
) -> dict[frozenset[int], Tensor]:
    """Error without each set of blocks, (1 + resamples,)."""
    different = list(dict.fromkeys(removed))
    variants = [without(network, list(blocks)) for blocks in different]
    run = partial(run_variants, network, variants=variants)
    scores = score_variants(network, data, run, count=len(variants))
    return dict(zip(different, scores.errors(), strict=True))


def _columns(prefix: str, sizes: Sequence[Tensor]) -> dict[str, list[float]]:
    """Over the sets of each size, of errors (sets, 1 + resamples)."""
    columns: dict[str, list[float]] = {}
    for name, part in {**QUARTILES, "minimum": 0.0, "maximum": 1.0}.items():
        reached = torch.stack([errors.quantile(part, dim=0) for errors in sizes])
        columns[f"{prefix}error_{name}"] = reached[:, 0].tolist()
        columns[f"{prefix}error_{name}_standard_error"] = standard_error(reached).tolist()
    return columns
