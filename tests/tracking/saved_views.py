"""MLflow's saved views, which its pages have since 3.17."""

from importlib.metadata import version

import pytest

from resablate.tracking.mlflow_pages import READS_VIEWS

saved_views = pytest.mark.skipif(
    tuple(map(int, version("mlflow").split(".")[:2])) < READS_VIEWS, reason="this MLflow has none: links are plain"
)
"""Of tests that look at them."""
