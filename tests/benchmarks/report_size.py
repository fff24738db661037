"""What a report of a thousand trials costs, with the outcome of every one of 10,000 test examples.

`python -m tests.benchmarks.report_size` writes reports/benchmarks/report.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from resablate.process_use import most_resident
from resablate.question import TEST
from resablate.report import write_report
from resablate.result import TrialResult
from resablate.statistics.replicates import cells
from resablate.sweep import SweepSpec, parse_sweep
from tests.benchmarks.measuring import FOLDER, machine
from tests.factories import SHORTCUT_ERRORS, make_outcomes, make_sweep_results

REPORT = FOLDER / "report.md"
EXAMPLES = 10_000
ORDERINGS = ("original", "bn_after_add", "relu_before_add", "relu_only_preactivation", "full_preactivation")
DEPTHS = (20, 56)
SEEDS = 15
MOST_SECONDS, MOST_BYTES, LARGEST_PAGE = 60.0, 10**9, 5 * 10**6
"""What is asked of it."""


def results_of(seeds: int, examples: int) -> Iterator[TrialResult]:
    """Every shortcut by depth, ordering and seed, with all analyses and outcomes."""
    for place, result in enumerate(make_sweep_results(depths=DEPTHS, orderings=ORDERINGS, seeds=seeds)):
        error = SHORTCUT_ERRORS[result.spec.shortcut.name] * (1 + 0.02 * ORDERINGS.index(result.spec.ordering.name))
        outcomes = make_outcomes(error, seed=place, count=examples)
        measured = tuple(
            replace(m, result=replace(m.result, outcomes=outcomes)) if m.question.analysis.name == TEST else m
            for m in result.measurements
        )
        yield result.model_copy(update={"measurements": measured})


def sweep_of(seeds: int) -> SweepSpec:
    """The sweep of those trials."""
    axes = {
        "shortcut": list(SHORTCUT_ERRORS),
        "depth": list(DEPTHS),
        "ordering": list(ORDERINGS),
        "seed": list(range(seeds)),
    }
    return parse_sweep({"name": "thousand", "question": "What does a large report cost?", "axes": axes})


def measure(results: Path, folder: Path, seeds: int) -> dict[str, float]:
    """Write the report of a file of results in this process, and what it took, reading included."""
    start, spent = time.perf_counter(), time.process_time()
    loaded = [TrialResult.from_json(line) for line in results.open(encoding="utf-8")]
    page = write_report(loaded, sweep=sweep_of(seeds), command="resablate report thousand", folder=folder / "thousand")
    return {
        "trials": len(loaded),
        "cells": len(cells(loaded)),
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - spent,
        "peak_bytes": most_resident(),
        "page_bytes": page.stat().st_size,
        "results_bytes": results.stat().st_size,
        "folder_bytes": sum(path.stat().st_size for path in page.parent.rglob("*") if path.is_file()),
    }


def measured_apart(seeds: int, examples: int) -> dict[str, float]:
    """The same in a process of its own, so that its memory is the report's alone."""
    with tempfile.TemporaryDirectory() as name:
        results = Path(name) / "results.jsonl"
        with results.open("w", encoding="utf-8") as file:
            file.writelines(result.to_json() + "\n" for result in results_of(seeds, examples))
        words = [sys.executable, "-m", "tests.benchmarks.report_size", "--of", str(results), "--seeds", str(seeds)]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        return json.loads(done.stdout.splitlines()[-1])


def page_of(found: dict[str, float], examples: int) -> str:
    """The page of the figures."""
    rows = [
        ("time", f"{found['seconds']:.1f} s ({found['cpu_seconds']:.1f} s of CPU)", f"{MOST_SECONDS:.0f} s"),
        ("memory at its peak", f"{found['peak_bytes'] / 1e6:.0f} MB", f"{MOST_BYTES / 1e6:.0f} MB"),
        ("index.html", f"{found['page_bytes'] / 1e6:.2f} MB", f"{LARGEST_PAGE / 1e6:.0f} MB"),
        ("results.jsonl", f"{found['results_bytes'] / 1e6:.1f} MB", "-"),
        ("whole folder", f"{found['folder_bytes'] / 1e6:.1f} MB", "-"),
    ]
    return "\n".join(
        [
            "# A report of a thousand trials",
            "",
            "Written by `python -m tests.benchmarks.report_size`: results made by hand, with every analysis and the",
            f"outcomes of {examples:,} test examples, read from their file and reported in a process of its own.",
            f"{found['trials']:,.0f} trials in {found['cells']:.0f} cells.",
            "",
            "| | measured | at most |",
            "| --- | ---: | ---: |",
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
            f"Taken on {machine()}.",
            "",
        ]
    )


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of each of the 70 cells")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="of the test set")
    parser.add_argument("--of", type=Path, help="report this file of results here, and print what it took")
    parser.add_argument("--output", type=Path, default=REPORT)
    asked = parser.parse_args()
    if asked.of:
        print(json.dumps(measure(asked.of, asked.of.parent, asked.seeds)))
        return
    asked.output.write_text(page_of(measured_apart(asked.seeds, asked.examples), asked.examples))


if __name__ == "__main__":
    main()
