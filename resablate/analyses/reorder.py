"""What is lost when blocks change places.

Source: Veit et al. 2016, section 4.2, Figure 5(b).
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from resablate.analyses.interface import QUARTILES, at_least_one, check_dissectable
from resablate.analyses.ranks import rank_correlation
from resablate.datasets import ExampleSource
from resablate.measurement import CORRELATION, PART, POSITIVE, AnalysisResult, Bounds
from resablate.model import Block, ResidualNetwork, Route, run_variants
from resablate.training.bootstrap import score_variants, standard_error

REORDER_BOUNDS: Mapping[str, Bounds] = {
    "*error*": PART,
    "*tau": CORRELATION,
    "*correlation": CORRELATION,
    "*": POSITIVE,
}
"""Of its numbers and columns."""
BINS = 50
"""Bins for each unit of Kendall's tau, which are 0.02 wide: eight to ten over the range of Figure 5(b)."""


def reorder(
    network: ResidualNetwork,
    data: ExampleSource,
    *,
    generator: torch.Generator,
    swaps: Annotated[int, Ge(1)] = 20,
    samples: Annotated[int, Ge(1)] = 20,
    examples: Annotated[int | None, Ge(1)] = None,
) -> AnalysisResult:
    """Error of the network with blocks in another order, against how much of the order is left.

    An order is made by swapping 1, 2, ... random pairs of blocks, one after the other, each drawn from all pairs that
    lie between the same two blocks that change dimensions, so that everything fits. How much is left is Kendall's
    tau over all blocks: 1 for the network as it is, 0 on average for a random order.

    Args:
        network: in whatever mode; evaluated in eval mode, its own order left as it is.
        data: usually the test examples.
        generator: draws the swaps.
        swaps: the largest number of swaps.
        samples: random orders for each number of swaps.
        examples: use only the first so many; all where None.

    Returns:
        A row for each `bin` of tau that an order falls into: its middle `tau` = 1 - 0.02 `bin`, the `count` of orders
        in it, quartiles of their error (fraction), each with its `..._standard_error` as that of a sample of
        examples, by bootstrap; the orders count as given. The summary has the whole network's error, the mean error
        over all orders, the lowest tau, how many blocks can change places, and `disorder_rank_correlation`: Spearman's,
        of 1 - tau and error over the orders, which is 1 where every further disorder costs more; where no block can
        change its place, every order is the network as it is, and there is no mean error and no correlation.

    Raises:
        AnalysisError: if the network has no block, or a label is none of its classes.
        ValueError: if a number is less than 1.

    Source: Veit et al. 2016, section 4.2 and Figure 5(b); the numbers of swaps and orders are not published.
    """
    at_least_one(swaps=swaps, samples=samples, examples=examples)
    chosen = data.take(slice(examples))
    check_dissectable(network, chosen)
    chain = network.chain
    pairs = swappable_pairs(chain)
    itself = tuple(range(len(chain)))
    orders = [shuffled(len(chain), pairs, count, generator) for count in range(1, swaps + 1) for _ in range(samples)]
    errors = _errors(network, chosen, [itself, *orders])
    bins: dict[int, list[Tensor]] = {}
    for order in orders:
        bins.setdefault(tau_bin(order), []).append(errors[order])
    rows = {place: torch.stack(bins[place]) for place in sorted(bins)}
    quartiles = {
        f"error_{name}": torch.stack([errors.quantile(part, dim=0) for errors in rows.values()])
        for name, part in QUARTILES.items()
    }
    table = {
        "bin": [float(place) for place in rows],
        "tau": [1 - place / BINS for place in rows],
        "count": [float(len(errors)) for errors in rows.values()],
        **{name: errors[:, 0].tolist() for name, errors in quartiles.items()},
        **{f"{name}_standard_error": standard_error(errors).tolist() for name, errors in quartiles.items()},
    }
    sampled = {"baseline_error": errors[itself]}
    if pairs:  # else the mean would be that of the network as it is, and pass for robustness
        every = torch.stack([errors[order] for order in orders])
        disorder = torch.tensor([1 - kendall_tau(order) for order in orders], dtype=torch.float64)
        sampled["mean_error"] = every.mean(dim=0)
        sampled["disorder_rank_correlation"] = rank_correlation(disorder.unsqueeze(1).expand_as(every), every)
    summary = {
        **{name: float(values[0]) for name, values in sampled.items()},
        **{f"{name}_standard_error": float(standard_error(values)) for name, values in sampled.items()},
        "lowest_tau": min(kendall_tau(order) for order in orders),
        "swappable_blocks": float(len({block for pair in pairs for block in pair})),
    }
    correlation = [name for name in summary if name.startswith("disorder")]
    plain = dict.fromkeys(("bin", "tau", "count", "lowest_tau", *correlation), "1")
    return AnalysisResult(
        summary=summary,
        table=table,
        units={**dict.fromkeys([*summary, *table], "fraction"), **plain, "swappable_blocks": "blocks"},
        axes=dict.fromkeys(quartiles, "bin"),
    )


def swappable_pairs(chain: Sequence[Block]) -> list[tuple[int, int]]:
    """The pairs of blocks with none that changes dimensions among or between them: they fit each other's place."""
    stage = 0
    stages: dict[int, list[int]] = {}
    for place, block in enumerate(chain):
        stage += block.changes_dimension
        if not block.changes_dimension:
            stages.setdefault(stage, []).append(place)
    return [pair for places in stages.values() for pair in combinations(places, 2)]


def shuffled(count: int, pairs: Sequence[tuple[int, int]], swaps: int, generator: torch.Generator) -> tuple[int, ...]:
    """The order of `count` blocks after `swaps` swaps of places drawn from `pairs`; as it was where there are none."""
    order = list(range(count))
    if pairs:
        for drawn in torch.randint(len(pairs), (swaps,), generator=generator, device=generator.device).tolist():
            one, other = pairs[drawn]
            order[one], order[other] = order[other], order[one]
    return tuple(order)


def kendall_tau(order: Sequence[int]) -> float:
    """Kendall's rank correlation of `order` with the sorted one: 1 - 4 inversions / (n (n - 1)); 1 for one block."""
    return 1 - 4 * _inversions(order) / max(1, len(order) * (len(order) - 1))


def tau_bin(order: Sequence[int]) -> int:
    """The bin of the order's tau: 0 from 0.99 to 1, then 0.02 wide. In whole numbers, so that no edge is rounded."""
    whole = max(1, len(order) * (len(order) - 1))
    return (8 * BINS * _inversions(order) + whole) // (2 * whole)


def _inversions(order: Sequence[int]) -> int:
    return sum(before > after for before, after in combinations(order, 2))


def _errors(
    network: ResidualNetwork, data: ExampleSource, orders: Sequence[tuple[int, ...]]
) -> dict[tuple[int, ...], Tensor]:
    """Error in each order of blocks, (1 + resamples,)."""
    different = list(dict.fromkeys(orders))
    variants = [[(block, Route.BOTH) for block in order] for order in different]
    run = partial(run_variants, network, variants=variants)
    scores = score_variants(network, data, run, count=len(variants))
    return dict(zip(different, scores.errors(), strict=True))
