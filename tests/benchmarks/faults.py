"""Faults, one after another on whole sweeps: what is lost, done twice, wrong or left over once the sweep has ended.

    python -m tests.benchmarks.faults [--times 1] [FAULT ...]

writes reports/benchmarks/faults.md after every try; a run that is cut off goes on where it was, and begins anew where
faults.json beside the page is removed. A try runs a sweep of three slow trials in a process of its own, does something
to it, and repeats its command until it ends well.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from resablate.errors import ResablateError
from resablate.result import TrialResult
from resablate.tracking.mlflow_store import KEY, SCHEMA
from resablate.versions import code_version
from tests.benchmarks.fault_acts import FAULTS, Stage
from tests.benchmarks.measuring import FOLDER, machine
from tests.faults.sweeps import SweepProcess, numbers_alone, runs_of, slow_plan
from tests.scheduling.tiny import numbers

PAGE, FIGURES = "faults.md", "faults.json"
SUBMISSIONS = 4
"""How often the command is repeated at most."""


@dataclass(frozen=True)
class Try:
    """What came of one fault."""

    fault: str
    number: int
    lost: int
    """Trials without a result."""
    twice: int
    """Runs of a trial beside the first, and epochs that stand twice in a curve."""
    wrong: int
    """Results that differ in any number from those of an undisturbed run."""
    left: int
    """Processes, files to continue from, and runs that are open."""
    submissions: int
    commit: str


def main(arguments: Sequence[str] | None = None, *, folder: Path = FOLDER) -> None:
    """Try what the file of figures has no try of, and write the page after each."""
    parser = argparse.ArgumentParser(description="Faults on whole sweeps.")
    parser.add_argument("faults", nargs="*", default=FAULTS, metavar="FAULT", help=", ".join(FAULTS))
    parser.add_argument("--times", type=int, default=1, help="tries of each fault")
    asked = parser.parse_args(arguments)
    figures = folder / FIGURES
    tries = [Try(**row) for row in json.loads(figures.read_text())["tries"]] if figures.is_file() else []
    commit = code_version()
    done = Counter(each.fault for each in tries)
    expected, failed = undisturbed(), list[str]()
    for number in range(asked.times):
        for fault in asked.faults:
            if done[fault] > number:
                continue
            try:
                tries.append(attempt(fault, number, expected, commit))
            except Exception as error:  # the others are tried; this one stays to be
                print(f"{fault}: {error}", flush=True)
                failed.append(fault)
                continue
            print(tries[-1], flush=True)
            rows = [asdict(each) for each in tries]
            figures.write_text(json.dumps({"machine": machine(), "tries": rows}, indent=1) + "\n", encoding="utf-8")
            (folder / PAGE).write_text(render(tries, machine()), encoding="utf-8")
    if failed:
        raise ResablateError(f"these did not come to an end: {', '.join(failed)}")


def undisturbed() -> list[dict[str, Any]]:
    """What the sweep measures where nothing happens to it."""
    plan = slow_plan()
    with tempfile.TemporaryDirectory() as made:
        return [numbers_alone(plan, spec, folder=Path(made) / spec.key) for spec in plan.trials]


def attempt(fault: str, number: int, expected: list[dict[str, Any]], commit: str) -> Try:
    """One fault on sweeps of its own, each of which is submitted until it ends well."""
    with tempfile.TemporaryDirectory(prefix="ra") as made, Stage(Path(made), f"{fault} {number}") as stage:
        FAULTS[fault](stage)
        again = sum(_end(sweep) for sweep in stage.sweeps)
        found = [judge(sweep, expected) for sweep in stage.sweeps]
        return Try(fault, number, *map(max, zip(*found, strict=True)), again + len(stage.sweeps), commit)


def _end(sweep: SweepProcess) -> int:
    """Repeat the command until it ends well; how often."""
    for time_ in range(1, SUBMISSIONS + 1):
        if sweep.run("--retry", "failed") == 0:
            return time_
    raise AssertionError(f"it did not end well:\n{sweep.said()}")


def judge(sweep: SweepProcess, expected: Sequence[dict[str, Any]]) -> tuple[int, int, int, int]:
    """What was lost, done twice, wrong and left over.

    Args:
        sweep: it has ended.
        expected: what its first trials measure where nothing happens to them; none where that is drawn.
    """
    client, runs = MlflowClient(tracking_uri=sweep.uri), runs_of(sweep.uri)
    found = {result.key: result for result in sweep.results()}
    keys = [spec.key for spec in sweep.plan.trials] or list(found)
    lost = sweep.plan.trial_count - len(found)
    trials = [run for run in runs if SCHEMA in run.data.tags and run.data.tags.get(KEY) in keys]
    steps = [
        Counter(point.step for point in client.get_metric_history(run.info.run_id, "learning_rate")) for run in trials
    ]
    alone = expected if sweep.plan.trials else [_alone(sweep, result) for result in found.values()]
    wrong = sum(not _agree(found[key], number) for key, number in zip(keys, alone, strict=False) if key in found)
    extra = len(trials) - len({run.data.tags[KEY] for run in trials})
    doubled = sum(count - 1 for counts in steps for count in counts.values())
    opened = sum(run.info.status == "RUNNING" for run in runs)
    files = sum(path.is_file() for path in (sweep.folder / ".resablate").rglob("*"))
    processes = 0 if sweep.gone(seconds=30) else len(sweep.alive())
    return lost, extra + doubled, wrong, opened + files + processes


def _agree(result: TrialResult, expected: dict[str, Any]) -> bool:
    """Whether every number is the expected one, beside answers to questions that nobody expected."""
    found, asked = numbers(result), [measured["question"] for measured in expected["measurements"]]
    found["measurements"] = [measured for measured in found["measurements"] if measured["question"] in asked]
    return found == expected


def _alone(sweep: SweepProcess, result: TrialResult) -> dict[str, Any]:
    """What a trial that a search proposed measures where nothing happens to it."""
    with tempfile.TemporaryDirectory() as made:
        return numbers_alone(sweep.plan, result.spec, folder=Path(made))


def render(tries: Sequence[Try], where: str) -> str:
    """The page."""
    lines = [
        "# Faults, and what came of them",
        "",
        "Written by `python -m tests.benchmarks.faults`; every try is in `faults.json` beside it, with the commit. A",
        "try runs a sweep of three trials in a process of its own, does something to it, and repeats its command until",
        "it ends well. Then counts: trials without a result (lost); second runs of a trial and epochs that stand twice",
        "in a curve (twice); results that differ in any number from those of an undisturbed run (wrong); processes,",
        "files to continue from and open runs (left over). What tests alone try is in `tests/faults`.",
        "",
        "| fault | tried | lost | twice | wrong | left over |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for fault in FAULTS:
        of = [each for each in tries if each.fault == fault]
        sums = [sum(getattr(each, name) for each in of) for name in ("lost", "twice", "wrong", "left")]
        lines.append(f"| {fault} | {' | '.join(map(str, [len(of), *sums]))} |")
    commits = ", ".join(dict.fromkeys(each.commit for each in tries))
    return "\n".join([*lines, "", f"Taken at {commits}, on {where}."]) + "\n"


if __name__ == "__main__":
    main()
