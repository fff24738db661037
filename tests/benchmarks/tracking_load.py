"""Many trials that report at once to an MLflow server: what arrives, and how long a report takes.

    python -m tests.benchmarks.tracking_load [--writers 64] [--reports 100]

starts servers on PostgreSQL and on sqlite as `make cluster` starts its own, has the writers report to each as fast as
they can, first with a request for each epoch, then through a sweep's `ResultWriter`, and writes
reports/benchmarks/tracking_load.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from resablate.errors import TrackingError
from resablate.local_cluster.cluster import POOL
from resablate.measurement import EpochMetrics
from resablate.scheduling.result_writer import ResultWriter
from resablate.spec import TrainSpec
from resablate.sweep import SweepSpec, parse_sweep
from resablate.tracking.metrics import epoch_points
from resablate.tracking.mlflow_store import KEY, KIND
from resablate.tracking.mlflow_tracker import MlflowTracker
from tests.benchmarks.measuring import FOLDER, machine
from tests.tracking.password_servers import served

PAGE, FIGURES = "tracking_load.md", "tracking_load.json"
PROCESSES = 8
OWN_POOL = "PostgreSQL, MLflow's own pool of 15 connections"
SERVERS = ("PostgreSQL", OWN_POOL, "sqlite")
EACH, TOGETHER = WAYS = ("one epoch", "all that wait")
"""What a request carries: the first is how an epoch is filed whose sweep keeps up."""


class Written(NamedTuple):
    """What one process of writers saw."""

    seconds: list[float]
    """Of each report."""
    refused: int
    begin: float
    end: float


@dataclass(frozen=True)
class Load:
    """What one server made of it."""

    server: str
    way: str
    """One of WAYS."""
    writers: int
    processes: int
    reports: int
    """Of each writer."""
    refused: int
    numbers_sent: int
    numbers_arrived: int
    wall_seconds: float
    median_seconds: float
    p99_seconds: float
    slowest_seconds: float


def main(arguments: Sequence[str] | None = None, *, folder: Path = FOLDER) -> None:
    """Measure the servers, and write the page anew after every load."""
    parser = argparse.ArgumentParser(description="Many trials that report at once.")
    parser.add_argument("--writers", type=int, default=64)
    parser.add_argument("--reports", type=int, default=100)
    names = ", ".join(SERVERS)
    parser.add_argument("--servers", nargs="*", choices=SERVERS, default=SERVERS, metavar="SERVER", help=names)
    asked = parser.parse_args(arguments)
    for server in asked.servers:
        with served(server.partition(",")[0], without=POOL if server == OWN_POOL else ()):
            for way in WAYS if server != OWN_POOL else WAYS[:1]:
                load = measure(server, way, writers=asked.writers, reports=asked.reports)
                print(_line(asdict(load)), flush=True)
                _keep({**asdict(load), "machine": machine()}, folder)


def _keep(load: dict[str, Any], folder: Path) -> None:
    """Put a load in the place of the earlier one of its server and way, and write the page."""
    file = folder / FIGURES
    earlier: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    rows = {(row["server"], row["way"]): row for row in [*earlier, load]}
    loads = [rows[server, way] for server in SERVERS for way in WAYS if (server, way) in rows]
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(loads, indent=1) + "\n", encoding="utf-8")
    (folder / PAGE).write_text(render(loads), encoding="utf-8")


def measure(server: str, way: str, *, writers: int, reports: int) -> Load:
    """Have the writers report to the server that the environment names, and count what arrived."""
    processes = min(PROCESSES, writers)
    sweeps = [sweep_of(place, writers // processes, way) for place in range(processes)]
    # Not forked: connections of this process are not to be shared.
    with (
        ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool,
        get_context("spawn").Manager() as shared,
    ):
        together = shared.Barrier(processes)
        asked = [pool.submit(write if way == EACH else write_together, sweep, reports, together) for sweep in sweeps]
        answers = [answer.result() for answer in asked]
    seconds = sorted(second for written in answers for second in written.seconds)
    return Load(
        server=server,
        way=way,
        writers=sum(sweep.grid_size for sweep in sweeps),
        processes=processes,
        reports=reports,
        refused=sum(written.refused for written in answers),
        numbers_sent=sum(sweep.grid_size for sweep in sweeps) * sum(len(epoch_points(r)) for r in history(0, reports)),
        numbers_arrived=sum(arrived(sweep, reports) for sweep in sweeps),
        wall_seconds=max(written.end for written in answers) - min(written.begin for written in answers),
        median_seconds=statistics.median(seconds),
        p99_seconds=seconds[int(0.99 * len(seconds))],
        slowest_seconds=seconds[-1],
    )


def sweep_of(place: int, trials: int, way: str) -> SweepSpec:
    """The sweep of one process: a trial for each of its writers."""
    seeds = [place * trials + seed for seed in range(trials)]
    return parse_sweep({"name": f"load-{WAYS.index(way)}-{place}", "axes": {"seed": seeds}})


def history(seed: int, reports: int) -> list[EpochMetrics]:
    """What the writer of this seed reports: no two numbers of a curve are alike."""
    return [
        EpochMetrics(
            epoch=epoch,
            train_loss=seed + epoch / 1024,
            train_error=seed + epoch / 2048,
            val_loss=seed + epoch / 4096,
            val_error=seed + epoch / 8192,
            learning_rate=0.1 / epoch,
            wall_seconds=1.0 + epoch,
        )
        for epoch in range(1, reports + 1)
    ]


def write(sweep: SweepSpec, reports: int, together: Any) -> Written:
    """The writers of one process, each on a thread of its own; they begin when all processes are ready."""
    tracker = MlflowTracker(os.environ["MLFLOW_TRACKING_URI"])
    specs = [sweep.trial(point) for point in sweep.points()]
    tracker.start_sweep(sweep, trials=specs, command="load")
    for spec in specs:
        tracker.start_trial(spec)
    together.wait()
    begin = time.time()
    seconds: list[float] = []
    refusals: list[str] = []

    def report(spec: TrainSpec) -> None:
        for metrics in history(spec.seed, reports):
            asked = time.perf_counter()
            try:
                tracker.log_epoch(spec.key, metrics)
            except TrackingError as error:
                refusals.append(str(error))
            seconds.append(time.perf_counter() - asked)

    with ThreadPoolExecutor(len(specs)) as pool:
        list(pool.map(report, specs))
    return Written(seconds, len(refusals), begin, time.time())


def write_together(sweep: SweepSpec, reports: int, together: Any) -> Written:
    """The same through the one that files for all trials of a sweep; a report is over when it has taken it."""
    specs = [sweep.trial(point) for point in sweep.points()]
    with tempfile.TemporaryDirectory() as spool:
        writer = ResultWriter(MlflowTracker(os.environ["MLFLOW_TRACKING_URI"]), spool=Path(spool), grace_seconds=600)
        writer.start(sweep, trials=specs, command="load")
        for spec in specs:
            writer.start_trial(spec)
        together.wait()
        begin = time.time()
        seconds: list[float] = []

        def report(spec: TrainSpec) -> None:
            for metrics in history(spec.seed, reports):
                asked = time.perf_counter()
                writer.epoch(spec.key, metrics)
                seconds.append(time.perf_counter() - asked)

        with ThreadPoolExecutor(len(specs)) as pool:
            list(pool.map(report, specs))
        problems = writer.end("interrupted")
    return Written(seconds, len(problems), begin, time.time())


def arrived(sweep: SweepSpec, reports: int) -> int:
    """How many of the numbers that were sent the server gives back, each as it was sent."""
    from mlflow import MlflowClient

    client = MlflowClient()
    experiment = client.get_experiment_by_name(sweep.name)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], f"tags.`{KIND}` = 'trial'", max_results=1000)
    by_key = {run.data.tags[KEY]: run.info.run_id for run in runs}
    count = 0
    for point in sweep.points():
        spec = sweep.trial(point)
        sent = {(p.name, p.step, p.value) for metrics in history(spec.seed, reports) for p in epoch_points(metrics)}
        for name in {name for name, _, _ in sent}:
            found = client.get_metric_history(by_key[spec.key], name)
            count += len({(metric.key, metric.step, metric.value) for metric in found} & sent)
    return count


def render(loads: Sequence[dict[str, Any]]) -> str:
    """The page."""
    rates = {(load["server"], load["way"]): load["numbers_arrived"] / load["wall_seconds"] for load in loads}
    both = [server for server in SERVERS if {(server, way) for way in WAYS} <= rates.keys()]
    times = [f"{rates[server, TOGETHER] / rates[server, EACH]:.1f} times on {server}" for server in both]
    faster = f"The numbers a second are then {' and '.join(times)} those of single epochs." if times else ""
    lines = [
        "# An MLflow server under load",
        "",
        "Written by `python -m tests.benchmarks.tracking_load`; the figures are in `tracking_load.json` beside it.",
        "Trials in several processes report their epochs without a pause, by the code that a sweep files with. The",
        "server is that of `make cluster`: passwords, two workers, artifacts proxied. Afterwards every number is asked",
        "for and compared with what was sent. The writers and the database share the machine with the server.",
        "",
        "A request carries one epoch, seven numbers, where whoever reports waits for it (`MlflowTracker.log_epoch`). A",
        "sweep's trials do not wait: its one `ResultWriter` files for all of them, and where it is behind, a request",
        "carries all epochs of a trial that wait. The wall time lasts until the last number is there, and a report is",
        f"over when the writer has taken it. {faster}",
        "",
        "With the pool of connections that MLflow makes by itself, reports are refused: its `log_batch` holds a",
        "connection while it waits for a second, and a worker has more threads than that pool has connections. A sweep",
        "files again what is refused, but waits half a minute for each. `make cluster` gives the server a larger pool.",
        "",
        "| server on | a request carries | trials | processes | reports of each | refused | numbers sent | arrived "
        "| numbers/s | median (ms) | p99 | max |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        *map(_line, loads),
        "",
        *(f"Taken on {each}." for each in dict.fromkeys(load["machine"] for load in loads)),
    ]
    return "\n".join(lines) + "\n"


def _line(load: dict[str, Any]) -> str:
    milliseconds = [f"{1000 * load[name]:.3g}" for name in ("median_seconds", "p99_seconds", "slowest_seconds")]
    counts = ("writers", "processes", "reports", "refused", "numbers_sent", "numbers_arrived")
    rate = f"{load['numbers_arrived'] / load['wall_seconds']:.0f}"
    return (
        "| "
        + " | ".join(map(str, [load["server"], load["way"], *(load[c] for c in counts), rate, *milliseconds]))
        + " |"
    )


if __name__ == "__main__":
    main()
