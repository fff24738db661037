"""How long a browser takes to show the views of a sweep of many trials.

    python -m tests.benchmarks.views [--trials 1000] [--rounds 3] [--records FOLDER] [--pictures FOLDER]

files hand-made results, serves MLflow, opens each view in a headless Chromium until it shows
what it is about, and prints the seconds, in an empty browser and again in one that knows MLflow's code. With --records,
the results stay in that folder, and are used again if they are there. With --pictures, it writes the views as a
desktop, a phone and a dark window show them. What came out stands in reports/benchmarks/views.md.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from resablate.sweep import SweepSpec, parse_sweep
from resablate.tracking import MlflowTracker
from resablate.tracking.mlflow_reports import sweep_paths
from resablate.tracking.mlflow_store import MlflowStore
from tests.e2e.mlflow_pages import chromium
from tests.factories import make_lesion, make_path_gradient, make_result
from tests.tracking.databases import make_database
from tests.tracking.servers import MlflowServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

SHOWN = {"results": "test error with interval", "lesions": "lesion/error", "gradients": "path_gradient/norm"}
"""View -> what a page shows that is ready; parallel coordinates have their axes."""
SHORTCUTS = ("identity", "constant_scale", "exclusive_gate", "shortcut_only_gate", "conv1x1")
SEEDS = 5
_DRAWN = "() => document.querySelector('.js-plotly-plot svg, canvas') !== null"


class Opened(NamedTuple):
    """How long one view took."""

    rows: float
    """Seconds until its table has rows, from when its address is asked for."""
    drawn: float
    """Seconds until its first chart is drawn too; those of the rows where there is none."""


def sweep_of(trials: int) -> SweepSpec:
    """Five shortcuts, five seeds, and as many widths as it takes."""
    widths = [4 + place for place in range(max(1, trials // (len(SHORTCUTS) * SEEDS)))]
    axes = {"shortcut": list(SHORTCUTS), "width": widths, "seed": list(range(SEEDS))}
    return parse_sweep({"name": "many", "axes": axes, "analyses": {"lesion": {}, "path_gradient": {}}})


def file_sweep(uri: str, trials: int) -> SweepSpec:
    """File a finished sweep of so many trials."""
    sweep, tracker = sweep_of(trials), MlflowTracker(uri)
    points = itertools.product(*sweep.axes.values())
    results = [
        make_result(
            shortcut=shortcut,
            width=width,
            seed=seed,
            error=0.05 + 0.01 * place % 0.3,
            losses=[2.0, 1.0, 0.5],
            analyses={
                "lesion": make_lesion([0.1 + 0.02 * block for block in range(9)], baseline=0.1),
                "path_gradient": make_path_gradient([0.5**length for length in range(10)]),
            },
        )
        for place, (shortcut, width, seed) in enumerate(points)
    ]
    tracker.start_sweep(sweep, trials=[result.spec for result in results], command="")
    for result in results:
        tracker.start_trial(result.spec)
        tracker.finish_trial(result, weights={}, figures={})
    tracker.update_cells(sweep.name)
    tracker.end_sweep("finished")
    return sweep


def view_addresses(server: str, sweep: str) -> dict[str, str]:
    """View -> its address on a server."""
    experiment = MlflowStore(server).client().get_experiment_by_name(sweep)
    assert experiment is not None
    return {view: f"{server}{path}" for view, (_, path) in sweep_paths(experiment, [experiment.experiment_id]).items()}


def opened(page: Page, view: str, address: str) -> Opened:
    """Open a view and wait until it shows what it is about."""
    start = time.monotonic()
    page.goto(address)
    page.get_by_role("row").nth(2).wait_for()
    rows = time.monotonic() - start
    page.wait_for_function("(text) => document.body.innerText.includes(text)", arg=SHOWN.get(view, "matching runs"))
    if view == "results":
        return Opened(rows, rows)
    page.wait_for_function(_DRAWN)
    return Opened(rows, time.monotonic() - start)


def window(browser: Browser, *, width: int = 1500, height: int = 950, dark: bool = False) -> BrowserContext:
    """A window without MLflow's assistant, which opens itself over a quarter of it."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
    context.add_init_script(
        "localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false');"
        "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');"
        f"localStorage.setItem('_mlflow_dark_mode_toggle_enabled', '{str(dark).lower()}');"
    )
    context.set_default_timeout(30_000)
    return context


def take_pictures(browser: Browser, addresses: dict[str, str], folder: Path) -> None:
    """The table on a desktop and a phone, the curves on a dark desktop."""
    folder.mkdir(parents=True, exist_ok=True)
    windows = {
        "results-desktop": ("results", {"width": 1280, "height": 720}),
        "results-phone": ("results", {"width": 412, "height": 800}),
        "lesions-dark": ("lesions", {"width": 1280, "height": 720, "dark": True}),
    }
    for name, (view, size) in windows.items():
        page = window(browser, **size).new_page()
        if name.endswith("phone"):  # whose table has no room for two rows
            page.goto(addresses[view])
            page.wait_for_timeout(8000)
        else:
            opened(page, view, addresses[view])
            page.wait_for_timeout(4000)  # a chart is drawn in steps
        page.screenshot(path=folder / f"{name}.png")
        page.context.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print one line for each view."""
    parser = argparse.ArgumentParser(description="Views of many trials in a browser.")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--records", type=Path)
    parser.add_argument("--pictures", type=Path)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as made:
        folder = asked.records or Path(made)
        if not (folder / "mlflow.db").exists():
            folder.mkdir(parents=True, exist_ok=True)
            start = time.monotonic()
            sweep = file_sweep(make_database(folder), asked.trials)
            print(f"{sweep.grid_size} trials filed in {time.monotonic() - start:.0f} s", flush=True)
        measure(folder, sweep_of(asked.trials).name, rounds=asked.rounds, pictures=asked.pictures)


def measure(folder: Path, sweep: str, *, rounds: int, pictures: Path | None) -> None:
    """Serve the records in a folder, and print the medians of how long each view takes."""
    with MlflowServer(folder) as server, chromium() as browser:
        addresses = view_addresses(server.uri, sweep)
        warm = window(browser).new_page()
        warm.goto(server.uri)  # the server loads its code with the first request
        warm.wait_for_timeout(5000)
        empty: dict[str, list[Opened]] = {view: [] for view in addresses}
        known: dict[str, list[Opened]] = {view: [] for view in addresses}
        for _, (view, address) in itertools.product(range(rounds), addresses.items()):
            page = window(browser).new_page()
            empty[view].append(opened(page, view, address))
            page.context.close()
            warm.goto("about:blank")
            known[view].append(opened(warm, view, address))
        print("view: rows, first chart; in a browser that knows MLflow's code: rows, first chart (seconds)")
        for view in addresses:
            print(f"{view}: {_medians(empty[view])}; {_medians(known[view])}", flush=True)
        if pictures:
            take_pictures(browser, addresses, pictures)


def _medians(times: Sequence[Opened]) -> str:
    return ", ".join(f"{statistics.median(column):.1f}" for column in zip(*times, strict=True))


if __name__ == "__main__":
    main()
