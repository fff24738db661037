"""Addresses of pages of MLflow's UI.

The queries of its pages are MLflow's own and may change with any version. A page that does not know one shows the list
of runs without it.

Checked against MLflow 3.17.2. tests/tracking/test_mlflow_pages.py fails where the UI's code does not name a query;
tests/e2e/test_mlflow_pages.py looks at the page in a browser.
"""

from urllib.parse import quote, urlencode

from resablate.redaction import redact
from resablate.storage.locations import tracking_uri
from resablate.tracking.mlflow_store import KIND, MlflowStore


def charts_path(experiment_id: str) -> str:
    """The UI's page that lays the curves of an experiment's trials over each other.

    Sorting by a metric makes MLflow list the trials flat, and so chart them, instead of folded under their sweep.
    """
    query = {
        "compareRunsMode": "CHART",
        "searchFilter": f"tags.`{KIND}` = 'trial'",
        "orderByKey": "metrics.`test_error`",
        "orderByAsc": "true",
        "workflowType": "machine_learning",  # else MLflow's menu is that of language models
    }
    return f"/#/experiments/{experiment_id}/runs?{urlencode(query, quote_via=quote)}"


def ui_hint(store: MlflowStore) -> str:
    """How to look at the records, in one line."""
    if not store.database:
        return f"open {redact(store.uri)}"
    option = "" if store.uri == tracking_uri() else f" --tracking-uri {store.uri}"
    return f"{store.database} (to look at them: resablate ui{option})"
