"""The singular values of every convolution.

Source: Sedghi, Gupta & Long, "The Singular Values of Convolutional Layers", ICLR 2019; Zaeemzadeh et al. 2020 for what
they should be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Annotated, cast

import torch
from annotated_types import Gt
from torch import Tensor

from resablate.analyses.interface import TrainedWith, check_dissectable
from resablate.analyses.weights import WEIGHTS
from resablate.datasets import ExampleSource
from resablate.errors import AnalysisError
from resablate.measurement import ANY, PART, POSITIVE, AnalysisResult, Bounds
from resablate.model import ResidualNetwork, evaluation_mode
from resablate.regularizers import SV_TARGETS, Site, find_applied_sites
from resablate.spectral import OperatorTooLarge, largest_singular_value_zero_padded, singular_values

SPECTRUM_BOUNDS: Mapping[str, Bounds] = {
    "*tap_share": PART,
    "rank_deficiency": PART,
    "*condition*": (1.0, math.inf),
    "block": ANY,
    "*": POSITIVE,
}
"""Of its numbers and columns."""
QUANTILES = {"quantile_05": 0.05, "quantile_25": 0.25, "median": 0.5, "quantile_75": 0.75, "quantile_95": 0.95}
"""Column -> the part of the singular values below it."""
_ZERO = 1e-13
"""Singular values below this part of a layer's largest are rounding errors of zero."""
_TARGET = "backward"
"""The default of every regularizer, and the paper's."""
_PLACES = ("layer", "block", "is_stem", "is_transition", "changes_dimension")
_OF_STEM = ("relative_distance", "largest_tap_share")
_CIRCULAR = (
    "largest",
    "smallest",
    *QUANTILES,
    "root_mean_square",
    "condition_number",
    "distance_from_target",
    "relative_distance",
    "rank_deficiency",
)
_UNITS = {
    **dict.fromkeys(("height", "width"), "pixels"),
    **dict.fromkeys(("largest_tap_share", "stem_largest_tap_share"), "fraction"),
}
_SHAPES = ("in_channels", "out_channels", "kernel_size", "stride", "height", "width")


def spectrum(
    network: ResidualNetwork,
    data: ExampleSource,
    *,
    generator: torch.Generator | None = None,
    trained_with: TrainedWith | None = None,
    target: Annotated[str | Annotated[float, Gt(0)] | None, SV_TARGETS] = None,
    weights: Annotated[str, WEIGHTS] = "as_is",
) -> AnalysisResult:
    """How far the singular values of every convolution lie from one another and from a regularizer's target.

    They are those of the convolution as an operator on *circular* images of the size that it sees, stride included,
    exact: borders excepted, what the layer does to the norm of an image. `zero_padded_largest` alone is that of the
    operator with the layer's own padding. A 1x1 convolution of stride 2 looks at one pixel in four, so that further
    singular values are zero whatever its weights are: they count in `rank_deficiency` and nowhere else. A subclass that
    standardizes its weights, or pads on its own, is the convolution that it applies; where that pads more on one side
    than on the other, `kernel_size` counts the zeros that make it even.

    Args:
        network: in whatever mode; only its weights matter.
        data: one tells the size of the images at every convolution.
        generator: draws where the search for `zero_padded_largest` starts, which changes it by less than 1e-4.
        trained_with: tells the target of the regularizer that the network trained with.
        target: the singular value to compare with: a row of SV_TARGETS or the number itself; where None, that of the
            regularizer that the network trained with, and `backward` where there was none.
        weights: a row of WEIGHTS. With `projected` a network that trains with procrustes is measured after one more
            projection, at epoch 0 after its first.

    Returns:
        A row per convolution from the input on, numbered by `layer`: its `block` (-1 outside the blocks) and whether
        that one `changes_dimension`; whether it is the stem (`is_stem`) or changes dimensions outside a branch
        (`is_transition`), which the paper regularizes; its shape and the `height` and `width` of what enters; the
        `largest` and `smallest` singular value, quantiles, `root_mean_square`, and their ratio, the
        `condition_number`, infinite where the smallest is zero; `target` and, as a root mean square over the
        singular values, the `distance_from_target`, and as a part of the target the `relative_distance`; the part of
        them that is zero (`rank_deficiency`); `zero_padded_largest`; and `largest_tap_share`, the part (a fraction) of
        the kernel's energy, the sum of its squared weights, that is in its largest tap: 1 for a 1x1 kernel, at least
        1/9 for a 3x3 one, NaN for a kernel of zeros. Where the stride does not divide the sides of the images and the
        operator is too large to be decomposed whole, all but the target, `zero_padded_largest` and `largest_tap_share`
        is NaN.

        The summary has the worst and the median condition of those that are finite, if there are any, the number of
        layers where it is not, the largest singular value of all, the mean distance from the target over all layers,
        and that over stem and transitions; the relative distance of the stem (`stem_relative_distance`) and the largest
        of the transitions that are 1x1 convolutions (`transition_relative_distance`), which a projection brings to
        the target exactly; and the stem's `stem_largest_tap_share`, to tell a stem that shrinks to one tap; all without
        the `layers_left_out`, those of NaN. Nothing is sampled, so there are no standard errors.

    Raises:
        AnalysisError: if the network has no block or no convolution, a label is none of its classes, or a convolution
            applies no plain one, as `find_applied_sites` says.

    Source: Sedghi, Gupta & Long 2019; Zaeemzadeh et al. 2020 for the target.
    """
    check_dissectable(network, data)
    network = WEIGHTS[weights](network, data, trained_with)
    images, _ = next(data.take(slice(1)).batches(1))
    with evaluation_mode(network):
        sites = find_applied_sites(network, images)
    if not sites:
        raise AnalysisError("a network must have a convolution to have a spectrum, but this one has none")
    compared = _target_of(trained_with) if target is None else target
    rows = [
        {**_place(network, index, site), **_shape(site), **_values(site, compared, generator)}
        for index, site in enumerate(sites)
    ]
    table = {name: [row[name] for row in rows] for name in rows[0]}
    summary = _summary(rows)
    return AnalysisResult(
        summary=summary,
        table=table,
        units={name: _UNITS.get(name, "1") for name in (*summary, *table)},
        axes=dict.fromkeys([name for name in table if name not in (*_PLACES, *_SHAPES)], "layer"),
    )


