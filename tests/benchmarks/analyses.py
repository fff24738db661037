"""How fast the dissection is, against how it was published or would be written first.

    python -m tests.benchmarks.analyses [NAME ...]

runs the comparisons (all of them where none is named), and writes reports/benchmarks/analyses.md. A comparison that is
not run again keeps the figures it had.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch

from resablate.training import thread_count
from tests.benchmarks import lesions, paths, spectra
from tests.benchmarks.measuring import Memory, Row

FOLDER = Path(__file__).parents[2] / "reports" / "benchmarks"
PAGE, FIGURES = "analyses.md", "analyses.json"
THREADS = 2

COMPARISONS: dict[str, Callable[[], Sequence[Row | Memory]]] = {
    "lesions56": partial(lesions.single_lesions, depth=56, exact=1.9, folded=1.9),
    "lesions110": partial(lesions.single_lesions, depth=110, exact=2.4, folded=3.0),
    "nested_sets": lambda: [lesions.nested_sets()],
    "paths": paths.rows,
    "spectrum": spectra.whole_network_spectrum,
    "procrustes": spectra.procrustes_step,
    "memory": lesions.memory,
}


def main(arguments: Sequence[str] | None = None, *, folder: Path = FOLDER) -> None:
    """Run what is named and write the page."""
    parser = argparse.ArgumentParser(description="Time the analyses against their baselines.")
    parser.add_argument("names", nargs="*", choices=[*COMPARISONS, []], metavar="NAME", help=", ".join(COMPARISONS))
    asked = parser.parse_args(arguments)
    kept: dict[str, Any] = {}
    if (folder / FIGURES).is_file():
        kept = json.loads((folder / FIGURES).read_text(encoding="utf-8"))
    for name in asked.names or COMPARISONS:
        with thread_count(THREADS):
            rows = COMPARISONS[name]()
        kept[name] = {"machine": machine(), "rows": [asdict(row) for row in rows]}
        for row in rows:
            print(_line(asdict(row)), flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        ordered = {name: kept[name] for name in COMPARISONS if name in kept}
        (folder / FIGURES).write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
        (folder / PAGE).write_text(render(ordered), encoding="utf-8")


def machine() -> str:
    """What the figures were taken on, and when."""
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), torch {torch.__version__}, Python"
        f" {platform.python_version()}, {datetime.now(UTC).date().isoformat()}, load at the end {load:.1f}"
    )


def render(kept: dict[str, Any]) -> str:
    """The page."""
    lines = [
        "# Speed and memory of the analyses",
        "",
        "Written by `python -m tests.benchmarks.analyses`; the figures are in `analyses.json` beside it. Both sides of",
        "a comparison run in turn, three rounds or more, and the least time of each counts: the machine is shared, so",
        "the ratios are what carries over. Each comparison also checks that both sides give the same numbers.",
        "",
        "| what | baseline | baseline (s) | here (s) | times faster | asked |",
        "|---|---|---:|---:|---:|---:|",
    ]
    lines += [_line(row) for part in kept.values() for row in part["rows"] if "asked" in row]
    lines += ["", "| peak resident memory | GiB | allowed |", "|---|---:|---:|"]
    lines += [_line(row) for part in kept.values() for row in part["rows"] if "gib" in row]
    lines += ["", "| comparison | taken on |", "|---|---|"]
    lines += [f"| {name} | {part['machine']} |" for name, part in kept.items()]
    return "\n".join(lines) + "\n"


def _line(row: dict[str, Any]) -> str:
    if "gib" in row:
        return f"| {row['what']} | {row['gib']:.2f} | {row['allowed_gib']:.2f} |"
    baseline, ours = row["baseline_seconds"], row["ours_seconds"]
    times = f"{baseline:.3g} | {ours:.3g} | {baseline / ours:.3g}"
    return f"| {row['what']} | {row['baseline']} | {times} | {row['asked']:g} |"


if __name__ == "__main__":
    main()
