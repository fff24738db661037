"""The views of a sweep as a headless browser shows them: what they list, and what they draw."""

import re
from pathlib import Path

import pytest

from resablate.tracking import open_tracker
from tests.benchmarks.views import SEEDS, SHORTCUTS, file_sweep, opened, view_addresses, window
from tests.e2e.mlflow_pages import CHROMIUM, chromium
from tests.tracking.databases import make_database
from tests.tracking.servers import MlflowServer

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:playwright.*"),
]


def test_each_view_shows_what_it_is_called_after(tmp_path: Path) -> None:
    if CHROMIUM is None:
        pytest.skip("no Chromium here; the tests steer no other browser")
    uri = make_database(tmp_path)
    sweep = file_sweep(uri, len(SHORTCUTS) * SEEDS)
    assert len(open_tracker(uri).load_sweep(sweep.name).results) == sweep.grid_size
    with MlflowServer(tmp_path) as server, chromium() as browser:
        addresses = view_addresses(server.uri, sweep.name)
        assert list(addresses) == ["results", "lesions", "gradients", "parallel", "trials"]
        page = window(browser).new_page()
        opened(page, "results", addresses["results"])
        shown = page.inner_text("body")
        assert f"{len(SHORTCUTS)} matching runs" in shown
        assert "what varied and what came out" in shown
        assert len(re.findall(r"\d+\.\d\d % \(\d+\.\d\d to \d+\.\d\d\)", shown)) == len(SHORTCUTS)
        assert f"{SEEDS} of {SEEDS}" in shown

        opened(page, "lesions", addresses["lesions"])
        plot = page.locator(".js-plotly-plot").first
        drawn = plot.evaluate("plot => plot.data.map(line => [line.name, line.y.length])")
        assert {length for _, length in drawn} == {9}, "one point a block"
        assert len({name for name, _ in drawn}) == len(SHORTCUTS), "one curve a cell"

        opened(page, "parallel", addresses["parallel"])
        assert f"{sweep.grid_size} matching runs" in page.inner_text("body")
