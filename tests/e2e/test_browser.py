"""The report and MLflow's charts, as a browser shows them."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from resablate.plan import plan_sweep
from resablate.report import write_report
from resablate.scheduling import run_sweep
from resablate.tracking import open_tracker
from tests.e2e.mlflow_pages import CHROMIUM, chromium, lesion_chart
from tests.scheduling.tiny import tiny_sweep
from tests.tracking.databases import make_database

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:playwright.*"),
]

SECONDS = 60
SWEEP = tiny_sweep({"shortcut": ["identity", "constant_scale", "none"]}, depth=14)


@dataclass
class Records:
    """A finished sweep of three trials and its report."""

    folder: Path
    uri: str
    page: Path


@dataclass
class Seen:
    """A page and what went on behind it."""

    page: "sync_api.Page"
    errors: list[str] = field(default_factory=list[str])
    outside: list[str] = field(default_factory=list[str])
    """Addresses asked for that are not on this machine."""


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Records:
    folder = tmp_path_factory.mktemp("records")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESABLATE_HOME", str(folder))
        uri = make_database(folder)
        outcome = run_sweep(
            plan_sweep(SWEEP), scheduler="inline", command="resablate sweep", console=Console(file=StringIO()), uri=uri
        )
        assert not outcome.failed
        record = open_tracker(uri).load_sweep(SWEEP.name)
    page = write_report(
        record.results, sweep=record.sweep, command=record.command, folder=folder / "reports" / SWEEP.name
    )
    return Records(folder, uri, page)


@pytest.fixture(scope="module")
def browser() -> "Iterator[sync_api.Browser]":
    if CHROMIUM is None:
        pytest.skip("no Chromium here; the tests steer no other browser")
    with chromium() as opened:
        yield opened


def look(browser: "sync_api.Browser", *, width: int, height: int = 1000) -> Seen:
    """A new empty window."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(SECONDS * 1000)
    seen = Seen(page)

    def ask(request: "sync_api.Request") -> None:
        if not re.match(r"file:|data:|blob:|http://127\.0\.0\.1:", request.url):
            seen.outside.append(request.url)

    page.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("request", ask)
    return seen


def test_the_report_is_whole_and_asks_nobody(browser: "sync_api.Browser", records: Records) -> None:
    seen = look(browser, width=1280)
    seen.page.goto(records.page.as_uri(), wait_until="load")
    assert seen.errors == []
    assert seen.outside == []
    headings = " | ".join(seen.page.locator("h1, h2, h3").all_inner_texts()).lower()
    texts = headings + " | ".join(seen.page.locator("figcaption").all_inner_texts()).lower()
    for word in ("tiny", "lesion", "path", "training"):
        assert word in texts
    sizes = seen.page.eval_on_selector_all(
        "img", "images => images.map(image => [image.complete, image.naturalWidth, image.clientWidth])"
    )
    assert len(sizes) >= 3
    assert all(complete and natural > 100 and shown > 100 for complete, natural, shown in sizes), sizes
    assert seen.page.locator("table").count() >= 1
    seen.page.close()


def test_the_report_fits_a_telephone(browser: "sync_api.Browser", records: Records) -> None:
    seen = look(browser, width=390, height=844)
    seen.page.goto(records.page.as_uri(), wait_until="load")
    wide = seen.page.evaluate("document.scrollingElement.scrollWidth")
    assert wide <= 390
    assert seen.errors == []
    seen.page.close()


def test_a_table_that_is_cut_off_shows_it(browser: "sync_api.Browser", records: Records) -> None:
    seen = look(browser, width=390, height=844)
    seen.page.goto(records.page.as_uri(), wait_until="load")
    shades = """[...document.querySelectorAll('.scroll:has(table)')].filter(box => box.scrollWidth > box.clientWidth)
        .map(box => getComputedStyle(box).backgroundAttachment)"""
    cut = seen.page.evaluate(shades)
    assert cut and set(cut) == {"local, local, scroll, scroll"}, (
        "two shadows that stay, and what covers them at the ends"
    )
    seen.page.close()


def test_a_printed_report_is_dark_on_white_and_fits_the_paper(browser: "sync_api.Browser", records: Records) -> None:
    seen = look(browser, width=794, height=1123)  # A4
    seen.page.goto(records.page.as_uri(), wait_until="load")
    seen.page.emulate_media(media="print", color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert seen.page.evaluate(ground) == "rgb(255, 255, 255)"
    beyond = "[...document.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > innerWidth).length"
    assert seen.page.evaluate(beyond) == 0
    assert seen.page.locator("nav").evaluate("nav => getComputedStyle(nav).display") == "none"
    seen.page.emulate_media(media="screen", color_scheme="dark")
    assert seen.page.evaluate(ground) != "rgb(255, 255, 255)"
    seen.page.close()


@pytest.fixture(scope="module")
def charts(records: Records) -> Iterator[str]:
    """The address that `resablate ui` gives for the charts of the sweep, served until the tests are done."""
    environment = os.environ | {"RESABLATE_HOME": str(records.folder), "PYTHONUNBUFFERED": "1"}
    log = records.folder / "ui.log"
    with log.open("w") as text:
        process = subprocess.Popen(
            [sys.executable, "-m", "resablate", "ui"],
            env=environment,
            cwd=records.folder,
            stdout=text,
            stderr=text,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + SECONDS
            while "startup complete" not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
            found = re.search(rf"{SWEEP.name}, the trials' charts: (\S+)", log.read_text())
            assert found, log.read_text()
            yield found[1]
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def test_mlflow_lists_the_sweep_and_lays_its_lesion_curves_over_each_other(
    browser: "sync_api.Browser", records: Records, charts: str, tmp_path: Path
) -> None:
    seen = look(browser, width=1600, height=1400)
    seen.page.goto(charts.partition("#")[0] + "#/experiments", wait_until="load")
    assert "token" not in seen.page.url
    seen.page.get_by_role("link", name=SWEEP.name, exact=True).wait_for()

    seen.page.goto(charts)
    card = seen.page.get_by_test_id("experiment-view-compare-runs-card").filter(
        has=seen.page.get_by_role("heading", name=lesion_chart(SWEEP), exact=True)
    )
    plot = card.locator(".js-plotly-plot")
    plot.wait_for()
    seen.page.wait_for_function("() => document.body.innerText.includes('3 matching runs')")
    results = open_tracker(records.uri).load_sweep(SWEEP.name).results
    deadline = time.monotonic() + SECONDS
    expected = {
        SWEEP.label(result.spec): (result.analyses["lesion"].table["block"], result.analyses["lesion"].table["error"])
        for result in results
    }
    # A curve comes twice: as a line and as what lights up under the pointer.
    curves = "plot => plot.data.map(line => [line.name, Array.from(line.x), Array.from(line.y)])"
    drawn: dict[str, tuple[list[float], list[float]]] = {}
    while drawn != expected and time.monotonic() < deadline:
        seen.page.wait_for_timeout(200)
        drawn = {name: (x, y) for name, x, y in plot.evaluate(curves)}
    seen.page.screenshot(path=tmp_path / "charts.png")
    assert drawn == expected
    assert len(drawn) == 3
    assert seen.outside == []
    seen.page.close()