def _target_of(trained_with: TrainedWith | None) -> str | float:
    target = trained_with.regularizer.values.get("target", _TARGET) if trained_with else _TARGET
    # A regularizer of another package may mean something else by an argument of that name.
    known = target in SV_TARGETS if isinstance(target, str) else isinstance(target, int | float)
    return target if known else _TARGET


def _summary(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    known = [row for row in rows if not math.isnan(row["largest"])]
    conditions = [row["condition_number"] for row in known if math.isfinite(row["condition_number"])]
    bare = [row["distance_from_target"] for row in known if row["is_stem"] or row["is_transition"]]
    summary = {
        "rank_deficient_layers": float(len(known) - len(conditions)),
        "layers_left_out": float(len(rows) - len(known)),
    }
    if known:
        summary["largest_of_all"] = max(row["largest"] for row in known)
        summary["mean_distance_from_target"] = fmean(row["distance_from_target"] for row in known)
    if conditions:
        summary |= {"worst_condition": max(conditions), "median_condition": median(conditions)}
    if bare:
        summary["stem_and_transition_distance"] = fmean(bare)
    stem = [row for row in rows if row["is_stem"]]
    pointwise = [row["relative_distance"] for row in known if row["is_transition"] and row["kernel_size"] == 1]
    summary |= {f"stem_{name}": row[name] for row in stem for name in _OF_STEM if not math.isnan(row[name])}
    if pointwise:
        summary["transition_relative_distance"] = max(pointwise)
    return summary


def _place(network: ResidualNetwork, index: int, site: Site) -> dict[str, float]:
    part, _, rest = site.name.partition(".")
    block = int(rest.partition(".")[0]) if part == "blocks" else -1
    changes = block >= 0 and network.chain[block].changes_dimension
    return dict(
        zip(_PLACES, (index, block, float(site.is_stem), float(site.is_transition), float(changes)), strict=True)
    )


def _shape(site: Site) -> dict[str, float]:
    layer = site.layer
    shape = (layer.in_channels, layer.out_channels, layer.kernel_size[0], site.stride, *site.size)
    return dict(zip(_SHAPES, shape, strict=True))


def _values(site: Site, target: str | float, generator: torch.Generator | None) -> dict[str, float]:
    layer = site.layer
    value = site.target(target)
    return {
        **_circular_values(site, value),
        "largest_tap_share": _largest_tap_share(layer.weight.detach()),
        "target": value,
        "zero_padded_largest": largest_singular_value_zero_padded(
            layer.weight,
            size=site.size,
            stride=cast(tuple[int, int], layer.stride),
            padding=cast(tuple[int, int], layer.padding),
            dilation=cast(tuple[int, int], layer.dilation),
            groups=layer.groups,
            generator=generator,
        ),
    }


def _circular_values(site: Site, target: float) -> dict[str, float]:
    """What is known of the operator on circular images: NaN where it is too large to be decomposed."""
    layer = site.layer
    try:
        # Thousands of small matrices are the work of a processor, wherever the network is.
        every = singular_values(
            layer.weight.detach().cpu(),
            size=site.size,
            stride=site.stride,
            dilation=layer.dilation[0],
            groups=layer.groups,
        )
    except OperatorTooLarge:
        return dict.fromkeys(_CIRCULAR, math.nan)
    values = every[: _reachable(site)]
    largest, smallest = float(values[0]), float(values[-1])
    quantiles = values.quantile(torch.tensor(list(QUANTILES.values()), dtype=values.dtype))
    numbers = (
        largest,
        smallest,
        *quantiles.tolist(),
        _root_mean_square(values),
        largest / smallest if smallest > _ZERO * largest else math.inf,
        _root_mean_square(values - target),
        _root_mean_square(values - target) / target,
        float((every <= _ZERO * largest).double().mean()),
    )
    return dict(zip(_CIRCULAR, numbers, strict=True))


def _reachable(site: Site) -> int:
    """How many singular values can differ from zero: taps that a stride brings to the same pixels meet few of them."""
    layer = site.layer
    met = math.prod(len({step * layer.dilation[0] % site.stride for step in range(k)}) for k in layer.kernel_size)
    pixels = math.prod(-(-side // site.stride) for side in site.size)
    return pixels * min(layer.out_channels, layer.in_channels * met)


def _largest_tap_share(kernel: Tensor) -> float:
    """Of a kernel (out, in, kh, kw); NaN where all is zero."""
    energy = kernel.double().square().sum(dim=(0, 1))
    return float(energy.max() / energy.sum())


def _root_mean_square(values: Tensor) -> float:
    return float(values.square().mean().sqrt())
