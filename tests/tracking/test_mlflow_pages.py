from pathlib import Path
from urllib.parse import parse_qs, urlparse

import mlflow

from resablate.tracking.mlflow_pages import charts_path


def test_the_ui_knows_the_queries_of_its_pages() -> None:
    """Fails with a version of MLflow whose pages take other queries."""
    fragment = urlparse(charts_path("3")).fragment
    assert fragment.startswith("/experiments/3/runs?")
    queries = parse_qs(urlparse(fragment).query)
    assert queries["compareRunsMode"] == ["CHART"]
    scripts = Path(mlflow.__file__).parent / "server" / "js" / "build" / "static" / "js"
    code = "".join(file.read_text(encoding="utf-8") for file in scripts.glob("*.js"))
    assert [query for query in queries if query not in code] == []
