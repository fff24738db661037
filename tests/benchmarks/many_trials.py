"""Two hundred trials at once on four nodes of one machine: is a beat missed, or a node or an epoch lost?

    python -m tests.benchmarks.many_trials [--packs 20] [--members 10] [--epochs 100] [--server PostgreSQL]

writes reports/benchmarks/many_trials.md. A process for each trial would need more memory than most machines have, so
they train in packs: a trial is a member, with a lease, a run, epochs and a result of its own. The server is that of
`make cluster`. A process of its own looks at the leases every few seconds, as somebody on another machine would.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import ray
from rich.console import Console

from resablate.plan import plan_sweep
from resablate.scheduling import run_sweep
from resablate.tracking import BEAT_SECONDS, MlflowTracker, open_tracker
from resablate.tracking.leases import SILENT_SECONDS
from resablate.tracking.mlflow_store import KEY
from resablate.versions import code_version
from tests.benchmarks.fault_acts import command_of
from tests.benchmarks.measuring import FOLDER, machine
from tests.faults.sweeps import runs_of
from tests.scheduling.ray_home import own_cluster
from tests.scheduling.tiny import tiny_sweep
from tests.tracking.password_servers import served

PAGE = "many_trials.md"
NODES = 4
LOOK_SECONDS = 3.0


@dataclass
class Seen:
    """What was looked at while the sweep ran."""

    beats: dict[str, float] = field(default_factory=dict)
    """Renewal of the lease -> when it was seen first, in seconds of this machine's clock."""
    at_once: int = 0
    """Trials whose leases were held at the same time, at most."""
    processes: set[int] = field(default_factory=set)
    """That trained."""
    mib: float = 0.0
    """Of memory that these took together, at most: shared pages in equal parts (PSS)."""

    @property
    def unseen(self) -> float:
        """Seconds, at most, from one renewal that was seen to the next that was; a slow look misses some."""
        times = sorted(self.beats.values())
        return max((later - earlier for earlier, later in pairwise(times)), default=float("nan"))


def look(uri: str, stop: Any, answer: Any) -> None:
    """Look at the leases until told to stop, from a process of its own."""
    tracker, seen = open_tracker(uri), Seen()
    while not stop.wait(LOOK_SECONDS):
        with suppress(Exception):  # where the server is too busy, some are not seen
            for lease in tracker.leases():
                if lease.claim.beat:
                    seen.beats.setdefault(lease.claim.beat, time.time())
                seen.at_once = max(seen.at_once, len(lease.keys))
        training = _training()
        seen.processes |= set(training)
        seen.mib = max(seen.mib, sum(map(_proportional_mib, training)))
    answer.put(seen)


def _training() -> list[int]:
    found = [int(place.name) for place in Path("/proc").glob("[0-9]*")]
    return [pid for pid in found if b"Trainable" in command_of(pid)]


def _proportional_mib(pid: int) -> float:
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    return 0.0


