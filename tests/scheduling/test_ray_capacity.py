"""How many trials fit: counted, and placed by a real Ray."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.util import placement_group_table
from ray.util.placement_group import placement_group, remove_placement_group

from resablate.errors import ResourceError
from resablate.scheduling import ray_capacity as module
from resablate.scheduling.ray_capacity import RayCapacity, ray_capacity, trials_that_fit
from resablate.sweep import Resources
from tests.scheduling.ray_home import ray_home

GPUS = [
    # GPUs of a trial, of a node, trials at a time
    (0.4, 4, 8),
    (0.4, 1, 2),
    (0.3, 4, 12),
    (1 / 3, 4, 12),
    (0.3334, 4, 8),
    (0.25, 4, 16),
    (0.2, 4, 20),
    (0.1, 4, 40),
    (0.7, 4, 4),
    (0.51, 4, 4),
    (0.5, 4, 8),
    (1, 4, 4),
    (2, 4, 2),
    (3, 4, 1),
    (4, 4, 1),
    (5, 4, 0),
    (0.5, 0, 0),
    (1, 0, 0),
]


@pytest.mark.parametrize(("gpus", "there", "trials"), GPUS)
def test_a_part_of_a_gpu_lies_on_one_gpu(gpus: float, there: float, trials: int) -> None:
    assert trials_that_fit({"CPU": 1000.0, "GPU": float(there)}, cpus=1, gpus=gpus) == trials


@pytest.mark.parametrize(
    ("cpus", "there", "trials"),
    [(1, 4, 4), (0.1, 1, 10), (0.1, 0.3, 3), (0.7, 2.1, 3), (3, 4, 1), (5, 4, 0), (0.0001, 1, 10_000), (1, 0, 0)],
)
def test_cpus_are_counted_as_ray_counts_them(cpus: float, there: float, trials: int) -> None:
    """0.3 / 0.1 is less than 3 in binary fractions."""
    assert trials_that_fit({"CPU": there}, cpus=cpus, gpus=0) == trials


def test_the_scarcer_of_the_two_decides() -> None:
    node = {"CPU": 6.0, "GPU": 4.0}
    assert trials_that_fit(node, cpus=1, gpus=0.4) == 6
    assert trials_that_fit(node, cpus=0.5, gpus=0.4) == 8
    assert trials_that_fit({"CPU": 6.0}, cpus=1, gpus=0.4) == 0


def nodes(*resources: dict[str, float]) -> list[dict[str, Any]]:
    return [{"Alive": True, "NodeID": str(place), "Resources": has} for place, has in enumerate(resources)]


def test_the_nodes_of_a_cluster_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    there = nodes({"CPU": 64.0, "GPU": 4.0}, {"CPU": 64.0, "GPU": 1.0}, {"CPU": 8.0})
    there.append({"Alive": False, "NodeID": "gone", "Resources": {"CPU": 64.0, "GPU": 8.0}})
    monkeypatch.setattr(ray, "nodes", lambda: there)
    described = "3 nodes (64 CPUs and 4 GPUs, 64 CPUs and 1 GPUs, 8 CPUs and 0 GPUs)"
    assert ray_capacity(Resources(gpus=0.4)) == RayCapacity(10, 0.4, described)
    assert ray_capacity(Resources()) == RayCapacity(5, 1.0, described)
    assert ray_capacity(Resources(gpus=0)) == RayCapacity(136, 0, described)
    monkeypatch.setenv("RESABLATE_MAX_NODES", "5")
    grown = f"{described}, growing to 5 like the largest"
    assert ray_capacity(Resources(gpus=0.4)) == RayCapacity(40, 0.4, grown)


def test_memory_decides_how_many_share_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "nodes", lambda: nodes({"CPU": 64.0, "GPU": 4.0}))
    monkeypatch.setattr(module, "_smallest_gpu_gib", lambda alive: 80.0)
    found = ray_capacity(Resources(gpus=0.01, gpu_memory_gib=32))
    assert (found.concurrent, found.gpus_per_trial) == (8, 0.4)


def test_what_no_node_can_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "nodes", lambda: nodes({"CPU": 2.0}, {"CPU": 2.0, "GPU": 1.0}))
    with pytest.raises(ResourceError, match=r"asks for 1 CPUs and 2 GPUs, which no node can give \(nodes: 2 CPUs and "):
        ray_capacity(Resources(gpus=2))


def test_a_number_of_nodes_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "nodes", lambda: nodes({"CPU": 2.0}))
    monkeypatch.setenv("RESABLATE_MAX_NODES", "many")
    with pytest.raises(ResourceError, match=r"\$RESABLATE_MAX_NODES is a whole number of nodes, got 'many'"):
        ray_capacity(Resources())


@pytest.fixture(scope="module")
def four_gpus() -> Iterator[None]:
    """A Ray that believes in four GPUs; its files are in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="rc", dir="/tmp"))  # not pytest's: names of Ray's sockets must be short
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", str(folder))
        patch.setenv("HOME", ray_home())  # Ray keeps a token there
        patch.delenv("RAY_ADDRESS", raising=False)
        try:
            ray.init(
                address="local",
                _node_ip_address="127.0.0.1",
                include_dashboard=False,
                log_to_driver=False,
                object_store_memory=100 * 2**20,
                num_cpus=64,
                num_gpus=4,
            )
            yield
        finally:
            ray.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.ray
@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::DeprecationWarning:ray.*", "ignore::FutureWarning:ray.*"
)
@pytest.mark.parametrize(("gpus", "trials"), [(0.4, 8), (1 / 3, 12), (2, 2)])
def test_as_many_are_promised_as_ray_places(four_gpus: None, gpus: float, trials: int) -> None:
    """Placement groups are what Tune asks for, one for each trial."""
    assert ray_capacity(Resources(gpus=gpus)).concurrent == trials
    groups = [placement_group([{"CPU": 1, "GPU": gpus}]) for _ in range(trials + 1)]

    def placed() -> int:
        table = placement_group_table()
        return sum(table[group.id.hex()]["state"] == "CREATED" for group in groups)

    deadline = time.monotonic() + 60
    while placed() < trials:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    assert placed() == trials
    for group in groups:
        remove_placement_group(group)
