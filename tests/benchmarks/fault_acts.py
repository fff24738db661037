"""What is done to a sweep by processes, servers, databases and disks, all of them real."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from resablate.plan import SweepPlan
from tests.faults.elsewhere import AHEAD, MACHINE, SECONDS
from tests.faults.sweeps import SLOW, SweepProcess, slow_plan
from tests.faults.test_driver import in_the_middle, killed
from tests.faults.test_full_disk import fill
from tests.faults.test_leases import takes_over
from tests.faults.test_outage import loses_its_server, with_server
from tests.postgres import Postgres, postgres
from tests.scheduling.ray_home import own_ray_folder
from tests.scheduling.tiny import final_plan
from tests.tracking.databases import make_database
from tests.tracking.faulty_proxy import FaultyProxy
from tests.tracking.servers import MlflowServer

AWAY_SECONDS = 5.0
DATABASE_AWAY_SECONDS = 30.0


class Stage:
    """Where an act happens; ends what it left running.

    Args:
        folder: of everything.
        seed: of what is left to chance.
    """

    def __init__(self, folder: Path, seed: str) -> None:
        self.folder, self.chance = folder, random.Random(seed)
        self.sweeps: list[SweepProcess] = []
        """Those that are judged afterwards."""
        self.opened = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.opened.close()

    def sweep(
        self, plan: SweepPlan | None = None, *, uri: str = "", words: tuple[str, ...] = ("--inline",), **more: Any
    ) -> SweepProcess:
        """A sweep of three slow trials, if it is not another one, in a folder of its own."""
        folder = self.folder / f"sweep-{len(self.sweeps)}"
        folder.mkdir()
        environment = {"HOME": str(folder), **more.pop("environment", {})}
        made = SweepProcess(folder, plan or slow_plan(), uri or self.database(), words, environment=environment, **more)
        self.sweeps.append(made)
        self.opened.callback(made.clean_up)
        return made

    def on_ray(self) -> SweepProcess:
        """A sweep on a Ray of its own."""
        short = self.opened.enter_context(own_ray_folder())
        return self.sweep(words=(), environment={"RAY_TMPDIR": str(short), "HOME": str(short)})

    def database(self) -> str:
        """The store in a file that all sweeps of this stage share."""
        file = self.folder / "mlflow.db"
        return f"sqlite:///{file}" if file.exists() else make_database(self.folder)

    def server(self) -> MlflowServer:
        """A server before a store of its own."""
        return self.opened.enter_context(with_server(self.folder))

    def small_disk(self, folder: Path) -> None:
        """A disk of eight megabytes lies at this folder from now on."""
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=True)
        self.opened.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=True)

    def proxy(self) -> FaultyProxy:
        """A proxy before a server."""
        return self.opened.enter_context(FaultyProxy(self.server().uri))


def search_plan() -> SweepPlan:
    """Three slow trials that a search proposes."""
    axes = {"learning_rate": {"low": 0.01, "high": 0.1, "log": True}}
    return final_plan(axes, **SLOW, search={"method": "tpe", "trials": 3})


def driver_killed(stage: Stage) -> None:
    """At a random moment."""
    _killed_by_chance(stage, stage.sweep())


def driver_killed_on_ray(stage: Stage) -> None:
    """At a random moment, with a Ray of its own."""
    _killed_by_chance(stage, stage.on_ray())


def driver_killed_again_and_again(stage: Stage) -> None:
    """The next start clears what the killed ones left, wherever they did."""
    sweep = stage.on_ray()
    temporary = Path(sweep.environment["HOME"])
    sweep.environment["TMPDIR"] = str(temporary)
    for _ in range(5):
        sweep.start()
        sweep.until(lambda: bool(sweep.epochs()) or sweep.spooled() != set())
        sweep.kill()
        sweep.ended()
    assert sweep.run() == 0, sweep.said()
    assert sweep.gone()
    assert list(temporary.glob("resablate-*")) == []
    sessions = list((temporary / "ray").glob("session_[0-9]*"))
    assert len(sessions) <= 2, "of the last one, and the one before, which had the latest logs when that began"


def _killed_by_chance(stage: Stage, sweep: SweepProcess) -> None:
    sweep.start()
    sweep.until(lambda: bool(sweep.epochs()))
    time.sleep(stage.chance.uniform(0, 5))
    if sweep.process and sweep.process.poll() is None:
        sweep.kill()
    sweep.ended()


def _process_killed(*of: bytes) -> Callable[[Stage], None]:
    """The process of a sweep on Ray whose command has one of these words is killed in the middle."""

    def disturb(stage: Stage) -> None:
        sweep = stage.on_ray()
        sweep.start()
        in_the_middle(sweep)
        found = [pid for pid in sweep.alive() if any(word in command_of(pid) for word in of)]
        os.kill(stage.chance.choice(sorted(found)), signal.SIGKILL)
        sweep.ended()

    return disturb


def command_of(pid: int) -> bytes:
    """The command of a process; empty where it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def driver_terminated(stage: Stage) -> None:
    """It is told to stop in the middle."""
    sweep = stage.sweep()
    sweep.start()
    in_the_middle(sweep)
    sweep.kill(signal.SIGTERM)
    sweep.ended()


