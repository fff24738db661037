"""Whether each block keeps the norm of the gradient that comes back through it.

Source: Zaeemzadeh et al., arXiv 1805.07477.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from resablate.analyses.gradient_norms import Part, PartKind, Shape, gradient_norms, measured_convolutions, shapes
from resablate.analyses.interface import TrainedWith, at_least_one, check_dissectable
from resablate.analyses.weights import WEIGHTS
from resablate.datasets import ExampleSource
from resablate.measurement import POSITIVE, AnalysisResult, Bounds
from resablate.model import ResidualNetwork, evaluation_mode
from resablate.training.bootstrap import REPLICATES, standard_error

NORM_BOUNDS: Mapping[str, Bounds] = {"*ratio": POSITIVE}
"""Of its numbers and columns."""
_BATCH = 32
"""Examples whose gradients at all blocks are in memory at once."""
_RATIOS = ("ratio", "mean_ratio", "median_ratio", "median_log_ratio")
_COLUMNS: Mapping[PartKind, Sequence[str]] = {
    "block": _RATIOS,
    "behind_entry": ("ratio", "median_ratio", "median_log_ratio"),
    "transition": ("ratio", "median_ratio", "median_log_ratio"),
}
"""What the table has of each kind of part; the names begin with the kind, but for whole blocks."""


def norm_preservation(
    network: ResidualNetwork,
    data: ExampleSource,
    *,
    generator: torch.Generator,
    trained_with: TrainedWith | None = None,
    examples: Annotated[int, Ge(1)] = 256,
    weights: Annotated[str, WEIGHTS] = "as_is",
) -> AnalysisResult:
    """Norm of the gradient before each block over its norm behind the block, and of parts of it apart.

    The gradient is that of an example's loss E with respect to the block's input x_l and its output x_(l+1), which is
    the input of the next: r = ||dE/dx_l|| / ||dE/dx_(l+1)||, Euclidean; the norm change |ln r| is 0 where it is kept.
    Batch norm is in eval mode, so that examples do not couple. One backward pass gives the gradients at all blocks.

    A block that changes dimensions does several things at once, so two parts of it have a ratio of their own. Behind
    its entry it is without what acts on x before the two sides split: a bare transition (a Procrustes ResNet), a
    pre-activation that both sides share, the pooling of a VGG. Its transition convolution W alone (bare, a projection
    on the shortcut, or a shortcut that convolves) has r = ||W^T g|| / ||g||, where g is the gradient at its output; so
    has the stem's first convolution. Where a bare transition is the whole entry, it and what is behind it multiply to
    the block, example by example.

    Args:
        network: in whatever mode.
        data: usually the training examples.
        generator: draws the examples, and resamples them for the standard error.
        trained_with: tells the regularizer, which `weights` may need.
        examples: examples measured; all where there are fewer.
        weights: a row of WEIGHTS. With `projected` a network that trains with procrustes is measured after one
            projection, as its authors did before training; after epoch 0 one that is a step further than its own.

    Returns:
        A row per `block`: `ratio` of the norms over all examples together, `mean_ratio` and `median_ratio` over the
        examples' own ratios r, and `median_log_ratio`, the median of their norm changes (not less than
        |ln median_ratio|, in which examples above 1 make up for others below). The same but for the mean of what lies
        behind the entry (`behind_entry_ratio`, ...) and of the transition convolution (`transition_ratio`, ...): NaN
        for a block that has none, left out where no block has one. What the block is: whether it `changes_dimension`
        (0 or 1), its `in_channels`, `out_channels`, `in_height` and `out_height` (pixels). A ratio of zero to zero,
        where no gradient comes, is NaN; an example that has none is left out of mean and median.

        The summary has `NAME_largest_log_ratio` and `NAME_mean_log_ratio`, the size of the logarithm of `ratio`, with
        NAME `same_dimension` and `changing_dimension` for the whole blocks that do and do not keep the dimension; and
        `NAME_largest_median_log_ratio` and `NAME_mean_median_log_ratio`, of `median_log_ratio`, for these and for
        `behind_entry` and `transition`. The largest of many noisy numbers is biased upwards, by two of their standard
        errors among 54 equal ones. The stem's convolution has `stem_ratio`, `stem_median_ratio` and
        `stem_median_log_ratio`. What a network does not have is left out. Every number has its `..._standard_error` (by
        bootstrap over examples; NaN for a single one).

    Source: Zaeemzadeh et al., arXiv 1805.07477, experiments on the gradient norm ratio; they do not say how they
        averaged. The parts are this project's.
    """
    at_least_one(examples=examples)
    check_dissectable(network, data)
    network = WEIGHTS[weights](network, data, trained_with)
    chosen = torch.randperm(len(data), generator=generator)[:examples].to(data.device)
    convolutions = measured_convolutions(network)
    with evaluation_mode(network):
        batches = [
            gradient_norms(network, *batch, convolutions=convolutions) for batch in data.take(chosen).batches(_BATCH)
        ]
        seen = shapes(network, next(data.take(slice(1)).batches(1))[0])
    parts = list(batches[0])
    norms = torch.stack([torch.cat([batch[part] for batch in batches], dim=1) for part in parts]).cpu()
    measured = _resampled(norms, generator)
    changing = torch.tensor([block.changes_dimension for block in network.chain])
    columns = _table(parts, measured, count=len(changing))
    numbers = _summary(parts, measured, changing)
    table = {
        "block": list(range(len(changing))),
        **{name: values[:, 0].tolist() for name, values in columns.items()},
        **{f"{name}_standard_error": standard_error(values).tolist() for name, values in columns.items()},
        "changes_dimension": changing.double().tolist(),
        **{name: [float(getattr(shape, name)) for shape in seen] for name in Shape._fields},
    }
    summary = {
        **{name: float(values[0]) for name, values in numbers.items()},
        **{f"{name}_standard_error": float(standard_error(values)) for name, values in numbers.items()},
    }
    pixels = dict.fromkeys(("in_height", "out_height"), "pixels")
    return AnalysisResult(
        summary=summary,
        table=table,
        units={**dict.fromkeys([*summary, *table], "1"), **pixels},
        axes=dict.fromkeys(columns, "block"),
    )


def _table(parts: Sequence[Part], measured: Mapping[str, Tensor], *, count: int) -> dict[str, Tensor]:
    """Every column of the table, (blocks, 1 + resamples): NaN where a block has no such part."""
    columns: dict[str, Tensor] = {}
    for kind, names in _COLUMNS.items():
        rows = [row for row, part in enumerate(parts) if part.kind == kind]
        for name in names if rows else ():
            column = torch.full((count, measured[name].shape[1]), math.nan, dtype=torch.float64)
            column[[parts[row].block for row in rows]] = measured[name][rows]
            columns[name if kind == "block" else f"{kind}_{name}"] = column
    return columns


def _summary(parts: Sequence[Part], measured: Mapping[str, Tensor], changing: Tensor) -> dict[str, Tensor]:
    """The numbers of all blocks together, (1 + resamples,) each."""
    groups = {
        "same_dimension": [row for row, part in enumerate(parts) if part.kind == "block" and not changing[part.block]],
        "changing_dimension": [row for row, part in enumerate(parts) if part.kind == "block" and changing[part.block]],
        "behind_entry": [row for row, part in enumerate(parts) if part.kind == "behind_entry"],
        "transition": [row for row, part in enumerate(parts) if part.kind == "transition"],
    }
    numbers: dict[str, Tensor] = {}
    for name in ("same_dimension", "changing_dimension"):
        numbers |= _sizes(name, "log_ratio", measured["ratio"][groups[name]].log().abs())
    for name, rows in groups.items():
        numbers |= _sizes(name, "median_log_ratio", measured["median_log_ratio"][rows])
    for row, part in enumerate(parts):
        if part.kind == "stem" and not measured["ratio"][row, 0].isnan():
            numbers |= {f"stem_{name}": measured[name][row] for name in ("ratio", "median_ratio", "median_log_ratio")}
    return numbers


def _sizes(group: str, name: str, logs: Tensor) -> dict[str, Tensor]:
    """Of sizes (parts, 1 + resamples) the largest and the mean; nothing where there is none."""
    logs = logs[~logs[:, 0].isnan()]
    return {f"{group}_largest_{name}": logs.amax(dim=0), f"{group}_mean_{name}": logs.mean(dim=0)} if len(logs) else {}


def _resampled(norms: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Every kind of ratio, of norms (parts, 2, B): (parts, 1 + resamples), column 0 over the examples as they are."""
    count = norms.shape[2]
    columns = [_ratios(norms)]
    if count < 2:  # noqa: PLR2004 - a deviation needs two
        columns += [torch.full_like(columns[0], math.nan)] * REPLICATES
    else:
        drawn = torch.randint(count, (REPLICATES, count), generator=generator)
        columns += [_ratios(norms[:, :, row]) for row in drawn]
    return dict(zip(_RATIOS, torch.stack(columns, dim=2), strict=True))


def _ratios(norms: Tensor) -> Tensor:
    """The four of `_RATIOS` of norms before and behind (parts, 2, B): (4, parts)."""
    squares = norms.square().sum(dim=2)
    own = norms[:, 0] / norms[:, 1]
    return torch.stack(
        [
            (squares[:, 0] / squares[:, 1]).sqrt(),
            own.nanmean(dim=1),
            own.nanquantile(0.5, dim=1),
            own.log().abs().nanquantile(0.5, dim=1),
        ]
    )
