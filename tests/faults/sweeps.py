"""Sweeps as processes of their own, to be killed in the middle, and what must hold when all is over."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from mlflow import MlflowClient
from safetensors import safe_open

from resablate.plan import SweepPlan
from resablate.result import TrialResult
from resablate.spec import TrainSpec
from resablate.tracking import open_tracker
from resablate.training import thread_count
from resablate.trial import run_trial
from tests.scheduling.tiny import final_plan, numbers

MARK = "RESABLATE_TEST_MARK"
SLOW: Mapping[str, Any] = {
    "epochs": 6,
    "batch_size": 16,
    "shortcut": "dropout",
    "fields": {"dataset.train_examples": 1400},
    "analyses": {"lesion": {"examples": 64}, "norm_preservation": {"examples": 32, "epochs": [1]}},
}
"""Trials of seconds, whose randomness would tell if it did not continue where it was."""


def slow_plan(seeds: int = 3, **base: Any) -> SweepPlan:
    return final_plan({"seed": list(range(seeds))}, **{**SLOW, **base})


def numbers_alone(plan: SweepPlan, spec: TrainSpec, *, folder: Path) -> dict[str, Any]:
    """What a trial of the plan measures where nothing happens to it, on one thread, as sweeps compute."""
    with thread_count(1):
        return numbers(run_trial(*plan.request(spec), folder=folder))


@dataclass
class SweepProcess:
    """`resablate sweep` on `plan` in `folder`, again and again."""

    folder: Path
    plan: SweepPlan
    uri: str
    words: Sequence[str] = ("--inline",)
    program: str = "resablate"
    """The module that is run."""
    environment: dict[str, str] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    process: subprocess.Popen[str] | None = None

    def start(self, *more: str) -> None:
        """Begin it, as the leader of a process group."""
        left_out = {"question"} if self.plan.adaptive else {"search", "question"}
        content = self.plan.sweep.model_dump(mode="json", exclude=left_out, exclude_defaults=self.plan.adaptive)
        (self.folder / "tiny.yaml").write_text(yaml.safe_dump(content))
        environment = os.environ | {"OMP_NUM_THREADS": "1", MARK: self.mark} | self.environment
        command = [sys.executable, "-m", self.program, "sweep", "tiny.yaml", *self.words, *more]
        with (self.folder / "out").open("w") as out, (self.folder / "err").open("w") as err:
            self.process = subprocess.Popen(
                [*command, "--tracking-uri", self.uri],
                cwd=self.folder,
                env=environment | {"RESABLATE_HOME": str(self.folder), "PYTHONPATH": os.pathsep.join(sys.path)},
                stdout=out,
                stderr=err,
                text=True,
                start_new_session=True,
            )

    def said(self) -> str:
        """All that the latest process wrote."""
        return (self.folder / "out").read_text() + (self.folder / "err").read_text()

    def run(self, *more: str) -> int:
        """Begin it and wait for its end: its exit code."""
        self.start(*more)
        return self.ended()

    def ended(self) -> int:
        """Wait for its end: its exit code."""
        assert self.process is not None
        return self.process.wait(200)

    def until(self, condition: Callable[[], bool], *, seconds: float = 150) -> None:
        """Wait for something to be so while the sweep runs."""
        assert self.process is not None
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"the sweep ended:\n{self.said()}"
            assert time.monotonic() < deadline, f"it did not come to that:\n{self.said()}"
            time.sleep(0.02)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the driver alone."""
        assert self.process is not None
        os.kill(self.process.pid, number)

    def epochs(self) -> dict[str, int]:
        """Key -> epochs in the newest checkpoint."""
        return {file.parent.name: int(file.stem[-6:]) for file in sorted(self.folder.rglob("checkpoint-*.safetensors"))}

    def reached(self, epoch: int) -> bool:
        """Whether a trial under way has a checkpoint of this epoch or a later one."""
        return any(done >= epoch for done in self.epochs().values())

    def times(self) -> dict[str, list[float]]:
        """Key -> seconds of each epoch, from the newest checkpoint: they tell which training an epoch is from."""
        return {file.parent.name: epoch_times(file) for file in sorted(self.folder.rglob("checkpoint-*.safetensors"))}

    def spooled(self) -> set[str]:
        """Keys of results that wait to be filed."""
        return {file.parent.name for file in self.folder.glob(".resablate/*/spool/*/result.json")}

    def alive(self) -> list[int]:
        """Processes that this sweep started, whoever their parent is now."""
        found: list[int] = []
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"{MARK}={self.mark}".encode() in (place / "environ").read_bytes():
                    found.append(int(place.name))
        return found

    def gone(self, *, seconds: float = 90) -> bool:
        """Whether all of them end within this time."""
        deadline = time.monotonic() + seconds
        while self.alive() and time.monotonic() < deadline:
            time.sleep(0.1)
        return not self.alive()

    def clean_up(self) -> None:
        """Kill what a failed test left."""
        for pid in self.alive():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def results(self) -> list[TrialResult]:
        return open_tracker(self.uri).load_sweep(self.plan.sweep.name).results


def epoch_times(checkpoint: Path) -> list[float]:
    """Seconds of each epoch that a checkpoint holds."""
    with safe_open(checkpoint, framework="pt") as opened:
        return [row["wall_seconds"] for row in json.loads(opened.metadata()["history"])]


def everything_is_in_order(sweep: SweepProcess) -> None:
    """Nothing runs, every key has one run, no process is left, and neither is a file to continue from."""
    runs = runs_of(sweep.uri)
    assert [run.info.run_id for run in runs if run.info.status == "RUNNING"] == []
    keys = Counter(run.data.tags["resablate.key"] for run in runs if "resablate.key" in run.data.tags)
    assert keys == dict.fromkeys((spec.key for spec in sweep.plan.trials), 1)
    assert sweep.gone(), [(Path("/proc") / str(pid) / "cmdline").read_bytes() for pid in sweep.alive()]
    assert [path for path in (sweep.folder / ".resablate").rglob("*") if path.is_file()] == []


def runs_of(uri: str) -> list[Any]:
    """Every run of the store, sweeps and trials."""
    client = MlflowClient(tracking_uri=uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    page = client.search_runs(experiments)
    found = list(page)
    while page.token:
        page = client.search_runs(experiments, page_token=page.token)
        found += page
    return found
