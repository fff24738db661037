"""The singular values of linear layers, and of what attention's heads write of what they read.

Source: Elhage et al., "A Mathematical Framework for Transformer Circuits", 2021, for the value-output maps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, median
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from resablate.analyses.interface import check_dissectable
from resablate.datasets import ExampleSource
from resablate.errors import AnalysisError
from resablate.measurement import ANY, POSITIVE, AnalysisResult, Bounds
from resablate.model import ResidualNetwork

LINEAR_SPECTRUM_BOUNDS: Mapping[str, Bounds] = {
    "*condition*": (1.0, math.inf),
    "block": ANY,
    "head": ANY,
    "*": POSITIVE,
}
"""Of its numbers and columns."""
_ZERO = 1e-13
"""Singular values below this part of a map's largest are rounding errors of zero."""
_VALUES = ("largest", "smallest", "median", "root_mean_square", "condition_number", "stable_rank")


class _Map(NamedTuple):
    """A linear map of a network: right(left(x))."""

    block: int
    head: int
    """Counted from 0; -1 where the map is a layer."""
    factors: Sequence[Tensor]
    """Matrices (out, in), the first applied last."""


def linear_spectrum(
    network: ResidualNetwork, data: ExampleSource, *, generator: torch.Generator | None = None
) -> AnalysisResult:
    """Singular values of every linear layer, and of every attention head's value-output map.

    A head reads x by W_V and writes by its columns of W_O: whatever it attends to, W_O W_V is what it does to it. That
    is a map of the width onto itself whose rank is at most the head's; the singular values that can differ from zero
    are measured.

    Args:
        network: in whatever mode; only its weights matter.
        data: not used but for a check of its labels.
        generator: not used; the analysis draws nothing.

    Returns:
        A row per map, numbered by `map` from the input on: its `block` (-1 outside the blocks), its `head` (-1 for a
        layer), `in_features` and `out_features`; the `largest`, the `smallest` and the `median` singular value, their
        `root_mean_square`, the `condition_number`, infinite where the smallest is zero, and the `stable_rank`, the sum
        of their squares over the largest square. The summary has the largest of all layers and their median condition
        (of those that are finite), and the same of the heads (`heads_largest`, ...) where there are any. Nothing is
        sampled, so there are no standard errors.

    Raises:
        AnalysisError: if the network has no block or no linear layer, or a label is none of its classes.

    Source: Elhage et al. 2021 for value-output maps. The maps are found in nn.MultiheadAttention and in modules with
        `qkv` and `proj`, or `query`, `key` and `value`, or `q_proj`, `k_proj`, `v_proj` and an output layer.
    """
    check_dissectable(network, data)
    maps = list(_maps(network))
    if not maps:
        raise AnalysisError("a network must have a linear layer to have a spectrum of them, but this one has none")
    rows = [_row(index, one) for index, one in enumerate(maps)]
    summary: dict[str, float] = {}
    for prefix, part in (("", [r for r in rows if r["head"] < 0]), ("heads_", [r for r in rows if r["head"] >= 0])):
        finite = [row["condition_number"] for row in part if math.isfinite(row["condition_number"])]
        if part:
            summary |= {f"{prefix}largest": max(row["largest"] for row in part)}
            summary |= {f"{prefix}mean_stable_rank": fmean(row["stable_rank"] for row in part)}
        if finite:
            summary[f"{prefix}median_condition"] = median(finite)
    table = {name: [row[name] for row in rows] for name in rows[0]}
    return AnalysisResult(
        summary={f"{name}_of_layers" if not name.startswith("heads_") else name: v for name, v in summary.items()},
        table=table,
        units=dict.fromkeys([*(f"{name}_of_layers" for name in summary), *summary, *table], "1"),
        axes=dict.fromkeys(_VALUES, "map"),
    )


def _row(index: int, one: _Map) -> dict[str, float]:
    values = _singular_values(one.factors)
    largest, smallest = float(values[0]), float(values[-1])
    squares = values.square()
    found = (
        largest,
        smallest,
        float(values.quantile(0.5)),
        float(squares.mean().sqrt()),
        largest / smallest if smallest > _ZERO * largest else math.inf,
        float(squares.sum() / squares[0]) if largest else 0.0,
    )
    shape = {"in_features": float(one.factors[-1].shape[1]), "out_features": float(one.factors[0].shape[0])}
    return {"map": index, "block": one.block, "head": one.head, **shape, **dict(zip(_VALUES, found, strict=True))}


def _singular_values(factors: Sequence[Tensor]) -> Tensor:
    """Of a product, in double precision, largest first: as many as the smallest side of any factor."""
    matrices = [factor.detach().double().cpu() for factor in factors]
    if len(matrices) == 1:
        return torch.linalg.svdvals(matrices[0])
    # Thin factors are brought to triangles first, so that no matrix of the full width is decomposed.
    outer, inner = torch.linalg.qr(matrices[0]).R, torch.linalg.qr(matrices[1].mT).R
    return torch.linalg.svdvals(outer @ inner.mT)


def _maps(network: ResidualNetwork) -> Iterator[_Map]:
    seen: set[nn.Module] = set()
    for name, module in network.named_modules():
        part, _, rest = name.partition(".")
        block = int(rest.partition(".")[0]) if part == "blocks" and rest else -1
        if isinstance(module, nn.Linear) and module not in seen:
            seen.add(module)
            yield _Map(block, -1, [module.weight])
        for head, factors in enumerate(head_maps(module)):
            yield _Map(block, head, factors)


def head_maps(module: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    """Of each head, its columns of the output weights (width, d) and its rows of the value weights (d, width).

    Nothing where `module` is no attention that is known.
    """
    heads = next((n for n in ("num_heads", "num_attention_heads") if isinstance(getattr(module, n, None), int)), None)
    count: Any = getattr(module, heads) if heads else 0
    value, output = _value_and_output(module)
    if value is None or output is None or not count or value.shape[0] % count or output.shape[1] != value.shape[0]:
        return
    yield from zip(output.chunk(count, dim=1), value.chunk(count, dim=0), strict=True)


def _value_and_output(module: nn.Module) -> tuple[Tensor | None, Tensor | None]:
    parts: dict[str, nn.Module] = dict(module.named_children())
    if isinstance(module, nn.MultiheadAttention):
        # One or the other, by whether values have a width of their own; a map that is not there is None.
        fused = dict(module.named_parameters(recurse=False)).get("in_proj_weight")
        return (module.v_proj_weight if fused is None else fused.chunk(3)[2]), module.out_proj.weight
    outputs = [parts[name] for name in ("proj", "out_proj", "o_proj") if isinstance(parts.get(name), nn.Linear)]
    output = outputs[0].get_parameter("weight") if outputs else None
    if isinstance(qkv := parts.get("qkv"), nn.Linear) and qkv.out_features % 3 == 0:
        return qkv.weight.chunk(3)[2], output
    for name in ("value", "v_proj", "v"):
        if isinstance(layer := parts.get(name), nn.Linear):
            return layer.weight, output
    return None, None
