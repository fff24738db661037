"""Addresses of pages of MLflow's UI, and the views that it keeps of an experiment's runs.

The queries of its pages and the form of its views are MLflow's own and may change with any version. A page that does
not know a query shows the list of runs without it; a server that is not known to read views gets plain addresses.

A view is an experiment's tag `mlflow.sharedViewState.KEY`, opened by the query `viewStateShareKey=KEY`. Its value is
JSON of a name, two times and a state; the state is JSON again, packed by zlib, since a tag takes 5,000 characters.

Checked against MLflow 3.17.2. tests/tracking/test_mlflow_pages.py fails where the UI's code does not name what is used
here; tests/e2e/test_mlflow_views.py looks at the views in a browser.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple
from urllib.parse import quote, urlencode

from resablate.plain_json import read_json
from resablate.tracking.mlflow_store import KIND

READS_VIEWS = (3, 17)
"""From this version of the server on."""
_VIEW_TAG = "mlflow.sharedViewState."
OURS = "resablate-"
"""Begins the keys of the views that resablate files: people save views too."""
_PACKED = "deflate;"
_OWN_SECTION, _FOLDED_SECTION = "resablate", "resablate-folded"
_CHARTS_PER_ROW, _CHART_PIXELS = 1, 560
_LARGEST_TAG = 5000
"""Characters that MLflow takes in an experiment's tag."""
_LARGEST_STATE = 2**20
"""Of a view, unpacked, in bytes: far more than any of ours has, and little memory."""


@dataclass(frozen=True)
class Chart:
    """One chart of a view.

    Args:
        kind: curves over steps, bars of one number a run, or lines through params and metrics.
        title: of the chart.
        metrics: one for curves and bars; those beside the params of parallel coordinates.
        params: of parallel coordinates.
    """

    kind: Literal["LINE", "BAR", "PARALLEL"]
    title: str
    metrics: tuple[str, ...]
    params: tuple[str, ...] = ()


@dataclass(frozen=True)
class View:
    """An arrangement of an experiment's runs.

    Args:
        key: its name in addresses, OURS at its beginning.
        title: its name for people.
        kind: of the runs that it shows.
        columns: of the table, as `param_column`, `metric_column` and `tag_column` name them.
        order_by: such a column.
        charts: nothing but these is drawn, all but the first one folded away; a table where there are none.
        other_sections: groups of metrics, of which MLflow would draw charts by itself.
        widths: pixels of columns that need more room than MLflow gives them.
    """

    key: str
    title: str
    kind: str
    columns: tuple[str, ...]
    order_by: str
    charts: tuple[Chart, ...] = ()
    other_sections: tuple[str, ...] = ()
    widths: Mapping[str, int] = field(default_factory=dict[str, int])


def param_column(name: str) -> str:
    """MLflow's name of a param's column."""
    return f"params.`{name}`"


def metric_column(name: str) -> str:
    """MLflow's name of a metric's column."""
    return f"metrics.`{name}`"


def tag_column(name: str) -> str:
    """MLflow's name of a tag's column."""
    return f"tags.`{name}`"


def section_of(metric: str) -> str:
    """The group of charts in which MLflow draws a metric."""
    return metric.rpartition("/")[0] or "Model metrics"


def charts_path(*experiment_ids: str) -> str:
    """The UI's page that lays the curves of the trials of one experiment, or of several, over each other.

    Sorting by a metric makes MLflow list the trials flat, and so chart them, instead of folded under their sweep.
    """
    query = {
        "compareRunsMode": "CHART",
        "searchFilter": _filter("trial"),
        "orderByKey": metric_column("test_error"),
        "orderByAsc": "true",
    }
    if len(experiment_ids) == 1:
        return _runs_path(experiment_ids[0], query)
    several = json.dumps(list(experiment_ids), separators=(",", ":"))
    return f"/#/compare-experiments/s?{_encoded({'experiments': several, **query})}"


def view_path(experiment_id: str, tags: Mapping[str, str], key: str) -> str:
    """The UI's page of a view that an experiment with these tags keeps."""
    view = _filed(tags, key)
    mode = "CHART" if view and view.charts else "TABLE"
    return _runs_path(experiment_id, {"viewStateShareKey": key, "compareRunsMode": mode})


