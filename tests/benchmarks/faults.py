"""Faults, one after another on whole sweeps: what is lost, done twice, wrong or left over once the sweep has ended.

    python -m tests.benchmarks.faults [--times 1] [FAULT ...]

writes reports/benchmarks/faults.md after every try; a run that is cut off goes on where it was, and begins anew where
faults.json beside the page is removed. A try runs a sweep of three slow trials in a process of its own, does something
to it, and repeats its command until it ends well. What is no fault of a sweep that runs is tried by tests, which run
too, and the page counts them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from resablate.errors import ResablateError
from resablate.result import TrialResult
from resablate.tracking.mlflow_store import KEY, SCHEMA
from resablate.versions import code_version
from tests.benchmarks import damage_acts, fault_acts
from tests.benchmarks.fault_acts import Stage
from tests.benchmarks.measuring import FOLDER, machine
from tests.faults.sweeps import SweepProcess, numbers_alone, runs_of, slow_plan
from tests.scheduling.tiny import numbers

PAGE, FIGURES = "faults.md", "faults.json"
FAULTS = {**fault_acts.ACTS, **damage_acts.ACTS}
TESTS: Mapping[str, Sequence[str]] = {
    "a file of a trial's folder damaged in any way": ["tests/test_damaged_folder.py"],
    "a request that a trial is filed with: its answer lost, or its process killed": [
        "tests/tracking/test_filing_again.py"
    ],
    "a list of trials that is damaged or cut off": ["tests/tracking/test_mlflow_tracker.py", "-k", "list"],
    "requests of a study fail, or their answers are lost": ["tests/searches/test_patient_study.py"],
    "a server that hangs at any request of `submit`": ["tests/submission/test_submit.py", "-k", "hangs"],
    "an experiment of our name whose files lie on the reader's disk": [
        "tests/tracking/test_mlflow_tracker.py",
        "-k",
        "elsewhere or tags",
    ],
    "a file of `make cluster` cut off": ["tests/local_cluster", "-k", "cut_off"],
    "files of YAML that expand without end, or hold what is no value": ["tests/security/test_hostile_yaml.py"],
    "planted weights, checkpoints, results and names": [
        "tests/security/test_planted_files.py",
        "tests/security/test_names.py",
    ],
    "cells of tables that a spreadsheet would compute": ["tests/security/test_csv.py"],
    "a tracking server that says nothing, is away, too busy, or cuts connections": ["tests/tracking/test_away.py"],
    "a driver that stands still while another takes over: a grid, a search, on Ray": [
        "tests/faults/test_leases.py",
        "-k",
        "takes_over",
    ],
    "a study and a store of checkpoints, written without the lease": ["tests/scheduling/test_lost_lease.py"],
    "trials of another sweep that trains, leaves or damages them": ["tests/scheduling/test_shared_trials.py"],
    "a full disk or a removed folder, inline and on Ray": ["tests/faults/test_full_disk.py"],
    "what killed sweeps left, at the next start": [
        "tests/faults/test_leftovers.py",
        "tests/storage/test_owned_folders.py",
    ],
    "a node that is lost": ["tests/faults/test_lost_node.py"],
    "tokens and passwords that are wrong": ["tests/e2e/test_refused.py"],
    "secrets that lie beside a sweep": ["tests/security/test_travelling_secrets.py", "tests/security/test_secrets.py"],
    "the user interface asked without its link": ["tests/tracking/test_ui_gate.py"],
    "Ray asked without its token": ["tests/scheduling/test_ray_tune.py", "-k", "loopback"],
    "doctor on a store that is broken in all ways at once": [
        "tests/commands/test_doctor.py",
        "tests/commands/test_doctor_lines.py",
    ],
}
"""What is no fault of a sweep that runs -> the tests that try it, as pytest's words."""
ROOT = Path(__file__).parents[2]
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


@dataclass(frozen=True)
class Tested:
    """What came of the tests of one kind."""

    kind: str
    passed: int
    failed: int
    commit: str


