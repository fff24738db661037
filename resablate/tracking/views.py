"""The views of a sweep: what varied and what came out, and its curves, whatever it asks."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from resablate.component import Component
from resablate.sweep import Range, SweepSpec
from resablate.tracking.metrics import metric_group
from resablate.tracking.mlflow_pages import (
    OURS,
    Chart,
    View,
    metric_column,
    param_column,
    section_of,
    tag_column,
)
from resablate.tracking.mlflow_store import CELL_KIND, ERROR_WITH_INTERVAL, SEEDS, STATUS

RESULTS, LESIONS, GRADIENTS, SEARCH, PARALLEL = (
    f"{OURS}{name}" for name in ("results", "lesions", "gradients", "search", "parallel")
)
_CURVES = {
    LESIONS: ("lesion curves by shortcut", "lesion", ("error", "loss")),
    GRADIENTS: ("gradient by path length", "path_gradient", ("norm", "contribution")),
}
"""View -> title, analysis, and the columns of its table that are drawn."""
_WIDTHS = {tag_column(ERROR_WITH_INTERVAL): 190}
_MOST_AXES = 12
"""Columns and parallel axes that a window has room for."""


def sweep_views(sweep: SweepSpec, metrics: Collection[str], *, kind: str, shared_params: Collection[str]) -> list[View]:
    """The views that the runs of a sweep can fill.

    Args:
        sweep: the sweep.
        metrics: names of those of its runs.
        kind: of the runs that stand for the sweep: `cell` where it has replicates, else `trial`.
        shared_params: those that every trial has; parallel coordinates leave out a trial without one of theirs.
    """
    params = swept_params(sweep)[:_MOST_AXES]
    varied = tuple(map(param_column, params))
    order = varied[0] if varied else metric_column("test_error")
    others = tuple(sorted({section_of(name) for name in metrics}))
    results = View(RESULTS, "what varied and what came out", kind, (*varied, *_outcomes(kind)), order, widths=_WIDTHS)
    views = [results]
    for key, (title, analysis, columns) in _CURVES.items():
        charts = tuple(_curves(sweep, metrics, analysis, columns))
        if charts:
            views.append(View(key, title, kind, varied, order, charts, others))
    measured = tuple(name for name in ("test_error", *sweep.search.minimize) if name in metrics)
    shared = tuple(name for name in params if name in shared_params)
    if shared and measured:
        parallel = Chart("PARALLEL", "what each trial came to", tuple(dict.fromkeys(measured)), shared)
        searched = sweep.search.method != "grid"
        key, title = (SEARCH, "the search") if searched else (PARALLEL, "the trials")
        title = f"parallel coordinates of {title}"
        views.append(View(key, title, "trial", varied, metric_column(measured[-1]), (parallel,), others))
    return views


def swept_params(sweep: SweepSpec) -> list[str]:
    """The params that vary: fields and arguments of the axes and cases, with the arguments of listed components."""
    found: dict[str, None] = {}
    for name in sweep.swept:
        if name == "seed":
            continue
        found[name] = None
        span = sweep.axes.get(name, ())
        values = [] if isinstance(span, Range) else [*span, *(case.get(name) for case in sweep.cases)]
        for value in values:
            found.update({f"{name}.{part}": None for part in (value.arguments if isinstance(value, Component) else ())})
    return list(found)


def _outcomes(kind: str) -> tuple[str, ...]:
    """The columns of what came out."""
    if kind == CELL_KIND:
        return (
            tag_column(ERROR_WITH_INTERVAL),
            metric_column("test_error"),
            metric_column("n"),
            metric_column("diverged"),
            tag_column(SEEDS),
        )
    return (metric_column("test_error"), metric_column("val_error"), tag_column(STATUS))


def _curves(sweep: SweepSpec, metrics: Collection[str], analysis: str, columns: Collection[str]) -> Iterator[Chart]:
    groups = dict.fromkeys(metric_group(asked) for asked in sweep.questions if asked.analysis.name == analysis)
    # What is asked may have got arguments from a data set, so the metrics themselves say which groups there are.
    known = dict.fromkeys(section_of(name) for name in metrics)
    found = [group for group in known if group in groups or group.partition(" ")[0] == analysis]
    for group in found:
        for column in columns:
            if f"{group}/{column}" in metrics:
                yield Chart("LINE", f"{group}: {column}", (f"{group}/{column}",))
