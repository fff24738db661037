"""The reports of real studies that are kept in the repository: each is what today's code writes of its results.

`python -m tests.committed_reports` writes them again from their `results.jsonl`.
"""

from __future__ import annotations

from pathlib import Path

from resablate.report import write_report
from resablate.result import TrialResult
from resablate.storage.locations import RESULTS
from resablate.sweep import load_sweep

ROOT = Path(__file__).parents[1]
NAMES = ("fashion_mnist", "fashion_mnist_regularizers", "sv_strength_search")


def write_again(name: str, folder: Path) -> Path:
    """The report of the kept results in a folder of that name below `folder`; returns its page."""
    lines = (ROOT / "reports" / name / RESULTS).read_text(encoding="utf-8").splitlines()
    command = f"resablate sweep sweeps/{name}.yaml\nresablate report {name}"
    return write_report(
        [TrialResult.from_json(line) for line in lines],
        sweep=load_sweep(ROOT / "sweeps" / f"{name}.yaml"),
        command=command,
        folder=folder / name,
    )


if __name__ == "__main__":
    for study in NAMES:
        print(write_again(study, ROOT / "reports"), flush=True)