def main(arguments: Sequence[str] | None = None, *, folder: Path = FOLDER) -> None:
    """Try what the file of figures has no try of, and write the page after each."""
    parser = argparse.ArgumentParser(description="Faults on whole sweeps.")
    kinds = [*FAULTS, *TESTS]
    parser.add_argument("faults", nargs="*", default=kinds, metavar="FAULT", help=", ".join(kinds))
    parser.add_argument("--times", type=int, default=1, help="tries of each fault")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.faults) - set(kinds):
        raise ResablateError(f"no fault of ours: {', '.join(unknown)}")
    figures = folder / FIGURES
    known = json.loads(figures.read_text()) if figures.is_file() else {}
    tries = [Try(**row) for row in known.get("tries", [])]
    tested = [Tested(**row) for row in known.get("tested", [])]
    commit = code_version()

    def keep() -> None:
        rows = {"tries": [asdict(each) for each in tries], "tested": [asdict(each) for each in tested]}
        figures.write_text(json.dumps({"machine": machine(), **rows}, indent=1) + "\n", encoding="utf-8")
        (folder / PAGE).write_text(render(tries, tested, machine()), encoding="utf-8")

    failed = _try_all([name for name in asked.faults if name in FAULTS], asked.times, tries, commit, keep)
    done = {each.kind for each in tested}
    for kind in [kind for kind in asked.faults if kind in TESTS and kind not in done]:
        found = run_tests(kind, commit)
        print(found, flush=True)
        if found.failed or not found.passed:
            failed.append(kind)
            continue
        tested.append(found)
        keep()
    if failed:
        raise ResablateError(f"these did not come to a good end: {', '.join(failed)}")


def _try_all(faults: Sequence[str], times: int, tries: list[Try], commit: str, keep: Callable[[], None]) -> list[str]:
    """Try what was not tried so often, and keep each; those that came to no end."""
    if not any(Counter(each.fault for each in tries)[fault] < times for fault in faults):
        return []
    done = Counter(each.fault for each in tries)
    expected, failed = undisturbed(), list[str]()
    for number in range(times):
        for fault in [fault for fault in faults if done[fault] <= number]:
            try:
                tries.append(attempt(fault, number, expected, commit))
            except Exception as error:  # the others are tried; this one stays to be
                print(f"{fault}: {error}", flush=True)
                failed.append(fault)
                continue
            print(tries[-1], flush=True)
            keep()
    return failed


def run_tests(kind: str, commit: str) -> Tested:
    """The tests of one kind, those that are slow too."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS[kind]]
    ran = subprocess.run(
        command, check=False, cwd=ROOT, env=os.environ | {"RESABLATE_SLOW": "1"}, capture_output=True, text=True
    )
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|errors?)", ran.stdout[-500:])}
    wrong = counts.get("failed", 0) + counts.get("error", 0) + counts.get("errors", 0)
    if wrong or ran.returncode:
        print(ran.stdout[-3000:], flush=True)
    return Tested(kind, counts.get("passed", 0), wrong, commit)


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


def render(tries: Sequence[Try], tested: Sequence[Tested], where: str) -> str:
    """The page."""
    lines = [
        "# Faults, and what came of them",
        "",
        "Written by `python -m tests.benchmarks.faults`; every try is in `faults.json` beside it, with the commit. A",
        "try runs a sweep of three trials in a process of its own, does something to it, and repeats its command until",
        "it ends well. Then counts: trials without a result (lost); second runs of a trial and epochs that stand twice",
        "in a curve (twice); results that differ in any number from those of an undisturbed run (wrong); processes,",
        "files to continue from and open runs (left over).",
        "",
        "| fault | tried | lost | twice | wrong | left over |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for fault in FAULTS:
        of = [each for each in tries if each.fault == fault]
        sums = [sum(getattr(each, name) for each in of) for name in ("lost", "twice", "wrong", "left")]
        lines.append(f"| {fault} | {' | '.join(map(str, [len(of), *sums]))} |")
    lines += [
        "",
        "What is no fault of a sweep that runs is tried by tests, slow ones too:",
        "",
        "| what | tests | cases | failed |",
        "|---|---|---:|---:|",
    ]
    for kind, words in TESTS.items():
        of_kind = [each for each in tested if each.kind == kind]
        cells = [sum(each.passed + each.failed for each in of_kind), sum(each.failed for each in of_kind)]
        files = ", ".join(f"`{word}`" for word in words if word.startswith("tests/"))
        lines.append(f"| {kind} | {files} | {' | '.join(map(str, cells))} |")
    commits = ", ".join(dict.fromkeys(each.commit for each in [*tries, *tested]))
    return "\n".join([*lines, "", f"Taken at {commits}, on {where}."]) + "\n"


if __name__ == "__main__":
    main()