def view_tags(views: Sequence[View], *, milliseconds: int) -> dict[str, str]:
    """The experiment's tags that keep these views; one too large for a tag is left out.

    Args:
        views: with different keys.
        milliseconds: since 1970: when they were made.
    """
    tags: dict[str, str] = {}
    for view in views:
        assert view.key.startswith(OURS)
        packed = base64.b64encode(zlib.compress(json.dumps(_state(view)).encode(), level=9)).decode()
        envelope = {"name": view.title, "createdAt": milliseconds, "updatedAt": milliseconds, "state": _PACKED + packed}
        text = json.dumps(envelope)
        if len(text) <= _LARGEST_TAG:
            tags[_VIEW_TAG + view.key] = text
    return tags


def filed_views(tags: Mapping[str, str]) -> dict[str, str]:
    """Key -> title of the views of ours that an experiment with these tags keeps, but for damaged ones."""
    return {key: view.title for key in map(_key_of, tags) if key.startswith(OURS) and (view := _filed(tags, key))}


def short_key(key: str) -> str:
    """The key of a view as a person types it: `results`."""
    return key.removeprefix(OURS)


class _Filed(NamedTuple):
    """A view that is kept."""

    title: str
    charts: bool
    """Whether it has any."""


def _key_of(tag: str) -> str:
    return tag.removeprefix(_VIEW_TAG) if tag.startswith(_VIEW_TAG) else ""


def _filed(tags: Mapping[str, str], key: str) -> _Filed | None:
    """The view of this key; None where the tag does not hold what `view_tags` writes."""
    try:
        title = str(read_json(tags[_VIEW_TAG + key])["name"])
        return _Filed(title, "compareRunCharts" in _filed_state(tags, key))
    except (ValueError, TypeError, KeyError, zlib.error):
        return None


def _filed_state(tags: Mapping[str, str], key: str) -> dict[str, Any]:
    packed = str(read_json(tags[_VIEW_TAG + key])["state"]).removeprefix(_PACKED)
    return read_json(zlib.decompressobj().decompress(base64.b64decode(packed), _LARGEST_STATE))


def _state(view: View) -> dict[str, Any]:
    look = {"isReordered": True, "columns": _CHARTS_PER_ROW, "cardHeight": _CHART_PIXELS}
    own = [{"uuid": _OWN_SECTION, "name": view.title, "display": True, **look}]
    if len(view.charts) > 1:  # MLflow asks for the points of what is not folded before it draws anything
        titles = ", ".join(chart.title for chart in view.charts[1:])
        own.append({"uuid": _FOLDED_SECTION, "name": titles, "display": False, **look})
    others = [
        {"uuid": f"{_OWN_SECTION}-{place}", "name": name, "display": False, "isReordered": True}
        for place, name in enumerate(view.other_sections)
    ]
    charts: dict[str, Any] = {
        "compareRunCharts": [_chart(chart, place) for place, chart in enumerate(view.charts)],
        "compareRunSections": [*own, *others],
        "isAccordionReordered": True,  # else MLflow puts its own groups first
        "runsHiddenMode": "SHOWALL",  # else it draws the first ten
        "hideEmptyCharts": True,
    }
    return {
        "searchFilter": _filter(view.kind),
        "orderByKey": view.order_by,
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": list(view.columns),
        "columnOrder": list(view.columns),
        "columnWidths": dict(view.widths),
        **(charts if view.charts else {}),
    }


def _chart(chart: Chart, place: int) -> dict[str, Any]:
    shared = {
        "uuid": f"{_OWN_SECTION}-chart-{place}",
        "type": chart.kind,
        "metricSectionId": _FOLDED_SECTION if place else _OWN_SECTION,
        "deleted": False,
        "isGenerated": False,
        "displayName": chart.title,
        "runsCountToCompare": 1000,
    }
    if chart.kind == "PARALLEL":
        parts = {"selectedParams": list(chart.params), "selectedMetrics": list(chart.metrics), "showAllRuns": True}
        return {**shared, **parts}
    return {
        **shared,
        "metricKey": chart.metrics[0],
        "xAxisKey": "step",
        "useGlobalXaxisKey": False,
        "selectedXAxisMetricKey": "",
        "lineSmoothness": 0,
        "useGlobalLineSmoothing": False,
        "scaleType": "linear",
        "xAxisScaleType": "linear",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "range": {},
    }


def _filter(kind: str) -> str:
    return f"tags.`{KIND}` = '{kind}'"


def _runs_path(experiment_id: str, query: Mapping[str, str]) -> str:
    # Without the last one MLflow's menu is that of language models.
    return f"/#/experiments/{experiment_id}/runs?{_encoded({**query, 'workflowType': 'machine_learning'})}"


def _encoded(query: Mapping[str, str]) -> str:
    return urlencode(query, quote_via=quote)
