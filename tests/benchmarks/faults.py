"""Faults, one after another on whole sweeps: what is lost, done twice, wrong or left over once the sweep has ended.

    python -m tests.benchmarks.faults [--times 1] [FAULT ...]

writes reports/benchmarks/faults.md after every try; a run that is cut off goes on where it was. A try runs a sweep of
three slow trials in a process of its own, does something to it, and repeats its command until it ends well.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from resablate.trial import run_trial
from resablate.versions import code_version
from tests.benchmarks.measuring import FOLDER, machine
from tests.faults.sweeps import SweepProcess, runs_of, slow_plan
from tests.faults.test_driver import in_the_middle, killed
from tests.faults.test_full_disk import fill
from tests.faults.test_outage import loses_its_server, with_server
from tests.scheduling.tiny import numbers
from tests.tracking.databases import make_database
from tests.tracking.faulty_proxy import FaultyProxy
from tests.tracking.servers import MlflowServer

PAGE, FIGURES = "faults.md", "faults.json"
SUBMISSIONS = 4
"""How often the command is repeated at most."""
AWAY_SECONDS = 5.0


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


Disturb = Callable[..., None]
"""Runs the sweep once, and does something to it, by chance or by its server and the proxy before that."""


def driver_killed(sweep: SweepProcess, chance: random.Random) -> None:
    """The driver is killed at a random moment."""
    sweep.start()
    sweep.until(lambda: bool(sweep.epochs()))
    time.sleep(chance.uniform(0, 5))
    if sweep.process and sweep.process.poll() is None:
        sweep.kill()
    sweep.ended()


def driver_terminated(sweep: SweepProcess, chance: random.Random) -> None:
    """The driver is told to stop, in the middle."""
    sweep.start()
    in_the_middle(sweep)
    sweep.kill(signal.SIGTERM)
    sweep.ended()


def checkpoint_cut(sweep: SweepProcess, chance: random.Random) -> None:
    """Killed, and the newest checkpoint is cut off anywhere."""
    killed(sweep)
    newest = max(sweep.folder.rglob("checkpoint-*.safetensors"))
    os.truncate(newest, chance.randrange(newest.stat().st_size))


def checkpoint_bit(sweep: SweepProcess, chance: random.Random) -> None:
    """Killed, and one bit of the newest checkpoint is changed."""
    killed(sweep)
    newest = max(sweep.folder.rglob("checkpoint-*.safetensors"))
    content = bytearray(newest.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    newest.write_bytes(content)


def result_damaged(sweep: SweepProcess, chance: random.Random) -> None:
    """A bit of one filed result is changed."""
    sweep.run()
    file = chance.choice(sorted(sweep.folder.rglob("mlartifacts/**/result.json")))
    content = bytearray(file.read_bytes())
    content[chance.randrange(len(content))] ^= 1
    file.write_bytes(content)


def result_swapped(sweep: SweepProcess, chance: random.Random) -> None:
    """One filed result is written over another."""
    sweep.run()
    one, other = chance.sample(sorted(sweep.folder.rglob("mlartifacts/**/result.json")), 2)
    shutil.copy(one, other)


def database_emptied(sweep: SweepProcess, chance: random.Random) -> None:
    """The database is emptied; the next submission says so before it trains again."""
    sweep.run()
    (sweep.folder / "mlflow.db").write_bytes(b"")
    sweep.run()
    assert "no trial counts as trained" in sweep.said(), sweep.said()


def work_folder_removed(sweep: SweepProcess, chance: random.Random) -> None:
    """The work folder is removed in the middle."""
    sweep.start()
    in_the_middle(sweep)
    shutil.rmtree(sweep.folder / ".resablate")
    sweep.ended()


def disk_full(sweep: SweepProcess, chance: random.Random) -> None:
    """The disk of the work folder fills up in the middle, and has room again later."""
    disk = sweep.folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], check=True)
    try:
        (sweep.folder / ".resablate").symlink_to(disk)
        sweep.start()
        in_the_middle(sweep)
        taken = fill(disk)
        time.sleep(AWAY_SECONDS)
        taken.unlink()
        sweep.ended()
    finally:
        (sweep.folder / ".resablate").unlink()
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def second_submitter(sweep: SweepProcess, chance: random.Random) -> None:
    """Another submission of the same sweep, while it runs: it is refused, and the first one goes on."""
    sweep.start()
    in_the_middle(sweep)
    other = SweepProcess(sweep.folder / "other", sweep.plan, sweep.uri, mark=sweep.mark)
    other.folder.mkdir()
    assert other.run() == 2, other.said()
    sweep.ended()


def server_killed(sweep: SweepProcess, server: MlflowServer, proxy: FaultyProxy) -> None:
    """The MLflow server is killed in the middle, and comes back."""
    sweep.uri = server.uri
    loses_its_server(sweep, server)
    time.sleep(AWAY_SECONDS)
    server.start()
    sweep.ended()


def _answers(fault: str) -> Disturb:
    """Requests fail for a while as `fault` says."""

    def disturb(sweep: SweepProcess, server: MlflowServer, proxy: FaultyProxy) -> None:
        sweep.start()
        sweep.until(lambda: sweep.reached(2))
        proxy.fault = fault
        time.sleep(AWAY_SECONDS)
        proxy.fault = ""
        sweep.ended()

    return disturb


OF_FILES: Mapping[str, Disturb] = {
    "driver killed": driver_killed,
    "driver told to stop": driver_terminated,
    "killed, newest checkpoint cut off": checkpoint_cut,
    "killed, a bit of the newest checkpoint changed": checkpoint_bit,
    "a bit of a filed result changed": result_damaged,
    "a filed result over another": result_swapped,
    "database emptied": database_emptied,
    "work folder removed in the middle": work_folder_removed,
    "disk full for a while": disk_full,
    "a second submitter": second_submitter,
}
"""With a store in a file."""
OF_SERVERS: Mapping[str, Disturb] = {
    "server killed, and back": server_killed,
    "server answers 503": _answers("503"),
    "server answers 429": _answers("429"),
    "connections cut": _answers("cut"),
    "answers lost after the server has done its part": _answers("lost"),
}


FAULTS = (*OF_FILES, *OF_SERVERS)


def main(arguments: Sequence[str] | None = None, *, folder: Path = FOLDER) -> None:
    """Try what has not been tried at this commit, and write the page after each try."""
    parser = argparse.ArgumentParser(description="Faults on whole sweeps.")
    parser.add_argument("faults", nargs="*", default=FAULTS, metavar="FAULT", help=", ".join(FAULTS))
    parser.add_argument("--times", type=int, default=1, help="tries of each fault")
    asked = parser.parse_args(arguments)
    figures = folder / FIGURES
    tries = [Try(**row) for row in json.loads(figures.read_text())["tries"]] if figures.is_file() else []
    commit = code_version()
    done = Counter(each.fault for each in tries if each.commit == commit)
    expected = undisturbed()
    for number in range(asked.times):
        for fault in asked.faults:
            if done[fault] > number:
                continue
            tries.append(attempt(fault, number, expected, commit))
            print(tries[-1], flush=True)
            rows = [asdict(each) for each in tries]
            figures.write_text(json.dumps({"machine": machine(), "tries": rows}, indent=1) + "\n", encoding="utf-8")
            (folder / PAGE).write_text(render(tries, machine()), encoding="utf-8")


def undisturbed() -> list[dict[str, Any]]:
    """What the sweep measures where nothing happens to it."""
    plan = slow_plan()
    with tempfile.TemporaryDirectory() as made:
        return [numbers(run_trial(*plan.request(spec), folder=Path(made) / spec.key)) for spec in plan.trials]


def attempt(fault: str, number: int, expected: list[dict[str, Any]], commit: str) -> Try:
    """One fault on a sweep of its own."""
    with tempfile.TemporaryDirectory(prefix="ra") as made, ExitStack() as opened:
        folder = Path(made)
        sweep = SweepProcess(folder, slow_plan(), "", environment={"HOME": made})
        opened.callback(sweep.clean_up)
        if fault in OF_FILES:
            sweep.uri = make_database(folder)
            OF_FILES[fault](sweep, random.Random(f"{fault} {number}"))
        else:
            server = opened.enter_context(with_server(folder))
            proxy = opened.enter_context(FaultyProxy(server.uri))
            sweep.uri = proxy.uri
            OF_SERVERS[fault](sweep, server, proxy)
        again = _end(sweep)
        return Try(fault, number, *judge(sweep, expected), 1 + again, commit)


def _end(sweep: SweepProcess) -> int:
    """Repeat the command until it ends well; how often."""
    for time_ in range(1, SUBMISSIONS + 1):
        if sweep.run("--retry", "failed") == 0:
            return time_
    raise AssertionError(f"it did not end well:\n{sweep.said()}")


def judge(sweep: SweepProcess, expected: list[dict[str, Any]]) -> tuple[int, int, int, int]:
    """What was lost, done twice, wrong and left over."""
    client, runs = MlflowClient(tracking_uri=sweep.uri), runs_of(sweep.uri)
    trials = [run for run in runs if "resablate.key" in run.data.tags]
    steps = [
        Counter(point.step for point in client.get_metric_history(run.info.run_id, "learning_rate")) for run in trials
    ]
    found = {result.key: numbers(result) for result in sweep.results()}
    keys = [spec.key for spec in sweep.plan.trials]
    wrong = sum(found[key] != number for key, number in zip(keys, expected, strict=True) if key in found)
    extra = len(trials) - len({run.data.tags["resablate.key"] for run in trials})
    doubled = sum(count - 1 for counts in steps for count in counts.values())
    opened = sum(run.info.status == "RUNNING" for run in runs)
    files = sum(path.is_file() for path in (sweep.folder / ".resablate").rglob("*"))
    processes = 0 if sweep.gone(seconds=30) else len(sweep.alive())
    return len(set(keys) - set(found)), extra + doubled, wrong, opened + files + processes


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
