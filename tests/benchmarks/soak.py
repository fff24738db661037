"""Sweep after sweep of tiny trials with a fault every few seconds, for minutes or hours.

    python -m tests.benchmarks.soak [--minutes 10] [--trials 0] [--size 20] [--every 20] [--seed 0] [--page soak.md]

writes reports/benchmarks/soak.md, or another page there, after every sweep, and fails at its end if anything was lost,
done twice, wrong or left over, or if memory or files grew. With `--judge PAGE` it judges a page that is there, and
writes into it whether they grew. An MLflow server behind a proxy keeps the records of all. What
happens is drawn from the seed, every kind once before any comes again. Every fourth sweep runs on Ray. A sweep whose
driver was killed or refused is submitted again until it ends well.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple

from resablate.plan import SweepPlan
from resablate.versions import code_version
from tests.benchmarks.fault_acts import command_of
from tests.benchmarks.faults import judge
from tests.benchmarks.measuring import FOLDER, machine
from tests.benchmarks.soak_rows import Row, check, flatness, judge_page, rows_of, table
from tests.faults.sweeps import SweepProcess, numbers_alone
from tests.faults.test_full_disk import fill
from tests.faults.test_outage import with_server
from tests.scheduling.ray_home import own_ray_folder
from tests.scheduling.tiny import final_plan
from tests.tracking.faulty_proxy import FaultyProxy
from tests.tracking.servers import MlflowServer

PAGE = "soak.md"
FAULT_SECONDS = 4.0
RAY_EVERY = 4
SUBMISSIONS = 30
"""Of one sweep at most."""
HANG_SECONDS = 600.0
"""A submission that takes longer is killed, and counts as left over."""


class Soak:
    """One run of it.

    Args:
        folder: of the sweeps.
        server: that keeps their records.
        proxy: before it.
        disk: what their work folder lies on, if it can be filled.
        seed: of what happens.
        every: seconds between two faults.
        size: trials of a sweep.
    """

    def __init__(
        self,
        folder: Path,
        server: MlflowServer,
        proxy: FaultyProxy,
        disk: Path | None,
        *,
        seed: int,
        every: float,
        size: int,
    ) -> None:
        self._folder, self._server, self._proxy, self._disk = folder, server, proxy, disk
        self._every, self._size = every, size
        self._chance = random.Random(seed)
        self._next: list[str] = []
        self._at = time.monotonic() + every
        self._hung, self._peak = 0, Usage(0, 0)
        self.happened: Counter[str] = Counter()
        self.rows: list[dict[str, Any]] = []
        """One for each sweep."""

    def sweep(self, number: int) -> None:
        """Run one sweep through whatever happens, and judge it."""
        plan = final_plan({"seed": list(range(number * self._size, (number + 1) * self._size))}, epochs=2)
        on_ray = number % RAY_EVERY == RAY_EVERY - 1
        self._hung, self._peak = 0, Usage(0, 0)
        with own_ray_folder() if on_ray else nullcontext(self._folder) as home:
            environment = {"RAY_TMPDIR": str(home), "HOME": str(home)} if on_ray else {}
            words = () if on_ray else ("--inline",)
            sweep = SweepProcess(self._folder, plan, self._proxy.uri, words, environment=environment)
            submissions = self._submit(sweep)
            expected = [_alone(plan, place) for place in range(self._size)]
            lost, twice, wrong, left = judge(sweep, expected)
        others = sum(path.is_file() for path in (self._folder / "other" / ".resablate").rglob("*"))
        server = used_by(self._server.processes())
        self.rows.append(
            {
                "sweep": number,
                "where": "Ray" if on_ray else "inline",
                "submissions": submissions,
                "lost": lost,
                "twice": twice,
                "wrong": wrong,
                "left": left + others + self._hung,
                "peak_mib": self._peak.mib,
                "peak_files": self._peak.files,
                "server_mib": server.mib,
                "server_files": server.files,
                "temporary": len(list(Path(tempfile.gettempdir()).glob("resablate-*"))),
            }
        )
        print(self.rows[-1], dict(self.happened), flush=True)

    def _submit(self, sweep: SweepProcess) -> int:
        """Until it ends well; how often."""
        while self._at < time.monotonic():  # nothing happened while the last one was judged
            self._at += self._every
        for time_ in range(1, SUBMISSIONS + 1):
            sweep.start("--retry", "failed")
            if self._through(sweep) == 0:
                return time_
        return SUBMISSIONS

    def _through(self, sweep: SweepProcess) -> int:
        """Wait for the end of a submission, while things happen; its exit code."""
        process = sweep.process
        assert process is not None
        until = time.monotonic() + HANG_SECONDS
        while process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(min(2.0, max(0.1, self._at - time.monotonic())))
            used = used_by(sweep.alive())
            self._peak = Usage(max(self._peak.mib, used.mib), max(self._peak.files, used.files))
            if time.monotonic() >= until:
                self._hung += 1
                print(f"a submission did not end:\n{sweep.said()}", flush=True)
                sweep.clean_up()
            elif time.monotonic() >= self._at and process.poll() is None:
                name = self._draw()
                self.happened[name] += 1
                FAULTS[name](self, sweep)
                self._at = max(self._at + self._every, time.monotonic())
        return process.wait()

    def _draw(self) -> str:
        """What happens next; every kind comes once before any comes again."""
        if not self._next:
            self._next = [name for name in FAULTS if self._disk or name != "disk full"]
            self._chance.shuffle(self._next)
        return self._next.pop()

    def kill(self, sweep: SweepProcess) -> None:
        """One of its processes, whichever."""
        if alive := sweep.alive():
            with suppress(ProcessLookupError):
                os.kill(self._chance.choice(sorted(alive)), signal.SIGKILL)

    def stop(self, sweep: SweepProcess) -> None:
        """What files results stands still for a while: the writer's process on Ray, the driver where it has none."""
        assert sweep.process is not None
        writers = [pid for pid in sweep.alive() if b"ResultWriterActor" in command_of(pid)]
        pid = writers[0] if writers else sweep.process.pid
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(FAULT_SECONDS)
            os.kill(pid, signal.SIGCONT)

    def refuse(self, fault: str) -> None:
        """Requests fail for a while."""
        self._proxy.fault = fault
        time.sleep(FAULT_SECONDS)
        self._proxy.fault = ""

    def fill(self) -> None:
        """The disk is full for a while."""
        assert self._disk is not None
        taken = fill(self._disk)
        time.sleep(FAULT_SECONDS)
        taken.unlink()

    def submit(self, sweep: SweepProcess) -> None:
        """Somebody else submits it from another folder, and is refused, or it has ended and there is nothing to do."""
        (self._folder / "other").mkdir(exist_ok=True)
        other = SweepProcess(self._folder / "other", sweep.plan, sweep.uri, mark=sweep.mark)
        other.start()
        assert other.process is not None
        try:
            other.process.wait(HANG_SECONDS)  # it runs to its end where the first one had not begun yet
        except subprocess.TimeoutExpired:
            self._hung += 1
            print(f"a second submission did not end:\n{other.said()}", flush=True)
            other.clean_up()


