"""Sweep after sweep of tiny trials with a fault every few seconds, for minutes or hours.

    python -m tests.benchmarks.soak [--minutes 10] [--every 20] [--seed 0]

writes reports/benchmarks/soak.md. An MLflow server behind a proxy keeps the records. What happens and when is drawn
from the seed. A sweep whose driver was killed or refused is submitted again until it ends well.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from resablate.errors import ResablateError
from resablate.plan import SweepPlan
from resablate.versions import code_version
from tests.benchmarks.faults import judge
from tests.benchmarks.measuring import FOLDER, machine
from tests.faults.sweeps import SweepProcess, numbers_alone
from tests.faults.test_full_disk import fill
from tests.faults.test_outage import with_server
from tests.scheduling.tiny import final_plan
from tests.tracking.faulty_proxy import FaultyProxy

PAGE = "soak.md"
TRIALS, FAULT_SECONDS = 20, 4.0
SUBMISSIONS = 30
"""Of one sweep at most."""


class Soak:
    """One run of it.

    Args:
        folder: of the sweeps.
        proxy: before their server.
        disk: what their work folder lies on, if it can be filled.
        seed: of what happens.
        every: seconds between two faults.
    """

    def __init__(self, folder: Path, proxy: FaultyProxy, disk: Path | None, *, seed: int, every: float) -> None:
        self._folder, self._proxy, self._disk, self._every = folder, proxy, disk, every
        self._chance = random.Random(seed)
        self._at = time.monotonic() + every
        self.happened: Counter[str] = Counter()
        self.rows: list[dict[str, Any]] = []
        """One for each sweep."""

    def sweep(self, number: int) -> None:
        """Run one sweep through whatever happens, and judge it."""
        plan = final_plan({"seed": list(range(number * TRIALS, (number + 1) * TRIALS))}, epochs=2)
        sweep = SweepProcess(self._folder, plan, self._proxy.uri)
        submissions = 0
        while submissions < SUBMISSIONS:
            submissions += 1
            sweep.start("--retry", "failed")
            if self._through(sweep) == 0:
                break
        expected = [_alone(plan, place) for place in range(TRIALS)]
        lost, twice, wrong, left = judge(sweep, expected)
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.rows.append(
            {
                "sweep": number,
                "submissions": submissions,
                "lost": lost,
                "twice": twice,
                "wrong": wrong,
                "left": left,
                "peak_mib": usage.ru_maxrss // 1024,
                "temporary": len(list(Path(tempfile.gettempdir()).glob("resablate-*"))),
            }
        )
        print(self.rows[-1], dict(self.happened), flush=True)

    def _through(self, sweep: SweepProcess) -> int:
        """Wait for the end of a submission, while things happen; its exit code."""
        process = sweep.process
        assert process is not None
        while process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, self._at - time.monotonic()))
            if time.monotonic() >= self._at and process.poll() is None:
                name = self._chance.choice(list(FAULTS))
                self.happened[name] += 1
                FAULTS[name](self, sweep)
                self._at = time.monotonic() + self._every
        return process.wait()

    def kill(self, sweep: SweepProcess) -> None:
        """One of its processes, whichever."""
        if alive := sweep.alive():
            with suppress(ProcessLookupError):
                os.kill(self._chance.choice(sorted(alive)), signal.SIGKILL)

    def stop(self, sweep: SweepProcess) -> None:
        """It stands still for a while."""
        with suppress(ProcessLookupError):
            sweep.kill(signal.SIGSTOP)
            time.sleep(FAULT_SECONDS)
            sweep.kill(signal.SIGCONT)

    def refuse(self, fault: str) -> None:
        """Requests fail for a while."""
        self._proxy.fault = fault
        time.sleep(FAULT_SECONDS)
        self._proxy.fault = ""

    def fill(self) -> None:
        """The disk is full for a while."""
        if self._disk:
            taken = fill(self._disk)
            time.sleep(FAULT_SECONDS)
            taken.unlink()

    def submit(self, sweep: SweepProcess) -> None:
        """Somebody else submits it from another folder, and is refused, or it has ended and there is nothing to do."""
        (self._folder / "other").mkdir(exist_ok=True)
        SweepProcess(self._folder / "other", sweep.plan, sweep.uri, mark=sweep.mark).run()


FAULTS: dict[str, Callable[[Soak, SweepProcess], None]] = {
    "a process killed": Soak.kill,
    "503": lambda soak, sweep: soak.refuse("503"),
    "connections cut": lambda soak, sweep: soak.refuse("cut"),
    "answers lost": lambda soak, sweep: soak.refuse("lost"),
    "disk full": lambda soak, sweep: soak.fill(),
    "stopped": Soak.stop,
    "a second submitter": Soak.submit,
}


def _alone(plan: SweepPlan, place: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as made:
        return numbers_alone(plan, plan.trials[place], folder=Path(made))


def main(arguments: Sequence[str] | None = None, *, folder: Path = FOLDER) -> None:
    """Soak for so long, and write the page."""
    parser = argparse.ArgumentParser(description="Tiny sweeps through faults.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--every", type=float, default=20, help="seconds between two faults")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ra") as made, ExitStack() as opened:
        place = Path(made)
        server = opened.enter_context(with_server(place))
        proxy = opened.enter_context(FaultyProxy(server.uri))
        soak = Soak(place, proxy, _small_disk(place, opened), seed=asked.seed, every=asked.every)
        while time.monotonic() < begin + 60 * asked.minutes:
            soak.sweep(len(soak.rows))
            minutes = (time.monotonic() - begin) / 60
            (folder / PAGE).write_text(render(soak, asked, minutes), encoding="utf-8")
    if any(row[name] for row in soak.rows for name in ("lost", "twice", "wrong", "left")):
        raise ResablateError("something was lost, done twice, wrong or left over")


def _small_disk(place: Path, opened: ExitStack) -> Path | None:
    """A disk of eight megabytes under the work folder; None where only root may mount one."""
    (place / ".resablate").mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place / ".resablate")]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        return None
    opened.callback(subprocess.run, ["umount", "--lazy", str(place / ".resablate")], check=True)
    return place / ".resablate"


def render(soak: Soak, asked: argparse.Namespace, minutes: float) -> str:
    """The page."""
    happened = ", ".join(f"{name} {count}" for name, count in soak.happened.items()) or "nothing"
    lines = [
        "# A soak",
        "",
        f"Written by `python -m tests.benchmarks.soak --minutes {asked.minutes:g} --every {asked.every:g} --seed"
        f" {asked.seed}`:",
        f"{len(soak.rows)} sweeps of {TRIALS} tiny trials, one after another, took {minutes:.1f} minutes, with a fault"
        f" every {asked.every:g} s:",
        f"{happened}. Peak memory is that of the largest process so far; temporary counts folders of sweeps in the",
        "machine's temporary folder.",
        "",
        "| sweep | submissions | lost | twice | wrong | left over | peak (MiB) | temporary |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(f"| {' | '.join(map(str, row.values()))} |" for row in soak.rows),
        "",
        f"Taken at {code_version()}, on {machine()}.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
