"""The MLflow UI of `make cluster`, in a browser that signs in."""

import time
import urllib.error
import urllib.request
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from resablate.errors import ResourceError
from resablate.local_cluster.postgres import find_programs
from resablate.plan import plan_sweep
from resablate.scheduling import run_sweep
from tests.e2e.mlflow_pages import CHROMIUM, SECONDS, SweepPages, chromium, lesion_chart, signed_in, take_pictures
from tests.scheduling.tiny import tiny_sweep
from tests.tracking.password_servers import served

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:playwright.*"),
]
SWEEP = tiny_sweep({"shortcut": ["identity", "constant_scale", "none"]}, depth=14)


def test_who_signs_in_sees_the_sweep_its_lesion_curves_and_its_trials_side_by_side(tmp_path: Path) -> None:
    if CHROMIUM is None:
        pytest.skip("no Chromium here; the tests steer no other browser")
    try:
        find_programs()
    except ResourceError as error:
        pytest.skip(str(error))
    with served() as settings, chromium() as browser:
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(settings.mlflow)
        refused.value.close()
        stranger = browser.new_page()
        with pytest.raises(sync_api.Error, match="AUTH"):
            stranger.goto(f"{settings.mlflow}/#/experiments")
        stranger.close()

        outcome = run_sweep(plan_sweep(SWEEP), scheduler="inline", command="", console=Console(file=StringIO()))
        assert not outcome.failed
        pages = SweepPages(signed_in(browser), SWEEP.name)
        pages.experiments()
        pages.charts()
        lesions = [(result, result.analyses["lesion"].table) for result in pages.record.results]
        expected = {SWEEP.label(result.spec): (table["block"], table["error"]) for result, table in lesions}
        deadline = time.monotonic() + SECONDS
        while pages.curves(lesion_chart(SWEEP)) != expected and time.monotonic() < deadline:
            pages.page.wait_for_timeout(200)
        assert pages.curves(lesion_chart(SWEEP)) == expected
        pages.compare()
        for shown in (*expected, "shortcut", "constant_scale"):
            assert shown in pages.page.inner_text("body")
        pages.compare_by("test_error")
        pages.page.get_by_text("test_error").first.wait_for()

        take_pictures(browser, SWEEP.name, tmp_path)
        assert {file.name for file in tmp_path.glob("*.png")} == {
            *("experiments.png", "charts.png", "lesion.png", "compare.png")
        }
