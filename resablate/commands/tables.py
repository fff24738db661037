"""Every table by name: what `resablate list` shows."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from resablate.analyses import ANALYSES, LESION_ARITHMETICS, LESION_DESIGNS, Analysis
from resablate.claims import CLAIMS
from resablate.claims.claim import Claim
from resablate.datasets import DATASETS, NORMALIZATIONS, Dataset
from resablate.figures import FIGURES, Picture
from resablate.model import BLOCKS, NETWORKS, STAGE_PREACTIVATIONS, TRANSITIONS
from resablate.model.stages import BlockKind
from resablate.orderings import ORDERINGS, Ordering
from resablate.registry import Registry, keyword_defaults
from resablate.regularizers import REGULARIZERS, SV_LAYERS, SV_STEMS
from resablate.searches import PRUNINGS, SEARCHES
from resablate.shortcuts import SHORTCUTS
from resablate.spec import TrainSpec
from resablate.training import (
    AUGMENTATIONS,
    BLOCK_SAMPLINGS,
    CROP_FILLS,
    MEMORY_FORMATS,
    PRECISIONS,
    SCHEDULES,
    WEIGHT_DECAYS,
    MemoryFormat,
    Precision,
)

TABLES: Mapping[str, Registry[Any]] = {
    table.table: table
    for table in (
        NETWORKS,
        SHORTCUTS,
        ORDERINGS,
        BLOCKS,
        TRANSITIONS,
        STAGE_PREACTIVATIONS,
        DATASETS,
        NORMALIZATIONS,
        AUGMENTATIONS,
        CROP_FILLS,
        SCHEDULES,
        WEIGHT_DECAYS,
        PRECISIONS,
        MEMORY_FORMATS,
        BLOCK_SAMPLINGS,
        REGULARIZERS,
        SV_LAYERS,
        SV_STEMS,
        ANALYSES,
        LESION_ARITHMETICS,
        LESION_DESIGNS,
        SEARCHES,
        PRUNINGS,
        FIGURES,
        CLAIMS,
    )
}


class Description(NamedTuple):
    """One row for people."""

    name: str
    takes: str
    text: str


def describe(table: str) -> list[Description]:
    """The rows of `table`, or the fields of a trial for `fields`.

    Args:
        table: a key of TABLES, or `fields`.
    """
    if table == "fields":
        return [
            Description(name, repr(field.get_default(call_default_factory=True)), field.description or "")
            for name, field in TrainSpec.model_fields.items()
        ]
    return [_row(name, entry) for name, entry in TABLES[table].items()]


def _row(name: str, entry: object) -> Description:
    functions = [getattr(entry, part, None) for part in ("run", "build", "survival", "sampler")]
    function = next((part for part in functions if part), entry)
    takes = _knobs(function) if callable(function) else ""
    return Description(name, takes, _text(entry, function))


def _text(entry: object, function: object) -> str:  # noqa: PLR0911 - a return for each kind of row
    match entry:
        case str():
            return entry
        case Ordering():
            return f"branch: {entry.branch}; after the addition: {entry.after_add or 'nothing'} ({entry.source})"
        case BlockKind():
            kernels = ", ".join(f"{side}x{side}" for side in entry.kernels)
            return f"{kernels}; {entry.expansion} times the width comes out ({entry.source})"
        case Dataset():
            shape = f"{entry.channels}x{entry.size[0]}x{entry.size[1]}"
            counts = f"{entry.train_count:,} + {entry.test_count:,} images of {shape}"
            return f"{counts}, {entry.num_classes} classes ({entry.source})"
        case Precision() | MemoryFormat():
            return entry.text
        case Picture():
            return entry.title
        case Claim():
            return f"{entry.statement} ({entry.source})"
        case Analysis():
            return f"{_first_line(function)} ({entry.source})"
        case _:
            return _first_line(function)


def _knobs(function: Callable[..., object]) -> str:
    takes = {name: value for name, value in keyword_defaults(function).items() if name != "generator"}
    return ", ".join(f"{name}={value}" for name, value in takes.items())


def _first_line(entry: object) -> str:
    described = entry if inspect.isclass(entry) or inspect.isfunction(entry) else type(entry)
    return (inspect.getdoc(described) or "").partition("\n")[0]