def killed_at(request: str, fault: str) -> Callable[[Stage], None]:
    """Killed at a request of this kind, which the server has answered where the fault is `lost`."""

    def disturb(stage: Stage) -> None:
        proxy = stage.proxy()
        sweep = stage.sweep(uri=proxy.uri)
        sweep.start()
        sweep.until(lambda: sweep.reached(SLOW["epochs"] - 1))
        proxy.only, proxy.fault = request, fault
        sweep.until(lambda: proxy.refused > 0 and sweep.spooled() != set())
        proxy.wait_for_refusals(1)
        sweep.kill()
        sweep.ended()
        proxy.only = proxy.fault = ""

    return disturb


def work_folder_removed(stage: Stage) -> None:
    """In the middle."""
    sweep = stage.sweep()
    sweep.start()
    in_the_middle(sweep)
    shutil.rmtree(sweep.folder / ".resablate")
    sweep.ended()


def disk_full(stage: Stage) -> None:
    """The disk of the work folder fills up in the middle, and has room again later."""
    sweep = stage.sweep()
    disk = sweep.folder / ".resablate"
    disk.mkdir()
    stage.small_disk(disk)
    sweep.start()
    in_the_middle(sweep)
    taken = fill(disk)
    time.sleep(AWAY_SECONDS)
    taken.unlink()
    sweep.ended()


def disk_full_at_the_start(stage: Stage) -> None:
    """It refuses, and begins once there is room."""
    sweep = stage.sweep()
    disk = sweep.folder / ".resablate"
    disk.mkdir()
    stage.small_disk(disk)
    taken = fill(disk)
    assert sweep.run() == 2, sweep.said()
    taken.unlink()


def analyzed_on_a_full_disk(stage: Stage) -> None:
    """Whoever analyzes says that there is no room, waits, and goes on."""
    place = stage.folder / "mlartifacts"
    place.mkdir()
    stage.small_disk(place)
    sweep = stage.sweep()
    assert sweep.run() == 0, sweep.said()
    ask = [sys.executable, "-m", "resablate", "analyze", "tiny", "--tracking-uri", sweep.uri, "lesion"]
    taken = fill(place)
    with (sweep.folder / "err").open("w") as err:
        asked = subprocess.Popen([*ask, "lesion.examples=8"], cwd=sweep.folder, stderr=err)
    deadline = time.monotonic() + 120
    while "No space left" not in sweep.said() and asked.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    taken.unlink()
    assert asked.wait(300) == 0, sweep.said()
    assert "No space left" in sweep.said(), sweep.said()
    assert "Traceback" not in sweep.said(), sweep.said()


def made_ahead(stage: Stage) -> None:
    """By a machine whose clock is an hour ahead, and killed in the middle; the next one's is right."""
    first = stage.sweep(program="tests.faults.elsewhere", environment={AHEAD: "3600"})
    killed(first)
    first.environment.clear()


def second_submitter(stage: Stage) -> None:
    """From another folder, while it runs: it is refused, and the first one goes on."""
    first = stage.sweep()
    first.start()
    in_the_middle(first)
    _is_refused(stage, first.plan)
    assert first.ended() == 0, first.said()


def second_submitter_of_a_search(stage: Stage) -> None:
    """Likewise; the study is the same."""
    shared = {"RESABLATE_STUDY_STORAGE": f"sqlite:///{stage.folder / 'studies.db'}"}
    first = stage.sweep(search_plan(), environment=shared)
    first.start()
    in_the_middle(first)
    _is_refused(stage, first.plan, environment=shared)
    assert first.ended() == 0, first.said()


def _is_refused(stage: Stage, plan: SweepPlan, **more: Any) -> None:
    other = stage.sweep(plan, **more)
    assert other.run() == 2, other.said()
    stage.sweeps.remove(other)


def taken_over(stage: Stage) -> None:
    """A driver is stopped, another machine takes over, and the first one wakes in the middle of that."""
    server = stage.server()
    first, second = (
        stage.sweep(uri=server.uri, program="tests.faults.elsewhere", environment={MACHINE: name, SECONDS: "1.5"})
        for name in ("one", "two")
    )
    takes_over(first, second)


