"""What is done to a sweep: every fault of `faults`, as an act on real processes, files, servers and disks."""

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
from resablate.tracking.mlflow_store import KEY, KIND, SCHEMA, SCHEMA_VERSION, STATUS
from tests.faults.elsewhere import MACHINE, SECONDS
from tests.faults.sweeps import SLOW, SweepProcess, runs_of, slow_plan
from tests.faults.test_driver import in_the_middle, killed
from tests.faults.test_full_disk import fill
from tests.faults.test_leases import takes_over
from tests.faults.test_outage import loses_its_server, with_server
from tests.postgres import postgres
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

    def proxy(self) -> FaultyProxy:
        """A proxy before a server."""
        return self.opened.enter_context(FaultyProxy(self.server().uri))


def driver_killed(stage: Stage) -> None:
    """At a random moment."""
    _killed_by_chance(stage, stage.sweep())


def driver_killed_on_ray(stage: Stage) -> None:
    """At a random moment, with a Ray of its own."""
    _killed_by_chance(stage, stage.on_ray())


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


def _checkpoint(damage: Callable[[Path, random.Random], None]) -> Callable[[Stage], None]:
    """Killed, and something is done to the newest checkpoint."""

    def disturb(stage: Stage) -> None:
        sweep = stage.sweep()
        killed(sweep)
        damage(max(sweep.folder.rglob("checkpoint-*.safetensors")), stage.chance)

    return disturb


def cut_off(file: Path, chance: random.Random) -> None:
    """Anywhere."""
    os.truncate(file, chance.randrange(file.stat().st_size))


def change_bit(file: Path, chance: random.Random) -> None:
    """One, wherever it is."""
    content = bytearray(file.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    file.write_bytes(content)


def replace_by_folder(file: Path, chance: random.Random) -> None:
    """A folder lies where the file lay."""
    file.unlink()
    file.mkdir()


def epoch_analysis_damaged(stage: Stage) -> None:
    """Killed, and a bit of every measurement of an epoch that waits for its trial's end is changed."""
    sweep = stage.sweep()
    killed(sweep)
    files = [file for file in sweep.folder.glob(".resablate/*/trials/*/*") if "checkpoint" not in file.name]
    for file in files:
        if file.is_file() and file.stat().st_size:
            change_bit(file, stage.chance)


def result_damaged(stage: Stage) -> None:
    """A bit of one filed result is changed."""
    sweep = stage.sweep()
    sweep.run()
    change_bit(stage.chance.choice(_filed(stage)), stage.chance)


def result_swapped(stage: Stage) -> None:
    """One filed result is written over another."""
    stage.sweep().run()
    one, other = stage.chance.sample(_filed(stage), 2)
    shutil.copy(one, other)


def _filed(stage: Stage) -> list[Path]:
    return sorted(stage.folder.rglob("mlartifacts/**/result.json"))


def spool_damaged(stage: Stage) -> None:
    """The server is away until the sweep has ended; what waits for it is damaged."""
    server = stage.server()
    sweep = stage.sweep(uri=server.uri)
    loses_its_server(sweep, server)
    sweep.ended()
    files = sorted(sweep.folder.glob(".resablate/*/spool/*/*"))
    change_bit(stage.chance.choice(files), stage.chance)
    server.start()


def database_emptied(stage: Stage) -> None:
    """The next submission says so before it trains again."""
    sweep = stage.sweep()
    sweep.run()
    (stage.folder / "mlflow.db").write_bytes(b"")
    sweep.run()
    assert "no trial counts as trained" in sweep.said(), sweep.said()


def foreign_run(stage: Stage) -> None:
    """Somebody's run lies in the sweep's experiment, with tags of a complete trial and no result."""
    from mlflow import MlflowClient

    sweep = stage.sweep()
    killed(sweep)
    client = MlflowClient(tracking_uri=sweep.uri)
    place = runs_of(sweep.uri)[0].info.experiment_id
    tags = {SCHEMA: SCHEMA_VERSION, KIND: "trial", KEY: sweep.plan.trials[-1].key, STATUS: "finished"}
    for given in ({}, tags):
        client.set_terminated(client.create_run(place, tags=given).info.run_id)


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
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], check=True)
    stage.opened.callback(subprocess.run, ["umount", "--lazy", str(disk)], check=True)
    sweep.start()
    in_the_middle(sweep)
    taken = fill(disk)
    time.sleep(AWAY_SECONDS)
    taken.unlink()
    sweep.ended()


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
    axes = {"learning_rate": {"low": 0.01, "high": 0.1, "log": True}}
    first = stage.sweep(final_plan(axes, **SLOW, search={"method": "tpe", "trials": 3}), environment=shared)
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
    database = stage.opened.enter_context(postgres())
    (stage.folder / "server").mkdir()
    server = stage.opened.enter_context(MlflowServer(stage.folder / "server", database=database.url()))
    sweep = stage.sweep(uri=server.uri)
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


FAULTS: Mapping[str, Callable[[Stage], None]] = {
    "driver killed": driver_killed,
    "driver killed, on Ray": driver_killed_on_ray,
    "a trial's process killed, on Ray": _process_killed(b"PackTrainable"),
    "the process that files results killed, on Ray": _process_killed(b"ResultWriterActor"),
    "raylet killed, on Ray": _process_killed(b"raylet/raylet"),
    "GCS killed, on Ray": _process_killed(b"gcs_server"),
    "driver told to stop": driver_terminated,
    "driver stopped, and another machine takes over": taken_over,
    "a second submitter": second_submitter,
    "a second submitter of a search": second_submitter_of_a_search,
    "two sweeps that share trials": shared_trials,
    "three that analyze at once": analyzed_twice_at_once,
    "killed, newest checkpoint cut off": _checkpoint(cut_off),
    "killed, a bit of the newest checkpoint changed": _checkpoint(change_bit),
    "killed, a folder in the newest checkpoint's place": _checkpoint(replace_by_folder),
    "killed, measurements of an epoch damaged": epoch_analysis_damaged,
    "a bit of a filed result changed": result_damaged,
    "a filed result over another": result_swapped,
    "a bit of what waits for the server changed": spool_damaged,
    "database emptied": database_emptied,
    "runs of others with the tags of a complete trial": foreign_run,
    "work folder removed in the middle": work_folder_removed,
    "disk full for a while": disk_full,
    "server killed, and back": server_killed,
    "PostgreSQL away for 30 s behind MLflow": database_away,
    "server answers 503": _answers("503"),
    "server answers 429": _answers("429"),
    "connections cut": _answers("cut"),
    "answers lost after the server has done its part": _answers("lost"),
}
"""Name -> the act, which runs the sweep through it; what has not ended by then is submitted again."""
