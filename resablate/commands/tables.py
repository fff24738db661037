"""Every table by name: what `resablate list` shows."""

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

from resablate.adapters import ADAPTERS, Adapter
from resablate.analyses import ANALYSES, LESION_ARITHMETICS, LESION_DESIGNS, Analysis
from resablate.augmentations import CROP_FILLS
from resablate.checkups import CHECKUPS
from resablate.claims import CLAIMS
from resablate.claims.claim import Claim
from resablate.component import shown_value
from resablate.component_tables import TABLES as COMPONENT_TABLES
from resablate.datasets import NORMALIZATIONS, Dataset
from resablate.figures import FIGURES, Picture
from resablate.model import (
    BLOCKS,
    BOTTLENECK_STRIDES,
    CONVOLUTIONS,
    PROJECTIONS,
    STAGE_PREACTIVATIONS,
    STEMS,
    TRANSITIONS,
)
from resablate.model.stages import BlockKind
from resablate.optimizers import WEIGHT_DECAYS
from resablate.orderings import Ordering
from resablate.registry import Registry, row_functions
from resablate.regularizers import SV_LAYERS, SV_STEMS, SV_TARGETS
from resablate.schedules import WARM_UPS
from resablate.searches import PRUNINGS, SEARCHES
from resablate.spec import TrainSpec
from resablate.training import UNDRAWN, MemoryFormat, Precision

TABLES: Mapping[str, Registry[Any]] = {
    table.table: table
    for table in (
        *COMPONENT_TABLES.values(),
        ANALYSES,
        SEARCHES,
        PRUNINGS,
        ADAPTERS,
        FIGURES,
        CLAIMS,
        BLOCKS,
        TRANSITIONS,
        STAGE_PREACTIVATIONS,
        STEMS,
        PROJECTIONS,
        BOTTLENECK_STRIDES,
        CONVOLUTIONS,
        NORMALIZATIONS,
        CROP_FILLS,
        WARM_UPS,
        WEIGHT_DECAYS,
        UNDRAWN,
        SV_LAYERS,
        SV_STEMS,
        SV_TARGETS,
        LESION_ARITHMETICS,
        LESION_DESIGNS,
        CHECKUPS,
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
            Description(name, str(field.default), field.description or "")
            for name, field in TrainSpec.model_fields.items()
        ]
    rows = TABLES[table]
    return [_row(rows, name, entry) for name, entry in rows.items()]


def _row(table: Registry[Any], name: str, entry: object) -> Description:
    takes = ", ".join(f"{argument}={shown_value(value)}" for argument, value in table.arguments(name).items())
    function = next(iter(row_functions(entry)), getattr(entry, "sampler", entry))
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
        case Adapter():
            return entry.networks
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


def _first_line(entry: object) -> str:
    described = entry if inspect.isclass(entry) or inspect.isfunction(entry) else type(entry)
    return (inspect.getdoc(described) or "").partition("\n")[0]