def shared_trials(stage: Stage) -> None:
    """Two sweeps at once, two trials of which are the same."""
    first, second = stage.sweep(slow_plan(2)), stage.sweep(slow_plan(3, name="second"))
    first.start()
    first.until(lambda: first.reached(1))
    second.start()
    assert second.ended() == 0, second.said()
    assert first.ended() == 0, first.said()


def analyzed_twice_at_once(stage: Stage) -> None:
    """Three processes analyze the trials at once; each finds its answers afterwards."""
    sweep = stage.sweep()
    sweep.run()
    ask = [sys.executable, "-m", "resablate", "analyze", "tiny", "--tracking-uri", sweep.uri, "lesion"]
    asked = {8, 12, 16}
    at_once = [
        subprocess.Popen([*ask, f"lesion.examples={count}"], cwd=sweep.folder, stderr=subprocess.PIPE, text=True)
        for count in sorted(asked)
    ]
    for process in at_once:
        said = process.communicate(timeout=300)[1]
        assert process.returncode == 0, said
    for result in sweep.results():
        analyses = [found.question.analysis for found in result.measurements]
        found = {analysis.values["examples"] for analysis in analyses if analysis.name == "lesion"}
        assert asked < found, found


def server_killed(stage: Stage) -> None:
    """In the middle, and it comes back."""
    server = stage.server()
    sweep = stage.sweep(uri=server.uri)
    loses_its_server(sweep, server)
    time.sleep(AWAY_SECONDS)
    server.start()
    sweep.ended()


def database_away(stage: Stage) -> None:
    """PostgreSQL behind MLflow stands still for half a minute, while /health goes on saying that all is well."""
    _loses_its_database(stage, stage.opened.enter_context(postgres()))


def study_away(stage: Stage) -> None:
    """Likewise, and the study of the search lies there too."""
    import psycopg

    database = stage.opened.enter_context(postgres())
    with psycopg.connect(database.url().replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE DATABASE studies")
    shared = {"RESABLATE_STUDY_STORAGE": database.url().removesuffix("postgres") + "studies"}
    _loses_its_database(stage, database, search_plan(), environment=shared)


def _loses_its_database(stage: Stage, database: Postgres, plan: SweepPlan | None = None, **more: Any) -> None:
    (stage.folder / "server").mkdir()
    server = stage.opened.enter_context(MlflowServer(stage.folder / "server", database=database.url()))
    sweep = stage.sweep(plan, uri=server.uri, **more)
    sweep.start()
    in_the_middle(sweep)
    database.stop()
    time.sleep(DATABASE_AWAY_SECONDS)
    database.start()
    sweep.ended()


def _answers(fault: str) -> Callable[[Stage], None]:
    """Requests fail for a while as `fault` says."""

    def disturb(stage: Stage) -> None:
        proxy = stage.proxy()
        sweep = stage.sweep(uri=proxy.uri)
        sweep.start()
        sweep.until(lambda: sweep.reached(2))
        proxy.fault = fault
        time.sleep(AWAY_SECONDS)
        proxy.fault = ""
        sweep.ended()

    return disturb


ACTS: Mapping[str, Callable[[Stage], None]] = {
    "driver killed": driver_killed,
    "driver killed, on Ray": driver_killed_on_ray,
    "driver killed five times, on Ray": driver_killed_again_and_again,
    "a trial's process killed, on Ray": _process_killed(b"PackTrainable"),
    "the process that files results killed, on Ray": _process_killed(b"ResultWriterActor"),
    "raylet killed, on Ray": _process_killed(b"raylet/raylet"),
    "GCS killed, on Ray": _process_killed(b"gcs_server"),
    "driver told to stop": driver_terminated,
    "driver killed between a trial's last tag and its end": killed_at("runs/update", "cut"),
    "driver killed inside a trial's last report": killed_at("runs/log-batch", "lost"),
    "driver stopped, and another machine takes over": taken_over,
    "a second submitter": second_submitter,
    "a second submitter of a search": second_submitter_of_a_search,
    "two sweeps that share trials": shared_trials,
    "three that analyze at once": analyzed_twice_at_once,
    "a submission made an hour ahead": made_ahead,
    "work folder removed in the middle": work_folder_removed,
    "disk full at the start": disk_full_at_the_start,
    "disk full for a while": disk_full,
    "disk of the records full while trials are analyzed": analyzed_on_a_full_disk,
    "server killed, and back": server_killed,
    "PostgreSQL away for 30 s behind MLflow": database_away,
    "PostgreSQL away for 30 s, with a search's study": study_away,
    "server answers 503": _answers("503"),
    "server answers 429": _answers("429"),
    "connections cut": _answers("cut"),
    "answers lost after the server has done its part": _answers("lost"),
}
"""Name -> the act, which runs the sweep through it; what has not ended by then is submitted again."""
