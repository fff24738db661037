"""What a sweep costs besides training, against the stock way of putting Ray Tune and MLflow together.

    python -m tests.benchmarks.overhead [--trials 50] [--many 1000]

runs both on the same tiny trials, interleaved, into the same MLflow server; then many trials in one sweep, watching the
driver. It writes reports/benchmarks/overhead.md.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from resablate.component import Component
from resablate.plan import plan_sweep
from resablate.question import TEST, Question
from resablate.result import Status
from resablate.scheduling import run_sweep
from resablate.scheduling.progress import SweepProgress
from resablate.spec import TrainSpec
from resablate.sweep import parse_sweep
from resablate.tracking import MlflowTracker, open_tracker
from tests.benchmarks.measuring import FOLDER, machine
from tests.factories import make_result
from tests.scheduling.ray_home import own_ray_folder
from tests.tracking.databases import make_database
from tests.tracking.servers import MlflowServer

SLOTS = 2
TINY = {"dataset.train_examples": 64, "depth": 8, "width": 4, "epochs": 5, "batch_size": 32}
ASKED = Question(Component(TEST))
WARM_UP, WINDOW = 100, 100
"""Trials of a long sweep that are not looked at, and over which its pace is averaged."""
_OTHERS = 1_000_000
"""Seeds from here on: what the comparison has run is complete, and not run again."""


@dataclass(frozen=True)
class Figure:
    """One number that is promised to stay within a bound."""

    what: str
    value: float
    unit: str
    bound: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the promise is kept."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound


@dataclass(frozen=True)
class Spent:
    """Seconds of some trials."""

    wall: float
    training: float
    """Sum over the trials."""
    trials: int

    @property
    def outside(self) -> float:
        """Wall seconds besides training, for each trial."""
        return (self.wall - self.training / SLOTS) / self.trials

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.wall + other.wall, self.training + other.training, self.trials + other.trials)


def specs(seeds: Sequence[int]) -> list[TrainSpec]:
    return [TrainSpec.parse({**TINY, "seed": seed}) for seed in seeds]


def ours(seeds: Sequence[int], *, name: str, uri: str) -> Spent:
    """The trials as one sweep of ours, from the request to its end."""
    fields = {"name": name, "base": TINY, "axes": {"seed": list(seeds)}}
    sweep = parse_sweep({**fields, "analyses": {}, "resources": {"gpus": 0}})
    start = time.perf_counter()
    outcome = run_sweep(
        plan_sweep(sweep), scheduler="ray_tune", command="", console=Console(file=io.StringIO()), uri=uri
    )
    wall = time.perf_counter() - start
    assert outcome.counts == {"finished": len(seeds)}, outcome
    results = open_tracker(uri).load_sweep(name).results
    training = sum(metrics.wall_seconds for result in results for metrics in result.history)
    return Spent(wall, training, len(seeds))


def stock_trial(config: dict[str, Any]) -> None:
    """The same training as a function that reports to Tune."""
    from ray import tune

    from resablate.trial import Trial

    trial = Trial(TrainSpec.parse(config["trial"]), [ASKED])
    seconds = 0.0
    while not trial.training.done:
        metrics = trial.run_epoch()
        seconds += metrics.wall_seconds
        tune.report({**asdict(metrics), "seconds": seconds})
    trial.finish()


def stock(seeds: Sequence[int], *, name: str, uri: str) -> Spent:
    """The trials as a function trainable with Ray's own MLflow callback, each in a process of its own."""
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    with tempfile.TemporaryDirectory() as storage:
        start = time.perf_counter()
        results = tune.Tuner(
            tune.with_resources(stock_trial, {"cpu": 1}),
            param_space={"trial": tune.grid_search([spec.changes() for spec in specs(seeds)])},
            run_config=tune.RunConfig(
                name=name,
                storage_path=storage,
                verbose=0,
                callbacks=[MLflowLoggerCallback(tracking_uri=uri, experiment_name=name)],
            ),
        ).fit()
        wall = time.perf_counter() - start
    assert results.num_errors == 0, results.errors
    return Spent(wall, sum(result.metrics["seconds"] for result in results), len(seeds))


