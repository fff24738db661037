"""Pages of the MLflow UI, behind its passwords, as a headless browser shows them.

    . .cluster/env && python -m tests.e2e.mlflow_pages quickstart

signs in to the server of `make cluster`, opens the pages on a sweep that it holds, and writes pictures of them to
reports/mlflow_ui.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from resablate.tracking import open_tracker
from resablate.tracking.mlflow_reader import MlflowReader
from resablate.tracking.mlflow_store import MlflowStore
from resablate.tracking.ui import charts_path

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FOLDER = Path(__file__).parents[2] / "reports" / "mlflow_ui"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu",
]
SECONDS = 60
SETTLE_SECONDS = 5


@dataclass
class SweepPages:
    """The pages of one sweep on the server that the environment names."""

    page: Page
    sweep: str

    def __post_init__(self) -> None:
        uri = os.environ["MLFLOW_TRACKING_URI"]
        self.server = uri.rstrip("/")
        self.experiment = MlflowReader(MlflowStore(uri)).sweeps()[self.sweep]
        self.record = open_tracker(uri).load_sweep(self.sweep)

    def experiments(self) -> None:
        """The list of sweeps."""
        self.page.goto(f"{self.server}/#/experiments?workflowType=machine_learning")
        self.page.get_by_role("link", name=self.sweep, exact=True).wait_for()

    def charts(self) -> None:
        """The curves of all trials over each other."""
        self.page.goto(f"{self.server}{charts_path(self.experiment)}")
        trials = len(self.record.results)
        self.page.wait_for_function(f"() => document.body.innerText.includes('{trials} matching runs')")
        self._reconcile()

    def curves(self, metric: str) -> dict[str, tuple[list[float], list[float]]]:
        """Name -> x and y of the lines that the chart of this metric draws."""
        plot = self.card(metric).locator(".js-plotly-plot")
        plot.wait_for()
        drawn: Any = plot.evaluate("plot => plot.data.map(line => [line.name, Array.from(line.x), Array.from(line.y)])")
        return {name: (x, y) for name, x, y in drawn}

    def card(self, metric: str) -> Any:
        """The chart of a metric."""
        heading = self.page.get_by_role("heading", name=metric, exact=True)
        return self.page.get_by_test_id("experiment-view-compare-runs-card").filter(has=heading)

    def show_all(self) -> None:
        """Draw the curves of every trial: by itself MLflow draws those of the first ten."""
        self.page.get_by_role("button", name="Toggle visibility of runs").click()
        self.page.get_by_text("Show all runs").click()
        self._reconcile()

    def enlarge(self, metric: str) -> None:
        """One chart over the whole window."""
        self.card(metric).locator("[data-component-id=fullscreen_button_chartcard]").click()
        self._reconcile()

    def compare(self) -> None:
        """The page that lays the trials side by side."""
        runs = quote(json.dumps(list(self.record.run_ids.values())))
        experiments = quote(json.dumps([self.experiment]))
        self.page.goto(
            f"{self.server}/#/compare-runs?runs={runs}&experiments={experiments}&workflowType=machine_learning"
        )
        self.page.get_by_text("Run details").first.wait_for()
        self._reconcile()

    def compare_by(self, metric: str) -> None:
        """Draw this metric beside the parameters that differ: by itself MLflow takes the first of the alphabet."""
        box = self.page.get_by_role("combobox").nth(1)
        box.press("Backspace")
        box.fill(metric)
        box.press("Enter")
        box.press("Escape")
        self.page.get_by_role("switch").first.click()  # show diff only
        self._reconcile()

    def _reconcile(self) -> None:
        """A chart is drawn some time after its frame, and the page goes on asking for new numbers for ever."""
        self.page.locator(".js-plotly-plot").first.wait_for()
        self.page.wait_for_timeout(1000 * SETTLE_SECONDS)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The Chromium of this machine, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def signed_in(browser: Browser, *, height: int = 1200) -> Page:
    """An empty window that knows the password."""
    context = browser.new_context(
        viewport={"width": 1600, "height": height},
        http_credentials={
            "username": os.environ["MLFLOW_TRACKING_USERNAME"],
            "password": os.environ["MLFLOW_TRACKING_PASSWORD"],
        },
    )
    # MLflow's assistant opens itself over a quarter of the window when it is first seen.
    context.add_init_script(
        "localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false');"
        "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');"
    )
    page = context.new_page()
    page.set_default_timeout(SECONDS * 1000)
    return page


def take_pictures(browser: Browser, sweep: str, folder: Path) -> None:
    """Pictures of the pages of a sweep."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = SweepPages(signed_in(browser), sweep)
    pages.experiments()
    pages.page.screenshot(path=folder / "experiments.png")
    pages.charts()
    pages.show_all()
    pages.page.screenshot(path=folder / "charts.png")
    pages.enlarge("lesion/error")
    pages.page.screenshot(path=folder / "lesion.png")
    pages.compare()
    pages.compare_by("test_error")
    pages.page.screenshot(path=folder / "compare.png")


if __name__ == "__main__":
    with chromium() as opened:
        take_pictures(opened, sys.argv[1] if sys.argv[1:] else "quickstart", FOLDER)