class Nodes:
    """Counts the nodes that are alive, at least, until it is told to stop."""

    def __init__(self) -> None:
        self.least = NODES + 1
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._count, daemon=True)

    def __enter__(self) -> Nodes:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _count(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            if ray.is_initialized():
                self.least = min(self.least, sum(node["Alive"] for node in ray.nodes()))


def main(arguments: Sequence[str] | None = None, *, folder: Path = FOLDER) -> None:
    """Run it and write the page."""
    parser = argparse.ArgumentParser(description="Many trials at once on four nodes.")
    parser.add_argument("--packs", type=int, default=20)
    parser.add_argument("--members", type=int, default=10, help="trials of a pack")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--server", choices=["PostgreSQL", "sqlite"], default="PostgreSQL")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="ra") as home, served(asked.server):
        os.environ["RESABLATE_HOME"] = home
        figures = measure(asked)
    (folder / PAGE).write_text(render(figures, asked), encoding="utf-8")


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Run the sweep on its cluster and look at what came of it."""
    count, uri = asked.packs * asked.members, os.environ["MLFLOW_TRACKING_URI"]
    resources = {"pack": asked.members, "cpus": 1}
    sweep = tiny_sweep({"seed": list(range(count))}, name="many", epochs=asked.epochs, analyses={}, resources=resources)
    apart = get_context("spawn")
    stop, answer = apart.Event(), apart.Queue()
    watching = apart.Process(target=look, args=(uri, stop, answer), daemon=True)
    watching.start()
    text, renewed = io.StringIO(), list[float]()
    keep_alive = MlflowTracker.keep_alive

    def kept_alive(tracker: MlflowTracker) -> None:
        keep_alive(tracker)
        renewed.append(time.monotonic())  # the server has said so

    with (
        patch.object(MlflowTracker, "keep_alive", kept_alive),
        own_cluster(NODES, cpus=-(-asked.packs // NODES)),
        Nodes() as nodes,
    ):
        outcome = run_sweep(plan_sweep(sweep), scheduler="ray_tune", command="many", console=Console(file=text))
    stop.set()
    seen: Seen = answer.get(timeout=60)
    watching.join()
    print(text.getvalue()[-2000:], flush=True)
    return {
        "trials": count,
        "seconds": outcome.wall_seconds,
        "ended": dict(outcome.counts),
        "problems": list(outcome.filing_problems),
        "nodes": nodes.least,
        "seen": seen,
        "gaps": [later - earlier for earlier, later in pairwise(renewed)],
        **_records(uri, asked.epochs),
    }


def _records(uri: str, epochs: int) -> dict[str, int]:
    """What lies in the store: runs of trials, those beside the first of a key, epochs that are missing or twice."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    trials = [run for run in runs_of(uri) if KEY in run.data.tags]
    missing = twice = 0
    for run in trials:
        steps = Counter(point.step for point in client.get_metric_history(run.info.run_id, "learning_rate"))
        missing += epochs - len(steps)
        twice += sum(steps.values()) - len(steps)
    keys = {run.data.tags[KEY] for run in trials}
    return {"runs": len(trials), "doubled": len(trials) - len(keys), "missing": missing, "twice": twice}


def render(figures: dict[str, Any], asked: argparse.Namespace) -> str:
    """The page."""
    seen: Seen = figures["seen"]
    gaps = figures["gaps"] or [float("nan")]
    problems = len(figures["problems"])
    late = sum(gap > 2 * BEAT_SECONDS for gap in gaps)
    each = seen.mib / max(1, asked.packs)
    lines = [
        "# Two hundred trials at once on four nodes",
        "",
        f"Written by `python -m tests.benchmarks.many_trials --packs {asked.packs} --members {asked.members} --epochs"
        f" {asked.epochs} --server {asked.server}`:",
        f"a Ray cluster of a head and {NODES} nodes, all on this machine, and the server of `make cluster` on"
        f" {asked.server}.",
        f"{figures['trials']} trials train in {asked.packs} processes, {asked.members} in each as one pack. A process"
        " of its own looks at",
        f"the leases every {LOOK_SECONDS:g} s. A lease is renewed every {BEAT_SECONDS:g} s and lost after"
        f" {SILENT_SECONDS:g} s of silence.",
        "",
        "| what | |",
        "|---|---:|",
        f"| trials | {figures['trials']} |",
        f"| ended | {', '.join(f'{name} {number}' for name, number in figures['ended'].items())} |",
        f"| leases held at the same time, at most | {seen.at_once} |",
        f"| renewals that the server has confirmed | {len(gaps) + 1} |",
        f"| longest time between two (s) | {max(gaps):.0f} |",
        f"| longest time in which somebody else saw none (s) | {seen.unseen:.0f} |",
        f"| times of more than {2 * BEAT_SECONDS:g} s: a beat was missed | {late} |",
        f"| nodes alive, at least, of {NODES + 1} | {figures['nodes']} |",
        f"| processes that trained, of {asked.packs} packs | {len(seen.processes)} |",
        f"| runs of trials beside the first of a key | {figures['doubled']} |",
        f"| epochs filed, of {figures['trials'] * asked.epochs} |"
        f" {figures['trials'] * asked.epochs - figures['missing']} |",
        f"| epochs filed twice | {figures['twice']} |",
        f"| requests that failed for good | {problems} |",
        f"| seconds | {figures['seconds']:.0f} |",
        f"| memory of a training process (MiB; shared pages in equal parts) | {each:.0f} |",
        "",
        f"A process for each of {figures['trials']} trials would take {figures['trials'] * each / 1024:.0f} GiB.",
        "",
        f"Taken at {code_version()}, on {machine()}.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
