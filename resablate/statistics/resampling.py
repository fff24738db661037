"""Medians and other statistics of examples, where no formula gives the examples' part of the variance.

The seeds' part is that of one statistic per training, by t. The examples' part is found by resampling the test
examples, the same for all trainings; what each training's own resampling adds is taken off, as `overlap` is for means.
So a bootstrap over two or three seeds, which covers far less than it says, is never made. A maximum is biased however
it is resampled (the largest of 54 equal blocks reads 1.30 times any of them): split the examples, find the largest on
one half and measure it on the other.

Source: Davison & Hinkley, "Bootstrap Methods and their Application", 1997, section 2.3; Sellam et al., "The
MultiBERTs", ICLR 2022 (multi-bootstrap).
"""

from collections.abc import Callable, Sequence

import numpy as np

from resablate.statistics.argument_rules import check_count
from resablate.statistics.contrasts import contrast
from resablate.statistics.estimate import Array, Estimate
from resablate.statistics.sample import Sample

RESAMPLES = 400
"""The sd of a variance from so many is 7 %."""
BLOCK = 2**22
"""Numbers that are resampled at once."""

Statistic = Callable[[Array], Array]


def resampled(
    cells: Sequence[Sample],
    weights: Sequence[float],
    statistic: Statistic,
    *,
    generator: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Estimate:
    """The sum over cells of weight x mean over seeds of `statistic`.

    Args:
        cells: of outcomes (seeds, examples); all on the same examples. One report, not many worlds.
        weights: one for each cell.
        statistic: (..., examples) -> (...), such as `lambda x: np.median(x, axis=-1)`; smooth, not a maximum.
        generator: what the resampling draws from.
        resamples: how many sets of examples are drawn.

    Raises:
        ValueError: if a cell has no outcomes, examples differ, or resamples are fewer than 2.
    """
    check_count("resamples", resamples, least=2)
    stacked = [_outcomes(cell) for cell in cells]
    names = {(cell.examples, outcomes.shape[-1]) for cell, outcomes in zip(cells, stacked, strict=True)}
    if len(names) > 1 or (len(cells) > 1 and next(iter(names))[0] is None):
        raise ValueError(f"cells are resampled on the same test examples, but got {sorted(map(str, names))}")
    examples = stacked[0].shape[-1]
    per_seed = [Sample.of_numbers(statistic(own), seeds=cell.seeds) for cell, own in zip(cells, stacked, strict=True)]
    base = contrast(per_seed, weights, pairing="none")
    at_once = max(1, BLOCK // max(own.size for own in stacked))
    draws: list[list[Array]] = [[] for _ in cells]
    for start in range(0, resamples, at_once):
        places = generator.integers(examples, size=(min(at_once, resamples - start), examples))
        for own, outcomes in zip(draws, stacked, strict=True):
            own.append(statistic(outcomes[:, places]).T)
    own_variance = _own_variance([np.concatenate(own) for own in draws], weights)
    return Estimate(
        base.value, base.seed_variance, base.seed_df, base.pooled_df, base.seed_mix, own_variance, examples - 1.0,
        base.seeds, examples, f"{resamples} resamples of the test examples, {base.method.split(',')[0]}",
    )  # fmt: skip


def _own_variance(draws: Sequence[Array], weights: Sequence[float]) -> Array:
    """From (resamples, seeds) statistics of each cell: the examples' part, less what seeds have of it already."""
    sums = sum((weight * drawn.mean(axis=-1) for weight, drawn in zip(weights, draws, strict=True)), start=np.zeros(()))
    whole = np.asarray(sums).var(ddof=1)
    shared = 0.0
    for weight, drawn in zip(weights, draws, strict=True):
        count = drawn.shape[-1]
        if count > 1:
            # var of one training less var of the mean of all = (1 - 1/n) of what is each training's own.
            alone, together = drawn.var(axis=0, ddof=1).mean(), drawn.mean(axis=-1).var(ddof=1)
            shared += weight**2 * max(alone - together, 0.0) / (count - 1)
    return np.asarray(max(whole - shared, 0.0))


def _outcomes(cell: Sample) -> Array:
    if cell.outcomes is None or cell.outcomes.ndim != _ONE_REPORT:
        raise ValueError("resampling needs outcomes of the shape (seeds, examples)")
    return cell.outcomes


_ONE_REPORT = 2
