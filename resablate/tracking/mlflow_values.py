"""Values as MLflow takes them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from resablate.tracking.metrics import MetricPoint

if TYPE_CHECKING:
    from mlflow.entities import Metric

_WRITTEN_OUT = 1e15
"""Whole numbers below it are written without a point, as people write them."""
LONGEST_VALUE = 5000
"""Characters of a param or tag; MLflow takes 6000 of a param. Files hold everything in full."""


def as_metrics(points: Iterable[MetricPoint], *, start: int | None = None) -> list[Metric]:
    """The points at their times after `start`, in milliseconds since 1970; now where None.

    MLflow keeps points that are equal in name, value, step and time once: what is filed again doubles nothing.
    """
    from mlflow.entities import Metric

    begin = int(time.time() * 1000) if start is None else start
    return [Metric(point.name, point.value, begin + int(1000 * point.seconds), point.step) for point in points]


def version_tags(versions: Mapping[str, str]) -> dict[str, str]:
    """One tag for each."""
    return {f"resablate.version.{name}": value for name, value in versions.items()}


def as_texts(values: Mapping[str, object]) -> dict[str, str]:
    """The values as texts that are not too long, written as in a sweep file: `null`, `true`."""
    return {name: cut_text(_text(value)) for name, value in values.items()}


def cut_text(text: str) -> str:
    """The text, with a mark at its end where it was too long."""
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _text(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, float) and value.is_integer() and abs(value) < _WRITTEN_OUT:
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)