class Usage(NamedTuple):
    """What processes take together."""

    mib: int
    """Of memory; what they share counts for each."""
    files: int
    """That they have open."""


def used_by(pids: Iterable[int]) -> Usage:
    """What they take together."""
    pages = files = 0
    for pid in pids:
        with suppress(OSError):
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            files += sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return Usage(pages * os.sysconf("SC_PAGESIZE") // 2**20, files)


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
    parser.add_argument("--trials", type=int, default=0, help="it goes on until there are so many, if minutes are over")
    parser.add_argument("--size", type=int, default=20, help="trials of a sweep")
    parser.add_argument("--every", type=float, default=20, help="seconds between two faults")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--page", default=PAGE, help="its name; make soak has one of its own, which is not kept")
    parser.add_argument("--judge", type=Path, metavar="PAGE", help="a page that is there, and do nothing else")
    asked = parser.parse_args(arguments)
    if asked.judge:
        print(judge_page(asked.judge))
        return check(rows_of(asked.judge.read_text(encoding="utf-8")))
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ra") as made, ExitStack() as opened:
        place = Path(made)
        server = opened.enter_context(with_server(place))
        proxy = opened.enter_context(FaultyProxy(server.uri))
        disk = _small_disk(place, opened)
        soak = Soak(place, server, proxy, disk, seed=asked.seed, every=asked.every, size=asked.size)
        while time.monotonic() < begin + 60 * asked.minutes or len(soak.rows) * asked.size < asked.trials:
            soak.sweep(len(soak.rows))
            minutes = (time.monotonic() - begin) / 60
            text = render(soak.rows, soak.happened, asked, minutes)
            (folder / asked.page).write_text(text, encoding="utf-8")
    check(soak.rows)


def _small_disk(place: Path, opened: ExitStack) -> Path | None:
    """A disk of sixteen megabytes under the work folder; None where only root may mount one."""
    (place / ".resablate").mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place / ".resablate")]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        return None
    opened.callback(subprocess.run, ["umount", "--lazy", str(place / ".resablate")], check=True)
    return place / ".resablate"


def render(rows: Sequence[Row], happened: Mapping[str, int], asked: argparse.Namespace, minutes: float) -> str:
    """The page."""
    told = ", ".join(f"{name} {count}" for name, count in happened.items()) or "nothing"
    lines = [
        "# A soak",
        "",
        f"Written by `python -m tests.benchmarks.soak --minutes {asked.minutes:g} --trials {asked.trials} --size"
        f" {asked.size} --every {asked.every:g} --seed {asked.seed}`:",
        f"{len(rows)} sweeps of {asked.size} tiny trials, one after another, took {minutes:.1f} minutes, with a"
        f" fault every {asked.every:g} s while they ran:",
        f"{told}. Peaks are of all processes of a sweep together, memory that they share counted for each; the",
        "server's are after the sweep; temporary counts folders of sweeps in the machine's temporary folder.",
        "",
        *table(rows),
        "",
        flatness(rows),
        "",
        f"Taken at {code_version()}, on {machine()}.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
