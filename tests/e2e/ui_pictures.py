"""Pictures of a kept report as a desktop, a phone and a dark window show its first screen, and of printed pages.

    python -m tests.e2e.ui_pictures

writes them to reports/ui; those of MLflow's views come from `python -m tests.benchmarks.views --pictures reports/ui`.
"""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.views import window
from tests.e2e.mlflow_pages import chromium

REPORTS = Path(__file__).parents[2] / "reports"
FOLDER = REPORTS / "ui"
WINDOWS = {
    "report-desktop": {"width": 1280, "height": 720},
    "report-phone": {"width": 412, "height": 800},
    "report-dark": {"width": 1280, "height": 720, "dark": True},
}
PAPER = {"width": 794, "height": 1123}
"""CSS pixels of a sheet of A4, 210 x 297 mm."""


def main(report: str = "fashion_mnist") -> None:
    """Write the pictures."""
    FOLDER.mkdir(exist_ok=True)
    with chromium() as browser:
        for name, size in WINDOWS.items():
            page = window(browser, **size).new_page()
            # Rendered from its text, so that no address of this machine is opened or shown.
            page.set_content((REPORTS / report / "index.html").read_text(encoding="utf-8"))
            page.screenshot(path=FOLDER / f"{name}.png")
            page.context.close()
        page = window(browser, **PAPER, dark=True).new_page()  # paper is white whatever the screen is
        page.set_content((REPORTS / report / "index.html").read_text(encoding="utf-8"))
        page.emulate_media(media="print")
        page.screenshot(path=FOLDER / "report-print.png")
        page.context.close()


if __name__ == "__main__":
    main()
