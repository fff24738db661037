"""Where Ray keeps its token and its files while tests run."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest import mock


@lru_cache
def ray_home() -> str:
    """One folder for the whole process: Ray reads the token once, and a second Ray with another is never reached."""
    folder = tempfile.mkdtemp(prefix="rh", dir="/tmp")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextmanager
def own_ray_folder() -> Iterator[Path]:
    """A folder for the files of a Ray that is started in it: `RAY_TMPDIR`. It is removed at the end."""
    # Not pytest's: the names of Ray's sockets must be short.
    folder = Path(tempfile.mkdtemp(prefix="ra", dir="/tmp"))
    (folder / "ray").mkdir()
    # A cluster that somebody else started here is not to be joined.
    (folder / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_cluster(nodes: int, *, cpus: int) -> Iterator[Any]:
    """A node for the driver, which runs no trial, and so many that do; RAY_ADDRESS names it.

    Args:
        nodes: that run trials.
        cpus: of each of them, as Ray counts.
    """
    import ray
    from ray.cluster_utils import Cluster

    folder = Path(tempfile.mkdtemp(prefix="ra", dir="/tmp"))  # the names of Ray's sockets must be short
    size = {"object_store_memory": 100 * 2**20, "num_gpus": 0}
    # HOME: with the token of every Ray of this process.
    with mock.patch.dict(os.environ, {"RAY_TMPDIR": str(folder), "HOME": ray_home()}):
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "temp_dir": str(folder / "ray"), **size})
        try:
            for _ in range(nodes):
                cluster.add_node(num_cpus=cpus, **size)
            cluster.wait_for_nodes()
            os.environ["RAY_ADDRESS"] = cluster.address
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()
            shutil.rmtree(folder, ignore_errors=True)
