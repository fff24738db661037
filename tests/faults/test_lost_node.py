"""A node of the cluster goes while it runs a trial: the trial continues elsewhere."""

import io
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster
from rich.console import Console

from resablate.plan import plan_sweep
from resablate.scheduling import ray_driver, run_sweep
from resablate.tracking import open_tracker
from tests.faults.conftest import Numbers
from tests.faults.sweeps import runs_of, slow_plan
from tests.scheduling.ray_home import own_cluster
from tests.scheduling.tiny import numbers
from tests.tracking.databases import make_database

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    # What Ray does when it is used and left: none of it is ours.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray.*"),
]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with own_cluster(2, cpus=1) as cluster:
        yield cluster


def test_a_trial_continues_on_another_node(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, numbers_undisturbed: Numbers
) -> None:
    steps: list[tuple[str, str, int]] = []
    removed: list[str] = []
    nodes: dict[int, str] = {}  # a last step may arrive after its node has gone, and its process has no parent then
    pass_on = ray_driver.Watcher.on_trial_result

    def watch(self: Any, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any) -> None:
        here = nodes.setdefault(result["pid"], parent(result["pid"]))
        steps.append((trial.config["pack"][0]["key"], here, result["epoch"]))
        if result["epoch"] == 2 and not removed:
            removed.append(here)
            [node] = [node for node in cluster.worker_nodes if raylet(node) == int(here)]
            cluster.remove_node(node, allow_graceful=False)
        pass_on(self, iteration, trials, trial, result, **info)

    monkeypatch.setattr(ray_driver.Watcher, "on_trial_result", watch)
    uri = make_database(tmp_path)
    plan = plan_sweep(slow_plan().sweep)
    text = io.StringIO()
    outcome = run_sweep(plan, scheduler="ray_tune", command="", console=Console(file=text, width=200), uri=uri)
    assert "3 nodes" in text.getvalue()
    assert (outcome.counts, outcome.failed) == ({"finished": 3}, False), text.getvalue()
    lost = [key for key, node, _ in steps if node == removed[0]]
    moved = {node for key, node, _ in steps if key in lost}
    assert len(moved) == 2, "it went on where another node was"
    after = [epoch for key, node, epoch in steps if key == lost[0] and node != removed[0]]
    assert after[0] > 1, "from its checkpoint"
    assert [numbers(result) for result in open_tracker(uri).load_sweep("tiny").results] == numbers_undisturbed
    statuses = [run.info.status for run in runs_of(uri)]
    assert statuses == ["FINISHED"] * 4
    with suppress(ProcessLookupError):
        os.kill(int(removed[0]), 0)
        raise AssertionError("the node is still there")


def parent(pid: int) -> str:
    """The parent of a process, which is the raylet of its node; nothing where the process has ended."""
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    return ""


def raylet(node: Any) -> int:
    """The process of a node's raylet."""
    [process] = node.all_processes["raylet"]
    return int(process.process.pid)
