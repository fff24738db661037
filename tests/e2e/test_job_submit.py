"""A sweep as a Ray job: a real cluster with token authentication, and the command of cluster/README.md."""

import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from resablate.plan import plan_sweep
from resablate.tracking import open_tracker
from tests.clusters import CPUS, Cluster, checkout, ray_head
from tests.scheduling.tiny import tiny_sweep

pytestmark = [pytest.mark.ray, pytest.mark.timeout(400)]

SWEEP = tiny_sweep({"shortcut": ["identity", "none"]})


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with ray_head() as started:
        yield started


def test_a_sweep_submitted_to_a_cluster_runs_once_and_is_filed(cluster: Cluster, tmp_path: Path) -> None:
    working_dir = checkout(tmp_path, SWEEP)

    refused = cluster.submit(working_dir, token=secrets.token_hex(32))
    assert refused.returncode != 0
    assert re.search(r"401|403|[Uu]nauthori[sz]ed|[Ii]nvalid auth|[Aa]uthentication", refused.stdout + refused.stderr)
    assert not (cluster.folder / "records").exists()

    submitted = cluster.submit(working_dir)
    said = submitted.stdout + submitted.stderr
    assert submitted.returncode == 0, said
    assert "succeeded" in said
    assert "tiny: 2 trials, 0 complete before, 2 finished" in said
    assert f"1 node ({CPUS} CPUs and 0 GPUs)" in said, "it joined the cluster"

    uri = f"sqlite:///{cluster.folder / 'records' / 'mlflow.db'}"
    asked = {spec.key for spec in plan_sweep(SWEEP).identified(None).trials}
    assert set(open_tracker(uri).complete_keys()) == asked
    record = open_tracker(uri).load_sweep("tiny")
    assert [result.status for result in record.results] == ["finished"] * 2
    assert record.missing == []
    assert record.command == "resablate sweep sweeps/tiny.yaml"
    assert all(result.analyses["lesion"].table["error"] for result in record.results)

    again = cluster.submit(working_dir)
    said = again.stdout + again.stderr
    assert again.returncode == 0, said
    assert "2 of 2 trials are complete already" in said
    assert "tiny: 2 trials, 2 complete before, nothing to run" in said
    assert set(open_tracker(uri).complete_keys()) == asked


def test_the_python_of_the_job_is_that_of_the_tests(cluster: Cluster) -> None:
    found = shutil.which("python", path=cluster.environment["PATH"])
    assert found is not None
    assert Path(found).resolve() == Path(sys.executable).resolve()