def compared(trials: int, *, uri: str, rounds: int = 2) -> list[Figure]:
    """Both ways in turn, a share of the trials each time."""
    totals = {"ours": Spent(0, 0, 0), "stock": Spent(0, 0, 0)}
    for turn in range(rounds):
        seeds = range(turn * trials // rounds, (turn + 1) * trials // rounds)
        totals["ours"] += ours(seeds, name=f"ours{turn}", uri=uri)
        totals["stock"] += stock(seeds, name=f"stock{turn}", uri=uri)
    mine, theirs = totals["ours"].outside, totals["stock"].outside
    about = f"{trials} trials of {TINY['epochs']} reports, {SLOTS} at a time"
    return [
        Figure(f"time outside training, {about}", mine, "s a trial", 0.3),
        Figure(f"the same with a function trainable and MLflowLoggerCallback: {theirs:.2f} s; ratio", theirs / mine,
               "times", 10, at_least=True),
    ]  # fmt: skip


def reports(uri: str, *, count: int = 100) -> list[Figure]:
    """What a report costs the trial, which hands it over, and the process that files it."""
    tracker = MlflowTracker(uri)
    [spec] = specs([0])
    sweep = parse_sweep({"name": "reports", "base": TINY, "axes": {"seed": [0]}})
    tracker.start_sweep(sweep, trials=[spec], command="")
    tracker.start_trial(spec)
    [metrics] = make_result(losses=[1.0]).history
    start = time.perf_counter()
    for epoch in range(count):
        tracker.log_epoch(spec.key, replace(metrics, epoch=epoch + 1))
    each = (time.perf_counter() - start) / count
    tracker.end_sweep("interrupted")
    return [Figure("filing a report, off the training path", 1000 * each, "ms", 25)]


def many(trials: int, *, uri: str) -> list[Figure]:
    """One long sweep: the driver's memory, and its pace, early and late."""
    ended: list[tuple[float, float]] = []
    with watched(lambda: ended.append((time.perf_counter(), resident_mib()))):
        ours(range(_OTHERS, _OTHERS + trials), name="many", uri=uri)
    window = min(WINDOW, trials // 4)
    early, late = ended[min(WARM_UP, trials // 4) :], ended[-window - 1 :]
    pace = [(part[window][0] - part[0][0]) / window for part in (early, late)]
    growth = ended[-1][1] / early[0][1]
    first = len(ended) - len(early)
    return [
        Figure(f"driver's memory at trial {trials} over that at trial {first} ({early[0][1]:.0f} MiB)", growth, "times",
               1.1),
        Figure(f"time of a trial, last {window} over those after {first} ({pace[0]:.3f} s)", pace[1] / pace[0], "times",
               1.2),
    ]  # fmt: skip


@contextmanager
def watched(look: Callable[[], None]) -> Iterator[None]:
    """Look whenever the driver is told that a trial ended."""
    tell = SweepProgress.ended

    def ended(self: SweepProgress, key: str, *, status: Status, test_error: float, reason: str) -> None:
        tell(self, key, status=status, test_error=test_error, reason=reason)
        look()

    SweepProgress.ended = ended  # type: ignore[method-assign]
    try:
        yield
    finally:
        SweepProgress.ended = tell  # type: ignore[method-assign]


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def ray_and_server() -> Iterator[str]:
    """A Ray of two CPUs and an MLflow server of their own; the server's address."""
    import ray

    from resablate.scheduling.ray_tune import connect_ray

    start = ray.init
    with own_ray_folder() as folder:
        os.environ |= {"RAY_TMPDIR": str(folder), "HOME": str(folder), "RESABLATE_HOME": str(folder / "home")}
        (folder / "server").mkdir()
        make_database(folder / "server")
        try:
            ray.init = lambda **options: start(num_cpus=SLOTS, num_gpus=0, **options)
            connect_ray()
            with MlflowServer(folder / "server") as server:
                yield server.uri
        finally:
            ray.init = start
            ray.shutdown()


def rows(trials: int = 50, many_trials: int = 1000) -> list[Figure]:
    """Everything; without the long sweep where `many_trials` is 0."""
    with ray_and_server() as uri:
        found = [*compared(trials, uri=uri), *reports(uri)]
        return found + (many(many_trials, uri=uri) if many_trials else [])


def main(arguments: Sequence[str] | None = None, *, folder: Path = FOLDER) -> list[Figure]:
    """Run it, print and write the page."""
    parser = argparse.ArgumentParser(description="Time sweeps against the stock way of running them.")
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--many", type=int, default=1000, help="trials of the long sweep; 0 for none")
    asked = parser.parse_args(arguments)
    found = rows(asked.trials, asked.many)
    lines = ["| what | measured | promised | |", "|---|---|---|---|"]
    for each in found:
        promise = f"{'at least' if each.at_least else 'at most'} {each.bound:g}"
        kept = "kept" if each.holds else "**not kept**"
        lines.append(f"| {each.what} | {each.value:.3g} {each.unit} | {promise} | {kept} |")
    head = "# What a sweep costs besides training\n\nBy `python -m tests.benchmarks.overhead`.\n\n"
    folder.mkdir(parents=True, exist_ok=True)
    text = head + "\n".join(lines) + f"\n\nMachine: {json.dumps(machine())}\n"
    (folder / "overhead.md").write_text(text, encoding="utf-8")
    print(text)
    return found


if __name__ == "__main__":
    main()
