from pathlib import Path
from urllib.parse import parse_qs, urlparse

import mlflow
import pytest

from resablate.tracking.mlflow_pages import Chart, View, charts_path, filed_views, view_path, view_tags
from tests.tracking.saved_views import saved_views

CHARTS = (Chart("LINE", "lesion: error", ("lesion/error",)), Chart("PARALLEL", "all", ("test_error",), ("depth",)))
VIEW = View(
    "resablate-lesions",
    "lesion curves",
    "cell",
    ("params.`depth`",),
    "params.`depth`",
    CHARTS,
    ("train", "Model metrics"),
)


@pytest.fixture(scope="module")
def code() -> str:
    scripts = Path(mlflow.__file__).parent / "server" / "js" / "build" / "static" / "js"
    return "".join(file.read_text(encoding="utf-8") for file in scripts.glob("*.js"))


def test_the_ui_knows_the_queries_of_its_pages(code: str) -> None:
    """Fails with a version of MLflow whose pages take other queries."""
    tags = view_tags([VIEW], milliseconds=0)
    for path, page in (
        (charts_path("3"), "/experiments/3/runs?"),
        (charts_path("3", "5"), "/compare-experiments/s?"),
        (view_path("3", tags, VIEW.key), "/experiments/3/runs?"),
    ):
        fragment = urlparse(path).fragment
        assert fragment.startswith(page)
        assert page.split("/")[1] in code
        queries = parse_qs(urlparse(fragment).query)
        assert queries["compareRunsMode"] == ["CHART"]
        assert [query for query in queries if query not in code] == []


def test_the_charts_of_several_experiments_name_each() -> None:
    query = parse_qs(urlparse(urlparse(charts_path("3", "5")).fragment).query)
    assert query["experiments"] == ['["3","5"]']


@saved_views
def test_the_ui_knows_what_a_view_is_made_of(code: str) -> None:
    """Fails with a version of MLflow that keeps views in another form."""
    from resablate.tracking import mlflow_pages

    [(tag, envelope)] = view_tags([VIEW], milliseconds=7).items()
    assert tag == "mlflow.sharedViewState.resablate-lesions"
    assert '"mlflow.sharedViewState."' in code
    assert "Invalid saved-view envelope: expected an object with a string `name`, number `createdAt`" in code
    assert '"deflate;"' in code
    state = mlflow_pages._filed_state({tag: envelope}, VIEW.key)  # pyright: ignore[reportPrivateUsage]
    [line, parallel] = state["compareRunCharts"]
    sections = state["compareRunSections"]
    for part in (state, line, parallel, *sections):
        assert [name for name in part if name not in code] == []
    for value in ("SHOWALL", "LINE", "PARALLEL"):
        assert f'{value}="' in code or f'"{value}"' in code
    assert [section["display"] for section in sections] == [True, False, False, False], "the first chart alone is open"
    assert [chart["metricSectionId"] for chart in (line, parallel)] == [section["uuid"] for section in sections[:2]]


def test_views_of_ours_are_found_among_those_of_people() -> None:
    tags = view_tags([VIEW], milliseconds=0) | {"mlflow.sharedViewState.4f2a": "deflate;somebody's", "note": "x"}
    assert filed_views(tags) == {"resablate-lesions": "lesion curves"}


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "5", "{}", "[" * 100_000, '{"name": "x", "state": "deflate;eJw="}', '{"name": "x", "state": 5}'],
)
def test_a_damaged_view_is_passed_over(text: str) -> None:
    [tag] = view_tags([VIEW], milliseconds=0)
    assert filed_views({tag: text}) == {}


def test_a_view_that_is_too_large_for_a_tag_is_left_out() -> None:
    import random

    names = tuple(f"params.`{random.Random(place).random()}`" for place in range(600))
    assert view_tags([View("resablate-wide", "wide", "trial", names, names[0])], milliseconds=0) == {}
